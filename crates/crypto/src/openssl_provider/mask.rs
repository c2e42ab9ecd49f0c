//! Record number masks (RFC 9147 §4.2.3).

use openssl::{cipher::Cipher, cipher_ctx::CipherCtx};

use super::failed;
use crate::{AeadAlgorithm, Error, MaskKey};

pub(super) fn mask_key(algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn MaskKey>, Error> {
    if key.len() != algorithm.key_len() {
        return Err(Error::InvalidLength {
            what: "record number key",
            expected: algorithm.key_len(),
            actual: key.len(),
        });
    }
    let failed = failed("record number mask");
    let mut ctx = CipherCtx::new().map_err(&failed)?;
    match algorithm {
        AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm => {
            let cipher =
                if key.len() == 16 { Cipher::aes_128_ecb() } else { Cipher::aes_256_ecb() };
            ctx.encrypt_init(Some(cipher), Some(key), None).map_err(&failed)?;
            ctx.set_padding(false);
            Ok(Box::new(AesMask(ctx)))
        }
        AeadAlgorithm::ChaCha20Poly1305 => {
            ctx.encrypt_init(Some(Cipher::chacha20()), Some(key), None).map_err(&failed)?;
            Ok(Box::new(ChaChaMask(ctx)))
        }
    }
}

struct AesMask(CipherCtx);

impl MaskKey for AesMask {
    fn mask(&mut self, sample: &[u8; 16]) -> [u8; 16] {
        // OpenSSL wants room for one block more than it will write.
        let mut out = [0; 32];
        let written = self.0.cipher_update(sample, Some(&mut out));
        debug_assert_eq!(written.ok(), Some(16), "one block in, one block out");
        let mut mask = [0; 16];
        mask.copy_from_slice(&out[..16]);
        mask
    }
}

struct ChaChaMask(CipherCtx);

impl MaskKey for ChaChaMask {
    fn mask(&mut self, sample: &[u8; 16]) -> [u8; 16] {
        // OpenSSL's 16-byte IV is the block counter, little-endian, then the nonce: exactly the split of the sample that
        // RFC 9147 §4.2.3 asks for.
        let mut mask = [0; 16];
        let done = self
            .0
            .encrypt_init(None, None, Some(sample))
            .and_then(|()| self.0.cipher_update_inplace(&mut mask, 16));
        debug_assert_eq!(done.ok(), Some(16), "a stream cipher writes what it reads");
        mask
    }
}
