//! What makes clips worse, each with a seed where chance is in it.

use peerage_media::video::{I420, Plane};

/// A generator of normal deviates: xoroshiro128++ and sums of uniform ones.
#[derive(Clone, Debug)]
pub(crate) struct Chance([u64; 2]);

impl Chance {
    /// One of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mix = |mut z: u64| {
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        };
        Self([mix(seed ^ 0x9E37_79B9_7F4A_7C15), mix(seed.wrapping_add(0x1234_5678_9ABC_DEF1))])
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        let [a, mut b] = self.0;
        let out = a.wrapping_add(b).rotate_left(17).wrapping_add(a);
        b ^= a;
        self.0 = [a.rotate_left(49) ^ b ^ (b << 21), b.rotate_left(28)];
        out
    }

    /// From 0 to 1.
    pub(crate) fn uniform(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 24) as f32
    }

    /// Of deviation one: the sum of eight uniform ones, which is close enough up to three deviations.
    pub(crate) fn normal(&mut self) -> f32 {
        let (one, two) = (self.bits(), self.bits());
        let sum: u64 =
            (0..4).map(|i| (one >> (16 * i) & 0xFFFF) + (two >> (16 * i) & 0xFFFF)).sum();
        (sum as f32 / 65_535.0 - 4.0) * 1.2247
    }
}

/// Noise of a sensor: `gauss` of the same deviation everywhere, and `shot`, whose variance grows with the light: its deviation
/// at the brightest. Chroma has less, as a camera's own filter leaves it.
pub(crate) fn noise(picture: &mut I420, gauss: f32, shot: f32, chance: &mut Chance) {
    let (y, u, v) = picture.planes_mut();
    for sample in y.iter_mut() {
        let light = (f32::from(*sample) / 255.0).max(0.0);
        let deviation = (gauss * gauss + shot * shot * light).sqrt();
        *sample =
            (f32::from(*sample) + deviation * chance.normal()).round().clamp(0.0, 255.0) as u8;
    }
    let deviation = 0.7 * (gauss * gauss + 0.4 * shot * shot).sqrt();
    for sample in u.iter_mut().chain(v) {
        *sample =
            (f32::from(*sample) + deviation * chance.normal()).round().clamp(0.0, 255.0) as u8;
    }
}

/// Too little light: luma to a power, times a factor, and chroma with it.
pub(crate) fn darken(picture: &mut I420, power: f32, factor: f32) {
    let curve: Vec<f32> = (0..256)
        .map(|y| ((y as f32 - 16.0) / 219.0).clamp(0.0, 1.0))
        .map(|light| if light > 0.0 { factor * light.powf(power) } else { 0.0 })
        .collect();
    let (width, _) = picture.size(Plane::Y);
    let (half, _) = picture.size(Plane::U);
    let (y, u, v) = picture.planes_mut();
    for at in 0..u.len() {
        let (x, row) = (2 * (at % half), 2 * (at / half));
        let luma = usize::from(y[(row * width + x).min(y.len() - 1)]);
        let light = ((luma as f32 - 16.0) / 219.0).max(0.02);
        let ratio = (curve[luma] / light).min(1.0);
        for sample in [&mut u[at], &mut v[at]] {
            *sample = (128.0 + ratio * (f32::from(*sample) - 128.0)).round() as u8;
        }
    }
    for sample in y {
        *sample = (16.0 + 219.0 * curve[usize::from(*sample)]).round() as u8;
    }
}

/// Out of focus: a bell curve of this deviation, in samples of luma.
pub(crate) fn blur(picture: &mut I420, deviation: f32) {
    let (width, _) = picture.size(Plane::Y);
    let (half, _) = picture.size(Plane::U);
    let (y, u, v) = picture.planes_mut();
    blur_plane(y, width, deviation);
    blur_plane(u, half, deviation / 2.0);
    blur_plane(v, half, deviation / 2.0);
}

fn blur_plane(plane: &mut [u8], width: usize, deviation: f32) {
    let radius = (3.0 * deviation).ceil() as isize;
    let mut weights: Vec<f32> =
        (-radius..=radius).map(|x| (-0.5 * (x as f32 / deviation).powi(2)).exp()).collect();
    let sum: f32 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    let height = plane.len() / width;
    let mut between = vec![0.0; plane.len()];
    for y in 0..height {
        for x in 0..width {
            let tap =
                |at: isize| f32::from(plane[y * width + at.clamp(0, width as isize - 1) as usize]);
            let taps = (x as isize - radius..).map(tap);
            between[y * width + x] = weights.iter().zip(taps).map(|(w, s)| w * s).sum::<f32>();
        }
    }
    for y in 0..height {
        for x in 0..width {
            let tap = |at: isize| between[at.clamp(0, height as isize - 1) as usize * width + x];
            let taps = (y as isize - radius..).map(tap);
            let sum: f32 = weights.iter().zip(taps).map(|(w, s)| w * s).sum();
            plane[y * width + x] = sum.round().clamp(0.0, 255.0) as u8;
        }
    }
}

/// Light of a colour: what red, green and blue are multiplied with (BT.601, limited range).
pub(crate) fn cast(picture: &mut I420, gains: [f32; 3]) {
    let (width, height) = picture.size(Plane::Y);
    let (half, _) = picture.size(Plane::U);
    let (y, u, v) = picture.planes_mut();
    let (old_u, old_v) = (u.to_vec(), v.to_vec());
    let mut sums = vec![[0.0f32; 3]; u.len()];
    for row in 0..height {
        for x in 0..width {
            let at = row / 2 * half + x / 2;
            let luma = (f32::from(y[row * width + x]) - 16.0) / 219.0;
            let (cb, cr) =
                ((f32::from(old_u[at]) - 128.0) / 224.0, (f32::from(old_v[at]) - 128.0) / 224.0);
            let red = (luma + 1.402 * cr).max(0.0) * gains[0];
            let green = (luma - 0.344_14 * cb - 0.714_14 * cr).max(0.0) * gains[1];
            let blue = (luma + 1.772 * cb).max(0.0) * gains[2];
            let [red, green, blue] = [red, green, blue].map(|light| light.min(1.1));
            let luma = 0.299 * red + 0.587 * green + 0.114 * blue;
            y[row * width + x] = (16.0 + 219.0 * luma).round().clamp(0.0, 255.0) as u8;
            let sum = &mut sums[at];
            sum[0] += (blue - luma) / 1.772;
            sum[1] += (red - luma) / 1.402;
            sum[2] += 1.0;
        }
    }
    for ((u, v), [cb, cr, count]) in u.iter_mut().zip(v).zip(sums) {
        *u = (128.0 + 224.0 * cb / count).round().clamp(0.0, 255.0) as u8;
        *v = (128.0 + 224.0 * cr / count).round().clamp(0.0, 255.0) as u8;
    }
}
