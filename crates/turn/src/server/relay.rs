//! The data path: ChannelData and Send from clients (RFC 8656 §11.2, §12.6), datagrams from peers (§11.3, §12.7). Nothing here
//! allocates or copies data.

use std::net::SocketAddr;
use std::time::Instant;

use peerage_stun::{AttributeType, HEADER_LEN, MAGIC_COOKIE, Message};

use super::Server;
use super::manage::peer_of;
use crate::types::{FiveTuple, Forward, Path, Prefix, RelayId};

/// The type of a Data indication.
const DATA_INDICATION: [u8; 2] = [0x00, 0x17];

impl Server {
    #[inline]
    pub(super) fn channel_data(
        &mut self,
        now: Instant,
        tuple: FiveTuple,
        message: &[u8],
    ) -> Option<Forward> {
        // The number, the length, the data; in a datagram perhaps padding (RFC 8656 §12.5).
        let head = message.split_first_chunk::<4>();
        let Some((&[high, low, length @ ..], data)) = head else {
            self.counters.malformed += 1;
            return None;
        };
        let (number, len) = (u16::from_be_bytes([high, low]), u16::from_be_bytes(length));
        let len = usize::from(len);
        if len > data.len() {
            self.counters.malformed += 1;
            return None;
        }
        let found = self.place_of(&tuple).and_then(|place| {
            let allocation = self.allocations.get(place as usize)?;
            let channel = allocation.channel(now, number)?;
            let relayed = allocation.relayed_for(channel.peer.ip())?;
            Some((place, relayed.id, channel.peer))
        });
        let Some((place, relay, peer)) = found else {
            self.counters.unpermitted += 1;
            return None;
        };
        if !self.account(now, place, 0, len) {
            return None;
        }
        Some(Forward {
            path: Path::Peer { relay, peer, dont_fragment: false },
            prefix: Prefix::EMPTY,
            payload: 4..4 + len,
            padding: 0,
        })
    }

    pub(super) fn send(
        &mut self,
        now: Instant,
        tuple: FiveTuple,
        message: &Message<'_>,
    ) -> Option<Forward> {
        // RFC 8656 §11.2: an indication that lacks something, or has something unknown, is discarded.
        let (Some(peer), Some(data), None) =
            (peer_of(message), message.get(AttributeType::DATA), message.unknown_required().next())
        else {
            self.counters.malformed += 1;
            return None;
        };
        let found = self.place_of(&tuple).and_then(|place| {
            let allocation = self.allocations.get(place as usize)?;
            let relayed = allocation.relayed_for(peer.ip())?;
            (allocation.is_permitted(now, peer.ip()) && !allocation.tcp)
                .then_some((place, relayed.id))
        });
        let Some((place, relay)) = found else {
            self.counters.unpermitted += 1;
            return None;
        };
        // The permission is for an address; on the server's own, only relayed ports are open.
        if !self.is_open(peer) {
            self.counters.forbidden += 1;
            return None;
        }
        let len = data.value.len();
        if !self.account(now, place, 0, len) {
            return None;
        }
        let start = data.offset + 4;
        Some(Forward {
            path: Path::Peer {
                relay,
                peer,
                dont_fragment: message.get(AttributeType::DONT_FRAGMENT).is_some(),
            },
            prefix: Prefix::EMPTY,
            payload: start..start + len,
            padding: 0,
        })
    }

