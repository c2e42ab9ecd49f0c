//! Certificates and signatures, the same for both sides (RFC 5246 §7.4.2, §7.4.8, RFC 8422 §5).

use std::sync::Arc;

use peerage_crypto::{PublicKey, PublicKeyKind, SignatureScheme};

use super::{core::Core, messages::DigitallySigned};
use crate::{
    alert::AlertDescription,
    cipher_suite::CipherSuite,
    error::Error,
    registry::{scheme_from_wire, scheme_to_wire},
};

/// Whether a suite is signed for with an ECDSA key, otherwise with an RSA key.
pub(crate) const fn is_ecdsa(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::EcdheEcdsaAes128GcmSha256
            | CipherSuite::EcdheEcdsaAes256GcmSha384
            | CipherSuite::EcdheEcdsaChaCha20Poly1305
    )
}

/// The best scheme of our key that the peer accepts.
pub(crate) fn choose_scheme(core: &Core, accepted: &[u16]) -> Option<SignatureScheme> {
    core.config
        .certificate
        .signing_key()
        .schemes()
        .iter()
        .copied()
        .find(|&scheme| accepted.contains(&scheme_to_wire(scheme)))
}

/// The schemes we accept.
pub(crate) fn accepted_schemes(core: &Core) -> Vec<u16> {
    core.config.signature_schemes.iter().copied().map(scheme_to_wire).collect()
}

/// Signs with our key.
pub(crate) fn sign(
    core: &mut Core,
    scheme: SignatureScheme,
    content: &[u8],
) -> Result<DigitallySigned, Error> {
    let certificate = Arc::clone(&core.config.certificate);
    let signature = certificate.signing_key().sign(scheme, content, &mut core.rng)?;
    Ok(DigitallySigned { scheme: scheme_to_wire(scheme), signature })
}

/// Takes the peer's certificates, of which there is at least one, and reads the key of the first.
pub(crate) fn set_peer_certificates(core: &mut Core, chain: Vec<Vec<u8>>) -> Result<(), Error> {
    let certificate = chain.first().ok_or_else(unreadable)?;
    let key = core.config.provider.certificate_key(certificate).map_err(|_| unreadable())?;
    core.negotiated.peer_key = Some(key);
    core.negotiated.peer_certificates = chain;
    Ok(())
}

/// Checks a signature of the peer against the certificate it sent before.
pub(crate) fn verify(
    core: &Core,
    content: &[u8],
    signed: &DigitallySigned,
    section: &'static str,
) -> Result<(), Error> {
    let scheme = scheme_from_wire(signed.scheme)
        .filter(|scheme| core.config.signature_schemes.contains(scheme))
        .ok_or(Error::illegal("a signature with a scheme that was not offered", section))?;
    let Some(key) = &core.negotiated.peer_key else {
        return Err(Error::unexpected("a signature without a certificate", section));
    };
    if !suits(scheme, key.kind()) {
        return Err(Error::illegal(
            "a signature scheme that does not fit the certificate",
            section,
        ));
    }
    key.verify(scheme, content, &signed.signature).map_err(|_| {
        Error::protocol(AlertDescription::DecryptError, "a signature that does not verify", section)
    })
}

/// Whether a key can sign with a scheme. RFC 5246 §7.4.1.4.1 names hash and family only: the curve is the key's affair.
const fn suits(scheme: SignatureScheme, kind: PublicKeyKind) -> bool {
    scheme.is_ecdsa() == is_ecdsa_key(kind)
}

const fn is_ecdsa_key(kind: PublicKeyKind) -> bool {
    matches!(kind, PublicKeyKind::EcdsaP256 | PublicKeyKind::EcdsaP384)
}

/// The server's certificate must hold the kind of key that the cipher suite names (RFC 8422 §5.3).
pub(crate) fn check_server_key(core: &Core) -> Result<(), Error> {
    let kind = core.negotiated.peer_key.as_deref().map(PublicKey::kind).ok_or_else(unreadable)?;
    if is_ecdsa_key(kind) != is_ecdsa(core.negotiated.suite) {
        return Err(Error::illegal(
            "the server's certificate does not fit the cipher suite",
            "RFC 8422 §5.3",
        ));
    }
    Ok(())
}

fn unreadable() -> Error {
    Error::protocol(
        AlertDescription::BadCertificate,
        "the peer's certificate cannot be read",
        "RFC 5246 §7.4.2",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_suits_the_family_of_the_key_whatever_the_curve() {
        use SignatureScheme::*;
        let ecdsa = [EcdsaSecp256r1Sha256, EcdsaSecp384r1Sha384];
        let rsa = [RsaPkcs1Sha256, RsaPkcs1Sha384, RsaPkcs1Sha512, RsaPssRsaeSha256];
        for kind in [PublicKeyKind::EcdsaP256, PublicKeyKind::EcdsaP384] {
            assert!(ecdsa.iter().all(|&scheme| suits(scheme, kind)));
            assert!(!rsa.iter().any(|&scheme| suits(scheme, kind)));
        }
        let kind = PublicKeyKind::Rsa { bits: 2048 };
        assert!(rsa.iter().all(|&scheme| suits(scheme, kind)));
        assert!(!ecdsa.iter().any(|&scheme| suits(scheme, kind)));
    }
}
