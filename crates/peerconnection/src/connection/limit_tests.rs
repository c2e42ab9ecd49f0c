//! Limits that the peer sets (RFC 5104 §4.2), and goodbyes as they are queued: seen from inside, for no call of ours sends
//! what the peer does here.

use std::time::Duration;

use peerage_netsim::{LinkConfig, Loss};
use peerage_rtp::Ssrc;
use peerage_rtp::rtcp::{BitrateLimit, FeedbackSources, Goodbye, Packet, Tmmbr, packets};

use super::tests::common::call::Call;
use super::tests::common::{Pair, config};
use crate::media::MediaKind;
use crate::{Input, Protocol, TransceiverHandle};

/// A source of the peer's that is in no description and sends no media.
const OWNER: u32 = 0x0bad;
const LIMIT: u64 = 64_000;

/// A connected pair whose `a` sends video, and its source.
fn calling(seed: u64) -> (Pair, TransceiverHandle, u32) {
    let mut pair = Pair::new(seed);
    let video = pair.a.pc.add_track(pair.now, MediaKind::Video, "v", vec!["s".into()]).unwrap();
    pair.negotiate();
    pair.connect();
    let ssrc = pair.a.pc.transceivers.get(video).unwrap().sender.ssrcs[0].0;
    (pair, video, ssrc)
}

/// Hands `a` what `b` has sealed.
fn inject(pair: &mut Pair, packet: Vec<u8>) {
    let mut data = pair.b.pc.transports[0].rtp.seal(packet);
    let (source, destination) = (pair.b.address, pair.a.address);
    let input = Input { source, destination, protocol: Protocol::Udp, ecn: None, data: &mut data };
    pair.a.pc.handle_input(pair.now, input).unwrap();
}

/// An empty receiver report (RFC 3550 §6.4.2).
fn report(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet
}

fn request(owner: u32, source: u32) -> Vec<u8> {
    let mut packet = report(owner);
    let limits = [BitrateLimit { ssrc: Ssrc(source), bitrate: LIMIT, overhead: 40 }];
    let sources = FeedbackSources { sender: Ssrc(owner), media: Ssrc(0) };
    Tmmbr { sources, limits: (&limits).into() }.write(&mut packet);
    packet
}

/// Whose limits the notifications that wait name, one list for each notification.
fn told(pair: &Pair) -> Vec<Vec<u32>> {
    let waiting = pair.a.pc.transports[0].rtp.waiting_rtcp();
    let told = waiting.iter().flat_map(|compound| packets(compound)).filter_map(|packet| {
        match packet.unwrap() {
            Packet::Tmmbn(told) => Some(told.limits.iter().map(|limit| limit.ssrc.0).collect()),
            _ => None,
        }
    });
    told.collect()
}

fn is_limited(pair: &Pair, video: TransceiverHandle) -> bool {
    pair.a.pc.target_bitrate(video, 0).unwrap() <= LIMIT
}

/// A limited `a`, after so many seconds in which its owner reported every so often.
fn limited(seed: u64, seconds: u64, reports: u64) -> (Pair, TransceiverHandle) {
    let (mut pair, video, ssrc) = calling(seed);
    assert!(!is_limited(&pair, video));
    inject(&mut pair, request(OWNER, ssrc));
    assert_eq!(told(&pair), [vec![OWNER]]);
    for second in 1..=seconds {
        pair.run_for(Duration::from_secs(1));
        if second % reports == 0 {
            inject(&mut pair, report(OWNER));
        }
        assert!(is_limited(&pair, video), "after {second} s");
    }
    (pair, video)
}

#[test]
fn a_limit_ends_with_five_intervals_of_silence_and_that_is_told() {
    let (mut pair, video) = limited(610, 24, u64::MAX);
    // `b` reports all the time, under another source.
    pair.now += Duration::from_secs(1);
    pair.a.pc.handle_timeout(pair.now);
    assert_eq!(told(&pair), [vec![0; 0]], "RFC 5104 §4.2.2.2: without any FCI");
    pair.run_for(Duration::from_secs(2));
    assert!(!is_limited(&pair, video));
    assert_eq!(pair.a.pc.transports[0].rtp.waiting_rtcp().len(), 0);
}

#[test]
fn a_limit_lasts_while_its_owner_reports() {
    limited(611, 120, 20);
}

#[test]
fn a_limit_ends_with_a_goodbye_and_that_is_told() {
    let (mut pair, video) = limited(612, 3, u64::MAX);
    let mut packet = report(OWNER);
    Goodbye { sources: (&[Ssrc(OWNER)][..]).into(), reason: None }.write(&mut packet);
    inject(&mut pair, packet);
    pair.a.pc.handle_timeout(pair.now);
    assert_eq!(told(&pair), [vec![0; 0]]);
    pair.run_for(Duration::from_secs(2));
    assert!(!is_limited(&pair, video));
}

#[test]
fn requests_under_sources_without_end_are_answered_and_kept_of_a_few() {
    let (mut pair, video, ssrc) = calling(613);
    for owner in 1..=2_000 {
        inject(&mut pair, request(owner, ssrc));
        pair.run_for(Duration::from_millis(5));
    }
    assert!(is_limited(&pair, video));
    inject(&mut pair, request(9_999, ssrc));
    pair.now += Duration::from_millis(100);
    pair.a.pc.handle_timeout(pair.now);
    assert_eq!(told(&pair), [[1]], "the first has set it, and the others ask for no less");
    pair.run_for(Duration::from_secs(26));
    assert!(!is_limited(&pair, video));
}

/// Sources of `a` that the RTCP that waits says goodbye of.
fn leaving(pair: &Pair) -> Vec<u32> {
    let mut leaving = Vec::new();
    for compound in pair.a.pc.transports[0].rtp.waiting_rtcp() {
        for packet in packets(&compound) {
            if let Packet::Goodbye(goodbye) = packet.unwrap() {
                leaving.extend(goodbye.sources.iter().map(|ssrc| ssrc.0));
            }
        }
    }
    leaving
}

#[test]
fn goodbyes_find_room_and_name_the_source_of_parity() {
    let configuration = || {
        let mut config = config();
        config.settings.media.enable_flexfec();
        config
    };
    let path = LinkConfig::new().delay(Duration::from_millis(80)).loss(Loss::Random(0.05));
    let mut call = Call::new(614, configuration(), configuration(), path);
    call.run(Duration::from_secs(8));
    let (pair, video) = (&mut call.pair, call.video);
    assert!(pair.a.pc.statistics().rtp.fec_packets_sent > 0);
    let (ssrc, rtx) = pair.a.pc.transceivers.get(video).unwrap().sender.ssrcs[0];
    // As much waits as may, while nothing is taken.
    for _ in 0..100 {
        pair.now += Duration::from_millis(100);
        inject(pair, request(OWNER, ssrc));
    }
    assert!(pair.a.pc.transports[0].rtp.waiting_rtcp().len() >= 64);
    pair.a.pc.stop_transceiver(pair.now, video).unwrap();
    assert_eq!(leaving(pair), [ssrc, rtx, crate::transceiver::fec_source((ssrc, rtx))]);
}
