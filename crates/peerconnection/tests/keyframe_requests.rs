//! The peer's requests for keyframes, however often it repeats them.

mod common;

use std::time::Duration;

use common::{Pair, calling, vp8};
use peerage_peerconnection::{Event, Frame, TransceiverHandle};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// How often `a` was asked, from now on.
fn asked(pair: &mut Pair) -> usize {
    let is_request = |event: &Event| matches!(event, Event::KeyframeRequested { .. });
    let count = pair.a.events.iter().filter(|event| is_request(event)).count();
    pair.a.events.clear();
    count
}

/// `b` hears video, and its decoder fails on everything.
fn watching(seed: u64) -> (Pair, TransceiverHandle, TransceiverHandle) {
    let (mut pair, _, video) = calling(seed);
    let theirs = pair.b.pc.transceivers().nth(1).unwrap().handle;
    for index in 0..5 {
        let picture = Frame::new(vp8(index == 0, 300, 0), index * 3_000);
        pair.a.pc.send_frame(pair.now, video, 0, &picture).unwrap();
        pair.run_for(MS(33));
    }
    asked(&mut pair);
    (pair, video, theirs)
}

#[test]
fn a_request_reaches_the_application_at_once() {
    let (mut pair, _, theirs) = watching(1);
    pair.b.pc.request_keyframe(pair.now, theirs);
    pair.run_for(MS(20));
    assert_eq!(asked(&mut pair), 1);
}

/// Requests are not authenticated beyond being the peer's: one that repeats them for ever must not fill the queue of an
/// application, or keep its encoder at keyframes.
#[test]
fn a_storm_of_requests_is_few_events() {
    let (mut pair, _, theirs) = watching(2);
    // The limit of the end that asks stands in the way of a storm: each request is handed over many times.
    pair.a.asleep = true;
    for _ in 0..20 {
        pair.b.pc.request_keyframe(pair.now, theirs);
        pair.run_for(MS(320));
    }
    pair.a.asleep = false;
    pair.drain();
    assert_eq!(asked(&mut pair), 1, "one request is as good as twenty");
}
