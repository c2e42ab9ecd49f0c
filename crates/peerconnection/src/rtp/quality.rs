//! What limits a stream of video that we send, and for how long it did (webrtc-stats, `RTCQualityLimitationReason`). The
//! encoder is the application's, so that it is the path or nothing that is known of: video is limited by the path while it
//! uses what it may send, or is left out, and could be given more if the path carried it.

use std::time::{Duration, Instant};

/// Over how long what is used is averaged.
const WINDOW: Duration = Duration::from_secs(1);
/// An encoder that makes this part of what it may fills it: none keeps to its rate exactly.
const FILLED: f64 = 0.75;
/// An allocation this close to the most that can be used is all of it.
const ALL: f64 = 0.98;

/// What a stream may send now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    /// Bits a second of payload.
    pub(super) bitrate: u64,
    /// The part of the most that it could use, bounds of the application and of the description counted.
    pub(super) part: f64,
    /// So much waits that frames are left out.
    pub(super) halted: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quality {
    /// Whether it is limited, and since when; before the first packet it is neither.
    state: Option<(bool, Instant)>,
    /// How long it was not, and how long it was, in states before this.
    before: [Duration; 2],
    /// Bytes of payload that had been sent, and when.
    window: Option<(u64, Instant)>,
    fills: bool,
}

impl Quality {
    /// Takes what the stream may send now, and how many bytes of payload it has sent.
    pub(super) fn update(&mut self, now: Instant, sent: u64, allowed: Allowed) {
        if sent == 0 {
            return;
        }
        let (bytes, since) = *self.window.get_or_insert((sent, now));
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= WINDOW {
            let rate = (sent.saturating_sub(bytes) * 8) as f64 / elapsed.as_secs_f64();
            self.fills = rate >= FILLED * allowed.bitrate as f64;
            self.window = Some((sent, now));
        }
        let uses_all = self.fills || allowed.halted || allowed.bitrate == 0;
        self.set(now, allowed.part < ALL && uses_all);
    }

    /// The stream does not send now, as agreed on or as the application has it.
    pub(super) fn rest(&mut self, now: Instant) {
        (self.window, self.fills) = (None, false);
        if self.state.is_some() {
            self.set(now, false);
        }
    }

    fn set(&mut self, now: Instant, limited: bool) {
        let (was, since) = *self.state.get_or_insert((limited, now));
        if was != limited {
            self.before[usize::from(was)] += now.saturating_duration_since(since);
            self.state = Some((limited, now));
        }
    }

    /// Whether the path limits it.
    pub(crate) fn is_limited(&self) -> bool {
        self.state.is_some_and(|(limited, _)| limited)
    }

    /// How long nothing limited it, and how long the path did.
    pub(crate) fn durations(&self, now: Instant) -> [Duration; 2] {
        let mut durations = self.before;
        if let Some((limited, since)) = self.state {
            durations[usize::from(limited)] += now.saturating_duration_since(since);
        }
        durations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_uses_all_of_less_than_it_could_is_limited() {
        let (start, mut quality) = (Instant::now(), Quality::default());
        let (mut now, mut sent) = (start, 0);
        let mut run = |quality: &mut Quality, seconds: u64, rate: u64, part: f64, halted| {
            let allowed = Allowed { bitrate: 800_000, part, halted };
            for _ in 0..10 * seconds {
                now += Duration::from_millis(100);
                sent += rate / 80;
                quality.update(now, sent, allowed);
            }
            now
        };
        run(&mut quality, 5, 0, 0.5, false);
        assert!(!quality.is_limited() && quality.durations(start) == [Duration::ZERO; 2]);
        run(&mut quality, 5, 300_000, 0.5, false);
        assert!(!quality.is_limited(), "it leaves most of it");
        run(&mut quality, 5, 780_000, 0.5, false);
        assert!(quality.is_limited());
        run(&mut quality, 5, 780_000, 1.0, false);
        assert!(!quality.is_limited(), "more is of no use");
        let now = run(&mut quality, 5, 100_000, 0.5, true);
        assert!(quality.is_limited(), "frames are left out");
        let [unlimited, limited] = quality.durations(now);
        assert!((Duration::from_secs(9)..Duration::from_secs(12)).contains(&unlimited));
        assert!((Duration::from_secs(8)..Duration::from_secs(11)).contains(&limited));
        quality.rest(now);
        assert!(!quality.is_limited());
        assert_eq!(quality.durations(now), [unlimited, limited]);
    }
}
