//! What can be wrong with a payload, or with a frame that is to become payloads.

use thiserror::Error;

/// Why a payload could not be read or a frame could not be packetised.
///
/// None of these is fatal to a [`Depacketizer`](super::Depacketizer) or [`Packetizer`](super::Packetizer):
/// the packet or frame in hand is lost, the next one is read or sent as usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The payload ends inside a field.
    #[error("{format} payload ends at byte {offset}, inside {field} ({section})")]
    Truncated {
        /// The payload format.
        format: &'static str,
        /// The field that is cut off.
        field: &'static str,
        /// Where the payload ends.
        offset: usize,
        /// The section that defines the field.
        section: &'static str,
    },
    /// A field has a value that the format does not allow.
    #[error("{format} payload: {reason} ({section})")]
    Malformed {
        /// The payload format.
        format: &'static str,
        /// What is wrong.
        reason: &'static str,
        /// The section that is broken.
        section: &'static str,
    },
    /// A structure that exists in the format, but that no WebRTC endpoint negotiates and that is not read here.
    #[error("{format} payload: {what} is not supported ({section})")]
    Unsupported {
        /// The payload format.
        format: &'static str,
        /// The structure.
        what: &'static str,
        /// The section that defines it.
        section: &'static str,
    },
    /// The frame handed in is not a frame of this format.
    #[error("{format} frame: {reason}")]
    InvalidFrame {
        /// The payload format.
        format: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// The frame (or a NAL unit of it) may not be split by this format, and is larger than a payload may be.
    #[error(
        "{format} unit of {size} bytes does not fit a payload of {max} and must not be split ({section})"
    )]
    TooLarge {
        /// The payload format.
        format: &'static str,
        /// Size of what was to be sent.
        size: usize,
        /// Largest payload.
        max: usize,
        /// The section that forbids fragments.
        section: &'static str,
    },
    /// The largest payload allowed has no room for a byte of media beside the payload descriptor.
    #[error("{format}: payloads of at most {max} bytes leave no room for media")]
    PayloadLimitTooSmall {
        /// The payload format.
        format: &'static str,
        /// Largest payload.
        max: usize,
    },
}
