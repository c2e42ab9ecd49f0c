//! Opus (RFC 6716, RFC 7587) by libopus, on the traits of codecs.

mod decoder;
mod encoder;

pub use decoder::OpusDecoder;
pub use encoder::{OpusEncoder, OpusEncoderConfig};

use super::CodecError;

const CODEC: &str = "Opus";

/// The error of the library as one of codecs.
fn library(error: peerage_opus::Error) -> CodecError {
    CodecError::Library { codec: CODEC, reason: error.to_string() }
}

/// A rate or number of channels that Opus does not have.
fn format_error(rate: u32, channels: usize) -> CodecError {
    CodecError::Argument {
        codec: CODEC,
        what: "the format",
        value: format!("{rate} samples a second in {channels} channels"),
        expected: "8, 12, 16, 24 or 48 thousand in one or two".into(),
    }
}

#[cfg(test)]
mod tests;
