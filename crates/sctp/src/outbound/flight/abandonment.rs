//! Messages of partial reliability that are given up: their chunks leave the flight, and FORWARD TSN steps over them
//! (RFC 3758 §3.5, RFC 7496 §3). Called by the send path when a limit is reached or a user resets a stream.

use std::time::Instant;

use bytes::Bytes;

use super::{ChunkState, Flight, NewChunk, SentChunk};
use crate::serial::Tsn;

impl Flight {
    pub(super) fn abandon_message(&mut self, index: usize) {
        let message = self.chunks[index].message;
        self.abandoned.push((self.chunks[index].stream, message));
        let mut at = self.chunks[index].previous;
        self.abandon_chunk(index);
        while let Some(index) = self.index(at) {
            at = self.chunks[index].previous;
            self.abandon_chunk(index);
        }
        let mut at = self.chunks[index].next;
        while let Some(index) = self.index(at) {
            at = self.chunks[index].next;
            self.abandon_chunk(index);
        }
        self.advance();
    }

    /// Gives up the message that the chunk with this unwrapped TSN belongs to, if any of it is still here.
    pub(crate) fn abandon_containing(&mut self, tsn: u64) {
        if let Some(index) = self.index(tsn) {
            self.abandon_message(index);
        }
    }

    /// Gives a TSN to the rest of a message that will never be sent, so that FORWARD TSN can name the message even when
    /// all that was sent of it is acknowledged.
    pub(crate) fn push_abandoned(&mut self, now: Instant, rest: NewChunk) -> u64 {
        let tsn = self.push(now, NewChunk { payload: Bytes::new(), ..rest });
        if let Some(index) = self.index(tsn) {
            self.abandon_chunk(index);
        }
        self.advance();
        tsn
    }

    fn abandon_chunk(&mut self, index: usize) {
        self.leave_flight(index);
        // The data is of no more use; the header fields are, for FORWARD TSN.
        let chunk = &mut self.chunks[index];
        chunk.state = ChunkState::Abandoned;
        chunk.payload = Bytes::new();
    }

    /// RFC 3758 §3.5 C2: the point moves over abandoned chunks.
    pub(super) fn advance(&mut self) {
        self.advanced = self.advanced.max(self.base - 1);
        while let Some(index) = self.index(self.advanced + 1) {
            if self.chunks[index].state != ChunkState::Abandoned {
                break;
            }
            self.advanced += 1;
        }
    }

    /// The TSN to name in FORWARD TSN, if there is a reason to send one.
    pub(crate) fn forward_point(&self) -> Option<Tsn> {
        (self.advanced >= self.base).then_some(Tsn(self.advanced as u32))
    }

    /// The chunks that FORWARD TSN passes over.
    pub(crate) fn skipped(&self) -> impl Iterator<Item = &SentChunk> + '_ {
        let count = (self.advanced + 1).saturating_sub(self.base) as usize;
        self.chunks.iter().take(count)
    }

    /// Gives up lost messages whose time is over, so that FORWARD TSN can be sent although the window is shut.
    pub(crate) fn abandon_expired(&mut self, now: Instant) {
        while let Some(index) = self.retransmit.front().and_then(|tsn| self.index(*tsn)) {
            let chunk = &self.chunks[index];
            match chunk.state {
                ChunkState::Lost if may_not_retransmit(chunk, now) => self.abandon_message(index),
                ChunkState::Lost => break,
                _ => {}
            }
            self.retransmit.pop_front();
        }
    }
}

/// RFC 7496 §3: the time is over, or the retransmissions are used up.
pub(super) fn may_not_retransmit(chunk: &SentChunk, now: Instant) -> bool {
    chunk.expires.is_some_and(|expires| expires <= now)
        || chunk.limit.is_some_and(|limit| chunk.retransmits >= limit)
}
