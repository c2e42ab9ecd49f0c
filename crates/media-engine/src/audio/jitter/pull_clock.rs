//! The clock of whoever takes sound out: each call is 10 ms, but a sound card asks for several at once.
//!
//! The delay that is held has to be enough for the call that comes earliest, so calls are put on an even grid whose
//! offset is the earliest of the last seconds.

use super::arrival::WindowedMin;

/// Length of a call's sound, in µs.
const CALL: i64 = 10_000;
/// From which distance calls are taken as begun anew, after a pause of the device or a jump of the clock.
const RESTART: i64 = 200_000;

/// Puts calls on an even grid.
#[derive(Debug, Default)]
pub(super) struct PullClock {
    calls: i64,
    earliest: WindowedMin,
}

impl PullClock {
    /// The time at which a call that comes at `now` counts, at or before `now`.
    pub(super) fn call(&mut self, now: i64) -> i64 {
        self.calls += 1;
        let grid = self.calls * CALL;
        let offset = now - grid;
        if self.earliest.get().is_some_and(|earliest| (offset - earliest).abs() > RESTART) {
            self.earliest.clear();
        }
        grid + self.earliest.update(now, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_in_pairs_count_as_the_earlier() {
        let mut clock = PullClock::default();
        let mut last = 0;
        for pair in 1..100 {
            let now = pair * 20_000;
            let (first, second) = (clock.call(now), clock.call(now));
            if pair > 1 {
                assert_eq!((first, second), (now - 10_000, now));
                assert_eq!(first - last, 10_000);
            }
            last = second;
        }
        // A pause of the device.
        assert_eq!(clock.call(60_000_000), 60_000_000);
    }
}
