//! The receive path: chunk → TSN tracker → runs of fragments → order of the stream → event (RFC 9260 §6.2, §6.5, §6.6, §6.9;
//! RFC 8260 §2.2). Memory is bounded by the receive window: whatever is held is reckoned with its bookkeeping, and data
//! beyond the window is refused.
//!
//! ```text
//!  DATA / I-DATA ─► TsnTracker ─► RunSet ─► ReceiveStream (ordered only) ─► Event::Message
//!                       │
//!                       └─► SACK
//! ```

mod run;
mod tracker;

pub(crate) use run::OVERHEAD;

use crate::serial::{Mid, PayloadProtocolId, Ssn, StreamId, Tsn};
use bytes::Bytes;
use run::{Complete, Fragment, MessageKey, RunSet};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use tracker::{Arrival, TsnTracker};

/// Incomplete messages for which room may be reserved in advance.
const MAX_RESERVING: usize = 8;
/// Reckoned for each incomplete I-DATA message beside its fragments: what its entry among those of its stream takes.
const MESSAGE_OVERHEAD: usize = 384;

/// A fragment as both kinds of chunk carry it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) tsn: Tsn,
    pub(crate) stream: StreamId,
    pub(crate) unordered: bool,
    pub(crate) begin: bool,
    pub(crate) end: bool,
    /// SSN or MID.
    pub(crate) number: u32,
    /// I-DATA only.
    pub(crate) fsn: u32,
    pub(crate) ppid: PayloadProtocolId,
    pub(crate) payload: &'a [u8],
}

/// A message for the application.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) stream: StreamId,
    pub(crate) ppid: PayloadProtocolId,
    pub(crate) data: Bytes,
    pub(crate) unordered: bool,
}

/// What became of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Taken,
    Duplicate,
    /// A limit was reached; the peer will send it again.
    Refused,
    /// The message is longer than we accept: the association must end.
    TooLong,
}

#[derive(Debug, Default)]
struct ReceiveStream {
    /// The next ordered message to deliver, counted without wrapping.
    next: u64,
    /// Whole ordered messages that arrived early.
    early: BTreeMap<u64, (PayloadProtocolId, Bytes)>,
    /// I-DATA messages in pieces: unordered, MID.
    pieces: BTreeMap<(bool, u32), Box<RunSet>>,
}

impl ReceiveStream {
    /// The place of a message in the order, from its wrapping number. `None`: it is in the past.
    fn place(&self, number: u32, interleaving: bool) -> Option<u64> {
        let ahead = if interleaving {
            i64::from(Mid(number).distance(Mid(self.next as u32)))
        } else {
            i64::from(Ssn(number as u16).distance(Ssn(self.next as u16)))
        };
        u64::try_from(ahead).ok().map(|ahead| self.next + ahead)
    }
}

#[derive(Debug)]
pub(crate) struct Inbound {
    tracker: TsnTracker,
    interleaving: bool,
    /// Incomplete messages of DATA.
    data: RunSet,
    streams: FxHashMap<StreamId, ReceiveStream>,
    /// Messages for the application, in order.
    pub(crate) ready: Vec<Delivered>,
    /// Bytes held, with bookkeeping, delivered messages that were not fetched included.
    held: usize,
    window: usize,
    max_message_size: usize,
    /// Incomplete I-DATA messages.
    pieces: usize,
    /// The length of the last message in several fragments: the next is likely to be as long.
    usual_length: usize,
}

impl Inbound {
    /// `held`: bytes of the window that unfetched messages of an earlier incarnation fill.
    pub(crate) fn new(
        initial_tsn: Tsn,
        interleaving: bool,
        window: usize,
        max_message_size: usize,
        held: usize,
    ) -> Self {
        Self {
            tracker: TsnTracker::new(initial_tsn),
            interleaving,
            data: RunSet::default(),
            streams: FxHashMap::default(),
            ready: Vec::new(),
            held,
            window,
            max_message_size,
            pieces: 0,
            usual_length: 0,
        }
    }

    pub(crate) fn cumulative(&self) -> Tsn {
        self.tracker.cumulative()
    }

    pub(crate) fn has_gaps(&self) -> bool {
        self.tracker.has_gaps()
    }

    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// What is left of the window.
    pub(crate) fn a_rwnd(&self) -> u32 {
        self.window.saturating_sub(self.held).min(u32::MAX as usize) as u32
    }

