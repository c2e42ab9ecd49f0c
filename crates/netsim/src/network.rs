//! The network: nodes, links, NATs and the packets between them, in virtual time. It does nothing by itself: packets go
//! in by [`Network::send`], come out by [`Network::poll`], and [`Network::next_timeout`] says when to poll again.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::engine::{Engine, Event, PacketKey};
use crate::link::{LinkConfig, LinkStats, Pipe};
use crate::nat::{Nat, NatConfig, NatStats};
use crate::packet::Packet;
use crate::rng::Rng;
use crate::timeline::{Change, Direction};
use crate::topology::{Role, Topology};

/// A node: a host, a router, or one side of a NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

/// A link between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u32);

/// The state of a NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NatId(u32);

/// A NAT and its two sides. Links of inner hosts go to `inside`, the link to the rest of the world to `outside`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatNodes {
    /// For statistics and rebinding.
    pub id: NatId,
    /// The inner side: a router for the inner hosts and the way out for all else.
    pub inside: NodeId,
    /// The outer side, which has the outer addresses.
    pub outside: NodeId,
}

/// A packet that reached its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When it arrived; not later than the time given to [`Network::poll`].
    pub at: Instant,
    /// The host.
    pub node: NodeId,
    /// The packet as it arrived.
    pub packet: Packet,
}

/// Counters of the whole network. At any time
/// `sent + duplicated == delivered + dropped() + in_flight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkStats {
    /// Packets that hosts sent.
    pub sent: u64,
    /// Copies made on links.
    pub duplicated: u64,
    /// Packets handed out by [`Network::poll`].
    pub delivered: u64,
    /// Dropped on links.
    pub dropped_on_links: u64,
    /// Dropped in NATs.
    pub dropped_in_nats: u64,
    /// Sent from an address that no host has, or to one that cannot be reached.
    pub unroutable: u64,
    /// Packets on their way.
    pub in_flight: u64,
}

impl NetworkStats {
    /// All that did not get through.
    pub fn dropped(&self) -> u64 {
        self.dropped_on_links + self.dropped_in_nats + self.unroutable
    }
}

/// Where a packet was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Leaving the host that sent it.
    Sent,
    /// Arriving at its host.
    Delivered,
}

/// A packet seen at a host, for captures and traces.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// Virtual time since the start.
    pub time: Duration,
    /// The host.
    pub node: NodeId,
    /// Whether it came or went.
    pub point: Point,
    /// The packet.
    pub packet: &'a Packet,
}

