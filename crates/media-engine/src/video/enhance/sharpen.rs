//! Makes soft pictures sharper: what a picture has more than a smoothed one is added, by as much as its edges are wide. What is as
//! small as noise is not, and nothing leaves the range of its neighbours by much, so that there are no halos.

use super::padded::Padded;
use crate::video::{I420, Plane};

/// Edges that are this sharp (the deviation of the blur in samples) need nothing; ...
const SHARP: f32 = 0.9;
/// ... and softer ones than this are treated as if they were this soft.
const SOFTEST: f32 = 1.8;
/// The least contrast of edges that are measured.
const CONTRAST: u8 = 36;
/// Samples before and behind an edge that belong to it.
const REACH: usize = 5;
/// Steps of the measure of edges.
const STEPS: usize = 64;
/// Fewer edges say nothing.
const FEWEST: u32 = 24;
/// What a new picture counts.
const WEIGHT: f32 = 0.15;
/// How far a sample may leave the range of its neighbours, in shares of that range (of 256).
const OVERSHOOT: i16 = 40;

/// Adaptive sharpening of luma.
#[derive(Debug, Clone, Default)]
pub struct Sharpener {
    source: Padded<u8>,
    /// How wide edges are: the deviation of the blur in samples.
    width: Option<f32>,
    edges: Vec<u32>,
    column: Vec<i16>,
    low: Vec<u8>,
    high: Vec<u8>,
}

impl Sharpener {
    /// One that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sharpens a picture by `strength`: 1 is as much as its edges ask for. `noise` is the deviation of luma's noise, if known,
    /// or 0.
    pub fn process(&mut self, picture: &mut I420, strength: f32, noise: f32) {
        let noise = if noise.is_finite() { noise.clamp(0.0, 40.0) } else { 0.0 };
        let strength = if strength.is_finite() { strength.clamp(0.0, 2.0) } else { 1.0 };
        if let Some(new) = self.measure(picture, noise) {
            self.width = Some(self.width.map_or(new, |old| old + WEIGHT * (new - old)));
        }
        let blur = self.width.unwrap_or(0.0).min(SOFTEST);
        if blur <= SHARP || strength == 0.0 {
            return;
        }
        // To first order a blur takes half its variance times the second derivative, and the difference from the smoothed picture is half
        // of that; the rest makes up for what is beyond first order. It begins at zero where edges are sharp enough.
        let amount = 1.5 * (blur * blur - SHARP * SHARP) * strength;
        let fixed = (amount * 8192.0).min(32_000.0) as i16;
        let core = ((1.2 * noise + 0.4) * 64.0) as i16;
        let (width, _) = picture.size(Plane::Y);
        let luma = picture.planes_mut().0;
        self.apply(luma, width, fixed, core);
    }

    /// How wide the sharpest edges are: the deviation of a blur, in samples. `None` where none were seen.
    pub fn edge_width(&self) -> Option<f32> {
        self.width
    }

    /// Forgets the pictures before.
    pub fn reset(&mut self) {
        self.width = None;
    }

    /// The width of the sharper edges of some rows.
    fn measure(&mut self, picture: &I420, noise: f32) -> Option<f32> {
        let (width, height) = picture.size(Plane::Y);
        let luma = picture.planes().0;
        self.edges.clear();
        self.edges.resize(STEPS, 0);
        let contrast = CONTRAST.saturating_add((8.0 * noise) as u8);
        let every = (height / 90).max(1);
        for row in luma.chunks_exact(width).skip(every / 2).step_by(every) {
            self.measure_row(row, i16::from(contrast), 3 * noise as i16);
        }
        let total: u32 = self.edges.iter().sum();
        if total < FEWEST {
            return None;
        }
        // The sharpest are few, and may be noise; most are out of focus or move.
        let mut above = 0;
        let step = self.edges.iter().enumerate().rev().find(|(_, count)| {
            above += **count;
            above * 25 >= total
        });
        // The steepest step of an edge that is blurred by a bell curve is its height by this.
        step.map(|(step, _)| 0.399 / ((step as f32 + 0.5) / STEPS as f32))
    }

