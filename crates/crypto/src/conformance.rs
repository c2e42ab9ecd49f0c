//! Proof that a [`CryptoProvider`] is right: published vectors, round trips and the refusals that the specifications demand,
//! on every operation of the trait. Whoever writes a provider calls [`assert_provider`] from a test.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    AeadAlgorithm, Certificate, CertificateParams, CryptoProvider, Error, HashAlgorithm, KeyType,
    NamedGroup, Rng, SignatureScheme, constant_time_eq, der, hkdf_expand, hkdf_extract,
    vectors::{self, Vector},
};

/// Runs every check.
///
/// # Panics
///
/// With the operation and the vector, at the first one that fails.
pub fn assert_provider(provider: &Arc<dyn CryptoProvider>) {
    if let Err(error) = check_provider(provider) {
        panic!("{provider:?}: {error}");
    }
}

/// Runs every check and reports the first that fails.
pub fn check_provider(provider: &Arc<dyn CryptoProvider>) -> Result<(), Error> {
    check_hashes(&**provider)?;
    check_hmac(&**provider)?;
    check_hkdf(&**provider)?;
    check_aead(&**provider)?;
    check_counter_mode(&**provider)?;
    check_masks(&**provider)?;
    check_key_exchange(&**provider)?;
    check_published_signatures(&**provider)?;
    check_own_signatures(provider)
}

fn ensure(holds: bool, operation: &'static str, vector: &str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Conformance { operation, vector: vector.to_owned() }) }
}

fn hash_of(vector: &Vector) -> HashAlgorithm {
    match vector.text("hash") {
        "md5" => HashAlgorithm::Md5,
        "sha-1" => HashAlgorithm::Sha1,
        "sha-256" => HashAlgorithm::Sha256,
        "sha-384" => HashAlgorithm::Sha384,
        "sha-512" => HashAlgorithm::Sha512,
        other => panic!("unknown hash {other}"),
    }
}

fn aead_of(vector: &Vector) -> AeadAlgorithm {
    match vector.text("aead") {
        "aes-128-gcm" => AeadAlgorithm::Aes128Gcm,
        "aes-256-gcm" => AeadAlgorithm::Aes256Gcm,
        "chacha20-poly1305" => AeadAlgorithm::ChaCha20Poly1305,
        other => panic!("unknown AEAD {other}"),
    }
}

fn check_hashes(provider: &dyn CryptoProvider) -> Result<(), Error> {
    for vector in vectors::read(include_str!("../vectors/hash.txt")) {
        let (data, digest) = (vector.bytes("data"), vector.bytes("digest"));
        let mut hash = provider.hash(hash_of(&vector));
        let (first, second) = data.split_at(data.len() / 2);
        hash.update(first);
        let mut fork = hash.fork();
        fork.update(second);
        ensure(*fork.current() == *digest, "hash", vector.name())?;
        ensure(*fork.current() == *digest, "hash, asked twice", vector.name())?;
        hash.update(second);
        ensure(*hash.current() == *digest, "hash after a fork", vector.name())?;
    }
    Ok(())
}

fn check_hmac(provider: &dyn CryptoProvider) -> Result<(), Error> {
    for vector in vectors::read(include_str!("../vectors/hmac.txt")) {
        let (data, mut tag) = (vector.bytes("data"), vector.bytes("tag"));
        let key = provider.hmac(hash_of(&vector), &vector.bytes("key"));
        let (first, second) = data.split_at(data.len() / 3);
        // A published tag may be truncated.
        ensure(key.sign(&[&data]).starts_with(&tag), "HMAC", vector.name())?;
        ensure(key.sign(&[first, &[], second]).starts_with(&tag), "HMAC of parts", vector.name())?;
        ensure(key.verify(&[first, second], &tag), "HMAC verification", vector.name())?;
        ensure(!key.verify(&[&data], &[]), "refusal of an empty HMAC", vector.name())?;
        ensure(!key.verify(&[&data], &[0; 65]), "refusal of a long HMAC", vector.name())?;
        if let Some(last) = tag.last_mut() {
            *last ^= 1;
        }
        ensure(!key.verify(&[&data], &tag), "refusal of a wrong HMAC", vector.name())?;
    }
    Ok(())
}

