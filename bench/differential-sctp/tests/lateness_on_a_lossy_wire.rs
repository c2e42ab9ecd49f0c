//! Unordered messages without retransmission on a wire that loses a tenth: whose messages wait, and where.
//!
//! The interop grid's case P asks the same of real browsers; here the wire is exact and the time virtual. We never keep a
//! message back as a sender, and deliver each at the moment it arrives as a receiver. dcsctp, which is libwebrtc's SCTP, now
//! and then keeps messages back for hundreds of milliseconds, towards itself as well: the figures are printed.

use bytes::Bytes;
use dcsctp::api::{DcSctpSocket, Message, Options, PpId, SocketEvent, SocketTime};
use peerage_sctp::{
    Association, Config, Event, PayloadProtocolId, Reliability, SendOptions, StreamId,
};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

const SEEDS: u64 = 300;
const MESSAGES: u32 = 400;
const INTERVAL: Duration = Duration::from_millis(10);
const DELAY: Duration = Duration::from_millis(25);
const LOSS_PER_MILLE: u64 = 100;
/// P's bound: the wire's delay and 150 ms.
const LATE: Duration = Duration::from_millis(175);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stack {
    Peerage,
    Dcsctp,
}

enum End {
    Peerage { association: Box<Association>, start: Instant },
    Dcsctp { socket: Box<dyn DcSctpSocket>, up: bool },
}

impl End {
    fn new(stack: Stack, seed: u64) -> Self {
        let start = Instant::now();
        match stack {
            Stack::Peerage => {
                let mut bytes = [0; 32];
                bytes[..8].copy_from_slice(&seed.to_le_bytes());
                let mut association = Association::new(start, Config::default(), bytes);
                association.connect(start).expect("a new association connects");
                Self::Peerage { association: Box::new(association), start }
            }
            Stack::Dcsctp => {
                let mut socket = dcsctp::new_socket("end", &Options::default());
                socket.connect();
                Self::Dcsctp { socket, up: false }
            }
        }
    }

    fn is_up(&self) -> bool {
        match self {
            Self::Peerage { association, .. } => association.is_established(),
            Self::Dcsctp { up, .. } => *up,
        }
    }

    fn send(&mut self, now: Duration, data: Vec<u8>) {
        match self {
            Self::Peerage { association, start } => {
                let options = SendOptions {
                    ppid: PayloadProtocolId(53),
                    ordered: false,
                    reliability: Reliability::MaxRetransmits(0),
                };
                association
                    .send(*start + now, StreamId(1), options, Bytes::from(data))
                    .expect("room to send");
            }
            Self::Dcsctp { socket, .. } => {
                let options = dcsctp::api::SendOptions {
                    unordered: true,
                    max_retransmissions: Some(0),
                    ..Default::default()
                };
                socket
                    .send(Message::new(dcsctp::api::StreamId(1), PpId(53), data), &options)
                    .expect("room to send");
            }
        }
    }

    fn handle(&mut self, now: Duration, packet: &[u8]) {
        match self {
            Self::Peerage { association, start } => {
                association.handle_input(*start + now, packet).expect("input is never an error");
            }
            Self::Dcsctp { socket, .. } => socket.handle_input(packet),
        }
    }

    fn next(&self) -> Option<Duration> {
        match self {
            Self::Peerage { association, start } => {
                association.poll_timeout().map(|at| at.saturating_duration_since(*start))
            }
            Self::Dcsctp { socket, .. } => Some(socket.poll_timeout() - SocketTime::zero()),
        }
    }

    fn advance(&mut self, now: Duration) {
        match self {
            Self::Peerage { association, start } => {
                if association.poll_timeout().is_some_and(|at| at <= *start + now) {
                    association.handle_timeout(*start + now);
                }
            }
            Self::Dcsctp { socket, .. } => socket.advance_time(SocketTime::zero() + now),
        }
    }

    /// Packets to send, and messages received.
    fn drain(&mut self, now: Duration) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let (mut packets, mut messages) = (Vec::new(), Vec::new());
        match self {
            Self::Peerage { association, start } => {
                let mut packet = Vec::new();
                while association.poll_transmit(*start + now, &mut packet).is_some() {
                    packets.push(std::mem::take(&mut packet));
                }
                while let Some(event) = association.poll_event() {
                    if let Event::Message { data, .. } = event {
                        messages.push(data.to_vec());
                    }
                }
            }
            Self::Dcsctp { socket, up } => {
                while let Some(event) = socket.poll_event() {
                    match event {
                        SocketEvent::SendPacket(packet) => packets.push(packet),
                        SocketEvent::OnConnected() => *up = true,
                        _ => {}
                    }
                }
                while let Some(message) = socket.get_next_message() {
                    messages.push(message.payload);
                }
            }
        }
        (packets, messages)
    }
}

/// The packet's arrival, its number, who gets it, and itself.
type InFlight = Reverse<(Duration, u64, usize, Vec<u8>)>;

/// A sender, a receiver and the wire.
struct Run {
    now: Duration,
    ends: [End; 2],
    wire: BinaryHeap<InFlight>,
    packets: u64,
    random: u64,
    loss: u64,
    /// When each message was handed to the sender.
    sent: Vec<Duration>,
    /// By TSN of the sender's chunks: the message it is of, and when it first left without being lost.
    departed: HashMap<u32, (u32, Option<Duration>)>,
    /// Each message delivered, and when.
    delivered: Vec<(u32, Duration)>,
}

