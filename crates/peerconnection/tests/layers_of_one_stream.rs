//! A stream with layers (SVC): each of its packets says by a dependency descriptor what it belongs to, receivers go by that, and
//! a server passes on to each viewer the layers that it is to have.

mod common;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use common::{Pair, negotiate};
use peerage_peerconnection::media::{Capabilities, MediaKind};
use peerage_peerconnection::{
    Event, Frame, FrameInfo, OutgoingPacket, ReceiveMode, ReceivedPacket, RtpEncodingParameters,
    TransceiverHandle, TransceiverInit,
};
use peerage_rtp::forward::{Layer, LayerChoice, LayerReader, LayerSelector, StreamRewriter};
use peerage_rtp::payload::{AssemblerConfig, FrameAssembler, PayloadFormat};

/// Temporal layers of the pictures, over and over.
const PATTERN: [u8; 4] = [0, 2, 1, 2];
const FRAME_TIME: Duration = Duration::from_millis(33);

/// A pair whose `a` sends this codec in this mode.
fn calling(seed: u64, codec: &str, mode: Option<&str>) -> (Pair, TransceiverHandle) {
    let mut pair = Pair::new(seed);
    let now = pair.now;
    let mut encoding = RtpEncodingParameters::default();
    encoding.scalability_mode = mode.map(str::to_owned);
    let init = TransceiverInit { send_encodings: vec![encoding], ..TransceiverInit::send_only() };
    let video = pair.a.pc.add_transceiver(now, MediaKind::Video, init).unwrap();
    let mut codecs = Capabilities::default().rtp_codecs(MediaKind::Video);
    codecs.retain(|have| have.is(codec) || have.is("rtx"));
    pair.a.pc.set_codec_preferences(now, video, &codecs).unwrap();
    negotiate(now, &mut pair.a, &mut pair.b);
    pair.connect();
    (pair, video)
}

/// Has `b` give out packets.
fn give_packets(pair: &mut Pair) {
    let theirs = pair.b.pc.transceivers().next().unwrap().handle;
    pair.b.pc.set_receive_mode(pair.now, theirs, ReceiveMode::Packets).unwrap();
}

/// Bytes of a layer's frame: some packets of the highest.
fn size(spatial: u8) -> usize {
    300 << (2 * spatial)
}

/// The frames of a picture, one of each spatial layer.
fn picture(index: u32, keyframe: bool, spatial_layers: u8) -> Vec<Frame> {
    let temporal = PATTERN[index as usize % PATTERN.len()];
    let frame = |spatial: u8| {
        let info = FrameInfo {
            keyframe: Some(keyframe && spatial == 0),
            spatial_layer: (spatial_layers > 1).then_some(spatial),
            temporal_layer: Some(temporal),
            inter_layer_predicted: keyframe && spatial > 0,
            end_of_picture: spatial + 1 == spatial_layers,
            ..FrameInfo::default()
        };
        let mut data = vec![index as u8; size(spatial)];
        data[..2].copy_from_slice(&[0x86, spatial]);
        Frame::new(data, index * 2970).with_info(info)
    };
    (0..spatial_layers).map(frame).collect()
}

fn send(pair: &mut Pair, video: TransceiverHandle, picture: Vec<Frame>) {
    for frame in picture {
        pair.a.pc.send_frame(pair.now, video, 0, &frame).unwrap();
    }
}

#[test]
fn each_packet_says_what_it_belongs_to() {
    for (mode, spatial_layers, targets) in [("L1T3", 1, 3), ("L3T3_KEY", 3, 9)] {
        let (mut pair, video) = calling(5, "VP9", Some(mode));
        give_packets(&mut pair);
        let mut reader = LayerReader::new(PayloadFormat::Vp9);
        // A second keyframe brings the templates again.
        for index in 0..16 {
            send(&mut pair, video, picture(index, index.is_multiple_of(12), spatial_layers));
            pair.run_for(FRAME_TIME);
        }
        pair.run_for(Duration::from_secs(1));
        let (mut begin, mut seen) = (None, vec![Vec::new(); 16]);
        while let Some(packet) = pair.b.pc.poll_rtp() {
            let begin = *begin.get_or_insert(packet.timestamp);
            let index = (packet.timestamp.wrapping_sub(begin) / 2970) as usize;
            let bytes = packet.extensions.dependency_descriptor.as_ref();
            let bytes = bytes.expect("each packet has one");
            // App. A.8.1: the first bit of the extended fields.
            let has_templates = bytes.get(3).is_some_and(|flags| flags & 0x80 != 0);
            let is_first = index.is_multiple_of(12) && seen[index].is_empty();
            assert_eq!(has_templates, is_first, "{mode}: {index}");
            reader.insert(packet);
            let (layers, packet) = reader.poll().expect("its templates are there");
            let Layer { spatial, temporal } = layers.layer().expect("it is told");
            assert_eq!(temporal, PATTERN[index % 4], "{mode}: {index}");
            seen[index].push((spatial, packet.marker));
        }
        for seen in seen {
            assert!(seen.is_sorted() && seen.len() >= usize::from(spatial_layers), "{seen:?}");
            assert_eq!(seen.last(), Some(&(spatial_layers - 1, true)), "{mode}");
        }
        assert_eq!(reader.structure().unwrap().decode_targets, targets);
    }
}

