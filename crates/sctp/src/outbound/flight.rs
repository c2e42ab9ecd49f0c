//! Everything sent and not yet acknowledged for good: a ring indexed by TSN, what each packet carried in order of sending,
//! and the decision what is lost (RFC 9260 §6.3, §7.2.4; RFC 3758 §3.5). Called by the send path and by SACKs.
//!
//! Loss is told by order of transmission rather than by counting reports per TSN: a chunk is lost when a packet sent
//! three packets later was acknowledged, or any later one and it is overdue by an eighth of a round trip (RFC 9002 §6.1).
//! That is RFC 9260's three missing reports for a first transmission, finds lost
//! retransmissions as well, and costs the same however much is in flight. What a SACK costs follows what it newly
//! acknowledges and how many blocks it lists.

mod abandonment;
#[cfg(test)]
mod tests;

use abandonment::may_not_retransmit;

use super::rate::{RateEstimator, RateSample, RateStamp};
use crate::packet::data::FragmentFlags;
use crate::packet::sack::GapBlock;
use crate::range_set::RangeSet;
use crate::serial::{PayloadProtocolId, StreamId, Tsn};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets by which another may overtake before it counts as lost (RFC 9260 §7.2.4: three reports).
const REORDER_THRESHOLD: u64 = 3;
/// The threshold after a path was seen to reorder more.
const MAX_REORDER_THRESHOLD: u64 = 48;
/// Retransmitted TSNs remembered to tell needless retransmissions from the peer's duplicate reports.
const REMEMBERED_RETRANSMISSIONS: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkState {
    InFlight,
    /// Waiting to be sent again.
    Lost,
    /// Gap-acknowledged; the peer may still take it back (RFC 9260 §6.2.1), so the data stays.
    Acked,
    /// Given up (RFC 3758); waits for FORWARD TSN to pass it.
    Abandoned,
}

/// One DATA or I-DATA chunk.
#[derive(Clone, Debug)]
pub(crate) struct SentChunk {
    pub(crate) payload: Bytes,
    pub(crate) stream: StreamId,
    pub(crate) flags: FragmentFlags,
    pub(crate) state: ChunkState,
    /// SSN or MID.
    pub(crate) number: u32,
    pub(crate) fsn: u32,
    pub(crate) ppid: PayloadProtocolId,
    /// The message it belongs to, unique in the association.
    pub(crate) message: u64,
    /// The unwrapped TSN of the fragment before and after, 0 if none.
    pub(crate) previous: u64,
    pub(crate) next: u64,
    pub(crate) retransmits: u16,
    /// Retransmissions allowed.
    pub(crate) limit: Option<u16>,
    pub(crate) expires: Option<Instant>,
    /// The length of the chunk header it was last sent with: the handshake may change it (DATA or I-DATA) once.
    header: usize,
    /// Which transmission carried it last.
    transmission: u64,
}

/// A run of TSNs that left in one packet.
#[derive(Clone, Copy, Debug)]
struct Transmission {
    packet: u64,
    first: u64,
    last: u64,
    sent_at: Instant,
    stamp: RateStamp,
}

/// A fragment about to be sent for the first time.
#[derive(Clone, Debug)]
pub(crate) struct NewChunk {
    pub(crate) payload: Bytes,
    pub(crate) stream: StreamId,
    pub(crate) flags: FragmentFlags,
    pub(crate) number: u32,
    pub(crate) fsn: u32,
    pub(crate) ppid: PayloadProtocolId,
    pub(crate) message: u64,
    pub(crate) previous: u64,
    pub(crate) limit: Option<u16>,
    pub(crate) expires: Option<Instant>,
    /// With the last of several fragments: what its message counted against the peer's window.
    pub(crate) committed: usize,
}

/// What a SACK changed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SackOutcome {
    pub(crate) acked_bytes: usize,
    pub(crate) lost_bytes: usize,
    pub(crate) prior_in_flight: usize,
    pub(crate) cumulative_advanced: bool,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) rate: Option<RateSample>,
    /// The first of the losses begins a new episode: it was sent after the last reduction of the window.
    pub(crate) new_loss_episode: bool,
}

