//! Runs the calls of many seeds, on all cores, and tells how they ended.
//!
//! `PEERAGE_SEEDS=2000` runs so many seeds; `PEERAGE_SEED=7` replays one and tells what happens in it.

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::call::{self, Outcome, Report};
use super::plan::Plan;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, but must be a number")))
}

/// Runs a seed; a panic is a failure like any other.
fn run(make: fn(u64) -> Plan, seed: u64, verbose: bool) -> Result<Outcome, String> {
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let plan = make(seed);
        let must_connect = plan.must_connect();
        let Report { outcome, .. } = call::run(plan, Instant::now(), verbose);
        match outcome? {
            Outcome::Failed(time) if must_connect => {
                Err(format!("failed after {time:?}, though nothing kept the ends apart"))
            }
            outcome => Ok(outcome),
        }
    }));
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(format!("panicked: {}", text.or(panic.downcast_ref().copied()).unwrap_or("?")))
    })
}

/// Every seed ends with intact data or a clear failure; `default` of them unless somebody asks for more.
pub(crate) fn check(make: fn(u64) -> Plan, default: u64) {
    if let Some(seed) = number("PEERAGE_SEED") {
        println!("{:#?}", make(seed));
        let outcome = run(make, seed, true);
        println!("{outcome:?}");
        assert!(outcome.is_ok(), "seed {seed}: {outcome:?}");
        return;
    }
    let seeds = number("PEERAGE_SEEDS").unwrap_or(default);
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let outcome = run(make, seed, false);
                    outcomes.lock().unwrap().push((seed, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
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
        "{seeds} seeds: {complete} complete, {} failed clearly, {} wrong; {:.1} seeds/s",
        outcomes.len() - complete - wrong.len(),
        wrong.len(),
        seeds as f64 / begun.elapsed().as_secs_f64()
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
