//! The key schedule of DTLS 1.3 (RFC 8446 §7.1, with the label prefix of RFC 9147 §5.9).

use std::{fmt, sync::Arc};

use peerage_crypto::{CryptoProvider, Digest, HashAlgorithm, HmacKey, hkdf_expand, hkdf_extract};
use zeroize::Zeroizing;

use crate::{error::Error, side::Side};

/// RFC 9147 §5.9: no trailing space, unlike TLS.
const LABEL_PREFIX: &[u8] = b"dtls13";

/// Length of the longest hash in use, SHA-384.
const MAX_HASH: usize = 48;

/// A secret as long as a hash. Wiped on drop, never printed.
#[derive(Clone)]
pub(crate) struct Secret {
    bytes: Zeroizing<[u8; MAX_HASH]>,
    len: usize,
}

impl Secret {
    fn zeroed(len: usize) -> Self {
        Self { bytes: Zeroizing::new([0; MAX_HASH]), len }
    }

    fn from_digest(digest: &Digest) -> Self {
        let mut secret = Self::zeroed(digest.len());
        secret.bytes[..digest.len()].copy_from_slice(digest);
        secret
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.len)
    }
}

/// HKDF-Expand-Label (RFC 8446 §7.1). `prk` is the secret as a prepared HMAC key.
fn expand_label(
    prefix: &[u8],
    prk: &dyn HmacKey,
    label: &[u8],
    context: &[u8],
    out: &mut [u8],
) -> Result<(), Error> {
    let length = (out.len() as u16).to_be_bytes();
    let label_len = (prefix.len() + label.len()) as u8;
    let head = [length[0], length[1], label_len];
    let info: [&[u8]; 5] = [&head, prefix, label, &[context.len() as u8], context];
    Ok(hkdf_expand(prk, &info, out)?)
}

/// The secrets of one stage, one per side.
#[derive(Clone, Debug)]
pub(crate) struct SecretPair {
    pub(crate) client: Secret,
    pub(crate) server: Secret,
}

impl SecretPair {
    pub(crate) fn of(&self, side: Side) -> &Secret {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }
}

/// The primitives a schedule is computed with.
#[derive(Clone, Debug)]
pub(crate) struct Hkdf {
    provider: Arc<dyn CryptoProvider>,
    hash: HashAlgorithm,
    hash_len: usize,
    prefix: &'static [u8],
}

impl Hkdf {
    pub(crate) fn new(provider: Arc<dyn CryptoProvider>, hash: HashAlgorithm) -> Self {
        let hash_len = if hash == HashAlgorithm::Sha384 { 48 } else { 32 };
        Self { provider, hash, hash_len, prefix: LABEL_PREFIX }
    }

    fn prk(&self, secret: &Secret) -> Box<dyn HmacKey> {
        self.provider.hmac(self.hash, secret.as_bytes())
    }

    fn extract(&self, salt: &Secret, input: &[u8]) -> Secret {
        Secret::from_digest(&hkdf_extract(&*self.provider, self.hash, salt.as_bytes(), input))
    }

    fn derive(&self, prk: &dyn HmacKey, label: &[u8], transcript: &[u8]) -> Result<Secret, Error> {
        let mut secret = Secret::zeroed(self.hash_len);
        expand_label(self.prefix, prk, label, transcript, &mut secret.bytes[..self.hash_len])?;
        Ok(secret)
    }

    fn empty_hash(&self) -> Digest {
        self.provider.hash(self.hash).current()
    }

    /// The salt of the next stage: Derive-Secret(., "derived", "").
    fn next_salt(&self, prk: &dyn HmacKey) -> Result<Secret, Error> {
        self.derive(prk, b"derived", &self.empty_hash())
    }

    /// From the shared secret to the handshake secret. There is no PSK.
    pub(crate) fn handshake(&self, shared_secret: &[u8]) -> Result<HandshakeStage, Error> {
        let zeros = Secret::zeroed(self.hash_len);
        let early = self.extract(&zeros, zeros.as_bytes());
        let salt = self.next_salt(&*self.prk(&early))?;
        let secret = self.extract(&salt, shared_secret);
        Ok(HandshakeStage { hkdf: self.clone(), prk: self.prk(&secret) })
    }

    /// The MAC of a Finished message (RFC 8446 §4.4.4).
    pub(crate) fn finished_key(&self, base: &Secret) -> Result<Box<dyn HmacKey>, Error> {
        let key = self.derive(&*self.prk(base), b"finished", &[])?;
        Ok(self.prk(&key))
    }

    /// The next generation of a traffic secret (RFC 8446 §7.2).
    pub(crate) fn next_generation(&self, secret: &Secret) -> Result<Secret, Error> {
        self.derive(&*self.prk(secret), b"traffic upd", &[])
    }

    /// The three keys of a traffic secret: AEAD key, IV and record number key (RFC 8446 §7.3, RFC 9147 §4.2.3).
    pub(crate) fn traffic_keys(
        &self,
        secret: &Secret,
        key_len: usize,
    ) -> Result<TrafficKeys, Error> {
        let prk = self.prk(secret);
        let mut keys = TrafficKeys {
            key: Zeroizing::new([0; 32]),
            iv: [0; 12],
            sequence_number_key: Zeroizing::new([0; 32]),
            key_len,
        };
        expand_label(self.prefix, &*prk, b"key", &[], &mut keys.key[..key_len])?;
        expand_label(self.prefix, &*prk, b"iv", &[], &mut keys.iv)?;
        expand_label(self.prefix, &*prk, b"sn", &[], &mut keys.sequence_number_key[..key_len])?;
        Ok(keys)
    }