#[test]
fn without_a_mode_nothing_is_said() {
    let (mut pair, video) = calling(6, "VP9", None);
    give_packets(&mut pair);
    send(&mut pair, video, picture(0, true, 1));
    pair.run_for(FRAME_TIME);
    let packet = pair.b.pc.poll_rtp().unwrap();
    assert_eq!(packet.extensions.dependency_descriptor, None);
}

#[test]
fn pictures_of_all_layers_come_out_whole() {
    for (mode, spatial_layers) in [("L1T3", 1), ("L3T3_KEY", 3), ("L3T3", 3), ("S3T3", 3)] {
        let (mut pair, video) = calling(7, "VP9", Some(mode));
        for index in 0..40 {
            send(&mut pair, video, picture(index, index == 0, spatial_layers));
            pair.run_for(FRAME_TIME);
        }
        pair.run_for(Duration::from_millis(500));
        let frames = pair.b.pick(|event| match event {
            Event::Frame(frame) => Some(frame.frame.clone()),
            _ => None,
        });
        let whole: usize = (0..spatial_layers).map(size).sum();
        assert_eq!(frames.len(), 40, "{mode}");
        assert!(frames.iter().all(|frame| frame.data.len() == whole), "{mode}");
        let of = |index: usize| Some(PATTERN[index % 4]);
        assert!(frames.iter().enumerate().all(|(at, frame)| frame.temporal_layer == of(at)));
    }
}

/// Of H.264, whose payload tells nothing of layers.
fn avc(index: u32) -> Frame {
    let info = FrameInfo {
        keyframe: Some(index == 0),
        temporal_layer: Some(PATTERN[index as usize % 4]),
        ..FrameInfo::default()
    };
    let mut data = match index {
        // A sequence parameter set, a picture parameter set and an IDR picture: 640x480, Constrained Baseline.
        0 => vec![
            0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0xda, 0x02, 0x80, 0xf6, 0x40, 0, 0, 0, 1, 0x68,
            0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65,
        ],
        _ => vec![0, 0, 0, 1, 0x41],
    };
    data.resize(data.len() + 400, 0x80 | index as u8);
    Frame::new(data, index * 2970).with_info(info)
}

/// Which of fifty frames can be decoded where one of the highest temporal layer is lost, and whether a keyframe is wanted.
fn with_one_lost(mode: Option<&str>) -> (Vec<u32>, bool) {
    let (mut pair, video) = calling(8, "H264", mode);
    give_packets(&mut pair);
    let format = PayloadFormat::from_sdp("H264", "packetization-mode=1").unwrap();
    let mut assembler = FrameAssembler::new(format, AssemblerConfig::default());
    for index in 0..50 {
        pair.a.pc.send_frame(pair.now, video, 0, &avc(index)).unwrap();
        pair.run_for(FRAME_TIME);
    }
    let (mut begin, mut decodable) = (None, Vec::new());
    while let Some(packet) = pair.b.pc.poll_rtp() {
        let ReceivedPacket { sequence, timestamp, marker, payload, extensions, .. } = packet;
        let begin = *begin.get_or_insert(timestamp);
        let index = |timestamp: u32| timestamp.wrapping_sub(begin) / 2970;
        match extensions.dependency_descriptor {
            _ if index(timestamp) == 21 => assembler.give_up_before(sequence + 1),
            Some(value) => {
                assembler.insert_described(sequence, timestamp, marker, payload, &value);
            }
            None => {
                assembler.insert(sequence, timestamp, marker, payload, None);
            }
        }
        while let Some(frame) = assembler.poll_frame() {
            decodable.push(index(frame.timestamp));
        }
    }
    (decodable, assembler.needs_keyframe())
}

#[test]
fn a_picture_that_no_other_needs_is_not_missed() {
    let (decodable, wanted) = with_one_lost(Some("L1T3"));
    assert_eq!(decodable, (0..50).filter(|index| *index != 21).collect::<Vec<_>>());
    assert!(!wanted);
    // Without descriptors nothing tells that it was not needed.
    let (decodable, wanted) = with_one_lost(None);
    assert_eq!(decodable, (0..21).collect::<Vec<_>>());
    assert!(wanted);
}

struct Viewer {
    pair: Pair,
    track: TransceiverHandle,
    selector: LayerSelector<Arc<ReceivedPacket>>,
    rewriter: StreamRewriter,
}

