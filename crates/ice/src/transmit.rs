//! Datagrams with their addresses, as they travel between the state machines and the driver that owns the sockets.

use std::net::SocketAddr;

/// Transport protocol of a datagram or framed packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// UDP.
    #[default]
    Udp,
    /// TCP with RFC 4571 framing (RFC 6544).
    Tcp,
    /// TCP to a STUN or TURN server: messages delimit themselves, ChannelData are padded (RFC 8656 §12.5).
    TurnTcp,
    /// The same over TLS.
    TurnTls,
}

impl Protocol {
    /// Whether packets go over a stream, which the driver opens and frames.
    pub fn is_stream(self) -> bool {
        self != Self::Udp
    }
}

/// Why a stream is no more, as the driver tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamEnd {
    /// The far end closed it, or it broke.
    Closed,
    /// Nobody listens there, or the network said that there is no way.
    Refused,
    /// The far end did not answer, or took nothing, for too long.
    TimedOut,
    /// TLS failed: the certificate, most often.
    Tls,
    /// What came was no frame.
    Framing,
    /// There are too many streams.
    Limit,
}

impl std::fmt::Display for StreamEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "the far end closed the stream",
            Self::Refused => "the connection was refused",
            Self::TimedOut => "the far end did not answer in time",
            Self::Tls => "TLS failed",
            Self::Framing => "the far end sent something else than frames",
            Self::Limit => "there are too many streams",
        })
    }
}

/// Explicit congestion notification codepoint of an IP packet (RFC 3168 §5). "Not ECT" is `None` of an `Option<Ecn>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// ECT(1), `0b01`: L4S (RFC 9331).
    Ect1 = 0b01,
    /// ECT(0), `0b10`.
    Ect0 = 0b10,
    /// Congestion experienced, `0b11`.
    Ce = 0b11,
}

impl Ecn {
    /// Reads the two ECN bits (the low bits of the IPv4 TOS or IPv6 traffic class byte).
    pub fn from_bits(bits: u8) -> Option<Self> {
        match bits & 0b11 {
            0b01 => Some(Self::Ect1),
            0b10 => Some(Self::Ect0),
            0b11 => Some(Self::Ce),
            _ => None,
        }
    }
}

/// Where the bytes that `poll_transmit` appended to the buffer are to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// The local address (of a socket) to send from.
    pub source: SocketAddr,
    /// The address to send to.
    pub destination: SocketAddr,
    /// The protocol to send by.
    pub protocol: Protocol,
    /// ECN codepoint to mark the packet with; `None` is not ECN-capable.
    pub ecn: Option<Ecn>,
    /// How many bytes were appended to the buffer.
    pub size: usize,
    /// When set, the bytes are several datagrams of this size (the last may be shorter), fit for UDP GSO.
    pub segment_size: Option<usize>,
}

/// A datagram that arrived at a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input<'a> {
    /// The address it came from.
    pub source: SocketAddr,
    /// The local address it arrived at: one of those given to `add_local_address`, never a wildcard.
    pub destination: SocketAddr,
    /// The protocol it came by.
    pub protocol: Protocol,
    /// The ECN codepoint it arrived with.
    pub ecn: Option<Ecn>,
    /// The bytes.
    pub data: &'a [u8],
}
