//! The 12-byte header of a handshake fragment (RFC 9147 §5.2, RFC 6347 §4.2.2).

use super::HandshakeType;
use crate::codec::Reader;

/// ```text
///  msg_type (1) | length (3) | message_seq (2) | fragment_offset (3) | fragment_length (3)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FragmentHeader {
    pub(crate) handshake_type: HandshakeType,
    /// Of the whole message's body.
    pub(crate) length: u32,
    pub(crate) sequence: u16,
    pub(crate) offset: u32,
    pub(crate) fragment_length: u32,
}

impl FragmentHeader {
    pub(crate) const LEN: usize = 12;

    /// Reads a header and the fragment's bytes; `None` if they are cut short or lie outside of the message.
    pub(crate) fn read<'a>(reader: &mut Reader<'a>) -> Option<(Self, &'a [u8])> {
        let header = Self {
            handshake_type: HandshakeType(reader.u8()?),
            length: reader.u24()?,
            sequence: reader.u16()?,
            offset: reader.u24()?,
            fragment_length: reader.u24()?,
        };
        if header.offset + header.fragment_length > header.length {
            return None;
        }
        let body = reader.take(header.fragment_length as usize)?;
        Some((header, body))
    }

    /// The header as it stands on the wire.
    pub(crate) fn to_wire(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[0] = self.handshake_type.0;
        out[1..4].copy_from_slice(&self.length.to_be_bytes()[1..]);
        out[4..6].copy_from_slice(&self.sequence.to_be_bytes());
        out[6..9].copy_from_slice(&self.offset.to_be_bytes()[1..]);
        out[9..12].copy_from_slice(&self.fragment_length.to_be_bytes()[1..]);
        out
    }
}
