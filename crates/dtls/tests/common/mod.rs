//! Two endpoints in virtual time, on a network that loses, repeats, reorders and damages datagrams by a seed.

#![allow(dead_code, reason = "every test program compiles it, and none uses all of it")]
#![allow(unreachable_pub, reason = "`pub` says what the programs may use")]

use std::{
    collections::BinaryHeap,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use peerage_crypto::{Certificate, CertificateParams, CryptoProvider, Rng, default_provider};
use peerage_dtls::{Config, Endpoint, Error, Event, HandshakeSummary};

pub fn provider() -> Arc<dyn CryptoProvider> {
    default_provider()
}

/// Certificates take time to make; every test shares two.
pub fn certificates() -> &'static [Arc<Certificate>; 2] {
    static CERTIFICATES: OnceLock<[Arc<Certificate>; 2]> = OnceLock::new();
    CERTIFICATES.get_or_init(|| {
        [1, 2].map(|seed| {
            let mut rng = Rng::from_seed(seed);
            let params = CertificateParams::default();
            // An instant long past would do as well: nobody checks the validity.
            let now = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            let certificate = Certificate::generate(&provider(), params, now, &mut rng);
            Arc::new(certificate.expect("a certificate"))
        })
    })
}

pub fn client_config() -> Config {
    Config::new(provider(), Arc::clone(&certificates()[0]))
}

pub fn server_config() -> Config {
    Config::new(provider(), Arc::clone(&certificates()[1]))
}

/// What the network does to datagrams. Probabilities are in percent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub loss: u64,
    pub duplication: u64,
    pub reordering: u64,
    pub corruption: u64,
    /// No more faults from then on, so that everything has an end.
    pub until: Duration,
}

/// A datagram under way.
struct Flying {
    at: Instant,
    order: u64,
    to_server: bool,
    bytes: Vec<u8>,
}

impl PartialEq for Flying {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Flying {}
impl PartialOrd for Flying {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Flying {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// One end with what came out of it.
pub struct Side {
    pub endpoint: Endpoint,
    pub summary: Option<HandshakeSummary>,
    pub failure: Option<Error>,
    pub closed: bool,
    pub key_updates: usize,
    pub received: Vec<Vec<u8>>,
    pub sent_datagrams: Vec<Vec<u8>>,
}

impl Side {
    fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            summary: None,
            failure: None,
            closed: false,
            key_updates: 0,
            received: Vec::new(),
            sent_datagrams: Vec::new(),
        }
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Connected(summary) => {
                    assert!(self.summary.is_none(), "connected twice");
                    self.summary = Some(*summary);
                }
                Event::Failed(error) => {
                    assert!(self.failure.is_none(), "failed twice");
                    self.failure = Some(error);
                }
                Event::Closed => self.closed = true,
                Event::KeyUpdated => self.key_updates += 1,
                other => panic!("unknown event {other:?}"),
            }
        }
    }
}

pub struct Pair {
    pub client: Side,
    pub server: Side,
    pub now: Instant,
    pub start: Instant,
    pub latency: Duration,
    pub faults: Faults,
    rng: Rng,
    network: BinaryHeap<Flying>,
    order: u64,
}

impl Pair {
    pub fn new(client: Config, server: Config, seed: u64) -> Self {
        let start = Instant::now();
        let mut rng = Rng::from_seed(seed);
        let client = Endpoint::client(Arc::new(client), rng.fork(), start).expect("a client");
        let server = Endpoint::server(Arc::new(server), rng.fork(), start).expect("a server");
        Self {
            client: Side::new(client),
            server: Side::new(server),
            now: start,
            start,
            latency: Duration::from_millis(10),
            faults: Faults::default(),
            rng,
            network: BinaryHeap::new(),
            order: 0,
        }
    }

    pub fn side(&mut self, is_client: bool) -> &mut Side {
        if is_client { &mut self.client } else { &mut self.server }
    }

    /// Sends application data from one end.
    pub fn send(&mut self, from_client: bool, data: &[u8]) {
        let endpoint = &mut self.side(from_client).endpoint;
        let mut buf = vec![0; endpoint.header_len()];
        buf.extend_from_slice(data);
        endpoint.seal_application_data(&mut buf, 0).expect("a sealed record");
        assert_eq!(buf.len(), data.len() + endpoint.overhead());
        self.launch(from_client, buf);
    }