    pub(crate) fn write_sack(&mut self, buf: &mut Vec<u8>, room: usize) {
        let a_rwnd = self.a_rwnd();
        self.tracker.write_sack(buf, room, a_rwnd);
    }

    /// Delivered messages of so many bytes, bookkeeping included, are held no longer.
    pub(crate) fn released(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes);
    }

    pub(crate) fn on_fragment(&mut self, incoming: &Incoming<'_>) -> Outcome {
        let tsn = match self.tracker.classify(incoming.tsn) {
            Arrival::New(tsn) => tsn,
            Arrival::Duplicate => {
                self.tracker.record_duplicate(incoming.tsn);
                return Outcome::Duplicate;
            }
            Arrival::Refused => return Outcome::Refused,
        };
        let cost = incoming.payload.len() + OVERHEAD;
        if self.held + cost > self.window {
            // RFC 9260 §6.2: a full receiver drops what is new but takes what fills holes or goes on with a message, or
            // nothing could ever be delivered. A second limit ends even that.
            let limit = self.window + self.max_message_size;
            if !self.tracker.is_waited_for(tsn, incoming.begin) || self.held + cost > limit {
                return Outcome::Refused;
            }
        }
        let key = MessageKey {
            stream: incoming.stream.0,
            unordered: incoming.unordered,
            number: if incoming.unordered && !self.interleaving { 0 } else { incoming.number },
        };
        if incoming.begin && incoming.end {
            if incoming.payload.len() > self.max_message_size {
                return Outcome::TooLong;
            }
            self.tracker.record(tsn);
            self.complete(Complete {
                key,
                ppid: incoming.ppid,
                data: Bytes::copy_from_slice(incoming.payload),
            });
            return Outcome::Taken;
        }
        let capacity = if self.pieces < MAX_RESERVING { self.usual_length } else { 0 };
        let fragment = Fragment {
            key,
            position: if self.interleaving { u64::from(incoming.fsn) } else { tsn },
            begin: incoming.begin,
            end: incoming.end,
            ppid: incoming.ppid,
            payload: incoming.payload,
        };
        let result = if self.interleaving {
            let stream = self.streams.entry(incoming.stream).or_default();
            // A fragment of a message that was delivered or skipped before is of no use.
            if !incoming.unordered && stream.place(incoming.number, true).is_none() {
                self.tracker.record(tsn);
                return Outcome::Taken;
            }
            let place = (incoming.unordered, incoming.number);
            let (pieces, held) = (&mut self.pieces, &mut self.held);
            let runs = stream.pieces.entry(place).or_insert_with(|| {
                *pieces += 1;
                *held += MESSAGE_OVERHEAD;
                Box::default()
            });
            let before = runs.cost();
            let result = runs.insert(&fragment, capacity, self.max_message_size);
            self.held = self.held + runs.cost() - before;
            if runs.is_empty() {
                stream.pieces.remove(&place);
                self.pieces -= 1;
                self.held -= MESSAGE_OVERHEAD;
            }
            result
        } else {
            let before = self.data.cost();
            let result = self.data.insert(&fragment, capacity, self.max_message_size);
            self.held = self.held + self.data.cost() - before;
            result
        };
        match result {
            Err(_) => return Outcome::TooLong,
            Ok(None) => self.tracker.record(tsn),
            Ok(Some(complete)) => {
                self.tracker.record(tsn);
                self.usual_length = complete.data.len();
                self.complete(complete);
            }
        }
        Outcome::Taken
    }

    /// Acknowledges a chunk that is not delivered.
    pub(crate) fn discard(&mut self, tsn: Tsn) {
        if let Arrival::New(tsn) = self.tracker.classify(tsn) {
            self.tracker.record(tsn);
        }
    }

    fn complete(&mut self, message: Complete) {
        let Complete { key, ppid, data } = message;
        let id = StreamId(key.stream);
        if key.unordered {
            self.held += data.len() + OVERHEAD;
            self.ready.push(Delivered { stream: id, ppid, data, unordered: true });
            return;
        }
        let stream = self.streams.entry(id).or_default();
        match stream.place(key.number, self.interleaving) {
            None => {}
            Some(place) if place == stream.next => {
                self.held += data.len() + OVERHEAD;
                stream.next += 1;
                self.ready.push(Delivered { stream: id, ppid, data, unordered: false });
                if !stream.early.is_empty() {
                    deliver_early(id, stream, &mut self.ready);
                }
            }
            Some(place) => {
                self.held += data.len() + OVERHEAD;
                if let Some((_, replaced)) = stream.early.insert(place, (ppid, data)) {
                    self.held -= replaced.len() + OVERHEAD;
                }
            }
        }
    }

    /// FORWARD TSN: drop what can no longer be completed, and do not wait for it (RFC 3758 §3.6).
    pub(crate) fn forward(
        &mut self,
        tsn: Tsn,
        streams: impl Iterator<Item = (StreamId, Ssn)>,
    ) -> bool {
        // Only a sender of 65536 chunks without answer could be further ahead: take it for noise.
        let position = self.tracker.unwrap(tsn);
        let news = self.tracker.forward(tsn);
        // RFC 3758 §3.6: an old one is only answered; its streams may have been reset since.
        if news {
            let before = self.data.cost();
            self.data.drop_through(position);
            self.held = self.held + self.data.cost() - before;
            for (id, ssn) in streams {
                self.skip(id, u32::from(ssn.0));
            }
        }
        news
    }

    /// I-FORWARD-TSN: the same for I-DATA (RFC 8260 §2.3.1).
    pub(crate) fn forward_interleaved(
        &mut self,
        tsn: Tsn,
        streams: impl Iterator<Item = (StreamId, bool, Mid)>,
    ) -> bool {
        // RFC 3758 §3.6: an old one is only answered; its streams may have been reset since.
        let news = self.tracker.forward(tsn);
        if !news {
            return false;
        }
        for (id, unordered, mid) in streams {
            if let Some(stream) = self.streams.get_mut(&id) {
                let (held, pieces) = (&mut self.held, &mut self.pieces);
                stream.pieces.retain(|(is_unordered, number), runs| {
                    let keep = *is_unordered != unordered || Mid(*number).is_after(mid);
                    if !keep {
                        *held -= runs.cost() + MESSAGE_OVERHEAD;
                        *pieces -= 1;
                    }
                    keep
                });
            }
            if !unordered {
                self.skip(id, mid.0);
            }
        }
        true
    }

    /// Ordered messages up to and including `number` are not waited for.
    fn skip(&mut self, id: StreamId, number: u32) {
        let stream = self.streams.entry(id).or_default();
        let Some(place) = stream.place(number, self.interleaving) else { return };
        while let Some(entry) = stream.early.first_entry() {
            if *entry.key() > place {
                break;
            }
            let (ppid, data) = entry.remove();
            self.ready.push(Delivered { stream: id, ppid, data, unordered: false });
        }
        stream.next = place + 1;
        deliver_early(id, stream, &mut self.ready);
    }

    /// The peer reset its side of these streams (all if empty): numbers start again (RFC 6525 §5.2.2 E5).
    /// Returns those that were in use, or all that were named.
    pub(crate) fn reset_streams(&mut self, ids: &[StreamId]) -> Vec<StreamId> {
        let before = self.data.cost();
        self.data.drop_streams((!ids.is_empty()).then_some(ids));
        self.held = self.held + self.data.cost() - before;
        let named: Vec<StreamId> =
            if ids.is_empty() { self.streams.keys().copied().collect() } else { ids.to_vec() };
        for id in &named {
            if let Some(stream) = self.streams.remove(id) {
                for (_, data) in stream.early.into_values() {
                    self.held -= data.len() + OVERHEAD;
                }
                for runs in stream.pieces.into_values() {
                    self.held -= runs.cost() + MESSAGE_OVERHEAD;
                    self.pieces -= 1;
                }
            }
        }
        named
    }
}

fn deliver_early(id: StreamId, stream: &mut ReceiveStream, ready: &mut Vec<Delivered>) {
    while let Some(entry) = stream.early.first_entry() {
        if *entry.key() != stream.next {
            break;
        }
        let (ppid, data) = entry.remove();
        stream.next += 1;
        ready.push(Delivered { stream: id, ppid, data, unordered: false });
    }
}
