//! Hashes and HMAC.
//!
//! They come from RustCrypto rather than OpenSSL: a context here is a few words copied on the stack, where OpenSSL 3
//! allocates one and walks its method tables for every call, which costs more than hashing a STUN message does.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::hmac_blocks::{BlockHmac, Sha1Blocks, Sha256Blocks};
use crate::{Digest, HashAlgorithm, HashContext, HmacKey, constant_time_eq};

pub(super) fn hash(algorithm: HashAlgorithm) -> Box<dyn HashContext> {
    match algorithm {
        HashAlgorithm::Md5 => Box::new(Running(Md5::default())),
        HashAlgorithm::Sha1 => Box::new(Running(Sha1::default())),
        HashAlgorithm::Sha256 => Box::new(Running(Sha256::default())),
        HashAlgorithm::Sha384 => Box::new(Running(Sha384::default())),
        HashAlgorithm::Sha512 => Box::new(Running(Sha512::default())),
    }
}

pub(super) fn hmac(algorithm: HashAlgorithm, key: &[u8]) -> Box<dyn HmacKey> {
    match algorithm {
        HashAlgorithm::Md5 => Box::new(Prepared::<Hmac<Md5>>::new(key)),
        HashAlgorithm::Sha1 => Box::new(BlockHmac::<Sha1Blocks, 5>::new(key)),
        HashAlgorithm::Sha256 => Box::new(BlockHmac::<Sha256Blocks, 8>::new(key)),
        HashAlgorithm::Sha384 => Box::new(Prepared::<Hmac<Sha384>>::new(key)),
        HashAlgorithm::Sha512 => Box::new(Prepared::<Hmac<Sha512>>::new(key)),
    }
}

struct Running<D>(D);

impl<D: sha2::Digest + Clone + Send + Sync + 'static> HashContext for Running<D> {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn fork(&self) -> Box<dyn HashContext> {
        Box::new(Self(self.0.clone()))
    }

    fn current(&self) -> Digest {
        Digest::new(&self.0.clone().finalize())
    }
}

/// An HMAC that has absorbed its key: each call copies the two half-run hashes instead of running them again.
struct Prepared<M>(M);

impl<M: Mac + KeyInit> Prepared<M> {
    fn new(key: &[u8]) -> Self {
        Self(
            <M as KeyInit>::new_from_slice(key)
                .expect("HMAC takes keys of any length (RFC 2104 §2)"),
        )
    }
}

impl<M: Mac + Clone + Send + Sync + 'static> HmacKey for Prepared<M> {
    fn sign(&self, parts: &[&[u8]]) -> Digest {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        Digest::new(&mac.finalize().into_bytes())
    }

    fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        let expected = self.sign(parts);
        // An empty "truncated" tag would match anything.
        !tag.is_empty()
            && expected.get(..tag.len()).is_some_and(|prefix| constant_time_eq(prefix, tag))
    }
}
