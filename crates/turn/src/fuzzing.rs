//! Bodies of fuzz targets.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_crypto::Rng;
use peerage_stun::{
    Attribute, AttributeType, Class, IntegrityAlgorithm, IntegrityKey, LongTermCredentials,
    Message, MessageBuilder, Method, PasswordAlgorithm, TransactionId,
};

use crate::{
    Config, Counters, Event, FiveTuple, Input, Path, RelayId, Server, Shared, Transport, framing,
};

/// A server with sockets that never fail unless told to, and a clock.
struct World {
    server: Server,
    now: Instant,
    refuse: bool,
    relays: Vec<RelayId>,
    connections: Vec<u32>,
    key: IntegrityKey,
    nonces: [String; 4],
    count: u64,
}

/// Hands a server what the bytes say: messages as they are, requests that are rightly signed, data of peers, time, failures; and
/// looks that bounds hold and that nothing is left at the end.
pub fn server(data: &[u8]) {
    play(data);
}

fn play(mut data: &[u8]) -> Counters {
    let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
    let config = Config {
        realm: "r".into(),
        users: vec![("u".into(), "p".into())],
        relays: vec![ip("192.0.2.1").into(), ip("2001:db8::1").into()],
        ports: 50_000..=50_007,
        user_quota: 3,
        max_channels: 3,
        max_permissions: 4,
        unauthenticated_rate: 0,
        ..Config::default()
    };
    let mut rng = Rng::from_seed(1);
    let now = Instant::now();
    let provider = peerage_crypto::default_provider();
    let shared = Shared::new(config, Arc::clone(&provider), now, 1_700_000_000, &mut rng)
        .expect("a sound configuration");
    let key = LongTermCredentials::new("u", "r", "p")
        .ok()
        .and_then(|credentials| credentials.key(&*provider, PasswordAlgorithm::Md5))
        .map(|key| IntegrityKey::from_bytes(&*provider, IntegrityAlgorithm::HmacSha1, key.as_ref()))
        .expect("a key");
    let mut world = World {
        server: Server::new(shared, now, rng),
        now,
        refuse: false,
        relays: Vec::new(),
        connections: Vec::new(),
        key,
        nonces: Default::default(),
        count: 0,
    };
    while let Some((&[op, arg, len], rest)) = data.split_first_chunk::<3>() {
        let (bytes, rest) = rest.split_at(usize::from(len).min(rest.len()));
        data = rest;
        world.step(op, arg, bytes);
        assert!(world.server.allocations() <= 3);
    }
    world.server.close();
    world.drain();
    assert!(world.relays.is_empty() && world.server.allocations() == 0);
    world.now += Duration::from_secs(100_000);
    world.server.handle_timeout(world.now);
    world.drain();
    assert_eq!(world.server.poll_timeout(), None);
    *world.server.counters()
}

fn tuple(arg: u8) -> FiveTuple {
    let transport = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls];
    let client = SocketAddr::from(([198, 51, 100, 1], 5000 + u16::from(arg & 3)));
    let server = SocketAddr::from(([192, 0, 2, 1], 3478));
    FiveTuple { transport: transport[usize::from(arg & 3)], client, server }
}

impl World {
    fn step(&mut self, op: u8, arg: u8, bytes: &[u8]) {
        let tuple = tuple(arg);
        match op % 8 {
            0 => {
                let _ = framing::next(bytes);
                self.client(tuple, bytes);
            }
            1 | 2 => self.signed(arg, bytes),
            3 => {
                let relay = RelayId(u32::from(arg >> 4));
                let source = SocketAddr::from(([8, 8, 8, arg & 3], 9000));
                self.input(Input::Peer { relay, source, data: bytes });
            }
            4 => {
                self.now += Duration::from_secs(u64::from(arg) * 4);
                self.server.handle_timeout(self.now);
            }
            5 => self.refuse = arg & 1 != 0,
            6 => {
                self.input(Input::Closed { tuple });
            }
            _ => {
                let connection =
                    self.connections.get(usize::from(arg >> 2)).copied().unwrap_or_default();
                let relay = RelayId(u32::from(arg >> 4));
                let peer = SocketAddr::from(([8, 8, 8, arg & 3], 9000));
                self.input(match arg & 3 {
                    0 => Input::PeerConnected { connection, ok: true },
                    1 => Input::PeerConnected { connection, ok: false },
                    2 => Input::PeerClosed { connection },
                    _ => Input::PeerAccepted { relay, peer },
                });
            }
        }
        self.drain();
    }

