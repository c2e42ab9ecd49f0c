//! SHA-256 of files and of what streams through.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A digest that is fed as data comes.
#[derive(Default)]
pub(crate) struct Running(Sha256);

impl Running {
    pub(crate) fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The digest in hexadecimal.
    pub(crate) fn finish(self) -> String {
        self.0.finalize().iter().fold(String::new(), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Feeds everything that `input` has, and returns how much that was.
    pub(crate) async fn feed(&mut self, mut input: impl AsyncRead + Unpin) -> std::io::Result<u64> {
        let mut buffer = vec![0; 1 << 18];
        let mut total = 0;
        loop {
            let length = input.read(&mut buffer).await?;
            if length == 0 {
                return Ok(total);
            }
            self.update(&buffer[..length]);
            total += length as u64;
        }
    }
}

/// Size and digest of a file.
pub(crate) async fn of_file(path: &Path) -> Result<(u64, String)> {
    let read = async {
        let mut digest = Running::default();
        let size = digest.feed(tokio::fs::File::open(path).await?).await?;
        std::io::Result::Ok((size, digest.finish()))
    };
    read.await.with_context(|| format!("cannot read {}", path.display()))
}

/// Whether `text` is a SHA-256 in hexadecimal as [`Running::finish`] writes it.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_digest_is_that_of_fips_180() -> std::io::Result<()> {
        let mut digest = Running::default();
        assert_eq!(digest.feed(&b"abc"[..]).await?, 3);
        let text = digest.finish();
        assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(is_sha256(&text) && !is_sha256("abc"));
        Ok(())
    }
}
