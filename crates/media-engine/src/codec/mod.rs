//! Encoders and decoders behind four small traits, so that everything else of the engine is written once for all codecs.
//! Which of them exist is said by the crate's features; which is used, by negotiation.

mod audio;
#[cfg(feature = "av1")]
pub mod av1;
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
#[cfg(any(feature = "av1", feature = "vpx"))]
mod layered;
#[cfg(any(feature = "av1", feature = "h264", feature = "vpx"))]
mod limits;
#[cfg(feature = "opus")]
pub mod opus;
mod video;
#[cfg(feature = "vpx")]
pub mod vpx;

pub use audio::{AudioDecoder, AudioEncoder, AudioTarget, Concealment};
pub use error::CodecError;
pub use factory::{BuiltIn, CodecFactory, CodecSpec};
#[cfg(any(feature = "av1", feature = "h264", feature = "vpx"))]
pub use limits::MAX_LUMA;
pub use video::{
    Content, EncodedPicture, PictureRequest, VideoDecoder, VideoEncoder, VideoEncoderInfo,
    VideoEncoderSettings, VideoTarget,
};
