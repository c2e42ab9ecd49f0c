//! Cipher suites of DTLS 1.3 and 1.2 and what each implies (RFC 8446 §B.4, RFC 5289, RFC 7905).

use peerage_crypto::{AeadAlgorithm, HashAlgorithm};

use crate::version::ProtocolVersion;

/// A cipher suite that Peerage speaks. All are AEAD suites with forward secrecy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CipherSuite {
    /// TLS_AES_128_GCM_SHA256, 0x1301 (DTLS 1.3).
    Aes128GcmSha256,
    /// TLS_AES_256_GCM_SHA384, 0x1302 (DTLS 1.3).
    Aes256GcmSha384,
    /// TLS_CHACHA20_POLY1305_SHA256, 0x1303 (DTLS 1.3).
    ChaCha20Poly1305Sha256,
    /// TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0xc02b (DTLS 1.2).
    EcdheEcdsaAes128GcmSha256,
    /// TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, 0xc02c (DTLS 1.2).
    EcdheEcdsaAes256GcmSha384,
    /// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, 0xc02f (DTLS 1.2).
    EcdheRsaAes128GcmSha256,
    /// TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, 0xc030 (DTLS 1.2).
    EcdheRsaAes256GcmSha384,
    /// TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, 0xcca8 (DTLS 1.2).
    EcdheRsaChaCha20Poly1305,
    /// TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, 0xcca9 (DTLS 1.2).
    EcdheEcdsaChaCha20Poly1305,
}

impl CipherSuite {
    /// Every suite, in the order Peerage prefers them.
    pub const ALL: [Self; 9] = [
        Self::Aes128GcmSha256,
        Self::Aes256GcmSha384,
        Self::ChaCha20Poly1305Sha256,
        Self::EcdheEcdsaAes128GcmSha256,
        Self::EcdheRsaAes128GcmSha256,
        Self::EcdheEcdsaChaCha20Poly1305,
        Self::EcdheRsaChaCha20Poly1305,
        Self::EcdheEcdsaAes256GcmSha384,
        Self::EcdheRsaAes256GcmSha384,
    ];

    /// The number in the IANA registry.
    pub const fn to_wire(self) -> u16 {
        match self {
            Self::Aes128GcmSha256 => 0x1301,
            Self::Aes256GcmSha384 => 0x1302,
            Self::ChaCha20Poly1305Sha256 => 0x1303,
            Self::EcdheEcdsaAes128GcmSha256 => 0xc02b,
            Self::EcdheEcdsaAes256GcmSha384 => 0xc02c,
            Self::EcdheRsaAes128GcmSha256 => 0xc02f,
            Self::EcdheRsaAes256GcmSha384 => 0xc030,
            Self::EcdheRsaChaCha20Poly1305 => 0xcca8,
            Self::EcdheEcdsaChaCha20Poly1305 => 0xcca9,
        }
    }

    /// Looks a number of the registry up; `None` for every suite Peerage does not speak.
    pub fn from_wire(value: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.to_wire() == value)
    }

    /// The version the suite belongs to: the two sets are disjoint.
    pub const fn version(self) -> ProtocolVersion {
        match self {
            Self::Aes128GcmSha256 | Self::Aes256GcmSha384 | Self::ChaCha20Poly1305Sha256 => {
                ProtocolVersion::Dtls13
            }
            _ => ProtocolVersion::Dtls12,
        }
    }

    /// The hash of the transcript and of the key schedule.
    pub const fn hash(self) -> HashAlgorithm {
        match self {
            Self::Aes256GcmSha384
            | Self::EcdheEcdsaAes256GcmSha384
            | Self::EcdheRsaAes256GcmSha384 => HashAlgorithm::Sha384,
            _ => HashAlgorithm::Sha256,
        }
    }

    /// The AEAD that protects records.
    pub const fn aead(self) -> AeadAlgorithm {
        match self {
            Self::Aes128GcmSha256
            | Self::EcdheEcdsaAes128GcmSha256
            | Self::EcdheRsaAes128GcmSha256 => AeadAlgorithm::Aes128Gcm,
            Self::Aes256GcmSha384
            | Self::EcdheEcdsaAes256GcmSha384
            | Self::EcdheRsaAes256GcmSha384 => AeadAlgorithm::Aes256Gcm,
            Self::ChaCha20Poly1305Sha256
            | Self::EcdheRsaChaCha20Poly1305
            | Self::EcdheEcdsaChaCha20Poly1305 => AeadAlgorithm::ChaCha20Poly1305,
        }
    }

    /// The name in the IANA registry.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128GcmSha256 => "TLS_AES_128_GCM_SHA256",
            Self::Aes256GcmSha384 => "TLS_AES_256_GCM_SHA384",
            Self::ChaCha20Poly1305Sha256 => "TLS_CHACHA20_POLY1305_SHA256",
            Self::EcdheEcdsaAes128GcmSha256 => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            Self::EcdheEcdsaAes256GcmSha384 => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            Self::EcdheRsaAes128GcmSha256 => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            Self::EcdheRsaAes256GcmSha384 => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            Self::EcdheRsaChaCha20Poly1305 => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            Self::EcdheEcdsaChaCha20Poly1305 => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_survives_the_wire() {
        for suite in CipherSuite::ALL {
            assert_eq!(CipherSuite::from_wire(suite.to_wire()), Some(suite));
        }
        // TLS_RSA_WITH_AES_128_CBC_SHA, which some browsers still list.
        assert_eq!(CipherSuite::from_wire(0x002f), None);
    }
}
