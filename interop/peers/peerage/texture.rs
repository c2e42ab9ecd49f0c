//! Grey pictures that say their number and have texture that moves, so that something is lost where bits are short: the same
//! bytes here and in pages/fidelity.js. And how near to them what was made of them is.

use peerage::media_engine::video::I420;
use peerage::media_engine::video::pattern::{Region, write_number};

/// Width and height of what moves against the rest, in samples.
const SQUARE: u32 = 64;

/// The picture of a number.
pub(crate) fn draw(number: u16, width: u16, height: u16) -> I420 {
    let mut picture = I420::black(width, height);
    let n = u32::from(number);
    let span = u32::from(width).saturating_sub(SQUARE).max(1);
    let turn = 3 * n % (2 * span);
    let left = turn.min(2 * span - turn);
    let top = u32::from(height / 2).saturating_sub(SQUARE) / 2;
    let luma = picture.planes_mut().0;
    for (y, row) in luma.chunks_exact_mut(usize::from(width)).enumerate() {
        let y = y as u32;
        for (x, sample) in row.iter_mut().enumerate() {
            let x = x as u32;
            let inside = (left..left + SQUARE).contains(&x) && (top..top + SQUARE).contains(&y);
            *sample = if inside {
                100 + ((x - left) ^ (y - top)) as u8
            } else {
                let (a, b) = (x + 2 * n, y + n);
                // It moves against the slopes, so that no shift of the picture before is this one.
                let ripple = (x.wrapping_sub(n) ^ (y + 2 * n)) & 7;
                40 + slope(a) + slope(2 * b) + ripple as u8
            };
        }
    }
    write_number(&mut picture, Region::lower_left(width, height), number);
    picture
}

/// Up and down between 0 and 64.
fn slope(at: u32) -> u8 {
    (at & 127).abs_diff(64) as u8
}

/// FNV-1a of what is drawn: two ends that draw alike have the same.
pub(crate) fn sum(luma: &[u8]) -> u32 {
    luma.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The ratio of the largest sample to what is wrong, in dB.
pub(crate) fn psnr(one: &[u8], other: &[u8]) -> f64 {
    let square = |(a, b): (&u8, &u8)| u64::from(a.abs_diff(*b)).pow(2);
    let sum: u64 = one.iter().zip(other).map(square).sum();
    let mean = sum as f64 / one.len().max(1) as f64;
    10.0 * (255.0_f64.powi(2) / mean.max(1e-3)).log10()
}

/// Structural similarity (Wang et al. 2004) over blocks of 8 x 8, each moved on by 4.
pub(crate) fn ssim(width: usize, one: &[u8], other: &[u8]) -> f64 {
    let (c1, c2) = ((0.01_f64 * 255.0).powi(2), (0.03_f64 * 255.0).powi(2));
    let height = one.len() / width.max(1);
    let (mut total, mut count) = (0.0, 0_u32);
    for y in (0..height.saturating_sub(7)).step_by(4) {
        for x in (0..width.saturating_sub(7)).step_by(4) {
            let [mut a, mut b, mut aa, mut bb, mut ab] = [0_u32; 5];
            for row in y..y + 8 {
                let at = row * width + x;
                for (p, q) in one[at..at + 8].iter().zip(&other[at..at + 8]) {
                    let (p, q) = (u32::from(*p), u32::from(*q));
                    (a, b) = (a + p, b + q);
                    (aa, bb, ab) = (aa + p * p, bb + q * q, ab + p * q);
                }
            }
            let [a, b, aa, bb, ab] = [a, b, aa, bb, ab].map(|sum| f64::from(sum) / 64.0);
            let (of_a, of_b, both) = (aa - a * a, bb - b * b, ab - a * b);
            total += (2.0 * a * b + c1) * (2.0 * both + c2)
                / ((a * a + b * b + c1) * (of_a + of_b + c2));
            count += 1;
        }
    }
    total / f64::from(count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage::media_engine::video::pattern::read_number;

    const SIZE: (u16, u16) = (320, 180);

    #[test]
    fn pictures_say_their_number_and_move() {
        for number in [0, 1, 255, 4711, u16::MAX] {
            let picture = draw(number, SIZE.0, SIZE.1);
            assert_eq!(read_number(&picture, Region::lower_left(SIZE.0, SIZE.1)), Some(number));
            assert!(picture.planes().0.iter().all(|sample| (16..=235).contains(sample)));
            let next = draw(number.wrapping_add(1), SIZE.0, SIZE.1);
            let alike = psnr(picture.planes().0, next.planes().0);
            assert!((5.0..30.0).contains(&alike), "{alike} dB from {number} to the next");
        }
        // Of any size.
        for (width, height) in [(1, 1), (64, 130), (7, 3)] {
            drop(draw(9, width, height));
        }
    }

    #[test]
    fn what_is_wrong_is_measured() {
        let picture = draw(7, SIZE.0, SIZE.1);
        let luma = picture.planes().0;
        let off: Vec<u8> = luma.iter().map(|sample| sample + 5).collect();
        // 10 log (255^2 / 25).
        assert!((psnr(luma, &off) - 34.15).abs() < 0.01);
        assert!(psnr(luma, luma) > 70.0);
        assert!((ssim(320, luma, luma) - 1.0).abs() < 1e-9);
        let flat = vec![100; luma.len()];
        assert!(ssim(320, luma, &flat) < 0.6);
    }
}
