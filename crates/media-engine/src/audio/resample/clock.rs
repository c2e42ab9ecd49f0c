//! Between two clocks: one end pushes what its device made, the other pulls 10 ms whenever its own device wants them, and the ratio
//! is steered so that as much waits in between as is wanted. A microphone and a speaker of two devices need it, and so does a
//! mixer of what comes from several.

use std::time::{Duration, Instant};

use super::{ResampleError, Resampler};
use crate::audio::AudioBlock;

/// What a bridge went through.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ClockBridgeStats {
    /// By how many parts in a million the input's clock is thought to be faster than the output's.
    pub drift: f64,
    /// Sound that waits, as it is steered by: smoothed over two seconds.
    pub held: Duration,
    /// Times that nothing was there to be pulled, after the first.
    pub starved: u64,
    /// Times that sound was dropped since far too much had piled up.
    pub overrun: u64,
}

/// Takes sound from one clock to another.
#[derive(Debug)]
pub struct ClockBridge {
    resampler: Resampler,
    /// What is to wait on average.
    target: f64,
    /// Whether there was enough to begin with.
    flowing: bool,
    last_push: Option<Instant>,
    last_pull: Option<Instant>,
    /// How far what waits is from the target, in seconds, smoothed.
    error: f64,
    /// The drift that is known, as a fraction: the controller's integral.
    drift: f64,
    stats: ClockBridgeStats,
}

impl ClockBridge {
    /// The least and most that may be wanted to wait.
    pub const TARGETS: (Duration, Duration) =
        (Duration::from_millis(5), Duration::from_millis(500));
    /// The most drift that is made up for, in parts in a million: a device further off is broken.
    pub const MAX_DRIFT: f64 = 2_000.0;
    /// How long the error is smoothed for, in seconds.
    const SMOOTHING: f64 = 2.0;
    /// How fast the loop is, in radians a second, critically damped: a drift is found within a minute and no wobble is heard.
    const SPEED: f64 = 0.05;

    /// A bridge of `channels`, in which `target` of sound waits: more than the jitter of both ends.
    ///
    /// # Errors
    ///
    /// Like [`Resampler::new`].
    pub fn new(
        from: u32,
        to: u32,
        channels: usize,
        target: Duration,
    ) -> Result<Self, ResampleError> {
        let target = target.clamp(Self::TARGETS.0, Self::TARGETS.1);
        Ok(Self {
            resampler: Resampler::adjustable(from, to, channels)?,
            target: target.as_secs_f64(),
            flowing: false,
            last_push: None,
            last_pull: None,
            error: 0.0,
            drift: 0.0,
            stats: ClockBridgeStats::default(),
        })
    }

    /// Takes in a block that the input's device has just made.
    ///
    /// # Errors
    ///
    /// Like [`Resampler::push`].
    pub fn push(&mut self, block: &AudioBlock, now: Instant) -> Result<(), ResampleError> {
        self.resampler.push(block)?;
        self.last_push = Some(now);
        // Beyond of what steering makes up for in a reasonable time.
        let held = self.resampler.held().as_secs_f64();
        if self.flowing && held > 2.0 * self.target + 0.1 {
            let surplus = (held - self.target) * f64::from(self.resampler.output_rate());
            self.resampler.skip(surplus as usize);
            self.stats.overrun += 1;
            self.error = 0.0;
        }
        Ok(())
    }

    /// Fills `out` with the next 10 ms: silence before enough waits for the first time, and where nothing is there. Returns
    /// whether it is sound.
    pub fn pull(&mut self, out: &mut AudioBlock, now: Instant) -> bool {
        let held = self.resampler.held().as_secs_f64();
        let elapsed = self
            .last_pull
            .replace(now)
            .map_or(0.0, |last| now.saturating_duration_since(last).as_secs_f64().min(0.1));
        if !self.flowing {
            self.flowing = held >= self.target + AudioBlock::DURATION.as_secs_f64();
            self.error = 0.0;
        }
        if self.flowing {
            self.steer(held, elapsed, now);
        }
        if self.flowing && self.resampler.pull(out) {
            return true;
        }
        if self.flowing {
            self.stats.starved += 1;
            self.flowing = false;
        }
        let rate = self.resampler.output_rate();
        out.reset(rate, self.resampler.channels(), rate as usize / 100);
        false
    }

