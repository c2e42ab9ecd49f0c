//! How much of the time the encoder works.

use std::time::{Duration, Instant};

use super::Verdict;

/// How often something is said.
const WINDOW: Duration = Duration::from_secs(1);
/// The share of the time from which on it is too much.
const TOO_MUCH: f64 = 0.85;
/// The share that it may reach after a step up.
const ENOUGH: f64 = 0.6;
/// Windows of too much after each other before less is tried: others may have had a moment of work.
const BAD: u32 = 2;
/// How much of what was before is kept with each window.
const KEPT: f64 = 0.4;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    since: Option<Instant>,
    /// Time spent encoding in this window.
    spent: Duration,
    /// Pictures that came while the encoder worked, and were dropped.
    missed: u64,
    smooth: Option<f64>,
    bad: u32,
}

impl Usage {
    /// Forgets what it saw: pictures are others now.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Pictures that were dropped since the last ones, because the encoder was not done.
    pub(super) fn missed(&mut self, pictures: u64) {
        self.missed += pictures;
    }

    /// Takes how long a picture took. `more`: how many times as much work the next step up would be.
    pub(super) fn update(&mut self, now: Instant, spent: Duration, more: f64) -> Verdict {
        let since = *self.since.get_or_insert(now);
        self.spent += spent;
        let elapsed = now.saturating_duration_since(since);
        if elapsed < WINDOW {
            return Verdict::Stay;
        }
        let share = self.spent.as_secs_f64() / elapsed.as_secs_f64();
        // Who misses pictures works all the time, whatever it measures of its own.
        let share = if self.missed > 1 { share.max(1.0) } else { share };
        let smooth = self.smooth.map_or(share, |before| before * KEPT + share * (1.0 - KEPT));
        let bad = if smooth > TOO_MUCH { self.bad + 1 } else { 0 };
        *self = Self { since: Some(now), smooth: Some(smooth), bad, ..Self::default() };
        match (self.bad >= BAD, smooth * more < ENOUGH) {
            (true, _) => Verdict::Down,
            (false, true) => Verdict::Up,
            (false, false) => Verdict::Stay,
        }
    }
}
