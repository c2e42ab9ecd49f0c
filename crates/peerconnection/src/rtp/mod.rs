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

use bytes::Bytes;
use peerage_crypto::Rng;
use peerage_rtp::rtcp::{self, FeedbackSources, PictureLossIndication};
use peerage_rtp::{ExtensionMap, RtpPacket, Ssrc};
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
/// RTCP packets that wait to be sent.
const MAX_QUEUED_RTCP: usize = 64;
/// How often a keyframe is asked for at most.
const KEYFRAME_REQUEST_INTERVAL: Duration = Duration::from_millis(300);
/// Between reports on average (RFC 3550 §6.2: 5 s, or less where the bandwidth allows; browsers send video's every second).
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// NTP counts from 1900 (RFC 5905 §6).
const NTP_OF_UNIX_EPOCH: u64 = 2_208_988_800;

/// What happened.
#[derive(Debug)]
pub(crate) enum RtpEvent {
    Frame(MediaFrame),
    KeyframeRequested { transceiver: TransceiverHandle, encoding: usize },
}

/// See the module.
pub(crate) struct RtpTransport {
    srtp: Option<SrtpTransport>,
    extensions: ExtensionMap,
    routing: Routing,
    receivers: Vec<ReceiveStream>,
    by_ssrc: FxHashMap<u32, usize>,
    senders: Vec<SendStream>,
    outgoing: VecDeque<send::Packet>,
    rtcp: VecDeque<Vec<u8>>,
    events: VecDeque<RtpEvent>,
    queued_frames: usize,
    next_report: Option<Instant>,
    /// The source of reports while nothing is sent.
    report_ssrc: Ssrc,
    cname: Text,
    clock: (Instant, SystemTime),
    transport_sequence: u16,
    rng: Rng,
    statistics: RtpStatistics,
}

impl RtpTransport {
    /// `clock` is a moment by both clocks.
    pub(crate) fn new(rng: &mut Rng, cname: Text, clock: (Instant, SystemTime)) -> Self {
        let mut rng = rng.fork();
        Self {
            srtp: None,
            extensions: ExtensionMap::new(),
            routing: Routing::default(),
            receivers: Vec::new(),
            by_ssrc: FxHashMap::default(),
            senders: Vec::new(),
            outgoing: VecDeque::new(),
            rtcp: VecDeque::new(),
            events: VecDeque::new(),
            queued_frames: 0,
            next_report: None,
            report_ssrc: Ssrc(rng.u32()),
            cname,
            clock,
            transport_sequence: 0,
            rng,
            statistics: RtpStatistics::default(),
        }
    }

    /// DTLS is up.
    pub(crate) fn connected(&mut self, now: Instant, srtp: SrtpTransport) {
        self.srtp = Some(srtp);
        self.schedule_reports(now);
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
        self.routing.configure(agreed);
        let routing = &self.routing;
        self.receivers.retain_mut(|stream| stream.is_still_wanted(routing));
        self.by_ssrc = (self.receivers.iter().enumerate())
            .map(|(index, stream)| (stream.ssrc().0, index))
            .collect();
        let mut before = std::mem::take(&mut self.senders);
        for media in agreed.iter().filter(|media| media.agreement.direction.sends()) {
            let Some(transceiver) = transceivers.get(media.transceiver) else { continue };
            for (encoding, &ssrcs) in transceiver.sender.ssrcs.iter().enumerate() {
                let old = before.iter().position(|stream| stream.ssrc().0 == ssrcs.0);
                let stream = old.map(|index| before.swap_remove(index));
                let rid = &transceiver.sender.encodings[encoding].rid;
                self.senders.push(match stream {
                    Some(mut stream) => {
                        stream.configure(media);
                        stream
                    }
                    None => SendStream::new(media, encoding, ssrcs, rid, &mut self.rng),
                });
            }
        }
        // What a stream that ended had still to say is not wanted any more.
        let senders = &self.senders;
        self.outgoing.retain(|packet| senders.iter().any(|s| s.ssrc() == packet.ssrc));
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
        let Some(index) = self.stream_of(&packet) else {
            self.statistics.packets_dropped += 1;
            return;
        };
        self.statistics.packets_received += 1;
        self.statistics.bytes_received += packet.payload().len() as u64;
        let stream = &mut self.receivers[index];
        stream.handle(now, &packet);
        while let Some(frame) = stream.poll_frame() {
            if self.queued_frames >= MAX_QUEUED_FRAMES {
                self.statistics.frames_dropped += 1;
                stream.want_keyframe();
                continue;
            }
            self.queued_frames += 1;
            self.events.push_back(RtpEvent::Frame(frame));
        }
        if stream.keyframe_request_due(now, KEYFRAME_REQUEST_INTERVAL) {
            let media = stream.ssrc();
            self.push_keyframe_request(media);
        }
    }

