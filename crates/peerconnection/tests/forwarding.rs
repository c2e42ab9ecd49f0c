//! A forwarding server (SFU) in virtual time: a publisher with three layers, a server that gives each of two viewers one of
//! them, packet by packet, and networks that lose packets on both sides.

mod common;

use std::collections::HashMap;
use std::time::Duration;

use common::{Pair, negotiate};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{
    Event, Frame, OutgoingPacket, ReceiveMode, ReceivedPacket, RtpEncodingParameters,
    TransceiverHandle, TransceiverInit,
};
use peerage_rtp::forward::{SimulcastSelector, StreamRewriter, begins_keyframe};
use peerage_rtp::payload::PayloadFormat;

const LAYERS: [&str; 3] = ["q", "h", "f"];
const TICK: Duration = Duration::from_millis(5);
/// Ticks between frames.
const FRAME_TICKS: u32 = 10;

/// A VP8 frame that no other equals.
fn frame(keyframe: bool, layer: usize, index: u32) -> Vec<u8> {
    let mut data = match keyframe {
        true => vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01],
        false => vec![0x11, 0, 0],
    };
    data.extend([layer as u8]);
    data.extend(index.to_be_bytes());
    let size = (if keyframe { 1_300 } else { 250 }) << layer;
    data.resize(size, index as u8);
    data
}

/// Loses one of so many datagrams of media, by a sequence of its own.
fn lossy(pair: &mut Pair, one_in: u64, seed: u64) {
    let mut state = seed;
    pair.latency = Duration::from_millis(20);
    pair.filter = Box::new(move |_, data| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        !(128..192).contains(&data[0]) || !(state >> 33).is_multiple_of(one_in)
    });
}

struct Viewer {
    pair: Pair,
    track: TransceiverHandle,
    selector: SimulcastSelector<ReceivedPacket>,
    rewriter: StreamRewriter,
    events: usize,
}

struct Server {
    publisher: Pair,
    camera: TransceiverHandle,
    /// The transceiver that receives it.
    received: TransceiverHandle,
    viewers: Vec<Viewer>,
    /// The source of each layer.
    sources: HashMap<usize, u32>,
    index: u32,
    ticks: u32,
    keyframe_due: [bool; 3],
    events: usize,
    /// What was published: layer, index, keyframe.
    published: HashMap<Vec<u8>, (usize, u32, bool)>,
}

impl Server {
    fn new(seed: u64, one_in: u64) -> Self {
        let mut publisher = Pair::new(seed);
        let init = TransceiverInit {
            track: Some("camera".to_owned()),
            send_encodings: LAYERS.map(RtpEncodingParameters::new).into(),
            ..TransceiverInit::send_only()
        };
        let now = publisher.now;
        let camera = publisher.a.pc.add_transceiver(now, MediaKind::Video, init).unwrap();
        negotiate(now, &mut publisher.a, &mut publisher.b);
        publisher.connect();
        let received = publisher.b.pc.transceivers().next().unwrap().handle;
        publisher.b.pc.set_receive_mode(now, received, ReceiveMode::Packets).unwrap();
        lossy(&mut publisher, one_in, seed);
        let viewers = (0..2).map(|number| {
            let mut pair = Pair::new(100 * seed + number);
            let now = pair.now;
            let streams = vec!["s".to_owned()];
            let track = pair.a.pc.add_track(now, MediaKind::Video, "camera", streams).unwrap();
            negotiate(now, &mut pair.a, &mut pair.b);
            pair.connect();
            lossy(&mut pair, one_in, seed + number);
            let mut selector = SimulcastSelector::new();
            selector.set_target(0);
            let rewriter = StreamRewriter::new(PayloadFormat::Vp8, 90_000);
            Viewer { pair, track, selector, rewriter, events: 0 }
        });
        let viewers = viewers.collect();
        Self {
            publisher,
            camera,
            received,
            viewers,
            sources: HashMap::new(),
            index: 0,
            ticks: 0,
            keyframe_due: [true; 3],
            events: 0,
            published: HashMap::new(),
        }
    }

    fn publish(&mut self) {
        for layer in 0..LAYERS.len() {
            let keyframe = std::mem::take(&mut self.keyframe_due[layer]);
            let data = frame(keyframe, layer, self.index);
            let now = self.publisher.now;
            let packed = Frame::new(data.clone(), self.index * 4_500);
            self.publisher.a.pc.send_frame(now, self.camera, layer, &packed).unwrap();
            self.published.insert(data, (layer, self.index, keyframe));
        }
        self.index += 1;
    }

