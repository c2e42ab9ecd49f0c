//! The client of `peerage-stun` and the server of this crate in virtual time, over a path that delays and loses.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_crypto::Rng;
use peerage_stun::turn::{AllocationError, Client, ClientConfig, Event, Link, Received};
use peerage_turn::{
    Config, Event as ServerEvent, FiveTuple, Input, Path, RelayId, Server, Shared, Transport,
};

const UNIX: u64 = 1_700_000_000;
const ONE_WAY: Duration = Duration::from_millis(20);
const STEP: Duration = Duration::from_millis(5);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn peer() -> SocketAddr {
    address("8.8.8.8:9000")
}

fn config() -> Config {
    Config {
        realm: "example.org".into(),
        users: vec![("alice".into(), "secret".into())],
        relays: vec![address("192.0.2.1:1").ip().into(), address("[2001:db8::1]:1").ip().into()],
        ..Config::default()
    }
}

fn server(config: Config, now: Instant, seed: u64) -> Server {
    let mut rng = Rng::from_seed(seed);
    let provider = peerage_crypto::default_provider();
    let shared = Shared::new(config, provider, now, UNIX, &mut rng).unwrap();
    Server::new(Arc::clone(&shared), now, rng)
}

struct World {
    now: Instant,
    client: Client,
    server: Server,
    tuple: FiveTuple,
    rng: Rng,
    /// Out of 100, each way.
    loss: u64,
    to_server: VecDeque<(Instant, Vec<u8>)>,
    to_client: VecDeque<(Instant, Vec<u8>)>,
    bound: Vec<(RelayId, SocketAddr)>,
    events: Vec<Event>,
    /// What peers got, and what came of them.
    out: Vec<(SocketAddr, Vec<u8>)>,
    come: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// Bytes of the largest message of data to the server.
    largest: usize,
}

impl World {
    fn new(config: Config, password: &str, loss: u64) -> Self {
        let now = Instant::now();
        let tuple = FiveTuple {
            transport: Transport::Udp,
            client: address("203.0.113.5:5000"),
            server: address("192.0.2.1:3478"),
        };
        let mut settings = ClientConfig::new(tuple.server, Link::Datagrams, "alice", password);
        settings.additional_ipv6 = true;
        let provider = peerage_crypto::default_provider();
        let client = Client::new(now, settings, Rng::from_seed(3), provider).unwrap();
        Self {
            now,
            client,
            server: server(config, now, 1),
            tuple,
            rng: Rng::from_seed(9),
            loss,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            bound: Vec::new(),
            events: Vec::new(),
            out: Vec::new(),
            come: Vec::new(),
            largest: 0,
        }
    }

    fn lost(&mut self) -> bool {
        self.rng.range(0..100) < self.loss
    }

    fn send(&mut self, to: SocketAddr, data: &[u8]) {
        let mut buf = data.to_vec();
        if self.client.wrap(self.now, to, &mut buf, 0) {
            self.largest = self.largest.max(buf.len());
            if !self.lost() {
                self.to_server.push_back((self.now + ONE_WAY, buf));
            }
        }
    }

    fn peer_sends(&mut self, source: SocketAddr, data: &[u8]) {
        let ours = self.bound.iter().find(|(_, a)| a.is_ipv4() == source.is_ipv4());
        let Some((relay, _)) = ours.copied() else { return };
        let input = Input::Peer { relay, source, data };
        if let Some(forward) = self.server.handle_input(self.now, input) {
            let bytes = [forward.prefix.as_slice(), &data[forward.payload]].concat();
            if !self.lost() {
                self.to_client.push_back((self.now + ONE_WAY, bytes));
            }
        }
    }

