//! SACK, the acknowledgement (RFC 9260 §3.3.4).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 3    |  Chunk Flags  |         Chunk Length          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      Cumulative TSN Ack                       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          Advertised Receiver Window Credit (a_rwnd)           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Number of Gap Ack Blocks = N  |  Number of Duplicate TSNs = M |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |    Gap Ack Block #1 Start     |     Gap Ack Block #1 End      |
//! /                              ...                              /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                        Duplicate TSN 1                        |
//! /                              ...                              /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::tlv::{Malformed, be16, be32, begin_chunk, end};
use crate::serial::Tsn;

pub(crate) const SACK: u8 = 3;
/// Bytes of a SACK without blocks and duplicates.
pub(crate) const SACK_HEADER_LENGTH: usize = 16;

/// TSNs received beyond the cumulative one, as offsets from it; both ends belong to the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GapBlock {
    pub(crate) start: u16,
    pub(crate) end: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sack<'a> {
    pub(crate) cumulative_tsn: Tsn,
    pub(crate) a_rwnd: u32,
    gaps: &'a [u8],
    duplicates: &'a [u8],
}

impl<'a> Sack<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let fixed =
            value.first_chunk::<12>().ok_or(Malformed("SACK below 16 bytes (RFC 9260 §3.3.4)"))?;
        let gap_bytes = usize::from(be16(fixed, 8).unwrap_or_default()) * 4;
        let duplicate_bytes = usize::from(be16(fixed, 10).unwrap_or_default()) * 4;
        let rest = &value[12..];
        if rest.len() < gap_bytes + duplicate_bytes {
            return Err(Malformed("SACK counts more blocks than it holds (RFC 9260 §3.3.4)"));
        }
        Ok(Self {
            cumulative_tsn: Tsn(be32(fixed, 0).unwrap_or_default()),
            a_rwnd: be32(fixed, 4).unwrap_or_default(),
            gaps: &rest[..gap_bytes],
            duplicates: &rest[gap_bytes..gap_bytes + duplicate_bytes],
        })
    }

    pub(crate) fn gaps(&self) -> impl Iterator<Item = GapBlock> + 'a {
        self.gaps.chunks_exact(4).map(|b| GapBlock {
            start: u16::from_be_bytes([b[0], b[1]]),
            end: u16::from_be_bytes([b[2], b[3]]),
        })
    }

    pub(crate) fn duplicates(&self) -> impl Iterator<Item = Tsn> + 'a {
        self.duplicates.chunks_exact(4).map(|b| Tsn(u32::from_be_bytes([b[0], b[1], b[2], b[3]])))
    }

    pub(crate) fn write(
        buf: &mut Vec<u8>,
        cumulative_tsn: Tsn,
        a_rwnd: u32,
        gaps: impl Iterator<Item = GapBlock>,
        duplicates: &[Tsn],
    ) {
        let start = begin_chunk(buf, SACK, 0);
        buf.extend_from_slice(&cumulative_tsn.0.to_be_bytes());
        buf.extend_from_slice(&a_rwnd.to_be_bytes());
        let counts = buf.len();
        buf.extend_from_slice(&[0; 4]);
        let mut gap_count = 0u16;
        for gap in gaps {
            buf.extend_from_slice(&gap.start.to_be_bytes());
            buf.extend_from_slice(&gap.end.to_be_bytes());
            gap_count += 1;
        }
        buf[counts..counts + 2].copy_from_slice(&gap_count.to_be_bytes());
        buf[counts + 2..counts + 4].copy_from_slice(&(duplicates.len() as u16).to_be_bytes());
        for tsn in duplicates {
            buf.extend_from_slice(&tsn.0.to_be_bytes());
        }
        end(buf, start);
    }
}
