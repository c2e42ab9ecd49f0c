//! Enhancement brings pictures nearer to what they were before something made them worse, by at least so many dB, and leaves alone
//! those that nothing is wrong with. Clips of the corpora are skipped where they or ffmpeg are missing.

mod picture_support;

use peerage_media::video::I420;
use peerage_media::video::enhance::{EnhanceConfig, Enhancer, Stage};
use picture_support::clips::Clip;
use picture_support::degrade::{self, Chance};
use picture_support::judge::{mean, psnr, psnr_of_all, ssim};

/// Pictures of each clip, ...
const COUNT: u32 = 18;
/// ... of which the first are not judged: filters through time have only begun.
const BEGIN: usize = 6;

fn room() -> Clip {
    Clip::room(480, 270, COUNT)
}

fn pan() -> Clip {
    Clip::pan(480, 270, COUNT)
}

fn bunny() -> Option<Clip> {
    Clip::of_corpus("bigbuckbunny", "bigbuckbunny.mp4", (1280, 720), 0, COUNT)
}

fn bikes() -> Option<Clip> {
    Clip::of_corpus("bikes", "bikes.mp4", (640, 272), 20, COUNT)
}

fn carphone() -> Option<Clip> {
    Clip::of_corpus("carphone", "carphone_pristine.mp4", (176, 144), 0, COUNT)
}

fn enhanced(clip: &Clip, stages: &[Stage]) -> Clip {
    let config = stages.iter().fold(EnhanceConfig::off(), |config, stage| config.with(*stage, 1.0));
    let mut enhancer = Enhancer::new(config);
    clip.degraded(|picture| enhancer.process(picture))
}

fn judged(clean: &Clip, other: &Clip, judge: fn(&I420, &I420) -> f64) -> f64 {
    let pairs = clean.pictures.iter().zip(&other.pictures).skip(BEGIN);
    mean(pairs.map(|(clean, other)| judge(clean, other)))
}

/// Makes a clip worse, has it enhanced, and demands so many dB and so much of SSIM more than before.
fn demand(
    clip: Option<Clip>,
    damage: impl Fn(&mut I420, &mut Chance),
    stages: &[Stage],
    judge: fn(&I420, &I420) -> f64,
    (decibels, similarity): (f64, f64),
) {
    let Some(clip) = clip else { return };
    let mut chance = Chance::new(3);
    let degraded = clip.degraded(|picture| damage(picture, &mut chance));
    let out = enhanced(&degraded, stages);
    let (before, after) = (judged(&clip, &degraded, judge), judged(&clip, &out, judge));
    let (ssim_before, ssim_after) = (judged(&clip, &degraded, ssim), judged(&clip, &out, ssim));
    println!(
        "{} {stages:?}: {before:.2} to {after:.2} dB, {ssim_before:.4} to {ssim_after:.4}",
        clip.name
    );
    assert!(after >= before + decibels, "{}: {before:.2} to {after:.2} dB", clip.name);
    assert!(
        ssim_after >= ssim_before + similarity,
        "{}: {ssim_before:.4} to {ssim_after:.4}",
        clip.name
    );
    if stages == [Stage::Denoise] {
        let all = clip.pictures.iter().zip(&degraded.pictures).zip(&out.pictures);
        for (number, ((clean, degraded), out)) in all.enumerate() {
            let (before, after) = (psnr(clean, degraded), psnr(clean, out));
            // Of the first nothing is known but itself, and fine drawing may pass for noise.
            let least = if number == 0 { before - 0.5 } else { before };
            assert!(after > least, "{}, picture {number}: {before} to {after}", clip.name);
        }
    }
}

#[test]
fn noise_is_taken_out() {
    let weak = |picture: &mut I420, chance: &mut Chance| degrade::noise(picture, 4.0, 5.0, chance);
    let middle =
        |picture: &mut I420, chance: &mut Chance| degrade::noise(picture, 8.0, 10.0, chance);
    let strong =
        |picture: &mut I420, chance: &mut Chance| degrade::noise(picture, 18.0, 15.0, chance);
    let stages = &[Stage::Denoise];
    demand(Some(room()), weak, stages, psnr, (3.1, 0.18));
    demand(Some(room()), middle, stages, psnr, (6.5, 0.39));
    demand(Some(room()), strong, stages, psnr, (9.4, 0.53));
    demand(Some(pan()), weak, stages, psnr, (8.5, 0.17));
    demand(Some(pan()), middle, stages, psnr, (7.8, 0.38));
    demand(Some(pan()), strong, stages, psnr, (10.2, 0.57));
    demand(bunny(), middle, stages, psnr, (8.3, 0.30));
    demand(bikes(), middle, stages, psnr, (9.8, 0.40));
    demand(carphone(), weak, stages, psnr, (2.7, 0.085));
    demand(carphone(), middle, stages, psnr, (6.1, 0.23));
    demand(carphone(), strong, stages, psnr, (8.9, 0.40));
}

