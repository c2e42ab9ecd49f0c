use proptest::prelude::*;

use super::*;
use crate::video::pattern::NumberedPicture;
use crate::video::{Area, I420, PictureError, Rotation};

fn noise(width: u16, height: u16, seed: u32) -> I420 {
    let mut picture = I420::black(width, height);
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let (y, u, v) = picture.planes_mut();
    for sample in y.iter_mut().chain(u).chain(v) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *sample = (state >> 24) as u8;
    }
    picture
}

fn scaled(source: &I420, area: Area, size: (u16, u16)) -> I420 {
    let mut target = I420::black(size.0, size.1);
    Scaler::new().scale(source, area, &mut target).unwrap();
    target
}

/// A plain reckoning in floating point of one sample of luma.
fn reference(source: &I420, area: Area, size: (u16, u16), x: u16, y: u16) -> f64 {
    let axis = |begin: u16, length: u16, to: u16, at: u16, all: u16| {
        let step = f64::from(length) / f64::from(to);
        let middle = f64::from(begin) + (f64::from(at) + 0.5) * step - 0.5;
        let middle = middle.clamp(0.0, f64::from(all - 1));
        let weight = |sample: u16| {
            let distance = (f64::from(sample) - middle).abs() / step.max(1.0);
            let angle = std::f64::consts::PI * distance;
            match distance {
                _ if distance >= 1.0 => 0.0,
                _ if step <= 1.0 => 1.0 - distance,
                0.0 => 1.0,
                _ => angle.sin() / angle * (0.54 + 0.46 * angle.cos()),
            }
        };
        (0..all).map(weight).collect::<Vec<_>>()
    };
    let across = axis(area.x, area.width, size.0, x, source.width());
    let down = axis(area.y, area.height, size.1, y, source.height());
    let (mut sum, mut all) = (0.0, 0.0);
    let luma = source.planes().0;
    for (row, down) in luma.chunks_exact(source.width().into()).zip(&down) {
        for (sample, across) in row.iter().zip(&across) {
            sum += f64::from(*sample) * across * down;
            all += across * down;
        }
    }
    sum / all
}

proptest! {
    #[test]
    fn any_part_of_any_picture_is_scaled_to_any_size(
        (width, height, to_width, to_height) in (1_u16..70, 1_u16..70, 1_u16..70, 1_u16..70),
        (left, top, right, bottom) in (0.0..1.0, 0.0..1.0, 0.0..1.0, 0.0..1.0),
        seed: u32,
    ) {
        let place = |at: f64, all: u16| (at * f64::from(all)) as u16;
        let (x, y) = (place(left, width), place(top, height));
        let area = Area {
            x,
            y,
            width: place(right, width - x).max(1),
            height: place(bottom, height - y).max(1),
        };
        let source = noise(width, height, seed);
        let target = scaled(&source, area, (to_width, to_height));
        for (x, y) in [(0, 0), (to_width - 1, to_height - 1), (to_width / 2, to_height / 3)] {
            let exact = reference(&source, area, (to_width, to_height), x, y);
            let got = target.planes().0[usize::from(y) * usize::from(to_width) + usize::from(x)];
            // Weights of columns have eight bits; noise is the worst there is.
            prop_assert!((f64::from(got) - exact).abs() <= 3.0, "{got} for {exact} at {x}, {y}");
        }
    }

    #[test]
    fn turning_goes_round(width in 1_u16..50, height in 1_u16..50, seed: u32) {
        let source = noise(width, height, seed);
        let (mut once, mut twice, mut half) =
            (I420::black(1, 1), I420::black(1, 1), I420::black(1, 1));
        rotate(&source, Rotation::Quarter, &mut once);
        prop_assert_eq!((once.width(), once.height()), (height, width));
        // What was lower left is upper left.
        prop_assert_eq!(once.as_bytes()[0], source.as_bytes()[usize::from(width) * usize::from(height - 1)]);
        rotate(&once, Rotation::Quarter, &mut twice);
        rotate(&source, Rotation::Half, &mut half);
        prop_assert_eq!(&twice, &half);
        rotate(&once, Rotation::ThreeQuarters, &mut twice);
        prop_assert_eq!(&twice, &source);
        rotate(&source, Rotation::None, &mut twice);
        prop_assert_eq!(&twice, &source);
    }

    #[test]
    fn a_part_of_a_ratio_is_in_the_picture(
        (width, height) in (1_u16..2_000, 1_u16..2_000),
        ratio in (0_u16..40, 0_u16..40),
    ) {
        let area = Area::of_ratio(width, height, ratio);
        prop_assert!(area.check(&I420::black(width, height)).is_ok());
        prop_assert_eq!((area.x % 2, area.y % 2), (0, 0));
        prop_assert!(area.width == width || area.height == height);
        let (across, down) = (f64::from(ratio.0.max(1)), f64::from(ratio.1.max(1)));
        let ideal = (f64::from(width).min(f64::from(height) * across / down),
                     f64::from(height).min(f64::from(width) * down / across));
        prop_assert!((f64::from(area.width) - ideal.0).abs() <= 1.0, "{area:?}");
        prop_assert!((f64::from(area.height) - ideal.1).abs() <= 1.0, "{area:?}");
    }
}

