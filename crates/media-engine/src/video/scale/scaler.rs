//! Scaling.

use super::super::{Area, I420, PictureError};
use super::weights::{Axis, COLUMN_ONE, ROW_ONE, Weights};

/// Weights of a row are taken so many at a time.
const TAPS: usize = 4;

/// Scales pictures. It keeps what it has worked out for a pair of sizes until others come.
///
/// ```
/// use peerage_media::video::scale::Scaler;
/// use peerage_media::video::{Area, I420};
///
/// # fn main() -> Result<(), peerage_media::video::PictureError> {
/// let (camera, mut small) = (I420::black(1280, 720), I420::black(320, 240));
/// let mut scaler = Scaler::new();
/// scaler.scale(&camera, Area::of_ratio(1280, 720, (4, 3)), &mut small)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Scaler {
    /// Of luma, and of chroma.
    planes: [PlaneScaler; 2],
}

#[derive(Debug, Default)]
struct PlaneScaler {
    across: Weights,
    down: Weights,
    /// Sums of a row.
    sums: Vec<u16>,
    /// A row that was scaled down or up, but not yet across, with what weights of zero reach beyond its end.
    row: Vec<u8>,
}

impl Scaler {
    /// One that has not worked out anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Fills `target`, whatever its size, with a part of `source`.
    ///
    /// # Errors
    ///
    /// [`PictureError::Outside`] for what is not a part of it.
    pub fn scale(
        &mut self,
        source: &I420,
        area: Area,
        target: &mut I420,
    ) -> Result<(), PictureError> {
        area.check(source)?;
        let (width, height) = (target.width(), target.height());
        let step = |length: u16, to: u16| f64::from(length) / f64::from(to);
        let (across, down) = (step(area.width, width), step(area.height, height));
        let (from, to) = (source.planes(), target.planes_mut());
        let planes = [(from.0, to.0), (from.1, to.1), (from.2, to.2)];
        for (index, (from, to)) in planes.into_iter().enumerate() {
            let shift = u8::from(index > 0);
            let length = |luma: u16| usize::from((luma + u16::from(shift)) >> shift);
            let begin = |luma: u16| f64::from(luma) / f64::from(1 + shift);
            let axis = |source: u16, begin_at: u16, step: f64, target: u16| Axis {
                source: length(source),
                begin: begin(begin_at),
                step,
                target: length(target),
            };
            let x = axis(source.width(), area.x, across, width);
            let y = axis(source.height(), area.y, down, height);
            self.planes[usize::from(shift)].scale(from, x, y, to);
        }
        Ok(())
    }
}

impl PlaneScaler {
    fn scale(&mut self, from: &[u8], x: Axis, y: Axis, to: &mut [u8]) {
        self.across.prepare(x, ROW_ONE, TAPS);
        self.down.prepare(y, COLUMN_ONE, 1);
        // Rows that are only cut need no scaling.
        let exact = x.step == 1.0 && x.begin.fract() == 0.0;
        // Only these columns are looked at.
        let (first, end) = match exact {
            true => (x.begin as usize, x.begin as usize + x.target),
            false => self.across.span(x.source),
        };
        self.sums.resize(end - first, 0);
        self.row.resize(end - first + self.across.taps, 0);
        let sums = &mut self.sums;
        for (out, (begin, weights)) in to.chunks_exact_mut(x.target).zip(self.down.iter()) {
            let row = |at: usize| &from[(begin + at) * x.source + first..][..end - first];
            let target = match exact {
                true => &mut out[..],
                false => &mut self.row[..end - first],
            };
            // What lies beyond the last row has no weight.
            let most = weights.len().min(y.source - begin);
            let rows = weights[..most].iter().enumerate().filter(|(_, weight)| **weight != 0);
            mix(rows.map(|(at, weight)| (row(at), *weight as u16)), sums, target);
            if !exact {
                across(&self.row, first, &self.across, out);
            }
        }
    }
}

/// The weighted mean of rows.
fn mix<'a>(mut rows: impl Iterator<Item = (&'a [u8], u16)>, sums: &mut [u16], target: &mut [u8]) {
    const HALF: u16 = COLUMN_ONE as u16 / 2;
    let Some((first, weight)) = rows.next() else { return };
    if weight == COLUMN_ONE as u16 {
        // A mean of one.
        target.copy_from_slice(&first[..target.len()]);
        return;
    }
    let Some((second, other)) = rows.next() else { return };
    for ((sum, first), second) in sums.iter_mut().zip(first).zip(second) {
        *sum = u16::from(*first) * weight + u16::from(*second) * other + HALF;
    }
    while let Some((first, weight)) = rows.next() {
        match rows.next() {
            Some((second, other)) => {
                for ((sum, first), second) in sums.iter_mut().zip(first).zip(second) {
                    *sum += u16::from(*first) * weight + u16::from(*second) * other;
                }
            }
            None => {
                for (sum, first) in sums.iter_mut().zip(first) {
                    *sum += u16::from(*first) * weight;
                }
            }
        }
    }
    for (target, sum) in target.iter_mut().zip(sums) {
        *target = (*sum / COLUMN_ONE as u16) as u8;
    }
}

/// Scales a row, of which those before `first` are not there.
fn across(row: &[u8], first: usize, weights: &Weights, out: &mut [u8]) {
    match weights.taps / TAPS {
        1 => across_by::<1>(row, first, weights, out),
        2 => across_by::<2>(row, first, weights, out),
        _ => {
            for (out, (begin, weights)) in out.iter_mut().zip(weights.iter()) {
                let samples = &row[begin - first..][..weights.len()];
                *out = round(
                    samples
                        .chunks_exact(TAPS)
                        .zip(weights.chunks_exact(TAPS))
                        .map(|(samples, weights)| dot::<TAPS>(samples, weights))
                        .sum(),
                );
            }
        }
    }
}

/// The same for so many times [`TAPS`], which the compiler then knows.
fn across_by<const TIMES: usize>(row: &[u8], first: usize, weights: &Weights, out: &mut [u8]) {
    for (out, (begin, weights)) in out.iter_mut().zip(weights.iter()) {
        let samples = &row[begin - first..][..TIMES * TAPS];
        let weights = &weights[..TIMES * TAPS];
        let mut sum = 0;
        for (samples, weights) in samples.chunks_exact(TAPS).zip(weights.chunks_exact(TAPS)) {
            sum += dot::<TAPS>(samples, weights);
        }
        *out = round(sum);
    }
}

fn dot<const N: usize>(samples: &[u8], weights: &[i16]) -> i32 {
    let mut sum = 0;
    for at in 0..N {
        sum += i32::from(samples[at]) * i32::from(weights[at]);
    }
    sum
}

fn round(sum: i32) -> u8 {
    ((sum + ROW_ONE / 2) / ROW_ONE) as u8
}
