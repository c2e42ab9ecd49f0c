#![doc = include_str!("../README.md")]
#![cfg(feature = "libaom")]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod config;
mod encoder;
mod error;
mod ffi;

pub use config::{EncoderConfig, LayerRates, MAX_SPATIAL_LAYERS, MAX_TEMPORAL_LAYERS};
pub use encoder::{Encoder, Layer, Packet, Planes, version};
pub use error::Error;
