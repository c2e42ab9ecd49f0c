//! The server's state machine: one for each worker, with the five verbs.
//!
//! ```text
//!  datagram or stream message ──> request   (STUN: authenticated, then allocate | manage | tcp; Binding: binding)
//!                             └─> relay     (ChannelData, Send: one look-up by path, one by channel ──> Forward)
//!  datagram at a relayed address ─> relay   (one look-up by peer ──> Forward with a ChannelData or Data header)
//! ```

mod allocate;
mod binding;
mod manage;
mod relay;
mod reply;
mod request;
mod tcp;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_crypto::Rng;
use rustc_hash::FxSeededState;
use slab::Slab;

use crate::allocation::Allocation;
use crate::config::Config;
use crate::credentials::quota_name;
use crate::limits::{Bucket, Strangers};
use crate::metrics::Counters;
use crate::shared::Shared;
use crate::types::{Ended, Event, FiveTuple, Forward, Input, RelayId, Transmit};

use self::reply::Reply;
use self::tcp::Connections;

/// How often an allocation's ended permissions and channels are forgotten.
const SWEEP: Duration = Duration::from_secs(60);
/// Answers that wait for [`Server::poll_transmit`]; a caller that drains as it should has few.
const MAX_QUEUED: usize = 1024;

/// A STUN and TURN server without sockets and clock: one worker's share of the clients.
///
/// After every call the caller drains [`poll_event`](Self::poll_event) and [`poll_transmit`](Self::poll_transmit) until
/// `None`, in this order, and calls [`handle_timeout`](Self::handle_timeout) when
/// [`poll_timeout`](Self::poll_timeout) says so. What strangers and peers send is answered, relayed or counted; nothing of it
/// is an error here.
///
/// Limits: allocations by [`Config::total_quota`], permissions and channels of each by the configuration, strangers by a table
/// of fixed size. A request without credentials leaves nothing behind.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    rng: Rng,
    /// Of the hashes of tables that clients and peers fill.
    seed: usize,
    allocations: Slab<Allocation>,
    /// Place of the allocation of each path.
    tuples: HashMap<FiveTuple, u32, FxSeededState>,
    /// The path of the last data and its allocation: a batch of datagrams is often of one client.
    recent: Option<(FiveTuple, u32)>,
    /// Place of the allocation of each relayed address.
    relays: Slab<u32>,
    timers: BTreeSet<(Instant, Timer)>,
    /// Answers to Allocate that wait for sockets.
    waiting: HashMap<u32, Waiting>,
    connections: Connections,
    strangers: Strangers,
    total: Option<Bucket>,
    out: Vec<u8>,
    queue: VecDeque<(FiveTuple, Range<usize>)>,
    events: VecDeque<Event>,
    counters: Counters,
    draining: bool,
    /// Its number, which the connections of RFC 6062 carry.
    worker: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Allocation(u32),
    Reservation([u8; 8]),
    Connection(u32),
}

#[derive(Debug)]
struct Waiting {
    reply: Reply,
    /// Further ports to try.
    tries: u32,
    /// A family that was asked for too and is not to be had.
    missing: Option<peerage_stun::AddressFamily>,
}

impl Server {
    /// A worker; workers are numbered as they are made, from 0. `rng` gives ports, tokens and the seeds of hashes.
    pub fn new(shared: Arc<Shared>, now: Instant, mut rng: Rng) -> Self {
        let seed = rng.u64() as usize;
        Self {
            seed,
            allocations: Slab::new(),
            tuples: HashMap::with_hasher(FxSeededState::with_seed(seed)),
            recent: None,
            relays: Slab::new(),
            timers: BTreeSet::new(),
            waiting: HashMap::new(),
            connections: Connections::default(),
            strangers: Strangers::new(rng.u64()),
            total: shared.config.total_bandwidth.map(|rate| Bucket::new(now, rate)),
            out: Vec::new(),
            queue: VecDeque::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
            draining: false,
            worker: shared.join(),
            rng,
            shared,
        }
    }

