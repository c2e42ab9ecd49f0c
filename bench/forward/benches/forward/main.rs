//! A forwarding server (SFU) in virtual time: what comes from one publisher goes out to ten receivers. The figure is packets
//! sent per second of CPU time of the server alone; publisher and receivers run outside the measurement. 1,000 packets a
//! second with 1,100 bytes of payload, four at a time.
//!
//! Ours runs as it comes: pacing, estimation of each receiver's path by transport-wide feedback, which the receivers send,
//! feedback to the publisher, and a history for repeats; datagrams of one size are handed out up to 16 at a time, as a
//! server with segmentation offload takes them. Once more with the numbers rewritten as for simulcast, and once datagram by
//! datagram. Beside it `str0m` in its RTP mode, as it comes: no estimation, a history for repeats, datagram by datagram.
//!
//! `cargo bench -p bench-forward` runs all; `-- forward` or `idle` one of them.

mod idle;
mod peerage;
mod str0m;

use std::time::Duration;

use bench_measure::{cpu_time, figure, median};

/// Who gets the packets.
const RECEIVERS: usize = 10;
/// Bytes of payload.
const PAYLOAD: usize = 1_100;
/// Packets that come at a time, and how often.
const BURST: usize = 4;
const TICK: Duration = Duration::from_millis(4);
/// Datagrams of one size that are handed out at a time, for UDP segmentation offload.
const SEGMENTS: usize = 16;
/// Bursts until the estimate has grown, and those that are measured.
const WARM_UP: usize = 5_000;
const MEASURED: usize = 10_000;

/// A server with its publisher and receivers.
trait Server {
    /// The publisher hands over a burst.
    fn publish(&mut self);
    /// The server takes what came, from publisher and receivers, and sends what is due. This is what is measured.
    fn serve(&mut self);
    /// The others take what was sent, and answer. How many packets of media the receivers got.
    fn deliver(&mut self) -> usize;
    /// Time passes.
    fn advance(&mut self, time: Duration);
}

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let run = |what: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == what);
    if run("forward") {
        forward("peerage", |seed| peerage::Room::connect(seed, false, SEGMENTS));
        forward("peerage, rewritten", |seed| peerage::Room::connect(seed, true, SEGMENTS));
        forward("peerage, one by one", |seed| peerage::Room::connect(seed, false, 1));
        forward("str0m", |_| str0m::Room::connect());
    }
    if run("idle") {
        idle::measure();
    }
}

fn forward<S: Server>(name: &str, connect: impl Fn(u64) -> S) {
    let rate = median(|seed| {
        let mut room = connect(seed + 1);
        let run = |room: &mut S, bursts: usize| {
            let (mut spent, mut received) = (Duration::ZERO, 0);
            for _ in 0..bursts {
                room.publish();
                spent += cpu_time(|| room.serve()).1;
                received += room.deliver();
                room.advance(TICK);
            }
            (spent, received)
        };
        run(&mut room, WARM_UP);
        let (spent, received) = run(&mut room, MEASURED);
        let expected = MEASURED * BURST * RECEIVERS;
        if received * 100 > expected * 98 {
            return received as f64 / spent.as_secs_f64();
        }
        assert!(!name.starts_with("peerage"), "{received} of {expected} came");
        println!("{name:<20} is not measured: {received} of {expected} packets came");
        f64::NAN
    });
    if rate.is_nan() {
        return;
    }
    println!("{name:<20} forward to {RECEIVERS:<20} {:>10.0} k packets per CPU-s", rate / 1e3);
    figure(&format!("forward/packets/{name}"), rate / 1e3);
}
