#![doc = include_str!("../README.md")]
#![cfg(feature = "libvpx")]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod config;
mod context;
mod decoder;
mod encoder;
mod error;
mod vp9_header;

pub use config::{EncoderConfig, LayerRates, MAX_SPATIAL_LAYERS, MAX_TEMPORAL_LAYERS};
pub use context::{Codec, version};
pub use decoder::{Decoder, Picture};
pub use encoder::{Encoder, Flags, Packet, Planes};
pub use error::Error;
