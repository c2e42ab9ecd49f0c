//! What the tests of codecs have in common: clips, how alike two pictures are, ffmpeg as the judge, damage.
#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod all;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use md5::{Digest, Md5};
use peerage_media::codec::{EncodedPicture, PictureRequest, VideoDecoder, VideoEncoder};
use peerage_media::video::{I420, VideoFrame, pattern::MovingClock};

/// From one picture to the next.
pub(crate) const PICTURE_TIME: Duration = Duration::from_nanos(1_000_000_000 / 30);

/// Pictures one after another.
pub(crate) struct Clip {
    pub(crate) size: (u16, u16),
    pub(crate) frames: Vec<VideoFrame>,
}

impl Clip {
    pub(crate) fn clock(width: u16, height: u16, count: u32) -> Self {
        let clock = MovingClock::new(width, height);
        let frame = |number| VideoFrame::new(clock.picture(number), number * PICTURE_TIME);
        Self { size: (width, height), frames: (0..count).map(frame).collect() }
    }
}

pub(crate) fn encode(
    encoder: &mut dyn VideoEncoder,
    frame: &VideoFrame,
    keyframe: bool,
) -> Vec<EncodedPicture> {
    let mut request = PictureRequest::default();
    request.keyframe = keyframe;
    let mut out = Vec::new();
    encoder.encode(frame, request, &mut out).unwrap();
    out
}

/// Of luma, in dB.
pub(crate) fn psnr(one: &I420, other: &I420) -> f64 {
    assert_eq!((one.width(), one.height()), (other.width(), other.height()));
    let (one, other) = (one.planes().0, other.planes().0);
    let squares: u64 =
        one.iter().zip(other).map(|(one, other)| u64::from(one.abs_diff(*other)).pow(2)).sum();
    let mean = squares as f64 / one.len() as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-3)).log10()
}

/// What ffmpeg makes of a file, picture after picture; with options such as a decoder. `None` where there is no ffmpeg.
pub(crate) fn ffmpeg_pictures(format: &str, options: &[&str], file: &[u8]) -> Option<Vec<u8>> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    if Command::new("ffmpeg").arg("-version").output().is_err() {
        println!("skipped: no ffmpeg");
        return None;
    }
    let name = format!(
        "peerage-codec-{}-{}.{format}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let path = std::env::temp_dir().join(name);
    std::fs::File::create(&path).unwrap().write_all(file).unwrap();
    let out = Command::new("ffmpeg")
        .args(["-v", "warning", "-xerror", "-threads", "1"])
        .args(options)
        .args(["-f", format, "-i"])
        .arg(&path)
        .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-fps_mode", "passthrough", "-"])
        .output()
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.is_empty(), "{said}");
    Some(out.stdout)
}

/// Has ffmpeg decode a file, of which there must be a picture for each of the clip's, and gives the mean PSNR. `None` where there
/// is no ffmpeg.
pub(crate) fn ffmpeg_psnr(clip: &Clip, format: &str, file: &[u8]) -> Option<f64> {
    let pictures = ffmpeg_pictures(format, &[], file)?;
    let length = clip.frames[0].picture.as_bytes().len();
    assert_eq!(pictures.len(), length * clip.frames.len());
    let (width, height) = clip.size;
    let sum: f64 = pictures
        .chunks(length)
        .zip(&clip.frames)
        .map(|(got, frame)| {
            psnr(&frame.picture, &I420::from_planes(width, height, got.to_vec()).unwrap())
        })
        .sum();
    Some(sum / clip.frames.len() as f64)
}

/// A directory of corpora (`PEERAGE_CORPORA`, or `../shared/corpora` beside the workspace).
pub(crate) fn corpus(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PEERAGE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no corpus at {}; set PEERAGE_CORPORA", path.display());
    None
}

/// MD5 in hexadecimal digits.
pub(crate) fn md5(data: &[u8]) -> String {
    Md5::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Pseudo-random numbers, the same each time.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Damages frames in every way: whatever a decoder makes of them, it gives back errors or pictures, and recovers with a keyframe.
pub(crate) fn damage(encoder: &mut dyn VideoEncoder, decoder: &mut dyn VideoDecoder) {
    let clip = Clip::clock(160, 96, 60);
    let clock = MovingClock::new(160, 96);
    let mut noise = Noise(0x2545_F491_4F6C_DD1D);
    let mut errors = 0;
    for round in 0..6u32 {
        for (number, frame) in clip.frames.iter().enumerate() {
            let frame =
                VideoFrame { time: frame.time + round * 60 * PICTURE_TIME, ..frame.clone() };
            for picture in encode(encoder, &frame, number % 20 == 0) {
                if number == 40 {
                    // Undamaged: all is well again.
                    let shown = decoder.decode(&picture.data).unwrap().unwrap();
                    assert_eq!(clock.read(&shown.picture), Some(number as u16));
                    continue;
                }
                let mut data = picture.data.to_vec();
                match noise.below(6) {
                    0 => data.truncate(noise.below(data.len() + 1)),
                    1 => continue,
                    2 => data.iter_mut().for_each(|byte| *byte = noise.next() as u8),
                    kind => {
                        // Headers are hit more often than chance would have it.
                        let reach = if kind == 3 { data.len().min(24) } else { data.len() };
                        for _ in 0..=noise.below(8) {
                            let at = noise.below(reach);
                            if let Some(byte) = data.get_mut(at) {
                                *byte ^= 1 << noise.below(8);
                            }
                        }
                    }
                }
                errors += usize::from(decoder.decode(&data).is_err());
            }
        }
    }
    assert!(errors > 0);
    assert!(decoder.decode(&[]).is_err());
}
