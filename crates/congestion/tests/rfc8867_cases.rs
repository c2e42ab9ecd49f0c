//! Every case of RFC 8867 §5 and §6 in virtual time, each with several seeds and judged second by second: a flow alone within
//! a narrow band, flows that share within a wide one, and all of them together by what the path carries. Means and ratios
//! over the whole stand beside the bands, since a flow may swing within a band that no mean would allow.

mod sim;

use sim::measure::{FlowOutcome, Outcome};
use sim::{Scenario, run, scenarios};

/// Seeds of each case.
const SEEDS: u64 = 3;

/// The rate sent in every second from `from` to `to` is within these bounds, in kbit/s.
#[track_caller]
fn band(flow: &FlowOutcome, from: u32, to: u32, low: f64, high: f64) {
    for second in from..to {
        let sent = flow.sent_kbps(f64::from(second), f64::from(second + 1));
        assert!(
            (low..=high).contains(&sent),
            "second {second}: {sent:.0} kbit/s not in {low}..{high}"
        );
    }
}

/// The rates sent by flows that share a path, summed for every second, are within these parts of its capacity.
#[track_caller]
fn filled(flows: &[&FlowOutcome], from: u32, to: u32, capacity: f64, bounds: (f64, f64)) {
    for second in from..to {
        let rate = |flow: &&FlowOutcome| flow.sent_kbps(f64::from(second), f64::from(second + 1));
        let used = flows.iter().map(rate).sum::<f64>() / capacity;
        assert!(
            (bounds.0..=bounds.1).contains(&used),
            "second {second}: {used:.3} of {capacity} kbit/s, not {bounds:?}"
        );
    }
}

/// The mean of every ten seconds is within these bounds.
#[track_caller]
fn tens(flow: &FlowOutcome, from: u32, to: u32, low: f64, high: f64) {
    for second in from..to - 9 {
        mean(flow, f64::from(second), f64::from(second + 10), low, high);
    }
}

/// The mean over that time is within these bounds.
#[track_caller]
fn mean(flow: &FlowOutcome, from: f64, to: f64, low: f64, high: f64) {
    let sent = flow.sent_kbps(from, to);
    assert!(
        (low..=high).contains(&sent),
        "{from} to {to} s: {sent:.0} kbit/s not in {low}..{high}"
    );
}

/// The mean queueing delay of every second is at most this, in milliseconds.
#[track_caller]
fn delay(flow: &FlowOutcome, from: u32, to: u32, most: f64) {
    for second in from..to {
        let ms = flow.delay_ms(f64::from(second), f64::from(second + 1));
        assert!(ms <= most, "second {second}: packets wait {ms:.0} ms, over {most}");
    }
}

/// The largest mean over the smallest.
fn spread(outcome: &Outcome, from: f64, to: f64) -> f64 {
    let rates = outcome.flows.iter().map(|flow| flow.sent_kbps(from, to));
    let most = rates.clone().fold(0.0, f64::max);
    most / rates.fold(f64::INFINITY, f64::min)
}

/// Runs a case with several seeds; a failure tells which.
fn with_seeds(mut scenario: Scenario, mut judge: impl FnMut(&Outcome)) {
    for seed in 1..=SEEDS {
        println!("seed {seed}");
        scenario.seed = seed;
        judge(&run(&scenario));
    }
}

/// The mean of what several seeds came to is below this.
#[track_caller]
fn below_on_average(values: &[f64], most: f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    assert!(mean < most, "{mean:.2} on average, of {values:.2?}");
}

fn sum(outcome: &Outcome, from: f64, to: f64) -> f64 {
    outcome.flows.iter().map(|flow| flow.sent_kbps(from, to)).sum()
}

fn variable_capacity(scenario: Scenario) {
    with_seeds(scenario, |outcome| {
        let flow = &outcome.flows[0];
        band(flow, 3, 40, 800.0, 1_080.0);
        delay(flow, 3, 40, 60.0);
        // The source's largest rate, 1.52 Mbit/s and headers, fits into 2.5.
        band(flow, 48, 60, 1_480.0, 1_650.0);
        delay(flow, 40, 60, 20.0);
        // The drop to 600: a queue that is gone in three seconds, and no rate above the capacity after that.
        band(flow, 64, 80, 450.0, 650.0);
        delay(flow, 63, 80, 80.0);
        band(flow, 90, 98, 780.0, 1_080.0);
        assert!(flow.loss(0.0, 100.0) < 0.01, "{}", flow.loss(0.0, 100.0));
    });
}

