//! Certificate and CertificateVerify, the same for both sides (RFC 8446 §4.4.2, §4.4.3).

use std::sync::Arc;

use peerage_crypto::{PublicKeyKind, SignatureScheme};

use super::{
    core::Core,
    messages::{Certificate, CertificateVerify},
    records::HANDSHAKE_EPOCH,
};
use crate::{
    alert::AlertDescription,
    error::Error,
    handshake::{HandshakeType, Message},
    registry::{scheme_allowed_in_13, scheme_from_wire, scheme_to_wire},
    side::Side,
};

/// The best scheme of our key that the peer accepts.
pub(crate) fn choose_scheme(core: &Core, accepted: &[SignatureScheme]) -> Option<SignatureScheme> {
    core.config
        .certificate
        .signing_key()
        .schemes()
        .iter()
        .copied()
        .find(|scheme| scheme_allowed_in_13(*scheme) && accepted.contains(scheme))
}

/// The schemes we accept, as they stand in `signature_algorithms` of a CertificateRequest.
pub(crate) fn accepted_schemes(core: &Core) -> Vec<u16> {
    core.config
        .signature_schemes
        .iter()
        .copied()
        .filter(|&scheme| scheme_allowed_in_13(scheme))
        .map(scheme_to_wire)
        .collect()
}

/// Adds our Certificate and CertificateVerify to the flight.
pub(crate) fn send_certificate(
    core: &mut Core,
    side: Side,
    scheme: SignatureScheme,
) -> Result<(), Error> {
    let certificate = Arc::clone(&core.config.certificate);
    core.send(HANDSHAKE_EPOCH, HandshakeType::CERTIFICATE, |out| {
        Certificate::write(&[], &[certificate.der()], out);
    });
    let content = CertificateVerify::signed_content(side, &core.transcript.hash());
    let signature = certificate.signing_key().sign(scheme, &content, &mut core.rng)?;
    let verify = CertificateVerify { scheme: scheme_to_wire(scheme), signature };
    core.send(HANDSHAKE_EPOCH, HandshakeType::CERTIFICATE_VERIFY, |out| verify.write(out));
    Ok(())
}

/// Takes the peer's certificates, of which there is at least one, and reads the key of the first.
pub(crate) fn set_peer_certificates(core: &mut Core, chain: Vec<Vec<u8>>) -> Result<(), Error> {
    let unreadable = Error::protocol(
        AlertDescription::BadCertificate,
        "the peer's certificate cannot be read",
        "RFC 8446 §4.4.2",
    );
    let Some(certificate) = chain.first() else { return Err(unreadable) };
    let key = core.config.provider.certificate_key(certificate).map_err(|_| unreadable)?;
    core.negotiated.peer_key = Some(key);
    core.negotiated.peer_certificates = chain;
    Ok(())
}

/// Checks the peer's CertificateVerify against the certificate it sent before.
pub(crate) fn check_certificate_verify(
    core: &mut Core,
    side: Side,
    message: &Message,
) -> Result<(), Error> {
    const SECTION: &str = "RFC 8446 §4.4.3";
    let verify = CertificateVerify::parse(message.body())?;
    let Some(key) = &core.negotiated.peer_key else {
        return Err(Error::unexpected("CertificateVerify without a certificate", SECTION));
    };
    let scheme = check_scheme(verify.scheme, &core.config.signature_schemes, key.kind())?;
    let content = CertificateVerify::signed_content(side, &core.transcript.hash());
    key.verify(scheme, &content, &verify.signature).map_err(|_| {
        Error::protocol(
            AlertDescription::DecryptError,
            "the signature of CertificateVerify does not verify",
            SECTION,
        )
    })?;
    core.transcript.update(&message.bytes);
    Ok(())
}

/// The scheme of a CertificateVerify: one that we offered, that DTLS 1.3 has, and that is made with this kind of key.
fn check_scheme(
    scheme: u16,
    offered: &[SignatureScheme],
    kind: PublicKeyKind,
) -> Result<SignatureScheme, Error> {
    let scheme = scheme_from_wire(scheme)
        .filter(|scheme| scheme_allowed_in_13(*scheme) && offered.contains(scheme))
        .ok_or(Error::illegal(
            "CertificateVerify with a scheme that was not offered",
            "RFC 8446 §4.4.3",
        ))?;
    if suits(scheme, kind) {
        Ok(scheme)
    } else {
        Err(Error::illegal(
            "CertificateVerify with a scheme that does not fit the certificate",
            "RFC 8446 §4.2.3",
        ))
    }
}

/// RFC 8446 §4.2.3: an ECDSA scheme names the curve of the key, and RSA keys sign with PSS only.
const fn suits(scheme: SignatureScheme, kind: PublicKeyKind) -> bool {
    match scheme {
        SignatureScheme::EcdsaSecp256r1Sha256 => matches!(kind, PublicKeyKind::EcdsaP256),
        SignatureScheme::EcdsaSecp384r1Sha384 => matches!(kind, PublicKeyKind::EcdsaP384),
        SignatureScheme::RsaPssRsaeSha256
        | SignatureScheme::RsaPssRsaeSha384
        | SignatureScheme::RsaPssRsaeSha512 => matches!(kind, PublicKeyKind::Rsa { .. }),
        SignatureScheme::RsaPkcs1Sha256
        | SignatureScheme::RsaPkcs1Sha384
        | SignatureScheme::RsaPkcs1Sha512 => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMES: [SignatureScheme; 8] = [
        SignatureScheme::RsaPkcs1Sha256,
        SignatureScheme::RsaPkcs1Sha384,
        SignatureScheme::RsaPkcs1Sha512,
        SignatureScheme::EcdsaSecp256r1Sha256,
        SignatureScheme::EcdsaSecp384r1Sha384,
        SignatureScheme::RsaPssRsaeSha256,
        SignatureScheme::RsaPssRsaeSha384,
        SignatureScheme::RsaPssRsaeSha512,
    ];

    #[test]
    fn a_scheme_is_bound_to_the_kind_of_key_and_its_curve() {
        for (kind, allowed) in [
            (PublicKeyKind::EcdsaP256, &SCHEMES[3..4]),
            (PublicKeyKind::EcdsaP384, &SCHEMES[4..5]),
            (PublicKeyKind::Rsa { bits: 2048 }, &SCHEMES[5..]),
        ] {
            let taken: Vec<_> = SCHEMES
                .into_iter()
                .filter(|&scheme| check_scheme(scheme_to_wire(scheme), &SCHEMES, kind).is_ok())
                .collect();
            assert_eq!(taken, allowed, "{kind:?}");
        }
    }

    #[test]
    fn a_scheme_that_was_not_offered_is_refused() {
        let kind = PublicKeyKind::Rsa { bits: 2048 };
        for offered in [&SCHEMES[..6], &SCHEMES[5..]] {
            let offers_it = offered.contains(&SignatureScheme::RsaPssRsaeSha512);
            assert_eq!(check_scheme(0x0806, offered, kind).is_ok(), offers_it);
            assert!(check_scheme(0x0401, offered, kind).is_err(), "PKCS#1 v1.5, offered for 1.2");
            assert!(check_scheme(0x0203, offered, kind).is_err(), "ecdsa_sha1");
        }
    }
}