fn check_hkdf(provider: &dyn CryptoProvider) -> Result<(), Error> {
    for vector in vectors::read(include_str!("../vectors/hkdf.txt")) {
        let (hash, info) = (hash_of(&vector), vector.bytes("info"));
        let prk = hkdf_extract(provider, hash, &vector.bytes("salt"), &vector.bytes("input"));
        ensure(*prk == *vector.bytes("prk"), "HKDF-Extract", vector.name())?;
        let key = provider.hmac(hash, &prk);
        let mut output = vec![0; vector.bytes("output").len()];
        let (first, second) = info.split_at(info.len() / 2);
        hkdf_expand(&*key, &[first, second], &mut output)?;
        ensure(output == vector.bytes("output"), "HKDF-Expand", vector.name())?;
        let mut too_long = vec![0; 255 * hash.output_len() + 1];
        ensure(
            hkdf_expand(&*key, &[], &mut too_long).is_err(),
            "refusal of long output",
            vector.name(),
        )?;
    }
    Ok(())
}

fn check_aead(provider: &dyn CryptoProvider) -> Result<(), Error> {
    for vector in vectors::read(include_str!("../vectors/aead.txt")) {
        let (algorithm, key) = (aead_of(&vector), vector.bytes("key"));
        let nonce: [u8; 12] = vector.bytes("nonce").try_into().expect("nonces are 12 bytes");
        let (aad, plaintext) = (vector.bytes("aad"), vector.bytes("plaintext"));
        let sealed = [vector.bytes("ciphertext"), vector.bytes("tag")].concat();
        let mut aead = provider.aead(algorithm, &key)?;
        // Twice, and with other records between: a reused context must not remember the last one.
        for _ in 0..2 {
            let mut data = plaintext.clone();
            let mut tag = [0; 16];
            aead.seal_in_place(&nonce, &aad, &mut data, &mut tag)?;
            data.extend_from_slice(&tag);
            ensure(data == sealed, "AEAD seal", vector.name())?;
            let length = aead.open_in_place(&nonce, &aad, &mut data)?;
            ensure(data[..length] == *plaintext, "AEAD open", vector.name())?;
            for position in 0..sealed.len() {
                let mut forged = sealed.clone();
                forged[position] ^= 0x80;
                let opened = aead.open_in_place(&nonce, &aad, &mut forged);
                ensure(
                    opened == Err(Error::AuthenticationFailed),
                    "AEAD refusal of a forgery",
                    vector.name(),
                )?;
            }
            let opened =
                aead.open_in_place(&nonce, &[&aad[..], b"x"].concat(), &mut sealed.clone());
            ensure(
                opened == Err(Error::AuthenticationFailed),
                "AEAD refusal of other data",
                vector.name(),
            )?;
            let opened = aead.open_in_place(&nonce, &aad, &mut [0; 15]);
            ensure(
                opened == Err(Error::AuthenticationFailed),
                "AEAD refusal of a short record",
                vector.name(),
            )?;
        }
        ensure(
            provider.aead(algorithm, &key[1..]).is_err(),
            "refusal of a short AEAD key",
            vector.name(),
        )?;
    }
    Ok(())
}

fn check_counter_mode(provider: &dyn CryptoProvider) -> Result<(), Error> {
    for vector in vectors::read(include_str!("../vectors/ctr.txt")) {
        let mut key = provider.aes_counter_mode(&vector.bytes("key"))?;
        let counter: [u8; 16] = vector.bytes("iv").try_into().expect("IVs are 16 bytes");
        let (plaintext, ciphertext) = (vector.bytes("plaintext"), vector.bytes("ciphertext"));
        // Every length, the empty one and broken blocks too: a reused context must not remember the last call.
        for length in (0..=plaintext.len()).rev() {
            let mut data = plaintext[..length].to_vec();
            key.apply(&counter, &mut data)?;
            ensure(data == ciphertext[..length], "AES counter mode", vector.name())?;
            key.apply(&counter, &mut data)?;
            ensure(data == plaintext[..length], "AES counter mode, twice", vector.name())?;
        }
        // The counter runs over all 128 bits.
        let (mut whole, mut wrapped) = ([0; 48], [0; 32]);
        key.apply(&[0xff; 16], &mut whole)?;
        key.apply(&[0; 16], &mut wrapped)?;
        ensure(whole[16..] == wrapped, "carry of the AES counter", vector.name())?;
        for length in [0, 15, 17, 33] {
            let refused = provider.aes_counter_mode(&vec![1; length]).is_err();
            ensure(refused, "refusal of a wrong AES key length", vector.name())?;
        }
    }
    Ok(())
}

