//! One stream of the peer: counted, asked for again where packets are missing, and assembled into frames or given out
//! packet by packet.

use std::time::{Duration, Instant};

use bytes::Bytes;
use peerage_rtp::payload::{AssemblerConfig, EncodedFrame, FrameAssembler, PayloadFormat};
use peerage_rtp::receive::ReceiveStatistics;
use peerage_rtp::repair::{FecFormat, NackConfig, NackGenerator};
use peerage_rtp::rtcp::{ReportBlock, SenderInfo};
use peerage_rtp::{ExtensionMap, NtpTime, RtpPacket, SequenceNumber, SequenceUnwrapper, Ssrc};
use peerage_sdp::Word;

use super::arena::Arena;
use super::counters::InboundCounters;
use super::dtmf::TelephoneEvents;
use super::fec::FecReceiver;
use super::frame::{FrameArrival, MediaFrame, SenderTime};
use super::frame_extensions::FrameExtensions;
use super::packets::PacketExtensions;
use super::routing::{KeyframeRequests, ReceivedCodec, Section};
use super::snapshot::Inbound;
use super::sources::Sources;
use crate::media::CodecFormat;
use crate::transceiver::TransceiverHandle;

/// See the module.
pub(super) struct ReceiveStream {
    /// No other stream of the connection has it, not even one of the same source.
    serial: u64,
    ssrc: Ssrc,
    transceiver: TransceiverHandle,
    layer: Option<u8>,
    rid: Option<Word>,
    /// Packets are given out as they come, instead of frames.
    packets: bool,
    /// The transceiver does not receive now.
    rests: bool,
    /// The codec of the packets last received, and what assembles them.
    current: Option<(ReceivedCodec, FrameAssembler)>,
    /// Events go beside the audio, under a payload type of their own.
    telephone_events: Option<Box<TelephoneEvents>>,
    sequence: SequenceUnwrapper,
    statistics: ReceiveStatistics,
    /// Packets that had come when it was reported on last.
    reported: u64,
    nack: Option<NackGenerator>,
    /// It is in the list of streams that miss packets.
    pub(super) repairing: bool,
    /// Ticks of the timestamp a second.
    clock_rate: u32,
    wants_keyframe: bool,
    /// Since when packets were asked for in vain: the next keyframe that is whole is gone on from.
    gave_up: Option<Instant>,
    /// A frame was not taken: what follows is dropped until a keyframe comes.
    skips: bool,
    /// The packet that is waited for where nobody asks for it, and since when.
    gap: Option<(u64, Instant)>,
    asked: Option<Instant>,
    /// How the peer is asked for keyframes of the codec received last.
    keyframes: KeyframeRequests,
    /// The number of the last command for a keyframe, and whether one came since.
    command: (u8, bool),
    /// A whole keyframe that waits for what is missing before it, and since when.
    whole_keyframe: Option<(u64, Instant)>,
    /// When a packet of the newest keyframe came last.
    keyframe_comes: Option<Instant>,
    pub(super) counters: InboundCounters,
    pub(super) sources: Sources,
    pub(super) fec: FecReceiver,
    extensions: FrameExtensions,
    /// Room for the payloads of sound.
    sound: Arena,
    /// See [`count_bytes`](Self::count_bytes).
    counted: usize,
}

/// How much later than those after it a packet may come where nothing is sent again.
const MAX_REORDERING: Duration = Duration::from_millis(250);

/// So many packets that are missed for so long are not worth the wait any more: a keyframe is asked for in their place.
const HOPELESS_PACKETS: usize = 48;
const HOPELESS_AGE: Duration = Duration::from_millis(500);
/// A whole keyframe waits so long for what is missing before it.
const REPAIR_PATIENCE: Duration = Duration::from_millis(100);
/// Packets that were asked for in vain may still come for so long.
const LAST_CHANCE: Duration = Duration::from_secs(1);
/// A keyframe comes no more once none of its packets has come for so long ...
const KEYFRAME_PAUSE: Duration = Duration::from_millis(300);
/// ... and however it comes, another is asked for after this time.
const KEYFRAME_PATIENCE: Duration = Duration::from_secs(3);

