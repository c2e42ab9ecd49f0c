//! What can be wrong with a log.

use std::io;

use crate::header::{FORMAT, VERSION};

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("the log cannot be read")]
    Io(#[from] io::Error),
    /// There is nothing in it.
    #[error("the log is empty: not even its first line was written")]
    Empty,
    /// It is something else.
    #[error("this is no event log: line 1 is not {{\"format\":\"{FORMAT}\",...}}")]
    NotALog,
    /// It is of a version that is not known.
    #[error("the log has version {found}, known is version {VERSION}")]
    Version {
        /// What the first line says.
        found: u32,
    },
}
