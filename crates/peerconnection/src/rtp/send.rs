//! One stream of ours: frames cut into packets, each with its header and extensions.

mod agreement;
mod application;
mod codecs;
mod repetition;
mod reports;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use peerage_congestion::Class;
use peerage_crypto::Rng;
use peerage_rtp::extension::ExtensionWriter;
use peerage_rtp::payload::telephone_event::EventPacket;
use peerage_rtp::payload::{FrameFacts, FrameInfo, Packetizer, PacketizerOptions, PayloadFormat};
use peerage_rtp::repair::{RtxSender, SendHistory, SendHistoryConfig};
use peerage_rtp::{
    ExtensionMap, PayloadType, RtpHeader, RtpPacket, RtpTimestamp, SequenceNumber, Ssrc,
};

pub(super) use self::agreement::agreed_rid;
use self::agreement::sent_extensions;
use self::codecs::{Codec, SendCodecs};
pub(super) use self::codecs::{EventCodec, UsedCodec};
use super::arena::Arena;
use super::counters::OutboundCounters;
use super::descriptors::{self, Descriptors};
use super::fec::{FecCodecs, FecSender};
use super::frame::{Choice, Frame};
use super::kept::Kept;
use super::keyframe_requests::KeyframeRequests;
use super::load::Load;
use super::packet::{HeaderTemplate, Packet, SparePackets};
use super::scalability::Layers;
use crate::error::Error;
use crate::jsep::AgreedMedia;
use crate::media::RtpCodec;
use crate::transceiver::{TransceiverHandle, fec_source};

/// What a retransmission adds to a packet (RFC 4588 §4).
const RETRANSMISSION_ROOM: usize = 2;
/// How far behind the newest a packet that the application numbers may come.
pub const MAX_LATE_PACKETS: u64 = 1_000;

/// Numbers for which it is remembered that those before were given up: more than a history holds.
const MAX_GIVEN_UP: u16 = 1 << 14;

/// Earlier frames that redundant audio brings again: one makes up for any single loss.
const RED_REDUNDANCY: u8 = 1;

/// What a frame of video is, by what the application says of it or else by its first bytes.
fn facts(format: PayloadFormat, frame: &Frame) -> Option<FrameFacts> {
    if !format.is_video() {
        return None;
    }
    let info = &frame.info;
    // Delta frames tell no more than that they are.
    let looks = info.keyframe.unwrap_or(true);
    let seen = looks.then(|| FrameFacts::read(format, &frame.data)).flatten().unwrap_or_default();
    Some(FrameFacts {
        keyframe: info.keyframe.unwrap_or(seen.keyframe),
        dimensions: info.dimensions.or(seen.dimensions),
    })
}

/// Ticks of a clock in a time.
pub(super) fn ticks(time: Duration, clock_rate: u32) -> u64 {
    let clock_rate = u64::from(clock_rate);
    // In 64 bits, since it is asked for each packet. Below 2^52, the part of a second.
    let part = u64::from(time.subsec_micros()) * clock_rate / 1_000_000;
    time.as_secs().wrapping_mul(clock_rate).wrapping_add(part)
}

/// The number of the first packet of parity, by that of the first of media: below 2^15 as well.
fn first_of_parity(first: u64) -> SequenceNumber {
    SequenceNumber((first ^ 0x2a5b) as u16)
}

