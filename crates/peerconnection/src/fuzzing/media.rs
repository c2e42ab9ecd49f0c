//! A peer that has the keys: RTP and RTCP of its choice, sealed as they must be, at one end of a call that is connected in
//! virtual time, while that end's application calls what it likes. Layers of a simulcast, retransmissions, RED with ULPFEC,
//! FlexFEC, transport-wide feedback or that of RFC 8888 are agreed on both ways. Nothing the peer sends ends the call, makes
//! a queue longer than its limit, or keeps a timer from making progress.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use peerage_rtp::repair::{FecEncoder, FecFormat, RtxSender};
use peerage_rtp::{
    ExtensionMap, PayloadType, RtpHeader, RtpPacket, RtpTimestamp, SequenceNumber, Ssrc,
};
use rustc_hash::FxHashMap;

use super::End;
use crate::config::{HeaderEncryption, Settings};
use crate::media::MediaKind;
use crate::{
    ConnectionState, Event, Frame, OutgoingPacket, ReceiveMode, RtpEncodingParameters,
    RtpStatistics, SignalingState, TransceiverDirection, TransceiverHandle, TransceiverInit,
};

/// Commands that are looked at.
const MAX_STEPS: usize = 200;
/// Sources of the peer that commands name; floods have others.
const SOURCES: u8 = 16;
/// The first of them. Retransmissions have the source with bit 8 set, parity that with bit 9.
const FIRST_SOURCE: u32 = 0xfec0_0000;
/// What the least numbers choose among payload types; the first may be any codec.
const NAMES: [&str; 8] =
    ["", "rtx", "red", "ulpfec", "flexfec-03", "telephone-event", "VP9", "H264"];
/// Packets that parity and retransmissions are made of.
const MAX_SENT: usize = 12;
/// Timers that go off at one moment at most: each does what it is for, and is not due again.
const MAX_ROUNDS: u32 = 32;
/// Timers of both ends in one stretch of time, of two seconds at most.
const MAX_WAKEUPS: u32 = 20_000;
/// Time that one input takes at most: ICE's consent is asked for all along.
const MAX_TIME: Duration = Duration::from_secs(60);

/// The bytes of the input; zeros once it has ended.
struct Bytewise<'a>(std::slice::Iter<'a, u8>);

impl Bytewise<'_> {
    fn next(&mut self) -> Option<u8> {
        self.0.next().copied()
    }

    fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// As much of it as there is.
    fn take(&mut self, len: usize) -> Vec<u8> {
        self.0.by_ref().take(len).copied().collect()
    }
}

/// What an end's description says of a section.
#[derive(Debug, Default)]
struct Section {
    mid: String,
    payload_types: Vec<u8>,
    /// Encoding names (`a=rtpmap`).
    names: Vec<(u8, String)>,
    /// Identifiers of header extensions, and whose they are.
    extensions: Vec<(u8, String)>,
}

struct Call {
    /// The peer, of which mainly the keys are used.
    peer: End,
    end: End,
    sections: Vec<Section>,
    /// The next number and timestamp of the peer's sources.
    numbers: FxHashMap<u32, (u16, u32)>,
    /// What the peer has sent last, in the clear.
    sent: VecDeque<Vec<u8>>,
    /// The newest number of each source of ours, as the wire shows it.
    ours: FxHashMap<u32, u16>,
    /// The application takes no events for now.
    absent: bool,
    /// When the commands began.
    began: Instant,
}

/// Commands of the peer and of the application; the first byte says what is negotiated.
pub fn media(data: &[u8]) {
    play(data);
}

/// The same; what was counted of it at the end that is attacked.
fn play(data: &[u8]) -> RtpStatistics {
    let mut input = Bytewise(data.iter());
    let mut call = Call::new(input.byte());
    for _ in 0..MAX_STEPS {
        let Some(command) = input.next() else { break };
        match command & 0x1f {
            0..=16 => call.attack(command, &mut input),
            _ => call.use_media(command, &mut input),
        }
        call.exchange();
        call.end.pc.assert_bounded();
    }
    call.absent = false;
    call.pass(Duration::from_millis(500));
    call.end.pc.assert_bounded();
    let state = call.end.pc.connection_state();
    assert_eq!(state, ConnectionState::Connected, "nothing of that ends a call");
    let statistics = call.end.pc.statistics().rtp;
    call.end.pc.close(call.end.now);
    call.exchange();
    assert!(call.end.pc.poll_timeout().is_none(), "a closed connection wants nothing more");
    statistics
}

