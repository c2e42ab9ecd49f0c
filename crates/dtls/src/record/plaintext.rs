//! The 13-byte record header of DTLS 1.2 and of plaintext records in DTLS 1.3 (RFC 6347 §4.1, RFC 9147 §4).

use super::ContentType;
use crate::codec::Reader;

/// ```text
///  type (1) | version (2) | epoch (2) | sequence_number (6) | length (2)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlaintextHeader {
    pub(crate) content_type: ContentType,
    /// `legacy_record_version`, which DTLS 1.3 ignores.
    pub(crate) version: u16,
    pub(crate) epoch: u16,
    /// 48 bits.
    pub(crate) sequence: u64,
    pub(crate) length: u16,
}

impl PlaintextHeader {
    pub(crate) const LEN: usize = 13;

    /// Reads a header; `None` if it is cut short, its type is unknown, or the record does not fit into `bytes`.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let header = Self {
            content_type: ContentType::from_wire(reader.u8()?)?,
            version: reader.u16()?,
            epoch: reader.u16()?,
            sequence: reader.u48()?,
            length: reader.u16()?,
        };
        (bytes.len() >= Self::LEN + usize::from(header.length)).then_some(header)
    }

    /// The header as it stands on the wire.
    pub(crate) fn to_wire(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[0] = self.content_type.to_wire();
        out[1..3].copy_from_slice(&self.version.to_be_bytes());
        out[3..5].copy_from_slice(&self.epoch.to_be_bytes());
        out[5..11].copy_from_slice(&self.sequence.to_be_bytes()[2..]);
        out[11..13].copy_from_slice(&self.length.to_be_bytes());
        out
    }
}
