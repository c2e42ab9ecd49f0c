//! How much is protected. Parity is worth its bits where losses are seen and a retransmission would come late:
//!
//! | loss | round trip | parity for each packet of media |
//! |---|---|---|
//! | below 1 % (once on, below 0.5 %) | any | none |
//! | more | up to 20 ms, with retransmission | none: what is sent again is there as soon |
//! | more | 20 to 120 ms, with retransmission | from none up to four times the loss |
//! | more | above, or without retransmission | four times the loss |
//!
//! Keyframes get half as much again, and never is it more than half of the media.

use std::time::Duration;

/// Losses at which protection begins, and below which it ends.
const BEGIN: f64 = 0.01;
const END: f64 = 0.005;
/// Parity for each lost packet: losses come in no order, and one parity packet repairs one of its row. With twice the loss, one
/// frame in eight of ten packets had two lost in a row at 5 %.
const PER_LOSS: f64 = 4.0;
const MOST: f64 = 0.5;
const KEYFRAME: f64 = 1.5;
/// Round trips between which retransmission is relied on less and less, in seconds.
const SHORT: f64 = 0.020;
const LONG: f64 = 0.120;

/// Parity packets for each packet of media, and whether there are any.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Protection {
    lossy: bool,
    share: f64,
}

impl Protection {
    /// Takes what is known of the path. `repeats`: the peer asks for what it misses, and gets it.
    pub(super) fn update(&mut self, loss: f64, round_trip: Duration, repeats: bool) {
        self.lossy = loss >= if self.lossy { END } else { BEGIN };
        let late = match repeats {
            true => ((round_trip.as_secs_f64() - SHORT) / (LONG - SHORT)).clamp(0.0, 1.0),
            false => 1.0,
        };
        self.share = if self.lossy { (PER_LOSS * loss * late).min(MOST) } else { 0.0 };
    }

    /// Whether anything is protected.
    pub(super) fn is_on(&self) -> bool {
        self.share > 0.0
    }

    /// Parity packets for each packet of such a frame.
    pub(super) fn share(&self, keyframe: bool) -> f64 {
        (self.share * if keyframe { KEYFRAME } else { 1.0 }).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(loss: f64, round_trip: u64, repeats: bool) -> f64 {
        let mut protection = Protection::default();
        protection.update(loss, Duration::from_millis(round_trip), repeats);
        protection.share(false)
    }

    #[test]
    fn it_grows_with_loss_and_with_the_round_trip() {
        assert_eq!(share(0.0, 200, true), 0.0);
        assert_eq!(share(0.009, 200, false), 0.0);
        assert_eq!(share(0.05, 20, true), 0.0);
        assert!((share(0.05, 70, true) - 0.1).abs() < 1e-9);
        assert!((share(0.05, 500, true) - 0.2).abs() < 1e-9);
        assert!((share(0.05, 10, false) - 0.2).abs() < 1e-9);
        assert_eq!(share(0.4, 300, true), 0.5);
    }

    #[test]
    fn it_ends_later_than_it_begins() {
        let mut protection = Protection::default();
        let mut at = |loss| {
            protection.update(loss, Duration::from_millis(200), true);
            protection.is_on()
        };
        assert_eq!(
            [0.009, 0.011, 0.006, 0.004, 0.006].map(&mut at),
            [false, true, true, false, false]
        );
        protection.update(0.1, Duration::from_millis(200), true);
        assert!(protection.share(true) > protection.share(false));
    }
}
