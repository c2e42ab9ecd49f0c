//! ChannelData: the four-byte frame of TURN channels (RFC 8656 §12.4).

use crate::error::Error;

/// A ChannelData message, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelData<'a> {
    /// Channel number, 0x4000 to 0x4FFF.
    pub channel: u16,
    /// Application data.
    pub data: &'a [u8],
}

impl<'a> ChannelData<'a> {
    /// Reads one frame from the start of `bytes`; gives it and how many bytes it took. Over streams a frame is padded to
    /// four bytes (`stream`); in a datagram padding may be there or not, and is ignored (RFC 8656 §12.5).
    pub fn parse(bytes: &'a [u8], stream: bool) -> Result<(Self, usize), Error> {
        let Some((head, rest)) = bytes.split_first_chunk::<4>() else {
            return Err(Error::Truncated { need: 4, have: bytes.len() });
        };
        let channel = u16::from_be_bytes([head[0], head[1]]);
        if !(0x4000..=0x4FFF).contains(&channel) {
            return Err(Error::InvalidChannelData {
                reason: "the channel number is not in 0x4000 to 0x4FFF",
            });
        }
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let taken = 4 + if stream { length.next_multiple_of(4) } else { length };
        if taken > bytes.len() {
            return Err(Error::Truncated { need: taken, have: bytes.len() });
        }
        Ok((Self { channel, data: &rest[..length] }, taken))
    }

    /// The header to put before `len` bytes of data; `None` when the channel or the length does not fit.
    pub fn header(channel: u16, len: usize) -> Option<[u8; 4]> {
        if !(0x4000..=0x4FFF).contains(&channel) {
            return None;
        }
        let ([a, b], [c, d]) = (channel.to_be_bytes(), u16::try_from(len).ok()?.to_be_bytes());
        Some([a, b, c, d])
    }

    /// Appends the frame; over streams with its padding.
    pub fn write(&self, stream: bool, out: &mut Vec<u8>) -> Result<(), Error> {
        let header =
            Self::header(self.channel, self.data.len()).ok_or(Error::InvalidChannelData {
                reason: "the channel number or the length does not fit",
            })?;
        out.extend_from_slice(&header);
        out.extend_from_slice(self.data);
        if stream {
            out.resize(out.len() + self.data.len().next_multiple_of(4) - self.data.len(), 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip() {
        let frame = ChannelData { channel: 0x4001, data: b"hello" };
        let mut datagram = Vec::new();
        frame.write(false, &mut datagram).unwrap();
        assert_eq!(ChannelData::parse(&datagram, false), Ok((frame, 9)));
        assert_eq!(
            ChannelData::parse(&datagram, true),
            Err(Error::Truncated { need: 12, have: 9 })
        );
        let mut stream = Vec::new();
        frame.write(true, &mut stream).unwrap();
        assert_eq!(ChannelData::parse(&stream, true), Ok((frame, 12)));
        assert_eq!(ChannelData::parse(&stream, false), Ok((frame, 9)));
    }

    #[test]
    fn channels_out_of_range_are_refused() {
        assert!(ChannelData::parse(&[0x50, 0, 0, 0], false).is_err());
        assert!(ChannelData { channel: 0x3FFF, data: &[] }.write(false, &mut Vec::new()).is_err());
    }
}
