//! Packets in a stream: RFC 4571 for ICE-TCP (RFC 6544 §3), STUN messages and ChannelData that delimit themselves for
//! streams to servers (RFC 8489 §6.2.2, RFC 8656 §12.5). Whoever owns the stream calls it.
//!
//! ```text
//!  RFC 4571:   | length (16) | packet ...                          |
//!  STUN:       |00| type (14)| length (16) | cookie (32) | id (96) | attributes ... |
//!  ChannelData:|01| number   | length (16) | data ...    | padding to 4 bytes       |
//! ```

use std::ops::Range;

use crate::transmit::Protocol;

/// The longest frame with its header and padding.
pub const MAX_FRAME: usize = 65_560;

/// The header of RFC 4571.
const LENGTH: usize = 2;
/// The header of ChannelData.
const CHANNEL_HEADER: usize = 4;
/// The header of a STUN message.
const STUN_HEADER: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

/// How packets are told apart in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// A length of 16 bits before each packet.
    Rfc4571,
    /// STUN messages and ChannelData, which say themselves how long they are.
    Stun,
}

/// What begins a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A whole frame.
    Whole {
        /// Where the packet lies; empty if the frame carries none.
        packet: Range<usize>,
        /// Where the next frame begins.
        end: usize,
    },
    /// The beginning of one.
    Partial,
    /// No frame: the stream cannot be read on.
    Invalid,
}

impl Framing {
    /// The framing of a protocol; `None` for datagrams.
    pub fn of(protocol: Protocol) -> Option<Self> {
        match protocol {
            Protocol::Udp => None,
            Protocol::Tcp => Some(Self::Rfc4571),
            Protocol::TurnTcp | Protocol::TurnTls => Some(Self::Stun),
        }
    }

    /// Appends a packet as a frame; false, and nothing appended, if it does not fit into one.
    pub fn write(self, packet: &[u8], out: &mut Vec<u8>) -> bool {
        match self {
            Self::Rfc4571 => {
                let Ok(len) = u16::try_from(packet.len()) else { return false };
                out.extend_from_slice(&len.to_be_bytes());
                out.extend_from_slice(packet);
            }
            Self::Stun => {
                if packet.len() > MAX_FRAME || packet.first().is_none_or(|first| *first >= 0x80) {
                    return false;
                }
                out.extend_from_slice(packet);
                // STUN messages end at multiples of four anyway.
                let padding = packet.len().next_multiple_of(4) - packet.len();
                out.extend_from_slice(&[0; 3][..padding]);
            }
        }
        true
    }

    /// Looks at the beginning of `bytes`.
    pub fn first(self, bytes: &[u8]) -> Frame {
        let (packet, end) = match self {
            Self::Rfc4571 => {
                let Some(length) = bytes.first_chunk() else { return Frame::Partial };
                let end = LENGTH + usize::from(u16::from_be_bytes(*length));
                (LENGTH..end, end)
            }
            Self::Stun => {
                // The first byte decides, so that a stream of something else ends at once.
                if bytes.first().is_some_and(|first| *first >= 0x50) {
                    return Frame::Invalid;
                }
                let Some(&[first, _, high, low]) = bytes.first_chunk() else {
                    return Frame::Partial;
                };
                let length = usize::from(u16::from_be_bytes([high, low]));
                if first >= 0x40 {
                    let end = CHANNEL_HEADER + length;
                    (0..end, end.next_multiple_of(4))
                } else {
                    let cookie = &bytes[4..bytes.len().min(8)];
                    if !length.is_multiple_of(4) || *cookie != MAGIC_COOKIE[..cookie.len()] {
                        return Frame::Invalid;
                    }
                    let end = STUN_HEADER + length;
                    (0..end, end)
                }
            }
        };
        if bytes.len() < end { Frame::Partial } else { Frame::Whole { packet, end } }
    }

    /// How many bytes at the beginning are whole frames, and whether what follows them can be one.
    pub fn whole(self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        loop {
            match self.first(&bytes[at..]) {
                Frame::Whole { end, .. } => at += end,
                Frame::Partial => return (at, true),
                Frame::Invalid => return (at, false),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_back_however_the_stream_is_cut() {
        let mut stun = vec![0, 1, 0, 4];
        stun.extend(MAGIC_COOKIE);
        stun.extend([7; 16]);
        let channel = vec![0x40, 0, 0, 5, 1, 2, 3, 4, 5];
        for (framing, packets) in [
            (Framing::Stun, vec![stun.clone(), channel.clone(), stun.clone()]),
            (Framing::Rfc4571, vec![stun, vec![0x80; 65_535], vec![], channel]),
        ] {
            let mut stream = Vec::new();
            for packet in &packets {
                assert!(framing.write(packet, &mut stream));
            }
            for step in [1, 3, 7, 1000, stream.len()] {
                let (mut buffer, mut found) = (Vec::new(), Vec::new());
                for piece in stream.chunks(step) {
                    buffer.extend_from_slice(piece);
                    while let Frame::Whole { packet, end } = framing.first(&buffer) {
                        found.push(buffer[packet].to_vec());
                        buffer.drain(..end);
                    }
                    assert!(buffer.len() <= MAX_FRAME);
                }
                assert_eq!((found, buffer.len()), (packets.clone(), 0), "{framing:?} by {step}");
            }
        }
    }

    #[test]
    fn what_is_no_frame_is_found_out_at_its_first_bytes() {
        for other in [&b"POST / HTTP/1.1"[..], &[0x16, 3, 1, 2, 0, 1], &[0, 1, 0, 3], &[0xff]] {
            assert_eq!(Framing::Stun.first(other), Frame::Invalid, "{other:?}");
        }
        assert_eq!(Framing::Stun.first(&[0, 1, 0, 0, 0x21, 0x12]), Frame::Partial);
        assert!(!Framing::Rfc4571.write(&[0; 65_536], &mut Vec::new()));
        assert!(!Framing::Stun.write(&[0x80, 0, 0, 0], &mut Vec::new()));
    }
}
