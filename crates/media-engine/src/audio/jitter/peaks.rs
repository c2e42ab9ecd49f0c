//! Peaks of delay that come again and again, as Wi-Fi makes them when it scans: too rare for the histogram, too regular to
//! be taken as chance.

/// How far above the target a delay is a peak, in µs.
const THRESHOLD: i64 = 60_000;
/// Delays closer to each other than this are one peak, in µs.
const APART: i64 = 300_000;
/// Peaks further apart than this have nothing to do with each other, in µs.
const MAX_PERIOD: i64 = 10_000_000;
/// How many periods without a peak end it.
const PATIENCE: i64 = 2;
/// How many are looked at.
const KEPT: usize = 4;

#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    when: i64,
    height: i64,
}

/// Remembers the last peaks.
#[derive(Debug, Default)]
pub(super) struct PeakDetector {
    /// The newest last.
    peaks: [Peak; KEPT],
    count: usize,
}

impl PeakDetector {
    /// Takes in that sound came `delay` µs after the quickest, where `target` is held.
    pub(super) fn add(&mut self, now: i64, delay: i64, target: i64) {
        if delay < target.saturating_add(THRESHOLD) {
            return;
        }
        if self.count > 0 {
            let last = &mut self.peaks[self.count - 1];
            if now - last.when < APART {
                last.height = last.height.max(delay);
                return;
            }
            if now - last.when > MAX_PERIOD {
                self.count = 0;
            }
        }
        if self.count == KEPT {
            self.peaks.copy_within(1.., 0);
            self.count -= 1;
        }
        self.peaks[self.count] = Peak { when: now, height: delay };
        self.count += 1;
    }

    /// The delay that the next peak is expected to need; `None` where none is expected.
    pub(super) fn expected(&self, now: i64) -> Option<i64> {
        let peaks = &self.peaks[..self.count];
        let (first, last) = (peaks.first()?, peaks.last()?);
        if peaks.len() < 3 {
            return None;
        }
        let period = (last.when - first.when) / (peaks.len() as i64 - 1);
        (now - last.when < PATIENCE * period)
            .then(|| peaks.iter().map(|peak| peak.height).max())
            .flatten()
    }

    pub(super) fn clear(&mut self) {
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_that_come_again_are_expected() {
        let mut detector = PeakDetector::default();
        for round in 1..=4 {
            assert!(round > 3 || detector.expected(round * 3_000_000).is_none());
            detector.add(round * 3_000_000, 200_000, 40_000);
            detector.add(round * 3_000_000 + 20_000, 180_000, 40_000);
        }
        assert_eq!(detector.expected(13_000_000), Some(200_000));
        assert_eq!(detector.expected(20_000_000), None);
    }

    #[test]
    fn a_single_peak_and_small_delays_are_not() {
        let mut detector = PeakDetector::default();
        detector.add(0, 500_000, 40_000);
        for millis in 0..10_000 {
            detector.add(1_000 * millis, 90_000, 40_000);
        }
        assert_eq!(detector.expected(10_000_000), None);
    }
}
