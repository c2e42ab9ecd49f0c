//! I-FORWARD-TSN, the FORWARD TSN of associations that use I-DATA (RFC 8260 §2.3.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 194  |  Flags = 0x00 |       Length = Variable       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       New Cumulative TSN                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |       Stream Identifier       |          Reserved           |U|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       Message Identifier                      |
//! /                              ...                              /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::tlv::{Malformed, be32, begin_chunk, end};
use crate::serial::{Mid, StreamId, Tsn};

pub(crate) const I_FORWARD_TSN: u8 = 194;

/// The last message skipped of a stream, ordered and unordered apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SkippedMid {
    pub(crate) stream: StreamId,
    pub(crate) unordered: bool,
    pub(crate) mid: Mid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IForwardTsn<'a> {
    pub(crate) new_cumulative_tsn: Tsn,
    streams: &'a [u8],
}

impl<'a> IForwardTsn<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let tsn =
            be32(value, 0).ok_or(Malformed("I-FORWARD-TSN below 8 bytes (RFC 8260 §2.3.1)"))?;
        Ok(Self { new_cumulative_tsn: Tsn(tsn), streams: &value[4..] })
    }

    pub(crate) fn streams(&self) -> impl Iterator<Item = SkippedMid> + 'a {
        self.streams.chunks_exact(8).map(|b| SkippedMid {
            stream: StreamId(u16::from_be_bytes([b[0], b[1]])),
            unordered: b[3] & 1 != 0,
            mid: Mid(u32::from_be_bytes([b[4], b[5], b[6], b[7]])),
        })
    }

    pub(crate) fn write(buf: &mut Vec<u8>, tsn: Tsn, streams: impl Iterator<Item = SkippedMid>) {
        let start = begin_chunk(buf, I_FORWARD_TSN, 0);
        buf.extend_from_slice(&tsn.0.to_be_bytes());
        for skipped in streams {
            buf.extend_from_slice(&skipped.stream.0.to_be_bytes());
            buf.extend_from_slice(&[0, u8::from(skipped.unordered)]);
            buf.extend_from_slice(&skipped.mid.0.to_be_bytes());
        }
        end(buf, start);
    }
}