#[derive(Debug)]
pub(crate) struct Flight {
    /// Unwrapped TSN of `chunks[0]`: the cumulative TSN acknowledged, plus one.
    base: u64,
    chunks: VecDeque<SentChunk>,
    acked: RangeSet,
    transmissions: VecDeque<Transmission>,
    first_transmission: u64,
    /// TSNs to send again, about in the order of loss; some may have been acknowledged since.
    retransmit: VecDeque<u64>,
    lost_count: usize,
    chunk_header: usize,
    in_flight: usize,
    payload_in_flight: usize,
    next_packet: u64,
    largest_acked_packet: u64,
    reorder_threshold: u64,
    /// Losses in packets before this one belong to an episode already answered.
    episode_end: u64,
    remembered: VecDeque<u64>,
    /// The last TSN that FORWARD TSN may name (Advanced.Peer.Ack.Point, RFC 3758 §3.5).
    advanced: u64,
    /// When the oldest packet that was overtaken, by too few to be lost, will be.
    overdue_at: Option<Instant>,
    pub(crate) rate: RateEstimator,
    /// Messages abandoned since last asked: stream and message.
    pub(crate) abandoned: Vec<(StreamId, u64)>,
}

impl Flight {
    pub(crate) fn new(now: Instant, initial_tsn: Tsn) -> Self {
        // The offset keeps comparisons with earlier TSNs above zero.
        let base = (1 << 32) + u64::from(initial_tsn.0);
        Self {
            base,
            chunks: VecDeque::new(),
            acked: RangeSet::default(),
            transmissions: VecDeque::new(),
            first_transmission: 0,
            retransmit: VecDeque::new(),
            lost_count: 0,
            chunk_header: crate::packet::data::DATA_HEADER_LENGTH,
            in_flight: 0,
            payload_in_flight: 0,
            next_packet: REORDER_THRESHOLD,
            largest_acked_packet: 0,
            reorder_threshold: REORDER_THRESHOLD,
            episode_end: 0,
            remembered: VecDeque::new(),
            advanced: base - 1,
            overdue_at: None,
            rate: RateEstimator::new(now),
            abandoned: Vec::new(),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.base = self.end();
        self.chunks = VecDeque::new();
        self.acked.clear();
        self.transmissions = VecDeque::new();
        self.retransmit = VecDeque::new();
        self.remembered = VecDeque::new();
        self.lost_count = 0;
        self.overdue_at = None;
        self.in_flight = 0;
        self.payload_in_flight = 0;
    }

    /// Gives back what a past burst needed.
    pub(crate) fn shrink(&mut self) {
        self.chunks.shrink_to_fit();
        self.transmissions.shrink_to_fit();
        self.retransmit.shrink_to_fit();
        self.remembered.clear();
        self.remembered.shrink_to_fit();
    }

    pub(crate) fn set_chunk_header(&mut self, bytes: usize) {
        self.chunk_header = bytes;
    }

    /// Bytes of chunks in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// User bytes in flight: what the peer's window must hold.
    pub(crate) fn payload_in_flight(&self) -> usize {
        self.payload_in_flight
    }

    /// Nothing waits for the peer.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(crate) fn has_lost(&self) -> bool {
        self.lost_count > 0
    }

    pub(crate) fn next_tsn(&self) -> Tsn {
        Tsn(self.end() as u32)
    }

    /// All unwrapped TSNs before this one were acknowledged cumulatively.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// The cumulative TSN acknowledged.
    pub(crate) fn acknowledged(&self) -> Tsn {
        Tsn((self.base - 1) as u32)
    }

