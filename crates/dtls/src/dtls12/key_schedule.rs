//! From the premaster secret to keys, Finished and exported material (RFC 5246 §5, §6.3, §7.4.9, §8.1; RFC 7627 §4;
//! RFC 5705 §4).

use peerage_crypto::{CryptoProvider, HashAlgorithm, HmacKey};
use zeroize::{Zeroize, Zeroizing};

use super::protection::RecordProtection;
use crate::{cipher_suite::CipherSuite, error::Error, side::Side};

/// Length of the master secret in bytes (RFC 5246 §8.1).
const MASTER_SECRET: usize = 48;
/// Length of Finished's verify_data in bytes (RFC 5246 §7.4.9).
pub(crate) const VERIFY_DATA: usize = 12;

/// Most pieces a seed is handed over in.
const MAX_SEED: usize = 4;

/// The PRF of TLS 1.2 (RFC 5246 §5): P_hash over a prepared key. The seed comes in at most four pieces.
fn prf(key: &dyn HmacKey, label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let mut parts: [&[u8]; MAX_SEED + 2] = [&[]; MAX_SEED + 2];
    parts[1] = label;
    parts[2..2 + seed.len()].copy_from_slice(seed);
    let parts = &mut parts[..2 + seed.len()];
    let mut a = key.sign(&parts[1..]);
    for chunk in out.chunks_mut(a.len()) {
        let next = key.sign(&[&a]);
        let mut block = {
            let mut with_a: [&[u8]; MAX_SEED + 2] = [&[]; MAX_SEED + 2];
            with_a[..parts.len()].copy_from_slice(parts);
            with_a[0] = &a;
            key.sign(&with_a[..parts.len()])
        };
        chunk.copy_from_slice(&block[..chunk.len()]);
        block.zeroize();
        a = next;
    }
    a.zeroize();
}

/// The randoms of both hellos.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Randoms {
    pub(crate) client: [u8; 32],
    pub(crate) server: [u8; 32],
}

/// The master secret, ready to derive from.
pub(crate) struct KeySchedule {
    hmac: Box<dyn HmacKey>,
    /// Kept for the key log only.
    secret: Zeroizing<[u8; MASTER_SECRET]>,
    randoms: Randoms,
}

impl KeySchedule {
    /// Derives the master secret: from the transcript up to ClientKeyExchange if both ends agreed to (RFC 7627 §4), else
    /// from the randoms (RFC 5246 §8.1).
    pub(crate) fn new(
        provider: &dyn CryptoProvider,
        hash: HashAlgorithm,
        premaster: &[u8],
        session_hash: Option<&[u8]>,
        randoms: Randoms,
    ) -> Self {
        let premaster = provider.hmac(hash, premaster);
        let mut secret = Zeroizing::new([0; MASTER_SECRET]);
        match session_hash {
            Some(digest) => prf(&*premaster, b"extended master secret", &[digest], &mut *secret),
            None => {
                let seed = [&randoms.client[..], &randoms.server];
                prf(&*premaster, b"master secret", &seed, &mut *secret);
            }
        }
        Self { hmac: provider.hmac(hash, &*secret), secret, randoms }
    }

    /// For the key log's `CLIENT_RANDOM` line.
    pub(crate) fn master_secret(&self) -> &[u8] {
        &*self.secret
    }

    /// Wipes the master secret itself; what is left can still export.
    pub(crate) fn forget_master_secret(&mut self) {
        self.secret.zeroize();
    }

