//! One end is [`peerage_sctp`], the other [`dcsctp`]; a link in virtual time joins them. The tests run every combination of
//! role, I-DATA and zero checksum, with and without loss.

use bytes::Bytes;
use dcsctp::api::{
    DcSctpSocket, Message, Options, PpId, SocketEvent, SocketState, SocketTime,
    StreamId as TheirStreamId, ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS,
    ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_NONE,
};
use peerage_sctp::{Association, Config, Event, PayloadProtocolId, SendOptions, StreamId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Who sends INIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opens {
    /// We.
    Ours,
    /// The other.
    Theirs,
    /// Both at once, as in WebRTC.
    Both,
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub seed: u64,
    pub opens: Opens,
    pub interleaving: [bool; 2],
    pub zero_checksum: [bool; 2],
    /// Per mille.
    pub loss: u64,
    pub reorder: u64,
}

/// A message received: stream, PPID, data.
pub type Received = (u16, u32, Vec<u8>);

pub struct Pair {
    start: Instant,
    pub now: Duration,
    pub ours: Association,
    pub theirs: Box<dyn DcSctpSocket>,
    wire: BinaryHeap<Reverse<(Duration, u64, bool, Vec<u8>)>>,
    order: u64,
    random: u64,
    setup: Setup,
    pub our_events: Vec<Event>,
    pub their_events: Vec<String>,
    pub we_got: Vec<Received>,
    pub they_got: Vec<Received>,
    /// Packets we sent that carried no checksum.
    pub without_checksum: u64,
}

impl Pair {
    pub fn new(setup: Setup) -> Self {
        let start = Instant::now();
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&setup.seed.to_le_bytes());
        let config = Config {
            interleaving: setup.interleaving[0],
            zero_checksum: setup.zero_checksum[0],
            max_association_retransmits: None,
            ..Config::default()
        };
        let options = Options {
            enable_message_interleaving: setup.interleaving[1],
            zero_checksum_alternate_error_detection_method: if setup.zero_checksum[1] {
                ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS
            } else {
                ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_NONE
            },
            max_retransmissions: None,
            max_send_buffer_size: 64 << 20,
            per_stream_send_queue_limit: 64 << 20,
            ..Options::default()
        };
        let mut theirs: Box<dyn DcSctpSocket> = dcsctp::new_socket("theirs", &options);
        let mut ours = Association::new(start, config, seed);
        if setup.opens != Opens::Theirs {
            ours.connect(start).expect("a new association connects");
        }
        if setup.opens != Opens::Ours {
            theirs.connect();
        }
        Self {
            start,
            now: Duration::ZERO,
            ours,
            theirs,
            wire: BinaryHeap::new(),
            order: 0,
            random: setup.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            setup,
            our_events: Vec::new(),
            their_events: Vec::new(),
            we_got: Vec::new(),
            they_got: Vec::new(),
            without_checksum: 0,
        }
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % 1000 < per_mille
    }

    pub fn instant(&self) -> Instant {
        self.start + self.now
    }

    fn put(&mut self, to_them: bool, packet: Vec<u8>) {
        if self.chance(self.setup.loss) {
            return;
        }
        let mut arrival = self.now + Duration::from_millis(10);
        if self.chance(self.setup.reorder) {
            arrival += Duration::from_millis(7);
        }
        self.order += 1;
        self.wire.push(Reverse((arrival, self.order, to_them, packet)));
    }

    fn drain(&mut self) {
        let now = self.instant();
        loop {
            let mut packet = Vec::new();
            if self.ours.poll_transmit(now, &mut packet).is_none() {
                break;
            }
            self.without_checksum += u64::from(packet[8..12] == [0; 4]);
            self.put(true, packet);
        }
        while let Some(event) = self.ours.poll_event() {
            match event {
                Event::Message { stream, ppid, data, .. } => {
                    self.we_got.push((stream.0, ppid.0, data.to_vec()))
                }
                other => self.our_events.push(other),
            }
        }
        while let Some(event) = self.theirs.poll_event() {
            match event {
                SocketEvent::SendPacket(packet) => self.put(false, packet),
                other => self.their_events.push(format!("{other:?}")),
            }
        }
        while let Some(message) = self.theirs.get_next_message() {
            self.they_got.push((message.stream_id.0, message.ppid.0, message.payload));
        }
    }

    fn step(&mut self) {
        self.drain();
        let mut next = Duration::MAX;
        if let Some(Reverse((at, ..))) = self.wire.peek() {
            next = next.min(*at);
        }
        if let Some(at) = self.ours.poll_timeout() {
            next = next.min(at.saturating_duration_since(self.start));
        }
        next = next.min(self.theirs.poll_timeout() - SocketTime::zero());
        assert!(next < Duration::MAX, "nothing left to happen");
        self.now = self.now.max(next);
        let now = self.instant();
        self.theirs.advance_time(SocketTime::zero() + self.now);
        while self.wire.peek().is_some_and(|Reverse((at, ..))| *at <= self.now) {
            let Some(Reverse((_, _, to_them, packet))) = self.wire.pop() else { break };
            if to_them {
                self.theirs.handle_input(&packet);
            } else {
                self.ours.handle_input(now, &packet).expect("input is never an error");
            }
        }
        if self.ours.poll_timeout().is_some_and(|at| at <= now) {
            self.ours.handle_timeout(now);
        }
        self.drain();
    }

    pub fn run_until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let limit = self.now + Duration::from_secs(300);
        self.drain();
        while !done(self) {
            assert!(
                self.now < limit,
                "{what}: not done, {:?}, ours {:?} {:?}, theirs {:?} {:?}",
                self.setup,
                self.ours,
                self.our_events,
                self.theirs.state(),
                self.their_events
            );
            self.step();
        }
    }

    pub fn connect(&mut self) {
        self.run_until("connect", |pair| {
            pair.ours.is_established() && pair.theirs.state() == SocketState::Connected
        });
    }

    pub fn we_send(&mut self, stream: u16, options: SendOptions, data: Vec<u8>) {
        let now = self.instant();
        self.ours.send(now, StreamId(stream), options, Bytes::from(data)).expect("room to send");
    }

    pub fn they_send(&mut self, stream: u16, options: &dcsctp::api::SendOptions, data: Vec<u8>) {
        self.theirs
            .send(Message::new(TheirStreamId(stream), PpId(53), data), options)
            .expect("room to send");
    }
}

/// Ordered and reliable.
pub fn reliable() -> SendOptions {
    SendOptions::reliable(PayloadProtocolId(53))
}

/// A message that says which it is.
pub fn message(number: u32, length: usize) -> Vec<u8> {
    let mut data = number.to_be_bytes().to_vec();
    data.extend((0..length.saturating_sub(4)).map(|at| (at as u32 ^ number) as u8));
    data
}

/// The number of a message, if it is whole.
pub fn check(data: &[u8]) -> u32 {
    let number = u32::from_be_bytes([data[0], data[1], data[2], data[3]]);
    assert_eq!(data, message(number, data.len()), "message {number} is damaged");
    number
}
