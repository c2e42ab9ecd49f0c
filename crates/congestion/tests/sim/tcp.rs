//! TCP as RFC 5681 has it, as far as it matters to those who share a queue with it: slow start, congestion avoidance,
//! fast retransmit by selective acknowledgement, timeout.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use peerage_netsim::{Ecn, Network, Rng};

use super::measure::BIN_MS;
use super::{ACK, Ends, SEGMENT, encode};

#[derive(Clone, Copy)]
pub enum TcpSpec {
    /// One download without end, from and to these seconds.
    Long(f64, f64),
    /// Downloads of 30 to 50 kB, three in a row, and pauses of ten seconds on average (RFC 8868 §5.1); whether it
    /// begins with a download.
    Short { begins_on: bool, end: f64 },
}

const SEGMENT_SIZE: usize = 1_460;
const MIN_TIMEOUT: Duration = Duration::from_millis(1_000);

pub struct TcpFlow {
    index: usize,
    ends: Ends,
    start: Instant,
    from: Instant,
    until: Instant,
    short: bool,
    rng: Rng,
    window: f64,
    threshold: f64,
    next: u64,
    /// Sent and not acknowledged, with the time of the last sending.
    flying: BTreeMap<u64, Instant>,
    recovery_until: u64,
    /// Segments left to send, of a short download.
    left: u64,
    resend: Vec<u64>,
    rtt: Option<Duration>,
    pub(super) bins: Vec<u64>,
    pub(super) sent: u64,
    pub(super) lost: u64,
}

impl TcpFlow {
    pub(super) fn new(index: usize, spec: &TcpSpec, ends: Ends, start: Instant, seed: u64) -> Self {
        let mut rng = Rng::for_part(seed, 2_000 + index as u64);
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let (from, until, short) = match *spec {
            TcpSpec::Long(from, until) => (at(from), at(until), false),
            TcpSpec::Short { begins_on, end } => {
                let from = if begins_on { 0.0 } else { pause(&mut rng) };
                (at(from), at(end), true)
            }
        };
        let left = if short { download(&mut rng) } else { u64::MAX };
        Self {
            index,
            ends,
            start,
            from,
            until,
            short,
            rng,
            window: 4.0,
            threshold: 1e9,
            next: 0,
            flying: BTreeMap::new(),
            recovery_until: 0,
            left,
            resend: Vec::new(),
            rtt: None,
            bins: Vec::new(),
            sent: 0,
            lost: 0,
        }
    }

    fn timeout(&self) -> Duration {
        self.rtt.map_or(MIN_TIMEOUT, |rtt| (rtt * 2).max(MIN_TIMEOUT))
    }

    pub(super) fn on_segment(
        &mut self,
        now: Instant,
        number: u64,
        size: usize,
        network: &mut Network,
    ) {
        let bin = ((now - self.start).as_millis() as u64 / BIN_MS) as usize;
        if self.bins.len() <= bin {
            self.bins.resize(bin + 1, 0);
        }
        self.bins[bin] += size as u64 + 28;
        let index = self.index;
        self.ends.send(network, now, false, Ecn::NotEct, |data| {
            encode(data, ACK, index, number, 24);
        });
    }

    pub(super) fn on_ack(&mut self, now: Instant, number: u64, network: &mut Network) {
        let Some(sent) = self.flying.remove(&number) else { return };
        let sample = now - sent;
        self.rtt = Some(self.rtt.map_or(sample, |rtt| rtt * 7 / 8 + sample / 8));
        if self.window < self.threshold {
            self.window += 1.0;
        } else {
            self.window += 1.0 / self.window;
        }
        // Three later ones acknowledged: it is lost. What was sent again is older than its number says.
        let lost: Vec<u64> = self
            .flying
            .range(..number.saturating_sub(2))
            .filter(|(_, at)| **at < sent)
            .map(|(&number, _)| number)
            .collect();
        for number in lost {
            self.flying.remove(&number);
            self.resend.push(number);
            self.lost += 1;
            if number >= self.recovery_until {
                self.threshold = (self.window / 2.0).max(2.0);
                self.window = self.threshold;
                self.recovery_until = self.next;
            }
        }
        self.drive(now, network);
    }

    pub(super) fn drive(&mut self, now: Instant, network: &mut Network) {
        if now < self.from || now >= self.until {
            return;
        }
        let timeout = self.timeout();
        if self.flying.values().any(|&at| now >= at + timeout) {
            let all: Vec<u64> = self.flying.keys().copied().collect();
            self.lost += all.len() as u64;
            self.resend.extend(all);
            self.flying.clear();
            self.threshold = (self.window / 2.0).max(2.0);
            self.window = 1.0;
            self.recovery_until = self.next;
        }
        while (self.flying.len() as f64) < self.window {
            let number = match self.resend.pop() {
                Some(number) => number,
                None if self.left > 0 => {
                    self.left -= 1;
                    self.next += 1;
                    self.next - 1
                }
                None => break,
            };
            self.sent += 1;
            self.flying.insert(number, now);
            let index = self.index;
            self.ends.send(network, now, true, Ecn::NotEct, |data| {
                encode(data, SEGMENT, index, number, SEGMENT_SIZE);
            });
        }
        if self.short && self.left == 0 && self.flying.is_empty() && self.resend.is_empty() {
            self.from = now + Duration::from_secs_f64(pause(&mut self.rng));
            self.left = download(&mut self.rng);
            self.window = 4.0;
            self.threshold = 1e9;
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        let timeout = self.flying.values().min().map(|&at| at + self.timeout());
        let begin = (self.flying.is_empty() && self.left > 0).then_some(self.from);
        timeout.into_iter().chain(begin).min().filter(|&at| at < self.until)
    }
}

fn pause(rng: &mut Rng) -> f64 {
    -10.0 * (1.0 - rng.unit()).ln()
}

fn download(rng: &mut Rng) -> u64 {
    3 * (30_000 + rng.below(20_000)) / SEGMENT_SIZE as u64
}
