//! Two peer connections in one thread, with nothing between them: megabytes of user data per second of CPU time, CPU time
//! to connect, memory and CPU time of a pair that idles; both ends together, so that a busy machine changes little.
//!
//! Beside them `rtc` (the sans-IO crate of webrtc-rs) and `str0m`, driven alike: the same number of datagrams between
//! polls, candidates in the descriptions, one channel opened in band.
//!
//! `cargo bench -p bench-datachannel` runs all; `-- throughput`, `connect`, `memory` or `idle` one of them.

mod heap;
mod peerage;
mod rtc;
mod str0m;

use std::hint::black_box;
use std::time::Duration;

use bench_measure::{cpu_time, figure, median};

#[global_allocator]
static HEAP: heap::Counting = heap::Counting::new();

/// User bytes a throughput measurement moves.
const VOLUME: usize = 256 << 20;
/// Bytes of a message.
const MESSAGE: usize = 65_536;
/// Datagrams per poll.
const BATCH: usize = 16;
/// User bytes queued ahead.
const AHEAD: usize = 1 << 20;
/// Pairs whose memory is taken together.
const PAIRS: usize = 50;
/// How long a pair idles, in its own time.
const IDLE: Duration = Duration::from_secs(20_000);

/// A pair under measurement.
trait Pair: Sized {
    /// Connects two ends with one open channel, in its own time.
    fn connect(seed: u64) -> Self;
    /// Moves `count` messages of `size` bytes from one end to the other, in real time.
    fn transfer(&mut self, count: usize, size: usize);
    /// Lets its own time pass with nothing to do.
    fn idle(&mut self, time: Duration);
}

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    measure::<peerage::PeeragePair>("peerage", &wanted, VOLUME, IDLE);
    // They are slow enough that a part of the volume and of the time measures them.
    measure::<rtc::RtcPair>("rtc", &wanted, VOLUME / 4, IDLE / 20);
    measure::<str0m::Str0mPair>("str0m", &wanted, VOLUME / 4, IDLE / 20);
}

fn measure<P: Pair>(name: &str, wanted: &[String], volume: usize, idle: Duration) {
    let run = |what: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == what);
    let report = |what: &str, text: &str, value: f64, digits: usize, unit: &str| {
        println!("{name:<10} {text:<36} {value:>10.digits$} {unit}");
        figure(&format!("datachannel/{what}/{name}"), value);
    };
    if run("throughput") {
        let rate = median(|seed| {
            let mut pair = P::connect(seed);
            let ((), spent) = cpu_time(|| pair.transfer(volume / MESSAGE, MESSAGE));
            volume as f64 / 1e6 / spent.as_secs_f64()
        });
        report("throughput", "throughput, 64 KiB messages", rate, 0, "MB per CPU-s");
    }
    if run("connect") {
        let rounds = 40;
        let each = median(|third| {
            let seeds = third * rounds..(third + 1) * rounds;
            let ((), spent) = cpu_time(|| seeds.for_each(|seed| drop(black_box(P::connect(seed)))));
            spent.as_secs_f64() * 1e3 / rounds as f64
        });
        report("connect", "connect, both ends", each, 2, "ms of CPU");
    }
    if run("memory") {
        // What is made once in a process is not counted.
        drop(P::connect(0));
        let before = HEAP.in_use();
        let pairs: Vec<P> = (0..PAIRS as u64).map(P::connect).collect();
        let each = (HEAP.in_use() - before) as f64 / 1e3 / PAIRS as f64;
        report("memory", "memory of a connected pair", each, 1, "kB");
        drop(pairs);
    }
    if run("idle") {
        let each = median(|seed| {
            let mut pair = P::connect(seed);
            let ((), spent) = cpu_time(|| pair.idle(idle));
            // Two connections in a pair.
            spent.as_secs_f64() * 1e6 / idle.as_secs_f64() / 2.0
        });
        report("idle", "idle, per connection and second", each, 1, "us of CPU");
    }
}
