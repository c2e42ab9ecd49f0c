//! How fast we send: packets wait in the pacer, those that leave are remembered, and what the peer tells of their arrival
//! moves the rate. One for a transport, made when the first stream sends.

use std::time::{Duration, Instant};

use peerage_congestion::{
    Action, BoxedController, Class, Controller, ControllerMaker, DataRate, DataSize, Ecn, Feedback,
    GccConfig, LossReports, Pacer, PacerConfig, PacketResult, ProbeClusterId, SendHistory,
    SentPacket, Target,
};
use peerage_rtp::extension::FeedbackRequest;
use peerage_rtp::rtcp::{self, Arrival, PacketMetric, REFERENCE_TIME_WRAP_US, TransportFeedback};
use peerage_rtp::{SequenceNumber, Ssrc};
use rustc_hash::{FxHashMap, FxHashSet};

use super::counters::PacketReports;
use super::ecn::EcnMarking;
use super::estimate::Estimate;
use super::packet::Packet;
use super::report_requests::ReportRequests;
use super::{MAX_QUEUED_PACKETS, MAX_QUEUED_RETRANSMISSIONS};
use crate::event_log::Log;

/// Packets whose reports are waited for: several seconds of 10 Mbit/s.
const REMEMBERED_PACKETS: usize = 8_192;
/// Packets of one stream whose reports by stream (RFC 8888) are waited for.
const REMEMBERED_OF_STREAM: usize = 2_048;
/// The first transport-wide number without wraps, so that what lies before it has a number too.
const FIRST_NUMBER: u64 = 1 << 16;
/// Headers of UDP and IP, that load the path as well: RFC 768, RFC 791, RFC 8200 §3.
const IPV4_OVERHEAD: u64 = 28;
const IPV6_OVERHEAD: u64 = 48;
/// Packets that reports may tell of within a tenth of a second; a peer that reports on more is not listened to.
const REPORTED_PACKETS: u32 = 65_536;
const REPORTED_PERIOD: Duration = Duration::from_millis(100);
/// What a report costs even if it is about few packets.
const REPORT_COST: u32 = 64;
/// The share of packets lost is reckoned of this many at least.
const MIN_REPORTED: u64 = 20;
/// If what waits would take longer than this to leave, no more video is taken ...
const QUEUE_LIMIT: Duration = Duration::from_secs(1);
/// ... until it leaves within this.
const QUEUE_RECOVERED: Duration = Duration::from_millis(200);
/// The pace is not raised to make what waits leave sooner, unless it would take longer than this: it is the limit above that
/// keeps the queue short, and the path would only lose what is sent too fast.
const PACER_LIMIT: Duration = Duration::from_secs(10);
/// Over how long packets sent again are averaged.
const REPEATED_WINDOW: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct RateControl {
    controller: BoxedController,
    /// In the place of that where the peer reports on no single packet.
    loss_reports: LossReports,
    /// Packets lost, and all that were reported on, since a share of them was reckoned last.
    losses: (u64, u64),
    /// The peer reports on packets.
    reported: bool,
    pacer: Pacer<Box<Packet>>,
    history: SendHistory,
    /// The transport-wide number of the next packet, without wraps.
    next_number: u64,
    /// Transport-wide reports have told of what lies before this.
    reported_to: u64,
    /// The numbers of the packets of each stream whose reports are by stream, by SSRC.
    by_stream: FxHashMap<u32, StreamNumbers>,
    requests: ReportRequests,
    marking: EcnMarking,
    /// Bytes that SRTP adds to a packet, and those of UDP and IP.
    srtp_overhead: u64,
    path_overhead: u64,
    /// The reference time of the last report on the receiver's clock: as it came, and without wraps.
    reference: Option<(i64, i64)>,
    timestamp: Option<(u32, i64)>,
    /// Kept between reports, so that none allocates.
    results: Vec<PacketResult>,
    /// How many packets reports may still tell of, and since when it counts.
    budget: (u32, Option<Instant>),
    log: Log,
    /// Bytes of packets sent again and of parity since then, and the rate they had before.
    repeated: (DataSize, Option<Instant>, DataRate),
}

/// What is to be sent now.
pub(super) enum Due {
    /// A packet, and the burst it belongs to.
    Packet(Box<Packet>, Option<ProbeClusterId>),
    /// So much padding; [`RateControl::padded`] is to be told what it came to.
    Padding(DataSize, Option<ProbeClusterId>),
}

