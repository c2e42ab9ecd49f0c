//! An encoder by a formula, on a machine by a formula: sizes and rates follow, and come back without swinging.

use std::time::{Duration, Instant};

use super::*;

/// A source of 1280x720 at 30 pictures a second, and an encoder of it.
struct Model {
    now: Instant,
    start: Instant,
    adapter: Adapter,
    bitrate: u64,
    /// Nanoseconds of encoding for a pixel.
    cost: f64,
    due: f32,
    /// When the size or the rate became what, in seconds.
    changes: Vec<(f64, (u16, u16), u32)>,
    seed: u32,
}

const SOURCE: (u16, u16) = (1280, 720);

impl Model {
    fn new(preference: DegradationPreference) -> Self {
        let mut adapter = Adapter::new(preference);
        adapter.set_quantizer_range(Some((29, 95)));
        let now = Instant::now();
        Self {
            now,
            start: now,
            adapter,
            bitrate: 3_000_000,
            cost: 8.0,
            due: 0.0,
            changes: Vec::new(),
            seed: 1,
        }
    }

    fn run(&mut self, seconds: u32) {
        for _ in 0..seconds * 30 {
            self.now += Duration::from_micros(33_333);
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            self.adapter.set_source(SOURCE, 30.0);
            self.adapter.set_bitrate(self.bitrate);
            let rate = self.adapter.max_framerate().unwrap_or(30.0);
            self.due += rate / 30.0;
            if self.due < 1.0 {
                continue;
            }
            self.due -= 1.0;
            let size = self.adapter.size(SOURCE);
            let pixels = f64::from(size.0) * f64::from(size.1);
            // Each doubling of the bits for a pixel takes 22 of 127 steps; 0.1 bits are 60. A little noise.
            let bits = self.bitrate as f64 / f64::from(rate) / pixels;
            let quantizer = 60.0 - 22.0 * (bits / 0.1).log2() + f64::from(self.seed >> 29) - 4.0;
            let spent = Duration::from_nanos((pixels * self.cost) as u64);
            let report = EncodedReport::new(spent)
                .with_left_out(quantizer > 127.0)
                .with_quantizer(Some(quantizer.clamp(0.0, 127.0) as u8));
            if self.adapter.on_encoded(self.now, report) {
                let at = (self.now - self.start).as_secs_f64();
                let rate = self.adapter.max_framerate().unwrap_or(30.0).round() as u32;
                self.changes.push((at, self.adapter.size(SOURCE), rate));
            }
        }
    }

    fn state(&self) -> ((u16, u16), u32) {
        let rate = self.adapter.max_framerate().unwrap_or(30.0).round() as u32;
        (self.adapter.size(SOURCE), rate)
    }
}

#[test]
fn pictures_become_smaller_with_the_rate_and_larger_again() {
    let mut model = Model::new(DegradationPreference::MaintainFramerate);
    model.run(10);
    assert_eq!((model.state(), model.adapter.reason()), ((SOURCE, 30), LimitationReason::None));
    model.bitrate = 400_000;
    model.run(6);
    assert_eq!(model.state(), ((640, 360), 30), "{:?}", model.changes);
    assert_eq!(model.adapter.reason(), LimitationReason::Bandwidth);
    model.run(60);
    assert_eq!(model.changes.len(), 2, "it swings: {:?}", model.changes);
    model.bitrate = 3_000_000;
    model.run(10);
    assert_eq!((model.state(), model.adapter.reason()), ((SOURCE, 30), LimitationReason::None));
    assert_eq!(model.adapter.resolution_changes(), 4);
}

