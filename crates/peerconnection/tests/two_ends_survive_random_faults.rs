//! Two connections over a simulated network of random faults (up to 30 % loss, reordering, duplication, corruption, NATs
//! and their rebinding, pauses, outages): each call ends with all reliable data intact and in order, or with a failure
//! that both ends know of.
//!
//! `PEERAGE_SEEDS=2000` runs so many seeds; `PEERAGE_SEED=7` replays one and tells what happens in it.

mod faults;

use std::time::Instant;

use faults::plan::Plan;
use faults::{call, seeds};

/// Seeds of a run that nobody asked for more.
const DEFAULT_SEEDS: u64 = 64;

#[test]
fn every_seed_ends_with_intact_data_or_a_clear_failure() {
    seeds::check(Plan::new, DEFAULT_SEEDS);
}

#[test]
fn the_same_seed_gives_the_same_call_bit_for_bit() {
    for seed in 0..6 {
        let first = call::run(Plan::new(seed), Instant::now(), false);
        let second = call::run(Plan::new(seed), Instant::now(), false);
        assert_eq!(first, second, "seed {seed}");
        assert!(first.packets > 10, "seed {seed}: {first:?}");
    }
    let other = call::run(Plan::new(6), Instant::now(), false);
    assert_ne!(other.trace, call::run(Plan::new(7), Instant::now(), false).trace);
}
