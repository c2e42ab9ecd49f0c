//! Allocations on TURN servers, joined to an agent: each is like one more socket.
//!
//! [`Relays`] has a [`Client`] for every socket and server. When one has its allocation, its address goes to the agent by
//! [`IceAgent::add_relayed_address`](crate::IceAgent::add_relayed_address). What the agent, or who sends data by the pair it has
//! selected, sends from that address is wrapped for the server; what comes from the server is unwrapped, and is then as if it had
//! come to that address.
//!
//! ```text
//!  agent, data -- Transmit { source: relayed } --> wrap --- Transmit { source: socket, destination: server } --> network
//!  agent, data <- Input { destination: relayed } - unwrap <- Input { source: server, destination: socket } ----- network
//! ```

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_crypto::{CryptoProvider, Rng};
use peerage_stun::turn::{AllocationError, Client, ClientConfig, Event, Link, Received};
use peerage_stun::{AddressFamily, Method, RetransmitConfig};

use crate::transmit::{Input, Protocol, Transmit};

/// Allocations at most: sockets times servers grow fast, and each costs a server something.
pub const MAX_ALLOCATIONS: usize = 16;
/// Servers at most.
pub const MAX_SERVERS: usize = 8;
/// An allocation that was there and is lost is made anew so often in a row.
const MAX_RENEWALS: u8 = 3;

/// The relayed address of an allocation, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayedAddress {
    /// The address at the server.
    pub relayed: SocketAddr,
    /// Our address as the server sees it: the related address of the candidate.
    pub mapped: SocketAddr,
    /// The socket from which the server is reached.
    pub base: SocketAddr,
    /// The server.
    pub server: SocketAddr,
    /// How it is reached.
    pub protocol: Protocol,
}

/// A TURN server.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayServer {
    /// Its address.
    pub address: SocketAddr,
    /// How it is reached: `Udp`, `TurnTcp` or `TurnTls`.
    pub protocol: Protocol,
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for RelayServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password is a secret and stays out of logs.
        f.debug_struct("RelayServer")
            .field("address", &self.address)
            .field("protocol", &self.protocol)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// What happened. Drained by [`Relays::poll_event`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayEvent {
    /// An allocation is there: for [`IceAgent::add_relayed_address`](crate::IceAgent::add_relayed_address).
    Allocated(RelayedAddress),
    /// One is no more: for [`IceAgent::remove_local_address`](crate::IceAgent::remove_local_address).
    Lost(SocketAddr),
    /// There is none from this socket on this server.
    Failed {
        /// The socket.
        base: SocketAddr,
        /// The server, as it was given.
        server: SocketAddr,
        /// How it was to be reached.
        protocol: Protocol,
        /// Why.
        error: AllocationError,
    },
}

/// What became of a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwrapped {
    /// It did not come from a server by the way that leads to it, or is an answer to a Binding request, which is the agent's.
    NotOurs,
    /// It was the server's own, or noise: consumed.
    Handled,
    /// A peer's datagram: to be handed on as if it had come from `source` to `destination`.
    Data {
        /// The peer.
        source: SocketAddr,
        /// The relayed address.
        destination: SocketAddr,
        /// Where it is in what was handed in.
        range: Range<usize>,
    },
}

#[derive(Debug)]
struct Relay {
    base: SocketAddr,
    /// Which of the servers it is on.
    server: usize,
    client: Client,
    /// The addresses that were told.
    told: Vec<SocketAddr>,
    renewals: u8,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Relays {
    servers: Vec<RelayServer>,
    bases: Vec<SocketAddr>,
    relays: Vec<Relay>,
    events: VecDeque<RelayEvent>,
    /// There with the first server.
    rng: Option<Rng>,
    provider: Arc<dyn CryptoProvider>,
    retransmit: RetransmitConfig,
    /// How many have neither an allocation nor an error.
    pending: usize,
    closed: bool,
}

impl Relays {
    /// None, so far.
    pub fn new(provider: Arc<dyn CryptoProvider>) -> Self {
        Self {
            servers: Vec::new(),
            bases: Vec::new(),
            relays: Vec::new(),
            events: VecDeque::new(),
            rng: None,
            provider,
            // Loss costs the first candidates less, and 39.5 s in all are what RFC 8489 §6.2.1 has.
            retransmit: RetransmitConfig {
                max_rto: Duration::from_secs(4),
                max_requests: 11,
                last_wait: 16,
                ..RetransmitConfig::default()
            },
            pending: 0,
            closed: false,
        }
    }

    /// Whether there is nothing to do, and never was.
    pub fn is_empty(&self) -> bool {
        self.relays.is_empty()
    }

