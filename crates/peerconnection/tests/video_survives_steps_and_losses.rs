//! Video both ways over a path that becomes slower and faster, or loses packets: how long the picture stands still, and how
//! much of the path is used.

mod common;

use std::time::Duration;

use common::call::Call;
use peerage_netsim::{LinkConfig, Loss, Queue, Rate};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A path with a queue of 300 ms and a round trip of 50 ms.
fn path(kbit: u64) -> LinkConfig {
    let queue = Queue::bytes((kbit * 1_000 / 8 * 3 / 10) as usize);
    LinkConfig::new().rate(Rate::kbit(kbit)).delay(Duration::from_millis(25)).queue(queue)
}

/// What is lost at once when the path becomes slower takes seconds to be sent again: a keyframe is there sooner.
#[test]
fn a_path_that_becomes_slower_stops_the_picture_for_less_than_a_second() {
    for seed in 1..6 {
        let mut call = Call::both_ways(seed, path(3_000));
        call.keyframe_len = 8_000;
        call.run(seconds(15));
        call.change_both(path(500));
        let early = call.run(seconds(2));
        let late = call.run(seconds(13));
        let longest = early.video_gap.max(late.video_gap);
        assert!(longest < seconds(1), "seed {seed}: {longest:?} without a picture");
        assert!(late.queue_max() < Duration::from_millis(200), "seed {seed}: {late:?}");
        assert!(late.link_kbps() > 425.0, "seed {seed}: {:.0}", late.link_kbps());
    }
}

#[test]
fn a_path_that_becomes_faster_is_used_within_ten_seconds() {
    for seed in 1..6 {
        let mut call = Call::both_ways(seed, path(3_000));
        call.keyframe_len = 8_000;
        call.run(seconds(10));
        call.change_both(path(500));
        call.run(seconds(15));
        call.change_both(path(3_000));
        call.run(seconds(8));
        let seen = call.run(seconds(2));
        assert!(seen.link_kbps() > 2_400.0, "seed {seed}: {:.0}", seen.link_kbps());
        assert!(seen.video_gap < Duration::from_millis(300), "seed {seed}: {:?}", seen.video_gap);
    }
}

/// Both ways, so that reports and requests are lost as well.
#[test]
fn losses_by_chance_leave_the_path_used_and_the_picture_moving() {
    for (loss, least) in [(0.02, 0.86), (0.05, 0.84), (0.1, 0.75), (0.2, 0.7)] {
        for seed in 1..4 {
            let mut call = Call::both_ways(seed, path(3_000).loss(Loss::Random(loss)));
            call.keyframe_len = 8_000;
            call.run(seconds(10));
            let seen = call.run(seconds(15));
            let used = seen.link_kbps() / 3_000.0;
            assert!(used > least, "{loss}, seed {seed}: {used:.2} of the path is used");
            let longest = seen.video_gap;
            let bound = Duration::from_millis(700);
            assert!(longest < bound, "{loss}, seed {seed}: {longest:?} without a picture");
            assert!(seen.video_frames > 435, "{loss}, seed {seed}: {} frames", seen.video_frames);
        }
    }
}

/// Bursts that measure are padded, and nothing else: an application that sends little does not load a fast path with more.
#[test]
fn a_source_far_below_the_path_is_not_padded_to_its_multiple() {
    let fast = LinkConfig::new().rate(Rate::mbit(100)).delay(Duration::from_millis(5));
    let mut call = Call::both_ways(1, fast.queue(Queue::bytes(1_000_000)));
    call.most_kbps = 1_000;
    call.run(seconds(10));
    let seen = call.run(seconds(30));
    // Audio has 58 kbit/s, and headers take 6 % of video.
    assert!((1_050.0..1_250.0).contains(&seen.link_kbps()), "{:.0}", seen.link_kbps());
}

#[test]
fn the_first_round_trip_is_that_of_the_checks_of_the_path() {
    let call = Call::both_ways(1, path(3_000));
    let round_trip = call.pair.a.pc.estimate().unwrap().round_trip;
    assert!(round_trip < Duration::from_millis(30), "{round_trip:?}");
}
