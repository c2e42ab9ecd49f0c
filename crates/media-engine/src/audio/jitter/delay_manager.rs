//! The delay that is aimed at: what the histogram of arrivals asks for, raised by peaks, by what the application wants
//! and by the synchronisation with pictures.

use std::time::Duration;

use super::arrival::WindowedMin;
use super::config::JitterConfig;
use super::histogram::{BUCKET, Histogram};
use super::peaks::PeakDetector;

/// How many samples it takes before the histogram is believed.
const LEARNING: u64 = 25;
/// The target is worked out again after so many samples, or at once where one came later than it.
const EVERY: u32 = 5;

/// Delays of arrival, and the target.
#[derive(Debug)]
pub(super) struct DelayManager {
    quickest: WindowedMin,
    histogram: Histogram,
    peaks: PeakDetector,
    per_percent: f32,
    min: i64,
    max: i64,
    start: i64,
    /// What the application asks for (`jitterBufferTarget`), and what synchronisation needs.
    wanted: i64,
    /// From the network alone.
    optimal: i64,
    since: u32,
}

impl DelayManager {
    pub(super) fn new(config: &JitterConfig) -> Self {
        let micros = |duration: Duration| duration.as_micros() as i64;
        Self {
            quickest: WindowedMin::default(),
            histogram: Histogram::new(),
            peaks: PeakDetector::default(),
            per_percent: config.delay_per_percent,
            min: micros(config.min_delay),
            max: micros(config.max_delay),
            start: micros(config.start_delay),
            wanted: 0,
            optimal: micros(config.start_delay),
            since: 0,
        }
    }

    /// A packet whose sound begins at `media` came at `now`, both in µs. `sound` says whether it has sound that was not
    /// there yet: only then does its delay count.
    pub(super) fn arrived(&mut self, now: i64, media: i64, sound: bool) {
        let offset = now - media;
        let before = self.quickest.get();
        let quickest = self.quickest.update(now, offset);
        // Otherwise the delays of before would be measured from another point than those to come.
        if let Some(before) = before
            && (before - quickest).abs() >= BUCKET
        {
            self.histogram.shift(before - quickest);
        }
        if sound {
            self.sample(now, offset - quickest);
        }
    }

    /// Redundancy brought at `now` sound that begins at `media` and was not there yet. It says nothing of how quick the
    /// path is, but what delay is needed to make use of it.
    pub(super) fn restored(&mut self, now: i64, media: i64) {
        if let Some(quickest) = self.quickest.get() {
            self.sample(now, now - media - quickest);
        }
    }

    fn sample(&mut self, now: i64, delay: i64) {
        self.histogram.add(delay);
        self.peaks.add(now, delay, self.optimal);
        self.since += 1;
        if self.since < EVERY && delay <= self.optimal {
            return;
        }
        self.since = 0;
        let mut optimal = self.histogram.best(self.per_percent);
        if self.histogram.samples() < LEARNING {
            optimal = optimal.max(self.start);
        }
        if let Some(peak) = self.peaks.expected(now) {
            optimal = optimal.max(peak);
        }
        self.optimal = optimal;
    }

    /// How long sound that begins at `media` has been waiting at `now` since the quickest packet would have brought it.
    pub(super) fn waited(&self, now: i64, media: i64) -> Option<i64> {
        self.quickest.get().map(|quickest| now - media - quickest)
    }

    /// What is aimed at, in µs.
    pub(super) fn target(&self) -> i64 {
        self.optimal.max(self.wanted).clamp(self.min, self.max)
    }

    /// The same without what was asked for from outside.
    pub(super) fn minimum(&self) -> i64 {
        self.optimal.clamp(self.min, self.max)
    }

    /// Asks for at least so much, in µs.
    pub(super) fn want(&mut self, wanted: i64) {
        self.wanted = wanted.clamp(0, self.max);
    }

    /// Media time goes on elsewhere: the quickest packet means nothing any more, how much delays vary does.
    pub(super) fn restart(&mut self) {
        self.quickest.clear();
        self.peaks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(delays: impl Iterator<Item = i64>) -> DelayManager {
        let mut manager = DelayManager::new(&JitterConfig::new(48_000));
        for (index, delay) in delays.enumerate() {
            let media = index as i64 * 20_000;
            manager.arrived(media + 30_000 + delay, media, true);
        }
        manager
    }

    #[test]
    fn the_target_follows_the_jitter() {
        assert_eq!(run((0..500).map(|_| 0)).target(), 10_000);
        let jittery = run((0..500).map(|i| (i * 7_919) % 100_000));
        assert!((80_000..=100_000).contains(&jittery.target()), "{}", jittery.target());
    }

    #[test]
    fn a_slower_route_is_not_taken_as_jitter_for_long() {
        let manager = run((0..1_500).map(|i| if i < 500 { 0 } else { 100_000 }));
        assert_eq!(manager.target(), 10_000);
    }

    #[test]
    fn drift_is_not_taken_as_jitter() {
        // 200 ppm over ten minutes.
        assert_eq!(run((0..30_000).map(|i| i * 4)).target(), 10_000);
        assert_eq!(run((0..30_000).map(|i| i * -4)).target(), 10_000);
    }

    #[test]
    fn what_is_asked_for_is_held_within_bounds() {
        let mut manager = run((0..500).map(|_| 0));
        manager.want(300_000);
        assert_eq!((manager.target(), manager.minimum()), (300_000, 10_000));
        manager.want(i64::MAX);
        assert_eq!(manager.target(), 2_000_000);
    }
}