fn check_masks(provider: &dyn CryptoProvider) -> Result<(), Error> {
    for vector in vectors::read(include_str!("../vectors/mask.txt")) {
        let mut key = provider.record_number_mask(aead_of(&vector), &vector.bytes("key"))?;
        let sample: [u8; 16] = vector.bytes("sample").try_into().expect("samples are 16 bytes");
        let mask = vector.bytes("mask");
        for _ in 0..2 {
            ensure(key.mask(&sample).starts_with(&mask), "record number mask", vector.name())?;
            ensure(!key.mask(&[0; 16]).starts_with(&mask), "record number mask", vector.name())?;
        }
        let short = provider.record_number_mask(aead_of(&vector), &[]);
        ensure(short.is_err(), "refusal of a short mask key", vector.name())?;
    }
    Ok(())
}

fn check_key_exchange(provider: &dyn CryptoProvider) -> Result<(), Error> {
    const GROUPS: [(NamedGroup, &str, usize, usize, usize); 4] = [
        (NamedGroup::Secp256r1, "secp256r1", 65, 65, 32),
        (NamedGroup::Secp384r1, "secp384r1", 97, 97, 48),
        (NamedGroup::X25519, "x25519", 32, 32, 32),
        (NamedGroup::X25519MlKem768, "X25519MLKEM768", 1216, 1120, 64),
    ];
    for (group, name, first_len, second_len, secret_len) in GROUPS {
        for mut rng in [Rng::from_seed(1), Rng::from_os()] {
            let first = provider.start_key_exchange(group, &mut rng)?;
            ensure(first.group() == group, "key exchange group", name)?;
            ensure(first.share().len() == first_len, "length of the first key share", name)?;
            let first_share = first.share().to_vec();
            let second = provider.accept_key_exchange(group, &first_share, &mut rng)?;
            ensure(second.share.len() == second_len, "length of the second key share", name)?;
            let secret = first.finish(&second.share)?;
            ensure(
                constant_time_eq(secret.as_ref(), second.secret.as_ref()),
                "key agreement",
                name,
            )?;
            ensure(secret.as_ref().len() == secret_len, "length of the shared secret", name)?;

            // Shares of a wrong length, and shares that are no element of the group.
            for length in [0, 1, first_len - 1, first_len + 1] {
                let accepted = provider.accept_key_exchange(group, &vec![4; length], &mut rng);
                ensure(accepted.is_err(), "refusal of a key share of wrong length", name)?;
            }
            for length in [0, second_len - 1, second_len + 1] {
                let finished =
                    provider.start_key_exchange(group, &mut rng)?.finish(&vec![4; length]);
                ensure(finished.is_err(), "refusal of a key share of wrong length", name)?;
            }
            let mut invalid = first_share.clone();
            match group {
                // A changed y leaves the curve.
                NamedGroup::Secp256r1 | NamedGroup::Secp384r1 => invalid[first_len - 1] ^= 1,
                // Points of small order (RFC 7748 §6.1).
                NamedGroup::X25519 => invalid.fill(0),
                // A coefficient of q or more: 12 bits of ones (FIPS 203 §7.2).
                NamedGroup::X25519MlKem768 => invalid[..2].fill(0xff),
            }
            let accepted = provider.accept_key_exchange(group, &invalid, &mut rng);
            ensure(accepted.is_err(), "refusal of an invalid key share", name)?;
        }
        let hybrid = group == NamedGroup::X25519MlKem768;
        if hybrid {
            // A small-order X25519 half must be seen inside the hybrid as well.
            let mut rng = Rng::from_seed(2);
            let mut share = provider.start_key_exchange(group, &mut rng)?.share().to_vec();
            share[1184..].fill(0);
            let accepted = provider.accept_key_exchange(group, &share, &mut rng);
            ensure(accepted.is_err(), "refusal of an invalid X25519 half", name)?;
        }
        check_replay(provider, group, name)?;
    }
    Ok(())
}