    fn chance(&mut self, percent: u64) -> bool {
        percent > 0 && self.now < self.start + self.faults.until && self.rng.range(0..100) < percent
    }

    /// Puts a datagram on the network, without faults.
    pub fn inject(&mut self, to_server: bool, bytes: Vec<u8>) {
        self.order += 1;
        let (at, order) = (self.now + self.latency, self.order);
        self.network.push(Flying { at, order, to_server, bytes });
    }

    /// The network loses everything that is under way.
    pub fn drop_all_in_flight(&mut self) {
        self.network.clear();
    }

    fn launch(&mut self, from_client: bool, bytes: Vec<u8>) {
        self.side(from_client).sent_datagrams.push(bytes.clone());
        let copies = 1 + usize::from(self.chance(self.faults.duplication));
        for _ in 0..copies {
            if self.chance(self.faults.loss) {
                continue;
            }
            let mut bytes = bytes.clone();
            if self.chance(self.faults.corruption) && !bytes.is_empty() {
                let at = self.rng.range(0..bytes.len() as u64) as usize;
                bytes[at] ^= 1 << self.rng.range(0..8);
            }
            let mut delay = self.latency;
            if self.chance(self.faults.reordering) {
                delay += Duration::from_millis(self.rng.range(0..60));
            }
            self.order += 1;
            let (at, order) = (self.now + delay, self.order);
            self.network.push(Flying { at, order, to_server: from_client, bytes });
        }
    }

    fn drain(&mut self) {
        for from_client in [true, false] {
            let now = self.now;
            for round in 0.. {
                assert!(round < 1000, "an endpoint never stops sending");
                let mut buf = Vec::new();
                let side = self.side(from_client);
                let Some(transmit) = side.endpoint.poll_transmit(now, &mut buf) else {
                    assert!(buf.is_empty());
                    break;
                };
                assert_eq!(transmit.size, buf.len());
                self.launch(from_client, buf);
            }
            self.side(from_client).drain_events();
        }
    }

    /// Does the next thing that happens. `false` if nothing ever will, or not before `limit`.
    pub fn step(&mut self, limit: Instant) -> bool {
        self.drain();
        let arrival = self.network.peek().map(|flying| flying.at);
        let timeouts = [&self.client, &self.server].map(|side| side.endpoint.poll_timeout());
        let Some(next) = timeouts.into_iter().flatten().chain(arrival).min() else { return false };
        if next > limit {
            self.now = limit;
            return false;
        }
        self.now = self.now.max(next);
        let now = self.now;
        for is_client in [true, false] {
            let endpoint = &mut self.side(is_client).endpoint;
            if endpoint.poll_timeout().is_some_and(|at| at <= now) {
                endpoint.handle_timeout(now);
                assert!(
                    endpoint.poll_timeout().is_none_or(|at| at > now),
                    "a timeout that was handled is due again"
                );
            }
        }
        while self.network.peek().is_some_and(|flying| flying.at <= now) {
            let Some(Flying { to_server, mut bytes, .. }) = self.network.pop() else { break };
            self.deliver(to_server, &mut bytes);
        }
        self.drain();
        true
    }

    pub fn deliver(&mut self, to_server: bool, bytes: &mut [u8]) {
        let now = self.now;
        let side = self.side(!to_server);
        let outcome = side.endpoint.handle_input(now, bytes);
        side.drain_events();
        match outcome {
            Ok(data) => {
                for range in data.iter() {
                    assert!(side.summary.is_some(), "application data before Connected");
                    side.received.push(bytes[range].to_vec());
                }
            }
            Err(error) => assert_eq!(side.failure.as_ref(), Some(&error)),
        }
    }

    /// Runs until `done`, or nothing happens any more, or `limit` has passed.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let limit = self.now + limit;
        let mut steps = 0;
        while !done(self) {
            steps += 1;
            assert!(steps < 100_000, "the pair never comes to rest");
            if !self.step(limit) {
                return done(self);
            }
        }
        true
    }

    /// Runs until both are connected.
    pub fn connect(&mut self) -> bool {
        self.run_until(Duration::from_secs(60), |pair| {
            pair.client.summary.is_some() && pair.server.summary.is_some()
        })
    }

    /// Runs for a while.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(duration, |_| false);
    }
}
