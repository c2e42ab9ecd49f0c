//! Whether packets of sound bring the one before them again (RFC 2198), and what is left for each.
//!
//! Twice the bits for a loss that is not heard: worth it wherever the path has them, since nobody knows which packet will be the
//! lost one. Where it has few, a better codec rate is worth more, unless much gets lost.

/// Losses from which on redundancy is worth more than a good rate.
const LOSSY: f32 = 0.01;
/// Bits a second that one copy must have left, without losses and with them.
const GOOD: u64 = 24_000;
const FAIR: u64 = 12_000;
/// How much more than that it takes before it begins, so that it does not come and go: an eighth.
const MORE: u64 = 8;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Redundancy {
    on: bool,
}

impl Redundancy {
    /// Whether to send each packet twice: there are so many bits a second for all, and such a share of packets gets lost.
    pub(super) fn decide(&mut self, bitrate: u64, loss: f32) -> bool {
        let enough = 2 * if loss >= LOSSY { FAIR } else { GOOD };
        let enough = if self.on { enough } else { enough + enough / MORE };
        self.on = bitrate >= enough;
        self.on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_on_where_there_is_room() {
        let mut redundancy = Redundancy::default();
        assert!(redundancy.decide(64_000, 0.0));
        assert!(redundancy.decide(48_000, 0.0), "it stays");
        assert!(!redundancy.decide(47_000, 0.0));
        assert!(!redundancy.decide(50_000, 0.0), "it does not come and go");
        assert!(redundancy.decide(54_000, 0.0));
    }

    #[test]
    fn losses_make_it_worth_more() {
        let mut redundancy = Redundancy::default();
        assert!(!redundancy.decide(32_000, 0.0));
        assert!(redundancy.decide(32_000, 0.05));
        assert!(!redundancy.decide(20_000, 0.3), "too little for anything else");
    }
}
