//! How fast we send: packets wait in the pacer, those that leave are remembered, and what the peer tells of their arrival
//! moves the rate. One for a transport, made when the first stream sends.

use std::time::{Duration, Instant};

use peerage_congestion::{
    Action, Class, Controller, DataSize, Ecn, Feedback, Gcc, GccConfig, Pacer, PacerConfig,
    PacketResult, ProbeClusterId, SendHistory, SentPacket,
};
use peerage_rtp::SequenceNumber;
use peerage_rtp::rtcp::{Arrival, REFERENCE_TIME_WRAP_US, TransportFeedback};

use super::packet::Packet;
use super::{MAX_QUEUED_PACKETS, MAX_QUEUED_RETRANSMISSIONS};
use crate::event_log::Log;

/// Packets whose reports are waited for: several seconds of 10 Mbit/s.
const REMEMBERED_PACKETS: usize = 8_192;
/// The first transport-wide number without wraps, so that what lies before it has a number too.
const FIRST_NUMBER: u64 = 1 << 16;
/// Headers of UDP and IP, that load the path as well: RFC 768, RFC 791, RFC 8200 §3.
const IPV4_OVERHEAD: u64 = 28;
const IPV6_OVERHEAD: u64 = 48;
/// Packets that reports may tell of within a tenth of a second; a peer that reports on more is not listened to.
const REPORTED_PACKETS: u32 = 65_536;
const REPORTED_PERIOD: Duration = Duration::from_millis(100);

/// See the module.
pub(super) struct RateControl {
    gcc: Gcc,
    pacer: Pacer<Packet>,
    history: SendHistory,
    /// The transport-wide number of the next packet, without wraps.
    next_number: u64,
    /// Bytes that SRTP adds to a packet, and those of UDP and IP.
    srtp_overhead: u64,
    path_overhead: u64,
    /// The reference time of the last report on the receiver's clock, in microseconds: as it came, and without wraps.
    reference: Option<(i64, i64)>,
    /// Kept between reports, so that none allocates.
    results: Vec<PacketResult>,
    /// How many packets reports may still tell of, and since when it counts.
    budget: (u32, Option<Instant>),
    log: Log,
}

/// What is to be sent now.
pub(super) enum Due {
    /// A packet, and the burst it belongs to.
    Packet(Packet, Option<ProbeClusterId>),
    /// So much padding; [`RateControl::padded`] is to be told what it came to.
    Padding(DataSize, Option<ProbeClusterId>),
}

impl RateControl {
    pub(super) fn new(now: Instant, config: GccConfig) -> Result<Self, peerage_congestion::Error> {
        let pacer = PacerConfig {
            // Room for one frame beyond the number at which frames are refused.
            max_packets: 2 * MAX_QUEUED_PACKETS,
            ..PacerConfig::default()
        };
        let mut control = Self {
            gcc: Gcc::new(config)?,
            pacer: Pacer::new(pacer),
            history: SendHistory::new(REMEMBERED_PACKETS),
            next_number: FIRST_NUMBER,
            srtp_overhead: 0,
            path_overhead: IPV6_OVERHEAD,
            reference: None,
            results: Vec::new(),
            budget: (REPORTED_PACKETS, None),
            log: Log::default(),
        };
        control.apply(now);
        Ok(control)
    }

    /// From now on this one is told.
    pub(super) fn set_log(&mut self, log: Log) {
        self.log = log;
    }

    // --- what waits ---

    /// Whether there is room for another frame.
    pub(super) fn has_room(&self) -> bool {
        self.pacer.len() < MAX_QUEUED_PACKETS
    }

    /// Whether there is room for another packet that is sent again.
    pub(super) fn has_room_to_repeat(&self) -> bool {
        self.pacer.len_of(Class::Retransmission) < MAX_QUEUED_RETRANSMISSIONS
    }

    /// Queues a packet; false if there is no room.
    pub(super) fn enqueue(&mut self, now: Instant, mut packet: Packet) -> bool {
        packet.queued = Some(now);
        let size = self.size_of(packet.len() as u64 + self.srtp_overhead);
        self.pacer.enqueue(now, packet.class, size, packet).is_ok()
    }

    /// Keeps the packets that `keep` says.
    pub(super) fn retain(&mut self, keep: impl FnMut(&Packet) -> bool) {
        self.pacer.retain(keep);
    }

    // --- what leaves ---

