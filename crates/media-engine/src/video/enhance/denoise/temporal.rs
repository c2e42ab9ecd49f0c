//! The recursive filter through time: each block of 8 x 8 is mixed with what it was before, the more the better that is known.
//!
//! It is a Kalman filter for each block: `variance` is what is left of the noise in the state, in shares of the picture's, and grows by
//! what motion that was not followed adds; its gain says how much of the new picture is taken. Samples that differ by
//! more than noise makes are taken as they come.

use super::super::padded::Padded;

/// State has so many bits below the samples'.
pub(super) const FRACTION: u32 = 6;
/// Width and height of a block.
pub(super) const BLOCK: usize = 8;
/// What is added to the variance from picture to picture: how slow the filter may become.
const DRIFT: f32 = 0.006;
/// By how much more than expected a block may differ by chance.
const CHANCE: f32 = 1.25;

/// What a block was, and its difference from what it is.
pub(super) struct Difference {
    samples: [[i16; BLOCK]; BLOCK],
    /// Mean absolute difference, in steps of samples.
    pub(super) mean_absolute: f32,
    /// Mean difference.
    mean: f32,
}

impl Difference {
    pub(super) fn new(
        current: &Padded<u8>,
        at: usize,
        state: &Padded<i16>,
        state_at: usize,
    ) -> Self {
        let mut samples = [[0; BLOCK]; BLOCK];
        // In quarters, so that the sums of a column fit.
        let (mut absolute, mut signed) = ([0i16; BLOCK], [0i16; BLOCK]);
        for (row, samples) in samples.iter_mut().enumerate() {
            let new: &[u8; BLOCK] =
                current.data()[at + row * current.stride()..].first_chunk().expect("a block");
            let old: &[i16; BLOCK] =
                state.data()[state_at + row * state.stride()..].first_chunk().expect("a block");
            for x in 0..BLOCK {
                let difference = (i16::from(new[x]) << FRACTION) - old[x];
                samples[x] = difference;
                absolute[x] += difference.abs() >> 2;
                signed[x] += difference >> 2;
            }
        }
        let scale = 1.0 / (64 << (FRACTION - 2)) as f32;
        // What was rounded down.
        let rounded = 0.375 / (1 << (FRACTION - 2)) as f32;
        let sum = |columns: [i16; BLOCK]| columns.iter().map(|sum| i32::from(*sum)).sum::<i32>();
        Self {
            samples,
            mean_absolute: sum(absolute) as f32 * scale + rounded,
            mean: sum(signed) as f32 * scale + rounded,
        }
    }

    /// How much of what was before is to be taken, and the variance that is left, with noise of a deviation and a state with
    /// a variance.
    pub(super) fn gain(&self, noise: f32, variance: f32) -> (f32, f32) {
        let expected = 1.0 + variance;
        let measured = (self.mean_absolute * 1.2533 / noise).powi(2);
        // A change of the whole block by less than noise is seen by its mean.
        let shift = (self.mean / noise).powi(2);
        let chance = expected * (9.0 / 64.0);
        let moved = 2.0 * (measured - expected * CHANCE).max(0.0) + 4.0 * (shift - chance).max(0.0);
        let prior = variance + DRIFT + moved;
        (1.0 / (1.0 + prior), prior / (1.0 + prior))
    }

    /// The block with `keep` of what it was before, and what differs by more than `limit` as it comes.
    pub(super) fn mix(
        &self,
        current: &Padded<u8>,
        at: usize,
        keep: f32,
        limit: f32,
    ) -> [[i16; BLOCK]; BLOCK] {
        let half = ((limit * 0.5 * (1 << FRACTION) as f32) as i16).clamp(8, 8000);
        let slope = ((keep * 32_767.0) as i16) / half;
        let mut out = [[0; BLOCK]; BLOCK];
        for (row, out) in out.iter_mut().enumerate() {
            let new: &[u8; BLOCK] =
                current.data()[at + row * current.stride()..].first_chunk().expect("a block");
            let difference = &self.samples[row];
            for x in 0..BLOCK {
                let difference = difference[x];
                let near = (2 * half - difference.abs()).max(0).min(half);
                let weight = near * slope;
                let back = (i32::from(2 * difference) * i32::from(weight)) >> 16;
                out[x] = (i16::from(new[x]) << FRACTION) - back as i16;
            }
        }
        out
    }
}
