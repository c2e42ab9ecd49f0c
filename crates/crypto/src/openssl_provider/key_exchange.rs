//! Key exchange: X25519 (RFC 7748), the NIST curves (RFC 8422 §5.10), and X25519MLKEM768 (FIPS 203 with
//! draft-ietf-tls-ecdhe-mlkem).
//!
//! The NIST curves are OpenSSL's. [`X25519`] is not, nor is ML-KEM, for which OpenSSL has no safe call.

use libcrux_ml_kem::mlkem768::{self, MlKem768KeyPair, MlKem768PrivateKey, MlKem768PublicKey};
use openssl::{
    bn::{BigNum, BigNumContext},
    derive::Deriver,
    ec::{EcGroup, EcGroupRef, EcKey, EcPoint, PointConversionForm},
    nid::Nid,
    pkey::{PKey, Private, Public},
};
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    failed, random,
    x25519::{self, X25519},
};
use crate::{AcceptedKeyExchange, Error, KeyExchange, NamedGroup, Rng, SharedSecret};

const MLKEM_ENCAPSULATION_KEY_LEN: usize = 1184;
const MLKEM_CIPHERTEXT_LEN: usize = 1088;
const MLKEM_SECRET_LEN: usize = 32;

pub(super) fn start(group: NamedGroup, rng: &mut Rng) -> Result<Box<dyn KeyExchange>, Error> {
    match group {
        NamedGroup::X25519 => Ok(Box::new(X25519::new(rng)?)),
        NamedGroup::Secp256r1 => Ok(Box::new(Ecdh::new(group, Nid::X9_62_PRIME256V1, rng)?)),
        NamedGroup::Secp384r1 => Ok(Box::new(Ecdh::new(group, Nid::SECP384R1, rng)?)),
        NamedGroup::X25519MlKem768 => Ok(Box::new(Hybrid::new(rng)?)),
    }
}

pub(super) fn accept(
    group: NamedGroup,
    peer_share: &[u8],
    rng: &mut Rng,
) -> Result<AcceptedKeyExchange, Error> {
    match group {
        NamedGroup::X25519 | NamedGroup::Secp256r1 | NamedGroup::Secp384r1 => {
            let ours = start(group, rng)?;
            let share = ours.share().to_vec();
            Ok(AcceptedKeyExchange { share, secret: ours.finish(peer_share)? })
        }
        NamedGroup::X25519MlKem768 => accept_hybrid(peer_share, rng),
    }
}

/// A Diffie-Hellman key pair on P-256 or P-384.
struct Ecdh {
    group: NamedGroup,
    nid: Nid,
    private: PKey<Private>,
    share: Vec<u8>,
}

impl Ecdh {
    fn new(group: NamedGroup, nid: Nid, rng: &mut Rng) -> Result<Self, Error> {
        let failed = failed("key generation");
        let curve = EcGroup::from_curve_name(nid).map_err(&failed)?;
        let key = generate_ec_key(&curve, rng)?;
        let mut ctx = BigNumContext::new().map_err(&failed)?;
        let share = key
            .public_key()
            .to_bytes(&curve, PointConversionForm::UNCOMPRESSED, &mut ctx)
            .map_err(&failed)?;
        Ok(Self { group, nid, private: PKey::from_ec_key(key).map_err(&failed)?, share })
    }

    fn read_point(&self, share: &[u8]) -> Result<PKey<Public>, Error> {
        // RFC 8422 §5.4.1: the uncompressed form is the only one left, and it excludes the point at infinity.
        if share.len() != self.share.len() {
            return Err(Error::InvalidLength {
                what: "EC key share",
                expected: self.share.len(),
                actual: share.len(),
            });
        }
        if share[0] != 4 {
            return Err(self.invalid("it is not an uncompressed point (RFC 8422 §5.4.1)"));
        }
        let read = || {
            let curve = EcGroup::from_curve_name(self.nid)?;
            let mut ctx = BigNumContext::new()?;
            let point = EcPoint::from_bytes(&curve, share, &mut ctx)?;
            let key = EcKey::from_public_key(&curve, &point)?;
            key.check_key()?;
            PKey::from_ec_key(key)
        };
        read().map_err(|_| self.invalid("it is not a point on the curve (RFC 8422 §5.11)"))
    }

    fn invalid(&self, reason: &'static str) -> Error {
        Error::InvalidKeyShare { group: self.group, reason }
    }
}

impl KeyExchange for Ecdh {
    fn group(&self) -> NamedGroup {
        self.group
    }

    fn share(&self) -> &[u8] {
        &self.share
    }