    /// What is to be sent now, if anything.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Due> {
        Some(match self.pacer.poll(now)? {
            Action::Send { packet, probe, .. } => Due::Packet(packet, probe),
            Action::Padding { size, probe } => Due::Padding(size, probe),
        })
    }

    /// The number that the next packet gets.
    pub(super) fn number(&self) -> u16 {
        self.next_number as u16
    }

    /// A packet of this size with SRTP's part was sent under [`number`](Self::number).
    pub(super) fn sent(
        &mut self,
        now: Instant,
        len: usize,
        probe: Option<ProbeClusterId>,
        padding: bool,
    ) {
        let size = self.size_of(len as u64);
        let packet = SentPacket { id: self.next_number, size, probe, padding };
        self.next_number += 1;
        self.history.on_packet_sent(now, &packet);
        self.gcc.on_packet_sent(now, &packet);
        self.pacer.set_congested(self.gcc.target().congested);
        self.take_probes(now);
    }

    /// Padding was sent, or none if there is nothing to pad with.
    pub(super) fn padded(&mut self, now: Instant, sealed: Option<usize>) {
        let size = sealed.map_or(DataSize::ZERO, |len| self.size_of(len as u64));
        self.pacer.on_padding_sent(now, size);
    }

    /// Whether there is a stream that padding can be sent on.
    pub(super) fn set_can_pad(&mut self, can_pad: bool) {
        self.pacer.set_can_pad(can_pad);
    }

    // --- what is told of it ---

    /// Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    pub(super) fn transport_feedback(&mut self, now: Instant, feedback: &TransportFeedback<'_>) {
        let reference = self.unwrap_reference(feedback.reference_time_us());
        let first = self.unwrap_number(feedback.base_sequence_number);
        // What lies beyond the last number was never sent.
        let sent = (self.next_number - first).min(u64::from(feedback.status_count)) as u32;
        if !self.spend(now, sent) {
            return;
        }
        self.results.clear();
        for (number, status) in (first..self.next_number).zip(feedback.packets()) {
            let arrived = match status.arrival {
                Arrival::NotReceived => None,
                Arrival::Received { time_us } => {
                    let time = reference + (time_us - feedback.reference_time_us());
                    Some(Duration::from_micros(time.max(0) as u64))
                }
                Arrival::ReceivedWithoutTime => continue,
            };
            self.results.extend(self.history.on_report(number, arrived, Ecn::NotEct));
        }
        self.reported(now);
    }

    fn reported(&mut self, now: Instant) {
        self.gcc.on_feedback(now, &Feedback { results: &self.results, rtt: None });
        self.apply(now);
    }

    /// The number without wraps of a packet that was sent: the last one with these bits.
    fn unwrap_number(&self, number: SequenceNumber) -> u64 {
        let last = self.next_number - 1;
        last - u64::from((last as u16).wrapping_sub(number.0))
    }

    /// The receiver's clock without wraps. It begins in the middle of nowhere, so that it may run back.
    fn unwrap_reference(&mut self, time: i64) -> i64 {
        let (last, extended) = self.reference.unwrap_or((time, REFERENCE_TIME_WRAP_US));
        let half = REFERENCE_TIME_WRAP_US / 2;
        let step = (time - last + half).rem_euclid(REFERENCE_TIME_WRAP_US) - half;
        let extended = extended.saturating_add(step);
        self.reference = Some((time, extended));
        extended
    }

    /// Whether a report on so many packets is read: a peer must not keep us busy with reports.
    fn spend(&mut self, now: Instant, packets: u32) -> bool {
        let (left, since) = &mut self.budget;
        if since.is_none_or(|since| now.saturating_duration_since(since) >= REPORTED_PERIOD) {
            (*left, *since) = (REPORTED_PACKETS, Some(now));
        }
        // A report costs something even if it is about few.
        let cost = packets.max(16);
        let enough = *left >= cost;
        *left = left.saturating_sub(cost);
        enough
    }

    /// A round trip measured by reports (RFC 3550 §6.4.1).
    pub(super) fn round_trip(&mut self, now: Instant, round_trip: Duration) {
        self.gcc.on_rtt(now, round_trip);
    }

    /// The path is another one.
    pub(super) fn route_changed(&mut self, now: Instant, ipv4: bool) {
        self.path_overhead = if ipv4 { IPV4_OVERHEAD } else { IPV6_OVERHEAD };
        self.gcc.on_route_change(now);
        self.apply(now);
    }

    /// What a packet adds to the load of the path.
    fn size_of(&self, sealed: u64) -> DataSize {
        DataSize::from_bytes(sealed + self.path_overhead)
    }

    /// Bytes that SRTP adds to a packet.
    pub(super) fn set_srtp_overhead(&mut self, bytes: usize) {
        self.srtp_overhead = bytes as u64;
    }

    // --- time ---

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.gcc.poll_timeout()
    }

    /// When the next packet is to leave.
    pub(super) fn poll_send_timeout(&self) -> Option<Instant> {
        self.pacer.poll_timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.gcc.poll_timeout().is_some_and(|at| at <= now) {
            self.gcc.handle_timeout(now);
            self.apply(now);
        }
    }

    /// Hands on what the controller has decided.
    fn apply(&mut self, now: Instant) {
        let target = self.gcc.target();
        self.pacer.set_rates(now, target.pacing_rate, target.padding_rate);
        self.pacer.set_congested(target.congested);
        self.log.estimate(now, &self.gcc, &self.pacer);
        self.take_probes(now);
    }

    fn take_probes(&mut self, now: Instant) {
        while let Some(cluster) = self.gcc.poll_probe() {
            self.log.probe(now, &cluster);
            self.pacer.add_probe(cluster);
        }
    }
}
