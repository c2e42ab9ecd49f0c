//! AEAD keys: one cipher context per key and direction, made once; a record sets only its nonce.

use openssl::{
    cipher::{Cipher, CipherRef},
    cipher_ctx::CipherCtx,
};
use zeroize::Zeroizing;

use super::failed;
use crate::{AeadAlgorithm, AeadKey, Error};

const TAG_LEN: usize = 16;

pub(super) struct OpenSslAead {
    cipher: &'static CipherRef,
    key: Zeroizing<Vec<u8>>,
    // A protocol uses a key in one direction only, so each context is made when its direction is first used.
    sealing: Option<CipherCtx>,
    opening: Option<CipherCtx>,
}

impl OpenSslAead {
    pub(super) fn new(algorithm: AeadAlgorithm, key: &[u8]) -> Result<Self, Error> {
        if key.len() != algorithm.key_len() {
            return Err(Error::InvalidLength {
                what: "AEAD key",
                expected: algorithm.key_len(),
                actual: key.len(),
            });
        }
        let cipher = match algorithm {
            AeadAlgorithm::Aes128Gcm => Cipher::aes_128_gcm(),
            AeadAlgorithm::Aes256Gcm => Cipher::aes_256_gcm(),
            AeadAlgorithm::ChaCha20Poly1305 => Cipher::chacha20_poly1305(),
        };
        Ok(Self { cipher, key: Zeroizing::new(key.to_vec()), sealing: None, opening: None })
    }
}

impl AeadKey for OpenSslAead {
    fn seal_in_place(
        &mut self,
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &mut [u8; 16],
    ) -> Result<(), Error> {
        let failed = failed("AEAD seal");
        let ctx = match &mut self.sealing {
            Some(ctx) => ctx,
            empty => {
                let mut ctx = CipherCtx::new().map_err(&failed)?;
                ctx.encrypt_init(Some(self.cipher), Some(&self.key), None).map_err(&failed)?;
                empty.insert(ctx)
            }
        };
        ctx.encrypt_init(None, None, Some(nonce)).map_err(&failed)?;
        ctx.cipher_update(aad, None).map_err(&failed)?;
        if !data.is_empty() {
            ctx.cipher_update_inplace(data, data.len()).map_err(&failed)?;
        }
        ctx.cipher_final(&mut []).map_err(&failed)?;
        ctx.tag(tag).map_err(&failed)
    }

    fn open_in_place(
        &mut self,
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
    ) -> Result<usize, Error> {
        let failed = failed("AEAD open");
        let Some(length) = data.len().checked_sub(TAG_LEN) else {
            return Err(Error::AuthenticationFailed);
        };
        let ctx = match &mut self.opening {
            Some(ctx) => ctx,
            empty => {
                let mut ctx = CipherCtx::new().map_err(&failed)?;
                ctx.decrypt_init(Some(self.cipher), Some(&self.key), None).map_err(&failed)?;
                empty.insert(ctx)
            }
        };
        let (text, tag) = data.split_at_mut(length);
        ctx.decrypt_init(None, None, Some(nonce)).map_err(&failed)?;
        ctx.set_tag(tag).map_err(&failed)?;
        ctx.cipher_update(aad, None).map_err(&failed)?;
        if !text.is_empty() {
            ctx.cipher_update_inplace(text, length).map_err(&failed)?;
        }
        ctx.cipher_final(&mut []).map_err(|_| Error::AuthenticationFailed)?;
        Ok(length)
    }
}
