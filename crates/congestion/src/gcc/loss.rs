//! The limit that losses tell of, told apart from losses that have nothing to do with the rate.
//!
//! A model with two unknowns: the path loses a share `p` of all packets whatever is sent, and beyond that what exceeds
//! a capacity. At some candidate capacities it is asked how likely the losses of the last seconds were, with the
//! best `p` for each; the most likely candidate wins, a higher one where there is little to choose. Losses on a radio
//! link thus cost nothing, while losses that follow the rate do: each attempt to send more makes the two easier to
//! tell apart. A standing queue speaks against losses by chance.

use std::time::{Duration, Instant};

use crate::report::PacketResult;
use crate::units::DataRate;

/// Observations remembered: five seconds and more.
const WINDOW: usize = 20;
/// What one observation covers at least.
const MIN_SPAN: Duration = Duration::from_millis(250);
const MIN_PACKETS: u32 = 10;
/// Where packets are rare, it ends after this anyhow.
const MAX_SPAN: Duration = Duration::from_secs(1);
/// Weight of an observation against the next one.
const AGEING: f64 = 0.9;
/// Below this average loss there is no limit to find.
const IGNORED_LOSS: f64 = 0.02;
/// The most that is ever put down to chance.
const MAX_INHERENT: f64 = 0.35;
/// How much likelihood, in nats, a capacity lower by one part in e must win.
const PREFER_HIGHER: f64 = 4.0;
/// What each packet put down to chance costs, in nats, while the queue is full.
const QUEUE_DOUBT: f64 = 1.0;
/// Queueing delay at which the doubt begins, and where it is complete.
const QUEUE_RANGE: (f64, f64) = (0.030, 0.100);
/// Capacities that are tried, as parts of the last best one.
const FACTORS: [f64; 6] = [0.85, 0.92, 0.97, 1.0, 1.03, 1.06];
/// Rounds of expectation and maximisation for `p`.
const ROUNDS: u32 = 5;

#[derive(Clone, Copy, Debug, Default)]
struct Observation {
    packets: f64,
    lost: f64,
    /// Bits per second.
    rate: f64,
}

#[derive(Clone, Copy, Debug)]
struct Partial {
    first_sent: Instant,
    last_sent: Instant,
    /// What is sent from then on completes it, where it has packets enough, and in any case.
    due: Instant,
    overdue: Instant,
    packets: u32,
    lost: u32,
    bits: f64,
}

/// What the rest of the controller knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    /// The delay-based estimate.
    pub(crate) delay_based: DataRate,
    /// What came through.
    pub(crate) throughput: Option<DataRate>,
    /// How long packets wait on the way.
    pub(crate) queue_delay: Duration,
}

/// The loss-based estimator; see the module.
#[derive(Debug, Default)]
pub(crate) struct LossBased {
    observations: [Observation; WINDOW],
    filled: usize,
    /// Where the next goes; the one before is the newest.
    next: usize,
    partial: Option<Partial>,
    /// The capacity, where losses tell of one.
    limit: Option<f64>,
    inherent: f64,
    loss: f64,
}

impl LossBased {
    /// The rate that losses allow; `None` where they set no limit.
    pub(crate) fn limit(&self) -> Option<DataRate> {
        self.limit.map(DataRate::from_f64)
    }

    /// The share of packets that is lost whatever is sent.
    pub(crate) fn inherent(&self) -> f64 {
        self.inherent
    }

    /// The share of packets lost lately.
    pub(crate) fn loss(&self) -> f64 {
        self.loss
    }

    /// A report came in.
    pub(crate) fn on_results(&mut self, results: &[PacketResult], context: Context) {
        for result in results {
            self.count(result);
            let complete = self.partial.is_some_and(|partial| {
                (partial.packets >= MIN_PACKETS && partial.last_sent >= partial.due)
                    || partial.last_sent >= partial.overdue
            });
            if complete {
                self.close();
                self.estimate(context);
            }
        }
    }

