//! How much noise there is in pictures, by brightness: sensors have more of it where there is more light, and gamma turns
//! that round.
//!
//! Two measures of each block: how much it differs from what came before, which motion makes too large, and how much its
//! samples differ from their neighbours, which texture makes too large. The quiet blocks of each brightness have neither.

use crate::video::{I420, Plane};

/// Steps of brightness.
const BINS: usize = 8;
/// Levels of noise that are told apart, ...
const LEVELS: usize = 256;
/// ... so many to a step of luma.
const PER_STEP: f32 = 10.0;
/// The share of blocks that are quieter than what is taken for noise.
const QUIET: f32 = 0.2;
/// What the quiet blocks are below the mean of blocks that have noise alone.
const QUIET_TEMPORAL: f32 = 1.07;
const QUIET_SPATIAL: f32 = 1.11;
/// By how much noise may look less in the differences of neighbours than it is, since it was smoothed.
const SMOOTHED: f32 = 1.5;
/// Fewer blocks say nothing.
const FEWEST: u32 = 12;
/// What a new measure counts.
const WEIGHT: f32 = 0.25;

/// Blocks of one measure, by brightness and level.
#[derive(Debug, Clone)]
struct Measure {
    counts: Box<[[u32; LEVELS]; BINS]>,
    totals: [u32; BINS],
}

impl Default for Measure {
    fn default() -> Self {
        Self { counts: Box::new([[0; LEVELS]; BINS]), totals: [0; BINS] }
    }
}

impl Measure {
    fn add(&mut self, brightness: u8, deviation: f32) {
        let bin = usize::from(brightness) * BINS / 256;
        let level = ((deviation * PER_STEP) as usize).min(LEVELS - 1);
        self.counts[bin][level] += 1;
        self.totals[bin] += 1;
    }

    /// The level below which the quiet ones lie, and forgets them.
    fn take(&mut self, bin: usize) -> Option<f32> {
        let total = std::mem::take(&mut self.totals[bin]);
        let counts = &mut self.counts[bin];
        let wanted = total as f32 * QUIET;
        let (mut below, mut found) = (0.0, None);
        for (level, count) in counts.iter_mut().enumerate() {
            let count = std::mem::take(count) as f32;
            if found.is_none() && count > 0.0 && below + count >= wanted {
                // Within a level, as if its blocks lay evenly.
                found = Some((level as f32 + (wanted - below) / count) / PER_STEP);
            }
            below += count;
        }
        found.filter(|_| total >= FEWEST)
    }
}

/// Tells the noise of a plane.
#[derive(Debug, Clone, Default)]
pub(super) struct NoiseLevel {
    temporal: Measure,
    spatial: Measure,
    /// Standard deviation by brightness, where it is known.
    known: [Option<f32>; BINS],
}

impl NoiseLevel {
    /// A block differs so much from the one before: mean absolute difference of its samples, of which both have noise, that of
    /// the one before `rest` of the variance.
    pub(super) fn add_temporal(&mut self, brightness: u8, difference: f32, rest: f32) {
        // Of the absolute difference to the standard deviation: sqrt(pi / 2).
        self.temporal.add(brightness, difference * 1.2533 / (1.0 + rest).sqrt());
    }

    /// The samples of a block have this mean absolute answer to the filter (1 -2 1) in both directions.
    pub(super) fn add_spatial(&mut self, brightness: u8, answer: f32) {
        // The filter makes six times the deviation.
        self.spatial.add(brightness, answer * 1.2533 / 6.0);
    }

    /// After all blocks of a picture.
    pub(super) fn finish(&mut self) {
        for bin in 0..BINS {
            let temporal = self.temporal.take(bin).map(|t| t * QUIET_TEMPORAL);
            let spatial = self.spatial.take(bin).map(|s| s * QUIET_SPATIAL);
            let new = match (temporal, spatial) {
                (Some(temporal), Some(spatial)) => temporal.min(spatial * SMOOTHED),
                (None, Some(spatial)) => spatial,
                (Some(_) | None, None) => continue,
            };
            let known = &mut self.known[bin];
            *known = Some(known.map_or(new, |old| old + WEIGHT * (new - old)));
        }
    }

    /// Standard deviation of the noise for each level of brightness.
    pub(super) fn table(&self) -> [f32; 256] {
        let centre = |bin: usize| (bin as f32 + 0.5) * 256.0 / BINS as f32;
        let mut table = [0.0; 256];
        let mut known = self.known.iter().enumerate().filter_map(|(bin, k)| Some((bin, (*k)?)));
        let Some(mut before) = known.next() else { return table };
        let mut after = known.next();
        for (level, noise) in table.iter_mut().enumerate() {
            let level = level as f32;
            while let Some(next) = after.filter(|(bin, _)| centre(*bin) <= level) {
                (before, after) = (next, known.next());
            }
            *noise = match after {
                Some((bin, value)) if level > centre(before.0) => {
                    let part = (level - centre(before.0)) / (centre(bin) - centre(before.0));
                    before.1 + part * (value - before.1)
                }
                _ => before.1,
            };
        }
        table
    }

