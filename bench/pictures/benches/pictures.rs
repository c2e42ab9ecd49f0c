//! Ten seconds of a moving picture through each codec at a constant rate: CPU time of encoding and decoding a picture, the rate and the
//! PSNR that come of it. rav1e at its fastest stands beside libaom, as the encoder in Rust that could take its place.

use std::time::Duration;

use bench_measure::cpu_time;
use peerage_media::codec::{
    BuiltIn, CodecFactory, CodecSpec, EncodedPicture, PictureRequest, VideoTarget,
};
use peerage_media::video::{I420, Plane, VideoFrame};
use peerage_rtp::payload::{PacketizationMode, PayloadFormat};

const PICTURES: u32 = 300;
const RATE: u32 = 30;

/// Width, height, bits a second.
const SIZES: [(u16, u16, u64); 2] = [(640, 360, 500_000), (1280, 720, 1_500_000)];

fn main() {
    println!(
        "{:<16} {:>9} {:>12} {:>12} {:>8} {:>8} {:>6}",
        "codec", "size", "encode ms", "decode ms", "kbit/s", "PSNR dB", "shown"
    );
    for (width, height, bitrate) in SIZES {
        let clip = clip(width, height);
        let packetization_mode = PacketizationMode::NonInterleaved;
        for (name, format) in [
            ("VP8", PayloadFormat::Vp8),
            ("VP9", PayloadFormat::Vp9),
            ("H264", PayloadFormat::H264 { packetization_mode }),
            ("AV1 (libaom)", PayloadFormat::Av1),
        ] {
            let spec = CodecSpec::new(format, 90_000, 1);
            let mut encoder = BuiltIn.video_encoder(&spec).expect("a codec that is built in");
            encoder.set_target(VideoTarget::new(bitrate, RATE as f32)).expect("a rate");
            let encode = |frame: &VideoFrame| {
                let mut out: Vec<EncodedPicture> = Vec::new();
                encoder.encode(frame, PictureRequest::default(), &mut out).expect("a picture");
                out.into_iter().map(|one| one.data.to_vec()).collect()
            };
            measure(name, &spec, &clip, encode);
        }
        let spec = CodecSpec::new(PayloadFormat::Av1, 90_000, 1);
        let mut rival = Rav1e::new(width, height, bitrate);
        measure("AV1 (rav1e)", &spec, &clip, |frame| rival.encode(frame));
    }
}

fn measure(
    name: &str,
    spec: &CodecSpec,
    clip: &[VideoFrame],
    mut encode: impl FnMut(&VideoFrame) -> Vec<Vec<u8>>,
) {
    let (encoded, encoding) =
        cpu_time(|| clip.iter().map(&mut encode).collect::<Vec<Vec<Vec<u8>>>>());
    let bits: usize = encoded.iter().flatten().map(|data| 8 * data.len()).sum();
    let mut decoder = BuiltIn.video_decoder(spec).expect("a codec that is built in");
    let (shown, decoding) = cpu_time(|| {
        let each = encoded.iter().map(|data| {
            data.iter().filter_map(|data| decoder.decode(data).expect("undamaged")).last()
        });
        each.collect::<Vec<_>>()
    });
    let mut sum = 0.0;
    let mut count = 0;
    // What comes out later comes out in order: rav1e's pictures, which it never leaves out.
    let late = shown.first().is_some_and(Option::is_none);
    let skipped = if late { shown.iter().take_while(|one| one.is_none()).count() } else { 0 };
    for (source, shown) in clip.iter().zip(&shown[skipped..]) {
        if let Some(shown) = shown {
            sum += psnr(&source.picture, &shown.picture);
            count += 1;
        }
    }
    let each = |all: Duration| all.as_secs_f64() * 1_000.0 / f64::from(PICTURES);
    let size = format!("{}x{}", clip[0].picture.width(), clip[0].picture.height());
    let seconds = f64::from(PICTURES) / f64::from(RATE);
    println!(
        "{name:<16} {size:>9} {:>12.2} {:>12.2} {:>8.0} {:>8.1} {count:>6}",
        each(encoding),
        each(decoding),
        bits as f64 / seconds / 1_000.0,
        sum / f64::from(count.max(1)),
    );
}

