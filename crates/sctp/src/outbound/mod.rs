//! The send path: queues → scheduler → fragments → flight → packet, held back by the congestion window, the peer's window
//! and the pacer (RFC 9260 §6.1, §7.2).
//!
//! ```text
//!  send ─► SendStreams ─(Scheduler)─► Flight ─► packet
//!                                       ▲ │ lost
//!                              SACK ────┘ └──► retransmit or abandon ─► FORWARD TSN
//! ```

mod flight;
mod rate;
mod scheduler;
mod stream;

pub(crate) use flight::{ChunkState, SackOutcome};
pub(crate) use stream::{ResetState, SendStreams};

use crate::congestion::{Ack, CongestionController};
use crate::pacer::Pacer;
use crate::packet::data::{DATA_HEADER_LENGTH, Data, FragmentFlags};
use crate::packet::forward_tsn::ForwardTsn;
use crate::packet::idata::{I_DATA_HEADER_LENGTH, IData};
use crate::packet::iforward_tsn::{IForwardTsn, SkippedMid};
use crate::packet::sack::Sack;
use crate::rtt::RttEstimator;
use crate::serial::{Fsn, Mid, Ssn, StreamId, Tsn};
use flight::{Flight, NewChunk, SentChunk};
use rustc_hash::FxHashMap;
use std::time::{Duration, Instant};
use stream::Next;

/// Round trips shorter than this are not paced: the burst is over before a timer could run.
const PACING_FLOOR: Duration = Duration::from_millis(2);

/// Whether data may leave now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    /// There is nothing to send.
    Idle,
    /// A SACK must come first.
    Blocked,
    /// Not before this moment.
    Paced(Instant),
}

/// The last FORWARD TSN.
#[derive(Clone, Copy, Debug)]
struct ForwardSent {
    /// The TSN it named.
    named: Tsn,
    /// There was more to name than fitted.
    partial: bool,
    at: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) chunks: usize,
    pub(crate) new_bytes: usize,
    pub(crate) retransmissions: usize,
}

pub(crate) struct Outbound {
    pub(crate) streams: SendStreams,
    flight: Flight,
    congestion: Box<dyn CongestionController>,
    pacer: Pacer,
    /// The window the peer announced last.
    peer_window: usize,
    interleaving: bool,
    partial_reliability: bool,
    /// Room for user data in a packet that carries nothing else.
    max_payload: usize,
    /// One packet may leave whatever the window says (RFC 9260 §7.2.4 rule 3).
    fast_retransmit: bool,
    /// The window, not lack of data, ended the last sending.
    window_limited: bool,
    last_sent: Option<Instant>,
    forward_due: bool,
    forward_sent: Option<ForwardSent>,
    pub(crate) retransmissions: u64,
}

impl Outbound {
    pub(crate) fn new(
        now: Instant,
        mtu: usize,
        initial_tsn: Tsn,
        congestion: Box<dyn CongestionController>,
    ) -> Self {
        Self {
            streams: SendStreams::new(),
            flight: Flight::new(now, initial_tsn),
            congestion,
            pacer: Pacer::new(now, mtu),
            peer_window: 0,
            interleaving: false,
            partial_reliability: false,
            max_payload: mtu - crate::packet::header::COMMON_HEADER_LENGTH - DATA_HEADER_LENGTH,
            fast_retransmit: false,
            window_limited: false,
            last_sent: None,
            forward_due: false,
            forward_sent: None,
            retransmissions: 0,
        }
    }

    /// What the handshake agreed on.
    pub(crate) fn establish(
        &mut self,
        mtu: usize,
        interleaving: bool,
        partial_reliability: bool,
        peer_window: usize,
    ) {
        self.interleaving = interleaving;
        self.partial_reliability = partial_reliability;
        self.peer_window = peer_window;
        let header = if interleaving { I_DATA_HEADER_LENGTH } else { DATA_HEADER_LENGTH };
        self.max_payload = (mtu - crate::packet::header::COMMON_HEADER_LENGTH - header) & !3;
        self.flight.set_chunk_header(header);
        self.streams.establish(interleaving, partial_reliability, peer_window);
    }

    /// The peer restarted: everything in flight is lost (RFC 9260 §5.2.4 action A).
    pub(crate) fn restart(
        &mut self,
        now: Instant,
        mtu: usize,
        initial_tsn: Tsn,
        congestion: Box<dyn CongestionController>,
    ) {
        self.flight = Flight::new(now, initial_tsn);
        self.congestion = congestion;
        self.pacer = Pacer::new(now, mtu);
        self.fast_retransmit = false;
        self.forward_due = false;
        self.forward_sent = None;
        self.streams.restart();
    }

