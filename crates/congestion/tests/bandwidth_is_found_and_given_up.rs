//! How fast the controller finds what a path carries, and how fast it gives it up; with losses that mean nothing, beside
//! another flow, and with an application that has little to send.

mod sim;

use peerage_netsim::Loss;
use sim::measure::FlowOutcome;
use sim::{FlowSpec, QueueSize, Scenario, Source, Stretch, run};

fn alone(seconds: u64, stretch: Stretch) -> FlowOutcome {
    alone_with(1, seconds, stretch)
}

fn alone_with(seed: u64, seconds: u64, stretch: Stretch) -> FlowOutcome {
    let mut scenario = Scenario::new("alone", seconds, stretch, vec![FlowSpec::greedy(seconds)]);
    scenario.seed = seed;
    run(&scenario).flows.remove(0)
}

#[test]
fn ramp_up_on_3_mbit_takes_less_than_two_seconds() {
    let flow = alone(10, Stretch::new(&[(0.0, 3_000)]));
    let found = (0..20).find(|&tenth| {
        let at = f64::from(tenth) / 10.0;
        flow.target_kbps(at, at + 0.1) >= 2_500.0
    });
    assert!(found.is_some(), "the target is {:.0} after two seconds", flow.target_kbps(1.9, 2.0));
    let sent = flow.sent_kbps(1.5, 2.0);
    assert!(sent >= 2_500.0, "{sent:.0} kbit/s are sent by then");
    assert!(flow.max_delay_ms(0.0, 3.0) < 60.0, "{:.0} ms", flow.max_delay_ms(0.0, 3.0));
}

#[test]
fn links_from_300_kbit_to_50_mbit_are_used() {
    for (kbps, by) in [(300, 5.0), (1_000, 5.0), (10_000, 5.0), (50_000, 5.0)] {
        let flow = alone(30, Stretch::new(&[(0.0, kbps)]));
        let used = flow.sent_kbps(by, 30.0) / kbps as f64;
        assert!((0.84..=1.02).contains(&used), "{kbps} kbit/s: {used:.2}");
        // A packet of 1,228 bytes takes 33 ms at 300 kbit/s.
        let most = if kbps == 300 { 70.0 } else { 30.0 };
        assert!(flow.delay_ms(by, 30.0) < most, "{kbps}: {:.0} ms", flow.delay_ms(by, 30.0));
    }
}

fn random_loss(loses_reports: bool, rows: [(f64, f64); 4]) {
    for (loss, least) in rows {
        for seed in 1..=3 {
            let loss = Loss::Random(loss);
            let stretch = Stretch { loss, loses_reports, ..Stretch::new(&[(0.0, 3_000)]) };
            let used = alone_with(seed, 60, stretch).sent_kbps(10.0, 60.0) / 3_000.0;
            assert!((least..1.02).contains(&used), "{loss:?}, seed {seed}: {used:.3} of the link");
        }
    }
}

#[test]
fn random_loss_costs_little() {
    random_loss(false, [(0.02, 0.88), (0.05, 0.85), (0.10, 0.80), (0.20, 0.60)]);
}

#[test]
fn random_loss_of_packets_and_reports_costs_little_more() {
    random_loss(true, [(0.02, 0.85), (0.05, 0.85), (0.10, 0.75), (0.20, 0.60)]);
}

#[test]
fn jitter_of_15_ms_delays_the_ramp_up_but_not_for_long() {
    for seed in 1..=5 {
        let stretch = Stretch { jitter_ms: 15, ..Stretch::new(&[(0.0, 3_000)]) };
        let mut scenario = Scenario::new("jitter", 60, stretch, vec![FlowSpec::greedy(60)]);
        scenario.seed = seed;
        let flow = &run(&scenario).flows[0];
        let sent = flow.sent_kbps(15.0, 60.0);
        assert!(sent > 2_100.0, "seed {seed}: {sent:.0} kbit/s");
    }
}

#[test]
fn a_queue_of_20_ms_is_not_flooded() {
    let stretch = Stretch { queue: QueueSize::Milliseconds(20), ..Stretch::new(&[(0.0, 3_000)]) };
    let flow = alone(60, stretch);
    assert!(flow.loss(10.0, 60.0) < 0.04, "{:.3}", flow.loss(10.0, 60.0));
    assert!(flow.received_kbps(10.0, 60.0) > 2_700.0);
}

#[test]
fn step_up_from_500_kbit_to_3_mbit_is_found_within_ten_seconds() {
    for seed in 1..=8 {
        let flow = alone_with(seed, 40, Stretch::new(&[(0.0, 500), (20.0, 3_000)]));
        let after = flow.time_to(20.0, 40.0, 2_500.0);
        assert!(after.is_some_and(|after| after <= 10.0), "seed {seed}: {after:?}");
    }
}

