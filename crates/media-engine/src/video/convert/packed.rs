//! What cameras and hardware decoders have: the same samples in other places.

use super::super::{I420, PictureError, Plane};
use super::Rows;

/// Two pixels in four bytes, which share their chroma (4:2:2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packed422 {
    /// Luma, blue, luma, red: YUY2, also called YUYV.
    Yuy2,
    /// Blue, luma, red, luma: UYVY.
    Uyvy,
}

/// Makes a picture, whose size it has before, of luma and of chroma whose two differences take turns (NV12), with the distances
/// of their rows in bytes.
///
/// # Errors
///
/// [`PictureError::TooShort`] and [`PictureError::Stride`] for fewer samples than the picture has.
pub fn from_nv12(
    luma: (&[u8], usize),
    chroma: (&[u8], usize),
    picture: &mut I420,
) -> Result<(), PictureError> {
    let [(y_rows, (width, _)), (uv_rows, (half, _))] = nv12(picture);
    y_rows.check(luma.0.len(), luma.1)?;
    uv_rows.check(chroma.0.len(), chroma.1)?;
    let (y, u, v) = picture.planes_mut();
    for (row, samples) in y.chunks_exact_mut(width).zip(luma.0.chunks(luma.1)) {
        row.copy_from_slice(&samples[..width]);
    }
    let rows = u.chunks_exact_mut(half).zip(v.chunks_exact_mut(half));
    for ((u, v), pairs) in rows.zip(chroma.0.chunks(chroma.1)) {
        for ((u, v), pair) in u.iter_mut().zip(v).zip(pairs.chunks_exact(2)) {
            (*u, *v) = (pair[0], pair[1]);
        }
    }
    Ok(())
}

/// Writes a picture as luma and as chroma whose two differences take turns (NV12), with the distances of their rows in bytes.
///
/// # Errors
///
/// As [`from_nv12`].
pub fn to_nv12(
    picture: &I420,
    luma: (&mut [u8], usize),
    chroma: (&mut [u8], usize),
) -> Result<(), PictureError> {
    let [(y_rows, (width, _)), (uv_rows, (half, _))] = nv12(picture);
    y_rows.check(luma.0.len(), luma.1)?;
    uv_rows.check(chroma.0.len(), chroma.1)?;
    let (y, u, v) = picture.planes();
    for (row, samples) in y.chunks_exact(width).zip(luma.0.chunks_mut(luma.1)) {
        samples[..width].copy_from_slice(row);
    }
    let rows = u.chunks_exact(half).zip(v.chunks_exact(half));
    for ((u, v), pairs) in rows.zip(chroma.0.chunks_mut(chroma.1)) {
        for ((u, v), pair) in u.iter().zip(v).zip(pairs.chunks_exact_mut(2)) {
            (pair[0], pair[1]) = (*u, *v);
        }
    }
    Ok(())
}

fn nv12(picture: &I420) -> [(Rows, (usize, usize)); 2] {
    let size = (picture.width(), picture.height());
    let (luma, chroma) = (picture.size(Plane::Y), picture.size(Plane::U));
    let y = Rows { what: "luma", size, row: luma.0, rows: luma.1 };
    let uv = Rows { what: "chroma", size, row: 2 * chroma.0, rows: chroma.1 };
    [(y, luma), (uv, chroma)]
}

/// Makes a picture, whose size it has before, of pairs of pixels whose rows begin `stride` bytes apart. A row of odd width ends
/// with a whole pair. Chroma of two rows is averaged.
///
/// # Errors
///
/// As [`from_nv12`].
pub fn from_packed_422(
    pairs: &[u8],
    stride: usize,
    layout: Packed422,
    picture: &mut I420,
) -> Result<(), PictureError> {
    let (width, rows) = picture.size(Plane::Y);
    let (half, _) = picture.size(Plane::U);
    let size = (picture.width(), picture.height());
    Rows { what: "pixels", size, row: 4 * half, rows }.check(pairs.len(), stride)?;
    let (luma, blue, red) = picture.planes_mut();
    let chroma = blue.chunks_exact_mut(half).zip(red.chunks_exact_mut(half));
    let both = luma.chunks_mut(2 * width).zip(pairs.chunks(2 * stride));
    for ((luma, pairs), (blue, red)) in both.zip(chroma) {
        let (first, second) = luma.split_at_mut(width);
        let (upper, lower) = pairs.split_at(stride.min(pairs.len()));
        // A row without one below it is its own neighbour.
        let lower = if second.is_empty() { upper } else { lower };
        let (upper, lower) = (&upper[..4 * half], &lower[..4 * half]);
        match layout {
            Packed422::Yuy2 => {
                brightness::<0>(upper, first);
                brightness::<0>(lower, second);
                difference::<1>(upper, lower, blue);
                difference::<3>(upper, lower, red);
            }
            Packed422::Uyvy => {
                brightness::<1>(upper, first);
                brightness::<1>(lower, second);
                difference::<0>(upper, lower, blue);
                difference::<2>(upper, lower, red);
            }
        }
    }
    Ok(())
}

fn brightness<const AT: usize>(pairs: &[u8], luma: &mut [u8]) {
    for (luma, sample) in luma.iter_mut().zip(pairs.chunks_exact(2)) {
        *luma = sample[AT];
    }
}

fn difference<const AT: usize>(upper: &[u8], lower: &[u8], chroma: &mut [u8]) {
    let rows = upper.chunks_exact(4).zip(lower.chunks_exact(4));
    for (chroma, (upper, lower)) in chroma.iter_mut().zip(rows) {
        *chroma = (u16::from(upper[AT]) + u16::from(lower[AT])).div_ceil(2) as u8;
    }
}

/// Brings samples of the full range, as JPEG has them, to the limited one that codecs are handed.
pub fn full_to_limited(picture: &mut I420) {
    let scale = |sample: &mut u8, base: i32, steps: i32, middle: i32| {
        // In 1/65536: 16 bits are exact to less than a hundredth of a step.
        let value = (i32::from(*sample) - middle) * ((steps << 16) / 255);
        *sample = (base + ((value + (1 << 15)) >> 16)) as u8;
    };
    let (luma, blue, red) = picture.planes_mut();
    luma.iter_mut().for_each(|sample| scale(sample, 16, 219, 0));
    blue.iter_mut().chain(red).for_each(|sample| scale(sample, 128, 224, 128));
}
