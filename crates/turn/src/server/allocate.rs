//! Allocate (RFC 8656 §7.2): checked in the order of the RFC, then sockets are asked for, then the answer goes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use peerage_stun::{AddressFamily, Attribute, AttributeType as T, ErrorCode, Message};

use super::reply::Reply;
use super::{SWEEP, Server, Timer, Waiting};
use crate::allocation::{Allocation, Relayed};
use crate::config::RESERVATION_LIFETIME;
use crate::credentials::quota_name;
use crate::limits::Bucket;
use crate::shared::{Reservation, Want};
use crate::types::{Ended, Event, RelayId};

/// UDP and TCP as REQUESTED-TRANSPORT names them.
const UDP: u8 = 17;
const TCP: u8 = 6;

/// Ports to try where the system refuses one.
const TRIES: u32 = 16;

/// What is asked for, once it is found to be sound.
struct Wish {
    tcp: bool,
    families: [bool; 2],
    /// A second family that may be missing.
    optional: Option<AddressFamily>,
    port: Want,
    token: Option<[u8; 8]>,
}

impl Server {
    pub(super) fn allocate(
        &mut self,
        now: Instant,
        reply: &Reply,
        message: &Message<'_>,
        username: Box<str>,
        place: Option<u32>,
    ) {
        if let Some(place) = place {
            let allocation = &self.allocations[place as usize];
            let again = allocation.transaction == reply.id && allocation.username == username;
            return match again {
                // Its first answer was lost, or is on its way.
                true if !self.waiting.contains_key(&place) => {
                    self.allocated(now, reply, place, None);
                }
                true => {}
                false => self.refuse(reply, ErrorCode::ALLOCATION_MISMATCH, &[]),
            };
        }
        let wish = match self.wish(reply, message) {
            Ok(wish) => wish,
            Err(code) => return self.refuse(reply, code, &[]),
        };
        if self.draining {
            return self.refuse(reply, ErrorCode::INSUFFICIENT_CAPACITY, &[]);
        }
        let lifetime = self.lifetime(message);
        let shared = std::sync::Arc::clone(&self.shared);
        let quota = quota_name(&username, &shared.config);
        if !shared.tables().admit(quota, &shared.config) {
            return self.refuse(reply, ErrorCode::ALLOCATION_QUOTA_REACHED, &[]);
        }
        let mut allocation =
            Allocation::new(reply.tuple, username.clone(), reply.id, now + lifetime, self.seed);
        allocation.tcp = wish.tcp;
        if let Some(rate) = shared.config.bandwidth {
            allocation.buckets = Some([Bucket::new(now, rate); 2]);
        }
        let place = self.allocations.vacant_key() as u32;
        let found = match wish.token {
            Some(token) => self.redeem(token, &username).is_some_and(|address| {
                let relayed = self.relayed(place, address, true);
                allocation.relayed[usize::from(address.is_ipv6())] = Some(relayed);
                true
            }),
            None => self.find_ports(now, place, &mut allocation, &wish),
        };
        if !found {
            for relayed in allocation.relayed.iter().flatten() {
                self.relays.try_remove(relayed.id.0 as usize);
                shared.tables().give_port(relayed.bind, allocation.tcp);
            }
            shared.tables().release(quota);
            return self.refuse(reply, ErrorCode::INSUFFICIENT_CAPACITY, &[]);
        }
        for relayed in allocation.relayed.iter().flatten() {
            self.events.push_back(Event::Bind {
                relay: relayed.id,
                address: relayed.bind,
                reserved: relayed.reserved,
                tcp: allocation.tcp,
            });
        }
        allocation.wakes = allocation.expires.min(now + SWEEP);
        self.timers.insert((allocation.wakes, Timer::Allocation(place)));
        self.tuples.insert(reply.tuple, place);
        self.allocations.insert(allocation);
        let missing = wish.optional.filter(|family| !wish.families[index(*family)]);
        self.waiting.insert(place, Waiting { reply: reply.clone(), tries: TRIES, missing });
    }