    /// Adds a server, and begins to allocate on it from every socket. One that is known is not added again. `rng` is asked with the
    /// first one only, so that who has no TURN server draws no randomness for it.
    pub fn add_server(&mut self, now: Instant, server: RelayServer, rng: impl FnOnce() -> Rng) {
        if self.servers.len() >= MAX_SERVERS || self.servers.contains(&server) || self.closed {
            return;
        }
        self.rng.get_or_insert_with(rng);
        self.servers.push(server);
        for base in self.bases.clone() {
            self.allocate(now, base, self.servers.len() - 1);
        }
    }

    /// Adds a socket, and begins to allocate from it on every server.
    pub fn add_base(&mut self, now: Instant, base: SocketAddr) {
        if self.bases.contains(&base) || self.closed {
            return;
        }
        self.bases.push(base);
        for server in 0..self.servers.len() {
            self.allocate(now, base, server);
        }
    }

    /// The socket is gone, and its allocations with it.
    pub fn remove_base(&mut self, now: Instant, base: SocketAddr) {
        self.bases.retain(|other| *other != base);
        for relay in self.relays.iter_mut().filter(|relay| relay.base == base) {
            relay.renewals = MAX_RENEWALS;
            relay.client.disconnected("its socket is gone");
        }
        self.take_events(now);
        self.relays.retain(|relay| relay.base != base);
    }

    fn allocate(&mut self, now: Instant, base: SocketAddr, server: usize) {
        let RelayServer { address, .. } = self.servers[server];
        if base.is_ipv4() != address.is_ipv4()
            || base.ip().is_loopback() != address.ip().is_loopback()
            || self.relays.len() >= MAX_ALLOCATIONS
        {
            return;
        }
        match self.client(now, server) {
            Ok(client) => {
                self.pending += 1;
                let told = Vec::new();
                self.relays.push(Relay { base, server, client, told, renewals: 0 });
            }
            Err(error) => self.events.push_back(self.failed(base, server, error)),
        }
    }

    fn failed(&self, base: SocketAddr, server: usize, error: AllocationError) -> RelayEvent {
        let RelayServer { address, protocol, .. } = self.servers[server];
        RelayEvent::Failed { base, server: address, protocol, error }
    }

    fn client(&mut self, now: Instant, server: usize) -> Result<Client, AllocationError> {
        let RelayServer { address, protocol, username, password } = &self.servers[server];
        let link = if *protocol == Protocol::Udp { Link::Datagrams } else { Link::Stream };
        let mut config = ClientConfig::new(*address, link, username, password);
        config.retransmit = self.retransmit;
        if address.is_ipv6() {
            // A path of the same family serves most; a server that has no other refuses by name (RFC 8656 §7.2).
            config.family = Some(AddressFamily::Ipv6);
        } else {
            config.additional_ipv6 = true;
        }
        let unfit = |error: peerage_stun::Error| AllocationError::Credentials {
            code: 401,
            reason: error.to_string(),
        };
        let rng = self.rng.as_mut().expect("there with the first server").fork();
        Client::new(now, config, rng, self.provider.clone()).map_err(unfit)
    }

    /// Whether allocations are under way for the first time: gathering waits for them.
    pub fn is_pending(&self) -> bool {
        self.pending > 0
    }

    /// The allocations that are there.
    pub fn relayed(&self) -> impl Iterator<Item = SocketAddr> {
        self.relays.iter().flat_map(|relay| relay.told.iter().copied())
    }

    /// Whether a server is spoken with by these addresses, ours first.
    pub fn uses_path(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.relays
            .iter()
            .any(|r| r.base == local && r.client.server() == remote && !r.client.is_over())
    }

    /// Takes what came to a socket, if it is a server's.
    pub fn handle_input(&mut self, now: Instant, input: &Input<'_>) -> Unwrapped {
        let servers = &self.servers;
        let is_its = |relay: &Relay| {
            relay.base == input.destination
                && relay.client.server() == input.source
                && servers[relay.server].protocol == input.protocol
        };
        let Some(relay) = self.relays.iter_mut().find(|relay| is_its(relay)) else {
            return Unwrapped::NotOurs;
        };
        if is_binding(input.data) {
            return Unwrapped::NotOurs;
        }
        match relay.client.handle_input(now, input.data) {
            Received::Data { peer, relayed, range } => {
                Unwrapped::Data { source: peer, destination: relayed, range }
            }
            Received::Handled => {
                self.take_events(now);
                Unwrapped::Handled
            }
        }
    }

