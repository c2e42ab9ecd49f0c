//! Numbers of the IANA TLS registries for what [`peerage_crypto`] names: groups and signature schemes.

use peerage_crypto::{NamedGroup, SignatureScheme};

/// The number of a group in "TLS Supported Groups".
pub(crate) const fn group_to_wire(group: NamedGroup) -> u16 {
    match group {
        NamedGroup::Secp256r1 => 0x0017,
        NamedGroup::Secp384r1 => 0x0018,
        NamedGroup::X25519 => 0x001d,
        NamedGroup::X25519MlKem768 => 0x11ec,
    }
}

/// The group of a number; `None` where Peerage has no such group.
pub(crate) const fn group_from_wire(value: u16) -> Option<NamedGroup> {
    match value {
        0x0017 => Some(NamedGroup::Secp256r1),
        0x0018 => Some(NamedGroup::Secp384r1),
        0x001d => Some(NamedGroup::X25519),
        0x11ec => Some(NamedGroup::X25519MlKem768),
        _ => None,
    }
}

/// The number of a scheme in "TLS SignatureScheme".
pub(crate) const fn scheme_to_wire(scheme: SignatureScheme) -> u16 {
    match scheme {
        SignatureScheme::RsaPkcs1Sha256 => 0x0401,
        SignatureScheme::RsaPkcs1Sha384 => 0x0501,
        SignatureScheme::RsaPkcs1Sha512 => 0x0601,
        SignatureScheme::EcdsaSecp256r1Sha256 => 0x0403,
        SignatureScheme::EcdsaSecp384r1Sha384 => 0x0503,
        SignatureScheme::RsaPssRsaeSha256 => 0x0804,
        SignatureScheme::RsaPssRsaeSha384 => 0x0805,
        SignatureScheme::RsaPssRsaeSha512 => 0x0806,
    }
}

/// The scheme of a number; `None` where Peerage has no such scheme.
pub(crate) const fn scheme_from_wire(value: u16) -> Option<SignatureScheme> {
    match value {
        0x0401 => Some(SignatureScheme::RsaPkcs1Sha256),
        0x0501 => Some(SignatureScheme::RsaPkcs1Sha384),
        0x0601 => Some(SignatureScheme::RsaPkcs1Sha512),
        0x0403 => Some(SignatureScheme::EcdsaSecp256r1Sha256),
        0x0503 => Some(SignatureScheme::EcdsaSecp384r1Sha384),
        0x0804 => Some(SignatureScheme::RsaPssRsaeSha256),
        0x0805 => Some(SignatureScheme::RsaPssRsaeSha384),
        0x0806 => Some(SignatureScheme::RsaPssRsaeSha512),
        _ => None,
    }
}

/// Whether DTLS 1.3 allows the scheme in CertificateVerify: PKCS#1 v1.5 is out (RFC 8446 §4.2.3).
pub(crate) const fn scheme_allowed_in_13(scheme: SignatureScheme) -> bool {
    !matches!(
        scheme,
        SignatureScheme::RsaPkcs1Sha256
            | SignatureScheme::RsaPkcs1Sha384
            | SignatureScheme::RsaPkcs1Sha512
    )
}
