//! When each picture is decoded and shown: early enough to be in time, late enough for those that take longer through the network.
//!
//! ```text
//! EncodedFrame ─▶ timeline (RTP timestamp ─▶ local time) ─▶ delay estimate ─▶ wait ─▶ poll: decode this ─▶ decoder
//!                                                                               └▶ ask for a keyframe       │
//! sinks ◀─ PictureQueue: due at its render time ◀──────────────────────────────────────────────────────────┘
//! ```
//!
//! Frames come from `peerage-rtp`'s assembler, which knows what refers to what and only gives what can be decoded; here is all that
//! depends on time. Delays follow the deviation of arrivals from the sender's clock, of which a Kalman filter takes off what the
//! size of frames explains; playout-delay, `jitterBufferTarget` and synchronisation with sound may ask for more. Whoever drives the
//! buffer hands in the time.

mod buffer;
mod delay;
mod estimator;
mod freezes;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod kalman;
mod queue;
mod repairs;
mod statistics;
mod timeline;

pub use buffer::{Arrived, JitterConfig, JitterEvent, ReadyFrame, VideoJitterBuffer};
pub use freezes::{FREEZE_PICTURES, FreezeCounter};
pub use queue::PictureQueue;
pub use statistics::VideoJitterStatistics;

#[cfg(test)]
mod tests;
