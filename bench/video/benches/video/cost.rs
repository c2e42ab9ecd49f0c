//! What each stage of enhancement takes for a picture of 1280 x 720, as criterion measures it.

use std::hint::black_box;

use bench_measure::CpuTime;
use peerage_media::video::I420;
use peerage_media::video::enhance::{
    Denoiser, EnhanceConfig, Enhancer, LowLight, Sharpener, WhiteBalance,
};

use crate::picture_support::degrade::{self, Chance};
use crate::picture_support::scene::Room;

const COUNT: u32 = 12;

fn clip(pan: bool, mut damage: impl FnMut(&mut I420)) -> Vec<I420> {
    let room = Room::new(1280, 720);
    (0..COUNT)
        .map(|number| {
            let mut picture = if pan { room.pan(number) } else { room.picture(number) };
            damage(&mut picture);
            picture
        })
        .collect()
}

pub(crate) fn run() {
    let mut criterion = CpuTime::criterion().configure_from_args().sample_size(20);
    let mut group = criterion.benchmark_group("enhance_720p");
    let mut measure = |name: &str, clip: &[I420], stage: &mut dyn FnMut(&mut I420)| {
        let mut work = clip[0].clone();
        // Back and forth, so that motion goes on.
        let mut order = (0..clip.len()).chain((1..clip.len() - 1).rev()).cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                work.clone_from(&clip[order.next().expect("for ever")]);
                stage(black_box(&mut work));
            });
        });
    };
    let mut chance = Chance::new(6);
    let noisy = clip(false, |picture| degrade::noise(picture, 8.0, 10.0, &mut chance));
    let panned = clip(true, |picture| degrade::noise(picture, 8.0, 10.0, &mut chance));
    let clean = clip(false, |_| ());
    let dark = clip(false, |picture| degrade::darken(picture, 2.0, 0.7));
    let soft = clip(false, |picture| degrade::blur(picture, 1.5));
    let warm = clip(false, |picture| degrade::cast(picture, [1.15, 1.0, 0.7]));
    let all = clip(false, |picture| {
        degrade::blur(picture, 1.5);
        degrade::cast(picture, [1.15, 1.0, 0.7]);
        degrade::darken(picture, 2.0, 0.7);
        degrade::noise(picture, 3.0, 3.0, &mut chance);
    });
    let mut denoiser = Denoiser::new();
    measure("denoise, a room", &noisy, &mut |picture| denoiser.process(picture, 1.0));
    let mut denoiser = Denoiser::new();
    measure("denoise, a pan", &panned, &mut |picture| denoiser.process(picture, 1.0));
    let mut denoiser = Denoiser::new();
    measure("denoise, no noise", &clean, &mut |picture| denoiser.process(picture, 1.0));
    let mut balance = WhiteBalance::new();
    measure("white balance", &warm, &mut |picture| balance.process(picture, 1.0));
    let mut light = LowLight::new();
    measure("low light", &dark, &mut |picture| light.process(picture, 1.0, 0.0));
    let mut sharpener = Sharpener::new();
    measure("sharpen", &soft, &mut |picture| sharpener.process(picture, 1.0, 0.0));
    let mut enhancer = Enhancer::new(EnhanceConfig::all());
    measure("all", &all, &mut |picture| enhancer.process(picture));
    let mut enhancer = Enhancer::new(EnhanceConfig::all());
    measure("all, nothing wrong", &clean, &mut |picture| enhancer.process(picture));
    group.finish();
    criterion.final_summary();
}
