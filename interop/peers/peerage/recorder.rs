//! Writes what comes in to files: WebM or Matroska with both kinds, and for each codec the plain container of its own.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use peerage::media::MediaKind;
use peerage::{EncodedFrame, RtpTransceiver};
use peerage_media::files::{
    AnnexBWriter, IvfHeader, IvfWriter, MatroskaTracks, MatroskaVideo, MatroskaWriter, ObuWriter,
    OggOpusWriter, OpusHead,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::text;

type Out = BufWriter<File>;

/// Opus in WebRTC is always offered with two channels (RFC 7587 §7).
const CHANNELS: u8 = 2;

/// RTP clocks of video (RFC 3551 §5) and of Opus (RFC 7587 §4.1).
const VIDEO_CLOCK: u64 = 90_000;
const OPUS_CLOCK: u64 = 48_000;

/// Timestamps of one track, without wrap.
#[derive(Default)]
struct Timeline {
    /// The first frame: when it came, after the beginning of the file.
    begins: Duration,
    last: Option<u32>,
    ticks: u64,
}

impl Timeline {
    /// Ticks since the track's first frame; `None` for one that is out of order.
    fn take(&mut self, timestamp: u32, since_start: Duration) -> Option<u64> {
        match self.last {
            None => self.begins = since_start,
            Some(last) => {
                let step = timestamp.wrapping_sub(last);
                if step > u32::MAX / 2 {
                    return None;
                }
                self.ticks += u64::from(step);
            }
        }
        self.last = Some(timestamp);
        Some(self.ticks)
    }

    fn time(&self, ticks: u64, clock: u64) -> Duration {
        self.begins + Duration::from_micros(ticks * 1_000_000 / clock)
    }
}

/// The container that a codec has of its own.
enum Plain {
    Ivf(IvfWriter<Out>),
    AnnexB(AnnexBWriter<Out>),
    /// AV1 has two.
    Av1(IvfWriter<Out>, ObuWriter<Out>),
}

struct Video {
    matroska: MatroskaWriter<Out>,
    plain: Plain,
}

/// Files under way.
struct Files {
    prefix: PathBuf,
    codec: String,
    start: Option<Instant>,
    /// From the first keyframe on.
    video: Option<Video>,
    ogg: Option<OggOpusWriter<Out>>,
    times: [Timeline; 2],
    written: Vec<PathBuf>,
    video_frames: u64,
    keyframes: u64,
    /// Packets in the Ogg file, and those in the Matroska file, which begins with the first picture.
    audio_packets: u64,
    audio_muxed: u64,
    /// Ticks of the first packet in the Matroska file.
    muxed_from: u64,
    /// Samples of silence that stand for packets that did not come.
    filled: u64,
    error: Option<String>,
}

/// See the module.
pub(crate) struct Recorder {
    files: Arc<Mutex<Option<Files>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Recorder {
    /// `record`: everything from now on, to files whose names begin with `prefix`; `video` names the codec.
    pub(crate) fn new(fields: &Value) -> Result<Self> {
        let files = Files {
            prefix: text(fields, "prefix")?.into(),
            codec: fields["video"].as_str().unwrap_or("").to_ascii_uppercase(),
            start: None,
            video: None,
            ogg: None,
            times: Default::default(),
            written: Vec::new(),
            video_frames: 0,
            keyframes: 0,
            audio_packets: 0,
            audio_muxed: 0,
            muxed_from: 0,
            filled: 0,
            error: None,
        };
        Ok(Self { files: Arc::new(Mutex::new(Some(files))), tasks: Mutex::default() })
    }

    /// Writes what comes in on a transceiver.
    pub(crate) fn take(&self, transceiver: RtpTransceiver) {
        let files = Arc::clone(&self.files);
        let task = tokio::spawn(async move {
            while let Some(received) = transceiver.recv_frame().await {
                let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(files) = files.as_mut() else { return };
                let written = match transceiver.kind() {
                    MediaKind::Audio => files.audio(&received.frame),
                    MediaKind::Video => files.video(&received.frame),
                };
                if let Err(error) = written {
                    files.error.get_or_insert(format!("{error:#}"));
                }
            }
        });
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// `recorded`: how far it is; with `end` the files are finished.
    pub(crate) fn told(&self, end: bool) -> Result<Value> {
        let mut guard = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut files = guard.take().context("the recording has ended")?;
        if end {
            files.finish()?;
        }
        let ms = |index: usize, clock: u64| files.times[index].ticks * 1000 / clock;
        let told = json!({
            "files": files.written,
            "error": files.error,
            "video_frames": files.video_frames,
            "keyframes": files.keyframes,
            "video_ms": ms(1, VIDEO_CLOCK),
            "audio_packets": files.audio_packets,
            "audio_muxed": files.audio_muxed,
            "audio_ms": ms(0, OPUS_CLOCK),
            "audio_muxed_ms": (files.times[0].ticks - files.muxed_from) * 1000 / OPUS_CLOCK,
            "filled_ms": files.filled * 1000 / OPUS_CLOCK,
        });
        if !end {
            *guard = Some(files);
        }
        Ok(told)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}

impl Files {
    fn open(&mut self, ending: &str) -> Result<Out> {
        let path = self.prefix.with_extension(ending);
        let file = File::create(&path).with_context(|| format!("{}", path.display()))?;
        self.written.push(path);
        Ok(BufWriter::new(file))
    }

    fn since_start(&mut self) -> Duration {
        self.start.get_or_insert_with(Instant::now).elapsed()
    }

    fn audio(&mut self, frame: &EncodedFrame) -> Result<()> {
        let since = self.since_start();
        let Some(ticks) = self.times[0].take(frame.timestamp, since) else { return Ok(()) };
        if self.ogg.is_none() {
            let out = self.open("ogg")?;
            self.ogg = Some(OggOpusWriter::new(out, &OpusHead::new(CHANNELS), 1)?);
        }
        if let Some(ogg) = &mut self.ogg {
            let missing = ticks.saturating_sub(ogg.samples());
            if missing > 0 {
                ogg.skip(missing)?;
                self.filled += missing;
            }
            ogg.write_packet(&frame.data)?;
            self.audio_packets += 1;
        }
        if let Some(video) = &mut self.video {
            video.matroska.write_audio(self.times[0].time(ticks, OPUS_CLOCK), &frame.data)?;
            if self.audio_muxed == 0 {
                self.muxed_from = ticks;
            }
            self.audio_muxed += 1;
        }
        Ok(())
    }

    fn video(&mut self, frame: &EncodedFrame) -> Result<()> {
        let since = self.since_start();
        if self.video.is_none() {
            if !frame.keyframe {
                return Ok(());
            }
            self.video = Some(self.begin(frame)?);
        }
        let Some(ticks) = self.times[1].take(frame.timestamp, since) else { return Ok(()) };
        let Some(video) = &mut self.video else { return Ok(()) };
        let time = self.times[1].time(ticks, VIDEO_CLOCK);
        video.matroska.write_video(time, frame.keyframe, &frame.data)?;
        match &mut video.plain {
            Plain::Ivf(ivf) => ivf.write_frame(ticks, &frame.data)?,
            Plain::AnnexB(annex_b) => annex_b.write_frame(&frame.data)?,
            Plain::Av1(ivf, obu) => {
                ivf.write_frame(ticks, &frame.data)?;
                obu.write_frame(&frame.data)?;
            }
        }
        self.video_frames += 1;
        self.keyframes += u64::from(frame.keyframe);
        Ok(())
    }

    fn begin(&mut self, keyframe: &EncodedFrame) -> Result<Video> {
        let (width, height) = keyframe.dimensions.unwrap_or_default();
        let (codec, fourcc) = match self.codec.as_str() {
            "VP8" => (MatroskaVideo::Vp8, IvfHeader::VP8),
            "VP9" => (MatroskaVideo::Vp9, IvfHeader::VP9),
            "AV1" => (MatroskaVideo::Av1, IvfHeader::AV1),
            "H264" => (MatroskaVideo::H264, [0; 4]),
            other => anyhow::bail!("no file for {other}"),
        };
        let ending = if codec == MatroskaVideo::H264 { "mkv" } else { "webm" };
        let tracks = MatroskaTracks {
            video: Some((codec, width, height)),
            audio: Some(OpusHead { pre_skip: 0, ..OpusHead::new(CHANNELS) }),
        };
        let matroska = MatroskaWriter::new(self.open(ending)?, tracks)?;
        let header = IvfHeader::new(fourcc, width, height);
        let plain = match codec {
            MatroskaVideo::H264 => Plain::AnnexB(AnnexBWriter::new(self.open("h264")?)),
            MatroskaVideo::Av1 => Plain::Av1(
                IvfWriter::new(self.open("ivf")?, header)?,
                ObuWriter::new(self.open("obu")?),
            ),
            _ => Plain::Ivf(IvfWriter::new(self.open("ivf")?, header)?),
        };
        Ok(Video { matroska, plain })
    }

    fn finish(&mut self) -> Result<()> {
        if let Some(video) = self.video.take() {
            video.matroska.finish_seekable()?;
            match video.plain {
                Plain::Ivf(ivf) => drop(ivf.finish_seekable()?),
                Plain::AnnexB(annex_b) => drop(annex_b.finish()?),
                Plain::Av1(ivf, obu) => {
                    ivf.finish_seekable()?;
                    obu.finish()?;
                }
            }
        }
        if let Some(ogg) = self.ogg.take() {
            ogg.finish()?;
        }
        Ok(())
    }
}

/// The folder that files of a prefix lie in, made if it is not there.
pub(crate) fn prepare(prefix: &Path) -> Result<()> {
    let folder = prefix.parent().context("a prefix without a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))
}
