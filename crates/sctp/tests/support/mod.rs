//! Two associations joined by a link in virtual time: rate, delay, queue, loss, reordering, duplication, corruption, all
//! from a seed. A failing seed replays exactly.
#![allow(dead_code, unreachable_pub, reason = "every test program uses its own part")]

use bytes::Bytes;
use peerage_sctp::{
    Association, Config, Event, PayloadProtocolId, Reliability, SendOptions, StreamId,
};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

pub const PPID: PayloadProtocolId = PayloadProtocolId(53);

/// A generator good enough to lose packets with.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def0)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// True in `per_mille` of 1000 cases.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        (self.next() >> 33) % 1000 < per_mille
    }

    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 33) % n
    }

    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for chunk in seed.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes());
        }
        seed
    }
}

/// One direction of the wire. Chances are per mille.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Bits per second; 0 is infinite.
    pub rate: u64,
    pub delay: Duration,
    /// Bytes that may queue before the bottleneck.
    pub queue: usize,
    pub loss: u64,
    pub reorder: u64,
    pub duplicate: u64,
    pub corrupt: u64,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            rate: 0,
            delay: Duration::from_millis(10),
            queue: 1 << 20,
            loss: 0,
            reorder: 0,
            duplicate: 0,
            corrupt: 0,
        }
    }
}

/// Arrival, order, receiver, bytes.
type InFlight = (Instant, u64, usize, Vec<u8>);
/// Sender and packet; false drops it.
pub type Filter = Box<dyn FnMut(usize, &[u8]) -> bool>;

pub struct Pair {
    pub now: Instant,
    pub start: Instant,
    pub ends: [Association; 2],
    pub links: [Link; 2],
    pub events: [Vec<Event>; 2],
    /// This end takes no messages, only other events.
    pub paused: [bool; 2],
    /// Packets on their way: arrival, order, receiver, bytes.
    wire: BinaryHeap<Reverse<InFlight>>,
    free_at: [Instant; 2],
    sequence: u64,
    pub dice: Dice,
    pub sent: [u64; 2],
    pub sent_bytes: [u64; 2],
    /// Largest packet seen.
    pub largest: usize,
    /// Sees each packet before the link does; false drops it.
    pub filter: Option<Filter>,
}

impl Pair {
    pub fn new(seed: u64, configs: [Config; 2], links: [Link; 2]) -> Self {
        let now = Instant::now();
        let mut dice = Dice::new(seed);
        let [first, second] = configs;
        let ends =
            [Association::new(now, first, dice.seed()), Association::new(now, second, dice.seed())];
        Self {
            now,
            start: now,
            ends,
            links,
            events: [Vec::new(), Vec::new()],
            paused: [false; 2],
            wire: BinaryHeap::new(),
            free_at: [now; 2],
            sequence: 0,
            dice,
            sent: [0; 2],
            sent_bytes: [0; 2],
            largest: 0,
            filter: None,
        }
    }

    pub fn plain(seed: u64) -> Self {
        Self::new(seed, [Config::default(), Config::default()], [Link::default(); 2])
    }

    pub fn connect_both(&mut self) {
        let now = self.now;
        for end in &mut self.ends {
            end.connect(now).unwrap();
        }
    }

