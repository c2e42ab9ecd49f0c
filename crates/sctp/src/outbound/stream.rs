//! The send side of the streams: messages waiting, cut into fragments by slicing when their turn comes. Knows nothing of
//! the network; [`Outbound`](super::Outbound) moves fragments from here into the flight.

use super::flight::NewChunk;
use super::scheduler::Scheduler;
use crate::config::{Reliability, SendOptions};
use crate::packet::data::FragmentFlags;
use crate::serial::{PayloadProtocolId, StreamId};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::time::Instant;

/// Priority of streams that were given none ("low" of RFC 8831 §6.4, the default of W3C data channels).
const DEFAULT_PRIORITY: u16 = 256;
/// Added to the length of a message for what the peer's bookkeeping may cost its window.
const MESSAGE_ALLOWANCE: usize = 512;

/// A message that waits, or is partly sent.
#[derive(Debug)]
struct Message {
    /// What is not sent yet.
    rest: Bytes,
    ppid: PayloadProtocolId,
    ordered: bool,
    limit: Option<u16>,
    expires: Option<Instant>,
    id: u64,
    /// Set with the first fragment.
    started: Option<Started>,
}

#[derive(Clone, Copy, Debug)]
struct Started {
    number: u32,
    next_fsn: u32,
    last_tsn: u64,
    /// What the whole message counts against the peer's window; 0 if it is one fragment, or not interleaved.
    committed: usize,
}

/// Where a stream stands in being reset (RFC 6525 §5.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ResetState {
    #[default]
    Open,
    /// Waits until its messages are sent.
    Wanted,
    /// Part of the request under way.
    Requested,
}

#[derive(Debug)]
struct SendStream {
    queue: VecDeque<Message>,
    buffered: usize,
    low_threshold: usize,
    priority: u16,
    next_ordered: u32,
    next_unordered: u32,
    virtual_time: u64,
    reset: ResetState,
}

impl Default for SendStream {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            buffered: 0,
            low_threshold: 0,
            priority: DEFAULT_PRIORITY,
            next_ordered: 0,
            next_unordered: 0,
            virtual_time: 0,
            reset: ResetState::Open,
        }
    }
}

/// What comes next from the queues.
#[derive(Debug)]
pub(crate) enum Next {
    Fragment(NewChunk),
    /// A partly sent message ran out of time: what was sent of it is to be abandoned, and this rest with it.
    Expired(NewChunk),
    /// Nothing waits, or nothing that fits.
    Nothing,
}

#[derive(Debug)]
pub(crate) struct SendStreams {
    streams: FxHashMap<StreamId, SendStream>,
    scheduler: Scheduler,
    interleaving: bool,
    partial_reliability: bool,
    /// The window the peer announced first.
    peer_window: usize,
    /// What messages of several fragments count that were begun and are not acknowledged to their end.
    committed: usize,
    /// How many of them are not sent to their end.
    partly_sent: usize,
    /// The last TSN of those that are, and what each counts.
    finishing: VecDeque<(u64, usize)>,
    /// Streams taken out of the schedule because their next message may not begin yet.
    parked: VecDeque<StreamId>,
    buffered: usize,
    next_message: u64,
    /// Streams whose buffered amount fell to the threshold, since last asked.
    pub(crate) low: Vec<StreamId>,
    /// Streams of messages given up before they were begun, since last asked.
    pub(crate) dropped: Vec<StreamId>,
    /// Streams that want a reset and have sent all, since last asked.
    drained: Vec<StreamId>,
    /// The same with the last TSN assigned then, in its order.
    resettable: VecDeque<(u64, StreamId)>,
}

impl SendStreams {
    pub(crate) fn new() -> Self {
        Self {
            streams: FxHashMap::default(),
            scheduler: Scheduler::new(false),
            interleaving: false,
            partial_reliability: false,
            peer_window: 0,
            committed: 0,
            partly_sent: 0,
            finishing: VecDeque::new(),
            parked: VecDeque::new(),
            buffered: 0,
            next_message: 0,
            low: Vec::new(),
            dropped: Vec::new(),
            drained: Vec::new(),
            resettable: VecDeque::new(),
        }
    }

    /// Fixed by the handshake, before the first fragment is cut.
    pub(crate) fn establish(
        &mut self,
        interleaving: bool,
        partial_reliability: bool,
        peer_window: usize,
    ) {
        self.interleaving = interleaving;
        self.partial_reliability = partial_reliability;
        self.peer_window = peer_window;
        self.rebuild_schedule();
    }

