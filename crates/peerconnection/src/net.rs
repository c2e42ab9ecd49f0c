//! Datagrams as they enter; how they leave is [`Transmit`](peerage_ice::Transmit) of peerage-ice.

use std::net::SocketAddr;

use peerage_ice::{Ecn, Protocol};

/// A received datagram. Unlike [`peerage_ice::Input`] it is mutable, because DTLS opens records in place.
#[derive(Debug)]
pub struct Input<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// The local address it arrived at: one of those given to `add_local_address`, never a wildcard.
    pub destination: SocketAddr,
    /// How it arrived.
    pub protocol: Protocol,
    /// Its ECN codepoint.
    pub ecn: Option<Ecn>,
    /// Its payload.
    pub data: &'a mut [u8],
}
