//! What libopus says where it cannot do what it is asked for.

/// Why libopus refused a call. Encoder and decoder can be used on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument is outside of what the library takes.
    #[error("an argument is outside of what libopus takes")]
    BadArgument,
    /// What comes out is longer than the buffer.
    #[error("what comes out is longer than the buffer")]
    BufferTooSmall,
    /// The packet is malformed (RFC 6716 §3.4).
    #[error("the packet is malformed (RFC 6716 §3.4)")]
    InvalidPacket,
    /// This build of the library does not have it.
    #[error("this build of libopus does not have it")]
    Unimplemented,
    /// There is no memory left.
    #[error("there is no memory left")]
    OutOfMemory,
    /// A defect of the library, with its code.
    #[error("libopus failed with code {0}")]
    Internal(i32),
}

impl Error {
    /// The error of a code, which is below zero.
    pub(crate) fn of(code: i32) -> Self {
        match code {
            opusic_sys::OPUS_BAD_ARG => Self::BadArgument,
            opusic_sys::OPUS_BUFFER_TOO_SMALL => Self::BufferTooSmall,
            opusic_sys::OPUS_INVALID_PACKET => Self::InvalidPacket,
            opusic_sys::OPUS_UNIMPLEMENTED => Self::Unimplemented,
            opusic_sys::OPUS_ALLOC_FAIL => Self::OutOfMemory,
            code => Self::Internal(code),
        }
    }

    /// A count that the library returned, or its error.
    pub(crate) fn check(code: i32) -> Result<usize, Self> {
        usize::try_from(code).map_err(|_| Self::of(code))
    }
}
