//! Streams with layers (SVC) pass a server that chooses some of them for a receiver, and changes its mind: what the receiver
//! gets can be decoded by the rules of the stream, whatever is switched when and whatever is lost.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use peerage_rtp::extension::DependencyDescriptor;
use peerage_rtp::forward::{
    Layer, LayerChoice, LayerReader, LayerSelector, LayeredPacket, SourcePacket, StreamRewriter,
};
use peerage_rtp::payload::{
    AssemblerConfig, EncodedFrame, FrameAssembler, FrameInfo, Packetizer, PacketizerOptions,
    PayloadFormat,
};
use peerage_rtp::scalability::{DependencyTracker, InterLayerPrediction, ScalabilityMode};
use proptest::prelude::*;

const PICTURE_TIME: Duration = Duration::from_millis(33);

#[derive(Debug, Clone)]
struct Packet {
    sequence: u64,
    timestamp: u32,
    marker: bool,
    payload: Bytes,
    descriptor: Option<Bytes>,
    arrival: Instant,
}

impl LayeredPacket for Packet {
    fn source(&self) -> SourcePacket<'_> {
        SourcePacket {
            source: 1,
            sequence: self.sequence,
            timestamp: self.timestamp,
            payload: &self.payload,
            arrival: self.arrival,
        }
    }

    fn marker(&self) -> bool {
        self.marker
    }

    fn dependency_descriptor(&self) -> Option<&[u8]> {
        self.descriptor.as_deref()
    }
}

/// What a frame is by the rules of its stream.
#[derive(Debug, Clone)]
struct Truth {
    layer: Layer,
    refers_to: Vec<u32>,
    len: usize,
}

/// How a stream tells of its layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    /// By dependency descriptors alone: the payload is opaque.
    Descriptors,
    Vp8,
    Vp9,
    Vp9Flexible,
}

/// An encoder that keeps to a mode.
struct Encoder {
    mode: ScalabilityMode,
    telling: Telling,
    tracker: DependencyTracker,
    packetizer: Packetizer,
    picture: u32,
    /// Pictures since the last keyframe.
    since_key: u32,
    sequence: u64,
    frames: Vec<Truth>,
    /// The last frame of each layer, and the picture it is of.
    last: HashMap<(u8, u8), (u32, u32)>,
    start: Instant,
}

const HEADER: usize = 10;

impl Encoder {
    fn new(mode: ScalabilityMode, telling: Telling, start: Instant) -> Self {
        let options = PacketizerOptions {
            picture_id: 0x7FF0,
            tl0_picture_index: 250,
            vp9_flexible: telling == Telling::Vp9Flexible,
            vp9_temporal_layers: mode.temporal,
            vp9_spatial_layers: mode.spatial,
            ..PacketizerOptions::default()
        };
        Self {
            mode,
            telling,
            tracker: DependencyTracker::new(mode, 65_500),
            packetizer: Packetizer::new(format(telling), options),
            picture: 0,
            since_key: 0,
            sequence: 65_000,
            frames: Vec::new(),
            last: HashMap::new(),
            start,
        }
    }