    /// Wraps what is to leave from a relayed address: the datagram is `buf[start..]`, and one alone. `None` where it does not go now,
    /// and `buf` ends at `start`: it waits for the server to let the peer through, or there is no such allocation.
    pub fn wrap(
        &mut self,
        now: Instant,
        transmit: Transmit,
        buf: &mut Vec<u8>,
        start: usize,
    ) -> Option<Transmit> {
        let is_its = |relay: &&mut Relay| relay.told.contains(&transmit.source);
        let Some(relay) = self.relays.iter_mut().find(is_its) else {
            buf.truncate(start);
            return None;
        };
        relay.client.wrap(now, transmit.destination, buf, start).then(|| Transmit {
            source: relay.base,
            destination: relay.client.server(),
            protocol: self.servers[relay.server].protocol,
            size: buf.len() - start,
            segment_size: None,
            ..transmit
        })
    }

    /// Has all servers that relay for the peer's IP version let it through before anything goes there.
    pub fn permit(&mut self, now: Instant, peer: IpAddr) {
        let is_of_family = |relayed: &SocketAddr| relayed.is_ipv4() == peer.is_ipv4();
        for relay in self.relays.iter_mut().filter(|relay| relay.told.iter().any(is_of_family)) {
            relay.client.permit(now, peer);
        }
    }

    /// A stream to a server is no more.
    pub fn stream_closed(
        &mut self,
        now: Instant,
        protocol: Protocol,
        local: SocketAddr,
        remote: SocketAddr,
        reason: &str,
    ) {
        let servers = &self.servers;
        for relay in self.relays.iter_mut().filter(|relay| {
            relay.base == local
                && relay.client.server() == remote
                && servers[relay.server].protocol == protocol
        }) {
            relay.client.disconnected(reason);
        }
        self.take_events(now);
    }

    /// Gives all allocations back. What is to be sent for that still comes out of [`poll_transmit`](Self::poll_transmit).
    pub fn close(&mut self, now: Instant) {
        self.closed = true;
        for relay in &mut self.relays {
            relay.client.close(now);
        }
        self.take_events(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for relay in &mut self.relays {
            relay.client.handle_timeout(now);
        }
        self.take_events(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.relays.iter().filter_map(|relay| relay.client.poll_timeout()).min()
    }

    /// Appends the next message for a server.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        for relay in &mut self.relays {
            if let Some(size) = relay.client.poll_transmit(now, buf) {
                return Some(Transmit {
                    source: relay.base,
                    destination: relay.client.server(),
                    protocol: self.servers[relay.server].protocol,
                    ecn: None,
                    size,
                    segment_size: None,
                });
            }
        }
        None
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<RelayEvent> {
        self.events.pop_front()
    }

    fn take_events(&mut self, now: Instant) {
        for index in 0..self.relays.len() {
            while let Some(event) = self.relays[index].client.poll_event() {
                self.take_event(now, index, event);
            }
        }
    }

    fn take_event(&mut self, now: Instant, index: usize, event: Event) {
        let relay = &mut self.relays[index];
        match event {
            Event::Allocated { relayed, mapped, .. } => {
                let (base, server) = (relay.base, relay.client.server());
                let protocol = self.servers[relay.server].protocol;
                if relay.renewals == 0 {
                    self.pending -= 1;
                }
                relay.told.clone_from(&relayed);
                for relayed in relayed {
                    let address = RelayedAddress { relayed, mapped, base, server, protocol };
                    self.events.push_back(RelayEvent::Allocated(address));
                }
            }
            Event::Failed(error) => {
                let was_there = !relay.told.is_empty();
                for lost in relay.told.drain(..) {
                    self.events.push_back(RelayEvent::Lost(lost));
                }
                let (base, server, renewals) = (relay.base, relay.server, relay.renewals);
                if was_there && renewals < MAX_RENEWALS && !self.closed {
                    // The server was begun anew, or our address there is another: there may be a new allocation.
                    if let Ok(client) = self.client(now, server) {
                        let relay = &mut self.relays[index];
                        relay.client = client;
                        relay.renewals += 1;
                        return;
                    }
                }
                if !was_there && renewals == 0 {
                    self.pending -= 1;
                }
                let failed = self.failed(base, server, error);
                self.events.push_back(failed);
            }
            Event::Closed => {
                if relay.told.is_empty() && relay.renewals == 0 {
                    self.pending = self.pending.saturating_sub(1);
                }
                for lost in relay.told.drain(..) {
                    self.events.push_back(RelayEvent::Lost(lost));
                }
            }
            // The pair's checks fail, and say so.
            _ => {}
        }
    }
}

/// Whether a message of STUN is about a Binding (RFC 8489 §5: the method is in twelve of the first fourteen bits).
fn is_binding(data: &[u8]) -> bool {
    let Some([a, b]) = data.first_chunk() else { return false };
    *a < 2 && u16::from_be_bytes([*a, *b]) & 0xFEEF == Method::BINDING.number()
}
