//! What the peer's description asks of the sender: layers of a simulcast (RFC 8853 §5.3.2; webrtc-pc §4.4.1.5,
//! "proposedSendEncodings") and no more than so many bits a second (RFC 9429 §5.10).

mod common;

use common::{Pair, Peer, frames, vp8};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{
    Event, Frame, RtpEncodingParameters, SessionDescription, TransceiverDirection,
    TransceiverHandle, TransceiverInit,
};
use std::time::{Duration, Instant};

const RIDS: [&str; 3] = ["q", "h", "f"];
const PATIENCE: Duration = Duration::from_secs(5);

/// The offer of a server that would receive video as a simulcast.
fn offer_of_sfu(now: Instant, peer: &mut Peer, rids: &[&str]) -> SessionDescription {
    peer.pc.set_local_description(now, None).unwrap();
    asking(peer.pc.local_description().unwrap(), rids)
}

fn asking(mut offer: SessionDescription, rids: &[&str]) -> SessionDescription {
    let lines = rids.iter().map(|rid| format!("a=rid:{rid} recv\r\n")).collect::<String>();
    offer.sdp.push_str(&format!("{lines}a=simulcast:recv {}\r\n", rids.join(";")));
    offer
}

fn rids_of(peer: &Peer, handle: TransceiverHandle) -> Vec<String> {
    let encodings = &peer.pc.transceiver(handle).unwrap().sender.encodings;
    encodings.iter().map(|encoding| encoding.rid.clone()).collect()
}

#[test]
fn an_offer_that_asks_for_a_simulcast_is_answered_with_one() {
    let mut pair = Pair::new(70);
    let now = pair.now;
    let server = pair.a.pc.add_transceiver(now, MediaKind::Video, TransceiverInit::recv_only());
    let server = server.unwrap();
    let video = pair.b.pc.add_track(now, MediaKind::Video, "camera", vec!["s".into()]).unwrap();
    let offer = offer_of_sfu(now, &mut pair.a, &RIDS);
    pair.b.pc.set_remote_description(now, offer).unwrap();
    assert_eq!(rids_of(&pair.b, video), RIDS);
    let encodings = &pair.b.pc.transceiver(video).unwrap().sender.encodings;
    let scales: Vec<_> = encodings.iter().map(|e| e.scale_resolution_down_by).collect();
    assert_eq!(scales, [Some(4.0), Some(2.0), Some(1.0)]);
    pair.b.pc.set_local_description(now, None).unwrap();
    let answer = pair.b.pc.local_description().unwrap();
    assert!(answer.sdp.contains("a=simulcast:send q;h;f\r\n"), "{}", answer.sdp);
    assert!(!answer.sdp.contains("a=ssrc:"), "sources are found by their identifiers");
    // Whether the offerer takes the layers is no matter of this end.
    pair.a.pc.set_remote_description(now, answer).unwrap();
    pair.connect();
    assert!(pair.a.pc.transceiver(server).is_some());
    for encoding in 0..3 {
        let frame = Frame::new(vp8(true, 900, encoding as u8), 0);
        pair.b.pc.send_frame(pair.now, video, encoding, &frame).unwrap();
    }
    assert!(pair.run_until(PATIENCE, |pair| frames(&pair.a.events).len() == 3));
}

#[test]
fn a_transceiver_that_the_offer_makes_has_its_layers() {
    let Pair { now, mut a, mut b, .. } = Pair::new(71);
    a.pc.add_transceiver(now, MediaKind::Video, TransceiverInit::recv_only()).unwrap();
    let offer = offer_of_sfu(now, &mut a, &RIDS[1..]);
    b.pc.set_remote_description(now, offer).unwrap();
    let handle = b.pc.transceivers().next().unwrap().handle;
    assert_eq!(rids_of(&b, handle), RIDS[1..]);
    b.pc.replace_track(now, handle, Some("camera".to_owned())).unwrap();
    b.pc.set_direction(now, handle, TransceiverDirection::SendOnly).unwrap();
    b.pc.set_local_description(now, None).unwrap();
    let answer = b.pc.local_description().unwrap().sdp;
    assert!(answer.contains("a=simulcast:send h;f\r\n"), "{answer}");
}

