//! Every case of RFC 8867 §5 and §6, and some more, for Peerage's controller and for `goog_cc`: the same sources, pacer,
//! network and seeds. What came of it goes into one HTML page with the metrics of RFC 8868 §3; a short table is printed.
//! At the end stands what a report of fifty packets costs each of them.

mod goog;
mod report;

#[path = "../../../../crates/congestion/tests/sim/mod.rs"]
mod sim;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use peerage_congestion::{
    Controller, DataRate, DataSize, Ecn, Feedback, GccConfig, PacketResult, SentPacket,
};
use peerage_netsim::Loss;

use goog::GoogCc;
use report::Drawn;
use sim::scenarios::{self, Case};
use sim::{FlowSpec, QueueSize, Scenario, Source, Stretch};

fn main() {
    // Asked for a list of its tests, as `cargo test --benches` does, there is none.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let mut drawn = Vec::new();
    println!("{:44} {:>31}   {:>31}", "", "Peerage", "goog_cc");
    println!(
        "{:44} {:>9} {:>10} {:>10}   {:>9} {:>10} {:>10}",
        "", "sent", "wait, ms", "lost", "sent", "wait, ms", "lost"
    );
    for case in scenarios::all().into_iter().chain(more()) {
        let ours = sim::run(&case.scenario);
        let theirs = sim::run_with(&case.scenario, &theirs);
        println!("{:44} {}   {}", case.section, report::summary(&ours), report::summary(&theirs));
        drawn.push(Drawn { case, ours, theirs });
    }
    let path = folder().join("congestion.html");
    if let Err(error) = std::fs::write(&path, report::page(&drawn)) {
        eprintln!("{}: {error}", path.display());
        std::process::exit(1);
    }
    println!("\nWith plots: {}", path.display());

    for (who, maker) in [("peerage", &sim::ours as &sim::Maker), ("goog_cc", &theirs)] {
        let micros = bench_measure::median(|_| cost(maker));
        println!("a report of fifty packets, with their sending: {who} {micros:.1} µs of CPU time");
        bench_measure::figure(&format!("congestion/report/{who}"), micros);
    }
}

fn theirs(config: GccConfig) -> Box<dyn Controller> {
    Box::new(GoogCc::new(config))
}

/// Where `cargo xtask bench` looks, or the place that cargo gives.
fn folder() -> PathBuf {
    let figures = std::env::var_os("PEERAGE_BENCH_FIGURES").map(PathBuf::from);
    let folder = figures.and_then(|path| path.parent().map(PathBuf::from));
    let folder = folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let _ = std::fs::create_dir_all(&folder);
    folder
}

/// What the RFC has no case for.
fn more() -> Vec<Case> {
    let alone = |section, seconds, stretch| Case {
        section,
        scenario: Scenario::new("alone", seconds, stretch, vec![FlowSpec::greedy(seconds)]),
    };
    let steady = || Stretch::new(&[(0.0, 3_000)]);
    let lossy = |share| Stretch { loss: Loss::Random(share), ..steady() };
    let down = [(0.0, 3_000), (15.0, 500)];
    let little = FlowSpec { source: Source::Constant(300), ..FlowSpec::new(0.0, 60.0) };
    let late = FlowSpec { start: 20.0, ..FlowSpec::greedy(200) };
    vec![
        alone("Ramp-up on 3 Mbit/s", 20, steady()),
        alone("Step up, 500 kbit/s to 3 Mbit/s", 40, Stretch::new(&[(0.0, 500), (20.0, 3_000)])),
        alone("Step down, 3 Mbit/s to 500 kbit/s", 40, Stretch::new(&down)),
        alone(
            "Step down, the queue as long in bytes",
            40,
            Stretch { queue: QueueSize::Bytes(112_500), ..Stretch::new(&down) },
        ),
        alone("2 % random loss", 60, lossy(0.02)),
        alone("5 % random loss", 60, lossy(0.05)),
        alone("10 % random loss", 60, lossy(0.10)),
        alone("20 % random loss", 60, lossy(0.20)),
        alone("Jitter of 15 ms", 60, Stretch { jitter_ms: 15, ..steady() }),
        alone("A queue of 20 ms", 60, Stretch { queue: QueueSize::Milliseconds(20), ..steady() }),
        alone("An outage of 10 s", 60, Stretch { outage: Some((20.0, 30.0)), ..steady() }),
        Case {
            section: "An application that sends 320 kbit/s",
            scenario: Scenario::new("little", 60, Stretch::new(&[(0.0, 10_000)]), vec![little]),
        },
        Case {
            section: "Two flows on 4 Mbit/s",
            scenario: Scenario::new(
                "two flows",
                200,
                Stretch::new(&[(0.0, 4_000)]),
                vec![FlowSpec::greedy(200), late],
            ),
        },
    ]
}

/// Microseconds of CPU time for fifty packets sent and reported.
fn cost(maker: &sim::Maker) -> f64 {
    const REPORTS: u64 = 2_000;
    const PACKETS: u64 = 50;
    let mut controller =
        maker(GccConfig { start_rate: DataRate::from_mbps(10), ..GccConfig::default() });
    let start = Instant::now();
    let mut results = Vec::with_capacity(PACKETS as usize);
    let ((), time) = bench_measure::cpu_time(|| {
        for report in 0..REPORTS {
            results.clear();
            for packet in 0..PACKETS {
                let at = Duration::from_micros((report * PACKETS + packet) * 1_000);
                let size = DataSize::from_bytes(1_200);
                let id = report * PACKETS + packet;
                let sent = SentPacket { id, size, probe: None, padding: false };
                controller.on_packet_sent(start + at, &sent);
                results.push(PacketResult {
                    sent: start + at,
                    arrived: Some(at + Duration::from_millis(20)),
                    size,
                    ecn: Ecn::NotEct,
                    probe: None,
                    was_lost: false,
                });
            }
            let now = start + Duration::from_micros((report + 1) * PACKETS * 1_000 + 40_000);
            controller.on_feedback(now, &Feedback { results: &results, rtt: None });
            controller.handle_timeout(now);
            while controller.poll_probe().is_some() {}
        }
    });
    std::hint::black_box(controller.target());
    time.as_secs_f64() * 1e6 / REPORTS as f64
}
