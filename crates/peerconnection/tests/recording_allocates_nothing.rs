//! Neither a connection without a log nor the events of one with a log allocate: a call with a sink that looks at
//! everything and keeps nothing allocates as often as a call without. With both in one test no other test disturbs them.

#[path = "common/allocations.rs"]
mod allocations;
mod common;

use std::time::{Duration, Instant};

use common::Pair;
use peerage_log::{Direction, LogEvent, Plaintext};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{Frame, TransceiverHandle};

fn send(pair: &mut Pair, video: TransceiverHandle, frames: std::ops::Range<u32>) {
    let mut data = vec![7; 3000];
    for index in frames {
        data[0] = u8::from(index != 0) | 0x10;
        let now = pair.now;
        pair.a.pc.send_frame(now, video, 0, &Frame::new(data.clone(), index * 3000)).unwrap();
        pair.run_for(Duration::from_millis(33));
    }
}

/// Allocations of 200 frames from `a` to `b`.
fn allocations(prepare: impl FnOnce(&mut Pair)) -> u64 {
    let mut pair = Pair::new(1);
    prepare(&mut pair);
    let now = pair.now;
    let video = pair.a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
    pair.negotiate();
    pair.connect();
    send(&mut pair, video, 0..100);
    let before = allocations::COUNT.get();
    send(&mut pair, video, 100..300);
    allocations::COUNT.get() - before
}

#[test]
fn nothing_is_allocated_for_the_log() {
    let without = allocations(|_| {});
    let seen = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let with = allocations(|pair| {
        let now = pair.now;
        for peer in [&mut pair.a, &mut pair.b] {
            let count = std::sync::Arc::clone(&seen);
            let sink = move |_: Instant, event: &LogEvent<'_>| {
                assert!(!event.name().is_empty());
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            };
            peer.pc.set_event_log(now, Some(Box::new(sink)));
            let tap = |_: Instant, _: Direction, _: Plaintext, data: &[u8]| assert!(data.len() > 7);
            peer.pc.set_packet_tap(Some(Box::new(tap)));
        }
    });
    let seen = seen.load(std::sync::atomic::Ordering::Relaxed);
    assert!(seen > 2_000, "{seen} events");
    assert_eq!(with, without, "allocations with a sink and without");
    assert!(without > 0, "the counter counts");
}
