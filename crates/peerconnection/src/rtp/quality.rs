//! What limits a stream of video that we send, and for how long it did (webrtc-stats, `RTCQualityLimitationReason`). The
//! encoder is the application's, which may tell what limits it; of the path is known here that video is limited by it while it
//! uses what it may send, or is left out, and could be given more if the path carried it.

use std::time::{Duration, Instant};

use crate::stats::QualityLimitationReason as Reason;

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

/// All of them.
const REASONS: [Reason; 4] = [Reason::None, Reason::Bandwidth, Reason::Cpu, Reason::Other];

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quality {
    /// What limits it, and since when; before the first packet nothing is known.
    state: Option<(Reason, Instant)>,
    /// How long each of [`REASONS`] did, in states before this.
    before: [Duration; 4],
    /// What the encoder says that limits it.
    encoder: Reason,
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
        let by_path = allowed.part < ALL && uses_all;
        self.set(
            now,
            match self.encoder {
                Reason::None if by_path => Reason::Bandwidth,
                reason => reason,
            },
        );
    }

    /// The stream does not send now, as agreed on or as the application has it.
    pub(super) fn rest(&mut self, now: Instant) {
        (self.window, self.fills) = (None, false);
        if self.state.is_some() {
            self.set(now, Reason::None);
        }
    }

    /// What the encoder says that limits it, from the next look on.
    pub(super) fn set_encoder(&mut self, reason: Reason) {
        self.encoder = reason;
    }

    fn set(&mut self, now: Instant, reason: Reason) {
        let (was, since) = *self.state.get_or_insert((reason, now));
        if was != reason {
            self.before[index(was)] += now.saturating_duration_since(since);
            self.state = Some((reason, now));
        }
    }

    /// What limits it.
    pub(crate) fn reason(&self) -> Reason {
        // Nothing may have been sent because there is nothing that could be.
        self.state.map_or(self.encoder, |(reason, _)| reason)
    }

    /// How long each reason did.
    pub(crate) fn durations(&self, now: Instant) -> [(Reason, Duration); 4] {
        let mut durations = self.before;
        if let Some((reason, since)) = self.state {
            durations[index(reason)] += now.saturating_duration_since(since);
        }
        REASONS.map(|reason| (reason, durations[index(reason)]))
    }
}

/// The place in [`REASONS`].
fn index(reason: Reason) -> usize {
    REASONS.iter().position(|one| *one == reason).unwrap_or(0)
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
        assert!(
            quality.reason() == Reason::None
                && quality.durations(start).iter().all(|(_, time)| time.is_zero())
        );
        run(&mut quality, 5, 300_000, 0.5, false);
        assert!(quality.reason() == Reason::None, "it leaves most of it");
        run(&mut quality, 5, 780_000, 0.5, false);
        assert!(quality.reason() == Reason::Bandwidth);
        run(&mut quality, 5, 780_000, 1.0, false);
        assert!(quality.reason() == Reason::None, "more is of no use");
        let now = run(&mut quality, 5, 100_000, 0.5, true);
        assert!(quality.reason() == Reason::Bandwidth, "frames are left out");
        let [(_, unlimited), (_, limited), ..] = quality.durations(now);
        assert!((Duration::from_secs(9)..Duration::from_secs(12)).contains(&unlimited));
        assert!((Duration::from_secs(8)..Duration::from_secs(11)).contains(&limited));
        quality.set_encoder(Reason::Cpu);
        let later = run(&mut quality, 5, 100_000, 0.5, true);
        assert_eq!(quality.reason(), Reason::Cpu, "the encoder knows");
        let by_encoder = quality.durations(later)[2];
        assert_eq!(by_encoder.0, Reason::Cpu);
        assert!((4..=5).contains(&by_encoder.1.as_secs()), "{by_encoder:?}");
        let before = quality.durations(later);
        quality.rest(later);
        assert_eq!((quality.reason(), quality.durations(later)), (Reason::None, before));
    }
}
