//! Signing keys.

use std::fmt;

use openssl::{
    ec::EcGroup,
    hash::{MessageDigest, hash},
    md::{Md, MdRef},
    nid::Nid,
    pkey::{HasPublic, Id, PKey, PKeyRef, Private},
    pkey_ctx::{NonceType, PkeyCtx, PkeyCtxRef},
    rsa::{Padding, Rsa},
    sign::RsaPssSaltlen,
};
use zeroize::Zeroizing;

use super::{failed, key_exchange::generate_ec_key};
use crate::{Error, HashAlgorithm, KeyType, PublicKeyKind, Rng, SignatureScheme, SigningKey};

/// RSA moduli outside these bounds are refused: below, they can be broken; above, one signature costs a hostile peer
/// nothing and us milliseconds.
const RSA_BITS: std::ops::RangeInclusive<u32> = 1024..=8192;

pub(super) struct OpenSslSigningKey {
    key: PKey<Private>,
    kind: PublicKeyKind,
}

impl OpenSslSigningKey {
    pub(super) fn generate(key_type: KeyType, rng: &mut Rng) -> Result<Self, Error> {
        let failed = failed("key generation");
        let key = match key_type {
            KeyType::EcdsaP256 => {
                let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).map_err(&failed)?;
                PKey::from_ec_key(generate_ec_key(&curve, rng)?)
            }
            KeyType::Rsa2048 => Rsa::generate(2048).and_then(PKey::from_rsa),
        };
        Self::new(key.map_err(failed)?)
    }

    pub(super) fn load(pkcs8_der: &[u8]) -> Result<Self, Error> {
        let key = PKey::private_key_from_pkcs8(pkcs8_der)
            .map_err(|_| Error::InvalidPrivateKey("it is not PKCS#8 DER (RFC 5208 §5)"))?;
        Self::new(key)
    }

    fn new(key: PKey<Private>) -> Result<Self, Error> {
        let kind = kind(&key).ok_or(Error::InvalidPrivateKey(
            "it is neither ECDSA on P-256 or P-384, nor RSA of usual size",
        ))?;
        Ok(Self { key, kind })
    }
}

impl SigningKey for OpenSslSigningKey {
    fn schemes(&self) -> &'static [SignatureScheme] {
        match self.kind {
            PublicKeyKind::EcdsaP256 => &[SignatureScheme::EcdsaSecp256r1Sha256],
            PublicKeyKind::EcdsaP384 => &[SignatureScheme::EcdsaSecp384r1Sha384],
            PublicKeyKind::Rsa { .. } => &[
                SignatureScheme::RsaPssRsaeSha256,
                SignatureScheme::RsaPssRsaeSha384,
                SignatureScheme::RsaPssRsaeSha512,
                SignatureScheme::RsaPkcs1Sha256,
                SignatureScheme::RsaPkcs1Sha384,
                SignatureScheme::RsaPkcs1Sha512,
            ],
        }
    }

    fn sign(
        &self,
        scheme: SignatureScheme,
        message: &[u8],
        rng: &mut Rng,
    ) -> Result<Vec<u8>, Error> {
        if !self.schemes().contains(&scheme) {
            return Err(Error::UnsupportedScheme(scheme));
        }
        let sign = || {
            let mut ctx = PkeyCtx::new(&self.key)?;
            ctx.sign_init()?;
            configure(&mut ctx, scheme)?;
            if scheme.is_ecdsa() && rng.is_seeded() {
                // RFC 6979: the nonce follows from key and message, so that a seeded run replays exactly.
                ctx.set_nonce_type(NonceType::DETERMINISTIC_K)?;
            }
            let digest = hash(message_digest(scheme), message)?;
            let mut signature = Vec::new();
            ctx.sign_to_vec(&digest, &mut signature)?;
            Ok(signature)
        };
        sign().map_err(failed("signing"))
    }

    fn public_key_der(&self) -> Vec<u8> {
        self.key.public_key_to_der().expect("a key that was loaded or generated has an encoding")
    }

    fn private_key_der(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.key.private_key_to_pkcs8().map(Zeroizing::new).map_err(failed("private key encoding"))
    }
}

impl fmt::Debug for OpenSslSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSslSigningKey").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The kind of a key; `None` for what is not supported.
pub(super) fn kind<T: HasPublic>(key: &PKeyRef<T>) -> Option<PublicKeyKind> {
    match key.id() {
        Id::EC => match key.ec_key().ok()?.group().curve_name()? {
            Nid::X9_62_PRIME256V1 => Some(PublicKeyKind::EcdsaP256),
            Nid::SECP384R1 => Some(PublicKeyKind::EcdsaP384),
            _ => None,
        },
        Id::RSA => Some(key.bits())
            .filter(|bits| RSA_BITS.contains(bits))
            .map(|bits| PublicKeyKind::Rsa { bits }),
        _ => None,
    }
}

/// Sets hash and padding.
pub(super) fn configure<T>(
    ctx: &mut PkeyCtxRef<T>,
    scheme: SignatureScheme,
) -> Result<(), openssl::error::ErrorStack> {
    if scheme.is_ecdsa() {
        return ctx.set_signature_md(md(scheme.hash()));
    }
    let pss = matches!(
        scheme,
        SignatureScheme::RsaPssRsaeSha256
            | SignatureScheme::RsaPssRsaeSha384
            | SignatureScheme::RsaPssRsaeSha512
    );
    ctx.set_rsa_padding(if pss { Padding::PKCS1_PSS } else { Padding::PKCS1 })?;
    ctx.set_signature_md(md(scheme.hash()))?;
    if pss {
        // RFC 8446 §4.2.3: the salt is as long as the digest, and the mask uses the same hash.
        ctx.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
        ctx.set_rsa_mgf1_md(md(scheme.hash()))?;
    }
    Ok(())
}

fn md(hash: HashAlgorithm) -> &'static MdRef {
    match hash {
        HashAlgorithm::Md5 => Md::md5(),
        HashAlgorithm::Sha1 => Md::sha1(),
        HashAlgorithm::Sha256 => Md::sha256(),
        HashAlgorithm::Sha384 => Md::sha384(),
        HashAlgorithm::Sha512 => Md::sha512(),
    }
}

pub(super) fn message_digest(scheme: SignatureScheme) -> MessageDigest {
    match scheme.hash() {
        HashAlgorithm::Md5 => MessageDigest::md5(),
        HashAlgorithm::Sha1 => MessageDigest::sha1(),
        HashAlgorithm::Sha256 => MessageDigest::sha256(),
        HashAlgorithm::Sha384 => MessageDigest::sha384(),
        HashAlgorithm::Sha512 => MessageDigest::sha512(),
    }
}
