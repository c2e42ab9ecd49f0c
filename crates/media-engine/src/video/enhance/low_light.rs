//! Lifts what is too dark: each part of a picture has a curve of its own, between which is interpolated, so that a dark corner is lifted
//! and a window stays. Curves follow the picture slowly, and their slope is bounded, the more the more noise there is.

use crate::video::{I420, Plane};

/// Parts of the picture with a curve each, across and down.
const TILES: (usize, usize) = (8, 6);
/// Steps of the histograms.
const BINS: usize = 64;
/// Mean light (0 to 1) that a picture is lifted to ...
const AIM: f32 = 0.44;
/// ... if it has less than the first; all the way if it has less than the second.
const DARK: (f32, f32) = (0.28, 0.2);
/// How much of the way from the whole picture's curve to its own a tile goes.
const LOCAL: f32 = 0.3;
/// What the equalised histogram of a tile counts, whose steps hold at most so many times their share.
const EQUALISED: (f32, f32) = (0.12, 2.5);
/// The steepest curve.
const STEEPEST: f32 = 5.0;
/// What a new picture counts.
const WEIGHT: f32 = 0.08;
/// The share of samples that must have changed their step for pictures to be of another scene.
const CUT: f32 = 0.5;

/// Light for dark pictures. Those that are light enough stay as they are.
#[derive(Debug, Clone, Default)]
pub struct LowLight {
    /// Of each tile, and the sum of all: shares of samples by luma.
    histograms: Vec<[f32; BINS]>,
    new: Vec<[u32; BINS]>,
    whole: Vec<f32>,
    begun: bool,
    /// How dark it is, 0 to 1.
    dark: f32,
    /// Luma for luma, with six bits below the samples', of each tile.
    curves: Vec<[u16; 256]>,
    /// Of the row, for each space between the middles of tiles: what is left and right of it, by luma.
    between: Vec<[[u16; 2]; 256]>,
    /// Luma of two rows as it was.
    before: Vec<u8>,
}

impl LowLight {
    /// One that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lifts a picture by `strength`, 0 to 1. `noise` is the deviation of luma's noise, if known, or 0.
    pub fn process(&mut self, picture: &mut I420, strength: f32, noise: f32) {
        self.measure(picture);
        let strength = if strength.is_finite() { strength.clamp(0.0, 1.0) } else { 1.0 };
        let amount = self.dark * strength;
        if amount < 0.02 {
            return;
        }
        let noise = if noise.is_finite() { noise.max(0.0) } else { 0.0 };
        self.make_curves(amount, (16.0 / (noise + 2.0)).clamp(1.5, STEEPEST));
        self.apply(picture);
    }

    /// How dark pictures are found to be: 0 not at all, 1 as dark as is lifted in full.
    pub fn darkness(&self) -> f32 {
        self.dark
    }

    /// Forgets the pictures before.
    pub fn reset(&mut self) {
        self.begun = false;
    }

    fn measure(&mut self, picture: &I420) {
        let (width, height) = picture.size(Plane::Y);
        let luma = picture.planes().0;
        let count = TILES.0 * TILES.1;
        self.new.clear();
        self.new.resize(count, [0; BINS]);
        self.histograms.resize(count, [0.0; BINS]);
        self.whole.resize(BINS, 0.0);
        let step = if width * height > 60_000 { 2 } else { 1 };
        for (y, row) in luma.chunks_exact(width).enumerate().step_by(step) {
            let tiles = &mut self.new[y * TILES.1 / height * TILES.0..][..TILES.0];
            for (index, tile) in tiles.iter_mut().enumerate() {
                let columns = index * width / TILES.0..(index + 1) * width / TILES.0;
                for sample in row[columns].iter().step_by(step) {
                    tile[usize::from(sample >> 2)] += 1;
                }
            }
        }
        let total: u32 = self.new.iter().flatten().sum();
        let mut new = [0.0; BINS];
        for tile in &self.new {
            new.iter_mut().zip(tile).for_each(|(sum, count)| *sum += *count as f32);
        }
        new.iter_mut().for_each(|count| *count /= total.max(1) as f32);
        let changed: f32 = new.iter().zip(&self.whole).map(|(a, b)| (a - b).abs()).sum();
        let weight = if self.begun && 0.5 * changed < CUT { WEIGHT } else { 1.0 };
        self.begun = true;
        follow(&mut self.whole, &new, weight);
        for (old, counts) in self.histograms.iter_mut().zip(&self.new) {
            let total = counts.iter().sum::<u32>();
            // A tile of a tiny picture may have no samples: then it is as all are.
            let share: [f32; BINS] =
                if total == 0 { new } else { counts.map(|count| count as f32 / total as f32) };
            follow(old, &share, weight);
        }
        let mean = mean(&self.whole, 1.0);
        self.dark = ((DARK.0 - mean) / (DARK.0 - DARK.1)).clamp(0.0, 1.0);
    }