    /// Lets go of everything queued and in flight.
    pub(crate) fn clear(&mut self) {
        self.streams = SendStreams::new();
        self.flight.clear();
        self.forward_due = false;
    }

    /// Nothing was in flight for a while: gives back memory.
    pub(crate) fn shrink(&mut self) {
        self.flight.shrink();
        self.streams.shrink();
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.flight.in_flight()
    }

    pub(crate) fn window(&self) -> usize {
        self.congestion.window()
    }

    pub(crate) fn peer_window(&self) -> usize {
        self.peer_window.saturating_sub(self.flight.payload_in_flight())
    }

    /// Nothing waits and everything was acknowledged.
    pub(crate) fn is_drained(&self) -> bool {
        self.flight.is_empty() && !self.streams.has_messages()
    }

    /// T3-rtx has something to watch over (RFC 9260 §6.3.2).
    pub(crate) fn needs_timer(&self) -> bool {
        !self.flight.is_empty()
    }

    /// Whether a data chunk may leave now.
    pub(crate) fn gate(&mut self, now: Instant, smoothed_round_trip: Option<Duration>) -> Gate {
        let lost = self.flight.has_lost();
        if !lost && !self.streams.has_messages() {
            return Gate::Idle;
        }
        let in_flight = self.flight.in_flight();
        if in_flight > 0 && !(self.fast_retransmit && lost) {
            if in_flight >= self.congestion.window() {
                self.window_limited = true;
                return Gate::Blocked;
            }
            if !lost && self.peer_window() == 0 {
                return Gate::Blocked;
            }
        }
        let rate = self
            .congestion
            .pacing_rate()
            .filter(|_| smoothed_round_trip.is_some_and(|rtt| rtt >= PACING_FLOOR));
        match self.pacer.ready(now, rate) {
            Ok(()) => Gate::Open,
            Err(later) => Gate::Paced(later),
        }
    }

