//! The transcript of a handshake: bytes until the hash is known, then a running hash (RFC 8446 §4.4.1).

use std::fmt;

use peerage_crypto::{CryptoProvider, Digest, HashAlgorithm, HashContext};

/// What was said so far.
pub(crate) enum Transcript {
    /// The cipher suite, and with it the hash, is not known yet.
    Buffered(Vec<u8>),
    /// A running hash.
    Running(Box<dyn HashContext>),
}

impl Transcript {
    pub(crate) fn new() -> Self {
        Self::Buffered(Vec::new())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Buffered(buffer) => buffer.extend_from_slice(bytes),
            Self::Running(hash) => hash.update(bytes),
        }
    }

    /// Says which hash it is. Has no effect the second time.
    pub(crate) fn start(&mut self, provider: &dyn CryptoProvider, algorithm: HashAlgorithm) {
        if let Self::Buffered(buffer) = self {
            let mut hash = provider.hash(algorithm);
            hash.update(buffer);
            *self = Self::Running(hash);
        }
    }

    /// The hash of everything so far. Empty before [`Transcript::start`], which never happens in a handshake.
    pub(crate) fn hash(&self) -> Digest {
        match self {
            Self::Buffered(_) => Digest::new(&[]),
            Self::Running(hash) => hash.current(),
        }
    }

    /// Puts the first ClientHello's hash in the place of everything so far, as a HelloRetryRequest demands
    /// (RFC 8446 §4.4.1).
    pub(crate) fn replace_by_message_hash(
        &mut self,
        provider: &dyn CryptoProvider,
        algorithm: HashAlgorithm,
    ) {
        self.start(provider, algorithm);
        let digest = self.hash();
        let mut hash = provider.hash(algorithm);
        hash.update(&[crate::handshake::HandshakeType::MESSAGE_HASH.0, 0, 0, digest.len() as u8]);
        hash.update(&digest);
        *self = Self::Running(hash);
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Buffered(_) => "Transcript::Buffered",
            Self::Running(_) => "Transcript::Running",
        })
    }
}
