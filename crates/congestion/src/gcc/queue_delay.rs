//! How long packets wait on the way: the one-way delay over the smallest one seen lately. The clocks of the two ends
//! need not agree: their difference is in both and falls out.

use std::time::Duration;

/// The smallest delay is remembered for two of these.
const EPOCH_US: i64 = 15_000_000;
/// Weight of a sample in the smoothed delay.
const WEIGHT: f64 = 0.2;
/// A surge: the delay is so much above its smallest of the last one or two of these times, ...
const SURGE_US: i64 = 60_000;
const SURGE_EPOCH_US: i64 = 200_000;
/// ... and so many packets in a row did not arrive faster than the one before. After a stall they do.
const SURGE_PACKETS: u32 = 4;

/// The estimator; see the module.
#[derive(Debug, Default)]
pub(crate) struct QueueDelay {
    /// When the epoch began, the smallest delay in it, and in the one before.
    epoch: Option<(i64, i64)>,
    before: Option<i64>,
    last_us: i64,
    smoothed_us: f64,
    floor_us: i64,
    /// The same for surges.
    short_epoch: Option<(i64, i64)>,
    short_before: Option<i64>,
    rising: u32,
}

impl QueueDelay {
    /// A packet's times in microseconds, each on its own clock.
    pub(crate) fn push(&mut self, sent: i64, arrived: i64) {
        let delay = arrived.saturating_sub(sent);
        let smallest = smallest(&mut self.epoch, &mut self.before, EPOCH_US, arrived, delay);
        let before_us = self.last_us;
        self.last_us = delay.saturating_sub(smallest);
        let (epoch, before) = (&mut self.short_epoch, &mut self.short_before);
        let lately = self::smallest(epoch, before, SURGE_EPOCH_US, arrived, delay);
        self.floor_us = lately.saturating_sub(smallest);
        let rises = self.last_us >= before_us && delay.saturating_sub(lately) >= SURGE_US;
        self.rising = if rises { self.rising.saturating_add(1) } else { 0 };
        self.smoothed_us += WEIGHT * (self.last_us as f64 - self.smoothed_us);
    }

    /// Whether a queue is filling so fast that nobody needs a regression to see it: the path has become much slower.
    pub(crate) fn surges(&self) -> bool {
        self.rising >= SURGE_PACKETS
    }

    /// Of the last packet that arrived.
    pub(crate) fn last(&self) -> Duration {
        Duration::from_micros(self.last_us.max(0) as u64)
    }

    /// The smallest of the last fifth of a second or two: jitter falls out, a queue does not.
    pub(crate) fn floor(&self) -> Duration {
        Duration::from_micros(self.floor_us.max(0) as u64)
    }

    /// Smoothed over some packets.
    pub(crate) fn smoothed(&self) -> Duration {
        Duration::from_micros(self.smoothed_us.max(0.0) as u64)
    }
}

/// The smallest delay of this epoch and the one before.
fn smallest(
    epoch: &mut Option<(i64, i64)>,
    before: &mut Option<i64>,
    length: i64,
    arrived: i64,
    delay: i64,
) -> i64 {
    match epoch {
        Some((began, smallest)) if (0..length).contains(&arrived.saturating_sub(*began)) => {
            *smallest = (*smallest).min(delay);
        }
        Some((_, smallest)) => {
            *before = Some(*smallest);
            *epoch = Some((arrived, delay));
        }
        None => *epoch = Some((arrived, delay)),
    }
    epoch.map_or(delay, |epoch| epoch.1).min(before.unwrap_or(delay))
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
    fn a_stall_is_no_surge_but_a_path_that_becomes_slow_is() {
        let mut delay = QueueDelay::default();
        for i in 0..20 {
            delay.push(i * 10_000, i * 10_000);
        }
        for i in 20..35 {
            delay.push(i * 10_000, 350_000 + i);
            assert!(!delay.surges(), "held up, then let go at once");
        }
        let mut surged = false;
        for i in 35..55 {
            delay.push(i * 10_000, 350_000 + (i - 35) * 30_000);
            surged |= delay.surges();
        }
        assert!(surged);
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
