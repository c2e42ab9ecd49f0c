//! What a player would make of the frames that arrive: how many, and how long the picture stood still (webrtc-stats,
//! `freezeCount` and `totalFreezesDuration`). It is a player of the plainest kind: each frame is due a fixed time after the
//! moment at which it would have come on an empty path, and is shown then, or when it is complete if that is later.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Intervals that the usual one is the mean of.
const INTERVALS: usize = 30;
/// A longer pause than three intervals, and than one and this, is a freeze.
const PAUSE: Duration = Duration::from_millis(150);
/// What browsers wait on such a path: a round trip for what is sent again, and the jitter of a queue.
const DELAY: Duration = Duration::from_millis(150);
/// Of video (RFC 7741 §4.1).
const CLOCK_RATE: f64 = 90_000.0;
/// So much of the difference the clock of the peer may run away from ours, per frame.
const DRIFT: f64 = 1e-5;

/// See the module.
#[derive(Default)]
pub(crate) struct Playing {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) freezes: u64,
    pub(crate) frozen: Duration,
    /// The first frame: when it came, and its timestamp.
    first: Option<(Instant, u32)>,
    /// The least by which a frame has come later than the first, in seconds.
    least_late: f64,
    last_shown: Option<Instant>,
    intervals: VecDeque<Duration>,
}

impl Playing {
    /// A frame is complete.
    pub(crate) fn frame(&mut self, now: Instant, timestamp: u32, bytes: usize) {
        self.frames += 1;
        self.bytes += bytes as u64;
        let (first, base) = *self.first.get_or_insert((now, timestamp));
        let media = f64::from(timestamp.wrapping_sub(base)) / CLOCK_RATE;
        let late = (now - first).as_secs_f64() - media;
        self.least_late = (self.least_late + DRIFT).min(late);
        let due = first + Duration::from_secs_f64((media + self.least_late).max(0.0)) + DELAY;
        self.show(now.max(due));
    }

    fn show(&mut self, now: Instant) {
        let Some(last) = self.last_shown.replace(now) else { return };
        let interval = now.saturating_duration_since(last);
        if self.intervals.len() == INTERVALS {
            let usual = self.intervals.iter().sum::<Duration>() / INTERVALS as u32;
            if interval > (usual * 3).max(usual + PAUSE) {
                self.freezes += 1;
                self.frozen += interval;
            }
            self.intervals.pop_front();
        }
        self.intervals.push_back(interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(33);

    fn play(delays_ms: &[(u32, u64)]) -> Playing {
        let start = Instant::now();
        let mut playing = Playing::default();
        for &(index, delay) in delays_ms {
            let at = start + FRAME * index + Duration::from_millis(delay);
            playing.frame(at, index * 2_970, 1_000);
        }
        playing
    }

    #[test]
    fn what_comes_within_the_delay_is_no_freeze() {
        let frames: Vec<_> = (0..100).map(|i| (i, if i == 60 { 140 } else { 0 })).collect();
        assert_eq!(play(&frames).freezes, 0);
    }

    #[test]
    fn a_pause_is_one_freeze() {
        let frames: Vec<_> = (0..100).map(|i| (i, if i >= 60 { 400 } else { 0 })).collect();
        let playing = play(&frames);
        assert_eq!(playing.freezes, 1);
        let frozen = playing.frozen.as_millis();
        assert!((270..=300).contains(&frozen), "400 - 150 + 33 ms, not {frozen}");
    }
}
