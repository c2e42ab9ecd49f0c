//! A path that becomes slower, and a machine that does: what is encoded follows, sound never starves, and it comes back. All in
//! virtual time.

#[path = "../../../../../peerconnection/tests/common/mod.rs"]
mod common;
mod layers;
mod studio;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use peerage_media::codec::CodecFactory;
use peerage_media::track::ContentHint;
use peerage_media::video::adaptation::DegradationPreference;
use peerage_netsim::{LinkConfig, Queue, Rate};
use peerage_peerconnection::stats::QualityLimitationReason;

use self::common::call::{Call, Seen};
use self::common::config;
use self::studio::{Formula, Log, Studio};

const SOURCE: (u16, u16) = (960, 540);

/// A path with a queue of 300 ms and a round trip of 50 ms.
fn path(kbit: u64) -> LinkConfig {
    let queue = Queue::bytes((kbit * 1_000 / 8 * 3 / 10) as usize);
    LinkConfig::new().rate(Rate::kbit(kbit)).delay(Duration::from_millis(25)).queue(queue)
}

/// A second of a call.
#[derive(Debug)]
struct Second {
    target: u64,
    log: Log,
    seen: Seen,
    reason: QualityLimitationReason,
}

struct Run {
    call: Call,
    studio: Studio,
    seconds: Vec<Second>,
}

impl Run {
    fn new(seed: u64, path: LinkConfig, codecs: Arc<dyn CodecFactory>, drawn: bool) -> Self {
        let mut call = Call::new(seed, config(), config(), path);
        let studio = Studio::new();
        call.camera = Some(studio.camera(SOURCE, codecs, drawn));
        Self { call, studio, seconds: Vec::new() }
    }

    /// Goes on for so many seconds, and gives them.
    fn run(&mut self, seconds: usize) -> &[Second] {
        for _ in 0..seconds {
            let before = std::mem::take(&mut *self.studio.log.borrow_mut());
            let seen = self.call.run(Duration::from_secs(1));
            let mut log = self.studio.log.borrow().clone();
            if log.frames == 0 {
                log.size = before.size;
            }
            let stats = self.call.pair.a.pc.get_stats(self.call.pair.now);
            let video = stats.outbound_rtp().find(|stream| stream.frame_width.is_some()).unwrap();
            let reason = video.quality_limitation_reason.unwrap();
            let second = Second { target: self.call.target_kbps(), log, seen, reason };
            println!(
                "{:3} s: {:4} kbit/s may be, {:4} are; {}x{}, {:2} pictures, limited by {reason}, \
                 longest time without sound {:?}",
                self.seconds.len(),
                second.target,
                second.log.bytes * 8 / 1_000,
                second.log.size.0,
                second.log.size.1,
                second.log.frames,
                second.seen.audio_gap,
            );
            self.seconds.push(second);
        }
        &self.seconds[self.seconds.len() - seconds..]
    }
}

/// How many seconds until a state holds to the end.
fn settled(seconds: &[Second], state: impl Fn(&Second) -> bool) -> usize {
    seconds.iter().rposition(|second| !state(second)).map_or(0, |last| last + 1)
}

/// E6 of the plan: 3 Mbit/s, 400 kbit/s, and 3 Mbit/s again.
fn a_path_of_3_mbit_400_kbit_and_3_mbit(codecs: Arc<dyn CodecFactory>, drawn: bool, seed: u64) {
    let mut run = Run::new(seed, path(3_000), codecs, drawn);
    run.studio
        .pipeline
        .borrow_mut()
        .prefer(Some(DegradationPreference::MaintainFramerate), ContentHint::None);
    let whole = |second: &Second| second.log.size == SOURCE;
    let begin = settled(run.run(15), whole);
    run.call.change(path(400));
    let slow = run.run(25);
    let rate = settled(slow, |second| second.log.bytes * 8 / 1_000 < 440);
    let small = settled(slow, |second| second.log.size.0 < SOURCE.0);
    let reason = settled(slow, |second| second.reason == QualityLimitationReason::Bandwidth);
    let later = &slow[8..];
    let pictures: u32 = later.iter().map(|second| second.log.frames).sum();
    let per_second = f64::from(pictures) / later.len() as f64;
    let changes = later.windows(2).filter(|pair| pair[0].log.size != pair[1].log.size).count();
    run.call.change(path(3_000));
    let fast = run.run(35);
    let back = settled(fast, whole);
    println!(
        "seed {seed}: whole after {begin} s; rate after {rate} s, size after {small} s, told after \
         {reason} s, then {per_second:.1} pictures a second and {changes} changes; back after {back} s"
    );
    assert!(begin <= 12, "{begin} s until the picture is whole");
    assert!(rate <= 3, "{rate} s until the encoder keeps to the rate");
    assert!(small <= 6 && reason <= 6, "{small} s until it is smaller, {reason} until it is told");
    assert!(per_second > 25.0, "{per_second} pictures a second");
    assert!(changes <= 2, "it swings");
    assert!(back <= 25, "{back} s until the picture is whole again");
    // Sound: what was sent has come, and never with a gap that a jitter buffer does not know.
    let sum = |count: fn(&Seen) -> u64| run.seconds.iter().map(|s| count(&s.seen)).sum::<u64>();
    let (sent, came) = (sum(|seen| seen.audio_sent), sum(|seen| seen.audio_frames));
    assert!(sent - came <= sent / 100, "{came} of {sent} packets of sound");
    for (at, second) in run.seconds.iter().enumerate() {
        // The fall itself meets a queue that was filled for the faster path.
        let most = if (15..17).contains(&at) { 500 } else { 120 };
        let gap = second.seen.audio_gap;
        assert!(gap < Duration::from_millis(most), "second {at}: {gap:?} without sound");
    }
}