#[test]
fn dark_pictures_are_lifted() {
    let dark = |picture: &mut I420, _: &mut Chance| degrade::darken(picture, 2.0, 0.7);
    let noisy = |picture: &mut I420, chance: &mut Chance| {
        degrade::darken(picture, 2.0, 0.7);
        degrade::noise(picture, 3.0, 3.0, chance);
    };
    let (light, both) = ([Stage::LowLight], [Stage::Denoise, Stage::LowLight]);
    demand(Some(room()), dark, &light, psnr_of_all, (12.5, 0.27));
    demand(Some(room()), noisy, &both, psnr_of_all, (12.0, 0.32));
    demand(Some(pan()), dark, &light, psnr_of_all, (17.0, 0.29));
    demand(bunny(), dark, &light, psnr_of_all, (10.5, 0.25));
    demand(bikes(), dark, &light, psnr_of_all, (8.8, 0.24));
    demand(carphone(), noisy, &both, psnr_of_all, (8.3, 0.27));
}

#[test]
fn soft_pictures_are_sharpened() {
    let soft = |picture: &mut I420, _: &mut Chance| degrade::blur(picture, 1.5);
    let stages = &[Stage::Sharpen];
    demand(Some(room()), soft, stages, psnr, (0.5, 0.015));
    demand(bunny(), soft, stages, psnr, (1.5, 0.02));
    demand(bikes(), soft, stages, psnr, (2.2, 0.005));
    demand(carphone(), soft, stages, psnr, (1.4, 0.03));
}

#[test]
fn the_colour_of_the_light_is_taken_out() {
    let warm = |picture: &mut I420, _: &mut Chance| degrade::cast(picture, [1.15, 1.0, 0.7]);
    let cold = |picture: &mut I420, _: &mut Chance| degrade::cast(picture, [0.8, 1.0, 1.25]);
    let stages = &[Stage::WhiteBalance];
    // Luma has hardly changed: nothing is asked of SSIM.
    demand(Some(room()), warm, stages, psnr_of_all, (14.0, -0.001));
    demand(Some(room()), cold, stages, psnr_of_all, (8.0, -0.001));
    demand(bikes(), warm, stages, psnr_of_all, (14.0, -0.001));
    demand(bikes(), cold, stages, psnr_of_all, (7.0, -0.001));
    demand(carphone(), warm, stages, psnr_of_all, (13.0, -0.001));
    demand(carphone(), cold, stages, psnr_of_all, (6.5, -0.001));
    // Grass as far as one sees: what is not sure is not done.
    demand(bunny(), warm, stages, psnr_of_all, (0.0, -0.001));
    demand(bunny(), cold, stages, psnr_of_all, (0.0, -0.001));
}

#[test]
fn what_is_well_stays_so() {
    for clip in [Some(room()), Some(pan()), bunny(), bikes()].into_iter().flatten() {
        for stage in Stage::ALL {
            let out = enhanced(&clip, &[stage]);
            let (luma, all) = (judged(&clip, &out, psnr), judged(&clip, &out, psnr_of_all));
            println!("{} {stage:?}: {luma:.1} dB, {all:.1} dB with chroma", clip.name);
            assert!(luma > 45.0 && all > 45.0, "{} {stage:?}: {luma}, {all}", clip.name);
        }
    }
    // Filmed in a car by a camera with noise of its own, of which some goes.
    if let Some(clip) = carphone() {
        let out = enhanced(&clip, &Stage::ALL);
        let all = judged(&clip, &out, psnr_of_all);
        assert!(all > 38.0, "{all}");
    }
}

#[test]
fn flat_pictures_are_not_touched() {
    for (y, u, v) in
        [(128, 128, 128), (16, 128, 128), (235, 128, 128), (180, 90, 150), (90, 200, 60)]
    {
        let mut flat = I420::black(97, 65);
        let planes = flat.planes_mut();
        planes.0.fill(y);
        planes.1.fill(u);
        planes.2.fill(v);
        let clip = Clip { name: "flat", pictures: vec![flat; 8] };
        for stage in Stage::ALL {
            // Darkness is what low light lifts; black it leaves black.
            if stage == Stage::LowLight && y == 90 {
                continue;
            }
            assert!(
                enhanced(&clip, &[stage]).pictures == clip.pictures,
                "{stage:?} of {y} {u} {v}"
            );
        }
    }
}