    /// Fills `room` bytes of a packet with chunks; ask [`Outbound::gate`] first.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
        room: usize,
        immediate: bool,
    ) -> Written {
        let start = buf.len();
        let end = start + room;
        let header = if self.interleaving { I_DATA_HEADER_LENGTH } else { DATA_HEADER_LENGTH };
        let mut written = Written::default();
        if let Some(last) = self.last_sent
            && self.flight.in_flight() == 0
            && now.saturating_duration_since(last) > Duration::from_secs(1)
        {
            self.congestion.on_idle(now);
        }
        self.flight.begin_packet();
        while let Some((tsn, chunk)) =
            self.flight.next_retransmission(now, end - buf.len(), self.partial_reliability)
        {
            write_chunk(buf, self.interleaving, tsn, chunk, immediate);
            written.chunks += 1;
            written.retransmissions += 1;
        }
        self.after_abandoning(now);
        if written.retransmissions > 0 {
            self.fast_retransmit = false;
            self.retransmissions += written.retransmissions as u64;
        }
        // New data only when nothing lost waits (RFC 9260 §6.1 C), and within both windows.
        while !self.flight.has_lost() {
            let Some(mut room) = (end - buf.len()).checked_sub(header + 1) else { break };
            room = (room + 1) & !3;
            if room == 0 {
                break;
            }
            let in_flight = self.flight.in_flight();
            if in_flight > 0 {
                if in_flight >= self.congestion.window() {
                    self.window_limited = true;
                    break;
                }
                // RFC 9260 §6.1 A: with nothing in flight one chunk probes even a closed window.
                room = room.min(self.peer_window());
                if room == 0 {
                    break;
                }
            }
            match self.streams.next(now, room, self.max_payload.min(512)) {
                Next::Fragment(mut new) => {
                    let bytes = new.payload.len();
                    let last = !self.streams.has_messages()
                        || in_flight + bytes >= self.congestion.window();
                    // RFC 7053 §4: ask for a SACK at once when nothing more will follow to trigger it.
                    if immediate || (last && in_flight < self.max_payload) {
                        new.flags.0 |= FragmentFlags::IMMEDIATE;
                    }
                    let (stream, message, committed) = (new.stream, new.message, new.committed);
                    let ends = new.flags.end();
                    let chunk = ChunkHead {
                        flags: new.flags,
                        number: new.number,
                        fsn: new.fsn,
                        ppid: new.ppid,
                    };
                    write_parts(
                        buf,
                        self.interleaving,
                        self.flight.next_tsn(),
                        stream,
                        chunk,
                        &new.payload,
                    );
                    new.flags.0 &= !FragmentFlags::IMMEDIATE;
                    let tsn = self.flight.push(now, new);
                    if !ends {
                        self.streams.sent_with(stream, message, tsn);
                    } else if committed > 0 {
                        self.streams.finished_with(tsn, committed);
                    }
                    written.chunks += 1;
                    written.new_bytes += bytes;
                }
                Next::Expired(rest) => {
                    self.flight.abandon_containing(rest.previous);
                    self.push_abandoned(now, rest);
                    // The message was counted as dropped by the queue already.
                    self.flight.abandoned.clear();
                    self.forward_due = self.flight.forward_point().is_some();
                }
                Next::Nothing => {
                    if !self.streams.has_messages()
                        && self.flight.in_flight() < self.congestion.window()
                    {
                        self.flight.rate.on_app_limited(self.flight.in_flight());
                        self.window_limited = false;
                    }
                    break;
                }
            }
        }
        if written.chunks > 0 {
            self.pacer.sent(buf.len() - start);
            self.last_sent = Some(now);
        }
        written
    }

    fn after_abandoning(&mut self, now: Instant) {
        if self.flight.abandoned.is_empty() {
            return;
        }
        for (stream, message) in std::mem::take(&mut self.flight.abandoned) {
            if let Some(rest) = self.streams.drop_message(stream, message) {
                self.push_abandoned(now, rest);
            }
            self.streams.dropped.push(stream);
        }
        self.forward_due = self.flight.forward_point().is_some();
    }

    fn push_abandoned(&mut self, now: Instant, rest: NewChunk) {
        let committed = rest.committed;
        let tsn = self.flight.push_abandoned(now, rest);
        if committed > 0 {
            self.streams.finished_with(tsn, committed);
        }
    }

    /// Streams that want a reset, at most `limit`, with the TSN that was the last assigned when they had sent all: those
    /// whose chunks are acknowledged, or with `acknowledged` false all that sent theirs.
    pub(crate) fn take_resettable(
        &mut self,
        limit: usize,
        acknowledged: bool,
    ) -> (Tsn, Vec<StreamId>) {
        let before = if acknowledged { self.flight.base() } else { u64::MAX };
        let last = self.flight.end() - 1;
        let (tsn, streams) = self.streams.take_resettable(limit, last, before);
        (Tsn(tsn as u32), streams)
    }

    /// A SACK, or the cumulative TSN of a SHUTDOWN as one without blocks.
    pub(crate) fn on_sack(
        &mut self,
        now: Instant,
        sack: &Sack<'_>,
        rtt: &mut RttEstimator,
    ) -> Option<SackOutcome> {
        let outcome = self.flight.on_sack(
            now,
            sack.cumulative_tsn,
            sack.gaps(),
            sack.duplicates(),
            rtt.lowest(),
            rtt.smoothed(),
        )?;
        self.peer_window = sack.a_rwnd as usize;
        self.after_acknowledgement(now, outcome, rtt);
        Some(outcome)
    }

    pub(crate) fn on_cumulative(
        &mut self,
        now: Instant,
        tsn: Tsn,
        rtt: &mut RttEstimator,
    ) -> Option<SackOutcome> {
        let outcome = self.flight.on_sack(
            now,
            tsn,
            std::iter::empty(),
            std::iter::empty(),
            rtt.lowest(),
            rtt.smoothed(),
        )?;
        self.after_acknowledgement(now, outcome, rtt);
        Some(outcome)
    }

    fn after_acknowledgement(
        &mut self,
        now: Instant,
        outcome: SackOutcome,
        rtt: &mut RttEstimator,
    ) {
        if let Some(sample) = outcome.round_trip {
            rtt.measured(sample);
        }
        if outcome.cumulative_advanced {
            self.streams.acknowledged(self.flight.base());
        }
        self.after_losses(now, outcome);
        if outcome.acked_bytes > 0 {
            let rate = outcome.rate;
            self.congestion.on_ack(&Ack {
                now,
                acked_bytes: outcome.acked_bytes,
                lost_bytes: outcome.lost_bytes,
                prior_in_flight: outcome.prior_in_flight,
                in_flight: self.flight.in_flight(),
                round_trip: outcome.round_trip,
                delivery_rate: rate.and_then(|sample| sample.rate),
                app_limited: rate.is_some_and(|sample| sample.app_limited),
                delivered: self.flight.rate.delivered,
                delivered_at_send: rate
                    .map_or(self.flight.rate.delivered, |sample| sample.delivered_at_send),
                cumulative_advanced: outcome.cumulative_advanced,
                window_limited: self.window_limited,
            });
        }
        match (self.flight.forward_point(), self.forward_sent) {
            (None, _) => self.forward_due = false,
            (Some(point), Some(sent))
                if sent.named == point
                    || (sent.partial && sent.named.is_after(self.flight.acknowledged())) =>
            {
                // RFC 3758 §3.5 C3: the peer has not heard of it yet. Once a round trip is enough.
                let patience = rtt.smoothed().unwrap_or_else(|| rtt.rto());
                self.forward_due |= now.saturating_duration_since(sent.at) > patience;
            }
            (Some(_), _) => self.forward_due = true,
        }
    }

    fn after_losses(&mut self, now: Instant, outcome: SackOutcome) {
        if outcome.lost_bytes > 0 {
            self.congestion.on_loss(now, outcome.lost_bytes, outcome.new_loss_episode);
            self.fast_retransmit |= outcome.new_loss_episode;
            if self.partial_reliability {
                self.flight.abandon_expired(now);
                self.after_abandoning(now);
            }
        }
    }

    /// When [`Outbound::on_overdue`] is due.
    pub(crate) fn overdue_at(&self) -> Option<Instant> {
        self.flight.overdue_at()
    }

    pub(crate) fn on_overdue(&mut self, now: Instant, rtt: &RttEstimator) {
        let outcome = self.flight.on_overdue(now, rtt.smoothed());
        self.after_losses(now, outcome);
    }

    /// Nothing came back for two round trips: sends one chunk again, window or not.
    pub(crate) fn on_probe(&mut self, now: Instant) {
        if !self.flight.has_lost() && self.flight.probe(now) {
            self.fast_retransmit = true;
        }
    }

    /// T3-rtx ran out.
    pub(crate) fn on_timeout(&mut self, now: Instant) {
        self.flight.on_timeout();
        self.congestion.on_timeout(now);
        if self.partial_reliability {
            self.flight.abandon_expired(now);
            self.after_abandoning(now);
        }
        self.forward_due = self.flight.forward_point().is_some();
    }

    pub(crate) fn forward_due(&self) -> bool {
        self.forward_due
    }

    /// Writes FORWARD TSN or I-FORWARD-TSN into `room` bytes (RFC 3758 §3.2, RFC 8260 §2.3.1).
    pub(crate) fn write_forward_tsn(&mut self, now: Instant, buf: &mut Vec<u8>, room: usize) {
        self.forward_due = false;
        if self.flight.forward_point().is_none() {
            return;
        }
        let entries = room.saturating_sub(8) / if self.interleaving { 8 } else { 4 };
        // One entry a stream, the last message skipped. Later chunks overwrite earlier ones.
        let mut last: FxHashMap<(StreamId, bool), u32> = FxHashMap::default();
        let mut point = self.flight.acknowledged();
        let mut partial = false;
        for chunk in self.flight.skipped() {
            debug_assert_eq!(chunk.state, ChunkState::Abandoned);
            if self.interleaving || !chunk.flags.unordered() {
                let key = (chunk.stream, chunk.flags.unordered());
                // A stream that is not listed would wait for ever, so no TSN is named whose stream has no room
                // (RFC 3758 §3.5 C4). The rest follows when this is acknowledged.
                if last.len() == entries && !last.contains_key(&key) {
                    partial = true;
                    break;
                }
                last.insert(key, chunk.number);
            }
            point = point.next();
        }
        if self.interleaving {
            IForwardTsn::write(
                buf,
                point,
                last.iter().map(|((stream, unordered), number)| SkippedMid {
                    stream: *stream,
                    unordered: *unordered,
                    mid: Mid(*number),
                }),
            );
        } else {
            ForwardTsn::write(
                buf,
                point,
                last.iter().map(|((stream, _), number)| (*stream, Ssn(*number as u16))),
            );
        }
        self.forward_sent = Some(ForwardSent { named: point, partial, at: now });
    }
}

#[derive(Clone, Copy)]
struct ChunkHead {
    flags: FragmentFlags,
    number: u32,
    fsn: u32,
    ppid: crate::serial::PayloadProtocolId,
}

fn write_chunk(
    buf: &mut Vec<u8>,
    interleaving: bool,
    tsn: Tsn,
    chunk: &SentChunk,
    immediate: bool,
) {
    let mut flags = chunk.flags;
    if immediate {
        flags.0 |= FragmentFlags::IMMEDIATE;
    }
    let head = ChunkHead { flags, number: chunk.number, fsn: chunk.fsn, ppid: chunk.ppid };
    write_parts(buf, interleaving, tsn, chunk.stream, head, &chunk.payload);
}

fn write_parts(
    buf: &mut Vec<u8>,
    interleaving: bool,
    tsn: Tsn,
    stream: StreamId,
    head: ChunkHead,
    payload: &[u8],
) {
    let ChunkHead { flags, number, fsn, ppid } = head;
    if interleaving {
        IData { flags, tsn, stream, mid: Mid(number), ppid, fsn: Fsn(fsn), payload }.write(buf);
    } else {
        Data { flags, tsn, stream, ssn: Ssn(number as u16), ppid, payload }.write(buf);
    }
}
