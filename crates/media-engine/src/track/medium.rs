//! What a track can carry: sound or pictures.

use std::sync::Arc;
use std::time::Duration;

use super::TrackSettings;
use crate::audio::AudioFrame;
use crate::video::scale::Scaler;
use crate::video::{Area, I420, MAX_DIMENSION, PicturePool, VideoFrame};

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrackKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

impl TrackKind {
    /// `audio` or `video`, as W3C names them.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

/// Sound or pictures: how they are copied, left out and made blank.
pub trait Medium: Clone + Send + sealed::Sealed + 'static {
    /// Which.
    const KIND: TrackKind;
    /// What a track remembers from one to the next.
    #[doc(hidden)]
    type Memory: std::fmt::Debug + Default + Send;

    /// Copies it, into memory that is not needed any more where there is some.
    #[doc(hidden)]
    fn copy(&self, spare: Option<Self>) -> Self;
    /// Makes silence or black of a copy.
    #[doc(hidden)]
    fn blank(&mut self, memory: &mut Self::Memory);
    /// Brings it to what the settings of a track say.
    #[doc(hidden)]
    fn adapt(&mut self, _: &TrackSettings, _: &mut Self::Memory) {}
    /// Whether a track of these settings passes it on.
    #[doc(hidden)]
    fn passes(&self, settings: &TrackSettings, memory: &mut Self::Memory) -> bool;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::audio::AudioFrame {}
    impl Sealed for crate::video::VideoFrame {}
}

impl Medium for AudioFrame {
    const KIND: TrackKind = TrackKind::Audio;
    type Memory = ();

    fn copy(&self, spare: Option<Self>) -> Self {
        match spare {
            Some(mut spare) => {
                spare.block.copy_from(&self.block);
                spare.time = self.time;
                spare
            }
            None => self.clone(),
        }
    }

    fn blank(&mut self, (): &mut ()) {
        self.block.samples_mut().fill(0.0);
    }

    fn passes(&self, _: &TrackSettings, (): &mut ()) -> bool {
        // A block that was never filled is no sound.
        self.block.channels() > 0 && self.block.rate() > 0
    }
}

/// What a track of pictures remembers.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct VideoMemory {
    /// A black picture of the last size.
    black: Option<Arc<I420>>,
    scaler: Scaler,
    /// Pictures that were scaled, to be used again once nobody looks at them.
    scaled: Option<PicturePool>,
    /// When the next picture is due, where not all are passed on.
    next: Option<Duration>,
}

/// Scaled pictures that are kept to be used again: sinks hold some.
const POOL: usize = 8;
/// The longest distance of pictures that is kept to.
const RAREST: Duration = Duration::from_secs(3_600);
/// Pictures that come this part of their distance too soon are not too soon: cameras are not exact.
const EARLY: u32 = 4;

impl Medium for VideoFrame {
    const KIND: TrackKind = TrackKind::Video;
    type Memory = VideoMemory;

    fn copy(&self, _: Option<Self>) -> Self {
        self.clone()
    }

    fn blank(&mut self, memory: &mut VideoMemory) {
        let size = (self.picture.width(), self.picture.height());
        let black = memory.black.take_if(|black| (black.width(), black.height()) == size);
        let black = black.unwrap_or_else(|| Arc::new(I420::black(size.0, size.1)));
        self.picture = memory.black.insert(black).clone();
    }

    fn adapt(&mut self, settings: &TrackSettings, memory: &mut VideoMemory) {
        let Some((width, height)) = settings.size.filter(|size| size.0 > 0 && size.1 > 0) else {
            return;
        };
        let have = (self.picture.width(), self.picture.height());
        // Never larger, and turned as the picture is.
        let (width, height) = (width.min(have.0).min(MAX_DIMENSION), height.min(have.1));
        if (width, height) == have {
            return;
        }
        let area = Area::of_ratio(have.0, have.1, (width, height));
        let pool = memory.scaled.get_or_insert_with(|| PicturePool::new(POOL));
        let scaler = &mut memory.scaler;
        let scaled = pool.take(width, height, |picture| scaler.scale(&self.picture, area, picture));
        // Refused is only what is not a part of the picture.
        if let Ok(scaled) = scaled {
            self.picture = scaled;
        }
    }

    fn passes(&self, settings: &TrackSettings, memory: &mut VideoMemory) -> bool {
        let rate = settings.frame_rate.filter(|rate| rate.is_finite() && *rate > 0.0);
        let interval = rate.and_then(|rate| Duration::try_from_secs_f32(1.0 / rate).ok());
        let Some(interval) = interval.map(|interval| interval.min(RAREST)) else {
            memory.next = None;
            return true;
        };
        // A clock that jumps begins anew.
        let next = memory.next.filter(|next| next.abs_diff(self.time) <= 2 * interval);
        let due = next.unwrap_or(self.time);
        if self.time.saturating_add(interval / EARLY) < due {
            return false;
        }
        memory.next = Some(due.saturating_add(interval));
        true
    }
}