    /// The x coordinate of the shared point (RFC 8422 §5.10).
    fn finish(self: Box<Self>, peer_share: &[u8]) -> Result<SharedSecret, Error> {
        let peer = self.read_point(peer_share)?;
        let derive = || {
            let mut deriver = Deriver::new(&self.private)?;
            deriver.set_peer(&peer)?;
            deriver.derive_to_vec()
        };
        derive().map(SharedSecret::new).map_err(|_| self.invalid("it leads to no shared secret"))
    }
}

/// X25519MLKEM768 as the client sees it: it holds the decapsulation key.
struct Hybrid {
    mlkem: MlKemPrivate,
    x25519: X25519,
    share: Vec<u8>,
}

/// A decapsulation key, wiped on drop: the library's own type is not. It stays where it is on the heap, because every
/// move would leave a copy behind.
struct MlKemPrivate(Box<MlKem768PrivateKey>);

impl MlKemPrivate {
    /// Makes a key pair from the seed of FIPS 203 §6.1.
    ///
    /// What is ours of the secrets is wiped. The library takes the seed and returns the key by value; its own working
    /// copies, on a stack that is soon written over, are out of reach.
    fn generate(seed: &[u8; 64]) -> (Self, Box<MlKem768PublicKey>) {
        Self::take_from(&mut mlkem768::generate_key_pair(*seed))
    }

    /// Copies both keys out of a pair and wipes it in place.
    fn take_from(pair: &mut MlKem768KeyPair) -> (Self, Box<MlKem768PublicKey>) {
        let mut private = Self(Box::default());
        private.0[0..].copy_from_slice(pair.sk());
        let public = Box::new(pair.public_key().clone());
        // The pair lends nothing for writing, so that it is written over as a whole; the black box keeps the compiler
        // from leaving that out.
        *pair = MlKem768KeyPair::from(MlKem768PrivateKey::default(), MlKem768PublicKey::default());
        std::hint::black_box(pair);
        (private, public)
    }
}

impl Drop for MlKemPrivate {
    fn drop(&mut self) {
        self.0[0..].zeroize();
    }
}

impl Hybrid {
    fn new(rng: &mut Rng) -> Result<Self, Error> {
        let mut seed = Zeroizing::new([0; 64]);
        random(rng, &mut *seed)?;
        let (mlkem, encapsulation_key) = MlKemPrivate::generate(&seed);
        let x25519 = X25519::new(rng)?;
        // draft-ietf-tls-ecdhe-mlkem §4.1: the ML-KEM part comes first.
        let mut share = Vec::with_capacity(MLKEM_ENCAPSULATION_KEY_LEN + x25519::LEN);
        share.extend_from_slice(encapsulation_key.as_slice());
        share.extend_from_slice(&x25519.share);
        Ok(Self { mlkem, x25519, share })
    }
}

impl KeyExchange for Hybrid {
    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MlKem768
    }

    fn share(&self) -> &[u8] {
        &self.share
    }

    fn finish(self: Box<Self>, peer_share: &[u8]) -> Result<SharedSecret, Error> {
        let (ciphertext, x25519_share) = split(peer_share, MLKEM_CIPHERTEXT_LEN)?;
        // A wrong ciphertext of the right length decapsulates to a secret that the peer does not hold (FIPS 203 §6.3,
        // implicit rejection): the handshake then fails at Finished.
        let ciphertext: &[u8; MLKEM_CIPHERTEXT_LEN] = ciphertext
            .try_into()
            .map_err(|_| invalid_hybrid("its ML-KEM ciphertext is malformed (FIPS 203 §7.3)"))?;
        let mlkem_secret = Zeroizing::new(mlkem768::decapsulate(&self.mlkem.0, &ciphertext.into()));
        let x25519_secret = self.x25519.agree(x25519_share)?;
        Ok(join(&mlkem_secret, &x25519_secret[..]))
    }
}

/// X25519MLKEM768 as the server sees it: encapsulation.
fn accept_hybrid(peer_share: &[u8], rng: &mut Rng) -> Result<AcceptedKeyExchange, Error> {
    let (encapsulation_key, x25519_share) = split(peer_share, MLKEM_ENCAPSULATION_KEY_LEN)?;
    // FIPS 203 §7.2: coefficients must be reduced modulo q, which decoding checks.
    let encapsulation_key = MlKem768PublicKey::try_from(encapsulation_key)
        .ok()
        .filter(mlkem768::validate_public_key)
        .ok_or_else(|| invalid_hybrid("its ML-KEM key fails the modulus check (FIPS 203 §7.2)"))?;
    let x25519 = X25519::new(rng)?;
    let x25519_secret = x25519.agree(x25519_share)?;
    let mut message = Zeroizing::new([0; 32]);
    random(rng, &mut *message)?;
    let (ciphertext, secret) = mlkem768::encapsulate(&encapsulation_key, *message);
    let mlkem_secret = Zeroizing::new(secret);
    let mut share = Vec::with_capacity(MLKEM_CIPHERTEXT_LEN + x25519::LEN);
    share.extend_from_slice(ciphertext.as_slice());
    share.extend_from_slice(&x25519.share);
    Ok(AcceptedKeyExchange { share, secret: join(&mlkem_secret, &x25519_secret[..]) })
}

