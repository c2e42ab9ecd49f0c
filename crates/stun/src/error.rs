//! What can be wrong with bytes that claim to be STUN, or with what the user asks for.

use thiserror::Error;

use crate::attribute_type::AttributeType;

/// Why a message, attribute or frame was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// Fewer bytes than the header, or than the header announces.
    #[error("truncated: {have} bytes where {need} are needed (RFC 8489 §5)")]
    Truncated {
        /// Bytes needed.
        need: usize,
        /// Bytes there are.
        have: usize,
    },
    /// The two most significant bits are not zero, or the magic cookie is wrong.
    #[error("not a STUN message: {reason} (RFC 8489 §5)")]
    NotStun {
        /// What differs.
        reason: &'static str,
    },
    /// The length field is not a multiple of 4, or bytes follow the message.
    #[error("message length {length} is wrong: {reason} (RFC 8489 §5)")]
    InvalidLength {
        /// The length field.
        length: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// An attribute reaches beyond the message.
    #[error("attribute at byte {offset} reaches beyond the message (RFC 8489 §14)")]
    AttributeOverrun {
        /// Offset of the attribute's header.
        offset: usize,
    },
    /// The value of an attribute is malformed.
    #[error("{attribute} is invalid: {reason}")]
    InvalidAttribute {
        /// Which attribute.
        attribute: AttributeType,
        /// What is wrong, with the RFC section.
        reason: &'static str,
    },
    /// An attribute follows FINGERPRINT.
    #[error("attribute at byte {offset} follows FINGERPRINT (RFC 8489 §14.7)")]
    AfterFingerprint {
        /// Offset of the attribute's header.
        offset: usize,
    },
    /// The integrity attribute that the key asks for is not there.
    #[error("no message integrity of the key's algorithm (RFC 8489 §9.1.3)")]
    MissingIntegrity,
    /// The integrity attribute does not match.
    #[error("message integrity does not match (RFC 8489 §9.1.3)")]
    IntegrityMismatch,
    /// FINGERPRINT is not there.
    #[error("no FINGERPRINT (RFC 8489 §7)")]
    MissingFingerprint,
    /// FINGERPRINT does not match.
    #[error("FINGERPRINT does not match (RFC 8489 §14.7)")]
    FingerprintMismatch,
    /// A ChannelData frame is malformed.
    #[error("invalid ChannelData: {reason} (RFC 8656 §12.4)")]
    InvalidChannelData {
        /// What is wrong.
        reason: &'static str,
    },
    /// A transaction table is full.
    #[error("{limit} transactions are in flight already")]
    TooManyTransactions {
        /// The table's limit.
        limit: usize,
    },
    /// A user name, realm or password is unfit.
    #[error("{what} is unfit: {reason} (RFC 8265 §4.2)")]
    InvalidCredential {
        /// Which of them.
        what: &'static str,
        /// Why.
        reason: &'static str,
    },
}