/// Bytes that payloads of sound are given at a time: half a second of Opus.
const SOUND_BLOCK: usize = 2048;

/// A packet to be given out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    /// Its number without wraps.
    pub(super) sequence: u64,
    pub(super) payload_type: u8,
    pub(super) format: PayloadFormat,
    pub(super) codec: CodecFormat,
}

impl ReceiveStream {
    pub(super) fn new(
        serial: u64,
        ssrc: Ssrc,
        transceiver: TransceiverHandle,
        layer: Option<u8>,
        rid: Option<&str>,
        codec: &ReceivedCodec,
        packets: bool,
    ) -> Self {
        Self {
            serial,
            ssrc,
            transceiver,
            layer,
            rid: rid.and_then(|rid| Word::new(rid).ok()),
            packets,
            rests: false,
            current: None,
            telephone_events: None,
            sequence: SequenceUnwrapper::default(),
            statistics: ReceiveStatistics::new(ssrc, codec.clock_rate),
            reported: 0,
            nack: codec.nack.then(|| NackGenerator::new(NackConfig::default())),
            repairing: false,
            clock_rate: codec.clock_rate,
            wants_keyframe: false,
            gave_up: None,
            skips: false,
            gap: None,
            asked: None,
            keyframes: codec.keyframes,
            // The first number is arbitrary; another stream under the same source begins with another.
            command: (serial as u8, true),
            whole_keyframe: None,
            keyframe_comes: None,
            counters: InboundCounters::default(),
            sources: Sources::default(),
            fec: FecReceiver::default(),
            extensions: FrameExtensions::default(),
            sound: Arena::with_blocks(SOUND_BLOCK),
            counted: 0,
        }
    }

    pub(super) fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    pub(super) fn transceiver(&self) -> TransceiverHandle {
        self.transceiver
    }

    pub(super) fn layer(&self) -> Option<u8> {
        self.layer
    }

    pub(super) fn rid(&self) -> Option<&Word> {
        self.rid.as_ref()
    }

    /// Bytes held for incomplete frames, as they were counted last.
    pub(super) fn counted_bytes(&self) -> usize {
        self.counted
    }

    /// Bytes held for incomplete frames, and for what is noted of those that are missed.
    pub(super) fn held_bytes(&self) -> usize {
        let assembled = self.current.as_ref().map_or(0, |(_, assembler)| assembler.held_bytes());
        let missed = self.nack.as_ref().map_or(0, NackGenerator::held_bytes);
        assembled + missed + self.extensions.held_bytes()
    }

    /// Counts them: before, and now.
    pub(super) fn count_bytes(&mut self) -> (usize, usize) {
        let held = self.held_bytes();
        (std::mem::replace(&mut self.counted, held), held)
    }

    pub(super) fn missing(&self) -> usize {
        self.nack.as_ref().map_or(0, NackGenerator::missing)
    }

    /// Gives up all that is incomplete: nothing of what is counted is held afterwards.
    pub(super) fn give_up(&mut self) {
        if let Some((codec, assembler)) = &mut self.current {
            assembler.give_up_all();
            self.wants_keyframe |= codec.format.is_video();
        }
        if let Some(nack) = &mut self.nack {
            nack.give_up();
        }
        self.extensions.give_up();
    }

    /// Changes between frames and packets. What is under way is given up.
    pub(super) fn set_packets(&mut self, packets: bool) {
        if self.packets != packets {
            self.packets = packets;
            self.extensions = FrameExtensions::default();
            if let Some((_, assembler)) = self.current.take() {
                self.counters.assembler_ends(assembler.statistics());
            }
            self.wants_keyframe = false;
        }
    }

