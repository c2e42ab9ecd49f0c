//! The server of `str0m` in its RTP mode, with its default cryptography, wired by its direct API. Its one rule, to poll until
//! it names a time after each change, is kept for each datagram that comes and for each burst that is written.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::format::Codec;
use str0m::media::{MediaKind, Mid, Pt};
use str0m::net::{DatagramSend, Protocol, Receive};
use str0m::rtp::{RtpWrite, SeqNo, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::{BURST, PAYLOAD, RECEIVERS, Server};

const SSRC: u32 = 42;
const RTX: u32 = 43;

struct End {
    rtc: Rtc,
    address: SocketAddr,
    timeout: Instant,
    outgoing: Vec<DatagramSend>,
    /// Packets that came.
    packets: Vec<(SeqNo, u32, bool, Arc<[u8]>)>,
}

impl End {
    fn new(now: Instant, number: u8) -> Self {
        let address = SocketAddr::from(([192, 0, 2, number], 5000));
        let mut rtc = Rtc::builder().set_rtp_mode(true).build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("valid"));
        Self { rtc, address, timeout: now, outgoing: Vec::new(), packets: Vec::new() }
    }

    fn poll(&mut self) {
        loop {
            match self.rtc.poll_output().expect("open") {
                Output::Timeout(at) => {
                    self.timeout = at;
                    break;
                }
                Output::Transmit(transmit) => self.outgoing.push(transmit.contents),
                Output::Event(Event::RtpPacket(packet)) => {
                    let header = &packet.header;
                    let (time, marker) = (header.timestamp, header.marker);
                    self.packets.push((packet.seq_no, time, marker, packet.payload));
                }
                Output::Event(_) => {}
            }
        }
    }

    /// It sends a packet and names the same time again as long as more wait.
    fn timeout(&mut self, now: Instant) {
        self.poll();
        for _ in 0..=BURST {
            if self.timeout > now {
                break;
            }
            self.rtc.handle_input(Input::Timeout(now)).expect("open");
            self.poll();
        }
    }

    fn take(&mut self, now: Instant, from: &mut Self) {
        for datagram in from.outgoing.drain(..) {
            let contents = (&datagram[..]).try_into().expect("a known protocol");
            let (source, destination) = (from.address, self.address);
            let receive = Receive { proto: Protocol::Udp, source, destination, contents };
            self.rtc.handle_input(Input::Receive(now, receive)).expect("open");
            // A packet that is not fetched is written over by the next.
            self.poll();
        }
    }
}

/// A connection of the server with the client at its other end.
struct Leg {
    server: End,
    client: End,
}

impl Leg {
    fn connect(now: &mut Instant, mid: Mid, publishes: bool) -> Self {
        let (mut server, mut client) = (End::new(*now, 1), End::new(*now, 2));
        for (one, other) in
            [(&mut server, client.address), (&mut client, ([192, 0, 2, 1], 5000).into())]
        {
            one.rtc.add_remote_candidate(Candidate::host(other, "udp").expect("valid"));
        }
        let direct = server.rtc.direct_api();
        let (fingerprint, credentials) =
            (direct.local_dtls_fingerprint().clone(), direct.local_ice_credentials());
        let mut direct = client.rtc.direct_api();
        let (theirs, their_credentials) =
            (direct.local_dtls_fingerprint().clone(), direct.local_ice_credentials());
        direct.set_remote_fingerprint(fingerprint);
        direct.set_remote_ice_credentials(credentials);
        let mut direct = server.rtc.direct_api();
        direct.set_remote_fingerprint(theirs);
        direct.set_remote_ice_credentials(their_credentials);
        for (end, leads) in [(&mut server, true), (&mut client, false)] {
            let sends = leads != publishes;
            let mut direct = end.rtc.direct_api();
            direct.set_ice_controlling(leads);
            direct.start_dtls(leads).expect("once");
            direct.declare_media(mid, MediaKind::Video);
            let (ssrc, rtx) = (Ssrc::from(SSRC), Some(Ssrc::from(RTX)));
            match sends {
                true => drop(direct.declare_stream_tx(ssrc, rtx, mid, None)),
                false => drop(direct.expect_stream_rx(ssrc, rtx, mid, None)),
            }
        }
        let mut leg = Self { server, client };
        for _ in 0..10_000 {
            leg.server.timeout(*now);
            leg.client.timeout(*now);
            leg.server.take(*now, &mut leg.client);
            leg.client.take(*now, &mut leg.server);
            if leg.server.rtc.is_connected() && leg.client.rtc.is_connected() {
                return leg;
            }
            *now += Duration::from_millis(1);
        }
        panic!("not connected");
    }
}

pub struct Room {
    now: Instant,
    publisher: Leg,
    receivers: Vec<Leg>,
    pt: Pt,
    payload: Arc<[u8]>,
    sequence: u64,
    timestamp: u32,
}

impl Room {
    pub fn connect() -> Self {
        let mut now = Instant::now();
        let mid = Mid::from("vid");
        let publisher = Leg::connect(&mut now, mid, true);
        let receivers = (0..RECEIVERS).map(|_| Leg::connect(&mut now, mid, false)).collect();
        let vp8 = |params: &&str0m::format::PayloadParams| params.spec().codec == Codec::Vp8;
        let pt = publisher.client.rtc.codec_config().find(|p| vp8(&p)).expect("there is VP8").pt();
        let mut payload = vec![0x90, 0x80, 0x80, 1, 0x11];
        payload.resize(PAYLOAD, 0x5a);
        Self {
            now,
            publisher,
            receivers,
            pt,
            payload: payload.into(),
            sequence: 1_000,
            timestamp: 0,
        }
    }
}

fn write(end: &mut End, packet: RtpWrite) {
    let mut direct = end.rtc.direct_api();
    direct.stream_tx(&Ssrc::from(SSRC)).expect("declared").write_rtp(packet);
}

impl Server for Room {
    fn publish(&mut self) {
        self.timestamp += 360;
        for index in 0..BURST {
            let (sequence, payload) = (self.sequence.into(), self.payload.clone());
            let packet = RtpWrite::new(self.pt, sequence, self.timestamp, self.now, payload);
            write(&mut self.publisher.client, packet.marker(index + 1 == BURST).nackable(true));
            self.sequence += 1;
        }
        self.publisher.client.timeout(self.now);
    }

    fn serve(&mut self) {
        let now = self.now;
        let Leg { server, client } = &mut self.publisher;
        server.take(now, client);
        server.timeout(now);
        for (sequence, time, marker, payload) in server.packets.drain(..) {
            for leg in &mut self.receivers {
                let packet = RtpWrite::new(self.pt, sequence, time, now, payload.clone());
                write(&mut leg.server, packet.marker(marker).nackable(true));
            }
        }
        for leg in &mut self.receivers {
            leg.server.take(now, &mut leg.client);
            leg.server.timeout(now);
        }
    }

    fn deliver(&mut self) -> usize {
        let now = self.now;
        let mut received = 0;
        for leg in self.receivers.iter_mut().chain([&mut self.publisher]) {
            leg.client.take(now, &mut leg.server);
            leg.client.timeout(now);
            received += leg.client.packets.drain(..).count();
        }
        received
    }

    fn advance(&mut self, time: Duration) {
        self.now += time;
    }
}
