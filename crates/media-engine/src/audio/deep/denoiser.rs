//! Blocks in, frames through the network, blocks out.

use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use super::network::{BINS, Network};
use crate::audio::AudioBlock;

/// Takes noise, and voices in the background, out of blocks of 10 ms. What comes out is [30 ms](Self::DELAY) late.
///
/// It takes rates of whole thousands from 8,000 to 48,000; the network hears what is below 8 kHz, and what is above follows the
/// gain of the highest of that.
pub struct DeepDenoiser {
    rate: u32,
    channels: Vec<Channel>,
    frame: Frame,
}

impl std::fmt::Debug for DeepDenoiser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeepDenoiser")
            .field("rate", &self.rate)
            .field("channels", &self.channels.len())
            .finish_non_exhaustive()
    }
}

struct Channel {
    network: Network,
    /// The newest samples, a frame of them.
    input: Vec<f32>,
    /// How many have come since the last frame.
    fresh: usize,
    /// The second half of the last frame, to be added to.
    overlap: Vec<f32>,
    /// What is finished, the next from `read` on.
    ready: Vec<f32>,
    read: usize,
}

/// What all channels work in.
struct Frame {
    forward: Arc<dyn RealToComplex<f32>>,
    backward: Arc<dyn ComplexToReal<f32>>,
    window: Vec<f32>,
    samples: Vec<f32>,
    bins: Vec<Complex32>,
    scratch: Vec<Complex32>,
    spectrum: Box<[[f32; 2]; BINS]>,
    mask: Box<[[f32; 2]; BINS]>,
}

impl DeepDenoiser {
    /// How late sound comes out.
    pub const DELAY: std::time::Duration = std::time::Duration::from_millis(30);

    /// Whether it takes a rate.
    pub fn takes(rate: u32) -> bool {
        (8_000..=48_000).contains(&rate) && rate.is_multiple_of(1_000)
    }

    /// One of a rate and so many channels, 1 to [`AudioBlock::MAX_CHANNELS`]: others are held within. `None` for a rate that it
    /// does not take.
    pub fn new(rate: u32, channels: usize) -> Option<Self> {
        if !Self::takes(rate) {
            return None;
        }
        let channels = channels.clamp(1, AudioBlock::MAX_CHANNELS);
        let size = rate as usize / 1_000 * 32;
        let mut planner = RealFftPlanner::<f32>::new();
        let (forward, backward) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
        let scratch = forward.get_scratch_len().max(backward.get_scratch_len());
        let angle = std::f64::consts::TAU / size as f64;
        let frame = Frame {
            window: (0..size)
                .map(|n| (0.5 - 0.5 * (angle * n as f64).cos()).sqrt() as f32)
                .collect(),
            samples: forward.make_input_vec(),
            bins: forward.make_output_vec(),
            scratch: vec![Complex32::default(); scratch],
            spectrum: Box::new([[0.0; 2]; BINS]),
            mask: Box::new([[0.0; 2]; BINS]),
            forward,
            backward,
        };
        // Frames end between blocks: so much has to be ahead for a block to be always there.
        let (hop, block) = (size / 2, rate as usize / 100);
        let ahead = hop - gcd(hop, block);
        let channel = || Channel {
            network: Network::new(),
            input: vec![0.0; size],
            fresh: 0,
            overlap: vec![0.0; hop],
            ready: {
                let mut ready = Vec::with_capacity(2 * hop + block);
                ready.resize(ahead, 0.0);
                ready
            },
            read: 0,
        };
        Some(Self { rate, channels: (0..channels).map(|_| channel()).collect(), frame })
    }

