//! One call of 1280 x 720 at 30 pictures a second by VP8 and of Opus, both ends in this thread, in virtual time: what each stage takes
//! of a CPU, and how often it asks for memory.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use bench_measure::{cpu_time, figure};
use peerage_media::audio::AudioBlock;
use peerage_media::audio::jitter::{JitterBuffer, JitterConfig as AudioJitterConfig, JitterPacket};
use peerage_media::audio::mixer::Mixer;
use peerage_media::audio::processing::{AudioProcessor, AudioProcessorConfig};
use peerage_media::codec::opus::{OpusDecoder, OpusEncoder, OpusEncoderConfig};
use peerage_media::codec::vpx::{VpxCodec, VpxConfig, VpxDecoder, VpxEncoder};
use peerage_media::codec::{
    AudioEncoder, AudioTarget, PictureRequest, VideoDecoder, VideoEncoder, VideoTarget,
};
use peerage_media::video::convert::{ColorSpace, RgbLayout, from_nv12, to_nv12, to_rgb};
use peerage_media::video::enhance::{EnhanceConfig, Enhancer};
use peerage_media::video::jitter::{JitterConfig, JitterEvent, VideoJitterBuffer};
use peerage_media::video::scale::Scaler;
use peerage_media::video::{Area, I420, PicturePool, Plane, VideoFrame};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{
    Configuration, ConnectionState, Event, Frame, Input, MediaFrame, PeerConnection, Protocol, Rng,
    TransceiverHandle,
};

use crate::allocations;
use crate::picture_support::degrade::{self, Chance};
use crate::picture_support::scene::Room;

const SIZE: (u16, u16) = (1280, 720);
/// What the encoder may take, once the connection allows for it.
const BITRATE: u64 = 1_500_000;
/// Seconds until all is settled, and that are measured.
const SECONDS: (u64, u64) = (8, 10);
const STEP: Duration = Duration::from_millis(5);
const RATE: u32 = 48_000;

/// CPU time and allocations by stage.
#[derive(Default)]
struct Costs {
    stages: BTreeMap<&'static str, (Duration, u64, u64)>,
    measured: bool,
}

impl Costs {
    fn of<T>(&mut self, stage: &'static str, run: impl FnOnce() -> T) -> T {
        let before = allocations::COUNT.get();
        let (out, spent) = cpu_time(run);
        if self.measured {
            let entry = self.stages.entry(stage).or_default();
            entry.0 += spent;
            entry.1 += allocations::COUNT.get() - before;
            entry.2 += 1;
        }
        out
    }
}

/// The stages in order; those that a plain call does not have are marked.
const STAGES: &[(&str, bool)] = &[
    ("video: camera's NV12 to I420", true),
    ("video: enhance, all stages", false),
    ("video: scale to 640x360", false),
    ("video: encode VP8", true),
    ("audio: process (echo, noise, gain)", true),
    ("audio: encode Opus", true),
    ("send: cut, pace, protect", true),
    ("receive: open, put together, report", true),
    ("video: jitter buffer", true),
    ("video: decode VP8", true),
    ("video: I420 to BGRA", true),
    ("audio: jitter buffer, decode", true),
    ("audio: mix", true),
];

/// Two connections and what is on its way between them.
struct Pair {
    a: PeerConnection,
    b: PeerConnection,
    video: TransceiverHandle,
    audio: TransceiverHandle,
    bytes: Vec<u8>,
    frames: Vec<MediaFrame>,
}

fn end(now: Instant, seed: u64, address: &str) -> PeerConnection {
    let config = Configuration::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let mut pc = PeerConnection::new(now, config, Rng::from_seed(seed)).expect("valid");
    pc.add_local_address(now, address.parse().expect("an address"));
    pc.local_addresses_complete(now);
    pc
}

fn pass(
    now: Instant,
    from: &mut PeerConnection,
    bytes: &mut Vec<u8>,
    costs: &mut Costs,
    to: &mut PeerConnection,
    stages: (&'static str, &'static str),
) {
    loop {
        bytes.clear();
        let Some(transmit) = costs.of(stages.0, || from.poll_transmit(now, bytes)) else { break };
        let size = transmit.segment_size.unwrap_or(transmit.size).max(1);
        for data in bytes.chunks_mut(size) {
            let input = Input {
                source: transmit.source,
                destination: transmit.destination,
                protocol: Protocol::Udp,
                ecn: None,
                data,
            };
            costs.of(stages.1, || to.handle_input(now, input).expect("open"));
        }
    }
}

const SEND: &str = "send: cut, pace, protect";
const RECEIVE: &str = "receive: open, put together, report";

impl Pair {
    fn new(now: Instant) -> Self {
        let (mut a, mut b) = (end(now, 1, "192.0.2.1:5000"), end(now, 2, "192.0.2.2:5000"));
        let streams = || vec!["stream".to_owned()];
        let audio = a.add_track(now, MediaKind::Audio, "audio", streams()).expect("valid");
        let video = a.add_track(now, MediaKind::Video, "video", streams()).expect("valid");
        a.set_local_description(now, None).expect("stable");
        let offer = a.local_description().expect("set");
        b.set_remote_description(now, offer).expect("valid");
        b.set_local_description(now, None).expect("an offer");
        let answer = b.local_description().expect("set");
        a.set_remote_description(now, answer).expect("valid");
        Self { a, b, video, audio, bytes: Vec::new(), frames: Vec::new() }
    }