    /// A request of the method in `arg` with the attributes in `bytes`: a kind, a length and a value each.
    fn signed(&mut self, arg: u8, attributes: &[u8]) {
        let methods = [
            Method::ALLOCATE,
            Method::REFRESH,
            Method::CREATE_PERMISSION,
            Method::CHANNEL_BIND,
            Method::CONNECT,
            Method::CONNECTION_BIND,
        ];
        let method = methods[usize::from(arg >> 2) % methods.len()];
        // The second time with the nonce that the first was answered with, where it was.
        for _ in 0..2 {
            let mut bytes = attributes;
            self.count += 1;
            let mut id = [0; 12];
            id[..8].copy_from_slice(&self.count.to_be_bytes());
            let mut out = Vec::new();
            let mut builder =
                MessageBuilder::new(&mut out, Class::Request, method, TransactionId(id));
            while let Some((&[kind, len], rest)) = bytes.split_first_chunk::<2>() {
                let (value, rest) = rest.split_at(usize::from(len % 24).min(rest.len()));
                bytes = rest;
                // The low numbers are TURN's; the highest bit is that of the optional ones.
                let kind = AttributeType(u16::from(kind & 0x7F) | u16::from(kind & 0x80) << 8);
                if kind == AttributeType::XOR_PEER_ADDRESS && value.len() == 1 {
                    let peer = SocketAddr::from(([8, 8, 8, value[0] & 3], 9000));
                    builder = builder.attribute(&Attribute::XorPeerAddress(peer));
                } else if kind != AttributeType::MESSAGE_INTEGRITY
                    && kind != AttributeType::MESSAGE_INTEGRITY_SHA256
                {
                    builder = builder.parts(kind, &[value]);
                }
            }
            builder
                .attribute(&Attribute::Username("u"))
                .attribute(&Attribute::Realm("r"))
                .attribute(&Attribute::Nonce(&self.nonces[usize::from(arg & 3)]))
                .integrity(&self.key)
                .finish();
            self.client(tuple(arg), &out);
            for (to, answer) in self.drain() {
                let message = Message::parse(&answer).expect("the server's message parses");
                if let (true, Some(Ok(Attribute::Nonce(nonce)))) =
                    (to == tuple(arg), message.decode(AttributeType::NONCE))
                {
                    self.nonces[usize::from(arg & 3)] = nonce.into();
                }
            }
        }
    }

    fn client(&mut self, tuple: FiveTuple, message: &[u8]) {
        self.input(Input::Client { tuple, message });
    }

    fn input(&mut self, input: Input<'_>) {
        let size = match &input {
            Input::Client { message, .. } => message.len(),
            Input::Peer { data, .. } => data.len(),
            _ => 0,
        };
        if let Some(forward) = self.server.handle_input(self.now, input) {
            assert!(forward.payload.end <= size && forward.padding < 4);
            if let Path::Peer { relay, .. } = forward.path {
                assert!(self.relays.contains(&relay), "a relay that is there");
            }
        }
    }

    fn drain(&mut self) -> Vec<(FiveTuple, Vec<u8>)> {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Bind { relay, .. } => {
                    let ok = !self.refuse;
                    if !self.relays.contains(&relay) {
                        self.relays.push(relay);
                    }
                    self.server.handle_input(self.now, Input::Bound { relay, ok });
                }
                Event::Close { relay } => self.relays.retain(|other| *other != relay),
                Event::Connect { connection, .. } | Event::Incoming { connection } => {
                    self.connections.push(connection);
                }
                _ => {}
            }
        }
        let (mut out, mut buf) = (Vec::new(), Vec::new());
        while let Some(transmit) = self.server.poll_transmit(self.now, &mut buf) {
            out.push((transmit.tuple, std::mem::take(&mut buf)));
        }
        out
    }
}

#[cfg(test)]
#[path = "../../../fuzz/inputs.rs"]
mod inputs;

#[cfg(test)]
mod tests {
    use super::*;

    /// An allocation, a permission, a channel, data both ways.
    const SESSION: &[u8] = &[
        1, 0, 6, 0x19, 4, 17, 0, 0, 0, // Allocate
        1, 8, 3, 0x12, 1, 1, // CreatePermission
        1, 12, 9, 0x0C, 4, 0x40, 0, 0, 0, 0x12, 1, 1, // ChannelBind
        0, 0, 5, 0x40, 0, 0, 1, 7, // ChannelData
        3, 1, 2, 7, 7, // from the peer
        4, 200, 0, // 800 s
    ];

    #[test]
    fn the_body_reaches_the_data_path() {
        let counters = play(SESSION);
        let seen = (counters.allocated, counters.sent_packets, counters.received_packets);
        assert_eq!(seen, (1, 1, 1), "{counters:?}");
    }

    #[test]
    fn the_body_holds_on_noise() {
        let mut rng = Rng::from_seed(7);
        for round in 0..400 {
            let mut bytes = Vec::new();
            for _ in 0..40 {
                let len = rng.range(0..24) as u8;
                bytes.extend([rng.u32() as u8, rng.u32() as u8, len]);
                let start = bytes.len();
                bytes.resize(start + usize::from(len), 0);
                rng.fill(&mut bytes[start..]);
                if round % 2 == 0 && len > 8 {
                    // Steer towards attributes that mean something.
                    bytes[start..start + 6].copy_from_slice(&[
                        0x19,
                        4,
                        17 - 11 * (round % 4 / 2) as u8,
                        0,
                        0,
                        0,
                    ]);
                }
                if round % 5 == 0 {
                    bytes.extend(SESSION);
                }
            }
            server(&bytes);
        }
    }

    #[test]
    fn seeds_and_regressions_hold() {
        inputs::run("turn_server", server);
    }
}