impl Call {
    fn new(options: u8) -> Self {
        let now = Instant::now();
        let settings = |settings: &mut Settings| {
            let media = &mut settings.media;
            if options & 1 != 0 {
                media.enable_ccfb();
            }
            if options & 2 != 0 {
                media.enable_flexfec();
            }
            if options & 4 != 0 {
                // REMB is what is left.
                for capability in media.audio.iter_mut().chain(&mut media.video) {
                    let feedback = &mut capability.codec.rtcp_feedback;
                    feedback.retain(|known| *known != peerage_sdp::Feedback::TransportCc);
                }
            }
            if options & 8 != 0 {
                settings.header_encryption = HeaderEncryption::Require;
            }
            let turn = usize::from(options >> 4 & 7) % settings.media.video.len();
            settings.media.video.rotate_left(turn);
            if options & 0x80 != 0 {
                settings.media.audio.rotate_left(1);
            }
        };
        let mut call = Self {
            peer: End::with(now, 1, settings),
            end: End::with(now, 2, settings),
            sections: Vec::new(),
            numbers: FxHashMap::default(),
            sent: VecDeque::new(),
            ours: FxHashMap::default(),
            absent: false,
            began: now,
        };
        let streams = || vec!["s".to_owned()];
        for (kind, name) in [(MediaKind::Audio, "audio"), (MediaKind::Video, "video")] {
            for end in [&mut call.peer, &mut call.end] {
                end.pc.add_track(now, kind, name, streams()).expect("a track can be added");
            }
        }
        let layers = |names: [&str; 3]| TransceiverInit {
            direction: TransceiverDirection::SendOnly,
            send_encodings: names.map(RtpEncodingParameters::new).into(),
            track: Some("layers".into()),
            ..TransceiverInit::default()
        };
        let init = layers(["q", "h", "f"]);
        call.peer.pc.add_transceiver(now, MediaKind::Video, init).expect("layers can be sent");
        call.negotiate(true);
        for _ in 0..50 {
            call.pass(Duration::from_millis(100));
            if call.end.pc.connection_state() == ConnectionState::Connected {
                break;
            }
        }
        let init = layers(["x", "y", "z"]);
        call.end.pc.add_transceiver(call.end.now, MediaKind::Video, init).expect("layers");
        call.negotiate(false);
        call.pass(Duration::from_millis(200));
        assert_eq!(call.end.pc.connection_state(), ConnectionState::Connected);
        call.began = call.end.now;
        call
    }

    /// An offer and its answer, with all candidates.
    fn negotiate(&mut self, by_peer: bool) {
        let (from, to) = match by_peer {
            true => (&mut self.peer, &mut self.end),
            false => (&mut self.end, &mut self.peer),
        };
        let now = from.now;
        if from.pc.signaling_state() != SignalingState::Stable
            || from.pc.set_local_description(now, None).is_err()
        {
            return;
        }
        let offer = from.pc.local_description().expect("it was set");
        to.pc.set_remote_description(now, offer).expect("an offer of ours is taken");
        to.pc.set_local_description(now, None).expect("an offer can be answered");
        let answer = to.pc.local_description().expect("it was set");
        from.pc.set_remote_description(now, answer).expect("an answer of ours is taken");
        self.exchange();
        for end in [&mut self.peer, &mut self.end] {
            end.take_events();
        }
        let candidates = |end: &mut End| std::mem::take(&mut end.candidates);
        let (ours, theirs) = (candidates(&mut self.end), candidates(&mut self.peer));
        for candidate in theirs {
            let _ = self.end.pc.add_ice_candidate(now, Some(candidate));
        }
        for candidate in ours {
            let _ = self.peer.pc.add_ice_candidate(now, Some(candidate));
        }
        self.sections = sections(&self.end);
    }

    // --- time and the wire ---

    /// Hands over what is under way, and what follows from it.
    fn exchange(&mut self) {
        for _ in 0..16 {
            self.peer.take_packets();
            self.peer.take_events();
            self.end.take_packets();
            if !self.absent {
                self.end.take_events();
            }
            if self.peer.outbox.is_empty() && self.end.outbox.is_empty() {
                break;
            }
            for mut datagram in std::mem::take(&mut self.peer.outbox) {
                self.end.receive(&mut datagram, self.peer.address);
            }
            for mut datagram in std::mem::take(&mut self.end.outbox) {
                if let Ok(packet) = RtpPacket::parse(&datagram)
                    && !(192..224).contains(&datagram[1])
                {
                    self.ours.insert(packet.ssrc().0, packet.sequence_number().0);
                }
                self.peer.receive(&mut datagram, self.end.address);
            }
        }
    }

