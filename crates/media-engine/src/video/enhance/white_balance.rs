//! Takes out the colour of the light. What is grey has the same ratio of chroma to luma all over a picture if light has a colour: the
//! ratio that most of its parts agree on is looked for, and trusted as far as the brightest samples, which tend to be white, agree.
//!
//! Changes are slow, and where nothing can be told from a picture (one coloured wall) nothing is done.

use crate::video::{I420, Plane};

/// Parts of the picture that have a say each, across and down.
const TILES: (usize, usize) = (12, 8);
/// Samples darker or brighter than these say nothing, ...
const LUMA: std::ops::RangeInclusive<u8> = 36..=228;
/// ... and a tile with fewer neither.
const FEWEST: u32 = 8;
/// Ratios of chroma to luma below the first are no cast; from the second on all of it is taken out.
const CAST: (f32, f32) = (0.06, 0.11);
/// The largest ratio that is believed.
const MOST: f32 = 0.3;
/// What a new picture counts.
const WEIGHT: f32 = 0.06;

/// Chroma of what is grey, for each step of luma.
type Ratio = [f32; 2];

/// Automatic white balance.
#[derive(Debug, Clone, Default)]
pub struct WhiteBalance {
    /// What is taken out.
    ratio: Ratio,
    begun: bool,
    tiles: Vec<Tile>,
    /// Luma above which a sample counts as one of the brightest, from the last picture.
    bright: u8,
    grey: Vec<i16>,
    offset: Vec<i16>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tile {
    luma: f32,
    chroma: [f32; 2],
    count: u32,
}

impl Tile {
    fn add(&mut self, luma: u8, u: u8, v: u8) {
        self.luma += f32::from(luma) - 16.0;
        self.chroma[0] += f32::from(u) - 128.0;
        self.chroma[1] += f32::from(v) - 128.0;
        self.count += 1;
    }

    fn ratio(&self) -> Ratio {
        self.chroma.map(|chroma| chroma / self.luma.max(1.0))
    }
}

impl WhiteBalance {
    /// One that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Balances a picture; of what is measured, `strength` (0 to 1) is taken out.
    pub fn process(&mut self, picture: &mut I420, strength: f32) {
        if !self.begun {
            // Which samples are the brightest is known after the first look.
            self.measure(picture);
        }
        let measured = self.measure(picture);
        let weight = if self.begun { WEIGHT } else { 1.0 };
        self.begun = true;
        for (old, new) in self.ratio.iter_mut().zip(measured) {
            *old += weight * (new - *old);
        }
        let strength = if strength.is_finite() { strength.clamp(0.0, 1.0) } else { 1.0 };
        let ratio = self.ratio.map(|part| part * strength);
        if length(ratio) * 200.0 < 1.0 {
            // Less than a step at the brightest.
            return;
        }
        self.apply(picture, &matrix(ratio));
    }

    /// What grey is taken for: chroma (blue and red difference) for each step of luma.
    pub fn cast(&self) -> [f32; 2] {
        self.ratio
    }

    /// Forgets the pictures before.
    pub fn reset(&mut self) {
        self.begun = false;
        self.ratio = [0.0; 2];
    }

    /// The ratio that a picture has, as far as it is to be trusted.
    fn measure(&mut self, picture: &I420) -> Ratio {
        let ((width, _), (half, rows)) = (picture.size(Plane::Y), picture.size(Plane::U));
        let (y, u, v) = picture.planes();
        self.tiles.clear();
        self.tiles.resize(TILES.0 * TILES.1, Tile::default());
        let (mut brightest, mut histogram) = (Tile::default(), [0u32; 256]);
        let step = if half * rows > 20_000 { 2 } else { 1 };
        // How far chroma lies from its mean: a picture without differences says nothing.
        let (mut sum, mut squares, mut count) = ([0.0f32; 2], 0.0f32, 0.0f32);
        for row in (0..rows).step_by(step) {
            let tiles = &mut self.tiles[row * TILES.1 / rows * TILES.0..][..TILES.0];
            let luma = &y[2 * row * width..][..width];
            let (u, v) = (&u[row * half..][..half], &v[row * half..][..half]);
            for (index, tile) in tiles.iter_mut().enumerate() {
                let columns = index * half / TILES.0..(index + 1) * half / TILES.0;
                for column in columns.step_by(step) {
                    let sample = (luma[2 * column], u[column], v[column]);
                    if !LUMA.contains(&sample.0) {
                        continue;
                    }
                    tile.add(sample.0, sample.1, sample.2);
                    histogram[usize::from(sample.0)] += 1;
                    if sample.0 >= self.bright.max(*LUMA.start()) {
                        brightest.add(sample.0, sample.1, sample.2);
                    }
                    let chroma = [f32::from(sample.1) - 128.0, f32::from(sample.2) - 128.0];
                    (0..2).for_each(|i| sum[i] += chroma[i]);
                    squares += chroma[0] * chroma[0] + chroma[1] * chroma[1];
                    count += 1.0;
                }
            }
        }
        if self.bright == 0 {
            brightest = Tile::default();
        }
        self.bright = brightest_twentieth(&histogram);
        let (Some(agreed), true) = (self.agreed(), count > 32.0) else { return [0.0; 2] };
        let bright = if brightest.count >= FEWEST { brightest.ratio() } else { agreed };
        let between = [0.5 * (agreed[0] + bright[0]), 0.5 * (agreed[1] + bright[1])];
        let apart = length([agreed[0] - bright[0], agreed[1] - bright[1]]);
        let size = length(between);
        let agreement = (1.5 - 2.0 * apart / size.max(1e-3)).clamp(0.0, 1.0);
        let spread = (squares / count - length(sum.map(|sum| sum / count)).powi(2)).max(0.0).sqrt();
        let told = (spread / 4.0 - 0.25).clamp(0.0, 1.0);
        let large = ((size - CAST.0) / (CAST.1 - CAST.0)).clamp(0.0, 1.0);
        let trust = agreement * told * large * (MOST / size.max(MOST));
        between.map(|part| part * trust)
    }

