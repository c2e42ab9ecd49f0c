//! Certificate and CertificateVerify, the same for both sides (RFC 8446 §4.4.2, §4.4.3).

use std::sync::Arc;

use peerage_crypto::SignatureScheme;

use super::{
    core::Core,
    key_schedule::Side,
    messages::{Certificate, CertificateVerify},
    records::HANDSHAKE_EPOCH,
};
use crate::{
    alert::AlertDescription,
    error::Error,
    handshake::{HandshakeType, Message},
    registry::{scheme_allowed_in_13, scheme_from_wire, scheme_to_wire},
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

/// Checks the peer's CertificateVerify against the certificate it sent before.
pub(crate) fn check_certificate_verify(
    core: &mut Core,
    side: Side,
    message: &Message,
) -> Result<(), Error> {
    const SECTION: &str = "RFC 8446 §4.4.3";
    let verify = CertificateVerify::parse(message.body())?;
    let scheme = scheme_from_wire(verify.scheme)
        .filter(|scheme| {
            scheme_allowed_in_13(*scheme) && core.config.signature_schemes.contains(scheme)
        })
        .ok_or(Error::illegal("CertificateVerify with a scheme that was not offered", SECTION))?;
    let content = CertificateVerify::signed_content(side, &core.transcript.hash());
    let Some(certificate) = core.negotiated.peer_certificates.first() else {
        return Err(Error::unexpected("CertificateVerify without a certificate", SECTION));
    };
    core.config.provider.verify(scheme, certificate, &content, &verify.signature).map_err(
        |error| match error {
            peerage_crypto::Error::InvalidCertificate { .. } => Error::protocol(
                AlertDescription::BadCertificate,
                "the peer's certificate cannot be read",
                "RFC 8446 §4.4.2",
            ),
            peerage_crypto::Error::UnsupportedScheme(_) => Error::illegal(
                "CertificateVerify with a scheme that does not fit the certificate",
                SECTION,
            ),
            _ => Error::protocol(
                AlertDescription::DecryptError,
                "the signature of CertificateVerify does not verify",
                SECTION,
            ),
        },
    )?;
    core.transcript.update(&message.bytes);
    Ok(())
}
