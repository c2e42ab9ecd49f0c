//! What can go wrong in cryptography, in one enum.

use crate::NamedGroup;

/// Errors of this crate. None of them carries secret bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The library beneath reported a failure that well-formed input does not explain.
    #[error("{operation} failed in the crypto library: {detail}")]
    Provider {
        /// What was attempted.
        operation: &'static str,
        /// What the library said.
        detail: String,
    },
    /// Something has a length that its specification does not allow.
    #[error("{what} is {actual} bytes long, {expected} expected")]
    InvalidLength {
        /// Which input.
        what: &'static str,
        /// The length it must have.
        expected: usize,
        /// The length it has.
        actual: usize,
    },
    /// An AEAD tag did not match (RFC 5116 §2.2): the data was forged, damaged, or sealed under another key.
    #[error("AEAD authentication failed (RFC 5116 §2.2)")]
    AuthenticationFailed,
    /// A peer's key share is no valid element of its group.
    #[error("the peer's {group:?} key share is invalid: {reason}")]
    InvalidKeyShare {
        /// The group.
        group: NamedGroup,
        /// What is wrong with it, with the section that forbids it.
        reason: &'static str,
    },
    /// A signature does not verify.
    #[error("the signature does not verify under the certificate's public key")]
    InvalidSignature,
    /// A key cannot be used with the signature scheme asked for.
    #[error("a key of this kind cannot sign or verify with {0:?}")]
    UnsupportedScheme(crate::SignatureScheme),
    /// A private key could not be read, or is of a kind that is not supported.
    #[error("the private key cannot be used: {0}")]
    InvalidPrivateKey(&'static str),
    /// A certificate could not be read.
    #[error("the certificate is malformed at byte {offset}: {reason} (RFC 5280 §4.1)")]
    InvalidCertificate {
        /// Where, from the start of the DER encoding.
        offset: usize,
        /// What was expected there.
        reason: &'static str,
    },
    /// Text that should be PEM is not (RFC 7468).
    #[error("not usable as PEM: {0} (RFC 7468)")]
    InvalidPem(&'static str),
    /// A certificate and a private key do not belong together.
    #[error("the certificate's public key is not that of the private key")]
    KeyMismatch,
    /// A fingerprint's text is malformed.
    #[error("malformed fingerprint: {0} (RFC 8122 §5)")]
    InvalidFingerprint(&'static str),
    /// A fingerprint uses a hash function that is unknown or that RFC 8122 §5 forbids (md2, md5).
    #[error("fingerprint hash function {0:?} is unknown or forbidden (RFC 8122 §5)")]
    UnsupportedHash(String),
    /// More output was asked of a key derivation than it can give.
    #[error("HKDF cannot give {0} bytes (RFC 5869 §2.3)")]
    OutputTooLong(usize),
    /// A conformance check failed.
    #[error("conformance: {operation} does not match {vector}")]
    Conformance {
        /// The operation under test.
        operation: &'static str,
        /// The vector, by its published name.
        vector: String,
    },
}
