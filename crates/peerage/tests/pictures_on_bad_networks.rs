//! Pictures through networks of losses and jitter, in virtual time: drawn, encoded as VP8, sent over a connection, held, decoded
//! and shown as [`peerage::engine`] does it; read by their number, and compared with what was drawn.
//!
//! `PEERAGE_TABLE=1 cargo test -p peerage --features codecs --test pictures_on_bad_networks -- --nocapture` runs all networks for
//! longer, and prints the table of docs/performance.md.

#![cfg(feature = "vpx")]

#[path = "../../peerconnection/tests/common/mod.rs"]
mod wire;

use std::time::{Duration, Instant};

use peerage::media_engine::codec::{
    BuiltIn, CodecFactory, CodecSpec, PictureRequest, VideoDecoder, VideoEncoder, VideoTarget,
};
use peerage::media_engine::video::VideoFrame;
use peerage::media_engine::video::jitter::{
    Arrived, FreezeCounter, JitterConfig, JitterEvent, PictureQueue, VideoJitterBuffer,
};
use peerage::media_engine::video::pattern::MovingClock;
use peerage::rtp::payload::PayloadFormat;
use peerage_netsim::{Ecn, Jitter, LinkConfig, Loss, Network, NodeId, Packet, Queue, Rate};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{
    ConnectionState, Event, Frame, Input, MediaFrame, Protocol, TransceiverHandle,
};
use wire::{Pair, Peer, negotiate};

const MS: fn(u64) -> Duration = Duration::from_millis;
const SIZE: (u16, u16) = (320, 180);
/// What the encoder makes at most, in bits a second.
const MOST: u64 = 1_000_000;
/// What decoding is taken to last.
const DECODING: Duration = Duration::from_millis(4);

/// What came of a call.
#[derive(Debug, Default)]
struct Seen {
    drawn: u64,
    /// Pictures whose number was read.
    shown: u64,
    /// Those that were shown after a later one, or twice.
    disordered: u64,
    freezes: FreezeCounter,
    /// From drawing to showing, in ms.
    delays: Vec<f64>,
    /// Of luma against what was drawn: in dB, and 0 to 1.
    psnr: Vec<f64>,
    ssim: Vec<f64>,
    keyframes: u64,
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The value that so large a share does not exceed.
fn at_share(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((share * (sorted.len().max(1) - 1) as f64) as usize).copied().unwrap_or(f64::NAN)
}

struct Ends {
    pair: Pair,
    network: Network,
    nodes: [NodeId; 2],
    video: TransceiverHandle,
    start: Instant,
}

impl Ends {
    fn new(seed: u64, path: LinkConfig) -> Self {
        let mut pair = Pair::new(seed);
        let now = pair.now;
        let video = pair.a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
        negotiate(now, &mut pair.a, &mut pair.b);
        assert!(pair.run_until(Duration::from_secs(10), |pair| {
            [&pair.a, &pair.b].iter().all(|p| p.pc.connection_state() == ConnectionState::Connected)
        }));
        let start = pair.now;
        let mut network = Network::new(seed, start);
        let node = |network: &mut Network, peer: &Peer| network.add_node([peer.address.ip()]);
        let nodes = [node(&mut network, &pair.a), node(&mut network, &pair.b)];
        let back = LinkConfig::new().delay(path.delay).loss(path.loss);
        network.add_asymmetric_link(nodes[0], nodes[1], path, back);
        Self { pair, network, nodes, video, start }
    }

    /// Sends and delivers all that is due.
    fn pump(&mut self, now: Instant) {
        self.pair.now = now;
        while let Some(mut delivery) = self.network.poll(now) {
            let to_a = delivery.node == self.nodes[0];
            let peer = if to_a { &mut self.pair.a } else { &mut self.pair.b };
            let input = Input {
                source: delivery.packet.source,
                destination: delivery.packet.destination,
                protocol: Protocol::Udp,
                ecn: None,
                data: &mut delivery.packet.data,
            };
            let _ = peer.pc.handle_input(now, input);
        }
        let mut buf = Vec::new();
        for peer in [&mut self.pair.a, &mut self.pair.b] {
            if peer.pc.poll_timeout().is_some_and(|at| at <= now) {
                peer.pc.handle_timeout(now);
            }
            loop {
                buf.clear();
                let Some(transmit) = peer.pc.poll_transmit(now, &mut buf) else { break };
                let segment = transmit.segment_size.unwrap_or(transmit.size);
                for data in buf.chunks(segment) {
                    let packet = Packet::new(peer.address, transmit.destination, data.to_vec());
                    self.network.send(now, Packet { ecn: Ecn::NotEct, ..packet });
                }
            }
        }
    }
}

/// As [`peerage::engine`] receives pictures.
struct Receiver {
    buffer: VideoJitterBuffer,
    decoder: Box<dyn VideoDecoder>,
    pictures: PictureQueue<VideoFrame>,
    broken: bool,
}

impl Receiver {
    /// Takes a frame. True where a keyframe is to be asked for.
    fn take(&mut self, now: Instant, received: MediaFrame) -> bool {
        self.broken &= !received.frame.keyframe;
        if !self.broken {
            let of = received.arrival;
            let arrived = Arrived { first: of.first, last: of.last, repaired: of.repaired };
            self.buffer.insert_arrived(now, arrived, received.frame);
        }
        self.broken
    }

