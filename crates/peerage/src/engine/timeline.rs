//! The time of a stream: it goes on when another source takes the place of the one before, whose clock began elsewhere, and when
//! the clock of a source begins anew: a file that is played again, a relayed track whose timestamps wrap.

use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug)]
pub(super) struct Timeline {
    /// What the time of the source is moved by, in nanoseconds.
    shift: i128,
    /// The next frame is the first of its source.
    fresh: bool,
    /// The last frame.
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    /// On its source's clock, and in the stream.
    time: Duration,
    placed: Duration,
    /// When it came.
    at: Instant,
}

impl Timeline {
    pub(super) fn new() -> Self {
        Self { shift: 0, fresh: true, last: None }
    }

    /// Another source begins.
    pub(super) fn begin_source(&mut self) {
        self.fresh = true;
    }

    /// The time in the stream of a frame that comes now.
    pub(super) fn place(&mut self, time: Duration, now: Instant) -> Duration {
        let nanos = |time: Duration| time.as_nanos() as i128;
        let back = self.last.is_some_and(|last| time < last.time);
        if std::mem::take(&mut self.fresh) || back {
            let on = |last: Last| last.placed + now.saturating_duration_since(last.at);
            self.shift = nanos(self.last.map_or(time, on)) - nanos(time);
        }
        // Never below zero: it began at zero or above, and only goes on.
        let placed = (nanos(time) + self.shift).max(0);
        let placed = Duration::from_nanos(u64::try_from(placed).unwrap_or(u64::MAX));
        self.last = Some(Last { time, placed, at: now });
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_source_goes_on_where_the_last_one_was() {
        const MS: fn(u64) -> Duration = Duration::from_millis;
        let start = Instant::now();
        let mut timeline = Timeline::new();
        assert_eq!(timeline.place(MS(5_000), start), MS(5_000));
        // What jitters in coming does not jitter in the stream.
        assert_eq!(timeline.place(MS(5_040), start + MS(47)), MS(5_040));
        timeline.begin_source();
        assert_eq!(timeline.place(MS(100), start + MS(1_047)), MS(6_040));
        assert_eq!(timeline.place(MS(140), start + MS(1_080)), MS(6_080));
        timeline.begin_source();
        assert_eq!(timeline.place(MS(90_000), start + MS(1_120)), MS(6_120));
        // Its clock begins anew.
        assert_eq!(timeline.place(MS(90_040), start + MS(1_160)), MS(6_160));
        assert_eq!(timeline.place(MS(0), start + MS(1_200)), MS(6_200));
        assert_eq!(timeline.place(MS(40), start + MS(1_240)), MS(6_240));
    }
}
