//! The RTP transport: what the connection does with RTP and RTCP once a description is agreed on and DTLS is up.
//!
//! ```text
//! datagram -> SRTP opened in place -> routing (SSRC, mid, payload type) -> receive stream -> frame assembly -> event
//! send_frame -> packetiser -> queue -> header extensions of the moment -> SRTP sealed in place -> poll_transmit
//! ```
//!
//! One bundle has one of them (RFC 9143 §9); its streams are found by hash, and no call looks at streams that it does not
//! concern.

mod frame;
mod receive;
mod routing;
mod send;
mod statistics;

pub use frame::{Frame, MediaFrame};
pub use statistics::RtpStatistics;

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use peerage_crypto::Rng;
use peerage_rtp::extension::{ExtensionKind, TransportSequenceNumber};
use peerage_rtp::receive::{Route, StreamRole, TransportArrivals};
use peerage_rtp::repair::rtx;
use peerage_rtp::rtcp::{self, FeedbackSources, PictureLossIndication};
use peerage_rtp::{ExtensionMap, NtpClock, NtpTime, PayloadType, RtpPacket, SequenceNumber, Ssrc};
use peerage_sdp::Text;
use rustc_hash::FxHashMap;

use self::receive::ReceiveStream;
use self::routing::Routing;
use self::send::SendStream;
use crate::error::Error;
use crate::jsep::AgreedMedia;
use crate::transceiver::{TransceiverHandle, Transceivers};
use crate::transport::srtp::SrtpTransport;

/// Streams of the peer that are kept at once; packets of more are dropped.
const MAX_RECEIVE_STREAMS: usize = 1024;
/// Packets that wait to be sent; a frame that finds no room is refused.
const MAX_QUEUED_PACKETS: usize = 4096;
/// Frames that wait for the application; more are dropped, and a keyframe is asked for.
const MAX_QUEUED_FRAMES: usize = 1024;
/// Packets that wait to be sent again; the peer asks for more in vain.
const MAX_QUEUED_RETRANSMISSIONS: usize = 1024;
/// Pairs of one NACK: what fits a datagram. The rest is asked for next time.
const MAX_NACK_PAIRS: usize = 250;
/// RTCP packets that wait to be sent.
const MAX_QUEUED_RTCP: usize = 64;
/// Bytes of the reports in one compound packet: more are sent as several, that fit the path (RFC 3550 §6.1).
const MAX_REPORT_LEN: usize = 900;
/// How often a keyframe is asked for at most.
const KEYFRAME_REQUEST_INTERVAL: Duration = Duration::from_millis(300);
/// Between reports on average (RFC 3550 §6.2: 5 s, or less where the bandwidth allows; browsers send video's every second).
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// How often arrivals are told to a sender that estimates the path (transport-wide feedback).
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(50);
/// The round trip before it was measured.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);

/// What happened.
#[derive(Debug)]
pub(crate) enum RtpEvent {
    Frame(MediaFrame),
    KeyframeRequested { transceiver: TransceiverHandle, encoding: usize },
}

/// What a source of the peer is.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// The stream with this index.
    Media(usize),
    /// Retransmissions of it.
    Repair(usize),
}

/// See the module.
pub(crate) struct RtpTransport {
    srtp: Option<SrtpTransport>,
    extensions: ExtensionMap,
    routing: Routing,
    receivers: Vec<ReceiveStream>,
    by_ssrc: FxHashMap<u32, Target>,
    /// Streams that miss packets: only these are looked at when a timer is due.
    repairing: Vec<usize>,
    arrivals: Option<TransportArrivals>,
    next_feedback: Option<Instant>,
    round_trip: Duration,
    senders: Vec<SendStream>,
    /// Streams that do not send as agreed now, but may again.
    paused: Vec<SendStream>,
    outgoing: VecDeque<send::Packet>,
    retransmissions: VecDeque<send::Packet>,
    rtcp: VecDeque<Vec<u8>>,
    events: VecDeque<RtpEvent>,
    queued_frames: usize,
    next_report: Option<Instant>,
    /// The source of reports while nothing is sent.
    report_ssrc: Ssrc,
    cname: Text,
    clock: NtpClock,
    transport_sequence: u16,
    rng: Rng,
    scratch: Vec<u8>,
    statistics: RtpStatistics,
}

