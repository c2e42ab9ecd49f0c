//! Pictures: frames of samples, and what is done with them between a camera, the network and a screen.

pub mod adaptation;
mod area;
pub mod convert;
pub mod enhance;
mod error;
mod frame;
pub mod jitter;
pub mod pattern;
mod pool;
pub mod scale;
#[cfg(feature = "png")]
pub mod snapshot;

pub use area::Area;
pub use error::PictureError;
pub use frame::{I420, MAX_DIMENSION, Plane, Rotation, VideoFrame};
pub use pool::PicturePool;
