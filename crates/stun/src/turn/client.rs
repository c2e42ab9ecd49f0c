//! The client: requests and answers, and what goes to and comes from peers.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_crypto::{CryptoProvider, Rng};

use super::authentication::{Authentication, refusal};
use super::config::{ClientConfig, Link};
use super::event::{AllocationError, Event};
use super::peers::{Peers, State, asked};
use crate::address::AddressFamily;
use crate::attribute::Attribute;
use crate::attribute_type::AttributeType;
use crate::builder::MessageBuilder;
use crate::channel_data::ChannelData;
use crate::error::Error;
use crate::header::{Class, Method, TransactionId};
use crate::integrity::opaque_string;
use crate::message::Message;
use crate::transaction::{Due, RetransmitConfig, Transaction, TransactionTable};

/// UDP (RFC 8656 §18.8).
const UDP: u8 = 17;
/// Requests in flight.
const MAX_TRANSACTIONS: usize = 64;
/// Packets that wait for a permission; the oldest goes where there are more.
const MAX_HELD: usize = 16;
/// Their largest.
const MAX_HELD_LEN: usize = 2048;
/// Servers that one may be sent on to.
const MAX_REDIRECTIONS: usize = 4;
/// Peers that one request asks for.
const MAX_ASKED: usize = 16;
/// How often a request is made anew since its nonce was stale.
const MAX_STALE: u8 = 4;
/// An allocation is refreshed so long before it ends, or after half of its life.
const REFRESH_BEFORE: Duration = Duration::from_secs(60);
/// Lifetimes beyond this are taken to be it: no server means more than a day.
const MAX_LIFETIME: u32 = 86_400;

/// What became of bytes from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// It was an answer, or noise: consumed.
    Handled,
    /// A peer's datagram is in this range of what was handed in.
    Data {
        /// Who sent it.
        peer: SocketAddr,
        /// To which of our relayed addresses.
        relayed: SocketAddr,
        /// Where it is.
        range: Range<usize>,
    },
}

/// What a request is for.
#[derive(Debug, Clone)]
enum Request {
    Allocate,
    /// `false`: the allocation is given back.
    Refresh(bool),
    Permission(Vec<IpAddr>),
    Channel(u16, SocketAddr),
}

/// A request in flight.
#[derive(Debug)]
struct Pending {
    request: Request,
    /// As it was sent, and is sent again.
    bytes: Vec<u8>,
    authenticated: bool,
    /// How often it was made anew.
    stale: u8,
    /// An answer came that was not protected by the password.
    violated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Allocating,
    Allocated,
    Closing,
    Over,
}

/// One allocation on one server. See the [module](super).
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    provider: Arc<dyn CryptoProvider>,
    rng: Rng,
    phase: Phase,
    authentication: Option<Authentication>,
    transactions: TransactionTable<Pending>,
    outgoing: VecDeque<TransactionId>,
    events: VecDeque<Event>,
    relayed: Vec<SocketAddr>,
    refresh: Option<Instant>,
    /// When the server forgets the allocation.
    expires: Option<Instant>,
    peers: Peers,
    held: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Held packets that may go.
    released: VecDeque<(SocketAddr, Vec<u8>)>,
    servers: Vec<SocketAddr>,
    scratch: Vec<u8>,
    noise: u64,
}

impl Client {
    /// A client, whose first request is ready to be sent.
    ///
    /// # Errors
    /// [`Error::InvalidCredential`] for a user name or password that is empty or has control characters.
    pub fn new(
        now: Instant,
        config: ClientConfig,
        rng: Rng,
        provider: Arc<dyn CryptoProvider>,
    ) -> Result<Self, Error> {
        opaque_string("the user name", &config.username)?;
        opaque_string("the password", &config.password)?;
        let mut client = Self {
            servers: vec![config.server],
            config,
            provider,
            rng,
            phase: Phase::Allocating,
            authentication: None,
            transactions: TransactionTable::new(MAX_TRANSACTIONS),
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
            relayed: Vec::new(),
            refresh: None,
            expires: None,
            peers: Peers::new(),
            held: VecDeque::new(),
            released: VecDeque::new(),
            scratch: Vec::new(),
            noise: 0,
        };
        client.ask(now, Request::Allocate, 0);
        Ok(client)
    }

    /// The server that is spoken with; another than was configured after [`Event::Redirected`].
    pub fn server(&self) -> SocketAddr {
        self.config.server
    }

