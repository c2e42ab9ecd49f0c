//! Protection of DTLS 1.3 records: AEAD, record number encryption, replay detection and key usage limits
//! (RFC 9147 §4.2.3, §4.5).

use std::{fmt, ops::Range};

use peerage_crypto::{AeadAlgorithm, AeadKey, CryptoProvider, MaskKey};

use super::key_schedule::{Hkdf, Secret};
use crate::{
    error::Error,
    record::{MAX_PLAINTEXT, ReplayWindow, UnifiedHeader},
};

/// Length of the tag of every AEAD in use.
pub(crate) const TAG_LEN: usize = 16;
/// How many bytes a record is longer than its plaintext: header, content type, tag.
pub(crate) const OVERHEAD: usize = UnifiedHeader::SENT_LEN + 1 + TAG_LEN;

/// After how many failures to open a record under one key the key is given up (RFC 9147 §4.5.3).
const MAX_FAILURES: u64 = 1 << 36;
/// After how many of them new keys are asked for.
const REKEY_AFTER_FAILURES: u64 = 1 << 35;

/// How many records one key may seal (RFC 8446 §5.5: 2^24.5 for AES-GCM; ChaCha20-Poly1305 has no limit of its own).
pub(crate) const fn seal_limit(algorithm: AeadAlgorithm) -> u64 {
    match algorithm {
        AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm => 23_726_566,
        AeadAlgorithm::ChaCha20Poly1305 => 1 << 48,
    }
}

const fn key_len(algorithm: AeadAlgorithm) -> usize {
    match algorithm {
        AeadAlgorithm::Aes128Gcm => 16,
        AeadAlgorithm::Aes256Gcm | AeadAlgorithm::ChaCha20Poly1305 => 32,
    }
}

/// What both directions of an epoch have in common.
struct Keys {
    epoch: u64,
    aead: Box<dyn AeadKey>,
    mask: Box<dyn MaskKey>,
    iv: [u8; 12],
}

impl Keys {
    fn new(
        provider: &dyn CryptoProvider,
        hkdf: &Hkdf,
        algorithm: AeadAlgorithm,
        epoch: u64,
        secret: &Secret,
    ) -> Result<Self, Error> {
        let keys = hkdf.traffic_keys(secret, key_len(algorithm))?;
        Ok(Self {
            epoch,
            aead: provider.aead(algorithm, keys.key())?,
            mask: provider.record_number_mask(algorithm, keys.sequence_number_key())?,
            iv: keys.iv,
        })
    }

    /// The IV with the sequence number in its low 64 bits. The epoch is not part of it (RFC 9147 §4).
    fn nonce(&self, sequence: u64) -> [u8; 12] {
        let mut nonce = self.iv;
        for (byte, other) in nonce[4..].iter_mut().zip(sequence.to_be_bytes()) {
            *byte ^= other;
        }
        nonce
    }
}

/// The sending keys of one epoch.
pub(crate) struct SealKeys {
    keys: Keys,
    next_sequence: u64,
    limit: u64,
}

impl SealKeys {
    pub(crate) fn new(
        provider: &dyn CryptoProvider,
        hkdf: &Hkdf,
        algorithm: AeadAlgorithm,
        epoch: u64,
        secret: &Secret,
    ) -> Result<Self, Error> {
        let keys = Keys::new(provider, hkdf, algorithm, epoch, secret)?;
        Ok(Self { keys, next_sequence: 0, limit: seal_limit(algorithm) })
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.keys.epoch
    }

    /// How many records were sealed.
    pub(crate) fn sealed(&self) -> u64 {
        self.next_sequence
    }

    /// Makes a record in place. `buf[start..]` is headroom for the header, then the plaintext. Returns the record's
    /// sequence number.
    pub(crate) fn seal(
        &mut self,
        buf: &mut Vec<u8>,
        start: usize,
        content_type: u8,
    ) -> Result<u64, Error> {
        let sequence = self.next_sequence;
        if sequence >= self.limit {
            return Err(Error::KeyLimit);
        }
        buf.push(content_type);
        let inner_len = buf.len() - start - UnifiedHeader::SENT_LEN;
        buf.extend_from_slice(&[0; TAG_LEN]);
        let record = &mut buf[start..];
        record[0] = UnifiedHeader::FIRST_BYTE | (self.keys.epoch & 3) as u8;
        record[1..3].copy_from_slice(&(sequence as u16).to_be_bytes());
        record[3..5].copy_from_slice(&((inner_len + TAG_LEN) as u16).to_be_bytes());
        let (header, body) = record.split_at_mut(UnifiedHeader::SENT_LEN);
        let (inner, tag) = body.split_at_mut(inner_len);
        let Some(tag) = tag.first_chunk_mut::<TAG_LEN>() else { return Err(Error::KeyLimit) };
        let nonce = self.keys.nonce(sequence);
        self.keys.aead.seal_in_place(&nonce, header, inner, tag)?;
        // The tag alone makes a ciphertext long enough to sample (RFC 9147 §4.2.3).
        if let Some(sample) = body.first_chunk::<16>() {
            let mask = self.keys.mask.mask(sample);
            header[1] ^= mask[0];
            header[2] ^= mask[1];
        }
        self.next_sequence += 1;
        Ok(sequence)
    }
}