#[test]
fn what_is_given_up_is_what_is_preferred() {
    use DegradationPreference::*;
    for (preference, expected) in [
        (MaintainFramerate, ((480, 270), 30)),
        (MaintainResolution, (SOURCE, 6)),
        (Balanced, ((640, 360), 20)),
        (MaintainFramerateAndResolution, (SOURCE, 30)),
    ] {
        // At 720p the machine is four times too slow.
        let mut model = Model::new(preference);
        model.cost = 150.0;
        model.run(30);
        assert_eq!(model.state(), expected, "{preference:?}: {:?}", model.changes);
        let limited = expected != (SOURCE, 30);
        let reason = if limited { LimitationReason::Cpu } else { LimitationReason::None };
        assert_eq!(model.adapter.reason(), reason);
        model.cost = 8.0;
        model.run(40);
        assert_eq!(model.state(), (SOURCE, 30), "{preference:?}: {:?}", model.changes);
        assert_eq!(model.adapter.reason(), LimitationReason::None);
    }
}

#[test]
fn what_was_tried_in_vain_is_tried_less_and_less() {
    let mut model = Model::new(DegradationPreference::MaintainFramerate);
    // Half of the time the machine has something else to do, of which nothing can be known before.
    for _ in 0..60 {
        model.cost = 45.0;
        model.run(5);
        model.cost = 8.0;
        model.run(5);
    }
    let ups = |from: f64, to: f64| {
        let mut last = 0;
        let mut count = 0;
        for (at, size, _) in &model.changes {
            count += usize::from(size.0 > last && (from..to).contains(at));
            last = size.0;
        }
        count
    };
    let (early, late) = (ups(0.0, 200.0), ups(400.0, 600.0));
    assert!(early >= 2 && late <= 3 && late < early, "{early}, {late}: {:?}", model.changes);
}

#[test]
fn bounds_are_kept() {
    let mut model = Model::new(DegradationPreference::Balanced);
    model.bitrate = 1_000;
    model.run(60);
    let ((width, height), rate) = model.state();
    assert!(u32::from(width) * u32::from(height) >= 320 * 180 && rate >= 5, "{:?}", model.state());
    let mut model = Model::new(DegradationPreference::Balanced);
    model.adapter.set_bounds(1, 1.0);
    model.bitrate = 1_000;
    model.run(60);
    assert_eq!(model.state().0, (160, 90), "the smallest there is");
    let mut model = Model::new(DegradationPreference::MaintainFramerate);
    model.adapter.set_bounds(0, 0.0);
    model.bitrate = 1;
    model.run(60);
    assert_eq!(model.state().0, (160, 90), "no bound leads no further");
    // A source that is small is left as it is.
    let mut small = Adapter::new(DegradationPreference::MaintainFramerate);
    small.set_quantizer_range(Some((29, 95)));
    for step in 0..300 {
        small.set_source((320, 180), f32::NAN);
        let report = EncodedReport::default().with_quantizer(Some(127));
        small.on_encoded(model.now + Duration::from_millis(33) * step, report);
    }
    assert_eq!((small.size((320, 180)), small.max_framerate()), ((320, 180), None));
}

#[test]
fn another_source_or_preference_begins_anew() {
    let mut model = Model::new(DegradationPreference::MaintainFramerate);
    model.bitrate = 300_000;
    model.run(10);
    assert_ne!(model.state().0, SOURCE);
    model.adapter.set_source((720, 1280), 30.0);
    assert_ne!(model.state().0, SOURCE, "the same camera, turned");
    model.adapter.set_source((640, 480), 30.0);
    assert_eq!(model.adapter.size((640, 480)), (640, 480));
    model.run(10);
    assert_ne!(model.state().0, SOURCE);
    model.adapter.set_preference(DegradationPreference::MaintainResolution);
    assert_eq!(model.state(), (SOURCE, 30));
    model.run(10);
    assert_eq!(model.state().0, SOURCE);
    model.adapter.set_quantizer_range(None);
    assert_eq!(model.state(), (SOURCE, 30), "nothing is known of quality");
}

#[test]
fn content_says_what_is_given_up() {
    use crate::track::ContentHint;
    for (hint, name) in [
        (ContentHint::None, "balanced"),
        (ContentHint::Motion, "maintain-framerate"),
        (ContentHint::Detail, "maintain-resolution"),
        (ContentHint::Text, "maintain-resolution"),
    ] {
        assert_eq!(DegradationPreference::of_content(hint).as_str(), name);
    }
}
