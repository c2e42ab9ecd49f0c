//! The round-trip time: smoothed, and the smallest lately.

use std::time::{Duration, Instant};

/// Before anything was measured.
const INITIAL: Duration = Duration::from_millis(200);
/// A longer one is a clock that jumped or a report that made no sense.
const LONGEST: Duration = Duration::from_secs(30);
/// The smallest is remembered for two of these.
const EPOCH: Duration = Duration::from_secs(15);
/// The smallest of late likewise.
const SHORT_EPOCH: Duration = Duration::from_secs(1);

/// The estimator; see the module.
#[derive(Debug, Default)]
pub(crate) struct RoundTrip {
    smoothed: Option<Duration>,
    /// When the epoch began, the smallest in it, and the smallest in the one before.
    epoch: Option<(Instant, Duration)>,
    before: Option<Duration>,
    /// The same for a shorter time.
    short_epoch: Option<(Instant, Duration)>,
    short_before: Option<Duration>,
}

impl RoundTrip {
    pub(crate) fn on_sample(&mut self, now: Instant, sample: Duration) {
        if sample.is_zero() || sample > LONGEST {
            return;
        }
        // RFC 6298 §2.3.
        self.smoothed =
            Some(self.smoothed.map_or(sample, |smoothed| smoothed * 7 / 8 + sample / 8));
        remember(now, sample, EPOCH, &mut self.epoch, &mut self.before);
        remember(now, sample, SHORT_EPOCH, &mut self.short_epoch, &mut self.short_before);
    }

    pub(crate) fn smoothed(&self) -> Duration {
        self.smoothed.unwrap_or(INITIAL)
    }

    pub(crate) fn smallest(&self) -> Duration {
        let epoch = self.epoch.map(|epoch| epoch.1);
        epoch.into_iter().chain(self.before).min().unwrap_or(INITIAL)
    }

    /// The smallest of the last second or two.
    pub(crate) fn smallest_of_late(&self) -> Duration {
        let epoch = self.short_epoch.map(|epoch| epoch.1);
        epoch.into_iter().chain(self.short_before).min().unwrap_or(INITIAL)
    }
}

fn remember(
    now: Instant,
    sample: Duration,
    length: Duration,
    epoch: &mut Option<(Instant, Duration)>,
    before: &mut Option<Duration>,
) {
    match epoch {
        Some((began, smallest)) if now.saturating_duration_since(*began) < length => {
            *smallest = (*smallest).min(sample);
        }
        _ => {
            *before = epoch.map(|epoch| epoch.1);
            *epoch = Some((now, sample));
        }
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