#[test]
fn a_rollback_or_another_offer_takes_the_layers_back() {
    let Pair { now, mut a, mut b, .. } = Pair::new(72);
    a.pc.add_transceiver(now, MediaKind::Video, TransceiverInit::recv_only()).unwrap();
    let video = b.pc.add_track(now, MediaKind::Video, "camera", vec!["s".into()]).unwrap();
    let offer = offer_of_sfu(now, &mut a, &RIDS);
    let plain = a.pc.local_description().unwrap();
    b.pc.set_remote_description(now, offer.clone()).unwrap();
    b.pc.set_remote_description(now, SessionDescription::rollback()).unwrap();
    assert_eq!(rids_of(&b, video), [""]);
    b.pc.set_remote_description(now, offer).unwrap();
    b.pc.set_remote_description(now, asking(plain.clone(), &["x", "y"])).unwrap();
    assert_eq!(rids_of(&b, video), ["x", "y"]);
    b.pc.set_remote_description(now, plain).unwrap();
    assert_eq!(rids_of(&b, video), [""]);
    b.pc.set_local_description(now, None).unwrap();
    let answer = b.pc.local_description().unwrap().sdp;
    assert!(!answer.contains("a=simulcast") && answer.contains("a=ssrc:"), "{answer}");
}

/// Layers that the application has named are its own.
#[test]
fn layers_of_the_application_are_not_replaced() {
    let Pair { now, mut a, mut b, .. } = Pair::new(73);
    let init = TransceiverInit {
        send_encodings: RIDS.map(RtpEncodingParameters::new).into(),
        ..TransceiverInit::default()
    };
    let video = b.pc.add_transceiver(now, MediaKind::Video, init).unwrap();
    common::negotiate(now, &mut b, &mut a);
    assert_eq!(rids_of(&b, video), RIDS);
    // The server would have other layers now, and one of those.
    a.pc.set_local_description(now, None).unwrap();
    let mut offer = a.pc.local_description().unwrap();
    let keeps = |line: &&str| !line.starts_with("a=simulcast") && !line.starts_with("a=rid:");
    let lines: Vec<&str> = offer.sdp.lines().filter(keeps).collect();
    offer.sdp = lines.iter().map(|line| format!("{line}\r\n")).collect();
    b.pc.set_remote_description(now, asking(offer, &["z", "h"])).unwrap();
    b.pc.set_local_description(now, None).unwrap();
    let answer = b.pc.local_description().unwrap().sdp;
    assert!(answer.contains("a=simulcast:send h\r\n"), "{answer}");
    assert_eq!(rids_of(&b, video), ["h"]);
}

/// What `b` may send once it has answered, where the description of `a` says this of bandwidth.
fn targets(line: &str, encodings: &[&str]) -> Vec<u64> {
    let mut pair = Pair::new(74);
    let now = pair.now;
    let init = TransceiverInit {
        send_encodings: encodings.iter().map(|rid| RtpEncodingParameters::new(*rid)).collect(),
        ..TransceiverInit::send_only()
    };
    let video = pair.a.pc.add_transceiver(now, MediaKind::Video, init).unwrap();
    pair.a.pc.set_local_description(now, None).unwrap();
    pair.b.pc.set_remote_description(now, pair.a.pc.local_description().unwrap()).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    let mut answer = pair.b.pc.local_description().unwrap();
    // `b=` stands between `c=` and the attributes of the section.
    let (head, attributes) = answer.sdp.split_once("a=mid:0").unwrap();
    answer.sdp = format!("{head}{line}a=mid:0{attributes}");
    pair.a.pc.set_remote_description(now, answer).unwrap();
    pair.connect();
    let count = encodings.len().max(1);
    (0..count).map(|encoding| pair.a.pc.target_bitrate(video, encoding).unwrap()).collect()
}