    /// Takes the noise out. A block of another rate, length or number of channels is left as it is, and `false` returned.
    pub fn process(&mut self, block: &mut AudioBlock) -> bool {
        let count = self.channels.len();
        if (block.rate(), block.channels(), block.frames())
            != (self.rate, count, self.rate as usize / 100)
        {
            return false;
        }
        for (index, channel) in self.channels.iter_mut().enumerate() {
            channel.process(&mut self.frame, block.samples_mut(), index, count);
        }
        true
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Channel {
    fn process(&mut self, frame: &mut Frame, samples: &mut [f32], index: usize, count: usize) {
        let hop = self.overlap.len();
        self.ready.drain(..std::mem::take(&mut self.read));
        for sample in samples.iter().skip(index).step_by(count) {
            // What is no number would stay in the network for good.
            let sample = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
            self.input[hop + self.fresh] = sample;
            self.fresh += 1;
            if self.fresh == hop {
                self.fresh = 0;
                frame.run(&mut self.network, &self.input);
                let sums = self.overlap.iter().zip(&frame.samples).map(|(kept, new)| kept + new);
                self.ready.extend(sums);
                self.overlap.copy_from_slice(&frame.samples[hop..]);
                self.input.copy_within(hop.., 0);
            }
        }
        for sample in samples.iter_mut().skip(index).step_by(count) {
            *sample = self.ready.get(self.read).copied().unwrap_or(0.0).clamp(-1.0, 1.0);
            self.read += 1;
        }
    }
}

impl Frame {
    /// Leaves in `samples` what is to be added to what comes before and after.
    fn run(&mut self, network: &mut Network, input: &[f32]) {
        let size = self.samples.len();
        for ((sample, input), window) in self.samples.iter_mut().zip(input).zip(&self.window) {
            *sample = input * window;
        }
        // The lengths are the plans' own: neither can fail.
        let planned =
            self.forward.process_with_scratch(&mut self.samples, &mut self.bins, &mut self.scratch);
        debug_assert!(planned.is_ok());
        // The network knows spectra of 16,000 samples a second.
        let scale = 512.0 / size as f32;
        for (n, value) in self.spectrum.iter_mut().enumerate() {
            let bin = self.bins.get(n).copied().unwrap_or_default() * scale;
            *value = [bin.re, bin.im];
        }
        network.mask(&self.spectrum, &mut self.mask);
        let top = &self.mask[BINS - 97..];
        let above = top.iter().map(|[re, im]| re.hypot(*im)).sum::<f32>() / top.len() as f32;
        for (n, bin) in self.bins.iter_mut().enumerate() {
            *bin *= match self.mask.get(n) {
                Some(&[re, im]) => Complex32::new(re, im),
                None => Complex32::new(above, 0.0),
            };
        }
        // Neither the mean nor the highest frequency can turn.
        let last = self.bins.len() - 1;
        (self.bins[0].im, self.bins[last].im) = (0.0, 0.0);
        let planned = self.backward.process_with_scratch(
            &mut self.bins,
            &mut self.samples,
            &mut self.scratch,
        );
        debug_assert!(planned.is_ok());
        for (sample, window) in self.samples.iter_mut().zip(&self.window) {
            *sample *= window / size as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_taken_out_at_any_rate_and_what_does_not_fit_is_left() {
        for (rate, channels) in [(8_000, 1), (16_000, 1), (48_000, 2)] {
            let mut denoiser = DeepDenoiser::new(rate, channels).unwrap();
            let (mut seed, mut before, mut after) = (1_u32, 0.0, 0.0);
            for n in 0..150 {
                let mut block = AudioBlock::silence(rate, channels, rate as usize / 100);
                for sample in block.samples_mut() {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *sample = ((seed >> 8) as f32 / (1 << 23) as f32 - 1.0) * 0.05;
                }
                if n == 3 {
                    block.samples_mut()[5] = f32::NAN;
                }
                let power = |block: &AudioBlock| block.samples().iter().map(|s| s * s).sum::<f32>();
                if n >= 100 {
                    before += power(&block);
                }
                assert!(denoiser.process(&mut block));
                assert!(block.samples().iter().all(|sample| sample.is_finite()));
                if n >= 100 {
                    after += power(&block);
                }
            }
            assert!(after < 0.05 * before, "{rate}: {after} of {before}");
            let mut other = AudioBlock::silence(rate, channels, 7);
            assert!(!denoiser.process(&mut other));
        }
        assert!(DeepDenoiser::new(44_100, 1).is_none());
        assert!(DeepDenoiser::new(96_000, 1).is_none());
    }
}