    /// Lets time pass, timer by timer.
    fn pass(&mut self, by: Duration) {
        let until = self.end.now + by;
        let mut rounds = 0;
        let mut wakeups = 0;
        loop {
            self.exchange();
            let timers = [self.peer.pc.poll_timeout(), self.end.pc.poll_timeout()];
            let Some(at) = timers.into_iter().flatten().min().filter(|at| *at <= until) else {
                break;
            };
            let now = at.max(self.end.now);
            rounds = if now > self.end.now { 0 } else { rounds + 1 };
            assert!(rounds < MAX_ROUNDS, "timers go off without end at {now:?}: {timers:?}");
            wakeups += 1;
            assert!(wakeups < MAX_WAKEUPS, "{by:?} take too many timers: {timers:?}");
            for end in [&mut self.peer, &mut self.end] {
                end.now = now;
                if end.pc.poll_timeout().is_some_and(|at| at <= now) {
                    end.pc.handle_timeout(now);
                }
            }
        }
        for end in [&mut self.peer, &mut self.end] {
            end.now = until;
        }
    }

    /// Seals what the peer has written and hands it over.
    fn deliver(&mut self, packet: Vec<u8>) {
        if let Some(mut sealed) = self.peer.pc.try_seal(packet) {
            self.end.receive(&mut sealed, self.peer.address);
        }
    }

    /// The same of RTP, remembered for parity and retransmissions; or lost, which only they can make good.
    fn deliver_rtp(&mut self, packet: Vec<u8>, lost: bool) {
        if RtpPacket::parse(&packet).is_ok() {
            self.sent.push_back(packet.clone());
            if self.sent.len() > MAX_SENT {
                self.sent.pop_front();
            }
        }
        if !lost {
            self.deliver(packet);
        }
    }

    // --- the peer ---

