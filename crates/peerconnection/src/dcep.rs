//! The Data Channel Establishment Protocol (RFC 8832 §5) and the payload protocol identifiers of WebRTC (RFC 8831 §8):
//! how a channel is opened in band, and how SCTP says what a message is.
//!
//! Public so that an application which brings its own SCTP, or a tool that reads captures, can use it alone.

use std::fmt;

use bytes::{Bytes, BytesMut};
use thiserror::Error as ThisError;

/// Payload protocol identifiers (RFC 8831 §8, RFC 8832 §8.1).
pub mod ppid {
    /// DCEP messages.
    pub const DCEP: u32 = 50;
    /// Text, not empty.
    pub const STRING: u32 = 51;
    /// Part of bytes, deprecated: more parts follow.
    pub const BINARY_PARTIAL: u32 = 52;
    /// Bytes, not empty.
    pub const BINARY: u32 = 53;
    /// Part of a text, deprecated: more parts follow.
    pub const STRING_PARTIAL: u32 = 54;
    /// An empty text, sent as one zero byte.
    pub const STRING_EMPTY: u32 = 56;
    /// No bytes, sent as one zero byte.
    pub const BINARY_EMPTY: u32 = 57;
}

const MESSAGE_TYPE_ACK: u8 = 0x02;
const MESSAGE_TYPE_OPEN: u8 = 0x03;
const CHANNEL_TYPE_RELIABLE: u8 = 0x00;
const CHANNEL_TYPE_REXMIT: u8 = 0x01;
const CHANNEL_TYPE_TIMED: u8 = 0x02;
/// The high bit of the channel type (RFC 8832 §8.2.2).
const CHANNEL_TYPE_UNORDERED: u8 = 0x80;
/// Message type, channel type, priority, reliability parameter and two lengths.
const OPEN_HEADER_LEN: usize = 12;

/// How hard a channel tries (the low bits of the channel type and the reliability parameter).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelReliability {
    /// Until the data is acknowledged.
    Reliable,
    /// So many retransmissions.
    MaxRetransmits(u32),
    /// So many milliseconds.
    MaxLifetime(u32),
}

/// DATA_CHANNEL_OPEN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Whether messages keep their order.
    pub ordered: bool,
    /// How hard to try.
    pub reliability: ChannelReliability,
    /// The weight of RFC 8831 §6.4.
    pub priority: u16,
    /// The label, at most 65,535 bytes.
    pub label: String,
    /// The subprotocol, at most 65,535 bytes; empty if there is none.
    pub protocol: String,
}

/// A DCEP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DcepMessage {
    /// Opens a channel.
    Open(Open),
    /// Accepts an OPEN.
    Ack,
}

/// Why bytes are no DCEP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum DcepError {
    /// The bytes end before the message does.
    #[error("DCEP message ends after {0} bytes (RFC 8832 §5)")]
    Truncated(usize),
    /// The lengths do not add up to the size of the message.
    #[error(
        "label and protocol lengths add up to {expected} bytes but {actual} follow (RFC 8832 §5.1)"
    )]
    Length {
        /// What the lengths say.
        expected: usize,
        /// What is there.
        actual: usize,
    },
    /// An unassigned message type.
    #[error("unknown DCEP message type {0:#04x} (RFC 8832 §8.2.1)")]
    MessageType(u8),
    /// An unassigned channel type.
    #[error("unknown channel type {0:#04x} (RFC 8832 §8.2.2)")]
    ChannelType(u8),
    /// The label or the protocol is not UTF-8.
    #[error("{0} is not UTF-8 (RFC 8832 §5.1)")]
    Utf8(&'static str),
}

impl DcepMessage {
    /// Reads a message.
    ///
    /// # Errors
    /// See [`DcepError`].
    pub fn parse(data: &[u8]) -> Result<Self, DcepError> {
        match data.first() {
            None => Err(DcepError::Truncated(0)),
            // Some stacks pad the ACK; what follows the type carries no meaning.
            Some(&MESSAGE_TYPE_ACK) => Ok(Self::Ack),
            Some(&MESSAGE_TYPE_OPEN) => Open::parse(data).map(Self::Open),
            Some(&other) => Err(DcepError::MessageType(other)),
        }
    }

    /// Writes the message.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Open(open) => open.to_bytes(),
            Self::Ack => Bytes::from_static(&[MESSAGE_TYPE_ACK]),
        }
    }
}

