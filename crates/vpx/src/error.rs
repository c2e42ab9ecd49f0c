//! What goes wrong in libvpx.

use thiserror::Error;

/// Why libvpx did not do what it was asked for. Encoder and decoder can be used on after any of them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The bitstream cannot be decoded: it is damaged, cut off, or refers to pictures that never came.
    #[error("{codec}: the bitstream cannot be decoded: {reason}")]
    Damaged {
        /// `VP8` or `VP9`.
        codec: &'static str,
        /// What libvpx says of it.
        reason: String,
    },
    /// The picture is larger than the decoder was told to allow.
    #[error("{codec}: a picture of {width}x{height} has more than {limit} samples of luma")]
    TooLarge {
        /// `VP8` or `VP9`.
        codec: &'static str,
        /// Width in the bitstream.
        width: u32,
        /// Height in the bitstream.
        height: u32,
        /// What is allowed: width times height.
        limit: u32,
    },
    /// The bitstream is of a kind that is not handed out: other than 8 bits in 4:2:0.
    #[error("{codec}: the picture's format {format:#x} is not 8-bit 4:2:0")]
    Format {
        /// `VP8` or `VP9`.
        codec: &'static str,
        /// `vpx_img_fmt` of the picture.
        format: u32,
    },
    /// What the caller handed over cannot be encoded with.
    #[error("{codec}: {what} is {value}, must be {expected}")]
    Argument {
        /// `VP8` or `VP9`.
        codec: &'static str,
        /// Which value.
        what: &'static str,
        /// What it is.
        value: u64,
        /// What it may be.
        expected: &'static str,
    },
    /// libvpx failed otherwise: out of memory, built without this codec, or a defect.
    #[error("{codec}: {call} failed: {reason}")]
    Library {
        /// `VP8` or `VP9`.
        codec: &'static str,
        /// The function of libvpx.
        call: &'static str,
        /// What it says.
        reason: String,
    },
}