#[test]
fn pictures_follow_a_path_that_becomes_slower_and_faster() {
    for seed in 1..4 {
        a_path_of_3_mbit_400_kbit_and_3_mbit(Arc::new(Formula), false, seed);
    }
}

#[cfg(feature = "vpx")]
#[test]
fn vp8_follows_a_path_that_becomes_slower_and_faster() {
    a_path_of_3_mbit_400_kbit_and_3_mbit(Arc::new(peerage_media::codec::BuiltIn), true, 1);
}

/// A machine that has much else to do for a while.
#[test]
fn a_slow_machine_gives_up_what_is_preferred_and_takes_it_back() {
    use DegradationPreference::{Balanced, MaintainFramerate, MaintainResolution};
    for preference in [MaintainFramerate, MaintainResolution, Balanced] {
        let mut run = Run::new(7, path(5_000), Arc::new(Formula), false);
        run.studio.pipeline.borrow_mut().prefer(Some(preference), ContentHint::None);
        run.run(10);
        // At full size a picture takes three times as long as there is.
        run.studio.machine.nanos_per_pixel.store(200, Ordering::Relaxed);
        let slow = run.run(20);
        let done = settled(slow, |second| second.reason == QualityLimitationReason::Cpu);
        assert!(done <= 4, "{preference:?}: told after {done} s");
        let last = slow.last().unwrap();
        let (size, pictures) = (last.log.size, last.log.frames);
        match preference {
            MaintainFramerate => assert!(size == (480, 270) && pictures >= 29, "{last:?}"),
            MaintainResolution => {
                assert!(size == SOURCE && (5..12).contains(&pictures), "{last:?}");
            }
            _ => assert!(size.0 < SOURCE.0 && pictures >= 15, "{last:?}"),
        }
        run.studio.machine.nanos_per_pixel.store(8, Ordering::Relaxed);
        let fast = run.run(40);
        let back = settled(fast, |second| second.log.size == SOURCE && second.log.frames >= 29);
        assert!(back <= 30, "{preference:?}: back after {back} s");
        // The path may limit it then, which is of no concern here.
        let told = settled(fast, |second| second.reason != QualityLimitationReason::Cpu);
        assert!(told <= 32, "{preference:?}: told after {told} s");
    }
}

#[test]
fn statistics_tell_what_the_encoder_does() {
    let mut run = Run::new(3, path(3_000), Arc::new(Formula), false);
    run.run(5);
    run.studio.machine.nanos_per_pixel.store(200, Ordering::Relaxed);
    run.run(5);
    let stats = run.call.pair.a.pc.get_stats(run.call.pair.now);
    let video = stats.outbound_rtp().find(|stream| stream.frame_width.is_some()).unwrap();
    assert_eq!(video.encoder_implementation.as_deref(), Some("a formula"));
    assert_eq!(video.power_efficient_encoder, Some(false));
    let frames = u64::from(video.frames_encoded.unwrap());
    assert!(video.qp_sum.unwrap() / frames < 127 && video.qp_sum.unwrap() > frames);
    let each = video.total_encode_time.unwrap() / frames as f64;
    assert!((0.004..0.1).contains(&each), "{each} s for each");
    assert!(video.total_encoded_bytes_target.unwrap() > 0);
    assert!(video.quality_limitation_resolution_changes.unwrap() >= 1);
    assert!(video.quality_limitation_durations.as_ref().unwrap()["cpu"] > 1.0);
    assert!(video.frame_width.unwrap() < u32::from(SOURCE.0));
}
