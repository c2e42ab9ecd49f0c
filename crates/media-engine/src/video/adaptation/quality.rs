//! How good pictures are, by their quantisers and by those that the encoder leaves out.

use std::time::{Duration, Instant};

use super::Verdict;

/// How long is looked at before something is said.
const WINDOW: Duration = Duration::from_secs(1);
/// Pictures that there are to be, unless they are so slow that the time is twice over.
const PICTURES: u32 = 10;
/// The share of pictures left out from which on it is too many.
const LEFT_OUT: f64 = 0.4;
/// Good windows after each other before more is tried.
const GOOD: u32 = 2;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Quality {
    since: Option<Instant>,
    sum: u64,
    encoded: u32,
    left_out: u32,
    good: u32,
    fair: u32,
}

impl Quality {
    /// Forgets what it saw: the pictures are others now.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes what became of a picture: its quantiser, or nothing where it was left out. `range`: below and above which
    /// quantisers pictures are better and worse than they need to be.
    pub(super) fn update(
        &mut self,
        now: Instant,
        quantizer: Option<u8>,
        range: (u8, u8),
    ) -> Verdict {
        let since = *self.since.get_or_insert(now);
        match quantizer {
            Some(quantizer) => {
                self.sum += u64::from(quantizer);
                self.encoded += 1;
            }
            None => self.left_out += 1,
        }
        let (elapsed, all) = (now.saturating_duration_since(since), self.encoded + self.left_out);
        if elapsed < WINDOW || (all < PICTURES && elapsed < 2 * WINDOW) {
            return Verdict::Stay;
        }
        let mean = self.sum as f64 / f64::from(self.encoded.max(1));
        let left_out = f64::from(self.left_out) / f64::from(all);
        let bad = left_out >= LEFT_OUT || mean > f64::from(range.1);
        let below = |most: f64| self.left_out == 0 && mean <= most;
        let count = |before: u32, now: bool| if now { before + 1 } else { 0 };
        let good = count(self.good, below(f64::from(range.0)));
        let fair = count(self.fair, below(f64::midpoint(range.0.into(), range.1.into())));
        *self = Self { good, fair, ..Self::default() };
        match (good, fair) {
            _ if bad => Verdict::Down,
            (GOOD.., _) => Verdict::Up,
            (_, GOOD..) => Verdict::UpIfRisen,
            _ => Verdict::Stay,
        }
    }
}