#[test]
fn bandwidth_of_the_description_bounds_what_is_sent() {
    let free = targets("", &[])[0];
    assert!(free > 200_000, "{free}");
    let kept = targets("b=TIAS:120000\r\n", &[])[0];
    assert!((110_000..=120_000).contains(&kept), "{kept}");
    // 180 * 1000 * 0.95 - 50 * 40 * 8.
    let kept = targets("b=AS:180\r\n", &[])[0];
    assert!((145_000..=155_000).contains(&kept), "{kept}");
    assert_eq!(targets("b=TIAS:0\r\n", &[]), [0]);
    // All layers together.
    let layers = targets("b=TIAS:240000\r\n", &RIDS);
    assert!(layers[0] > 0 && layers.iter().sum::<u64>() <= 240_000, "{layers:?}");
}

/// What `a` may send of audio and of video, where the answer has these lines before its first section and in its first one.
fn call_with(session: &str, audio: &str) -> (Pair, [TransceiverHandle; 2]) {
    let mut pair = Pair::new(75);
    let now = pair.now;
    let handles = [MediaKind::Audio, MediaKind::Video]
        .map(|kind| pair.a.pc.add_transceiver(now, kind, TransceiverInit::send_only()).unwrap());
    pair.a.pc.set_local_description(now, None).unwrap();
    pair.b.pc.set_remote_description(now, pair.a.pc.local_description().unwrap()).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    let mut answer = pair.b.pc.local_description().unwrap();
    answer.sdp = answer.sdp.replacen("t=0 0\r\n", &format!("{session}t=0 0\r\n"), 1);
    answer.sdp = answer.sdp.replacen("a=mid:0", &format!("{audio}a=mid:0"), 1);
    pair.a.pc.set_remote_description(now, answer).unwrap();
    pair.connect();
    (pair, handles)
}

#[test]
fn bandwidth_of_the_session_bounds_all_together() {
    let targets = |session: &str| {
        let (pair, handles) = call_with(session, "");
        handles.map(|handle| pair.a.pc.target_bitrate(handle, 0).unwrap())
    };
    let free = targets("");
    assert!(free.iter().sum::<u64>() > 250_000, "{free:?}");
    let kept = targets("b=TIAS:120000\r\n");
    assert!(kept.iter().all(|rate| *rate > 0), "{kept:?}");
    assert!((90_000..=120_000).contains(&kept.iter().sum::<u64>()), "{kept:?}");
    assert_eq!(targets("b=AS:0\r\n"), [0, 0]);
    // It gives audio no more than it has without.
    assert_eq!(targets("b=TIAS:10000000\r\n"), free);
}

#[test]
fn packet_times_of_the_description_are_told() {
    let (mut pair, [audio, video]) = call_with("", "a=ptime:40\r\na=maxptime:60\r\n");
    let times = |pair: &mut Pair, handle| {
        let sent = pair.a.pc.get_parameters(pair.now, handle).unwrap().packet_times;
        assert_eq!(pair.a.pc.encoding_target(handle, 0).unwrap().packet_times, sent);
        (sent.preferred, sent.max)
    };
    let milliseconds = |time| Some(Duration::from_millis(time));
    assert_eq!(times(&mut pair, audio), (milliseconds(40), milliseconds(60)));
    assert_eq!(times(&mut pair, video), (None, None));
    // Another offer may say something else, and encoders hear of it.
    let now = pair.now;
    pair.a.events.clear();
    pair.b.pc.set_local_description(now, None).unwrap();
    let mut offer = pair.b.pc.local_description().unwrap();
    offer.sdp = offer.sdp.replacen("a=mid:0", "a=ptime:120\r\na=maxptime:100\r\na=mid:0", 1);
    pair.a.pc.set_remote_description(now, offer).unwrap();
    pair.a.pc.set_local_description(now, None).unwrap();
    pair.drain();
    assert_eq!(times(&mut pair, audio), (milliseconds(100), milliseconds(100)));
    assert!(pair.a.has(&Event::EncodingChanged { transceiver: audio, encoding: 0 }));
}
