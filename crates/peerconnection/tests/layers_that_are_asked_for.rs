//! Simulcast where the receiver makes the offer, as servers do (RFC 8853 §5.3.1), and layers that last through later rounds.

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::{Pair, Peer, negotiate, vp8};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{
    Event, Frame, RtpEncodingParameters, SdpType, SessionDescription, TransceiverDirection,
    TransceiverHandle, TransceiverInit,
};

const RIDS: [&str; 3] = ["q", "h", "f"];

fn asking() -> TransceiverInit {
    TransceiverInit {
        receive_encodings: RIDS.map(str::to_owned).into(),
        ..TransceiverInit::recv_only()
    }
}

fn sdp(peer: &Peer) -> String {
    peer.pc.local_description().unwrap().sdp
}

/// The lines about streams and their layers.
fn streams(sdp: &str) -> Vec<&str> {
    sdp.lines()
        .filter(|line| line.starts_with("a=rid") || line.starts_with("a=simulcast"))
        .collect()
}

fn encodings(peer: &Peer, handle: TransceiverHandle) -> Vec<(String, Option<f64>)> {
    let encodings = &peer.pc.transceiver(handle).unwrap().sender.encodings;
    encodings.iter().map(|one| (one.rid.clone(), one.scale_resolution_down_by)).collect()
}

fn camera(now: Instant, peer: &mut Peer) -> TransceiverHandle {
    peer.pc.add_track(now, MediaKind::Video, "camera", vec!["stream".to_owned()]).unwrap()
}

/// Sends a few pictures in each layer; how many came, by `rid`.
fn flow(pair: &mut Pair, camera: TransceiverHandle, layers: usize) -> BTreeMap<String, usize> {
    let before = pair.a.events.len();
    for index in 0..5u32 {
        let now = pair.now;
        for layer in 0..layers {
            let picture = vp8(index == 0, 300 + layer, index as u8);
            let frame = Frame::new(picture, index * 3000);
            pair.b.pc.send_frame(now, camera, layer, &frame).unwrap();
        }
        pair.run_for(Duration::from_millis(33));
    }
    let mut came = BTreeMap::new();
    for event in &pair.a.events[before..] {
        if let Event::Frame(frame) = event {
            *came.entry(frame.rid.clone().unwrap_or_default()).or_insert(0) += 1;
        }
    }
    came
}

fn all() -> BTreeMap<String, usize> {
    RIDS.map(|rid| (rid.to_owned(), 5)).into()
}

#[test]
fn layers_that_are_asked_for_come() {
    let mut pair = Pair::new(1);
    let now = pair.now;
    pair.a.pc.add_transceiver(now, MediaKind::Video, asking()).unwrap();
    let camera = camera(now, &mut pair.b);
    negotiate(now, &mut pair.a, &mut pair.b);
    let (offer, answer) = (sdp(&pair.a), sdp(&pair.b));
    assert_eq!(
        streams(&offer),
        ["a=rid:q recv", "a=rid:h recv", "a=rid:f recv", "a=simulcast:recv q;h;f"]
    );
    assert_eq!(
        streams(&answer),
        ["a=rid:q send", "a=rid:h send", "a=rid:f send", "a=simulcast:send q;h;f"]
    );
    let expected = [("q", 4.0), ("h", 2.0), ("f", 1.0)].map(|(rid, s)| (rid.to_owned(), Some(s)));
    assert_eq!(encodings(&pair.b, camera), expected);
    pair.connect();
    assert_eq!(flow(&mut pair, camera, 3), all());

    // They last, whoever offers next and for whatever.
    let now = pair.now;
    pair.a.pc.add_track(now, MediaKind::Audio, "voice", vec!["stream".to_owned()]).unwrap();
    negotiate(now, &mut pair.a, &mut pair.b);
    assert_eq!(streams(&sdp(&pair.a)), streams(&offer));
    assert_eq!(flow(&mut pair, camera, 3), all());
    let now = pair.now;
    negotiate(now, &mut pair.b, &mut pair.a);
    assert_eq!(streams(&sdp(&pair.b)), streams(&answer));
    assert_eq!(flow(&mut pair, camera, 3), all());

    // Through a time on hold, too.
    for direction in [TransceiverDirection::Inactive, TransceiverDirection::RecvOnly] {
        let now = pair.now;
        let handle = pair.a.pc.transceivers().next().unwrap().handle;
        pair.a.pc.set_direction(now, handle, direction).unwrap();
        negotiate(now, &mut pair.a, &mut pair.b);
    }
    assert_eq!(streams(&sdp(&pair.a)), streams(&offer));
    assert_eq!(flow(&mut pair, camera, 3), all());
}