/// A seeded generator must give the same shares and secrets again, and another seed others.
fn check_replay(provider: &dyn CryptoProvider, group: NamedGroup, name: &str) -> Result<(), Error> {
    let run = |seed| {
        let mut rng = Rng::from_seed(seed);
        let first = provider.start_key_exchange(group, &mut rng)?;
        let first_share = first.share().to_vec();
        let second = provider.accept_key_exchange(group, &first_share, &mut rng)?;
        let secret = second.secret.as_ref().to_vec();
        Ok::<_, Error>((first_share, second.share, secret))
    };
    ensure(run(3)? == run(3)?, "replay of a key exchange from its seed", name)?;
    ensure(run(3)?.2 != run(4)?.2, "key exchange from another seed", name)
}

fn check_published_signatures(provider: &dyn CryptoProvider) -> Result<(), Error> {
    for vector in vectors::read(include_str!("../vectors/signature.txt")) {
        let message = vector.bytes("message");
        let scheme = match vector.text("scheme") {
            "ecdsa-secp256r1-sha256" => SignatureScheme::EcdsaSecp256r1Sha256,
            "ecdsa-secp384r1-sha384" => SignatureScheme::EcdsaSecp384r1Sha384,
            "rsa-pss-rsae-sha256" => SignatureScheme::RsaPssRsaeSha256,
            other => panic!("unknown scheme {other}"),
        };
        let (certificate, signature) = if vector.has("certificate") {
            (vector.bytes("certificate"), vector.bytes("signature"))
        } else {
            let signature = ecdsa_signature(&vector.bytes("r"), &vector.bytes("s"));
            let key = provider.load_key(&ec_private_key(
                scheme,
                &vector.bytes("private"),
                &vector.bytes("public"),
            ))?;
            let made = key.sign(scheme, &message, &mut Rng::from_seed(0))?;
            ensure(made == signature, "deterministic signature (RFC 6979)", vector.name())?;
            (certificate_around(&key.public_key_der()), signature)
        };
        ensure(
            provider.certificate_key(&certificate)?.verify(scheme, &message, &signature).is_ok(),
            "signature verification",
            vector.name(),
        )?;
        check_refusals(provider, scheme, &certificate, &message, &signature, vector.name())?;
    }
    Ok(())
}

fn check_refusals(
    provider: &dyn CryptoProvider,
    scheme: SignatureScheme,
    certificate: &[u8],
    message: &[u8],
    signature: &[u8],
    name: &str,
) -> Result<(), Error> {
    let key = provider.certificate_key(certificate)?;
    let refused = |message: &[u8], signature: &[u8]| {
        let verified = key.verify(scheme, message, signature);
        ensure(verified == Err(Error::InvalidSignature), "refusal of a wrong signature", name)
    };
    refused(&[message, b"x"].concat(), signature)?;
    refused(message, &[])?;
    refused(message, &signature[1..])?;
    refused(message, &[signature, &[0]].concat())?;
    let mut forged = signature.to_vec();
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    refused(message, &forged)?;
    let other_family = if scheme.is_ecdsa() {
        SignatureScheme::RsaPkcs1Sha256
    } else {
        SignatureScheme::EcdsaSecp256r1Sha256
    };
    let verified = key.verify(other_family, message, signature);
    ensure(
        verified == Err(Error::UnsupportedScheme(other_family)),
        "refusal of another key's scheme",
        name,
    )?;
    let refused = |certificate: &[u8]| {
        let read = provider.certificate_key(certificate);
        ensure(
            matches!(read, Err(Error::InvalidCertificate { .. })),
            "refusal of a bad certificate",
            name,
        )
    };
    refused(b"no certificate")?;
    refused(&certificate[..certificate.len() - 1])?;
    refused(&[certificate, &[0]].concat())
}

