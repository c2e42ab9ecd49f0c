//! Two agents in the network of `peerage-netsim`, in virtual time: interfaces behind NATs of any kind, a STUN server, and
//! a signalling channel that takes time and carries offers, answers and candidates as applications do.

mod access;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use peerage_crypto::{Rng, default_provider};
use peerage_ice::{
    Credentials, Event, Handled, IceAgent, IceConfig, IceConnectionState as State, Input, Protocol,
};
use peerage_netsim::{Change, LinkId, NatId, Network, NodeId, Packet};
use peerage_stun::{Attribute, Class, Message, MessageBuilder};

use self::access::Worlds;
pub(crate) use self::access::{Access, Path, path_between};

pub(crate) const A: usize = 0;
pub(crate) const B: usize = 1;

/// Bytes that no STUN message begins with (RFC 7983 §7).
const PROBE: u8 = 200;

/// An interface of a host.
pub(crate) struct Interface {
    pub(crate) address: SocketAddr,
    pub(crate) access: Access,
    link: LinkId,
    /// The NATs in front of it, the inner first.
    pub(crate) nats: Vec<NatId>,
}

/// What one application tells the other.
enum Signal {
    Offer(Credentials),
    Answer(Credentials),
    /// A candidate, and the ufrag of the generation it is of.
    Candidate(String, String),
    End(String),
}

/// An agent, its host and its application.
pub(crate) struct Side {
    pub(crate) agent: IceAgent,
    node: NodeId,
    pub(crate) interfaces: Vec<Interface>,
    /// Whether host addresses hide behind names that nobody else resolves.
    pub(crate) hidden: bool,
    /// An offer of ours is unanswered.
    offering: bool,
    /// The ufrag of the peer's generation that was taken last.
    peer_ufrag: Option<String>,
    /// Signals under way to the other side: when they arrive.
    signals: VecDeque<(Instant, Signal)>,
    /// (source, destination) of probes that came.
    pub(crate) probes: Vec<(SocketAddr, SocketAddr)>,
    /// When each state was entered.
    pub(crate) states: Vec<(Duration, State)>,
    /// How often its application may still restart after a failure.
    pub(crate) restarts: u32,
}

impl Side {
    pub(crate) fn state(&self) -> State {
        self.agent.connection_state()
    }

    /// Whether the pair in use is nominated, and of the generation that both sides speak.
    pub(crate) fn is_settled(&self) -> bool {
        self.agent.is_pair_of_generation()
            && self.agent.selected_pair().is_some_and(|pair| pair.nominated)
    }
}

pub(crate) struct World {
    pub(crate) net: Network,
    pub(crate) sides: [Side; 2],
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    worlds: Worlds,
    server: SocketAddr,
    server_node: NodeId,
    signalling: Duration,
    next_port: u16,
    pub(crate) trace: bool,
}

