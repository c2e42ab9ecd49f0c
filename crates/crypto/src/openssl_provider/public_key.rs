//! Public keys of certificates, and signatures under them.
//!
//! OpenSSL's own way from a certificate to a key passes through its decoders, which cost a third of verifying a
//! signature. The key of nearly every peer, ECDSA on P-256, is taken out here; all others go that way.

use std::{fmt, sync::OnceLock};

use openssl::{
    bn::BigNumContext,
    ec::{EcGroup, EcKey, EcPoint},
    ecdsa::EcdsaSig,
    error::ErrorStack,
    hash::hash,
    nid::Nid,
    pkey::{PKey, Public},
    pkey_ctx::PkeyCtx,
};

use super::signature::{configure, kind, message_digest};
use crate::{Error, PublicKey, PublicKeyKind, SignatureScheme, certificate::CertificateParts};

/// SubjectPublicKeyInfo of an uncompressed point on P-256 up to the point (RFC 5480 §2): id-ecPublicKey, secp256r1, and
/// the head of the bit string.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The form, 4 for uncompressed (SEC 1 §2.3.3), and two coordinates.
const P256_POINT_LEN: usize = 65;

/// Reads the key of a certificate.
pub(super) fn read(certificate_der: &[u8]) -> Result<Box<dyn PublicKey>, Error> {
    let parts = CertificateParts::read(certificate_der)?;
    let invalid = |reason| Error::InvalidCertificate { offset: parts.public_key_offset, reason };
    let unreadable = |_| invalid("the public key cannot be read");
    if let Some(point @ [4, ..]) = parts.public_key_info.strip_prefix(&P256_PREFIX)
        && point.len() == P256_POINT_LEN
    {
        return Ok(Box::new(EcdsaP256::read(point).map_err(unreadable)?));
    }
    let key = PKey::public_key_from_der(parts.public_key_info).map_err(unreadable)?;
    let kind = kind(&key)
        .ok_or_else(|| invalid("the public key is of a kind or size that is not supported"))?;
    Ok(Box::new(OtherKey { key, kind }))
}

/// The group, with its precomputed multiples of the generator.
fn p256() -> Result<&'static EcGroup, ErrorStack> {
    static GROUP: OnceLock<EcGroup> = OnceLock::new();
    if let Some(group) = GROUP.get() {
        return Ok(group);
    }
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(GROUP.get_or_init(|| group))
}

struct EcdsaP256(EcKey<Public>);

impl EcdsaP256 {
    /// Fails for points that are not on the curve. Those that are belong to the group, whose cofactor is 1; and the
    /// point at infinity has no uncompressed form.
    fn read(point: &[u8]) -> Result<Self, ErrorStack> {
        let group = p256()?;
        let point = EcPoint::from_bytes(group, point, &mut *BigNumContext::new()?)?;
        EcKey::from_public_key(group, &point).map(Self)
    }
}

impl PublicKey for EcdsaP256 {
    fn kind(&self) -> PublicKeyKind {
        PublicKeyKind::EcdsaP256
    }

    fn verify(
        &self,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        if !scheme.is_ecdsa() {
            return Err(Error::UnsupportedScheme(scheme));
        }
        let verify = || {
            let parsed = EcdsaSig::from_der(signature)?;
            // DER has one form for each signature; the parser is more lenient, and ignores what follows.
            if parsed.to_der()? != signature {
                return Ok(false);
            }
            parsed.verify(&hash(message_digest(scheme), message)?, &self.0)
        };
        outcome(verify())
    }
}

/// RSA, and ECDSA on P-384.
struct OtherKey {
    key: PKey<Public>,
    kind: PublicKeyKind,
}

impl PublicKey for OtherKey {
    fn kind(&self) -> PublicKeyKind {
        self.kind
    }

    fn verify(
        &self,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        if scheme.is_ecdsa() == matches!(self.kind, PublicKeyKind::Rsa { .. }) {
            return Err(Error::UnsupportedScheme(scheme));
        }
        if let PublicKeyKind::Rsa { bits } = self.kind
            && signature.len() != bits.div_ceil(8) as usize
        {
            // RFC 8017 §8.1.2 and §8.2.2. OpenSSL would take a signature whose leading zero was dropped.
            return Err(Error::InvalidSignature);
        }
        let verify = || {
            let mut ctx = PkeyCtx::new(&self.key)?;
            ctx.verify_init()?;
            configure(&mut ctx, scheme)?;
            let digest = hash(message_digest(scheme), message)?;
            ctx.verify(&digest, signature)
        };
        outcome(verify())
    }
}

/// An error is a signature that could not even be decoded.
fn outcome(verified: Result<bool, ErrorStack>) -> Result<(), Error> {
    if matches!(verified, Ok(true)) { Ok(()) } else { Err(Error::InvalidSignature) }
}

impl fmt::Debug for EcdsaP256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EcdsaP256")
    }
}

impl fmt::Debug for OtherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtherKey").field("kind", &self.kind).finish_non_exhaustive()
    }
}
