//! Peerage's server: the packets level of its connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{
    Configuration, ConnectionState, Input, OutgoingPacket, PeerConnection, Protocol, ReceiveMode,
    Rng, TransceiverHandle,
};
use peerage_rtp::forward::StreamRewriter;
use peerage_rtp::payload::PayloadFormat;

use crate::{BURST, PAYLOAD, RECEIVERS, Server};

/// Datagrams on their way to one end, in one buffer that is used again.
#[derive(Default)]
struct Wire {
    bytes: Vec<u8>,
    /// Where each ends, from whom it is and to whom.
    datagrams: Vec<(usize, SocketAddr, SocketAddr)>,
}

impl Wire {
    fn fill(&mut self, now: Instant, from: &mut PeerConnection) {
        while let Some(transmit) = from.poll_transmit(now, &mut self.bytes) {
            let end = self.bytes.len();
            let mut at = end - transmit.size;
            while at < end {
                at = (at + transmit.segment_size.unwrap_or(transmit.size)).min(end);
                self.datagrams.push((at, transmit.source, transmit.destination));
            }
        }
    }

    fn empty(&mut self, now: Instant, to: &mut PeerConnection) {
        let mut start = 0;
        for &(end, source, destination) in &self.datagrams {
            let data = &mut self.bytes[start..end];
            let input = Input { source, destination, protocol: Protocol::Udp, ecn: None, data };
            to.handle_input(now, input).expect("open");
            start = end;
        }
        self.datagrams.clear();
        self.bytes.clear();
    }
}

/// A connection of the server with the client at its other end.
struct Leg {
    server: PeerConnection,
    client: PeerConnection,
    to_server: Wire,
    to_client: Wire,
    /// Of the end that sends media.
    track: TransceiverHandle,
    rewriter: StreamRewriter,
}

fn end(now: Instant, seed: u64, address: &str, segments: usize) -> PeerConnection {
    let mut config =
        Configuration::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    config.settings.max_gso_segments = segments;
    let mut pc = PeerConnection::new(now, config, Rng::from_seed(seed)).expect("valid");
    pc.add_local_address(now, address.parse().expect("an address"));
    pc.local_addresses_complete(now);
    pc
}

fn timeout(now: Instant, pc: &mut PeerConnection) {
    if pc.poll_timeout().is_some_and(|at| at <= now) {
        pc.handle_timeout(now);
    }
    while pc.poll_event().is_some() {}
}

impl Leg {
    /// Media go from the client to the server, or the other way.
    fn connect(now: &mut Instant, seed: u64, publishes: bool, segments: usize) -> Self {
        let mut server = end(*now, 2 * seed, "192.0.2.1:5000", segments);
        let mut client = end(*now, 2 * seed + 1, "192.0.2.2:5000", 1);
        let (offerer, answerer) =
            if publishes { (&mut client, &mut server) } else { (&mut server, &mut client) };
        let streams = vec!["stream".to_owned()];
        let track = offerer.add_track(*now, MediaKind::Video, "track", streams).expect("valid");
        offerer.set_local_description(*now, None).expect("stable");
        let offer = offerer.local_description().expect("set");
        answerer.set_remote_description(*now, offer).expect("valid");
        answerer.set_local_description(*now, None).expect("an offer");
        let answer = answerer.local_description().expect("set");
        offerer.set_remote_description(*now, answer).expect("valid");
        let (to_server, to_client) = (Wire::default(), Wire::default());
        let rewriter = StreamRewriter::new(PayloadFormat::Vp8, 90_000);
        let mut leg = Self { server, client, to_server, to_client, track, rewriter };
        let up = |pc: &PeerConnection| pc.connection_state() == ConnectionState::Connected;
        for _ in 0..10_000 {
            leg.to_server.fill(*now, &mut leg.client);
            leg.to_client.fill(*now, &mut leg.server);
            leg.to_server.empty(*now, &mut leg.server);
            leg.to_client.empty(*now, &mut leg.client);
            *now += Duration::from_millis(1);
            timeout(*now, &mut leg.server);
            timeout(*now, &mut leg.client);
            if up(&leg.server) && up(&leg.client) {
                break;
            }
        }
        assert!(up(&leg.server) && up(&leg.client), "not connected");
        let receiver = if publishes { &mut leg.server } else { &mut leg.client };
        let handle = receiver.transceivers().next().expect("there is one").handle;
        receiver.set_receive_mode(*now, handle, ReceiveMode::Packets).expect("open");
        leg
    }
}

pub struct Room {
    now: Instant,
    publisher: Leg,
    receivers: Vec<Leg>,
    payload: Bytes,
    timestamp: u32,
    rewrites: bool,
}

impl Room {
    /// The server hands out up to `segments` datagrams at a time.
    pub fn connect(seed: u64, rewrites: bool, segments: usize) -> Self {
        let mut now = Instant::now();
        let publisher = Leg::connect(&mut now, 100 * seed, true, segments);
        let receivers = (1..=RECEIVERS as u64)
            .map(|number| Leg::connect(&mut now, 100 * seed + number, false, segments))
            .collect();
        // VP8 with a picture id.
        let mut payload = vec![0x90, 0x80, 0x80, 1, 0x11];
        payload.resize(PAYLOAD, 0x5a);
        Self { now, publisher, receivers, payload: payload.into(), timestamp: 0, rewrites }
    }
}

impl Server for Room {
    fn publish(&mut self) {
        let Leg { client, to_server, track, .. } = &mut self.publisher;
        self.timestamp += 360;
        for index in 0..BURST {
            let mut packet = OutgoingPacket::new(self.payload.clone(), self.timestamp);
            packet.marker = index + 1 == BURST;
            // While the publisher's own estimate is low, its queue may be full.
            let _ = client.send_rtp(self.now, *track, 0, &packet);
        }
        to_server.fill(self.now, client);
    }

    fn serve(&mut self) {
        let now = self.now;
        let publisher = &mut self.publisher;
        publisher.to_server.empty(now, &mut publisher.server);
        while let Some(packet) = publisher.server.poll_rtp() {
            let outgoing = OutgoingPacket::forward(&packet);
            for leg in &mut self.receivers {
                if !self.rewrites {
                    let _ = leg.server.send_rtp(now, leg.track, 0, &outgoing);
                    continue;
                }
                if leg.rewriter.source().is_none() {
                    leg.rewriter.switch_to(packet.ssrc);
                }
                if let Some(place) = leg.rewriter.forward(&packet.source()) {
                    let outgoing = outgoing.clone().rewritten(&place);
                    let _ = leg.server.send_rtp(now, leg.track, 0, &outgoing);
                }
            }
        }
        for leg in self.receivers.iter_mut().chain([publisher]) {
            leg.to_server.empty(now, &mut leg.server);
            timeout(now, &mut leg.server);
            leg.to_client.fill(now, &mut leg.server);
        }
    }

    fn deliver(&mut self) -> usize {
        let now = self.now;
        let mut received = 0;
        for leg in self.receivers.iter_mut().chain([&mut self.publisher]) {
            leg.to_client.empty(now, &mut leg.client);
            while leg.client.poll_rtp().is_some() {
                received += 1;
            }
            timeout(now, &mut leg.client);
            leg.to_server.fill(now, &mut leg.client);
        }
        received
    }

    fn advance(&mut self, time: Duration) {
        self.now += time;
    }
}
