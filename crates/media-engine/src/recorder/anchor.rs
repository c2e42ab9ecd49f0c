//! Where frames stand in a file: sources have clocks of their own, which begin anywhere, drift, and jump.

use std::time::{Duration, Instant};

/// What a frame's time may differ from when it came, before its source is believed to have begun anew.
const JUMP: f64 = 0.3;
/// The share of the difference that is made up for with each frame: clocks that drift are followed within seconds, and what
/// comes early or late is not.
const FOLLOW: f64 = 0.002;

/// Places the frames of one source in a file that began at a moment.
#[derive(Debug)]
pub(super) struct Anchor {
    begin: Instant,
    /// From the source's clock to the file's, in seconds; none before the first frame.
    offset: Option<f64>,
    last: f64,
}

impl Anchor {
    pub(super) fn new(begin: Instant) -> Self {
        Self { begin, offset: None, last: 0.0 }
    }

    /// The time in the file of a frame that comes now. Never goes back.
    pub(super) fn place(&mut self, time: Duration, now: Instant) -> Duration {
        let expected = now.saturating_duration_since(self.begin).as_secs_f64();
        let time = time.as_secs_f64();
        let offset = self.offset.get_or_insert(expected - time);
        let error = expected - (time + *offset);
        if error.abs() > JUMP {
            // Anew, not by what it differs: of times of ages that would leave nothing but rounding.
            *offset = expected - time;
        } else {
            *offset += error * FOLLOW;
        }
        self.last = self.last.max(time + *offset);
        Duration::from_secs_f64(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_left_out_drift_is_followed_and_jumps_are_taken() {
        let begin = Instant::now();
        let mut anchor = Anchor::new(begin);
        let at = |ms: f64| begin + Duration::from_secs_f64(ms / 1000.0);
        // A source that says its first frame is of 1000 s, is 500 ppm too slow, and whose frames come up to 8 ms late.
        let mut worst = 0.0_f64;
        for step in 0..20_000_u32 {
            let true_ms = f64::from(step) * 10.0;
            let time = Duration::from_secs_f64(1000.0 + true_ms / 1000.0 * 0.9995);
            let late = f64::from(step * 7 % 9);
            let placed = anchor.place(time, at(true_ms + late)).as_secs_f64() * 1000.0;
            worst = worst.max((placed - true_ms).abs());
        }
        assert!(worst < 12.0, "{worst} ms off");
        // Another source in its place.
        let placed = anchor.place(Duration::ZERO, at(200_100.0)).as_secs_f64();
        assert!((placed - 200.1).abs() < 0.001, "{placed}");
        // Times that cannot be, and back.
        for (time, ms) in [(Duration::MAX, 200_200.0), (Duration::ZERO, 200_300.0)] {
            let placed = anchor.place(time, at(ms)).as_secs_f64();
            assert!((200.09..200.31).contains(&placed), "{placed} of {time:?}");
        }
    }
}
