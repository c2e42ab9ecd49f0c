//! Token buckets: one for a rate of bytes, and a table of fixed size for answers to strangers.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A rate of bytes per second, with one second's worth at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: u64,
    filled: Instant,
}

impl Bucket {
    pub(crate) fn new(now: Instant, rate: u64) -> Self {
        Self { tokens: burst(rate), filled: now }
    }

    /// Whether `bytes` may pass.
    pub(crate) fn take(&mut self, now: Instant, rate: u64, bytes: usize) -> bool {
        let elapsed = now.saturating_duration_since(self.filled);
        // Not for every packet: fractions of a token would be lost.
        if elapsed >= Duration::from_millis(10) {
            let more = u128::from(rate) * elapsed.as_micros() / 1_000_000;
            self.tokens = self.tokens.saturating_add(more as u64).min(burst(rate));
            self.filled = now;
        }
        match self.tokens.checked_sub(bytes as u64) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }
}

/// One second's worth, and one datagram at least.
fn burst(rate: u64) -> u64 {
    rate.max(65_536)
}

const PLACES: usize = 4096;

/// How many answers went to each prefix this second. The table has one size for ever, so that a flood of forged sources costs
/// nothing but its own share; prefixes that fall on one place share it.
#[derive(Debug)]
pub(crate) struct Strangers {
    places: Box<[(u32, u32)]>,
    seed: u64,
}

impl Strangers {
    pub(crate) fn new(seed: u64) -> Self {
        Self { places: vec![(0, 0); PLACES].into(), seed }
    }

    /// Whether one more answer may go to `ip` in this second.
    pub(crate) fn take(&mut self, second: u32, ip: IpAddr, rate: u32) -> bool {
        if rate == 0 {
            return true;
        }
        let prefix = match ip {
            IpAddr::V4(ip) => u64::from(u32::from(ip) >> 8),
            IpAddr::V6(ip) => (u128::from(ip) >> 72) as u64 | 1 << 63,
        };
        // Seeded, so that nobody can aim at another's place.
        let mixed = (prefix ^ self.seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed =
            (mixed ^ mixed >> 29 ^ self.seed.rotate_left(17)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let place = &mut self.places[(mixed >> 40) as usize % PLACES];
        if place.0 != second {
            *place = (second, 0);
        }
        place.1 += 1;
        place.1 <= rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_held() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, 100_000);
        let mut passed = 0;
        for ms in 0..10_000 {
            for _ in 0..10 {
                passed += 1000
                    * usize::from(bucket.take(start + Duration::from_millis(ms), 100_000, 1000));
            }
        }
        assert!(
            (1_080_000..=1_100_000).contains(&passed),
            "{passed} bytes in 10 s with one second's burst"
        );
    }

    #[test]
    fn a_prefix_gets_its_share_each_second() {
        let mut strangers = Strangers::new(7);
        let count = |strangers: &mut Strangers, second, ip: &str| {
            (0..100).filter(|_| strangers.take(second, ip.parse().unwrap(), 30)).count()
        };
        assert_eq!(count(&mut strangers, 1, "192.0.2.1"), 30);
        assert_eq!(count(&mut strangers, 1, "192.0.2.77"), 0, "the same /24");
        assert_eq!(count(&mut strangers, 2, "192.0.2.77"), 30);
        assert_eq!(count(&mut strangers, 2, "2001:db8::1"), 30);
        assert_eq!(count(&mut strangers, 2, "2001:db8:0:1::1"), 0, "the same /56");
    }
}
