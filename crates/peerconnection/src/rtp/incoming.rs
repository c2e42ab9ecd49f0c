//! RTP that comes in: opened, told apart by stream, put in order, asked for again where it is missing, and given out as
//! frames.

use std::time::{Duration, Instant};

use peerage_ice::Ecn;
use peerage_log::{Direction, Plaintext};
use peerage_rtp::receive::{Route, StreamRole};
use peerage_rtp::repair::rtx;
use peerage_rtp::rtcp::{self, FeedbackSources};
use peerage_rtp::{PayloadType, RtpPacket, Ssrc};

use super::arrivals::Arrival;
use super::fec;
use super::receive::ReceiveStream;
use super::{
    KEYFRAME_REQUEST_INTERVAL, MAX_NACK_PAIRS, MAX_QUEUED_FRAMES, MAX_RECEIVE_STREAMS, RtpEvent,
    RtpTransport, Target,
};
use crate::transceiver::TransceiverHandle;

/// A source that was silent for so long makes room for others.
const MAX_SILENCE: Duration = Duration::from_secs(10);

impl RtpTransport {
    /// Takes an RTP packet. Noise is counted and dropped.
    pub(crate) fn handle_rtp(&mut self, now: Instant, ecn: Option<Ecn>, datagram: &mut [u8]) {
        let Some(srtp) = &mut self.srtp else {
            self.statistics.packets_dropped += 1;
            return;
        };
        let sealed = datagram.len();
        let Ok(plain) = srtp.receiver.unprotect_rtp(datagram) else {
            self.statistics.packets_unprotectable += 1;
            return;
        };
        self.take_opened(now, ecn, sealed, plain);
    }

    /// Takes an RTP packet that was opened; `sealed` is how long it was before.
    pub(super) fn take_opened(
        &mut self,
        now: Instant,
        ecn: Option<Ecn>,
        sealed: usize,
        plain: &[u8],
    ) {
        self.log.tap(now, Direction::Received, Plaintext::Rtp, plain);
        let Ok(packet) = RtpPacket::parse(plain) else {
            self.statistics.packets_malformed += 1;
            return;
        };
        let route = self.routing.find(&packet, &self.extensions);
        let arrival = Arrival { now, len: sealed, ecn, routed: route.is_some() };
        self.arrivals.record(&packet, arrival, &self.extensions);
        self.answer_request();
        let Some(route) = route else {
            self.statistics.packets_dropped += 1;
            return;
        };
        self.report_estimate(now);
        self.statistics.packets_received += 1;
        self.statistics.bytes_received += packet.payload().len() as u64;
        let target = self.target(now, &packet, &route);
        if let (Some(Target::Media(index) | Target::Repair(index)), Some(mark)) = (target, ecn) {
            self.receivers[index].counters.marks.count(mark);
        }
        match target {
            Some(Target::Media(index)) => {
                let Some(section) = self.routing.section(&route) else { return };
                match section.fec.red == Some(packet.payload_type().get()) {
                    true => self.take_red(now, &packet, &route, index),
                    false => self.take_media(now, &packet, &route, index),
                }
            }
            Some(Target::Repair(index)) => self.take_retransmission(now, &packet, &route, index),
            Some(Target::Parity(index)) => self.take_flexfec(now, &packet, &route, index),
            None => self.statistics.packets_dropped += 1,
        }
    }

    /// Takes a packet of media, out of RED if it came in it.
    pub(super) fn take_media(
        &mut self,
        now: Instant,
        packet: &RtpPacket<'_>,
        route: &Route,
        index: usize,
    ) {
        let Some(section) = self.routing.section(route) else { return };
        let Some(codec) = section.codec(packet.payload_type().get()) else {
            self.take_unreadable(now, packet, route, index);
            return;
        };
        let stream = &mut self.receivers[index];
        if stream.transceiver() != section.transceiver {
            // A mid that is named moves the source (RFC 9143 §9.2): here it begins anew.
            let rid = section.rid(route.layer);
            let (ssrc, transceiver) = (packet.ssrc(), section.transceiver);
            let packets = self.forwarding.includes(transceiver);
            self.streams_received += 1;
            let repairing = stream.repairing;
            *stream = ReceiveStream::new(
                self.streams_received,
                ssrc,
                transceiver,
                route.layer,
                rid,
                codec,
                packets,
            );
            stream.repairing = repairing;
            self.assembly.recount(self.receivers.iter());
            self.parity.recount(&self.receivers);
        }
        let stream = &mut self.receivers[index];
        stream.sources.hear(now, packet, &self.extensions);
        stream.note_extensions(packet, &self.extensions);
        let (log, layer) = (&self.log, route.layer);
        log.media_received(now, packet, &self.extensions, section, codec, layer);
        if let Some(accepted) = stream.handle(now, codec, packet) {
            self.give_out(now, index, packet, accepted, false);
        }
        if self.receivers[index].fec.is_active() {
            self.keep_for_parity(now, packet, route, index);
        }
        self.after_packet(now, index);
    }

