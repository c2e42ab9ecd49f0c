//! A block of samples, which is filled and passed on again and again without taking new memory.

use std::time::Duration;

/// Uncompressed sound of one rate: 32-bit floating point samples, full scale at ±1, the channels of a moment side by side.
///
/// Inside of the engine a block is 10 ms long, as the processing of speech wants it; codecs take and give up to 120 ms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AudioBlock {
    rate: u32,
    channels: usize,
    samples: Vec<f32>,
}

impl AudioBlock {
    /// The length of a block inside of the engine.
    pub const DURATION: Duration = Duration::from_millis(10);
    /// The highest rate, in samples a second and channel.
    pub const MAX_RATE: u32 = 192_000;
    /// The most channels.
    pub const MAX_CHANNELS: usize = 8;

    /// Silence of `frames` samples in each channel.
    ///
    /// # Panics
    ///
    /// If rate or channels are zero or beyond [`MAX_RATE`](Self::MAX_RATE) and [`MAX_CHANNELS`](Self::MAX_CHANNELS).
    pub fn silence(rate: u32, channels: usize, frames: usize) -> Self {
        let mut block = Self::default();
        block.reset(rate, channels, frames);
        block
    }

    /// Makes it silence of `frames` samples in each channel. Takes no memory where it had as many before.
    ///
    /// # Panics
    ///
    /// Like [`silence`](Self::silence).
    pub fn reset(&mut self, rate: u32, channels: usize, frames: usize) {
        assert!((1..=Self::MAX_RATE).contains(&rate), "{rate} samples a second");
        assert!((1..=Self::MAX_CHANNELS).contains(&channels), "{channels} channels");
        (self.rate, self.channels) = (rate, channels);
        self.samples.clear();
        self.samples.resize(channels * frames, 0.0);
    }

    /// Samples a second in each channel; zero before the first [`reset`](Self::reset).
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Samples in each channel.
    pub fn frames(&self) -> usize {
        self.samples.len().checked_div(self.channels).unwrap_or(0)
    }

    /// How long it sounds.
    pub fn duration(&self) -> Duration {
        let nanos = (self.frames() as u64 * 1_000_000_000).checked_div(u64::from(self.rate));
        Duration::from_nanos(nanos.unwrap_or(0))
    }

    /// All samples, the channels of a moment side by side.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// The same, to be written.
    pub fn samples_mut(&mut self) -> &mut [f32] {
        &mut self.samples
    }

    /// Cuts it to `frames` samples in each channel, where it has more.
    pub fn truncate(&mut self, frames: usize) {
        self.samples.truncate(frames * self.channels);
    }

    /// Takes the place of what was there: rate, channels and samples of another block.
    pub fn copy_from(&mut self, other: &Self) {
        (self.rate, self.channels) = (other.rate, other.channels);
        self.samples.clone_from(&other.samples);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_keeps_its_memory() {
        let mut block = AudioBlock::silence(48_000, 2, 480);
        assert_eq!((block.frames(), block.duration()), (480, AudioBlock::DURATION));
        block.samples_mut()[3] = 0.5;
        let place = block.samples().as_ptr();
        block.reset(16_000, 1, 160);
        assert_eq!((block.samples().as_ptr(), block.samples()), (place, &[0.0; 160][..]));
        assert_eq!(AudioBlock::default().duration(), Duration::ZERO);
    }
}