    fn make_curves(&mut self, amount: f32, steepest: f32) {
        let power = power_for(&self.whole, AIM);
        self.curves.resize(TILES.0 * TILES.1, [0; 256]);
        for (histogram, curve) in self.histograms.iter().zip(&mut self.curves) {
            // Where the whole curve takes this tile, and from there on towards what all are lifted to.
            let there = mean(histogram, power);
            let own = power_for(histogram, there + LOCAL * (AIM - there));
            let equalised = equalise(histogram, own);
            let mut before = (0.0, 0.0);
            for (luma, out) in curve.iter_mut().enumerate() {
                let light = light(luma as f32);
                let lifted = light.powf(own);
                let place = light * (BINS - 1) as f32;
                let (step, part) = (place as usize, place.fract());
                let even =
                    equalised[step] * (1.0 - part) + equalised[(step + 1).min(BINS - 1)] * part;
                let wanted = lifted + EQUALISED.0 * (even - lifted);
                let wanted = light + amount * (wanted - light);
                // Never steeper than this, which dark noise would become visible by; never falling.
                let value = wanted.clamp(before.1, before.1 + steepest * (light - before.0));
                before = (light, value);
                let below = (luma as f32).min(16.0);
                *out = ((below + 219.0 * value) * 64.0).round().min(255.0 * 64.0) as u16;
            }
        }
    }

    fn apply(&mut self, picture: &mut I420) {
        let ((width, height), (half, _)) = (picture.size(Plane::Y), picture.size(Plane::U));
        let (y, u, v) = picture.planes_mut();
        self.between.resize(TILES.0 + 1, [[0; 2]; 256]);
        self.before.resize(2 * width, 0);
        let mut inverse = [0u16; 256];
        for (luma, inverse) in inverse.iter_mut().enumerate().skip(17) {
            *inverse = (65_536 / (luma - 16)).min(65_535) as u16;
        }
        let chroma = u.chunks_exact_mut(half).zip(v.chunks_exact_mut(half));
        for (pair, (rows, (u, v))) in y.chunks_mut(2 * width).zip(chroma).enumerate() {
            let before = &mut self.before[..rows.len()];
            before.copy_from_slice(rows);
            // The curves change too little from row to row to do this for each.
            mix_rows(&self.curves, &mut self.between, 2 * pair, height);
            for row in rows.chunks_exact_mut(width) {
                lift(row, &self.between);
            }
            // Colours grow with the light, or they would look washed out.
            for (x, (u, v)) in u.iter_mut().zip(v).enumerate() {
                let (old, new) = (before[2 * x], rows[2 * x]);
                let ratio =
                    i32::from(new).saturating_sub(16).max(0) * i32::from(inverse[usize::from(old)]);
                let ratio = (ratio >> 8).clamp(256, 256 * 3);
                for sample in [u, v] {
                    let chroma = ((i32::from(*sample) - 128) * ratio + 128) >> 8;
                    *sample = (chroma + 128).clamp(16, 240) as u8;
                }
            }
        }
    }
}

