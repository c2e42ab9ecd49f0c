//! How much media the peer wants in a packet (`a=ptime`, `a=maxptime`; RFC 8866 §6.4, §6.5): wishes of whoever receives, for
//! whoever encodes. They come out of descriptions and go into parameters and encoding targets.

use std::time::Duration;

/// What the peer's description says of the time that packets of one section are to last. Nothing is said by most; what holds
/// then is the payload format's affair: of Opus 20 ms, and 120 ms at most (RFC 7587 §6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketTimes {
    /// `a=ptime`: what it would have; never more than `max`. A recommendation.
    pub preferred: Option<Duration>,
    /// `a=maxptime`: what it takes at most.
    pub max: Option<Duration>,
}

impl PacketTimes {
    /// Of both attributes, in milliseconds.
    pub(crate) fn new(ptime: Option<u32>, max_ptime: Option<u32>) -> Self {
        let time = |milliseconds: u32| Duration::from_millis(milliseconds.into());
        let max = max_ptime.map(time);
        let within = |preferred: Duration| max.map_or(preferred, |max| preferred.min(max));
        Self { preferred: ptime.map(time).map(within), max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_preferred_is_within_the_most() {
        let times = PacketTimes::new(Some(60), Some(40));
        assert_eq!(times.preferred, Some(Duration::from_millis(40)));
        assert_eq!(PacketTimes::new(Some(60), None).preferred, Some(Duration::from_millis(60)));
        assert_eq!(PacketTimes::new(None, Some(40)).preferred, None);
    }
}
