//! How every bench here measures: CPU time of the process instead of wall time, so that a busy machine changes little.
//!
//! Benches of small functions hand [`CpuTime`] to criterion; those that drive whole connections call [`median`] and
//! [`figure`]. Both leave their figures where `cargo xtask bench` collects them for its table.

use std::io::Write;
use std::time::Duration;

use cpu_time::ProcessTime;
use criterion::Criterion;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};

/// The variable that names the folder for [`figure`]'s files.
pub const FIGURES: &str = "PEERAGE_BENCH_FIGURES";

/// Criterion's clock, replaced by the CPU time of the whole process: the rates it prints are per CPU-second.
///
/// All threads count, also those that no bench meant to start.
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuTime;

impl CpuTime {
    /// Criterion with this clock, and otherwise as it comes.
    pub fn criterion() -> Criterion<Self> {
        Criterion::default().with_measurement(Self)
    }
}

impl Measurement for CpuTime {
    type Intermediate = ProcessTime;
    type Value = Duration;

    fn start(&self) -> ProcessTime {
        ProcessTime::now()
    }

    fn end(&self, start: ProcessTime) -> Duration {
        start.elapsed()
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        // It formats nanoseconds, whatever clock counted them.
        WallTime.formatter()
    }
}

/// The CPU time that `run` takes, all threads together, and what it returned.
pub fn cpu_time<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let start = ProcessTime::now();
    let out = run();
    (out, start.elapsed())
}

/// The middle one of three figures; `run` is told which of them it makes.
pub fn median(run: impl FnMut(u64) -> f64) -> f64 {
    let mut figures: Vec<f64> = (0..3).map(run).collect();
    figures.sort_by(f64::total_cmp);
    figures[1]
}

/// Leaves one figure in the file of this bench, a line `name<TAB>value`; nothing without [`FIGURES`].
///
/// The name is `bench/what/who`, the unit is the one the bench prints.
pub fn figure(name: &str, value: f64) {
    let Some(folder) = std::env::var_os(FIGURES) else { return };
    let bench = name.split('/').next().unwrap_or(name);
    let path = std::path::Path::new(&folder).join(format!("{bench}.tsv"));
    let written = std::fs::create_dir_all(&folder).and_then(|()| {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path)?;
        writeln!(file, "{name}\t{value}")
    });
    if let Err(error) = written {
        eprintln!("no figure was left at {}: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_costs_no_cpu_time() {
        let ((), spent) = cpu_time(|| std::thread::sleep(Duration::from_millis(200)));
        assert!(spent < Duration::from_millis(150), "{spent:?}");
    }

    #[test]
    fn the_median_is_neither_best_nor_worst() {
        assert_eq!(median(|round| [3.0, 9.0, 4.0][round as usize]), 4.0);
    }
}
