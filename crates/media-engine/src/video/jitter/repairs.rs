//! How late frames are of which packets were lost and sent again: where that is nothing rare, it is given time for.
//!
//! Not for all of them. A picture that comes a little after its time is hardly seen, but what is waited for delays every picture; so
//! one repair in two is waited for, and of the slow ones so much that their pictures do not stand still for long.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a repair is remembered.
const WINDOW: Duration = Duration::from_secs(30);
/// Repairs within that before they count.
const ENOUGH: usize = 4;
/// How many are looked at.
const MOST: usize = 64;
/// The repairs that are waited for in full: one in so many.
const USUAL: usize = 2;
/// What lies above is too rare to be waited for at all: one in so many.
const RARE: usize = 20;
/// How late a picture may be without being seen to stand still: less than the 150 ms from which webrtc-stats counts a freeze.
const UNSEEN: Duration = Duration::from_millis(100);
/// A repair that takes longer is not given time for.
const LONGEST: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Repairs {
    recent: VecDeque<(Instant, Duration)>,
    delay: Duration,
}

impl Repairs {
    /// A frame was whole only so long after the path alone would have brought it.
    pub(super) fn note(&mut self, now: Instant, late: Duration) {
        if self.recent.len() == MOST {
            self.recent.pop_front();
        }
        self.recent.push_back((now, late));
        self.settle(now);
    }

    /// What is to be given time for.
    pub(super) fn delay(&mut self, now: Instant) -> Duration {
        let old = |(at, _): &(Instant, Duration)| now.saturating_duration_since(*at) > WINDOW;
        if self.recent.front().is_some_and(old) {
            self.settle(now);
        }
        self.delay
    }

    fn settle(&mut self, now: Instant) {
        self.recent.retain(|(at, _)| now.saturating_duration_since(*at) <= WINDOW);
        self.delay = Duration::ZERO;
        if self.recent.len() < ENOUGH {
            return;
        }
        let mut delays = [Duration::ZERO; MOST];
        let delays = &mut delays[..self.recent.len()];
        for (place, (_, late)) in delays.iter_mut().zip(&self.recent) {
            *place = *late;
        }
        delays.sort_unstable();
        let all_but = |one_in: usize| delays[delays.len() - 1 - delays.len() / one_in];
        let slow = all_but(RARE).saturating_sub(UNSEEN);
        self.delay = all_but(USUAL).max(slow).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn repairs_count_while_they_are_frequent() {
        let (start, mut repairs) = (Instant::now(), Repairs::default());
        for number in 0..3 {
            repairs.note(start + MS(1_000 * number), MS(80));
            assert_eq!(repairs.delay(start + MS(1_000 * number)), Duration::ZERO);
        }
        for number in 3..20 {
            // One is far slower than the others.
            let late = if number == 10 { MS(400) } else { MS(80 + number) };
            repairs.note(start + MS(1_000 * number), late);
        }
        assert_eq!(repairs.delay(start + MS(20_000)), MS(89), "half of them");
        for number in 20..23 {
            repairs.note(start + MS(1_000 * number), MS(300));
        }
        assert_eq!(
            repairs.delay(start + MS(23_000)),
            MS(200),
            "and 100 ms less than the slow ones"
        );
        assert_eq!(repairs.delay(start + MS(100_000)), Duration::ZERO, "long ago");
        for number in 0..1_000 {
            repairs.note(start + MS(100_000 + number), MS(5_000));
        }
        assert_eq!((repairs.recent.len(), repairs.delay(start + MS(101_000))), (MOST, LONGEST));
    }
}