impl Open {
    //  0                   1                   2                   3
    //  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    // +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    // |  Message Type |  Channel Type |            Priority           |
    // +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    // |                    Reliability Parameter                      |
    // +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    // |         Label Length          |       Protocol Length         |
    // +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    fn parse(data: &[u8]) -> Result<Self, DcepError> {
        let Some((header, rest)) = data.split_first_chunk::<OPEN_HEADER_LEN>() else {
            return Err(DcepError::Truncated(data.len()));
        };
        let [_, channel_type, p0, p1, r0, r1, r2, r3, l0, l1, q0, q1] = *header;
        let parameter = u32::from_be_bytes([r0, r1, r2, r3]);
        let reliability = match channel_type & !CHANNEL_TYPE_UNORDERED {
            CHANNEL_TYPE_RELIABLE => ChannelReliability::Reliable,
            CHANNEL_TYPE_REXMIT => ChannelReliability::MaxRetransmits(parameter),
            CHANNEL_TYPE_TIMED => ChannelReliability::MaxLifetime(parameter),
            _ => return Err(DcepError::ChannelType(channel_type)),
        };
        let label_len = usize::from(u16::from_be_bytes([l0, l1]));
        let protocol_len = usize::from(u16::from_be_bytes([q0, q1]));
        if rest.len() != label_len + protocol_len {
            return Err(DcepError::Length {
                expected: label_len + protocol_len,
                actual: rest.len(),
            });
        }
        let (label, protocol) = rest.split_at(label_len);
        let text = |bytes: &[u8], name| {
            std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| DcepError::Utf8(name))
        };
        Ok(Self {
            ordered: channel_type & CHANNEL_TYPE_UNORDERED == 0,
            reliability,
            priority: u16::from_be_bytes([p0, p1]),
            label: text(label, "label")?,
            protocol: text(protocol, "protocol")?,
        })
    }

    /// Writes the message. A label or protocol above 65,535 bytes is cut at a character boundary; the connection
    /// refuses such labels before.
    pub fn to_bytes(&self) -> Bytes {
        let (label, protocol) = (clip(&self.label), clip(&self.protocol));
        let (kind, parameter) = match self.reliability {
            ChannelReliability::Reliable => (CHANNEL_TYPE_RELIABLE, 0),
            ChannelReliability::MaxRetransmits(count) => (CHANNEL_TYPE_REXMIT, count),
            ChannelReliability::MaxLifetime(milliseconds) => (CHANNEL_TYPE_TIMED, milliseconds),
        };
        let unordered = if self.ordered { 0 } else { CHANNEL_TYPE_UNORDERED };
        let mut out = BytesMut::with_capacity(OPEN_HEADER_LEN + label.len() + protocol.len());
        out.extend_from_slice(&[MESSAGE_TYPE_OPEN, kind | unordered]);
        out.extend_from_slice(&self.priority.to_be_bytes());
        out.extend_from_slice(&parameter.to_be_bytes());
        // `clip` keeps both lengths within 16 bits.
        out.extend_from_slice(&(label.len() as u16).to_be_bytes());
        out.extend_from_slice(&(protocol.len() as u16).to_be_bytes());
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(protocol.as_bytes());
        out.freeze()
    }
}

impl fmt::Display for DcepMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(open) => write!(f, "OPEN {:?}", open.label),
            Self::Ack => f.write_str("ACK"),
        }
    }
}

fn clip(text: &str) -> &str {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn open_has_the_layout_of_rfc_8832() {
        let open = Open {
            ordered: false,
            reliability: ChannelReliability::MaxRetransmits(3),
            priority: 256,
            label: "chat".into(),
            protocol: "p".into(),
        };
        let bytes = open.to_bytes();
        assert_eq!(&bytes[..], b"\x03\x81\x01\x00\x00\x00\x00\x03\x00\x04\x00\x01chatp");
        assert_eq!(DcepMessage::parse(&bytes), Ok(DcepMessage::Open(open)));
    }

    #[test]
    fn malformed_messages_say_why() {
        for (data, error) in [
            (&b""[..], DcepError::Truncated(0)),
            (b"\x03\x00", DcepError::Truncated(2)),
            (b"\x01", DcepError::MessageType(1)),
            (b"\x03\x7f\0\0\0\0\0\0\0\0\0\0", DcepError::ChannelType(0x7f)),
            (b"\x03\xff\0\0\0\0\0\0\0\0\0\0", DcepError::ChannelType(0xff)),
            (b"\x03\0\0\0\0\0\0\0\0\x02\0\0a", DcepError::Length { expected: 2, actual: 1 }),
            (b"\x03\0\0\0\0\0\0\0\0\0\0\0a", DcepError::Length { expected: 0, actual: 1 }),
            (b"\x03\0\0\0\0\0\0\0\0\x01\0\0\xff", DcepError::Utf8("label")),
        ] {
            assert_eq!(DcepMessage::parse(data), Err(error), "{data:?}");
        }
    }

    #[test]
    fn overlong_labels_are_cut_at_a_character() {
        let open = Open {
            ordered: true,
            reliability: ChannelReliability::Reliable,
            priority: 0,
            label: "é".repeat(40_000),
            protocol: String::new(),
        };
        let Ok(DcepMessage::Open(read)) = DcepMessage::parse(&open.to_bytes()) else {
            panic!("no OPEN")
        };
        assert_eq!(read.label.len(), 65_534);
    }

    fn any_open() -> impl Strategy<Value = Open> {
        let reliability = prop_oneof![
            Just(ChannelReliability::Reliable),
            any::<u32>().prop_map(ChannelReliability::MaxRetransmits),
            any::<u32>().prop_map(ChannelReliability::MaxLifetime),
        ];
        (any::<bool>(), reliability, any::<u16>(), ".{0,80}", ".{0,20}").prop_map(
            |(ordered, reliability, priority, label, protocol)| Open {
                ordered,
                reliability,
                priority,
                label,
                protocol,
            },
        )
    }

    proptest! {
        #[test]
        fn open_round_trips(open in any_open()) {
            let message = DcepMessage::Open(open);
            prop_assert_eq!(DcepMessage::parse(&message.to_bytes()), Ok(message));
        }

        #[test]
        fn what_parses_is_written_back_alike(data in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(message) = DcepMessage::parse(&data) {
                prop_assert_eq!(DcepMessage::parse(&message.to_bytes()), Ok(message));
            }
        }
    }
}
