//! What the RTP transport records: packets, RTCP, and sources as they are first seen. RTCP is read again for it, so that
//! the places that act on it need not tell.

use std::time::{Duration, Instant};

use peerage_congestion::{Controller, Pacer, ProbeCluster, ProbeClusterId};
use peerage_log::{
    Direction, Encoding, Estimate, Frame as LoggedFrame, LogEvent, Packet, PacketRole, Plaintext,
    Report, Rtcp, RtcpKind, Stream,
};
use peerage_rtp::payload::PayloadFormat;
use peerage_rtp::rtcp::{self, Arrival, Packet as RtcpPacket, PacketMetric, ReportBlock};
use peerage_rtp::{ExtensionMap, NtpClock, RtpPacket, Ssrc};

use super::arrivals::transport_number;
use super::frame::Frame;
use super::routing::{ReceivedCodec, Section};
use super::send::SendStream;
use super::{RtpTransport, Target};
use crate::event_log::{Log, Observers};

impl RtpTransport {
    /// From now on this one is told.
    pub(crate) fn set_log(&mut self, log: Log) {
        if let Some(rate) = &mut self.rate {
            rate.set_log(log.clone());
        }
        self.log = log;
    }

    /// Records that streams are over which descriptions have ended.
    pub(super) fn log_ended_streams(&self, now: Instant) {
        self.log.with(|observers| {
            observers.end_others(now, |direction, ssrc| match direction {
                Direction::Sent => self.senders.get(Ssrc(ssrc)).is_some(),
                Direction::Received => match self.by_ssrc.get(&ssrc) {
                    Some(
                        &(Target::Media(index) | Target::Repair(index) | Target::Parity(index)),
                    ) => !self.receivers[index].rests(),
                    None => false,
                },
            });
        });
    }
}

impl Log {
    /// A packet is about to be sealed. It carries media if its source is that of `stream`; `cause` says which probe it is
    /// of, and whether it only fills the path, with what was sent before.
    #[inline]
    pub(super) fn rtp_sent(
        &self,
        now: Instant,
        data: &[u8],
        stream: Option<&SendStream>,
        cause: (Option<ProbeClusterId>, bool),
        map: &ExtensionMap,
    ) {
        if self.is_on() {
            self.tap(now, Direction::Sent, Plaintext::Rtp, data);
            self.with(|observers| note_sent(observers, now, data, stream, cause, map));
        }
    }

    /// A packet of media came.
    #[inline]
    pub(super) fn media_received(
        &self,
        now: Instant,
        packet: &RtpPacket<'_>,
        map: &ExtensionMap,
        section: &Section,
        codec: &ReceivedCodec,
        layer: Option<u8>,
    ) {
        self.with(|observers| {
            let (direction, ssrc) = (Direction::Received, packet.ssrc().0);
            if observers.wants_events() && observers.announce(direction, ssrc, codec.clock_rate) {
                let stream = Stream {
                    direction,
                    ssrc,
                    repair_ssrc: None,
                    kind: kind(codec.format).into(),
                    codec: codec.format.encoding_name().unwrap_or_default().into(),
                    mid: section.mid.as_str().into(),
                    rid: section.rid(layer).unwrap_or_default().into(),
                };
                observers.record(now, &LogEvent::StreamBegan(stream));
            }
            let packet = describe(packet, map, PacketRole::Media);
            observers.record(now, &LogEvent::PacketReceived(packet));
        });
    }

    /// A packet of retransmissions came; without a payload it is padding.
    #[inline]
    pub(super) fn repair_received(&self, now: Instant, packet: &RtpPacket<'_>, map: &ExtensionMap) {
        self.with(|observers| {
            let packet = describe(packet, map, PacketRole::Retransmission);
            observers.record(now, &LogEvent::PacketReceived(packet));
        });
    }

    /// A packet of parity came.
    #[inline]
    pub(super) fn parity_received(&self, now: Instant, packet: &RtpPacket<'_>, map: &ExtensionMap) {
        self.with(|observers| {
            let packet = describe(packet, map, PacketRole::ForwardErrorCorrection);
            observers.record(now, &LogEvent::PacketReceived(packet));
        });
    }

    /// A compound packet of RTCP came, or is about to be sealed.
    #[inline]
    pub(super) fn rtcp(&self, now: Instant, direction: Direction, data: &[u8], clock: &NtpClock) {
        if self.is_on() {
            self.tap(now, direction, Plaintext::Rtcp, data);
            self.with(|observers| {
                if observers.wants_events() {
                    note_rtcp(observers, now, direction, data, clock);
                }
            });
        }
    }

