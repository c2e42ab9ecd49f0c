//! Handshakes and records of DTLS, both ends in one thread with nothing between them, beside `dimpl` over each of its
//! suppliers of cryptography: mutual certificates (ECDSA on P-256), X25519, AES-128-GCM, endpoints made anew for each
//! handshake. Ours also as WebRTC runs it, with X25519MLKEM768. What is counted is CPU time, both ends together, so that a
//! busy machine changes little; the contenders take turns, and the best turn of each counts.
//!
//! `cargo bench -p bench-dtls` runs all; `-- handshake` or `-- record` one of them.

mod dimpl_pair;
mod our_pair;

use bench_measure::{cpu_time, figure};
use dimpl::crypto::{aws_lc_rs, rust_crypto};
use dimpl_pair::DimplPair;
use our_pair::OurPair;

/// How often each contender has its turn.
const TURNS: usize = 8;
/// Handshakes in one turn.
const HANDSHAKES: usize = 60;
/// Records in one turn.
const RECORDS: usize = 60_000;
/// User bytes of a record: what SCTP puts into a datagram.
const RECORD: usize = 1_150;

/// Two ends, joined in memory.
trait Pair {
    /// Makes two ends and runs the handshake.
    fn connect(&mut self);
    /// Sends records of [`RECORD`] bytes from the client to the server, one datagram each.
    fn transfer(&mut self, records: usize);
}

struct Contender {
    version: &'static str,
    /// Its name in the file of figures, and in what is printed.
    name: &'static str,
    pair: Box<dyn Pair>,
}

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let run = |what: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == what);
    let contender = |version, name, pair: Box<dyn Pair>| Contender { version, name, pair };
    let (aws_lc, rust) = (aws_lc_rs::default_provider, rust_crypto::default_provider);
    let mut contenders = vec![
        contender("12", "peerage-dtls", Box::new(OurPair::dtls12())),
        contender("12", "dimpl", Box::new(DimplPair::dtls12(aws_lc()))),
        contender("12", "dimpl-rust-crypto", Box::new(DimplPair::dtls12(rust()))),
        contender("13", "peerage-dtls", Box::new(OurPair::dtls13())),
        contender("13", "dimpl", Box::new(DimplPair::dtls13(aws_lc()))),
        contender("13", "dimpl-rust-crypto", Box::new(DimplPair::dtls13(rust()))),
        contender("13", "peerage-dtls-mlkem", Box::new(OurPair::hybrid())),
        contender("13", "peerage-dtls-defaults", Box::new(OurPair::webrtc())),
    ];
    if run("handshake") {
        println!("{:<8}{:<30}{:>14}", "DTLS", "handshake, both ends", "ms of CPU");
        let best = measure(&mut contenders, |pair| {
            for _ in 0..HANDSHAKES {
                pair.connect();
            }
        });
        for (Contender { version, name, .. }, seconds) in contenders.iter().zip(best) {
            let each = seconds / HANDSHAKES as f64;
            println!("{version:<8}{name:<30}{:>14.3}", each * 1e3);
            figure(&format!("dtls{version}_handshake/{name}"), each * 1e9);
        }
    }
    if run("record") {
        // The group makes no difference here.
        contenders.truncate(6);
        for contender in &mut contenders {
            contender.pair.connect();
        }
        println!("{:<8}{:<30}{:>14}", "DTLS", "seal and open 1,150 bytes", "MB per CPU-s");
        let best = measure(&mut contenders, |pair| pair.transfer(RECORDS));
        for (Contender { version, name, .. }, seconds) in contenders.iter().zip(best) {
            let rate = (RECORDS * RECORD) as f64 / 1e6 / seconds;
            println!("{version:<8}{name:<30}{rate:>14.0}");
            figure(&format!("dtls{version}_record/{name}"), rate);
        }
    }
}

/// The CPU seconds of each contender's best turn.
fn measure(contenders: &mut [Contender], turn: impl Fn(&mut dyn Pair)) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; contenders.len()];
    for _ in 0..TURNS {
        for (contender, best) in contenders.iter_mut().zip(&mut best) {
            let ((), spent) = cpu_time(|| turn(&mut *contender.pair));
            *best = best.min(spent.as_secs_f64());
        }
    }
    best
}