impl RateControl {
    pub(super) fn new(
        now: Instant,
        config: GccConfig,
        maker: &ControllerMaker,
    ) -> Result<Self, peerage_congestion::Error> {
        let pacer = PacerConfig {
            // Room for one frame beyond the number at which frames are refused.
            max_packets: 2 * MAX_QUEUED_PACKETS,
            queue_limit: PACER_LIMIT,
            ..PacerConfig::default()
        };
        let mut control = Self {
            controller: maker.make(config)?,
            loss_reports: LossReports::new(config)?,
            losses: (0, 0),
            reported: false,
            pacer: Pacer::new(pacer),
            history: SendHistory::new(REMEMBERED_PACKETS),
            next_number: FIRST_NUMBER,
            reported_to: FIRST_NUMBER,
            by_stream: FxHashMap::default(),
            requests: ReportRequests::default(),
            marking: EcnMarking::default(),
            srtp_overhead: 0,
            path_overhead: IPV6_OVERHEAD,
            reference: None,
            timestamp: None,
            results: Vec::new(),
            budget: (REPORTED_PACKETS, None),
            log: Log::default(),
            repeated: (DataSize::ZERO, None, DataRate::ZERO),
        };
        control.apply(now);
        Ok(control)
    }

    /// From now on this one is told.
    pub(super) fn set_log(&mut self, log: Log) {
        self.log = log;
    }

    /// Says whether the peer reports on packets, as agreed on.
    pub(super) fn set_reported(&mut self, now: Instant, reported: bool) {
        self.reported = reported;
        self.apply(now);
    }

    /// Whether the peer reports on packets.
    pub(super) fn is_reported(&self) -> bool {
        self.reported
    }

    /// How much may be sent.
    pub(super) fn target(&self) -> Target {
        match self.reported {
            true => self.controller.target(),
            false => self.loss_reports.target(),
        }
    }

    // --- what waits ---

    /// Whether there is room for another frame of this class.
    pub(super) fn has_room(&self, class: Class) -> bool {
        self.pacer.len_of(class) < MAX_QUEUED_PACKETS
    }

    /// Packets that wait to leave.
    pub(super) fn waiting(&self) -> usize {
        self.pacer.len()
    }

    /// Whether so much waits that video is late before it leaves.
    pub(super) fn is_behind(&self, now: Instant) -> bool {
        self.pacer.expected_queue_time() > QUEUE_LIMIT || self.pacer.oldest(now) > QUEUE_LIMIT
    }

    /// Whether what waits leaves soon.
    pub(super) fn has_recovered(&self) -> bool {
        self.pacer.expected_queue_time() < QUEUE_RECOVERED
    }

    /// Whether there is room for another packet that is sent again.
    pub(super) fn has_room_to_repeat(&self) -> bool {
        self.pacer.len_of(Class::Retransmission) < MAX_QUEUED_RETRANSMISSIONS
    }

    /// Packets that wait, and their bytes.
    pub(super) fn queued(&self) -> (usize, DataSize) {
        (self.pacer.len(), self.pacer.queued())
    }

    /// Queues a packet; false if there is no room.
    pub(super) fn enqueue(&mut self, now: Instant, mut packet: Box<Packet>) -> bool {
        packet.queued = Some(now);
        let size = self.size_of(packet.len() as u64 + self.srtp_overhead);
        self.pacer.enqueue(now, packet.class, size, packet).is_ok()
    }

    /// How long it would take to send what is to be sent again, and nothing else.
    pub(super) fn repairs_take(&self) -> Duration {
        self.pacer.queued_of(Class::Retransmission) / self.target().rate
    }

    /// Whether nothing but audio leaves for now.
    pub(super) fn is_held_back(&self) -> bool {
        self.target().congested
    }

    /// The shortest round trip that is known of: an answer cannot have been seen before.
    pub(super) fn shortest_round_trip(&self, known: Duration) -> Duration {
        let seen = self.controller.snapshot().min_rtt.filter(|_| self.reported);
        seen.map_or(known, |seen| seen.min(known))
    }