    /// The stream of a source; the first packet of one makes it (RFC 9143 §9.2).
    pub(super) fn target(
        &mut self,
        now: Instant,
        packet: &RtpPacket<'_>,
        route: &Route,
    ) -> Option<Target> {
        let ssrc = packet.ssrc();
        if let Some(&target) = self.by_ssrc.get(&ssrc.0) {
            return Some(target);
        }
        self.check_source(now, ssrc);
        let section = self.routing.section(route)?;
        let target = match route.role {
            StreamRole::Media => {
                fec::codec_inside(section, packet)?;
                // The source of a stream at rest has become another one.
                let (transceiver, layer) = (section.transceiver, route.layer);
                let old = self.receivers.iter().find(|stream| {
                    stream.rests() && (stream.transceiver(), stream.layer()) == (transceiver, layer)
                });
                if let Some(old) = old.map(ReceiveStream::ssrc) {
                    self.forget(old);
                }
                if self.receivers.len() >= MAX_RECEIVE_STREAMS && !self.forget_silent(now) {
                    return None;
                }
                let section = self.routing.section(route)?;
                let codec = fec::codec_inside(section, packet)?;
                let rid = section.rid(route.layer);
                let packets = self.forwarding.includes(transceiver);
                self.streams_received += 1;
                let serial = self.streams_received;
                let stream =
                    ReceiveStream::new(serial, ssrc, transceiver, layer, rid, codec, packets);
                self.receivers.push(stream);
                Target::Media(self.receivers.len() - 1)
            }
            // Named by the description, or the one stream of its section and layer (RFC 4588 §5.3).
            StreamRole::Repair => {
                let is_parity = section.fec.flexfec == Some(packet.payload_type().get());
                let named = section.repaired_by(ssrc);
                if is_parity {
                    let named = named.or_else(|| fec::protected_by(packet.payload()))?;
                    let found = self.receivers.iter().position(|stream| {
                        stream.ssrc() == named && stream.transceiver() == section.transceiver
                    });
                    return self.bind(ssrc, Target::Parity(found?));
                }
                let found = match named {
                    Some(named) => match self.by_ssrc.get(&named.0) {
                        Some(&Target::Media(index)) => Some(index),
                        _ => None,
                    },
                    None => self.unrepaired(section.transceiver, route.layer),
                };
                Target::Repair(found?)
            }
        };
        self.bind(ssrc, target)
    }

    /// Notes what a source is, while there is room.
    fn bind(&mut self, ssrc: Ssrc, target: Target) -> Option<Target> {
        if self.by_ssrc.len() >= 2 * MAX_RECEIVE_STREAMS {
            return None;
        }
        self.by_ssrc.insert(ssrc.0, target);
        Some(target)
    }

    /// The stream of a layer that retransmissions of a new source belong to: where the peer has begun anew under another
    /// source the old one may still be known, with its own retransmissions or silent.
    fn unrepaired(&self, transceiver: TransceiverHandle, layer: Option<u8>) -> Option<usize> {
        let of_layer = |(_, stream): &(usize, &ReceiveStream)| {
            stream.transceiver() == transceiver && stream.layer() == layer
        };
        let candidates = self.receivers.iter().enumerate().filter(of_layer);
        let best = candidates
            .max_by_key(|(_, stream)| (stream.counters.rtx_ssrc.is_none(), stream.last_packet()));
        best.map(|(index, _)| index)
    }

    /// Takes what a retransmission carries (RFC 4588 §4).
    pub(super) fn take_retransmission(
        &mut self,
        now: Instant,
        packet: &RtpPacket<'_>,
        route: &Route,
        index: usize,
    ) {
        let Some(section) = self.routing.section(route) else { return };
        let number = packet.payload_type().get();
        let of_red = section.fec.red_rtx == Some(number);
        let original = match of_red {
            true => section.fec.red,
            false => section.codec_repaired_by(number).map(|codec| codec.payload_type),
        };
        let Some(payload_type) = original.and_then(PayloadType::new) else { return };
        self.log.repair_received(now, packet, &self.extensions);
        let mut restored = std::mem::take(&mut self.scratch);
        restored.clear();
        self.receivers[index].retransmission(packet);
        let ssrc = self.receivers[index].ssrc();
        // Without a payload it is padding, that probes the path.
        if matches!(rtx::restore(packet, ssrc, payload_type, &mut restored), Ok(true))
            && let Ok(original) = RtpPacket::parse(&restored)
        {
            match of_red {
                true => {
                    let mut plain = std::mem::take(&mut self.unwrapped);
                    let inner = fec::take_off_red(&original, &mut plain)
                        .then(|| RtpPacket::parse(&plain).ok());
                    match inner.flatten() {
                        Some(inner) => self.take_repaired(now, &inner, route, index),
                        None => self.receivers[index].repaired_in_vain(now, &original, true),
                    }
                    self.unwrapped = plain;
                }
                false => self.take_repaired(now, &original, route, index),
            }
            self.after_packet(now, index);
        }
        self.scratch = restored;
    }

