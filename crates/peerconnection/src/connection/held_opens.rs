//! Channels that the peer opens on streams whose old channels are not finished here: it has carried out our reset, but its
//! answer was lost and will come, for SCTP asks again (RFC 6525 §5.1.1). The OPEN waits for that, with the messages that
//! follow it on its stream; other channels go on.

use std::collections::VecDeque;

use bytes::Bytes;
use peerage_sctp::StreamId;

use crate::dcep::Open;

/// OPENs that wait, and bytes of messages behind them. Beyond, all messages of the association wait where SCTP's window
/// bounds them.
const MAX_HELD: usize = 64;
const MAX_HELD_BYTES: usize = 256 << 10;

/// A channel to be.
#[derive(Debug)]
pub(super) struct HeldOpen {
    stream: StreamId,
    pub(super) open: Open,
    /// What came after the OPEN, with its payload protocol identifiers.
    pub(super) messages: VecDeque<(u32, Bytes)>,
    /// The peer has reset the stream again.
    pub(super) reset: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct HeldOpens {
    list: Vec<HeldOpen>,
    bytes: usize,
}

impl HeldOpens {
    /// Whether no more is to be taken from SCTP.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= MAX_HELD || self.bytes >= MAX_HELD_BYTES
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn hold(&mut self, stream: StreamId, open: Open) {
        self.list.push(HeldOpen { stream, open, messages: VecDeque::new(), reset: false });
    }

    fn find(&mut self, stream: StreamId) -> Option<&mut HeldOpen> {
        self.list.iter_mut().find(|held| held.stream == stream)
    }

    /// Holds a message back that follows an OPEN that is held; `None` if it is.
    pub(super) fn push(&mut self, stream: StreamId, ppid: u32, data: Bytes) -> Option<Bytes> {
        match self.find(stream) {
            Some(held) => {
                let len = data.len();
                held.messages.push_back((ppid, data));
                // An empty message takes room as well.
                self.bytes += len.max(64);
                None
            }
            None => Some(data),
        }
    }

    /// Notes that the peer resets the stream of an OPEN that is held; whether it is one.
    pub(super) fn note_reset(&mut self, stream: StreamId) -> bool {
        self.find(stream).map(|held| held.reset = true).is_some()
    }

    /// The old channel of the stream is finished.
    pub(super) fn take(&mut self, stream: StreamId) -> Option<HeldOpen> {
        let index = self.list.iter().position(|held| held.stream == stream)?;
        let held = self.list.remove(index);
        self.bytes -= held.messages.iter().map(|(_, data)| data.len().max(64)).sum::<usize>();
        Some(held)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