    fn attack(&mut self, command: u8, input: &mut Bytewise<'_>) {
        match command & 0x1f {
            0 | 1 => {
                // A picture of VP8 in one packet, or the first of many.
                let mut packet = self.header(input, command & 0x20 == 0);
                let number = self.number_of(&packet);
                packet.extend([0x90, 0x80, 0x80 | (number >> 8) as u8 & 0x7f, number as u8]);
                match command & 0x40 {
                    0 => packet.extend([0x10, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1, 0]),
                    _ => packet.extend([0x11, 0, 0, 0]),
                }
                self.deliver_rtp(packet, command & 0x80 != 0);
            }
            2..=4 => {
                // A payload of its own, and after it nothing, or much.
                let mut packet = self.header(input, command & 0x20 == 0);
                let (len, more) = (usize::from(input.byte()), usize::from(input.byte()));
                packet.extend(input.take(len));
                if command & 0x40 != 0 {
                    packet.resize(packet.len() + 4 * more, command);
                }
                self.deliver_rtp(packet, command & 0x80 != 0);
            }
            5 => {
                // Of something sent, again.
                let choice = usize::from(input.byte());
                let Some(original) = self.pick_sent(choice) else { return };
                let Some(payload_type) = self.payload_type(input) else { return };
                let source = RtpPacket::parse(&original).expect("it was checked").ssrc();
                let mut repeat =
                    RtxSender::new(Ssrc(source.0 | 0x100), SequenceNumber(input.word()));
                let mut packet = Vec::new();
                let map = ExtensionMap::new();
                let _ = repeat.encapsulate(&original, payload_type, &map, &mut packet);
                if command & 0x20 != 0 {
                    packet.truncate(packet.len() - packet.len().min(usize::from(input.byte())));
                }
                self.deliver(packet);
            }
            6 => {
                // RED around something sent, or around what the input says.
                let choice = usize::from(input.byte());
                let Some(original) = self.pick_sent(choice) else { return };
                let Some(red) = self.payload_type(input) else { return };
                let mut packet = original[..12].to_vec();
                packet[0] = 0x80;
                packet[1] = red.get();
                match command & 0x20 {
                    0 => packet.push(original[1] & 0x7f),
                    _ => packet.extend(input.take(usize::from(command >> 6) * 4 + 1)),
                }
                packet.extend(&original[12..]);
                self.deliver_rtp(packet, command & 0x80 != 0);
            }
            7 | 8 => self.send_parity(command, input),
            9 => {
                let len = usize::from(input.byte());
                let mut packet = input.take(len);
                if let Some(first) = packet.first_mut() {
                    *first = 0x80 | *first & 0x3f;
                }
                self.deliver_rtp(packet, command & 0x80 != 0);
            }
            10 => {
                let len = usize::from(input.byte());
                let mut packet = vec![0x80 | command >> 5, 192 | input.byte() & 31];
                packet.extend(input.take(len));
                self.deliver(packet);
            }
            11 | 12 => self.send_feedback(command, input),
            13 => self.report_numbers(command, input),
            14 => {
                // Sources without number.
                let count = 1 + u32::from(input.byte());
                let first = 0x0100_0000 | u32::from(input.word()) << 8;
                for index in 0..count {
                    let mut packet = self.header(input, true);
                    packet[8..12].copy_from_slice(&(first + index).to_be_bytes());
                    packet.extend([0x10, 0x10, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1]);
                    self.deliver(packet);
                }
            }
            15 => {
                // Numbers far apart.
                let (count, stride) = (input.byte(), input.word());
                let first = self.header(input, false);
                let number = self.number_of(&first);
                for index in 0..u16::from(count) {
                    let mut packet = first.clone();
                    let number = number.wrapping_add(index.wrapping_mul(stride));
                    packet[2..4].copy_from_slice(&number.to_be_bytes());
                    packet.extend([0x10, 0x11, 0, 0]);
                    self.deliver(packet);
                }
            }
            _ => {
                // A datagram comes twice, or spoilt.
                let choice = usize::from(input.byte());
                let Some(packet) = self.pick_sent(choice) else { return };
                let Some(mut sealed) = self.peer.pc.try_seal(packet) else { return };
                let at = usize::from(input.word()) % sealed.len();
                sealed[at] ^= input.byte();
                let mut again = sealed.clone();
                self.end.receive(&mut sealed, self.peer.address);
                self.end.receive(&mut again, self.peer.address);
            }
        }
    }

    /// A header of a source of the peer's; its numbers mostly go on.
    fn header(&mut self, input: &mut Bytewise<'_>, marker: bool) -> Vec<u8> {
        let (shape, source, step) = (input.byte(), input.byte(), input.byte() as i8);
        let ssrc = FIRST_SOURCE + u32::from(source % SOURCES);
        let (number, timestamp) = self.numbers.entry(ssrc).or_default();
        *number = match step {
            i8::MIN => input.word(),
            step => number.wrapping_add_signed(1 + i16::from(step) / 16),
        };
        if shape & 0x80 == 0 {
            *timestamp = timestamp.wrapping_add(3000);
        }
        let (number, timestamp) = (*number, *timestamp);
        let place = usize::from(shape & 3) % self.sections.len().max(1);
        let payload_type = self.payload_type(input).unwrap_or(PayloadType::from_low_bits(shape));
        let header = RtpHeader {
            marker,
            payload_type,
            sequence_number: SequenceNumber(number),
            timestamp: RtpTimestamp(timestamp),
            ssrc: Ssrc(ssrc),
        };
        let Some(section) = self.sections.get(place) else { return Vec::new() };
        let wanted = |uri: &str| section.extensions.iter().find(|(_, known)| known.ends_with(uri));
        let mut packet = Vec::new();
        header.write(&mut packet, |writer| {
            if shape & 0x20 == 0
                && let Some((id, _)) = wanted("sdes:mid")
            {
                let _ = writer.put(*id, section.mid.as_bytes());
            }
            let layer = [None, Some("q"), Some("h"), Some("f")][usize::from(shape >> 2 & 3)];
            if let Some(layer) = layer {
                let uri = match source & 0x40 {
                    0 => "sdes:rtp-stream-id",
                    _ => "sdes:repaired-rtp-stream-id",
                };
                if let Some((id, _)) = wanted(uri) {
                    let _ = writer.put(*id, layer.as_bytes());
                }
            }
            if shape & 0x40 != 0 {
                for _ in 0..=(source >> 4 & 3) {
                    let choice = usize::from(input.byte()) % section.extensions.len().max(1);
                    let len = usize::from(input.byte() & 31);
                    let value = input.take(len);
                    if let Some((id, _)) = section.extensions.get(choice) {
                        let _ = writer.put(*id, &value);
                    }
                }
            }
        });
        packet
    }