/// See the module.
pub(super) struct SendStream {
    transceiver: TransceiverHandle,
    encoding: usize,
    ssrc: Ssrc,
    header: HeaderTemplate,
    arena: Arena,
    pub(super) load: Load,
    pub(super) keyframes: KeyframeRequests,
    /// The codec of the last packet has retransmissions.
    repairable: bool,
    /// A codec has none though the peer asks for lost packets.
    any_without_rtx: bool,
    codecs: SendCodecs,
    /// The codec of the application's last packet, as that of the next one is the same almost always.
    used: Option<(Choice, UsedCodec)>,
    /// The codec of the last frame and its packetiser.
    current: Option<(PayloadType, Packetizer)>,
    options: PacketizerOptions,
    /// The layers within the stream that VP9's headers tell of, and those that they tell of from the next keyframe on.
    layers: Layers,
    next_layers: Layers,
    descriptors: Descriptors,
    history: Option<SendHistory<Kept>>,
    spare: SparePackets,
    rtx: RtxSender,
    /// What protects it, where the peer takes that.
    fec: Option<Box<FecSender>>,
    /// The source of its parity, if that has one of its own, and its next number.
    fec_source: (Ssrc, SequenceNumber),
    /// The number of the next packet, without wraps.
    next: u64,
    /// What the application's numbers are added to, once it gave one.
    anchor: Option<u64>,
    /// Added to the application's timestamps, so that they begin anywhere (RFC 3550 §5.1).
    offset: u32,
    /// Packets of this source that were sent, and the octets of their payloads, as sender reports count them.
    packets: u32,
    octets: u32,
    /// The last frame: its timestamp on the wire, when it was sent, its clock rate.
    last: Option<(u32, Instant, u32)>,
    /// The next frame comes of another source.
    source_changed: bool,
    /// The number of the first packet.
    first: u64,
    /// What lies before this is not sent again: it was given up for a keyframe.
    repair_from: Option<SequenceNumber>,
    rtx_ssrc: u32,
    /// Packets that had been sent when the peer reported last.
    reported: u64,
    /// It has said goodbye.
    has_left: bool,
    pub(super) counters: OutboundCounters,
}

impl SendStream {
    pub(super) fn new(
        media: &AgreedMedia,
        encoding: usize,
        (ssrc, rtx): (u32, u32),
        rid: &str,
        rng: &mut Rng,
    ) -> Self {
        // RFC 3711 §3.3.1: below 2^15, so that a receiver that misses the first ones guesses the rollover right; and with
        // room below for packets that the application sends late.
        let first = rng.range(MAX_LATE_PACKETS..1 << 15);
        let mut stream = Self {
            transceiver: media.transceiver,
            encoding,
            ssrc: Ssrc(ssrc),
            header: HeaderTemplate::new(Ssrc(ssrc), "", "", false, &ExtensionMap::new()),
            arena: Arena::default(),
            load: Load::new(),
            keyframes: KeyframeRequests::default(),
            repairable: false,
            any_without_rtx: false,
            codecs: SendCodecs::default(),
            used: None,
            current: None,
            options: PacketizerOptions {
                picture_id: (rng.u32() & 0x7fff) as u16,
                tl0_picture_index: rng.u32() as u8,
                red_redundancy: RED_REDUNDANCY,
                ..PacketizerOptions::default()
            },
            layers: Layers::NONE,
            next_layers: Layers::NONE,
            descriptors: Descriptors::default(),
            history: None,
            spare: SparePackets::default(),
            rtx: RtxSender::new(Ssrc(rtx), SequenceNumber((rng.u32() & 0x7fff) as u16)),
            fec: None,
            fec_source: (Ssrc(fec_source((ssrc, rtx))), first_of_parity(first)),
            next: first,
            anchor: None,
            offset: rng.u32(),
            packets: 0,
            octets: 0,
            last: None,
            source_changed: false,
            first,
            repair_from: None,
            rtx_ssrc: rtx,
            reported: 0,
            has_left: false,
            counters: OutboundCounters::default(),
        };
        stream.configure(media, encoding, rid);
        stream
    }

    pub(super) fn configure(&mut self, media: &AgreedMedia, encoding: usize, rid: &str) {
        self.encoding = encoding;
        let mid = media.mid.as_ref().map_or("", |mid| mid.as_str());
        self.load.configure(media);
        let extensions = sent_extensions(media);
        self.header = HeaderTemplate::new(self.ssrc, mid, rid, self.load.numbered, &extensions);
        self.configure_fec(media, mid, &extensions);
        self.codecs = SendCodecs::agreed(media);
        self.used = None;
        self.any_without_rtx = self.codecs.iter().any(|codec| codec.nack && codec.rtx.is_none());
        if !self.codecs.iter().any(|codec| codec.nack) {
            self.history = None;
        } else if self.history.is_none() {
            self.history = Some(SendHistory::new(SendHistoryConfig::default()));
        }
        let codecs = &self.codecs;
        self.current.take_if(|(pt, packetizer)| {
            !codecs.iter().any(|c| c.payload_type == *pt && c.format == packetizer.format())
        });
    }

