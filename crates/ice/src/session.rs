//! Credentials of one generation with their prepared HMAC keys, made once so that no check pays for a key schedule.

use peerage_crypto::CryptoProvider;
use peerage_stun::{IntegrityAlgorithm, IntegrityKey};

use crate::credentials::Credentials;

/// Credentials of one side and generation.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) credentials: Credentials,
    pub(crate) key: IntegrityKey,
}

impl Session {
    pub(crate) fn new(provider: &dyn CryptoProvider, credentials: Credentials) -> Self {
        // RFC 8445 §7.1.2: the short-term mechanism with MESSAGE-INTEGRITY; browsers know no SHA-256 here.
        let key =
            IntegrityKey::short_term(provider, IntegrityAlgorithm::HmacSha1, credentials.pwd());
        Self { credentials, key }
    }

    pub(crate) fn ufrag(&self) -> &[u8] {
        self.credentials.ufrag().as_bytes()
    }
}