    fn rebuild_schedule(&mut self) {
        self.scheduler = Scheduler::new(self.interleaving);
        self.parked.clear();
        let mut active: Vec<StreamId> = self
            .streams
            .iter()
            .filter(|(_, stream)| !stream.queue.is_empty())
            .map(|(id, _)| *id)
            .collect();
        // Messages queued before the handshake leave in the order in which they were queued.
        active.sort_by_key(|id| self.streams[id].queue.front().map(|message| message.id));
        for id in active {
            if let Some(stream) = self.streams.get_mut(&id) {
                self.scheduler.activate(id, &mut stream.virtual_time);
            }
        }
    }

    pub(crate) fn push(&mut self, now: Instant, id: StreamId, options: SendOptions, data: Bytes) {
        let (limit, expires) = match options.reliability {
            Reliability::Reliable => (None, None),
            Reliability::MaxRetransmits(count) => (Some(count), None),
            Reliability::MaxLifetime(lifetime) => (None, now.checked_add(lifetime)),
        };
        let stream = self.streams.entry(id).or_default();
        if stream.queue.is_empty() {
            self.scheduler.activate(id, &mut stream.virtual_time);
        }
        self.buffered += data.len();
        stream.buffered += data.len();
        stream.queue.push_back(Message {
            rest: data,
            ppid: options.ppid,
            ordered: options.ordered,
            limit,
            expires,
            id: self.next_message,
            started: None,
        });
        self.next_message += 1;
    }

    /// Cuts the next fragment, of at most `room` bytes of user data. A message is only cut if `room` is at least
    /// `cut_from`, so that the end of a packet is not filled with crumbs.
    pub(crate) fn next(&mut self, now: Instant, room: usize, cut_from: usize) -> Next {
        loop {
            if self.scheduler.current().is_none() {
                self.unpark();
            }
            let Some(id) = self.scheduler.current() else { return Next::Nothing };
            let Some(stream) = self.streams.get_mut(&id) else { return Next::Nothing };
            let Some(message) = stream.queue.front_mut() else { return Next::Nothing };
            // RFC 3758 §3.3: a peer that does not know FORWARD TSN gets every message.
            if self.partial_reliability && message.expires.is_some_and(|expires| expires <= now) {
                self.dropped.push(id);
                match self.drop_front(id) {
                    Some(rest) => return Next::Expired(rest),
                    None => continue,
                }
            }
            let whole = message.rest.len() <= room;
            if !whole && room < cut_from {
                return Next::Nothing;
            }
            let cost = message.rest.len() + MESSAGE_ALLOWANCE;
            let commits = self.interleaving && !whole && message.started.is_none();
            if commits && self.partly_sent > 0 && self.committed + cost > self.peer_window {
                // Were this begun as well, the peer's window could fill with beginnings of messages that it must keep and
                // cannot deliver, and no end would find room any more.
                self.parked.push_back(id);
                self.scheduler.sent(0, stream.priority, &mut stream.virtual_time, false, false);
                continue;
            }
            if commits {
                self.committed += cost;
                self.partly_sent += 1;
            }
            let payload =
                if whole { std::mem::take(&mut message.rest) } else { message.rest.split_to(room) };
            let begin = message.started.is_none();
            let started = message.started.get_or_insert_with(|| {
                let counter = match (message.ordered, self.interleaving) {
                    (true, _) => Some(&mut stream.next_ordered),
                    (false, true) => Some(&mut stream.next_unordered),
                    // RFC 9260 §6.6: the SSN of unordered DATA means nothing.
                    (false, false) => None,
                };
                let number = counter.map_or(0, |counter| {
                    let number = *counter;
                    *counter = counter.wrapping_add(1);
                    number
                });
                let committed = if commits { cost } else { 0 };
                Started { number, next_fsn: 0, last_tsn: 0, committed }
            });
            let mut flags = 0;
            if begin {
                flags |= FragmentFlags::BEGIN;
            }
            if whole {
                flags |= FragmentFlags::END;
            }
            if !message.ordered {
                flags |= FragmentFlags::UNORDERED;
            }
            let new = NewChunk {
                stream: id,
                flags: FragmentFlags(flags),
                number: started.number,
                fsn: started.next_fsn,
                ppid: message.ppid,
                message: message.id,
                previous: started.last_tsn,
                limit: message.limit.filter(|_| self.partial_reliability),
                expires: message.expires.filter(|_| self.partial_reliability),
                committed: if whole { started.committed } else { 0 },
                payload,
            };
            started.next_fsn = started.next_fsn.wrapping_add(1);
            let size = new.payload.len();
            if whole {
                stream.queue.pop_front();
            }
            let more = !stream.queue.is_empty();
            if !more && stream.reset == ResetState::Wanted {
                self.drained.push(id);
            }
            self.scheduler.sent(size, stream.priority, &mut stream.virtual_time, whole, more);
            self.unbuffer(id, size);
            if new.committed > 0 {
                self.partly_sent -= 1;
            }
            return Next::Fragment(new);
        }
    }