    fn tick(&mut self) {
        if self.ticks.is_multiple_of(FRAME_TICKS) {
            self.publish();
        }
        self.ticks += 1;
        self.publisher.run_for(TICK);
        for event in &self.publisher.a.events[self.events..] {
            if let Event::KeyframeRequested { encoding, .. } = event {
                self.keyframe_due[*encoding] = true;
            }
        }
        self.events = self.publisher.a.events.len();
        while let Some(packet) = self.publisher.b.pc.poll_rtp() {
            let rid = packet.rid.as_ref().expect("layers have names").as_str();
            let layer = LAYERS.iter().position(|own| *own == rid).unwrap();
            self.sources.insert(layer, packet.ssrc);
            let keyframe = begins_keyframe(packet.format, &packet.payload);
            for viewer in &mut self.viewers {
                viewer.selector.insert(layer as u8, packet.sequence, keyframe, packet.clone());
                viewer.forward();
            }
        }
        for viewer in &mut self.viewers {
            viewer.pair.run_for(TICK);
            let mut wanted = viewer.selector.poll_keyframe_request(viewer.pair.now);
            for event in &viewer.pair.a.events[viewer.events..] {
                if matches!(event, Event::KeyframeRequested { .. }) {
                    wanted = wanted.or(viewer.selector.current());
                }
            }
            viewer.events = viewer.pair.a.events.len();
            let source = wanted.and_then(|layer| self.sources.get(&usize::from(layer)));
            if let Some(&source) = source {
                let now = self.publisher.now;
                self.publisher.b.pc.request_keyframe_from(now, source);
            }
        }
    }

    fn run(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / TICK.as_millis() {
            self.tick();
        }
    }
}

impl Viewer {
    fn forward(&mut self) {
        while let Some(selected) = self.selector.poll() {
            let packet = selected.packet;
            if selected.switched {
                self.rewriter.switch_to(packet.ssrc);
            }
            let outgoing = if packet.payload.is_empty() {
                let left_open = self.rewriter.skip(&packet.source());
                left_open.map(|number| OutgoingPacket::filler(number, packet.timestamp))
            } else {
                let place = self.rewriter.forward(&packet.source());
                place.map(|place| OutgoingPacket::forward(&packet).rewritten(&place))
            };
            if let Some(outgoing) = outgoing {
                let now = self.pair.now;
                self.pair.a.pc.send_rtp(now, self.track, 0, &outgoing).unwrap();
            }
        }
    }

    /// The frames that were seen: layer, index, keyframe, timestamp.
    fn seen(&self, server: &Server) -> Vec<(usize, u32, bool, u32)> {
        let of = |event: &Event| match event {
            Event::Frame(frame) => {
                let data = &frame.frame.data[..];
                let known = server.published.get(data).expect("no frame is broken or mixed");
                Some((known.0, known.1, known.2, frame.frame.timestamp))
            }
            _ => None,
        };
        self.pair.b.pick(of)
    }
}

/// Each frame follows from the one before, or is a keyframe; time goes on.
#[track_caller]
fn assert_decodable(seen: &[(usize, u32, bool, u32)]) {
    assert!(seen[0].2, "the first is a keyframe");
    for pair in seen.windows(2) {
        let ((layer, index, _, time), (next_layer, next, keyframe, next_time)) = (pair[0], pair[1]);
        let follows = (next_layer, next) == (layer, index + 1);
        assert!(follows || keyframe, "{:?} after {:?}", pair[1], pair[0]);
        assert!(next_time.wrapping_sub(time) as i32 > 0, "{pair:?}");
    }
}

#[test]
fn viewers_change_layers_without_a_broken_frame() {
    for seed in [1, 2, 3] {
        let mut server = Server::new(seed, 50);
        server.run(Duration::from_secs(4));
        assert_eq!(server.publisher.b.pc.receive_mode(server.received), ReceiveMode::Packets);
        for (first, second) in [(2, 1), (1, 2), (0, 0), (2, 0)] {
            server.viewers[0].selector.set_target(first);
            server.viewers[1].selector.set_target(second);
            server.run(Duration::from_secs(4));
            for (viewer, layer) in server.viewers.iter().zip([first, second]) {
                assert_eq!(viewer.selector.current(), Some(layer), "seed {seed}");
                let seen = viewer.seen(&server);
                assert_decodable(&seen);
                let last = seen[seen.len() - 1];
                assert_eq!(last.0, usize::from(layer), "seed {seed}");
                assert!(last.1 + 12 > server.index, "what is seen is not old: {last:?}");
            }
        }
        for viewer in &server.viewers {
            let seen = viewer.seen(&server).len() as u32;
            assert!(seen * 100 >= server.index * 93, "seed {seed}: {seen} of {}", server.index);
            let repaired = viewer.pair.a.pc.statistics().rtp.retransmissions_sent;
            assert!(repaired > 0, "seed {seed}: the network lost nothing");
        }
    }
}

#[test]
fn without_loss_every_frame_arrives() {
    let mut server = Server::new(9, u64::MAX);
    server.run(Duration::from_secs(5));
    server.viewers[0].selector.set_target(2);
    server.run(Duration::from_secs(5));
    let counts = server.viewers.iter().map(|viewer| {
        let seen = viewer.seen(&server);
        assert_decodable(&seen);
        seen.len() as u32
    });
    for count in counts.collect::<Vec<_>>() {
        assert!(count + 4 >= server.index, "{count} of {}", server.index);
    }
}