type Observer = Box<dyn FnMut(Observation<'_>) + Send>;

/// A virtual network. See the [crate] for a tour.
pub struct Network {
    seed: u64,
    start: Instant,
    /// Nanoseconds since `start`; never goes back.
    now: u64,
    engine: Engine,
    topology: Topology,
    /// Two for each link: forward, backward.
    pipes: Vec<Pipe>,
    /// The node each pipe leads to.
    heads: Vec<u32>,
    nats: Vec<Nat>,
    /// The two sides of each NAT.
    nat_nodes: Vec<NatNodes>,
    timeline: Vec<Option<Change>>,
    sent: u64,
    delivered: u64,
    unroutable: u64,
    observer: Option<Observer>,
}

impl Network {
    /// A network without nodes. All that ever happens in it follows from `seed` and the calls made.
    pub fn new(seed: u64, start: Instant) -> Self {
        Self {
            seed,
            start,
            now: 0,
            engine: Engine::default(),
            topology: Topology::default(),
            pipes: Vec::new(),
            heads: Vec::new(),
            nats: Vec::new(),
            nat_nodes: Vec::new(),
            timeline: Vec::new(),
            sent: 0,
            delivered: 0,
            unroutable: 0,
            observer: None,
        }
    }

    /// The seed it was made with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The time it was made for.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// The latest time it was told, or of what it delivered last.
    pub fn now(&self) -> Instant {
        self.instant(self.now)
    }

    /// Adds a host with these addresses. Addresses need to be unique only among the nodes that reach each other without
    /// crossing a NAT; see [`send_from`](Self::send_from).
    pub fn add_node(&mut self, addresses: impl IntoIterator<Item = IpAddr>) -> NodeId {
        let node = self.topology.add_node(Role::Host);
        for address in addresses {
            self.topology.add_address(node, address, None);
        }
        NodeId(node)
    }

    /// Adds a router, which forwards by the shortest way. It takes no time; its links do.
    pub fn add_router(&mut self) -> NodeId {
        NodeId(self.topology.add_node(Role::Router))
    }

    /// Adds a NAT with these outer addresses (one for each family it is to translate).
    pub fn add_nat(
        &mut self,
        config: NatConfig,
        outer: impl IntoIterator<Item = IpAddr>,
    ) -> NatNodes {
        let id = self.nats.len() as u32;
        let inside = self.topology.add_node(Role::NatInside(id));
        let outside = self.topology.add_node(Role::NatOutside(id));
        let outer: Vec<IpAddr> = outer.into_iter().collect();
        for address in &outer {
            self.topology.add_address(outside, *address, None);
        }
        let rng = Rng::for_part(self.seed, (1 << 32) + u64::from(id));
        self.nats.push(Nat::new(config, outer, rng));
        let nodes = NatNodes { id: NatId(id), inside: NodeId(inside), outside: NodeId(outside) };
        self.nat_nodes.push(nodes);
        nodes
    }

    /// Joins two nodes by a link that is the same in both directions.
    pub fn add_link(&mut self, a: NodeId, b: NodeId, config: LinkConfig) -> LinkId {
        self.add_asymmetric_link(a, b, config.clone(), config)
    }

    /// Joins two nodes by a link with its own parameters in each direction.
    pub fn add_asymmetric_link(
        &mut self,
        a: NodeId,
        b: NodeId,
        a_to_b: LinkConfig,
        b_to_a: LinkConfig,
    ) -> LinkId {
        let first = self.pipes.len() as u32;
        let link = first / 2;
        for (offset, (config, head)) in [(a_to_b, b), (b_to_a, a)].into_iter().enumerate() {
            let index = first + offset as u32;
            let rng = Rng::for_part(self.seed, u64::from(index));
            self.pipes.push(Pipe::new(index, config, rng));
            self.heads.push(head.0);
        }
        self.topology.join(link, a.0, b.0, first);
        LinkId(link)
    }

    /// Says that this address of a node belongs to this link, as with several interfaces: packets from and to the
    /// address use it. Adds the address if the node does not have it. Otherwise the shortest way is taken.
    pub fn pin_address(&mut self, node: NodeId, address: IpAddr, link: LinkId) {
        self.topology.add_address(node.0, address, Some(link.0));
    }

    /// Sends a packet from the first host that has its source address.
    pub fn send(&mut self, now: Instant, packet: Packet) {
        match self.topology.host_of(packet.source.ip()) {
            Some(node) => self.send_from(now, NodeId(node), packet),
            None => {
                self.advance(now);
                self.sent += 1;
                self.unroutable += 1;
                self.engine.recycle(packet.data);
            }
        }
    }

    /// Sends a packet from this node, for networks in which several hosts have the same (inner) address.
    pub fn send_from(&mut self, now: Instant, node: NodeId, packet: Packet) {
        self.advance(now);
        self.sent += 1;
        self.observe(node, Point::Sent, &packet);
        if !self.topology.owns(node.0, packet.source.ip()) {
            self.unroutable += 1;
            return self.engine.recycle(packet.data);
        }
        let key = self.engine.insert(packet);
        if self.topology.owns(node.0, self.engine.packets[key as usize].destination.ip()) {
            self.engine.schedule(self.now, Event::Loopback(node.0, key));
        } else {
            self.forward(node.0, key);
        }
    }

    /// The next packet that has arrived by `now`, in the order of arrival. Call it until it returns `None`.
    pub fn poll(&mut self, now: Instant) -> Option<Delivery> {
        let limit = self.nanos(now).max(self.now);
        while let Some((at, event)) = self.engine.pop_due(limit) {
            self.now = self.now.max(at);
            match event {
                Event::Serialised(pipe) => {
                    self.pipes[pipe as usize].serialised(self.now, &mut self.engine);
                }
                Event::Arrival(pipe, key) => {
                    self.pipes[pipe as usize].arrived(key, &self.engine);
                    if let Some(delivery) = self.arrive(self.heads[pipe as usize], key) {
                        return Some(delivery);
                    }
                }
                Event::Loopback(node, key) => return Some(self.deliver(node, key)),
                Event::Change(entry) => {
                    if let Some(change) = self.timeline[entry as usize].take() {
                        self.apply(change);
                    }
                }
            }
        }
        self.now = limit;
        None
    }

    /// When to call [`poll`](Self::poll) next: something happens then, though not always a delivery.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.engine.next_event_time().map(|at| self.instant(at))
    }

    /// Changes the network now: at the latest time it was told.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Configure(link, direction, config) => {
                for pipe in self.pipes_of(link, direction) {
                    pipe.config.clone_from(&config);
                }
            }
            Change::Update(link, direction, mut update) => {
                for pipe in self.pipes_of(link, direction) {
                    update(&mut pipe.config);
                }
            }
            Change::LinkDown(link) => self.set_up(link, false),
            Change::LinkUp(link) => self.set_up(link, true),
            Change::Pause(link, direction) => self.set_paused(link, direction, true),
            Change::Resume(link, direction) => self.set_paused(link, direction, false),
            Change::RebindNat(nat, outer) => self.rebind_nat(nat, outer),
            Change::AddAddress(node, address) => self.topology.add_address(node.0, address, None),
            Change::RemoveAddress(node, address) => self.topology.remove_address(node.0, address),
        }
    }

    /// Changes the network at a set time; at once if it has passed.
    pub fn schedule(&mut self, at: Instant, change: Change) {
        let entry = self.timeline.len() as u32;
        self.timeline.push(Some(change));
        let at = self.nanos(at).max(self.now);
        self.engine.schedule(at, Event::Change(entry));
    }

    /// The parameters of one direction of a link ([`Direction::Both`]: forward).
    pub fn link_config(&self, link: LinkId, direction: Direction) -> &LinkConfig {
        &self.pipes[link.0 as usize * 2 + direction.pipes().start].config
    }

    /// Counters of a link; of both directions together for [`Direction::Both`].
    pub fn link_stats(&self, link: LinkId, direction: Direction) -> LinkStats {
        let first = link.0 as usize * 2;
        self.pipes[first..first + 2][direction.pipes()]
            .iter()
            .fold(LinkStats::default(), |sum, pipe| sum.merge(&pipe.stats))
    }

    /// Counters of a NAT.
    pub fn nat_stats(&self, nat: NatId) -> NatStats {
        self.nats[nat.0 as usize].stats
    }

    /// The outer addresses that a NAT has now.
    pub fn nat_addresses(&self, nat: NatId) -> &[IpAddr] {
        self.nats[nat.0 as usize].outer_addresses()
    }

    /// Counters of the whole network.
    pub fn stats(&self) -> NetworkStats {
        NetworkStats {
            sent: self.sent,
            duplicated: self.pipes.iter().map(|pipe| pipe.stats.duplicated).sum(),
            delivered: self.delivered,
            dropped_on_links: self.pipes.iter().map(|pipe| pipe.stats.dropped()).sum(),
            dropped_in_nats: self.nats.iter().map(|nat| nat.stats.dropped()).sum(),
            unroutable: self.unroutable,
            in_flight: self.engine.packets.len() as u64,
        }
    }

    /// An empty buffer, if possible one that was used before.
    pub fn buffer(&mut self) -> Vec<u8> {
        self.engine.buffer()
    }

    /// Takes a buffer back for [`buffer`](Self::buffer) to hand out.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.engine.recycle(buffer);
    }

    /// Calls `observer` with each packet that a host sends or receives: for captures, traces, hashes of traces.
    pub fn observe_with(&mut self, observer: impl FnMut(Observation<'_>) + Send + 'static) {
        self.observer = Some(Box::new(observer));
    }

    /// A packet comes to a node.
    fn arrive(&mut self, node: u32, key: PacketKey) -> Option<Delivery> {
        let destination = self.engine.packets[key as usize].destination.ip();
        if self.topology.nodes[node as usize].role == Role::Host {
            if self.topology.owns(node, destination) {
                return Some(self.deliver(node, key));
            }
            self.drop_unroutable(key);
        } else {
            self.forward(node, key);
        }
        None
    }

    fn deliver(&mut self, node: u32, key: PacketKey) -> Delivery {
        let packet = self.engine.packets.remove(key as usize);
        self.delivered += 1;
        self.observe(NodeId(node), Point::Delivered, &packet);
        Delivery { at: self.instant(self.now), node: NodeId(node), packet }
    }

    /// Takes a packet from a node to the link it leaves by, through the NAT if the node is one.
    fn forward(&mut self, mut node: u32, key: PacketKey) {
        // A packet crosses the NAT it came to at most twice (hairpin: out and in), and then is given to a link.
        for _ in 0..4 {
            let packet = &self.engine.packets[key as usize];
            let (source, destination) = (packet.source, packet.destination);
            match self.topology.nodes[node as usize].role {
                Role::NatOutside(nat) if self.nats[nat as usize].owns(destination.ip()) => {
                    let Some(inner) =
                        self.nats[nat as usize].inbound(self.now, source, destination)
                    else {
                        return self.engine.discard(key);
                    };
                    self.engine.packets[key as usize].destination = inner;
                    node = self.nat_nodes[nat as usize].inside.0;
                    continue;
                }
                Role::NatInside(nat) if self.nats[nat as usize].owns(destination.ip()) => {
                    // RFC 4787 §6: hairpinned packets carry the outer source address and port (REQ-9).
                    if !self.nats[nat as usize].hairpins() {
                        self.nats[nat as usize].stats.dropped_hairpin += 1;
                        return self.engine.discard(key);
                    }
                    let Some(outer) =
                        self.nats[nat as usize].outbound(self.now, source, destination)
                    else {
                        return self.engine.discard(key);
                    };
                    self.engine.packets[key as usize].source = outer;
                    node = self.nat_nodes[nat as usize].outside.0;
                    continue;
                }
                _ => {}
            }
            if let Some(pipe) = self.topology.route(node, source.ip(), destination.ip()) {
                return self.pipes[pipe as usize].offer(self.now, key, &mut self.engine);
            }
            let Role::NatInside(nat) = self.topology.nodes[node as usize].role else {
                break;
            };
            let Some(outer) = self.nats[nat as usize].outbound(self.now, source, destination)
            else {
                return self.engine.discard(key);
            };
            self.engine.packets[key as usize].source = outer;
            node = self.nat_nodes[nat as usize].outside.0;
        }
        self.drop_unroutable(key);
    }

    fn drop_unroutable(&mut self, key: PacketKey) {
        self.unroutable += 1;
        self.engine.discard(key);
    }

    fn observe(&mut self, node: NodeId, point: Point, packet: &Packet) {
        if let Some(observer) = &mut self.observer {
            observer(Observation { time: Duration::from_nanos(self.now), node, point, packet });
        }
    }

    fn rebind_nat(&mut self, nat: NatId, outer: Option<IpAddr>) {
        let outside = self.nat_nodes[nat.0 as usize].outside.0;
        for address in self.nats[nat.0 as usize].outer_addresses() {
            self.topology.remove_address(outside, *address);
        }
        self.nats[nat.0 as usize].rebind(outer);
        for address in self.nats[nat.0 as usize].outer_addresses() {
            self.topology.add_address(outside, *address, None);
        }
    }

    fn set_up(&mut self, link: LinkId, up: bool) {
        let first = link.0 as usize * 2;
        for pipe in &mut self.pipes[first..first + 2] {
            pipe.set_up(up, &mut self.engine);
        }
    }

    fn set_paused(&mut self, link: LinkId, direction: Direction, paused: bool) {
        let first = link.0 as usize * 2;
        for pipe in &mut self.pipes[first..first + 2][direction.pipes()] {
            pipe.set_paused(self.now, paused, &mut self.engine);
        }
    }

    fn pipes_of(&mut self, link: LinkId, direction: Direction) -> &mut [Pipe] {
        let first = link.0 as usize * 2;
        &mut self.pipes[first..first + 2][direction.pipes()]
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(self.nanos(now));
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    fn instant(&self, nanos: u64) -> Instant {
        self.start + Duration::from_nanos(nanos)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("seed", &self.seed)
            .field("time", &Duration::from_nanos(self.now))
            .field("nodes", &self.topology.nodes.len())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