    #[inline]
    pub(super) fn peer_data(
        &mut self,
        now: Instant,
        relay: RelayId,
        source: SocketAddr,
        data: &[u8],
    ) -> Option<Forward> {
        let place = self.relay_place(relay)?;
        let allocation = self.allocations.get(place as usize)?;
        let tuple = allocation.tuple;
        let channel = match allocation.channel_of(source) {
            Some(channel) if channel.permitted <= now => {
                self.counters.unpermitted += 1;
                return None;
            }
            Some(channel) if channel.expires > now => Some(channel.number),
            Some(_) => None,
            None if allocation.is_permitted(now, source.ip()) => None,
            None => {
                self.counters.unpermitted += 1;
                return None;
            }
        };
        let (prefix, padding) = match channel {
            Some(number) => {
                let padding = if tuple.transport.is_stream() { pad(data.len()) } else { 0 };
                (channel_header(number, data.len())?, padding)
            }
            None => (self.data_indication(source, data.len())?, pad(data.len())),
        };
        if !self.account(now, place, 1, data.len()) {
            return None;
        }
        Some(Forward { path: Path::Client(tuple), prefix, payload: 0..data.len(), padding })
    }

    /// Everything of a Data indication before the data (RFC 8656 §11.3): header, XOR-PEER-ADDRESS, the head of DATA.
    fn data_indication(&mut self, peer: SocketAddr, len: usize) -> Option<Prefix> {
        let id: [u8; 12] = self.rng.array();
        let cookie = MAGIC_COOKIE.to_be_bytes();
        let mut address = [0u8; 24];
        address[..2].copy_from_slice(&AttributeType::XOR_PEER_ADDRESS.0.to_be_bytes());
        let port = peer.port() ^ (MAGIC_COOKIE >> 16) as u16;
        address[6..8].copy_from_slice(&port.to_be_bytes());
        let mask = cookie.iter().chain(&id);
        let size = match peer.ip() {
            std::net::IpAddr::V4(ip) => {
                address[3] = 8;
                address[5] = 1;
                for ((out, byte), mask) in address[8..].iter_mut().zip(ip.octets()).zip(mask) {
                    *out = byte ^ mask;
                }
                12
            }
            std::net::IpAddr::V6(ip) => {
                address[3] = 20;
                address[5] = 2;
                for ((out, byte), mask) in address[8..].iter_mut().zip(ip.octets()).zip(mask) {
                    *out = byte ^ mask;
                }
                24
            }
        };
        let body = size + 4 + len.next_multiple_of(4);
        let length = u16::try_from(body).ok()?.to_be_bytes();
        let data = AttributeType::DATA.0.to_be_bytes();
        let data_len = u16::try_from(len).ok()?.to_be_bytes();
        debug_assert!(HEADER_LEN + size + 4 <= 48);
        Some(Prefix::new(&[
            &DATA_INDICATION,
            &length,
            &cookie,
            &id,
            &address[..size],
            &data,
            &data_len,
        ]))
    }

    /// Counts data, unless it is above a limit. `direction`: 0 from the client, 1 to it.
    #[inline]
    fn account(&mut self, now: Instant, place: u32, direction: usize, len: usize) -> bool {
        let Some(allocation) = self.allocations.get_mut(place as usize) else { return false };
        let config = &self.shared.config;
        if let (Some(buckets), Some(rate)) = (&mut allocation.buckets, config.bandwidth)
            && !buckets[direction].take(now, rate, len)
        {
            self.counters.limited += 1;
            return false;
        }
        if let (Some(total), Some(rate)) = (&mut self.total, config.total_bandwidth)
            && !total.take(now, rate, len)
        {
            self.counters.limited += 1;
            return false;
        }
        let len = len as u64;
        if direction == 0 {
            allocation.sent += len;
            self.counters.sent_packets += 1;
            self.counters.sent_bytes += len;
        } else {
            allocation.received += len;
            self.counters.received_packets += 1;
            self.counters.received_bytes += len;
        }
        true
    }
}

/// Not [`peerage_stun::ChannelData`]'s, which knows the numbers of RFC 8656 alone.
fn channel_header(number: u16, len: usize) -> Option<Prefix> {
    let len = u16::try_from(len).ok()?;
    Some(Prefix::new(&[&number.to_be_bytes(), &len.to_be_bytes()]))
}

fn pad(len: usize) -> u8 {
    (len.next_multiple_of(4) - len) as u8
}