    /// Keeps the packets that `keep` says.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Packet) -> bool) {
        self.pacer.retain(|packet| keep(packet));
    }

    // --- what leaves ---

    /// What is to be sent now, if anything.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Due> {
        Some(match self.pacer.poll(now)? {
            Action::Send { packet, probe, .. } => {
                if packet.class == Class::Retransmission || packet.is_parity() {
                    let size = self.size_of(packet.len() as u64 + self.srtp_overhead);
                    self.repeated.0 += size;
                }
                Due::Packet(packet, probe)
            }
            Action::Padding { size, probe } => Due::Padding(size, probe),
        })
    }

    /// The number that the next packet gets.
    pub(super) fn number(&self) -> u16 {
        self.next_number as u16
    }

    /// What the next packet is to ask for, where the peer reports when it is asked.
    pub(super) fn request_report(&mut self, now: Instant) -> Option<FeedbackRequest> {
        self.requests.next(now, self.next_number)
    }

    /// A packet was sent under [`number`](Self::number), that has this size with SRTP's part. The peer reports on it: by
    /// that number, or by the source and sequence number that are given here.
    pub(super) fn sent(
        &mut self,
        now: Instant,
        len: usize,
        probe: Option<ProbeClusterId>,
        padding: bool,
        by_stream: Option<(Ssrc, SequenceNumber)>,
    ) {
        let size = self.size_of(len as u64);
        let packet = SentPacket { id: self.next_number, size, probe, padding };
        if let Some((ssrc, number)) = by_stream {
            self.by_stream.entry(ssrc.0).or_default().insert(number, self.next_number);
        }
        self.next_number += 1;
        self.history.on_packet_sent(now, &packet);
        self.controller.on_packet_sent(now, &packet);
        self.pacer.set_congested(self.controller.is_congested());
        self.take_probes(now);
    }

    /// How the next packet on which the peer reports by stream is marked.
    pub(super) fn mark(&self) -> Option<peerage_ice::Ecn> {
        self.marking.mark()
    }

    /// What the peer has reported of the packets of a source, where it reports by stream.
    pub(super) fn packet_reports(&self, ssrc: Ssrc) -> Option<PacketReports> {
        self.by_stream.get(&ssrc.0).map(|numbers| numbers.reports)
    }

    /// Forgets the numbers of streams that are not sent any more.
    pub(super) fn retain_streams(&mut self, sent: &FxHashSet<u32>) {
        self.by_stream.retain(|ssrc, _| sent.contains(ssrc));
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
        let first = self.unwrap_number(feedback.base_sequence_number);
        // What lies beyond the last number was never sent.
        let sent = (self.next_number - first).min(u64::from(feedback.status_count)) as u32;
        if !self.spend(now, sent) {
            return;
        }
        if first > self.reported_to {
            self.controller.on_reports_lost(self.history.unreported(self.reported_to..first));
        }
        self.reported_to = self.reported_to.max(first + u64::from(sent));
        let begin = feedback.reference_time_us();
        let reference = unwrap(&mut self.reference, begin, REFERENCE_TIME_WRAP_US);
        self.results.clear();
        for (number, status) in (first..self.next_number).zip(feedback.packets()) {
            let arrived = match status.arrival {
                Arrival::NotReceived => None,
                Arrival::Received { time_us } => {
                    let time = reference.saturating_add(time_us - begin);
                    Some(Duration::from_micros(time.max(0) as u64))
                }
                Arrival::ReceivedWithoutTime => continue,
            };
            self.results.extend(self.history.on_report(number, arrived, Ecn::NotEct));
        }
        self.take_results(now);
    }

    /// Congestion control feedback (RFC 8888).
    pub(super) fn stream_feedback(
        &mut self,
        now: Instant,
        feedback: &rtcp::CongestionControlFeedback<'_>,
    ) {
        let packets: usize = feedback.streams().map(|stream| stream.metrics.len()).sum();
        if !self.spend(now, u32::try_from(packets).unwrap_or(u32::MAX)) {
            return;
        }
        // Units of 1/65,536 s (RFC 8888 §3.1).
        let last = self.timestamp.map(|(last, extended)| (i64::from(last), extended));
        let mut unwrapped = last;
        let time = unwrap(&mut unwrapped, i64::from(feedback.report_timestamp), 1 << 32);
        self.timestamp = Some((feedback.report_timestamp, time));
        let time_us = ((i128::from(time) * 1_000_000) >> 16) as i64;
        self.results.clear();
        for stream in feedback.streams() {
            let Some(numbers) = self.by_stream.get_mut(&stream.ssrc.0) else { continue };
            for (sequence, metric) in stream.packets() {
                let Some(number) = numbers.get(sequence) else { continue };
                let (arrived, seen) = match metric {
                    PacketMetric::NotReceived => (None, None),
                    PacketMetric::Received { arrival_offset, .. }
                        if arrival_offset >= PacketMetric::OFFSET_TOO_LONG =>
                    {
                        continue;
                    }
                    PacketMetric::Received { ecn, arrival_offset } => {
                        let before = i64::from(arrival_offset) * 1_000_000 / 1_024;
                        let time = time_us.saturating_sub(before).max(0) as u64;
                        (Some(Duration::from_micros(time)), Some(ecn))
                    }
                };
                let ecn = seen.map_or(Ecn::NotEct, mark);
                if let Some(result) = self.history.on_report(number, arrived, ecn) {
                    numbers.reports.count(seen, result.was_lost);
                    self.results.push(result);
                }
            }
        }
        self.results.sort_unstable_by_key(|result| result.sent);
        self.marking.reported(&self.results);
        self.take_results(now);
    }

    fn take_results(&mut self, now: Instant) {
        self.controller.on_feedback(now, &Feedback { results: &self.results, rtt: None });
        self.apply(now);
    }

    /// The number without wraps of a packet that was sent: the last one with these bits.
    fn unwrap_number(&self, number: SequenceNumber) -> u64 {
        let last = self.next_number - 1;
        last - u64::from((last as u16).wrapping_sub(number.0))
    }

    /// Whether a report on so many packets is read: a peer must not keep us busy with reports.
    fn spend(&mut self, now: Instant, packets: u32) -> bool {
        let (left, since) = &mut self.budget;
        if since.is_none_or(|since| now.saturating_duration_since(since) >= REPORTED_PERIOD) {
            (*left, *since) = (REPORTED_PACKETS, Some(now));
        }
        let cost = packets.max(REPORT_COST);
        let enough = *left >= cost;
        *left = left.saturating_sub(cost);
        enough
    }

    /// Notes how many packets of a stream a receiver has lost since its last report, and how many it was to get (RFC 3550
    /// §6.4.1). [`losses_counted`](Self::losses_counted) follows, once for all streams.
    pub(super) fn count_losses(&mut self, lost: u32, expected: u32) {
        self.losses.0 += u64::from(lost);
        self.losses.1 += u64::from(expected);
    }

    /// Takes the share of packets lost. Streams count by how much they send, and few packets tell nothing: that one of two is
    /// lost is no loss of half the path's.
    pub(super) fn losses_counted(&mut self, now: Instant) {
        let (lost, expected) = self.losses;
        if expected < MIN_REPORTED {
            return;
        }
        self.losses = (0, 0);
        self.loss_reports.on_loss(now, lost as f64 / expected as f64);
        if !self.reported {
            self.apply(now);
        }
    }

    /// The receiver's estimate (draft-alvestrand-rmcat-remb-03).
    pub(super) fn remote_estimate(&mut self, now: Instant, bitrate: u64) {
        let limit = Some(DataRate::from_bps(bitrate));
        self.controller.on_remote_limit(now, limit);
        self.loss_reports.on_remote_limit(now, limit);
        self.apply(now);
    }

    /// A round trip measured by reports (RFC 3550 §6.4.1).
    pub(super) fn round_trip(&mut self, now: Instant, round_trip: Duration) {
        self.controller.on_rtt(now, round_trip);
        self.loss_reports.on_rtt(now, round_trip);
    }

    /// What the application can use at most.
    pub(super) fn set_demand(&mut self, now: Instant, demand: DataRate) {
        self.controller.on_application_limited(now, Some(demand));
        self.apply(now);
    }

    /// The path is another one.
    pub(super) fn route_changed(&mut self, now: Instant, ipv4: bool) {
        self.path_overhead = if ipv4 { IPV4_OVERHEAD } else { IPV6_OVERHEAD };
        self.controller.on_route_change(now);
        self.loss_reports.on_route_change(now);
        self.marking.route_changed();
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

    /// Bytes of a packet beside RTP.
    pub(super) fn overhead(&self) -> u64 {
        self.srtp_overhead + self.path_overhead
    }

    // --- what encoders get ---

    /// What all encoders may use together: the target, less what is sent again or protects (half of the target at most), and less
    /// while too much waits.
    pub(super) fn media_rate(&mut self, now: Instant) -> DataRate {
        let target = self.target().rate;
        let repeated = self.repeated_rate(now);
        let media = (target - repeated).max(target.scaled(0.5));
        self.pacer.media_rate(media)
    }

    fn repeated_rate(&mut self, now: Instant) -> DataRate {
        let (bytes, since, rate) = &mut self.repeated;
        let since = since.get_or_insert(now);
        let passed = now.saturating_duration_since(*since);
        if passed >= REPEATED_WINDOW {
            // Half of it was so before.
            *rate = (*rate + *bytes / passed).scaled(0.5);
            (*bytes, *since) = (DataSize::ZERO, now);
        }
        *rate
    }

    /// A snapshot for statistics.
    pub(super) fn estimate(&self, now: Instant) -> Estimate {
        let (target, seen) = (self.target(), self.controller.snapshot());
        Estimate {
            available_outgoing_bitrate: target.rate.as_bps(),
            reported: self.reported,
            round_trip: target.rtt,
            loss: target.loss,
            queue_delay: seen.queue_delay,
            in_flight: seen.in_flight.as_bytes(),
            throughput: seen.throughput.map(DataRate::as_bps),
            pacer_packets: self.pacer.len(),
            pacer_bytes: self.pacer.queued().as_bytes(),
            pacer_delay: self.pacer.oldest(now),
        }
    }

    // --- time ---

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.controller.poll_timeout()
    }

    /// When the next packet is to leave.
    pub(super) fn poll_send_timeout(&self) -> Option<Instant> {
        self.pacer.poll_timeout()
    }

    /// Whether anything was due.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        let due = self.controller.poll_timeout().is_some_and(|at| at <= now);
        if due {
            self.controller.handle_timeout(now);
            self.apply(now);
        }
        due
    }

    /// Hands on what the controller has decided.
    fn apply(&mut self, now: Instant) {
        let target = self.target();
        self.pacer.set_rates(now, target.pacing_rate, target.padding_rate);
        self.pacer.set_congested(target.congested);
        self.log.estimate(now, &*self.controller, &self.pacer);
        self.take_probes(now);
    }

    fn take_probes(&mut self, now: Instant) {
        while let Some(cluster) = self.controller.poll_probe() {
            if self.reported {
                self.log.probe(now, &cluster);
                self.pacer.add_probe(cluster);
            }
        }
    }
}

