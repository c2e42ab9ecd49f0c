//! The controller as a whole against made-up reports; behaviour on paths is in `tests/`.

use super::*;
use crate::report::ProbeClusterId;

fn gcc() -> Gcc {
    Gcc::new(GccConfig::default()).expect("valid")
}

fn sent(id: u64) -> SentPacket {
    SentPacket { id, size: DataSize::from_bytes(1_200), probe: None, padding: false }
}

#[test]
fn bounds_that_make_no_sense_are_refused() {
    let config = GccConfig { min_rate: DataRate::from_mbps(200), ..GccConfig::default() };
    assert!(matches!(Gcc::new(config), Err(Error::RateBounds { .. })));
    let config =
        GccConfig { min_rate: DataRate::ZERO, max_rate: DataRate::ZERO, ..GccConfig::default() };
    assert!(matches!(Gcc::new(config), Err(Error::ZeroMaximum)));
}

#[test]
fn the_first_packet_starts_two_bursts() {
    let mut gcc = gcc();
    assert_eq!(gcc.poll_probe(), None);
    assert_eq!(gcc.poll_timeout(), None, "nothing to do before anything is sent");
    gcc.on_packet_sent(Instant::now(), &sent(0));
    let rates: Vec<u64> =
        std::iter::from_fn(|| gcc.poll_probe()).map(|cluster| cluster.rate.as_kbps()).collect();
    assert_eq!(rates, [900, 1_800]);
}

#[test]
fn a_remote_limit_caps_the_target_even_below_the_minimum() {
    let mut gcc = gcc();
    let now = Instant::now();
    gcc.on_remote_limit(now, Some(DataRate::from_kbps(10)));
    assert_eq!(gcc.target().rate, DataRate::from_kbps(10));
    gcc.on_remote_limit(now, None);
    assert_eq!(gcc.target().rate, DataRate::from_kbps(300));
}

#[test]
fn silence_lowers_the_rate_to_the_minimum_and_no_further() {
    let mut gcc = gcc();
    let mut now = Instant::now();
    for id in 0..3_000 {
        now += Duration::from_millis(10);
        gcc.on_packet_sent(now, &sent(id));
        if gcc.poll_timeout().is_some_and(|at| at <= now) {
            gcc.handle_timeout(now);
        }
        if id == 100 {
            assert_eq!(gcc.target().rate, DataRate::from_kbps(300), "one second is no silence");
        }
    }
    assert_eq!(gcc.target().rate, DataRate::from_kbps(30));
    assert!(gcc.stats().silence_decreases > 5);
}

#[test]
fn congestion_marks_lower_the_rate_once_a_round_trip() {
    let mut gcc = gcc();
    let start = Instant::now();
    for id in 0..20 {
        gcc.on_packet_sent(start + Duration::from_millis(id * 10), &sent(id));
    }
    let results: Vec<PacketResult> = (0..20)
        .map(|id| PacketResult {
            sent: start + Duration::from_millis(id * 10),
            arrived: Some(Duration::from_millis(id * 10)),
            size: DataSize::from_bytes(1_200),
            ecn: Ecn::Ce,
            probe: None,
            was_lost: false,
        })
        .collect();
    let now = start + Duration::from_millis(250);
    gcc.on_feedback(now, &Feedback { results: &results[..10], rtt: None });
    let once = gcc.target().rate;
    assert!(once < DataRate::from_kbps(300), "{once}");
    gcc.on_feedback(now, &Feedback { results: &results[10..], rtt: None });
    assert_eq!(gcc.target().rate, once);
    assert_eq!((gcc.stats().ecn_ce, gcc.stats().ecn_decreases), (20, 1));
}

#[test]
fn it_rests_when_nothing_is_sent() {
    let mut gcc = gcc();
    let start = Instant::now();
    gcc.on_packet_sent(start, &sent(0));
    let mut ticks = 0;
    while let Some(at) = gcc.poll_timeout() {
        gcc.handle_timeout(at);
        ticks += 1;
        assert!(ticks < 1_000, "it never rests");
    }
    gcc.on_packet_sent(start + Duration::from_secs(3_600), &sent(1));
    assert!(gcc.poll_timeout().is_some());
}

#[test]
fn a_route_change_begins_anew() {
    let mut gcc = gcc();
    let now = Instant::now();
    gcc.on_packet_sent(now, &sent(0));
    while gcc.poll_probe().is_some() {}
    gcc.on_route_change(now);
    gcc.on_packet_sent(now, &sent(1));
    let next = gcc.poll_probe().expect("bursts on the new path");
    assert_eq!(next.id, ProbeClusterId(2), "numbers are not used again");
}

/// REMB told what the old path carries, and no further one may ever come.
#[test]
fn the_receivers_limit_ends_with_its_path() {
    let mut gcc = gcc();
    let now = Instant::now();
    gcc.on_packet_sent(now, &sent(0));
    let before = gcc.target().rate;
    let limit = DataRate::from_kbps(40);
    gcc.on_remote_limit(now, Some(limit));
    assert_eq!(gcc.target().rate, limit);
    gcc.on_route_change(now);
    assert_eq!(gcc.target().rate, before);
}

/// The old path was dead before the new one was found.
#[test]
fn what_the_old_path_lost_does_not_slow_the_new_one() {
    let mut gcc = gcc();
    let start = Instant::now();
    let at = |ms: u64| start + Duration::from_millis(ms);
    for id in 0..400 {
        gcc.on_packet_sent(at(id), &sent(id));
    }
    gcc.on_route_change(at(400));
    let before = gcc.target().rate;
    let result = |id: u64, arrived: bool| PacketResult {
        sent: at(id),
        arrived: arrived.then(|| Duration::from_millis(id)),
        size: DataSize::from_bytes(1_200),
        ecn: Ecn::NotEct,
        probe: None,
        was_lost: false,
    };
    for id in 400..420 {
        gcc.on_packet_sent(at(id), &sent(id));
    }
    let results: Vec<PacketResult> = (0..420).map(|id| result(id, id >= 400)).collect();
    gcc.on_feedback(at(500), &Feedback { results: &results, rtt: None });
    assert!(gcc.target().rate >= before, "{} < {before}", gcc.target().rate);
    assert!(gcc.target().loss < 0.01, "{}", gcc.target().loss);
}
