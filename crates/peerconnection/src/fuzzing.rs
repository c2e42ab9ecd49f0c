//! Fuzz bodies: a pair of connections driven by commands taken from the input, and single parsers. They live here so that
//! normal test runs compile and exercise them.

mod media;
mod negotiations;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use peerage_crypto::{Certificate, CertificateParams, Rng, default_provider};
use peerage_ice::Protocol;

pub use self::media::media;
pub use self::negotiations::negotiations;
use crate::dcep::DcepMessage;
use crate::jsep::RemoteDescription;
pub use crate::media::fuzzing::media_sections;
use crate::media::{Capabilities, MediaKind};
use crate::{
    BundlePolicy, Configuration, DataChannelHandle, DataChannelInit, Event, IceCandidateInit,
    Input, MAX_TRANSPORTS, Message, OfferOptions, PeerConnection, SdpType, SessionDescription,
    Settings, TransceiverInit,
};

/// Datagrams that a peer holds for the other at most.
const MAX_IN_FLIGHT: usize = 256;

/// DCEP: what parses is written back alike.
pub fn dcep(data: &[u8]) {
    if let Ok(message) = DcepMessage::parse(data) {
        assert_eq!(DcepMessage::parse(&message.to_bytes()), Ok(message));
    }
}

/// A remote description: read, answered, and the answer read again.
pub fn remote_description(data: &[u8]) {
    let Ok(sdp) = std::str::from_utf8(data) else { return };
    let (media, policy) = (Capabilities::default(), BundlePolicy::MaxCompat);
    let _ = RemoteDescription::parse(SdpType::Answer, sdp.to_owned(), &media, policy);
    let mut end = End::new(Instant::now(), 1);
    if end.pc.set_remote_description(end.now, SessionDescription::offer(sdp)).is_ok() {
        end.pc
            .set_local_description(end.now, None)
            .expect("an offer that was taken can be answered");
        let answer = end.pc.local_description().expect("the answer was set").sdp;
        RemoteDescription::parse(SdpType::Answer, answer, &media, policy)
            .expect("our answer parses");
        let _ = end.pc.remote_description();
    }
}

/// How much of a frame stays in the clear: never more than there is, and enough for the packets of the frame to tell what
/// they carry. The first byte chooses the codec.
pub fn clear_prefix(data: &[u8]) {
    const CODECS: [&str; 9] =
        ["VP8", "vp8", "opus", "PCMU", "G722", "H264", "VP9", "AV1", "telephone-event"];
    let Some((&choice, frame)) = data.split_first() else { return };
    let codec = CODECS[usize::from(choice) % CODECS.len()];
    let Some(prefix) = crate::clear_prefix(codec, frame) else { return };
    assert!(prefix <= frame.len());
    if codec.eq_ignore_ascii_case("VP8") && !frame.is_empty() {
        // What follows may be anything: a receiver takes it for the same kind of frame.
        let mut changed = frame.to_vec();
        changed[prefix..].iter_mut().for_each(|byte| *byte ^= 0xA5);
        let is_keyframe = |data: &[u8]| data[0] & 1 == 0;
        assert_eq!(is_keyframe(frame), is_keyframe(&changed));
        assert_eq!(crate::clear_prefix(codec, &changed), Some(prefix));
    }
}

/// Datagrams from a stranger, at a connection that waits for its peer.
pub fn datagrams(data: &[u8]) {
    let mut pair = Pair::new();
    pair.negotiate();
    for chunk in data.chunks(64) {
        let mut datagram = chunk.to_vec();
        pair.a.receive(&mut datagram, pair.b.address);
        pair.a.drain();
    }
}

/// Commands of the application and of the network, each a byte with operands, at two connections.
pub fn commands(data: &[u8]) {
    let mut pair = Pair::new();
    let mut input = data.iter().copied();
    let mut steps = 0;
    while let Some(command) = input.next() {
        steps += 1;
        if steps > 512 {
            break;
        }
        pair.run(command, &mut input);
        pair.exchange();
    }
    pair.a.pc.close(pair.a.now);
    pair.exchange();
    assert!(pair.a.pc.poll_timeout().is_none(), "a closed connection wants nothing any more");
}

struct End {
    pc: PeerConnection,
    now: Instant,
    address: SocketAddr,
    channels: Vec<DataChannelHandle>,
    candidates: Vec<IceCandidateInit>,
    outbox: Vec<Vec<u8>>,
}

impl End {
    fn new(now: Instant, seed: u64) -> Self {
        Self::with(now, seed, |_| {})
    }

    fn with(now: Instant, seed: u64, change: impl FnOnce(&mut Settings)) -> Self {
        static CERTIFICATE: OnceLock<Arc<Certificate>> = OnceLock::new();
        let wall_clock = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let certificate = CERTIFICATE.get_or_init(|| {
            let params = CertificateParams::default();
            let mut rng = Rng::from_seed(0);
            Arc::new(
                Certificate::generate(&default_provider(), params, wall_clock, &mut rng)
                    .expect("generated"),
            )
        });
        let mut config = Configuration::new(wall_clock).certificate(Arc::clone(certificate));
        // The two ends of a pair differ.
        config.bundle_policy = match seed & 1 {
            0 => BundlePolicy::MaxCompat,
            _ => BundlePolicy::Balanced,
        };
        change(&mut config.settings);
        let mut pc = PeerConnection::new(now, config, Rng::from_seed(seed)).expect("valid");
        let address = SocketAddr::from(([192, 0, 2, seed as u8], 5000));
        pc.add_local_address(now, address);
        pc.local_addresses_complete(now);
        Self { pc, now, address, channels: Vec::new(), candidates: Vec::new(), outbox: Vec::new() }
    }

