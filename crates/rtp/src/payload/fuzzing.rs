//! Bodies of fuzz targets for payload formats.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    AssemblerConfig, Depacketizer, FrameAssembler, FrameDependencies, FrameInfo, Insertion,
    PacketizationMode, Packetizer, PacketizerOptions, PayloadDescriptor, PayloadFormat, opus,
    telephone_event,
};

const FORMATS: [PayloadFormat; 15] = [
    PayloadFormat::Opus,
    PayloadFormat::Vp8,
    PayloadFormat::Vp9,
    PayloadFormat::H264 { packetization_mode: PacketizationMode::SingleNalUnit },
    PayloadFormat::H264 { packetization_mode: PacketizationMode::NonInterleaved },
    PayloadFormat::H265,
    PayloadFormat::Av1,
    PayloadFormat::Pcmu,
    PayloadFormat::Pcma,
    PayloadFormat::G722,
    PayloadFormat::Red,
    PayloadFormat::TelephoneEvent,
    PayloadFormat::ComfortNoise,
    PayloadFormat::L16,
    PayloadFormat::Raw,
];

/// Reads a payload in the format that the first byte chooses: its media lie inside it, in order and without overlap.
pub fn payload(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let format = FORMATS[usize::from(choice) % FORMATS.len()];
    let _ = format.payload_duration(data, choice >> 4);
    let Ok(PayloadDescriptor { media, .. }) = Depacketizer::new(format).read(data) else { return };
    let mut previous = 0;
    for piece in &media {
        let range = piece.range();
        assert!(previous <= range.start && range.end <= data.len());
        assert_eq!((piece.len(), piece.is_empty()), (range.len(), range.is_empty()));
        previous = range.end;
    }
    assert!(!media.is_empty());
    if format == PayloadFormat::TelephoneEvent {
        let changes = telephone_event::EventReceiver::new().handle(0, data).expect("just read");
        assert!(changes.len() <= 2 * data.len());
    }
    if let (PayloadFormat::Opus, Some(packet)) = (format, opus::OpusPacket::read(data)) {
        assert!(packet.samples() <= 5760);
    }
}

/// Packetises a frame: no payload is too long, each can be read, and the frame comes back. The first bytes choose the
/// format, the size of payloads and the layers.
pub fn packetizer(data: &[u8]) {
    let &[choice, size, bits, ref frame @ ..] = data else { return };
    let format = FORMATS[usize::from(choice) % FORMATS.len()];
    let options = PacketizerOptions {
        vp9_flexible: bits & 1 != 0,
        vp9_temporal_layers: bits >> 1 & 3,
        red_redundancy: bits & 15,
        ..PacketizerOptions::default()
    };
    let mut packetizer = Packetizer::new(format, options);
    let mut assembler = FrameAssembler::new(format, AssemblerConfig::default());
    let info = FrameInfo {
        keyframe: Some(true),
        temporal_layer: (bits & 8 != 0).then_some(0),
        discardable: bits & 16 != 0,
        dimensions: (bits & 32 != 0).then_some((640, 480)),
        ..FrameInfo::default()
    };
    let max_payload = usize::from(size) * 6;
    let mut payloads: Vec<(Vec<u8>, bool)> = Vec::new();
    let result = packetizer.packetize(frame, &info, max_payload, &mut |parts, marker| {
        payloads.push((parts.concat(), marker));
    });
    if result.is_err() {
        assert!(payloads.is_empty(), "{format:?}: an error after a packet was sent");
        return;
    }
    assert!(!payloads.is_empty());
    let mut readable = true;
    for (index, (payload, marker)) in payloads.iter().enumerate() {
        assert!(payload.len() <= max_payload, "{format:?}: {} > {max_payload}", payload.len());
        assert!(!format.is_video() || *marker == (index + 1 == payloads.len()));
        let payload = Bytes::copy_from_slice(payload);
        // What is in a frame need not be valid; the container round it is.
        readable &= assembler.insert(index as u64, 0, *marker, payload, None) == Insertion::Stored;
    }
    if matches!(format, PayloadFormat::Vp8 | PayloadFormat::Vp9 | PayloadFormat::Raw) {
        assert!(readable);
    }
    let out = assembler.poll_frame();
    if matches!(format, PayloadFormat::Vp9 | PayloadFormat::Raw)
        || (format == PayloadFormat::Vp8 && frame[0] & 1 == 0)
    {
        assert_eq!(out.expect("all packets are there").data, frame);
    }
}