    /// The rate may have changed.
    #[inline]
    pub(super) fn estimate<T>(&self, now: Instant, controller: &dyn Controller, pacer: &Pacer<T>) {
        self.with(|observers| {
            if !observers.wants_events() {
                return;
            }
            let (target, seen) = (controller.target(), controller.snapshot());
            // Before the first report these are guesses.
            let measured = |time: Duration| (seen.arrived > 0).then_some(time.as_micros() as u64);
            observers.estimate(
                now,
                Estimate {
                    target_bps: target.rate.as_bps(),
                    pacing_bps: Some(target.pacing_rate.as_bps()),
                    acknowledged_bps: seen.throughput.map(|rate| rate.as_bps()),
                    loss_ppm: Some((target.loss * 1e6) as u32),
                    round_trip_us: measured(target.rtt),
                    queue_us: measured(seen.queue_delay),
                    pacer_us: Some(pacer.expected_queue_time().as_micros() as u64),
                },
            );
        });
    }

    /// An encoding is told what it may send.
    #[inline]
    pub(super) fn allocation(&self, now: Instant, ssrc: Ssrc, encoding: usize, target_bps: u64) {
        let (ssrc, encoding) = (ssrc.0, encoding as u32);
        self.record(now, || LogEvent::Allocation(Encoding { ssrc, encoding, target_bps }));
    }

    /// The path is about to be probed.
    #[inline]
    pub(super) fn probe(&self, now: Instant, cluster: &ProbeCluster) {
        self.record(now, || LogEvent::Probe {
            cluster: cluster.id.0,
            rate_bps: cluster.rate.as_bps(),
        });
    }

    /// The application handed a frame over, and it was cut into packets.
    #[inline]
    pub(super) fn frame_sent(&self, now: Instant, stream: &SendStream, frame: &Frame) {
        self.record(now, || {
            LogEvent::FrameSent(LoggedFrame {
                ssrc: stream.ssrc().0,
                timestamp: stream.last_timestamp().unwrap_or(0),
                size: frame.data.len() as u32,
                keyframe: frame.info.keyframe.unwrap_or_else(|| {
                    stream.format().is_some_and(|format| begins_anew(format, &frame.data))
                }),
                dimensions: frame.info.dimensions,
            })
        });
    }
}

fn note_sent(
    observers: &mut Observers,
    now: Instant,
    data: &[u8],
    stream: Option<&SendStream>,
    (probe, padding): (Option<ProbeClusterId>, bool),
    map: &ExtensionMap,
) {
    if !observers.wants_events() {
        return;
    }
    let Ok(packet) = RtpPacket::parse(data) else { return };
    let (direction, ssrc) = (Direction::Sent, packet.ssrc());
    let own = stream.filter(|stream| stream.ssrc() == ssrc);
    if let Some(stream) = own
        && !observers.is_announced(direction, ssrc.0)
        && let Some((format, clock_rate)) = stream.format_of(packet.payload_type())
    {
        observers.announce(direction, ssrc.0, clock_rate);
        let stream = Stream {
            direction,
            ssrc: ssrc.0,
            repair_ssrc: Some(stream.repair_ssrc().0),
            kind: kind(format).into(),
            codec: format.encoding_name().unwrap_or_default().into(),
            mid: stream.mid().into(),
            rid: stream.rid().into(),
        };
        observers.record(now, &LogEvent::StreamBegan(stream));
    }
    let role = match (padding, own) {
        (true, _) => PacketRole::Padding,
        _ if stream.is_some_and(|stream| stream.is_parity(&packet)) => {
            PacketRole::ForwardErrorCorrection
        }
        (false, Some(_)) => PacketRole::Media,
        (false, None) => PacketRole::Retransmission,
    };
    let probe = probe.map(|cluster| cluster.0);
    let packet = Packet { probe, ..describe(&packet, map, role) };
    observers.record(now, &LogEvent::PacketSent(packet));
}

/// A packet without a payload is padding, whatever it was made for.
fn describe(packet: &RtpPacket<'_>, map: &ExtensionMap, role: PacketRole) -> Packet {
    let number = transport_number(packet, map);
    Packet {
        ssrc: packet.ssrc().0,
        sequence: packet.sequence_number().0,
        timestamp: packet.timestamp().0,
        payload_type: packet.payload_type().get(),
        size: packet.as_bytes().len() as u32,
        marker: packet.marker(),
        transport_sequence: number,
        role: if packet.payload().is_empty() { PacketRole::Padding } else { role },
        probe: None,
    }
}

fn kind(format: PayloadFormat) -> &'static str {
    if format.is_video() { "video" } else { "audio" }
}

/// Whether a frame that is sent can be decoded on its own, for the formats where one byte tells.
fn begins_anew(format: PayloadFormat, data: &[u8]) -> bool {
    match format {
        // RFC 6386 §9.1: the lowest bit is the inverse.
        PayloadFormat::Vp8 => data.first().is_some_and(|byte| byte & 1 == 0),
        _ => false,
    }
}

