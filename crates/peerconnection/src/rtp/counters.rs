//! What is counted of one stream where its packets pass, beside what [`ReceiveStatistics`] and the assembler count. Whole
//! numbers only, no allocation; [`crate::stats`] is made of them when somebody asks.
//!
//! [`ReceiveStatistics`]: peerage_rtp::receive::ReceiveStatistics

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use peerage_ice::Ecn;
use peerage_rtp::payload::{AssemblerStatistics, EncodedFrame, FrameFacts};
use peerage_rtp::rtcp::{self, ReportBlock};

use super::encoders::EncoderStatistics;
use super::frame::FrameArrival;
use super::quality::Quality;
use super::remb::Flow;

/// Frames whose arrival is remembered: more are not under way at once unless much is missing.
const MAX_FRAMES_UNDER_WAY: usize = 32;
/// Frames within a second that are counted; faster ones show as this many.
const MAX_FRAMES_PER_SECOND: usize = 480;

/// Round trips as one peer's reports tell them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RoundTrips {
    pub(crate) last: Option<Duration>,
    pub(crate) total: Duration,
    pub(crate) count: u64,
}

impl RoundTrips {
    pub(super) fn add(&mut self, round_trip: Duration) {
        self.last = Some(round_trip);
        self.total += round_trip;
        self.count += 1;
    }
}

/// Packets by the mark that they came with (RFC 3168 §5).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    /// With any: without marks nothing says whether the socket tells them.
    any: bool,
    ect1: u64,
    ce: u64,
}

impl Marks {
    pub(super) fn count(&mut self, mark: Ecn) {
        self.any = true;
        self.ect1 += u64::from(mark == Ecn::Ect1);
        self.ce += u64::from(mark == Ecn::Ce);
    }

    /// Those marked ECT(1), and those marked CE.
    pub(crate) fn told(&self) -> Option<(u64, u64)> {
        self.any.then_some((self.ect1, self.ce))
    }
}

/// What the peer reports of the packets of one source, each by itself (RFC 8888).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PacketReports {
    pub(crate) ect1: u64,
    pub(crate) ce: u64,
    pub(crate) lost: u64,
    /// Of those, packets that it told of later as having come.
    pub(crate) recovered: u64,
}

impl PacketReports {
    /// Counts what is new of a packet: with what mark it came, if it did; `was_lost` if that was said before.
    pub(super) fn count(&mut self, mark: Option<rtcp::Ecn>, was_lost: bool) {
        self.lost += u64::from(mark.is_none());
        self.recovered += u64::from(mark.is_some() && was_lost);
        self.ect1 += u64::from(mark == Some(rtcp::Ecn::Ect1));
        self.ce += u64::from(mark == Some(rtcp::Ecn::Ce));
    }
}

/// Frames within the last second.
#[derive(Clone, Debug, Default)]
pub(super) struct FrameRate(VecDeque<Instant>);

impl FrameRate {
    fn add(&mut self, now: Instant) {
        let is_old = |at: &Instant| now.saturating_duration_since(*at) >= Duration::from_secs(1);
        while self.0.front().is_some_and(is_old) || self.0.len() >= MAX_FRAMES_PER_SECOND {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    pub(super) fn per_second(&self, now: Instant) -> usize {
        let recent = |at: &&Instant| now.saturating_duration_since(**at) < Duration::from_secs(1);
        self.0.iter().rev().take_while(recent).count()
    }
}

/// Of a stream of the peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct InboundCounters {
    /// The payload type of the last packet, and whether it has retransmissions.
    pub(super) codec: Option<(u8, bool)>,
    /// Bytes of padding, which are none of payload (RFC 3550 §6.4.1).
    pub(super) padding_bytes: u64,
    /// Of the stream of retransmissions: all packets, and bytes of headers and padding.
    pub(super) rtx_packets: u64,
    pub(super) rtx_header_bytes: u64,
    /// Of those, what carries something.
    pub(crate) retransmitted_packets: u64,
    pub(crate) retransmitted_bytes: u64,
    pub(crate) rtx_ssrc: Option<u32>,
    /// Of all its packets, those of RTX too.
    pub(crate) marks: Marks,
    pub(crate) nacks: u32,
    pub(crate) picture_losses: u32,
    pub(crate) full_intra_requests: u32,
    /// Frames that the application did not take in time.
    pub(super) frames_not_taken: u64,
    pub(crate) frames_given_out: u64,
    pub(crate) frames_of_several_packets: u32,
    pub(crate) assembly_time: Duration,
    /// From the first packet until the frame was given out.
    pub(crate) waiting_time: Duration,
    pub(crate) dimensions: Option<(u16, u16)>,
    pub(super) rate: FrameRate,
    /// When the packets of frames came, by their timestamps.
    under_way: VecDeque<(u32, FrameArrival)>,
    /// Of assemblers of codecs that are not in use any more.
    before: AssemblerStatistics,
    /// Round trips by the peer's DLRR blocks.
    pub(super) round_trips: RoundTrips,
}

impl InboundCounters {
    /// Notes a packet of video with this timestamp, that was `repaired` or not.
    pub(super) fn packet_of_frame(&mut self, now: Instant, timestamp: u32, repaired: bool) {
        // Almost always it is of the newest frame.
        let mut known = self.under_way.iter_mut().rev();
        if let Some((_, arrival)) = known.find(|(of, _)| *of == timestamp) {
            arrival.last = now;
            arrival.repaired |= repaired;
            return;
        }
        if self.under_way.len() >= MAX_FRAMES_UNDER_WAY {
            self.under_way.pop_front();
        }
        self.under_way.push_back((timestamp, FrameArrival { repaired, ..FrameArrival::at(now) }));
    }

