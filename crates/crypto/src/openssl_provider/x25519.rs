//! X25519 (RFC 7748): formally verified assembly from s2n-bignum where the CPU has what it takes, else `curve25519-dalek`.
//!
//! OpenSSL's is not used, because it makes a public key as slowly as it agrees on a secret, without a table of the base
//! point's multiples. Key exchange, the hybrid with ML-KEM included, calls this.

use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use super::random;
use crate::{Error, KeyExchange, NamedGroup, Rng, SharedSecret};

pub(super) const LEN: usize = 32;

/// A key pair on X25519.
pub(super) struct X25519 {
    private: Private,
    pub(super) share: [u8; LEN],
}

/// Both are wiped when dropped.
enum Private {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    Assembly(graviola::key_agreement::x25519::StaticPrivateKey),
    Portable(StaticSecret),
}

impl X25519 {
    pub(super) fn new(rng: &mut Rng) -> Result<Self, Error> {
        let mut scalar = Zeroizing::new([0; LEN]);
        random(rng, &mut *scalar)?;
        Ok(Self::from_scalar(&scalar))
    }

    fn from_scalar(scalar: &[u8; LEN]) -> Self {
        match assembly_runs_here() {
            #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
            true => Self::assembly(scalar),
            _ => Self::portable(scalar),
        }
    }

    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn assembly(scalar: &[u8; LEN]) -> Self {
        let private = graviola::key_agreement::x25519::StaticPrivateKey::from_array(scalar);
        let share = private.public_key().as_bytes();
        Self { private: Private::Assembly(private), share }
    }

    fn portable(scalar: &[u8; LEN]) -> Self {
        let private = StaticSecret::from(*scalar);
        let share = x25519_dalek::PublicKey::from(&private).to_bytes();
        Self { private: Private::Portable(private), share }
    }

    pub(super) fn agree(&self, peer_share: &[u8]) -> Result<Zeroizing<[u8; LEN]>, Error> {
        let peer_share: [u8; LEN] = peer_share.try_into().map_err(|_| Error::InvalidLength {
            what: "X25519 key share",
            expected: LEN,
            actual: peer_share.len(),
        })?;
        // RFC 7748 §6.1, RFC 8422 §5.11: an all-zero result means that the peer's point has small order.
        let small_order = Error::InvalidKeyShare {
            group: NamedGroup::X25519,
            reason: "it has small order (RFC 8422 §5.11)",
        };
        match &self.private {
            #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
            Private::Assembly(private) => {
                let peer = graviola::key_agreement::x25519::PublicKey::from_array(&peer_share);
                let secret = private.diffie_hellman(&peer).map_err(|_| small_order)?;
                Ok(Zeroizing::new(secret.0))
            }
            Private::Portable(private) => {
                let secret = private.diffie_hellman(&x25519_dalek::PublicKey::from(peer_share));
                match secret.was_contributory() {
                    true => Ok(Zeroizing::new(secret.to_bytes())),
                    false => Err(small_order),
                }
            }
        }
    }
}

impl KeyExchange for X25519 {
    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }

    fn share(&self) -> &[u8] {
        &self.share
    }

    fn finish(self: Box<Self>, peer_share: &[u8]) -> Result<SharedSecret, Error> {
        Ok(SharedSecret::new(self.agree(peer_share)?.to_vec()))
    }
}

/// Whether the CPU has all that `graviola` asks for, which panics without: more than the multiplication uses, since it
/// asks for its ciphers at the same time.
#[cfg(target_arch = "x86_64")]
fn assembly_runs_here() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("adx")
        && has!("aes")
        && has!("avx")
        && has!("avx2")
        && has!("bmi1")
        && has!("bmi2")
        && has!("pclmulqdq")
}

/// Whether the CPU has all that `graviola` asks for, which panics without.
#[cfg(target_arch = "aarch64")]
fn assembly_runs_here() -> bool {
    use std::arch::is_aarch64_feature_detected as has;
    has!("neon") && has!("aes") && has!("pmull") && has!("sha2")
}

/// `graviola` knows two kinds of CPU.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn assembly_runs_here() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vectors;

    /// A key pair by each way that works here.
    fn pairs(scalar: &[u8; LEN]) -> Vec<X25519> {
        let mut pairs = vec![X25519::portable(scalar)];
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        if assembly_runs_here() {
            pairs.push(X25519::assembly(scalar));
        }
        pairs
    }

    #[test]
    fn matches_the_vectors_of_rfc_7748() {
        for vector in vectors::read(include_str!("../../vectors/x25519.txt")) {
            let scalar = vector.bytes("scalar").try_into().expect("a scalar");
            for pair in pairs(&scalar) {
                let secret = pair.agree(&vector.bytes("peer")).expect("a secret");
                assert_eq!(secret[..], vector.bytes("secret"), "{}", vector.name());
            }
        }
    }

    #[test]
    fn points_of_small_order_and_other_lengths_are_refused() {
        // 0, 1 and p - 1, and the first two as numbers above p, which RFC 7748 §5 reduces; the last with the bit that it
        // masks.
        let mut points = [[0; LEN]; 6];
        points[1][0] = 1;
        for (point, low) in points[2..].iter_mut().zip([0xec, 0xed, 0xee, 0xed]) {
            *point = [0xff; LEN];
            (point[0], point[LEN - 1]) = (low, 0x7f);
        }
        points[5][LEN - 1] = 0xff;
        for pair in pairs(&[0x51; LEN]) {
            for point in points {
                let refused = pair.agree(&point);
                assert!(matches!(refused, Err(Error::InvalidKeyShare { .. })), "{point:02x?}");
            }
            assert!(matches!(pair.agree(&[9; 31]), Err(Error::InvalidLength { .. })));
        }
    }

    proptest! {
        /// Whatever the scalar, and for points that are not reduced or lie on the twist too.
        #[test]
        fn all_ways_agree(scalar: [u8; LEN], peer: [u8; LEN]) {
            let results: Vec<_> = pairs(&scalar)
                .iter()
                .map(|pair| (pair.share, pair.agree(&peer).ok()))
                .collect();
            prop_assert!(results.windows(2).all(|two| two[0] == two[1]));
        }
    }
}
