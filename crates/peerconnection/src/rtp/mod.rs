//! The RTP transport: what the connection does with RTP and RTCP once a description is agreed on and DTLS is up.
//!
//! ```text
//! datagram -> SRTP opened in place -> routing (SSRC, mid, payload type) -> receive stream -> frame assembly -> event
//! send_frame -> packetiser -> pacer -> header extensions of the moment -> SRTP sealed in place -> poll_transmit
//! feedback -> controller -> pace, and what encoders are told
//! ```
//!
//! One bundle has one of them (RFC 9143 §9); its streams are found by hash, and no call looks at streams that it does not
//! concern.

mod arena;
mod arrivals;
mod budget;
mod bursts;
mod collisions;
mod congestion;
mod counters;
mod descriptors;
mod dtmf;
mod ecn;
mod encoders;
mod encodings;
mod estimate;
mod extended_reports;
mod fec;
mod feedback;
mod forwarding;
mod frame;
mod frame_extensions;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod goodbye;
mod incoming;
mod kept;
mod keyframe_requests;
mod keys;
mod limits;
mod load;
mod log;
mod outgoing;
mod packet;
mod packets;
mod quality;
mod queues;
mod receive;
#[cfg(test)]
mod receive_tests;
mod receivers;
mod remb;
mod report_requests;
mod reports;
mod routing;
mod scalability;
mod schedule;
mod send;
mod senders;
mod snapshot;
mod sources;
mod statistics;
mod targets;

pub use encoders::EncoderStatistics;
pub use encodings::EncodingTarget;
pub use estimate::Estimate;
pub use frame::{Frame, FrameArrival, MediaFrame, SenderTime};
pub use packets::{
    Contribution, OutgoingPacket, PacketExtensions, PictureExtensions, ReceiveMode, ReceivedPacket,
};
pub use send::MAX_LATE_PACKETS;
pub(crate) use snapshot::{Inbound, Outbound};
pub(crate) use sources::Heard;
pub use statistics::RtpStatistics;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use peerage_congestion::{ControllerMaker, GccConfig};
use peerage_crypto::Rng;
#[cfg(test)]
use peerage_rtp::extension::ExtensionKind;
use peerage_rtp::{ExtensionMap, NtpClock, NtpTime, Ssrc};
use peerage_sdp::Text;
use peerage_srtp::Rejected;
use rustc_hash::FxHashMap;

use self::arrivals::ArrivalReports;
use self::budget::AssemblyBudget;
use self::bursts::SealedPackets;
use self::collisions::Collisions;
use self::congestion::RateControl;
use self::encodings::Encodings;
use self::extended_reports::ReferenceTimes;
use self::fec::ActiveParity;
use self::forwarding::Forwarding;
use self::limits::Limits;
use self::packet::Packet;
use self::receive::ReceiveStream;
use self::remb::Beside;
use self::routing::Routing;
use self::schedule::ReportSchedule;
use self::send::SendStream;
use self::senders::Senders;
use self::targets::Targets;
use crate::config::HeaderEncryption;
use crate::dtmf::DtmfEvent;
use crate::event_log::Log;
use crate::jsep::AgreedMedia;
use crate::transceiver::{TransceiverHandle, Transceivers};
use crate::transport::srtp::SrtpTransport;

/// Streams of the peer that are kept at once; packets of more are dropped.
const MAX_RECEIVE_STREAMS: usize = 1024;
/// Packets that wait to be sent; a frame that finds no room is refused.
const MAX_QUEUED_PACKETS: usize = 4096;
/// Frames that wait for the application; more are dropped, and a keyframe is asked for.
pub(crate) const MAX_QUEUED_FRAMES: usize = 1024;
/// Frames whose memory is kept for those to come.
const MAX_SPARE_FRAMES: usize = 8;
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
/// The round trip before it was measured.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);

/// What happened.
#[derive(Debug)]
pub(crate) enum RtpEvent {
    Frame(Box<MediaFrame>),
    ToneChange {
        transceiver: TransceiverHandle,
        tone: Option<char>,
    },
    Dtmf(DtmfEvent),
    /// The peer uses this source of ours: it is to become another.
    SourceCollision(Ssrc),
    /// The peer has ended all that it sent on this transceiver.
    SourcesEnded(TransceiverHandle),
}

