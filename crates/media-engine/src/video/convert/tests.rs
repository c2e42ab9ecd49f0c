use proptest::prelude::*;

use super::*;
use crate::video::{I420, Plane};

const SPACES: [ColorSpace; 4] = [
    ColorSpace::BT601,
    ColorSpace::BT709,
    ColorSpace::JPEG,
    ColorSpace { matrix: Matrix::Bt709, range: Range::Full },
];
const LAYOUTS: [RgbLayout; 4] = [RgbLayout::Rgb, RgbLayout::Bgr, RgbLayout::Rgba, RgbLayout::Bgra];

/// As the standards write it.
fn exact(space: ColorSpace, [red, green, blue]: [u8; 3]) -> [f64; 3] {
    let (of_red, of_blue) = match space.matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
    };
    let [red, green, blue] = [red, green, blue].map(|one| f64::from(one) / 255.0);
    let luma = of_red * red + (1.0 - of_red - of_blue) * green + of_blue * blue;
    let (u, v) = ((blue - luma) / (2.0 - 2.0 * of_blue), (red - luma) / (2.0 - 2.0 * of_red));
    match space.range {
        Range::Limited => [16.0 + 219.0 * luma, 128.0 + 224.0 * u, 128.0 + 224.0 * v],
        Range::Full => {
            [255.0 * luma, (128.0 + 255.0 * u).min(255.0), (128.0 + 255.0 * v).min(255.0)]
        }
    }
}

#[test]
fn colors_are_those_of_the_standards() {
    for space in SPACES {
        let mut picture = I420::black(2, 2);
        for step in 0..4_096 {
            let color = [step >> 8, step >> 4 & 15, step & 15].map(|part| (part * 17) as u8);
            from_rgb(&color.repeat(4), 6, RgbLayout::Rgb, space, &mut picture).unwrap();
            let samples = picture.as_bytes();
            let got = [samples[0], samples[4], samples[5]];
            for (got, exact) in got.iter().zip(exact(space, color)) {
                assert!(
                    (f64::from(*got) - exact).abs() < 0.52,
                    "{color:?} {space:?}: {got} {exact}"
                );
            }
        }
    }
}

#[test]
fn white_black_and_grey_are_what_they_are() {
    for (space, black, white) in [(ColorSpace::BT601, 16, 235), (ColorSpace::JPEG, 0, 255)] {
        let mut picture = I420::black(2, 2);
        for (value, luma) in [(0, black), (255, white)] {
            from_rgb(&[value; 16], 8, RgbLayout::Rgba, space, &mut picture).unwrap();
            assert_eq!(picture.as_bytes(), [luma, luma, luma, luma, 128, 128]);
            let mut back = [7; 16];
            to_rgb(&picture, space, RgbLayout::Bgra, &mut back, 8).unwrap();
            assert_eq!(back, [value, value, value, 255].repeat(4)[..]);
        }
    }
}