    /// Takes a packet that was sent again. Parity is none of the codecs, and comes too late to be of use.
    fn take_repaired(&mut self, now: Instant, packet: &RtpPacket<'_>, route: &Route, index: usize) {
        let Some(section) = self.routing.section(route) else { return };
        let number = packet.payload_type().get();
        let Some(codec) = section.codec(number) else {
            let lost = section.fec.ulpfec != Some(number);
            self.receivers[index].repaired_in_vain(now, packet, lost);
            return;
        };
        self.receivers[index].note_extensions(packet, &self.extensions);
        if let Some(accepted) = self.receivers[index].repair(now, codec, packet) {
            self.give_out(now, index, packet, accepted, true);
        }
    }

    /// Frames that are complete, and what is missing.
    pub(super) fn after_packet(&mut self, now: Instant, index: usize) {
        self.take_dtmf(now, index);
        let stream = &mut self.receivers[index];
        while let Some(frame) = stream.poll_frame(now) {
            if self.queued_frames >= MAX_QUEUED_FRAMES {
                self.statistics.frames_dropped += 1;
                stream.not_taken();
                continue;
            }
            self.queued_frames += 1;
            let frame = match self.spare_frames.pop() {
                Some(mut spare) => {
                    *spare = frame;
                    spare
                }
                None => Box::new(frame),
            };
            self.events.push_back(RtpEvent::Frame(frame));
        }
        self.settle_budget(index);
        let stream = &mut self.receivers[index];
        if let Some(due) = stream.nack_due() {
            if !std::mem::replace(&mut stream.repairing, true) {
                self.repairing.push(index);
            }
            self.next_nack = Some(self.next_nack.map_or(due, |next| next.min(due)));
        }
        if stream.keyframe_request_due(now, KEYFRAME_REQUEST_INTERVAL) {
            let media = stream.ssrc();
            self.push_keyframe_request(media);
        }
        self.send_nacks(now);
    }

    /// Asks for the packets that are due. Streams are looked at only when one of them may have some.
    pub(super) fn send_nacks(&mut self, now: Instant) {
        if self.next_nack.is_none_or(|due| due > now) {
            return;
        }
        self.next_nack = None;
        let mut lost = Vec::new();
        let mut index = 0;
        while index < self.repairing.len() {
            let stream = &mut self.receivers[self.repairing[index]];
            let Some(due) = stream.nack_due() else {
                stream.repairing = false;
                self.repairing.swap_remove(index);
                continue;
            };
            index += 1;
            lost.clear();
            if due <= now {
                stream.poll_nack(now, self.round_trip, &mut lost);
                // What was given up takes no memory any more.
                let (before, after) = stream.count_bytes();
                self.assembly.changed(before, after);
            }
            if let Some(due) = stream.nack_due() {
                self.next_nack = Some(self.next_nack.map_or(due, |next| next.min(due)));
            }
            if due > now {
                continue;
            }
            stream.counters.nacks += u32::from(!lost.is_empty());
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

    /// A source that has ended makes room for others (RFC 3550 §6.3.4, §6.6).
    pub(super) fn forget(&mut self, ssrc: Ssrc) {
        let Some(Target::Media(gone)) = self.by_ssrc.remove(&ssrc.0) else { return };
        self.receivers.swap_remove(gone);
        self.recount();
        let moved = self.receivers.len();
        let arrivals = &mut self.arrivals;
        arrivals.forget(ssrc);
        self.by_ssrc.retain(|source, target| {
            let (Target::Media(index) | Target::Repair(index) | Target::Parity(index)) = target;
            let stays = *index != gone;
            if !stays {
                arrivals.forget(Ssrc(*source));
            }
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

    /// The peer says that a source has ended (RFC 3550 §6.6), which is told where it was the last of its transceiver.
    pub(super) fn source_ended(&mut self, ssrc: Ssrc) {
        let of = match self.by_ssrc.get(&ssrc.0) {
            Some(&Target::Media(index)) => Some(self.receivers[index].transceiver()),
            _ => None,
        };
        self.forget(ssrc);
        if let Some(of) = of
            && self.receivers.iter().all(|stream| stream.transceiver() != of)
        {
            self.events.push_back(RtpEvent::SourcesEnded(of));
        }
    }

    /// Counts anew what is held, when streams went or have other indices.
    pub(super) fn recount(&mut self) {
        self.assembly.recount(self.receivers.iter());
        self.parity.recount(&self.receivers);
    }

    /// Makes room: the source that was silent longest is forgotten, if that is long (RFC 3550 §6.3.5). Looked for only
    /// when there is no room.
    fn forget_silent(&mut self, now: Instant) -> bool {
        let silent = |stream: &ReceiveStream| {
            stream.last_packet().map_or(Duration::MAX, |at| now.saturating_duration_since(at))
        };
        let longest = self.receivers.iter().max_by_key(|stream| silent(stream));
        let Some(longest) = longest.filter(|stream| silent(stream) >= MAX_SILENCE) else {
            return false;
        };
        let ssrc = longest.ssrc();
        self.forget(ssrc);
        true
    }
}
