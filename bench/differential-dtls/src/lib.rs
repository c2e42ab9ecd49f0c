//! Other implementations of DTLS behind one small trait, so that ours can be joined to each in memory.

mod boring_peer;
mod dimpl_peer;
mod ours;

use std::time::{Duration, Instant};

pub use boring_peer::{BoringOptions, BoringPeer, boring_program};
pub use dimpl_peer::{DimplPeer, Version as DimplVersion};
pub use ours::{OurPeer, config};

/// One end of a connection, whoever wrote it.
pub trait Peer {
    /// Takes a datagram.
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), String>;
    /// Does what is due, and hands out the datagrams to send.
    fn poll(&mut self, now: Instant) -> Result<Vec<Vec<u8>>, String>;
    /// When it wants to be polled again.
    fn timeout(&self) -> Option<Instant>;
    /// Whether the handshake is complete.
    fn is_connected(&self) -> bool;
    /// Sends application data with the next poll.
    fn send(&mut self, data: &[u8]) -> Result<(), String>;
    /// Application data that came.
    fn received(&mut self) -> Vec<Vec<u8>>;
    /// `EXTRACTOR-dtls_srtp` in the length of the SRTP profile, if the implementation tells.
    fn keying_material(&mut self) -> Option<Vec<u8>>;
    /// The certificate of the other end, DER, if it is known.
    fn peer_certificate(&self) -> Option<Vec<u8>>;
}

/// Two peers and a network with a fixed delay that drops datagrams by a pattern.
pub struct Wire<A, B> {
    pub a: A,
    pub b: B,
    pub now: Instant,
    /// Percentage of lost datagrams.
    pub loss: u64,
    random: u64,
    flying: Vec<(Instant, bool, Vec<u8>)>,
}

impl<A: Peer, B: Peer> Wire<A, B> {
    pub fn new(a: A, b: B, now: Instant, seed: u64) -> Self {
        Self { a, b, now, loss: 0, random: seed, flying: Vec::new() }
    }

    fn is_lost(&mut self) -> bool {
        self.random =
            self.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.random >> 33) % 100 < self.loss
    }

    fn poll(&mut self) -> Result<(), String> {
        for from_a in [true, false] {
            let datagrams = if from_a { self.a.poll(self.now)? } else { self.b.poll(self.now)? };
            for datagram in datagrams {
                let lost = self.is_lost();
                if std::env::var_os("TRACE").is_some() {
                    trace(from_a, lost, &datagram, self.now);
                }
                if !lost {
                    self.flying.push((self.now + Duration::from_millis(5), !from_a, datagram));
                }
            }
        }
        Ok(())
    }

    /// Runs until `done` or until `limit` has passed.
    pub fn run(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> Result<bool, String> {
        let limit = self.now + limit;
        loop {
            self.poll()?;
            if done(self) {
                return Ok(true);
            }
            let arrival = self.flying.iter().map(|&(at, ..)| at).min();
            let next = [arrival, self.a.timeout(), self.b.timeout()].into_iter().flatten().min();
            match next {
                Some(next) if next <= limit => {
                    // Never stand still, whatever a peer claims.
                    self.now = next.max(self.now + Duration::from_micros(100));
                }
                _ => {
                    self.now = limit;
                    return Ok(false);
                }
            }
            let now = self.now;
            let due: Vec<_> = self.flying.extract_if(.., |&mut (at, ..)| at <= now).collect();
            for (_, to_a, datagram) in due {
                if to_a {
                    self.a.handle_datagram(now, &datagram)?;
                } else {
                    self.b.handle_datagram(now, &datagram)?;
                }
            }
        }
    }

    /// Connects, compares what both ends know, and exchanges data both ways.
    pub fn check(&mut self) -> Result<(), String> {
        let connected = self
            .run(Duration::from_secs(40), |wire| wire.a.is_connected() && wire.b.is_connected())?;
        if !connected {
            return Err(format!(
                "not connected: {} {}",
                self.a.is_connected(),
                self.b.is_connected()
            ));
        }
        if let (Some(a), Some(b)) = (self.a.keying_material(), self.b.keying_material())
            && a != b
        {
            return Err("the exported keying material differs".into());
        }
        self.exchange()
    }

    /// Exchanges data both ways, on a network without loss.
    pub fn exchange(&mut self) -> Result<(), String> {
        let loss = std::mem::take(&mut self.loss);
        // What was lost at the end of the handshake is sent again first.
        self.run(Duration::from_secs(10), |_| false)?;
        for length in [1_usize, 100, 1000] {
            self.a.send(&vec![1; length])?;
            self.b.send(&vec![2; length])?;
        }
        self.run(Duration::from_secs(5), |_| false)?;
        self.loss = loss;
        for (received, byte) in [(self.b.received(), 1), (self.a.received(), 2)] {
            let lengths: Vec<usize> = received.iter().map(Vec::len).collect();
            if lengths != [1, 100, 1000] || received.iter().flatten().any(|&got| got != byte) {
                return Err(format!("data of {lengths:?} bytes came from end {byte}"));
            }
        }
        Ok(())
    }
}

/// Prints the records of a datagram: with the variable TRACE set, every one is shown.
fn trace(from_a: bool, lost: bool, datagram: &[u8], now: Instant) {
    thread_local!(static START: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) });
    let start = START.get().unwrap_or(now);
    START.set(Some(start));
    print!("{:>8.3} {}", (now - start).as_secs_f64(), if from_a { "a ->" } else { "  <- b" });
    if lost {
        print!(" LOST");
    }
    let mut at = 0;
    while let Some(&first) = datagram.get(at) {
        if first & 0xe0 == 0x20 {
            print!(" [{first:02x} epoch bits {} ...{}]", first & 3, datagram.len() - at);
            break;
        }
        let Some(header) = datagram.get(at..at + 13) else { break };
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let body = &datagram[at + 13..];
        print!(" [type {first} epoch {} seq {} len {length}", header[4], header[10]);
        if first == 22 && header[4] == 0 && body.len() >= 12 {
            print!(
                " msg {} seq {} off {} of {}",
                body[0],
                body[5],
                u16::from_be_bytes([body[7], body[8]]),
                u16::from_be_bytes([body[2], body[3]])
            );
        }
        print!("]");
        at += 13 + length;
    }
    println!();
}
