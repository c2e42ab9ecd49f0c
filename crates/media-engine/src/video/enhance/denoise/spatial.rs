//! The filter within a picture, for what time has not taken away: the mean of the samples around that are alike. What is alike is told
//! by a smoothed picture, in which noise counts little and edges stay.

use super::super::padded::Padded;
use super::temporal::{BLOCK, FRACTION};

/// The neighbours on one side, as (x, y): those on the other mirror them.
const NEIGHBOURS: [(isize, isize); 10] =
    [(1, 0), (-1, 1), (0, 1), (1, 1), (2, 0), (0, 2), (-2, 1), (2, 1), (-1, 2), (1, 2)];
/// Of which so many are next to the sample.
const NEAR: usize = 4;
/// What a sample that is alike counts. Those of all together stay below 2^16.
const ALIKE: i16 = 3072;

/// From here on numbers of 32 bits have no fraction.
const TO_BITS: f32 = (1 << 23) as f32;

/// Smoothes a plane by (1 2 1) in both directions; its border must be there. That of the other is set but for the outermost.
pub(super) fn smooth(from: &Padded<i16>, to: &mut Padded<i16>) {
    let stride = from.stride();
    let data = from.data();
    let out = to.data_mut();
    let rows = data.len() / stride;
    for row in 1..rows - 1 {
        let above = &data[(row - 1) * stride..][..stride];
        let here = &data[row * stride..][..stride];
        let below = &data[(row + 1) * stride..][..stride];
        let out = &mut out[row * stride..][..stride];
        smooth_row(above, here, below, out);
    }
}

#[expect(clippy::needless_range_loop, reason = "four rows have the same index")]
fn smooth_row(above: &[i16], here: &[i16], below: &[i16], out: &mut [i16]) {
    let width = out.len();
    let (above, here, below) = (&above[..width], &here[..width], &below[..width]);
    for x in 1..width - 1 {
        // A quarter of each column, so that the sum of three fits.
        let column = |x: usize| (above[x] >> 2) + (here[x] >> 1) + (below[x] >> 2);
        out[x] = (column(x - 1) >> 2) + (column(x) >> 1) + (column(x + 1) >> 2);
    }
}

/// A block of the plane, filtered. In the smoothed one differences up to `limit` count as alike, the less the larger; where
/// `wide`, farther neighbours count too.
pub(super) fn filter(
    state: &Padded<i16>,
    smoothed: &Padded<i16>,
    at: usize,
    limit: f32,
    wide: bool,
) -> [[u8; BLOCK]; BLOCK] {
    // Two calls of what is compiled twice, so that both are straight lines.
    if wide {
        filter_with(state, smoothed, at, limit, &NEIGHBOURS)
    } else {
        filter_with(state, smoothed, at, limit, NEIGHBOURS.first_chunk::<NEAR>().expect("enough"))
    }
}

#[inline(always)]
fn filter_with<const PAIRS: usize>(
    state: &Padded<i16>,
    smoothed: &Padded<i16>,
    at: usize,
    limit: f32,
    neighbours: &[(isize, isize); PAIRS],
) -> [[u8; BLOCK]; BLOCK] {
    let limit = ((limit * (1 << FRACTION) as f32) as i16).clamp(4, ALIKE);
    let slope = ALIKE / limit;
    let stride = state.stride() as isize;
    let offsets = neighbours.map(|(x, y)| y * stride + x);
    let (state, smoothed) = (state.data(), smoothed.data());
    let samples = |plane: &[i16], at: isize| -> [i16; BLOCK] {
        *plane[at as usize..].first_chunk().expect("a border")
    };
    let mut out = [[0; BLOCK]; BLOCK];
    for (row, out) in out.iter_mut().enumerate() {
        let at = at as isize + row as isize * stride;
        let (here, guide) = (samples(state, at), samples(smoothed, at));
        let (low, high) = (guide.map(|guide| guide - limit), guide.map(|guide| guide + limit));
        let (mut sum, mut weights) = ([0i16; BLOCK], [(limit * slope) as u16; BLOCK]);
        for offset in offsets {
            let (one, one_guide) = (samples(state, at + offset), samples(smoothed, at + offset));
            let (two, two_guide) = (samples(state, at - offset), samples(smoothed, at - offset));
            for x in 0..BLOCK {
                let weight = (one_guide[x] - low[x]).min(high[x] - one_guide[x]).max(0) * slope;
                sum[x] += ((i32::from(one[x] - here[x]) * i32::from(weight)) >> 16) as i16;
                weights[x] += weight as u16;
                // Taken the other way round, so that rounding down cancels out.
                let weight = (two_guide[x] - low[x]).min(high[x] - two_guide[x]).max(0) * slope;
                sum[x] -= ((i32::from(here[x] - two[x]) * i32::from(weight)) >> 16) as i16;
                weights[x] += weight as u16;
            }
        }
        for x in 0..BLOCK {
            let change = f32::from(sum[x]) * 65_536.0 / f32::from(weights[x]);
            let value = (f32::from(here[x]) + change) * (1.0 / (1 << FRACTION) as f32);
            // The whole part is in the low bits of the sum, rounded: `as` would not be done in vectors.
            out[x] = ((value + TO_BITS).to_bits() as i16).clamp(0, 255) as u8;
        }
    }
    out
}
