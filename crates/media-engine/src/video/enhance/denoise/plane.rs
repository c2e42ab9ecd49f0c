//! One plane of a picture on its way through the filter.

use super::super::noise::{NoiseLevel, laplacian};
use super::super::padded::Padded;
use super::motion::MotionField;
use super::temporal::{BLOCK, Difference, FRACTION};
use super::{motion, spatial};

/// Less noise than this is left alone.
const LEAST_NOISE: f32 = 0.55;
/// How far a sample may differ from what it was, in deviations of that difference, until nothing of it is kept.
const TEMPORAL_LIMIT: f32 = 4.0;
/// How far the smoothed samples of a block may differ and still be alike, in deviations of what is left of the noise.
const SPATIAL_LIMIT: f32 = 1.6;
/// With a greater share of the noise left, farther neighbours are asked too.
const WIDE: f32 = 0.3;
/// Less noise than this is not worth a filter within the picture.
const LEAST_LEFT: f32 = 0.8;

/// A plane, what it was before, and its noise.
#[derive(Debug, Clone, Default)]
pub(super) struct DenoisedPlane {
    current: Padded<u8>,
    /// What the filter through time made of this picture and of the one before.
    state: Padded<i16>,
    state_before: Padded<i16>,
    /// The same as samples.
    shown: Padded<u8>,
    shown_before: Padded<u8>,
    smoothed: Padded<i16>,
    /// The share of noise that is left in each block of this picture and of the one before.
    variance: Vec<f32>,
    variance_before: Vec<f32>,
    /// The deviation that is left in each block.
    left: Vec<f32>,
    noise: NoiseLevel,
    /// By brightness.
    table: Vec<f32>,
    columns: usize,
    rows: usize,
    /// Pictures since the first, for what is not measured in each.
    count: usize,
}

impl DenoisedPlane {
    /// Takes a picture's samples; `size` is that of whole blocks.
    pub(super) fn load(&mut self, samples: &[u8], width: usize, size: (usize, usize)) {
        let Self { state, state_before, smoothed, .. } = self;
        for plane in [state, state_before, smoothed] {
            plane.resize(size.0, size.1);
        }
        for plane in [&mut self.current, &mut self.shown, &mut self.shown_before] {
            plane.resize(size.0, size.1);
        }
        (self.columns, self.rows) = (size.0 / BLOCK, size.1 / BLOCK);
        let blocks = self.columns * self.rows;
        for list in [&mut self.variance, &mut self.variance_before, &mut self.left] {
            list.resize(blocks, 1.0);
        }
        self.current.load(samples, width);
        std::mem::swap(&mut self.state, &mut self.state_before);
        std::mem::swap(&mut self.shown, &mut self.shown_before);
        std::mem::swap(&mut self.variance, &mut self.variance_before);
        self.count = self.count.wrapping_add(1);
    }

    /// The first picture: nothing came before.
    pub(super) fn begin(&mut self, strength: f32) {
        self.noise.reset();
        self.measure(1);
        self.noise.finish();
        self.take_table(strength);
        for (state, sample) in self.state.data_mut().iter_mut().zip(self.current.data()) {
            *state = i16::from(*sample) << FRACTION;
        }
        self.shown.data_mut().copy_from_slice(self.current.data());
        self.variance.fill(1.0);
        for row in 0..self.rows {
            for column in 0..self.columns {
                let noise = self.noise_at(column, row);
                self.left[row * self.columns + column] = noise;
            }
        }
    }

    /// Where the blocks of 16 x 16 have come from.
    pub(super) fn search(&self, field: &mut MotionField) {
        for row in 0..self.rows / 2 {
            for column in 0..self.columns / 2 {
                let variance = self.variance_before[2 * row * self.columns + 2 * column];
                let noise = 0.8 * self.noise_at(2 * column, 2 * row) * (1.0 + variance).sqrt();
                field.search(&self.current, &self.shown_before, column, row, noise);
            }
        }
    }

