//! Handshakes of DTLS 1.3 between two of our endpoints.

mod common;

use std::sync::Arc;

use common::{Pair, client_config, provider, server_config};
use openssl::{
    asn1::Asn1Time,
    ec::{EcGroup, EcKey},
    ecdsa::EcdsaSig,
    hash::{MessageDigest, hash},
    nid::Nid,
    pkey::{PKey, Private},
    x509::X509,
};
use peerage_crypto::{Certificate, Error as CryptoError, Rng, SigningKey};
use peerage_dtls::{AlertDescription, Error, NamedGroup, ProtocolVersion, SignatureScheme};

#[test]
fn both_ends_agree_on_the_best_they_have() {
    let mut pair = Pair::new(client_config(), server_config(), 1);
    assert!(pair.connect(), "{:?} {:?}", pair.client.failure, pair.server.failure);
    let (client, server) = (pair.client.summary.as_ref(), pair.server.summary.as_ref());
    let (client, server) = (client.unwrap(), server.unwrap());
    assert_eq!(client.version, ProtocolVersion::Dtls13);
    assert_eq!(client.group, Some(NamedGroup::X25519MlKem768));
    assert_eq!((client.is_client, server.is_client), (true, false));
    assert_eq!(client.cipher_suite, server.cipher_suite);
    assert_eq!(client.srtp_profile, server.srtp_profile);
    assert!(client.srtp_profile.is_some());
    assert_eq!(client.peer_certificates, [common::certificates()[1].der().to_vec()]);
    assert_eq!(server.peer_certificates, [common::certificates()[0].der().to_vec()]);
    let mut keys = [[0; 60], [0; 60]];
    for (side, out) in [&pair.client, &pair.server].into_iter().zip(&mut keys) {
        side.endpoint.export_keying_material("EXTRACTOR-dtls_srtp", None, out).unwrap();
    }
    assert_eq!(keys[0], keys[1]);
    pair.send(true, b"hello");
    pair.send(false, b"world");
    pair.run_for(std::time::Duration::from_secs(1));
    assert_eq!(pair.server.received, [b"hello"]);
    assert_eq!(pair.client.received, [b"world"]);
}

/// A key on P-384 that signs with `ecdsa_secp256r1_sha256`: sound cryptography, and right in DTLS 1.2.
#[derive(Debug)]
struct WrongCurve(EcKey<Private>);

impl SigningKey for WrongCurve {
    fn schemes(&self) -> &'static [SignatureScheme] {
        &[SignatureScheme::EcdsaSecp256r1Sha256]
    }

    fn sign(
        &self,
        _: SignatureScheme,
        message: &[u8],
        _: &mut Rng,
    ) -> Result<Vec<u8>, CryptoError> {
        let digest = hash(MessageDigest::sha256(), message).unwrap();
        Ok(EcdsaSig::sign(&digest, &self.0).unwrap().to_der().unwrap())
    }

    fn public_key_der(&self) -> Vec<u8> {
        self.0.public_key_to_der().unwrap()
    }

    fn private_key_der(&self) -> Result<zeroize::Zeroizing<Vec<u8>>, CryptoError> {
        unreachable!("nobody exports it")
    }
}

fn certificate_on_another_curve() -> Certificate {
    let key = EcKey::generate(&EcGroup::from_curve_name(Nid::SECP384R1).unwrap()).unwrap();
    let pkey = PKey::from_ec_key(key.clone()).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(1_700_000_000).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(1_900_000_000).unwrap()).unwrap();
    builder.set_pubkey(&pkey).unwrap();
    builder.sign(&pkey, MessageDigest::sha384()).unwrap();
    let der = builder.build().to_der().unwrap();
    Certificate::from_der(&provider(), &der, Arc::new(WrongCurve(key))).unwrap()
}

/// RFC 8446 §4.2.3 binds the scheme to the curve of the key; RFC 5246 knows no curves there.
#[test]
fn a_scheme_of_another_curve_than_the_keys_is_refused_in_13_only() {
    let certificate = Arc::new(certificate_on_another_curve());
    for client_lies in [true, false] {
        for version in [ProtocolVersion::Dtls12, ProtocolVersion::Dtls13] {
            let (mut client, mut server) = (client_config(), server_config());
            client.max_version = version;
            let liar = if client_lies { &mut client } else { &mut server };
            liar.certificate = Arc::clone(&certificate);
            let mut pair = Pair::new(client, server, 1);
            assert_eq!(pair.connect(), version == ProtocolVersion::Dtls12, "{version}");
            let judge = if client_lies { &pair.server } else { &pair.client };
            let refused = matches!(
                judge.failure,
                Some(Error::Protocol { alert: AlertDescription::IllegalParameter, .. })
            );
            assert_eq!(refused, version == ProtocolVersion::Dtls13, "{:?}", judge.failure);
        }
    }
}
