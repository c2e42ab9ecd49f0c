//! Message integrity and the credentials behind it (RFC 8489 §9, §14.5, §14.6).

use std::fmt;

use peerage_crypto::{CryptoProvider, Digest, HashAlgorithm, HmacKey, SharedSecret};

use crate::error::Error;
use crate::header::HEADER_LEN;
use crate::password_algorithm::PasswordAlgorithm;

/// Which attribute protects the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IntegrityAlgorithm {
    /// MESSAGE-INTEGRITY.
    HmacSha1,
    /// MESSAGE-INTEGRITY-SHA256.
    HmacSha256,
}

impl IntegrityAlgorithm {
    /// Length of the whole tag in bytes.
    pub fn tag_len(self) -> usize {
        match self {
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
        }
    }

    fn hash(self) -> HashAlgorithm {
        match self {
            Self::HmacSha1 => HashAlgorithm::Sha1,
            Self::HmacSha256 => HashAlgorithm::Sha256,
        }
    }
}

/// A prepared key: make it once per credential, then use it for every message.
pub struct IntegrityKey {
    algorithm: IntegrityAlgorithm,
    hmac: Box<dyn HmacKey>,
}

impl IntegrityKey {
    /// The key of a short-term credential: the password itself (RFC 8489 §9.1.1).
    pub fn short_term(
        provider: &dyn CryptoProvider,
        algorithm: IntegrityAlgorithm,
        password: &str,
    ) -> Self {
        Self::from_bytes(provider, algorithm, password.as_bytes())
    }

    /// A key from bytes, such as [`LongTermCredentials::key`] gives.
    pub fn from_bytes(
        provider: &dyn CryptoProvider,
        algorithm: IntegrityAlgorithm,
        key: &[u8],
    ) -> Self {
        Self { algorithm, hmac: provider.hmac(algorithm.hash(), key) }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> IntegrityAlgorithm {
        self.algorithm
    }

    /// The header with its length set to end after an integrity attribute of `tag_len` bytes (RFC 8489 §14.5).
    fn header(message: &[u8], tag_len: usize) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        header.copy_from_slice(&message[..HEADER_LEN]);
        let length = message.len() - HEADER_LEN + 4 + tag_len;
        header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        header
    }

    /// The tag over `message`, which ends before the integrity attribute.
    pub(crate) fn sign(&self, message: &[u8], tag_len: usize) -> Digest {
        self.hmac.sign(&[&Self::header(message, tag_len), &message[HEADER_LEN..]])
    }

    pub(crate) fn verify(&self, message: &[u8], tag_len: usize, tag: &[u8]) -> bool {
        self.hmac.verify(&[&Self::header(message, tag_len), &message[HEADER_LEN..]], tag)
    }
}

impl fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntegrityKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A user's long-term credentials with one realm (RFC 8489 §9.2).
#[derive(Clone)]
pub struct LongTermCredentials {
    username: String,
    realm: String,
    password: SharedSecret,
}

impl LongTermCredentials {
    /// Prepares the three strings by [`opaque_string`].
    pub fn new(username: &str, realm: &str, password: &str) -> Result<Self, Error> {
        Ok(Self {
            username: opaque_string("the user name", username)?,
            realm: opaque_string("the realm", realm)?,
            password: SharedSecret::new(opaque_string("the password", password)?.into_bytes()),
        })
    }

    /// The user name, prepared.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The realm, prepared.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The HMAC key (RFC 8489 §9.2.2, §18.5.1): MD5 or SHA-256 over `username:realm:password`; `None` for an unknown
    /// algorithm.
    pub fn key(
        &self,
        provider: &dyn CryptoProvider,
        algorithm: PasswordAlgorithm,
    ) -> Option<SharedSecret> {
        let algorithm = match algorithm {
            PasswordAlgorithm::Md5 => HashAlgorithm::Md5,
            PasswordAlgorithm::Sha256 => HashAlgorithm::Sha256,
            PasswordAlgorithm::Unknown(_) => return None,
        };
        let mut hash = provider.hash(algorithm);
        for part in
            [self.username.as_bytes(), b":", self.realm.as_bytes(), b":", self.password.as_ref()]
        {
            hash.update(part);
        }
        Some(SharedSecret::new(hash.current().to_vec()))
    }

    /// The value of USERHASH: SHA-256 over `username:realm` (RFC 8489 §14.4).
    pub fn userhash(&self, provider: &dyn CryptoProvider) -> [u8; 32] {
        let mut hash = provider.hash(HashAlgorithm::Sha256);
        for part in [self.username.as_bytes(), b":", self.realm.as_bytes()] {
            hash.update(part);
        }
        let mut out = [0; 32];
        out.copy_from_slice(&hash.current());
        out
    }
}

impl fmt::Debug for LongTermCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LongTermCredentials")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// The part of the OpaqueString profile (RFC 8265 §4.2) that needs no Unicode tables beyond the standard library's:
/// the string must not be empty nor hold control characters, and every other kind of space becomes U+0020. Normalization
/// to NFC is left to the caller; strings typed on today's systems are in NFC already.
pub fn opaque_string(what: &'static str, text: &str) -> Result<String, Error> {
    let invalid = |reason| Err(Error::InvalidCredential { what, reason });
    if text.is_empty() {
        return invalid("it is empty");
    }
    if text.chars().any(char::is_control) {
        return invalid("it holds a control character");
    }
    Ok(text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect())
}