    /// Decodes what is due. True where a keyframe is to be asked for.
    fn decode(&mut self, now: Instant) -> bool {
        let mut wanted = false;
        while let Some(event) = self.buffer.poll(now) {
            let JitterEvent::Decode(ready) = event else {
                wanted = true;
                continue;
            };
            match self.decoder.decode(&ready.frame.data) {
                Ok(picture) => {
                    self.buffer.decoded(DECODING, ready.frame.keyframe);
                    if let Some(picture) = picture {
                        self.pictures.push(ready.render_at.max(now + DECODING), picture);
                    }
                }
                Err(_) => {
                    self.buffer.decode_failed(now);
                    (self.broken, wanted) = (true, true);
                }
            }
        }
        wanted
    }
}

fn call(seed: u64, seconds: u64, path: LinkConfig) -> Seen {
    let mut ends = Ends::new(seed, path);
    let clock = MovingClock::new(SIZE.0, SIZE.1);
    let spec = CodecSpec::new(PayloadFormat::Vp8, 90_000, 1);
    let mut encoder: Box<dyn VideoEncoder> = BuiltIn.video_encoder(&spec).unwrap();
    let mut receiver = Receiver {
        buffer: VideoJitterBuffer::new(JitterConfig::default()),
        decoder: BuiltIn.video_decoder(&spec).unwrap(),
        pictures: PictureQueue::new(16),
        broken: true,
    };
    let theirs = ends.pair.b.pc.transceivers().next().unwrap().handle;
    let (mut seen, mut keyframe) = (Seen::default(), true);
    let (mut encoded, mut last) = (Vec::new(), None);
    for millisecond in 0..seconds * 1_000 {
        let now = ends.start + MS(millisecond);
        // 30 a second.
        if millisecond * 3 / 100 >= seen.drawn {
            let number = seen.drawn;
            seen.drawn += 1;
            let a = &mut ends.pair.a.pc;
            let bitrate = a.target_bitrate(ends.video, 0).unwrap_or(0).min(MOST);
            if bitrate > 0 {
                encoder.set_target(VideoTarget::new(bitrate, 30.0)).unwrap();
                let picture = VideoFrame::new(clock.picture(number as u32), MS(millisecond));
                encoded.clear();
                let request = PictureRequest::default().with_keyframe(keyframe);
                encoder.encode(&picture, request, &mut encoded).unwrap();
                for picture in encoded.drain(..) {
                    keyframe = false;
                    seen.keyframes += u64::from(picture.keyframe);
                    let timestamp = (number * 3_000) as u32;
                    let info = picture.frame_info(timestamp, (1, 1));
                    let frame = Frame::new(picture.data, timestamp).with_info(info);
                    // What finds no room is left out, and a keyframe asked for.
                    let _ = a.send_frame(now, ends.video, 0, &frame);
                }
            }
        }
        ends.pump(now);
        while let Some(event) = ends.pair.a.pc.poll_event() {
            keyframe |= matches!(event, Event::KeyframeRequested { .. });
        }
        let mut wanted = false;
        while let Some(event) = ends.pair.b.pc.poll_event() {
            if let Event::Frame(frame) = event {
                wanted |= receiver.take(now, *frame);
            }
        }
        wanted |= receiver.decode(now);
        if wanted {
            ends.pair.b.pc.request_keyframe(now, theirs);
        }
        let Some(VideoFrame { picture, .. }) = receiver.pictures.pop_due(now) else { continue };
        seen.freezes.shown(now);
        let Some(number) = clock.read(&picture) else { continue };
        seen.shown += 1;
        seen.disordered += u64::from(last.is_some_and(|last| number <= last));
        last = Some(number);
        seen.delays.push(millisecond as f64 - f64::from(number) * 100.0 / 3.0);
        let drawn = clock.picture(number.into());
        let size = (usize::from(SIZE.0), usize::from(SIZE.1));
        seen.psnr.push(psnr(drawn.planes().0, picture.planes().0));
        // Each tenth is enough for a mean.
        if number.is_multiple_of(10) {
            seen.ssim.push(ssim(size, drawn.planes().0, picture.planes().0));
        }
    }
    seen
}

fn psnr(one: &[u8], other: &[u8]) -> f64 {
    let squares = one.iter().zip(other).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    let mean = squares.sum::<f64>() / one.len() as f64;
    10.0 * (255.0f64.powi(2) / mean.max(1e-3)).log10()
}

/// Structural similarity (Wang et al. 2004) over blocks of 8 x 8, each moved on by 4.
fn ssim((width, height): (usize, usize), one: &[u8], other: &[u8]) -> f64 {
    let (c1, c2) = ((0.01f64 * 255.0).powi(2), (0.03f64 * 255.0).powi(2));
    let mut all = Vec::new();
    for y in (0..height - 7).step_by(4) {
        for x in (0..width - 7).step_by(4) {
            let [mut a, mut b, mut aa, mut bb, mut ab] = [0.0f64; 5];
            for row in y..y + 8 {
                let at = row * width + x;
                for (p, q) in one[at..at + 8].iter().zip(&other[at..at + 8]) {
                    let (p, q) = (f64::from(*p), f64::from(*q));
                    (a, b) = (a + p, b + q);
                    (aa, bb, ab) = (aa + p * p, bb + q * q, ab + p * q);
                }
            }
            let n = 64.0;
            let (mean_a, mean_b) = (a / n, b / n);
            let (var_a, var_b) = (aa / n - mean_a * mean_a, bb / n - mean_b * mean_b);
            let both = ab / n - mean_a * mean_b;
            all.push(
                (2.0 * mean_a * mean_b + c1) * (2.0 * both + c2)
                    / ((mean_a.powi(2) + mean_b.powi(2) + c1) * (var_a + var_b + c2)),
            );
        }
    }
    mean(&all)
}

/// 3 Mbit/s with 25 ms each way.
fn path(loss: f64) -> LinkConfig {
    let path = LinkConfig::new().rate(Rate::kbit(3_000)).delay(MS(25)).queue(Queue::default());
    if loss > 0.0 { path.loss(Loss::Random(loss)) } else { path }
}

#[test]
fn losses_are_repaired_before_they_are_seen() {
    for (loss, frozen, least) in [(0.0, 0.0, 0.98), (0.02, 0.3, 0.96), (0.05, 1.0, 0.93)] {
        let seen = call(1, 12, path(loss));
        let frozen_for = seen.freezes.frozen.as_secs_f64();
        let share = seen.shown as f64 / seen.drawn as f64;
        let line = format!(
            "{loss}: {share} shown, frozen for {frozen_for} s, {:.0} ms, {:.1} dB, SSIM {:.3}",
            mean(&seen.delays),
            mean(&seen.psnr),
            mean(&seen.ssim)
        );
        assert_eq!(seen.disordered, 0, "{line}");
        assert!(frozen_for <= frozen && share >= least, "{line}");
        assert!(mean(&seen.delays) < 250.0, "{line}");
        assert!(mean(&seen.psnr) > 28.0 && mean(&seen.ssim) > 0.85, "{line}");
    }
}

/// The table of docs/performance.md, where it is asked for.
#[test]
fn the_table_of_all_networks() {
    if std::env::var_os("PEERAGE_TABLE").is_none() {
        return;
    }
    let jittery = |millis| Jitter::normal(MS(millis));
    let networks = [
        ("clean", path(0.0)),
        ("1 % lost", path(0.01)),
        ("2 %", path(0.02)),
        ("5 %", path(0.05)),
        ("10 %", path(0.1)),
        ("10 ms of jitter", path(0.0).jitter(jittery(10))),
        ("30 ms of jitter", path(0.0).jitter(jittery(30))),
        ("30 ms of jitter, 2 % lost", path(0.02).jitter(jittery(30))),
        ("0.5 Mbit/s", path(0.0).rate(Rate::kbit(500))),
    ];
    for (name, path) in networks {
        let seen = call(7, 60, path);
        println!(
            "| {name} | {:.1} % | {}, {:.2} s | {:.0}, {:.0} | {:.1}, {:.1} | {:.3} | {} |",
            100.0 * seen.shown as f64 / seen.drawn as f64,
            seen.freezes.freezes,
            seen.freezes.frozen.as_secs_f64(),
            mean(&seen.delays),
            at_share(&seen.delays, 0.95),
            mean(&seen.psnr),
            at_share(&seen.psnr, 0.05),
            mean(&seen.ssim),
            seen.keyframes,
        );
    }
}
