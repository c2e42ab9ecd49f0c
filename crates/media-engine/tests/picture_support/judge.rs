//! How far a picture is from another.

use peerage_media::video::{I420, Plane};

/// Peak signal to noise of one plane, in dB; 99 where nothing differs.
pub(crate) fn psnr_of(plane: Plane, one: &I420, other: &I420) -> f64 {
    let (one, other) = (one.plane(plane), other.plane(plane));
    assert_eq!(one.len(), other.len());
    decibels(mean_square(one, other))
}

/// The same of luma.
pub(crate) fn psnr(one: &I420, other: &I420) -> f64 {
    psnr_of(Plane::Y, one, other)
}

/// Of all samples of all planes, where colour matters.
pub(crate) fn psnr_of_all(one: &I420, other: &I420) -> f64 {
    decibels(mean_square(one.as_bytes(), other.as_bytes()))
}

fn mean_square(one: &[u8], other: &[u8]) -> f64 {
    let squares: u64 = one.iter().zip(other).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    squares as f64 / one.len() as f64
}

fn decibels(mean_square: f64) -> f64 {
    if mean_square == 0.0 { 99.0 } else { 10.0 * (255.0 * 255.0 / mean_square).log10() }
}

/// Structural similarity of luma in windows of 8 x 8, each 4 samples from the next.
pub(crate) fn ssim(one: &I420, other: &I420) -> f64 {
    let (width, height) = one.size(Plane::Y);
    let (one, other) = (one.plane(Plane::Y), other.plane(Plane::Y));
    let (mut sum, mut count) = (0.0, 0);
    for y in (0..=height.saturating_sub(8)).step_by(4) {
        for x in (0..=width.saturating_sub(8)).step_by(4) {
            let (mut a, mut b, mut aa, mut bb, mut ab, mut n) =
                (0i64, 0i64, 0i64, 0i64, 0i64, 0i64);
            for row in y..(y + 8).min(height) {
                let end = row * width + (x + 8).min(width);
                let begin = row * width + x;
                for (p, q) in one[begin..end].iter().zip(&other[begin..end]) {
                    let (p, q) = (i64::from(*p), i64::from(*q));
                    (a, b, aa, bb, ab, n) =
                        (a + p, b + q, aa + p * p, bb + q * q, ab + p * q, n + 1);
                }
            }
            let n = n as f64;
            let (ma, mb) = (a as f64 / n, b as f64 / n);
            let (va, vb) = (aa as f64 / n - ma * ma, bb as f64 / n - mb * mb);
            let covariance = ab as f64 / n - ma * mb;
            let (c1, c2) = (6.5025, 58.5225);
            sum += (2.0 * ma * mb + c1) * (2.0 * covariance + c2)
                / ((ma * ma + mb * mb + c1) * (va + vb + c2));
            count += 1;
        }
    }
    sum / f64::from(count)
}

/// The mean of all pictures.
pub(crate) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}