#[test]
fn rfc8867_5_1_variable_capacity_single_flow_50ms() {
    variable_capacity(scenarios::variable_capacity_one_flow(50));
}

#[test]
fn rfc8867_5_1_variable_capacity_single_flow_100ms() {
    variable_capacity(scenarios::variable_capacity_one_flow(100));
}

#[test]
fn rfc8867_5_1_variable_capacity_by_background_udp() {
    with_seeds(scenarios::variable_udp_one_flow(), |outcome| {
        let flow = &outcome.flows[0];
        // UDP that gives way to nobody loses a little to a flow that does: it swings about what is left.
        band(flow, 3, 40, 450.0, 1_350.0);
        mean(flow, 10.0, 40.0, 850.0, 1_100.0);
        band(flow, 46, 60, 1_480.0, 1_650.0);
        band(flow, 62, 80, 180.0, 1_050.0);
        mean(flow, 65.0, 80.0, 450.0, 720.0);
        band(flow, 83, 98, 500.0, 1_300.0);
        mean(flow, 85.0, 98.0, 850.0, 1_100.0);
        delay(flow, 3, 60, 150.0);
        delay(flow, 63, 98, 180.0);
        assert!(flow.delay_ms(0.0, 99.0) < 100.0, "{}", flow.delay_ms(0.0, 99.0));
    });
}

#[test]
fn rfc8867_5_2_variable_capacity_multiple_flows() {
    let mut spreads = [const { Vec::new() }; 3];
    with_seeds(scenarios::variable_capacity_two_flows(), |outcome| {
        let both: Vec<_> = outcome.flows.iter().collect();
        for flow in &outcome.flows {
            band(flow, 4, 25, 1_480.0, 1_650.0);
            band(flow, 60, 75, 1_480.0, 1_650.0);
            delay(flow, 78, 100, 80.0);
            delay(flow, 28, 50, 80.0);
            // Half of the capacity is fair.
            band(flow, 28, 50, 550.0, 1_400.0);
            band(flow, 78, 100, 220.0, 780.0);
            band(flow, 105, 124, 500.0, 1_500.0);
        }
        let stretches = [(28, 50, 2_000.0), (78, 100, 1_000.0), (105, 124, 2_000.0)];
        for ((from, to, capacity), spreads) in stretches.into_iter().zip(&mut spreads) {
            filled(&both, from, to, capacity, (0.80, 1.08));
            let (from, to) = (f64::from(from + 2), f64::from(to));
            let used = sum(outcome, from, to) / capacity;
            assert!((0.85..=1.02).contains(&used), "{from} s: {used:.2} of the capacity");
            spreads.push(spread(outcome, from, to));
        }
    });
    for spreads in spreads {
        below_on_average(&spreads, 1.5);
    }
}

#[test]
fn rfc8867_5_3_congested_feedback_link() {
    for seed in 1..=SEEDS {
        println!("seed {seed}");
        let [congested, reference] = [false, true]
            .map(|free| run(&Scenario { seed, ..scenarios::congested_feedback(free) }));
        let (there, back) = (&congested.flows[0], &congested.flows[1]);
        for flow in [there, &reference.flows[0]] {
            band(flow, 4, 20, 1_480.0, 1_650.0);
            band(flow, 22, 40, 620.0, 1_060.0);
            mean(flow, 23.0, 40.0, 850.0, 1_000.0);
            band(flow, 42, 60, 390.0, 540.0);
            mean(flow, 43.0, 60.0, 420.0, 500.0);
            delay(flow, 42, 60, 80.0);
            band(flow, 75, 98, 1_450.0, 1_650.0);
        }
        // From 40 s to 60 s the way back is full: what goes there hardly notices.
        let (with, without) =
            (there.sent_kbps(40.0, 60.0), reference.flows[0].sent_kbps(40.0, 60.0));
        assert!(with > without * 0.9, "{with:.0} against {without:.0} kbit/s");
        band(back, 4, 35, 1_480.0, 1_650.0);
        band(back, 37, 70, 580.0, 860.0);
        mean(back, 40.0, 70.0, 680.0, 800.0);
        delay(back, 37, 70, 80.0);
        band(back, 80, 98, 1_450.0, 1_650.0);
    }
}