fn note_rtcp(
    observers: &mut Observers,
    now: Instant,
    direction: Direction,
    data: &[u8],
    clock: &NtpClock,
) {
    for packet in rtcp::packets(data) {
        // What follows cannot be told apart any more.
        let Ok(packet) = packet else { return };
        let mut note = Rtcp { direction, ..Rtcp::default() };
        match &packet {
            RtcpPacket::SenderReport(report) => {
                note.kind = RtcpKind::SenderReport;
                (note.ssrc, note.count) = (report.ssrc.0, report.reports.len() as u32);
            }
            RtcpPacket::ReceiverReport(report) => {
                note.kind = RtcpKind::ReceiverReport;
                (note.ssrc, note.count) = (report.ssrc.0, report.reports.len() as u32);
            }
            RtcpPacket::SourceDescription(_) => note.kind = RtcpKind::SourceDescription,
            RtcpPacket::Goodbye(goodbye) => {
                note.kind = RtcpKind::Goodbye;
                note.ssrc = goodbye.sources.iter().next().map_or(0, |ssrc| ssrc.0);
                note.count = goodbye.sources.len() as u32;
            }
            RtcpPacket::ExtendedReport(report) => {
                (note.kind, note.ssrc) = (RtcpKind::ExtendedReport, report.ssrc.0);
            }
            RtcpPacket::Nack(nack) => {
                (note.kind, note.ssrc) = (RtcpKind::Nack, nack.sources.media.0);
                note.count = nack.sequence_numbers().count() as u32;
            }
            RtcpPacket::PictureLossIndication(request) => {
                (note.kind, note.ssrc) = (RtcpKind::PictureLoss, request.sources.media.0);
            }
            RtcpPacket::FullIntraRequest(request) => {
                note.kind = RtcpKind::FullIntraRequest;
                note.ssrc = request.entries.iter().next().map_or(0, |entry| entry.ssrc.0);
                note.count = request.entries.len() as u32;
            }
            RtcpPacket::Tmmbr(request) => {
                note.kind = RtcpKind::TemporaryMaximumBitrate;
                note.bitrate_bps = request.limits.iter().next().map(|limit| limit.bitrate);
            }
            RtcpPacket::Tmmbn(_) => note.kind = RtcpKind::TemporaryMaximumBitrate,
            RtcpPacket::Remb(remb) => {
                note.kind = RtcpKind::ReceiverEstimatedMaximumBitrate;
                note.bitrate_bps = Some(remb.bitrate);
            }
            RtcpPacket::TransportFeedback(feedback) => {
                note.kind = RtcpKind::TransportFeedback;
                let arrived =
                    feedback.packets().filter(|status| status.arrival != Arrival::NotReceived);
                note.count = u32::from(feedback.status_count);
                note.lost = note.count.saturating_sub(arrived.count() as u32);
            }
            RtcpPacket::CongestionControlFeedback(feedback) => {
                note.kind = RtcpKind::CongestionFeedback;
                for (_, metric) in feedback.streams().flat_map(|stream| stream.packets()) {
                    note.count += 1;
                    note.lost += u32::from(metric == PacketMetric::NotReceived);
                }
            }
            _ => {}
        }
        observers.record(now, &LogEvent::Rtcp(note));
        match packet {
            RtcpPacket::SenderReport(rtcp::SenderReport { reports, .. })
            | RtcpPacket::ReceiverReport(rtcp::ReceiverReport { reports, .. }) => {
                for block in reports.iter() {
                    note_report(observers, now, direction, &block, clock);
                }
            }
            RtcpPacket::PictureLossIndication(request) => {
                let ssrc = request.sources.media.0;
                observers.record(now, &LogEvent::KeyframeRequest { direction, ssrc });
            }
            RtcpPacket::FullIntraRequest(request) => {
                for entry in request.entries.iter() {
                    let ssrc = entry.ssrc.0;
                    observers.record(now, &LogEvent::KeyframeRequest { direction, ssrc });
                }
            }
            RtcpPacket::Goodbye(goodbye) => {
                for ssrc in goodbye.sources.iter() {
                    observers.end(now, direction, ssrc.0);
                }
            }
            _ => {}
        }
    }
}

fn note_report(
    observers: &mut Observers,
    now: Instant,
    direction: Direction,
    block: &ReportBlock,
    clock: &NtpClock,
) {
    // A report that we send is about a source of the peer.
    let about = match direction {
        Direction::Sent => Direction::Received,
        Direction::Received => Direction::Sent,
    };
    // The jitter of a source that was never announced would have no unit.
    let Some(clock_rate) = observers.clock_rate(about, block.ssrc.0) else { return };
    let (last, delay) = (block.last_sender_report, block.delay_since_last_sender_report);
    let round_trip = match direction {
        Direction::Sent => None,
        Direction::Received => peerage_rtp::round_trip(clock.at(now), last, delay),
    };
    let report = Report {
        direction,
        ssrc: block.ssrc.0,
        fraction_lost: block.fraction_lost,
        total_lost: block.cumulative_lost,
        jitter_us: u64::from(block.jitter) * 1_000_000 / u64::from(clock_rate.max(1)),
        round_trip_us: round_trip.as_ref().map(Duration::as_micros).map(|us| us as u64),
    };
    observers.record(now, &LogEvent::Report(report));
}