/// Feeds an assembler of any format with packets in any order; it keeps its limits and hands frames out in order. Raw
/// streams are compared with a model that knows no shortcut.
pub fn assembler(data: &[u8]) {
    let &[choice, ref data @ ..] = data else { return };
    let format = FORMATS[usize::from(choice) % FORMATS.len()];
    let config = AssemblerConfig {
        max_packets: 64,
        max_bytes: 0, // raised to the least there is
        audio_in_order: choice & 0x80 != 0,
        ..AssemblerConfig::default()
    };
    let limit = 65_535 * 2;
    let mut assembler = FrameAssembler::new(format, config);
    let mut model = (format == PayloadFormat::Raw).then(Model::default);
    let in_order = format.is_video() || choice & 0x80 != 0;
    let mut last = None;
    let mut newest = 1000u64;
    let mut rest = data;
    while let &[operation, offset, time, length, ref tail @ ..] = rest {
        let (payload, tail) = tail.split_at(usize::from(length & 31).min(tail.len()));
        rest = tail;
        let sequence = (newest + u64::from(offset & 31)).saturating_sub(12);
        match operation % 8 {
            0 => {
                assembler.give_up_before(sequence);
                if let Some(model) = &mut model {
                    model.give_up_before(sequence);
                }
            }
            1 if model.is_none() => newest += u64::from(time) * 8,
            _ => {
                newest = newest.max(sequence);
                let marker = operation & 0x80 != 0;
                let timestamp = u32::from(time >> 5);
                let dependencies = (operation & 0x40 != 0).then(|| FrameDependencies {
                    frame_number: u16::from(time),
                    frame_diffs: [u16::from(offset >> 5)].into_iter().collect(),
                    keyframe: operation & 0x20 != 0,
                    begins_frame: operation & 0x10 != 0,
                    ..FrameDependencies::default()
                });
                // The model judges nothing: to it every frame can be decoded, and no number tells of a gap.
                let dependencies = dependencies.map(|read| match model {
                    Some(_) => FrameDependencies { frame_number: 0, keyframe: true, ..read },
                    None => read,
                });
                let bytes = Bytes::copy_from_slice(payload);
                if model.is_none() && operation & 0x47 == 0x02 && length == 255 {
                    assembler.insert_unreadable(sequence, timestamp, marker);
                } else if model.is_none() && operation & 0x41 == 0x01 {
                    assembler.insert_described(sequence, timestamp, marker, bytes.clone(), &bytes);
                } else {
                    assembler.insert(sequence, timestamp, marker, bytes, dependencies.clone());
                }
                if let Some(model) = &mut model {
                    let begins = dependencies.is_some_and(|d| d.begins_frame);
                    model.insert(sequence, timestamp, marker, payload, begins);
                }
            }
        }
        let _ = (assembler.complete_keyframe(), assembler.first_missing());
        assert!(assembler.missing().count() < 64 + 64);
        while let Some(frame) = assembler.poll_frame() {
            if in_order {
                assert!(last.is_none_or(|last| last <= frame.first_sequence), "out of order");
                assert!(frame.first_sequence <= frame.last_sequence);
                // The blocks of one redundant audio packet share its number.
                last = Some(frame.last_sequence + u64::from(format != PayloadFormat::Red));
            }
            if let Some(model) = &mut model {
                let expected = model.poll().expect("the model has the frame too");
                assert_eq!((frame.first_sequence, &frame.data[..]), (expected.0, &expected.1[..]));
            }
        }
        if let Some(model) = &mut model {
            assert_eq!(model.poll(), None, "the model has a frame more");
        }
        assert!(assembler.buffered_bytes() <= limit);
        assert!(assembler.held_bytes() >= assembler.buffered_bytes());
    }
}