#[test]
fn rfc8867_5_4_competing_flows_same_algorithm() {
    let mut spreads = Vec::new();
    with_seeds(scenarios::competing_flows(), |outcome| {
        band(&outcome.flows[0], 4, 39, 1_450.0, 1_680.0);
        band(&outcome.flows[1], 24, 39, 1_450.0, 1_680.0);
        filled(&outcome.flows.iter().collect::<Vec<_>>(), 43, 119, 3_500.0, (0.80, 1.10));
        let used = sum(outcome, 50.0, 119.0) / 3_500.0;
        assert!((0.88..=1.02).contains(&used), "{used:.2} of the capacity");
        spreads.push(spread(outcome, 60.0, 119.0));
        for flow in &outcome.flows {
            // A third of the capacity, 1,167 kbit/s, is fair.
            band(flow, 45, 119, 480.0, 1_680.0);
            delay(flow, 45, 119, 80.0);
            assert!(flow.loss(0.0, 120.0) < 0.01);
        }
    });
    below_on_average(&spreads, 1.4);
}

#[test]
fn rfc8867_5_5_round_trip_time_fairness() {
    with_seeds(scenarios::round_trip_fairness(), |outcome| {
        // RFC 8868 §3 asks for ratios below 3 even at like round-trip times.
        assert!(spread(outcome, 100.0, 299.0) < 1.5, "{:.2}", spread(outcome, 100.0, 299.0));
        filled(&outcome.flows.iter().collect::<Vec<_>>(), 60, 299, 4_000.0, (0.76, 1.12));
        let used = sum(outcome, 60.0, 299.0) / 4_000.0;
        assert!((0.88..=1.02).contains(&used), "{used:.2} of the capacity");
        for flow in &outcome.flows {
            // A fifth of the capacity, 800 kbit/s, is fair; each of them can have all of its 1.5 Mbit/s for a while.
            band(flow, 60, 299, 240.0, 1_680.0);
            tens(flow, 60, 299, 320.0, 1_680.0);
            delay(flow, 60, 299, 80.0);
        }
    });
}

/// `lowest` is the least that the flow keeps in any ten seconds, in kbit/s.
fn beside_long_tcp(queue_ms: u64, lowest: f64) {
    with_seeds(scenarios::long_tcp(queue_ms), |outcome| {
        let (flow, tcp) = (&outcome.flows[0], &outcome.tcp[0]);
        for second in 10..119 {
            let (from, to) = (f64::from(second), f64::from(second + 1));
            let used = (flow.received_kbps(from, to) + tcp.kbps(from, to)) / 2_000.0;
            assert!((0.97..=1.03).contains(&used), "second {second}: {used:.3} of the link");
        }
        // "In the worst case, the media stream will fall to the minimum media bit rate", 150 kbit/s and sound: in the mean it
        // keeps more, though far from half. Where TCP fills a longer queue it does fall to it, and takes what TCP's
        // losses leave.
        band(flow, 10, 119, 50.0, 1_680.0);
        tens(flow, 10, 119, lowest, 1_680.0);
        mean(flow, 20.0, 119.0, 230.0, 1_000.0);
        let share = tcp.kbps(20.0, 119.0);
        assert!((900.0..=1_800.0).contains(&share), "TCP has {share:.0} kbit/s");
        assert!(flow.loss(5.0, 119.0) < 0.03, "{}", flow.loss(5.0, 119.0));
    });
}

#[test]
fn rfc8867_5_6_competing_with_long_tcp() {
    beside_long_tcp(300, 150.0);
}

#[test]
fn rfc8867_5_6_competing_with_long_tcp_that_fills_a_second() {
    beside_long_tcp(1_000, 90.0);
}

#[test]
fn rfc8867_5_7_competing_with_short_tcp() {
    with_seeds(scenarios::short_tcp(), |outcome| {
        for flow in &outcome.flows {
            band(flow, 10, 299, 60.0, 1_680.0);
            tens(flow, 10, 299, 150.0, 1_200.0);
            mean(flow, 10.0, 299.0, 250.0, 800.0);
            assert!(flow.loss(5.0, 299.0) < 0.03, "{}", flow.loss(5.0, 299.0));
        }
        assert!(spread(outcome, 10.0, 299.0) < 1.5, "{:.2}", spread(outcome, 10.0, 299.0));
    });
}

