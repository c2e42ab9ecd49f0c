//! A controller that follows a model of the path, its bottleneck rate and its round trip, rather than loss (the idea of
//! BBR, draft-ietf-ccwg-bbr): random loss costs it only what was lost. Loss of more than a few percent of a round trip's
//! packets while round trips are long is taken for an overflowing queue and bounds what may be in flight.

use super::new_reno::initial_window;
use super::{Ack, CongestionController};
use std::time::{Duration, Instant};

/// Doubles the sending rate each round trip: 4 ln 2, in percent.
const STARTUP_GAIN: u64 = 277;
/// Empties in one round trip the queue that startup built.
const DRAIN_GAIN: u64 = 36;
/// One round trip above the rate to look for more, one below to empty the queue that made, six at the rate.
const CYCLE: [u64; 8] = [125, 75, 100, 100, 100, 100, 100, 100];
/// Twice the bandwidth-delay product may be in flight, so that delayed and lost acknowledgements do not stall the sender.
const WINDOW_GAIN: u64 = 200;
/// Rounds over which the highest rate counts.
const RATE_ROUNDS: usize = 10;
/// How long the lowest round trip counts before it must be seen again.
const ROUND_TRIP_WINDOW: Duration = Duration::from_secs(10);
const PROBE_ROUND_TRIP: Duration = Duration::from_millis(200);
/// Loss in a round beyond which the queue is taken to overflow, in percent of what was delivered.
const LOSS_LIMIT: u64 = 8;
/// Fewer packets lost than this in a round are chance.
const LOSS_PACKETS: u64 = 6;
/// A round trip longer than the lowest by this part of it, and by this much, is taken for waiting in a queue.
const QUEUE_FRACTION: u32 = 10;
const QUEUE_FLOOR: Duration = Duration::from_millis(1);
/// What remains of the bound after such a round, in percent.
const BACK_OFF: usize = 70;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Doubling, until the rate stops growing.
    Startup,
    /// Emptying the queue.
    Drain,
    /// Cruising, with a look up now and then.
    Probe,
    /// In flight is kept low for a moment, to see the round trip without our own queue.
    RoundTrip { until: Option<Instant> },
}

/// Rate and round trip decide; see the module.
#[derive(Debug)]
pub struct Bbr {
    mtu: usize,
    phase: Phase,
    window: usize,
    /// Highest rate of each of the last rounds, bytes per second.
    rates: [u64; RATE_ROUNDS],
    round: usize,
    round_ends: u64,
    lowest_round_trip: Option<Duration>,
    lowest_seen: Option<Instant>,
    full_rate: u64,
    full_rounds: u32,
    filled: bool,
    cycle: usize,
    cycle_started: Option<Instant>,
    /// In flight is not let above this: the queue overflowed there.
    bound: usize,
    lost_in_round: u64,
    delivered_in_round: u64,
    /// Sum and number of the round trips measured in this round.
    round_trips: (Duration, u32),
    window_before_timeout: usize,
}

impl Bbr {
    /// For packets of `mtu` bytes.
    #[must_use]
    pub fn new(mtu: usize) -> Self {
        Self {
            mtu,
            phase: Phase::Startup,
            window: initial_window(mtu),
            rates: [0; RATE_ROUNDS],
            round: 0,
            round_ends: 0,
            lowest_round_trip: None,
            lowest_seen: None,
            full_rate: 0,
            full_rounds: 0,
            filled: false,
            cycle: 0,
            cycle_started: None,
            bound: usize::MAX,
            lost_in_round: 0,
            delivered_in_round: 0,
            round_trips: (Duration::ZERO, 0),
            window_before_timeout: 0,
        }
    }

    fn rate(&self) -> u64 {
        self.rates.iter().copied().max().unwrap_or(0)
    }

    /// Bytes in flight at `percent` of the bandwidth-delay product.
    fn product(&self, percent: u64) -> Option<usize> {
        let rate = self.rate();
        let round_trip = self.lowest_round_trip?;
        (rate > 0).then(|| {
            (u128::from(rate) * round_trip.as_micros() * u128::from(percent) / 100_000_000) as usize
        })
    }

    fn minimum(&self) -> usize {
        4 * self.mtu
    }

    fn end_round(&mut self, ack: &Ack) {
        self.round_ends = ack.delivered;
        let (sum, count) = std::mem::take(&mut self.round_trips);
        let lowest = self.lowest_round_trip.unwrap_or_default();
        // A queue that overflows is full: who waits in it shows in the round trip. Loss without waiting is the wire's.
        let waiting =
            count > 0 && sum / count > lowest + (lowest / QUEUE_FRACTION).max(QUEUE_FLOOR);
        let overflowing = waiting
            && self.lost_in_round * 100
                > LOSS_LIMIT * (self.delivered_in_round + self.lost_in_round)
            && self.lost_in_round >= LOSS_PACKETS * self.mtu as u64;
        self.lost_in_round = 0;
        self.delivered_in_round = 0;
        if overflowing {
            let product = self.product(100).unwrap_or(0);
            self.bound = (ack.prior_in_flight.min(self.bound) * BACK_OFF / 100)
                .max(product)
                .max(self.minimum());
            self.leave_startup();
        } else if self.bound != usize::MAX && self.phase == Phase::Probe && CYCLE[self.cycle] > 100
        {
            // Looking up went well: give back what was taken, doubling each time.
            self.bound = self.bound.saturating_add((self.bound / 4).max(self.mtu));
        }
        if !self.filled && !ack.app_limited {
            if self.rate() >= self.full_rate + self.full_rate / 4 {
                self.full_rate = self.rate();
                self.full_rounds = 0;
            } else {
                self.full_rounds += 1;
                if self.full_rounds >= 3 {
                    self.leave_startup();
                }
            }
        }
        self.round = (self.round + 1) % RATE_ROUNDS;
        self.rates[self.round] = 0;
    }

