//! How long a step up is waited for.

use std::time::{Duration, Instant};

/// Waits longer after each step up that had to be taken back.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    least: Duration,
    most: Duration,
    wait: Duration,
    /// The last step, either way.
    changed: Option<Instant>,
    /// The last step up, while none down came after it.
    rose: Option<Instant>,
}

impl Patience {
    pub(super) fn new(least: Duration, most: Duration) -> Self {
        Self { least, most, wait: least, changed: None, rose: None }
    }

    /// Whether it is time for a step up.
    pub(super) fn may_rise(&self, now: Instant) -> bool {
        self.changed.is_none_or(|at| now.saturating_duration_since(at) >= self.wait)
    }

    pub(super) fn rose(&mut self, now: Instant) {
        (self.changed, self.rose) = (Some(now), Some(now));
    }

    pub(super) fn fell(&mut self, now: Instant) {
        // What held for a good while was no mistake.
        let held = self.rose.take().map(|at| now.saturating_duration_since(at));
        self.wait = match held {
            Some(held) if held < 2 * self.wait => (2 * self.wait).min(self.most),
            // One step down after the other: nothing was tried.
            None if self.changed.is_some() => self.wait,
            _ => self.least,
        };
        self.changed = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_make_it_wait_longer() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut patience = Patience::new(2 * second, 10 * second);
        assert!(patience.may_rise(start));
        patience.fell(start);
        let mut now = start;
        for wait in [2, 4, 8, 10, 10] {
            assert!(!patience.may_rise(now + wait * second - Duration::from_millis(1)), "{wait}");
            now += wait * second;
            assert!(patience.may_rise(now), "{wait}");
            patience.rose(now);
            now += second;
            patience.fell(now);
        }
        patience.rose(now + 10 * second);
        patience.fell(now + 40 * second);
        assert!(patience.may_rise(now + 42 * second), "it held");
    }
}