    /// The stream of a packet; the first packet of a stream finds its section by mid or payload type (RFC 9143 §9.2).
    fn stream_of(&mut self, packet: &RtpPacket<'_>) -> Option<usize> {
        let ssrc = packet.ssrc();
        if let Some(&index) = self.by_ssrc.get(&ssrc.0) {
            return Some(index);
        }
        let route = self.routing.find(packet, &self.extensions)?;
        if self.receivers.len() >= MAX_RECEIVE_STREAMS {
            return None;
        }
        let index = self.receivers.len();
        self.receivers.push(ReceiveStream::new(ssrc, route));
        self.by_ssrc.insert(ssrc.0, index);
        Some(index)
    }

    /// Takes a compound RTCP packet.
    pub(crate) fn handle_rtcp(&mut self, _now: Instant, datagram: &mut [u8]) {
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
                Ok(_) => {}
                // What follows cannot be told apart any more.
                Err(_) => {
                    self.statistics.packets_malformed += 1;
                    return;
                }
            }
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

    /// Asks the peer for a keyframe of every stream of a transceiver.
    pub(crate) fn request_keyframe(&mut self, transceiver: TransceiverHandle) {
        let wanted = self.receivers.iter().filter(|stream| stream.transceiver() == transceiver);
        let ssrcs: Vec<Ssrc> = wanted.map(ReceiveStream::ssrc).collect();
        for ssrc in ssrcs {
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
        while let Some(packet) = self.outgoing.pop_front() {
            let now = self.clock.1 + now.saturating_duration_since(self.clock.0);
            packet.write(now, &mut self.transport_sequence, buf);
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
        self.next_report
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.next_report.is_none_or(|at| at > now) {
            return;
        }
        self.next_report = None;
        self.report(now);
        self.schedule_reports(now);
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
        let wall = self.clock.1 + now.saturating_duration_since(self.clock.0);
        let ntp = ntp(wall);
        let mut packet = Vec::with_capacity(256);
        for stream in &self.senders {
            if let Some(info) = stream.sender_info(now, ntp) {
                let reports = (&[]).into();
                rtcp::SenderReport { ssrc: stream.ssrc(), info, reports }.write(&mut packet);
            }
        }
        let own = self.own_ssrc();
        if packet.is_empty() {
            rtcp::ReceiverReport { ssrc: own, reports: (&[]).into() }.write(&mut packet);
        }
        let items = [rtcp::SdesItem { kind: rtcp::SdesKind::CNAME, value: self.cname.as_bytes() }];
        let chunks = [rtcp::SdesChunk { ssrc: own, items: (&items).into() }];
        rtcp::SourceDescription::new(&chunks).write(&mut packet);
        self.push_rtcp(packet);
    }

    pub(crate) fn statistics(&self) -> RtpStatistics {
        self.statistics
    }
}

/// Seconds since 1900 in 32.32 fixed point (RFC 3550 §4).
fn ntp(wall: SystemTime) -> u64 {
    let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs().wrapping_add(NTP_OF_UNIX_EPOCH) << 32;
    seconds | (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000
}

/// The bytes of a payload, for frames that outlive their datagram.
fn owned(payload: &[u8]) -> Bytes {
    Bytes::copy_from_slice(payload)
}
