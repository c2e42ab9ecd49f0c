//! Two connections in memory and virtual time, with a wire between them that tests can shape.

#![allow(dead_code, unreachable_pub, reason = "every test program uses its own part")]

pub mod call;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{
    Configuration, ConnectionState, DataChannelHandle, Event, Input, MediaFrame, Message,
    PeerConnection, Protocol, Rng, SdpType, TransceiverHandle,
};

/// A datagram on its way.
struct Datagram {
    arrives: Instant,
    source: SocketAddr,
    destination: SocketAddr,
    data: Vec<u8>,
}

/// One end: the connection, what it has reported, and its inbox.
pub struct Peer {
    pub pc: PeerConnection,
    pub address: SocketAddr,
    /// All it has; one unless a test gives it more.
    pub addresses: Vec<SocketAddr>,
    pub events: Vec<Event>,
    /// Messages, taken out of `events` to keep them readable.
    pub messages: Vec<(DataChannelHandle, Message)>,
    inbox: VecDeque<Datagram>,
    /// Whether candidates go to the other end as they come.
    pub trickle: bool,
    /// Echo every message on the channel it came by.
    pub echo: bool,
    /// The application takes no events.
    pub asleep: bool,
    seen: usize,
}

impl Peer {
    pub fn new(now: Instant, config: Configuration, seed: u64, address: &str) -> Self {
        let address: SocketAddr = address.parse().unwrap();
        let mut pc = PeerConnection::new(now, config, Rng::from_seed(seed)).unwrap();
        pc.add_local_address(now, address);
        pc.local_addresses_complete(now);
        Self {
            pc,
            address,
            addresses: vec![address],
            events: Vec::new(),
            messages: Vec::new(),
            inbox: VecDeque::new(),
            trickle: true,
            echo: false,
            asleep: false,
            seen: 0,
        }
    }

    /// Gives it so many more ports of its address.
    pub fn add_ports(&mut self, now: Instant, count: u16) {
        for _ in 0..count {
            let last = self.addresses[self.addresses.len() - 1];
            let address = SocketAddr::new(last.ip(), last.port() + 1);
            self.pc.add_local_address(now, address);
            self.addresses.push(address);
        }
    }

    pub fn opened(&self) -> Vec<DataChannelHandle> {
        self.pick(|event| match event {
            Event::DataChannelOpen(handle) => Some(*handle),
            _ => None,
        })
    }

    pub fn incoming(&self) -> Vec<DataChannelHandle> {
        self.pick(|event| match event {
            Event::DataChannel(handle) => Some(*handle),
            _ => None,
        })
    }

    pub fn closed(&self) -> Vec<DataChannelHandle> {
        self.pick(|event| match event {
            Event::DataChannelClosed(handle) => Some(*handle),
            _ => None,
        })
    }

    pub fn pick<T>(&self, pick: impl Fn(&Event) -> Option<T>) -> Vec<T> {
        self.events.iter().filter_map(pick).collect()
    }

    pub fn has(&self, event: &Event) -> bool {
        self.events.contains(event)
    }

    fn drain_events(&mut self, now: Instant) {
        if self.asleep {
            return;
        }
        while let Some(event) = self.pc.poll_event() {
            match event {
                Event::Message(handle, message) => {
                    if self.echo {
                        self.pc.send(now, handle, message.clone()).unwrap();
                    }
                    self.messages.push((handle, message));
                }
                event => self.events.push(event),
            }
        }
    }
}

pub const A: &str = "192.0.2.1:5001";
pub const B: &str = "192.0.2.2:5002";

/// Says of each datagram whether it gets through; the flag is whether `a` sent it.
pub type Filter = Box<dyn FnMut(bool, &[u8]) -> bool>;

pub struct Pair {
    pub now: Instant,
    pub latency: Duration,
    pub a: Peer,
    pub b: Peer,
    pub filter: Filter,
    pub datagrams: u64,
}

pub fn config() -> Configuration {
    Configuration::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))
}