    /// When the packets of a frame came, as far as it is remembered.
    pub(super) fn arrival(&self, timestamp: u32) -> Option<FrameArrival> {
        self.under_way.iter().find(|(of, _)| *of == timestamp).map(|(_, arrival)| *arrival)
    }

    /// Counts a frame that is given out.
    pub(super) fn frame(&mut self, now: Instant, frame: &EncodedFrame, is_video: bool) {
        self.frames_given_out += 1;
        if !is_video {
            return;
        }
        self.rate.add(now);
        self.dimensions = frame.dimensions.or(self.dimensions);
        let Some(arrival) = self.arrival(frame.timestamp) else { return };
        self.waiting_time += now.saturating_duration_since(arrival.first);
        if frame.first_sequence != frame.last_sequence {
            self.frames_of_several_packets += 1;
            self.assembly_time += arrival.last.saturating_duration_since(arrival.first);
        }
    }

    /// Keeps the counts of an assembler that is given up.
    pub(super) fn assembler_ends(&mut self, statistics: AssemblerStatistics) {
        self.before = self.with(statistics);
    }

    /// The counts of all assemblers, `statistics` being those of the present one.
    pub(super) fn with(&self, statistics: AssemblerStatistics) -> AssemblerStatistics {
        let before = self.before;
        AssemblerStatistics {
            frames: before.frames + statistics.frames,
            keyframes: before.keyframes + statistics.keyframes,
            undecodable_frames: before.undecodable_frames + statistics.undecodable_frames,
            incomplete_frames: before.incomplete_frames + statistics.incomplete_frames,
            lost_packets: before.lost_packets + statistics.lost_packets,
            malformed_packets: before.malformed_packets + statistics.malformed_packets,
            duplicate_packets: before.duplicate_packets + statistics.duplicate_packets,
            late_packets: before.late_packets + statistics.late_packets,
            passed_over: before.passed_over + statistics.passed_over,
        }
    }
}

/// Of a stream of ours.
#[derive(Clone, Debug, Default)]
pub(crate) struct OutboundCounters {
    /// The payload type of the last frame or packet.
    pub(super) payload_type: Option<u8>,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) header_bytes: u64,
    pub(crate) retransmitted_packets: u64,
    pub(crate) retransmitted_bytes: u64,
    pub(crate) frames_encoded: u32,
    pub(crate) key_frames_encoded: u32,
    pub(crate) frames_sent: u32,
    pub(crate) dimensions: Option<(u16, u16)>,
    /// Between being cut and being sent, all packets together.
    pub(crate) send_delay: Duration,
    pub(crate) nacks: u32,
    pub(crate) full_intra_requests: u32,
    pub(crate) picture_losses: u32,
    pub(super) rate: FrameRate,
    pub(super) flow: Flow,
    pub(crate) quality: Quality,
    /// What the encoder told of itself.
    pub(crate) encoder: Option<Box<EncoderStatistics>>,
    /// What the peer reported last, and when.
    pub(crate) report: Option<(Instant, ReportBlock)>,
    /// The share of packets that the peer reports as lost, 0 to 1, over some reports.
    pub(super) loss: f32,
    pub(crate) round_trips: RoundTrips,
}

impl OutboundCounters {
    /// Counts a frame of video that is handed in; `ends` if no other layer of its picture follows.
    pub(super) fn frame(&mut self, now: Instant, facts: FrameFacts, ends: bool) {
        self.dimensions = facts.dimensions.or(self.dimensions);
        self.key_frames_encoded += u32::from(facts.keyframe);
        if ends {
            self.frames_encoded += 1;
            self.rate.add(now);
        }
    }

    /// Counts a packet that is sent.
    pub(super) fn packet(&mut self, header_len: usize, payload_len: usize, waited: Duration) {
        self.packets += 1;
        self.bytes += payload_len as u64;
        self.header_bytes += header_len as u64;
        self.send_delay += waited;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_the_last_second_are_counted() {
        let (start, mut rate) = (Instant::now(), FrameRate::default());
        for index in 0..90 {
            rate.add(start + Duration::from_millis(33 * index));
        }
        let end = start + Duration::from_millis(33 * 89);
        assert_eq!(rate.per_second(end), 31);
        assert_eq!(rate.per_second(end + Duration::from_millis(500)), 16);
        assert_eq!(rate.per_second(end + Duration::from_secs(2)), 0);
        assert!(rate.0.len() <= 32, "what is over is forgotten");
        for _ in 0..10_000 {
            rate.add(end);
        }
        assert_eq!(rate.0.len(), MAX_FRAMES_PER_SECOND);
    }

    #[test]
    fn the_arrival_of_no_end_of_frames_is_remembered() {
        let (now, mut counters) = (Instant::now(), InboundCounters::default());
        for timestamp in 0..1000 {
            counters.packet_of_frame(now, timestamp, false);
            counters.packet_of_frame(now, timestamp, true);
        }
        let arrival = counters.arrival(999).unwrap();
        assert_eq!(arrival, FrameArrival { repaired: true, ..FrameArrival::at(now) });
        assert_eq!(counters.arrival(0), None);
        assert_eq!(counters.under_way.len(), MAX_FRAMES_UNDER_WAY);
    }
}
