//! Bodies of the fuzz targets.

use crate::{Certificate, Fingerprint, NamedGroup, Rng, SignatureScheme, default_provider};

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

/// Hostile key shares for every group, as either side.
pub fn key_share(data: &[u8]) {
    let provider = default_provider();
    let mut rng = Rng::from_seed(0);
    for group in [
        NamedGroup::X25519,
        NamedGroup::Secp256r1,
        NamedGroup::Secp384r1,
        NamedGroup::X25519MlKem768,
    ] {
        let _ = provider.accept_key_exchange(group, data, &mut rng);
        let exchange = provider.start_key_exchange(group, &mut rng).expect("a key pair");
        let _ = exchange.finish(data);
    }
}

/// Hostile certificates and signatures: the first two bytes say where one ends and the other begins.
pub fn signature(data: &[u8]) {
    let Some(([high, low], rest)) = data.split_first_chunk::<2>() else { return };
    let (certificate, signature) =
        rest.split_at(usize::from(u16::from_be_bytes([*high, *low])).min(rest.len()));
    let provider = default_provider();
    let Ok(key) = provider.certificate_key(certificate) else { return };
    for scheme in [SignatureScheme::EcdsaSecp256r1Sha256, SignatureScheme::RsaPssRsaeSha256] {
        let _ = key.verify(scheme, b"message", signature);
    }
}

#[cfg(test)]
#[path = "../../../fuzz/inputs.rs"]
mod inputs;

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::CertificateParams;

    #[test]
    fn the_bodies_run_over_valid_and_random_input() {
        let mut rng = Rng::from_seed(11);
        let certificate = Certificate::generate(
            &default_provider(),
            CertificateParams::default(),
            SystemTime::UNIX_EPOCH,
            &mut rng,
        )
        .expect("generated");
        let der = certificate.der();
        let mut inputs = vec![
            b"sha-1 00".to_vec(),
            certificate.fingerprint(crate::HashAlgorithm::Sha256).to_string().into_bytes(),
            certificate.to_pem().expect("encoded").as_bytes().to_vec(),
            [&(der.len() as u16).to_be_bytes(), der, b"signature"].concat(),
            vec![0; 32],
            vec![4; 65],
        ];
        for length in 0..50 {
            let mut input = vec![0; length * 25];
            rng.fill(&mut input);
            inputs.push(input);
        }
        for input in inputs {
            fingerprint(&input);
            certificate_pem(&input);
            key_share(&input);
            signature(&input);
        }
    }

    #[test]
    fn seeds_and_regressions_hold() {
        inputs::run("crypto_certificate_pem", certificate_pem);
        inputs::run("crypto_fingerprint", fingerprint);
        inputs::run("crypto_key_share", key_share);
        inputs::run("crypto_signature", signature);
    }
}
