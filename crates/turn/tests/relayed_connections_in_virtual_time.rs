//! Two connections of `peerage-peerconnection` and the server of this crate, behind random NATs, in virtual time: with a relay there
//! is always a path, and it is there as soon as the round trips allow.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use peerage_crypto::Rng;
use peerage_netsim::{LinkConfig, Loss, NatConfig, Network, NodeId, Packet};
use peerage_peerconnection::{
    Configuration, ConnectionState, Event, IceServer, IceTransportPolicy, Input as Datagram,
    Message, PeerConnection, Protocol,
};
use peerage_turn::{
    Config, Event as ServerEvent, FiveTuple, Forward, Input, Path, RelayId, Server, Shared,
    Transport,
};

const UNIX: u64 = 1_800_000_000;
const SERVER: &str = "192.0.2.1";
/// From each host to the internet; the server is at no distance from it.
const ONE_WAY: Duration = Duration::from_millis(20);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

struct End {
    pc: PeerConnection,
    node: NodeId,
    trickled: usize,
    candidates: Vec<peerage_peerconnection::IceCandidateInit>,
    heard: Vec<Vec<u8>>,
    opened: bool,
    channel: Option<peerage_peerconnection::DataChannelHandle>,
    connected: Option<Instant>,
}

struct Setting {
    nats: [Option<NatConfig>; 2],
    relay_only: [bool; 2],
    loss: f64,
    /// Until then nothing gets through but by the server.
    direct_after: Duration,
}

impl Default for Setting {
    fn default() -> Self {
        let nats = [None, None];
        Self { nats, relay_only: [false; 2], loss: 0.0, direct_after: Duration::ZERO }
    }
}

struct World {
    now: Instant,
    net: Network,
    ends: [End; 2],
    server: Server,
    server_node: NodeId,
    bound: HashMap<SocketAddr, RelayId>,
    direct_from: Instant,
}

impl World {
    fn new(seed: u64, setting: Setting) -> Self {
        let now = Instant::now();
        let mut net = Network::new(seed, now);
        let internet = net.add_router();
        let address = SocketAddr::new(ip(SERVER), 3478);
        let server_node = net.add_node([address.ip()]);
        net.add_link(server_node, internet, LinkConfig::new());
        let config = Config {
            realm: "example.org".into(),
            users: vec![("alice".into(), "secret".into())],
            relays: vec![address.ip().into()],
            // Where hosts without NATs are.
            peers: peerage_turn::PeerRules {
                allow: vec!["192.0.2.0/24".parse().unwrap(), "198.51.100.0/24".parse().unwrap()],
                ..Default::default()
            },
            ..Config::default()
        };
        let mut rng = Rng::from_seed(seed);
        let provider = peerage_crypto::default_provider();
        let shared = Shared::new(config, provider, now, UNIX, &mut rng).unwrap();
        let server = Server::new(shared, now, rng);
        let path = LinkConfig::new().delay(ONE_WAY).loss(Loss::Random(setting.loss));
        let mut index = 0;
        let ends = setting.nats.map(|nat| {
            index += 1;
            let public = ip(&format!("198.51.100.{index}"));
            let (host, node) = match nat {
                Some(config) => {
                    let host = ip(&format!("10.0.{index}.2"));
                    let node = net.add_node([host]);
                    let nat = net.add_nat(config, [public]);
                    net.add_link(node, nat.inside, path.clone());
                    net.add_link(nat.outside, internet, LinkConfig::new());
                    (host, node)
                }
                None => {
                    let node = net.add_node([public]);
                    net.add_link(node, internet, path.clone());
                    (public, node)
                }
            };
            let mut config = Configuration::new(SystemTime::UNIX_EPOCH + Duration::from_secs(UNIX));
            let mut relay = IceServer::new(format!("turn:{address}"));
            relay.username = Some("alice".into());
            relay.credential = Some("secret".into());
            config.ice_servers.push(relay);
            if setting.relay_only[index - 1] {
                config.ice_transport_policy = IceTransportPolicy::Relay;
            }
            let rng = Rng::from_seed(seed * 2 + index as u64);
            let mut pc = PeerConnection::new(now, config, rng).unwrap();
            pc.add_local_address(now, SocketAddr::new(host, 5_000));
            pc.local_addresses_complete(now);
            End {
                pc,
                node,
                trickled: 0,
                candidates: Vec::new(),
                heard: Vec::new(),
                opened: false,
                channel: None,
                connected: None,
            }
        });
        let direct_from = now + setting.direct_after;
        Self { now, net, ends, server, server_node, bound: HashMap::new(), direct_from }
    }

