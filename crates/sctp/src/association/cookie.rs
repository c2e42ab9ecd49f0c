//! The State Cookie (RFC 9260 §5.1.3): what we answered an INIT with, so that nothing need be kept until it returns.
//!
//! RFC 9260 asks for a MAC against forged cookies from strangers, and a lifespan against replayed ones. Over DTLS a stranger
//! cannot send, and the peer itself gains nothing by forging what it could have put into its INIT (RFC 8261 §5). So the
//! cookie carries a random nonce of this association instead, which tells it from stray bytes, and is parsed with the
//! same care as an INIT.

use super::state::Endpoint;
use crate::packet::init::Capabilities;
use crate::packet::tlv::{be16, be32};
use crate::serial::Tsn;

/// Length of every cookie we make.
const LENGTH: usize = 8 + 4 + 4 + 4 + 4 + 4 + 2 + 2 + 1 + 4 + 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cookie {
    pub(super) nonce: u64,
    pub(super) local_tag: u32,
    pub(super) local_tsn: Tsn,
    pub(super) peer: Endpoint,
    /// The tags of the association that existed when the INIT came, or 0 (RFC 9260 §5.2.2).
    pub(super) local_tie_tag: u32,
    pub(super) peer_tie_tag: u32,
}

impl Cookie {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        let c = self.peer.capabilities;
        let flags = u8::from(c.partial_reliability)
            | u8::from(c.reconfig) << 1
            | u8::from(c.interleaving) << 2
            | u8::from(c.zero_checksum) << 3;
        bytes.extend_from_slice(&self.nonce.to_be_bytes());
        bytes.extend_from_slice(&self.local_tag.to_be_bytes());
        bytes.extend_from_slice(&self.local_tsn.0.to_be_bytes());
        bytes.extend_from_slice(&self.peer.tag.to_be_bytes());
        bytes.extend_from_slice(&self.peer.initial_tsn.0.to_be_bytes());
        bytes.extend_from_slice(&self.peer.a_rwnd.to_be_bytes());
        bytes.extend_from_slice(&self.peer.outbound_streams.to_be_bytes());
        bytes.extend_from_slice(&self.peer.inbound_streams.to_be_bytes());
        bytes.push(flags);
        bytes.extend_from_slice(&self.local_tie_tag.to_be_bytes());
        bytes.extend_from_slice(&self.peer_tie_tag.to_be_bytes());
        bytes
    }

    pub(super) fn parse(bytes: &[u8], nonce: u64) -> Option<Self> {
        if bytes.len() != LENGTH || bytes[..8] != nonce.to_be_bytes() {
            return None;
        }
        let flags = bytes[32];
        let cookie = Self {
            nonce,
            local_tag: be32(bytes, 8)?,
            local_tsn: Tsn(be32(bytes, 12)?),
            peer: Endpoint {
                tag: be32(bytes, 16)?,
                initial_tsn: Tsn(be32(bytes, 20)?),
                a_rwnd: be32(bytes, 24)?,
                outbound_streams: be16(bytes, 28)?,
                inbound_streams: be16(bytes, 30)?,
                capabilities: Capabilities {
                    partial_reliability: flags & 1 != 0,
                    reconfig: flags & 2 != 0,
                    interleaving: flags & 4 != 0,
                    zero_checksum: flags & 8 != 0,
                },
            },
            local_tie_tag: be32(bytes, 33)?,
            peer_tie_tag: be32(bytes, 37)?,
        };
        let peer = &cookie.peer;
        (peer.tag != 0
            && cookie.local_tag != 0
            && peer.outbound_streams > 0
            && peer.inbound_streams > 0)
            .then_some(cookie)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let cookie = Cookie {
            nonce: 0x0102_0304_0506_0708,
            local_tag: 9,
            local_tsn: Tsn(10),
            peer: Endpoint {
                tag: 11,
                initial_tsn: Tsn(12),
                a_rwnd: 13,
                outbound_streams: 14,
                inbound_streams: 15,
                capabilities: Capabilities {
                    reconfig: true,
                    zero_checksum: true,
                    ..Capabilities::default()
                },
            },
            local_tie_tag: 16,
            peer_tie_tag: 17,
        };
        let bytes = cookie.write();
        assert_eq!(Cookie::parse(&bytes, cookie.nonce), Some(cookie));
        assert_eq!(Cookie::parse(&bytes, 1), None);
        assert_eq!(Cookie::parse(&bytes[1..], cookie.nonce), None);
    }
}
