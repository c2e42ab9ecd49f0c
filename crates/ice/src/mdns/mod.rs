//! A resolver and responder for the multicast DNS names of hidden host candidates
//! (RFC 6762 as far as draft-ietf-rtcweb-mdns-ice-candidates needs it).
//!
//! Sans-IO like the agent: the driver owns a socket on port 5353 that has joined 224.0.0.251 (and ff02::fb), hands in
//! what arrives and sends what comes out. One [`Mdns`] serves every agent of a process.

mod message;
mod name;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use self::message::{MdnsMessage, Question, QuestionKind, Record};
use self::name::Name;
use crate::error::Error;
use crate::transmit::{Input, Protocol, Transmit};

/// The port of multicast DNS.
pub const MDNS_PORT: u16 = 5353;

/// Where IPv4 questions and answers go (RFC 6762 §3).
pub const MDNS_IPV4: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 251)), MDNS_PORT);

/// Where IPv6 questions and answers go (RFC 6762 §3).
pub const MDNS_IPV6: SocketAddr =
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb)), MDNS_PORT);

/// Time to live of our records in seconds (RFC 6762 §10: host names).
const TTL: u32 = 120;

/// Time to live in answers to askers that are no multicast DNS peers (RFC 6762 §6.7: at most 10 s).
const LEGACY_TTL: u32 = 10;

/// A record is not multicast again before this has passed (RFC 6762 §6).
const MULTICAST_INTERVAL: Duration = Duration::from_secs(1);

/// Settings of [`Mdns`].
#[derive(Debug, Clone)]
pub struct MdnsConfig {
    /// The multicast groups to use: those whose sockets the driver has.
    pub groups: Vec<SocketAddr>,
    /// Time to the second question for a name; it doubles with each (RFC 6762 §5.2: at least 1 s).
    pub retry: Duration,
    /// After so long without an answer a name has failed.
    pub timeout: Duration,
    /// Most names that are resolved at a time.
    pub max_queries: usize,
    /// Most names that are published.
    pub max_published: usize,
    /// Most answers that are remembered.
    pub max_cached: usize,
    /// Most datagrams that wait for `poll_transmit`; more are not sent, as if lost.
    pub max_outgoing: usize,
}

impl Default for MdnsConfig {
    fn default() -> Self {
        Self {
            groups: vec![MDNS_IPV4],
            retry: Duration::from_secs(1),
            timeout: Duration::from_secs(10),
            max_queries: 64,
            max_published: 1024,
            max_cached: 128,
            max_outgoing: 64,
        }
    }
}

/// What [`Mdns`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MdnsEvent {
    /// A name has this address.
    Resolved {
        /// The name, as it was asked for.
        name: String,
        /// Its address.
        addr: IpAddr,
    },
    /// Nobody answered in time.
    Failed {
        /// The name, as it was asked for.
        name: String,
    },
}

/// What was dropped. Never reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MdnsCounters {
    /// Datagrams that are no multicast DNS messages.
    pub malformed: u64,
    /// Responses that did not come from port 5353 (RFC 6762 §6).
    pub foreign: u64,
    /// Answers not given because one was multicast less than a second ago, or the queue was full.
    pub suppressed: u64,
}

#[derive(Debug)]
struct Query {
    text: String,
    name: Name,
    next: Instant,
    wait: Duration,
    until: Instant,
}

#[derive(Debug)]
struct Published {
    name: Name,
    addr: IpAddr,
    multicast: Option<Instant>,
    /// The second announcement (RFC 6762 §8.3).
    announce: Option<Instant>,
}

#[derive(Debug)]
struct Cached {
    name: Name,
    addr: IpAddr,
    until: Instant,
}

/// The resolver and responder.
#[derive(Debug)]
pub struct Mdns {
    config: MdnsConfig,
    queries: Vec<Query>,
    published: Vec<Published>,
    cache: Vec<Cached>,
    outgoing: VecDeque<(SocketAddr, MdnsMessage)>,
    events: VecDeque<MdnsEvent>,
    counters: MdnsCounters,
}

impl Mdns {
    /// Makes one that knows nothing yet.
    pub fn new(config: MdnsConfig) -> Self {
        Self {
            config,
            queries: Vec::new(),
            published: Vec::new(),
            cache: Vec::new(),
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
            counters: MdnsCounters::default(),
        }
    }

