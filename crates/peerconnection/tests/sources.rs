//! What is sent changes without a new description: other sources on the same stream, redundant audio, fewer layers than
//! were offered; and how many transceivers an offer may make.

mod common;

use std::time::Duration;

use common::{Pair, frames, negotiate};
use peerage_peerconnection::media::{Capabilities, MediaKind, RtpCodec};
use peerage_peerconnection::{
    ConnectionState, Frame, RtpEncodingParameters, SignalingState, TransceiverHandle,
    TransceiverInit,
};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn audio(names: &[&str]) -> Vec<RtpCodec> {
    let all = Capabilities::default().rtp_codecs(MediaKind::Audio);
    let named = |name: &&str| all.iter().find(|codec| codec.is(name)).cloned();
    names.iter().filter_map(named).collect()
}

fn calling(seed: u64, codecs: &[&str]) -> (Pair, TransceiverHandle) {
    let mut pair = Pair::new(seed);
    let now = pair.now;
    let handle = pair.a.pc.add_track(now, MediaKind::Audio, "one", vec!["s".into()]).unwrap();
    pair.a.pc.set_codec_preferences(now, handle, &audio(codecs)).unwrap();
    negotiate(now, &mut pair.a, &mut pair.b);
    assert!(pair.run_until(Duration::from_secs(10), |pair| {
        [&pair.a, &pair.b]
            .iter()
            .all(|peer| peer.pc.connection_state() == ConnectionState::Connected)
    }));
    (pair, handle)
}

#[test]
fn another_source_goes_on_where_the_last_one_was() {
    let (mut pair, handle) = calling(1, &["opus"]);
    let send = |pair: &mut Pair, timestamp| {
        let frame = Frame::new(vec![1; 80], timestamp);
        pair.a.pc.send_frame(pair.now, handle, 0, &frame).unwrap();
        pair.run_for(MS(20));
    };
    send(&mut pair, 0);
    send(&mut pair, 960);
    let now = pair.now;
    pair.a.pc.replace_track(now, handle, Some("two".into())).unwrap();
    // Its clock began elsewhere, and it was switched to after a while.
    pair.run_for(MS(1000));
    send(&mut pair, 3_000_000_000);
    send(&mut pair, 3_000_000_960);
    let stamps: Vec<u32> = frames(&pair.b.events).iter().map(|f| f.frame.timestamp).collect();
    let steps: Vec<u32> = stamps.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    assert_eq!((steps[0], steps[2]), (960, 960));
    assert!(steps[1].abs_diff(48_960) <= 480, "{steps:?}");
}

/// RFC 2198: each packet brings the frame before it again.
#[test]
fn redundant_audio_makes_up_for_single_losses() {
    let (mut pair, handle) = calling(2, &["red", "opus"]);
    let codecs = audio(&["red", "opus"]);
    assert!(codecs[0].is("red"), "it is sent where it is agreed on first");
    let mut count = 0;
    pair.filter = Box::new(move |from_a, data| {
        if from_a && (128..192).contains(&data[0]) && !(192..224).contains(&data[1]) {
            count += 1;
            return count % 3 != 2;
        }
        true
    });
    for index in 0..30u32 {
        let now = pair.now;
        let frame = Frame::new(vec![index as u8; 60], index * 960);
        pair.a.pc.send_frame(now, handle, 0, &frame).unwrap();
        pair.run_for(MS(20));
    }
    let received = frames(&pair.b.events);
    let data: Vec<u8> = received.iter().map(|frame| frame.frame.data[0]).collect();
    assert_eq!(data, (0..30).collect::<Vec<u8>>());
    assert_eq!(received.iter().filter(|frame| frame.frame.redundant).count(), 10);
    let opus = received[0].frame.block_payload_type;
    assert!(opus.is_some_and(|inner| inner != received[0].payload_type));
}

