//! Refresh (RFC 8656 §8.2), CreatePermission (§10.2) and ChannelBind (§12.2).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use peerage_stun::{AddressFamily, Attribute, AttributeType as T, ErrorCode, Message};

use super::reply::Reply;
use super::{SWEEP, Server, Timer};
use crate::allocation::{Conflict, FIRST_CHANNEL, LAST_CHANNEL, family};
use crate::types::{Ended, Event};

impl Server {
    pub(super) fn refresh(
        &mut self,
        now: Instant,
        reply: &Reply,
        message: &Message<'_>,
        place: u32,
    ) {
        let zero = matches!(message.decode(T::LIFETIME), Some(Ok(Attribute::Lifetime(0))));
        let lifetime = if zero { Duration::ZERO } else { self.lifetime(message) };
        let allocation = &mut self.allocations[place as usize];
        let of_family = match message.decode(T::REQUESTED_ADDRESS_FAMILY) {
            None => None,
            Some(Ok(Attribute::RequestedAddressFamily(family))) => {
                Some(usize::from(family == AddressFamily::Ipv6))
            }
            Some(_) => return self.refuse(reply, ErrorCode::BAD_REQUEST, &[]),
        };
        if of_family.is_some_and(|family| allocation.relayed[family].is_none()) {
            return self.refuse(reply, ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH, &[]);
        }
        if zero {
            match of_family {
                // One half of a dual allocation ends, the other stays.
                Some(family) if allocation.relayed[1 - family].is_some() => {
                    if let Some(gone) = allocation.relayed[family].take() {
                        self.relays.try_remove(gone.id.0 as usize);
                        self.shared.tables().give_port(gone.bind, allocation.tcp);
                        self.events.push_back(Event::Close { relay: gone.id });
                    }
                }
                _ => self.free(place, Ended::Released),
            }
        } else {
            self.timers.remove(&(allocation.wakes, Timer::Allocation(place)));
            allocation.expires = now + lifetime;
            allocation.wakes = allocation.expires.min(now + SWEEP);
            self.timers.insert((allocation.wakes, Timer::Allocation(place)));
        }
        self.succeed(reply, &[Attribute::Lifetime(lifetime.as_secs() as u32)]);
    }

    /// All of the peers or none (RFC 8656 §10.2).
    pub(super) fn create_permission(
        &mut self,
        now: Instant,
        reply: &Reply,
        message: &Message<'_>,
        place: u32,
    ) {
        let mut peers = Vec::new();
        for attribute in message.attributes().filter(|a| a.kind == T::XOR_PEER_ADDRESS) {
            match attribute.decode(reply.id) {
                Ok(Attribute::XorPeerAddress(peer)) => peers.push(peer.ip()),
                _ => return self.refuse(reply, ErrorCode::BAD_REQUEST, &[]),
            }
        }
        if peers.is_empty() {
            return self.refuse(reply, ErrorCode::BAD_REQUEST, &[]);
        }
        let max = self.config().max_permissions;
        let allocation = &mut self.allocations[place as usize];
        if peers.iter().any(|ip| allocation.relayed[family(*ip)].is_none()) {
            return self.refuse(reply, ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH, &[]);
        }
        if allocation.permission_count() + peers.len() > max {
            allocation.sweep(now);
        }
        let new = peers.iter().filter(|ip| !allocation.has_permission_entry(**ip)).count();
        if allocation.permission_count() + new > max {
            return self.refuse(reply, ErrorCode::INSUFFICIENT_CAPACITY, &[]);
        }
        if peers.iter().any(|ip| !self.may_permit(*ip)) {
            self.counters.forbidden += 1;
            return self.refuse(reply, ErrorCode::FORBIDDEN, &[]);
        }
        let allocation = &mut self.allocations[place as usize];
        for ip in peers {
            allocation.permit(now, ip);
        }
        self.succeed(reply, &[]);
    }

    pub(super) fn channel_bind(
        &mut self,
        now: Instant,
        reply: &Reply,
        message: &Message<'_>,
        place: u32,
    ) {
        let number = match message.decode(T::CHANNEL_NUMBER) {
            Some(Ok(Attribute::ChannelNumber(number))) => number,
            _ => return self.refuse(reply, ErrorCode::BAD_REQUEST, &[]),
        };
        let Some(peer) = peer_of(message) else {
            return self.refuse(reply, ErrorCode::BAD_REQUEST, &[]);
        };
        let (max_channels, max_permissions) =
            (self.config().max_channels, self.config().max_permissions);
        let allocation = &mut self.allocations[place as usize];
        if !(FIRST_CHANNEL..=LAST_CHANNEL).contains(&number) || allocation.tcp {
            return self.refuse(reply, ErrorCode::BAD_REQUEST, &[]);
        }
        if allocation.relayed_for(peer.ip()).is_none() {
            return self.refuse(reply, ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH, &[]);
        }
        if !self.is_open(peer) {
            self.counters.forbidden += 1;
            return self.refuse(reply, ErrorCode::FORBIDDEN, &[]);
        }
        let allocation = &mut self.allocations[place as usize];
        // What has ended shall not stand in the way.
        allocation.sweep(now);
        let full = allocation.permission_count() >= max_permissions
            && !allocation.has_permission_entry(peer.ip());
        match if full {
            Err(Conflict::Full)
        } else {
            allocation.bind_channel(now, number, peer, max_channels)
        } {
            Ok(()) => self.succeed(reply, &[]),
            Err(Conflict::Taken) => self.refuse(reply, ErrorCode::BAD_REQUEST, &[]),
            Err(Conflict::Full) => self.refuse(reply, ErrorCode::INSUFFICIENT_CAPACITY, &[]),
        }
    }
}

/// XOR-PEER-ADDRESS.
pub(super) fn peer_of(message: &Message<'_>) -> Option<SocketAddr> {
    match message.decode(T::XOR_PEER_ADDRESS)? {
        Ok(Attribute::XorPeerAddress(peer)) => Some(peer),
        _ => None,
    }
}