    /// Asks for the address of a name; `MdnsEvent::Resolved` or `Failed` follows, even for a name that cannot be.
    ///
    /// # Errors
    ///
    /// [`Error::LimitReached`] when `max_queries` names are being resolved.
    pub fn resolve(&mut self, now: Instant, name: &str) -> Result<(), Error> {
        let text = name.to_owned();
        let local =
            name.len() > 6 && name.as_bytes()[name.len() - 6..].eq_ignore_ascii_case(b".local");
        let Some(name) = Name::from_text(name).filter(|_| local) else {
            self.events.push_back(MdnsEvent::Failed { name: text });
            return Ok(());
        };
        let ours = self.published.iter().find(|p| p.name == name).map(|p| p.addr);
        let cached = self.cache.iter().find(|c| c.name == name && now < c.until).map(|c| c.addr);
        if let Some(addr) = ours.or(cached) {
            self.events.push_back(MdnsEvent::Resolved { name: text, addr });
            return Ok(());
        }
        if self.queries.iter().any(|q| q.text == text) {
            return Ok(());
        }
        if self.queries.len() >= self.config.max_queries {
            return Err(Error::LimitReached {
                what: "mDNS queries",
                limit: self.config.max_queries,
            });
        }
        let until = now + self.config.timeout;
        self.queries.push(Query { text, name, next: now, wait: self.config.retry, until });
        self.handle_timeout(now);
        Ok(())
    }

    /// Stops asking for a name; no event follows.
    pub fn cancel(&mut self, name: &str) {
        self.queries.retain(|q| q.text != name);
    }

    /// Answers for a name from now on, and announces it (RFC 6762 §8.3). Names are unique by their randomness, so they
    /// are not probed for (draft-ietf-rtcweb-mdns-ice-candidates §3.1.1).
    ///
    /// # Errors
    ///
    /// [`Error::LimitReached`] when `max_published` names are published; [`Error::InvalidMdns`] when the name cannot be.
    pub fn publish(&mut self, now: Instant, name: &str, addr: IpAddr) -> Result<(), Error> {
        let Some(name) = Name::from_text(name) else {
            return Err(Error::InvalidMdns { offset: 0, reason: "not a domain name" });
        };
        self.published.retain(|p| p.name != name);
        if self.published.len() >= self.config.max_published {
            return Err(Error::LimitReached {
                what: "published mDNS names",
                limit: self.config.max_published,
            });
        }
        let announce = Some(now + MULTICAST_INTERVAL);
        self.published.push(Published { name: name.clone(), addr, multicast: Some(now), announce });
        self.multicast(response(name, addr, TTL));
        Ok(())
    }

    /// Stops answering for a name, and says so (RFC 6762 §10.1).
    pub fn unpublish(&mut self, _now: Instant, name: &str) {
        let Some(name) = Name::from_text(name) else { return };
        if let Some(at) = self.published.iter().position(|p| p.name == name) {
            let gone = self.published.swap_remove(at);
            self.multicast(response(gone.name, gone.addr, 0));
        }
    }

    /// What was dropped.
    pub fn counters(&self) -> MdnsCounters {
        self.counters
    }

    fn send(&mut self, destination: SocketAddr, message: MdnsMessage) {
        if self.outgoing.len() >= self.config.max_outgoing {
            self.counters.suppressed += 1;
            return;
        }
        self.outgoing.push_back((destination, message));
    }

    fn multicast(&mut self, message: MdnsMessage) {
        for group in self.config.groups.clone() {
            self.send(group, message.clone());
        }
    }

