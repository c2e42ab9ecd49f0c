//! Degraded clips, enhanced by us and by ffmpeg, and how far they are from what they were.

use std::path::Path;
use std::time::Duration;

use bench_measure::cpu_time;
use peerage_media::video::I420;
use peerage_media::video::enhance::{EnhanceConfig, Enhancer, Stage};

use crate::ffmpeg;
use crate::picture_support::clips::Clip;
use crate::picture_support::degrade::{self, Chance};
use crate::picture_support::judge::{mean, psnr, psnr_of_all, ssim};

/// Pictures of each clip; the first are left out of the means, so that filters have begun.
const PICTURES: u32 = 30;

/// What is done to a clip, which stages are for it, and which of ffmpeg's filters.
struct Damage {
    name: &'static str,
    make: fn(&mut I420, &mut Chance),
    stages: &'static [Stage],
    beside: &'static [&'static str],
}

const DAMAGES: &[Damage] = &[
    Damage {
        name: "noise 5",
        make: |picture, chance| degrade::noise(picture, 4.0, 5.0, chance),
        stages: &[Stage::Denoise],
        beside: &["hqdn3d", "hqdn3d=8", "hqdn3d=12", "nlmeans=s=3", "atadenoise=s=33"],
    },
    Damage {
        name: "noise 10",
        make: |picture, chance| degrade::noise(picture, 8.0, 10.0, chance),
        stages: &[Stage::Denoise],
        beside: &["hqdn3d", "hqdn3d=12", "hqdn3d=20", "nlmeans=s=6", "atadenoise=s=33"],
    },
    Damage {
        name: "noise 20",
        make: |picture, chance| degrade::noise(picture, 18.0, 15.0, chance),
        stages: &[Stage::Denoise],
        beside: &["hqdn3d=12", "hqdn3d=20", "hqdn3d=32", "nlmeans=s=12", "atadenoise=s=33"],
    },
    Damage {
        name: "dark",
        make: |picture, _| degrade::darken(picture, 2.0, 0.7),
        stages: &[Stage::LowLight],
        beside: &["normalize", "histeq", "eq=gamma=2"],
    },
    Damage {
        name: "dim with noise",
        make: |picture, chance| {
            degrade::darken(picture, 2.0, 0.7);
            degrade::noise(picture, 3.0, 3.0, chance);
        },
        stages: &[Stage::Denoise, Stage::LowLight],
        beside: &["hqdn3d=8,normalize", "hqdn3d=8,histeq", "hqdn3d=8,eq=gamma=2"],
    },
    Damage {
        name: "blur",
        make: |picture, _| degrade::blur(picture, 1.5),
        stages: &[Stage::Sharpen],
        beside: &["unsharp", "unsharp=5:5:1.5", "cas=0.5"],
    },
    Damage {
        name: "warm light",
        make: |picture, _| degrade::cast(picture, [1.15, 1.0, 0.7]),
        stages: &[Stage::WhiteBalance],
        beside: &["grayworld", "colorcorrect=analyze=average", "normalize"],
    },
    Damage {
        name: "cold light",
        make: |picture, _| degrade::cast(picture, [0.8, 1.0, 1.25]),
        stages: &[Stage::WhiteBalance],
        beside: &["grayworld", "colorcorrect=analyze=average", "normalize"],
    },
    Damage {
        name: "nothing",
        make: |_, _| (),
        stages: &Stage::ALL,
        beside: &["hqdn3d", "unsharp"],
    },
];

pub(crate) fn run() {
    println!(
        "\n{:<26}{:<28}{:>8}{:>8}{:>8}{:>11}",
        "clip", "filter", "luma dB", "all dB", "SSIM", "CPU"
    );
    let only_clip = std::env::var("PEERAGE_VIDEO_CLIP").unwrap_or_default();
    let only_damage = std::env::var("PEERAGE_VIDEO_DAMAGE").unwrap_or_default();
    let fast = std::env::var("PEERAGE_VIDEO_FFMPEG").as_deref() == Ok("0");
    let pictures = std::env::var_os("PEERAGE_VIDEO_PICTURES");
    let clips: Vec<Clip> = [
        Some(Clip::room(1280, 720, PICTURES)),
        Some(Clip::pan(1280, 720, PICTURES)),
        Clip::of_corpus("bigbuckbunny, 1280x720", "bigbuckbunny.mp4", (1280, 720), 0, PICTURES),
        Clip::of_corpus("bikes, 640x272", "bikes.mp4", (640, 272), 20, PICTURES),
        Clip::of_corpus("carphone, 176x144", "carphone_pristine.mp4", (176, 144), 0, PICTURES),
    ]
    .into_iter()
    .flatten()
    .filter(|clip| clip.name.contains(&only_clip))
    .collect();
    for damage in DAMAGES.iter().filter(|damage| damage.name.contains(&only_damage)) {
        println!("\n{}", damage.name);
        for clip in &clips {
            let mut chance = Chance::new(1);
            let degraded = clip.degraded(|picture| (damage.make)(picture, &mut chance));
            row(clip, "as it comes", &degraded, Duration::ZERO);
            let off = EnhanceConfig::off();
            let config = damage.stages.iter().fold(off, |config, stage| config.with(*stage, 1.0));
            let mut enhancer = Enhancer::new(config);
            let mut out = degraded.clone();
            let ((), spent) = cpu_time(|| {
                out.pictures.iter_mut().for_each(|picture| enhancer.process(picture));
            });
            row(clip, "ours", &out, spent / out.pictures.len() as u32);
            if let Some(folder) = &pictures {
                save(Path::new(folder), damage.name, clip, "clean");
                save(Path::new(folder), damage.name, &degraded, "degraded");
                save(Path::new(folder), damage.name, &out, "ours");
            }
            if fast {
                continue;
            }
            for filter in damage.beside {
                if let Some((out, spent)) = ffmpeg::filter(&degraded, filter) {
                    row(clip, filter, &out, spent);
                    if let Some(folder) = &pictures {
                        save(Path::new(folder), damage.name, &out, filter);
                    }
                }
            }
        }
    }
}

/// Raw pictures, one after the other.
fn save(folder: &Path, damage: &str, clip: &Clip, what: &str) {
    let first = &clip.pictures[0];
    let of = clip.name.split([' ', ',']).next().unwrap_or_default();
    let name = format!("{of}-{damage}-{what}-{}x{}.yuv", first.width(), first.height());
    let data: Vec<u8> = clip.pictures.iter().flat_map(|p| p.as_bytes()).copied().collect();
    std::fs::write(folder.join(name), data).expect("a file of pictures");
}

fn row(clean: &Clip, what: &str, out: &Clip, spent: Duration) {
    let pairs = || clean.pictures.iter().zip(&out.pictures).skip(PICTURES as usize / 3);
    println!(
        "{:<26}{what:<28}{:>8.2}{:>8.2}{:>8.4}{:>8.2} ms",
        clean.name,
        mean(pairs().map(|(a, b)| psnr(a, b))),
        mean(pairs().map(|(a, b)| psnr_of_all(a, b))),
        mean(pairs().map(|(a, b)| ssim(a, b))),
        spent.as_secs_f64() * 1e3,
    );
}