    fn advance(&mut self, now: Instant, costs: &mut Costs) {
        let Self { a, b, bytes, frames, .. } = self;
        for (pc, stage) in [(&mut *a, SEND), (&mut *b, RECEIVE)] {
            costs.of(stage, || {
                if pc.poll_timeout().is_some_and(|at| at <= now) {
                    pc.handle_timeout(now);
                }
            });
        }
        pass(now, a, bytes, costs, b, (SEND, RECEIVE));
        pass(now, b, bytes, costs, a, (RECEIVE, SEND));
        while costs.of(SEND, || a.poll_event()).is_some() {}
        while let Some(event) = costs.of(RECEIVE, || b.poll_event()) {
            if let Event::Frame(frame) = event {
                frames.push(MediaFrame::clone(&frame));
            }
        }
    }
}

/// What a camera gives: pictures as NV12, with a little noise.
fn camera() -> Vec<Vec<u8>> {
    let room = Room::new(SIZE.0, SIZE.1);
    let mut chance = Chance::new(4);
    (0..30)
        .map(|number| {
            let mut picture = room.picture(number);
            degrade::noise(&mut picture, 1.5, 1.5, &mut chance);
            let (width, height) = picture.size(Plane::Y);
            let mut data = vec![0; width * height * 3 / 2];
            let (luma, chroma) = data.split_at_mut(width * height);
            to_nv12(&picture, (luma, width), (chroma, width)).expect("it fits");
            data
        })
        .collect()
}