/// What a source of the peer is.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// The stream with this index.
    Media(usize),
    /// Retransmissions of it.
    Repair(usize),
    /// Parity of it (FlexFEC).
    Parity(usize),
}

/// See the module.
pub(crate) struct RtpTransport {
    srtp: Option<SrtpTransport>,
    /// The keys are those of an association that is over: nothing is sent with them.
    held: bool,
    /// There were keys before, perhaps others.
    was_keyed: bool,
    extensions: ExtensionMap,
    header_encryption: HeaderEncryption,
    routing: Routing,
    receivers: Vec<ReceiveStream>,
    /// Streams of the peer that ever were: numbers them.
    streams_received: u64,
    assembly: AssemblyBudget,
    parity: ActiveParity,
    by_ssrc: FxHashMap<u32, Target>,
    collisions: Collisions,
    /// Streams that miss packets: only these are looked at when a timer is due.
    repairing: Vec<usize>,
    /// None of them has a packet to be asked for before.
    next_nack: Option<Instant>,
    arrivals: ArrivalReports,
    round_trip: Duration,
    /// What ICE's checks took on the pair in use.
    path_round_trip: Option<Duration>,
    /// Times of ends that only receive.
    references: ReferenceTimes,
    /// The peer takes ours.
    tells_reference: bool,
    senders: Senders,
    /// Streams that do not send as agreed now, but may again.
    paused: Vec<SendStream>,
    /// What waits to be sent, and how fast it leaves; there once something is to be sent.
    rate: Option<Box<RateControl>>,
    /// Bounds of what may be sent.
    bitrates: GccConfig,
    /// What decides on it.
    controller: ControllerMaker,
    /// What the session's description leaves to all of them, in bits a second of payload.
    session_bandwidth: Option<u64>,
    /// What each encoding may use of it.
    targets: Targets,
    /// What encoders are to do beside that.
    encodings: Encodings,
    /// Streams of ours of which a keyframe is wanted, each once.
    keyframes_wanted: Vec<Ssrc>,
    /// When a request that was put off is to be told.
    next_keyframe: Option<Instant>,
    /// Limits that the peer sets.
    limits: Limits,
    /// What flows beside the streams that the peer's estimate is about.
    beside: Beside,
    /// The packets of the frame that is being cut.
    outgoing: VecDeque<Box<Packet>>,
    /// Packets that were sealed together and have not been handed out yet.
    sealed: SealedPackets,
    /// What became of packets that came together; kept for its memory.
    opened: Vec<Result<usize, Rejected>>,
    /// The stream that padding goes by: the one of video with retransmission that sent last.
    padding_stream: Option<Ssrc>,
    /// The path is one of IPv4.
    ipv4: bool,
    rtcp: VecDeque<Vec<u8>>,
    /// The memory of one that was sent, for the next.
    spare_rtcp: Vec<u8>,
    /// The last datagrams, sealed, once the connection is closed.
    farewell: VecDeque<Vec<u8>>,
    /// The peer takes RTCP that does not begin with a report (RFC 5506).
    reduced_size: bool,
    events: VecDeque<RtpEvent>,
    queued_frames: usize,
    /// Memory of frames that were taken, for those to come.
    #[allow(clippy::vec_box, reason = "the boxes are what is kept")]
    spare_frames: Vec<Box<MediaFrame>>,
    forwarding: Forwarding,
    /// Tones that are being sent, seldom any.
    playouts: Vec<dtmf::Playout>,
    /// When a telephone event of the peer's may have to be ended because nothing more comes of it.
    next_event_end: Option<Instant>,
    /// When reports are due; there while there is anything to report on.
    schedule: Option<ReportSchedule>,
    /// The source of reports while nothing is sent.
    report_ssrc: Ssrc,
    cname: Text,
    clock: NtpClock,
    rng: Rng,
    scratch: Vec<u8>,
    /// What was taken out of RED.
    unwrapped: Vec<u8>,
    /// What was recovered from parity.
    recovered: Vec<u8>,
    statistics: RtpStatistics,
    log: Log,
}

