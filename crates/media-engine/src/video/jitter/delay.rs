//! The delay from the expected arrival of a frame to its picture: what jitter and decoding take, within what the two ends want, and
//! changed slowly enough that nobody sees it.

use std::time::Duration;

/// From a decoded picture to the screen.
pub(super) const RENDER: Duration = Duration::from_millis(10);
/// How fast the delay changes: so much of the media's time, up or down.
const CHANGE: f64 = 0.1;
/// How the longest decoding time is forgotten, from one frame to the next: by half in 70 frames.
const FORGET: f64 = 0.99;

/// Bounds and state of the delay.
#[derive(Clone, Debug)]
pub(super) struct Delay {
    /// The sender's playout-delay extension.
    playout: (Duration, Duration),
    /// `jitterBufferTarget`.
    wanted: Duration,
    /// For the synchronisation with sound.
    synchronised: Duration,
    most: Duration,
    jitter: Duration,
    /// Of the slowest recent frames, in seconds.
    decoding: f64,
    current: Option<Duration>,
}

impl Delay {
    pub(super) fn new(most: Duration) -> Self {
        let zero = Duration::ZERO;
        Self {
            playout: (zero, most),
            wanted: zero,
            synchronised: zero,
            most,
            jitter: zero,
            decoding: 0.0,
            current: None,
        }
    }

    pub(super) fn set_playout(&mut self, least: Duration, most: Duration) {
        self.playout = (least.min(self.most), most.min(self.most));
    }

    pub(super) fn set_wanted(&mut self, wanted: Duration) {
        self.wanted = wanted.min(self.most);
    }

    pub(super) fn set_synchronised(&mut self, delay: Duration) {
        self.synchronised = delay.min(self.most);
    }

    pub(super) fn set_jitter(&mut self, jitter: Duration) {
        self.jitter = jitter;
    }

    pub(super) fn decoded(&mut self, time: Duration) {
        self.decoding = (self.decoding * FORGET).max(time.as_secs_f64().min(1.0));
    }

    /// How long decoding takes.
    pub(super) fn decoding(&self) -> Duration {
        Duration::from_secs_f64(self.decoding)
    }

    /// Pictures are shown as soon as they are there: the sender asks for it with a longest delay of zero.
    pub(super) fn at_once(&self) -> bool {
        self.playout.1.is_zero() && self.wanted.is_zero() && self.synchronised.is_zero()
    }

    /// Without what is asked for from outside.
    pub(super) fn natural(&self) -> Duration {
        (self.jitter + self.decoding() + RENDER).min(self.most)
    }

    /// What is aimed at.
    pub(super) fn target(&self) -> Duration {
        if self.at_once() {
            return Duration::ZERO;
        }
        let asked = self.wanted.max(self.synchronised);
        // The sender's longest delay binds the jitter's, but not what this end asks for.
        self.natural().max(self.playout.0).min(self.playout.1.max(self.playout.0)).max(asked)
    }

    /// What it is now.
    pub(super) fn current(&self) -> Duration {
        if self.at_once() { Duration::ZERO } else { self.current.unwrap_or_else(|| self.target()) }
    }

    /// So much of the media's time went by.
    pub(super) fn advance(&mut self, media: Duration) {
        let target = self.target();
        let Some(current) = self.current else {
            self.current = Some(target);
            return;
        };
        let step = media.min(Duration::from_secs(1)).mul_f64(CHANGE);
        self.current = Some(if target > current {
            target.min(current + step)
        } else {
            target.max(current.saturating_sub(step))
        });
    }

    /// A frame was too late by so much: the delay grows at once, up to what is aimed at.
    pub(super) fn was_late(&mut self, by: Duration) {
        if let Some(current) = self.current {
            let target = self.target();
            if current < target {
                self.current = Some(target.min(current + by));
            }
        }
    }

    /// Another stream begins.
    pub(super) fn restart(&mut self) {
        self.current = None;
        self.jitter = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn what_is_asked_for_counts_within_bounds() {
        let mut delay = Delay::new(MS(4000));
        delay.set_jitter(MS(50));
        assert_eq!(delay.target(), MS(60));
        delay.set_playout(MS(100), MS(200));
        assert_eq!(delay.target(), MS(100));
        delay.set_jitter(MS(500));
        assert_eq!((delay.target(), delay.natural()), (MS(200), MS(510)));
        delay.set_wanted(MS(300));
        delay.set_synchronised(MS(250));
        assert_eq!(delay.target(), MS(300));
        delay.set_wanted(MS(100_000));
        assert_eq!(delay.target(), MS(4000));
        delay.set_wanted(Duration::ZERO);
        delay.set_synchronised(Duration::ZERO);
        delay.set_playout(Duration::ZERO, Duration::ZERO);
        assert!(delay.at_once() && delay.target().is_zero() && delay.current().is_zero());
    }

    #[test]
    fn it_changes_slowly_but_for_late_frames() {
        let mut delay = Delay::new(MS(4000));
        delay.set_jitter(MS(40));
        delay.advance(MS(33));
        assert_eq!(delay.current(), MS(50));
        delay.set_jitter(MS(140));
        delay.advance(MS(100));
        assert_eq!(delay.current(), MS(60));
        delay.was_late(MS(30));
        assert_eq!(delay.current(), MS(90));
        delay.was_late(MS(300));
        assert_eq!(delay.current(), MS(150));
        delay.set_jitter(MS(0));
        delay.advance(MS(100));
        assert_eq!(delay.current(), MS(140));
    }
}