    /// The relayed addresses; empty unless there is an allocation.
    pub fn relayed(&self) -> &[SocketAddr] {
        &self.relayed
    }

    /// Whether nothing will be sent or told any more.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over && self.events.is_empty()
    }

    /// Messages that were no answer to a request, came from no peer that is let through, or could not be read.
    pub fn noise(&self) -> u64 {
        self.noise
    }

    /// Has the server let this address through, which takes a round trip, as long as something goes there or comes from it. No
    /// more than 128 at a time; those beyond are left out.
    pub fn permit(&mut self, now: Instant, peer: IpAddr) {
        self.peers.permit(now, peer);
        self.run(now);
    }

    /// Has a channel to this peer, by which each datagram has 4 bytes more instead of 36 or 48.
    pub fn bind(&mut self, now: Instant, peer: SocketAddr) {
        self.peers.permit(now, peer.ip());
        self.peers.bind(now, peer);
        self.run(now);
    }

    /// Gives the allocation back (RFC 8656 §8). [`Event::Closed`] follows.
    pub fn close(&mut self, now: Instant) {
        match self.phase {
            Phase::Allocated => {
                self.transactions.retain(|_| false);
                self.end(Phase::Closing);
                self.ask(now, Request::Refresh(false), 0);
            }
            Phase::Allocating => {
                // Where the server answers after all, the allocation ends by itself.
                self.transactions.retain(|_| false);
                self.end(Phase::Over);
                self.events.push_back(Event::Closed);
            }
            Phase::Closing | Phase::Over => {}
        }
    }

    /// The link to the server is gone.
    pub fn disconnected(&mut self, reason: impl Into<String>) {
        self.fail(AllocationError::Disconnected(reason.into()));
    }

    // --- to and from peers ---

    /// Makes of the datagram in `buf[start..]`, which is for `peer`, the message that goes to the server. A peer that is sent something
    /// else than STUN has a channel from then on. False where it does not
    /// go now: it is held until the server lets the peer through, or dropped; `buf` then ends at `start`.
    pub fn wrap(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        buf: &mut Vec<u8>,
        start: usize,
    ) -> bool {
        let is_padded = self.config.link == Link::Stream;
        if self.phase == Phase::Allocated {
            if let Some(number) = self.peers.channel_to(now, peer)
                && let Some(header) = ChannelData::header(number, buf.len() - start)
            {
                buf.splice(start..start, header);
                if is_padded {
                    let len = buf.len() - start;
                    buf.resize(start + len.next_multiple_of(4), 0);
                }
                return true;
            }
            if self.peers.is_permitted(now, peer.ip()) {
                let mut data = std::mem::take(&mut self.scratch);
                data.clear();
                data.extend_from_slice(&buf[start..]);
                buf.truncate(start);
                let id = TransactionId::random(&mut self.rng);
                MessageBuilder::new(buf, Class::Indication, Method::SEND, id)
                    .attribute(&Attribute::XorPeerAddress(peer))
                    .attribute(&Attribute::Data(&data))
                    .finish();
                // Checks of ICE go to many that nothing else ever goes to; what is no STUN (RFC 7983 §7) will go on.
                if data.first().is_some_and(|byte| *byte > 3) {
                    self.peers.bind(now, peer);
                    self.run(now);
                }
                self.scratch = data;
                return true;
            }
            self.hold(now, peer, &buf[start..]);
        }
        buf.truncate(start);
        false
    }

    /// Keeps a packet until the peer is let through.
    fn hold(&mut self, now: Instant, peer: SocketAddr, packet: &[u8]) {
        let permission = self.peers.permit(now, peer.ip());
        if permission.is_none_or(|p| p.state == State::Refused) || packet.len() > MAX_HELD_LEN {
            return;
        }
        if self.held.len() >= MAX_HELD {
            self.held.pop_front();
        }
        self.held.push_back((peer, packet.to_vec()));
        self.run(now);
    }

    /// The relayed address of a peer's family.
    fn relayed_for(&self, peer: SocketAddr) -> Option<SocketAddr> {
        self.relayed.iter().copied().find(|relayed| relayed.is_ipv4() == peer.is_ipv4())
    }

    /// Takes one datagram, or one message of a stream, that came from the server. What it cannot be is counted and dropped.
    pub fn handle_input(&mut self, now: Instant, data: &[u8]) -> Received {
        let received = match data.first() {
            Some(0x40..=0x4F) => self.handle_channel_data(now, data),
            _ => self.handle_message(now, data),
        };
        received.unwrap_or_else(|| {
            self.noise += 1;
            Received::Handled
        })
    }

    fn handle_channel_data(&mut self, now: Instant, bytes: &[u8]) -> Option<Received> {
        let (frame, _) = ChannelData::parse(bytes, false).ok()?;
        let peer = self.peers.peer_of(now, frame.channel)?;
        let relayed = self.relayed_for(peer)?;
        Some(Received::Data { peer, relayed, range: 4..4 + frame.data.len() })
    }

    fn handle_message(&mut self, now: Instant, bytes: &[u8]) -> Option<Received> {
        let message = Message::parse(bytes).ok()?;
        if message.has_fingerprint() && message.verify_fingerprint().is_err() {
            return None;
        }
        match message.class() {
            Class::Indication if message.method() == Method::DATA => {
                self.handle_data(now, &message)
            }
            Class::SuccessResponse | Class::ErrorResponse => {
                self.handle_response(now, &message)?;
                self.run(now);
                Some(Received::Handled)
            }
            _ => None,
        }
    }

    /// RFC 8656 §11.4.
    fn handle_data(&mut self, now: Instant, message: &Message<'_>) -> Option<Received> {
        let Some(Ok(Attribute::XorPeerAddress(peer))) =
            message.decode(AttributeType::XOR_PEER_ADDRESS)
        else {
            return None;
        };
        if !self.peers.is_permitted(now, peer.ip()) {
            return None;
        }
        // One with ICMP in the place of data tells of an error (RFC 8656 §11.6), which the pair's checks find out as well.
        let data = message.get(AttributeType::DATA)?;
        let start = data.offset + 4;
        let relayed = self.relayed_for(peer)?;
        Some(Received::Data { peer, relayed, range: start..start + data.value.len() })
    }

    // --- answers ---

    fn handle_response(&mut self, now: Instant, message: &Message<'_>) -> Option<()> {
        let id = message.transaction_id();
        let (_, pending) = self.transactions.get(id)?;
        let (authenticated, stale) = (pending.authenticated, pending.stale);
        let code = message.error_code().map(|error| error.code());
        if message.class() == Class::ErrorResponse {
            match (code, authenticated) {
                (None, _) => return None,
                (Some(401), false) => return self.challenged(now, id, message),
                (Some(401), true) if !self.authentication.as_ref()?.is_for(message) => {
                    // The realm is another one now.
                    return self.challenged(now, id, message);
                }
                (Some(438), true) => {
                    let (_, pending) = self.transactions.remove(id)?;
                    if stale >= MAX_STALE || !self.authentication.as_mut()?.renew(message) {
                        self.refused(now, pending.request, refusal(message, ""));
                    } else {
                        self.ask(now, pending.request, stale + 1);
                    }
                    return Some(());
                }
                _ => {}
            }
        }
        // A 401 to a request that had everything is about the password; a server that does not have it cannot sign. Where to go
        // instead may be said by who does not know us (RFC 8489 §10).
        let unsigned = matches!(code, Some(401 | 300));
        if authenticated && !unsigned && !self.authentication.as_ref()?.verifies(message) {
            if self.config.link == Link::Stream {
                let (_, pending) = self.transactions.remove(id)?;
                self.refused(now, pending.request, AllocationError::IntegrityViolated);
                return Some(());
            }
            // RFC 8489 §9.2.5: as if it had never come, but for what is said in the end.
            if let Some(pending) = self.transactions.get_mut(id) {
                pending.violated = true;
            }
            return None;
        }
        let (_, pending) = self.transactions.remove(id)?;
        if message.class() == Class::SuccessResponse {
            self.succeeded(now, pending.request, message);
        } else if code == Some(300) && matches!(pending.request, Request::Allocate) {
            self.redirected(now, message);
        } else {
            self.refused(now, pending.request, refusal(message, ""));
        }
        Some(())
    }

    fn challenged(&mut self, now: Instant, id: TransactionId, message: &Message<'_>) -> Option<()> {
        let (_, pending) = self.transactions.remove(id)?;
        let names = (&*self.config.username, &*self.config.password);
        match Authentication::new(&*self.provider, names, message) {
            Ok(authentication) if pending.stale < MAX_STALE => {
                self.authentication = Some(authentication);
                self.ask(now, pending.request, pending.stale + 1);
            }
            Ok(_) => self.fail(refusal(message, "")),
            Err(error) => self.fail(error),
        }
        Some(())
    }

    fn redirected(&mut self, now: Instant, message: &Message<'_>) {
        // Of our family: the other could be behind another socket (RFC 8489 §10).
        let id = message.transaction_id();
        let next = message.attributes().find_map(|attribute| match attribute.decode(id) {
            Ok(Attribute::AlternateServer(server)) => {
                (server.is_ipv4() == self.config.server.is_ipv4()).then_some(server)
            }
            _ => None,
        });
        let is_fit = |next: SocketAddr| {
            // A server out there has no business in sending us to services of this machine.
            next.ip().is_loopback() == self.config.server.ip().is_loopback()
                && !next.ip().is_unspecified()
                && !next.ip().is_multicast()
                && next.port() != 0
        };
        match next {
            Some(next) if !is_fit(next) => {
                self.fail(AllocationError::Unusable(
                    "it redirects to an address that is no server",
                ));
            }
            Some(next)
                if !self.servers.contains(&next) && self.servers.len() <= MAX_REDIRECTIONS =>
            {
                self.servers.push(next);
                self.config.server = next;
                self.authentication = None;
                self.events.push_back(Event::Redirected(next));
                self.ask(now, Request::Allocate, 0);
            }
            Some(_) => self.fail(AllocationError::Redirected),
            None => self.fail(refusal(message, "")),
        }
    }

    fn succeeded(&mut self, now: Instant, request: Request, message: &Message<'_>) {
        match request {
            Request::Allocate => self.allocated(now, message),
            Request::Refresh(false) => {
                self.end(Phase::Over);
                self.events.push_back(Event::Closed);
            }
            Request::Refresh(true) => match lifetime(message) {
                Some(lifetime) if !lifetime.is_zero() => self.lives(now, lifetime),
                _ => self.fail(AllocationError::Unusable("the server ended the allocation")),
            },
            Request::Permission(peers) => {
                for peer in peers {
                    if let Some(permission) = self.peers.permission(peer) {
                        permission.installed(now);
                    }
                    self.release(peer);
                }
            }
            Request::Channel(number, peer) => {
                if let Some(channel) = self.peers.channel(number) {
                    channel.installed(now);
                }
                // RFC 8656 §12.2: it installs a permission as well.
                if let Some(permission) = self.peers.permission(peer.ip()) {
                    permission.installed(now);
                }
                self.release(peer.ip());
            }
        }
    }

    /// RFC 8656 §7.3.
    fn allocated(&mut self, now: Instant, message: &Message<'_>) {
        let id = message.transaction_id();
        let addresses = message.attributes().filter_map(|attribute| match attribute.decode(id) {
            Ok(Attribute::XorRelayedAddress(address)) => Some(address),
            _ => None,
        });
        let mut relayed: Vec<SocketAddr> = Vec::new();
        for address in addresses {
            let usable = address.port() != 0
                && !address.ip().is_unspecified()
                && !address.ip().is_multicast()
                && !relayed.iter().any(|other| other.is_ipv4() == address.is_ipv4());
            if usable {
                relayed.push(address);
            }
        }
        let wanted = self.config.family;
        let is_wanted = |address: &SocketAddr| {
            wanted.is_none_or(|family| (family == AddressFamily::Ipv4) == address.is_ipv4())
        };
        let (Some(mapped), Some(lifetime)) = (message.mapped_address(), lifetime(message)) else {
            return self.unusable(now, "it lacks an address of ours, or a lifetime");
        };
        if !relayed.iter().any(is_wanted) {
            return self.unusable(now, "it has no relayed address of a family that was asked for");
        }
        self.phase = Phase::Allocated;
        self.relayed.clone_from(&relayed);
        self.lives(now, lifetime);
        self.events.push_back(Event::Allocated { relayed, mapped, lifetime });
    }

    /// RFC 8656 §7.3: what cannot be used is given back.
    fn unusable(&mut self, now: Instant, reason: &'static str) {
        self.fail(AllocationError::Unusable(reason));
        self.ask(now, Request::Refresh(false), 0);
    }

    fn lives(&mut self, now: Instant, lifetime: Duration) {
        let before = lifetime.checked_sub(REFRESH_BEFORE).unwrap_or_default().max(lifetime / 2);
        (self.refresh, self.expires) = (Some(now + before), Some(now + lifetime));
    }

    /// A request was refused, or not answered.
    fn refused(&mut self, now: Instant, request: Request, error: AllocationError) {
        match request {
            Request::Allocate => self.fail(error),
            Request::Refresh(false) => {
                if self.phase == Phase::Closing {
                    self.events.push_back(Event::Closed);
                }
                self.end(Phase::Over);
            }
            // Not answered: there may be time for another try.
            Request::Refresh(true) => match (error, self.expires) {
                (AllocationError::TimedOut, Some(expires)) if now < expires => {
                    self.ask(now, Request::Refresh(true), 0);
                }
                (error, _) => self.fail(error),
            },
            // Whether the server is there at all is found out by the refresh.
            Request::Permission(peers) if error == AllocationError::TimedOut => {
                for peer in peers {
                    if let Some(permission) = self.peers.permission(peer) {
                        permission.unanswered(now);
                    }
                }
            }
            Request::Channel(number, _) if error == AllocationError::TimedOut => {
                if let Some(channel) = self.peers.channel(number) {
                    channel.unanswered(now);
                }
            }
            Request::Permission(peers) if peers.len() > 1 => {
                // One of them spoils it for all: each by itself.
                for peer in peers {
                    self.ask(now, Request::Permission(vec![peer]), 0);
                }
            }
            Request::Permission(peers) => {
                for peer in peers {
                    if let Some(permission) = self.peers.permission(peer) {
                        permission.refused(now);
                    }
                    self.held.retain(|(to, _)| to.ip() != peer);
                    let (code, reason) = (reason_code(&error), error.to_string());
                    self.events.push_back(Event::PermissionRefused { peer, code, reason });
                }
                self.check_lost(error);
            }
            Request::Channel(number, _) => {
                if let Some(channel) = self.peers.channel(number) {
                    channel.refused(now);
                }
                self.check_lost(error);
            }
        }
    }

    /// The server does not know the allocation: it was started anew, say.
    fn check_lost(&mut self, error: AllocationError) {
        if matches!(error, AllocationError::Refused { code: 437, .. }) {
            self.fail(error);
        }
    }

    fn release(&mut self, peer: IpAddr) {
        for _ in 0..self.held.len() {
            let Some(packet) = self.held.pop_front() else { return };
            if packet.0.ip() == peer {
                self.released.push_back(packet);
            } else {
                self.held.push_back(packet);
            }
        }
    }

    fn end(&mut self, phase: Phase) {
        self.phase = phase;
        self.relayed.clear();
        self.peers = Peers::new();
        self.held.clear();
        self.released.clear();
        (self.refresh, self.expires) = (None, None);
    }

    fn fail(&mut self, error: AllocationError) {
        match self.phase {
            Phase::Allocating | Phase::Allocated => self.events.push_back(Event::Failed(error)),
            Phase::Closing => self.events.push_back(Event::Closed),
            Phase::Over => {}
        }
        self.transactions.retain(|_| false);
        self.end(Phase::Over);
    }

    // --- requests ---

    /// Sends a request.
    fn ask(&mut self, now: Instant, request: Request, stale: u8) {
        match &request {
            Request::Permission(peers) => {
                for peer in peers {
                    if let Some(permission) = self.peers.permission(*peer) {
                        permission.state = asked(permission.state);
                    }
                }
            }
            Request::Channel(number, _) => {
                if let Some(channel) = self.peers.channel(*number) {
                    channel.state = asked(channel.state);
                }
            }
            Request::Allocate | Request::Refresh(_) => {}
        }
        let id = TransactionId::random(&mut self.rng);
        let bytes = self.write(id, &request);
        let mut retransmission = self.config.retransmission();
        if matches!(request, Request::Refresh(false)) && self.config.link == Link::Datagrams {
            // Nobody waits long for a goodbye.
            retransmission = RetransmitConfig { max_requests: 3, last_wait: 2, ..retransmission };
        }
        let authenticated = self.authentication.is_some();
        let pending = Pending { request, bytes, authenticated, stale, violated: false };
        if let Err(full) =
            self.transactions.insert(id, Transaction::new(now, retransmission), pending)
        {
            debug_assert!(false, "{full}: requests are bounded by the tables they are for");
            return;
        }
        self.outgoing.push_back(id);
    }

    fn write(&self, id: TransactionId, request: &Request) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        let method = match request {
            Request::Allocate => Method::ALLOCATE,
            Request::Refresh(_) => Method::REFRESH,
            Request::Permission(_) => Method::CREATE_PERMISSION,
            Request::Channel(..) => Method::CHANNEL_BIND,
        };
        let mut builder = MessageBuilder::new(&mut bytes, Class::Request, method, id);
        let lifetime = self.config.lifetime.map(|l| Attribute::Lifetime(l.as_secs() as u32));
        match request {
            Request::Allocate => {
                builder = builder.attribute(&Attribute::RequestedTransport(UDP));
                if let Some(lifetime) = lifetime {
                    builder = builder.attribute(&lifetime);
                }
                // RFC 8656 §7.1: one or the other.
                if let Some(family) = self.config.family {
                    builder = builder.attribute(&Attribute::RequestedAddressFamily(family));
                } else if self.config.additional_ipv6 {
                    let family = AddressFamily::Ipv6;
                    builder = builder.attribute(&Attribute::AdditionalAddressFamily(family));
                }
            }
            Request::Refresh(true) => {
                if let Some(lifetime) = lifetime {
                    builder = builder.attribute(&lifetime);
                }
            }
            Request::Refresh(false) => builder = builder.attribute(&Attribute::Lifetime(0)),
            Request::Permission(peers) => {
                for peer in peers {
                    // RFC 8656 §9.1: the port is ignored.
                    let address = SocketAddr::new(*peer, 0);
                    builder = builder.attribute(&Attribute::XorPeerAddress(address));
                }
            }
            Request::Channel(number, peer) => {
                builder = builder
                    .attribute(&Attribute::ChannelNumber(*number))
                    .attribute(&Attribute::XorPeerAddress(*peer));
            }
        }
        match &self.authentication {
            Some(authentication) => authentication.finish(builder),
            None => builder.fingerprint(),
        };
        bytes
    }

    /// Asks for what is due.
    fn run(&mut self, now: Instant) {
        if self.phase != Phase::Allocated {
            return;
        }
        if self.refresh.is_some_and(|due| due <= now) {
            self.refresh = None;
            self.ask(now, Request::Refresh(true), 0);
        }
        if self.peers.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        self.peers.expire(now);
        // Room is left for the refresh.
        while self.transactions.len() + MAX_ASKED < MAX_TRANSACTIONS {
            let due = self.peers.permissions.iter().filter(|p| p.is_due(now)).map(|p| p.peer);
            let wanted: Vec<IpAddr> = due.take(MAX_ASKED).collect();
            if wanted.is_empty() {
                break;
            }
            self.ask(now, Request::Permission(wanted), 0);
        }
        while self.transactions.len() + MAX_ASKED < MAX_TRANSACTIONS {
            let due = self.peers.channels.iter().find(|c| c.is_due(now));
            let Some((number, peer)) = due.map(|c| (c.number, c.peer)) else { break };
            self.ask(now, Request::Channel(number, peer), 0);
        }
    }

    // --- the verbs ---

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        loop {
            match self.transactions.poll(now) {
                None => break,
                Some(Due::Retransmit(id, _)) => self.outgoing.push_back(id),
                Some(Due::TimedOut(_, pending)) => {
                    let error = match pending.violated {
                        true => AllocationError::IntegrityViolated,
                        false => AllocationError::TimedOut,
                    };
                    self.refused(now, pending.request, error);
                }
            }
        }
        self.run(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let peers = match self.phase {
            // What is due and found no room waits for an answer.
            Phase::Allocated if self.transactions.len() + MAX_ASKED < MAX_TRANSACTIONS => {
                self.peers.poll_timeout()
            }
            _ => None,
        };
        [self.transactions.deadline(), self.refresh, peers].into_iter().flatten().min()
    }

    /// Appends the next message for [`server`](Self::server) to `buf`; its size.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<usize> {
        let start = buf.len();
        while let Some(id) = self.outgoing.pop_front() {
            // It may have been answered or forgotten while it waited.
            if let Some((_, pending)) = self.transactions.get(id) {
                buf.extend_from_slice(&pending.bytes);
                return Some(buf.len() - start);
            }
        }
        while let Some((peer, packet)) = self.released.pop_front() {
            buf.extend_from_slice(&packet);
            if self.wrap(now, peer, buf, start) {
                return Some(buf.len() - start);
            }
        }
        None
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

fn lifetime(message: &Message<'_>) -> Option<Duration> {
    match message.decode(AttributeType::LIFETIME) {
        Some(Ok(Attribute::Lifetime(seconds))) => {
            Some(Duration::from_secs(seconds.min(MAX_LIFETIME).into()))
        }
        _ => None,
    }
}

fn reason_code(error: &AllocationError) -> u16 {
    match error {
        AllocationError::Refused { code, .. } | AllocationError::Credentials { code, .. } => *code,
        _ => 0,
    }
}