/// Mixes the curves of the rows of tiles above and below a row, for each column of tiles and, twice, the first and last.
fn mix_rows(curves: &[[u16; 256]], between: &mut [[[u16; 2]; 256]], row: usize, height: usize) {
    let place = ((row as f32 + 0.5) * TILES.1 as f32 / height as f32 - 0.5).max(0.0);
    let above = (place as usize).min(TILES.1 - 1);
    let below = (above + 1).min(TILES.1 - 1);
    let part = ((place - above as f32) * 64.0) as u32;
    let last = between.len() - 1;
    for column in 0..TILES.0 {
        let (one, two) = (&curves[above * TILES.0 + column], &curves[below * TILES.0 + column]);
        for luma in 0..256 {
            let (one, two) = (u32::from(one[luma]), u32::from(two[luma]));
            let value = ((one * (64 - part) + two * part) >> 6) as u16;
            // The right of the space before it, the left of the one behind it.
            between[column][luma][1] = value;
            between[column + 1][luma][0] = value;
        }
    }
    between[0].iter_mut().for_each(|pair| pair[0] = pair[1]);
    between[last].iter_mut().for_each(|pair| pair[1] = pair[0]);
}

/// Lifts a row: in each space between the middles of tiles from the curve on its left to the one on its right.
fn lift(row: &mut [u8], between: &[[[u16; 2]; 256]]) {
    let width = row.len();
    // Middles are at odd multiples of half a tile.
    let middle = |index: usize| (2 * index + 1) * width / (2 * TILES.0);
    for (index, table) in between.iter().enumerate() {
        let begin = if index == 0 { 0 } else { middle(index - 1) };
        let end = if index == TILES.0 { width } else { middle(index) };
        let step = (1 << 15) / (end - begin).max(1) as u32;
        let mut part = step / 2;
        for sample in &mut row[begin..end] {
            let [left, right] = table[usize::from(*sample)].map(u32::from);
            let value = left * ((1 << 15) - part) + right * part;
            *sample = ((value + (1 << 20)) >> 21) as u8;
            part += step;
        }
    }
}

fn follow(old: &mut [f32], new: &[f32], weight: f32) {
    for (old, new) in old.iter_mut().zip(new) {
        *old += weight * (new - *old);
    }
}

/// 0 to 1 of a sample of luma.
fn light(luma: f32) -> f32 {
    ((luma - 16.0) / 219.0).clamp(0.0, 1.0)
}

/// The mean light of a histogram whose light is raised to a power.
fn mean(histogram: &[f32], power: f32) -> f32 {
    let bins = histogram.iter().enumerate();
    bins.map(|(bin, share)| share * light(4.0 * bin as f32 + 1.5).powf(power)).sum()
}

/// The power that makes its mean light this; none makes it darker.
fn power_for(histogram: &[f32], aim: f32) -> f32 {
    let (mut low, mut high) = (0.35, 1.0);
    for _ in 0..7 {
        let middle = 0.5 * (low + high);
        if mean(histogram, middle) > aim { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The share of samples below each step of light, once raised to a power, where no step counts more than the bound.
fn equalise(histogram: &[f32], power: f32) -> [f32; BINS] {
    let bound = EQUALISED.1 / BINS as f32;
    let cut: f32 = histogram.iter().map(|share| (share - bound).max(0.0)).sum();
    let mut below = 0.0;
    let mut out = [0.0; BINS];
    for (step, out) in out.iter_mut().enumerate() {
        // What was cut off goes to all, as the lifted curve spreads them.
        let (from, to) = (step as f32 / BINS as f32, (step + 1) as f32 / BINS as f32);
        below += cut * (to.powf(power) - from.powf(power));
        // Steps of light are those of luma but for what is outside of 16 to 235.
        let luma = 16.0 + 219.0 * from;
        let bin = ((luma / 4.0) as usize).min(BINS - 1);
        below += histogram[bin].min(bound) * 219.0 / 256.0;
        *out = below.min(1.0);
    }
    out
}