    /// A pair that has connected.
    pub fn connected(seed: u64, configs: [Config; 2], links: [Link; 2]) -> Self {
        let mut pair = Self::new(seed, configs, links);
        pair.connect_both();
        pair.run_until(Duration::from_secs(60), |pair| {
            pair.ends.iter().all(Association::is_established)
        });
        pair
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Lets both ends send what they can, and collects their events.
    pub fn drain(&mut self) {
        for from in 0..2 {
            let mut guard = 0;
            loop {
                // Headroom must stay untouched.
                let mut buf = vec![0xaa; 13];
                let Some(transmit) = self.ends[from].poll_transmit(self.now, &mut buf) else {
                    assert_eq!(buf.len(), 13, "nothing may be left behind");
                    break;
                };
                guard += 1;
                assert!(guard < 100_000, "poll_transmit does not come to an end");
                assert_eq!(buf.len(), 13 + transmit.size);
                assert!(buf[..13].iter().all(|byte| *byte == 0xaa));
                self.put_on_wire(from, buf[13..].to_vec());
            }
            loop {
                let end = &mut self.ends[from];
                let event =
                    if self.paused[from] { end.poll_control_event() } else { end.poll_event() };
                let Some(event) = event else { break };
                self.events[from].push(event);
            }
        }
    }

    pub fn put_on_wire(&mut self, from: usize, mut packet: Vec<u8>) {
        self.sent[from] += 1;
        self.sent_bytes[from] += packet.len() as u64;
        self.largest = self.largest.max(packet.len());
        if let Some(filter) = &mut self.filter
            && !filter(from, &packet)
        {
            return;
        }
        let link = self.links[from];
        if self.dice.chance(link.loss) {
            return;
        }
        let mut arrival = self.now + link.delay;
        if link.rate > 0 {
            // UDP, IP and DTLS count on the wire as well.
            let bits = (packet.len() as u64 + 28 + 29) * 8;
            let start = self.free_at[from].max(self.now);
            let waiting = (start - self.now).as_micros() as u64 * link.rate / 8_000_000;
            if waiting as usize > link.queue {
                return;
            }
            self.free_at[from] = start + Duration::from_nanos(bits * 1_000_000_000 / link.rate);
            arrival = self.free_at[from] + link.delay;
        }
        if self.dice.chance(link.reorder) {
            arrival += Duration::from_micros(self.dice.below(20_000));
        }
        if self.dice.chance(link.corrupt) {
            let at = self.dice.below(packet.len() as u64) as usize;
            packet[at] ^= 1 << self.dice.below(8);
        }
        let copies = if self.dice.chance(link.duplicate) { 2 } else { 1 };
        for _ in 0..copies {
            self.sequence += 1;
            self.wire.push(Reverse((arrival, self.sequence, 1 - from, packet.clone())));
        }
    }

    /// Moves to the next moment at which something happens. False: nothing ever will.
    pub fn step(&mut self) -> bool {
        self.drain();
        let arrival = self.wire.peek().map(|Reverse((at, ..))| *at);
        let timer = self.ends.iter().filter_map(Association::poll_timeout).min();
        let Some(next) = arrival.into_iter().chain(timer).min() else { return false };
        self.now = self.now.max(next);
        while self.wire.peek().is_some_and(|Reverse((at, ..))| *at <= self.now) {
            let Some(Reverse((_, _, to, packet))) = self.wire.pop() else { break };
            self.ends[to].handle_input(self.now, &packet).unwrap();
        }
        for end in &mut self.ends {
            if end.poll_timeout().is_some_and(|at| at <= self.now) {
                end.handle_timeout(self.now);
                assert!(
                    end.poll_timeout().is_none_or(|at| at > self.now),
                    "a timer that does not go away"
                );
            }
        }
        self.drain();
        true
    }

    /// Runs until `done`, or panics after `limit` of virtual time.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = self.now + limit;
        self.drain();
        let mut steps = 0u64;
        while !done(self) {
            assert!(
                self.now < deadline,
                "not done in {limit:?}: {:?} {:?}",
                self.ends,
                self.ends[0].statistics()
            );
            assert!(self.step(), "nothing left to happen: {:?}", self.ends);
            steps += 1;
            assert!(steps < 20_000_000, "too many steps");
        }
    }

    /// Runs for a time.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.drain();
            let arrival = self.wire.peek().map(|Reverse((at, ..))| *at);
            let timer = self.ends.iter().filter_map(Association::poll_timeout).min();
            match arrival.into_iter().chain(timer).min() {
                Some(next) if next <= end => {
                    self.step();
                }
                _ => break,
            }
        }
        self.now = end;
    }

    pub fn send(&mut self, from: usize, stream: u16, data: impl Into<Bytes>) {
        let now = self.now;
        self.ends[from]
            .send(now, StreamId(stream), SendOptions::reliable(PPID), data.into())
            .unwrap();
    }

    pub fn send_with(
        &mut self,
        from: usize,
        stream: u16,
        ordered: bool,
        reliability: Reliability,
        data: Vec<u8>,
    ) {
        let now = self.now;
        let options = SendOptions { ppid: PPID, ordered, reliability };
        self.ends[from].send(now, StreamId(stream), options, data.into()).unwrap();
    }

    pub fn messages(&self, at: usize) -> impl Iterator<Item = (StreamId, &Bytes)> {
        self.events[at].iter().filter_map(|event| match event {
            Event::Message { stream, data, .. } => Some((*stream, data)),
            _ => None,
        })
    }

    pub fn saw(&self, at: usize, event: &Event) -> bool {
        self.events[at].contains(event)
    }
}

/// A message that says which it is, and whose every byte can be checked.
pub fn message(number: u32, length: usize) -> Vec<u8> {
    let mut data = number.to_be_bytes().to_vec();
    let mut dice = Dice::new(u64::from(number) + 1);
    while data.len() < length {
        data.extend_from_slice(&dice.next().to_le_bytes());
    }
    data.truncate(length.max(4));
    data
}

pub fn number_of(data: &[u8]) -> u32 {
    u32::from_be_bytes([data[0], data[1], data[2], data[3]])
}

/// Checks that `data` is what [`message`] made.
pub fn check(data: &[u8]) -> u32 {
    let number = number_of(data);
    assert_eq!(data, message(number, data.len()), "message {number} is damaged");
    number
}

pub fn by_stream(messages: &[(StreamId, Bytes)]) -> Vec<(StreamId, VecDeque<u32>)> {
    let mut streams: Vec<(StreamId, VecDeque<u32>)> = Vec::new();
    for (stream, data) in messages {
        let number = check(data);
        match streams.iter_mut().find(|(id, _)| id == stream) {
            Some((_, numbers)) => numbers.push_back(number),
            None => streams.push((*stream, VecDeque::from([number]))),
        }
    }
    streams
}