/// An offer of the receiver must not take away what the sender's has brought.
#[test]
fn layers_that_the_peer_offered_outlast_an_offer_of_the_receiver() {
    let mut pair = Pair::new(2);
    let now = pair.now;
    let init = TransceiverInit {
        track: Some("camera".to_owned()),
        send_encodings: RIDS.map(RtpEncodingParameters::new).into(),
        ..TransceiverInit::send_only()
    };
    let camera = pair.b.pc.add_transceiver(now, MediaKind::Video, init).unwrap();
    negotiate(now, &mut pair.b, &mut pair.a);
    pair.connect();
    assert_eq!(flow(&mut pair, camera, 3), all());
    let now = pair.now;
    pair.a.pc.add_track(now, MediaKind::Audio, "voice", vec!["stream".to_owned()]).unwrap();
    negotiate(now, &mut pair.a, &mut pair.b);
    assert!(sdp(&pair.a).contains("a=simulcast:recv q;h;f\r\n"), "{}", sdp(&pair.a));
    assert_eq!(encodings(&pair.b, camera).len(), 3);
    assert_eq!(flow(&mut pair, camera, 3), all());
}

#[test]
fn a_peer_without_simulcast_sends_one_stream() {
    let mut pair = Pair::new(3);
    let now = pair.now;
    pair.a.pc.add_transceiver(now, MediaKind::Video, asking()).unwrap();
    let camera = camera(now, &mut pair.b);
    pair.a.pc.set_local_description(now, None).unwrap();
    let mut offer = pair.a.pc.local_description().unwrap();
    let lines = offer.sdp.lines().filter(|line| streams(line).is_empty());
    offer.sdp = lines.map(|line| format!("{line}\r\n")).collect();
    pair.b.pc.set_remote_description(now, offer).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    let answer = pair.b.pc.local_description().unwrap();
    pair.a.pc.set_remote_description(now, answer).unwrap();
    pair.connect();
    assert_eq!(flow(&mut pair, camera, 1), [(String::new(), 5)].into());
}

/// webrtc-pc §4.4.1.5: a rollback takes back what the offer has proposed.
#[test]
fn layers_that_were_proposed_go_with_the_offer() {
    let Pair { now, mut a, mut b, .. } = Pair::new(4);
    a.pc.add_transceiver(now, MediaKind::Video, asking()).unwrap();
    let camera = camera(now, &mut b);
    a.pc.set_local_description(now, None).unwrap();
    let offer = a.pc.local_description().unwrap();
    b.pc.set_remote_description(now, offer).unwrap();
    assert_eq!(encodings(&b, camera).len(), 3);
    let rollback = SessionDescription { kind: SdpType::Rollback, sdp: String::new() };
    b.pc.set_remote_description(now, rollback).unwrap();
    assert_eq!(encodings(&b, camera), [(String::new(), Some(1.0))]);
    negotiate(now, &mut b, &mut a);
    assert!(streams(&sdp(&b)).is_empty(), "{}", sdp(&b));
}

/// One end asks for layers and sends its own in the same section.
#[test]
fn layers_go_both_ways() {
    let Pair { now, mut a, mut b, .. } = Pair::new(5);
    let init = TransceiverInit {
        track: Some("ours".to_owned()),
        send_encodings: ["low", "high"].map(RtpEncodingParameters::new).into(),
        receive_encodings: RIDS.map(str::to_owned).into(),
        ..TransceiverInit::default()
    };
    a.pc.add_transceiver(now, MediaKind::Video, init).unwrap();
    camera(now, &mut b);
    negotiate(now, &mut a, &mut b);
    let line = |peer: &Peer| streams(&sdp(peer)).pop().map(str::to_owned);
    assert_eq!(line(&a).as_deref(), Some("a=simulcast:send low;high recv q;h;f"));
    assert_eq!(line(&b).as_deref(), Some("a=simulcast:send q;h;f recv low;high"));
}

#[test]
fn what_cannot_be_asked_for_is_refused() {
    let Pair { now, mut a, .. } = Pair::new(6);
    let mut refused = |kind, receive: &[&str], send: &[&str]| {
        let init = TransceiverInit {
            receive_encodings: receive.iter().map(|rid| (*rid).to_owned()).collect(),
            send_encodings: send.iter().map(|rid| RtpEncodingParameters::new(*rid)).collect(),
            ..TransceiverInit::default()
        };
        let error = a.pc.add_transceiver(now, kind, init).unwrap_err();
        assert_eq!(error.name(), "TypeError", "{error}");
    };
    refused(MediaKind::Audio, &["a"], &[]);
    refused(MediaKind::Video, &[""], &[]);
    refused(MediaKind::Video, &["a b"], &[]);
    refused(MediaKind::Video, &["a", "a"], &[]);
    refused(MediaKind::Video, &["a"], &["a"]);
    refused(MediaKind::Video, &["1", "2", "3", "4", "5", "6", "7", "8", "9"], &[]);
    assert_eq!(a.pc.transceivers().count(), 0);
}