    /// The unwrapped TSN that the next chunk gets.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.chunks.len() as u64
    }

    fn unwrap(&self, tsn: Tsn) -> u64 {
        let base = Tsn(self.base as u32);
        self.base.wrapping_add_signed(i64::from(tsn.distance(base)))
    }

    fn index(&self, tsn: u64) -> Option<usize> {
        tsn.checked_sub(self.base)
            .map(|offset| offset as usize)
            .filter(|index| *index < self.chunks.len())
    }

    /// What a chunk in flight counts.
    fn size(chunk: &SentChunk) -> usize {
        chunk.payload.len() + chunk.header
    }

    /// Begins a packet that will carry data.
    pub(crate) fn begin_packet(&mut self) {
        self.next_packet += 1;
    }

    fn record(&mut self, now: Instant, tsn: u64) -> u64 {
        let packet = self.next_packet;
        if let Some(last) = self.transmissions.back_mut()
            && last.packet == packet
            && last.last + 1 == tsn
        {
            last.last = tsn;
            return self.first_transmission + self.transmissions.len() as u64 - 1;
        }
        let stamp = self.rate.on_send(now, self.in_flight == 0);
        self.transmissions.push_back(Transmission {
            packet,
            first: tsn,
            last: tsn,
            sent_at: now,
            stamp,
        });
        self.first_transmission + self.transmissions.len() as u64 - 1
    }

    /// Takes a chunk that is being sent for the first time and returns its unwrapped TSN.
    pub(crate) fn push(&mut self, now: Instant, new: NewChunk) -> u64 {
        let tsn = self.end();
        let transmission = self.record(now, tsn);
        if let Some(index) = self.index(new.previous) {
            self.chunks[index].next = tsn;
        }
        self.payload_in_flight += new.payload.len();
        self.in_flight += new.payload.len() + self.chunk_header;
        self.chunks.push_back(SentChunk {
            payload: new.payload,
            stream: new.stream,
            flags: new.flags,
            state: ChunkState::InFlight,
            number: new.number,
            fsn: new.fsn,
            ppid: new.ppid,
            message: new.message,
            previous: new.previous,
            next: 0,
            retransmits: 0,
            limit: new.limit,
            expires: new.expires,
            header: self.chunk_header,
            transmission,
        });
        tsn
    }

    /// The next lost chunk, if it fits into `room` bytes; it is in flight again afterwards.
    /// Those that may not be sent again are abandoned on the way.
    pub(crate) fn next_retransmission(
        &mut self,
        now: Instant,
        room: usize,
        partial_reliability: bool,
    ) -> Option<(Tsn, &SentChunk)> {
        loop {
            let tsn = *self.retransmit.front()?;
            let Some(index) = self.index(tsn) else {
                self.retransmit.pop_front();
                continue;
            };
            let chunk = &self.chunks[index];
            if chunk.state != ChunkState::Lost {
                self.retransmit.pop_front();
                continue;
            }
            if partial_reliability && may_not_retransmit(chunk, now) {
                self.retransmit.pop_front();
                self.abandon_message(index);
                continue;
            }
            if (chunk.payload.len() + self.chunk_header).next_multiple_of(4) > room {
                return None;
            }
            self.retransmit.pop_front();
            let transmission = self.record(now, tsn);
            self.lost_count -= 1;
            if self.remembered.len() == REMEMBERED_RETRANSMISSIONS {
                self.remembered.pop_front();
            }
            self.remembered.push_back(tsn);
            let header = self.chunk_header;
            let chunk = &mut self.chunks[index];
            chunk.state = ChunkState::InFlight;
            chunk.retransmits = chunk.retransmits.saturating_add(1);
            chunk.transmission = transmission;
            chunk.header = header;
            self.in_flight += chunk.payload.len() + header;
            self.payload_in_flight += chunk.payload.len();
            return Some((Tsn(tsn as u32), chunk));
        }
    }

    fn leave_flight(&mut self, index: usize) {
        let chunk = &self.chunks[index];
        match chunk.state {
            ChunkState::InFlight => {
                self.in_flight -= Self::size(chunk);
                self.payload_in_flight -= chunk.payload.len();
            }
            ChunkState::Lost => self.lost_count -= 1,
            ChunkState::Acked | ChunkState::Abandoned => {}
        }
    }

    /// Processes an acknowledgement. `None`: it is old or acknowledges what was never sent.
    pub(crate) fn on_sack(
        &mut self,
        now: Instant,
        cumulative: Tsn,
        gaps: impl Iterator<Item = GapBlock>,
        duplicates: impl Iterator<Item = Tsn>,
        lowest_round_trip: Option<Duration>,
        smoothed_round_trip: Option<Duration>,
    ) -> Option<SackOutcome> {
        let cumulative = self.unwrap(cumulative);
        // RFC 9260 §6.2.1 D i: a SACK that arrives late is dropped.
        if cumulative + 1 < self.base || cumulative >= self.end() {
            return None;
        }
        let mut outcome = SackOutcome { prior_in_flight: self.in_flight, ..SackOutcome::default() };
        let mut newest: Option<u64> = None;
        while self.base <= cumulative {
            self.acknowledge(0, now, lowest_round_trip, &mut outcome, &mut newest);
            self.chunks.pop_front();
            self.base += 1;
            outcome.cumulative_advanced = true;
        }
        if outcome.cumulative_advanced && !self.acked.is_empty() {
            self.acked.remove_through(cumulative);
        }

        let end = self.end();
        let mut acked = std::mem::take(&mut self.acked);
        for gap in gaps {
            let (first, last) =
                (cumulative + u64::from(gap.start), cumulative + u64::from(gap.end));
            // Blocks that touch the cumulative TSN, run backwards or reach beyond what was sent are noise.
            if gap.start < 2 || gap.end < gap.start || last >= end {
                continue;
            }
            acked.insert_range(first, last, |first, last| {
                for tsn in first..=last {
                    let index = (tsn - self.base) as usize;
                    self.acknowledge(index, now, lowest_round_trip, &mut outcome, &mut newest);
                    let chunk = &mut self.chunks[index];
                    if chunk.state != ChunkState::Abandoned {
                        chunk.state = ChunkState::Acked;
                    }
                }
            });
        }
        self.acked = acked;

        // RFC 9260 §6.2.1: the peer took back what it had gap-acknowledged, since it lacks its next TSN still.
        while let Some(index) =
            self.index(self.base).filter(|i| self.chunks[*i].state == ChunkState::Acked)
        {
            let mut tsn = self.base + index as u64;
            while let Some(index) =
                self.index(tsn).filter(|i| self.chunks[*i].state == ChunkState::Acked)
            {
                self.chunks[index].state = ChunkState::Lost;
                self.lost_count += 1;
                self.retransmit.push_back(tsn);
                tsn += 1;
            }
            self.acked.remove_through(tsn - 1);
        }

        if let Some(newest) = newest
            && let Some(record) = newest
                .checked_sub(self.first_transmission)
                .and_then(|index| self.transmissions.get(index as usize))
                .copied()
        {
            outcome.rate =
                Some(self.rate.sample(now, record.sent_at, &record.stamp, lowest_round_trip));
        }
        for tsn in duplicates {
            let tsn = self.unwrap(tsn);
            if let Some(at) = self.remembered.iter().position(|known| *known == tsn) {
                // The original arrived after all: this path reorders more than we allowed for.
                self.remembered.remove(at);
                self.reorder_threshold = (self.reorder_threshold + 2).min(MAX_REORDER_THRESHOLD);
            }
        }
        self.detect_losses(now, smoothed_round_trip, &mut outcome);
        self.advance();
        Some(outcome)
    }

    fn acknowledge(
        &mut self,
        index: usize,
        now: Instant,
        lowest_round_trip: Option<Duration>,
        outcome: &mut SackOutcome,
        newest: &mut Option<u64>,
    ) {
        let chunk = &self.chunks[index];
        if matches!(chunk.state, ChunkState::Acked | ChunkState::Abandoned) {
            return;
        }
        let size = Self::size(chunk);
        let (transmission, retransmits) = (chunk.transmission, chunk.retransmits);
        self.leave_flight(index);
        outcome.acked_bytes += size;
        self.rate.on_delivered(now, size);
        let Some(record) = transmission
            .checked_sub(self.first_transmission)
            .and_then(|index| self.transmissions.get(index as usize))
        else {
            return;
        };
        let elapsed = now.saturating_duration_since(record.sent_at);
        if retransmits > 0 && lowest_round_trip.is_some_and(|lowest| elapsed < lowest) {
            // Too soon to answer the retransmission: the original was late. It tells nothing about later packets.
            return;
        }
        self.largest_acked_packet = self.largest_acked_packet.max(record.packet);
        if newest.is_none_or(|newest| newest < transmission) {
            *newest = Some(transmission);
            // RFC 9260 §6.3.1 C5 (Karn): what was sent twice measures nothing.
            if retransmits == 0 {
                outcome.round_trip = Some(elapsed);
            }
        }
    }

    /// When [`Flight::on_overdue`] is to be called, unless a SACK comes first.
    pub(crate) fn overdue_at(&self) -> Option<Instant> {
        self.overdue_at
    }

    /// Looks again for packets that were overtaken and are overdue now.
    pub(crate) fn on_overdue(
        &mut self,
        now: Instant,
        smoothed_round_trip: Option<Duration>,
    ) -> SackOutcome {
        let mut outcome = SackOutcome { prior_in_flight: self.in_flight, ..SackOutcome::default() };
        self.detect_losses(now, smoothed_round_trip, &mut outcome);
        outcome
    }

    /// Offers the newest chunk in flight for another sending, to draw a SACK that tells what became of the others
    /// (a tail loss probe, RFC 8985 §7). It is not counted as lost. False: there is none that may be sent again.
    pub(crate) fn probe(&mut self, now: Instant) -> bool {
        let Some(index) = self.chunks.iter().rposition(|chunk| chunk.state == ChunkState::InFlight)
        else {
            return false;
        };
        if may_not_retransmit(&self.chunks[index], now) {
            return false;
        }
        self.leave_flight(index);
        self.chunks[index].state = ChunkState::Lost;
        self.lost_count += 1;
        self.retransmit.push_front(self.base + index as u64);
        true
    }

    fn detect_losses(
        &mut self,
        now: Instant,
        smoothed_round_trip: Option<Duration>,
        outcome: &mut SackOutcome,
    ) {
        // A path that reorders more gets more time, too.
        let patience = smoothed_round_trip.map(|round_trip| {
            let extra = 1 + (self.reorder_threshold - REORDER_THRESHOLD) as u32;
            round_trip + (round_trip / 8 * extra).max(Duration::from_millis(1))
        });
        self.overdue_at = None;
        while let Some(record) = self.transmissions.front().copied() {
            let passed = record.packet < self.largest_acked_packet;
            let due = patience.filter(|_| passed).map(|patience| record.sent_at + patience);
            let overtaken = record.packet + self.reorder_threshold <= self.largest_acked_packet
                || due.is_some_and(|due| due <= now);
            if !overtaken && record.last >= self.base {
                self.overdue_at = due;
                break;
            }
            let transmission = self.first_transmission;
            if overtaken {
                for tsn in record.first.max(self.base)..=record.last {
                    let index = (tsn - self.base) as usize;
                    let chunk = &self.chunks[index];
                    if chunk.state == ChunkState::InFlight && chunk.transmission == transmission {
                        outcome.lost_bytes += Self::size(chunk);
                        if record.packet >= self.episode_end {
                            outcome.new_loss_episode = true;
                            self.episode_end = self.next_packet + 1;
                        }
                        self.leave_flight(index);
                        self.chunks[index].state = ChunkState::Lost;
                        self.lost_count += 1;
                        self.retransmit.push_back(tsn);
                    }
                }
            }
            self.transmissions.pop_front();
            self.first_transmission += 1;
        }
    }

    /// T3-rtx ran out: all that is in flight counts as lost (RFC 9260 §6.3.3 E3).
    pub(crate) fn on_timeout(&mut self) {
        self.retransmit.clear();
        self.first_transmission += self.transmissions.len() as u64;
        self.transmissions.clear();
        self.overdue_at = None;
        self.episode_end = self.next_packet + 1;
        for index in 0..self.chunks.len() {
            match self.chunks[index].state {
                ChunkState::InFlight => {
                    self.leave_flight(index);
                    self.chunks[index].state = ChunkState::Lost;
                    self.lost_count += 1;
                    self.retransmit.push_back(self.base + index as u64);
                }
                ChunkState::Lost => self.retransmit.push_back(self.base + index as u64),
                ChunkState::Acked | ChunkState::Abandoned => {}
            }
        }
    }
}
