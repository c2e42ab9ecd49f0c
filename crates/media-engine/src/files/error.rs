//! What can be wrong with a media file.

use std::io;

use thiserror::Error;

/// Why a file could not be read or written. Where bytes are at fault, their offset in the file is told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The underlying reader or writer failed.
    #[error("{format}: {source}")]
    Io {
        /// The file format.
        format: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// The file ends inside something.
    #[error("{format}: the file ends at byte {offset}, inside {what}")]
    Truncated {
        /// The file format.
        format: &'static str,
        /// Where the file ends.
        offset: u64,
        /// What is cut off.
        what: &'static str,
    },
    /// The bytes are not what the format demands.
    #[error("{format}: at byte {offset}: {reason}")]
    Invalid {
        /// The file format.
        format: &'static str,
        /// Where.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// Something is larger than is read.
    #[error("{format}: at byte {offset}: {what} of {size} bytes is larger than {limit}")]
    TooLarge {
        /// The file format.
        format: &'static str,
        /// Where.
        offset: u64,
        /// What is too large.
        what: &'static str,
        /// Its size, or how much of it was read.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// What was to be written does not go into a file of this format.
    #[error("{format}: {reason}")]
    Unwritable {
        /// The file format.
        format: &'static str,
        /// Why.
        reason: &'static str,
    },
}