    /// The packets of the next picture.
    fn picture(&mut self, keyframe: bool, sizes: u32) -> Vec<Packet> {
        let pattern: &[u8] =
            [&[0][..], &[0, 1], &[0, 2, 1, 2]][usize::from(self.mode.temporal) - 1];
        if keyframe {
            self.since_key = 0;
            self.last.clear();
        }
        let temporal = pattern[self.since_key as usize % pattern.len()];
        let mut packets = Vec::new();
        let mut below = None;
        for spatial in 0..self.mode.spatial {
            let id = self.frames.len() as u32;
            let lower = (0..temporal.max(1)).filter_map(|t| self.last.get(&(spatial, t)));
            let inter = lower.max().copied().filter(|_| !keyframe);
            let predicts_down = match self.mode.prediction {
                InterLayerPrediction::Always => true,
                InterLayerPrediction::Keyframes => keyframe,
                InterLayerPrediction::Never => false,
            };
            let below_id: Option<u32> = below.filter(|_| predicts_down);
            let refers_to: Vec<u32> =
                inter.map(|(frame, _)| frame).into_iter().chain(below_id).collect();
            let mut info = FrameInfo {
                keyframe: Some(keyframe),
                spatial_layer: Some(spatial),
                temporal_layer: Some(temporal),
                end_of_picture: spatial + 1 == self.mode.spatial,
                ..FrameInfo::default()
            };
            let len = HEADER + 8 + 60 * (1 + (sizes as usize >> (2 * spatial) & 3));
            let mut data = vec![0; len];
            match self.telling {
                Telling::Descriptors => {}
                Telling::Vp8 => {
                    data[0] = u8::from(!keyframe);
                    data[3..6].copy_from_slice(&[0x9d, 1, 0x2a]);
                    let base = inter
                        .is_some_and(|(frame, _)| self.frames[frame as usize].layer.temporal == 0);
                    info.layer_sync = temporal > 0 && base;
                }
                Telling::Vp9 | Telling::Vp9Flexible => {
                    data[0] = 0x86;
                    info.inter_layer_predicted = below_id.is_some();
                    // All that follows of higher layers refers to nothing older.
                    info.layer_sync = true;
                    if let (Telling::Vp9Flexible, Some((_, picture))) = (self.telling, inter) {
                        info.reference_distances.push((self.picture - picture) as u8);
                    }
                }
            }
            data[HEADER..HEADER + 4].copy_from_slice(&id.to_be_bytes());
            data[HEADER + 4..HEADER + 8].copy_from_slice(&(len as u32).to_be_bytes());
            let descriptor = (self.telling == Telling::Descriptors)
                .then(|| self.tracker.frame(keyframe && spatial == 0, &info).unwrap());
            self.last.insert((spatial, temporal), (id, self.picture));
            self.frames.push(Truth { layer: Layer { spatial, temporal }, refers_to, len });
            below = Some(id);
            let first = packets.len();
            let timestamp = self.picture.wrapping_mul(3_000).wrapping_sub(20 * 3_000);
            let arrival = self.start + PICTURE_TIME * self.picture;
            let sequence = &mut self.sequence;
            self.packetizer
                .packetize(&data, &info, 100, &mut |parts, marker| {
                    let payload = Bytes::from(parts.concat());
                    let descriptor = None;
                    *sequence += 1;
                    let sequence = *sequence;
                    packets.push(Packet {
                        sequence,
                        timestamp,
                        marker,
                        payload,
                        descriptor,
                        arrival,
                    });
                })
                .unwrap();
            if let Some(mut descriptor) = descriptor {
                let last = packets.len() - 1;
                for (index, packet) in packets.iter_mut().enumerate().skip(first) {
                    descriptor.start_of_frame = index == first;
                    descriptor.end_of_frame = index == last;
                    let mut bytes = Vec::new();
                    descriptor.write(Some(self.tracker.structure()), &mut bytes).unwrap();
                    descriptor.structure = None;
                    packet.descriptor = Some(bytes.into());
                }
            }
        }
        self.picture += 1;
        self.since_key += 1;
        packets
    }
}

fn format(telling: Telling) -> PayloadFormat {
    match telling {
        Telling::Descriptors => PayloadFormat::Raw,
        Telling::Vp8 => PayloadFormat::Vp8,
        Telling::Vp9 | Telling::Vp9Flexible => PayloadFormat::Vp9,
    }
}

/// The frames in a picture that came out; each has its number and length within.
fn frames_of(picture: &EncodedFrame) -> Vec<u32> {
    let (mut rest, mut out) = (&picture.data[..], Vec::new());
    while !rest.is_empty() {
        let word = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().unwrap());
        let (id, len) = (word(HEADER), word(HEADER + 4) as usize);
        assert!(len > HEADER, "the beginning of a frame is missing");
        assert!(len <= rest.len(), "the end of a frame is missing");
        out.push(id);
        rest = &rest[len..];
    }
    out
}

/// A server for one receiver, and that receiver.
struct Path {
    reader: LayerReader<Packet>,
    selector: LayerSelector<Packet>,
    rewriter: StreamRewriter,
    assembler: FrameAssembler,
    latest: Option<peerage_rtp::extension::DependencyStructure>,
    /// Numbers that were sent, whether filled or not.
    sent: BTreeMap<u64, Packet>,
    fillers: usize,
    decoded: HashSet<u32>,
    /// Layers of what came out last.
    pictures: Vec<(u32, Vec<u32>, bool)>,
}

impl Path {
    fn new(telling: Telling) -> Self {
        let format = format(telling);
        let mut rewriter = StreamRewriter::new(format, 90_000);
        rewriter.switch_to(1);
        Self {
            reader: LayerReader::new(format),
            selector: LayerSelector::new(),
            rewriter,
            assembler: FrameAssembler::new(format, AssemblerConfig::default()),
            latest: None,
            sent: BTreeMap::new(),
            fillers: 0,
            decoded: HashSet::new(),
            pictures: Vec::new(),
        }
    }

    fn send(&mut self, sequence: u64, packet: Packet) {
        assert!(self.sent.insert(sequence, packet.clone()).is_none(), "{sequence} was sent twice");
        let Packet { timestamp, marker, payload, descriptor, .. } = packet;
        match descriptor {
            Some(bytes) => {
                // Whoever reads it in the order that it comes in has the templates.
                if let Ok(read) = DependencyDescriptor::parse(&bytes, self.latest.as_ref()) {
                    self.latest = read.structure.map(|s| *s).or(self.latest.take());
                }
                self.assembler.insert_described(sequence, timestamp, marker, payload, &bytes);
            }
            None => {
                self.assembler.insert(sequence, timestamp, marker, payload, None);
            }
        }
    }

