//! Protection of records in DTLS 1.2 with an AEAD (RFC 6347 §4.1.2.1, RFC 5246 §6.2.3.3, RFC 5288 §3, RFC 7905 §2).

use std::ops::Range;

use peerage_crypto::{AeadAlgorithm, AeadKey, CryptoProvider};
use zeroize::Zeroizing;

use crate::{
    error::Error,
    record::{ContentType, PlaintextHeader},
    version::ProtocolVersion,
};

/// Length of the tag in bytes, of every suite here.
pub(crate) const TAG: usize = 16;
/// Length of the part of the nonce that goes on the wire with GCM (RFC 5288 §3).
const EXPLICIT_NONCE: usize = 8;
/// One past the last sequence number of an epoch (RFC 6347 §4.1).
const SEQUENCE_END: u64 = 1 << 48;

/// The keys of one direction in one epoch.
pub(crate) struct RecordProtection {
    key: Box<dyn AeadKey>,
    /// GCM: four bytes of salt, then room for the explicit part. ChaCha20-Poly1305: the whole IV.
    iv: Zeroizing<[u8; 12]>,
    explicit_nonce: bool,
}

impl RecordProtection {
    /// How many bytes of IV the key block holds for each direction.
    pub(crate) const fn fixed_iv_len(aead: AeadAlgorithm) -> usize {
        match aead {
            AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm => 4,
            AeadAlgorithm::ChaCha20Poly1305 => 12,
        }
    }

    pub(crate) fn new(
        provider: &dyn CryptoProvider,
        aead: AeadAlgorithm,
        key: &[u8],
        fixed_iv: &[u8],
    ) -> Result<Self, Error> {
        let mut iv = Zeroizing::new([0; 12]);
        iv[..fixed_iv.len()].copy_from_slice(fixed_iv);
        let explicit_nonce = !matches!(aead, AeadAlgorithm::ChaCha20Poly1305);
        Ok(Self { key: provider.aead(aead, key)?, iv, explicit_nonce })
    }

    /// How many bytes stand before the ciphertext: the record header and the explicit nonce.
    pub(crate) const fn header_len(&self) -> usize {
        PlaintextHeader::LEN + self.explicit_len()
    }

    /// How many bytes a record is longer than its plaintext.
    pub(crate) const fn overhead(&self) -> usize {
        self.header_len() + TAG
    }

    const fn explicit_len(&self) -> usize {
        if self.explicit_nonce { EXPLICIT_NONCE } else { 0 }
    }

    /// Seals in place: `buf[start..]` is [`header_len`](Self::header_len) bytes of room, then the plaintext, of at most
    /// 2^14 bytes. Afterwards it is a whole record.
    pub(crate) fn seal(
        &mut self,
        content_type: ContentType,
        epoch: u16,
        sequence: u64,
        buf: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), Error> {
        if sequence >= SEQUENCE_END {
            return Err(Error::KeyLimit);
        }
        let header_len = self.header_len();
        let plaintext = buf.len() - start - header_len;
        let record_number = u64::from(epoch) << 48 | sequence;
        let header = PlaintextHeader {
            content_type,
            version: ProtocolVersion::Dtls12.to_wire(),
            epoch,
            sequence,
            length: (self.explicit_len() + plaintext + TAG) as u16,
        };
        let record = &mut buf[start..];
        record[..PlaintextHeader::LEN].copy_from_slice(&header.to_wire());
        if self.explicit_nonce {
            record[PlaintextHeader::LEN..header_len].copy_from_slice(&record_number.to_be_bytes());
        }
        let nonce = self.nonce(record_number.to_be_bytes());
        let mut tag = [0; TAG];
        let additional = additional_data(&header, plaintext);
        self.key.seal_in_place(&nonce, &additional, &mut record[header_len..], &mut tag)?;
        buf.extend_from_slice(&tag);
        Ok(())
    }

