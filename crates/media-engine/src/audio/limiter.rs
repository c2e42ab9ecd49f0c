//! Keeps sums of several voices within full scale without the sound of clipping.

use super::AudioBlock;

/// Turns down what would be too loud, at once, and up again over a tenth of a second. It adds no delay, and cuts nothing off: where a
/// block begins with too much, the gain falls as fast as it takes.
#[derive(Clone, Debug)]
pub struct Limiter {
    /// The peak that is remembered.
    envelope: f32,
    /// The gain at the end of the last block.
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

impl Limiter {
    /// What no sample goes beyond.
    pub const CEILING: f32 = 0.95;
    /// Parts of a block that have a gain each.
    const PARTS: usize = 10;
    /// What is left of the remembered peak after 100 ms.
    const RELEASE: f32 = 0.37;

    /// One that has heard nothing.
    pub fn new() -> Self {
        Self { envelope: 0.0, gain: 1.0 }
    }

    /// Limits a block, of 10 ms as a rule.
    pub fn process(&mut self, block: &mut AudioBlock) {
        let (frames, channels) = (block.frames(), block.channels());
        if frames == 0 {
            return;
        }
        let seconds = block.duration().as_secs_f32() / Self::PARTS as f32;
        let decay = Self::RELEASE.powf(seconds / 0.1);
        let bounds = |part: usize| {
            let frame = |part: usize| frames * part / Self::PARTS * channels;
            frame(part)..frame(part + 1)
        };

        let mut gains = [1.0_f32; Self::PARTS];
        for (part, gain) in gains.iter_mut().enumerate() {
            let samples = &mut block.samples_mut()[bounds(part)];
            let mut peak = 0.0_f32;
            for sample in samples {
                // What is no number is silence.
                if !sample.is_finite() {
                    *sample = 0.0;
                }
                peak = peak.max(sample.abs());
            }
            self.envelope = peak.max(self.envelope * decay).min(1e6);
            if self.envelope > Self::CEILING {
                *gain = Self::CEILING / self.envelope;
            }
        }
        if self.gain == 1.0 && gains == [1.0; Self::PARTS] {
            return;
        }
        for part in 0..Self::PARTS {
            // Down before a part that is louder, so that no part begins with more than it may have.
            let next = gains.get(part + 1).map_or(gains[part], |next| next.min(gains[part]));
            let samples = &mut block.samples_mut()[bounds(part)];
            let count = (samples.len() / channels).max(1) as f32;
            let mut step = (next - self.gain) / count;
            if part == 0 && step < 0.0 {
                // Nobody knew of its first samples before: the line goes below each of them, and no further than to the gain
                // that is right for all of the part.
                for (n, moment) in samples.chunks_exact(channels).enumerate() {
                    let peak = moment.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
                    let most = Self::CEILING / peak.max(Self::CEILING);
                    step = step.min((most - self.gain) / (n + 1) as f32);
                }
            }
            for (n, moment) in samples.chunks_exact_mut(channels).enumerate() {
                let mut gain = self.gain + step * (n + 1) as f32;
                if step < 0.0 {
                    gain = gain.max(next);
                }
                for sample in moment {
                    *sample = (*sample * gain).clamp(-1.0, 1.0);
                }
            }
            self.gain = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(amplitude: f32, at: usize) -> AudioBlock {
        let mut block = AudioBlock::silence(48_000, 2, 480);
        for (n, moment) in block.samples_mut().chunks_exact_mut(2).enumerate() {
            let t = (at * 480 + n) as f32 / 48_000.0;
            moment.fill(amplitude * (std::f32::consts::TAU * 300.0 * t).sin());
        }
        block
    }

    fn peak(block: &AudioBlock) -> f32 {
        block.samples().iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
    }

    #[test]
    fn what_is_not_too_loud_is_left_alone() {
        let mut limiter = Limiter::new();
        for at in 0..10 {
            let mut block = tone(0.9, at);
            limiter.process(&mut block);
            assert_eq!(block, tone(0.9, at));
        }
    }

    #[test]
    fn what_is_too_loud_is_turned_down_and_up_again() {
        let mut limiter = Limiter::new();
        for at in 0..50 {
            let mut block = tone(3.0, at);
            limiter.process(&mut block);
            assert!(peak(&block) <= Limiter::CEILING + 1e-3, "{at}: {}", peak(&block));
            // Not clipped: still a tone, of the power that one of its peak has.
            if at > 0 {
                let power = block.samples().iter().map(|s| s * s).sum::<f32>() / 960.0;
                assert!((0.40..0.46).contains(&power), "{power}");
            }
        }
        let mut quiet = tone(0.3, 50);
        limiter.process(&mut quiet);
        assert!(peak(&quiet) < 0.2, "{}", peak(&quiet));
        for at in 51..100 {
            quiet = tone(0.3, at);
            limiter.process(&mut quiet);
        }
        assert_eq!(quiet, tone(0.3, 99));
    }

    #[test]
    fn nothing_is_cut_off_where_a_block_begins_too_loud() {
        for first in [0.94, 1.3, 5.0] {
            let mut limiter = Limiter::new();
            limiter.process(&mut tone(0.9, 0));
            let mut block = AudioBlock::silence(48_000, 2, 480);
            for (n, moment) in block.samples_mut().chunks_exact_mut(2).enumerate() {
                moment.fill((first + 0.05 * n as f32).min(5.0));
            }
            limiter.process(&mut block);
            let most = peak(&block);
            assert!(most <= Limiter::CEILING + 1e-3, "{first}: {most}");
            assert!(block.samples().iter().all(|sample| *sample > 0.2), "{first}: no hole");
        }
    }

    #[test]
    fn no_step_is_heard_where_the_gain_changes() {
        let mut limiter = Limiter::default();
        let mut last = 0.0;
        for at in 0..30 {
            let mut block = tone(if at < 10 { 0.5 } else { 1.5 }, at);
            limiter.process(&mut block);
            for moment in block.samples().chunks_exact(2) {
                // The steepest that a tone of 300 Hz of 1.5 is.
                assert!((moment[0] - last).abs() < 0.07, "{at}: {} after {last}", moment[0]);
                last = moment[0];
            }
        }
    }

    #[test]
    fn what_is_no_number_does_not_stay() {
        let mut limiter = Limiter::new();
        let mut block = tone(0.5, 0);
        block.samples_mut()[7] = f32::INFINITY;
        block.samples_mut()[9] = f32::NAN;
        limiter.process(&mut block);
        let expected = tone(0.5, 0);
        assert_eq!((block.samples()[7], block.samples()[9]), (0.0, 0.0));
        assert_eq!(block.samples()[10..], expected.samples()[10..]);
        for at in 0..300 {
            block = tone(0.5, at);
            limiter.process(&mut block);
        }
        assert_eq!(block, tone(0.5, 299));
        limiter.process(&mut AudioBlock::default());
    }
}