    fn insert(&mut self, packet: Packet) {
        self.reader.insert(packet);
        while let Some((layers, packet)) = self.reader.poll() {
            self.selector.insert(&layers, packet);
        }
        while let Some(choice) = self.selector.poll() {
            match choice {
                LayerChoice::Forward(chosen) => {
                    let Some(to) = self.rewriter.forward(&chosen.packet.source()) else { continue };
                    let mut packet = chosen.packet;
                    let rest = packet.payload.slice(to.prefix.len()..);
                    packet.payload = [&to.prefix[..], &rest[..]].concat().into();
                    packet.timestamp = to.timestamp;
                    packet.marker = chosen.marker;
                    packet.descriptor = chosen.descriptor.or(packet.descriptor);
                    self.send(to.sequence, packet);
                }
                LayerChoice::Lose(_) => {}
                LayerChoice::Skip(packet) => {
                    if let Some(number) = self.rewriter.skip(&packet.source()) {
                        self.fillers += 1;
                        let filler = Packet {
                            payload: Bytes::new(),
                            descriptor: None,
                            marker: false,
                            ..packet
                        };
                        self.send(number, filler);
                    }
                }
            }
        }
    }

    /// What the receiver decodes; all of it can be, by the rules of the stream.
    fn play(&mut self, encoder: &Encoder) {
        while let Some(picture) = self.assembler.poll_frame() {
            let frames = frames_of(&picture);
            assert!(!frames.is_empty());
            for frame in &frames {
                let truth = &encoder.frames[*frame as usize];
                for needed in &truth.refers_to {
                    assert!(self.decoded.contains(needed), "{frame} needs {needed}: {truth:?}");
                }
                self.decoded.insert(*frame);
            }
            self.pictures.push((picture.timestamp, frames, picture.marker));
        }
    }

    fn wants_keyframe(&mut self, now: Instant) -> bool {
        let by_reader = self.reader.poll_keyframe_request(now);
        let by_selector = self.selector.poll_keyframe_request(now);
        by_reader || by_selector || self.assembler.needs_keyframe()
    }

    /// The layers of the last pictures that came out.
    fn layers_of_last(&self, encoder: &Encoder, count: usize) -> Layer {
        let last = &self.pictures[self.pictures.len().saturating_sub(count)..];
        let frames = last.iter().flat_map(|(_, frames, _)| frames);
        let layers = frames.map(|frame| encoder.frames[*frame as usize].layer);
        layers.fold(Layer { spatial: 0, temporal: 0 }, |a, b| Layer {
            spatial: a.spatial.max(b.spatial),
            temporal: a.temporal.max(b.temporal),
        })
    }
}

fn modes() -> impl Strategy<Value = (ScalabilityMode, Telling)> {
    let tellings = prop_oneof![
        3 => Just(Telling::Descriptors),
        1 => Just(Telling::Vp8),
        1 => Just(Telling::Vp9),
        1 => Just(Telling::Vp9Flexible),
    ];
    let name = (prop_oneof![Just("L"), Just("K"), Just("S")], 1..=3_u8, 1..=3_u8);
    (name, tellings).prop_map(|((kind, spatial, temporal), telling)| {
        let spatial = if telling == Telling::Vp8 { 1 } else { spatial };
        // A VP9 stream is taken from its lowest layer up, whatever refers to what.
        let name = match (kind, telling) {
            ("K", Telling::Descriptors) => format!("L{spatial}T{temporal}_KEY"),
            ("S", Telling::Descriptors) => format!("S{spatial}T{temporal}"),
            _ => format!("L{spatial}T{temporal}"),
        };
        (ScalabilityMode::parse(&name).unwrap(), telling)
    })
}