    /// Takes what has happened. Data to be relayed is for the caller to send at once; all else comes by
    /// [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event).
    #[inline]
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) -> Option<Forward> {
        match input {
            Input::Client { tuple, message } => match message.first() {
                Some(0x40..=0x7F) => self.channel_data(now, tuple, message),
                Some(0..=3) => self.stun(now, tuple, message),
                _ => {
                    self.counters.malformed += 1;
                    None
                }
            },
            Input::Peer { relay, source, data } => self.peer_data(now, relay, source, data),
            other => {
                self.handle_change(now, other);
                None
            }
        }
    }

    fn handle_change(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Bound { relay, ok } => self.bound(now, relay, ok),
            Input::Closed { tuple } => {
                self.client_stream_closed(tuple);
                if let Some(&place) = self.tuples.get(&tuple) {
                    self.free(place, Ended::Disconnected);
                }
            }
            Input::PeerConnected { connection, ok } => self.peer_connected(now, connection, ok),
            Input::PeerAccepted { relay, peer } => self.peer_accepted(now, relay, peer),
            Input::PeerClosed { connection } => self.peer_closed(connection),
            Input::Client { .. } | Input::Peer { .. } => {}
        }
    }

    /// Lets end what has lasted long enough.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, timer)) = self.timers.first() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            match timer {
                Timer::Allocation(place) => {
                    let Some(allocation) = self.allocations.get_mut(place as usize) else {
                        continue;
                    };
                    if allocation.expires <= now {
                        self.free(place, Ended::Expired);
                    } else {
                        allocation.sweep(now);
                        allocation.wakes = allocation.expires.min(now + SWEEP);
                        self.timers.insert((allocation.wakes, timer));
                    }
                }
                Timer::Reservation(token) => self.unreserve(&token),
                Timer::Connection(connection) => self.connection_timed_out(connection),
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The next answer; its bytes are appended to `buf`.
    pub fn poll_transmit(&mut self, _now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        let Some((tuple, range)) = self.queue.pop_front() else {
            self.out.clear();
            return None;
        };
        buf.extend_from_slice(&self.out[range.clone()]);
        Some(Transmit { tuple, size: range.len() })
    }

    /// The next thing to be done or known.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// From now on no allocation is made (508); those that are there go on, until they end or [`Self::close`].
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Ends all allocations.
    pub fn close(&mut self) {
        let places: Vec<u32> = self.allocations.iter().map(|(place, _)| place as u32).collect();
        for place in places {
            self.free(place, Ended::Drained);
        }
        let tokens: Vec<[u8; 8]> = self
            .timers
            .iter()
            .filter_map(|(_, timer)| match timer {
                Timer::Reservation(token) => Some(*token),
                _ => None,
            })
            .collect();
        tokens.iter().for_each(|token| self.unreserve(token));
    }

    /// Whether a path has an allocation.
    pub fn has_allocation(&self, tuple: &FiveTuple) -> bool {
        self.tuples.contains_key(tuple)
    }

    /// How many allocations this worker has.
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// What has been counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The place of a path's allocation.
    #[inline]
    fn place_of(&mut self, tuple: &FiveTuple) -> Option<u32> {
        if let Some((recent, place)) = &self.recent
            && recent == tuple
        {
            return Some(*place);
        }
        let place = *self.tuples.get(tuple)?;
        self.recent = Some((*tuple, place));
        Some(place)
    }

    /// Whether data may go to a peer: by the rules, and on the host's own addresses to relayed ports only.
    fn is_open(&self, peer: SocketAddr) -> bool {
        let config = self.config();
        let ip = peer.ip();
        if let Some(named) = config.peers.named(ip) {
            return named;
        }
        if config.relays.iter().any(|relay| relay.advertised == ip || relay.bind == ip) {
            return config.ports.contains(&peer.port());
        }
        !config.own_addresses.contains(&ip) && config.peers.refusal(ip).is_none()
    }

    /// Whether a permission may be given: as above, when it is not known yet for which port.
    fn may_permit(&self, ip: std::net::IpAddr) -> bool {
        self.is_open(SocketAddr::new(ip, *self.config().ports.start()))
    }

    fn free(&mut self, place: u32, ended: Ended) {
        let Some(allocation) = self.allocations.try_remove(place as usize) else { return };
        self.tuples.remove(&allocation.tuple);
        self.timers.remove(&(allocation.wakes, Timer::Allocation(place)));
        self.waiting.remove(&place);
        if self.recent.is_some_and(|(_, recent)| recent == place) {
            self.recent = None;
        }
        self.drop_connections_of(place);
        {
            let mut tables = self.shared.tables();
            for relayed in allocation.relayed.iter().flatten() {
                tables.give_port(relayed.bind, allocation.tcp);
            }
            tables.release(quota_name(&allocation.username, &self.shared.config));
        }
        for relayed in allocation.relayed.iter().flatten() {
            self.relays.try_remove(relayed.id.0 as usize);
            self.events.push_back(Event::Close { relay: relayed.id });
        }
        if allocation.is_bound() {
            self.counters.freed += 1;
            self.events.push_back(Event::Freed {
                tuple: allocation.tuple,
                username: allocation.username,
                ended,
                sent: allocation.sent,
                received: allocation.received,
            });
        }
        // After a crowd has left, its memory goes too.
        if self.allocations.is_empty() {
            self.allocations = Slab::new();
            self.relays = Slab::new();
        }
        if self.tuples.len() < self.tuples.capacity() / 8 && self.tuples.capacity() > 64 {
            self.tuples.shrink_to(self.tuples.len() * 2);
        }
    }

    fn unreserve(&mut self, token: &[u8; 8]) {
        // Taken already by an allocation, perhaps of another worker: then the address is not ours to give back.
        let mut tables = self.shared.tables();
        if let Some(address) = tables.redeem(token, None) {
            tables.give_port(address, false);
            self.events.push_back(Event::Unreserve { address });
        }
    }

    fn relay_place(&self, relay: RelayId) -> Option<u32> {
        self.relays.get(relay.0 as usize).copied()
    }
}
