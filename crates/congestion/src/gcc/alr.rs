//! Whether the application uses what it is given. A budget fills at a part of the target and is spent by what is sent:
//! while it is nearly full, the application is the limit and silence about the path is no news of it.

use std::time::{Duration, Instant};

use crate::units::{DataRate, DataSize};

/// Part of the target that the budget fills with.
const USE: f64 = 0.65;
/// The budget holds this much time.
const WINDOW: Duration = Duration::from_millis(500);
/// Share of the budget left at which the application is the limit, and at which it no longer is.
const START: f64 = 0.80;
const STOP: f64 = 0.50;

/// The detector; see the module.
#[derive(Debug)]
pub(crate) struct AlrDetector {
    rate: DataRate,
    /// Bits left; negative when more was sent.
    budget: f64,
    updated_at: Option<Instant>,
    since: Option<Instant>,
    ended_at: Option<Instant>,
}

impl AlrDetector {
    pub(crate) fn new(target: DataRate) -> Self {
        Self {
            rate: target.scaled(USE),
            budget: 0.0,
            updated_at: None,
            since: None,
            ended_at: None,
        }
    }

    pub(crate) fn set_target(&mut self, now: Instant, target: DataRate) {
        self.advance(now);
        self.rate = target.scaled(USE);
    }

    pub(crate) fn on_sent(&mut self, now: Instant, size: DataSize) {
        self.advance(now);
        let most = self.rate.as_f64() * WINDOW.as_secs_f64();
        self.budget = (self.budget - size.bits_f64()).max(-most);
        self.judge(now);
    }

    pub(crate) fn advance(&mut self, now: Instant) {
        // Packets of a burst leave at one moment.
        if self.updated_at.is_some_and(|at| now <= at) {
            return;
        }
        let since = self.updated_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.updated_at = Some(self.updated_at.map_or(now, |at| at.max(now)));
        let most = self.rate.as_f64() * WINDOW.as_secs_f64();
        self.budget = (self.budget + self.rate.as_f64() * since.as_secs_f64()).clamp(-most, most);
        self.judge(now);
    }

    fn judge(&mut self, now: Instant) {
        let most = self.rate.as_f64() * WINDOW.as_secs_f64();
        if most <= 0.0 {
            return;
        }
        if self.budget > START * most && self.since.is_none() {
            self.since = Some(now);
        } else if self.budget < STOP * most && self.since.take().is_some() {
            self.ended_at = Some(now);
        }
    }

    /// Since when the application has been the limit.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Whether it was within this time.
    pub(crate) fn recently(&self, now: Instant, within: Duration) -> bool {
        self.since.is_some()
            || self.ended_at.is_some_and(|at| now.saturating_duration_since(at) <= within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(detector: &mut AlrDetector, now: &mut Instant, bytes: u64, times: u32) {
        for _ in 0..times {
            *now += Duration::from_millis(10);
            detector.on_sent(*now, DataSize::from_bytes(bytes));
        }
    }

    #[test]
    fn sending_a_third_is_limited_by_the_application_and_sending_all_is_not() {
        let mut now = Instant::now();
        let mut detector = AlrDetector::new(DataRate::from_kbps(1_000));
        send(&mut detector, &mut now, 1_250, 100);
        assert!(detector.since().is_none());
        send(&mut detector, &mut now, 410, 300);
        assert!(detector.since().is_some());
        send(&mut detector, &mut now, 1_250, 300);
        assert!(detector.since().is_none());
        assert!(detector.recently(now, Duration::from_secs(3)));
    }
}
