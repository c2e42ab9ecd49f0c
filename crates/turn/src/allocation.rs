//! One allocation: its relayed addresses, permissions and channels (RFC 8656 §3.2, §9, §12).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use peerage_stun::TransactionId;
use rustc_hash::FxSeededState;

use crate::config::{CHANNEL_LIFETIME, PERMISSION_LIFETIME};
use crate::limits::Bucket;
use crate::types::{FiveTuple, RelayId};

/// The first channel number (RFC 8656 §12).
pub(crate) const FIRST_CHANNEL: u16 = 0x4000;
/// The last: RFC 8656 has 0x4FFF, but clients of RFC 5766 (§11) draw from here, and on a TURN server's port nothing else
/// begins with these bytes.
pub(crate) const LAST_CHANNEL: u16 = 0x7FFE;

/// A relayed address of an allocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relayed {
    pub(crate) id: RelayId,
    pub(crate) bind: SocketAddr,
    pub(crate) advertised: SocketAddr,
    /// Whether the driver has said that the socket is there.
    pub(crate) bound: bool,
    /// Whether it was reserved by another allocation's EVEN-PORT.
    pub(crate) reserved: bool,
}

/// A bound channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Channel {
    pub(crate) number: u16,
    pub(crate) peer: SocketAddr,
    pub(crate) expires: Instant,
    /// When the permission for the peer's address ends: here too, so that a datagram costs one look-up.
    pub(crate) permitted: Instant,
}

/// Why a channel cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// The number has another peer, or the peer another number.
    Taken,
    /// There are as many as may be.
    Full,
}

/// An allocation.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) tuple: FiveTuple,
    pub(crate) username: Box<str>,
    /// The request that made it, for when it is sent again.
    pub(crate) transaction: TransactionId,
    pub(crate) expires: Instant,
    /// Its entry in the server's timers.
    pub(crate) wakes: Instant,
    /// By family: IPv4, IPv6.
    pub(crate) relayed: [Option<Relayed>; 2],
    pub(crate) tcp: bool,
    pub(crate) reservation: Option<[u8; 8]>,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// From the client, from peers.
    pub(crate) buckets: Option<[Bucket; 2]>,
    permissions: HashMap<IpAddr, Instant, FxSeededState>,
    channels: Vec<Channel>,
    /// Place in `channels` of each number.
    numbers: HashMap<u16, u16, FxSeededState>,
    peers: HashMap<SocketAddr, u16, FxSeededState>,
}

impl Allocation {
    pub(crate) fn new(
        tuple: FiveTuple,
        username: Box<str>,
        transaction: TransactionId,
        expires: Instant,
        seed: usize,
    ) -> Self {
        Self {
            tuple,
            username,
            transaction,
            expires,
            wakes: expires,
            relayed: [None; 2],
            tcp: false,
            reservation: None,
            sent: 0,
            received: 0,
            buckets: None,
            permissions: HashMap::with_hasher(FxSeededState::with_seed(seed)),
            channels: Vec::new(),
            numbers: HashMap::with_hasher(FxSeededState::with_seed(seed)),
            peers: HashMap::with_hasher(FxSeededState::with_seed(seed)),
        }
    }

    /// The relayed address of a peer's family.
    pub(crate) fn relayed_for(&self, peer: IpAddr) -> Option<&Relayed> {
        self.relayed[family(peer)].as_ref()
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.relayed.iter().flatten().all(|relayed| relayed.bound)
    }

    pub(crate) fn is_permitted(&self, now: Instant, ip: IpAddr) -> bool {
        self.permissions.get(&ip).is_some_and(|expires| *expires > now)
    }

    /// How many permissions there are, those that ended since the last sweep included.
    pub(crate) fn permission_count(&self) -> usize {
        self.permissions.len()
    }

    pub(crate) fn has_permission_entry(&self, ip: IpAddr) -> bool {
        self.permissions.contains_key(&ip)
    }

