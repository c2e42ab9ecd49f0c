//! FORWARD TSN: do not wait for these, they were abandoned (RFC 3758 §3.2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 192  |  Flags = 0x00 |        Length = Variable      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      New Cumulative TSN                       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |         Stream-1              |       Stream Sequence-1       |
//! /                              ...                              /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::tlv::{Malformed, be32, begin_chunk, end};
use crate::serial::{Ssn, StreamId, Tsn};

pub(crate) const FORWARD_TSN: u8 = 192;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForwardTsn<'a> {
    pub(crate) new_cumulative_tsn: Tsn,
    streams: &'a [u8],
}

impl<'a> ForwardTsn<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let tsn = be32(value, 0).ok_or(Malformed("FORWARD TSN below 8 bytes (RFC 3758 §3.2)"))?;
        Ok(Self { new_cumulative_tsn: Tsn(tsn), streams: &value[4..] })
    }

    /// The last sequence number skipped of each ordered stream touched.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (StreamId, Ssn)> + 'a {
        self.streams.chunks_exact(4).map(|b| {
            (StreamId(u16::from_be_bytes([b[0], b[1]])), Ssn(u16::from_be_bytes([b[2], b[3]])))
        })
    }

    pub(crate) fn write(
        buf: &mut Vec<u8>,
        tsn: Tsn,
        streams: impl Iterator<Item = (StreamId, Ssn)>,
    ) {
        let start = begin_chunk(buf, FORWARD_TSN, 0);
        buf.extend_from_slice(&tsn.0.to_be_bytes());
        for (stream, ssn) in streams {
            buf.extend_from_slice(&stream.0.to_be_bytes());
            buf.extend_from_slice(&ssn.0.to_be_bytes());
        }
        end(buf, start);
    }
}