    fn drain(&mut self) {
        loop {
            while let Some(event) = self.server.poll_event() {
                match event {
                    ServerEvent::Bind { relay, address, .. } => {
                        self.bound.push((relay, address));
                        self.server.handle_input(self.now, Input::Bound { relay, ok: true });
                    }
                    ServerEvent::Close { relay } => self.bound.retain(|(id, _)| *id != relay),
                    _ => {}
                }
            }
            let mut bytes = Vec::new();
            if self.server.poll_transmit(self.now, &mut bytes).is_none() {
                break;
            }
            if !self.lost() {
                self.to_client.push_back((self.now + ONE_WAY, bytes));
            }
        }
        loop {
            let mut bytes = Vec::new();
            if self.client.poll_transmit(self.now, &mut bytes).is_none() {
                break;
            }
            if !self.lost() {
                self.to_server.push_back((self.now + ONE_WAY, bytes));
            }
        }
        while let Some(event) = self.client.poll_event() {
            self.events.push(event);
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        while self.to_server.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, message) = self.to_server.pop_front().unwrap();
            let input = Input::Client { tuple: self.tuple, message: &message };
            if let Some(forward) = self.server.handle_input(self.now, input) {
                let Path::Peer { peer, .. } = forward.path else { panic!("{forward:?}") };
                self.out.push((peer, message[forward.payload].to_vec()));
            }
            self.drain();
        }
        while self.to_client.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, message) = self.to_client.pop_front().unwrap();
            if let Received::Data { peer, relayed, range } =
                self.client.handle_input(self.now, &message)
            {
                self.come.push((peer, relayed, message[range].to_vec()));
            }
            self.drain();
        }
        if self.server.poll_timeout().is_some_and(|at| at <= self.now) {
            self.server.handle_timeout(self.now);
        }
        if self.client.poll_timeout().is_some_and(|at| at <= self.now) {
            self.client.handle_timeout(self.now);
        }
        self.drain();
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.drain();
        while self.now < end {
            self.step();
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_allocation_relays_both_ways_and_is_given_back() {
    let mut world = World::new(config(), "secret", 0);
    world.run(SECOND);
    let [Event::Allocated { relayed, mapped, lifetime }] = &world.events[..] else {
        panic!("{:?}", world.events);
    };
    assert_eq!(*mapped, world.tuple.client);
    assert_eq!(*lifetime, Duration::from_secs(600));
    assert!(relayed[0].is_ipv4() && relayed[1].is_ipv6() && relayed.len() == 2, "{relayed:?}");
    let relayed = relayed.clone();
    // A check of ICE waits for the permission; it does not ask for a channel.
    world.send(peer(), b"\x00\x01check");
    world.run(SECOND);
    assert_eq!(world.out, [(peer(), b"\x00\x01check".to_vec())]);
    world.peer_sends(peer(), b"\x01\x01answer");
    world.run(SECOND);
    assert_eq!(world.come, [(peer(), relayed[0], b"\x01\x01answer".to_vec())]);
    // Data goes as an indication first, and by a channel from then on.
    world.send(peer(), &[0x80; 100]);
    assert_eq!(world.largest, 100 + 36);
    world.run(SECOND);
    world.largest = 0;
    world.send(peer(), &[0x80; 100]);
    assert_eq!(world.largest, 104);
    world.peer_sends(peer(), &[0x81; 50]);
    world.run(SECOND);
    assert_eq!(world.out.len(), 3);
    assert_eq!(world.come[1], (peer(), relayed[0], vec![0x81; 50]));
    // Over IPv6 too.
    let far = address("[2600::1]:7");
    world.send(far, &[0x80; 10]);
    world.run(SECOND);
    assert_eq!(world.out.last(), Some(&(far, vec![0x80; 10])));
    world.client.close(world.now);
    world.run(SECOND);
    assert_eq!(world.events.last(), Some(&Event::Closed));
    assert_eq!(world.server.allocations(), 0);
    assert!(world.client.is_over() && world.client.poll_timeout().is_none());
}

#[test]
fn a_third_lost_and_a_nonce_of_a_minute_end_no_allocation() {
    let nonce_lifetime = Duration::from_secs(60);
    let mut world = World::new(Config { nonce_lifetime, ..config() }, "secret", 30);
    world.run(Duration::from_secs(40));
    assert!(matches!(world.events[..], [Event::Allocated { .. }]), "{:?}", world.events);
    for minute in 0..180 {
        let before = (world.out.len(), world.come.len());
        for _ in 0..10 {
            world.send(peer(), &[0x80; 100]);
            world.peer_sends(peer(), &[0x81; 100]);
            world.run(Duration::from_secs(6));
        }
        let after = (world.out.len(), world.come.len());
        assert!(after.0 > before.0 && after.1 > before.1, "minute {minute}: {before:?}, {after:?}");
    }
    assert_eq!(world.events.len(), 1, "{:?}", world.events);
    assert_eq!(world.server.allocations(), 1);
}

#[test]
fn what_is_not_used_ends_and_begins_again_when_it_is() {
    let mut world = World::new(config(), "secret", 0);
    world.run(SECOND);
    world.send(peer(), &[0x80; 100]);
    world.run(SECOND);
    world.run(Duration::from_secs(3600));
    assert_eq!(world.server.allocations(), 1, "the allocation itself lives on");
    let before = world.come.len();
    world.peer_sends(peer(), b"nobody knows");
    world.run(SECOND);
    assert_eq!(world.come.len(), before, "the permission has ended");
    world.send(peer(), &[0x80; 100]);
    world.run(SECOND);
    world.peer_sends(peer(), &[0x81; 7]);
    world.run(SECOND);
    assert_eq!((world.out.len(), world.come.len()), (2, before + 1));
}

#[test]
fn a_server_that_was_begun_anew_is_told_of() {
    let mut world = World::new(config(), "secret", 0);
    world.run(SECOND);
    world.send(peer(), &[0x80; 100]);
    world.run(SECOND);
    world.server = server(config(), world.now, 77);
    world.bound.clear();
    world.run(Duration::from_secs(600));
    let Some(Event::Failed(AllocationError::Refused { code: 437, .. })) = world.events.last()
    else {
        panic!("{:?}", world.events);
    };
    assert!(world.client.is_over());
}

#[test]
fn a_wrong_password_is_told_of() {
    let mut world = World::new(config(), "wrong", 0);
    world.run(SECOND);
    let [Event::Failed(error @ AllocationError::Credentials { code: 401, .. })] = &world.events[..]
    else {
        panic!("{:?}", world.events);
    };
    assert!(error.to_string().contains("user name and password"), "{error}");
}

#[test]
fn a_server_that_does_not_answer_is_told_of() {
    let mut world = World::new(config(), "secret", 100);
    world.run(Duration::from_secs(60));
    assert_eq!(world.events, [Event::Failed(AllocationError::TimedOut)]);
}

#[test]
fn a_peer_that_is_refused_does_not_spoil_it_for_others() {
    let mut world = World::new(config(), "secret", 0);
    world.run(SECOND);
    let forbidden = address("127.0.0.1:22");
    // In one request: both wait for the same answer.
    world.client.permit(world.now, forbidden.ip());
    world.send(forbidden, &[0x80; 10]);
    world.send(peer(), &[0x80; 10]);
    world.run(SECOND);
    assert_eq!(world.out, [(peer(), vec![0x80; 10])]);
    let refused = world.events.iter().filter(|event| {
        matches!(event, Event::PermissionRefused { peer, code: 403, .. } if *peer == forbidden.ip())
    });
    assert_eq!(refused.count(), 1, "{:?}", world.events);
    for _ in 0..50 {
        world.send(forbidden, &[0x80; 10]);
        world.run(SECOND / 10);
    }
    assert_eq!(world.events.len(), 2, "it is not asked for over and over: {:?}", world.events);
}
