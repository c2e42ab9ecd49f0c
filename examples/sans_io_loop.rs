//! The loop that drives a `PeerConnection` without tokio: two of them, a UDP socket each, one thread.
//!
//! The rule: whatever happens, drain `poll_transmit` and `poll_event` afterwards, then wait until `poll_timeout`.

use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime};

use peerage_peerconnection::{Configuration, DataChannelInit, Event, IceGatheringState, Input};
use peerage_peerconnection::{Message, PeerConnection, Protocol, Rng};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

struct Peer {
    pc: PeerConnection,
    socket: UdpSocket,
}

impl Peer {
    fn new(now: Instant) -> Result<Peer> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let mut config = Configuration::new(SystemTime::now());
        config.settings.ice_loopback = true;
        let mut pc = PeerConnection::new(now, config, Rng::from_os())?;
        pc.add_local_address(now, socket.local_addr()?);
        pc.local_addresses_complete(now);
        Ok(Peer { pc, socket })
    }

    /// One turn: send what is due, wait for a datagram or the next timer, take it.
    fn turn(&mut self) -> Result<()> {
        let mut packet = Vec::new();
        while let Some(transmit) = self.pc.poll_transmit(Instant::now(), &mut packet) {
            self.socket.send_to(&packet, transmit.destination)?;
            packet.clear();
        }
        // Two peers take turns on this thread, so neither waits longer than a millisecond.
        let due = self.pc.poll_timeout().map(|at| at.saturating_duration_since(Instant::now()));
        let wait =
            due.unwrap_or_default().clamp(Duration::from_micros(1), Duration::from_millis(1));
        self.socket.set_read_timeout(Some(wait))?;
        let mut buffer = [0; 2048];
        if let Ok((length, source)) = self.socket.recv_from(&mut buffer) {
            let (destination, data) = (self.socket.local_addr()?, &mut buffer[..length]);
            let input = Input { source, destination, protocol: Protocol::Udp, ecn: None, data };
            self.pc.handle_input(Instant::now(), input)?;
        }
        self.pc.handle_timeout(Instant::now());
        Ok(())
    }
}

fn main() -> Result<()> {
    let now = Instant::now();
    let (mut alice, mut bob) = (Peer::new(now)?, Peer::new(now)?);
    let channel = alice.pc.create_data_channel(now, "chat", DataChannelInit::default())?;
    alice.pc.set_local_description(now, None)?;
    while alice.pc.ice_gathering_state() != IceGatheringState::Complete {
        alice.turn()?;
    }
    bob.pc.set_remote_description(now, alice.pc.local_description().ok_or("no offer")?)?;
    bob.pc.set_local_description(now, None)?;
    alice.pc.set_remote_description(now, bob.pc.local_description().ok_or("no answer")?)?;
    while now.elapsed() < Duration::from_secs(30) {
        alice.turn()?;
        bob.turn()?;
        while let Some(event) = alice.pc.poll_event() {
            if event == Event::DataChannelOpen(channel) {
                alice.pc.send(Instant::now(), channel, Message::text("hello"))?;
            }
        }
        while let Some(event) = bob.pc.poll_event() {
            if let Event::Message(_, message) = event {
                println!("Bob reads: {}", message.as_text().unwrap_or_default());
                return Ok(());
            }
        }
    }
    Err("no message within 30 s".into())
}
