//! I-DATA, a fragment that may be interleaved with those of other messages (RFC 8260 §2.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 64   |  Res  |I|U|B|E|       Length = Variable       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                              TSN                              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |        Stream Identifier      |           Reserved            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      Message Identifier                       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |    Payload Protocol Identifier / Fragment Sequence Number     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! /                           User Data                           /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::data::FragmentFlags;
use super::tlv::{Malformed, be16, be32, padded};
use crate::serial::{Fsn, Mid, PayloadProtocolId, StreamId, Tsn};

pub(crate) const I_DATA: u8 = 64;
/// Bytes of an I-DATA chunk before the user data.
pub(crate) const I_DATA_HEADER_LENGTH: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IData<'a> {
    pub(crate) flags: FragmentFlags,
    pub(crate) tsn: Tsn,
    pub(crate) stream: StreamId,
    pub(crate) mid: Mid,
    /// Carried by the first fragment only; zero otherwise.
    pub(crate) ppid: PayloadProtocolId,
    /// Zero in the first fragment, where it is not carried.
    pub(crate) fsn: Fsn,
    pub(crate) payload: &'a [u8],
}

impl<'a> IData<'a> {
    pub(crate) fn parse(flags: u8, value: &'a [u8]) -> Result<Self, Malformed> {
        let header =
            value.first_chunk::<16>().ok_or(Malformed("I-DATA below 20 bytes (RFC 8260 §2.1)"))?;
        let flags = FragmentFlags(flags & 0x0f);
        let shared = be32(header, 12).unwrap_or_default();
        let (ppid, fsn) = if flags.begin() { (shared, 0) } else { (0, shared) };
        Ok(Self {
            flags,
            tsn: Tsn(be32(header, 0).unwrap_or_default()),
            stream: StreamId(be16(header, 4).unwrap_or_default()),
            mid: Mid(be32(header, 8).unwrap_or_default()),
            ppid: PayloadProtocolId(ppid),
            fsn: Fsn(fsn),
            payload: &value[16..],
        })
    }

    pub(crate) fn write(&self, buf: &mut Vec<u8>) {
        let length = I_DATA_HEADER_LENGTH + self.payload.len();
        let shared = if self.flags.begin() { self.ppid.0 } else { self.fsn.0 };
        let mut header = [0; I_DATA_HEADER_LENGTH];
        header[0] = I_DATA;
        header[1] = self.flags.0;
        header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        header[4..8].copy_from_slice(&self.tsn.0.to_be_bytes());
        header[8..10].copy_from_slice(&self.stream.0.to_be_bytes());
        header[12..16].copy_from_slice(&self.mid.0.to_be_bytes());
        header[16..20].copy_from_slice(&shared.to_be_bytes());
        buf.extend_from_slice(&header);
        buf.extend_from_slice(self.payload);
        buf.extend_from_slice(&[0; 3][..padded(length) - length]);
    }
}
