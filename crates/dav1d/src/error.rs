//! What goes wrong in dav1d.

use thiserror::Error;

/// Why dav1d did not do what it was asked for. The decoder can be used on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The bitstream cannot be decoded: it is damaged, cut off, or refers to pictures that never came.
    #[error("the bitstream cannot be decoded (error {0})")]
    Damaged(i32),
    /// The picture is larger than the decoder was told to allow.
    #[error("the picture has more than {limit} samples of luma")]
    TooLarge {
        /// What is allowed: width times height.
        limit: u32,
    },
    /// The bitstream is of a kind that is not handed out: other than 8 bits in 4:2:0.
    #[error("the picture is of {bits} bits in {layout}, not of 8 in 4:2:0")]
    Format {
        /// Bits of a sample.
        bits: u32,
        /// How chroma is sampled.
        layout: &'static str,
    },
    /// There is no memory.
    #[error("there is no memory")]
    Memory,
}
