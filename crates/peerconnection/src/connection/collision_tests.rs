//! Both ends use the same source: seen from inside, for of 2^32 nobody draws the same twice.

use std::time::Duration;

use peerage_rtp::rtcp;

use super::tests::common::{Pair, frames, vp8};
use crate::media::MediaKind;
use crate::{Event, Frame, SessionDescription, TransceiverHandle};

const FRAME_TIME: Duration = Duration::from_millis(33);

fn sources(pc: &super::PeerConnection) -> (u32, u32) {
    pc.transceivers.iter().next().unwrap().sender.ssrcs[0]
}

/// A description that does not say which sources there are.
fn unsaid(description: SessionDescription) -> SessionDescription {
    let lines = description.sdp.split_inclusive('\n');
    SessionDescription { sdp: lines.filter(|l| !l.starts_with("a=ssrc")).collect(), ..description }
}

/// Both ends have video to send, from the same source.
fn pair(seed: u64) -> (Pair, [TransceiverHandle; 2]) {
    let mut pair = Pair::new(seed);
    let now = pair.now;
    let ours = pair.a.pc.add_track(now, MediaKind::Video, "a", vec!["s".into()]).unwrap();
    let theirs = pair.b.pc.add_track(now, MediaKind::Video, "b", vec!["s".into()]).unwrap();
    let same = sources(&pair.a.pc);
    pair.b.pc.transceivers.get_mut(theirs).unwrap().sender.ssrcs[0] = same;
    (pair, [ours, theirs])
}

/// Negotiates without a word of sources.
fn negotiate(pair: &mut Pair) {
    let now = pair.now;
    pair.a.pc.set_local_description(now, None).unwrap();
    let offer = unsaid(pair.a.pc.local_description().unwrap());
    pair.b.pc.set_remote_description(now, offer).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    let answer = unsaid(pair.b.pc.local_description().unwrap());
    pair.a.pc.set_remote_description(now, answer).unwrap();
    pair.connect();
}

/// Sends pictures both ways; how many came to each end.
fn send(pair: &mut Pair, handles: [TransceiverHandle; 2], count: u32) -> [usize; 2] {
    let before = [frames(&pair.a.events).len(), frames(&pair.b.events).len()];
    for number in 0..count {
        for (peer, handle) in [(&mut pair.a, handles[0]), (&mut pair.b, handles[1])] {
            let asked = |event: &Event| matches!(event, Event::KeyframeRequested { .. });
            let keyframe = number == 0 || peer.events.iter().any(asked);
            peer.events.retain(|event| !asked(event));
            let frame = Frame::new(vp8(keyframe, 900, number as u8), number * 3000);
            peer.pc.send_frame(pair.now, handle, 0, &frame).unwrap();
        }
        pair.run_for(FRAME_TIME);
    }
    pair.run_for(Duration::from_millis(200));
    [frames(&pair.a.events).len() - before[0], frames(&pair.b.events).len() - before[1]]
}

fn collisions(pair: &Pair) -> [u64; 2] {
    [&pair.a, &pair.b].map(|peer| peer.pc.statistics().rtp.ssrc_collisions)
}

#[test]
fn ours_becomes_another_and_the_old_one_says_goodbye() {
    let (mut pair, handles) = pair(300);
    let same = sources(&pair.a.pc);
    negotiate(&mut pair);
    assert_eq!(sources(&pair.b.pc), same);
    let came = send(&mut pair, handles, 60);
    let [of_a, of_b] = [&pair.a, &pair.b].map(|peer| sources(&peer.pc));
    assert!(of_a.0 != same.0 && of_b.0 != same.0 && of_a.0 != of_b.0, "RFC 3550 §8.2");
    assert!(
        collisions(&pair).iter().all(|count| (1..=2).contains(count)),
        "{:?}",
        collisions(&pair)
    );
    assert!(came.iter().all(|count| *count >= 50), "{came:?}");
    // Each hears the other's new source only.
    for (peer, theirs) in [(&pair.a, of_b), (&pair.b, of_a)] {
        let heard = peer.pc.transports[0].rtp.inbound_sources();
        assert_eq!(heard, [theirs.0], "{same:?} has said goodbye");
    }
    // The next description has it.
    pair.a.pc.set_local_description(pair.now, None).unwrap();
    let offer = pair.a.pc.local_description().unwrap().sdp;
    assert!(offer.contains(&format!("a=ssrc:{} ", of_a.0)), "{offer}");
    assert!(!offer.contains(&format!("a=ssrc:{} ", same.0)), "{offer}");
}

