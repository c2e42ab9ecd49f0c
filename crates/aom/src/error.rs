//! What goes wrong in libaom.

use thiserror::Error;

/// Why libaom did not do what it was asked for. The encoder can be used on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// What the caller handed over cannot be encoded with.
    #[error("{what} is {value}, must be {expected}")]
    Argument {
        /// Which value.
        what: &'static str,
        /// What it is.
        value: u64,
        /// What it may be.
        expected: &'static str,
    },
    /// libaom failed otherwise: out of memory, built without its encoder, or a defect.
    #[error("{call} failed: {reason}")]
    Library {
        /// What was done.
        call: &'static str,
        /// What it says.
        reason: String,
    },
}