pub(crate) fn run() {
    let camera = camera();
    let mut costs = Costs::default();
    let origin = Instant::now();
    let mut pair = Pair::new(origin);
    let mut now = origin;
    while pair.b.connection_state() != ConnectionState::Connected {
        now += Duration::from_millis(1);
        pair.advance(now, &mut costs);
        assert!(now < origin + Duration::from_secs(10), "not connected");
    }

    let (width, height) = (usize::from(SIZE.0), usize::from(SIZE.1));
    let mut pool = PicturePool::new(4);
    let mut enhancer = Enhancer::new(EnhanceConfig::all());
    let (mut scaler, mut small) = (Scaler::new(), I420::black(SIZE.0 / 2, SIZE.1 / 2));
    let mut encoder = VpxEncoder::new(VpxConfig::new(VpxCodec::Vp8)).expect("an encoder");
    let mut rate = 0;
    let mut pictures = Vec::new();
    let mut buffer = VideoJitterBuffer::new(JitterConfig::default());
    let mut decoder = VpxDecoder::new(VpxCodec::Vp8, 1).expect("a decoder");
    let mut screen = vec![0; width * height * 4];

    let (mut block, mut pending) =
        (AudioBlock::silence(RATE, 1, 480), AudioBlock::silence(RATE, 1, 960));
    let mut processor =
        AudioProcessor::new(RATE, 1, AudioProcessorConfig::default()).expect("a processor");
    let config = OpusEncoderConfig::default().with_channels(1);
    let mut speech = OpusEncoder::new(config).expect("an encoder");
    let mut target = AudioTarget::default();
    target.bitrate = 32_000;
    speech.set_target(target).expect("a target");
    let mut packet = Vec::new();
    let opus = OpusDecoder::new(RATE, 1).expect("a decoder");
    let mut sound = JitterBuffer::new(AudioJitterConfig::new(RATE), Box::new(opus));
    let mut heard = AudioBlock::silence(RATE, 1, 480);
    let mut mixer = Mixer::new(RATE, 1);
    let input = mixer.add_input().expect("room");
    let (mut mixed, mut chance) = (AudioBlock::default(), Chance::new(8));

    let begin = now;
    let (settle, total) = (SECONDS.0 * 200, (SECONDS.0 + SECONDS.1) * 200);
    let (mut shown, mut sent, mut bytes, mut keyframe) = (0u64, 0u64, 0, true);
    for step in 0..total {
        now = begin + STEP * step as u32;
        costs.measured = step >= settle;
        // Thirty pictures a second: in three of twenty steps.
        if (step * 3) % 20 < 3 {
            let number = step * 3 / 20;
            let nv12 =
                &camera[if number / 30 % 2 == 0 { number % 30 } else { 29 - number % 30 } as usize];
            let picture = costs.of(STAGES[0].0, || {
                let (luma, chroma) = nv12.split_at(width * height);
                pool.take(SIZE.0, SIZE.1, |to| from_nv12((luma, width), (chroma, width), to))
                    .expect("whole")
            });
            let frame = VideoFrame {
                time: now - begin,
                ..VideoFrame::new(I420::black(1, 1), Duration::ZERO)
            };
            let frame = VideoFrame { picture, ..frame };
            costs.of(STAGES[1].0, || enhancer.process_frame(&frame));
            costs.of(STAGES[2].0, || {
                scaler.scale(&frame.picture, Area::of(&frame.picture), &mut small).expect("inside");
            });
            let wanted = pair.a.target_bitrate(pair.video, 0).unwrap_or(300_000).min(BITRATE);
            if wanted / 50_000 != rate / 50_000 {
                rate = wanted;
                encoder.set_target(VideoTarget::new(rate, 30.0)).expect("a target");
            }
            let request = PictureRequest::default().with_keyframe(std::mem::take(&mut keyframe));
            costs
                .of(STAGES[3].0, || encoder.encode(&frame, request, &mut pictures))
                .expect("encoded");
            for picture in pictures.drain(..) {
                if costs.measured {
                    (sent, bytes) = (sent + 1, bytes + picture.data.len());
                }
                let mut frame = Frame::new(picture.data, (step * 450) as u32);
                frame.info.keyframe = Some(picture.keyframe);
                let video = pair.video;
                costs.of(SEND, || pair.a.send_frame(now, video, 0, &frame)).expect("sent");
            }
        }
        if step % 2 == 0 {
            let at = step * 240;
            for (n, sample) in block.samples_mut().iter_mut().enumerate() {
                let t = (at + n as u64) as f32 / RATE as f32;
                let voice =
                    0.2 * (std::f32::consts::TAU * 180.0 * t).sin() * (3.0 * t).sin().max(0.0);
                *sample = voice + 0.003 * chance.normal();
            }
            costs.of(STAGES[4].0, || {
                processor.render(&heard).expect("of its rate");
                processor.capture(&mut block, Duration::from_millis(40)).expect("of its rate");
            });
            let half = (step / 2 % 2) as usize;
            pending.samples_mut()[half * 480..][..480].copy_from_slice(block.samples());
            if half == 1 {
                packet.clear();
                costs.of(STAGES[5].0, || speech.encode(&pending, &mut packet)).expect("encoded");
                let frame = Frame::new(packet.clone(), (at - 480) as u32);
                let audio = pair.audio;
                costs.of(SEND, || pair.a.send_frame(now, audio, 0, &frame)).expect("sent");
            }
        }
        pair.advance(now, &mut costs);
        for frame in pair.frames.drain(..) {
            if frame.codec.clock_rate() == 90_000 {
                costs.of(STAGES[8].0, || {
                    buffer.packet_arrived(now);
                    buffer.insert(now, frame.frame);
                });
            } else {
                costs.of(STAGES[11].0, || sound.insert(now, JitterPacket::from(&frame.frame)));
            }
        }
        while let Some(event) = costs.of(STAGES[8].0, || buffer.poll(now)) {
            let JitterEvent::Decode(ready) = event else { continue };
            let (picture, took) =
                cpu_time(|| costs.of(STAGES[9].0, || decoder.decode(&ready.frame.data)));
            buffer.decoded(took, ready.frame.keyframe);
            if let Some(picture) = picture.expect("decoded") {
                costs.of(STAGES[10].0, || {
                    to_rgb(
                        &picture.picture,
                        ColorSpace::default(),
                        RgbLayout::Bgra,
                        &mut screen,
                        width * 4,
                    )
                    .expect("it fits");
                });
                shown += u64::from(costs.measured);
            }
        }
        if step % 2 == 0 {
            costs.of(STAGES[11].0, || sound.get_audio(now, &mut heard));
            costs.of(STAGES[12].0, || {
                mixer.add(input, &heard).expect("of its rate");
                mixer.mix(&mut mixed);
                mixer.advance();
            });
        }
    }

    let seconds = SECONDS.1 as f64;
    println!(
        "\nA call, both ends: {:.1} of {:.1} pictures a second shown, {:.0} kbit/s, {:.1} % of sound made up",
        shown as f64 / seconds,
        sent as f64 / seconds,
        bytes as f64 * 8.0 / seconds / 1e3,
        sound.statistics().concealed_share() * 100.0
    );
    println!("{:<40}{:>14}{:>12}{:>16}", "stage", "ms a second", "each, ms", "allocations/s");
    let mut sum = 0.0;
    for (stage, part) in STAGES {
        let Some((spent, allocations, count)) = costs.stages.get(stage) else { continue };
        let share = spent.as_secs_f64() * 1e3 / seconds;
        // Packets and events come one by one: a second's share says more.
        let each = share * seconds / *count as f64;
        println!(
            "{stage:<40}{share:>14.2}{each:>12.3}{:>16.1}{}",
            *allocations as f64 / seconds,
            if *part { "" } else { "  (not part of the sum)" }
        );
        if *part {
            sum += share;
        }
        figure(&format!("video/call, {stage}/peerage"), share);
    }
    println!("{:<40}{sum:>14.2}", "one way");
    println!("{:<40}{:>14.2}", "both ways", 2.0 * sum);
    figure("video/call one way/peerage", sum);
}