    /// The fragment just cut from `stream`'s front message left with this TSN.
    pub(crate) fn sent_with(&mut self, stream: StreamId, message: u64, tsn: u64) {
        if let Some(front) =
            self.streams.get_mut(&stream).and_then(|stream| stream.queue.front_mut())
            && front.id == message
            && let Some(started) = &mut front.started
        {
            started.last_tsn = tsn;
        }
    }

    /// The last fragment of a message that counted `committed` left with this TSN.
    pub(crate) fn finished_with(&mut self, tsn: u64, committed: usize) {
        self.finishing.push_back((tsn, committed));
    }

    /// All TSNs before `base` were acknowledged.
    pub(crate) fn acknowledged(&mut self, base: u64) {
        while let Some((_, committed)) = self.finishing.front().filter(|(tsn, _)| *tsn < base) {
            self.committed -= committed;
            self.finishing.pop_front();
        }
        self.unpark();
    }

    /// Puts streams back into the schedule, in the order in which they left it, whose messages may begin now.
    fn unpark(&mut self) {
        let mut committed = self.committed;
        while let Some(id) = self.parked.front().copied() {
            let Some(stream) = self.streams.get_mut(&id) else { break };
            let length = stream.queue.front().map_or(0, |message| message.rest.len());
            committed += length + MESSAGE_ALLOWANCE;
            // With nothing else to send, one may always begin.
            if committed > self.peer_window && self.scheduler.current().is_some() {
                break;
            }
            self.parked.pop_front();
            self.scheduler.activate(id, &mut stream.virtual_time);
        }
    }

    /// Drops what is left of a message whose fragments in flight were abandoned, and returns it without its data.
    pub(crate) fn drop_message(&mut self, id: StreamId, message: u64) -> Option<NewChunk> {
        let is_front = self
            .streams
            .get(&id)
            .and_then(|stream| stream.queue.front())
            .is_some_and(|front| front.id == message && front.started.is_some());
        if is_front { self.drop_front(id) } else { None }
    }

    /// Drops the front message; if it was begun, returns its unsent end, without data.
    fn drop_front(&mut self, id: StreamId) -> Option<NewChunk> {
        let stream = self.streams.get_mut(&id)?;
        let message = stream.queue.pop_front()?;
        let size = message.rest.len();
        if stream.queue.is_empty() && stream.reset == ResetState::Wanted {
            self.drained.push(id);
        }
        if message.started.is_some_and(|started| started.committed > 0) {
            self.partly_sent -= 1;
        }
        if stream.queue.is_empty() || self.scheduler.current() == Some(id) {
            // Rare: whole queues are rebuilt rather than searched.
            if self.scheduler.current() == Some(id) {
                let more = !stream.queue.is_empty();
                self.scheduler.sent(0, stream.priority, &mut stream.virtual_time, true, more);
            } else {
                self.rebuild_schedule();
            }
        }
        self.unbuffer(id, size);
        let unordered = if message.ordered { 0 } else { FragmentFlags::UNORDERED };
        message.started.map(|started| NewChunk {
            payload: Bytes::new(),
            stream: id,
            flags: FragmentFlags(FragmentFlags::END | unordered),
            number: started.number,
            fsn: started.next_fsn,
            ppid: message.ppid,
            message: message.id,
            previous: started.last_tsn,
            limit: message.limit,
            expires: message.expires,
            committed: started.committed,
        })
    }

    fn unbuffer(&mut self, id: StreamId, size: usize) {
        self.buffered -= size;
        if let Some(stream) = self.streams.get_mut(&id) {
            let before = stream.buffered;
            stream.buffered -= size;
            if before > stream.low_threshold && stream.buffered <= stream.low_threshold {
                self.low.push(id);
            }
        }
    }