impl RtpTransport {
    /// `clock` is a moment by both clocks.
    pub(crate) fn new(rng: &mut Rng, cname: Text, clock: (Instant, SystemTime)) -> Self {
        let mut rng = rng.fork();
        let unix = clock.1.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            srtp: None,
            extensions: ExtensionMap::new(),
            routing: Routing::default(),
            receivers: Vec::new(),
            by_ssrc: FxHashMap::default(),
            repairing: Vec::new(),
            arrivals: None,
            next_feedback: None,
            round_trip: FIRST_ROUND_TRIP,
            senders: Vec::new(),
            paused: Vec::new(),
            outgoing: VecDeque::new(),
            retransmissions: VecDeque::new(),
            rtcp: VecDeque::new(),
            events: VecDeque::new(),
            queued_frames: 0,
            next_report: None,
            report_ssrc: Ssrc(rng.u32()),
            cname,
            clock: NtpClock::new(clock.0, NtpTime::from_unix(unix)),
            transport_sequence: 0,
            rng,
            scratch: Vec::new(),
            statistics: RtpStatistics::default(),
        }
    }

    /// DTLS is up.
    pub(crate) fn connected(&mut self, now: Instant, srtp: SrtpTransport) {
        self.srtp = Some(srtp);
        self.schedule_reports(now);
    }

    /// DTLS is over and with it the keys: nothing more is sent or taken, and what was kept for it is let go.
    pub(crate) fn disconnected(&mut self) {
        self.srtp = None;
        self.receivers.clear();
        self.by_ssrc.clear();
        self.repairing.clear();
        self.outgoing.clear();
        self.retransmissions.clear();
        self.rtcp.clear();
        self.next_report = None;
        self.next_feedback = None;
    }

    /// Follows what descriptions have settled.
    pub(crate) fn configure(
        &mut self,
        now: Instant,
        agreed: &[AgreedMedia],
        transceivers: &Transceivers,
    ) {
        self.extensions = ExtensionMap::new();
        for extension in agreed.iter().flat_map(|media| &media.agreement.extensions) {
            // An identifier that cannot be used was not agreed on.
            if let Ok(id) = u8::try_from(extension.id) {
                let _ = self.extensions.insert(id, extension.uri.as_str());
            }
        }
        self.extensions.allow_two_byte(agreed.iter().any(|media| media.remote.extmap_allow_mixed));
        let wanted = |stream: &ReceiveStream| {
            let of = |media: &&AgreedMedia| media.transceiver == stream.transceiver();
            agreed.iter().find(of).is_some_and(|media| media.agreement.direction.receives())
        };
        self.receivers.retain(wanted);
        self.repairing.clear();
        self.by_ssrc.clear();
        for (index, stream) in self.receivers.iter().enumerate() {
            self.by_ssrc.insert(stream.ssrc().0, Target::Media(index));
            if stream.nack_due().is_some() {
                self.repairing.push(index);
            }
        }
        let known = self
            .receivers
            .iter()
            .map(|stream| (stream.ssrc(), stream.transceiver(), stream.layer(), StreamRole::Media));
        self.routing.configure(agreed, known);
        let feedback = self.extensions.id(ExtensionKind::TransportSequenceNumber).is_some();
        if feedback && self.arrivals.is_none() {
            self.arrivals = Some(TransportArrivals::new(now));
        }
        let mut before = std::mem::take(&mut self.senders);
        before.append(&mut self.paused);
        for media in agreed.iter().filter(|media| media.agreement.direction.sends()) {
            let Some(transceiver) = transceivers.get(media.transceiver) else { continue };
            for (encoding, &ssrcs) in transceiver.sender.ssrcs.iter().enumerate() {
                let old = before.iter().position(|stream| stream.ssrc().0 == ssrcs.0);
                let stream = old.map(|index| before.swap_remove(index));
                let Some(rid) = send::agreed_rid(media, &transceiver.sender.encodings, encoding)
                else {
                    before.extend(stream);
                    continue;
                };
                self.senders.push(match stream {
                    Some(mut stream) => {
                        stream.configure(media, rid);
                        stream
                    }
                    None => SendStream::new(media, encoding, ssrcs, rid, &mut self.rng),
                });
            }
        }
        // A source that is held goes on with its numbers when it sends again: begun anew under the same key they could
        // be those of packets that were sealed already, which SRTP must not do (RFC 3711 §3.3.1, §9.1).
        before.retain(|stream| transceivers.get(stream.transceiver()).is_some());
        self.paused = before;
        // What a stream that ended had still to say is not wanted any more.
        let senders = &self.senders;
        let sends = |packet: &send::Packet| senders.iter().any(|s| s.ssrc() == packet.ssrc);
        self.outgoing.retain(sends);
        self.retransmissions.retain(sends);
        self.schedule_reports(now);
    }

    // --- receiving ---

    /// Takes an RTP packet. Noise is counted and dropped.
    pub(crate) fn handle_rtp(&mut self, now: Instant, datagram: &mut [u8]) {
        let Some(srtp) = &mut self.srtp else {
            self.statistics.packets_dropped += 1;
            return;
        };
        let Ok(plain) = srtp.receiver.unprotect_rtp(datagram) else {
            self.statistics.packets_unprotectable += 1;
            return;
        };
        let Ok(packet) = RtpPacket::parse(plain) else {
            self.statistics.packets_malformed += 1;
            return;
        };
        if let Some(arrivals) = &mut self.arrivals
            && let Some(number) = packet.extension::<TransportSequenceNumber>(&self.extensions)
        {
            arrivals.record(now, SequenceNumber(number.0));
            self.next_feedback.get_or_insert(now + FEEDBACK_INTERVAL);
        }
        let Some(route) = self.routing.find(&packet, &self.extensions) else {
            self.statistics.packets_dropped += 1;
            return;
        };
        self.statistics.packets_received += 1;
        self.statistics.bytes_received += packet.payload().len() as u64;
        match self.target(&packet, &route) {
            Some(Target::Media(index)) => {
                let Some(section) = self.routing.section(&route) else { return };
                let Some(codec) = section.codec(packet.payload_type().get()) else { return };
                let stream = &mut self.receivers[index];
                if stream.transceiver() != section.transceiver {
                    // A mid that is named moves the source (RFC 9143 §9.2): here it begins anew.
                    let rid = section.rid(route.layer);
                    let (ssrc, transceiver) = (packet.ssrc(), section.transceiver);
                    *stream = ReceiveStream::new(ssrc, transceiver, route.layer, rid, codec);
                }
                stream.handle(now, codec, &packet);
                self.after_packet(now, index);
            }
            Some(Target::Repair(index)) => self.take_retransmission(now, &packet, &route, index),
            None => self.statistics.packets_dropped += 1,
        }
    }

    /// The stream of a source; the first packet of one makes it (RFC 9143 §9.2).
    fn target(&mut self, packet: &RtpPacket<'_>, route: &Route) -> Option<Target> {
        let ssrc = packet.ssrc();
        if let Some(&target) = self.by_ssrc.get(&ssrc.0) {
            return Some(target);
        }
        let section = self.routing.section(route)?;
        let target = match route.role {
            StreamRole::Media => {
                let codec = section.codec(packet.payload_type().get())?;
                if self.receivers.len() >= MAX_RECEIVE_STREAMS {
                    return None;
                }
                let rid = section.rid(route.layer);
                let (transceiver, layer) = (section.transceiver, route.layer);
                self.receivers.push(ReceiveStream::new(ssrc, transceiver, layer, rid, codec));
                Target::Media(self.receivers.len() - 1)
            }
            // Named by the description, or the one stream of its section and layer (RFC 4588 §5.3).
            StreamRole::Repair => {
                let named = section.repaired_by(ssrc);
                let found = self.receivers.iter().position(|stream| match named {
                    Some(named) => stream.ssrc() == named,
                    None => {
                        stream.transceiver() == section.transceiver && stream.layer() == route.layer
                    }
                });
                Target::Repair(found?)
            }
        };
        if self.by_ssrc.len() >= 2 * MAX_RECEIVE_STREAMS {
            return None;
        }
        self.by_ssrc.insert(ssrc.0, target);
        Some(target)
    }

    /// Takes what a retransmission carries (RFC 4588 §4).
    fn take_retransmission(
        &mut self,
        now: Instant,
        packet: &RtpPacket<'_>,
        route: &Route,
        index: usize,
    ) {
        let Some(section) = self.routing.section(route) else { return };
        let codec = section.codec_repaired_by(packet.payload_type().get()).copied();
        let original = codec.and_then(|codec| PayloadType::new(codec.payload_type));
        let (Some(codec), Some(payload_type)) = (codec, original) else { return };
        self.scratch.clear();
        let ssrc = self.receivers[index].ssrc();
        // Without a payload it is padding, that probes the path.
        if !matches!(rtx::restore(packet, ssrc, payload_type, &mut self.scratch), Ok(true)) {
            return;
        }
        if let Ok(original) = RtpPacket::parse(&self.scratch) {
            self.receivers[index].repair(now, &codec, &original);
            self.after_packet(now, index);
        }
    }

    /// Frames that are complete, and what is missing.
    fn after_packet(&mut self, now: Instant, index: usize) {
        let stream = &mut self.receivers[index];
        while let Some(frame) = stream.poll_frame() {
            if self.queued_frames >= MAX_QUEUED_FRAMES {
                self.statistics.frames_dropped += 1;
                stream.want_keyframe();
                continue;
            }
            self.queued_frames += 1;
            self.events.push_back(RtpEvent::Frame(frame));
        }
        if stream.nack_due().is_some() && !self.repairing.contains(&index) {
            self.repairing.push(index);
        }
        if stream.keyframe_request_due(now, KEYFRAME_REQUEST_INTERVAL) {
            let media = stream.ssrc();
            self.push_keyframe_request(media);
        }
        self.send_nacks(now);
    }

    /// Asks for the packets that are due.
    fn send_nacks(&mut self, now: Instant) {
        let mut lost = Vec::new();
        let mut index = 0;
        while index < self.repairing.len() {
            let stream = &mut self.receivers[self.repairing[index]];
            let Some(due) = stream.nack_due() else {
                self.repairing.swap_remove(index);
                continue;
            };
            index += 1;
            if due > now {
                continue;
            }
            lost.clear();
            stream.poll_nack(now, self.round_trip, &mut lost);
            let media = stream.ssrc();
            if stream.keyframe_request_due(now, KEYFRAME_REQUEST_INTERVAL) {
                self.push_keyframe_request(media);
            }
            if lost.is_empty() {
                continue;
            }
            self.statistics.nacked_packets += lost.len() as u64;
            let pairs: Vec<rtcp::NackPair> =
                rtcp::NackPair::pack(lost.iter().copied()).take(MAX_NACK_PAIRS).collect();
            let sources = FeedbackSources { sender: self.own_ssrc(), media };
            let mut packet = Vec::with_capacity(12 + 4 * pairs.len());
            rtcp::Nack { sources, pairs: (&pairs).into() }.write(&mut packet);
            self.push_rtcp(packet);
        }
    }

    /// Takes a compound RTCP packet.
    pub(crate) fn handle_rtcp(&mut self, now: Instant, datagram: &mut [u8]) {
        let Some(srtp) = &mut self.srtp else {
            self.statistics.packets_dropped += 1;
            return;
        };
        let Ok(plain) = srtp.receiver.unprotect_rtcp(datagram) else {
            self.statistics.packets_unprotectable += 1;
            return;
        };
        self.statistics.rtcp_received += 1;
        for packet in rtcp::packets(plain) {
            match packet {
                Ok(rtcp::Packet::PictureLossIndication(request)) => {
                    self.keyframe_requested(request.sources.media);
                }
                Ok(rtcp::Packet::FullIntraRequest(request)) => {
                    for entry in request.entries.iter() {
                        self.keyframe_requested(entry.ssrc);
                    }
                }
                Ok(rtcp::Packet::SenderReport(report)) => {
                    if let Some(&Target::Media(index)) = self.by_ssrc.get(&report.ssrc.0) {
                        self.receivers[index].sender_report(now, report.info);
                    }
                    self.take_reports(now, report.reports);
                }
                Ok(rtcp::Packet::ReceiverReport(report)) => self.take_reports(now, report.reports),
                Ok(rtcp::Packet::Nack(nack)) => self.send_again(now, &nack),
                Ok(rtcp::Packet::Goodbye(goodbye)) => {
                    for ssrc in goodbye.sources.iter() {
                        self.forget(ssrc);
                    }
                }
                Ok(_) => {}
                // What follows cannot be told apart any more.
                Err(_) => {
                    self.statistics.packets_malformed += 1;
                    return;
                }
            }
        }
    }

    /// A source that has ended makes room for others (RFC 3550 §6.3.4, §6.6).
    fn forget(&mut self, ssrc: Ssrc) {
        let Some(Target::Media(gone)) = self.by_ssrc.remove(&ssrc.0) else { return };
        self.receivers.swap_remove(gone);
        let moved = self.receivers.len();
        self.by_ssrc.retain(|_, target| {
            let (Target::Media(index) | Target::Repair(index)) = target;
            let stays = *index != gone;
            if *index == moved {
                *index = gone;
            }
            stays
        });
        self.repairing.retain(|&index| index != gone);
        for index in self.repairing.iter_mut().filter(|index| **index == moved) {
            *index = gone;
        }
    }

    /// The round trip, from what the peer says of our reports (RFC 3550 §6.4.1).
    fn take_reports(&mut self, now: Instant, reports: rtcp::List<'_, rtcp::ReportBlock>) {
        for block in reports.iter() {
            if !self.senders.iter().any(|stream| stream.ssrc() == block.ssrc) {
                continue;
            }
            let (last, delay) = (block.last_sender_report, block.delay_since_last_sender_report);
            if let Some(round_trip) = peerage_rtp::round_trip(self.clock.at(now), last, delay) {
                self.round_trip = round_trip;
            }
        }
    }

    /// Sends packets again that the peer misses.
    fn send_again(&mut self, now: Instant, nack: &rtcp::Nack<'_>) {
        let media = nack.sources.media;
        let Some(stream) = self.senders.iter_mut().find(|stream| stream.ssrc() == media) else {
            return;
        };
        for number in nack.sequence_numbers() {
            if self.retransmissions.len() >= MAX_QUEUED_RETRANSMISSIONS {
                return;
            }
            let packet = stream.retransmit(now, number, self.round_trip, &self.extensions);
            self.statistics.retransmissions_sent += u64::from(packet.is_some());
            self.retransmissions.extend(packet);
        }
    }

    fn keyframe_requested(&mut self, ssrc: Ssrc) {
        let Some(stream) = self.senders.iter().find(|stream| stream.ssrc() == ssrc) else { return };
        let (transceiver, encoding) = (stream.transceiver(), stream.encoding());
        let is_it = |event: &RtpEvent| match event {
            RtpEvent::KeyframeRequested { transceiver: t, encoding: e } => {
                (*t, *e) == (transceiver, encoding)
            }
            RtpEvent::Frame(_) => false,
        };
        // One request is as good as several.
        if !self.events.iter().any(is_it) {
            self.events.push_back(RtpEvent::KeyframeRequested { transceiver, encoding });
        }
    }

    /// Asks the peer for a keyframe of every stream of video of a transceiver: now, or when the last request is long
    /// enough ago.
    pub(crate) fn request_keyframe(&mut self, now: Instant, transceiver: TransceiverHandle) {
        let mut due = Vec::new();
        for stream in &mut self.receivers {
            if stream.transceiver() == transceiver {
                stream.want_keyframe();
                if stream.keyframe_request_due(now, KEYFRAME_REQUEST_INTERVAL) {
                    due.push(stream.ssrc());
                }
            }
        }
        for ssrc in due {
            self.push_keyframe_request(ssrc);
        }
    }

    fn push_keyframe_request(&mut self, media: Ssrc) {
        let sources = FeedbackSources { sender: self.own_ssrc(), media };
        let mut packet = Vec::with_capacity(64);
        PictureLossIndication { sources }.write(&mut packet);
        self.push_rtcp(packet);
        self.statistics.keyframe_requests_sent += 1;
    }

    fn push_rtcp(&mut self, packet: Vec<u8>) {
        if self.rtcp.len() < MAX_QUEUED_RTCP {
            self.rtcp.push_back(packet);
        }
    }

    fn own_ssrc(&self) -> Ssrc {
        self.senders.first().map_or(self.report_ssrc, SendStream::ssrc)
    }

    // --- sending ---

    /// Cuts a frame into packets and queues them.
    pub(crate) fn send_frame(
        &mut self,
        now: Instant,
        transceiver: TransceiverHandle,
        encoding: usize,
        frame: &Frame,
        mtu: usize,
    ) -> Result<(), Error> {
        let Some(srtp) = &self.srtp else { return Ok(()) };
        let overhead = srtp.sender.rtp_overhead();
        let found = self
            .senders
            .iter_mut()
            .find(|s| s.transceiver() == transceiver && s.encoding() == encoding);
        let Some(stream) = found else {
            return Err(Error::InvalidState {
                operation: "send_frame",
                reason: "nothing is sent on this transceiver, as agreed with the peer",
            });
        };
        if self.outgoing.len() >= MAX_QUEUED_PACKETS {
            return Err(Error::Operation(format!(
                "{MAX_QUEUED_PACKETS} packets wait to be sent already"
            )));
        }
        let room = mtu - overhead;
        stream.send(now, frame, room, &self.extensions, &mut self.outgoing)
    }

    /// Appends the next packet, sealed; its size.
    pub(crate) fn poll_packet(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<usize> {
        let srtp = self.srtp.as_mut()?;
        let start = buf.len();
        while let Some(packet) = self.rtcp.pop_front() {
            buf.extend_from_slice(&packet);
            if srtp.sender.protect_rtcp(buf, start).is_ok() {
                self.statistics.rtcp_sent += 1;
                return Some(buf.len() - start);
            }
            buf.truncate(start);
        }
        // What is late already goes first.
        while let Some(packet) =
            self.retransmissions.pop_front().or_else(|| self.outgoing.pop_front())
        {
            packet.write(self.clock.at(now), &mut self.transport_sequence, buf);
            if let Some(stream) = self.senders.iter_mut().find(|s| s.ssrc() == packet.ssrc) {
                stream.sent(now, &packet, &buf[start..]);
            }
            if srtp.sender.protect_rtp(buf, start).is_ok() {
                self.statistics.packets_sent += 1;
                self.statistics.bytes_sent += packet.payload_len() as u64;
                return Some(buf.len() - start);
            }
            buf.truncate(start);
        }
        None
    }

    pub(crate) fn poll_event(&mut self) -> Option<RtpEvent> {
        let event = self.events.pop_front()?;
        if matches!(event, RtpEvent::Frame(_)) {
            self.queued_frames -= 1;
        }
        Some(event)
    }

    // --- reports ---

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let nack =
            self.repairing.iter().filter_map(|&index| self.receivers[index].nack_due()).min();
        [self.next_report, self.next_feedback, nack].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if !self.repairing.is_empty() {
            self.send_nacks(now);
        }
        if self.next_feedback.is_some_and(|at| at <= now) {
            self.next_feedback = None;
            self.send_feedback();
        }
        if self.next_report.is_some_and(|at| at <= now) {
            self.next_report = None;
            self.report(now);
            self.schedule_reports(now);
        }
    }

    fn send_feedback(&mut self) {
        // The media source is not looked at: the feedback is about the transport.
        let own = self.own_ssrc();
        let sources = FeedbackSources { sender: own, media: own };
        let Some(arrivals) = &mut self.arrivals else { return };
        let mut packet = Vec::new();
        while arrivals.report(sources, &mut packet) && self.rtcp.len() < MAX_QUEUED_RTCP {
            self.rtcp.push_back(std::mem::take(&mut packet));
        }
    }

    fn schedule_reports(&mut self, now: Instant) {
        let any = !self.senders.is_empty() || !self.routing.is_empty();
        if self.srtp.is_none() || !any {
            self.next_report = None;
            return;
        }
        if self.next_report.is_none() {
            // RFC 3550 §6.3.1: between half and one and a half of the interval, so that ends do not fall into step.
            let half = REPORT_INTERVAL.as_millis() as u64 / 2;
            let wait = Duration::from_millis(self.rng.range(half..3 * half));
            self.next_report = Some(now + wait);
        }
    }

    fn report(&mut self, now: Instant) {
        let ntp = self.clock.at(now).0;
        let blocks: Vec<rtcp::ReportBlock> =
            self.receivers.iter_mut().filter_map(|stream| stream.report(now)).collect();
        let mut blocks = blocks.chunks(rtcp::MAX_REPORT_BLOCKS);
        let mut due = Vec::new();
        let mut packet = Vec::with_capacity(512);
        let mut first = self.own_ssrc();
        for stream in &self.senders {
            let Some(info) = stream.sender_info(now, ntp) else { continue };
            let reports = blocks.next().unwrap_or_default();
            if !packet.is_empty() && packet.len() + 28 + 24 * reports.len() > MAX_REPORT_LEN {
                due.push((first, std::mem::take(&mut packet)));
            }
            if packet.is_empty() {
                first = stream.ssrc();
            }
            let (ssrc, reports) = (stream.ssrc(), reports.into());
            rtcp::SenderReport { ssrc, info, reports }.write(&mut packet);
        }
        let own = self.own_ssrc();
        if packet.is_empty() {
            let reports = blocks.next().unwrap_or_default().into();
            rtcp::ReceiverReport { ssrc: own, reports }.write(&mut packet);
        }
        due.push((first, packet));
        for reports in blocks {
            let mut packet = Vec::with_capacity(MAX_REPORT_LEN);
            rtcp::ReceiverReport { ssrc: own, reports: reports.into() }.write(&mut packet);
            due.push((own, packet));
        }
        // RFC 3550 §6.1: each compound packet has the canonical name.
        for (ssrc, mut packet) in due {
            let value = self.cname.as_bytes();
            let items = [rtcp::SdesItem { kind: rtcp::SdesKind::CNAME, value }];
            let chunks = [rtcp::SdesChunk { ssrc, items: (&items).into() }];
            rtcp::SourceDescription::new(&chunks).write(&mut packet);
            self.push_rtcp(packet);
        }
    }

    /// Seals what a test has written, RTP or RTCP.
    #[cfg(test)]
    pub(crate) fn seal(&mut self, mut packet: Vec<u8>) -> Vec<u8> {
        let sender = &mut self.srtp.as_mut().expect("connected").sender;
        match (192..224).contains(&packet[1]) {
            true => sender.protect_rtcp(&mut packet, 0).unwrap(),
            false => sender.protect_rtp(&mut packet, 0).unwrap(),
        }
        packet
    }

    /// The identifier that `a=extmap` gives to mids.
    #[cfg(test)]
    pub(crate) fn mid_extension(&self) -> u8 {
        self.extensions.id(ExtensionKind::Mid).expect("agreed on")
    }

    pub(crate) fn statistics(&self) -> RtpStatistics {
        self.statistics
    }
}
