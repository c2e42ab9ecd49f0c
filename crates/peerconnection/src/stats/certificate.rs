//! Certificates of DTLS.

use super::dictionary::dictionary;

dictionary! {
    /// `RTCCertificateStats`: our certificate, or one of the peer's.
    CertificateStats {
        /// Hexadecimal digits in pairs, with colons between.
        fingerprint: String,
        /// `sha-256`.
        fingerprint_algorithm: String,
        /// The certificate, DER in base64.
        base64_certificate: String,
        ;
        /// The next certificate of the chain.
        issuer_certificate_id: String,
    }
}