/// What a raw stream comes to: searches from the beginning each time.
#[derive(Default)]
struct Model {
    packets: BTreeMap<u64, (u32, bool, Vec<u8>, bool)>,
    base: Option<u64>,
    taken: bool,
    /// Whether the packet at `base` begins a frame; timestamp of the one before.
    boundary: Option<bool>,
    previous: Option<u32>,
}

impl Model {
    fn insert(&mut self, sequence: u64, time: u32, marker: bool, payload: &[u8], begins: bool) {
        let base = *self.base.get_or_insert(sequence);
        if sequence < base {
            let newest = self.packets.keys().next_back().map_or(base, |newest| newest + 1);
            if self.taken || base - sequence > 64 || newest.max(base) - sequence > 64 {
                return;
            }
            self.base = Some(sequence);
        } else if sequence - base >= 64 {
            self.give_up_before(sequence - 63);
        }
        self.packets.entry(sequence).or_insert((time, marker, payload.to_vec(), begins));
    }

    fn pass(&mut self) {
        let Some(base) = self.base else { return };
        self.taken = true;
        match self.packets.remove(&base) {
            Some((_, _, payload, _)) if payload.is_empty() => {}
            Some((time, marker, ..)) => {
                self.boundary = Some(marker);
                self.previous = Some(time);
            }
            None => {
                self.boundary = Some(false);
                self.previous = None;
            }
        }
        self.base = Some(base + 1);
    }

    fn give_up_before(&mut self, sequence: u64) {
        while self.base.is_some_and(|base| base < sequence) {
            self.pass();
        }
    }

    fn poll(&mut self) -> Option<(u64, Vec<u8>)> {
        loop {
            while self.packets.get(&self.base?)?.2.is_empty() {
                self.pass();
            }
            let first = self.base?;
            let &(time, _, _, begins) = self.packets.get(&first)?;
            let mut data = Vec::new();
            let mut at = first;
            let end = loop {
                let (packet_time, marker, payload, _) = self.packets.get(&at)?;
                if !payload.is_empty() && *packet_time != time {
                    break at;
                }
                data.extend(payload);
                at += 1;
                if *marker && !payload.is_empty() {
                    break at;
                }
            };
            let whole = self.boundary.unwrap_or(true)
                || begins
                || self.previous.is_some_and(|previous| previous != time);
            while self.base? < end {
                self.pass();
            }
            self.boundary = Some(true);
            if whole {
                return Some((first, data));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::fuzzing::inputs;

    /// Bytes without end from a small generator.
    struct Noise(u64);

    impl Noise {
        fn next(&mut self) -> u8 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 32) as u8
        }
    }

    #[test]
    fn bodies_hold_on_noise() {
        let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
        for round in 0..30_000usize {
            let len = match round % 10 {
                0 => 900,
                _ => usize::from(noise.next()) % 80,
            };
            let mut bytes: Vec<u8> = (0..len).map(|_| noise.next()).collect();
            super::payload(&bytes);
            super::packetizer(&bytes);
            if let Some(first) = bytes.first_mut()
                && round % 3 == 0
            {
                *first = 14; // the model's format
            }
            super::assembler(&bytes);
        }
    }
    #[test]
    fn seeds_and_regressions_hold() {
        inputs::run("rtp_payload", super::payload);
        inputs::run("rtp_packetizer", super::packetizer);
        inputs::run("rtp_frame_assembler", super::assembler);
    }
}