#[test]
fn rfc8867_5_8_media_pause_and_resume() {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    with_seeds(scenarios::pause_and_resume(), |outcome| {
        let all: Vec<_> = outcome.flows.iter().collect();
        filled(&all, 4, 40, 3_500.0, (0.80, 1.10));
        for flow in [&outcome.flows[0], &outcome.flows[2]] {
            band(flow, 4, 40, 560.0, 1_700.0);
            band(flow, 41, 47, 800.0, 1_700.0);
            // What the one in the middle left is taken within seconds.
            band(flow, 47, 60, 1_450.0, 1_680.0);
            delay(flow, 42, 60, 40.0);
            band(flow, 61, 119, 600.0, 1_700.0);
        }
        let paused = &outcome.flows[1];
        assert!(paused.media_kbps(41.0, 60.0) < 1.0);
        // When it comes back it has its part again within a second.
        band(paused, 61, 119, 480.0, 1_680.0);
        filled(&all, 62, 119, 3_500.0, (0.80, 1.10));
        for flow in &outcome.flows {
            delay(flow, 62, 119, 80.0);
        }
        before.push(spread(outcome, 20.0, 40.0));
        after.push(spread(outcome, 75.0, 119.0));
    });
    below_on_average(&before, 1.6);
    below_on_average(&after, 1.45);
}

#[test]
fn rfc8867_6_1_media_flows_with_priority() {
    with_seeds(scenarios::priorities(), |outcome| {
        let flow = &outcome.flows[0];
        for second in 6..118 {
            let [first, second_stream, third] =
                [0, 1, 2].map(|stream| flow.stream_kbps(stream, second));
            // Twice, but for the largest rate of the first.
            assert!((1_200.0..=1_550.0).contains(&first), "second {second}: {first:.0} kbit/s");
            for other in [second_stream, third] {
                let ratio = first / other;
                assert!((1.45..=2.05).contains(&ratio), "second {second}: {ratio:.2}");
            }
        }
        let ratio = flow.streams[0].iter().sum::<u64>() as f64
            / flow.streams[1].iter().sum::<u64>().max(1) as f64;
        assert!((1.6..=2.1).contains(&ratio), "{ratio:.2}");
        filled(&[flow], 4, 119, 3_500.0, (0.78, 1.08));
        mean(flow, 10.0, 119.0, 3_000.0, 3_550.0);
        delay(flow, 4, 119, 80.0);
    });
}

#[test]
fn rfc8867_6_2_explicit_congestion_notification() {
    variable_capacity(scenarios::with_ecn(scenarios::variable_capacity_one_flow(50)));
    with_seeds(scenarios::with_ecn(scenarios::competing_flows()), |outcome| {
        filled(&outcome.flows.iter().collect::<Vec<_>>(), 43, 119, 3_500.0, (0.80, 1.10));
        let used = sum(outcome, 50.0, 119.0) / 3_500.0;
        assert!((0.85..=1.02).contains(&used), "{used:.2} of the capacity");
        assert!(spread(outcome, 60.0, 119.0) < 1.5, "{:.2}", spread(outcome, 60.0, 119.0));
        for flow in &outcome.flows {
            band(flow, 45, 119, 520.0, 1_680.0);
            delay(flow, 45, 119, 60.0);
        }
    });
}

#[test]
fn rfc8867_6_3_multiple_bottlenecks() {
    with_seeds(scenarios::two_bottlenecks(), |outcome| {
        let [long, first, second] = [0, 1, 2].map(|flow: usize| &outcome.flows[flow]);
        filled(&[long, first], 20, 299, 2_000.0, (0.76, 1.12));
        filled(&[long, second], 20, 299, 1_500.0, (0.78, 1.14));
        band(long, 20, 299, 280.0, 900.0);
        band(first, 20, 299, 850.0, 1_680.0);
        band(second, 20, 299, 520.0, 1_250.0);
        for flow in [long, first, second] {
            delay(flow, 20, 299, 100.0);
        }
        let [long, first, second] = [long, first, second].map(|flow| flow.sent_kbps(60.0, 299.0));
        assert!((0.88..=1.02).contains(&((long + first) / 2_000.0)), "{long:.0} + {first:.0}");
        assert!((0.88..=1.02).contains(&((long + second) / 1_500.0)), "{long:.0} + {second:.0}");
        // It meets two bottlenecks and gives way at both, but is not starved (RFC 8868 §3: a third at least).
        assert!(long > first / 3.0 && long > second / 3.0, "{long:.0} {first:.0} {second:.0}");
    });
}