#[test]
fn layers_that_were_refused_are_gone() {
    let mut pair = Pair::new(3);
    let now = pair.now;
    let init = TransceiverInit {
        track: Some("camera".to_owned()),
        send_encodings: ["q", "h", "f"].map(RtpEncodingParameters::new).into(),
        ..TransceiverInit::send_only()
    };
    let video = pair.a.pc.add_transceiver(now, MediaKind::Video, init).unwrap();
    pair.a.pc.set_local_description(now, None).unwrap();
    let mut offer = pair.a.pc.local_description().unwrap();
    // The peer sees two of the three.
    offer.sdp = offer.sdp.replace("a=rid:q send\r\n", "").replace("send q;h;f", "send h;f");
    pair.b.pc.set_remote_description(now, offer).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    let answer = pair.b.pc.local_description().unwrap();
    pair.a.pc.set_remote_description(now, answer).unwrap();
    let rids = |pair: &Pair| -> Vec<String> {
        let transceiver = pair.a.pc.transceiver(video).unwrap();
        transceiver.sender.encodings.iter().map(|encoding| encoding.rid.clone()).collect()
    };
    assert_eq!(rids(&pair), ["h", "f"]);
    // And later none of them.
    pair.a.pc.set_local_description(now, None).unwrap();
    let offer = pair.a.pc.local_description().unwrap();
    pair.b.pc.set_remote_description(now, offer).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    let mut answer = pair.b.pc.local_description().unwrap();
    let keeps = |line: &&str| !line.starts_with("a=simulcast") && !line.starts_with("a=rid:");
    answer.sdp = answer.sdp.lines().filter(keeps).map(|line| format!("{line}\r\n")).collect();
    pair.a.pc.set_remote_description(now, answer).unwrap();
    assert_eq!(rids(&pair), ["h"]);
}

/// What an offer would make is counted before anything is changed.
#[test]
fn an_offer_that_makes_too_many_transceivers_changes_nothing() {
    let mut pair = Pair::new(4);
    let now = pair.now;
    for _ in 0..120 {
        for peer in [&mut pair.a, &mut pair.b] {
            peer.pc.add_transceiver(now, MediaKind::Audio, TransceiverInit::default()).unwrap();
        }
    }
    for index in 0..20 {
        for peer in [&mut pair.a, &mut pair.b] {
            let track = format!("track{index}");
            peer.pc.add_track(now, MediaKind::Video, track, vec!["s".into()]).unwrap();
        }
    }
    // 140 here; 120 are new and 20 are joined to those of addTrack: 260 in all.
    pair.a.pc.set_local_description(now, None).unwrap();
    let offer = pair.a.pc.local_description().unwrap();
    let error = pair.b.pc.set_remote_description(now, offer).unwrap_err();
    assert_eq!(error.name(), "OperationError", "{error}");
    assert_eq!(pair.b.pc.signaling_state(), SignalingState::Stable);
    assert!(pair.b.pc.remote_description().is_none());
    assert_eq!(pair.b.pc.transceivers().count(), 140);
    assert!(pair.b.pc.transceivers().all(|transceiver| transceiver.mid.is_none()));
}

/// RFC 9143 §7.5: the section that the bundle is tagged with goes, and the transport stays.
#[test]
fn media_goes_on_when_the_first_section_is_stopped() {
    let mut pair = Pair::new(5);
    let now = pair.now;
    let first = pair.a.pc.add_track(now, MediaKind::Audio, "first", vec!["s".into()]).unwrap();
    let second = pair.a.pc.add_track(now, MediaKind::Audio, "second", vec!["s".into()]).unwrap();
    negotiate(now, &mut pair.a, &mut pair.b);
    assert!(pair.run_until(Duration::from_secs(10), |pair| {
        [&pair.a, &pair.b]
            .iter()
            .all(|peer| peer.pc.connection_state() == ConnectionState::Connected)
    }));
    let send = |pair: &mut Pair, timestamp| {
        let frame = Frame::new(vec![1; 80], timestamp);
        pair.a.pc.send_frame(pair.now, second, 0, &frame).unwrap();
        pair.run_for(MS(20));
    };
    send(&mut pair, 0);
    let now = pair.now;
    pair.a.pc.stop_transceiver(now, first).unwrap();
    negotiate(now, &mut pair.a, &mut pair.b);
    for index in 1..10 {
        send(&mut pair, index * 960);
    }
    // And again when what took its place is stopped by the other end.
    let now = pair.now;
    let third = pair.a.pc.add_track(now, MediaKind::Audio, "third", vec!["s".into()]).unwrap();
    negotiate(now, &mut pair.a, &mut pair.b);
    let mid = pair.a.pc.transceiver(third).unwrap().mid.clone();
    let there = pair.b.pc.transceivers().find(|transceiver| transceiver.mid == mid).unwrap().handle;
    pair.b.pc.stop_transceiver(now, there).unwrap();
    negotiate(now, &mut pair.b, &mut pair.a);
    for index in 10..20 {
        send(&mut pair, index * 960);
    }
    assert_eq!(frames(&pair.b.events).len(), 20);
    assert_eq!(pair.a.pc.connection_state(), ConnectionState::Connected);
}
