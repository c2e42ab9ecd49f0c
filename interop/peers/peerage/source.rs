//! An encoder's stand-in: the frames of a small VP8 file, each padded to the size that the target bitrate asks for. Behind
//! the last partition of a frame a decoder looks at nothing (RFC 6386 §9.5), so that what arrives is played.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use peerage::{Bytes, Frame, RtpTransceiver};
use tokio::time::{MissedTickBehavior, interval};

/// Of the file and of what is sent.
const FRAMES_PER_SECOND: u64 = 30;
/// Ticks of VP8's RTP clock in a frame (RFC 7741 §4.1).
const TICKS: u32 = 90_000 / FRAMES_PER_SECOND as u32;

/// What a source has done, and what it is asked for.
#[derive(Default)]
pub(crate) struct Control {
    keyframe_wanted: AtomicBool,
    /// Nothing is sent for now.
    held: AtomicBool,
    pub(crate) frames: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

impl Control {
    /// Nothing more is sent.
    pub(crate) fn hold(&self) {
        self.held.store(true, Ordering::Relaxed);
    }

    /// The next frame is to be a keyframe.
    pub(crate) fn want_keyframe(&self) {
        self.keyframe_wanted.store(true, Ordering::Relaxed);
    }
}

/// The frames of an IVF file.
pub(crate) fn read(path: &Path) -> Result<Vec<Vec<u8>>> {
    let data = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(data.get(..4) == Some(b"DKIF") && data.get(8..12) == Some(b"VP80"), "not VP8 in IVF");
    let mut frames = Vec::new();
    let mut rest = data.get(32..).unwrap_or_default();
    while let Some((header, after)) = rest.split_first_chunk::<12>() {
        let size = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let frame = after.get(..size).context("the file is cut off")?;
        frames.push(frame.to_vec());
        rest = &after[size..];
    }
    ensure!(frames.first().is_some_and(|frame| is_keyframe(frame)), "it begins with no keyframe");
    Ok(frames)
}

/// RFC 6386 §9.1.
fn is_keyframe(frame: &[u8]) -> bool {
    frame.first().is_some_and(|byte| byte & 1 == 0)
}

/// Sends for ever, in a circle, `most` bits a second and no more.
pub(crate) async fn send(
    transceiver: RtpTransceiver,
    frames: Vec<Vec<u8>>,
    most: u64,
    control: Arc<Control>,
) {
    let target = transceiver.target_bitrate();
    let mut ticks = interval(Duration::from_nanos(1_000_000_000 / FRAMES_PER_SECOND));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut at, mut timestamp, mut budget) = (0, 0_u32, 0_i64);
    let mut paused = true;
    loop {
        ticks.tick().await;
        timestamp = timestamp.wrapping_add(TICKS);
        let bitrate = target.get(0).unwrap_or(0).min(most);
        if bitrate == 0 || control.held.load(Ordering::Relaxed) {
            paused = true;
            continue;
        }
        if control.keyframe_wanted.swap(false, Ordering::Relaxed) || std::mem::take(&mut paused) {
            at = (at..).find(|index| is_keyframe(&frames[index % frames.len()])).unwrap_or(0);
        }
        let frame = &frames[at % frames.len()];
        at += 1;
        // What a frame takes too much the next ones go without.
        budget = (budget + (bitrate / 8 / FRAMES_PER_SECOND) as i64).max(-(bitrate as i64) / 8);
        let size = usize::try_from(budget).unwrap_or(0).max(frame.len());
        budget -= size as i64;
        let mut data = Vec::with_capacity(size);
        data.extend_from_slice(frame);
        data.resize(size, 0);
        control.frames.fetch_add(1, Ordering::Relaxed);
        control.bytes.fetch_add(size as u64, Ordering::Relaxed);
        if let Err(error) = transceiver.send_frame(Frame::new(Bytes::from(data), timestamp)).await {
            eprintln!("source: {error}");
        }
    }
}
