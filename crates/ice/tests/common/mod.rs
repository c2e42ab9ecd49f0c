//! Two agents in virtual time over a small network: latency, loss, NATs, a STUN server, cut paths.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "every test program uses its own part")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use peerage_crypto::{Rng, default_provider};
use peerage_ice::{
    Event, GatheringState, Handled, IceAgent, IceConfig, IceConnectionState, Input, Protocol, Role,
};
use peerage_stun::{Attribute, Class, Message, MessageBuilder, Method};

pub const STUN_SERVER: &str = "198.51.100.1:3478";

pub fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// How a NAT maps and filters (RFC 4787).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum NatKind {
    /// Endpoint-independent mapping and filtering.
    FullCone,
    /// Endpoint-independent mapping, address- and port-dependent filtering.
    PortRestricted,
    /// Address- and port-dependent mapping and filtering.
    Symmetric,
}

pub struct Nat {
    kind: NatKind,
    public: IpAddr,
    next_port: u16,
    /// (inside, destination when symmetric) -> public port.
    mappings: HashMap<(SocketAddr, Option<SocketAddr>), u16>,
    sent_to: HashSet<(u16, SocketAddr)>,
}

impl Nat {
    pub fn new(kind: NatKind, public: &str) -> Self {
        let public = public.parse().unwrap();
        Self { kind, public, next_port: 40_000, mappings: HashMap::new(), sent_to: HashSet::new() }
    }

    fn outbound(&mut self, source: SocketAddr, destination: SocketAddr) -> SocketAddr {
        let key = (source, (self.kind == NatKind::Symmetric).then_some(destination));
        let next_port = &mut self.next_port;
        let port = *self.mappings.entry(key).or_insert_with(|| {
            *next_port += 1;
            *next_port
        });
        self.sent_to.insert((port, destination));
        SocketAddr::new(self.public, port)
    }

    fn inbound(&self, source: SocketAddr, port: u16) -> Option<SocketAddr> {
        let (key, _) = self.mappings.iter().find(|(_, p)| **p == port)?;
        let open = self.kind == NatKind::FullCone || self.sent_to.contains(&(port, source));
        open.then_some(key.0)
    }

    /// Forgets every mapping, as a rebooted NAT does.
    pub fn rebind(&mut self) {
        self.mappings.clear();
        self.sent_to.clear();
    }
}

struct Datagram {
    source: SocketAddr,
    destination: SocketAddr,
    bytes: Vec<u8>,
}

pub struct Network {
    pub latency: Duration,
    /// Probability of loss of each datagram.
    pub loss: f64,
    /// Local addresses whose datagrams go nowhere, both ways.
    pub dead: HashSet<SocketAddr>,
    /// (source, destination) on the wire that go nowhere.
    pub cut: HashSet<(SocketAddr, SocketAddr)>,
    /// NAT by inside address.
    pub nats: HashMap<IpAddr, usize>,
    pub boxes: Vec<Nat>,
    pub sent: u64,
    rng: Rng,
    queue: BTreeMap<(Instant, u64), Datagram>,
    serial: u64,
}

impl Network {
    fn new(seed: u64) -> Self {
        Self {
            latency: Duration::from_millis(20),
            loss: 0.0,
            dead: HashSet::new(),
            cut: HashSet::new(),
            nats: HashMap::new(),
            boxes: Vec::new(),
            sent: 0,
            rng: Rng::from_seed(seed ^ 0x6e65_7477),
            queue: BTreeMap::new(),
            serial: 0,
        }
    }

    /// Puts an inside address behind a new NAT.
    pub fn behind_nat(&mut self, inside: &str, kind: NatKind, public: &str) {
        self.boxes.push(Nat::new(kind, public));
        self.nats.insert(inside.parse().unwrap(), self.boxes.len() - 1);
    }

    pub fn send(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: Vec<u8>,
    ) {
        self.sent += 1;
        if self.dead.contains(&source)
            || f64::from(self.rng.u32()) / f64::from(u32::MAX) < self.loss
        {
            return;
        }
        let source = match self.nats.get(&source.ip()) {
            Some(nat) => self.boxes[*nat].outbound(source, destination),
            None => source,
        };
        if self.cut.contains(&(source, destination)) {
            return;
        }
        self.serial += 1;
        self.queue
            .insert((now + self.latency, self.serial), Datagram { source, destination, bytes });
    }

