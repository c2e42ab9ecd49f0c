//! What the peer is told of the arrival of its packets, so that it can estimate the path: on each packet, by transport-wide
//! numbers or by stream (RFC 8888), or our own estimate (REMB) where nothing else was agreed on.

use std::time::{Duration, Instant};

use peerage_congestion::{DataRate, DataSize, RemoteEstimator};
use peerage_ice::Ecn;
use peerage_rtp::extension::{
    AbsoluteSendTime, ExtensionKind, FeedbackRequest, TransportSequenceNumber,
    TransportSequenceNumberV2,
};
use peerage_rtp::receive::{StreamArrivals, TransportArrivals};
use peerage_rtp::rtcp::{self, FeedbackSources};
use peerage_rtp::{ExtensionMap, RtpPacket, SequenceNumber, Ssrc};
use peerage_sdp::Feedback;

use super::{MAX_QUEUED_RTCP, RtpTransport};
use crate::jsep::AgreedMedia;

/// Reports are this far apart, the nearer the more arrives (draft-ietf-rmcat-gcc-02 §3).
const INTERVAL: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(250));
/// They take this part of what arrives, if each has so many bytes with all headers.
const REPORT_SHARE: f64 = 0.05;
const REPORT_LEN: f64 = 68.0;
/// On so many packets is reported at most for each that came, where the peer asks: what it gets back is bounded by what it
/// sends. So many may have come together.
const STATUSES_PER_PACKET: u16 = 4;
const MAX_STATUSES: u16 = 1024;
/// On so many in one message, which fits a datagram.
const MAX_ASKED: u16 = 400;
/// Headers of UDP and IP.
const PATH_OVERHEAD: usize = 28;
/// Sources that one REMB names.
const MAX_REMB_SOURCES: usize = 64;

/// See the module.
#[derive(Default)]
pub(super) struct ArrivalReports {
    transport: Option<TransportArrivals>,
    streams: Option<StreamArrivals>,
    remote: Option<Box<RemoteEstimator>>,
    /// The source of the last packet.
    last: Ssrc,
    /// When the next report is due.
    due: Option<Instant>,
    /// Bytes that arrived since then.
    arrived: (u64, Option<Instant>),
    interval: Duration,
    /// The number of the packet that came, and what it asks for.
    asked: Option<(u16, FeedbackRequest)>,
    /// On how many packets may be reported that the peer asks for.
    statuses: u16,
}

/// The transport-wide number of a packet, of either version.
pub(super) fn transport_number(packet: &RtpPacket<'_>, map: &ExtensionMap) -> Option<u16> {
    let first = packet.extension::<TransportSequenceNumber>(map).map(|number| number.0);
    let second = || packet.extension::<TransportSequenceNumberV2>(map);
    first.or_else(|| second().map(|number| number.sequence_number))
}

/// How a packet came.
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    pub(super) now: Instant,
    /// Bytes of the datagram.
    pub(super) len: usize,
    /// The mark of its IP packet.
    pub(super) ecn: Option<Ecn>,
    /// Whether it is of a stream that is known.
    pub(super) routed: bool,
}

/// RFC 8888 §3.1.
fn mark(ecn: Option<Ecn>) -> rtcp::Ecn {
    match ecn {
        None => rtcp::Ecn::NotEct,
        Some(Ecn::Ect0) => rtcp::Ecn::Ect0,
        Some(Ecn::Ect1) => rtcp::Ecn::Ect1,
        Some(Ecn::Ce) => rtcp::Ecn::Ce,
    }
}

impl ArrivalReports {
    /// Takes what was agreed on. What was begun goes on, for the peer goes on as well.
    pub(super) fn configure(
        &mut self,
        now: Instant,
        agreed: &[AgreedMedia],
        extensions: &ExtensionMap,
        most: DataRate,
    ) {
        let received = || agreed.iter().filter(|media| media.agreement.direction.receives());
        let agreed_on = |wanted: Feedback| {
            let mut codecs = received().flat_map(|media| &media.agreement.codecs);
            codecs.any(|codec| codec.codec.rtcp_feedback.contains(&wanted))
        };
        let has = |kind| extensions.id(kind).is_some();
        let by_stream = agreed_on(Feedback::AckCcfb);
        let by_number = !by_stream
            && agreed_on(Feedback::TransportCc)
            && (has(ExtensionKind::TransportSequenceNumber)
                || has(ExtensionKind::TransportSequenceNumberV2));
        let estimated = !by_stream
            && !by_number
            && agreed_on(Feedback::GoogRemb)
            && has(ExtensionKind::AbsoluteSendTime);
        keep(&mut self.streams, by_stream, StreamArrivals::new);
        keep(&mut self.transport, by_number, || TransportArrivals::new(now));
        keep(&mut self.remote, estimated, || Box::new(RemoteEstimator::new(DataRate::ZERO, most)));
    }