    /// What is protected, and how. A layer of a simulcast is by RED only, since no description says whose parity it would be.
    fn configure_fec(&mut self, media: &AgreedMedia, mid: &str, extensions: &ExtensionMap) {
        if let Some(fec) = self.fec.take() {
            self.fec_source.1 = fec.next_number();
        }
        let mut codecs = FecCodecs::sent(media);
        codecs.flexfec.take_if(|_| !self.header.rid.is_empty());
        let (numbered, source) = (self.load.numbered, self.fec_source);
        let fec = FecSender::new(codecs, self.ssrc, source, mid, numbered, extensions);
        self.fec = fec.map(Box::new);
    }

    /// Puts the codec that the application has chosen before the others, which stand as agreed on.
    pub(super) fn prefer(&mut self, chosen: Option<&RtpCodec>) {
        self.codecs.prefer(chosen);
        self.used = None;
    }

    /// What frames are sent as that name no codec, and its payload type.
    pub(super) fn preferred(&self) -> Option<(&RtpCodec, u8)> {
        let codec = self.codecs.chosen(Choice::First).ok()?;
        Some((&codec.agreed, codec.payload_type.get()))
    }

    /// Of a codec: the payload type of redundant audio that carries it, and what it carries where it is redundant audio itself.
    pub(super) fn redundancy(&self, payload_type: u8) -> (Option<u8>, Option<&RtpCodec>) {
        self.codecs.redundancy(payload_type)
    }

    /// The payload type of comfort noise that goes with a codec: of the same clock (RFC 3389 §5.1).
    pub(super) fn comfort_noise(&self, payload_type: u8) -> Option<u8> {
        self.codecs.comfort_noise(payload_type)
    }

    #[cfg(test)]
    pub(super) fn extensions_of_each_packet(&self) -> Vec<peerage_rtp::extension::ExtensionKind> {
        self.header.kinds()
    }

    #[cfg(test)]
    pub(super) fn mixes_headers(&self) -> bool {
        self.header.extensions().two_byte_allowed()
    }

    pub(super) fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// What it sends from: the source, that of retransmissions where there are such, and that of parity if it has sent.
    pub(super) fn sources(&self) -> impl Iterator<Item = Ssrc> + use<> {
        let repairs = self.codecs.iter().any(|codec| codec.rtx.is_some());
        let next = self.fec.as_ref().map_or(self.fec_source.1, |fec| fec.next_number());
        let protects = next != first_of_parity(self.first);
        let (rtx, fec) = (self.rtx.ssrc(), self.fec_ssrc());
        [Some(self.ssrc), repairs.then_some(rtx), protects.then_some(fec)].into_iter().flatten()
    }

    /// The source of retransmissions.
    pub(super) fn rtx_ssrc(&self) -> Ssrc {
        self.rtx.ssrc()
    }

    /// The source of parity, where it has one of its own.
    pub(super) fn fec_ssrc(&self) -> Ssrc {
        self.fec_source.0
    }

    /// Whether a packet as it leaves is parity.
    pub(super) fn is_parity(&self, packet: &RtpPacket<'_>) -> bool {
        let in_red = || self.fec.as_ref().is_some_and(|fec| fec.is_parity(packet));
        packet.ssrc() == self.fec_ssrc() || (packet.ssrc() == self.ssrc && in_red())
    }

    pub(super) fn transceiver(&self) -> TransceiverHandle {
        self.transceiver
    }

    pub(super) fn encoding(&self) -> usize {
        self.encoding
    }

    /// Whether it is video, by the first codec that was agreed on.
    pub(super) fn is_video(&self) -> bool {
        self.codecs.first().is_some_and(|codec| codec.format.is_video())
    }

