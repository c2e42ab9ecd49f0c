//! The server in virtual time: a client, a clock, and the sockets that the server asks for.

mod behaviour;
mod security;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_crypto::Rng;
use peerage_stun::{
    AddressFamily, Attribute, AttributeType as T, Class, IntegrityAlgorithm, IntegrityKey,
    LongTermCredentials, Message, MessageBuilder, Method, PasswordAlgorithm, PasswordAlgorithms,
    SecurityFeatures, TransactionId,
};

use super::Server;
use super::reply::PASSWORD_ALGORITHMS;
use crate::{
    BehaviourDiscovery, CHANNEL_LIFETIME, Config, Event, FiveTuple, Forward, Input,
    PERMISSION_LIFETIME, Path, RelayId, Shared, Transport, time_limited_password,
};

const UNIX: u64 = 1_700_000_000;
const SERVER: &str = "192.0.2.1:3478";
const PEER: &str = "8.8.8.8:9000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn config() -> Config {
    Config {
        realm: "example.org".into(),
        users: vec![("alice".into(), "secret".into()), ("bob".into(), "other".into())],
        relays: vec![address(SERVER).ip().into(), address("[2001:db8::1]:1").ip().into()],
        ..Config::default()
    }
}

/// A server, its clock, and the sockets that it asked for.
struct Net {
    server: Server,
    shared: Arc<Shared>,
    now: Instant,
    bound: Vec<(RelayId, SocketAddr)>,
    /// Ports that the system refuses.
    taken: Vec<u16>,
    events: Vec<Event>,
}

impl Net {
    fn new(config: Config) -> Self {
        let mut rng = Rng::from_seed(1);
        let now = Instant::now();
        let provider = peerage_crypto::default_provider();
        let shared = Shared::new(config, provider, now, UNIX, &mut rng).unwrap();
        let server = Server::new(Arc::clone(&shared), now, rng);
        Self { server, shared, now, bound: Vec::new(), taken: Vec::new(), events: Vec::new() }
    }

    /// Hands a message over and gives what the server answers.
    fn ask(&mut self, tuple: FiveTuple, message: &[u8]) -> Vec<Vec<u8>> {
        let forward = self.server.handle_input(self.now, Input::Client { tuple, message });
        assert_eq!(forward, None);
        self.drain().into_iter().map(|(_, bytes)| bytes).collect()
    }

    fn drain(&mut self) -> Vec<(FiveTuple, Vec<u8>)> {
        while let Some(event) = self.server.poll_event() {
            match &event {
                Event::Bind { relay, address, .. } => {
                    let ok = !self.taken.contains(&address.port());
                    if ok {
                        self.bound.push((*relay, *address));
                    }
                    let input = Input::Bound { relay: *relay, ok };
                    self.server.handle_input(self.now, input);
                }
                Event::Close { relay } => self.bound.retain(|(id, _)| id != relay),
                _ => self.events.push(event),
            }
        }
        let mut out = Vec::new();
        let mut buf = Vec::new();
        while let Some(transmit) = self.server.poll_transmit(self.now, &mut buf) {
            assert_eq!(transmit.size, buf.len());
            out.push((transmit.tuple, std::mem::take(&mut buf)));
        }
        out
    }

    fn data(&mut self, tuple: FiveTuple, message: &[u8]) -> Option<Forward> {
        self.server.handle_input(self.now, Input::Client { tuple, message })
    }

    fn peer_sends(&mut self, relay: RelayId, source: &str, data: &[u8]) -> Option<Vec<u8>> {
        let source = address(source);
        let input = Input::Peer { relay, source, data };
        let forward = self.server.handle_input(self.now, input)?;
        let mut out = forward.prefix.as_slice().to_vec();
        out.extend(&data[forward.payload]);
        out.resize(out.len() + usize::from(forward.padding), 0);
        Some(out)
    }

    /// Lets time go by, with every timer on its way.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.server.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.server.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }
}

/// A client with one path.
struct Client {
    tuple: FiveTuple,
    username: String,
    password: String,
    nonce: String,
    sha256: bool,
    next: u8,
}

impl Client {
    fn new(client: &str) -> Self {
        let tuple = FiveTuple {
            transport: Transport::Udp,
            client: address(client),
            server: address(SERVER),
        };
        let (username, password) = ("alice".into(), "secret".into());
        Self { tuple, username, password, nonce: String::new(), sha256: false, next: 0 }
    }

