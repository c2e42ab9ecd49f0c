//! Plays encoded files into the tracks of a connection, over and over, each frame when it is due. Where the peer asks for a
//! keyframe, the rest of the group of pictures is left out.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use peerage::media::MediaKind;
use peerage::{Bytes, Frame, FrameInfo, PeerConnection, RtpTransceiver, TransceiverHandle};
use peerage_media::files::{
    AnnexBCodec, AnnexBReader, IvfHeader, IvfReader, ObuReader, ObuStreamFormat, OggOpusReader,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::text;

/// RTP clocks of video (RFC 3551 §5) and of Opus (RFC 7587 §4.1).
const VIDEO_CLOCK: u32 = 90_000;
const OPUS_CLOCK: u32 = 48_000;

/// Frames of one file that are held in memory.
const FRAME_LIMIT: usize = 20_000;

/// The type of an OBU with a sequence header, which AV1 keyframes begin with (AV1 specification §6.2.2).
const SEQUENCE_HEADER: u8 = 1;

/// A frame of a file: its bytes, how many ticks it lasts, and whether decoding can begin with it.
#[derive(Debug)]
struct Stored {
    data: Bytes,
    ticks: u32,
    keyframe: bool,
}

/// A file that plays.
struct Track {
    handle: TransceiverHandle,
    encoding: usize,
    wants_keyframe: AtomicBool,
    sent: AtomicU64,
    /// Frames left out on the way to a keyframe.
    skipped: AtomicU64,
    /// Times the peer asked for a keyframe.
    requests: AtomicU64,
}

/// The files that a connection plays.
#[derive(Default)]
pub(crate) struct Player {
    tracks: Mutex<Vec<Arc<Track>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Player {
    /// `play`: each of `tracks` is a `file`, a `kind` and, with several layers, an `encoding`; `rate` is that of files that
    /// have no timestamps.
    pub(crate) async fn play(&self, pc: &PeerConnection, fields: &Value) -> Result<()> {
        let all = pc.transceivers().await?;
        let start = Instant::now();
        for wanted in fields["tracks"].as_array().context("`play` lacks `tracks`")? {
            let kind = match text(wanted, "kind")? {
                "audio" => MediaKind::Audio,
                _ => MediaKind::Video,
            };
            let transceiver = all.iter().find(|transceiver| transceiver.kind() == kind);
            let transceiver = transceiver.context("there is no such transceiver")?.clone();
            let rate = wanted["rate"].as_u64().unwrap_or(30) as u32;
            let (clock, frames) = read(Path::new(text(wanted, "file")?), rate)?;
            let track = Arc::new(Track {
                handle: transceiver.handle(),
                encoding: wanted["encoding"].as_u64().unwrap_or(0) as usize,
                wants_keyframe: AtomicBool::new(false),
                sent: AtomicU64::new(0),
                skipped: AtomicU64::new(0),
                requests: AtomicU64::new(0),
            });
            self.tracks.lock().unwrap_or_else(PoisonError::into_inner).push(track.clone());
            let task = tokio::spawn(run(transceiver, track, clock, frames, start));
            self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        }
        Ok(())
    }

    /// The peer asks for a keyframe; true if a file plays there.
    pub(crate) fn keyframe_requested(&self, handle: TransceiverHandle, encoding: usize) -> bool {
        let tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        let track = tracks.iter().find(|t| t.handle == handle && t.encoding == encoding);
        if let Some(track) = track {
            track.requests.fetch_add(1, Ordering::Relaxed);
            track.wants_keyframe.store(true, Ordering::Relaxed);
        }
        track.is_some()
    }

    /// `played`: for each track what was sent and left out.
    pub(crate) fn statistics(&self) -> Value {
        let tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        let told = tracks.iter().map(|track| {
            json!({
                "sent": track.sent.load(Ordering::Relaxed),
                "skipped": track.skipped.load(Ordering::Relaxed),
                "requests": track.requests.load(Ordering::Relaxed),
            })
        });
        json!({"tracks": told.collect::<Vec<_>>()})
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}

async fn run(
    transceiver: RtpTransceiver,
    track: Arc<Track>,
    clock: u32,
    frames: Vec<Stored>,
    start: Instant,
) {
    let (mut index, mut ticks) = (0, 0_u64);
    loop {
        tokio::time::sleep_until(start + Duration::from_secs_f64(ticks as f64 / f64::from(clock)))
            .await;
        if track.wants_keyframe.swap(false, Ordering::Relaxed) {
            let ahead =
                (0..frames.len()).find(|ahead| frames[(index + ahead) % frames.len()].keyframe);
            let ahead = ahead.unwrap_or(0);
            track.skipped.fetch_add(ahead as u64, Ordering::Relaxed);
            index = (index + ahead) % frames.len();
        }
        let stored = &frames[index];
        let info = FrameInfo { keyframe: Some(stored.keyframe), ..FrameInfo::default() };
        let frame = Frame::new(stored.data.clone(), ticks as u32).with_info(info);
        match transceiver.send_frame_on(track.encoding, frame).await {
            Ok(()) => drop(track.sent.fetch_add(1, Ordering::Relaxed)),
            Err(peerage::Error::ConnectionClosed) => return,
            Err(error) => eprintln!("play: {error}"),
        }
        ticks += u64::from(stored.ticks);
        index = (index + 1) % frames.len();
    }
}

/// Reads a file, by its ending: the clock of its timestamps, and its frames.
fn read(path: &Path, rate: u32) -> Result<(u32, Vec<Stored>)> {
    let what = || format!("{}", path.display());
    let file = std::io::BufReader::new(std::fs::File::open(path).with_context(what)?);
    let even = VIDEO_CLOCK / rate.max(1);
    let mut frames = Vec::new();
    let clock = match path.extension().and_then(|ending| ending.to_str()) {
        Some("ivf") => {
            let reader = IvfReader::new(file).with_context(what)?;
            let header = *reader.header();
            let (denominator, numerator) =
                (u64::from(header.timebase_denominator), u64::from(header.timebase_numerator));
            ensure!(denominator > 0, "{}: no time base", path.display());
            let time = |stamp: u64| stamp * u64::from(VIDEO_CLOCK) * numerator / denominator;
            let mut times = Vec::new();
            for frame in reader.take(FRAME_LIMIT) {
                let frame = frame.with_context(what)?;
                times.push(time(frame.timestamp));
                let keyframe = is_keyframe(header.fourcc, &frame.data);
                frames.push(Stored { data: frame.data, ticks: even, keyframe });
            }
            for (stored, pair) in frames.iter_mut().zip(times.windows(2)) {
                stored.ticks = pair[1].saturating_sub(pair[0]) as u32;
            }
            VIDEO_CLOCK
        }
        Some("h264") => {
            for unit in AnnexBReader::new(file, AnnexBCodec::H264).take(FRAME_LIMIT) {
                let unit = unit.with_context(what)?;
                frames.push(Stored { data: unit.data, ticks: even, keyframe: unit.keyframe });
            }
            VIDEO_CLOCK
        }
        Some("obu") => {
            for unit in ObuReader::new(file, ObuStreamFormat::LowOverhead).take(FRAME_LIMIT) {
                let data = unit.with_context(what)?;
                let keyframe = is_keyframe(IvfHeader::AV1, &data);
                frames.push(Stored { data, ticks: even, keyframe });
            }
            VIDEO_CLOCK
        }
        Some("ogg" | "opus") => {
            for packet in OggOpusReader::new(file).with_context(what)?.take(FRAME_LIMIT) {
                let packet = packet.with_context(what)?;
                frames.push(Stored { data: packet.data, ticks: packet.duration, keyframe: true });
            }
            OPUS_CLOCK
        }
        other => bail!("{}: files of kind {other:?} are not played", path.display()),
    };
    ensure!(
        frames.iter().any(|frame| frame.keyframe) && frames.iter().all(|frame| frame.ticks > 0),
        "{}: there is no keyframe, or a frame without duration",
        path.display()
    );
    Ok((clock, frames))
}

fn is_keyframe(fourcc: [u8; 4], data: &[u8]) -> bool {
    let Some(&first) = data.first() else { return false };
    match fourcc {
        // RFC 6386 §9.1: the lowest bit is clear.
        IvfHeader::VP8 => first & 1 == 0,
        // VP9 specification §6.2, profile 0: neither show_existing_frame nor frame_type is set.
        IvfHeader::VP9 => first & 0x0C == 0,
        IvfHeader::AV1 => obu_types(data).any(|kind| kind == SEQUENCE_HEADER),
        _ => false,
    }
}

/// The types of the OBUs of a temporal unit.
fn obu_types(mut data: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let &header = data.first()?;
        let mut at = if header & 4 != 0 { 2 } else { 1 };
        let mut size = 0_usize;
        for shift in (0..).step_by(7).take(5) {
            let &byte = data.get(at)?;
            at += 1;
            size |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        data = data.get(at..).and_then(|rest| rest.get(size..)).unwrap_or_default();
        Some(header >> 3 & 15)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframes_are_told_by_their_first_bytes() {
        assert!(is_keyframe(IvfHeader::VP8, &[0x10]) && !is_keyframe(IvfHeader::VP8, &[0x11]));
        assert!(is_keyframe(IvfHeader::VP9, &[0x82]) && !is_keyframe(IvfHeader::VP9, &[0x86]));
        // A temporal delimiter, then a sequence header of one byte; a frame alone.
        assert!(is_keyframe(IvfHeader::AV1, &[0x12, 0, 0x0A, 1, 0]));
        assert!(!is_keyframe(IvfHeader::AV1, &[0x12, 0, 0x32, 1, 0]));
        assert!(!is_keyframe(IvfHeader::AV1, &[]));
    }

    #[test]
    fn a_file_is_read_with_the_time_that_each_frame_lasts() {
        let folder = std::env::temp_dir().join(format!("peerage-player-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("two.ivf");
        let mut out = Vec::new();
        let header = IvfHeader { timebase_denominator: 30, ..IvfHeader::new(IvfHeader::VP8, 4, 4) };
        let mut writer = peerage_media::files::IvfWriter::new(&mut out, header).unwrap();
        for (time, data) in [(0, [0x10]), (2, [0x11])] {
            writer.write_frame(time, &data).unwrap();
        }
        writer.finish().unwrap();
        std::fs::write(&path, out).unwrap();
        let (clock, frames) = read(&path, 25).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(clock, VIDEO_CLOCK);
        let told: Vec<_> = frames.iter().map(|frame| (frame.ticks, frame.keyframe)).collect();
        assert_eq!(told, [(6000, true), (3600, false)]);
        assert!(read(Path::new("nothing.ivf"), 25).is_err());
    }
}