impl Run {
    fn new(sender: Stack, receiver: Stack, seed: u64) -> Self {
        let mut run = Self {
            now: Duration::ZERO,
            ends: [End::new(sender, seed), End::new(receiver, !seed)],
            wire: BinaryHeap::new(),
            packets: 0,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            loss: 0,
            sent: Vec::new(),
            departed: HashMap::new(),
            delivered: Vec::new(),
        };
        let limit = Duration::from_secs(30);
        while !run.ends.iter().all(End::is_up) {
            assert!(run.now < limit, "{sender:?} to {receiver:?} connects");
            run.step(limit);
        }
        run.loss = LOSS_PER_MILLE;
        let start = run.now + Duration::from_millis(200);
        for number in 0..MESSAGES {
            run.go_to(start + INTERVAL * number);
            let mut data = vec![0; 400];
            data[..4].copy_from_slice(&number.to_be_bytes());
            run.sent.push(run.now);
            run.ends[0].send(run.now, data);
            run.exchange();
        }
        run.go_to(run.now + Duration::from_secs(3));
        run
    }

    fn is_lost(&mut self) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % 1000 < self.loss
    }

    fn exchange(&mut self) {
        for from in [0, 1] {
            let (packets, messages) = self.ends[from].drain(self.now);
            for packet in packets {
                let lost = self.is_lost();
                if from == 0 {
                    self.note_departures(&packet, lost);
                }
                if lost {
                    continue;
                }
                self.packets += 1;
                let arrival = self.now + DELAY;
                self.wire.push(Reverse((arrival, self.packets, 1 - from, packet)));
            }
            self.delivered.extend(messages.iter().map(|data| (first_word(data), self.now)));
        }
    }

    /// Reads the DATA chunks of a packet (RFC 9260 §3.3.1). A sender may split a message, so that only the first of its
    /// fragments, which has the B bit, carries the number.
    fn note_departures(&mut self, packet: &[u8], lost: bool) {
        let mut at = 12;
        while at + 4 <= packet.len() {
            let length = usize::from(u16::from_be_bytes([packet[at + 2], packet[at + 3]]));
            if packet[at] == 0 {
                let tsn = first_word(&packet[at + 4..]);
                let number = if packet[at + 1] & 2 != 0 {
                    first_word(&packet[at + 16..])
                } else {
                    self.departed[&tsn.wrapping_sub(1)].0
                };
                let chunk = self.departed.entry(tsn).or_insert((number, None));
                if !lost {
                    chunk.1.get_or_insert(self.now);
                }
            }
            at += length.max(4).next_multiple_of(4);
        }
    }

    fn step(&mut self, until: Duration) {
        self.exchange();
        let arrival = self.wire.peek().map(|Reverse((at, ..))| *at);
        let next = self.ends.iter().filter_map(End::next).chain(arrival).min();
        self.now = self.now.max(next.unwrap_or(until).min(until));
        while self.wire.peek().is_some_and(|Reverse((at, ..))| *at <= self.now) {
            if let Some(Reverse((_, _, to, packet))) = self.wire.pop() {
                self.ends[to].handle(self.now, &packet);
            }
        }
        for end in &mut self.ends {
            end.advance(self.now);
        }
        self.exchange();
    }

    fn go_to(&mut self, at: Duration) {
        while self.now < at {
            self.step(at);
        }
    }

    /// The longest a message was under way since it was handed to the sender.
    fn worst(&self) -> Duration {
        let times = self.delivered.iter().map(|(number, at)| *at - self.sent[*number as usize]);
        times.max().expect("something arrived")
    }

    fn late_share(&self) -> f64 {
        let late =
            self.delivered.iter().filter(|(number, at)| *at - self.sent[*number as usize] > LATE);
        late.count() as f64 / self.delivered.len() as f64
    }
}

fn first_word(data: &[u8]) -> u32 {
    u32::from_be_bytes([data[0], data[1], data[2], data[3]])
}

fn runs(sender: Stack, receiver: Stack) -> Vec<Run> {
    let runs: Vec<Run> = (1..=SEEDS).map(|seed| Run::new(sender, receiver, seed)).collect();
    let over = runs.iter().filter(|run| run.late_share() > 0.02).count();
    let worst = runs.iter().map(Run::worst).max().unwrap_or_default();
    let arrived: usize = runs.iter().map(|run| run.delivered.len()).sum();
    println!(
        "{sender:?} to {receiver:?}: {over} of {SEEDS} runs with more than 2 % later than {LATE:?}, worst {worst:?}, {:.1} % arrived",
        arrived as f64 / (SEEDS * u64::from(MESSAGES)) as f64 * 100.0
    );
    runs
}

#[test]
fn our_sender_keeps_nothing_back() {
    for receiver in [Stack::Dcsctp, Stack::Peerage] {
        for run in runs(Stack::Peerage, receiver) {
            assert!(run.worst() <= LATE, "a message to {receiver:?} took {:?}", run.worst());
        }
    }
}

#[test]
fn our_receiver_delivers_what_arrives_at_once() {
    for run in runs(Stack::Dcsctp, Stack::Peerage) {
        // A message is complete when the last of its fragments has come.
        let mut complete = HashMap::new();
        for (number, departed) in run.departed.values() {
            let at = departed.map_or(Duration::MAX, |departed| departed + DELAY);
            complete
                .entry(*number)
                .and_modify(|latest: &mut Duration| *latest = at.max(*latest))
                .or_insert(at);
        }
        for (number, at) in &run.delivered {
            assert_eq!(*at, complete[number], "message {number} was held after its arrival");
        }
        // Now and then a FORWARD TSN overtakes the last fragment of a message.
        let whole = complete.values().filter(|at| **at < Duration::MAX).count();
        assert!(
            run.delivered.len() + 2 >= whole,
            "{whole} came, {} delivered",
            run.delivered.len()
        );
    }
    // For comparison only: what the other does with itself.
    runs(Stack::Dcsctp, Stack::Dcsctp);
}