fn check_own_signatures(provider: &Arc<dyn CryptoProvider>) -> Result<(), Error> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for (key_type, name) in [(KeyType::EcdsaP256, "ECDSA P-256"), (KeyType::Rsa2048, "RSA 2048")] {
        for mut rng in [Rng::from_seed(5), Rng::from_os()] {
            let params = CertificateParams { key_type, ..CertificateParams::default() };
            let certificate = Certificate::generate(provider, params, now, &mut rng)?;
            let key = certificate.signing_key();
            for &scheme in key.schemes() {
                let signature = key.sign(scheme, b"message", &mut rng)?;
                ensure(
                    provider
                        .certificate_key(certificate.der())?
                        .verify(scheme, b"message", &signature)
                        .is_ok(),
                    "signature round trip",
                    name,
                )?;
                check_refusals(
                    &**provider,
                    scheme,
                    certificate.der(),
                    b"message",
                    &signature,
                    name,
                )?;
            }
            let loaded = provider.load_key(&key.private_key_der()?)?;
            ensure(
                loaded.public_key_der() == key.public_key_der(),
                "private key round trip",
                name,
            )?;
            ensure(provider.load_key(b"no key").is_err(), "refusal of a bad private key", name)?;
            let again = Certificate::from_pem(provider, &certificate.to_pem()?)?;
            ensure(again.der() == certificate.der(), "PEM round trip", name)?;
        }
    }
    let seeded = |seed| {
        Certificate::generate(
            provider,
            CertificateParams::default(),
            now,
            &mut Rng::from_seed(seed),
        )
        .map(|certificate| certificate.der().to_vec())
    };
    ensure(seeded(7)? == seeded(7)?, "replay of a certificate from its seed", "ECDSA P-256")?;
    ensure(seeded(7)? != seeded(8)?, "certificate from another seed", "ECDSA P-256")
}

/// `Ecdsa-Sig-Value` (RFC 3279 §2.2.3).
fn ecdsa_signature(r: &[u8], s: &[u8]) -> Vec<u8> {
    der::element(der::SEQUENCE, &[&unsigned(r), &unsigned(s)])
}

/// A DER integer of unsigned big-endian bytes.
fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let sign: &[u8] = if bytes.first().is_none_or(|byte| byte & 0x80 != 0) { &[0] } else { &[] };
    der::element(der::INTEGER, &[sign, bytes])
}

/// PKCS#8 (RFC 5958 §2) around an `ECPrivateKey` (RFC 5915 §3).
fn ec_private_key(scheme: SignatureScheme, private: &[u8], public: &[u8]) -> Vec<u8> {
    const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    const SECP256R1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
    const OCTET_STRING: u8 = 0x04;
    const CONTEXT_1: u8 = 0xa1;
    let curve = if scheme == SignatureScheme::EcdsaSecp256r1Sha256 { SECP256R1 } else { SECP384R1 };
    let algorithm = der::element(
        der::SEQUENCE,
        &[
            &der::element(der::OBJECT_IDENTIFIER, &[EC_PUBLIC_KEY]),
            &der::element(der::OBJECT_IDENTIFIER, &[curve]),
        ],
    );
    let key = der::element(
        der::SEQUENCE,
        &[
            &der::element(der::INTEGER, &[&[1]]),
            &der::element(OCTET_STRING, &[private]),
            &der::element(CONTEXT_1, &[&der::element(der::BIT_STRING, &[&[0], public])]),
        ],
    );
    der::element(
        der::SEQUENCE,
        &[&der::element(der::INTEGER, &[&[0]]), &algorithm, &der::element(OCTET_STRING, &[&key])],
    )
}

/// A certificate that holds a public key and is otherwise empty. Nobody checks its signature.
fn certificate_around(public_key_info: &[u8]) -> Vec<u8> {
    const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let algorithm =
        der::element(der::SEQUENCE, &[&der::element(der::OBJECT_IDENTIFIER, &[ECDSA_WITH_SHA256])]);
    let time = der::time(SystemTime::UNIX_EPOCH);
    let to_be_signed = der::element(
        der::SEQUENCE,
        &[
            &der::element(der::INTEGER, &[&[1]]),
            &algorithm,
            &der::element(der::SEQUENCE, &[]),
            &der::element(der::SEQUENCE, &[&time, &time]),
            &der::element(der::SEQUENCE, &[]),
            public_key_info,
        ],
    );
    der::element(
        der::SEQUENCE,
        &[&to_be_signed, &algorithm, &der::element(der::BIT_STRING, &[&[0, 0]])],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::default_provider;

    #[test]
    fn the_default_provider_conforms() {
        assert_provider(&default_provider());
    }
}