    /// Checks 3 to 9 of RFC 8656 §7.2.
    fn wish(&self, reply: &Reply, message: &Message<'_>) -> Result<Wish, ErrorCode<'static>> {
        let bad = ErrorCode::BAD_REQUEST;
        let tcp = match message.decode(T::REQUESTED_TRANSPORT) {
            Some(Ok(Attribute::RequestedTransport(UDP))) => false,
            Some(Ok(Attribute::RequestedTransport(TCP))) if self.config().tcp_relay => true,
            Some(Ok(_)) => return Err(ErrorCode::UNSUPPORTED_TRANSPORT),
            _ => return Err(bad),
        };
        let even = match message.decode(T::EVEN_PORT) {
            None => None,
            Some(Ok(Attribute::EvenPort(reserve))) => Some(reserve),
            Some(_) => return Err(bad),
        };
        let token = match message.decode(T::RESERVATION_TOKEN) {
            None => None,
            Some(Ok(Attribute::ReservationToken(token))) => Some(*token),
            Some(_) => return Err(bad),
        };
        let requested = match message.decode(T::REQUESTED_ADDRESS_FAMILY) {
            None => None,
            Some(Ok(Attribute::RequestedAddressFamily(family))) => Some(family),
            Some(_) => return Err(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED),
        };
        let additional = match message.decode(T::ADDITIONAL_ADDRESS_FAMILY) {
            None => None,
            Some(Ok(Attribute::AdditionalAddressFamily(family))) => Some(family),
            Some(_) => return Err(bad),
        };
        // RFC 6062 §5.1: over a stream, and without what only datagrams have.
        let dont_fragment = message.get(T::DONT_FRAGMENT).is_some();
        let stream = reply.tuple.transport.is_stream();
        if tcp && (!stream || dont_fragment || even.is_some() || token.is_some()) {
            return Err(bad);
        }
        if token.is_some() && (even.is_some() || requested.is_some() || additional.is_some())
            || requested.is_some() && additional.is_some()
            || additional == Some(AddressFamily::Ipv4)
            || additional.is_some() && even == Some(true)
        {
            return Err(bad);
        }
        let has = |family: AddressFamily| {
            self.config().relays.iter().any(|relay| AddressFamily::from(relay.bind) == family)
        };
        let first = requested.unwrap_or(AddressFamily::Ipv4);
        if token.is_none() && !has(first) {
            return Err(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED);
        }
        let mut families = [false; 2];
        families[index(first)] = true;
        if let Some(family) = additional.filter(|family| has(*family)) {
            families[index(family)] = true;
        }
        let port = match even {
            None => Want::Any,
            Some(false) => Want::Even,
            Some(true) => Want::Pair,
        };
        Ok(Wish { tcp, families, optional: additional, port, token })
    }

    /// What is asked for, between the default and the longest.
    pub(super) fn lifetime(&self, message: &Message<'_>) -> Duration {
        let config = self.config();
        let asked = match message.decode(T::LIFETIME) {
            Some(Ok(Attribute::Lifetime(seconds))) => Duration::from_secs(u64::from(seconds)),
            _ => Duration::ZERO,
        };
        asked.min(config.max_lifetime).max(config.default_lifetime)
    }

    fn redeem(&mut self, token: [u8; 8], username: &str) -> Option<SocketAddr> {
        // The timer stays with the worker that made the reservation, and finds nothing then.
        self.shared.tables().redeem(&token, Some(username))
    }

    fn relayed(&mut self, place: u32, bind: SocketAddr, reserved: bool) -> Relayed {
        let relay = self.config().relays.iter().find(|relay| relay.bind == bind.ip());
        let advertised = relay.map_or(bind.ip(), |relay| relay.advertised);
        Relayed {
            id: RelayId(self.relays.insert(place) as u32),
            bind,
            advertised: SocketAddr::new(advertised, bind.port()),
            bound: false,
            reserved,
        }
    }

    fn find_ports(
        &mut self,
        now: Instant,
        place: u32,
        allocation: &mut Allocation,
        wish: &Wish,
    ) -> bool {
        let shared = std::sync::Arc::clone(&self.shared);
        for relay in &shared.config.relays {
            let family = usize::from(relay.bind.is_ipv6());
            if !wish.families[family] {
                continue;
            }
            let port = shared.tables().take_port(relay.bind, wish.tcp, wish.port, &mut self.rng);
            let Some(port) = port else { return false };
            let address = SocketAddr::new(relay.bind, port);
            allocation.relayed[family] = Some(self.relayed(place, address, false));
            if wish.port == Want::Pair {
                let address = SocketAddr::new(relay.bind, port + 1);
                let token = self.rng.array();
                let username = allocation.username.clone();
                shared.tables().reserve(token, Reservation { address, username });
                self.timers.insert((now + RESERVATION_LIFETIME, Timer::Reservation(token)));
                self.events.push_back(Event::Reserve { address });
                allocation.reservation = Some(token);
            }
        }
        true
    }

    /// The driver has bound a relayed address, or could not.
    pub(super) fn bound(&mut self, now: Instant, relay: RelayId, ok: bool) {
        let Some(place) = self.relay_place(relay) else { return };
        let Some(allocation) = self.allocations.get_mut(place as usize) else { return };
        let tcp = allocation.tcp;
        let Some(relayed) =
            allocation.relayed.iter_mut().flatten().find(|relayed| relayed.id == relay)
        else {
            return;
        };
        let Some(waiting) = self.waiting.get_mut(&place) else { return };
        if ok {
            relayed.bound = true;
            if allocation.is_bound() {
                let Some(waiting) = self.waiting.remove(&place) else { return };
                self.announce(place);
                self.allocated(now, &waiting.reply, place, waiting.missing);
            }
            return;
        }
        // Somebody else's port. A pair or a reserved port cannot be had in another place.
        let exact = relayed.reserved || allocation.reservation.is_some();
        waiting.tries -= 1;
        if !exact && waiting.tries > 0 {
            let mut tables = self.shared.tables();
            // An even port may have been asked for: the next one is of the same kind.
            let want = if relayed.bind.port() % 2 == 0 { Want::Even } else { Want::Any };
            let next = tables.take_port(relayed.bind.ip(), tcp, want, &mut self.rng);
            tables.give_port(relayed.bind, tcp);
            if let Some(port) = next {
                relayed.bind.set_port(port);
                relayed.advertised.set_port(port);
                let address = relayed.bind;
                self.events.push_back(Event::Bind { relay, address, reserved: false, tcp });
                return;
            }
        }
        let reply = waiting.reply.clone();
        self.free(place, Ended::Drained);
        self.refuse(&reply, ErrorCode::INSUFFICIENT_CAPACITY, &[]);
    }

    fn announce(&mut self, place: u32) {
        let allocation = &self.allocations[place as usize];
        self.counters.allocated += 1;
        if let Some(relayed) = allocation.relayed.iter().flatten().next() {
            self.events.push_back(Event::Allocated {
                tuple: allocation.tuple,
                username: allocation.username.clone(),
                relayed: relayed.advertised,
            });
        }
    }

    fn allocated(
        &mut self,
        now: Instant,
        reply: &Reply,
        place: u32,
        missing: Option<AddressFamily>,
    ) {
        let allocation = &self.allocations[place as usize];
        let lifetime = allocation.expires.saturating_duration_since(now).as_secs() as u32;
        let token = allocation.reservation;
        let mut attributes: Vec<Attribute<'_>> = allocation
            .relayed
            .iter()
            .flatten()
            .map(|relayed| Attribute::XorRelayedAddress(relayed.advertised))
            .collect();
        attributes.extend(missing.map(|family| {
            Attribute::AddressErrorCode(family, ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED)
        }));
        attributes.push(Attribute::Lifetime(lifetime));
        attributes.extend(token.as_ref().map(Attribute::ReservationToken));
        attributes.push(Attribute::XorMappedAddress(reply.tuple.client));
        self.succeed(reply, &attributes);
    }
}

fn index(family: AddressFamily) -> usize {
    usize::from(family == AddressFamily::Ipv6)
}