impl Pair {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, config(), config())
    }

    pub fn with(seed: u64, a: Configuration, b: Configuration) -> Self {
        let now = Instant::now();
        Self {
            now,
            latency: Duration::from_millis(5),
            a: Peer::new(now, a, 2 * seed + 1, A),
            b: Peer::new(now, b, 2 * seed + 2, B),
            filter: Box::new(|_, _| true),
            datagrams: 0,
        }
    }

    /// Offer by `a`, answer by `b`, without anything lost.
    pub fn negotiate(&mut self) {
        negotiate(self.now, &mut self.a, &mut self.b);
        self.drain();
    }

    /// Offer by `b`, answer by `a`.
    pub fn negotiate_from_b(&mut self) {
        negotiate(self.now, &mut self.b, &mut self.a);
        self.drain();
    }

    /// Everything both ends want to do now.
    pub fn drain(&mut self) {
        loop {
            self.a.drain_events(self.now);
            self.b.drain_events(self.now);
            trickle(self.now, &mut self.a, &mut self.b);
            trickle(self.now, &mut self.b, &mut self.a);
            let sent = self.transmit(true) + self.transmit(false);
            if sent == 0 {
                self.a.drain_events(self.now);
                self.b.drain_events(self.now);
                break;
            }
        }
    }

    fn transmit(&mut self, from_a: bool) -> usize {
        let (from, to) =
            if from_a { (&mut self.a, &mut self.b) } else { (&mut self.b, &mut self.a) };
        let mut sent = 0;
        let mut buf = Vec::new();
        loop {
            buf.clear();
            let Some(transmit) = from.pc.poll_transmit(self.now, &mut buf) else { break };
            assert_eq!(transmit.size, buf.len());
            let segment = transmit.segment_size.unwrap_or(transmit.size);
            for data in buf.chunks(segment) {
                sent += 1;
                self.datagrams += 1;
                let bound = from.addresses.contains(&transmit.source)
                    && to.addresses.contains(&transmit.destination);
                if (self.filter)(from_a, data) && bound {
                    to.inbox.push_back(Datagram {
                        arrives: self.now + self.latency,
                        source: transmit.source,
                        destination: transmit.destination,
                        data: data.to_vec(),
                    });
                }
            }
        }
        sent
    }

    fn deliver(&mut self) {
        let now = self.now;
        for peer in [&mut self.a, &mut self.b] {
            while peer.inbox.front().is_some_and(|datagram| datagram.arrives <= now) {
                let mut datagram = peer.inbox.pop_front().unwrap();
                let _ = peer.pc.handle_input(
                    now,
                    Input {
                        source: datagram.source,
                        destination: datagram.destination,
                        protocol: Protocol::Udp,
                        ecn: None,
                        data: &mut datagram.data,
                    },
                );
                peer.drain_events(now);
            }
        }
    }

    /// The next moment at which something happens.
    fn next_event(&self) -> Option<Instant> {
        let inboxes = [&self.a, &self.b]
            .into_iter()
            .filter_map(|peer| peer.inbox.front().map(|first| first.arrives));
        let timers = [&self.a, &self.b].into_iter().filter_map(|peer| peer.pc.poll_timeout());
        inboxes.chain(timers).min()
    }

    /// One step in time; false if nothing will ever happen.
    pub fn step(&mut self) -> bool {
        self.drain();
        let Some(next) = self.next_event() else { return false };
        self.now = self.now.max(next);
        self.deliver();
        for peer in [&mut self.a, &mut self.b] {
            if peer.pc.poll_timeout().is_some_and(|at| at <= self.now) {
                peer.pc.handle_timeout(self.now);
            }
        }
        self.drain();
        true
    }

    /// Steps until `done`, at most `limit` of virtual time; whether it came to be.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        self.drain();
        let mut steps = 0u64;
        while !done(self) {
            if self.next_event().is_none_or(|at| at > end) || !self.step() {
                self.now = end;
                return done(self);
            }
            steps += 1;
            assert!(steps < 2_000_000, "the two ends keep each other busy for ever");
        }
        true
    }

    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    #[track_caller]
    pub fn connect(&mut self) {
        let connected = self.run_until(Duration::from_secs(20), |pair| {
            [&pair.a, &pair.b]
                .iter()
                .all(|peer| peer.pc.connection_state() == ConnectionState::Connected)
        });
        assert!(connected, "not connected\na: {:?}\nb: {:?}", self.a.events, self.b.events);
    }

    /// A connected pair with one channel, opened by `a`: its handles at both ends.
    #[track_caller]
    pub fn connected(seed: u64) -> (Self, DataChannelHandle, DataChannelHandle) {
        let mut pair = Self::new(seed);
        let (a, b) = pair.open("test");
        (pair, a, b)
    }

    /// Creates a channel at `a`, negotiates if need be, and waits until both ends have it.
    #[track_caller]
    pub fn open(&mut self, label: &str) -> (DataChannelHandle, DataChannelHandle) {
        let known = self.b.incoming().len();
        let ours = self.a.pc.create_data_channel(self.now, label, Default::default()).unwrap();
        if self.a.pc.current_local_description().is_none() {
            self.negotiate();
        }
        let opened = self.run_until(Duration::from_secs(20), |pair| {
            pair.b.incoming().len() > known && pair.a.opened().contains(&ours)
        });
        assert!(opened, "not open\na: {:?}\nb: {:?}", self.a.events, self.b.events);
        (ours, self.b.incoming()[known])
    }
}

