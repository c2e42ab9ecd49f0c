//! Colour bars.

use crate::video::I420;

/// Y, Cb, Cr of white, yellow, cyan, green, magenta, red, blue and black at 75 % (BT.601, limited range).
const BARS: [[u8; 3]; 8] = [
    [180, 128, 128],
    [162, 44, 142],
    [131, 156, 44],
    [112, 72, 58],
    [84, 184, 198],
    [65, 100, 212],
    [35, 212, 114],
    [16, 128, 128],
];

/// Eight upright bars.
///
/// # Panics
///
/// As [`I420::black`].
pub fn colour_bars(width: u16, height: u16) -> I420 {
    let mut picture = I420::black(width, height);
    let (columns, half) = (usize::from(width), usize::from(width).div_ceil(2));
    let (y, u, v) = picture.planes_mut();
    for (index, (plane, columns)) in [(y, columns), (u, half), (v, half)].into_iter().enumerate() {
        for row in plane.chunks_exact_mut(columns) {
            for (x, sample) in row.iter_mut().enumerate() {
                *sample = BARS[x * BARS.len() / columns][index];
            }
        }
    }
    picture
}
