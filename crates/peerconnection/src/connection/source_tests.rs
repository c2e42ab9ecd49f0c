//! Sources of the peer that come and go, more than are kept: seen from inside, for an honest end has few.

use std::time::Duration;

use peerage_rtp::rtcp::{self, Packet};

use super::tests::common::{Pair, config};
use crate::media::MediaKind;
use crate::{Input, Protocol};

/// `a` may send audio to `b`; both take reports by stream (RFC 8888).
fn pair_with_audio(seed: u64) -> Pair {
    let config = || {
        let mut config = config();
        config.settings.media.enable_ccfb();
        config
    };
    let mut pair = Pair::with(seed, config(), config());
    pair.a.pc.add_track(pair.now, MediaKind::Audio, "track", vec!["s".into()]).unwrap();
    pair.negotiate();
    pair.connect();
    pair
}

/// Hands `b` a packet that `a` would not send.
fn inject(pair: &mut Pair, packet: Vec<u8>) {
    let mut data = pair.a.pc.transports[0].rtp.seal(packet);
    let (source, destination) = (pair.a.address, pair.b.address);
    let protocol = Protocol::Udp;
    let input = Input { source, destination, protocol, ecn: None, data: &mut data };
    pair.b.pc.handle_input(pair.now, input).unwrap();
    while pair.b.pc.poll_event().is_some() {}
}

/// A packet of audio that names its section.
fn audio(pair: &Pair, ssrc: u32, number: u16) -> Vec<u8> {
    let transceiver = pair.b.pc.transceivers.iter().next().unwrap();
    let payload_type = transceiver.agreed.as_ref().unwrap().codecs[0].receive;
    let mut packet = vec![0x90, payload_type];
    packet.extend(number.to_be_bytes());
    packet.extend((u32::from(number) * 960).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xbe, 0xde, 0, 1, pair.a.pc.transports[0].rtp.mid_extension() << 4, b'0', 0, 0]);
    packet.extend([7; 60]);
    packet
}

fn heard(pair: &Pair) -> u64 {
    pair.b.pc.statistics().rtp.packets_received
}

/// RFC 3550 §6.3.5: a source that was silent for long is gone, whether it said goodbye or not.
#[test]
fn a_source_that_fell_silent_makes_room_for_another() {
    let mut pair = pair_with_audio(300);
    for ssrc in 1..=1_024 {
        let packet = audio(&pair, ssrc, 1);
        inject(&mut pair, packet);
    }
    pair.run_for(Duration::from_secs(9));
    // All but one go on, and another begins: it must not take the place of one that speaks.
    for ssrc in 2..=1_024 {
        let packet = audio(&pair, ssrc, 2);
        inject(&mut pair, packet);
    }
    assert_eq!(heard(&pair), 2 * 1_024 - 1);
    let dropped = |pair: &Pair| pair.b.pc.statistics().rtp.packets_dropped;
    let first = audio(&pair, 5_000, 1);
    inject(&mut pair, first);
    assert_eq!(dropped(&pair), 1, "none was silent for ten seconds");
    pair.run_for(Duration::from_secs(2));
    for (ssrc, dropped_then) in [(5_000, 1), (5_001, 2)] {
        let packet = audio(&pair, ssrc, 2);
        inject(&mut pair, packet);
        assert_eq!(dropped(&pair), dropped_then, "source {ssrc}: one place was free");
    }
    let packet = audio(&pair, 2, 3);
    inject(&mut pair, packet);
    assert_eq!(dropped(&pair), 2, "those that speak are heard as before");
}

/// Arrivals are recorded for 1,024 streams at most: those of ended streams must not stay.
#[test]
fn arrivals_of_ended_sources_are_forgotten() {
    let mut pair = pair_with_audio(301);
    let mut reported = 0;
    for ssrc in 1..1_100u32 {
        let packet = audio(&pair, ssrc, 1);
        inject(&mut pair, packet);
        if ssrc > 1_090 {
            reported += u32::from(is_reported(&mut pair, ssrc));
        }
        // An empty receiver report goes first (RFC 3550 §6.1).
        let mut goodbye = vec![0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 203, 0, 1];
        goodbye.extend(ssrc.to_be_bytes());
        inject(&mut pair, goodbye);
    }
    assert_eq!(reported, 9);
}

/// Whether the next report on arrivals is about a source.
fn is_reported(pair: &mut Pair, ssrc: u32) -> bool {
    pair.now += Duration::from_millis(300);
    pair.b.pc.transports[0].rtp.handle_timeout(pair.now);
    let waiting = pair.b.pc.transports[0].rtp.waiting_rtcp();
    pair.drain();
    waiting.iter().flat_map(|datagram| rtcp::packets(datagram)).any(|packet| match packet {
        Ok(Packet::CongestionControlFeedback(feedback)) => {
            feedback.streams().any(|stream| stream.ssrc.0 == ssrc)
        }
        _ => false,
    })
}