    fn number_of(&self, packet: &[u8]) -> u16 {
        packet.get(2..4).map_or(0, |number| u16::from_be_bytes([number[0], number[1]]))
    }

    /// One of those that descriptions name: by name, by its place, or any.
    fn payload_type(&self, input: &mut Bytewise<'_>) -> Option<PayloadType> {
        let choice = input.byte();
        let section = self.sections.get(usize::from(choice >> 6));
        let known = section.or(self.sections.get(1)).map_or(&[][..], |s| &s.payload_types);
        match choice & 0x3f {
            0x3f => PayloadType::new(input.byte() & 0x7f),
            choice => {
                let named = NAMES.get(usize::from(choice)).zip(section.or(self.sections.get(1)));
                let named = named.and_then(|(name, section)| {
                    section.names.iter().find(|(_, known)| known == name).map(|(number, _)| *number)
                });
                let at = usize::from(choice) % known.len().max(1);
                PayloadType::new(named.or(known.get(at).copied())?)
            }
        }
    }

    fn pick_sent(&self, choice: usize) -> Option<Vec<u8>> {
        self.sent.get(choice % self.sent.len().max(1)).cloned()
    }

    /// Parity of what was sent last, in RED or as a stream of its own; some of it spoilt.
    fn send_parity(&mut self, command: u8, input: &mut Bytewise<'_>) {
        let source = FIRST_SOURCE + u32::from(input.byte() % SOURCES);
        let in_red = command & 0x1f == 7;
        let format = if in_red { FecFormat::UlpFec } else { FecFormat::FlexFec03 };
        let mut encoder = FecEncoder::new(format, Ssrc(source));
        for packet in &self.sent {
            let _ = encoder.push(packet);
        }
        let mut payloads = Vec::new();
        encoder.encode(1 + usize::from(command >> 6), |payload| payloads.push(payload.to_vec()));
        for mut payload in payloads {
            let (own, inner) = (self.payload_type(input), self.payload_type(input));
            let (Some(own), Some(inner)) = (own, inner) else { return };
            if command & 0x20 != 0 && !payload.is_empty() {
                let at = usize::from(input.byte()) % payload.len();
                payload[at] ^= input.byte();
            }
            let ssrc = source | if in_red { 0 } else { 0x200 };
            let (number, timestamp) = self.numbers.entry(ssrc).or_default();
            *number = number.wrapping_add(1);
            let header = RtpHeader {
                marker: false,
                payload_type: own,
                sequence_number: SequenceNumber(*number),
                timestamp: RtpTimestamp(*timestamp),
                ssrc: Ssrc(ssrc),
            };
            let mut packet = Vec::new();
            header.write(&mut packet, |_| {});
            if in_red {
                packet.push(inner.get());
            }
            packet.extend(payload);
            self.deliver(packet);
        }
    }

    /// A compound of messages of any type, whose words are mostly sources and numbers that mean something.
    fn send_feedback(&mut self, command: u8, input: &mut Bytewise<'_>) {
        let mut compound = vec![0x80, 201, 0, 1, 0xfe, 0xc0, 0, 0];
        if command & 0x20 != 0 {
            compound.clear();
        }
        for _ in 0..=(command >> 6) {
            let (kind, len) = (input.byte(), usize::from(input.byte() & 31));
            let start = compound.len();
            // Sender reports to extended reports, and their variants.
            compound.extend([0x80 | kind >> 3, 200 + (kind & 7), 0, len as u8]);
            for _ in 0..len {
                let word = match input.byte() {
                    choice @ 0..64 => self.source_of_ours(choice),
                    choice @ 64..96 => {
                        let source = self.source_of_ours(choice - 64);
                        let newest = self.ours.get(&source).copied().unwrap_or(0);
                        let number = newest.wrapping_sub(input.byte().into());
                        u32::from(number) << 16 | u32::from(input.word())
                    }
                    choice @ 96..128 => FIRST_SOURCE + u32::from(choice % SOURCES),
                    choice @ 128..160 => {
                        let number = self.end.pc.next_number().wrapping_sub(choice.into());
                        u32::from(number) << 16 | u32::from(input.word())
                    }
                    _ => u32::from(input.word()) << 16 | u32::from(input.word()),
                };
                compound.extend(word.to_be_bytes());
            }
            if kind & 0x80 != 0 {
                // Its length says something else.
                compound[start + 3] = input.byte();
            }
        }
        self.deliver(compound);
    }

