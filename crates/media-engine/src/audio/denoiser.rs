//! The stronger suppressor of noise: a recurrent network (RNNoise, by `nnnoiseless`) that also takes away what does not stay the same,
//! such as keys and babble, and some of the voice with it.

use nnnoiseless::DenoiseState;

use super::AudioBlock;

/// Takes noise out of blocks of 10 ms at 48 kHz. What comes out is 10 ms late.
pub struct Denoiser {
    channels: Vec<Box<DenoiseState<'static>>>,
    input: [f32; DenoiseState::FRAME_SIZE],
    output: [f32; DenoiseState::FRAME_SIZE],
}

impl std::fmt::Debug for Denoiser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Denoiser").field("channels", &self.channels.len()).finish_non_exhaustive()
    }
}

impl Denoiser {
    /// Samples a second that it takes.
    pub const RATE: u32 = 48_000;

    /// One of so many channels, 1 to [`AudioBlock::MAX_CHANNELS`]: others are held within.
    pub fn new(channels: usize) -> Self {
        let channels = channels.clamp(1, AudioBlock::MAX_CHANNELS);
        Self {
            channels: (0..channels).map(|_| DenoiseState::new()).collect(),
            input: [0.0; DenoiseState::FRAME_SIZE],
            output: [0.0; DenoiseState::FRAME_SIZE],
        }
    }

    /// Takes the noise out, and returns how sure the network is that somebody speaks, 0 to 1. A block of another rate, length or
    /// number of channels is left as it is, and `None` returned.
    pub fn process(&mut self, block: &mut AudioBlock) -> Option<f32> {
        let count = self.channels.len();
        if (block.rate(), block.channels(), block.frames())
            != (Self::RATE, count, DenoiseState::FRAME_SIZE)
        {
            return None;
        }
        let mut voice = 0.0_f32;
        for (channel, state) in self.channels.iter_mut().enumerate() {
            // The network is used to 16-bit samples.
            let samples = block.samples().iter().skip(channel).step_by(count);
            for (input, &sample) in self.input.iter_mut().zip(samples) {
                // What is no number would stay in the network for good.
                *input = if sample.is_finite() { sample.clamp(-1.0, 1.0) * 32_768.0 } else { 0.0 };
            }
            voice = voice.max(state.process_frame(&mut self.output, &self.input));
            let samples = block.samples_mut().iter_mut().skip(channel).step_by(count);
            for (sample, output) in samples.zip(self.output) {
                *sample = (output / 32_768.0).clamp(-1.0, 1.0);
            }
        }
        Some(voice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_taken_out_and_what_does_not_fit_is_left() {
        let mut denoiser = Denoiser::new(2);
        let mut seed = 1_u32;
        let mut power = 0.0;
        for n in 0..300 {
            let mut block = AudioBlock::silence(48_000, 2, 480);
            for sample in block.samples_mut() {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *sample = ((seed >> 8) as f32 / (1 << 23) as f32 - 1.0) * 0.05;
            }
            if n == 3 {
                block.samples_mut()[5] = f32::NAN;
            }
            assert!((0.0..=1.0).contains(&denoiser.process(&mut block).unwrap()));
            assert!(block.samples().iter().all(|sample| sample.is_finite()));
            if n >= 200 {
                power += block.samples().iter().map(|s| s * s).sum::<f32>() / 96_000.0;
            }
        }
        // White noise of 0.05 has a power of 8.3e-4: two thirds at least are gone.
        assert!(power < 2.8e-4, "{power}");
        let mut other = AudioBlock::silence(16_000, 2, 160);
        other.samples_mut().fill(0.5);
        assert_eq!(denoiser.process(&mut other), None);
        assert!(other.samples().iter().all(|&sample| sample == 0.5));
    }
}
