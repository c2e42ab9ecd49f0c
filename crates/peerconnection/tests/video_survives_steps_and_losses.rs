//! Video both ways over a path that becomes slower and faster, or loses packets: how long the picture stands still, and how
//! much of the path is used.

mod common;

use std::time::Duration;

use common::call::Call;
use peerage_netsim::{LinkConfig, Queue, Rate};

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