    /// Nothing comes for now: what is under way is given up, what was counted stays.
    pub(super) fn rest(&mut self) {
        self.rests = true;
        if let Some((_, assembler)) = self.current.take() {
            self.counters.assembler_ends(assembler.statistics());
        }
        self.telephone_events = None;
        self.extensions.give_up();
        self.fec.end();
        self.nack = self.nack.take().map(|_| NackGenerator::new(NackConfig::default()));
        (self.wants_keyframe, self.gave_up, self.skips) = (false, None, false);
        (self.gap, self.asked, self.keyframe_comes) = (None, None, None);
    }

    /// Whether it does.
    pub(super) fn rests(&self) -> bool {
        self.rests
    }

    /// Takes a packet of this stream. It is handed back where packets are given out and it is not one that came before.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        codec: &ReceivedCodec,
        packet: &RtpPacket<'_>,
    ) -> Option<Accepted> {
        let number = packet.sequence_number();
        self.rests = false;
        let payload_len = packet.payload().len() + packet.padding_len();
        self.statistics.receive(now, number, packet.timestamp(), packet.header_len(), payload_len);
        self.counters.padding_bytes += packet.padding_len() as u64;
        let is_new = match &mut self.nack {
            Some(nack) => nack.receive(now, number),
            None => !self.fec.was_recovered(number),
        };
        is_new.then(|| self.accept(now, codec, packet, false)).flatten()
    }

    /// Takes a packet that was computed from parity; it was not received, and does not count as if it had been. `None` if
    /// it was here already.
    pub(super) fn recovered(
        &mut self,
        now: Instant,
        codec: &ReceivedCodec,
        packet: &RtpPacket<'_>,
    ) -> Option<Option<Accepted>> {
        let number = packet.sequence_number();
        let is_new = match &mut self.nack {
            Some(nack) => nack.repaired(now, number),
            None => self.fec.note(number),
        };
        is_new.then(|| self.accept(now, codec, packet, true))
    }

    /// Begins to keep packets for parity.
    pub(super) fn begin_fec(&mut self, format: FecFormat, map: &ExtensionMap) {
        let newest = self.sequence.highest().map(|newest| SequenceNumber(newest as u16));
        self.fec.begin(format, self.ssrc, newest, map);
    }

    /// Keeps them no longer.
    pub(super) fn end_fec(&mut self) {
        self.fec.end();
        self.set_patience(Duration::ZERO);
    }

    /// How long gaps are left to parity.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        if let Some(nack) = &mut self.nack {
            nack.set_patience(patience);
        }
    }

    /// Counts a packet that has a number of the media's and carries none of it. False where it came before.
    pub(super) fn count_filler(&mut self, now: Instant, packet: &RtpPacket<'_>) -> bool {
        let number = packet.sequence_number();
        let payload_len = packet.payload().len() + packet.padding_len();
        self.statistics.receive(now, number, packet.timestamp(), packet.header_len(), payload_len);
        self.counters.padding_bytes += packet.padding_len() as u64;
        self.nack.as_mut().is_none_or(|nack| nack.receive(now, number))
    }

    /// Fills the place of such a packet, by which it is handed back where packets are given out.
    pub(super) fn fill(&mut self, packet: &RtpPacket<'_>, codecs: &Section) -> Option<Accepted> {
        let sequence = self.sequence.unwrap(packet.sequence_number());
        if self.packets {
            let codec = codecs.codec(self.counters.codec?.0)?;
            let ReceivedCodec { payload_type, format, codec, .. } = *codec;
            return Some(Accepted { sequence, payload_type, format, codec });
        }
        if let Some((_, assembler)) = &mut self.current {
            assembler.insert(sequence, packet.timestamp().0, false, Bytes::new(), None);
        }
        None
    }

    /// Fills the place of a packet that cannot be read, by which its frame is lost.
    pub(super) fn lose(&mut self, packet: &RtpPacket<'_>) {
        let sequence = self.sequence.unwrap(packet.sequence_number());
        if let Some((_, assembler)) = &mut self.current {
            assembler.insert_unreadable(sequence, packet.timestamp().0, packet.marker());
        }
    }

    /// Takes a packet that was sent again and cannot be read, or is parity: what it was asked for has come.
    pub(super) fn repaired_in_vain(&mut self, now: Instant, packet: &RtpPacket<'_>, lost: bool) {
        let number = packet.sequence_number();
        if !self.nack.as_mut().is_some_and(|nack| nack.repaired(now, number)) {
            return;
        }
        if lost {
            self.lose(packet);
        } else if let Some((_, assembler)) = &mut self.current {
            let sequence = self.sequence.unwrap(number);
            assembler.insert(sequence, packet.timestamp().0, false, Bytes::new(), None);
        }
    }

    /// Notes the header extensions of a packet for the frame that it becomes part of.
    pub(super) fn note_extensions(&mut self, packet: &RtpPacket<'_>, map: &ExtensionMap) {
        if !self.packets && packet.extension_profile().is_some() {
            let extensions = PacketExtensions::read(packet, map, None);
            self.extensions.note(packet.timestamp().0, extensions);
        }
    }

    /// Takes a packet that was sent again; it counts as received only once.
    pub(super) fn repair(
        &mut self,
        now: Instant,
        codec: &ReceivedCodec,
        packet: &RtpPacket<'_>,
    ) -> Option<Accepted> {
        let number = packet.sequence_number();
        let is_new = self.nack.as_mut().is_some_and(|nack| nack.repaired(now, number));
        is_new.then(|| self.accept(now, codec, packet, true)).flatten()
    }

    /// Counts a packet of retransmissions, whatever is in it.
    pub(super) fn retransmission(&mut self, packet: &RtpPacket<'_>) {
        let counters = &mut self.counters;
        counters.rtx_ssrc = Some(packet.ssrc().0);
        counters.rtx_packets += 1;
        // Without a payload it is padding, that probes the path.
        counters.retransmitted_packets += u64::from(!packet.payload().is_empty());
        counters.retransmitted_bytes += packet.payload().len() as u64;
        let header = packet.header_len() + packet.padding_len();
        counters.rtx_header_bytes += header as u64;
    }

    fn accept(
        &mut self,
        now: Instant,
        codec: &ReceivedCodec,
        packet: &RtpPacket<'_>,
        repaired: bool,
    ) -> Option<Accepted> {
        if codec.format != PayloadFormat::TelephoneEvent {
            self.counters.codec = Some((codec.payload_type, codec.rtx.is_some()));
            self.keyframes = codec.keyframes;
        }
        let number = packet.sequence_number();
        let sequence = self.sequence.unwrap(number);
        if self.packets {
            if self.clock_rate != codec.clock_rate {
                self.clock_rate = codec.clock_rate;
                self.statistics.set_clock_rate(codec.clock_rate);
            }
            let ReceivedCodec { payload_type, format, codec, .. } = *codec;
            return Some(Accepted { sequence, payload_type, format, codec });
        }
        if codec.format.is_video() {
            self.counters.packet_of_frame(now, packet.timestamp().0, repaired);
        }
        match codec.format {
            PayloadFormat::TelephoneEvent => self.insert_event(now, codec, packet, sequence),
            _ => self.insert(now, codec, packet, sequence),
        }
        None
    }

    fn insert(
        &mut self,
        now: Instant,
        codec: &ReceivedCodec,
        packet: &RtpPacket<'_>,
        sequence: u64,
    ) {
        if self.nack.as_mut().is_some_and(NackGenerator::take_key_frame_needed) {
            (self.wants_keyframe, self.gave_up) = (true, self.gave_up.or(Some(now)));
        }
        let assembler = match &mut self.current {
            Some((current, assembler)) if current.payload_type == codec.payload_type => assembler,
            // Another codec: what was under way in the old one is given up.
            current => {
                if let Some((_, assembler)) = current {
                    self.counters.assembler_ends(assembler.statistics());
                }
                let assembler = FrameAssembler::new(codec.format, AssemblerConfig::default());
                self.wants_keyframe |= codec.format.is_video();
                self.statistics.set_clock_rate(codec.clock_rate);
                &mut current.insert((*codec, assembler)).1
            }
        };
        // Sound is held shortly, and in pieces so small that what else is in a block hardly counts.
        let payload = match codec.format.is_video() {
            true => Bytes::copy_from_slice(packet.payload()),
            false => self.sound.copy(&[packet.payload()]),
        };
        let (timestamp, marker) = (packet.timestamp().0, packet.marker());
        let descriptor = codec.descriptor.and_then(|id| packet.extension_range(id));
        match descriptor {
            Some(value) => {
                let value = &packet.as_bytes()[value];
                assembler.insert_described(sequence, timestamp, marker, payload, value);
            }
            None => {
                assembler.insert(sequence, timestamp, marker, payload, None);
            }
        }
        if assembler.newest_keyframe().is_some_and(|(_, of)| of == packet.timestamp().0) {
            self.keyframe_comes = Some(now);
        }
        let in_vain = |since: Instant| now.saturating_duration_since(since) >= LAST_CHANCE;
        if self.gave_up.take_if(|since| in_vain(*since)).is_some() {
            // What waits for them piles up until a keyframe comes, and is of no use to it.
            let asked_for = self.nack.as_ref().and_then(NackGenerator::first_missing);
            let first = asked_for.map_or(sequence, |number| self.sequence.peek(number));
            assembler
                .give_up_before(assembler.newest_keyframe().map_or(first, |(at, _)| at.min(first)));
        }
        if self.nack.is_none() && codec.format.is_video() {
            // Nobody asks for what is missing: once it is too late to be only out of order, it will not come.
            let missing = assembler.first_missing();
            let since = |(number, since): &(u64, Instant)| {
                Some(*number) == missing && now - *since >= MAX_REORDERING
            };
            if let (Some(number), true) = (missing, self.gap.as_ref().is_some_and(since)) {
                assembler.give_up_before(number + 1);
            }
            if self.gap.map(|(number, _)| number) != missing {
                self.gap = missing.map(|number| (number, now));
            }
        }
        self.wants_keyframe |= assembler.needs_keyframe();
    }

    fn insert_event(
        &mut self,
        now: Instant,
        codec: &ReceivedCodec,
        packet: &RtpPacket<'_>,
        sequence: u64,
    ) {
        self.telephone_events.take_if(|events| events.codec != *codec);
        let events =
            self.telephone_events.get_or_insert_with(|| Box::new(TelephoneEvents::new(*codec)));
        events.handle(now, packet);
        let payload = Bytes::copy_from_slice(packet.payload());
        events.assembler.insert(sequence, packet.timestamp().0, packet.marker(), payload, None);
    }

    /// What was reported beside the audio.
    pub(super) fn telephone_events(&mut self) -> Option<&mut TelephoneEvents> {
        self.telephone_events.as_deref_mut()
    }

    pub(super) fn poll_frame(&mut self, now: Instant) -> Option<MediaFrame> {
        let events = self.telephone_events.as_deref_mut();
        let event = events.and_then(|e| Some((e.codec, e.assembler.poll_frame()?)));
        if let Some((codec, frame)) = event {
            return Some(self.out(now, &codec, frame));
        }
        let (codec, assembler) = self.current.as_mut()?;
        let mut skipped = false;
        let frame = loop {
            let Some(frame) = assembler.poll_frame() else {
                let first = assembler.complete_keyframe().filter(|_| !skipped)?;
                let since = match self.whole_keyframe {
                    Some((keyframe, since)) if keyframe == first => since,
                    _ => self.whole_keyframe.insert((first, now)).1,
                };
                if self.gave_up.is_none() && now.saturating_duration_since(since) < REPAIR_PATIENCE
                {
                    return None;
                }
                // What is missing before it was asked for in vain, or comes too late.
                assembler.give_up_before(first);
                skipped = true;
                continue;
            };
            if !self.skips || frame.keyframe || !codec.format.is_video() {
                break frame;
            }
            self.counters.frames_not_taken += 1;
        };
        self.counters.frame(now, &frame, codec.format.is_video());
        if let Some(nack) = self.nack.as_mut().filter(|_| codec.format.is_video()) {
            // Frames come out in order: what is still missing before this one was of none.
            nack.forget_before(SequenceNumber(frame.first_sequence as u16));
        }
        if frame.keyframe {
            (self.wants_keyframe, self.gave_up, self.skips) = (false, None, false);
            self.command.1 = true;
            if let Some(nack) = &mut self.nack {
                nack.key_frame(SequenceNumber(frame.first_sequence as u16));
            }
        }
        let codec = *codec;
        Some(self.out(now, &codec, frame))
    }

    fn out(&mut self, now: Instant, codec: &ReceivedCodec, frame: EncodedFrame) -> MediaFrame {
        // Sound comes out as it comes in, one packet after the other.
        let arrival = self.counters.arrival(frame.timestamp).filter(|_| codec.format.is_video());
        let sender_time = self.statistics.last_sender_report().map(|(_, info)| SenderTime {
            ntp: NtpTime(info.ntp),
            timestamp: info.rtp_timestamp.0,
        });
        MediaFrame {
            arrival: arrival.unwrap_or(FrameArrival::at(now)),
            sender_time,
            transceiver: self.transceiver,
            rid: self.rid.as_ref().map(Word::to_string),
            payload_type: codec.payload_type,
            codec: codec.media,
            ssrc: self.ssrc.0,
            extensions: self.extensions.take(frame.timestamp, frame.keyframe),
            frame,
        }
    }

    /// When packets are to be asked for again.
    pub(super) fn nack_due(&self) -> Option<Instant> {
        self.nack.as_ref().and_then(NackGenerator::poll_timeout)
    }

    /// Appends the packets to be asked for now.
    pub(super) fn poll_nack(
        &mut self,
        now: Instant,
        round_trip: Duration,
        out: &mut Vec<SequenceNumber>,
    ) {
        let is_video = self.current.as_ref().is_some_and(|(codec, _)| codec.format.is_video());
        if let Some(nack) = &mut self.nack {
            let old = |seen| now.saturating_duration_since(seen) >= HOPELESS_AGE;
            let many = nack.missing() >= HOPELESS_PACKETS && nack.oldest().is_some_and(old);
            if many && is_video && !self.packets {
                nack.give_up();
            }
            nack.poll(now, round_trip, out);
            // What was asked for in vain is not waited for any more.
            if nack.take_key_frame_needed() && !self.packets {
                let first = nack.first_missing();
                match &mut self.current {
                    // What comes after it tells whether it refers to what was lost: only then a keyframe is needed.
                    Some((_, assembler)) if assembler.is_described() => {
                        let next = first.map(|number| self.sequence.peek(number));
                        assembler.give_up_missing(next.unwrap_or(u64::MAX));
                    }
                    _ => (self.wants_keyframe, self.gave_up) = (true, self.gave_up.or(Some(now))),
                }
            }
        }
    }

    /// What is known of the stream.
    pub(super) fn snapshot(&self, now: Instant) -> Inbound<'_> {
        let (counters, statistics) = (&self.counters, &self.statistics);
        let current = self.current.as_ref();
        let assembled = current.map(|(_, assembler)| assembler.statistics()).unwrap_or_default();
        let assembled = counters.with(assembled);
        let padding = counters.padding_bytes;
        Inbound {
            serial: self.serial,
            ssrc: self.ssrc.0,
            transceiver: self.transceiver,
            payload_type: counters.codec.map(|(payload_type, _)| payload_type),
            has_rtx: counters.codec.is_some_and(|(_, has_rtx)| has_rtx),
            gives_packets: self.packets,
            packets: statistics.packets_received() + counters.rtx_packets,
            bytes: (statistics.bytes_received() + counters.retransmitted_bytes)
                .saturating_sub(padding),
            header_bytes: statistics.header_bytes_received() + counters.rtx_header_bytes + padding,
            packets_lost: statistics.packets_lost(),
            jitter: statistics.jitter(),
            last_packet: statistics.last_packet_received(),
            packets_discarded: assembled.late_packets,
            frames_received: assembled.frames + assembled.undecodable_frames,
            frames_dropped: assembled.undecodable_frames
                + assembled.incomplete_frames
                + counters.frames_not_taken,
            frames_per_second: counters.rate.per_second(now),
            sender_report: statistics.last_sender_report(),
            sender_reports: statistics.sender_reports_received(),
            sender_counts: statistics.sender_counts(),
            round_trips: counters.round_trips,
            fec: self.fec.counters(),
            counters,
        }
    }

    pub(super) fn sender_report(&mut self, now: Instant, info: SenderInfo) {
        self.statistics.sender_report(now, info);
    }

    /// When the last packet came.
    pub(super) fn last_packet(&self) -> Option<Instant> {
        self.statistics.last_packet_received()
    }

    /// The block of a report; `None` where nothing came since the last one (RFC 3550 §6.4.1).
    pub(super) fn report(&mut self, now: Instant) -> Option<ReportBlock> {
        let received = self.statistics.packets_received();
        if std::mem::replace(&mut self.reported, received) == received {
            return None;
        }
        self.statistics.report(now)
    }

    /// Frames were lost to the application.
    pub(super) fn want_keyframe(&mut self) {
        self.wants_keyframe |=
            self.packets || self.current.as_ref().is_some_and(|(codec, _)| codec.format.is_video());
    }

    /// A frame finds no room: those after it could not be decoded, so that all are dropped until a keyframe comes.
    pub(super) fn not_taken(&mut self) {
        self.counters.frames_not_taken += 1;
        self.skips = true;
        self.want_keyframe();
    }

    /// The application wants a keyframe. Whether it is to be asked for now; where nobody looks for it, it is asked for once.
    pub(super) fn ask_for_keyframe(&mut self, now: Instant, interval: Duration) -> bool {
        self.want_keyframe();
        let due = self.keyframe_request_due(now, interval);
        if due && self.packets {
            self.wants_keyframe = false;
        }
        due
    }

    /// How a keyframe is to be asked for.
    pub(super) fn keyframe_requests(&self) -> KeyframeRequests {
        self.keyframes
    }

    /// The number of a command for a keyframe: that of the last one until it was obeyed (RFC 5104 §4.3.1.1). Where nobody
    /// looks for keyframes each is a new one.
    pub(super) fn next_command(&mut self) -> u8 {
        if self.command.1 || self.packets {
            self.command = (self.command.0.wrapping_add(1), false);
        }
        self.command.0
    }

    /// Whether a keyframe is to be asked for now.
    pub(super) fn keyframe_request_due(&mut self, now: Instant, interval: Duration) -> bool {
        let since = |at: Instant| now.saturating_duration_since(at);
        // While one comes, another in its place would take the path from it: on a slow one none would ever be whole.
        let comes = self.keyframe_comes.is_some_and(|at| since(at) < KEYFRAME_PAUSE);
        let interval = if comes { interval.max(KEYFRAME_PATIENCE) } else { interval };
        let due = self.wants_keyframe && self.asked.is_none_or(|at| since(at) >= interval);
        if due {
            self.asked = Some(now);
        }
        due
    }
}