    /// The inside address that a datagram reaches.
    fn route(&self, source: SocketAddr, destination: SocketAddr) -> Option<SocketAddr> {
        if let Some(nat) = self.boxes.iter().find(|n| n.public == destination.ip()) {
            return nat.inbound(source, destination.port());
        }
        // Private addresses are reached only from outside of any NAT or from behind the same one.
        let theirs = self.nats.get(&destination.ip());
        (theirs.is_none()).then_some(destination)
    }
}

/// One agent with what it told.
pub struct Side {
    pub agent: IceAgent,
    pub addresses: Vec<SocketAddr>,
    pub events: Vec<(Duration, Event)>,
    pub data: Vec<(Duration, Vec<u8>)>,
}

impl Side {
    pub fn state(&self) -> IceConnectionState {
        self.agent.connection_state()
    }

    pub fn states(&self) -> Vec<IceConnectionState> {
        let state = |e: &(Duration, Event)| match e.1 {
            Event::ConnectionStateChange(state) => Some(state),
            _ => None,
        };
        self.events.iter().filter_map(state).collect()
    }

    /// When the state was entered for the first time.
    pub fn entered(&self, wanted: IceConnectionState) -> Option<Duration> {
        self.events
            .iter()
            .find(|(_, e)| *e == Event::ConnectionStateChange(wanted))
            .map(|(at, _)| *at)
    }

    pub fn nominated(&self) -> bool {
        self.agent.selected_pair().is_some_and(|p| p.nominated)
    }

    pub fn selections(&self) -> usize {
        self.events.iter().filter(|(_, e)| matches!(e, Event::SelectedPairChange(_))).count()
    }
}

pub struct Pair {
    pub sides: [Side; 2],
    pub net: Network,
    pub start: Instant,
    pub now: Instant,
    /// Whether candidates are told to the other side as they come.
    pub trickle: bool,
    /// Names that the local network resolves.
    pub names: HashMap<String, IpAddr>,
}

pub const A: usize = 0;
pub const B: usize = 1;

impl Pair {
    /// Two full agents with one address each; A controls.
    pub fn new(seed: u64) -> Self {
        Self::with(
            seed,
            IceConfig { role: Role::Controlling, ..IceConfig::default() },
            IceConfig::default(),
        )
    }

    pub fn with(seed: u64, a: IceConfig, b: IceConfig) -> Self {
        let now = Instant::now();
        let side = |n: u64, config: IceConfig| Side {
            agent: IceAgent::new(now, config, Rng::from_seed(seed * 2 + n), default_provider()),
            addresses: Vec::new(),
            events: Vec::new(),
            data: Vec::new(),
        };
        let mut pair = Self {
            sides: [side(0, a), side(1, b)],
            net: Network::new(seed),
            start: now,
            now,
            trickle: true,
            names: HashMap::new(),
        };
        pair.add_address(A, "10.0.0.1:1000");
        pair.add_address(B, "10.0.1.1:2000");
        pair
    }

    pub fn agent(&mut self, side: usize) -> &mut IceAgent {
        &mut self.sides[side].agent
    }

    pub fn add_address(&mut self, side: usize, address: &str) {
        let address = addr(address);
        self.sides[side].addresses.push(address);
        self.sides[side].agent.add_local_address(self.now, address).unwrap();
    }

    /// Replaces the addresses that `new` gave; before `connect`.
    pub fn only_address(&mut self, side: usize, address: &str) {
        for old in std::mem::take(&mut self.sides[side].addresses) {
            self.sides[side].agent.remove_local_address(self.now, old);
        }
        self.add_address(side, address);
    }

    pub fn gather(&mut self, side: usize) {
        let now = self.now;
        self.agent(side).start_gathering(now);
        self.agent(side).finish_gathering(now);
    }

    /// Tells `to` the credentials of the other side.
    pub fn tell_credentials(&mut self, to: usize) {
        let credentials = self.sides[1 - to].agent.local_credentials().clone();
        let now = self.now;
        self.agent(to).set_remote_credentials(now, credentials).unwrap();
    }

