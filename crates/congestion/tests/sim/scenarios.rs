//! The cases of RFC 8867 §5 and §6, as that document sets them.

use super::{FlowSpec, QueueSize, Scenario, Source, Stretch, TcpSpec};

/// A case with what it is about, for the report.
pub struct Case {
    pub section: &'static str,
    pub scenario: Scenario,
}

const ONE: [(f64, u64); 4] = [(0.0, 1_000), (40.0, 2_500), (60.0, 600), (80.0, 1_000)];
const SEVERAL: [(f64, u64); 5] =
    [(0.0, 4_000), (25.0, 2_000), (50.0, 3_500), (75.0, 1_000), (100.0, 2_000)];

/// §5.1, with the one-way delay in milliseconds.
pub fn variable_capacity_one_flow(delay_ms: u64) -> Scenario {
    let stretch = Stretch { delay_ms, ..Stretch::new(&ONE) };
    Scenario::new("variable capacity, one flow", 100, stretch, vec![FlowSpec::new(0.0, 99.0)])
}

/// §5.1, with UDP that takes the capacity away.
pub fn variable_udp_one_flow() -> Scenario {
    let stretch = Stretch::new(&[(0.0, 4_000)]);
    let flows = vec![FlowSpec::new(0.0, 99.0)];
    let mut scenario = Scenario::new("variable UDP, one flow", 100, stretch, flows);
    scenario.udp = ONE.iter().map(|&(at, kbps)| (at, 4_000 - kbps)).collect();
    scenario
}

/// §5.2.
pub fn variable_capacity_two_flows() -> Scenario {
    let flows = vec![FlowSpec::new(0.0, 124.0); 2];
    Scenario::new("variable capacity, two flows", 125, Stretch::new(&SEVERAL), flows)
}

/// §5.3; without the change of the backward path where `reference`.
pub fn congested_feedback(reference: bool) -> Scenario {
    let forward = [(0.0, 2_000), (20.0, 1_000), (40.0, 500), (60.0, 2_000)];
    let backward: &[(f64, u64)] =
        if reference { &[(0.0, 2_000)] } else { &[(0.0, 2_000), (35.0, 800), (70.0, 2_000)] };
    let stretch = Stretch { backward: backward.to_vec(), ..Stretch::new(&forward) };
    let there = FlowSpec::new(0.0, 99.0);
    let back = FlowSpec { from: 1, to: Some(0), ..there };
    let name = if reference { "free way back" } else { "congested way back" };
    Scenario::new(name, 100, stretch, vec![there, back])
}

/// §5.4.
pub fn competing_flows() -> Scenario {
    let flows = [0.0, 20.0, 40.0].map(|start| FlowSpec::new(start, 119.0)).to_vec();
    Scenario::new("three flows", 120, Stretch::new(&[(0.0, 3_500)]), flows)
}

/// §5.5.
pub fn round_trip_fairness() -> Scenario {
    let stretch = Stretch { delay_ms: 10, ..Stretch::new(&[(0.0, 4_000)]) };
    let flows = [(0.0, 0), (10.0, 15), (20.0, 40), (30.0, 90), (40.0, 140)]
        .map(|(start, extra_delay_ms)| FlowSpec { extra_delay_ms, ..FlowSpec::new(start, 299.0) })
        .to_vec();
    Scenario::new("five round-trip times", 300, stretch, flows)
}

/// §5.6, with the length of the queue in milliseconds.
pub fn long_tcp(queue_ms: u64) -> Scenario {
    let stretch =
        Stretch { queue: QueueSize::Milliseconds(queue_ms), ..Stretch::new(&[(0.0, 2_000)]) };
    let mut scenario =
        Scenario::new("beside a long TCP", 120, stretch, vec![FlowSpec::new(5.0, 119.0)]);
    scenario.tcp = vec![TcpSpec::Long(0.0, 119.0)];
    scenario
}

/// §5.7.
pub fn short_tcp() -> Scenario {
    let flows = vec![FlowSpec::new(5.0, 299.0); 2];
    let mut scenario =
        Scenario::new("beside short TCPs", 300, Stretch::new(&[(0.0, 2_000)]), flows);
    scenario.tcp =
        (0..10).map(|index| TcpSpec::Short { begins_on: index < 2, end: 299.0 }).collect();
    scenario
}

/// §5.8.
pub fn pause_and_resume() -> Scenario {
    let mut flows = vec![FlowSpec::new(0.0, 119.0); 3];
    flows[1].pause = Some((40.0, 60.0));
    Scenario::new("pause and resume", 120, Stretch::new(&[(0.0, 3_500)]), flows)
}

/// §6.1: streams of one sender, the first with twice the priority.
pub fn priorities() -> Scenario {
    let flow = FlowSpec {
        priorities: &[2.0, 1.0, 1.0],
        source: Source::Adaptive { min: 450, max: 4_500 },
        ..FlowSpec::new(0.0, 119.0)
    };
    Scenario::new("priorities", 120, Stretch::new(&[(0.0, 3_500)]), vec![flow])
}

/// §6.2: a case with a queue that marks.
pub fn with_ecn(mut scenario: Scenario) -> Scenario {
    for stretch in &mut scenario.stretches {
        stretch.ecn = true;
    }
    for flow in &mut scenario.flows {
        flow.ecn = true;
    }
    scenario
}

/// §6.3.
pub fn two_bottlenecks() -> Scenario {
    // 100 ms from S1 to R1, 40 ms for the others: 30 ms at each bottleneck, 10 between, the rest at the hosts.
    let stretch = |kbps, delay_ms| Stretch { delay_ms, ..Stretch::new(&[(0.0, kbps)]) };
    let long = FlowSpec { extra_delay_ms: 30, ..FlowSpec::new(0.0, 299.0) };
    let first = FlowSpec { to: Some(1), extra_delay_ms: 10, ..FlowSpec::new(0.0, 299.0) };
    let second = FlowSpec { from: 2, extra_delay_ms: 10, ..FlowSpec::new(0.0, 299.0) };
    let mut scenario =
        Scenario::new("two bottlenecks", 300, stretch(2_000, 30), vec![long, first, second]);
    scenario.stretches.push(stretch(8_000, 10));
    scenario.stretches.push(stretch(1_500, 30));
    scenario
}

/// All of them.
pub fn all() -> Vec<Case> {
    let case = |section, scenario| Case { section, scenario };
    vec![
        case("5.1 Variable capacity, one flow, 50 ms", variable_capacity_one_flow(50)),
        case("5.1 Variable capacity, one flow, 100 ms", variable_capacity_one_flow(100)),
        case("5.1 Variable background UDP, one flow", variable_udp_one_flow()),
        case("5.2 Variable capacity, two flows", variable_capacity_two_flows()),
        case("5.3 Congested way back", congested_feedback(false)),
        case("5.3 Reference: free way back", congested_feedback(true)),
        case("5.4 Three flows", competing_flows()),
        case("5.5 Five round-trip times", round_trip_fairness()),
        case("5.6 A long TCP, queue of 300 ms", long_tcp(300)),
        case("5.6 A long TCP, queue of 1,000 ms", long_tcp(1_000)),
        case("5.7 Ten short TCPs", short_tcp()),
        case("5.8 Pause and resume", pause_and_resume()),
        case("6.1 Priorities", priorities()),
        case("6.2 ECN, variable capacity", with_ecn(variable_capacity_one_flow(50))),
        case("6.2 ECN, three flows", with_ecn(competing_flows())),
        case("6.3 Two bottlenecks", two_bottlenecks()),
    ]
}
