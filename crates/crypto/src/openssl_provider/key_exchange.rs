//! Key exchange: X25519 (RFC 7748), the NIST curves (RFC 8422 §5.10), and X25519MLKEM768 (FIPS 203 with
//! draft-ietf-tls-ecdhe-mlkem).

use ml_kem::{
    DecapsulationKey768, EncapsulationKey768, Seed,
    kem::{Decapsulate as _, KeyExport as _},
};
use openssl::{
    bn::{BigNum, BigNumContext},
    derive::Deriver,
    ec::{EcGroup, EcGroupRef, EcKey, EcPoint, PointConversionForm},
    nid::Nid,
    pkey::{Id, PKey, Private, Public},
};
use zeroize::Zeroizing;

use super::{failed, random};
use crate::{
    AcceptedKeyExchange, Error, KeyExchange, NamedGroup, Rng, SharedSecret, constant_time_eq,
};

const X25519_LEN: usize = 32;
const MLKEM_ENCAPSULATION_KEY_LEN: usize = 1184;
const MLKEM_CIPHERTEXT_LEN: usize = 1088;
const MLKEM_SECRET_LEN: usize = 32;

pub(super) fn start(group: NamedGroup, rng: &mut Rng) -> Result<Box<dyn KeyExchange>, Error> {
    match group {
        NamedGroup::X25519 | NamedGroup::Secp256r1 | NamedGroup::Secp384r1 => {
            Ok(Box::new(Ecdh::new(group, rng)?))
        }
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
            let ours = Ecdh::new(group, rng)?;
            let secret = ours.agree(peer_share)?;
            Ok(AcceptedKeyExchange {
                share: ours.share,
                secret: SharedSecret::new(secret.to_vec()),
            })
        }
        NamedGroup::X25519MlKem768 => accept_hybrid(peer_share, rng),
    }
}

/// A Diffie-Hellman key pair on X25519, P-256 or P-384.
struct Ecdh {
    group: NamedGroup,
    private: PKey<Private>,
    share: Vec<u8>,
}

impl Ecdh {
    fn new(group: NamedGroup, rng: &mut Rng) -> Result<Self, Error> {
        let failed = failed("key generation");
        let (private, share) = match curve(group) {
            None => {
                let mut scalar = Zeroizing::new([0; X25519_LEN]);
                random(rng, &mut *scalar)?;
                let private =
                    PKey::private_key_from_raw_bytes(&*scalar, Id::X25519).map_err(&failed)?;
                let share = private.raw_public_key().map_err(&failed)?;
                (private, share)
            }
            Some(nid) => {
                let curve = EcGroup::from_curve_name(nid).map_err(&failed)?;
                let key = generate_ec_key(&curve, rng)?;
                let mut ctx = BigNumContext::new().map_err(&failed)?;
                let share = key
                    .public_key()
                    .to_bytes(&curve, PointConversionForm::UNCOMPRESSED, &mut ctx)
                    .map_err(&failed)?;
                (PKey::from_ec_key(key).map_err(&failed)?, share)
            }
        };
        Ok(Self { group, private, share })
    }

    /// The shared secret: X25519's output, or the x coordinate of the shared point (RFC 8422 §5.10).
    fn agree(&self, peer_share: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let peer = match curve(self.group) {
            None => PKey::public_key_from_raw_bytes(peer_share, Id::X25519).map_err(|_| {
                Error::InvalidLength {
                    what: "X25519 key share",
                    expected: X25519_LEN,
                    actual: peer_share.len(),
                }
            })?,
            Some(nid) => self.read_point(nid, peer_share)?,
        };
        let derive = || {
            let mut deriver = Deriver::new(&self.private)?;
            deriver.set_peer(&peer)?;
            deriver.derive_to_vec()
        };
        // The only way for OpenSSL to fail here is a share of small order.
        let secret = derive()
            .map(Zeroizing::new)
            .map_err(|_| self.invalid("it leads to no shared secret"))?;
        // RFC 7748 §6.1, RFC 8422 §5.11: an all-zero result means that the peer's point has small order.
        if self.group == NamedGroup::X25519 && constant_time_eq(&secret, &[0; X25519_LEN]) {
            return Err(self.invalid("it has small order (RFC 8422 §5.11)"));
        }
        Ok(secret)
    }

