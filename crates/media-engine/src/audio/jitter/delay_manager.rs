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
/// A packet that is quicker than all others by more than this, in µs, is dated wrong, unless the next one is too: then it is
/// the clock of the sender that jumped, or the path that is another.
const JUMP: i64 = 100_000;

/// Delays of arrival, and the target.
#[derive(Debug)]
pub(super) struct DelayManager {
    quickest: WindowedMin,
    /// All that came since the beginning was quicker than what came before: a burst of what had to wait.
    settling: bool,
    /// Whether the packet before jumped.
    jumped: bool,
    histogram: Histogram,
    peaks: PeakDetector,
    per_percent: f32,
    min: i64,
    max: i64,
    /// What there is room for.
    room: i64,
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
            settling: true,
            jumped: false,
            histogram: Histogram::new(),
            peaks: PeakDetector::default(),
            per_percent: config.delay_per_percent,
            min: micros(config.min_delay),
            max: micros(config.max_delay),
            room: i64::MAX,
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
        let known = self.quickest.get();
        let before = known.unwrap_or(offset);
        let jumps = !self.settling && before - offset > JUMP;
        let jumped = std::mem::replace(&mut self.jumped, jumps);
        if jumps && !jumped {
            return;
        }
        let quickest = self.quickest.update(now, offset);
        if self.settling || jumps {
            // How much delays vary, which the past tells, is the same from the new point.
            self.settling &= known.is_none() || before - offset >= BUCKET;
        } else if (before - quickest).abs() >= BUCKET {
            // Otherwise the delays of before would be measured from another point than those to come.
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
        self.bounded(self.optimal.max(self.wanted))
    }

    /// The same without what was asked for from outside.
    pub(super) fn minimum(&self) -> i64 {
        self.bounded(self.optimal)
    }

    fn bounded(&self, delay: i64) -> i64 {
        delay.max(self.min).min(self.max).min(self.room)
    }

    /// There is room for sound of so much, in µs: whatever is asked for, no more is aimed at.
    pub(super) fn set_room(&mut self, room: i64) {
        self.room = room;
    }

    /// Asks for at least so much, in µs.
    pub(super) fn want(&mut self, wanted: i64) {
        self.wanted = wanted.clamp(0, self.max);
    }

    /// Media time goes on elsewhere: the quickest packet means nothing any more, how much delays vary does.
    pub(super) fn restart(&mut self) {
        self.quickest.clear();
        self.peaks.clear();
        (self.settling, self.jumped) = (true, false);
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

    /// Packets of 20 ms, of which each is dated and comes as told, in µs since the beginning; gives the target at the end.
    fn target_after(packets: impl Iterator<Item = (i64, i64)>) -> i64 {
        let mut manager = DelayManager::new(&JitterConfig::new(48_000));
        for (index, (now, media)) in packets.enumerate() {
            manager.arrived(now + (index as i64 * 7_919) % 15_000, media, true);
        }
        manager.target()
    }

    #[test]
    fn what_is_late_after_a_pause_is_not_the_measure() {
        for held in [200_000, 500_000, 1_000_000] {
            let talk = (0..1_000).map(|index| (index * 20_000, index * 20_000));
            let resumed = 26_000_000;
            // It goes on for a second after all that was held back came at once.
            let again = (0..50 + held / 20_000).map(|index| {
                let media = resumed + index * 20_000;
                (media.max(resumed + held), media)
            });
            let target = target_after(talk.chain(again));
            assert!(target < 60_000, "{held}: {target}");
        }
    }

    #[test]
    fn timestamps_that_jump_are_no_jitter() {
        for jump in [120_000, 300_000, 1_000_000, 2_000_000] {
            let target = target_after((0..1_050).map(|index| {
                let media = index * 20_000;
                (media, if index < 1_000 { media } else { media + jump })
            }));
            assert!(target < 60_000, "{jump}: {target}");
            // Of one packet alone.
            let target = target_after((0..1_050).map(|index| {
                let media = index * 20_000;
                (media, if index == 1_000 { media + jump } else { media })
            }));
            assert!(target < 60_000, "{jump}, once: {target}");
        }
    }

    #[test]
    fn a_burst_at_the_beginning_is_no_jitter() {
        let target = target_after((0..100).map(|index| {
            let media = index * 20_000;
            (media.max(1_000_000), media)
        }));
        assert!(target < 60_000, "{target}");
    }

    #[test]
    fn what_is_asked_for_is_held_within_bounds() {
        let mut manager = run((0..500).map(|_| 0));
        manager.want(300_000);
        assert_eq!((manager.target(), manager.minimum()), (300_000, 10_000));
        manager.want(i64::MAX);
        assert_eq!(manager.target(), 2_000_000);
        manager.set_room(480_000);
        assert_eq!(manager.target(), 480_000);
    }
}