/// A texture of waves and grain that moves with the camera, and a disc that moves before it.
fn clip(width: u16, height: u16) -> Vec<VideoFrame> {
    let (columns, rows) = (i64::from(width), i64::from(height));
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let grain: Vec<u8> = (0..65_536)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 60) as u8
        })
        .collect();
    let scale = f64::from(width) / 640.0;
    let frame = |number: u32| {
        let mut picture = I420::black(width, height);
        let time = f64::from(number) / f64::from(RATE);
        let (pan, tilt) =
            ((40.0 * time * scale) as i64, (12.0 * (time * 0.7).sin() * scale) as i64);
        let disc = (
            f64::from(width) * (0.5 + 0.35 * (time * 0.9).sin()),
            f64::from(height) * (0.5 + 0.3 * (time * 1.3).cos()),
        );
        let radius = 60.0 * scale;
        let (y, u, v) = picture.planes_mut();
        for row in 0..rows {
            for column in 0..columns {
                let (x, z) = (column + pan, row + tilt);
                let (wide, high) = (x as f64 / scale, z as f64 / scale);
                let waves =
                    (wide * 0.031).sin() + (high * 0.047).cos() + ((wide + high) * 0.11).sin();
                let grained = grain[((x & 255) * 256 + (z & 255)) as usize];
                let (dx, dy) = (column as f64 - disc.0, row as f64 - disc.1);
                let inside = dx * dx + dy * dy < radius * radius;
                let value = if inside { 210.0 + dx / radius * 20.0 } else { 118.0 + 28.0 * waves };
                y[(row * columns + column) as usize] = value as u8 + grained / 2;
            }
        }
        for (plane, speed) in [(u, 0.02), (v, 0.03)] {
            for (at, sample) in plane.iter_mut().enumerate() {
                let column = at as i64 % ((columns + 1) / 2) + pan / 2;
                *sample = (128.0 + 30.0 * (column as f64 / scale * speed).sin()) as u8;
            }
        }
        VideoFrame::new(picture, Duration::from_secs(1) * number / RATE)
    };
    (0..PICTURES).map(frame).collect()
}

/// Of luma.
fn psnr(one: &I420, other: &I420) -> f64 {
    let pairs = one.plane(Plane::Y).iter().zip(other.plane(Plane::Y));
    let squares: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    let mean = squares as f64 / one.plane(Plane::Y).len() as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-3)).log10()
}

/// rav1e as a call would use it: its fastest speed, no frames to look ahead, one thread, a constant rate as far as it has one.
struct Rav1e {
    context: rav1e::Context<u8>,
    width: usize,
}

impl Rav1e {
    fn new(width: u16, height: u16, bitrate: u64) -> Self {
        let mut config = rav1e::EncoderConfig::with_speed_preset(10);
        (config.width, config.height) = (width.into(), height.into());
        config.time_base = rav1e::data::Rational::new(1, RATE.into());
        config.low_latency = true;
        config.bitrate = bitrate.min(i32::MAX as u64) as i32;
        config.reservoir_frame_delay = Some(12);
        config.speed_settings.rdo_lookahead_frames = 1;
        (config.min_key_frame_interval, config.max_key_frame_interval) = (10_000, 10_000);
        let config = rav1e::Config::new().with_encoder_config(config).with_threads(1);
        let context = config.new_context().expect("settings that rav1e takes");
        Self { context, width: width.into() }
    }

    fn encode(&mut self, frame: &VideoFrame) -> Vec<Vec<u8>> {
        let mut raw = self.context.new_frame();
        let half = self.width.div_ceil(2);
        let planes = [(Plane::Y, self.width), (Plane::U, half), (Plane::V, half)];
        for (into, (plane, stride)) in raw.planes.iter_mut().zip(planes) {
            into.copy_from_raw_u8(frame.picture.plane(plane), stride, 1);
        }
        self.context.send_frame(raw).expect("a frame of the right size");
        let mut out = Vec::new();
        loop {
            match self.context.receive_packet() {
                Ok(packet) => out.push(packet.data),
                Err(rav1e::EncoderStatus::Encoded) => {}
                Err(_) => return out,
            }
        }
    }
}
