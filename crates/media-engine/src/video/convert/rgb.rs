//! Red, green and blue.

use super::super::{I420, PictureError, Plane};
use super::Rows;
use super::color::{BACKWARD_BITS, Backward, ColorSpace, FORWARD_BITS, Forward};

/// The order of bytes in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RgbLayout {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Red, green, blue, and how opaque it is.
    Rgba,
    /// Blue, green, red, and how opaque it is: what X11 and most cameras of computers have.
    Bgra,
}

impl RgbLayout {
    /// Bytes of a pixel.
    pub fn bytes(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Rgba | Self::Bgra => 4,
        }
    }
}

/// Pixels that are worked on at a time: even, and small enough for the first cache.
const STRETCH: usize = 64;

/// A stretch of one channel.
type Channel = [i16; STRETCH];
/// Red, green and blue of a stretch.
type Channels = [Channel; 3];

fn rows(layout: RgbLayout, picture: &I420) -> Rows {
    let (width, rows) = picture.size(Plane::Y);
    let size = (picture.width(), picture.height());
    Rows { what: "pixels", size, row: width * layout.bytes(), rows }
}

/// Makes a picture, whose size it has before, of pixels whose rows begin `stride` bytes apart. How opaque they are does not
/// matter.
///
/// # Errors
///
/// [`PictureError::TooShort`] and [`PictureError::Stride`] for fewer pixels than the picture has.
pub fn from_rgb(
    pixels: &[u8],
    stride: usize,
    layout: RgbLayout,
    space: ColorSpace,
    picture: &mut I420,
) -> Result<(), PictureError> {
    let rows = rows(layout, picture);
    rows.check(pixels.len(), stride)?;
    let pixels = Pixels { data: pixels, stride, row: rows.row };
    let weights = space.forward();
    match layout {
        RgbLayout::Rgb => read::<3, 0>(pixels, &weights, picture),
        RgbLayout::Bgr => read::<3, 2>(pixels, &weights, picture),
        RgbLayout::Rgba => read::<4, 0>(pixels, &weights, picture),
        RgbLayout::Bgra => read::<4, 2>(pixels, &weights, picture),
    }
    Ok(())
}

/// Writes a picture as pixels whose rows begin `stride` bytes apart, all opaque. What lies between rows is left as it is.
///
/// # Errors
///
/// As [`from_rgb`].
pub fn to_rgb(
    picture: &I420,
    space: ColorSpace,
    layout: RgbLayout,
    pixels: &mut [u8],
    stride: usize,
) -> Result<(), PictureError> {
    rows(layout, picture).check(pixels.len(), stride)?;
    let weights = space.backward();
    match layout {
        RgbLayout::Rgb => write::<3, 0>(picture, &weights, pixels, stride),
        RgbLayout::Bgr => write::<3, 2>(picture, &weights, pixels, stride),
        RgbLayout::Rgba => write::<4, 0>(picture, &weights, pixels, stride),
        RgbLayout::Bgra => write::<4, 2>(picture, &weights, pixels, stride),
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Pixels<'a> {
    data: &'a [u8],
    stride: usize,
    row: usize,
}

impl<'a> Pixels<'a> {
    fn row(self, number: usize) -> &'a [u8] {
        &self.data[number * self.stride..][..self.row]
    }
}

fn read<const BYTES: usize, const RED: usize>(
    pixels: Pixels<'_>,
    weights: &Forward,
    picture: &mut I420,
) {
    let (width, height) = picture.size(Plane::Y);
    let (half, _) = picture.size(Plane::U);
    let (luma, blue, red) = picture.planes_mut();
    let chroma = blue.chunks_exact_mut(half).zip(red.chunks_exact_mut(half));
    let mut channels = [[[0; STRETCH]; 3]; 2];
    for ((number, luma), (blue, red)) in luma.chunks_mut(2 * width).enumerate().zip(chroma) {
        // A row without one below it is its own neighbour.
        let below = (2 * number + 1).min(height - 1);
        let (upper, lower) = (pixels.row(2 * number), pixels.row(below));
        let (first, second) = luma.split_at_mut(width);
        for begin in (0..width).step_by(STRETCH) {
            let count = STRETCH.min(width - begin);
            let pixels = begin * BYTES..(begin + count) * BYTES;
            let [above, under] = &mut channels;
            split::<BYTES, RED>(&upper[pixels.clone()], above);
            brightness(above, weights, &mut first[begin..begin + count]);
            split::<BYTES, RED>(&lower[pixels], under);
            if !second.is_empty() {
                brightness(under, weights, &mut second[begin..begin + count]);
            }
            let sums = add(above, under, count);
            let place = begin / 2..begin / 2 + count.div_ceil(2);
            difference(&sums, &weights.u, &mut blue[place.clone()]);
            difference(&sums, &weights.v, &mut red[place]);
        }
    }
}

/// Takes pixels apart.
fn split<const BYTES: usize, const RED: usize>(pixels: &[u8], channels: &mut Channels) {
    let [red, green, blue] = channels;
    for (((pixel, red), green), blue) in pixels.chunks_exact(BYTES).zip(red).zip(green).zip(blue) {
        if let Ok(pixel) = <[u8; 4]>::try_from(pixel) {
            // As one number, taken apart by shifts: that is done to several at once.
            let pixel = u32::from_le_bytes(pixel);
            let part = |at: usize| ((pixel >> (8 * at)) & 255) as i16;
            (*red, *green, *blue) = (part(RED), part(1), part(2 - RED));
        } else {
            *red = pixel[RED].into();
            *green = pixel[1].into();
            *blue = pixel[2 - RED].into();
        }
    }
}