pub fn negotiate(now: Instant, offerer: &mut Peer, answerer: &mut Peer) {
    offerer.pc.set_local_description(now, None).unwrap();
    let offer = offerer.pc.local_description().unwrap();
    assert_eq!(offer.kind, SdpType::Offer);
    answerer.pc.set_remote_description(now, offer).unwrap();
    answerer.pc.set_local_description(now, None).unwrap();
    let answer = answerer.pc.local_description().unwrap();
    assert_eq!(answer.kind, SdpType::Answer);
    offerer.pc.set_remote_description(now, answer).unwrap();
}

/// Hands new candidates over, once the other end has a description for them.
fn trickle(now: Instant, from: &mut Peer, to: &mut Peer) {
    // The description is written out anew each time: asked for only where there is something to hand over.
    let news = from.trickle && from.seen < from.events.len();
    if !news || to.pc.remote_description().is_none() {
        return;
    }
    while from.seen < from.events.len() {
        if let Event::IceCandidate(Some(candidate)) = &from.events[from.seen] {
            // A candidate may be of a generation that was rolled back.
            let _ = to.pc.add_ice_candidate(now, Some(candidate.clone()));
        }
        from.seen += 1;
    }
}

/// A pair that sends audio and video from `a` to `b`.
#[track_caller]
pub fn calling(seed: u64) -> (Pair, TransceiverHandle, TransceiverHandle) {
    calling_with(Pair::new(seed))
}

/// The same with two ends that are there already.
#[track_caller]
pub fn calling_with(mut pair: Pair) -> (Pair, TransceiverHandle, TransceiverHandle) {
    let now = pair.now;
    let audio = pair.a.pc.add_track(now, MediaKind::Audio, "audio", vec!["s".into()]).unwrap();
    let video = pair.a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
    negotiate(now, &mut pair.a, &mut pair.b);
    pair.connect();
    (pair, audio, video)
}

/// A VP8 frame: the header of a key frame of 640x360 (RFC 6386 §9.1) or of another, and noise.
pub fn vp8(keyframe: bool, size: usize, seed: u8) -> Vec<u8> {
    let mut data = match keyframe {
        true => vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01],
        false => vec![0x11, 0, 0],
    };
    data.extend((data.len()..size).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed)));
    data
}

/// The frames among events.
pub fn frames(events: &[Event]) -> Vec<&MediaFrame> {
    let mut frames = Vec::new();
    for event in events {
        if let Event::Frame(frame) = event {
            frames.push(&**frame);
        }
    }
    frames
}
