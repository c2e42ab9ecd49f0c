//! Peerage's pair.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use peerage_peerconnection::{
    Configuration, DataChannelHandle, DataChannelInit, Event, Input, Message, PeerConnection,
    Protocol, Rng, SendError,
};

use crate::{AHEAD, BATCH, Pair};

struct End {
    pc: PeerConnection,
    buffer: Vec<u8>,
    channel: Option<DataChannelHandle>,
    open: bool,
    received: usize,
}

pub struct PeeragePair {
    ends: [End; 2],
    now: Instant,
}

fn end(now: Instant, seed: u64, number: u8) -> End {
    let mut config =
        Configuration::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    config.settings.max_gso_segments = BATCH;
    let address = SocketAddr::from(([192, 0, 2, number], 5000));
    let mut pc = PeerConnection::new(now, config, Rng::from_seed(seed * 2 + u64::from(number)))
        .expect("valid");
    pc.add_local_address(now, address);
    pc.local_addresses_complete(now);
    End { pc, buffer: Vec::new(), channel: None, open: false, received: 0 }
}

impl End {
    fn events(&mut self) {
        while let Some(event) = self.pc.poll_event() {
            match event {
                Event::Message(_, message) => {
                    std::hint::black_box(message.len());
                    self.received += 1;
                }
                Event::DataChannelOpen(handle) => {
                    self.channel = Some(handle);
                    self.open = true;
                }
                _ => {}
            }
        }
    }
}

impl PeeragePair {
    /// One poll of each end; whether anything went over.
    fn exchange(&mut self) -> bool {
        let mut moved = false;
        for from in 0..2 {
            let [first, second] = &mut self.ends;
            let (from, to) = if from == 0 { (first, second) } else { (second, first) };
            from.buffer.clear();
            if let Some(transmit) = from.pc.poll_transmit(self.now, &mut from.buffer) {
                moved = true;
                let segment = transmit.segment_size.unwrap_or(transmit.size);
                for data in from.buffer.chunks_mut(segment) {
                    let input = Input {
                        source: transmit.source,
                        destination: transmit.destination,
                        protocol: Protocol::Udp,
                        ecn: None,
                        data,
                    };
                    to.pc.handle_input(self.now, input).expect("open");
                }
                to.events();
            }
        }
        moved
    }

    fn drain(&mut self) {
        while self.exchange() {}
        for end in &mut self.ends {
            end.events();
        }
    }

    fn timeouts(&mut self) {
        for end in &mut self.ends {
            if end.pc.poll_timeout().is_some_and(|at| at <= self.now) {
                end.pc.handle_timeout(self.now);
                end.events();
            }
        }
    }

    /// On to the next timer, at most to `limit`; false if that came first.
    fn step(&mut self, limit: Instant) -> bool {
        self.drain();
        let next = self.ends.iter().filter_map(|end| end.pc.poll_timeout()).min();
        match next.filter(|&at| at <= limit) {
            Some(at) => {
                self.now = self.now.max(at);
                self.timeouts();
                true
            }
            None => {
                self.now = limit;
                false
            }
        }
    }
}

impl Pair for PeeragePair {
    fn connect(seed: u64) -> Self {
        let now = Instant::now();
        let mut pair = Self { ends: [end(now, seed, 1), end(now, seed, 2)], now };
        let [a, b] = &mut pair.ends;
        a.pc.create_data_channel(now, "bench", DataChannelInit::default()).expect("room");
        a.pc.set_local_description(now, None).expect("stable");
        b.pc.set_remote_description(now, a.pc.local_description().expect("set")).expect("valid");
        b.pc.set_local_description(now, None).expect("an offer");
        a.pc.set_remote_description(now, b.pc.local_description().expect("set")).expect("valid");
        let limit = now + Duration::from_secs(30);
        while !pair.ends.iter().all(|end| end.open) {
            assert!(pair.step(limit), "not connected");
        }
        pair
    }

    fn transfer(&mut self, count: usize, size: usize) {
        let payload = Bytes::from(vec![0x5a; size]);
        let channel = self.ends[0].channel.expect("open");
        let (mut sent, start) = (0, self.ends[1].received);
        let offset = self.now;
        let begun = Instant::now();
        while self.ends[1].received - start < count {
            // Real time, as the congestion controller expects.
            self.now = offset + begun.elapsed();
            while sent < count && self.ends[0].pc.buffered_amount(channel) < AHEAD {
                match self.ends[0].pc.send(self.now, channel, Message::Binary(payload.clone())) {
                    Ok(()) => sent += 1,
                    Err(SendError::BufferFull(_)) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            self.exchange();
            self.timeouts();
        }
    }

    fn idle(&mut self, time: Duration) {
        let limit = self.now + time;
        while self.step(limit) {}
    }
}