#[test]
fn step_down_from_3_mbit_to_500_kbit_drains_within_two_seconds() {
    // The queue as long in time as before, and as long in bytes, which is 1.8 s at the new rate.
    for queue in [QueueSize::Milliseconds(300), QueueSize::Bytes(112_500)] {
        for seed in 1..=8 {
            let stretch = Stretch { queue, ..Stretch::new(&[(0.0, 3_000), (15.0, 500)]) };
            let flow = alone_with(seed, 40, stretch);
            let most = flow.max_delay_ms(17.0, 40.0);
            assert!(most < 200.0, "seed {seed}: {most:.0} ms after two seconds");
            let used = flow.sent_kbps(20.0, 40.0) / 500.0;
            assert!((0.8..=1.02).contains(&used), "seed {seed}: {used:.2}");
        }
    }
}

/// An application that sends so much and no more for two minutes, over so much, in kbit/s.
fn little(link: u64, rate: u64, demand: Option<u64>, can_pad: bool) -> FlowOutcome {
    let source = Source::Constant(rate);
    let spec = FlowSpec { source, demand_kbps: demand, can_pad, ..FlowSpec::new(0.0, 120.0) };
    run(&Scenario::new("little", 120, Stretch::new(&[(0.0, link)]), vec![spec])).flows.remove(0)
}

/// The target is no second above this.
#[track_caller]
fn stays_below(flow: &FlowOutcome, most: f64) {
    for second in 0..120 {
        let target = flow.target_kbps(f64::from(second), f64::from(second + 1));
        assert!(target <= most, "second {second}: {target:.0} kbit/s, over {most:.0}");
    }
}

#[test]
fn an_application_that_sends_little_does_not_make_the_estimate_run_away() {
    for (link, rate) in [
        (1_000, 300),
        (10_000, 100),
        (10_000, 300),
        (10_000, 1_000),
        (50_000, 300),
        (50_000, 1_000),
    ] {
        // It says what it has a use for, or would use all it is given and has no padding to find out with.
        for (demand, can_pad) in [(None, true), (None, false), (Some(20_000), false)] {
            let flow = little(link, rate, demand, can_pad);
            let sent = flow.sent_kbps(5.0, 119.0);
            // Twice what it sends, or the rate that it began with.
            stays_below(&flow, (2.0 * sent).max(305.0));
            let last = flow.target_kbps(100.0, 119.0);
            assert!(last >= 0.98 * sent, "{link}, {rate}: {last:.0} of {sent:.0} kbit/s");
            // Nor is the path loaded to find out what nobody asks for.
            let media = flow.media_kbps(5.0, 119.0);
            assert!(sent <= 1.05 * media, "{link}, {rate}: {sent:.0} for {media:.0} kbit/s");
            assert!(flow.max_delay_ms(5.0, 119.0) < 60.0);
        }
    }
}

#[test]
fn what_bursts_have_shown_is_no_more_than_there_is_or_twice_the_use_for_it() {
    for (link, demand) in [(1_000, 5_000), (10_000, 2_000), (10_000, 20_000), (50_000, 5_000)] {
        let flow = little(link, 300, Some(demand), true);
        stays_below(&flow, 1.02 * link.min(2 * demand) as f64);
        let found = flow.target_kbps(20.0, 119.0);
        assert!(found >= 0.8 * link.min(demand) as f64, "{link}, {demand}: {found:.0} kbit/s");
        let (sent, media) = (flow.sent_kbps(5.0, 119.0), flow.media_kbps(5.0, 119.0));
        assert!(sent <= 1.1 * media, "{link}, {demand}: {sent:.0} for {media:.0} kbit/s");
        assert!(flow.max_delay_ms(5.0, 119.0) < 60.0);
    }
}

#[test]
fn two_flows_share_a_link_within_a_fifth() {
    for seed in 1..=4 {
        let flows = vec![FlowSpec::greedy(200), FlowSpec { start: 20.0, ..FlowSpec::greedy(200) }];
        let mut scenario = Scenario::new("two", 200, Stretch::new(&[(0.0, 4_000)]), flows);
        scenario.seed = seed;
        let outcome = run(&scenario);
        let [a, b] = [0, 1].map(|flow: usize| outcome.flows[flow].sent_kbps(60.0, 200.0));
        let fair = (a + b) / 2.0;
        assert!((a - fair).abs() < 0.2 * fair, "seed {seed}: {a:.0} and {b:.0} kbit/s");
        assert!(a + b > 3_400.0, "seed {seed}: {:.0} of 4,000 kbit/s are used", a + b);
    }
}

#[test]
fn an_outage_is_overcome_in_three_seconds_however_long_it_was() {
    for length in [3.0, 10.0, 40.0] {
        let outage = Some((20.0, 20.0 + length));
        let stretch = Stretch { outage, ..Stretch::new(&[(0.0, 2_000)]) };
        let flow = alone(80, stretch);
        let after = flow.time_to(20.0 + length, 80.0, 1_400.0);
        assert!(after.is_some_and(|after| after <= 3.0), "{length} s: {after:?}");
        assert!(flow.delay_ms(25.0 + length, 80.0) < 40.0);
    }
}
