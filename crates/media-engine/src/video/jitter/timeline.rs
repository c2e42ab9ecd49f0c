//! From RTP timestamps to local time: a line through the arrivals of frames, fitted as they come, which follows the drift between
//! the two clocks.
//!
//! Least squares, recursively, with a slow forgetting. A lasting jump of the delay (another path) shows as a sum of deviations of one
//! sign; the line is then let go to find its new offset.

use std::time::{Duration, Instant};

/// RTP timestamps a millisecond.
const RATE: f64 = 90.0;
/// How much older frames count less, from one to the next.
const FORGETTING: f64 = 1.0 / 3000.0;
/// Uncertainty of the offset to begin with.
const UNSURE: f64 = 1e10;
/// Deviations beyond this are cut off, in timestamps (80 ms).
const CUT: f64 = 7200.0;
/// What deviations of one sign may add up to, less [`ALLOWED`] for each.
const JUMP: f64 = 7000.0;
/// What each deviation may be without adding, in timestamps (73 ms).
const ALLOWED: f64 = 6600.0;
/// A gap after which all begins anew.
const GAP: Duration = Duration::from_secs(10);
/// A jump of timestamps, forward or back, after which all begins anew: ten seconds.
const TIMESTAMP_GAP: i64 = 900_000;

/// A line through arrivals.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    line: Option<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    /// Where local time is counted from.
    start: Instant,
    first: i64,
    last: i64,
    last_arrival: Instant,
    /// Timestamps a millisecond, and at `start`.
    slope: f64,
    offset: f64,
    covariance: [[f64; 2]; 2],
    above: f64,
    below: f64,
}

impl Line {
    fn new(now: Instant, timestamp: i64) -> Self {
        Self {
            start: now,
            first: timestamp,
            last: timestamp,
            last_arrival: now,
            slope: RATE,
            offset: 0.0,
            covariance: [[1.0, 0.0], [0.0, UNSURE]],
            above: 0.0,
            below: 0.0,
        }
    }

    fn update(&mut self, now: Instant, timestamp: i64) {
        let time = milliseconds(now.saturating_duration_since(self.start));
        let deviation = (timestamp - self.first) as f64 - (self.slope * time + self.offset);
        if self.jumped(deviation) {
            self.covariance[1][1] = UNSURE;
        }
        let [[a, b], [_, d]] = self.covariance;
        let (slope_part, offset_part) = (a * time + b, b * time + d);
        let uncertainty = 1.0 + time * slope_part + offset_part;
        let (slope_gain, offset_gain) = (slope_part / uncertainty, offset_part / uncertainty);
        self.slope += slope_gain * deviation;
        self.offset += offset_gain * deviation;
        let grown = 1.0 + FORGETTING;
        let shared = (b - slope_gain * offset_part) * grown;
        self.covariance = [
            [(a - slope_gain * slope_part) * grown, shared],
            [shared, (d - offset_gain * offset_part) * grown],
        ];
        self.last = timestamp;
        self.last_arrival = now;
    }

    /// Whether deviations of one sign have added up.
    fn jumped(&mut self, deviation: f64) -> bool {
        let cut = deviation.clamp(-CUT, CUT);
        self.above = (self.above + cut - ALLOWED).max(0.0);
        self.below = (self.below - cut - ALLOWED).max(0.0);
        let jumped = self.above > JUMP || self.below > JUMP;
        if jumped {
            (self.above, self.below) = (0.0, 0.0);
        }
        jumped
    }

