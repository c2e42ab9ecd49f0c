//! Cuts a stream into messages (RFC 8656 §12.5, RFC 8489 §6.2.2).

use peerage_stun::HEADER_LEN;

/// Why a stream cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream holds neither STUN nor ChannelData (first byte {first:#04x})")]
pub struct NotTurn {
    /// The byte where a message should begin.
    pub first: u8,
}

/// The size in bytes of the message at the start of `bytes`, with its padding; `None` where more bytes are needed to tell or
/// to fill it. At most 65,556.
pub fn next(bytes: &[u8]) -> Result<Option<usize>, NotTurn> {
    let [first, _, high, low, ..] = *bytes else {
        return match bytes.first() {
            Some(&first) if first >= 0x80 || (4..0x40).contains(&first) => Err(NotTurn { first }),
            _ => Ok(None),
        };
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let size = match first {
        0..=3 => HEADER_LEN + length,
        0x40..=0x7F => 4 + length.next_multiple_of(4),
        _ => return Err(NotTurn { first }),
    };
    Ok((bytes.len() >= size).then_some(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_with_their_padding() {
        assert_eq!(next(&[]), Ok(None));
        assert_eq!(next(&[0x40, 1, 0]), Ok(None));
        assert_eq!(next(&[0x40, 1, 0, 1, 9, 0, 0]), Ok(None));
        assert_eq!(next(&[0x40, 1, 0, 1, 9, 0, 0, 0, 7]), Ok(Some(8)));
        assert_eq!(next(&[0x40, 1, 0, 0]), Ok(Some(4)));
        assert_eq!(next(&[0; 19]), Ok(None));
        assert_eq!(next(&[0; 21]), Ok(Some(20)));
        for first in [4, 0x16, 0x3F, 0x80, 0xFF] {
            assert_eq!(next(&[first]), Err(NotTurn { first }));
            assert_eq!(next(&[first; 8]), Err(NotTurn { first }));
        }
    }
}
