//! The steps by which pictures become smaller or fewer.

use super::{DegradationPreference, LimitationReason};

/// By what width and height are multiplied after so many steps: each has 44 to 56 % of the pixels of the one before, and sizes
/// that are multiples of 16 stay multiples of even numbers.
const SIZES: [(u32, u32); 7] = [(1, 1), (3, 4), (1, 2), (3, 8), (1, 4), (3, 16), (1, 8)];
/// By what the rate is multiplied with each step.
const RATE: f32 = 2.0 / 3.0;
/// In balance: pictures of so many pixels at most need no more than so many a second to be worth it.
const BALANCE: [(u32, f32); 3] = [(320 * 240, 7.0), (480 * 360, 10.0), (640 * 480, 15.0)];

/// What a step makes less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Size,
    Rate,
}

/// A step, and why it was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) reason: LimitationReason,
    /// Bits a second that were not enough before it.
    pub(super) bitrate: u64,
}

/// What comes of the source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Source {
    pub(super) size: (u16, u16),
    pub(super) framerate: f32,
}

/// All steps that are in force, the newest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps {
    taken: Vec<Step>,
    /// How many of them are of size, and how many of rate.
    counts: [usize; 2],
}

/// How far they may go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    pub(super) least_pixels: u32,
    pub(super) least_framerate: f32,
}

impl Steps {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn count(&self, kind: Kind) -> usize {
        self.counts[kind as usize]
    }

    pub(super) fn last(&self) -> Option<&Step> {
        self.taken.last()
    }

    /// The newest for this reason: the first that is taken back.
    pub(super) fn last_of(&self, reason: LimitationReason) -> Option<Step> {
        self.taken.iter().rev().find(|step| step.reason == reason).copied()
    }

    pub(super) fn push(&mut self, step: Step) {
        self.counts[step.kind as usize] += 1;
        self.taken.push(step);
    }

    pub(super) fn take_back(&mut self, reason: LimitationReason) {
        if let Some(at) = self.taken.iter().rposition(|step| step.reason == reason) {
            let step = self.taken.remove(at);
            self.counts[step.kind as usize] -= 1;
        }
    }

    /// The size after them.
    pub(super) fn size(&self, size: (u16, u16)) -> (u16, u16) {
        let (times, of) = SIZES[self.count(Kind::Size)];
        if times == of {
            return size;
        }
        let even = |length: u16| ((u32::from(length) * times / of) & !1).max(2) as u16;
        (even(size.0).min(size.0), even(size.1).min(size.1))
    }

    /// The rate after them; `None` where it is the source's.
    pub(super) fn framerate(&self, source: Source, bounds: Bounds) -> Option<f32> {
        let steps = self.count(Kind::Rate);
        let rate = source.framerate * RATE.powi(steps as i32);
        (steps > 0).then_some(rate.max(bounds.least_framerate))
    }

    /// How many times as much work there is without the newest step for this reason.
    pub(super) fn more_without(&self, reason: LimitationReason) -> f64 {
        match self.last_of(reason).map(|step| step.kind) {
            None => 1.0,
            Some(Kind::Rate) => f64::from(1.0 / RATE),
            Some(Kind::Size) => {
                let share = |(times, of): (u32, u32)| f64::from(times) / f64::from(of);
                let steps = self.count(Kind::Size);
                (share(SIZES[steps - 1]) / share(SIZES[steps])).powi(2)
            }
        }
    }

    /// What may be made less now.
    pub(super) fn next(
        &self,
        preference: DegradationPreference,
        source: Source,
        bounds: Bounds,
    ) -> Option<Kind> {
        let pixels = |(width, height): (u16, u16)| u32::from(width) * u32::from(height);
        let now = pixels(self.size(source.size));
        let fits = |(times, of): &(u32, u32)| {
            let smaller =
                u64::from(pixels(source.size)) * u64::from(times * times) / u64::from(of * of);
            smaller >= u64::from(bounds.least_pixels)
        };
        let size = SIZES.get(self.count(Kind::Size) + 1).filter(|step| fits(step));
        let size = size.map(|_| Kind::Size);
        let framerate = self.framerate(source, bounds).unwrap_or(source.framerate);
        let rate = |least: f32| {
            (framerate * RATE >= least.max(bounds.least_framerate) * 0.95).then_some(Kind::Rate)
        };
        match preference {
            DegradationPreference::MaintainFramerate => size,
            DegradationPreference::MaintainResolution => rate(0.0),
            DegradationPreference::MaintainFramerateAndResolution => None,
            DegradationPreference::Balanced => {
                let enough = BALANCE.iter().find(|(most, _)| now <= *most);
                let by_rate = enough.and_then(|(_, least)| rate(*least));
                by_rate.or(size).or_else(|| rate(0.0))
            }
        }
    }
}
