#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod certificate;
pub mod conformance;
mod constant_time;
mod der;
mod error;
mod fingerprint;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod hkdf;
mod key_log;
mod openssl_provider;
mod provider;
mod rng;
mod vectors;

pub use certificate::{Certificate, CertificateParams};
pub use constant_time::constant_time_eq;
pub use error::Error;
pub use fingerprint::Fingerprint;
pub use hkdf::{hkdf_expand, hkdf_extract};
pub use key_log::{KeyLog, KeyLogWriter, key_log_line};
pub use openssl_provider::{OpenSslProvider, default_provider};
pub use provider::{
    AcceptedKeyExchange, AeadAlgorithm, AeadKey, CounterModeKey, CryptoProvider, Digest,
    HashAlgorithm, HashContext, HmacKey, KeyExchange, KeyType, MaskKey, NamedGroup, PublicKey,
    PublicKeyKind, SharedSecret, SignatureScheme, SigningKey,
};
pub use rng::Rng;