    fn steer(&mut self, held: f64, elapsed: f64, now: Instant) {
        // Blocks come at once, but were made all along: what the input has made since the last one counts as there.
        let since = self.last_push.map_or(0.0, |last| {
            now.saturating_duration_since(last).as_secs_f64().min(self.target.max(0.02))
        });
        let error = held + since - self.target - AudioBlock::DURATION.as_secs_f64();
        self.error += (error - self.error) * (elapsed / Self::SMOOTHING).min(1.0);
        let most = Self::MAX_DRIFT * 1e-6;
        self.drift += self.error * Self::SPEED * Self::SPEED * elapsed;
        self.drift = self.drift.clamp(-most, most);
        let ratio = (self.drift + 2.0 * Self::SPEED * self.error).clamp(-most, most);
        self.resampler.set_drift(ratio * 1e6);
        self.stats.drift = self.drift * 1e6;
        let average = self.target + self.error;
        self.stats.held = Duration::from_secs_f64(average.max(0.0));
    }

    /// What it went through.
    pub fn stats(&self) -> ClockBridgeStats {
        self.stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five minutes of an input whose clock is off by `ppm`, with blocks that come up to `jitter` late.
    fn run(ppm: f64, jitter: f64) -> (ClockBridgeStats, f64) {
        let start = Instant::now();
        let target = Duration::from_millis(30);
        let mut bridge = ClockBridge::new(8_000, 8_000, 1, target).unwrap();
        let block = AudioBlock::silence(8_000, 1, 80);
        let mut out = AudioBlock::default();
        let mut seed = 1_u32;
        let (mut pushed, mut settled) = (0_u64, 0.0_f64);
        for pull in 0..30_000_u64 {
            let now = pull as f64 * 0.01;
            // Blocks are made at 10 ms of the input's clock, and handed over a little later.
            loop {
                let made = (pushed + 1) as f64 * 0.01 / (1.0 + ppm * 1e-6);
                let late = f64::from(seed >> 8) / f64::from(1 << 24) * jitter;
                if made + late > now {
                    break;
                }
                bridge.push(&block, start + Duration::from_secs_f64(made + late)).unwrap();
                pushed += 1;
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            }
            bridge.pull(&mut out, start + Duration::from_secs_f64(now));
            if pull > 20_000 {
                settled = settled.max((bridge.stats().held.as_secs_f64() - 0.03).abs());
            }
        }
        (bridge.stats(), settled)
    }

    #[test]
    fn a_drift_is_found_and_nothing_runs_full_or_dry() {
        for (ppm, jitter) in [(0.0, 0.008), (200.0, 0.0), (200.0, 0.008), (-1000.0, 0.008)] {
            let (stats, settled) = run(ppm, jitter);
            assert_eq!((stats.starved, stats.overrun), (0, 0), "{ppm} {jitter}: {stats:?}");
            assert!((stats.drift - ppm).abs() < 30.0, "{ppm} {jitter}: {stats:?}");
            assert!(settled < 0.002, "{ppm} {jitter}: {settled}");
        }
    }

    #[test]
    fn an_input_that_stops_and_bursts_is_survived() {
        let start = Instant::now();
        let mut bridge = ClockBridge::new(48_000, 16_000, 2, Duration::from_millis(30)).unwrap();
        let block = AudioBlock::silence(48_000, 2, 480);
        let mut out = AudioBlock::default();
        assert!(!bridge.pull(&mut out, start));
        assert_eq!((out.rate(), out.channels(), out.frames()), (16_000, 2, 160));
        for n in 0..10 {
            bridge.push(&block, start + Duration::from_millis(n * 10)).unwrap();
        }
        let pulled = (0..20).filter(|_| bridge.pull(&mut out, start)).count();
        assert!((8..=10).contains(&pulled), "{pulled}");
        assert_eq!(bridge.stats().starved, 1);
        for _ in 0..10 {
            bridge.push(&block, start).unwrap();
        }
        assert!(bridge.pull(&mut out, start));
        for _ in 0..100 {
            bridge.push(&block, start).unwrap();
        }
        assert!(bridge.stats().overrun > 0);
        assert!(bridge.push(&AudioBlock::silence(8_000, 2, 80), start).is_err());
    }
}