/// A clock without wraps, from the last time and the same without wraps. It begins one wrap in, so that it may run back.
fn unwrap(last: &mut Option<(i64, i64)>, time: i64, wrap: i64) -> i64 {
    let (before, extended) = last.unwrap_or((time, wrap));
    let step = (time - before + wrap / 2).rem_euclid(wrap) - wrap / 2;
    let extended = extended.saturating_add(step);
    *last = Some((time, extended));
    extended
}

fn mark(ecn: rtcp::Ecn) -> Ecn {
    match ecn {
        rtcp::Ecn::NotEct => Ecn::NotEct,
        rtcp::Ecn::Ect0 => Ecn::Ect0,
        rtcp::Ecn::Ect1 => Ecn::Ect1,
        rtcp::Ecn::Ce => Ecn::Ce,
    }
}

/// Under which transport-wide numbers the last packets of a stream were sent, and what was reported of all. Memory is taken
/// as packets come.
#[derive(Default)]
struct StreamNumbers {
    slots: Vec<(u16, u64)>,
    reports: PacketReports,
}

impl StreamNumbers {
    fn insert(&mut self, sequence: SequenceNumber, number: u64) {
        let slot = usize::from(sequence.0) % REMEMBERED_OF_STREAM;
        if self.slots.is_empty() {
            self.slots.resize(REMEMBERED_OF_STREAM, (0, 0));
        }
        self.slots[slot] = (sequence.0, number);
    }