    /// The keys of both directions (RFC 5246 §6.3): the client's, then the server's.
    pub(crate) fn record_keys(
        &self,
        provider: &dyn CryptoProvider,
        suite: CipherSuite,
    ) -> Result<(RecordProtection, RecordProtection), Error> {
        // The longest are ChaCha20-Poly1305's: two keys of 32 bytes and two IVs of 12.
        let mut block = Zeroizing::new([0; 2 * (32 + 12)]);
        let (key_len, iv_len) =
            (suite.aead().key_len(), RecordProtection::fixed_iv_len(suite.aead()));
        let block = &mut block[..2 * (key_len + iv_len)];
        // Here the server's random comes first.
        let seed = [&self.randoms.server[..], &self.randoms.client];
        prf(&*self.hmac, b"key expansion", &seed, block);
        let (keys, ivs) = block.split_at(2 * key_len);
        let (client_key, server_key) = keys.split_at(key_len);
        let (client_iv, server_iv) = ivs.split_at(iv_len);
        Ok((
            RecordProtection::new(provider, suite.aead(), client_key, client_iv)?,
            RecordProtection::new(provider, suite.aead(), server_key, server_iv)?,
        ))
    }

    /// What one side's Finished holds, given the hash of the transcript before it (RFC 5246 §7.4.9).
    pub(crate) fn verify_data(&self, side: Side, transcript_hash: &[u8]) -> [u8; VERIFY_DATA] {
        let label: &[u8] = match side {
            Side::Client => b"client finished",
            Side::Server => b"server finished",
        };
        let mut out = [0; VERIFY_DATA];
        prf(&*self.hmac, label, &[transcript_hash], &mut out);
        out
    }

    /// Exports keying material (RFC 5705 §4). A context that is present counts with its length, even if it is empty.
    ///
    /// Fails if the context is longer than 65535 bytes.
    pub(crate) fn export(
        &self,
        label: &str,
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), Error> {
        let Randoms { client, server } = &self.randoms;
        match context {
            None => prf(&*self.hmac, label.as_bytes(), &[client, server], out),
            Some(context) => {
                let length = u16::try_from(context.len()).map_err(|_| {
                    Error::BadConfig("an exporter's context is longer than 65535 bytes")
                })?;
                let seed = [&client[..], server, &length.to_be_bytes(), context];
                prf(&*self.hmac, label.as_bytes(), &seed, out);
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for KeySchedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeySchedule")
    }
}

#[cfg(test)]
mod tests {
    use peerage_crypto::default_provider;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    /// The vector for P_SHA256 that was sent to the TLS working group's list when RFC 5246 was made, and that TLS
    /// libraries test against.
    #[test]
    fn prf_matches_the_vector_of_the_working_group() {
        let key = default_provider()
            .hmac(HashAlgorithm::Sha256, &hex("9bbe436ba940f017b17652849a71db35"));
        let seed = hex("a0ba9f936cda311827a6f796ffd5198c");
        let expected = hex(concat!(
            "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a",
            "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab",
            "4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701",
            "87347b66"
        ));
        let mut out = vec![0; expected.len()];
        prf(&*key, b"test label", &[&seed[..5], &seed[5..]], &mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn an_absent_context_differs_from_an_empty_one() {
        let randoms = Randoms { client: [1; 32], server: [2; 32] };
        let provider = default_provider();
        let schedule = KeySchedule::new(&*provider, HashAlgorithm::Sha256, &[3; 32], None, randoms);
        let export = |context| {
            let mut out = [0; 40];
            schedule.export("EXPORTER-test", context, &mut out).map(|()| out)
        };
        assert_ne!(export(None), export(Some(&[])));
        assert_ne!(export(Some(&[])), export(Some(&[0])));
        assert!(export(Some(&vec![0; 70_000])).is_err());
    }

    #[test]
    fn the_session_hash_changes_the_master_secret() {
        let randoms = Randoms { client: [1; 32], server: [2; 32] };
        let secret = |session_hash| {
            KeySchedule::new(
                &*default_provider(),
                HashAlgorithm::Sha256,
                &[3; 32],
                session_hash,
                randoms,
            )
            .master_secret()
            .to_vec()
        };
        assert_ne!(secret(None), secret(Some(&[0; 32])));
        assert_ne!(secret(Some(&[1; 32])), secret(Some(&[0; 32])));
    }
}
