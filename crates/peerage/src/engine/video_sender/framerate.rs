//! How many pictures a second come, and which are passed on.

use std::time::Duration;

/// A picture that comes this part of the distance too soon is not too soon: cameras are not exact.
const EARLY: u32 = 4;
/// Pictures over which the distance is averaged.
const SMOOTH: f32 = 16.0;

/// Measures a rate, and leaves out what is beyond a maximum.
#[derive(Clone, Debug, Default)]
pub(super) struct Framerate {
    last: Option<Duration>,
    /// Smoothed distance of those that were passed on, in seconds.
    interval: Option<f32>,
    next: Option<Duration>,
}

impl Framerate {
    /// Whether a picture of this time is passed on where there may be `max` a second; none at all where that is zero.
    pub(super) fn passes(&mut self, time: Duration, max: Option<f64>) -> bool {
        if let Some(max) = max.filter(|max| max.is_finite()) {
            if max <= 0.0 {
                return false;
            }
            let interval = Duration::from_secs_f64((1.0 / max).min(3_600.0));
            let near = |next: &Duration| next.abs_diff(time) <= 2 * interval;
            let due = self.next.filter(near).unwrap_or(time);
            if time + interval / EARLY < due {
                return false;
            }
            self.next = Some(due + interval);
        }
        self.measure(time, 0);
        true
    }

    /// What comes now comes at a rate of its own; the rate before is that of what comes later.
    pub(super) fn pause(&mut self) {
        (self.last, self.next) = (None, None);
    }

    /// Counts a picture, and so many before it that nobody saw.
    pub(super) fn measure(&mut self, time: Duration, missed: u64) {
        if let Some(last) = self.last.replace(time) {
            let passed = time.saturating_sub(last).as_secs_f32() / (missed + 1) as f32;
            let passed = passed.clamp(0.001, 1.0);
            let before = self.interval.unwrap_or(passed);
            self.interval = Some(before + (passed - before) / SMOOTH);
        }
    }

    /// Pictures a second; 30 before there are two.
    pub(super) fn rate(&self) -> f32 {
        self.interval.map_or(30.0, |interval| 1.0 / interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_pictures_is_left_out_where_two_thirds_are_wanted() {
        let mut framerate = Framerate::default();
        let time = |step: u64| Duration::from_millis(step * 100 / 3);
        let passed = (0..300).filter(|step| framerate.passes(time(*step), Some(20.0)));
        assert!((199..=202).contains(&passed.count()));
        assert_eq!(framerate.rate().round(), 20.0);
        assert!(!framerate.passes(Duration::from_secs(20), Some(0.0)), "the picture is frozen");
        // Pictures that were dropped came, too.
        let mut captured = Framerate::default();
        (0..100).for_each(|step| captured.measure(time(3 * step), 2));
        assert_eq!(captured.rate().round(), 30.0);
    }
}
