//! The pair of `str0m`, with its default cryptography. Its one rule, to poll until it names a time after each change, is kept per
//! batch of datagrams, as the others are polled. It queues as much as it takes by default, 128 KiB: with a longer queue it
//! is slower (a sixth at 1 MiB).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::channel::ChannelId;
use str0m::net::{DatagramSend, Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::{BATCH, Pair};

struct End {
    rtc: Rtc,
    address: SocketAddr,
    timeout: Instant,
    outgoing: VecDeque<DatagramSend>,
    channel: Option<ChannelId>,
    received: usize,
}

impl End {
    fn new(now: Instant, number: u8) -> Self {
        let address = SocketAddr::from(([192, 0, 2, number], 5000));
        let mut rtc = Rtc::builder().clear_codecs().build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("valid"));
        let outgoing = VecDeque::new();
        Self { rtc, address, timeout: now, outgoing, channel: None, received: 0 }
    }

    fn poll(&mut self) {
        loop {
            match self.rtc.poll_output().expect("open") {
                Output::Timeout(at) => {
                    self.timeout = at;
                    break;
                }
                Output::Transmit(transmit) => self.outgoing.push_back(transmit.contents),
                Output::Event(Event::ChannelOpen(id, _)) => self.channel = Some(id),
                Output::Event(Event::ChannelData(message)) => {
                    std::hint::black_box(message.data.len());
                    self.received += 1;
                }
                Output::Event(_) => {}
            }
        }
    }

    fn timeout(&mut self, now: Instant) {
        self.rtc.handle_input(Input::Timeout(now)).expect("open");
        self.poll();
    }
}

pub struct Str0mPair {
    ends: [End; 2],
    now: Instant,
}

impl Str0mPair {
    /// A batch from each end; whether anything went over.
    fn exchange(&mut self) -> bool {
        let mut moved = false;
        for from in 0..2 {
            let [first, second] = &mut self.ends;
            let (from, to) = if from == 0 { (first, second) } else { (second, first) };
            let batch = from.outgoing.len().min(BATCH);
            for datagram in from.outgoing.drain(..batch) {
                let contents = (&datagram[..]).try_into().expect("a known protocol");
                let (source, destination) = (from.address, to.address);
                let receive = Receive { proto: Protocol::Udp, source, destination, contents };
                to.rtc.handle_input(Input::Receive(self.now, receive)).expect("open");
            }
            if batch > 0 {
                to.poll();
                moved = true;
            }
        }
        moved
    }

    fn timeouts(&mut self) {
        for end in &mut self.ends {
            if end.timeout <= self.now {
                end.timeout(self.now);
            }
        }
    }

    /// On to the next timer, at most to `limit`; false if that came first.
    fn step(&mut self, limit: Instant) -> bool {
        while self.exchange() {}
        let next = self.ends[0].timeout.min(self.ends[1].timeout);
        if next > limit {
            self.now = limit;
            return false;
        }
        self.now = self.now.max(next);
        self.timeouts();
        true
    }
}

impl Pair for Str0mPair {
    fn connect(_seed: u64) -> Self {
        let now = Instant::now();
        let mut pair = Self { ends: [End::new(now, 1), End::new(now, 2)], now };
        let [a, b] = &mut pair.ends;
        let mut change = a.rtc.sdp_api();
        change.add_channel("bench".to_owned());
        let (offer, pending) = change.apply().expect("a change");
        // As text, as an application hands them over.
        let offer = str0m::change::SdpOffer::from_sdp_string(&offer.to_sdp_string());
        let answer = b.rtc.sdp_api().accept_offer(offer.expect("valid")).expect("valid");
        let answer = str0m::change::SdpAnswer::from_sdp_string(&answer.to_sdp_string());
        a.rtc.sdp_api().accept_answer(pending, answer.expect("valid")).expect("valid");
        let limit = now + Duration::from_secs(30);
        for end in &mut pair.ends {
            end.timeout(now);
        }
        while !pair.ends.iter().all(|end| end.channel.is_some()) {
            assert!(pair.step(limit), "not connected");
        }
        pair
    }

    fn transfer(&mut self, count: usize, size: usize) {
        let payload = vec![0x5a; size];
        let channel = self.ends[0].channel.expect("open");
        let (mut sent, start) = (0, self.ends[1].received);
        let offset = self.now;
        let begun = Instant::now();
        while self.ends[1].received - start < count {
            // Real time, as the congestion controller expects.
            self.now = offset + begun.elapsed();
            let mut written = false;
            while sent < count {
                let mut channel = self.ends[0].rtc.channel(channel).expect("open");
                if !channel.write(true, &payload).expect("open") {
                    break;
                }
                sent += 1;
                written = true;
            }
            if written {
                self.ends[0].timeout(self.now);
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
