//! The textual forms of certificates and fingerprints, over arbitrary input.

use std::time::{Duration, SystemTime};

use peerage_crypto::{
    Certificate, CertificateParams, Fingerprint, HashAlgorithm, Rng, default_provider,
};
use proptest::prelude::*;

fn algorithm() -> impl Strategy<Value = HashAlgorithm> {
    prop_oneof![
        Just(HashAlgorithm::Sha1),
        Just(HashAlgorithm::Sha256),
        Just(HashAlgorithm::Sha384),
        Just(HashAlgorithm::Sha512),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn fingerprints_round_trip(algorithm in algorithm(), certificate: Vec<u8>) {
        let fingerprint = Fingerprint::of(&*default_provider(), algorithm, &certificate).unwrap();
        let text = fingerprint.to_string();
        prop_assert_eq!(text.parse(), Ok(fingerprint));
        prop_assert_eq!(text.to_lowercase().parse(), Ok(fingerprint));
        prop_assert_eq!(format!("{} {}", fingerprint.algorithm_name(), fingerprint.value()), text);
    }

    #[test]
    fn noise_is_no_fingerprint_and_no_panic(text in ".{0,200}") {
        if let Ok(fingerprint) = text.parse::<Fingerprint>() {
            prop_assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        }
    }

    #[test]
    fn certificates_survive_pem_whatever_their_name_and_lifetime(
        seed: u64,
        common_name in ".{0,100}",
        days in 0_u64..40_000,
        since_1970 in 0_u64..4_000_000_000,
    ) {
        let provider = default_provider();
        let params = CertificateParams {
            common_name,
            lifetime: Duration::from_secs(days * 86_400),
            ..CertificateParams::default()
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(since_1970);
        let certificate =
            Certificate::generate(&provider, params, now, &mut Rng::from_seed(seed)).unwrap();
        prop_assert_eq!(certificate.expires(), now + Duration::from_secs(days * 86_400));
        let again = Certificate::from_pem(&provider, &certificate.to_pem().unwrap()).unwrap();
        prop_assert_eq!(again.der(), certificate.der());
        prop_assert!(provider.certificate_key(certificate.der()).is_ok());
    }

    #[test]
    fn damaged_pem_is_refused_without_panic(seed in 0_u64..4, at: prop::sample::Index, byte in 32_u8..127) {
        let provider = default_provider();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let certificate =
            Certificate::generate(&provider, CertificateParams::default(), now, &mut Rng::from_seed(seed)).unwrap();
        let mut pem = certificate.to_pem().unwrap().as_bytes().to_vec();
        let at = at.index(pem.len());
        pem[at] = byte;
        // Some damage goes unnoticed: nobody checks the signature of a certificate that signs itself. But what is read
        // must hold together.
        if let Ok(read) = Certificate::from_pem(&provider, &String::from_utf8(pem).unwrap()) {
            prop_assert_eq!(read.signing_key().public_key_der(), certificate.signing_key().public_key_der());
        }
    }
}
