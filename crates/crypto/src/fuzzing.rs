//! Bodies of the fuzz targets.

use crate::{Certificate, Fingerprint, default_provider};

/// Text to [`Fingerprint`]; what parses must print and parse to the same.
pub fn fingerprint(data: &[u8]) {
    if let Ok(fingerprint) = String::from_utf8_lossy(data).parse::<Fingerprint>() {
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    }
}

/// PEM to [`Certificate`]; what parses must print and parse to the same.
pub fn certificate_pem(data: &[u8]) {
    let provider = default_provider();
    if let Ok(certificate) = Certificate::from_pem(&provider, &String::from_utf8_lossy(data)) {
        let pem = certificate.to_pem().expect("a certificate that was read can be written");
        assert_eq!(Certificate::from_pem(&provider, &pem).expect("valid").der(), certificate.der());
    }
}