    fn key(&self) -> IntegrityKey {
        let provider = peerage_crypto::default_provider();
        let credentials =
            LongTermCredentials::new(&self.username, "example.org", &self.password).unwrap();
        let (algorithm, integrity) = if self.sha256 {
            (PasswordAlgorithm::Sha256, IntegrityAlgorithm::HmacSha256)
        } else {
            (PasswordAlgorithm::Md5, IntegrityAlgorithm::HmacSha1)
        };
        let key = credentials.key(&*provider, algorithm).unwrap();
        IntegrityKey::from_bytes(&*provider, integrity, key.as_ref())
    }

    fn request(&mut self, method: Method, attributes: &[Attribute<'_>]) -> Vec<u8> {
        self.next += 1;
        let mut out = Vec::new();
        let id = TransactionId([self.next; 12]);
        let mut builder = MessageBuilder::new(&mut out, Class::Request, method, id);
        for attribute in attributes {
            builder = builder.attribute(attribute);
        }
        builder = builder
            .attribute(&Attribute::Username(&self.username))
            .attribute(&Attribute::Realm("example.org"))
            .attribute(&Attribute::Nonce(&self.nonce));
        if self.sha256 {
            let list = PasswordAlgorithms::new(&PASSWORD_ALGORITHMS).unwrap();
            builder = builder
                .attribute(&Attribute::PasswordAlgorithms(list))
                .attribute(&Attribute::PasswordAlgorithm(PasswordAlgorithm::Sha256));
        }
        builder.integrity(&self.key()).finish();
        out
    }

    /// Asks; once more with the nonce, where that is what was missing. The last answer, which must be signed if it is not a
    /// challenge.
    fn ask(&mut self, net: &mut Net, method: Method, attributes: &[Attribute<'_>]) -> Vec<u8> {
        for _ in 0..2 {
            let request = self.request(method, attributes);
            let mut answers = net.ask(self.tuple, &request);
            assert_eq!(answers.len(), 1, "one answer");
            let answer = answers.remove(0);
            let message = Message::parse(&answer).unwrap();
            assert_eq!(message.method(), method);
            let code = code(&answer);
            if code != 401 && code != 438 {
                assert_eq!(message.verify_integrity(&self.key()), Ok(()), "{code}");
                return answer;
            }
            let Some(Ok(Attribute::Nonce(nonce))) = message.decode(T::NONCE) else {
                panic!("a challenge has a nonce")
            };
            if code == 401 && self.nonce == nonce {
                return answer;
            }
            self.nonce = nonce.into();
        }
        let request = self.request(method, attributes);
        net.ask(self.tuple, &request).remove(0)
    }

    fn allocate(&mut self, net: &mut Net, more: &[Attribute<'_>]) -> Vec<u8> {
        let mut attributes = vec![Attribute::RequestedTransport(17)];
        attributes.extend(more);
        self.ask(net, Method::ALLOCATE, &attributes)
    }

    fn permit(&mut self, net: &mut Net, peer: &str) -> u16 {
        let peer = Attribute::XorPeerAddress(address(peer));
        code(&self.ask(net, Method::CREATE_PERMISSION, &[peer]))
    }

    fn bind(&mut self, net: &mut Net, channel: u16, peer: &str) -> u16 {
        let peer = Attribute::XorPeerAddress(address(peer));
        code(&self.ask(net, Method::CHANNEL_BIND, &[Attribute::ChannelNumber(channel), peer]))
    }
}

/// The error's, or 0 for success.
fn code(answer: &[u8]) -> u16 {
    let message = Message::parse(answer).unwrap();
    match message.class() {
        Class::SuccessResponse => 0,
        Class::ErrorResponse => message.error_code().unwrap().code(),
        other => panic!("{other:?}"),
    }
}

fn relayed(answer: &[u8]) -> Vec<SocketAddr> {
    let message = Message::parse(answer).unwrap();
    message
        .attributes()
        .filter_map(|raw| match raw.decode(message.transaction_id()) {
            Ok(Attribute::XorRelayedAddress(address)) => Some(address),
            _ => None,
        })
        .collect()
}

fn lifetime(answer: &[u8]) -> u32 {
    match Message::parse(answer).unwrap().decode(T::LIFETIME) {
        Some(Ok(Attribute::Lifetime(seconds))) => seconds,
        other => panic!("{other:?}"),
    }
}

fn send_indication(peer: &str, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    MessageBuilder::new(&mut out, Class::Indication, Method::SEND, TransactionId([9; 12]))
        .attribute(&Attribute::XorPeerAddress(address(peer)))
        .attribute(&Attribute::Data(data))
        .finish();
    out
}

fn channel_data(channel: u16, data: &[u8]) -> Vec<u8> {
    let mut out = channel.to_be_bytes().to_vec();
    out.extend((data.len() as u16).to_be_bytes());
    out.extend(data);
    out
}