impl Viewer {
    fn new(seed: u64, mode: &str, wanted: Layer) -> Self {
        let (pair, track) = calling(seed, "VP9", Some(mode));
        let (mut selector, rewriter) =
            (LayerSelector::new(), StreamRewriter::new(PayloadFormat::Vp9, 90_000));
        selector.set_wanted(wanted);
        Self { pair, track, selector, rewriter }
    }

    fn forward(&mut self) {
        while let Some(choice) = self.selector.poll() {
            let outgoing = match choice {
                LayerChoice::Forward(chosen) => {
                    let place = self.rewriter.forward(&chosen.packet.source());
                    place.map(|place| OutgoingPacket::of_layers(&chosen).rewritten(&place))
                }
                LayerChoice::Skip(packet) => {
                    let left_open = self.rewriter.skip(&packet.source());
                    left_open.map(|number| OutgoingPacket::filler(number, packet.timestamp))
                }
                LayerChoice::Lose(_) => None,
            };
            if let Some(outgoing) = outgoing {
                self.pair.a.pc.send_rtp(self.pair.now, self.track, 0, &outgoing).unwrap();
            }
        }
    }

    /// The pictures that were seen: their number, and their spatial layers.
    fn seen(&self) -> Vec<(u8, Vec<u8>)> {
        self.pair.b.pick(|event| match event {
            Event::Frame(frame) => {
                let data = &frame.frame.data;
                let (mut at, mut layers) = (0, Vec::new());
                while let Some(&[0x86, layer, index]) = data.get(at..at + 3) {
                    assert_eq!(index, data[2], "of one picture");
                    layers.push(layer);
                    at += size(layer);
                }
                assert_eq!(at, data.len(), "each is whole");
                Some((data[2], layers))
            }
            _ => None,
        })
    }
}

#[test]
fn each_viewer_gets_the_layers_that_it_is_to_have() {
    for mode in ["L3T3_KEY", "L3T3"] {
        let (mut publisher, camera) = calling(9, "VP9", Some(mode));
        give_packets(&mut publisher);
        let mut reader = LayerReader::new(PayloadFormat::Vp9);
        let mut viewers = [
            Viewer::new(10, mode, Layer::ALL),
            Viewer::new(11, mode, Layer { spatial: 0, temporal: 0 }),
        ];
        let (mut keyframe_due, mut events) = (true, 0);
        for index in 0..120_u32 {
            if index == 60 {
                viewers[0].selector.set_wanted(Layer { spatial: 1, temporal: 0 });
                viewers[1].selector.set_wanted(Layer { spatial: 2, temporal: 1 });
            }
            // The pattern of temporal layers begins with a keyframe.
            let keyframe = index.is_multiple_of(4) && std::mem::take(&mut keyframe_due);
            send(&mut publisher, camera, picture(index, keyframe, 3));
            publisher.run_for(FRAME_TIME);
            while let Some(packet) = publisher.b.pc.poll_rtp() {
                reader.insert(Arc::new(packet));
            }
            let mut source = None;
            while let Some((layers, packet)) = reader.poll() {
                source = Some(packet.ssrc);
                for viewer in &mut viewers {
                    if viewer.rewriter.source().is_none() {
                        viewer.rewriter.switch_to(packet.ssrc);
                    }
                    viewer.selector.insert(&layers, packet.clone());
                    viewer.forward();
                }
            }
            let now = publisher.now;
            let mut wants = reader.poll_keyframe_request(now);
            for viewer in &mut viewers {
                viewer.pair.run_for(FRAME_TIME);
                wants |= viewer.selector.poll_keyframe_request(now);
            }
            if let Some(source) = source.filter(|_| wants) {
                publisher.b.pc.request_keyframe_from(now, source);
            }
            let new = &publisher.a.events[events..];
            keyframe_due |= new.iter().any(|e| matches!(e, Event::KeyframeRequested { .. }));
            events = publisher.a.events.len();
        }
        let [first, second] = viewers.map(|viewer| viewer.seen());
        // What pictures between refer to: in L3T3_KEY only their own layer.
        let all =
            |highest: u8| if mode == "L3T3" { (0..=highest).collect() } else { vec![highest] };
        let expected = |pictures: Range<u8>, step: usize, highest: u8| -> Vec<(u8, Vec<u8>)> {
            pictures.step_by(step).map(|index| (index, all(highest))).collect()
        };
        let between = |seen: &[(u8, Vec<u8>)], pictures: Range<u8>| -> Vec<(u8, Vec<u8>)> {
            seen.iter().filter(|(index, _)| pictures.contains(index)).cloned().collect()
        };
        assert_eq!(first[0], (0, vec![0, 1, 2]), "{mode}: a keyframe has all");
        assert_eq!(between(&first, 1..60), expected(1..60, 1, 2), "{mode}");
        assert_eq!(between(&second, 0..60), expected(0..60, 4, 0), "{mode}");
        assert_eq!(between(&first, 100..117), expected(100..117, 4, 1), "{mode}");
        assert_eq!(between(&second, 100..117), expected(100..117, 2, 2), "{mode}");
    }
}
