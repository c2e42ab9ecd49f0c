//! Blocks of one rate in, blocks of 10 ms of another out.

use std::collections::VecDeque;
use std::time::Duration;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler as _, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use crate::audio::AudioBlock;

/// Why a resampler could not be made, or a block not be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResampleError {
    /// A rate outside of what blocks have, or one that has no whole number of samples in 10 ms, or is 64 times another.
    #[error("no resampling from {from} to {to} samples a second")]
    Rate {
        /// Samples a second that come in.
        from: u32,
        /// Samples a second that are to come out.
        to: u32,
    },
    /// No channels, or more than a block has.
    #[error("{0} channels, must be 1 to 8")]
    Channels(usize),
    /// A block of another rate or number of channels than was said.
    #[error("a block of {rate} samples a second in {channels} channels is not what was said")]
    Block {
        /// Its rate.
        rate: u32,
        /// Its channels.
        channels: usize,
    },
}

/// Converts the rate of a stream, and stretches it by parts in a million.
///
/// It holds at most [`CAPACITY`](Self::CAPACITY) of sound that was not taken out: then the oldest is dropped.
pub struct Resampler {
    from: u32,
    to: u32,
    channels: usize,
    /// Nothing where the rates are equal and stay so.
    filter: Option<Filter>,
    /// Sound that is ready, the channels of a moment side by side.
    ready: VecDeque<f32>,
    dropped: u64,
}

struct Filter {
    inner: Async<f32>,
    /// Samples that are not a whole chunk yet.
    input: Vec<f32>,
    /// Samples in each channel that the filter takes at once.
    chunk: usize,
    output: Vec<f32>,
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resampler")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("channels", &self.channels)
            .field("ready", &self.ready.len())
            .finish_non_exhaustive()
    }
}

impl Resampler {
    /// The longest that it holds.
    pub const CAPACITY: Duration = Duration::from_secs(1);
    /// The furthest that [`set_drift`](Self::set_drift) goes, in parts in a million.
    pub const MAX_DRIFT: f64 = 5_000.0;

    /// One of rates that stay as they are. Equal ones are passed through as they are, without delay.
    ///
    /// # Errors
    ///
    /// [`ResampleError::Rate`] and [`ResampleError::Channels`].
    pub fn new(from: u32, to: u32, channels: usize) -> Result<Self, ResampleError> {
        Self::make(from, to, channels, from != to)
    }

    /// One whose ratio can be changed by [`set_drift`](Self::set_drift).
    ///
    /// # Errors
    ///
    /// Like [`new`](Self::new).
    pub fn adjustable(from: u32, to: u32, channels: usize) -> Result<Self, ResampleError> {
        Self::make(from, to, channels, true)
    }

    fn make(from: u32, to: u32, channels: usize, filter: bool) -> Result<Self, ResampleError> {
        let usable =
            |rate: u32| (8_000..=AudioBlock::MAX_RATE).contains(&rate) && rate.is_multiple_of(100);
        if !usable(from) || !usable(to) {
            return Err(ResampleError::Rate { from, to });
        }
        if !(1..=AudioBlock::MAX_CHANNELS).contains(&channels) {
            return Err(ResampleError::Channels(channels));
        }
        let filter = if filter {
            let filter = Filter::new(from, to, channels);
            Some(filter.ok_or(ResampleError::Rate { from, to })?)
        } else {
            None
        };
        // A block may be as long as 120 ms, and comes on top of what is held.
        let room = (to as usize + to as usize / 4) * channels;
        Ok(Self { from, to, channels, filter, ready: VecDeque::with_capacity(room), dropped: 0 })
    }

    /// Samples a second that come in.
    pub fn input_rate(&self) -> u32 {
        self.from
    }

    /// Samples a second that come out.
    pub fn output_rate(&self) -> u32 {
        self.to
    }

    /// Channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Says by how many parts in a million the input's clock is too fast: what comes out is as much shorter. Held within
    /// [`MAX_DRIFT`](Self::MAX_DRIFT), glides there over the next block, and does nothing to one that is not
    /// [`adjustable`](Self::adjustable).
    pub fn set_drift(&mut self, ppm: f64) {
        let ppm = if ppm.is_finite() { ppm.clamp(-Self::MAX_DRIFT, Self::MAX_DRIFT) } else { 0.0 };
        if let Some(filter) = &mut self.filter {
            // Within the bounds that the filter was made for, it cannot refuse.
            let _ = filter.inner.set_resample_ratio_relative(1.0 / (1.0 + ppm * 1e-6), true);
        }
    }