    fn receive(&mut self, datagram: &mut [u8], source: SocketAddr) {
        let input = Input {
            source,
            destination: self.address,
            protocol: Protocol::Udp,
            ecn: None,
            data: datagram,
        };
        let _ = self.pc.handle_input(self.now, input);
    }

    fn drain(&mut self) {
        let mut buf = Vec::new();
        for _ in 0..MAX_IN_FLIGHT {
            buf.clear();
            let Some(transmit) = self.pc.poll_transmit(self.now, &mut buf) else { break };
            assert_eq!(transmit.size, buf.len());
            if self.outbox.len() < MAX_IN_FLIGHT {
                self.outbox.push(buf.clone());
            }
        }
        while let Some(event) = self.pc.poll_event() {
            match event {
                Event::DataChannel(handle) => self.channels.push(handle),
                Event::DataChannelClosed(handle) => {
                    self.channels.retain(|&channel| channel != handle);
                }
                Event::IceCandidate(Some(candidate)) => self.candidates.push(candidate),
                _ => {}
            }
        }
    }
}

struct Pair {
    a: End,
    b: End,
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        Self { a: End::new(now, 1), b: End::new(now, 2) }
    }

    fn negotiate(&mut self) {
        let now = self.a.now;
        let _ = self.a.pc.create_data_channel(now, "a", DataChannelInit::default());
        let _ = self.a.pc.set_local_description(now, None);
        if let Some(offer) = self.a.pc.local_description() {
            let _ = self.b.pc.set_remote_description(now, offer);
        }
        let _ = self.b.pc.set_local_description(now, None);
        if let Some(answer) = self.b.pc.local_description() {
            let _ = self.a.pc.set_remote_description(now, answer);
        }
    }

    /// Delivers what is under way, and what follows from it, for a while.
    fn exchange(&mut self) {
        for _ in 0..8 {
            self.a.drain();
            self.b.drain();
            if self.a.outbox.is_empty() && self.b.outbox.is_empty() {
                break;
            }
            for mut datagram in std::mem::take(&mut self.a.outbox) {
                self.b.receive(&mut datagram, self.a.address);
            }
            for mut datagram in std::mem::take(&mut self.b.outbox) {
                self.a.receive(&mut datagram, self.b.address);
            }
        }
    }

    fn run(&mut self, command: u8, input: &mut impl Iterator<Item = u8>) {
        let mut byte = || input.next().unwrap_or(0);
        let (end, other) = if command & 0x80 == 0 {
            (&mut self.a, &mut self.b)
        } else {
            (&mut self.b, &mut self.a)
        };
        let now = end.now;
        match command & 0x1f {
            0 => {
                let init = DataChannelInit {
                    ordered: byte() & 1 == 0,
                    max_retransmits: (byte() & 1 == 0).then_some(1),
                    ..DataChannelInit::default()
                };
                end.channels.extend(end.pc.create_data_channel(now, "label", init));
            }
            1 => {
                let init = DataChannelInit {
                    negotiated: true,
                    id: Some(byte().into()),
                    ..DataChannelInit::default()
                };
                end.channels.extend(end.pc.create_data_channel(now, "", init));
            }
            2 => drop(end.pc.set_local_description(now, None)),
            3 => {
                if let Some(description) = other.pc.local_description() {
                    let _ = end.pc.set_remote_description(now, description);
                }
            }
            4 => drop(end.pc.create_offer(now, OfferOptions { ice_restart: byte() & 1 == 0 })),
            5 => drop(end.pc.set_local_description(now, Some(SessionDescription::rollback()))),
            6 => drop(end.pc.set_remote_description(now, SessionDescription::rollback())),
            7 => {
                if let Some(mut description) = other.pc.local_description() {
                    // One byte of the description is changed.
                    let position = usize::from(u16::from_be_bytes([byte(), byte()]))
                        % description.sdp.len().max(1);
                    if description.sdp.is_char_boundary(position)
                        && description.sdp.is_char_boundary(position + 1)
                    {
                        let replacement = char::from(byte() & 0x7f).to_string();
                        description.sdp.replace_range(position..position + 1, &replacement);
                    }
                    let _ = end.pc.set_remote_description(now, description);
                }
            }
            8 => {
                for candidate in std::mem::take(&mut other.candidates) {
                    let _ = end.pc.add_ice_candidate(now, Some(candidate));
                }
            }
            9 => drop(end.pc.add_ice_candidate(now, None)),
            10..=13 => {
                let Some(&channel) =
                    end.channels.get(usize::from(byte()) % end.channels.len().max(1))
                else {
                    return;
                };
                let data = Bytes::from(vec![0; usize::from(byte()) * 64]);
                let _ = end.pc.send(now, channel, Message::Binary(data));
            }
            14 => {
                let Some(&channel) =
                    end.channels.get(usize::from(byte()) % end.channels.len().max(1))
                else {
                    return;
                };
                end.pc.close_data_channel(now, channel);
            }
            15 => end.pc.restart_ice(now),
            16 => {
                // A datagram is lost, doubled or spoilt.
                end.drain();
                let (choice, index) = (byte(), usize::from(byte()) % end.outbox.len().max(1));
                let Some(datagram) = end.outbox.get_mut(index) else { return };
                match choice % 3 {
                    0 => drop(end.outbox.swap_remove(index)),
                    1 => {
                        let copy = datagram.clone();
                        end.outbox.push(copy);
                    }
                    _ => {
                        let position = usize::from(byte()) % datagram.len().max(1);
                        if let Some(spoilt) = datagram.get_mut(position) {
                            *spoilt ^= byte();
                        }
                    }
                }
            }
            17 => {
                let mut datagram: Vec<u8> = (0..byte()).map(|_| byte()).collect();
                end.receive(&mut datagram, other.address);
            }
            18 => end.pc.set_receive_paused(byte() & 1 == 0),
            19 => end.pc.close(now),
            20 => {
                let statistics = end.pc.statistics();
                assert!(
                    statistics.data_channels.len()
                        <= end.pc.configuration().settings.sctp.max_data_channels
                );
                assert!(end.pc.local_ufrags().count() <= MAX_TRANSPORTS);
            }
            21 => {
                if let Some(description) = end.pc.local_description() {
                    let kind = if byte() & 1 == 0 { SdpType::PrAnswer } else { SdpType::Answer };
                    let _ = other
                        .pc
                        .set_remote_description(now, SessionDescription { kind, ..description });
                }
            }
            22 => {
                let kind = if byte() & 1 == 0 { MediaKind::Audio } else { MediaKind::Video };
                let _ = end.pc.add_transceiver(now, kind, TransceiverInit::default());
            }
            23 => {
                // The other end seems to know nothing of bundles, or to have two.
                if let Some(mut description) = other.pc.local_description() {
                    let group = match byte() & 1 {
                        0 => "a=ignored:",
                        _ => "a=group:BUNDLE 0\r\na=group:BUNDLE ",
                    };
                    description.sdp = description.sdp.replace("a=group:BUNDLE 0 ", group);
                    let _ = end.pc.set_remote_description(now, description);
                }
            }
            24 => {
                let handle = end.pc.transceivers().map(|t| t.handle).nth(usize::from(byte() & 3));
                if let Some(handle) = handle {
                    let _ = end.pc.stop_transceiver(now, handle);
                }
            }
            _ => {
                // Time passes at both ends.
                let by = Duration::from_millis(u64::from(byte()) * u64::from(command & 0x0f));
                for end in [&mut self.a, &mut self.b] {
                    end.now += by;
                    if end.pc.poll_timeout().is_some_and(|at| at <= end.now) {
                        end.pc.handle_timeout(end.now);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "../../../fuzz/inputs.rs"]
mod inputs;

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        Rng::from_seed(seed).fill(&mut data);
        data
    }

    #[test]
    fn bodies_hold_on_noise() {
        for seed in 0..20 {
            let data = noise(seed, 400);
            dcep(&data);
            media_sections(&data);
            remote_description(&data);
            datagrams(&data);
            commands(&data);
        }
        for seed in 0..60 {
            negotiations(&noise(seed, 300));
            clear_prefix(&noise(seed, 40));
        }
        for seed in 0..16 {
            media(&noise(seed, 1_500));
        }
    }

    #[test]
    fn bodies_hold_on_a_call() {
        // Channel, offer, answer, time, messages, restart, close.
        let script = [
            0x00, 0, 1, 0x02, 0x83, 0x82, 0x03, 0x08, 0x88, 0x1f, 60, 0x1f, 60, 0x1f, 60, 0x0a, 0,
            200, 0x0a, 0, 3, 0x0f, 0x02, 0x83, 0x82, 0x03, 0x1f, 20, 0x0e, 0, 0x1f, 20, 0x14, 0x93,
        ];
        commands(&script);
        let mut end = End::new(Instant::now(), 1);
        let _ = end.pc.create_data_channel(end.now, "a", DataChannelInit::default());
        let offer = end.pc.create_offer(end.now, OfferOptions::default()).unwrap().sdp;
        remote_description(offer.as_bytes());
    }

    #[test]
    fn seeds_and_regressions_hold() {
        inputs::run("peerconnection_commands", commands);
        inputs::run("peerconnection_datagrams", datagrams);
        inputs::run("peerconnection_dcep", dcep);
        inputs::run("peerconnection_clear_prefix", clear_prefix);
        inputs::run("peerconnection_media", media);
        inputs::run("peerconnection_media_sections", media_sections);
        inputs::run("peerconnection_negotiations", negotiations);
        inputs::run("peerconnection_remote_description", remote_description);
    }
}