fn brightness(channels: &Channels, weights: &Forward, luma: &mut [u8]) {
    let [red, green, blue] = channels;
    let base = (weights.base << FORWARD_BITS) + (1 << (FORWARD_BITS - 1));
    let [of_red, of_green, of_blue] = weights.y;
    for (((luma, red), green), blue) in luma.iter_mut().zip(red).zip(green).zip(blue) {
        let sum =
            i32::from(*red) * of_red + i32::from(*green) * of_green + i32::from(*blue) * of_blue;
        *luma = ((sum + base) >> FORWARD_BITS) as u8;
    }
}

/// The sum of each 2x2 pixels; a last column without a neighbour counts twice.
fn add(upper: &Channels, lower: &Channels, count: usize) -> Channels {
    let mut sums = [[0; STRETCH]; 3];
    for ((sums, upper), lower) in sums.iter_mut().zip(upper).zip(lower) {
        let mut both = [0; STRETCH];
        for ((both, upper), lower) in both.iter_mut().zip(upper).zip(lower) {
            *both = upper + lower;
        }
        if count % 2 == 1 {
            both[count] = both[count - 1];
        }
        for (sum, pair) in sums.iter_mut().zip(both.chunks_exact(2)) {
            *sum = pair[0] + pair[1];
        }
    }
    sums
}

fn difference(sums: &Channels, weights: &[i32; 3], chroma: &mut [u8]) {
    let [red, green, blue] = sums;
    // Two more bits, for four pixels were added.
    const BITS: u32 = FORWARD_BITS + 2;
    let base = (128 << BITS) + (1 << (BITS - 1));
    let [of_red, of_green, of_blue] = *weights;
    for (((chroma, red), green), blue) in chroma.iter_mut().zip(red).zip(green).zip(blue) {
        let sum =
            i32::from(*red) * of_red + i32::from(*green) * of_green + i32::from(*blue) * of_blue;
        // In the full range the strongest colours would be 256.
        *chroma = ((sum + base) >> BITS).min(255) as u8;
    }
}

fn write<const BYTES: usize, const RED: usize>(
    picture: &I420,
    weights: &Backward,
    pixels: &mut [u8],
    stride: usize,
) {
    let (width, _) = picture.size(Plane::Y);
    let (half, _) = picture.size(Plane::U);
    let (luma, blue, red) = picture.planes();
    for (number, (luma, pixels)) in
        luma.chunks_exact(width).zip(pixels.chunks_mut(stride)).enumerate()
    {
        let row = number / 2 * half..(number / 2 + 1) * half;
        let (blue, red) = (&blue[row.clone()], &red[row]);
        let stretches = luma.chunks(STRETCH).zip(pixels.chunks_mut(STRETCH * BYTES));
        let chroma = blue.chunks(STRETCH / 2).zip(red.chunks(STRETCH / 2));
        for ((luma, pixels), (blue, red)) in stretches.zip(chroma) {
            join::<BYTES, RED>(luma, &colors(luma, blue, red, weights), pixels);
        }
    }
}

/// Red, green and blue of a stretch, within 0 and 255.
fn colors(luma: &[u8], blue: &[u8], red: &[u8], weights: &Backward) -> [[u8; STRETCH]; 3] {
    let (mut y, mut u, mut v) = ([0_i16; STRETCH], [0_i16; STRETCH], [0_i16; STRETCH]);
    for (y, luma) in y.iter_mut().zip(luma) {
        *y = i16::from(*luma) - weights.base as i16;
    }
    let pairs = u.chunks_exact_mut(2).zip(v.chunks_exact_mut(2));
    for (((u, v), blue), red) in pairs.zip(blue).zip(red) {
        u.fill(i16::from(*blue) - 128);
        v.fill(i16::from(*red) - 128);
    }
    let mut channels = [[0; STRETCH]; 3];
    let [red, green, blue] = &mut channels;
    let clamp = |sum: i32| (sum >> BACKWARD_BITS).clamp(0, 255) as u8;
    for at in 0..STRETCH {
        let (u, v) = (i32::from(u[at]), i32::from(v[at]));
        let y = i32::from(y[at]) * weights.y + (1 << (BACKWARD_BITS - 1));
        red[at] = clamp(y + v * weights.red_v);
        green[at] = clamp(y + u * weights.green_u + v * weights.green_v);
        blue[at] = clamp(y + u * weights.blue_u);
    }
    channels
}

/// Puts pixels together.
fn join<const BYTES: usize, const RED: usize>(
    luma: &[u8],
    [red, green, blue]: &[[u8; STRETCH]; 3],
    pixels: &mut [u8],
) {
    // The row may have more bytes than pixels, where its stride is longer.
    let pixels = pixels.chunks_exact_mut(BYTES).take(luma.len());
    for (((pixel, red), green), blue) in pixels.zip(red).zip(green).zip(blue) {
        if BYTES == 4 {
            let (red, blue) = (u32::from(*red) << (8 * RED), u32::from(*blue) << (16 - 8 * RED));
            let whole = red | (u32::from(*green) << 8) | blue | (255 << 24);
            pixel.copy_from_slice(&whole.to_le_bytes());
        } else {
            pixel[RED] = *red;
            pixel[1] = *green;
            pixel[2 - RED] = *blue;
        }
    }
}