    fn source_of_ours(&self, choice: u8) -> u32 {
        let sources = self.end.pc.transceivers().flat_map(|t| &t.sender.ssrcs);
        let sources: Vec<u32> = sources.flat_map(|&(media, repair)| [media, repair]).collect();
        sources.get(usize::from(choice) % sources.len().max(1)).copied().unwrap_or(0)
    }

    /// A transport-wide report about the packets sent last (transport-wide-cc-01 §3.1).
    fn report_numbers(&mut self, command: u8, input: &mut Bytewise<'_>) {
        let (back, count) = (input.byte(), u16::from(input.byte()));
        let base = self.end.pc.next_number().wrapping_sub(back.into());
        let mut packet = vec![0x80 | 15, 205, 0, 0];
        packet.extend(FIRST_SOURCE.to_be_bytes());
        packet.extend(self.source_of_ours(command).to_be_bytes());
        packet.extend(base.to_be_bytes());
        packet.extend(count.to_be_bytes());
        let since = (self.end.now - self.began).as_millis() as u32 / 64;
        packet.extend((since << 8 | u32::from(input.byte())).to_be_bytes());
        match command & 0x20 {
            0 => packet.extend((0x2000 | count).to_be_bytes()),
            _ => packet.extend(input.word().to_be_bytes()),
        }
        let deltas = if command & 0x20 == 0 { usize::from(count) } else { input.byte().into() };
        packet.extend((0..deltas).map(|_| input.byte()));
        packet.resize(packet.len().next_multiple_of(4), 0);
        let words = (packet.len() / 4 - 1) as u16;
        packet[2..4].copy_from_slice(&words.to_be_bytes());
        self.deliver(packet);
    }

    // --- the application ---

    fn pick(&self, choice: u8) -> Option<TransceiverHandle> {
        let count = self.end.pc.transceivers().count().max(1);
        self.end.pc.transceivers().nth(usize::from(choice) % count).map(|t| t.handle)
    }

    fn use_media(&mut self, command: u8, input: &mut Bytewise<'_>) {
        let (first, second) = (input.byte(), input.byte());
        let Some(handle) = self.pick(first) else { return };
        let (pc, now) = (&mut self.end.pc, self.end.now);
        let encoding = usize::from(second & 3);
        match command & 0x1f {
            17 | 18 => {
                let mut data = vec![u8::from(command & 0x20 != 0) | 0x10, 0, 0, 0x9d, 1, 0x2a];
                data.resize(8 + 64 * usize::from(second), first);
                let timestamp = (now - self.began).as_millis() as u32 * 90;
                let _ = pc.send_frame(now, handle, encoding, &Frame::new(data, timestamp));
            }
            19 => {
                let payload = Bytes::from(vec![0x10; 4 * usize::from(second)]);
                let mut packet = OutgoingPacket::new(payload, u32::from(first) * 3000);
                packet.sequence = (command & 0x20 != 0).then(|| input.word().into());
                let _ = pc.send_rtp(now, handle, encoding, &packet);
            }
            20 => {
                let mode = [ReceiveMode::Frames, ReceiveMode::Packets][usize::from(second & 1)];
                let _ = pc.set_receive_mode(now, handle, mode);
            }
            21 => {
                pc.request_keyframe(now, handle);
                pc.request_keyframe_from(now, FIRST_SOURCE + u32::from(second % SOURCES));
            }
            22 => {
                let (duration, gap) = (Duration::from_millis(70), Duration::from_millis(30));
                let _ = pc.insert_dtmf(now, handle, "1,A", duration, gap);
            }
            23 => {
                let mut encodings =
                    pc.transceiver(handle).expect("picked").sender.encodings.clone();
                for (index, encoding) in encodings.iter_mut().enumerate() {
                    encoding.active = second >> index & 1 == 0;
                    encoding.max_bitrate = (second & 0x40 == 0).then_some(100_000);
                }
                let _ = pc.set_encodings(now, handle, encodings);
            }
            24 | 25 => {
                let directions = [
                    TransceiverDirection::SendRecv,
                    TransceiverDirection::RecvOnly,
                    TransceiverDirection::SendOnly,
                    TransceiverDirection::Inactive,
                ];
                let _ = pc.set_direction(now, handle, directions[usize::from(second & 3)]);
                if command & 0x20 == 0 {
                    let kind = pc.transceiver(handle).expect("picked").kind;
                    let mut codecs = pc.configuration().settings.media.rtp_codecs(kind);
                    let turn = usize::from(second >> 2) % codecs.len().max(1);
                    codecs.rotate_left(turn);
                    let _ = pc.set_codec_preferences(now, handle, &codecs);
                }
                self.negotiate(command & 0x40 == 0);
            }
            26 => {
                let report = pc.get_stats(now);
                assert!(report.iter().count() > 0);
                let _ = pc.get_synchronization_sources(now, handle);
                let _ = pc.get_contributing_sources(now, handle);
                let _ = (pc.estimate(), pc.statistics());
            }
            27 => self.absent = command & 0x20 == 0 && !self.absent,
            28 if second == 0xff => {
                let _ = pc.stop_transceiver(now, handle);
                self.negotiate(false);
            }
            _ if now - self.began < MAX_TIME => {
                let by = u64::from(first) * if command & 0x20 == 0 { 1 } else { 8 };
                self.pass(Duration::from_millis(by));
            }
            _ => {}
        }
    }
}

