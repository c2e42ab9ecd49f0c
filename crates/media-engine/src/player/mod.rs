//! Media files as sources: decoded, and played at their pace into tracks.
//!
//! ```no_run
//! use std::sync::Arc;
//! use peerage_media::codec::BuiltIn;
//! use peerage_media::player::{MediaPlayer, PlayerOptions};
//!
//! let player = MediaPlayer::open("holiday.webm", PlayerOptions::default(), Arc::new(BuiltIn))?;
//! let stream = player.stream(); // its tracks go where any others go
//! # Ok::<(), peerage_media::player::PlayError>(())
//! ```

mod error;
mod file;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod pace;
mod packets;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use error::{PlayError, PlayErrorKind};
pub use file::{MediaFile, MediaFrame};
use pace::Pace;

use crate::codec::CodecFactory;
use crate::track::{
    AudioSource, AudioTrack, MediaStream, SourceDescription, VideoSource, VideoTrack,
};

/// How a file is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlayerOptions {
    /// It begins anew at its end.
    pub looped: bool,
}

impl PlayerOptions {
    /// Over and over, or once.
    #[must_use]
    pub fn with_looped(self, looped: bool) -> Self {
        Self { looped }
    }
}

/// How late a picture may be before what is late is left out, where the machine cannot decode as fast as it plays.
const MAX_LATE: Duration = Duration::from_millis(500);
/// A file that lasts less is not begun anew more often than this.
const MIN_ROUND: Duration = Duration::from_millis(10);

/// Plays a file into a track of sound and a track of pictures, whichever it has, in a thread of its own. The tracks end with the
/// file; the thread ends with the tracks.
#[derive(Debug)]
pub struct MediaPlayer {
    stream: MediaStream,
    audio: Option<AudioTrack>,
    video: Option<VideoTrack>,
    outcome: Arc<Mutex<Option<PlayError>>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread has.
struct Playing {
    path: PathBuf,
    codecs: Arc<dyn CodecFactory>,
    options: PlayerOptions,
    audio: Option<AudioSource>,
    video: Option<VideoSource>,
}

impl MediaPlayer {
    /// Begins to play a file.
    ///
    /// # Errors
    ///
    /// As [`MediaFile::open`], and where no thread can be begun.
    pub fn open(
        path: impl AsRef<Path>,
        options: PlayerOptions,
        codecs: Arc<dyn CodecFactory>,
    ) -> Result<Self, PlayError> {
        let path = path.as_ref();
        let file = MediaFile::open(path, &*codecs)?;
        let label = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let audio = file.audio_settings().map(|settings| {
            let source = AudioSource::new(label.clone());
            source.describe(SourceDescription::fixed(settings.clone()));
            source
        });
        let video = file.video_settings().map(|settings| {
            let source = VideoSource::new(label.clone());
            source.describe(SourceDescription::fixed(settings.clone()));
            source
        });
        let audio_track = audio.as_ref().map(AudioSource::track);
        let video_track = video.as_ref().map(VideoSource::track);
        let stream = MediaStream::new(
            video_track
                .clone()
                .map(Into::into)
                .into_iter()
                .chain(audio_track.clone().map(Into::into)),
        );
        let outcome = Arc::new(Mutex::new(None));
        let playing = Playing { path: path.to_owned(), codecs, options, audio, video };
        let told = outcome.clone();
        let run = move || {
            let result = playing.run(file);
            *told.lock().unwrap_or_else(PoisonError::into_inner) = result.err();
        };
        let thread = std::thread::Builder::new()
            .name("peerage player".to_owned())
            .spawn(run)
            .map_err(|error| PlayError::new(path, PlayErrorKind::Thread(error)))?;
        Ok(Self { stream, audio: audio_track, video: video_track, outcome, thread: Some(thread) })
    }

    /// Its tracks, as one stream.
    pub fn stream(&self) -> &MediaStream {
        &self.stream
    }

    /// The track of its sound.
    pub fn audio(&self) -> Option<&AudioTrack> {
        self.audio.as_ref()
    }

    /// The track of its pictures.
    pub fn video(&self) -> Option<&VideoTrack> {
        self.video.as_ref()
    }

    /// Whether it goes on.
    pub fn is_playing(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Why it ended before its end, where it did. Told once.
    pub fn take_error(&self) -> Option<PlayError> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends it and its tracks.
    pub fn stop(&mut self) {
        self.stream.tracks().iter().for_each(|track| track.stop());
        if let Some(thread) = self.thread.take() {
            // It never panics, and looks for its tracks between any two frames.
            let _ = thread.join();
        }
    }
}

impl Drop for MediaPlayer {
    fn drop(&mut self) {
        // Tracks that others hold play on.
        self.thread = None;
    }
}

impl Playing {
    fn is_wanted(&self) -> bool {
        self.audio.as_ref().is_some_and(AudioSource::is_wanted)
            || self.video.as_ref().is_some_and(VideoSource::is_wanted)
    }

    fn run(self, mut file: MediaFile) -> Result<(), PlayError> {
        let begin = Instant::now();
        let mut pace = Pace::default();
        let mut late = Duration::ZERO;
        loop {
            let round = pace.last();
            let mut any = false;
            // Looked for between any two pieces of the file, as there may be many of which nothing comes.
            while self.is_wanted() {
                let Some(frame) = file.advance() else { break };
                let Some(mut frame) = frame? else { continue };
                any = true;
                let before = pace.last();
                let due = pace.place(frame.time());
                let now = begin.elapsed();
                match due.saturating_add(late).checked_sub(now) {
                    Some(early) => self.rest(early),
                    // Too slow for it: all that comes is late alike, rather than more and more.
                    None if due >= before && now - (due + late) > MAX_LATE => late = now - due,
                    None => {}
                }
                match &mut frame {
                    MediaFrame::Audio(frame) => {
                        frame.time = due;
                        self.audio.iter().for_each(|source| source.push(frame));
                    }
                    MediaFrame::Video(frame) => {
                        frame.time = due;
                        self.video.iter().for_each(|source| source.push(frame));
                    }
                }
            }
            if !self.is_wanted() {
                return Ok(());
            }
            if !any {
                return Err(PlayError::new(&self.path, PlayErrorKind::Nothing(None)));
            }
            if !self.options.looped {
                return Ok(());
            }
            // The last frame lasts as long as a picture or a block does; what is shorter than that does not spin.
            pace.again(self.last() + MIN_ROUND.saturating_sub(pace.last() - round));
            file = MediaFile::open(&self.path, &*self.codecs)?;
        }
    }

    /// How long the last frame of a file is taken to last.
    fn last(&self) -> Duration {
        match self.video {
            Some(_) => Duration::from_millis(33),
            None => Duration::from_millis(10),
        }
    }

    /// Rests, but not longer than a stop may take.
    fn rest(&self, early: Duration) {
        let end = Instant::now() + early;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if left.is_zero() || !self.is_wanted() {
                return;
            }
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
    }
}