    fn local(&self, timestamp: i64) -> Instant {
        // A slope that is far off is that of a few frames only.
        let slope =
            if (RATE * 0.95..RATE * 1.05).contains(&self.slope) { self.slope } else { RATE };
        let offset = if slope == self.slope {
            self.offset
        } else {
            // The line goes through the last arrival instead.
            let time = milliseconds(self.last_arrival.saturating_duration_since(self.start));
            (self.last - self.first) as f64 - slope * time
        };
        let time = ((timestamp - self.first) as f64 - offset) / slope;
        let distance = Duration::try_from_secs_f64(time.abs() / 1000.0).unwrap_or_default();
        if time < 0.0 {
            self.start.checked_sub(distance).unwrap_or(self.start)
        } else {
            self.start.checked_add(distance).unwrap_or(self.start)
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

impl Timeline {
    /// Whether anything is known.
    pub(super) fn has_begun(&self) -> bool {
        self.line.is_some()
    }

    /// The timestamp without its wrapping; near the last one.
    pub(super) fn unwrap(&self, timestamp: u32) -> i64 {
        match &self.line {
            Some(line) => {
                line.last + i64::from(timestamp.wrapping_sub(line.last as u32).cast_signed())
            }
            None => i64::from(timestamp),
        }
    }

    /// Takes in an arrival. True where all begins anew: the first frame, a long gap, or another stream's timestamps.
    pub(super) fn update(&mut self, now: Instant, timestamp: u32) -> bool {
        let unwrapped = self.unwrap(timestamp);
        match &mut self.line {
            Some(line)
                if now.saturating_duration_since(line.last_arrival) < GAP
                    && (unwrapped - line.last).abs() < TIMESTAMP_GAP =>
            {
                line.update(now, unwrapped);
                false
            }
            _ => {
                self.line = Some(Line::new(now, unwrapped));
                true
            }
        }
    }

    /// When a frame of this timestamp is expected to come; `None` before the first.
    pub(super) fn local(&self, timestamp: u32) -> Option<Instant> {
        Some(self.line.as_ref()?.local(self.unwrap(timestamp)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds 30 frames a second whose clock goes by `drift` too fast, and gives the greatest deviation in the last third, in ms.
    fn worst(seconds: u32, drift: f64, mut delay: impl FnMut(u32) -> f64) -> f64 {
        let start = Instant::now();
        let mut timeline = Timeline::default();
        let mut worst = 0f64;
        for frame in 0..seconds * 30 {
            let sent = f64::from(frame) / 30.0;
            let timestamp = (sent * 90_000.0 * (1.0 + drift)) as u64 as u32;
            let timestamp = timestamp.wrapping_add(u32::MAX - 100_000);
            let arrival = start + Duration::from_secs_f64(sent + delay(frame) / 1000.0);
            timeline.update(arrival, timestamp);
            if frame > seconds * 20 {
                let expected = milliseconds(timeline.local(timestamp).unwrap() - start);
                worst = worst.max((expected - sent * 1000.0).abs());
            }
        }
        worst
    }

    #[test]
    fn drift_is_followed() {
        assert!(worst(60, 0.0, |_| 0.0) < 1.0);
        assert!(worst(60, 200e-6, |_| 0.0) < 1.0);
        assert!(worst(600, -200e-6, |_| 0.0) < 1.0);
    }

    #[test]
    fn jitter_evens_out() {
        let mut state = 1u32;
        let worst = worst(60, 100e-6, |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 16) / 65536.0 * 60.0
        });
        // Around the middle of 30 ms.
        assert!((20.0..40.0).contains(&worst), "{worst}");
    }

    #[test]
    fn a_longer_path_is_found() {
        let deviation = worst(60, 0.0, |frame| if frame > 600 { 300.0 } else { 0.0 });
        assert!((deviation - 300.0).abs() < 30.0, "{deviation}");
    }

    #[test]
    fn another_stream_begins_anew() {
        let start = Instant::now();
        let mut timeline = Timeline::default();
        assert_eq!(timeline.local(5), None);
        assert!(timeline.update(start, 1000));
        assert!(!timeline.update(start + Duration::from_millis(33), 4000));
        assert!(timeline.update(start + Duration::from_millis(66), 2_000_000_000));
        let local = timeline.local(2_000_009_000).unwrap();
        assert_eq!(local, start + Duration::from_millis(166));
        assert!(timeline.update(start + Duration::from_secs(20), 2_000_018_000));
    }
}
