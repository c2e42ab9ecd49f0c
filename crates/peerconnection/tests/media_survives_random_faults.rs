//! A call with sound, pictures and data over a simulated network of random faults: every frame that comes is whole, no
//! picture comes that refers to one that is missing, both go on within seconds of every outage, and nothing piles up in queues.
//!
//! `PEERAGE_SEEDS=2000` runs so many seeds; `PEERAGE_SEED=7` replays one and tells what happens in it.

mod faults;

use faults::plan::Plan;
use faults::seeds;

/// Seeds of a run that nobody asked for more.
const DEFAULT_SEEDS: u64 = 24;

#[test]
fn every_seed_ends_with_media_that_goes_on_or_a_clear_failure() {
    seeds::check(Plan::with_media, DEFAULT_SEEDS);
}
