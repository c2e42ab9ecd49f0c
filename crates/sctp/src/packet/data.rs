//! DATA, a fragment of a user message (RFC 9260 §3.3.1, I bit: RFC 7053).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 0    |  Res  |I|U|B|E|            Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                              TSN                              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Stream Identifier S      |   Stream Sequence Number n    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                  Payload Protocol Identifier                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! /                 User Data (seq n of Stream S)                 /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::tlv::{Malformed, be16, be32, padded};
use crate::serial::{PayloadProtocolId, Ssn, StreamId, Tsn};

pub(crate) const DATA: u8 = 0;
/// Bytes of a DATA chunk before the user data.
pub(crate) const DATA_HEADER_LENGTH: usize = 16;

/// The four flags that DATA and I-DATA share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FragmentFlags(pub(crate) u8);

impl FragmentFlags {
    pub(crate) const END: u8 = 1;
    pub(crate) const BEGIN: u8 = 2;
    pub(crate) const UNORDERED: u8 = 4;
    pub(crate) const IMMEDIATE: u8 = 8;

    pub(crate) const fn end(self) -> bool {
        self.0 & Self::END != 0
    }
    pub(crate) const fn begin(self) -> bool {
        self.0 & Self::BEGIN != 0
    }
    pub(crate) const fn unordered(self) -> bool {
        self.0 & Self::UNORDERED != 0
    }
    pub(crate) const fn immediate(self) -> bool {
        self.0 & Self::IMMEDIATE != 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Data<'a> {
    pub(crate) flags: FragmentFlags,
    pub(crate) tsn: Tsn,
    pub(crate) stream: StreamId,
    pub(crate) ssn: Ssn,
    pub(crate) ppid: PayloadProtocolId,
    pub(crate) payload: &'a [u8],
}

impl<'a> Data<'a> {
    /// An empty payload parses: the caller answers it with "No User Data" (RFC 9260 §3.3.10.9).
    pub(crate) fn parse(flags: u8, value: &'a [u8]) -> Result<Self, Malformed> {
        let header =
            value.first_chunk::<12>().ok_or(Malformed("DATA below 16 bytes (RFC 9260 §3.3.1)"))?;
        Ok(Self {
            flags: FragmentFlags(flags & 0x0f),
            tsn: Tsn(be32(header, 0).unwrap_or_default()),
            stream: StreamId(be16(header, 4).unwrap_or_default()),
            ssn: Ssn(be16(header, 6).unwrap_or_default()),
            ppid: PayloadProtocolId(be32(header, 8).unwrap_or_default()),
            payload: &value[12..],
        })
    }

    pub(crate) fn write(&self, buf: &mut Vec<u8>) {
        let length = DATA_HEADER_LENGTH + self.payload.len();
        let mut header = [0; DATA_HEADER_LENGTH];
        header[0] = DATA;
        header[1] = self.flags.0;
        header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        header[4..8].copy_from_slice(&self.tsn.0.to_be_bytes());
        header[8..10].copy_from_slice(&self.stream.0.to_be_bytes());
        header[10..12].copy_from_slice(&self.ssn.0.to_be_bytes());
        header[12..16].copy_from_slice(&self.ppid.0.to_be_bytes());
        buf.extend_from_slice(&header);
        buf.extend_from_slice(self.payload);
        buf.extend_from_slice(&[0; 3][..padded(length) - length]);
    }
}
