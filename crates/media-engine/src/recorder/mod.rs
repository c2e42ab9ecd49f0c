//! Tracks into files: encoded or as they are, with sound and pictures in step.
//!
//! ```no_run
//! # use peerage_media::track::MediaStream;
//! # fn record(stream: &MediaStream) -> Result<(), peerage_media::recorder::RecordError> {
//! use std::sync::Arc;
//! use peerage_media::codec::BuiltIn;
//! use peerage_media::recorder::{Recorder, RecorderOptions};
//!
//! let recorder = Recorder::begin("call.webm", stream, RecorderOptions::default(), Arc::new(BuiltIn))?;
//! // ... the call ...
//! let summary = recorder.finish()?;
//! println!("{} pictures in {:?}", summary.pictures, summary.duration);
//! # Ok(())
//! # }
//! ```

mod anchor;
mod error;
mod options;
mod output;
mod recording;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use error::RecordError;
pub use options::{Container, RecordedVideo, RecorderOptions};
pub use recording::{Recording, RecordingSummary};

use crate::audio::AudioFrame;
use crate::codec::CodecFactory;
use crate::track::{AudioTrack, MediaStream, Sink, SinkError, VideoTrack};
use crate::video::VideoFrame;

/// Pictures that may wait for the encoder.
const PICTURES: usize = 8;
/// Blocks of sound that may: a second.
const BLOCKS: usize = 100;
/// How long the thread rests where nothing has come.
const REST: Duration = Duration::from_millis(5);

/// Records tracks into a file in a thread of its own, until it is told to [`finish`](Self::finish) or the tracks have ended.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<RecordingSummary, RecordError>>>,
}

impl Recorder {
    /// Records the first track of sound and the first of pictures of a stream, whichever it has, into a file whose name says of
    /// which kind it is (`.webm`, `.mkv`, `.ivf`, `.ogg`, `.wav`, `.y4m`). Of a stream of both kinds, the ones that hold but
    /// one take that.
    ///
    /// # Errors
    ///
    /// The file cannot be made, has no place for what there is, or there is no encoder for it. What was there under its name
    /// is lost only where all is well.
    pub fn begin(
        path: impl AsRef<Path>,
        stream: &MediaStream,
        options: RecorderOptions,
        codecs: Arc<dyn CodecFactory>,
    ) -> Result<Self, RecordError> {
        let path = path.as_ref();
        let container = Container::of(path)?;
        let audio = stream.audio_tracks().into_iter().next();
        let video = stream.video_tracks().into_iter().next();
        let (audio, video) = match (audio, video) {
            (Some(audio), Some(video)) => (
                container.holds_sound().then_some(audio),
                container.holds_pictures().then_some(video),
            ),
            either => either,
        };
        // What cannot be is said before there is a file.
        let (has_audio, has_video) = (audio.is_some(), video.is_some());
        Recording::new(std::io::Cursor::new(Vec::new()), container, options, has_audio, has_video)?;
        check_codecs(container, options, has_audio, has_video, &*codecs)?;
        let create = |error| RecordError::Create { path: path.to_owned(), error };
        let writer = BufWriter::new(File::create(path).map_err(create)?);
        let recording = Recording::new(writer, container, options, has_audio, has_video)?;
        let over = Arc::new(AtomicBool::new(false));
        let inputs = Inputs {
            audio: audio.map(|track| (track.sink(BLOCKS), track)),
            video: video.map(|track| (track.sink(PICTURES), track)),
        };
        let told = over.clone();
        let thread = std::thread::Builder::new()
            .name("peerage recorder".to_owned())
            .spawn(move || run(recording, inputs, &told, &*codecs))
            .map_err(RecordError::Thread)?;
        Ok(Self { path: path.to_owned(), over, thread: Some(thread) })
    }

    /// Whether it still records: not once the tracks have ended, or something has failed.
    pub fn is_recording(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Ends the file. Waits for the last frame to be written: not to be called where nothing may block.
    ///
    /// # Errors
    ///
    /// What went wrong since it began. What came before that is in the file, as far as it could be ended.
    pub fn finish(mut self) -> Result<RecordingSummary, RecordError> {
        self.over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().unwrap_or_else(|| unreachable!("it is taken once"));
        let result = thread.join().unwrap_or(Err(RecordError::Panicked));
        let path = std::mem::take(&mut self.path);
        result.map_err(|error| RecordError::BrokeOff { path, error: Box::new(error) })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // The thread ends the file by itself.
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Where frames come from. The tracks are held, so that they do not end with their last handle.
struct Inputs {
    audio: Option<(Sink<AudioFrame>, AudioTrack)>,
    video: Option<(Sink<VideoFrame>, VideoTrack)>,
}

/// Whether there are encoders for what a container is to hold: who is told only by the first frame has recorded nothing.
fn check_codecs(
    container: Container,
    options: RecorderOptions,
    audio: bool,
    video: bool,
    codecs: &dyn CodecFactory,
) -> Result<(), RecordError> {
    let (opus, pictures) = (recording::opus(), recording::pictures(options));
    if audio && container != Container::Wav && !codecs.encodes(&opus) {
        codecs.audio_encoder(&opus)?;
    }
    if video && container != Container::Y4m && !codecs.encodes(&pictures) {
        codecs.video_encoder(&pictures)?;
    }
    Ok(())
}

fn run(
    mut recording: Recording<BufWriter<File>>,
    mut inputs: Inputs,
    over: &AtomicBool,
    codecs: &dyn CodecFactory,
) -> Result<RecordingSummary, RecordError> {
    let result = take(&mut recording, &mut inputs, over, codecs);
    // Whatever went wrong, what is there is a file that plays. What was wrong first is told.
    let summary = recording.finish();
    result.and(summary)
}

/// Records until it is over.
fn take(
    recording: &mut Recording<BufWriter<File>>,
    inputs: &mut Inputs,
    over: &AtomicBool,
    codecs: &dyn CodecFactory,
) -> Result<(), RecordError> {
    // What waits when it is over is taken still, but not what goes on coming.
    let mut left = BLOCKS + PICTURES;
    while inputs.audio.is_some() || inputs.video.is_some() {
        let last = over.load(Ordering::Relaxed);
        let mut idle = true;
        if let Some((sink, _)) = &mut inputs.audio {
            match sink.try_recv() {
                Ok(frame) => {
                    recording.audio(&frame, Instant::now(), codecs)?;
                    sink.recycle(frame);
                    idle = false;
                }
                Err(SinkError::Ended) => inputs.audio = None,
                Err(_) => {}
            }
        }
        if let Some((sink, _)) = &mut inputs.video {
            match sink.try_recv() {
                Ok(frame) => {
                    recording.video(&frame, Instant::now(), codecs)?;
                    idle = false;
                }
                Err(SinkError::Ended) => inputs.video = None,
                Err(_) => {}
            }
        }
        if last {
            left = left.saturating_sub(1);
            if idle || left == 0 {
                break;
            }
        }
        if idle {
            std::thread::sleep(REST);
        }
    }
    Ok(())
}
