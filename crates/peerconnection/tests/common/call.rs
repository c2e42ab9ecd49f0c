//! A call over an emulated network in virtual time: `a` sends audio and video to `b`, and its encoder follows the target.

use std::time::{Duration, Instant};

use peerage_netsim::{Change, Direction, Ecn, LinkConfig, LinkId, Network, Packet};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{
    Configuration, ConnectionState, Event, Frame, Input, PeerConnection, Protocol,
    TransceiverHandle,
};

use super::{Pair, negotiate};

/// Between frames of video, of audio, and between looks at the queue.
const VIDEO: Duration = Duration::from_millis(33);
const AUDIO: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_millis(20);

/// With 30 frames a second, webrtc-stats calls it a freeze when the next one takes longer than usual by 150 ms.
const FREEZE: Duration = Duration::from_millis(183);

/// What happened in a stretch of time.
#[derive(Debug, Default)]
pub struct Seen {
    /// Bytes of frames of video that arrived complete.
    pub video_bytes: u64,
    pub video_frames: u64,
    pub audio_sent: u64,
    pub audio_frames: u64,
    /// The longest time without a frame of audio.
    pub audio_gap: Duration,
    /// How long packets waited in the bottleneck, each for 20 ms.
    pub queue: Vec<Duration>,
    pub targets: u64,
    pub keyframe_requests: u64,
    pub wakeups: u64,
    pub seconds: f64,
    /// The longest time without a frame of video, and all of the times that a browser would call frozen.
    pub video_gap: Duration,
    pub frozen: Duration,
    /// Bytes that went through the bottleneck or were lost behind it, headers included, and packets that found it full.
    pub link_bytes: u64,
    pub dropped: u64,
}

impl Seen {
    /// Bits a second of video.
    pub fn video_kbps(&self) -> f64 {
        8.0 * self.video_bytes as f64 / self.seconds / 1_000.0
    }

    /// Bits a second of all that was sent and found room.
    pub fn link_kbps(&self) -> f64 {
        8.0 * self.link_bytes as f64 / self.seconds / 1_000.0
    }

    fn video_frame(&mut self, now: Instant, last: &mut Instant) {
        let gap = now - std::mem::replace(last, now);
        self.video_gap = self.video_gap.max(gap);
        if gap > FREEZE {
            self.frozen += gap;
        }
    }

    pub fn queue_mean(&self) -> Duration {
        self.queue.iter().sum::<Duration>() / self.queue.len().max(1) as u32
    }

    pub fn queue_max(&self) -> Duration {
        self.queue.iter().max().copied().unwrap_or_default()
    }
}

/// A source of video with an encoder of its own.
pub type Camera = Box<dyn FnMut(Instant, &mut PeerConnection, TransceiverHandle, bool)>;

pub struct Call {
    pub pair: Pair,
    pub network: Network,
    pub link: LinkId,
    pub audio: TransceiverHandle,
    pub video: TransceiverHandle,
    /// What the encoder makes at most, and at least, whatever the target says.
    pub most_kbps: u64,
    pub least_kbps: u64,
    /// What a keyframe has at least, in bytes.
    pub keyframe_len: usize,
    /// Makes the video that `a` sends in place of all that, and is told whether a keyframe is wanted.
    pub camera: Option<Camera>,
    /// The video that `b` sends, if it does.
    back: Option<TransceiverHandle>,
    nodes: [peerage_netsim::NodeId; 2],
    next_video: Instant,
    next_audio: Instant,
    next_look: Instant,
    frames: u32,
    sounds: u32,
    wants_keyframe: [bool; 2],
    last_video: Instant,
    /// Packets that have left the bottleneck, and how long they waited together.
    left: (u64, Duration),
}

impl Call {
    /// Two ends that are connected, over a path of these parameters from `a` to `b`, and one without faults but the same
    /// delay back.
    pub fn new(seed: u64, a: Configuration, b: Configuration, path: LinkConfig) -> Self {
        let back = LinkConfig::new().delay(path.delay);
        Self::over(Pair::with(seed, a, b), seed, path, back)
    }

