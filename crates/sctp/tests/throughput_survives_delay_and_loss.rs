//! How fast 10 MiB go over 20 Mbit/s and 50 ms, with and without loss, in virtual time.

mod support;

use peerage_sctp::Config;
use peerage_sctp::congestion::Congestion;
use std::time::Duration;
use support::{Link, Pair, message};

const TOTAL: usize = 10 << 20;

struct Outcome {
    megabits: f64,
    retransmitted: u64,
    worst_round_trip: Duration,
}

fn transfer(seed: u64, congestion: Congestion, link: Link, both_ways: bool) -> Outcome {
    let config = Config { congestion, ..Config::default() };
    let mut pair = Pair::connected(seed, [config.clone(), config], [link; 2]);
    let start = pair.now;
    let count = TOTAL / 65_536;
    for number in 0..count as u32 {
        for from in 0..if both_ways { 2 } else { 1 } {
            pair.send(from, 0, message(number, 65_536));
        }
    }
    let mut worst = Duration::ZERO;
    pair.run_until(Duration::from_secs(120), |pair| {
        worst = worst.max(pair.ends[0].statistics().smoothed_round_trip.unwrap_or_default());
        pair.messages(1).count() == count && (!both_ways || pair.messages(0).count() == count)
    });
    let seconds = (pair.now - start).as_secs_f64();
    Outcome {
        megabits: TOTAL as f64 * 8.0 / seconds / 1e6,
        retransmitted: pair.ends[0].statistics().retransmissions,
        worst_round_trip: worst,
    }
}

fn wire(loss_per_mille: u64, queue: usize) -> Link {
    Link {
        rate: 20_000_000,
        delay: Duration::from_millis(25),
        loss: loss_per_mille,
        queue,
        ..Link::default()
    }
}

fn report(name: &str, link: Link, both_ways: bool, congestion: &Congestion) -> f64 {
    let mut lowest = f64::MAX;
    for seed in 0..3 {
        let outcome = transfer(seed, congestion.clone(), link, both_ways);
        println!(
            "{name} {congestion:?} seed {seed}: {:.1} Mbit/s, {} retransmissions, smoothed round trip up to {:?}",
            outcome.megabits, outcome.retransmitted, outcome.worst_round_trip
        );
        lowest = lowest.min(outcome.megabits);
    }
    lowest
}

#[test]
fn twenty_megabits_fifty_milliseconds_no_loss() {
    for queue in [62_500, 125_000, 1_000_000] {
        let name = format!("no loss, queue {queue}");
        assert!(report(&name, wire(0, queue), false, &Congestion::Bbr) > 15.0);
        assert!(report(&name, wire(0, queue), true, &Congestion::Bbr) > 15.0);
    }
    report("no loss", wire(0, 125_000), false, &Congestion::NewReno);
}

#[test]
fn twenty_megabits_fifty_milliseconds_one_percent_loss() {
    for queue in [62_500, 125_000, 1_000_000] {
        let name = format!("1 % loss, queue {queue}");
        assert!(report(&name, wire(10, queue), false, &Congestion::Bbr) > 12.0);
        assert!(report(&name, wire(10, queue), true, &Congestion::Bbr) > 12.0);
    }
    report("1 % loss", wire(10, 125_000), false, &Congestion::NewReno);
}

#[test]
fn a_shallow_queue_does_not_drown_in_losses() {
    // A fifth of the bandwidth-delay product.
    for seed in 0..3 {
        let outcome = transfer(seed, Congestion::Bbr, wire(0, 25_000), false);
        println!(
            "shallow: {:.1} Mbit/s, {} retransmissions",
            outcome.megabits, outcome.retransmitted
        );
        assert!(outcome.megabits > 10.0);
        // 9,400 packets make 10 MiB.
        assert!(outcome.retransmitted < 1_500);
    }
}

#[test]
fn ten_percent_loss_still_flows() {
    for seed in 0..3 {
        let outcome = transfer(seed, Congestion::Bbr, wire(100, 125_000), false);
        println!("10 % loss: {:.1} Mbit/s", outcome.megabits);
        assert!(outcome.megabits > 2.0);
    }
}