    /// The exporter of RFC 8446 §7.5.
    pub(crate) fn export(
        &self,
        exporter_secret: &Secret,
        label: &str,
        context: &[u8],
        out: &mut [u8],
    ) -> Result<(), Error> {
        let secret =
            self.derive(&*self.prk(exporter_secret), label.as_bytes(), &self.empty_hash())?;
        let mut hash = self.provider.hash(self.hash);
        hash.update(context);
        expand_label(self.prefix, &*self.prk(&secret), b"exporter", &hash.current(), out)
    }
}

/// What a traffic secret expands to.
pub(crate) struct TrafficKeys {
    key: Zeroizing<[u8; 32]>,
    pub(crate) iv: [u8; 12],
    sequence_number_key: Zeroizing<[u8; 32]>,
    key_len: usize,
}

impl TrafficKeys {
    pub(crate) fn key(&self) -> &[u8] {
        &self.key[..self.key_len]
    }

    pub(crate) fn sequence_number_key(&self) -> &[u8] {
        &self.sequence_number_key[..self.key_len]
    }
}

/// The schedule after the key exchange.
pub(crate) struct HandshakeStage {
    hkdf: Hkdf,
    prk: Box<dyn HmacKey>,
}

impl HandshakeStage {
    /// The handshake traffic secrets. `transcript` reaches to the ServerHello.
    pub(crate) fn traffic_secrets(&self, transcript: &Digest) -> Result<SecretPair, Error> {
        Ok(SecretPair {
            client: self.hkdf.derive(&*self.prk, b"c hs traffic", transcript)?,
            server: self.hkdf.derive(&*self.prk, b"s hs traffic", transcript)?,
        })
    }

    /// The application traffic secrets and the exporter secret. `transcript` reaches to the server's Finished.
    pub(crate) fn into_application(
        self,
        transcript: &Digest,
    ) -> Result<(SecretPair, Secret), Error> {
        let salt = self.hkdf.next_salt(&*self.prk)?;
        let zeros = Secret::zeroed(self.hkdf.hash_len);
        let master = self.hkdf.prk(&self.hkdf.extract(&salt, zeros.as_bytes()));
        let pair = SecretPair {
            client: self.hkdf.derive(&*master, b"c ap traffic", transcript)?,
            server: self.hkdf.derive(&*master, b"s ap traffic", transcript)?,
        };
        Ok((pair, self.hkdf.derive(&*master, b"exp master", transcript)?))
    }
}

impl fmt::Debug for HandshakeStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandshakeStage")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use peerage_crypto::default_provider;

    use super::*;

    fn vectors(file: &str) -> HashMap<String, Vec<u8>> {
        let path = format!("{}/../../vectors/dtls/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("the vectors");
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let (name, hex) = line.split_once(" = ").expect("name = value");
                let bytes = (0..hex.len()).step_by(2);
                let bytes = bytes.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"));
                (name.to_owned(), bytes.collect())
            })
            .collect()
    }

    fn check_schedule(prefix: &'static [u8], vectors: &HashMap<String, Vec<u8>>) -> (Hkdf, Secret) {
        let mut hkdf = Hkdf::new(default_provider(), HashAlgorithm::Sha256);
        hkdf.prefix = prefix;
        let stage = hkdf.handshake(&vectors["shared_secret"]).unwrap();
        let handshake =
            stage.traffic_secrets(&Digest::new(&vectors["transcript_server_hello"])).unwrap();
        let (application, exporter) =
            stage.into_application(&Digest::new(&vectors["transcript_server_finished"])).unwrap();
        for (name, secret) in [
            ("client_handshake_traffic_secret", &handshake.client),
            ("server_handshake_traffic_secret", &handshake.server),
            ("client_application_traffic_secret", &application.client),
            ("server_application_traffic_secret", &application.server),
            ("exporter_master_secret", &exporter),
        ] {
            assert_eq!(secret.as_bytes(), vectors[name], "{name}");
        }
        if let Some(key) = vectors.get("server_handshake_key") {
            let keys = hkdf.traffic_keys(&handshake.server, 16).unwrap();
            assert_eq!(keys.key(), key);
            assert_eq!(keys.iv[..], vectors["server_handshake_iv"]);
            for (side, name) in
                [(Side::Client, "client_finished_key"), (Side::Server, "server_finished_key")]
            {
                let expected = hkdf.provider.hmac(HashAlgorithm::Sha256, &vectors[name]);
                let key = hkdf.finished_key(handshake.of(side)).unwrap();
                assert!(key.verify(&[b"transcript"], &expected.sign(&[b"transcript"])), "{name}");
            }
        }
        if let Some(next) = vectors.get("server_application_traffic_secret_1") {
            let keys = hkdf.traffic_keys(&application.server, 16).unwrap();
            assert_eq!(keys.key(), vectors["server_application_key"]);
            assert_eq!(keys.iv[..], vectors["server_application_iv"]);
            assert_eq!(keys.sequence_number_key(), vectors["server_application_sn"]);
            assert_eq!(hkdf.next_generation(&application.server).unwrap().as_bytes(), next);
        }
        (hkdf, exporter)
    }

    #[test]
    fn the_published_schedule_of_tls_comes_out() {
        check_schedule(b"tls13 ", &vectors("rfc8448_key_schedule.txt"));
    }

    #[test]
    fn the_schedule_of_dtls_and_its_exporter_come_out() {
        let vectors = vectors("dtls13_key_schedule.txt");
        let (hkdf, exporter) = check_schedule(LABEL_PREFIX, &vectors);
        let mut out = [0; 60];
        hkdf.export(&exporter, "EXTRACTOR-dtls_srtp", &[], &mut out).unwrap();
        assert_eq!(out[..], vectors["exported_60"]);
    }
}