    /// Opens in place; gives where in `record` the plaintext lies, or `None` if the record is not authentic.
    pub(crate) fn open(
        &mut self,
        header: &PlaintextHeader,
        record: &mut [u8],
    ) -> Option<Range<usize>> {
        let header_len = self.header_len();
        let plaintext = record.len().checked_sub(header_len + TAG)?;
        let nonce = if self.explicit_nonce {
            let explicit = record[PlaintextHeader::LEN..].first_chunk::<EXPLICIT_NONCE>()?;
            self.nonce(*explicit)
        } else {
            self.nonce((u64::from(header.epoch) << 48 | header.sequence).to_be_bytes())
        };
        let additional = additional_data(header, plaintext);
        let length = self.key.open_in_place(&nonce, &additional, &mut record[header_len..]).ok()?;
        Some(header_len..header_len + length)
    }

    fn nonce(&self, number: [u8; 8]) -> [u8; 12] {
        let mut nonce = *self.iv;
        for (byte, number) in nonce[4..].iter_mut().zip(number) {
            // With GCM these bytes of the IV are zero: the number takes their place (RFC 5288 §3). With
            // ChaCha20-Poly1305 it is XORed in (RFC 7905 §2).
            *byte ^= number;
        }
        nonce
    }
}

/// RFC 5246 §6.2.3.3, with epoch and sequence number in the place of `seq_num` (RFC 6347 §4.1.2.1).
fn additional_data(header: &PlaintextHeader, plaintext: usize) -> [u8; PlaintextHeader::LEN] {
    let mut out = [0; PlaintextHeader::LEN];
    out[..2].copy_from_slice(&header.epoch.to_be_bytes());
    out[2..8].copy_from_slice(&header.sequence.to_be_bytes()[2..]);
    out[8] = header.content_type.to_wire();
    out[9..11].copy_from_slice(&header.version.to_be_bytes());
    out[11..].copy_from_slice(&(plaintext as u16).to_be_bytes());
    out
}

impl std::fmt::Debug for RecordProtection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordProtection")
    }
}

#[cfg(test)]
mod tests {
    use peerage_crypto::default_provider;

    use super::*;

    const ALGORITHMS: [AeadAlgorithm; 3] =
        [AeadAlgorithm::Aes128Gcm, AeadAlgorithm::Aes256Gcm, AeadAlgorithm::ChaCha20Poly1305];

    fn protection(aead: AeadAlgorithm) -> RecordProtection {
        let iv = vec![9; RecordProtection::fixed_iv_len(aead)];
        RecordProtection::new(&*default_provider(), aead, &vec![7; aead.key_len()], &iv).unwrap()
    }

    #[test]
    fn sealed_records_open_and_forged_ones_do_not() {
        for aead in ALGORITHMS {
            let (mut sender, mut receiver) = (protection(aead), protection(aead));
            for length in [0, 1, 1000, 1 << 14] {
                let mut buf = vec![0xee; 5 + sender.header_len()];
                buf.extend((0..length).map(|at| at as u8));
                sender.seal(ContentType::ApplicationData, 1, 77, &mut buf, 5).unwrap();
                let mut record = buf.split_off(5);
                assert_eq!(record.len(), length + sender.overhead());
                let header = PlaintextHeader::parse(&record).unwrap();
                assert_eq!((header.epoch, header.sequence), (1, 77));
                for at in [3, 10, record.len() / 2, record.len() - 1] {
                    let mut forged = record.clone();
                    forged[at] ^= 1;
                    let header = PlaintextHeader::parse(&forged);
                    assert!(
                        header.is_none_or(|header| receiver.open(&header, &mut forged).is_none())
                    );
                }
                let range = receiver.open(&header, &mut record).unwrap();
                assert!(record[range].iter().enumerate().all(|(at, byte)| *byte == at as u8));
            }
            let mut short = vec![0; sender.overhead() - 1];
            let header = PlaintextHeader {
                content_type: ContentType::ApplicationData,
                version: 0xfefd,
                epoch: 1,
                sequence: 0,
                length: (short.len() - PlaintextHeader::LEN) as u16,
            };
            assert!(receiver.open(&header, &mut short).is_none());
        }
    }

    #[test]
    fn sequence_numbers_never_wrap() {
        let mut sender = protection(AeadAlgorithm::Aes128Gcm);
        let mut buf = vec![0; sender.header_len()];
        let sealed = sender.seal(ContentType::ApplicationData, 1, SEQUENCE_END, &mut buf, 0);
        assert_eq!(sealed, Err(Error::KeyLimit));
    }
}
