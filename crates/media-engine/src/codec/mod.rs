//! Encoders and decoders behind four small traits, so that everything else of the engine is written once for all codecs.
//! Which of them exist is said by the crate's features; which is used, by negotiation.

mod audio;
pub mod comfort_noise;
mod error;
mod factory;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
#[cfg(feature = "g711")]
pub mod g711;
#[cfg(feature = "g722")]
pub mod g722;
#[cfg(feature = "h264")]
pub mod h264;
#[cfg(feature = "opus")]
pub mod opus;
mod video;
#[cfg(feature = "vpx")]
pub mod vpx;

pub use audio::{AudioDecoder, AudioEncoder, AudioTarget, Concealment};
pub use error::CodecError;
pub use factory::{BuiltIn, CodecFactory, CodecSpec};
pub use video::{
    EncodedPicture, PictureRequest, VideoDecoder, VideoEncoder, VideoEncoderInfo, VideoTarget,
};
