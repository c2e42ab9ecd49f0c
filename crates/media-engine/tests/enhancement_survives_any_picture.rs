//! Any picture of any size can be enhanced, also where size and configuration change from one to the next, and the governor is told
//! anything. Nothing is allocated for pictures once it runs.

#[path = "../../peerconnection/tests/common/allocations.rs"]
mod allocations;
mod picture_support;

use std::time::Duration;

use peerage_media::video::enhance::{EnhanceConfig, Enhancer, Stage};
use peerage_media::video::{I420, VideoFrame};
use picture_support::degrade::{self, Chance};
use picture_support::scene::Room;
use proptest::prelude::*;

fn strength() -> impl Strategy<Value = f32> {
    prop_oneof![
        3 => Just(1.0f32),
        2 => Just(0.0),
        1 => Just(f32::NAN),
        1 => Just(f32::INFINITY),
        1 => -2.0f32..1e9
    ]
}

fn config() -> impl Strategy<Value = EnhanceConfig> {
    (prop::array::uniform4(strength()), prop::option::of(0u64..1 << 40)).prop_map(
        |(strengths, budget)| {
            let mut config = EnhanceConfig::off();
            for (stage, strength) in Stage::ALL.into_iter().zip(strengths) {
                config = config.with(stage, strength);
            }
            config.budget = budget.map(Duration::from_nanos);
            config
        },
    )
}

fn picture() -> impl Strategy<Value = I420> {
    let size = || prop_oneof![1u16..40, Just(64u16), Just(97u16)];
    (size(), size(), any::<u64>(), 0u8..4).prop_map(|(width, height, seed, kind)| {
        let mut chance = Chance::new(seed);
        let length = I420::black(width, height).as_bytes().len();
        let base = chance.bits() as u8;
        let sample = |at: usize| match kind {
            // Noise, black and white, a slope, dark noise.
            0 => chance.bits() as u8,
            1 => {
                if chance.bits() & 1 == 0 {
                    0
                } else {
                    255
                }
            }
            2 => (at * 3) as u8,
            _ => base / 4 + (chance.bits() & 7) as u8,
        };
        let data = (0..length).map(sample).collect();
        I420::from_planes(width, height, data).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_pictures_in_any_order(
        pictures in prop::collection::vec((picture(), 1usize..4, config(), any::<u64>()), 1..6),
    ) {
        let mut enhancer = Enhancer::default();
        let mut count = 0;
        for (picture, times, config, spent) in pictures {
            enhancer.set_config(config);
            for _ in 0..times {
                let before = VideoFrame::new(picture.clone(), Duration::from_secs(count));
                let out = enhancer.process_frame(&before);
                prop_assert_eq!(&*before.picture, &picture);
                prop_assert_eq!(out.time, before.time);
                prop_assert_eq!(out.picture.as_bytes().len(), picture.as_bytes().len());
                enhancer.spent(Duration::from_nanos(spent));
                count += 1;
            }
        }
        prop_assert_eq!(enhancer.statistics().pictures, count);
    }

    #[test]
    fn what_is_off_changes_nothing(picture in picture()) {
        let frame = VideoFrame::new(picture, Duration::ZERO);
        prop_assert_eq!(&Enhancer::default().process_frame(&frame), &frame);
        let mut copy = I420::clone(&frame.picture);
        Enhancer::default().process(&mut copy);
        prop_assert_eq!(&copy, &*frame.picture);
    }
}

#[test]
fn stages_are_left_out_while_pictures_take_too_long() {
    let budget = Duration::from_millis(10);
    let mut enhancer = Enhancer::new(EnhanceConfig::all().with_budget(budget));
    let mut picture = I420::black(64, 48);
    for _ in 0..60 {
        enhancer.process(&mut picture);
        enhancer.spent(2 * budget);
    }
    assert!(Stage::ALL.iter().all(|stage| enhancer.is_bypassed(*stage)));
    let statistics = enhancer.statistics();
    let bypassed = Stage::ALL.map(|stage| statistics.bypassed(stage));
    assert!(bypassed[3] > bypassed[0] && bypassed[2] > 0 && bypassed[3] < 60, "{bypassed:?}");
    for _ in 0..4_000 {
        enhancer.process(&mut picture);
        enhancer.spent(budget / 10);
    }
    assert!(Stage::ALL.iter().all(|stage| !enhancer.is_bypassed(*stage)));
}

#[test]
fn nothing_is_allocated_for_pictures_once_it_runs() {
    let room = Room::new(161, 91);
    let mut chance = Chance::new(1);
    let mut frames: Vec<VideoFrame> = (0..40)
        .map(|number| {
            let mut picture = room.picture(number);
            degrade::darken(&mut picture, 1.5, 0.7);
            degrade::blur(&mut picture, 1.2);
            degrade::cast(&mut picture, [1.2, 1.0, 0.8]);
            degrade::noise(&mut picture, 4.0, 4.0, &mut chance);
            VideoFrame::new(picture, Duration::ZERO)
        })
        .collect();
    let config = EnhanceConfig::all().with_budget(Duration::from_millis(10));
    let mut enhancer = Enhancer::new(config);
    let mut before = 0;
    for (number, frame) in frames.iter_mut().enumerate() {
        if number == 10 {
            before = allocations::COUNT.get();
        }
        let shown = enhancer.process_frame(frame);
        enhancer.spent(Duration::from_millis(if number < 20 { 1 } else { 100 }));
        drop(shown);
    }
    assert_eq!(allocations::COUNT.get() - before, 0);
}
