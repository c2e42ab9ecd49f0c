//! The variable-length header of encrypted records in DTLS 1.3 (RFC 9147 §4, figure 3).

/// ```text
///  0 1 2 3 4 5 6 7
/// +-+-+-+-+-+-+-+-+
/// |0|0|1|C|S|L|E E|   C: connection ID, S: 16-bit sequence number, L: length present, E: low bits of the epoch
/// +-+-+-+-+-+-+-+-+
/// ```
///
/// We never negotiate a connection ID (RFC 9146), so a record with one is not for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnifiedHeader {
    /// The two low bits of the epoch.
    pub(crate) epoch_bits: u8,
    /// 1 or 2 bytes; they are encrypted, so they are not read here.
    pub(crate) sequence_len: usize,
    pub(crate) header_len: usize,
    pub(crate) body_len: usize,
}

impl UnifiedHeader {
    /// The first byte of every header we write: 16-bit sequence number, length present.
    pub(crate) const FIRST_BYTE: u8 = 0b0010_1100;
    /// Length of every header we write.
    pub(crate) const SENT_LEN: usize = 5;

    /// Reads a header; `None` if it is cut short, carries a connection ID, or the record does not fit into `bytes`.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        if first & 0xe0 != 0x20 || first & 0x10 != 0 {
            return None;
        }
        let sequence_len = if first & 0x08 != 0 { 2 } else { 1 };
        let mut header_len = 1 + sequence_len;
        let body_len = if first & 0x04 != 0 {
            let length = bytes.get(header_len..header_len + 2)?;
            header_len += 2;
            usize::from(u16::from_be_bytes([length[0], length[1]]))
        } else {
            // Without a length the record fills the rest of the datagram.
            bytes.len().checked_sub(header_len)?
        };
        (bytes.len() >= header_len + body_len).then_some(Self {
            epoch_bits: first & 0x03,
            sequence_len,
            header_len,
            body_len,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_shapes_of_the_header() {
        let full = UnifiedHeader::parse(&[0x2e, 1, 2, 0, 3, 9, 9, 9, 9]).unwrap();
        assert_eq!(
            full,
            UnifiedHeader { epoch_bits: 2, sequence_len: 2, header_len: 5, body_len: 3 }
        );
        let minimal = UnifiedHeader::parse(&[0x23, 1, 9, 9, 9]).unwrap();
        assert_eq!(
            minimal,
            UnifiedHeader { epoch_bits: 3, sequence_len: 1, header_len: 2, body_len: 3 }
        );
        let short_length = UnifiedHeader::parse(&[0x24, 1, 0, 1, 9, 9]).unwrap();
        assert_eq!((short_length.header_len, short_length.body_len), (4, 1));
        let no_length = UnifiedHeader::parse(&[0x28, 1, 2, 9]).unwrap();
        assert_eq!((no_length.header_len, no_length.body_len), (3, 1));
        // With a connection ID, cut short, too long.
        assert_eq!(UnifiedHeader::parse(&[0x3e, 1, 2, 0, 1, 9]), None);
        assert_eq!(UnifiedHeader::parse(&[0x2e, 1, 2, 0]), None);
        assert_eq!(UnifiedHeader::parse(&[0x2e, 1, 2, 0, 2, 9]), None);
        assert_eq!(UnifiedHeader::parse(&[0x2c]), None);
    }
}
