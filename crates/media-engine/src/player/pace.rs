//! When the frames of a file are due: a file whose times jump, because it was put together or is damaged, is played on.

use std::time::Duration;

/// What is no further from the frame before it belongs there: sound and pictures stand side by side in files, but not exactly.
const NEAR: Duration = Duration::from_secs(1);
/// Times that go back by more begin anew.
const BACK: Duration = Duration::from_secs(5);
/// So do those that go ahead by more: nothing is shown for so long on purpose.
const AHEAD: Duration = Duration::from_secs(600);

/// A time of the file, and the one of the player that it is.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    time: Duration,
    due: Duration,
}

impl Line {
    /// In nanoseconds; below zero where it lies before the file began.
    fn nanos(self, time: Duration) -> i128 {
        let nanos = |duration: Duration| duration.as_nanos() as i128;
        nanos(self.due) + nanos(time) - nanos(self.time)
    }

    fn is_near(self, time: Duration, last: Duration) -> bool {
        (self.nanos(time) - last.as_nanos() as i128).unsigned_abs() <= NEAR.as_nanos()
    }
}

/// Places the frames of a file, round after round.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// None before the first frame of a round.
    line: Option<Line>,
    /// The one before the last jump: a single frame that is dated wrong changes nothing.
    before: Option<Line>,
    last: Duration,
}

impl Pace {
    /// When a frame of this time is due.
    pub(super) fn place(&mut self, time: Duration) -> Duration {
        // A file that was cut out of another begins at once.
        let begin = Line { time: if time > NEAR { time } else { Duration::ZERO }, due: self.last };
        let line = *self.line.get_or_insert(begin);
        let mut nanos = line.nanos(time);
        if !line.is_near(time, self.last) {
            let last = self.last.as_nanos() as i128;
            let sound = last - BACK.as_nanos() as i128..=last + AHEAD.as_nanos() as i128;
            if let Some(before) = self.before.filter(|before| before.is_near(time, self.last)) {
                nanos = before.nanos(time);
                (self.line, self.before) = (Some(before), Some(line));
            } else if !sound.contains(&nanos) {
                nanos = last;
                (self.line, self.before) = (Some(Line { time, due: self.last }), Some(line));
            }
        }
        let due = Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX));
        self.last = self.last.max(due);
        due
    }

    /// When the last frame so far was due.
    pub(super) fn last(&self) -> Duration {
        self.last
    }

    /// The file begins anew, so long after its last frame.
    pub(super) fn again(&mut self, after: Duration) {
        *self = Self { last: self.last.saturating_add(after), ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn placed(times: &[u64]) -> Vec<u64> {
        let mut pace = Pace::default();
        times.iter().map(|time| pace.place(MS(*time)).as_millis() as u64).collect()
    }

    #[test]
    fn times_that_are_sound_are_kept() {
        let times = [20, 0, 40, 33, 60_000, 59_000, 60_033];
        assert_eq!(placed(&times), times);
    }

    #[test]
    fn times_that_jump_go_on_where_they_were() {
        // Two files, one after the other.
        assert_eq!(
            placed(&[0, 40, 90_000, 90_040, 0, 40]),
            [0, 40, 90_000, 90_040, 90_040, 90_080]
        );
        // One frame of another time.
        assert_eq!(placed(&[0, 99_000, 0, 99_040]), [0, 99_000, 99_000, 99_040]);
        assert_eq!(placed(&[99_000, 99_040, 99_080]), [0, 40, 80], "cut out of another");
        assert_eq!(placed(&[0, 40, 999_000_000, 80, 120]), [0, 40, 40, 80, 120]);
        let mut pace = Pace::default();
        for time in [Duration::ZERO, Duration::MAX, MS(40), Duration::MAX] {
            assert!(pace.place(time) <= MS(40));
        }
    }

    #[test]
    fn rounds_follow_each_other() {
        let mut pace = Pace::default();
        assert_eq!((pace.place(MS(0)), pace.place(MS(40))), (MS(0), MS(40)));
        pace.again(MS(40));
        assert_eq!(
            (pace.place(MS(0)), pace.place(MS(40)), pace.last()),
            (MS(80), MS(120), MS(120))
        );
        pace.again(MS(40));
        // Sound that begins a little later than pictures does so in each round.
        assert_eq!(pace.place(MS(20)), MS(180));
    }
}