    /// What most tiles agree on.
    fn agreed(&self) -> Option<Ratio> {
        let tiles = || self.tiles.iter().filter(|tile| tile.count >= FEWEST).map(Tile::ratio);
        let mut centre = [0.0; 2];
        // The mean, then the mean of those that are near, nearer each time.
        for near in [f32::INFINITY, 0.15, 0.08, 0.05] {
            let (mut sum, mut weights) = ([0.0; 2], 0.0);
            for ratio in tiles() {
                let distance = length([ratio[0] - centre[0], ratio[1] - centre[1]]);
                let weight = 1.0 / (1.0 + (distance / near).powi(2));
                (0..2).for_each(|i| sum[i] += weight * ratio[i]);
                weights += weight;
            }
            if weights <= 0.0 {
                return None;
            }
            centre = sum.map(|sum| sum / weights);
        }
        Some(centre)
    }

    fn apply(&mut self, picture: &mut I420, matrix: &[[f32; 3]; 3]) {
        let ((width, height), (half, _)) = (picture.size(Plane::Y), picture.size(Plane::U));
        let (y, u, v) = picture.planes_mut();
        let fixed = matrix.map(|row| row.map(|part| (part * 8192.0).round() as i16));
        self.grey.resize(half, 0);
        self.offset.resize(half, 0);
        let chroma = u.chunks_exact_mut(half).zip(v.chunks_exact_mut(half));
        for (rows, (u, v)) in y.chunks_mut(2 * width).zip(chroma) {
            mean_luma(rows, width, &mut self.grey);
            let [of_luma, of_u, of_v] = fixed;
            for x in 0..half {
                let (grey, blue, red) =
                    (self.grey[x], (i16::from(u[x]) - 128) << 6, (i16::from(v[x]) - 128) << 6);
                self.offset[x] = times(blue, of_luma[1]) + times(red, of_luma[2]);
                let new = |of: [i16; 3]| {
                    let value = times(grey, of[0]) + times(blue, of[1]) + times(red, of[2]);
                    (((value + 4) >> 3) + 128).clamp(0, 255) as u8
                };
                (u[x], v[x]) = (new(of_u), new(of_v));
            }
            for row in rows.chunks_exact_mut(width).take(height) {
                let pairs = row.chunks_mut(2).zip(&self.offset);
                for (pair, offset) in pairs {
                    for sample in pair {
                        let luma = times((i16::from(*sample) - 16) << 6, of_luma[0]) + offset;
                        *sample = (((luma + 4) >> 3) + 16).clamp(0, 255) as u8;
                    }
                }
            }
        }
    }
}

/// Luma of two rows, or of the last alone, as chroma sees it: the mean of four, with six bits below the samples'.
fn mean_luma(rows: &[u8], width: usize, out: &mut [i16]) {
    let (above, below) = rows.split_at(width);
    let below = if below.is_empty() { above } else { below };
    for (out, (above, below)) in out.iter_mut().zip(above.chunks(2).zip(below.chunks(2))) {
        let last = above.len() - 1;
        let sum = i16::from(above[0]) + i16::from(above[last]);
        let sum = sum + i16::from(below[0]) + i16::from(below[last]);
        *out = (sum - 64) << 4;
    }
}

/// A sample with six bits below, times a number with thirteen: three are left.
fn times(sample: i16, factor: i16) -> i16 {
    ((i32::from(sample) * i32::from(factor)) >> 16) as i16
}

fn length(of: [f32; 2]) -> f32 {
    of[0].hypot(of[1])
}

/// The luma that a twentieth of samples reach.
fn brightest_twentieth(histogram: &[u32; 256]) -> u8 {
    let total: u32 = histogram.iter().sum();
    let mut above = 0;
    for (luma, count) in histogram.iter().enumerate().rev() {
        above += count;
        if above * 20 >= total.max(1) {
            return luma as u8;
        }
    }
    0
}

/// Multiplies red, green and blue so that what has this ratio becomes grey of the same luma, written for luma and its differences
/// (BT.601, limited range).
fn matrix(ratio: Ratio) -> [[f32; 3]; 3] {
    // Red, green and blue of (luma, blue difference, red difference), all in steps of samples.
    const TO_RGB: [[f32; 3]; 3] =
        [[1.164, 0.0, 1.596], [1.164, -0.392, -0.813], [1.164, 2.017, 0.0]];
    const FROM_RGB: [[f32; 3]; 3] =
        [[0.257, 0.504, 0.098], [-0.148, -0.291, 0.439], [0.439, -0.368, -0.071]];
    let grey = TO_RGB.map(|row| row[0] + row[1] * ratio[0] + row[2] * ratio[1]);
    let gains = grey.map(|light| (1.164 / light.max(0.3)).clamp(0.5, 2.0));
    std::array::from_fn(|row| {
        std::array::from_fn(|column| {
            (0..3).map(|i| FROM_RGB[row][i] * gains[i] * TO_RGB[i][column]).sum()
        })
    })
}