    /// Offer and answer, without delay.
    fn negotiate(&mut self) {
        let now = self.now;
        let [a, b] = &mut self.ends;
        a.channel = Some(a.pc.create_data_channel(now, "test", Default::default()).unwrap());
        a.pc.set_local_description(now, None).unwrap();
        b.pc.set_remote_description(now, a.pc.local_description().unwrap()).unwrap();
        b.pc.set_local_description(now, None).unwrap();
        a.pc.set_remote_description(now, b.pc.local_description().unwrap()).unwrap();
    }

    fn drain_server(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                ServerEvent::Bind { relay, address, .. } => {
                    self.bound.insert(address, relay);
                    self.server.handle_input(self.now, Input::Bound { relay, ok: true });
                }
                ServerEvent::Close { relay } => self.bound.retain(|_, id| *id != relay),
                _ => {}
            }
        }
        let mut data = Vec::new();
        while let Some(transmit) = self.server.poll_transmit(self.now, &mut data) {
            let tuple = transmit.tuple;
            let packet = Packet::new(tuple.server, tuple.client, std::mem::take(&mut data));
            self.net.send_from(self.now, self.server_node, packet);
        }
    }

    fn forward(&mut self, forward: &Forward, input: &[u8]) {
        let mut data = forward.prefix.as_slice().to_vec();
        data.extend_from_slice(&input[forward.payload.clone()]);
        data.resize(data.len() + usize::from(forward.padding), 0);
        let packet = match forward.path {
            Path::Client(tuple) => Packet::new(tuple.server, tuple.client, data),
            Path::Peer { relay, peer, .. } => {
                let (source, _) = self.bound.iter().find(|(_, id)| **id == relay).unwrap();
                Packet::new(*source, peer, data)
            }
        };
        self.net.send_from(self.now, self.server_node, packet);
    }

    fn at_server(&mut self, packet: &Packet) {
        let input = match self.bound.get(&packet.destination) {
            Some(relay) => Input::Peer { relay: *relay, source: packet.source, data: &packet.data },
            None => {
                let (client, server) = (packet.source, packet.destination);
                let tuple = FiveTuple { transport: Transport::Udp, client, server };
                Input::Client { tuple, message: &packet.data }
            }
        };
        if let Some(forward) = self.server.handle_input(self.now, input) {
            self.forward(&forward, &packet.data);
        }
        self.drain_server();
    }

    fn drain(&mut self) {
        for index in 0..2 {
            let end = &mut self.ends[index];
            while let Some(event) = end.pc.poll_event() {
                match event {
                    Event::IceCandidate(Some(candidate)) => end.candidates.push(candidate),
                    Event::Message(_, Message::Binary(data)) => end.heard.push(data.to_vec()),
                    Event::DataChannel(channel) => end.channel = Some(channel),
                    Event::DataChannelOpen(_) => end.opened = true,
                    Event::ConnectionStateChange(ConnectionState::Connected) => {
                        end.connected.get_or_insert(self.now);
                    }
                    _ => {}
                }
            }
            let news: Vec<_> = end.candidates[end.trickled..].to_vec();
            end.trickled = end.candidates.len();
            for candidate in news {
                let _ = self.ends[1 - index].pc.add_ice_candidate(self.now, Some(candidate));
            }
        }
        for end in &mut self.ends {
            let mut data = Vec::new();
            while let Some(transmit) = end.pc.poll_transmit(self.now, &mut data) {
                let size = transmit.segment_size.unwrap_or(transmit.size);
                for segment in data.chunks(size) {
                    let (source, destination) = (transmit.source, transmit.destination);
                    let packet = Packet::new(source, destination, segment.to_vec());
                    self.net.send_from(self.now, end.node, packet);
                }
                data.clear();
            }
        }
        self.drain_server();
    }

    /// Until it is so, or the time is over.
    fn run(&mut self, limit: Duration, done: impl Fn(&[End; 2]) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.drain();
            if done(&self.ends) {
                return true;
            }
            let timers = self.ends.iter().filter_map(|end| end.pc.poll_timeout());
            let others = [self.net.next_timeout(), self.server.poll_timeout()];
            let next = timers.chain(others.into_iter().flatten()).min();
            let Some(next) = next.filter(|at| *at <= end) else { return false };
            self.now = self.now.max(next);
            while let Some(delivery) = self.net.poll(self.now) {
                let mut packet = delivery.packet;
                if delivery.node == self.server_node {
                    self.at_server(&packet);
                    continue;
                }
                if self.now < self.direct_from && packet.source.ip() != ip(SERVER) {
                    continue;
                }
                let place = self.ends.iter_mut().find(|end| end.node == delivery.node);
                let input = Datagram {
                    source: packet.source,
                    destination: packet.destination,
                    protocol: Protocol::Udp,
                    ecn: None,
                    data: &mut packet.data,
                };
                let _ = place.unwrap().pc.handle_input(self.now, input);
            }
            for end in &mut self.ends {
                if end.pc.poll_timeout().is_some_and(|at| at <= self.now) {
                    end.pc.handle_timeout(self.now);
                }
            }
            if self.server.poll_timeout().is_some_and(|at| at <= self.now) {
                self.server.handle_timeout(self.now);
            }
        }
    }
}