    /// Notes a packet. Transport-wide numbers count whatever they belong to.
    pub(super) fn record(
        &mut self,
        packet: &RtpPacket<'_>,
        arrival: Arrival,
        extensions: &ExtensionMap,
    ) {
        let Arrival { now, len, ecn, routed } = arrival;
        if let Some(remote) = &mut self.remote
            && let Some(time) = packet.extension::<AbsoluteSendTime>(extensions)
        {
            remote.on_packet(now, time.0, DataSize::from(len + PATH_OVERHEAD));
        }
        if let Some(transport) = &mut self.transport {
            // The peer asks for reports on what it numbers by the second version.
            if let Some(number) = packet.extension::<TransportSequenceNumberV2>(extensions) {
                transport.record(now, SequenceNumber(number.sequence_number));
                self.last = packet.ssrc();
                self.statuses = (self.statuses + STATUSES_PER_PACKET).min(MAX_STATUSES);
                self.asked = number.request.map(|request| (number.sequence_number, request));
                return;
            }
            let Some(number) = packet.extension::<TransportSequenceNumber>(extensions) else {
                return;
            };
            transport.record(now, SequenceNumber(number.0));
        } else if let Some(streams) = self.streams.as_mut().filter(|_| routed) {
            streams.record(now, packet.ssrc(), packet.sequence_number(), mark(ecn));
        } else {
            return;
        }
        self.last = packet.ssrc();
        self.arrived.0 += (len + PATH_OVERHEAD) as u64;
        let interval = self.interval.max(INTERVAL.0);
        self.due.get_or_insert(now + interval);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// A stream has ended.
    pub(super) fn forget(&mut self, ssrc: Ssrc) {
        if let Some(streams) = &mut self.streams {
            streams.remove(ssrc);
        }
    }

    /// Nothing is told any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// How far apart reports are to be at the rate of the last ones.
    fn adapt(&mut self, now: Instant) {
        let (bytes, since) = std::mem::replace(&mut self.arrived, (0, Some(now)));
        let Some(since) = since else { return };
        let seconds = now.saturating_duration_since(since).as_secs_f64();
        let rate = bytes as f64 / seconds.max(1e-3);
        let interval = REPORT_LEN / (REPORT_SHARE * rate.max(1.0));
        self.interval = Duration::from_secs_f64(interval.min(1.0)).clamp(INTERVAL.0, INTERVAL.1);
    }
}

fn keep<T>(slot: &mut Option<T>, wanted: bool, make: impl FnOnce() -> T) {
    match wanted {
        true if slot.is_none() => *slot = Some(make()),
        true => {}
        false => *slot = None,
    }
}

impl RtpTransport {
    /// Tells what has arrived, if it is time.
    pub(super) fn report_arrivals(&mut self, now: Instant) {
        if self.arrivals.due.is_none_or(|due| due > now) {
            return;
        }
        self.arrivals.due = None;
        self.arrivals.adapt(now);
        // The feedback is about the transport, but libwebrtc takes only what names a source of its own.
        let (own, media) = (self.own_ssrc(), self.arrivals.last);
        let ntp = self.clock.at(now);
        let mut packet = std::mem::take(&mut self.spare_rtcp);
        while self.rtcp.len() < MAX_QUEUED_RTCP {
            let reports = &mut self.arrivals;
            let more = if let Some(transport) = &mut reports.transport {
                transport.report(FeedbackSources { sender: own, media }, &mut packet)
            } else if let Some(streams) = &mut reports.streams {
                let more = streams.report(now, ntp, own, &mut packet);
                self.statistics.stream_feedback_sent += u64::from(more);
                more
            } else {
                false
            };
            if !more {
                self.spare_rtcp = packet;
                return;
            }
            self.push_rtcp(std::mem::take(&mut packet));
        }
    }

    /// Tells what the packet that came has asked for.
    pub(super) fn answer_request(&mut self) {
        let Some((last, request)) = self.arrivals.asked.take() else { return };
        let sources = FeedbackSources { sender: self.own_ssrc(), media: self.arrivals.last };
        let reports = &mut self.arrivals;
        let count = request.packets.min(reports.statuses).min(MAX_ASKED);
        let Some(transport) = reports.transport.as_mut().filter(|_| count > 0) else { return };
        if self.rtcp.len() >= MAX_QUEUED_RTCP {
            return;
        }
        reports.statuses -= count;
        let mut packet = Vec::new();
        let asked = (count, request.timestamps);
        if transport.report_on(SequenceNumber(last), asked, sources, &mut packet) {
            self.push_rtcp(packet);
        }
    }

    /// Tells our estimate, if it is time.
    pub(super) fn report_estimate(&mut self, now: Instant) {
        let Some(remote) = &mut self.arrivals.remote else { return };
        let Some(bitrate) = remote.poll_report(now) else { return };
        remote.on_rtt(self.round_trip);
        let ssrcs: Vec<Ssrc> =
            self.receivers.iter().map(|s| s.ssrc()).take(MAX_REMB_SOURCES).collect();
        let sources = FeedbackSources { sender: self.own_ssrc(), media: Ssrc(0) };
        let mut packet = Vec::with_capacity(20 + 4 * ssrcs.len());
        rtcp::Remb { sources, bitrate: bitrate.as_bps(), ssrcs: (&ssrcs).into() }
            .write(&mut packet);
        self.push_rtcp(packet);
    }
}