    /// Takes in a block of any length up to 120 ms.
    ///
    /// # Errors
    ///
    /// [`ResampleError::Block`] where it is longer, or of another rate or number of channels.
    pub fn push(&mut self, block: &AudioBlock) -> Result<(), ResampleError> {
        let long = block.duration() > Duration::from_millis(120);
        if long || block.rate() != self.from || block.channels() != self.channels {
            return Err(ResampleError::Block { rate: block.rate(), channels: block.channels() });
        }
        match &mut self.filter {
            None => self.ready.extend(block.samples()),
            Some(filter) => filter.push(block.samples(), self.channels, &mut self.ready),
        }
        let most = self.to as usize * self.channels;
        if self.ready.len() > most {
            let surplus = self.ready.len() - most;
            self.ready.drain(..surplus);
            self.dropped += (surplus / self.channels) as u64;
        }
        Ok(())
    }

    /// Fills `out` with the next 10 ms. False where there is not as much yet; `out` is not touched then.
    pub fn pull(&mut self, out: &mut AudioBlock) -> bool {
        let frames = self.to as usize / 100;
        if self.ready.len() < frames * self.channels {
            return false;
        }
        out.reset(self.to, self.channels, frames);
        let samples = out.samples_mut();
        let (first, second) = self.ready.as_slices();
        let head = first.len().min(samples.len());
        samples[..head].copy_from_slice(&first[..head]);
        let tail = samples.len() - head;
        samples[head..].copy_from_slice(&second[..tail]);
        self.ready.drain(..frames * self.channels);
        true
    }

    /// How long the sound lasts that waits in it to be taken out, or to become a whole chunk of the filter.
    pub fn held(&self) -> Duration {
        let ready = self.ready.len() as f64 / f64::from(self.to);
        let waiting = self.filter.as_ref().map_or(0, |filter| filter.input.len());
        let waiting = waiting as f64 / f64::from(self.from);
        Duration::from_secs_f64((ready + waiting) / self.channels as f64)
    }

    /// How late the filter makes sound by looking ahead.
    pub fn delay(&self) -> Duration {
        let frames = self.filter.as_ref().map_or(0, |filter| filter.inner.output_delay());
        Duration::from_nanos(frames as u64 * 1_000_000_000 / u64::from(self.to))
    }

    /// Samples in each channel that were dropped because nobody took them out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Leaves out so many of the oldest samples in each channel, of those that wait.
    pub(super) fn skip(&mut self, frames: usize) {
        let samples = (frames * self.channels).min(self.ready.len());
        self.ready.drain(..samples);
    }

    /// Forgets all sound.
    pub fn reset(&mut self) {
        self.ready.clear();
        if let Some(filter) = &mut self.filter {
            filter.inner.reset();
            filter.input.clear();
        }
    }
}

impl Filter {
    /// The filter's length in samples of the lower rate: the band ends at 0.93 of the highest that it has.
    const LENGTH: usize = 64;

    fn new(from: u32, to: u32, channels: usize) -> Option<Self> {
        // 5 ms at a time: two of them are a block.
        let chunk = from as usize / 200;
        let parameters = SincInterpolationParameters::new(
            // Of samples that come in: those are more than the others where the rate goes down.
            (Self::LENGTH as u32 * from.max(to) / to).next_multiple_of(8) as usize,
            WindowFunction::BlackmanHarris2,
        )
        .oversampling_factor(128)
        .interpolation(SincInterpolationType::Quadratic);
        let ratio = f64::from(to) / f64::from(from);
        let most = 1.0 + 2.0 * Resampler::MAX_DRIFT * 1e-6;
        let inner =
            Async::new_sinc(ratio, most, &parameters, chunk, channels, FixedAsync::Input).ok()?;
        let output = vec![0.0; inner.output_frames_max() * channels];
        Some(Self { inner, input: Vec::with_capacity(chunk * channels), chunk, output })
    }