impl RtpTransport {
    /// `clock` is a moment by both clocks; `bitrates` bound what is sent, and were checked.
    pub(crate) fn new(
        rng: &mut Rng,
        cname: Text,
        clock: (Instant, SystemTime),
        bitrates: GccConfig,
    ) -> Self {
        let mut rng = rng.fork();
        let unix = clock.1.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            srtp: None,
            held: false,
            was_keyed: false,
            extensions: ExtensionMap::new(),
            header_encryption: HeaderEncryption::Disable,
            routing: Routing::default(),
            receivers: Vec::new(),
            streams_received: 0,
            assembly: AssemblyBudget::default(),
            parity: ActiveParity::default(),
            by_ssrc: FxHashMap::default(),
            collisions: Collisions::default(),
            repairing: Vec::new(),
            next_nack: None,
            arrivals: ArrivalReports::default(),
            round_trip: FIRST_ROUND_TRIP,
            path_round_trip: None,
            references: ReferenceTimes::default(),
            tells_reference: true,
            senders: Senders::default(),
            paused: Vec::new(),
            rate: None,
            bitrates,
            controller: ControllerMaker::default(),
            session_bandwidth: None,
            targets: Targets::default(),
            encodings: Encodings::default(),
            keyframes_wanted: Vec::new(),
            next_keyframe: None,
            limits: Limits::default(),
            beside: Beside::default(),
            outgoing: VecDeque::new(),
            sealed: SealedPackets::default(),
            opened: Vec::new(),
            padding_stream: None,
            ipv4: false,
            rtcp: VecDeque::new(),
            spare_rtcp: Vec::new(),
            reduced_size: false,
            events: VecDeque::new(),
            queued_frames: 0,
            spare_frames: Vec::new(),
            forwarding: Forwarding::default(),
            playouts: Vec::new(),
            next_event_end: None,
            schedule: None,
            farewell: VecDeque::new(),
            report_ssrc: Ssrc(rng.u32()),
            cname,
            clock: NtpClock::new(clock.0, NtpTime::from_unix(unix)),
            rng,
            scratch: Vec::new(),
            unwrapped: Vec::new(),
            recovered: Vec::new(),
            statistics: RtpStatistics::default(),
            log: Log::default(),
        }
    }

    /// Takes how controllers are made, before anything is sent.
    pub(crate) fn set_controller(&mut self, maker: ControllerMaker) {
        self.controller = maker;
    }

    /// DTLS is up.
    pub(crate) fn connected(
        &mut self,
        now: Instant,
        mut srtp: SrtpTransport,
        transceivers: &Transceivers,
    ) {
        srtp.set_header_encryption(self.header_encryption);
        self.srtp = Some(srtp);
        self.prepare_rate(now, transceivers);
        self.schedule_reports(now);
        if std::mem::replace(&mut self.was_keyed, true) {
            self.keys_changed(now);
        }
    }

    /// DTLS is over and with it the keys: nothing more is sent or taken, and what was kept for it is let go.
    pub(crate) fn disconnected(&mut self) {
        self.srtp = None;
        self.held = false;
        self.receivers.clear();
        self.recount();
        self.forwarding.clear();
        self.by_ssrc.clear();
        self.repairing.clear();
        self.next_nack = None;
        self.keyframes_wanted.clear();
        self.next_keyframe = None;
        self.rate = None;
        self.sealed.clear();
        self.rtcp.clear();
        self.schedule = None;
        self.playouts.clear();
        self.next_event_end = None;
        self.arrivals.clear();
        self.targets = Targets::default();
        self.encodings = Encodings::default();
        self.limits = Limits::default();
        self.beside = Beside::default();
    }

    /// Follows what descriptions have settled.
    pub(crate) fn configure(
        &mut self,
        now: Instant,
        agreed: &[AgreedMedia],
        transceivers: &Transceivers,
    ) {
        self.reduced_size = agreed.iter().all(|media| media.agreement.rtcp_rsize);
        self.tells_reference = agreed.iter().all(|media| {
            !media.remote.lists_extended_reports || media.remote.receiver_reference_time
        });
        self.session_bandwidth = agreed.first().and_then(|media| media.session_bandwidth);
        self.extensions = ExtensionMap::new();
        for extension in agreed.iter().flat_map(|media| &media.agreement.extensions) {
            // An identifier that cannot be used was not agreed on.
            if let Ok(id) = u8::try_from(extension.id) {
                let _ = self.extensions.insert(id, extension.uri.as_str());
            }
        }
        // One transport: what is said of one section is said of all.
        self.header_encryption =
            agreed.first().map_or_else(Default::default, |m| m.header_encryption);
        if let Some(srtp) = &mut self.srtp {
            srtp.set_header_encryption(self.header_encryption);
        }
        self.extensions.allow_two_byte(agreed.iter().any(|media| media.mixed_headers));
        self.configure_receivers(agreed, transceivers);
        self.arrivals.configure(now, agreed, &self.extensions, self.bitrates.max_rate);
        let mut before = self.senders.take();
        before.append(&mut self.paused);
        for media in agreed.iter().filter(|media| media.agreement.direction.sends()) {
            let transceiver = transceivers.get(media.transceiver);
            // What was stopped has said goodbye, and sends no more until that is agreed on.
            let Some(transceiver) = transceiver.filter(|transceiver| transceiver.is_active())
            else {
                continue;
            };
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
                        stream.configure(media, encoding, rid);
                        stream
                    }
                    None => SendStream::new(media, encoding, ssrcs, rid, &mut self.rng),
                });
            }
        }
        // A source that is held goes on with its numbers when it sends again: begun anew under the same key they could
        // be those of packets that were sealed already, which SRTP must not do (RFC 3711 §3.3.1, §9.1).
        let mut leaving = Vec::new();
        before.retain_mut(|stream| {
            let lives = transceivers.get(stream.transceiver()).is_some();
            if !lives {
                leaving.extend(stream.leave());
            }
            if let Some(srtp) = self.srtp.as_mut().filter(|_| !lives) {
                // They are never used again.
                srtp.sender.retire_stream(stream.ssrc().0);
                srtp.sender.retire_stream(stream.rtx_ssrc().0);
                srtp.sender.retire_stream(stream.fec_ssrc().0);
            }
            lives
        });
        self.forwarding.retain(|transceiver| transceivers.get(transceiver).is_some());
        self.paused = before;
        self.note_own_sources();
        for stream in &mut self.paused {
            stream.counters.quality.rest(now);
        }
        self.say_goodbye_of(&leaving);
        self.drop_waiting_of_ended();
        // Before the keys there is nothing to be arranged yet.
        self.arrange_encodings(transceivers);
        self.prepare_rate(now, transceivers);
        self.log_ended_streams(now);
        self.schedule_reports(now);
    }

    /// What a stream that ended had still to say is not wanted any more.
    fn drop_waiting_of_ended(&mut self) {
        let senders = &self.senders;
        if let Some(rate) = &mut self.rate {
            rate.retain(|packet| senders.get(packet.ssrc).is_some());
            self.sealed.retain(|ssrc| senders.get(ssrc).is_some());
            self.padding_stream = self.padding_stream.filter(|ssrc| senders.get(*ssrc).is_some());
            rate.set_can_pad(self.padding_stream.is_some());
            let sent = senders.iter().flat_map(|s| [s.ssrc(), s.rtx_ssrc(), s.fec_ssrc()]);
            rate.retain_streams(&sent.map(|ssrc| ssrc.0).collect());
        }
    }

    /// Makes the pacer once something is to be sent and can be.
    fn prepare_rate(&mut self, now: Instant, transceivers: &Transceivers) {
        let Some(srtp) = &self.srtp else { return };
        if self.rate.is_none() && !self.senders.is_empty() {
            // The bounds were checked when the connection was made.
            let rate = RateControl::new(now, self.bitrates, &self.controller);
            self.rate = rate.ok().map(Box::new);
            if let Some(rate) = &mut self.rate {
                rate.set_log(self.log.clone());
                rate.route_changed(now, self.ipv4);
                if let Some(round_trip) = self.path_round_trip {
                    // The pair was selected before there was anything to send.
                    rate.round_trip(now, round_trip);
                }
            }
        }
        if let Some(rate) = &mut self.rate {
            rate.set_srtp_overhead(srtp.sender.rtp_overhead());
            rate.set_reported(now, self.senders.iter().any(|stream| stream.load.is_reported()));
        }
        self.arrange_targets(now, transceivers);
    }

    /// ICE has selected another pair, with the round trip that its checks took.
    pub(crate) fn route_changed(
        &mut self,
        now: Instant,
        remote: IpAddr,
        round_trip: Option<Duration>,
    ) {
        self.ipv4 = remote.to_canonical().is_ipv4();
        self.round_trip = round_trip.unwrap_or(self.round_trip);
        self.path_round_trip = round_trip;
        if let Some(rate) = &mut self.rate {
            rate.route_changed(now, self.ipv4);
            if let Some(round_trip) = round_trip {
                rate.round_trip(now, round_trip);
            }
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<RtpEvent> {
        self.events.pop_front()
    }

    /// The application has taken a frame, or it was dropped: there is room for another.
    pub(crate) fn frame_taken(&mut self) {
        self.queued_frames = self.queued_frames.saturating_sub(1);
    }

    /// Takes back the memory of a frame.
    pub(crate) fn reuse_frame(&mut self, mut frame: Box<MediaFrame>) {
        if self.spare_frames.len() < MAX_SPARE_FRAMES {
            drop(frame.take());
            self.spare_frames.push(frame);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let rate = self.rate.as_ref().and_then(|rate| rate.poll_timeout());
        let timers = [
            self.schedule.as_ref().map(ReportSchedule::poll_timeout),
            self.arrivals.poll_timeout(),
            self.next_nack,
            rate,
            self.next_keyframe,
            self.limits.due(),
            self.dtmf_timeout(),
        ];
        timers.into_iter().flatten().min()
    }

    /// When the next packet is to leave, while there is a path.
    pub(crate) fn poll_send_timeout(&self) -> Option<Instant> {
        self.rate.as_ref().filter(|_| !self.held)?.poll_send_timeout()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.send_nacks(now);
        // The application finds it among the events.
        self.next_keyframe.take_if(|at| *at <= now);
        self.handle_dtmf(now);
        if let Some(rate) = &mut self.rate
            && rate.handle_timeout(now)
        {
            self.update_targets(now, false);
        }
        self.report_arrivals(now);
        self.expire_limits(now);
        self.answer_limits(now);
        if self.is_report_due(now) {
            self.end_idle_parity(now);
            let len = self.report(now);
            self.update_targets(now, false);
            self.reported(now, len);
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

    /// Streams of which packets are kept for parity.
    #[cfg(test)]
    pub(crate) fn streams_with_parity(&self) -> usize {
        self.receivers.iter().filter(|stream| stream.fec.is_active()).count()
    }

    /// Sources of media of the peer that are known.
    #[cfg(test)]
    pub(crate) fn inbound_sources(&self) -> Vec<u32> {
        self.receivers.iter().map(|stream| stream.ssrc().0).collect()
    }

    /// As if nothing had come of a source for long.
    #[cfg(test)]
    pub(crate) fn forget_source(&mut self, ssrc: u32) {
        self.forget(Ssrc(ssrc));
    }

    /// RTCP that waits to be sent.
    #[cfg(test)]
    pub(crate) fn waiting_rtcp(&self) -> Vec<Vec<u8>> {
        self.rtcp.iter().cloned().collect()
    }

    /// The identifier that `a=extmap` gives to mids.
    #[cfg(test)]
    pub(crate) fn mid_extension(&self) -> u8 {
        self.extensions.id(ExtensionKind::Mid).expect("agreed on")
    }

    /// The kinds of header extensions that each packet of a transceiver carries.
    #[cfg(test)]
    pub(crate) fn sent_extensions(&self, transceiver: TransceiverHandle) -> Vec<ExtensionKind> {
        let stream = self.senders.iter().find(|stream| stream.transceiver() == transceiver);
        stream.expect("it sends").extensions_of_each_packet()
    }

    /// Whether two-byte header extensions may stand among one-byte ones.
    #[cfg(test)]
    pub(crate) fn mixes_headers(&self) -> bool {
        self.extensions.two_byte_allowed()
            && self.senders.iter().all(|stream| stream.mixes_headers())
    }

    /// What is known of the path; `None` before anything can be sent.
    pub(crate) fn estimate(&self, now: Instant) -> Option<Estimate> {
        self.rate.as_ref().map(|rate| rate.estimate(now))
    }

    pub(crate) fn statistics(&self) -> RtpStatistics {
        self.statistics
    }
}