impl fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKeys(epoch {}, {} sealed)", self.keys.epoch, self.next_sequence)
    }
}

/// Why a record was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenFailure {
    /// Too short to be a record.
    Malformed,
    /// Authentication failed.
    BadMac,
    /// It was opened before, or is too old to tell.
    Replayed,
}

/// A record that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The byte on the wire; 0 if the plaintext was nothing but padding.
    pub(crate) content_type: u8,
    pub(crate) sequence: u64,
    /// Where the content lies in the record.
    pub(crate) content: Range<usize>,
}

/// The receiving keys of one epoch.
pub(crate) struct OpenKeys {
    keys: Keys,
    window: ReplayWindow,
    failures: u64,
}

impl OpenKeys {
    pub(crate) fn new(
        provider: &dyn CryptoProvider,
        hkdf: &Hkdf,
        algorithm: AeadAlgorithm,
        epoch: u64,
        secret: &Secret,
    ) -> Result<Self, Error> {
        let keys = Keys::new(provider, hkdf, algorithm, epoch, secret)?;
        Ok(Self { keys, window: ReplayWindow::default(), failures: 0 })
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.keys.epoch
    }

    /// Whether so many records failed that new keys should be agreed upon.
    pub(crate) fn wants_rekey(&self) -> bool {
        self.failures >= REKEY_AFTER_FAILURES
    }

    /// Whether so many records failed that the keys must not be used any longer.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.failures >= MAX_FAILURES
    }

    /// Opens a record in place. `record` is the whole of it, `header` what was read from it.
    pub(crate) fn open(
        &mut self,
        record: &mut [u8],
        header: &UnifiedHeader,
    ) -> Result<Opened, OpenFailure> {
        let (head, body) = record.split_at_mut(header.header_len);
        // RFC 9147 §4.2.3: what is too short for a sample is rejected as if it had failed to open. A content type and
        // a tag are longer anyway; the upper limit is that of RFC 8446 §5.2.
        if body.len() < TAG_LEN + 1 || body.len() > MAX_PLAINTEXT + 256 {
            return Err(OpenFailure::Malformed);
        }
        let Some(sample) = body.first_chunk::<16>() else { return Err(OpenFailure::Malformed) };
        let mask = self.keys.mask.mask(sample);
        // The additional data is the header with the number in clear (RFC 9147 §4).
        let mut low = 0_u64;
        for (index, mask) in mask.iter().enumerate().take(header.sequence_len) {
            head[1 + index] ^= mask;
            low = low << 8 | u64::from(head[1 + index]);
        }
        let sequence = reconstruct(low, 8 * header.sequence_len as u32, self.window.next());
        let nonce = self.keys.nonce(sequence);
        let Ok(len) = self.keys.aead.open_in_place(&nonce, head, body) else {
            self.failures += 1;
            return Err(OpenFailure::BadMac);
        };
        // Only now, so that the time taken says nothing about the number (RFC 9147 §4.5.1).
        if !self.window.is_new(sequence) {
            return Err(OpenFailure::Replayed);
        }
        self.window.insert(sequence);
        // Padding is zeros after the content type (RFC 8446 §5.4).
        let inner = &body[..len];
        let end = inner.iter().rposition(|&byte| byte != 0);
        let content_type = end.map_or(0, |end| inner[end]);
        let content = header.header_len..header.header_len + end.unwrap_or(0);
        Ok(Opened { content_type, sequence, content })
    }
}

impl fmt::Debug for OpenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenKeys(epoch {}, next {})", self.keys.epoch, self.window.next())
    }
}

/// The number whose low `bits` are `low` and that is closest to `expected` (RFC 9147 §4.2.2).
fn reconstruct(low: u64, bits: u32, expected: u64) -> u64 {
    let span = 1_u64 << bits;
    let candidate = (expected & !(span - 1)) | low;
    if candidate + span / 2 < expected {
        candidate + span
    } else if candidate > expected + span / 2 && candidate >= span {
        candidate - span
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_number_is_found() {
        for expected in [0, 1, 127, 128, 129, 200, 255, 256, 257, 1000, 65_535, 65_536, 1 << 40] {
            for bits in [8, 16] {
                let half = 1_i64 << (bits - 1);
                for distance in [1 - half, -100, -1, 0, 1, 100, half - 1] {
                    let Some(number) = (expected as i64).checked_add(distance) else { continue };
                    if number < 0 {
                        continue;
                    }
                    let number = number as u64;
                    let low = number & ((1 << bits) - 1);
                    assert_eq!(reconstruct(low, bits, expected), number, "{expected} {distance}");
                }
            }
        }
    }
}