impl World {
    /// Two hosts without interfaces.
    pub(crate) fn new(
        seed: u64,
        configs: [IceConfig; 2],
        hidden: [bool; 2],
        signalling: Duration,
    ) -> Self {
        let start = Instant::now();
        let mut net = Network::new(seed, start);
        let worlds = Worlds::new(&mut net);
        let server = SocketAddr::from(([203, 0, 113, 10], 3478));
        let server_node = net.add_node([server.ip()]);
        worlds.attach_server(&mut net, server_node);
        let mut side = 0;
        let sides = configs.map(|config| {
            side += 1;
            let rng = Rng::from_seed(seed * 2 + side);
            Side {
                agent: IceAgent::new(start, config, rng, default_provider()),
                node: net.add_node([]),
                interfaces: Vec::new(),
                hidden: hidden[side as usize - 1],
                offering: false,
                peer_ufrag: None,
                signals: VecDeque::new(),
                probes: Vec::new(),
                states: Vec::new(),
                restarts: 0,
            }
        });
        let now = start;
        let next_port = 1_000;
        Self {
            net,
            sides,
            start,
            now,
            worlds,
            server,
            server_node,
            signalling,
            next_port,
            trace: false,
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:9.3} {}", self.elapsed().as_secs_f64(), text());
        }
    }

    /// Gives a side an interface and its agent a socket there.
    pub(crate) fn add_interface(&mut self, side: usize, access: Access) {
        let node = self.sides[side].node;
        let (ip, link, nats) = self.worlds.attach(&mut self.net, node, side, &access);
        self.next_port += 1;
        let address = SocketAddr::new(ip, self.next_port);
        self.say(|| format!("{side}: has {address}, {access:?}"));
        self.sides[side].interfaces.push(Interface { address, access, link, nats });
        let now = self.now;
        self.sides[side].agent.add_local_address(now, address).unwrap();
        self.drain();
    }

    /// An interface goes down for good.
    pub(crate) fn remove_interface(&mut self, side: usize, index: usize) {
        let gone = self.sides[side].interfaces.remove(index);
        self.say(|| format!("{side}: loses {}", gone.address));
        self.net.apply(Change::LinkDown(gone.link));
        self.net.apply(Change::RemoveAddress(self.sides[side].node, gone.address.ip()));
        let now = self.now;
        self.sides[side].agent.remove_local_address(now, gone.address);
        self.drain();
    }

    /// Nothing passes over any interface of a side until the other call.
    pub(crate) fn set_cut(&mut self, side: usize, cut: bool) {
        self.say(|| format!("{side}: cut {cut}"));
        for interface in &self.sides[side].interfaces {
            let link = interface.link;
            self.net.apply(if cut { Change::LinkDown(link) } else { Change::LinkUp(link) });
        }
    }

    /// The NATs before a side forget all.
    pub(crate) fn reboot_nats(&mut self, side: usize) {
        self.say(|| format!("{side}: NATs restart"));
        for nat in self.sides[side].interfaces.iter().flat_map(|interface| &interface.nats) {
            self.net.apply(Change::RebindNat(*nat, None));
        }
    }

    /// What every link loses from now on, by what it had.
    pub(crate) fn end_faults(&mut self) {
        self.worlds.end_faults(&mut self.net);
    }

    pub(crate) fn set_path(&mut self, side: usize, config: peerage_netsim::LinkConfig) {
        self.worlds.set_path(side, config);
    }

    /// The first offer; both gather.
    pub(crate) fn begin(&mut self) {
        let (now, server) = (self.now, self.server);
        for side in [A, B] {
            let agent = &mut self.sides[side].agent;
            agent.add_stun_server(now, server).unwrap();
        }
        let credentials = self.sides[A].agent.local_credentials().clone();
        self.sides[A].offering = true;
        self.sides[A].agent.start_gathering(now);
        self.sides[A].agent.finish_gathering(now);
        self.signal(A, Signal::Offer(credentials));
        self.drain();
    }

    /// The application restarts ICE: a new offer, unless one is open.
    pub(crate) fn restart(&mut self, side: usize) {
        if self.sides[side].offering || self.sides[side].peer_ufrag.is_none() {
            return;
        }
        self.say(|| format!("{side}: restarts"));
        let now = self.now;
        let credentials = self.sides[side].agent.restart(now);
        self.sides[side].offering = true;
        self.signal(side, Signal::Offer(credentials));
        self.drain();
    }

    fn signal(&mut self, from: usize, signal: Signal) {
        let at = self.now + self.signalling;
        self.sides[from].signals.push_back((at, signal));
    }

    fn take_credentials(&mut self, side: usize, credentials: Credentials) {
        let now = self.now;
        self.sides[side].peer_ufrag = Some(credentials.ufrag().to_owned());
        self.sides[side].agent.set_remote_credentials(now, credentials).unwrap();
    }

    /// A signal of `from` arrives at the other side.
    fn on_signal(&mut self, from: usize, signal: Signal) {
        let (to, now) = (1 - from, self.now);
        match signal {
            Signal::Offer(credentials) => {
                if self.sides[to].offering && to == A {
                    // Both offered. A is the impolite one (W3C's perfect negotiation): it ignores what comes.
                    self.say(|| "0: ignores an offer".into());
                    return;
                }
                if std::mem::take(&mut self.sides[to].offering) {
                    self.say(|| "1: rolls back".into());
                    self.sides[to].agent.rollback_restart(now).unwrap();
                }
                if self.sides[to].peer_ufrag.is_some() {
                    self.sides[to].agent.restart(now);
                } else {
                    self.sides[to].agent.start_gathering(now);
                    self.sides[to].agent.finish_gathering(now);
                }
                let answer = self.sides[to].agent.local_credentials().clone();
                self.take_credentials(to, credentials);
                self.signal(to, Signal::Answer(answer));
            }
            Signal::Answer(credentials) => {
                if std::mem::take(&mut self.sides[to].offering) {
                    self.take_credentials(to, credentials);
                }
            }
            Signal::Candidate(ufrag, text) => {
                if self.sides[to].peer_ufrag.as_ref() == Some(&ufrag) {
                    let candidate = text.parse().unwrap();
                    self.sides[to].agent.add_remote_candidate(now, candidate).unwrap();
                }
            }
            Signal::End(ufrag) => {
                if self.sides[to].peer_ufrag.as_ref() == Some(&ufrag) {
                    self.sides[to].agent.end_of_remote_candidates(now);
                }
            }
        }
    }

    /// Takes what the agents have to say, until they have no more.
    fn drain(&mut self) {
        for side in [A, B] {
            let mut buf = self.net.buffer();
            while let Some(transmit) = self.sides[side].agent.poll_transmit(self.now, &mut buf) {
                let packet =
                    Packet::new(transmit.source, transmit.destination, std::mem::take(&mut buf));
                self.net.send_from(self.now, self.sides[side].node, packet);
                buf = self.net.buffer();
            }
            self.net.recycle(buf);
            while let Some(event) = self.sides[side].agent.poll_event() {
                self.on_event(side, event);
            }
        }
    }

    fn on_event(&mut self, side: usize, event: Event) {
        let now = self.now;
        if !matches!(event, Event::PairStateChange { .. } | Event::LocalCandidate(_)) {
            self.say(|| format!("{side}: {event:?}"));
        }
        let ufrag = self.sides[side].agent.local_credentials().ufrag().to_owned();
        match event {
            Event::LocalCandidate(candidate) => {
                self.say(|| format!("{side}: {candidate}"));
                self.signal(side, Signal::Candidate(ufrag, candidate.to_string()));
            }
            Event::GatheringStateChange(peerage_ice::GatheringState::Complete) => {
                self.signal(side, Signal::End(ufrag));
            }
            Event::ConnectionStateChange(state) => {
                let at = self.elapsed();
                self.sides[side].states.push((at, state));
                if state == State::Failed && self.sides[side].restarts > 0 {
                    self.sides[side].restarts -= 1;
                    self.restart(side);
                }
            }
            Event::ResolveMdns { name } => self.sides[side].agent.mdns_failed(now, &name),
            _ => {}
        }
    }

    /// Runs until `done`, at most for `time`; whether it came true. An error is an agent that spins.
    pub(crate) fn run_until(
        &mut self,
        time: Duration,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Result<bool, String> {
        let until = self.now + time;
        for _ in 0..400_000 {
            if done(self) {
                return Ok(true);
            }
            if !self.step(until) {
                return Ok(done(self));
            }
        }
        Err(format!("no progress at {:?}", self.elapsed()))
    }

    pub(crate) fn run_for(&mut self, time: Duration) -> Result<(), String> {
        self.run_until(time, |_| false).map(drop)
    }

    fn step(&mut self, until: Instant) -> bool {
        let timers = self.sides.iter().filter_map(|side| side.agent.poll_timeout());
        let signals = self.sides.iter().filter_map(|side| side.signals.front().map(|s| s.0));
        let next = timers.chain(signals).chain(self.net.next_timeout()).min();
        let Some(next) = next.filter(|at| *at <= until) else {
            self.now = until;
            return false;
        };
        self.now = self.now.max(next);
        while let Some(delivery) = self.net.poll(self.now) {
            self.deliver(delivery.node, delivery.packet);
        }
        for side in [A, B] {
            while self.sides[side].signals.front().is_some_and(|(at, _)| *at <= self.now) {
                if let Some((_, signal)) = self.sides[side].signals.pop_front() {
                    self.on_signal(side, signal);
                }
            }
            let agent = &mut self.sides[side].agent;
            if agent.poll_timeout().is_some_and(|at| at <= self.now) {
                agent.handle_timeout(self.now);
            }
        }
        self.drain();
        true
    }

    fn deliver(&mut self, node: NodeId, packet: Packet) {
        let Packet { source, destination, data, .. } = packet;
        if node == self.server_node {
            let Ok(message) = Message::parse(&data) else { return };
            let mut reply = Vec::new();
            let id = message.transaction_id();
            MessageBuilder::new(&mut reply, Class::SuccessResponse, message.method(), id)
                .attribute(&Attribute::XorMappedAddress(source))
                .fingerprint();
            self.net.send_from(self.now, node, Packet::new(destination, source, reply));
            return;
        }
        let Some(side) = self.sides.iter_mut().find(|side| side.node == node) else { return };
        // Two sockets may share an address; a port that is gone has nobody behind it.
        if !side.interfaces.iter().any(|interface| interface.address == destination) {
            return;
        }
        let input = Input { source, destination, protocol: Protocol::Udp, ecn: None, data: &data };
        if side.agent.handle_input(self.now, input) == Ok(Handled::Data)
            && data.first() == Some(&PROBE)
        {
            side.probes.push((source, destination));
        }
        self.drain();
    }

    /// Sends a probe over the pair in use of a side.
    pub(crate) fn probe(&mut self, side: usize) -> bool {
        let Some(pair) = self.sides[side].agent.selected_pair() else { return false };
        let packet = Packet::new(pair.local, pair.remote, vec![PROBE; 40]);
        let node = self.sides[side].node;
        self.net.send_from(self.now, node, packet);
        true
    }

    /// What there is to know about both, for the message of a failure.
    pub(crate) fn describe(&self) -> String {
        let side = |side: &Side| {
            let pair = side.agent.selected_pair().map(|p| (p.local, p.remote, p.nominated));
            let accesses: Vec<_> = side.interfaces.iter().map(|i| (i.address, &i.access)).collect();
            format!(
                "{:?}, {pair:?}, {accesses:?}, hidden {}, states {:?}",
                side.agent, side.hidden, side.states
            )
        };
        format!(
            "after {:?}\n  A: {}\n  B: {}",
            self.elapsed(),
            side(&self.sides[0]),
            side(&self.sides[1])
        )
    }

    /// The best path between the interfaces that there are, by the rules of NATs.
    pub(crate) fn best_path(&self) -> Path {
        let [a, b] = &self.sides;
        let paths = a.interfaces.iter().flat_map(|i| {
            b.interfaces.iter().map(|j| path_between(&i.access, &j.access, a.hidden, b.hidden))
        });
        paths.min().unwrap_or(Path::None)
    }
}

/// An address within a network of 256.
fn address(network: [u8; 3], last: u8) -> IpAddr {
    [network[0], network[1], network[2], last].into()
}
