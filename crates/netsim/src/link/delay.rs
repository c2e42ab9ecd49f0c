//! Time on the wire: jitter, with and without reordering, and packets held back on purpose.

use std::time::Duration;

use crate::rng::Rng;

/// The shape of jitter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distribution {
    /// Even between minus and plus `amount`.
    #[default]
    Uniform,
    /// A bell with `amount` as its standard deviation.
    Normal,
    /// Only ever later: 1/sqrt(u) - 1 times `amount`, at most 20 times (a Pareto tail of shape 2). Half of the packets
    /// are late by less than 0.42 `amount`, one in a hundred by more than 9.
    LongTail,
}

/// Variation of a link's delay. The delay never gets below zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jitter {
    /// How much; see [`Distribution`].
    pub amount: Duration,
    /// Its shape.
    pub distribution: Distribution,
    /// Whether a packet with a short delay overtakes one with a long delay (as over several paths) or waits behind it
    /// (as on one radio bearer, the default).
    pub reordering: bool,
}

impl Jitter {
    /// Even between minus and plus `amount`.
    pub fn uniform(amount: Duration) -> Self {
        Self { amount, ..Self::default() }
    }

    /// A bell with this standard deviation.
    pub fn normal(deviation: Duration) -> Self {
        Self { amount: deviation, distribution: Distribution::Normal, reordering: false }
    }

    /// A long tail of late packets.
    pub fn long_tail(amount: Duration) -> Self {
        Self { amount, distribution: Distribution::LongTail, reordering: false }
    }

    /// Lets packets overtake each other.
    pub fn reordering(mut self) -> Self {
        self.reordering = true;
        self
    }

    /// Nanoseconds on the wire for a base delay.
    pub(super) fn apply(&self, base: u64, rng: &mut Rng) -> u64 {
        if self.amount.is_zero() {
            return base;
        }
        let factor = match self.distribution {
            Distribution::Uniform => rng.unit() * 2.0 - 1.0,
            Distribution::Normal => rng.normal(),
            Distribution::LongTail => (1.0 / (1.0 - rng.unit()).sqrt() - 1.0).min(20.0),
        };
        let shift = (factor * self.amount.as_nanos() as f64) as i64;
        base.saturating_add_signed(shift)
    }
}

/// Packets held back on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reorder {
    /// Share of packets that are held back, 0 to 1.
    pub probability: f64,
    /// For how long; those sent within this time overtake.
    pub extra: Duration,
}