    /// How urgent a frame is; as the first codec has it where its own is unknown.
    pub(super) fn class(&self, choice: Choice) -> Class {
        let codec = self.codecs.chosen(choice).ok().or(self.codecs.first());
        codec.map_or(Class::Video, Codec::class)
    }

    /// Whether decoding can begin at a frame.
    pub(super) fn is_keyframe(&self, frame: &Frame) -> bool {
        let found =
            || self.codecs.chosen(frame.choice()).is_ok_and(|c| c.format.is_keyframe(&frame.data));
        frame.info.keyframe.unwrap_or_else(found)
    }

    /// Whether a frame is to be sent though this much waits; see [`Load::admits`].
    pub(super) fn admits(&mut self, frame: &Frame, behind: bool, recovered: bool) -> bool {
        // Looked at only where it decides.
        let is_keyframe = recovered && self.load.is_halted() && self.is_keyframe(frame);
        self.load.admits(behind, recovered, is_keyframe)
    }

    /// The payload type under which a codec is sent.
    pub(super) fn payload_type(&self, choice: Choice) -> Option<u8> {
        self.codecs.chosen(choice).ok().map(|codec| codec.payload_type.get())
    }

    pub(super) fn mid(&self) -> &str {
        &self.header.mid
    }

    pub(super) fn rid(&self) -> &str {
        &self.header.rid
    }

    /// The source of its retransmissions.
    pub(super) fn repair_ssrc(&self) -> Ssrc {
        self.rtx.ssrc()
    }

    /// What the last frame was made into.
    pub(super) fn format(&self) -> Option<PayloadFormat> {
        self.current.as_ref().map(|(_, packetizer)| packetizer.format())
    }

    /// What a payload type stands for, and the rate of its clock.
    pub(super) fn format_of(&self, payload_type: PayloadType) -> Option<(PayloadFormat, u32)> {
        if self.fec.as_ref().is_some_and(|fec| fec.is_red(payload_type)) {
            return Some((self.format()?, self.clock_rate()));
        }
        let codec = self.codecs.of(payload_type)?;
        Some((codec.format, codec.clock_rate))
    }

    /// The timestamp of the last frame on the wire.
    pub(super) fn last_timestamp(&self) -> Option<u32> {
        self.last.map(|(timestamp, ..)| timestamp)
    }

    /// Takes the layers within the stream; they count from the next keyframe on (RFC 9628 §4.2).
    pub(super) fn set_layers(&mut self, layers: Layers) {
        self.next_layers = layers;
    }

    /// Takes the layers that were set, if this is where they begin.
    fn settle_layers(&mut self, frame: &Frame) {
        if self.next_layers == self.layers {
            return;
        }
        if self.last.is_none() || self.is_keyframe(frame) {
            let Layers { spatial, temporal, flexible, .. } = self.next_layers;
            self.layers = self.next_layers;
            self.descriptors.set_mode(self.layers.mode);
            self.options.vp9_flexible = flexible;
            self.options.vp9_temporal_layers = temporal;
            self.options.vp9_spatial_layers = spatial;
            if let Some((_, packetizer)) = &mut self.current {
                packetizer.set_vp9_layers(flexible, temporal, spatial);
            }
        }
    }

