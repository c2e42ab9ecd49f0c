//! What travels: a datagram with its addresses, and the two ECN bits of its IP header (RFC 3168 §5).

use std::net::SocketAddr;

/// The ECN field of the IP header (RFC 3168 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ecn {
    /// Not ECN-capable: a congested queue drops it.
    #[default]
    NotEct = 0b00,
    /// ECN-capable, ECT(1): what L4S senders use (RFC 9331).
    Ect1 = 0b01,
    /// ECN-capable, ECT(0).
    Ect0 = 0b10,
    /// Congestion was experienced on the way.
    Ce = 0b11,
}

impl Ecn {
    /// From the lowest two bits of an IPv4 TOS or IPv6 traffic class octet; the other bits are ignored.
    pub fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::NotEct,
            0b01 => Self::Ect1,
            0b10 => Self::Ect0,
            _ => Self::Ce,
        }
    }

    /// The two bits.
    pub fn bits(self) -> u8 {
        self as u8
    }

    /// Whether a queue may mark this packet instead of dropping it.
    pub fn is_capable(self) -> bool {
        self != Self::NotEct
    }
}

/// A datagram on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it comes from; a NAT rewrites it.
    pub source: SocketAddr,
    /// Where it goes; a NAT rewrites it.
    pub destination: SocketAddr,
    /// ECN field; a congested link sets [`Ecn::Ce`].
    pub ecn: Ecn,
    /// The payload, above UDP. Take a buffer from [`Network::buffer`](crate::Network::buffer) and give it back with
    /// [`Network::recycle`](crate::Network::recycle) where allocations matter.
    pub data: Vec<u8>,
}

impl Packet {
    /// A packet that is not ECN-capable.
    pub fn new(source: SocketAddr, destination: SocketAddr, data: Vec<u8>) -> Self {
        Self { source, destination, ecn: Ecn::NotEct, data }
    }
}
