//! How long packets wait on the way: the one-way delay over the smallest one seen lately. The clocks of the two ends
//! need not agree: their difference is in both and falls out.

use std::time::Duration;

/// The smallest delay is remembered for two of these.
const EPOCH_US: i64 = 15_000_000;
/// Weight of a sample in the smoothed delay.
const WEIGHT: f64 = 0.2;

/// The estimator; see the module.
#[derive(Debug, Default)]
pub(crate) struct QueueDelay {
    /// When the epoch began, the smallest delay in it, and in the one before.
    epoch: Option<(i64, i64)>,
    before: Option<i64>,
    last_us: i64,
    smoothed_us: f64,
}

impl QueueDelay {
    /// A packet's times in microseconds, each on its own clock.
    pub(crate) fn push(&mut self, sent: i64, arrived: i64) {
        let delay = arrived.saturating_sub(sent);
        match &mut self.epoch {
            Some((began, smallest)) if (0..EPOCH_US).contains(&arrived.saturating_sub(*began)) => {
                *smallest = (*smallest).min(delay);
            }
            Some((_, smallest)) => {
                self.before = Some(*smallest);
                self.epoch = Some((arrived, delay));
            }
            None => self.epoch = Some((arrived, delay)),
        }
        let smallest = self.epoch.map_or(delay, |epoch| epoch.1).min(self.before.unwrap_or(delay));
        self.last_us = delay.saturating_sub(smallest);
        self.smoothed_us += WEIGHT * (self.last_us as f64 - self.smoothed_us);
    }

    /// Of the last packet that arrived.
    pub(crate) fn last(&self) -> Duration {
        Duration::from_micros(self.last_us.max(0) as u64)
    }

    /// Smoothed over some packets.
    pub(crate) fn smoothed(&self) -> Duration {
        Duration::from_micros(self.smoothed_us.max(0.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_of_the_clocks_falls_out() {
        let mut delay = QueueDelay::default();
        for i in 0..10 {
            delay.push(i * 10_000, 5_000_000_000 + i * 10_000);
        }
        assert_eq!(delay.last(), Duration::ZERO);
        delay.push(100_000, 5_000_130_000);
        assert_eq!(delay.last(), Duration::from_millis(30));
        assert_eq!(delay.smoothed(), Duration::from_millis(6));
    }

    #[test]
    fn an_old_minimum_is_forgotten() {
        let mut delay = QueueDelay::default();
        delay.push(0, 0);
        for i in 1..50 {
            delay.push(i * 1_000_000, i * 1_000_000 + 80_000);
        }
        assert_eq!(delay.last(), Duration::ZERO);
    }
}
