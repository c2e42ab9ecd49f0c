//! The round-trip time: smoothed, and the smallest lately.

use std::time::{Duration, Instant};

/// Before anything was measured.
const INITIAL: Duration = Duration::from_millis(200);
/// A longer one is a clock that jumped or a report that made no sense.
const LONGEST: Duration = Duration::from_secs(30);
/// The smallest is remembered for two of these.
const EPOCH: Duration = Duration::from_secs(15);

/// The estimator; see the module.
#[derive(Debug, Default)]
pub(crate) struct RoundTrip {
    smoothed: Option<Duration>,
    /// When the epoch began, the smallest in it, and the smallest in the one before.
    epoch: Option<(Instant, Duration)>,
    before: Option<Duration>,
}

impl RoundTrip {
    pub(crate) fn on_sample(&mut self, now: Instant, sample: Duration) {
        if sample.is_zero() || sample > LONGEST {
            return;
        }
        // RFC 6298 §2.3.
        self.smoothed =
            Some(self.smoothed.map_or(sample, |smoothed| smoothed * 7 / 8 + sample / 8));
        match &mut self.epoch {
            Some((began, smallest)) if now.saturating_duration_since(*began) < EPOCH => {
                *smallest = (*smallest).min(sample);
            }
            _ => {
                self.before = self.epoch.map(|epoch| epoch.1);
                self.epoch = Some((now, sample));
            }
        }
    }

    pub(crate) fn smoothed(&self) -> Duration {
        self.smoothed.unwrap_or(INITIAL)
    }

    pub(crate) fn smallest(&self) -> Duration {
        let epoch = self.epoch.map(|epoch| epoch.1);
        epoch.into_iter().chain(self.before).min().unwrap_or(INITIAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smooths_and_remembers_the_smallest_for_a_while() {
        let mut now = Instant::now();
        let mut rtt = RoundTrip::default();
        rtt.on_sample(now, Duration::from_millis(40));
        rtt.on_sample(now, Duration::from_millis(120));
        rtt.on_sample(now, Duration::from_secs(3_600));
        assert_eq!(rtt.smoothed(), Duration::from_millis(50));
        assert_eq!(rtt.smallest(), Duration::from_millis(40));
        for _ in 0..40 {
            now += Duration::from_secs(1);
            rtt.on_sample(now, Duration::from_millis(120));
        }
        assert_eq!(rtt.smallest(), Duration::from_millis(120));
    }
}