    /// Takes a datagram. Noise is counted and dropped.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        let Ok(message) = MdnsMessage::parse(input.data) else {
            self.counters.malformed += 1;
            return;
        };
        if !message.response {
            return self.answer(now, input.source, message);
        }
        // RFC 6762 §6: a response from another port is to be ignored.
        if input.source.port() != MDNS_PORT {
            self.counters.foreign += 1;
            return;
        }
        for record in message.records {
            self.learn(now, &record);
        }
    }

    fn answer(&mut self, now: Instant, source: SocketAddr, message: MdnsMessage) {
        let legacy = source.port() != MDNS_PORT;
        for question in message.questions {
            let asked = |p: &&mut Published| p.name == question.name && question.kind.wants(p.addr);
            let Some(published) = self.published.iter_mut().find(asked) else { continue };
            let (name, addr) = (published.name.clone(), published.addr);
            if legacy {
                // RFC 6762 §6.7: as a plain DNS server would, with the question and its id, and no cache-flush bit.
                let mut reply = response(name, addr, LEGACY_TTL);
                reply.id = message.id;
                reply.questions.push(Question { unicast: false, ..question });
                reply.records[0].flush = false;
                self.send(source, reply);
            } else if question.unicast {
                self.send(source, response(name, addr, TTL));
            } else if published.multicast.is_none_or(|at| now >= at + MULTICAST_INTERVAL) {
                published.multicast = Some(now);
                self.multicast(response(name, addr, TTL));
            } else {
                self.counters.suppressed += 1;
            }
        }
    }

    /// Keeps an answer to a question of ours; nothing else is remembered.
    fn learn(&mut self, now: Instant, record: &Record) {
        if record.ttl == 0 {
            self.cache.retain(|c| c.name != record.name);
            return;
        }
        let events = &mut self.events;
        let mut asked = false;
        self.queries.retain(|q| {
            if q.name != record.name {
                return true;
            }
            asked = true;
            events.push_back(MdnsEvent::Resolved { name: q.text.clone(), addr: record.address });
            false
        });
        if asked && self.config.max_cached > 0 {
            self.cache.retain(|c| now < c.until && c.name != record.name);
            if self.cache.len() >= self.config.max_cached {
                self.cache.remove(0);
            }
            let until = now + Duration::from_secs(record.ttl.min(TTL).into());
            self.cache.push(Cached { name: record.name.clone(), addr: record.address, until });
        }
    }

    /// Does what is due by `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut due = Vec::new();
        let events = &mut self.events;
        self.queries.retain_mut(|q| {
            if now >= q.until {
                events.push_back(MdnsEvent::Failed { name: std::mem::take(&mut q.text) });
                return false;
            }
            if now >= q.next {
                q.next = now + q.wait;
                q.wait *= 2;
                due.push(q.name.clone());
            }
            true
        });
        for name in due {
            let question = |kind| Question { name: name.clone(), kind, unicast: true };
            let questions = vec![question(QuestionKind::A), question(QuestionKind::Aaaa)];
            self.multicast(MdnsMessage { id: 0, response: false, questions, records: Vec::new() });
        }
        let mut announcements = Vec::new();
        for published in
            self.published.iter_mut().filter(|p| p.announce.is_some_and(|at| now >= at))
        {
            published.announce = None;
            published.multicast = Some(now);
            announcements.push(response(published.name.clone(), published.addr, TTL));
        }
        for message in announcements {
            self.multicast(message);
        }
    }

    /// When `handle_timeout` is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let queries = self.queries.iter().map(|q| q.next.min(q.until));
        queries.chain(self.published.iter().filter_map(|p| p.announce)).min()
    }

    /// Appends the next datagram to `buf`. Its source is the wildcard: send it from the multicast DNS socket.
    pub fn poll_transmit(&mut self, _now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        let (destination, message) = self.outgoing.pop_front()?;
        let start = buf.len();
        message.write(buf);
        let wildcard = match destination {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Some(Transmit {
            source: SocketAddr::new(wildcard, MDNS_PORT),
            destination,
            protocol: Protocol::Udp,
            ecn: None,
            size: buf.len() - start,
            segment_size: None,
        })
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<MdnsEvent> {
        self.events.pop_front()
    }
}

fn response(name: Name, address: IpAddr, ttl: u32) -> MdnsMessage {
    let record = Record { name, address, ttl, flush: true };
    MdnsMessage { id: 0, response: true, questions: Vec::new(), records: vec![record] }
}

/// Parses a message and, when it holds, writes what it says of addresses and parses that again.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn check_codec(data: &[u8]) {
    let Ok(message) = MdnsMessage::parse(data) else { return };
    let mut out = Vec::new();
    message.write(&mut out);
    let again = MdnsMessage::parse(&out).expect("what was written parses");
    assert_eq!(again, message);
}