    /// The same with a path of these parameters both ways, and `b` sends video as well.
    pub fn both_ways(seed: u64, path: LinkConfig) -> Self {
        let mut pair = Pair::with(seed, super::config(), super::config());
        let now = pair.now;
        let back = pair.b.pc.add_track(now, MediaKind::Video, "back", vec!["s".into()]).unwrap();
        let mut call = Self::over(pair, seed, path.clone(), path);
        call.back = Some(back);
        call
    }

    fn over(mut pair: Pair, seed: u64, path: LinkConfig, back: LinkConfig) -> Self {
        let now = pair.now;
        let audio = pair.a.pc.add_track(now, MediaKind::Audio, "audio", vec!["s".into()]).unwrap();
        let video = pair.a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
        negotiate(now, &mut pair.a, &mut pair.b);
        assert!(pair.run_until(Duration::from_secs(10), |pair| {
            [&pair.a, &pair.b].iter().all(|p| p.pc.connection_state() == ConnectionState::Connected)
        }));
        let now = pair.now;
        let mut network = Network::new(seed, now);
        let address = |text: &str| text.parse::<std::net::SocketAddr>().unwrap().ip();
        let node_a = network.add_node([address(super::A)]);
        let node_b = network.add_node([address(super::B)]);
        let link = network.add_asymmetric_link(node_a, node_b, path, back);
        Self {
            pair,
            network,
            link,
            audio,
            video,
            most_kbps: 20_000,
            least_kbps: 0,
            keyframe_len: 0,
            camera: None,
            back: None,
            nodes: [node_a, node_b],
            next_video: now,
            next_audio: now,
            next_look: now,
            frames: 0,
            sounds: 0,
            wants_keyframe: [true; 2],
            last_video: now,
            left: (0, Duration::ZERO),
        }
    }

    /// The path from `a` to `b` is another one from now on.
    pub fn change(&mut self, path: LinkConfig) {
        self.network.apply(Change::configure(self.link, Direction::Forward, path));
    }

    /// The path is another one both ways.
    pub fn change_both(&mut self, path: LinkConfig) {
        self.network.apply(Change::configure(self.link, Direction::Both, path));
    }

    pub fn target_kbps(&self) -> u64 {
        self.pair.a.pc.target_bitrate(self.video, 0).unwrap_or(0) / 1_000
    }

    pub fn run(&mut self, time: Duration) -> Seen {
        let (start, end) = (self.pair.now, self.pair.now + time);
        let mut seen = Seen { seconds: time.as_secs_f64(), ..Seen::default() };
        let mut last_audio = start;
        let before = self.network.link_stats(self.link, Direction::Forward);
        self.last_video = self.last_video.max(start);
        loop {
            self.pump(&mut seen, &mut last_audio);
            let now = self.pair.now;
            let timers = [self.pair.a.pc.poll_timeout(), self.pair.b.pc.poll_timeout()];
            let own = [Some(self.next_video), Some(self.next_audio), Some(self.next_look)];
            let next = timers.into_iter().chain(own).chain([self.network.next_timeout()]);
            let next = next.flatten().min().unwrap().max(now);
            if next >= end {
                self.pair.now = end;
                seen.audio_gap = seen.audio_gap.max(end - last_audio);
                seen.video_frame(end, &mut { self.last_video });
                let after = self.network.link_stats(self.link, Direction::Forward);
                // What found no room was of the usual size.
                seen.dropped = after.dropped_full - before.dropped_full;
                let offered = after.offered - before.offered;
                let bytes = after.offered_bytes - before.offered_bytes;
                seen.link_bytes = bytes - bytes * seen.dropped / offered.max(1);
                return seen;
            }
            self.pair.now = next;
            seen.wakeups += 1;
            self.deliver(next);
            for peer in [&mut self.pair.a, &mut self.pair.b] {
                if peer.pc.poll_timeout().is_some_and(|at| at <= next) {
                    peer.pc.handle_timeout(next);
                }
            }
            self.produce(next, &mut seen);
        }
    }

