//! The pair of `rtc`, the sans-IO crate of webrtc-rs, with its default cryptography.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc::data_channel::RTCDataChannelId;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::event::{RTCDataChannelEvent, RTCPeerConnectionEvent};
use rtc::peer_connection::message::RTCMessage;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

use crate::{AHEAD, BATCH, Pair};

struct End {
    pc: RTCPeerConnection,
    address: SocketAddr,
    channel: Option<RTCDataChannelId>,
    received: usize,
}

impl End {
    fn new(now: Instant, number: u8) -> Self {
        let address = SocketAddr::from(([192, 0, 2, number], 5000));
        let mut pc = RTCPeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .build(now)
            .expect("valid");
        let candidate = CandidateHostConfig {
            base_config: CandidateConfig {
                network: "udp".to_owned(),
                address: address.ip().to_string(),
                port: address.port(),
                component: 1,
                ..Default::default()
            },
            ..Default::default()
        };
        let candidate = candidate.new_candidate_host().expect("valid");
        pc.add_local_candidate(RTCIceCandidate::from(&candidate).to_json().expect("valid"))
            .expect("valid");
        Self { pc, address, channel: None, received: 0 }
    }

    fn events(&mut self) {
        while let Some(event) = self.pc.poll_event() {
            if let RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(id)) = event {
                self.channel = Some(id);
            }
        }
        while let Some(message) = self.pc.poll_read() {
            if let RTCMessage::DataChannelMessage(_, message) = message.message {
                std::hint::black_box(message.data.len());
                self.received += 1;
            }
        }
    }
}

pub struct RtcPair {
    ends: [End; 2],
    now: Instant,
}

impl RtcPair {
    /// A batch from each end; whether anything went over.
    fn exchange(&mut self) -> bool {
        let mut moved = false;
        for from in 0..2 {
            let [first, second] = &mut self.ends;
            let (from, to) = if from == 0 { (first, second) } else { (second, first) };
            let mut any = false;
            for _ in 0..BATCH {
                let Some(datagram) = from.pc.poll_write() else { break };
                any = true;
                let transport = TransportContext {
                    local_addr: to.address,
                    peer_addr: from.address,
                    transport_protocol: TransportProtocol::UDP,
                    ecn: None,
                };
                let message = datagram.message;
                to.pc
                    .handle_read(TaggedBytesMut { now: self.now, transport, message })
                    .expect("open");
            }
            if any {
                to.events();
                moved = true;
            }
        }
        moved
    }

    fn timeouts(&mut self) {
        for end in &mut self.ends {
            if end.pc.poll_timeout().is_some_and(|at| at <= self.now) {
                end.pc.handle_timeout(self.now).expect("open");
                end.events();
            }
        }
    }

    /// On to the next timer, at most to `limit`; false if that came first.
    fn step(&mut self, limit: Instant) -> bool {
        while self.exchange() {}
        for end in &mut self.ends {
            end.events();
        }
        let next = self.ends.iter_mut().filter_map(|end| end.pc.poll_timeout()).min();
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

impl Pair for RtcPair {
    fn connect(_seed: u64) -> Self {
        let now = Instant::now();
        let mut pair = Self { ends: [End::new(now, 1), End::new(now, 2)], now };
        let [a, b] = &mut pair.ends;
        a.pc.create_data_channel("bench", None).expect("room");
        let offer = a.pc.create_offer(None).expect("stable");
        a.pc.set_local_description(now, offer).expect("valid");
        // With the candidates.
        let offer = a.pc.local_description().expect("set");
        b.pc.set_remote_description(now, offer).expect("valid");
        let answer = b.pc.create_answer(None).expect("an offer");
        b.pc.set_local_description(now, answer).expect("valid");
        let answer = b.pc.local_description().expect("set");
        a.pc.set_remote_description(now, answer).expect("valid");
        let limit = now + Duration::from_secs(30);
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
            while sent < count {
                let mut channel = self.ends[0].pc.data_channel(channel).expect("open");
                if channel.outstanding_bytes() >= AHEAD {
                    break;
                }
                channel.send(self.now, BytesMut::from(&payload[..])).expect("open");
                sent += 1;
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