    fn get(&self, sequence: SequenceNumber) -> Option<u64> {
        let &(found, number) = self.slots.get(usize::from(sequence.0) % REMEMBERED_OF_STREAM)?;
        (found == sequence.0 && number != 0).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_go_on_over_their_wrap_and_back() {
        let mut last = None;
        let begin = unwrap(&mut last, 90, 100);
        assert_eq!(unwrap(&mut last, 95, 100) - begin, 5);
        assert_eq!(unwrap(&mut last, 5, 100) - begin, 15);
        assert_eq!(unwrap(&mut last, 97, 100) - begin, 7);
        assert_eq!(unwrap(&mut last, 40, 100) - begin, 50);
    }

    #[test]
    fn numbers_of_a_stream_are_forgotten_by_age() {
        let mut numbers = StreamNumbers::default();
        assert_eq!(numbers.get(SequenceNumber(0)), None);
        for index in 0..3_000u64 {
            numbers.insert(SequenceNumber((65_000 + index) as u16), 70_000 + index);
        }
        assert_eq!(numbers.get(SequenceNumber(65_000)), None);
        assert_eq!(numbers.get(SequenceNumber((65_000 + 2_999) as u16)), Some(72_999));
        assert_eq!(numbers.get(SequenceNumber((65_000 + 952) as u16)), Some(70_952));
        assert_eq!(numbers.get(SequenceNumber((65_000 + 3_000) as u16)), None);
    }
}