    fn push(&mut self, mut samples: &[f32], channels: usize, ready: &mut VecDeque<f32>) {
        let whole = self.chunk * channels;
        while !samples.is_empty() {
            // Straight from the block, where nothing waits.
            let (chunk, rest) = if self.input.is_empty() && samples.len() >= whole {
                samples.split_at(whole)
            } else {
                let (head, rest) = samples.split_at((whole - self.input.len()).min(samples.len()));
                self.input.extend_from_slice(head);
                if self.input.len() < whole {
                    return;
                }
                (&self.input[..], rest)
            };
            let room = self.output.len() / channels;
            let (Ok(input), Ok(mut output)) = (
                InterleavedSlice::new(chunk, channels, self.chunk),
                InterleavedSlice::new_mut(&mut self.output, channels, room),
            ) else {
                unreachable!("both slices are as long as is said of them");
            };
            let made = match self.inner.process_into_buffer(&input, &mut output, None) {
                Ok((_, made)) => made,
                Err(error) => unreachable!("lengths and channels are right: {error}"),
            };
            ready.extend(&self.output[..made * channels]);
            self.input.clear();
            samples = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a tone of `frequency` when its rate was changed, as power of the tone and of all else.
    fn tone(from: u32, to: u32, frequency: f64, ppm: f64) -> (f64, f64) {
        let mut resampler = Resampler::adjustable(from, to, 1).unwrap();
        resampler.set_drift(ppm);
        let frames = from as usize / 100;
        let mut block = AudioBlock::silence(from, 1, frames);
        let mut out = AudioBlock::default();
        let mut all = Vec::new();
        for n in 0..120 {
            for (i, sample) in block.samples_mut().iter_mut().enumerate() {
                let t = (n * frames + i) as f64 / f64::from(from);
                *sample = (std::f64::consts::TAU * frequency * t).sin() as f32;
            }
            resampler.push(&block).unwrap();
            while resampler.pull(&mut out) {
                all.extend_from_slice(out.samples());
            }
        }
        let all = &all[to as usize / 10..to as usize * 11 / 10];
        // The frequency as it comes out: faster by what was squeezed.
        // The cosine and sine that fit best, by their normal equations.
        let (mut cc, mut cs, mut ss, mut yc, mut ys, mut yy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (n, &sample) in all.iter().enumerate() {
            let phase =
                std::f64::consts::TAU * frequency * (1.0 + ppm * 1e-6) * n as f64 / f64::from(to);
            let (c, s, y) = (phase.cos(), phase.sin(), f64::from(sample));
            (cc, cs, ss) = (cc + c * c, cs + c * s, ss + s * s);
            (yc, ys, yy) = (yc + y * c, ys + y * s, yy + y * y);
        }
        let determinant = cc * ss - cs * cs;
        let (a, b) = ((yc * ss - ys * cs) / determinant, (ys * cc - yc * cs) / determinant);
        let tone = a * yc + b * ys;
        let count = all.len() as f64;
        (tone / count, (yy - tone).max(0.0) / count)
    }

    #[test]
    fn tones_keep_their_level_and_get_no_company() {
        for (from, to) in [(48_000, 16_000), (16_000, 48_000), (44_100, 48_000), (48_000, 8_000)] {
            for frequency in [440.0, 3_000.0] {
                for ppm in [0.0, 200.0, -200.0] {
                    let (tone, other) = tone(from, to, frequency, ppm);
                    assert!((0.48..0.52).contains(&tone), "{from} {to} {frequency}: {tone}");
                    let ratio = 10.0 * (tone / other).log10();
                    assert!(ratio > 60.0, "{from} {to} {frequency} {ppm}: {ratio} dB");
                }
            }
        }
        // What the lower rate cannot carry does not come back as something else.
        let (_, other) = tone(48_000, 16_000, 9_500.0, 0.0);
        assert!(other < 1e-6, "{other}");
    }

    #[test]
    fn as_much_comes_out_as_goes_in() {
        for (from, to) in [(48_000, 16_000), (44_100, 48_000), (8_000, 48_000), (48_000, 48_000)] {
            for length in [10, 7, 60] {
                let mut resampler = Resampler::new(from, to, 2).unwrap();
                let block = AudioBlock::silence(from, 2, from as usize * length / 1000);
                let mut out = AudioBlock::default();
                let mut blocks = 0;
                for _ in 0..420 / length * 10 {
                    resampler.push(&block).unwrap();
                    while resampler.pull(&mut out) {
                        assert_eq!((out.rate(), out.channels()), (to, 2));
                        assert_eq!(out.duration(), AudioBlock::DURATION);
                        blocks += 1;
                    }
                    assert!(resampler.held() < Duration::from_millis(16));
                }
                assert!((418..=420).contains(&blocks), "{from} {to} {length}: {blocks}");
            }
        }
    }

    #[test]
    fn what_nobody_takes_is_dropped() {
        let mut resampler = Resampler::new(16_000, 48_000, 1).unwrap();
        let block = AudioBlock::silence(16_000, 1, 1920);
        for _ in 0..20 {
            resampler.push(&block).unwrap();
        }
        assert!(resampler.held() <= Resampler::CAPACITY + AudioBlock::DURATION);
        assert!(resampler.dropped() > 48_000);
        resampler.reset();
        assert_eq!(resampler.held(), Duration::ZERO);
        assert!(!resampler.pull(&mut AudioBlock::default()));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (from, to) in [(0, 48_000), (48_000, 7_999), (11_025, 48_000), (48_000, 400_000)] {
            assert!(Resampler::new(from, to, 1).is_err(), "{from} {to}");
        }
        assert!(Resampler::new(48_000, 16_000, 0).is_err());
        assert!(Resampler::new(48_000, 16_000, 9).is_err());
        assert!(Resampler::new(8_000, 192_000, 8).is_ok());
        assert!(Resampler::new(192_000, 8_000, 8).is_ok());
        let mut resampler = Resampler::new(48_000, 16_000, 1).unwrap();
        assert!(resampler.push(&AudioBlock::silence(48_000, 2, 480)).is_err());
        assert!(resampler.push(&AudioBlock::silence(16_000, 1, 160)).is_err());
        assert!(resampler.push(&AudioBlock::silence(48_000, 1, 6000)).is_err());
        resampler.set_drift(f64::NAN);
        resampler.set_drift(1e9);
        assert!(resampler.push(&AudioBlock::silence(48_000, 1, 480)).is_ok());
    }
}