    fn count(&mut self, result: &PacketResult) {
        let partial = self.partial.get_or_insert(Partial {
            first_sent: result.sent,
            last_sent: result.sent,
            due: result.sent + MIN_SPAN,
            overdue: result.sent + MAX_SPAN,
            packets: 0,
            lost: 0,
            bits: 0.0,
        });
        if result.was_lost {
            // Its loss was counted, mostly in this very observation.
            partial.lost = partial.lost.saturating_sub(1);
            return;
        }
        if result.sent < partial.first_sent {
            partial.first_sent = result.sent;
            (partial.due, partial.overdue) = (result.sent + MIN_SPAN, result.sent + MAX_SPAN);
        }
        partial.last_sent = partial.last_sent.max(result.sent);
        partial.packets = partial.packets.saturating_add(1);
        partial.lost += u32::from(result.arrived.is_none());
        partial.bits += result.size.bits_f64();
    }

    fn close(&mut self) {
        let Some(partial) = self.partial.take() else { return };
        let span = partial.last_sent.saturating_duration_since(partial.first_sent);
        self.observations[self.next] = Observation {
            packets: f64::from(partial.packets),
            lost: f64::from(partial.lost),
            rate: partial.bits / span.as_secs_f64().max(1e-3),
        };
        self.next = (self.next + 1) % WINDOW;
        self.filled = (self.filled + 1).min(WINDOW);
    }

    /// Observations with their weights, the newest first.
    fn weighted(&self) -> impl Iterator<Item = (f64, Observation)> + '_ {
        let mut weight = 1.0 / AGEING;
        (1..=self.filled).map(move |age| {
            weight *= AGEING;
            (weight, self.observations[(self.next + WINDOW - age) % WINDOW])
        })
    }

    fn estimate(&mut self, context: Context) {
        let (packets, lost) = self.weighted().fold((0.0, 0.0), |sum, (weight, observation)| {
            (sum.0 + weight * observation.packets, sum.1 + weight * observation.lost)
        });
        self.loss = lost / packets.max(1.0);
        let delay_based = context.delay_based.as_f64();
        if self.loss < IGNORED_LOSS {
            self.inherent = self.loss;
            // The way up again is not one jump: it may have been this limit that made the losses cease.
            self.limit = self.limit.map(|limit| limit * 1.06).filter(|&limit| limit < delay_based);
            return;
        }
        let doubt = ((context.queue_delay.as_secs_f64() - QUEUE_RANGE.0)
            / (QUEUE_RANGE.1 - QUEUE_RANGE.0))
            .clamp(0.0, 1.0);
        let base = self.limit.unwrap_or(delay_based).min(delay_based).max(1_000.0);
        let throughput = context.throughput.map_or(base, DataRate::as_f64);

        let mut best = (f64::NEG_INFINITY, base, self.inherent);
        let from_throughput = (throughput / (1.0 - self.inherent)).min(delay_based);
        let others = [from_throughput, delay_based];
        // Without a limit the delay-based estimate is the base, and there is nothing above it to try.
        let tried = FACTORS.iter().map(|factor| base * factor).chain(others);
        for capacity in tried {
            if capacity > delay_based || capacity < 1_000.0 {
                continue;
            }
            // Raised by steps, so that each is seen before the next.
            if self.limit.is_some() && capacity > base * 1.0601 {
                continue;
            }
            let inherent = self.best_inherent(capacity);
            let score = self.likelihood(capacity, inherent)
                - doubt * QUEUE_DOUBT * packets * inherent
                + PREFER_HIGHER * capacity.ln();
            if score > best.0 {
                best = (score, capacity, inherent);
            }
        }
        let (_, mut capacity, inherent) = best;
        self.inherent = inherent;
        if self.loss > MAX_INHERENT {
            // However it came about, sending so much more than comes through helps nobody.
            capacity = capacity.min(throughput / (1.0 - MAX_INHERENT));
        }
        self.limit = (capacity < delay_based).then_some(capacity);
    }

    /// The share lost by chance that explains the losses best, if this is the capacity.
    fn best_inherent(&self, capacity: f64) -> f64 {
        let mut inherent = self.loss.clamp(1e-4, MAX_INHERENT);
        for _ in 0..ROUNDS {
            let (mut by_chance, mut arrived) = (0.0, 0.0);
            for (weight, observation) in self.weighted() {
                let excess = excess(observation.rate, capacity);
                let passed = (1.0 - excess) * inherent;
                by_chance += weight * observation.lost * passed / (excess + passed);
                arrived += weight * (observation.packets - observation.lost);
            }
            inherent = (by_chance / (by_chance + arrived).max(1e-9)).clamp(1e-4, MAX_INHERENT);
        }
        inherent
    }

    fn likelihood(&self, capacity: f64, inherent: f64) -> f64 {
        self.weighted()
            .map(|(weight, observation)| {
                let excess = excess(observation.rate, capacity);
                let loss = (excess + (1.0 - excess) * inherent).clamp(1e-5, 0.999);
                weight
                    * (observation.lost * loss.ln()
                        + (observation.packets - observation.lost) * (1.0 - loss).ln())
            })
            .sum()
    }
}