fn split(share: &[u8], mlkem_len: usize) -> Result<(&[u8], &[u8]), Error> {
    if share.len() != mlkem_len + x25519::LEN {
        return Err(Error::InvalidLength {
            what: "X25519MLKEM768 key share",
            expected: mlkem_len + x25519::LEN,
            actual: share.len(),
        });
    }
    Ok(share.split_at(mlkem_len))
}

/// draft-ietf-tls-ecdhe-mlkem §4.3: the ML-KEM secret comes first.
fn join(mlkem: &[u8; MLKEM_SECRET_LEN], x25519: &[u8]) -> SharedSecret {
    let mut secret = Vec::with_capacity(MLKEM_SECRET_LEN + x25519::LEN);
    secret.extend_from_slice(mlkem);
    secret.extend_from_slice(x25519);
    SharedSecret::new(secret)
}

fn invalid_hybrid(reason: &'static str) -> Error {
    Error::InvalidKeyShare { group: NamedGroup::X25519MlKem768, reason }
}

/// An EC key pair: by rejection sampling from a seeded generator, else by OpenSSL.
pub(super) fn generate_ec_key(curve: &EcGroupRef, rng: &mut Rng) -> Result<EcKey<Private>, Error> {
    let failed = failed("EC key generation");
    if !rng.is_seeded() {
        return EcKey::generate(curve).map_err(failed);
    }
    let mut ctx = BigNumContext::new().map_err(&failed)?;
    let mut order = BigNum::new().map_err(&failed)?;
    curve.order(&mut order, &mut ctx).map_err(&failed)?;
    let mut bytes = Zeroizing::new(vec![0; order.num_bytes() as usize]);
    loop {
        rng.fill(&mut bytes);
        let mut scalar = BigNum::new_secure().map_err(&failed)?;
        scalar.copy_from_slice(&bytes).map_err(&failed)?;
        if scalar.num_bits() == 0 || scalar >= order {
            continue;
        }
        let mut point = EcPoint::new(curve).map_err(&failed)?;
        point.mul_generator2(curve, &scalar, &mut ctx).map_err(&failed)?;
        return EcKey::from_private_components(curve, &scalar, &point).map_err(failed);
    }
}

#[cfg(test)]
mod tests {
    use shake::{ExtendableOutput as _, Shake128, Update as _, XofReader as _};

    use super::*;
    use crate::vectors;

    #[test]
    fn a_key_pair_is_wiped_once_its_keys_are_taken() {
        let mut pair = mlkem768::generate_key_pair([7; 64]);
        let expected = (*pair.sk(), *pair.pk());
        let (private, public) = MlKemPrivate::take_from(&mut pair);
        assert_eq!((private.0.as_slice(), public.as_slice()), (&expected.0, &expected.1));
        assert!(pair.sk().iter().all(|byte| *byte == 0));
    }

    #[test]
    fn ml_kem_768_matches_the_accumulated_vectors() {
        for vector in vectors::read(include_str!("../../vectors/ml_kem.txt")) {
            let rounds = u8::from_str_radix(vector.text("rounds"), 16).expect("a number");
            let mut drawn = Shake128::default().finalize_xof();
            let mut absorbed = Shake128::default();
            for _ in 0..rounds {
                let (mut seed, mut message, mut random) =
                    ([0; 64], [0; 32], [0; MLKEM_CIPHERTEXT_LEN]);
                drawn.read(&mut seed);
                drawn.read(&mut message);
                drawn.read(&mut random);
                let (key, public) = MlKemPrivate::generate(&seed);
                assert!(mlkem768::validate_public_key(&public));
                let (ciphertext, secret) = mlkem768::encapsulate(&public, message);
                assert_eq!(mlkem768::decapsulate(&key.0, &ciphertext), secret);
                let rejected = mlkem768::decapsulate(&key.0, &random.into());
                let (encoded, ciphertext) = (public.as_slice(), ciphertext.as_slice());
                for output in [&encoded[..], &ciphertext[..], &secret[..], &rejected[..]] {
                    absorbed.update(output);
                }
            }
            let mut digest = [0; 32];
            absorbed.finalize_xof().read(&mut digest);
            assert_eq!(digest[..], vector.bytes("digest"), "{}", vector.name());
        }
    }
}
