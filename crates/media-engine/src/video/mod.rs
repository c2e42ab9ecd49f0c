//! Pictures: frames of samples, and what is done with them between a camera, the network and a screen.

mod frame;
pub mod jitter;
pub mod pattern;

pub use frame::{I420, MAX_DIMENSION, Plane, Rotation, VideoFrame};
