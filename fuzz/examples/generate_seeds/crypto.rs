//! Seeds of the targets of peerage-crypto.

use std::time::{Duration, SystemTime};

use peerage_crypto::{Certificate, CertificateParams, HashAlgorithm, NamedGroup, Rng, default_provider};

use crate::Sink;

pub(crate) fn write(sink: &Sink) {
    let provider = default_provider();
    let mut rng = Rng::from_seed(1);
    // A fixed time, or each run would write another certificate.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let certificate = Certificate::generate(&provider, CertificateParams::default(), now, &mut rng)
        .expect("a certificate");
    for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512] {
        let text = certificate.fingerprint(algorithm).to_string();
        let name = text.split(' ').next().unwrap_or_default();
        sink.seed("crypto_fingerprint", name, text.as_bytes());
    }
    sink.seed("crypto_certificate_pem", "ecdsa", certificate.to_pem().expect("PEM").as_bytes());
    let der = certificate.der();
    let mut signature = (der.len() as u16).to_be_bytes().to_vec();
    signature.extend_from_slice(der);
    signature.extend_from_slice(&[0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01]);
    sink.seed("crypto_signature", "certificate", &signature);
    for (name, group) in [
        ("x25519", NamedGroup::X25519),
        ("p256", NamedGroup::Secp256r1),
        ("p384", NamedGroup::Secp384r1),
        ("x25519mlkem768", NamedGroup::X25519MlKem768),
    ] {
        let exchange = provider.start_key_exchange(group, &mut rng).expect("a key pair");
        sink.seed("crypto_key_share", name, exchange.share());
    }
}