    fn leave_startup(&mut self) {
        self.filled = true;
        if self.phase == Phase::Startup {
            self.phase = Phase::Drain;
        }
    }

    fn update_phase(&mut self, ack: &Ack) {
        let round_trip = self.lowest_round_trip.unwrap_or_default();
        match self.phase {
            Phase::Startup => {}
            Phase::Drain => {
                if self.product(100).is_none_or(|product| ack.in_flight <= product) {
                    self.phase = Phase::Probe;
                    self.cycle = 2;
                    self.cycle_started = Some(ack.now);
                }
            }
            Phase::Probe => {
                let started = *self.cycle_started.get_or_insert(ack.now);
                let elapsed = ack.now.saturating_duration_since(started) > round_trip;
                let drained = || self.product(100).is_none_or(|product| ack.in_flight <= product);
                if elapsed || (CYCLE[self.cycle] < 100 && drained()) {
                    self.cycle = (self.cycle + 1) % CYCLE.len();
                    self.cycle_started = Some(ack.now);
                }
            }
            Phase::RoundTrip { until: None } => {
                if ack.in_flight <= self.product(50).unwrap_or(0).max(self.minimum()) {
                    self.phase = Phase::RoundTrip {
                        until: Some(ack.now + PROBE_ROUND_TRIP.max(round_trip)),
                    };
                }
            }
            Phase::RoundTrip { until: Some(until) } => {
                if ack.now >= until {
                    self.lowest_seen = Some(ack.now);
                    self.phase = if self.filled { Phase::Probe } else { Phase::Startup };
                    self.cycle_started = Some(ack.now);
                }
            }
        }
    }

    fn update_window(&mut self, ack: &Ack) {
        if self.window_before_timeout > 0 {
            // Something came back after a timeout: the path is there, and was not that bad.
            self.window = self.window.max(self.window_before_timeout / 2);
            self.window_before_timeout = 0;
        }
        let target = match self.phase {
            Phase::RoundTrip { .. } => self.product(50),
            // What was acknowledged in a bunch needs room too.
            _ => self.product(WINDOW_GAIN).map(|product| product + 3 * self.mtu),
        };
        if !self.filled {
            // Room to double the rate, and no more: the rounds that tell that it no longer doubles fill the queue.
            let target =
                self.product(STARTUP_GAIN).unwrap_or(usize::MAX).max(initial_window(self.mtu));
            if self.window < target || ack.delivered < initial_window(self.mtu) as u64 {
                self.window += ack.acked_bytes;
            }
        } else if let Some(target) = target {
            self.window = (self.window + ack.acked_bytes).min(target);
        }
        self.window = self.window.min(self.bound).max(self.minimum());
        if let Phase::RoundTrip { .. } = self.phase {
            self.window = self.window.min(target.unwrap_or(usize::MAX).max(self.minimum()));
        }
    }
}

impl CongestionController for Bbr {
    fn on_ack(&mut self, ack: &Ack) {
        self.delivered_in_round += ack.acked_bytes as u64;
        if let Some(round_trip) = ack.round_trip.filter(|rtt| !rtt.is_zero()) {
            let stale = self
                .lowest_seen
                .is_some_and(|seen| ack.now.saturating_duration_since(seen) > ROUND_TRIP_WINDOW);
            self.round_trips = (self.round_trips.0 + round_trip, self.round_trips.1 + 1);
            if self.lowest_round_trip.is_none_or(|lowest| round_trip <= lowest)
                || (stale && matches!(self.phase, Phase::RoundTrip { until: Some(_) }))
            {
                self.lowest_round_trip = Some(round_trip);
                self.lowest_seen = Some(ack.now);
            } else if stale && !matches!(self.phase, Phase::RoundTrip { .. }) {
                self.phase = Phase::RoundTrip { until: None };
            }
        }
        if let Some(rate) = ack.delivery_rate {
            // A sender without data measures itself, unless even so it beats what is known.
            if !ack.app_limited || rate > self.rate() {
                let slot = &mut self.rates[self.round];
                *slot = (*slot).max(rate);
            }
        }
        if ack.delivered_at_send >= self.round_ends {
            self.end_round(ack);
        }
        self.update_phase(ack);
        self.update_window(ack);
    }

    fn on_loss(&mut self, _now: Instant, lost_bytes: usize, _new_episode: bool) {
        self.lost_in_round += lost_bytes as u64;
    }

    fn on_timeout(&mut self, _now: Instant) {
        self.window_before_timeout = self.window_before_timeout.max(self.window);
        self.window = self.minimum();
    }

    fn on_idle(&mut self, _now: Instant) {
        self.cycle_started = None;
    }

    fn window(&self) -> usize {
        self.window
    }

    fn pacing_rate(&self) -> Option<u64> {
        let rate = self.rate();
        if rate == 0 {
            return None;
        }
        let gain = match self.phase {
            Phase::Startup => STARTUP_GAIN,
            Phase::Drain => DRAIN_GAIN,
            Phase::Probe => CYCLE[self.cycle],
            Phase::RoundTrip { .. } => 100,
        };
        Some((rate.saturating_mul(gain) / 100).max(self.mtu as u64 * 10))
    }
}