    fn measure_row(&mut self, row: &[u8], contrast: i16, noise: i16) {
        let at = |x: usize| i16::from(row[x]);
        let mut x = REACH;
        while x + REACH + 1 < row.len() {
            let step = at(x + 1) - at(x);
            // The steepest of its neighbours.
            let steepest = |other: usize| (at(other + 1) - at(other)).abs() <= step.abs();
            if 8 * step.abs() < contrast || !steepest(x - 1) || !steepest(x + 1) {
                x += 1;
                continue;
            }
            let rise = (at(x + REACH) - at(x + 1 - REACH)) * step.signum();
            let mut ways = 0;
            for other in x + 1 - REACH..x + REACH {
                ways += (at(other + 1) - at(other)).abs();
            }
            // Rises all the way, and is flat at both ends.
            let ends = (at(x + REACH) - at(x + REACH - 1)).abs()
                + (at(x + 2 - REACH) - at(x + 1 - REACH)).abs();
            if rise >= contrast && ways <= rise + rise / 8 + noise && 8 * ends <= rise + 8 * noise {
                let share = usize::from(step.unsigned_abs()) * STEPS / rise as usize;
                self.edges[share.min(STEPS - 1)] += 1;
                x += REACH;
            }
            x += 1;
        }
    }

    fn apply(&mut self, luma: &mut [u8], width: usize, amount: i16, core: i16) {
        self.source.resize(width, luma.len() / width);
        self.source.load(luma, width);
        let stride = self.source.stride();
        self.column.resize(width + 4, 0);
        self.low.resize(width + 2, 0);
        self.high.resize(width + 2, 0);
        for (y, out) in luma.chunks_exact_mut(width).enumerate() {
            // From two samples left of the row on.
            let at = |down: isize| self.source.at(-2, y as isize + down);
            let rows: [&[u8]; 5] = std::array::from_fn(|row| {
                &self.source.data()[at(row as isize - 2)..][..stride.min(width + 4)]
            });
            columns(rows, &mut self.column);
            ranges(rows, &mut self.low, &mut self.high);
            let here = &rows[2][2..];
            sharpen_row(out, here, &self.column, (&self.low, &self.high), amount, core);
        }
    }
}

/// (1 4 6 4 1) down, with two bits below the samples'.
fn columns(rows: [&[u8]; 5], out: &mut [i16]) {
    let count = out.len();
    let [a, b, c, d, e] = rows.map(|row| &row[..count]);
    for x in 0..count {
        let sample = |row: &[u8]| i16::from(row[x]);
        let sum = sample(a) + sample(e) + 4 * (sample(b) + sample(d)) + 6 * sample(c);
        out[x] = sum >> 2;
    }
}

/// The least and the most of three samples above each other.
fn ranges(rows: [&[u8]; 5], low: &mut [u8], high: &mut [u8]) {
    let count = low.len();
    let high = &mut high[..count];
    let [a, b, c] = [1, 2, 3].map(|row: usize| &rows[row][1..1 + count]);
    for x in 0..count {
        low[x] = a[x].min(b[x]).min(c[x]);
        high[x] = a[x].max(b[x]).max(c[x]);
    }
}

fn sharpen_row(
    out: &mut [u8],
    here: &[u8],
    column: &[i16],
    (low, high): (&[u8], &[u8]),
    amount: i16,
    core: i16,
) {
    let count = out.len();
    let here = &here[..count];
    let [a, b, c, d, e]: [&[i16]; 5] = std::array::from_fn(|x| &column[x..x + count]);
    let lows: [&[u8]; 3] = std::array::from_fn(|x| &low[x..x + count]);
    let highs: [&[u8]; 3] = std::array::from_fn(|x| &high[x..x + count]);
    for x in 0..count {
        let smooth = a[x] + e[x] + 4 * (b[x] + d[x]) + 6 * c[x];
        let sample = i16::from(here[x]);
        let detail = (sample << 6) - smooth;
        let detail = detail - detail.max(-core).min(core);
        let more = ((i32::from(detail) * i32::from(amount)) >> 16) as i16;
        let low = i16::from(lows[0][x].min(lows[1][x]).min(lows[2][x]));
        let high = i16::from(highs[0][x].max(highs[1][x]).max(highs[2][x]));
        let beyond = ((high - low) * OVERSHOOT) >> 8;
        let value = sample + ((more + 4) >> 3);
        // The first not by `clamp`, whose check of its bounds keeps this from being done in vectors.
        out[x] = value.max(low - beyond).min(high + beyond).clamp(0, 255) as u8;
    }
}
