//! What can be wrong with bytes that claim to be RTP, RTCP or a part of them.

use thiserror::Error;

/// Why a packet, a report or an extension was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// Fewer bytes than the format needs, or than a length field announces.
    #[error("{what} is truncated: {have} bytes where {need} are needed ({section})")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Bytes needed.
        need: usize,
        /// Bytes there are.
        have: usize,
        /// The section that says so.
        section: &'static str,
    },
    /// The version is not 2.
    #[error("version {version} of {what}, where it must be 2 ({section})")]
    Version {
        /// What was being read.
        what: &'static str,
        /// The version field.
        version: u8,
        /// The section that says so.
        section: &'static str,
    },
    /// The padding count is zero, not a multiple that it must be, or larger than the packet.
    #[error("padding of {padding} bytes is impossible in {what} of {have} bytes ({section})")]
    Padding {
        /// What was being read.
        what: &'static str,
        /// The padding count.
        padding: u8,
        /// Bytes that could be padding.
        have: usize,
        /// The section that says so.
        section: &'static str,
    },
    /// A field has a value that it must not have.
    #[error("{what} is invalid: {reason} ({section})")]
    Invalid {
        /// What was being read or written.
        what: &'static str,
        /// What is wrong.
        reason: &'static str,
        /// The section that says so.
        section: &'static str,
    },
    /// More than fits the format or than this crate keeps.
    #[error("{what}: {have} are more than {limit} ({section})")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        have: usize,
        /// The limit.
        limit: usize,
        /// The section that says so, or the constant that holds the limit.
        section: &'static str,
    },
    /// A frame refers to a dependency structure that has not arrived.
    #[error("the dependency descriptor needs a structure that has not arrived (AV1 RTP §A.8.3)")]
    NoDependencyStructure,
}
