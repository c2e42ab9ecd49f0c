//! HKDF (RFC 5869) over any provider's HMAC; DTLS 1.3 builds its key schedule from it.

use zeroize::Zeroize;

use crate::{CryptoProvider, Digest, Error, HashAlgorithm, HmacKey};

/// HKDF-Extract (RFC 5869 §2.2). An empty salt is the RFC's "not provided".
pub fn hkdf_extract(
    provider: &dyn CryptoProvider,
    hash: HashAlgorithm,
    salt: &[u8],
    input: &[u8],
) -> Digest {
    // An absent salt is HashLen zeros, which HMAC's own padding makes equal to an empty key.
    provider.hmac(hash, salt).sign(&[input])
}

/// HKDF-Expand (RFC 5869 §2.3): fills `out`. `prk` is the pseudorandom key as a prepared HMAC key, `info` the parts of
/// the info string, concatenated here so that callers need not. Does not allocate but for a list of slices on the stack.
///
/// Fails if `out` is longer than 255 digests or `info` has more than six parts.
pub fn hkdf_expand(prk: &dyn HmacKey, info: &[&[u8]], out: &mut [u8]) -> Result<(), Error> {
    const MAX_PARTS: usize = 6;
    if info.len() > MAX_PARTS {
        return Err(Error::InvalidLength {
            what: "HKDF info",
            expected: MAX_PARTS,
            actual: info.len(),
        });
    }
    let total = out.len();
    let mut previous = Digest::new(&[]);
    let mut counter = 0_u8;
    let mut rest = &mut *out;
    while !rest.is_empty() {
        counter = counter.checked_add(1).ok_or(Error::OutputTooLong(total))?;
        let counter_octet = [counter];
        let mut parts: [&[u8]; MAX_PARTS + 2] = [&[]; MAX_PARTS + 2];
        parts[0] = &previous;
        parts[1..=info.len()].copy_from_slice(info);
        parts[info.len() + 1] = &counter_octet;
        let mut block = prk.sign(&parts[..info.len() + 2]);
        let taken = rest.len().min(block.len());
        rest[..taken].copy_from_slice(&block[..taken]);
        rest = &mut rest[taken..];
        std::mem::swap(&mut previous, &mut block);
        block.zeroize();
    }
    previous.zeroize();
    Ok(())
}
