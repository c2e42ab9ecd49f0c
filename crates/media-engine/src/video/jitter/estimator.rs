//! How much deviation of arrivals a frame must be given time for: what the largest frame takes longer than an average one, and the
//! noise of the network on top.
//!
//! The way is libwebrtc's: deviations that no size explains are noise, of which mean and variance are followed; what lies far out
//! counts as the border of what is believed, so that a single spike does not raise the delay for seconds.

use super::kalman::Kalman;

/// Frames over which the noise is averaged at 30 frames a second.
const AVERAGED: f64 = 400.0;
/// How the mean and variance of sizes follow.
const SIZE_SHARE: f64 = 0.97;
/// How the largest size is forgotten.
const LARGEST_SHARE: f64 = 0.9999;
/// Deviations count up to so many times the noise ...
const BOUND: f64 = 3.5;
/// ... and those beyond so many times are spikes.
const SPIKE: f64 = 15.0;
/// A frame so many deviations larger than the average is a keyframe or the like, whose delay is always believed.
const LARGE: f64 = 3.0;
/// A frame smaller than the last by this share of the largest comes out of a queue that the last one made.
const CONGESTED: f64 = -0.25;
/// How many standard deviations of the noise are given time for, less this many milliseconds.
const NOISE: (f64, f64) = (2.33, 30.0);
/// What timers and threads of the receiver need, ms.
const SYSTEM: f64 = 10.0;
/// Frames after which sizes are known.
const BEGIN: u32 = 5;
/// Frames a second below and above which jitter counts for nothing and in full: a slideshow gains nothing by waiting.
const SLOW: (f64, f64) = (5.0, 10.0);
/// The most, ms.
const MOST: f64 = 10_000.0;

#[derive(Clone, Debug)]
pub(super) struct DelayEstimator {
    kalman: Kalman,
    frames: u32,
    last_size: f64,
    mean_size: f64,
    size_variance: f64,
    largest: f64,
    noise_mean: f64,
    noise_variance: f64,
    averaged: f64,
    /// Milliseconds from one frame to the next on the sender's clock.
    interval: f64,
}

impl Default for DelayEstimator {
    fn default() -> Self {
        Self {
            kalman: Kalman::default(),
            frames: 0,
            last_size: 0.0,
            mean_size: 500.0,
            size_variance: 100.0,
            largest: 500.0,
            noise_mean: 0.0,
            noise_variance: 4.0,
            averaged: 1.0,
            interval: 1000.0 / 30.0,
        }
    }
}

impl DelayEstimator {
    /// Takes in a frame: how much longer it was under way than the one before it, the time between the two on the sender's clock
    /// (both in ms), and its size.
    pub(super) fn update(&mut self, delay_change: f64, interval: f64, size: usize) {
        let size = size as f64;
        if (1.0..2000.0).contains(&interval) {
            self.interval += (interval - self.interval) * 0.05;
        }
        let size_change = size - self.last_size;
        self.take_size(size);
        if std::mem::replace(&mut self.last_size, size) == 0.0 {
            return;
        }
        let noise = self.noise_variance.sqrt();
        let delay_change = delay_change.clamp(-BOUND * noise - 0.5, BOUND * noise + 0.5);
        let deviation = delay_change - self.kalman.expected(size_change);
        let large = size > self.mean_size + LARGE * self.size_variance.sqrt();
        if deviation.abs() < SPIKE * noise || large {
            self.take_noise(deviation);
            if size_change > CONGESTED * self.largest {
                self.kalman.update(delay_change, size_change, self.largest, self.noise_variance);
            }
        } else {
            self.take_noise(SPIKE * noise * deviation.signum());
        }
    }

    fn take_size(&mut self, size: f64) {
        if self.frames < BEGIN {
            // The plain mean; the first one is a keyframe, which must not stand for all.
            self.frames += 1;
            if self.frames == 1 {
                self.mean_size = size;
            }
            self.mean_size += (size - self.mean_size) / f64::from(self.frames);
        }
        if size < self.mean_size + 2.0 * self.size_variance.sqrt() {
            self.mean_size = SIZE_SHARE * self.mean_size + (1.0 - SIZE_SHARE) * size;
        }
        let deviation = size - self.mean_size;
        self.size_variance =
            (SIZE_SHARE * self.size_variance + (1.0 - SIZE_SHARE) * deviation * deviation).max(1.0);
        self.largest = (LARGEST_SHARE * self.largest).max(size);
    }

    fn take_noise(&mut self, deviation: f64) {
        let share = (self.averaged - 1.0) / self.averaged;
        self.averaged = (self.averaged + 1.0).min(AVERAGED);
        // The same time is averaged over at each rate of frames.
        let share = share.powf((self.interval * 30.0 / 1000.0).clamp(0.1, 10.0));
        self.noise_mean = share * self.noise_mean + (1.0 - share) * deviation;
        let around = deviation - self.noise_mean;
        self.noise_variance =
            (share * self.noise_variance + (1.0 - share) * around * around).max(1.0);
    }

    /// How long to wait, ms.
    pub(super) fn estimate(&self) -> f64 {
        let sizes = self.kalman.slope() * (self.largest - self.mean_size);
        let noise = (NOISE.0 * self.noise_variance.sqrt() - NOISE.1).max(1.0);
        let rate = 1000.0 / self.interval;
        let counts = ((rate - SLOW.0) / (SLOW.1 - SLOW.0)).clamp(0.0, 1.0);
        (((sizes + noise).max(1.0) + SYSTEM) * counts).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(frames: usize, mut delay: impl FnMut(usize) -> f64) -> f64 {
        let mut estimator = DelayEstimator::default();
        let mut last = 0.0;
        for frame in 0..frames {
            let now = delay(frame);
            estimator.update(now - last, 1000.0 / 30.0, 3000 + 100 * (frame % 7));
            last = now;
        }
        estimator.estimate()
    }

    #[test]
    fn a_steady_network_needs_next_to_nothing() {
        assert!(fed(300, |_| 50.0) < 20.0);
    }

    #[test]
    fn jitter_is_given_time_for() {
        // Up to 100 ms, evenly: a standard deviation of changes of 40 ms.
        let mut state = 1u32;
        let jitter = fed(1000, |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 16) / 65536.0 * 100.0
        });
        assert!((50.0..130.0).contains(&jitter), "{jitter}");
    }

    #[test]
    fn one_spike_is_soon_forgotten() {
        let spiked = fed(300, |frame| if frame == 100 { 400.0 } else { 50.0 });
        assert!(spiked < 40.0, "{spiked}");
    }

    #[test]
    fn large_frames_are_given_time_for() {
        let mut estimator = DelayEstimator::default();
        let mut last = 0.0;
        for frame in 0..600 {
            // Every 30th is ten times as large, and the link takes 0.004 ms a byte.
            let size = if frame % 30 == 0 { 30_000 } else { 3000 };
            let delay = f64::from(size) * 0.004;
            estimator.update(delay - last, 1000.0 / 30.0, size as usize);
            last = delay;
        }
        let estimate = estimator.estimate();
        assert!((80.0..200.0).contains(&estimate), "{estimate}");
    }
}
