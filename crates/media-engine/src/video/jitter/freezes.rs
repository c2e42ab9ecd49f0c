//! How smoothly pictures are shown, as webrtc-stats counts it.

use std::time::{Duration, Instant};

/// Pictures whose durations are averaged.
pub const FREEZE_PICTURES: usize = 30;
/// Pictures before there is an average that means anything.
const ENOUGH: usize = 5;
/// A picture that stays so long was a pause.
const PAUSE: Duration = Duration::from_secs(5);
/// A freeze is this much longer than the average, and three times as long.
const FREEZE: Duration = Duration::from_millis(150);

/// Counts pictures as they are shown.
#[derive(Clone, Debug, Default)]
pub struct FreezeCounter {
    last: Option<Instant>,
    durations: [Duration; FREEZE_PICTURES],
    sum: Duration,
    /// `framesRendered`.
    pub rendered: u64,
    /// `freezeCount`.
    pub freezes: u64,
    /// `totalFreezesDuration`.
    pub frozen: Duration,
    /// `pauseCount`.
    pub pauses: u64,
    /// `totalPausesDuration`.
    pub paused: Duration,
    /// `totalInterFrameDelay`.
    pub total_inter_frame_delay: Duration,
    /// `totalSquaredInterFrameDelay`, in square seconds.
    pub total_squared_inter_frame_delay: f64,
}

impl FreezeCounter {
    /// A picture is shown at `now`.
    pub fn shown(&mut self, now: Instant) {
        let before = usize::try_from(self.rendered).unwrap_or(usize::MAX).saturating_sub(1);
        self.rendered += 1;
        let Some(last) = self.last.replace(now) else { return };
        let duration = now.saturating_duration_since(last);
        let averaged = before.min(FREEZE_PICTURES);
        if averaged >= ENOUGH {
            let average = self.sum / averaged as u32;
            if duration >= (3 * average).max(average + FREEZE) {
                self.freezes += 1;
                self.frozen += duration;
            }
        }
        if duration > PAUSE {
            self.pauses += 1;
            self.paused += duration;
        }
        self.total_inter_frame_delay += duration;
        self.total_squared_inter_frame_delay += duration.as_secs_f64().powi(2);
        let oldest = std::mem::replace(&mut self.durations[before % FREEZE_PICTURES], duration);
        self.sum = (self.sum + duration).saturating_sub(oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freezes_and_pauses_are_told_from_slow_pictures() {
        let mut now = Instant::now();
        let mut counter = FreezeCounter::default();
        let mut show = |milliseconds| {
            now += Duration::from_millis(milliseconds);
            counter.shown(now);
            (counter.freezes, counter.pauses)
        };
        // A slow beginning is no freeze: nothing is known yet.
        show(0);
        assert_eq!(show(400), (0, 0));
        for _ in 0..60 {
            assert_eq!(show(33), (0, 0));
        }
        // 33 + 150 = 183.
        assert_eq!(show(182), (0, 0));
        for _ in 0..60 {
            show(33);
        }
        assert_eq!(show(183), (1, 0));
        assert_eq!(show(6000), (2, 1));
        assert_eq!(counter.frozen, Duration::from_millis(6183));
        assert_eq!(counter.paused, Duration::from_secs(6));
        assert_eq!(counter.rendered, 125);
        assert_eq!(
            counter.total_inter_frame_delay,
            Duration::from_millis(400 + 120 * 33 + 182 + 6183)
        );
    }
}
