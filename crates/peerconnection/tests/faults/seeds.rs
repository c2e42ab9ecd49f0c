//! Runs the calls of many seeds, on all cores, and tells how they ended.
//!
//! `PEERAGE_SEEDS=2000` runs so many seeds; `PEERAGE_SEED=7` replays one and tells what happens in it.

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::call::{self, Outcome, Report};
use super::plan::Plan;
use super::queues::Peak;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, but must be a number")))
}

/// What a call came to.
struct Ended {
    outcome: Result<Outcome, String>,
    /// The most that waited, before the application took what came and after.
    peaks: [Peak; 2],
    /// How long sound and pictures took to go on after an interruption.
    resumed: [Duration; 2],
}

/// Runs a seed; a panic is a failure like any other.
fn run(make: fn(u64) -> Plan, seed: u64, verbose: bool) -> Ended {
    let (mut peaks, mut resumed) = Default::default();
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let plan = make(seed);
        let must_connect = plan.must_connect();
        let report: Report = call::run(plan, Instant::now(), verbose);
        (peaks, resumed) = (report.peaks, report.resumed);
        match report.outcome? {
            Outcome::Failed(time) if must_connect => {
                Err(format!("failed after {time:?}, though nothing kept the ends apart"))
            }
            outcome => Ok(outcome),
        }
    }));
    let outcome = result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(format!("panicked: {}", text.or(panic.downcast_ref().copied()).unwrap_or("?")))
    });
    Ended { outcome, peaks, resumed }
}

/// Every seed ends with intact data or a clear failure; `default` of them unless somebody asks for more.
pub(crate) fn check(make: fn(u64) -> Plan, default: u64) {
    if let Some(seed) = number("PEERAGE_SEED") {
        println!("{:#?}", make(seed));
        let outcome = run(make, seed, true).outcome;
        println!("{outcome:?}");
        assert!(outcome.is_ok(), "seed {seed}: {outcome:?}");
        return;
    }
    let seeds = number("PEERAGE_SEEDS").unwrap_or(default);
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let outcomes = Mutex::new(Vec::new());
    let peaks = Mutex::new([Peak::default(); 2]);
    let slowest = Mutex::new([(Duration::ZERO, 0); 2]);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let ended = run(make, seed, false);
                    let mut peaks = peaks.lock().unwrap();
                    for (all, one) in peaks.iter_mut().zip(&ended.peaks) {
                        all.take(&one.0);
                    }
                    let mut slowest = slowest.lock().unwrap();
                    for (all, one) in slowest.iter_mut().zip(ended.resumed) {
                        *all = (*all).max((one, seed));
                    }
                    let outcome = ended.outcome;
                    outcomes.lock().unwrap().push((seed, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    let [before, after] = peaks.into_inner().unwrap();
    println!("at most, before it was taken: {before}");
    println!("at most, at rest: {after}");
    let slowest = slowest.into_inner().unwrap();
    for ((time, seed), kind) in slowest.into_iter().zip(["sound", "pictures"]) {
        let seconds = time.as_secs_f64();
        println!("after an interruption {kind} went on within {seconds:.1} s (seed {seed})");
    }
    outcomes.sort_by_key(|(seed, _)| *seed);
    let complete =
        outcomes.iter().filter(|(_, one)| matches!(one, Ok(Outcome::Complete(_)))).count();
    let wrong: Vec<_> =
        outcomes.iter().filter_map(|(seed, one)| Some((seed, one.as_ref().err()?))).collect();
    // Why calls fail: the first that applies.
    let (mut apart, mut damaged, mut other) = (Vec::new(), Vec::new(), Vec::new());
    for (seed, _) in outcomes.iter().filter(|(_, one)| matches!(one, Ok(Outcome::Failed(_)))) {
        let plan = make(*seed);
        let reason = match (plan.is_apart(), plan.is_damaged()) {
            (true, _) => &mut apart,
            (false, true) => &mut damaged,
            (false, false) => &mut other,
        };
        reason.push(*seed);
    }
    println!("failed, {} between NATs that only a relay joins: {apart:?}", apart.len());
    println!("failed, {} where bits flip: {damaged:?}", damaged.len());
    println!("failed, {} without either: {other:?}", other.len());
    let slowest = outcomes.iter().filter_map(|(seed, one)| match one {
        Ok(Outcome::Complete(time)) => Some((*time, *seed)),
        _ => None,
    });
    if let Some((time, seed)) = slowest.max() {
        println!("slowest: seed {seed}, {:.1} s of virtual time", time.as_secs_f64());
    }
    for (seed, reason) in &wrong {
        println!("seed {seed}: {reason}");
    }
    println!(
        "{} seeds: {complete} complete, {} failed clearly, {} wrong; {:.1} seeds/s",
        outcomes.len(),
        outcomes.len() - complete - wrong.len(),
        wrong.len(),
        outcomes.len() as f64 / begun.elapsed().as_secs_f64()
    );
    assert!(
        wrong.is_empty(),
        "wrong: {:?}; PEERAGE_SEED=N replays one",
        wrong.iter().map(|(seed, _)| seed).collect::<Vec<_>>()
    );
    // Or a network that lets nothing through would pass.
    assert!(
        complete * 10 >= outcomes.len() * 7,
        "only {complete} of {seeds} calls came to their end"
    );
}
