//! Certificates and signatures, the same for both sides (RFC 5246 §7.4.2, §7.4.8, RFC 8422 §5).

use std::sync::Arc;

use peerage_crypto::{PublicKeyKind, SignatureScheme};

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
    let Some(certificate) = core.negotiated.peer_certificates.first() else {
        return Err(Error::unexpected("a signature without a certificate", section));
    };
    core.config.provider.verify(scheme, certificate, content, &signed.signature).map_err(|error| {
        match error {
            peerage_crypto::Error::InvalidCertificate { .. } => unreadable(),
            peerage_crypto::Error::UnsupportedScheme(_) => {
                Error::illegal("a signature scheme that does not fit the certificate", section)
            }
            _ => Error::protocol(
                AlertDescription::DecryptError,
                "a signature that does not verify",
                section,
            ),
        }
    })
}

/// The server's certificate must hold the kind of key that the cipher suite names (RFC 8422 §5.3).
pub(crate) fn check_server_key(core: &Core) -> Result<(), Error> {
    let certificate = core.negotiated.peer_certificates.first().ok_or_else(unreadable)?;
    let kind = core.config.provider.certificate_key_kind(certificate).map_err(|_| unreadable())?;
    let is_rsa = matches!(kind, PublicKeyKind::Rsa { .. });
    if is_rsa == is_ecdsa(core.negotiated.suite) {
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
