//! The default provider: OpenSSL, and other crates where OpenSSL has no safe call (ML-KEM) or is slow per call (hash and
//! HMAC contexts, which STUN makes for every packet; X25519).

mod aead;
mod counter_mode;
mod digest;
mod hmac_blocks;
mod key_exchange;
mod mask;
mod public_key;
mod signature;
mod x25519;

use std::sync::Arc;

use openssl::error::ErrorStack;

use crate::{
    AcceptedKeyExchange, AeadAlgorithm, AeadKey, CounterModeKey, CryptoProvider, Error,
    HashAlgorithm, HashContext, HmacKey, KeyExchange, KeyType, MaskKey, NamedGroup, PublicKey, Rng,
    SigningKey,
};

/// The provider that Peerage uses by default. It holds no state.
///
/// With a seeded [`Rng`], key exchange, ECDSA keys and ECDSA signatures are reproducible. RSA key generation and RSA-PSS
/// salts are not: OpenSSL takes no generator for them.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenSslProvider;

/// The default provider, shared.
pub fn default_provider() -> Arc<dyn CryptoProvider> {
    Arc::new(OpenSslProvider)
}

impl CryptoProvider for OpenSslProvider {
    fn hash(&self, algorithm: HashAlgorithm) -> Box<dyn HashContext> {
        digest::hash(algorithm)
    }

    fn hmac(&self, algorithm: HashAlgorithm, key: &[u8]) -> Box<dyn HmacKey> {
        digest::hmac(algorithm, key)
    }

    fn aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn AeadKey>, Error> {
        Ok(Box::new(aead::OpenSslAead::new(algorithm, key)?))
    }

    fn aes_counter_mode(&self, key: &[u8]) -> Result<Box<dyn CounterModeKey>, Error> {
        Ok(Box::new(counter_mode::OpenSslCounterMode::new(key)?))
    }

    fn record_number_mask(
        &self,
        algorithm: AeadAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn MaskKey>, Error> {
        mask::mask_key(algorithm, key)
    }

    fn start_key_exchange(
        &self,
        group: NamedGroup,
        rng: &mut Rng,
    ) -> Result<Box<dyn KeyExchange>, Error> {
        key_exchange::start(group, rng)
    }

    fn accept_key_exchange(
        &self,
        group: NamedGroup,
        peer_share: &[u8],
        rng: &mut Rng,
    ) -> Result<AcceptedKeyExchange, Error> {
        key_exchange::accept(group, peer_share, rng)
    }

    fn certificate_key(&self, certificate_der: &[u8]) -> Result<Box<dyn PublicKey>, Error> {
        public_key::read(certificate_der)
    }

    fn generate_key(&self, key_type: KeyType, rng: &mut Rng) -> Result<Box<dyn SigningKey>, Error> {
        Ok(Box::new(signature::OpenSslSigningKey::generate(key_type, rng)?))
    }

    fn load_key(&self, pkcs8_der: &[u8]) -> Result<Box<dyn SigningKey>, Error> {
        Ok(Box::new(signature::OpenSslSigningKey::load(pkcs8_der)?))
    }
}

/// Turns OpenSSL's error queue into ours.
fn failed(operation: &'static str) -> impl Fn(ErrorStack) -> Error {
    move |stack| Error::Provider { operation, detail: stack.to_string() }
}

/// Random bytes: from the seeded generator for replay, else fresh from OpenSSL.
fn random(rng: &mut Rng, out: &mut [u8]) -> Result<(), Error> {
    if rng.is_seeded() {
        rng.fill(out);
        Ok(())
    } else {
        openssl::rand::rand_bytes(out).map_err(failed("random generation"))
    }
}
