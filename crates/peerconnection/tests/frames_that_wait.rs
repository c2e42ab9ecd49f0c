//! An application that takes no events for a while: what comes in is bounded, and goes on where it can be decoded.

mod common;

use std::time::Duration;

use common::{Pair, calling, frames, vp8};
use peerage_peerconnection::Frame;

const LIMIT: usize = 1_024;

/// The frames that waited, keyframe or not.
fn wake(pair: &mut Pair) -> Vec<bool> {
    pair.b.events.clear();
    pair.b.asleep = false;
    pair.drain();
    pair.b.asleep = true;
    frames(&pair.b.events).iter().map(|frame| frame.frame.keyframe).collect()
}

#[test]
fn frames_that_nobody_takes_are_bounded() {
    let (mut pair, _, video) = calling(1);
    let send = |pair: &mut Pair, index: u32, keyframe| {
        let picture = Frame::new(vp8(keyframe, 120, 0), index * 3_000);
        pair.a.pc.send_frame(pair.now, video, 0, &picture).unwrap();
        pair.run_for(Duration::from_millis(20));
    };
    pair.b.asleep = true;
    for index in 0..LIMIT as u32 + 300 {
        send(&mut pair, index, index == 0);
    }
    let waited = wake(&mut pair);
    assert_eq!(waited.len(), LIMIT);
    assert!(pair.b.pc.statistics().rtp.frames_dropped >= 1);
    assert!(pair.b.pc.statistics().rtp.keyframe_requests_sent >= 1);
    // There is room again, but what refers to what was dropped is of no use.
    for index in 2_000..2_010 {
        send(&mut pair, index, false);
    }
    assert!(wake(&mut pair).is_empty());
    send(&mut pair, 2_010, true);
    send(&mut pair, 2_011, false);
    assert_eq!(wake(&mut pair), [true, false]);
}
