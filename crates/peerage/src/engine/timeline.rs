//! The time of a stream: it goes on when another source takes the place of the one before, whose clock began elsewhere.

use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug)]
pub(super) struct Timeline {
    /// What the time of the source is moved by, in nanoseconds.
    shift: i128,
    /// The next frame is the first of its source.
    fresh: bool,
    /// The last frame: its time in the stream, and when it came.
    last: Option<(Duration, Instant)>,
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
        if std::mem::take(&mut self.fresh) {
            let since = |at: Instant| now.saturating_duration_since(at);
            let wanted = self.last.map_or(time, |(placed, at)| placed + since(at));
            self.shift = nanos(wanted) - nanos(time);
        }
        let placed = (nanos(time) + self.shift).max(0);
        let placed = Duration::from_nanos(u64::try_from(placed).unwrap_or(u64::MAX));
        self.last = Some((placed, now));
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
        assert_eq!(timeline.place(MS(0), start + MS(1_120)), MS(0), "no clock is below zero");
    }
}