    fn produce(&mut self, now: Instant, seen: &mut Seen) {
        if self.next_look <= now {
            self.next_look += LOOK;
            let stats = self.network.link_stats(self.link, Direction::Forward);
            let (left, waited) = (stats.offered - stats.queued, stats.total_queue_delay);
            let (left_before, waited_before) = std::mem::replace(&mut self.left, (left, waited));
            if left > left_before {
                seen.queue.push((waited - waited_before) / (left - left_before) as u32);
            }
        }
        if self.next_audio <= now {
            self.next_audio += AUDIO;
            self.sounds += 1;
            seen.audio_sent += 1;
            let frame = Frame::new(vec![7; 80], self.sounds * 960);
            self.pair.a.pc.send_frame(now, self.audio, 0, &frame).unwrap();
        }
        if self.next_video <= now {
            self.next_video += VIDEO;
            self.frames += 1;
            for (end, video) in [Some(self.video), self.back].into_iter().enumerate() {
                let Some(video) = video else { continue };
                let pc = [&mut self.pair.a.pc, &mut self.pair.b.pc].into_iter().nth(end).unwrap();
                if let Some(camera) = self.camera.as_mut().filter(|_| end == 0) {
                    camera(now, pc, video, std::mem::take(&mut self.wants_keyframe[0]));
                    continue;
                }
                let kbps = pc.target_bitrate(video, 0).unwrap_or(0) / 1_000;
                let kbps = kbps.clamp(self.least_kbps, self.most_kbps);
                if kbps == 0 {
                    continue;
                }
                let size = (kbps * 1_000 / 8) as f64 * VIDEO.as_secs_f64();
                let keyframe = std::mem::take(&mut self.wants_keyframe[end]);
                let size = if keyframe { 3.0 * size } else { size } as usize;
                let size = if keyframe { size.max(self.keyframe_len) } else { size };
                let frame = Frame::new(picture(keyframe, size), self.frames * 2970);
                pc.send_frame(now, video, 0, &frame).unwrap();
            }
        }
    }

    fn pump(&mut self, seen: &mut Seen, last_audio: &mut Instant) {
        let now = self.pair.now;
        let mut buf = Vec::new();
        for peer in [&mut self.pair.a, &mut self.pair.b] {
            loop {
                buf.clear();
                let Some(transmit) = peer.pc.poll_transmit(now, &mut buf) else { break };
                let segment = transmit.segment_size.unwrap_or(transmit.size);
                for data in buf.chunks(segment) {
                    let ecn = transmit.ecn.map_or(Ecn::NotEct, |ecn| Ecn::from_bits(ecn as u8));
                    let packet = Packet {
                        ecn,
                        ..Packet::new(peer.address, transmit.destination, data.to_vec())
                    };
                    self.network.send(now, packet);
                }
            }
        }
        while let Some(event) = self.pair.a.pc.poll_event() {
            match event {
                Event::TargetBitrate { .. } => seen.targets += 1,
                Event::KeyframeRequested { .. } => {
                    self.wants_keyframe[0] = true;
                    seen.keyframe_requests += 1;
                }
                _ => {}
            }
        }
        while let Some(event) = self.pair.b.pc.poll_event() {
            if let Event::KeyframeRequested { .. } = event {
                self.wants_keyframe[1] = true;
            }
            let Event::Frame(frame) = event else { continue };
            if frame.frame.dimensions.is_none() && frame.frame.data.first() == Some(&7) {
                seen.audio_frames += 1;
                seen.audio_gap = seen.audio_gap.max(now - *last_audio);
                *last_audio = now;
            } else {
                seen.video_frames += 1;
                seen.video_frame(now, &mut self.last_video);
                seen.video_bytes += frame.frame.data.len() as u64;
            }
        }
    }

    fn deliver(&mut self, now: Instant) {
        while let Some(mut delivery) = self.network.poll(now) {
            let peer = match delivery.node == self.nodes[0] {
                true => &mut self.pair.a,
                false => &mut self.pair.b,
            };
            let _ = peer.pc.handle_input(
                now,
                Input {
                    source: delivery.packet.source,
                    destination: delivery.packet.destination,
                    protocol: Protocol::Udp,
                    ecn: peerage_peerconnection::Ecn::from_bits(delivery.packet.ecn.bits()),
                    data: &mut delivery.packet.data,
                },
            );
        }
    }
}

/// The header of a VP8 frame (RFC 6386 §9.1), and noise.
pub fn picture(keyframe: bool, size: usize) -> Vec<u8> {
    let mut data = match keyframe {
        true => vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01],
        false => vec![0x11, 0, 0],
    };
    data.resize(size.max(data.len()), 0x5a);
    data
}