proptest! {
    #[test]
    fn colors_come_back(
        (width, height) in (1_u16..150, 1_u16..20),
        padding in 0_usize..9,
        (space, layout) in (0_usize..4, 0_usize..4),
        seed: u32,
    ) {
        let (space, layout) = (SPACES[space], LAYOUTS[layout]);
        // Each 2x2 pixels have one colour: what shares chroma cannot be told apart.
        let mut state = seed;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let (columns, rows, bytes) = (usize::from(width), usize::from(height), layout.bytes());
        let colors: Vec<[u8; 3]> =
            (0..columns.div_ceil(2) * rows.div_ceil(2)).map(|_| [random(), random(), random()]).collect();
        let stride = columns * bytes + padding;
        let mut pixels = vec![0; stride * rows - padding];
        for y in 0..rows {
            for x in 0..columns {
                let color = colors[y / 2 * columns.div_ceil(2) + x / 2];
                let pixel = &mut pixels[y * stride + x * bytes..][..bytes];
                pixel[..3].copy_from_slice(&color);
                if bytes == 4 {
                    pixel[3] = 255;
                }
            }
        }
        let mut picture = I420::black(width, height);
        from_rgb(&pixels, stride, layout, space, &mut picture).unwrap();
        let mut back = vec![0; pixels.len()];
        to_rgb(&picture, space, layout, &mut back, stride).unwrap();
        // In the limited range a step of luma is 1.16 of these and one of chroma up to 2.1.
        let most = if space.range == Range::Full { 2 } else { 3 };
        for (was, is) in pixels.iter().zip(&back) {
            prop_assert!(was.abs_diff(*is) <= most, "{was} became {is}");
        }
    }

    #[test]
    fn samples_in_other_places_are_the_same(
        (width, height) in (1_u16..40, 1_u16..12),
        padding in 0_usize..5,
        seed: u8,
    ) {
        let mut picture = I420::black(width, height);
        let (y, u, v) = picture.planes_mut();
        for (at, sample) in y.iter_mut().chain(u).chain(v).enumerate() {
            *sample = (at as u8).wrapping_mul(37) ^ seed;
        }
        let (columns, rows) = picture.size(Plane::Y);
        let (half, half_rows) = picture.size(Plane::U);
        let (stride, pair_stride) = (columns + padding, 2 * half + padding);
        let (mut luma, mut chroma) = (vec![0; stride * rows], vec![0; pair_stride * half_rows]);
        to_nv12(&picture, (&mut luma, stride), (&mut chroma, pair_stride)).unwrap();
        let mut back = I420::black(width, height);
        from_nv12((&luma, stride), (&chroma, pair_stride), &mut back).unwrap();
        prop_assert_eq!(&back, &picture);
        // The same as pairs, each row with the chroma of its block.
        let stride = 4 * half + padding;
        let mut pairs = vec![0; stride * rows - padding];
        for layout in [Packed422::Yuy2, Packed422::Uyvy] {
            let (y, u, v) = picture.planes();
            for row in 0..rows {
                for pair in 0..half {
                    let at = row / 2 * half + pair;
                    let first = y[row * columns + 2 * pair];
                    let second = y[row * columns + (2 * pair + 1).min(columns - 1)];
                    let samples = match layout {
                        Packed422::Yuy2 => [first, u[at], second, v[at]],
                        Packed422::Uyvy => [u[at], first, v[at], second],
                    };
                    pairs[row * stride + 4 * pair..][..4].copy_from_slice(&samples);
                }
            }
            from_packed_422(&pairs, stride, layout, &mut back).unwrap();
            prop_assert_eq!(&back, &picture);
        }
    }
}

#[test]
fn the_full_range_becomes_the_limited_one() {
    let mut picture = I420::from_planes(2, 2, vec![0, 255, 128, 1, 0, 255]).unwrap();
    full_to_limited(&mut picture);
    assert_eq!(picture.as_bytes(), [16, 235, 126, 17, 16, 240]);
}

#[test]
fn what_is_too_short_is_refused() {
    let mut picture = I420::black(5, 3);
    let error = from_rgb(&[0; 44], 15, RgbLayout::Rgb, ColorSpace::BT601, &mut picture);
    let told = error.unwrap_err().to_string();
    assert_eq!(told, "pixels: 44 bytes, but a picture of 5x3 takes 45");
    assert!(from_rgb(&[0; 45], 15, RgbLayout::Rgb, ColorSpace::BT601, &mut picture).is_ok());
    let error = from_packed_422(&[0; 99], 11, Packed422::Yuy2, &mut picture).unwrap_err();
    assert_eq!(error.to_string(), "pixels: rows begin 11 bytes apart, but each has 12");
    let far = from_nv12((&[0; 15], 5), (&[0; 12], usize::MAX), &mut picture);
    assert!(matches!(far, Err(PictureError::TooShort { what: "chroma", .. })));
    assert!(to_rgb(&picture, ColorSpace::JPEG, RgbLayout::Bgra, &mut [0; 59], 20).is_err());
}
