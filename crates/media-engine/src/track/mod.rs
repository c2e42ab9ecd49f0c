//! Tracks and streams as W3C's Media Capture and Streams has them: one source, many tracks, many sinks for each.
//!
//! ```text
//! Source ──push──▶ Track ──▶ Sink   a bounded queue: what is not taken in time is dropped, the oldest first
//!             │          └─▶ Sink
//!             └──▶ Track (a clone, with settings and `enabled` of its own) ──▶ Sink
//! ```
//!
//! Nothing here starts a thread or waits for a consumer: a source is never held up by who looks at it.

mod constrainable;
pub mod constraints;
mod error;
mod few;
mod medium;
mod queue;
mod sink;
mod source;
mod stream;
mod tracks;

pub use constraints::{
    MediaTrackCapabilities, MediaTrackConstraintSet, MediaTrackConstraints, MediaTrackSettings,
    OverconstrainedError,
};
pub use error::SinkError;
pub use medium::{Medium, TrackKind};
pub use sink::Sink;
pub use source::{Source, SourceDescription};
pub use stream::MediaStream;
pub use tracks::{ContentHint, MediaStreamTrack, ReadyState, Track, TrackEvent, TrackSettings};

/// A source of sound.
pub type AudioSource = Source<crate::audio::AudioFrame>;
/// A source of pictures.
pub type VideoSource = Source<crate::video::VideoFrame>;
/// A track of sound.
pub type AudioTrack = Track<crate::audio::AudioFrame>;
/// A track of pictures.
pub type VideoTrack = Track<crate::video::VideoFrame>;

#[cfg(test)]
mod tests;