    /// The most there is at any brightness.
    pub(super) fn most(&self) -> f32 {
        self.known.iter().flatten().fold(0.0, |most, known| most.max(*known))
    }

    /// Forgets what it knows: the pictures that come are others.
    pub(super) fn reset(&mut self) {
        self.known = [None; BINS];
    }
}

/// The sum of absolute answers of 8 x 8 samples to (1 -2 1) in both directions; `at` is the upper left one. The samples around
/// must be there.
pub(super) fn laplacian(data: &[u8], stride: usize, at: usize) -> u32 {
    let mut sum = 0;
    let mut above = second_difference(data, at - stride);
    let mut here = second_difference(data, at);
    for row in 0..8 {
        let below = second_difference(data, at + (row + 1) * stride);
        let mut answers = [0i16; 8];
        for column in 0..8 {
            answers[column] = (above[column] + below[column] - 2 * here[column]).abs();
        }
        sum += answers.iter().map(|answer| u32::from(answer.unsigned_abs())).sum::<u32>();
        (above, here) = (here, below);
    }
    sum
}

fn second_difference(data: &[u8], at: usize) -> [i16; 8] {
    let row: &[u8; 10] = data[at - 1..].first_chunk().expect("a border");
    std::array::from_fn(|x| i16::from(row[x]) + i16::from(row[x + 2]) - 2 * i16::from(row[x + 1]))
}

/// Tells the noise of luma from single pictures, for those who do not filter it.
#[derive(Debug, Clone, Default)]
pub(super) struct NoiseMeter {
    level: NoiseLevel,
    count: usize,
}

impl NoiseMeter {
    /// Looks at one of eight blocks; the deviation where there is most.
    pub(super) fn measure(&mut self, picture: &I420) -> f32 {
        let (width, height) = picture.size(Plane::Y);
        let luma = picture.planes().0;
        self.count = self.count.wrapping_add(1);
        for (row, y) in (1..height.saturating_sub(8)).step_by(8).enumerate() {
            let first = 1 + 8 * ((row * 3 + self.count) % 8);
            for x in (first..width.saturating_sub(8)).step_by(64) {
                let at = y * width + x;
                let brightness = luma[at + 4 * width + 4];
                if brightness > 17 {
                    let sum = laplacian(luma, width, at);
                    self.level.add_spatial(brightness, sum as f32 / 64.0);
                }
            }
        }
        self.level.finish();
        self.level.most()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits that look random.
    fn noise(at: usize) -> i32 {
        let bits = (at as u32).wrapping_mul(0x9E37_79B9);
        let bits = (bits ^ bits >> 15).wrapping_mul(0x85EB_CA6B);
        let bits = (bits ^ bits >> 13).wrapping_mul(0xC2B2_AE35);
        (bits ^ bits >> 16) as i32
    }

    fn picture(deviation: f32) -> I420 {
        let mut picture = I420::black(320, 240);
        for (at, sample) in picture.planes_mut().0.iter_mut().enumerate() {
            // Evenly spread: of deviation 1 / sqrt(3).
            let noise = noise(at) as f32 / i32::MAX as f32 * deviation * 3f32.sqrt();
            *sample = (100.0 + (at % 320) as f32 * 0.1 + noise).round() as u8;
        }
        picture
    }

    #[test]
    fn noise_is_told_from_one_picture() {
        for deviation in [0.0, 2.0, 5.0, 12.0] {
            let measured = NoiseMeter::default().measure(&picture(deviation));
            let bound = 0.15 * deviation + 0.35;
            assert!((measured - deviation).abs() < bound, "{measured} of {deviation}");
        }
    }

    #[test]
    fn what_is_known_of_few_brightnesses_serves_all() {
        let mut level = NoiseLevel::default();
        assert_eq!(level.table(), [0.0; 256]);
        for _ in 0..100 {
            level.add_temporal(48, 2.0, 0.0);
            level.add_temporal(208, 4.0, 0.0);
            level.add_spatial(48, 100.0);
            level.add_spatial(208, 100.0);
        }
        level.finish();
        let table = level.table();
        assert!(table[0] == table[48] && table[208] == table[255] && table[255] > 1.8 * table[0]);
        assert!((table[128] - 0.5 * (table[48] + table[208])).abs() < 0.01);
        assert!(table.is_sorted());
    }
}