impl End {
    /// What is to be sent, all of it.
    fn take_packets(&mut self) {
        let mut buf = Vec::new();
        loop {
            buf.clear();
            let Some(transmit) = self.pc.poll_transmit(self.now, &mut buf) else { break };
            let segment = transmit.segment_size.unwrap_or(transmit.size).max(1);
            self.outbox.extend(buf.chunks(segment).map(<[u8]>::to_vec));
            assert!(self.outbox.len() < 20_000, "what is sent at once has no end");
        }
    }

    fn take_events(&mut self) {
        let mut count = 0;
        while let Some(event) = self.pc.poll_event() {
            if let Event::IceCandidate(Some(candidate)) = event {
                self.candidates.push(candidate);
            }
            count += 1;
            assert!(count < 20_000, "events have no end");
        }
        while self.pc.poll_rtp().is_some() {}
    }
}

/// What the description of an end says.
fn sections(end: &End) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let Some(description) = end.pc.current_local_description() else { return sections };
    for line in description.sdp.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            let formats = media.split(' ').skip(3);
            let payload_types = formats.filter_map(|format| format.parse().ok()).collect();
            sections.push(Section { payload_types, ..Section::default() });
        }
        let Some(section) = sections.last_mut() else { continue };
        if let Some(mid) = line.strip_prefix("a=mid:") {
            section.mid = mid.to_owned();
        } else if let Some(map) = line.strip_prefix("a=rtpmap:")
            && let Some((number, name)) = map.split_once(' ')
            && let Ok(number) = number.parse()
        {
            let name = name.split('/').next().unwrap_or_default();
            section.names.push((number, name.to_owned()));
        } else if let Some(extension) = line.strip_prefix("a=extmap:")
            && let Some((id, uri)) = extension.split_once(' ')
            && let Ok(id) = id.split('/').next().unwrap_or_default().parse()
        {
            section.extensions.push((id, uri.to_owned()));
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seeds lead to what the body is for: streams that are repaired, parity that recovers, feedback that is acted on.
    #[test]
    fn seeds_reach_the_depths() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/peerconnection_media");
        let mut sum = RtpStatistics::default();
        for entry in std::fs::read_dir(folder).unwrap() {
            let statistics = play(&std::fs::read(entry.unwrap().path()).unwrap());
            println!("{statistics:?}");
            sum.add(&statistics);
        }
        for (name, count) in [
            ("received", sum.packets_received),
            ("sent", sum.packets_sent),
            ("asked for", sum.nacked_packets),
            ("sent again", sum.retransmissions_sent),
            ("recovered", sum.packets_recovered),
            ("RTCP received", sum.rtcp_received),
            ("reports by stream", sum.stream_feedback_received),
            ("keyframes asked for", sum.keyframe_requests_sent),
            ("malformed", sum.packets_malformed),
            ("dropped", sum.packets_dropped),
        ] {
            assert!(count > 0, "no packets are {name}: {sum:?}");
        }
    }
}