/// Connects, sends both ways, and tells how long it took until both ends were connected.
fn call(seed: u64, setting: Setting) -> (World, Duration) {
    let mut world = World::new(seed, setting);
    let start = world.now;
    world.negotiate();
    let connected =
        world.run(Duration::from_secs(30), |ends| ends.iter().all(|e| e.connected.is_some()));
    assert!(connected, "seed {seed}: not connected");
    let opened =
        world.run(Duration::from_secs(30), |ends| ends[0].opened && ends[1].channel.is_some());
    assert!(opened, "seed {seed}: not open");
    for end in &mut world.ends {
        for number in 0..20 {
            let message = Message::Binary(vec![number; 1_000].into());
            end.pc.send(world.now, end.channel.unwrap(), message).unwrap();
        }
    }
    let heard = world.run(Duration::from_secs(60), |ends| ends.iter().all(|e| e.heard.len() == 20));
    assert!(heard, "seed {seed}: not heard");
    let connected = world.ends.iter().filter_map(|end| end.connected).max().unwrap();
    (world, connected - start)
}

#[test]
fn a_relay_is_used_as_soon_as_round_trips_allow() {
    let trip = 2 * ONE_WAY;
    for relay_only in [[true, false], [false, true], [true, true]] {
        let nats = [Some(NatConfig::symmetric()), Some(NatConfig::symmetric())];
        let (_, took) = call(1, Setting { nats, relay_only, ..Setting::default() });
        // Two for the allocation, one for the permission; through the relay a way is as long as a round trip to it: two for a check
        // and its answer, two for DTLS; and a check or two that wait for their turn.
        let pace = Duration::from_millis(50);
        assert!(took <= 7 * trip + 2 * pace, "{relay_only:?}: {took:?}");
    }
}

#[test]
fn a_direct_path_takes_the_relays_place() {
    for seed in 0..20 {
        let direct_after = Duration::from_millis(50 * seed);
        let nats = [Some(NatConfig::port_restricted()), Some(NatConfig::full_cone())];
        let setting = Setting { nats, direct_after, ..Setting::default() };
        let (mut world, took) = call(seed, setting);
        assert!(took < Duration::from_secs(1), "seed {seed}: {took:?}");
        world.run(Duration::from_secs(4), |_| false);
        for end in &world.ends {
            let paths: Vec<_> = end.pc.selected_paths().collect();
            let is_direct = |(a, b): &(SocketAddr, SocketAddr)| {
                [a.ip(), b.ip()].iter().all(|i| *i != ip(SERVER))
            };
            assert!(paths.len() == 1 && is_direct(&paths[0]), "seed {seed}: {paths:?}");
        }
    }
}

#[test]
fn with_a_relay_there_is_always_a_path() {
    let seeds = std::env::var("PEERAGE_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    // One alone is replayed with PEERAGE_SEED.
    let only: Option<u64> = std::env::var("PEERAGE_SEED").ok().and_then(|n| n.parse().ok());
    for seed in only.map_or(0..seeds, |seed| seed..seed + 1) {
        let mut rng = Rng::from_seed(seed);
        let mut nat = || match rng.u32() % 5 {
            0 => None,
            1 => Some(NatConfig::full_cone()),
            2 => Some(NatConfig::address_restricted()),
            3 => Some(NatConfig::port_restricted()),
            _ => Some(NatConfig::symmetric()),
        };
        let nats = [nat(), nat()];
        let relay_only = [rng.range(0..3) == 0, rng.range(0..3) == 0];
        let loss = [0.0, 0.02, 0.05][rng.u32() as usize % 3];
        call(seed, Setting { nats, relay_only, loss, ..Setting::default() });
    }
}
