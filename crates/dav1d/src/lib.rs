#![doc = include_str!("../README.md")]
#![cfg(feature = "libdav1d")]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod decoder;
mod error;
mod ffi;

pub use decoder::{Decoder, Picture, version};
pub use error::Error;