/// The share of what is sent that is above the capacity.
fn excess(rate: f64, capacity: f64) -> f64 {
    if rate > capacity { 1.0 - capacity / rate } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Ecn;
    use crate::units::DataSize;

    /// Sends at the rate given by `rate(second)` through a path with these faults, and returns the last limit.
    fn run(rate: impl Fn(f64) -> f64, capacity: f64, inherent: f64, queue: Duration) -> LossBased {
        let mut estimator = LossBased::default();
        let start = Instant::now();
        let (mut at, mut credit, mut seed) = (0.0, 0.0, 1u64);
        while at < 15.0 {
            let wanted = rate(at);
            let wanted = estimator.limit().map_or(wanted, |limit| wanted.min(limit.as_f64()));
            let gap = 9_600.0 / wanted;
            at += gap;
            credit = (credit + gap * capacity).min(30_000.0);
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let chance = (seed >> 33) as f64 / f64::from(1u32 << 31) < inherent;
            let room = credit >= 9_600.0;
            if room {
                credit -= 9_600.0;
            }
            let result = PacketResult {
                sent: start + Duration::from_secs_f64(at),
                arrived: (room && !chance).then_some(Duration::from_secs_f64(at)),
                size: DataSize::from_bytes(1_200),
                ecn: Ecn::NotEct,
                probe: None,
                was_lost: false,
            };
            let through = DataRate::from_f64(wanted.min(capacity) * (1.0 - inherent));
            estimator.on_results(
                &[result],
                Context {
                    delay_based: DataRate::from_f64(rate(at)),
                    throughput: Some(through),
                    queue_delay: queue,
                },
            );
        }
        estimator
    }

    #[test]
    fn losses_by_chance_set_no_limit() {
        for loss in [0.05, 0.1, 0.2] {
            let estimator = run(|at| 1e6 * 1.02f64.powf(at), 1e8, loss, Duration::ZERO);
            let limit = estimator.limit().map_or(1e9, DataRate::as_f64);
            assert!(limit > 1e6, "{loss}: {limit}");
            assert!((estimator.inherent() - loss).abs() < 0.04, "{}", estimator.inherent());
        }
    }

    #[test]
    fn losses_that_follow_the_rate_do() {
        let estimator = run(|at| 0.8e6 * 1.08f64.powf(at), 1e6, 0.0, Duration::ZERO);
        let limit = estimator.limit().expect("a limit").as_f64();
        assert!((0.8e6..=1.15e6).contains(&limit), "{limit}");
    }

    #[test]
    fn a_standing_queue_speaks_against_chance() {
        let estimator = run(|_| 1.2e6, 1e6, 0.0, Duration::from_millis(200));
        let limit = estimator.limit().expect("a limit").as_f64();
        assert!((0.8e6..=1.1e6).contains(&limit), "{limit}");
    }
}