#[test]
fn a_part_of_the_same_size_is_cut_out() {
    let source = noise(31, 17, 5);
    let area = Area { x: 30, y: 16, width: 1, height: 1 };
    let corner = scaled(&source, area, (1, 1));
    let last = |plane: &[u8]| *plane.last().unwrap();
    let (y, u, v) = source.planes();
    assert_eq!(corner.as_bytes(), [last(y), last(u), last(v)]);
    assert_eq!(scaled(&source, Area::of(&source), (31, 17)), source);
    // Another one with the same scaler: what was worked out for the first is not used.
    let mut scaler = Scaler::new();
    let mut out = I420::black(4, 4);
    for x in [0, 2, 8] {
        scaler.scale(&source, Area { x, y: 2, width: 4, height: 4 }, &mut out).unwrap();
        assert_eq!(out.as_bytes()[..4], y[62 + usize::from(x)..][..4]);
    }
}

#[test]
fn a_picture_of_one_colour_stays_so() {
    for value in [0, 1, 16, 127, 255] {
        let source = I420::from_planes(37, 23, vec![value; 37 * 23 + 2 * 19 * 12]).unwrap();
        for size in [(1, 1), (5, 9), (37, 46), (74, 3), (200, 100)] {
            let out = scaled(&source, Area::of(&source), size);
            assert!(out.as_bytes().iter().all(|sample| *sample == value), "{value} at {size:?}");
        }
    }
}

#[test]
fn what_is_too_fine_becomes_grey_rather_than_a_false_pattern() {
    let mut source = I420::black(640, 360);
    let luma = source.planes_mut().0;
    for (at, sample) in luma.iter_mut().enumerate() {
        *sample = if (at % 640 + at / 640) % 2 == 0 { 235 } else { 16 };
    }
    let out = scaled(&source, Area::of(&source), (214, 120));
    for sample in &out.planes().0[214..214 * 119] {
        assert!((i32::from(*sample) - 126).abs() <= 4, "{sample}");
    }
}

#[test]
fn numbers_are_read_from_scaled_pictures() {
    let source = NumberedPicture::new(201, 0).draw(1280, 720);
    for size in [(640, 360), (320, 180), (853, 480), (1920, 1080)] {
        let out = scaled(&source, Area::of(&source), size);
        assert_eq!(NumberedPicture::read(&out).number, Some(201), "{size:?}");
    }
}

#[test]
fn what_is_outside_is_refused() {
    let (source, mut target) = (I420::black(8, 8), I420::black(2, 2));
    for (x, width) in [(0, 0), (0, 9), (8, 1), (7, 2), (u16::MAX, u16::MAX)] {
        let area = Area { x, y: 0, width, height: 8 };
        let error = Scaler::new().scale(&source, area, &mut target).unwrap_err();
        assert_eq!(error, PictureError::Outside { area, width: 8, height: 8 });
    }
    let area = Area { x: 7, y: 0, width: 2, height: 8 };
    let error = Scaler::new().scale(&source, area, &mut target).unwrap_err();
    assert_eq!(error.to_string(), "2 x 8 at 7, 0 is not a part of a picture of 8x8");
}