    /// Gathers and exchanges credentials; candidates follow by trickle.
    pub fn connect(&mut self) {
        for side in [A, B] {
            self.gather(side);
            self.tell_credentials(side);
        }
        self.drain();
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Drains both agents; delivers their candidates when trickling.
    pub fn drain(&mut self) {
        for side in [A, B] {
            let mut buf = Vec::new();
            while let Some(t) = self.sides[side].agent.poll_transmit(self.now, &mut buf) {
                assert_eq!(t.size, buf.len());
                self.net.send(self.now, t.source, t.destination, std::mem::take(&mut buf));
            }
            while let Some(event) = self.sides[side].agent.poll_event() {
                let now = self.now;
                match &event {
                    Event::LocalCandidate(candidate) if self.trickle => {
                        // Through the text form, as signaling does.
                        let candidate = candidate.to_string().parse().unwrap();
                        self.sides[1 - side].agent.add_remote_candidate(now, candidate).unwrap();
                    }
                    Event::GatheringStateChange(GatheringState::Complete) if self.trickle => {
                        self.sides[1 - side].agent.end_of_remote_candidates(now);
                    }
                    Event::PublishMdns { name, addr } => {
                        self.names.insert(name.clone(), *addr);
                    }
                    Event::ResolveMdns { name } => match self.names.get(name) {
                        Some(ip) => self.sides[side].agent.mdns_resolved(now, name, *ip),
                        None => self.sides[side].agent.mdns_failed(now, name),
                    },
                    _ => {}
                }
                let at = self.now - self.start;
                self.sides[side].events.push((at, event));
            }
        }
        // What one side told the other may have made it speak.
        let speaks = |s: &Side| s.agent.poll_timeout().is_some_and(|t| t <= self.now);
        if self.sides.iter().any(speaks) {
            for side in &mut self.sides {
                side.agent.handle_timeout(self.now);
            }
            self.drain();
        }
    }

    fn deliver(&mut self, datagram: Datagram) {
        let Some(destination) = self.net.route(datagram.source, datagram.destination) else {
            return;
        };
        if self.net.dead.contains(&destination) {
            return;
        }
        if datagram.destination == addr(STUN_SERVER) {
            let Ok(message) = Message::parse(&datagram.bytes) else { return };
            let mut reply = Vec::new();
            MessageBuilder::new(
                &mut reply,
                Class::SuccessResponse,
                Method::BINDING,
                message.transaction_id(),
            )
            .attribute(&Attribute::XorMappedAddress(datagram.source))
            .fingerprint();
            self.net.send(self.now, datagram.destination, datagram.source, reply);
            return;
        }
        let now = self.now;
        let at = self.elapsed();
        for side in &mut self.sides {
            if side.addresses.contains(&destination) {
                let data = &datagram.bytes[..];
                let input = Input {
                    source: datagram.source,
                    destination,
                    protocol: Protocol::Udp,
                    ecn: None,
                    data,
                };
                if side.agent.handle_input(now, input).is_ok_and(|h| h == Handled::Data) {
                    side.data.push((at, datagram.bytes.clone()));
                }
            }
        }
    }

    /// One step of virtual time: the next datagram or timer, but not beyond `until`; whether there was one.
    fn step(&mut self, until: Instant) -> bool {
        let packet = self.net.queue.first_key_value().map(|((at, _), _)| *at);
        let timer = self.sides.iter().filter_map(|s| s.agent.poll_timeout()).min();
        let next = [packet, timer].into_iter().flatten().min();
        let Some(next) = next.filter(|n| *n <= until) else {
            self.now = until;
            return false;
        };
        self.now = self.now.max(next);
        if packet.is_some_and(|at| at <= self.now) {
            let (_, datagram) = self.net.queue.pop_first().unwrap();
            self.deliver(datagram);
        } else {
            for side in &mut self.sides {
                if side.agent.poll_timeout().is_some_and(|t| t <= self.now) {
                    side.agent.handle_timeout(self.now);
                }
            }
        }
        self.drain();
        true
    }

    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Runs until `done`, for at most `time`; whether `done` came true.
    pub fn run_until(&mut self, time: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let until = self.now + time;
        let mut steps = 0;
        loop {
            if done(self) {
                return true;
            }
            if !self.step(until) {
                return done(self);
            }
            steps += 1;
            // A timer that never gets later would spin here for ever.
            assert!(
                steps < 200_000,
                "no progress at {:?}: {:?}",
                self.elapsed(),
                self.sides.each_ref().map(|s| s.agent.poll_timeout().map(|t| t - self.start))
            );
        }
    }

    pub fn both_nominated(&self) -> bool {
        self.sides.iter().all(Side::nominated)
    }

    /// Asserts that both use the same two addresses, seen without a NAT.
    pub fn assert_agree(&self) {
        let [a, b] =
            self.sides.each_ref().map(|s| s.agent.selected_pair().expect("a selected pair"));
        assert_eq!((a.local, a.remote), (b.remote, b.local));
    }

    /// Sends data over the pair in use; whether there was one.
    pub fn send_data(&mut self, side: usize, bytes: &[u8]) -> bool {
        let Some(pair) = self.sides[side].agent.selected_pair() else { return false };
        let (local, remote) = (pair.local, pair.remote);
        self.net.send(self.now, local, remote, bytes.to_vec());
        true
    }
}

pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}
