//! AES in counter mode: one cipher context per key, made once; a packet sets only its IV.

use openssl::{cipher::Cipher, cipher_ctx::CipherCtx};

use super::failed;
use crate::{CounterModeKey, Error};

pub(super) struct OpenSslCounterMode(CipherCtx);

impl OpenSslCounterMode {
    pub(super) fn new(key: &[u8]) -> Result<Self, Error> {
        let cipher = match key.len() {
            16 => Cipher::aes_128_ctr(),
            24 => Cipher::aes_192_ctr(),
            32 => Cipher::aes_256_ctr(),
            actual => {
                return Err(Error::InvalidLength { what: "AES key", expected: 16, actual });
            }
        };
        let failed = failed("AES counter mode");
        let mut ctx = CipherCtx::new().map_err(&failed)?;
        ctx.encrypt_init(Some(cipher), Some(key), None).map_err(&failed)?;
        Ok(Self(ctx))
    }
}

impl CounterModeKey for OpenSslCounterMode {
    fn apply(&mut self, counter: &[u8; 16], data: &mut [u8]) -> Result<(), Error> {
        let failed = failed("AES counter mode");
        self.0.encrypt_init(None, None, Some(counter)).map_err(&failed)?;
        if !data.is_empty() {
            self.0.cipher_update_inplace(data, data.len()).map_err(&failed)?;
        }
        Ok(())
    }
}