#[test]
fn what_moves_leaves_no_trace() {
    let clip = room();
    let mut chance = Chance::new(5);
    let degraded = clip.degraded(|picture| degrade::noise(picture, 8.0, 10.0, &mut chance));
    let out = enhanced(&degraded, &[Stage::Denoise]);
    // Where the ball was in the picture before and is not now.
    let (mut before, mut after, mut count) = (0u64, 0u64, 0);
    for n in 1..clip.pictures.len() {
        let planes = |clip: &Clip, n: usize| clip.pictures[n].planes().0.to_vec();
        let (was, is) = (planes(&clip, n - 1), planes(&clip, n));
        let (noisy, out) = (planes(&degraded, n), planes(&out, n));
        for at in 0..is.len() {
            if was[at].abs_diff(is[at]) > 40 {
                before += u64::from(noisy[at].abs_diff(is[at])).pow(2);
                after += u64::from(out[at].abs_diff(is[at])).pow(2);
                count += 1;
            }
        }
    }
    assert!(count > 1_000);
    assert!(after < before, "{after} of {before} in {count} samples");
}

#[test]
fn light_does_not_flicker_and_follows_cuts() {
    let room = room();
    let mut chance = Chance::new(9);
    let noisy = |power: f32, chance: &mut Chance| {
        let mut picture = room.pictures[0].clone();
        degrade::darken(&mut picture, power, 0.8);
        degrade::noise(&mut picture, 4.0, 2.0, chance);
        picture
    };
    let mut enhancer = Enhancer::new(EnhanceConfig::off().with(Stage::LowLight, 1.0));
    let brightness = |picture: &I420| {
        picture.planes().0.iter().map(|luma| f64::from(*luma)).sum::<f64>()
            / picture.planes().0.len() as f64
    };
    let mut last: Option<f64> = None;
    for n in 0..40 {
        // Clouds pass: a little darker and lighter from picture to picture.
        let power = if n % 2 == 0 { 2.0 } else { 2.05 };
        let mut picture = noisy(power, &mut chance);
        let dark = brightness(&picture);
        enhancer.process(&mut picture);
        let lifted = brightness(&picture);
        assert!(lifted > dark + 30.0, "{dark} to {lifted}");
        if let Some(last) = last.replace(lifted) {
            assert!((lifted - last).abs() < 4.0, "picture {n}: {last}, then {lifted}");
        }
    }
    // Something bright comes and goes: what is beside it stays as it is.
    let mut enhancer = Enhancer::new(EnhanceConfig::off().with(Stage::LowLight, 1.0));
    let corner = |picture: &I420| {
        let rows = picture.planes().0.chunks_exact(480).skip(180);
        let sum: u64 =
            rows.map(|row| row[..240].iter().map(|luma| u64::from(*luma)).sum::<u64>()).sum();
        sum as f64 / (90.0 * 240.0)
    };
    let mut last: Option<f64> = None;
    for n in 0..20 {
        let mut picture = room.pictures[0].clone();
        degrade::darken(&mut picture, 2.0, 0.6);
        if n % 3 == 2 {
            for row in picture.planes_mut().0.chunks_exact_mut(480).take(150) {
                row[300..].fill(200);
            }
        }
        enhancer.process(&mut picture);
        let lifted = corner(&picture);
        if let Some(last) = last.replace(lifted) {
            assert!((lifted - last).abs() < 3.0, "picture {n}: {last}, then {lifted}");
        }
    }
    let mut enhancer = Enhancer::new(EnhanceConfig::off().with(Stage::LowLight, 1.0));
    enhancer.process(&mut noisy(2.0, &mut chance));
    // Light is switched on: the first picture is not blown out.
    let mut picture = room.pictures[0].clone();
    enhancer.process(&mut picture);
    assert!(psnr(&picture, &room.pictures[0]) > 40.0);
}

#[test]
fn noise_is_not_sharpened_and_edges_have_no_halos() {
    let mut picture = I420::black(128, 64);
    for (at, luma) in picture.planes_mut().0.iter_mut().enumerate() {
        *luma = if at % 128 < 64 { 60 } else { 180 };
    }
    degrade::blur(&mut picture, 1.5);
    let clip = Clip { name: "edge", pictures: vec![picture; 3] };
    let out = &enhanced(&clip, &[Stage::Sharpen]).pictures[2];
    let row = &out.planes().0[32 * 128..33 * 128];
    let soft = &clip.pictures[2].planes().0[32 * 128..33 * 128];
    assert!(row[65] - row[62] > soft[65] - soft[62] + 10, "{:?}", &row[56..72]);
    assert!(row.iter().all(|luma| (58..=182).contains(luma)), "{:?}", &row[56..72]);

    let room = room();
    let mut chance = Chance::new(2);
    let noisy = room.degraded(|picture| {
        degrade::blur(picture, 1.5);
        degrade::noise(picture, 6.0, 0.0, &mut chance);
    });
    let out = enhanced(&noisy, &[Stage::Sharpen]);
    let (before, after) = (judged(&room, &noisy, psnr), judged(&room, &out, psnr));
    assert!(after > before - 0.5, "{before} to {after} dB");
}