    /// Installs or refreshes a permission.
    pub(crate) fn permit(&mut self, now: Instant, ip: IpAddr) {
        let expires = now + PERMISSION_LIFETIME;
        self.permissions.insert(ip, expires);
        for channel in self.channels.iter_mut().filter(|channel| channel.peer.ip() == ip) {
            channel.permitted = expires;
        }
    }

    /// Binds or refreshes a channel, and the permission with it (RFC 8656 §12.2).
    pub(crate) fn bind_channel(
        &mut self,
        now: Instant,
        number: u16,
        peer: SocketAddr,
        max: usize,
    ) -> Result<(), Conflict> {
        let by_number = self.numbers.get(&number).copied();
        let by_peer = self.peers.get(&peer).copied();
        let place = match (by_number, by_peer) {
            (Some(a), Some(b)) if a == b => a,
            (None, None) => {
                if self.channels.len() >= max {
                    return Err(Conflict::Full);
                }
                let place = self.channels.len() as u16;
                self.channels.push(Channel { number, peer, expires: now, permitted: now });
                self.numbers.insert(number, place);
                self.peers.insert(peer, place);
                place
            }
            _ => return Err(Conflict::Taken),
        };
        self.channels[usize::from(place)].expires = now + CHANNEL_LIFETIME;
        self.permit(now, peer.ip());
        Ok(())
    }

    /// The peer of a channel that lives.
    #[inline]
    pub(crate) fn channel(&self, now: Instant, number: u16) -> Option<&Channel> {
        let channel = self.channels.get(usize::from(*self.numbers.get(&number)?))?;
        (channel.expires > now).then_some(channel)
    }

    /// The channel of a peer, living or not.
    #[inline]
    pub(crate) fn channel_of(&self, peer: SocketAddr) -> Option<&Channel> {
        self.channels.get(usize::from(*self.peers.get(&peer)?))
    }

    /// Forgets what has ended.
    pub(crate) fn sweep(&mut self, now: Instant) {
        self.permissions.retain(|_, expires| *expires > now);
        let mut place = 0;
        while let Some(channel) = self.channels.get(place) {
            if channel.expires > now {
                place += 1;
                continue;
            }
            let gone = self.channels.swap_remove(place);
            self.numbers.remove(&gone.number);
            self.peers.remove(&gone.peer);
            if let Some(moved) = self.channels.get(place).copied() {
                self.numbers.insert(moved.number, place as u16);
                self.peers.insert(moved.peer, place as u16);
            }
        }
    }
}

/// 0 for IPv4, 1 for IPv6.
pub(crate) fn family(ip: IpAddr) -> usize {
    usize::from(ip.is_ipv6())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::types::Transport;

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([203, 0, 113, 5], port))
    }

    #[test]
    fn channels_keep_their_peers_as_others_end() {
        let start = Instant::now();
        let tuple = FiveTuple { transport: Transport::Udp, client: peer(1), server: peer(2) };
        let mut allocation = Allocation::new(tuple, "u".into(), TransactionId([0; 12]), start, 1);
        for n in 0..8 {
            let at = start + Duration::from_secs(60 * u64::from(n));
            allocation.bind_channel(at, FIRST_CHANNEL + 10 * n, peer(n), 8).unwrap();
        }
        assert_eq!(allocation.bind_channel(start, 0x4800, peer(99), 8), Err(Conflict::Full));
        assert_eq!(allocation.bind_channel(start, 0x4000, peer(1), 8), Err(Conflict::Taken));
        assert_eq!(allocation.bind_channel(start, 0x4005, peer(1), 8), Err(Conflict::Taken));
        for gone in 0..=8u16 {
            let now = start + CHANNEL_LIFETIME + Duration::from_secs(60 * u64::from(gone))
                - Duration::from_secs(1);
            allocation.sweep(now);
            for n in 0..8 {
                let found = allocation.channel(now, FIRST_CHANNEL + 10 * n).map(|c| c.peer);
                assert_eq!(found, (n >= gone).then(|| peer(n)), "channel {n} after {gone} ended");
                assert_eq!(allocation.channel_of(peer(n)).is_some(), n >= gone);
            }
        }
        assert!(allocation.numbers.is_empty() && allocation.channels.is_empty());
    }
}