    /// Gives back the room of queues that ran empty.
    pub(crate) fn shrink(&mut self) {
        for stream in self.streams.values_mut().filter(|stream| stream.queue.is_empty()) {
            stream.queue = VecDeque::new();
        }
        self.low.shrink_to_fit();
        self.dropped.shrink_to_fit();
    }

    pub(crate) fn buffered(&self) -> usize {
        self.buffered
    }

    pub(crate) fn has_messages(&self) -> bool {
        self.scheduler.current().is_some() || !self.parked.is_empty()
    }

    pub(crate) fn buffered_on(&self, id: StreamId) -> usize {
        self.streams.get(&id).map_or(0, |stream| stream.buffered)
    }

    pub(crate) fn set_low_threshold(&mut self, id: StreamId, bytes: usize) {
        self.streams.entry(id).or_default().low_threshold = bytes;
    }

    pub(crate) fn set_priority(&mut self, id: StreamId, priority: u16) {
        self.streams.entry(id).or_default().priority = priority.max(1);
    }

    pub(crate) fn reset_state(&self, id: StreamId) -> ResetState {
        self.streams.get(&id).map_or(ResetState::Open, |stream| stream.reset)
    }

    pub(crate) fn want_reset(&mut self, id: StreamId) {
        let stream = self.streams.entry(id).or_default();
        if stream.reset == ResetState::Open {
            stream.reset = ResetState::Wanted;
            if stream.queue.is_empty() {
                self.drained.push(id);
            }
        }
    }

    /// A stream wants a reset and has sent all.
    pub(crate) fn wants_reset(&self) -> bool {
        !self.drained.is_empty() || !self.resettable.is_empty()
    }

    pub(crate) fn known(&self) -> Vec<StreamId> {
        self.streams.keys().copied().collect()
    }

    /// Streams that want a reset and whose messages all left with TSNs below `before`, at most `limit`; they count as
    /// requested afterwards. `last`: the last TSN assigned. Returns the TSN that was the last when the last of them had sent
    /// all.
    pub(crate) fn take_resettable(
        &mut self,
        limit: usize,
        last: u64,
        before: u64,
    ) -> (u64, Vec<StreamId>) {
        self.resettable.extend(self.drained.drain(..).map(|id| (last, id)));
        let (mut point, mut taken) = (last, Vec::new());
        while taken.len() < limit
            && let Some((tsn, id)) =
                self.resettable.front().filter(|(tsn, _)| *tsn < before).copied()
        {
            self.resettable.pop_front();
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            stream.reset = ResetState::Requested;
            point = tsn;
            taken.push(id);
        }
        (point, taken)
    }

    /// The request for these streams was answered.
    pub(crate) fn reset_done(&mut self, ids: &[StreamId], performed: bool) {
        for id in ids {
            if let Some(stream) = self.streams.get_mut(id) {
                stream.reset = ResetState::Open;
                if performed {
                    stream.next_ordered = 0;
                    stream.next_unordered = 0;
                }
            }
        }
        if performed {
            // A stream that is gone costs nothing; priority and threshold belonged to the channel that used it.
            for id in ids {
                if self.streams.get(id).is_some_and(|stream| stream.queue.is_empty()) {
                    self.streams.remove(id);
                }
            }
        }
    }

    /// The request could not be served now: ask again.
    pub(crate) fn reset_again(&mut self, ids: &[StreamId]) {
        for id in ids {
            if let Some(stream) = self.streams.get_mut(id) {
                stream.reset = ResetState::Wanted;
                self.drained.push(*id);
            }
        }
    }

    /// The peer restarted: partly sent messages are lost, sequence numbers start again.
    pub(crate) fn restart(&mut self) {
        let begun: Vec<StreamId> = self
            .streams
            .iter()
            .filter(|(_, stream)| {
                stream.queue.front().is_some_and(|message| message.started.is_some())
            })
            .map(|(id, _)| *id)
            .collect();
        for id in begun {
            self.drop_front(id);
        }
        for stream in self.streams.values_mut() {
            stream.next_ordered = 0;
            stream.next_unordered = 0;
            stream.reset = ResetState::Open;
        }
        self.drained.clear();
        self.resettable.clear();
        self.committed = 0;
        self.partly_sent = 0;
        self.finishing.clear();
        self.rebuild_schedule();
    }
}