    /// Cuts a frame into packets of at most `room` bytes.
    pub(super) fn send(
        &mut self,
        now: Instant,
        frame: &Frame,
        room: usize,
        (loss, round_trip): (f64, Duration),
        out: &mut VecDeque<Box<Packet>>,
    ) -> Result<(), Error> {
        if std::mem::take(&mut self.source_changed) && self.last.is_some() {
            let captured = frame.captured.map_or(now, |captured| captured.min(now));
            self.offset = self.timestamp_at(captured).0.wrapping_sub(frame.timestamp);
        }
        self.settle_layers(frame);
        let codec = self.codecs.chosen(frame.choice())?;
        let (payload_type, clock_rate) = (codec.payload_type, codec.clock_rate);
        let (format, class) = (codec.format, codec.class());
        let layers_info = match format {
            PayloadFormat::Vp9 => self.layers.written(&frame.info)?,
            _ => None,
        };
        let red_payload_type = codec.red.map_or(0, PayloadType::get);
        let repeats = (codec.nack, codec.rtx.is_some());
        self.repairable = codec.rtx.is_some();
        let protects =
            self.fec.as_mut().is_some_and(|fec| fec.begin_frame(format, repeats, loss, round_trip));
        let protection = self.fec.as_ref().filter(|_| protects);
        let longest = descriptors::longest(self.header.extensions())
            .filter(|_| format.is_video() && self.layers.mode.is_some());
        let descriptors = match longest {
            Some(longest) => {
                self.descriptors.of_frame(self.is_keyframe(frame), &frame.info, longest)
            }
            None => None,
        };
        let extensions = &frame.extensions;
        let header_len = match extensions.is_empty() && descriptors.is_none() {
            true => self.header.len(),
            false => self.header.len_with(|writer, map| {
                extensions.write_of_frame(writer, map);
                if let Some(descriptors) = &descriptors {
                    descriptors::put(descriptors.longest(), writer, map);
                }
            }),
        };
        // The peer may have chosen a mid of any length.
        let mut max_payload = room.saturating_sub(header_len + RETRANSMISSION_ROOM);
        if let Some(fec) = protection {
            max_payload = max_payload.min(fec.max_payload(room - RETRANSMISSION_ROOM, header_len));
        }
        let first = out.len();
        let packetizer = match &mut self.current {
            Some((current, packetizer)) if *current == payload_type => packetizer,
            current => {
                let options = PacketizerOptions { red_payload_type, ..self.options };
                let packetizer = Packetizer::new(format, options);
                &mut current.insert((payload_type, packetizer)).1
            }
        };
        let timestamp = RtpTimestamp(frame.timestamp.wrapping_add(self.offset));
        let (header, arena, next) = (&self.header, &mut self.arena, &mut self.next);
        let (load, anchor, ssrc) = (&mut self.load, &mut self.anchor, self.ssrc);
        let spare = &mut self.spare;
        let mut emit = |parts: &[&[u8]], marker: bool| {
            let payload = arena.copy(parts);
            let sequence_number = SequenceNumber(*next as u16);
            *next += 1;
            *anchor = anchor.map(|anchor| anchor.wrapping_add(1));
            let fields = RtpHeader { marker, payload_type, sequence_number, timestamp, ssrc };
            let packet = header.packet(class, fields, payload);
            load.count(&packet);
            out.push_back(spare.place(packet));
        };
        // Redundancy is told by how far back it lies (RFC 2198 §3).
        let red_info = (format == PayloadFormat::Red)
            .then(|| FrameInfo { timestamp: timestamp.0, ..frame.info.clone() });
        let info = red_info.as_ref().or(layers_info.as_ref()).unwrap_or(&frame.info);
        if let Err(error) = packetizer.packetize(&frame.data, info, max_payload, &mut emit) {
            self.descriptors.frame_lost();
            return Err(Error::Operation(error.to_string()));
        }
        let packets = out.len() - first;
        if let Some(descriptors) = &descriptors {
            for (index, packet) in out.range_mut(first..).enumerate() {
                let at_an_end = index == 0 || index + 1 == packets;
                self.header.extend(packet, |writer, map| {
                    if at_an_end {
                        extensions.write_of_frame(writer, map);
                    }
                    descriptors::put(descriptors.of_packet(index, packets), writer, map);
                });
            }
        } else if !extensions.is_empty() && out.len() > first {
            // Receivers look for some with the first packet of a frame, for others with the last.
            let last = out.len() - 1;
            for index in [first, last].into_iter().take(1 + usize::from(last > first)) {
                let write = |writer: &mut ExtensionWriter<'_>, map: &ExtensionMap| {
                    extensions.write_of_frame(writer, map);
                };
                self.header.extend(&mut out[index], write);
            }
        }
        self.load.carries_frames();
        // By then what was given up is beyond the history, and numbers would come round again.
        let span = |first: SequenceNumber| (self.next as u16).wrapping_sub(first.0);
        self.repair_from.take_if(|first| span(*first) > MAX_GIVEN_UP);
        let captured = frame.captured.map_or(now, |captured| captured.min(now));
        self.last = Some((timestamp.0, captured, clock_rate));
        self.counters.payload_type = Some(payload_type.get());
        let facts = facts(format, frame);
        if let Some(facts) = facts {
            if facts.keyframe {
                self.keyframes.keyframe_sent(now);
            }
            self.counters.frame(now, facts, frame.info.end_of_picture);
        }
        if protects {
            self.protect(first, timestamp, facts.is_some_and(|facts| facts.keyframe), out);
        }
        Ok(())
    }

    /// Protects the packets of a frame, which begin at `first`.
    fn protect(
        &mut self,
        first: usize,
        timestamp: RtpTimestamp,
        keyframe: bool,
        out: &mut VecDeque<Box<Packet>>,
    ) {
        let Some(fec) = &mut self.fec else { return };
        fec.protect(out.range_mut(first..), keyframe, &mut self.arena);
        let numbers = fec.take_parity(&self.header, (self.ssrc, timestamp), &mut self.next, out);
        self.anchor = self.anchor.map(|anchor| anchor.wrapping_add(numbers));
    }

    /// The next frame comes of another source, whose timestamps may begin anywhere.
    pub(super) fn source_changed(&mut self) {
        self.source_changed = true;
    }

    /// The clock of the media: of what was sent last, or of the first codec.
    fn clock_rate(&self) -> u32 {
        let first = self.codecs.iter().find(|codec| codec.is_media());
        let last = self.last.map(|(.., clock_rate)| clock_rate);
        last.or(first.map(|codec| codec.clock_rate)).unwrap_or(8000)
    }

    /// The moment as a timestamp on the wire, at least one tick after that of the last frame, and the clock's rate.
    pub(super) fn timestamp_at(&self, now: Instant) -> (u32, u32) {
        let clock_rate = self.clock_rate();
        let Some((timestamp, at, _)) = self.last else { return (self.offset, clock_rate) };
        let ticks = ticks(now.saturating_duration_since(at), clock_rate).max(1);
        (timestamp.wrapping_add(ticks as u32), clock_rate)
    }

    /// Ticks since the moment that a timestamp on the wire stands for, by the mapping of sender reports (RFC 5450 §3).
    pub(super) fn ticks_since(&self, now: Instant, timestamp: u32) -> i32 {
        let Some((last, at, clock_rate)) = self.last else { return 0 };
        let since =
            if now == at { 0 } else { ticks(now.saturating_duration_since(at), clock_rate) };
        last.wrapping_add(since as u32).wrapping_sub(timestamp) as i32
    }

    /// How telephone events are sent: at the rate of the audio where the peer takes that (RFC 4733 §2.1).
    pub(super) fn event_codec(&self) -> Option<EventCodec> {
        let rate = self.clock_rate();
        self.codecs.of_events(rate)
    }

    /// A packet of a telephone event, whose timestamp is one on the wire.
    pub(super) fn event(
        &mut self,
        now: Instant,
        payload_type: PayloadType,
        event: &EventPacket,
    ) -> Box<Packet> {
        // The clock goes on from here if no audio was sent yet.
        if self.last.is_none() {
            self.last = Some((event.timestamp, now, self.clock_rate()));
        }
        let (sequence_number, ssrc) = (SequenceNumber(self.next as u16), self.ssrc);
        let (marker, timestamp) = (event.marker, RtpTimestamp(event.timestamp));
        let fields = RtpHeader { marker, payload_type, sequence_number, timestamp, ssrc };
        let payload = self.arena.copy(&[&event.report.write()]);
        self.next += 1;
        self.shift_anchor();
        self.spare.place(self.header.packet(Class::Audio, fields, payload))
    }

    /// A number was taken beside those of the application, which go on after it.
    fn shift_anchor(&mut self) {
        self.anchor = self.anchor.map(|anchor| anchor.wrapping_add(1));
    }
}