    fn read_point(&self, nid: Nid, share: &[u8]) -> Result<PKey<Public>, Error> {
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
            let curve = EcGroup::from_curve_name(nid)?;
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

    fn finish(self: Box<Self>, peer_share: &[u8]) -> Result<SharedSecret, Error> {
        self.agree(peer_share).map(|secret| SharedSecret::new(secret.to_vec()))
    }
}

/// X25519MLKEM768 as the client sees it: it holds the decapsulation key.
struct Hybrid {
    decapsulation_key: DecapsulationKey768,
    ecdh: Ecdh,
    share: Vec<u8>,
}

impl Hybrid {
    fn new(rng: &mut Rng) -> Result<Self, Error> {
        let mut seed = Zeroizing::new([0; 64]);
        random(rng, &mut *seed)?;
        let decapsulation_key = DecapsulationKey768::from_seed(Seed::from(*seed));
        let ecdh = Ecdh::new(NamedGroup::X25519, rng)?;
        // draft-ietf-tls-ecdhe-mlkem §4.1: the ML-KEM part comes first.
        let mut share = Vec::with_capacity(MLKEM_ENCAPSULATION_KEY_LEN + X25519_LEN);
        share.extend_from_slice(&decapsulation_key.encapsulation_key().to_bytes());
        share.extend_from_slice(&ecdh.share);
        Ok(Self { decapsulation_key, ecdh, share })
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
        let mlkem_secret = self
            .decapsulation_key
            .decapsulate_slice(ciphertext)
            .map(|secret| Zeroizing::new(<[u8; MLKEM_SECRET_LEN]>::from(secret)))
            .map_err(|_| invalid_hybrid("its ML-KEM ciphertext is malformed (FIPS 203 §7.3)"))?;
        let x25519_secret = self.ecdh.agree(x25519_share)?;
        Ok(join(&mlkem_secret, &x25519_secret))
    }
}

/// X25519MLKEM768 as the server sees it: encapsulation.
fn accept_hybrid(peer_share: &[u8], rng: &mut Rng) -> Result<AcceptedKeyExchange, Error> {
    let (encapsulation_key, x25519_share) = split(peer_share, MLKEM_ENCAPSULATION_KEY_LEN)?;
    // FIPS 203 §7.2: coefficients must be reduced modulo q, which decoding checks.
    let encapsulation_key = encapsulation_key
        .try_into()
        .ok()
        .and_then(|bytes| EncapsulationKey768::new(bytes).ok())
        .ok_or_else(|| invalid_hybrid("its ML-KEM key fails the modulus check (FIPS 203 §7.2)"))?;
    let ecdh = Ecdh::new(NamedGroup::X25519, rng)?;
    let x25519_secret = ecdh.agree(x25519_share)?;
    let mut message = Zeroizing::new([0; 32]);
    random(rng, &mut *message)?;
    let (ciphertext, secret) = encapsulation_key.encapsulate_deterministic(&(*message).into());
    let mlkem_secret = Zeroizing::new(<[u8; MLKEM_SECRET_LEN]>::from(secret));
    let mut share = Vec::with_capacity(MLKEM_CIPHERTEXT_LEN + X25519_LEN);
    share.extend_from_slice(&ciphertext);
    share.extend_from_slice(&ecdh.share);
    Ok(AcceptedKeyExchange { share, secret: join(&mlkem_secret, &x25519_secret) })
}

fn split(share: &[u8], mlkem_len: usize) -> Result<(&[u8], &[u8]), Error> {
    if share.len() != mlkem_len + X25519_LEN {
        return Err(Error::InvalidLength {
            what: "X25519MLKEM768 key share",
            expected: mlkem_len + X25519_LEN,
            actual: share.len(),
        });
    }
    Ok(share.split_at(mlkem_len))
}

/// draft-ietf-tls-ecdhe-mlkem §4.3: the ML-KEM secret comes first.
fn join(mlkem: &[u8; MLKEM_SECRET_LEN], x25519: &[u8]) -> SharedSecret {
    let mut secret = Vec::with_capacity(MLKEM_SECRET_LEN + X25519_LEN);
    secret.extend_from_slice(mlkem);
    secret.extend_from_slice(x25519);
    SharedSecret::new(secret)
}

fn invalid_hybrid(reason: &'static str) -> Error {
    Error::InvalidKeyShare { group: NamedGroup::X25519MlKem768, reason }
}

fn curve(group: NamedGroup) -> Option<Nid> {
    match group {
        NamedGroup::Secp256r1 => Some(Nid::X9_62_PRIME256V1),
        NamedGroup::Secp384r1 => Some(Nid::SECP384R1),
        NamedGroup::X25519 | NamedGroup::X25519MlKem768 => None,
    }
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
    fn x25519_matches_rfc_7748() {
        for vector in vectors::read(include_str!("../../vectors/x25519.txt")) {
            let private = PKey::private_key_from_raw_bytes(&vector.bytes("scalar"), Id::X25519)
                .expect("a scalar");
            let share = private.raw_public_key().expect("a public key");
            let ecdh = Ecdh { group: NamedGroup::X25519, private, share };
            let secret = ecdh.agree(&vector.bytes("peer")).expect("a secret");
            assert_eq!(*secret, vector.bytes("secret"), "{}", vector.name());
        }
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
                let key = DecapsulationKey768::from_seed(Seed::from(seed));
                let encoded = key.encapsulation_key().to_bytes();
                let public = EncapsulationKey768::new(&encoded).expect("a valid key");
                let (ciphertext, secret) = public.encapsulate_deterministic(&message.into());
                assert_eq!(key.decapsulate(&ciphertext), secret);
                let rejected = key.decapsulate_slice(&random).expect("right length");
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