#[test]
fn a_peer_that_always_has_ours_makes_us_change_no_more_than_once() {
    let (mut pair, handles) = pair(301);
    negotiate(&mut pair);
    send(&mut pair, handles, 10);
    let changed = sources(&pair.a.pc);
    let follow = |pair: &mut Pair| {
        let (ours, now) = (sources(&pair.a.pc), pair.now);
        pair.b.pc.transceivers.get_mut(handles[1]).unwrap().sender.ssrcs[0] = ours;
        pair.b.pc.configure_rtp(now);
    };
    let before = collisions(&pair)[0];
    follow(&mut pair);
    let came = send(&mut pair, handles, 30);
    assert_eq!(sources(&pair.a.pc), changed, "it is known for that");
    assert!(collisions(&pair)[0] > before);
    assert!(came[0] >= 20, "what it sends is taken: {came:?}");
    // Once it has not been so for a while, it may be by accident.
    pair.b.pc.transceivers.get_mut(handles[1]).unwrap().sender.ssrcs[0] = (1, 2);
    let now = pair.now;
    pair.b.pc.configure_rtp(now);
    send(&mut pair, handles, 10);
    pair.run_for(Duration::from_secs(60));
    assert_eq!(sources(&pair.a.pc), changed);
    pair.a.pc.transports[0].rtp.forget_source(changed.0);
    follow(&mut pair);
    send(&mut pair, handles, 10);
    assert_ne!(sources(&pair.a.pc), changed);
}

#[test]
fn an_offer_that_names_ours_is_answered_with_another() {
    let (mut pair, _) = pair(302);
    let same = sources(&pair.a.pc);
    let now = pair.now;
    pair.b.pc.set_local_description(now, None).unwrap();
    let offer = pair.b.pc.local_description().unwrap();
    assert!(offer.sdp.contains(&format!("a=ssrc:{} ", same.0)), "{}", offer.sdp);
    pair.a.pc.set_remote_description(now, offer).unwrap();
    pair.a.pc.set_local_description(now, None).unwrap();
    let answer = pair.a.pc.local_description().unwrap().sdp;
    assert!(answer.contains(&format!("a=ssrc:{} ", sources(&pair.a.pc).0)), "{answer}");
    for ssrc in [same.0, same.1] {
        assert!(!answer.contains(&format!("a=ssrc:{ssrc} ")), "{answer}");
    }
}

#[test]
fn the_name_of_a_source_tells_as_well() {
    let (mut pair, handles) = pair(303);
    negotiate(&mut pair);
    send(&mut pair, handles, 30);
    // So that the peer is not known for it any more.
    pair.run_for(Duration::from_secs(60));
    for (name, changes) in [(pair.a.pc.cname.to_string(), false), ("another".to_owned(), true)] {
        let ours = sources(&pair.a.pc);
        let mut packet = Vec::new();
        let ssrc = peerage_rtp::Ssrc(ours.0);
        rtcp::ReceiverReport { ssrc, reports: (&[][..]).into() }.write(&mut packet);
        // RFC 3550 §6.5: one chunk with a CNAME.
        let mut chunk = ours.0.to_be_bytes().to_vec();
        chunk.extend([1, name.len() as u8]);
        chunk.extend(name.as_bytes());
        chunk.push(0);
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        packet.extend([0x81, 202, 0, (chunk.len() / 4) as u8]);
        packet.extend(chunk);
        let mut data = pair.b.pc.transports[0].rtp.seal(packet);
        let (source, destination) = (pair.b.address, pair.a.address);
        let protocol = crate::Protocol::Udp;
        let input = crate::Input { source, destination, protocol, ecn: None, data: &mut data };
        pair.a.pc.handle_input(pair.now, input).unwrap();
        pair.drain();
        assert_eq!(sources(&pair.a.pc) != ours, changes, "{name}");
    }
}