    /// Mixes all blocks with what they were. A vector is for `size` samples of this plane.
    pub(super) fn mix(&mut self, field: &MotionField, size: usize, strength: f32) {
        self.measure(4);
        // Vectors are of luma.
        let scale = (motion::BLOCK / size) as i16;
        for row in 0..self.rows {
            for column in 0..self.columns {
                let vector = field.vector(column * BLOCK / size, row * BLOCK / size);
                let (x, y) = ((column * BLOCK) as isize, (row * BLOCK) as isize);
                let from_x = x + isize::from(vector.x / scale);
                let from_y = y + isize::from(vector.y / scale);
                let at = self.current.at(x, y);
                let before = self.state_before.at(from_x, from_y);
                let variance = {
                    let nearest = |at: isize, count: usize| {
                        (((at + BLOCK as isize / 2).max(0) as usize) / BLOCK).min(count - 1)
                    };
                    let index =
                        nearest(from_y, self.rows) * self.columns + nearest(from_x, self.columns);
                    self.variance_before[index]
                };
                let difference = Difference::new(&self.current, at, &self.state_before, before);
                let brightness = self.brightness(at);
                if brightness > 17 {
                    self.noise.add_temporal(brightness, difference.mean_absolute, variance);
                }
                let noise = self.table[usize::from(brightness)];
                let index = row * self.columns + column;
                let mixed = if noise < LEAST_NOISE {
                    self.variance[index] = 1.0;
                    self.left[index] = 0.0;
                    difference.mix(&self.current, at, 0.0, 1.0)
                } else {
                    let (keep, variance) = difference.gain(noise, variance);
                    self.variance[index] = variance;
                    self.left[index] = noise * variance.sqrt();
                    let limit = TEMPORAL_LIMIT * noise * (1.0 + variance).sqrt();
                    difference.mix(&self.current, at, keep, limit)
                };
                self.put(at, &mixed);
            }
        }
        self.state.extend();
        self.shown.extend();
        self.noise.finish();
        self.take_table(strength);
    }

    fn put(&mut self, at: usize, block: &[[i16; BLOCK]; BLOCK]) {
        let stride = self.state.stride();
        let (state, shown) = (self.state.data_mut(), self.shown.data_mut());
        for (row, block) in block.iter().enumerate() {
            let at = at + row * stride;
            state[at..at + BLOCK].copy_from_slice(block);
            let shown: &mut [u8; BLOCK] = (&mut shown[at..at + BLOCK]).try_into().expect("a row");
            for x in 0..BLOCK {
                shown[x] = ((block[x] + (1 << (FRACTION - 1))) >> FRACTION).clamp(0, 255) as u8;
            }
        }
    }

    /// Writes what is shown, with what is left of the noise smoothed.
    pub(super) fn write(&mut self, samples: &mut [u8], width: usize) {
        if self.left.iter().all(|left| *left < LEAST_NOISE * 0.2) {
            // Nothing was filtered.
            return;
        }
        self.shown.store(samples, width);
        if !self.left.iter().any(|left| *left > LEAST_LEFT) {
            return;
        }
        spatial::smooth(&self.state, &mut self.smoothed);
        let height = samples.len() / width;
        for row in 0..self.rows {
            for column in 0..self.columns {
                let left = self.left[row * self.columns + column];
                let (x, y) = (column * BLOCK, row * BLOCK);
                if left <= LEAST_LEFT || x >= width || y >= height {
                    continue;
                }
                let at = self.state.at(x as isize, y as isize);
                let limit = SPATIAL_LIMIT * left;
                let wide = self.variance[row * self.columns + column] > WIDE;
                let block = spatial::filter(&self.state, &self.smoothed, at, limit, wide);
                let count = BLOCK.min(width - x);
                let rows = samples.chunks_exact_mut(width).skip(y);
                for (to, from) in rows.zip(&block) {
                    to[x..x + count].copy_from_slice(&from[..count]);
                }
            }
        }
    }

    /// The most noise there is.
    pub(super) fn noise(&self) -> f32 {
        self.noise.most()
    }

    fn take_table(&mut self, strength: f32) {
        self.table.clear();
        self.table.extend(self.noise.table().iter().map(|noise| noise * strength));
    }

    /// Looks at one of `part` blocks.
    fn measure(&mut self, part: usize) {
        let stride = self.current.stride();
        for row in 0..self.rows {
            let mut column = (row + self.count) % part;
            while column < self.columns {
                let at = self.current.at((column * BLOCK) as isize, (row * BLOCK) as isize);
                let brightness = self.brightness(at);
                if brightness > 17 {
                    let sum = laplacian(self.current.data(), stride, at);
                    self.noise.add_spatial(brightness, sum as f32 / 64.0);
                }
                column += part;
            }
        }
    }

    fn noise_at(&self, column: usize, row: usize) -> f32 {
        let at = self.current.at((column * BLOCK) as isize, (row * BLOCK) as isize);
        self.table.get(usize::from(self.brightness(at))).copied().unwrap_or(0.0)
    }

    /// The mean of a block.
    fn brightness(&self, at: usize) -> u8 {
        let stride = self.current.stride();
        let mut sum = 0;
        for row in 0..BLOCK {
            let samples: &[u8; BLOCK] =
                self.current.data()[at + row * stride..].first_chunk().expect("a block");
            sum += samples.iter().map(|sample| u32::from(*sample)).sum::<u32>();
        }
        (sum / 64) as u8
    }
}
