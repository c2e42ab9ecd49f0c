//! How much later than the quickest packets of the last seconds a packet comes.
//!
//! Sender and receiver have no clock in common, so only differences count: the least of arrival minus media time within
//! a window is taken as the path at its best. The window is short enough that drifting clocks do not matter.

use std::collections::VecDeque;

/// How long the quickest packet is remembered, in µs: a drift of 200 ppm makes one millisecond of it.
const WINDOW: i64 = 5_000_000;
/// How long it counts still where nothing came within that time, in µs: what comes first after a pause may be late.
const AFTER_PAUSE: i64 = 1_000_000;
/// The most candidates that are kept. They are few, since one that came later and was quicker drops those before it.
const MAX_CANDIDATES: usize = 256;

/// The least of a value over the last seconds.
#[derive(Debug, Default)]
pub(super) struct WindowedMin {
    /// When, and what; both grow towards the back.
    candidates: VecDeque<(i64, i64)>,
}

impl WindowedMin {
    /// Takes `value` of `now` in and gives the least.
    pub(super) fn update(&mut self, now: i64, value: i64) -> i64 {
        // The last one is that of the last call.
        if self.candidates.back().is_some_and(|&(when, _)| when < now - WINDOW) {
            self.candidates.truncate(1);
            self.candidates[0].0 = now - WINDOW + AFTER_PAUSE;
        }
        while self.candidates.back().is_some_and(|&(_, other)| other >= value) {
            self.candidates.pop_back();
        }
        while !self.candidates.is_empty()
            && (self.candidates.len() >= MAX_CANDIDATES
                || self.candidates.front().is_some_and(|&(when, _)| when < now - WINDOW))
        {
            self.candidates.pop_front();
        }
        self.candidates.push_back((now, value));
        self.candidates.front().map_or(value, |&(_, least)| least)
    }

    /// The least, where there is one.
    pub(super) fn get(&self) -> Option<i64> {
        self.candidates.front().map(|&(_, least)| least)
    }

    pub(super) fn clear(&mut self) {
        self.candidates.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quickest_is_forgotten_after_a_while() {
        let mut least = WindowedMin::default();
        assert_eq!(least.update(0, 100), 100);
        assert_eq!(least.update(1_000_000, 130), 100);
        assert_eq!(least.update(2_000_000, 120), 100);
        assert_eq!(least.update(5_500_000, 150), 120);
    }

    #[test]
    fn after_a_pause_it_is_not_what_comes_first() {
        let mut least = WindowedMin::default();
        assert_eq!(least.update(0, 100), 100);
        assert_eq!(least.update(1_000_000, 130), 100);
        assert_eq!(least.update(60_000_000, 900), 100);
        assert_eq!(least.update(61_000_001, 800), 800);
        assert_eq!(least.get(), Some(800));
        assert_eq!(least.update(90_000_000, 700), 700);
    }

    #[test]
    fn rising_values_do_not_pile_up() {
        let mut least = WindowedMin::default();
        for value in 0..10_000 {
            least.update(value, value);
            assert!(least.candidates.len() <= MAX_CANDIDATES);
        }
    }
}