fn wishes() -> impl Strategy<Value = Vec<(u8, Layer)>> {
    let layer = (0..3_u8, 0..3_u8).prop_map(|(spatial, temporal)| Layer { spatial, temporal });
    prop::collection::vec((1..40_u8, layer), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn layers_change_without_a_broken_picture((mode, telling) in modes(), wishes in wishes(), seed in any::<u32>()) {
        let start = Instant::now();
        let mut encoder = Encoder::new(mode, telling, start);
        let mut path = Path::new(telling);
        let (mut key, mut noise) = (true, seed);
        for (pictures, wanted) in wishes {
            path.selector.set_wanted(wanted);
            // Long enough for requests of keyframes, which come once in half a second, and for patience with the stream.
            for _ in 0..u32::from(pictures) + 50 {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                for packet in encoder.picture(std::mem::take(&mut key), noise >> 8) {
                    path.insert(packet);
                }
                path.play(&encoder);
                key = path.wants_keyframe(start + PICTURE_TIME * encoder.picture);
            }
            let top = Layer { spatial: mode.spatial - 1, temporal: mode.temporal - 1 };
            let expected = Layer { spatial: wanted.spatial.min(top.spatial), temporal: wanted.temporal.min(top.temporal) };
            prop_assert_eq!(path.layers_of_last(&encoder, 8), expected, "{:?} {:?}", mode, telling);
            prop_assert_eq!(path.selector.current(), Some(expected));
        }
        let statistics = path.assembler.statistics();
        prop_assert_eq!((statistics.undecodable_frames, statistics.incomplete_frames), (0, 0));
        prop_assert_eq!((statistics.lost_packets, statistics.passed_over, path.fillers), (0, 0, 0));
        let numbers: Vec<u64> = path.sent.keys().copied().collect();
        prop_assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "a gap");
        prop_assert!(path.pictures.iter().all(|(.., marker)| *marker), "a picture without its marker");
        prop_assert!(path.pictures.windows(2).all(|pair| pair[0].0 != pair[1].0), "a picture in two");
        if telling == Telling::Descriptors {
            // A picture of a stream of layers of their own has one of them, but for the key pictures of others.
            let independent = mode.prediction == InterLayerPrediction::Never;
            prop_assert!(!independent || path.pictures.iter().all(|(_, frames, _)| frames.len() == 1));
        }
    }

    #[test]
    fn whatever_is_lost_only_what_can_be_decoded_comes_out(
        (mode, telling) in modes(),
        wishes in wishes(),
        seed in any::<u64>(),
        one_in in 3..60_u64,
    ) {
        // The assembler does not see by VP9's own headers that a lower spatial layer is missing.
        prop_assume!(telling == Telling::Descriptors || mode.spatial == 1);
        let start = Instant::now();
        let mut encoder = Encoder::new(mode, telling, start);
        let mut path = Path::new(telling);
        let mut state = seed | 1;
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let (mut key, mut asked) = (true, false);
        // Packets under way, by when they arrive.
        let mut under_way: Vec<(u32, u64, Packet)> = Vec::new();
        let mut wanted = Layer::ALL;
        let wishes: Vec<_> = wishes.into_iter().map(Some).chain([None]).collect();
        for wish in wishes {
            // At last nothing is lost any more.
            let calm = wish.is_none();
            if let Some((_, layer)) = wish {
                wanted = layer;
                path.selector.set_wanted(layer);
            }
            for _ in 0..wish.map_or(150, |(pictures, _)| u32::from(pictures)) {
                for packet in encoder.picture(std::mem::take(&mut key), random(64) as u32) {
                    let delay = match random(one_in) {
                        _ if calm => 0,
                        0 => continue,
                        // Out of order, or sent again.
                        1 => random(3) as u32,
                        2 => 3 + random(10) as u32,
                        _ => 0,
                    };
                    under_way.push((encoder.picture + delay, random(1 + u64::from(delay) * 4), packet));
                }
                let now = start + PICTURE_TIME * encoder.picture;
                under_way.sort_by_key(|(at, order, packet)| (*at, *order, packet.sequence));
                let due = under_way.partition_point(|(at, ..)| *at <= encoder.picture);
                for (_, _, mut packet) in under_way.drain(..due) {
                    packet.arrival = now;
                    path.insert(packet);
                }
                path.play(&encoder);
                // What is missing for half a second is given up.
                if let (Some(missing), Some(oldest)) = (path.assembler.first_missing(), path.assembler.oldest_timestamp())
                    && let Some((_, newest)) = path.sent.last_key_value()
                    && newest.timestamp.wrapping_sub(oldest) as i32 > 15 * 3_000
                {
                    path.assembler.give_up_before(missing + 1);
                    path.play(&encoder);
                }
                asked |= path.wants_keyframe(now);
                key = asked && encoder.picture.is_multiple_of(7);
                asked &= !key;
            }
        }
        let top = Layer { spatial: mode.spatial - 1, temporal: mode.temporal - 1 };
        let expected = Layer { spatial: wanted.spatial.min(top.spatial), temporal: wanted.temporal.min(top.temporal) };
        let last = path.pictures.last().map(|(_, frames, _)| *frames.last().unwrap());
        prop_assert!(last.is_some_and(|last| last as usize + 60 > encoder.frames.len()), "media goes on: {:?}", last);
        prop_assert_eq!(path.layers_of_last(&encoder, 8), expected, "{:?} {:?}", mode, telling);
        for frame in &path.decoded {
            prop_assert!(encoder.frames[*frame as usize].len > 0);
        }
    }
}
