//! How late the echo of a block comes back: what an echo canceller has to be told.

use std::time::{Duration, Instant};

/// Works out from the times of both devices how long it takes from handing a block to
/// [`render`](super::AudioProcessor::render) to handing its echo to [`capture`](super::AudioProcessor::capture).
#[derive(Clone, Debug, Default)]
pub struct EchoDelay {
    render: f64,
    rendered: bool,
}

impl EchoDelay {
    /// The longest that is told.
    pub const MAX: Duration = Duration::from_millis(500);
    /// How much of the last value is kept with each block: devices take what they buffered in bursts.
    const KEPT: f64 = 0.9;

    /// A block was handed to the processor at `now`, and its first sample will leave the speaker at `plays_at`.
    pub fn rendered(&mut self, now: Instant, plays_at: Instant) {
        let ahead = plays_at.saturating_duration_since(now).min(Self::MAX).as_secs_f64();
        self.render = if self.rendered {
            Self::KEPT * self.render + (1.0 - Self::KEPT) * ahead
        } else {
            ahead
        };
        self.rendered = true;
    }

    /// A block whose first sample came into the microphone at `captured_at` is handed to the processor at `now`. Returns the
    /// delay to hand over with it.
    pub fn captured(&self, now: Instant, captured_at: Instant) -> Duration {
        let behind = now.saturating_duration_since(captured_at);
        (behind + Duration::from_secs_f64(self.render)).min(Self::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_count() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut delay = EchoDelay::default();
        assert_eq!(delay.captured(at(20), at(10)), Duration::from_millis(10));
        delay.rendered(at(0), at(40));
        assert_eq!(delay.captured(at(20), at(5)), Duration::from_millis(55));
        delay.rendered(at(0), at(50));
        assert_eq!(delay.captured(at(5), at(5)).as_micros(), 41_000);
        assert_eq!(delay.captured(at(9000), at(5)), EchoDelay::MAX);
        // A clock that goes backwards is no delay.
        delay.rendered(at(100), at(0));
        assert!(delay.captured(at(0), at(50)) < Duration::from_millis(40));
    }
}
