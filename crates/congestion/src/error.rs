//! What a caller can get wrong.

use crate::units::DataRate;

/// A mistake in what was configured. Nothing a peer sends can cause one: reports that make no sense are counted and
/// passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The smallest rate is above the largest.
    #[error("smallest rate {min} is above the largest, {max}")]
    RateBounds {
        /// The smallest rate asked for.
        min: DataRate,
        /// The largest rate asked for.
        max: DataRate,
    },
    /// The largest rate is zero: nothing could ever be sent.
    #[error("the largest rate is zero")]
    ZeroMaximum,
    /// A stream with this id is there already.
    #[error("stream {0} is being allocated to already")]
    DuplicateStream(u64),
    /// There are as many streams as an allocator takes.
    #[error("an allocator takes at most {0} streams")]
    TooManyStreams(usize),
    /// A stream has no encodings, or more than an allocator takes.
    #[error("a stream has 1 to {max} encodings, not {given}")]
    EncodingCount {
        /// How many were given.
        given: usize,
        /// The most there may be.
        max: usize,
    },
}
