//! NTP timestamps (RFC 3550 §4) and their relation to [`Instant`]s: sender reports, reference times and capture times
//! are of the wall clock, everything else here of the monotonic one.

use std::time::{Duration, Instant};

/// Seconds since 1900 in 32.32 fixed point. It wraps in 2036, so times are compared by the shorter way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// Seconds from NTP's epoch to Unix's.
    pub const UNIX_EPOCH_SECONDS: u64 = 2_208_988_800;

    /// From time since 1970.
    #[must_use]
    pub fn from_unix(time: Duration) -> Self {
        let seconds = time.as_secs().wrapping_add(Self::UNIX_EPOCH_SECONDS);
        Self(seconds << 32).plus(Duration::from_nanos(u64::from(time.subsec_nanos())))
    }

    /// The middle 32 bits: 16.16 seconds, as reports refer to it (RFC 3550 §6.4.1).
    #[must_use]
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// The time `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.wrapping_add(fixed_point(duration)))
    }

    /// The time `duration` earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.wrapping_sub(fixed_point(duration)))
    }

    /// How far this time is ahead of `other` by the shorter way, in 32.32 seconds; negative where it is behind.
    #[must_use]
    pub fn distance_from(self, other: Self) -> i64 {
        self.0.wrapping_sub(other.0) as i64
    }
}

/// 32.32 seconds of a duration, rounded to the nearest, modulo 2^32 seconds.
fn fixed_point(duration: Duration) -> u64 {
    let fraction = ((u64::from(duration.subsec_nanos()) << 32) + 500_000_000) / 1_000_000_000;
    (duration.as_secs() << 32).wrapping_add(fraction)
}

/// A duration of 32.32 seconds.
fn duration(fixed: u64) -> Duration {
    let nanos = ((fixed & 0xFFFF_FFFF) * 1_000_000_000 + (1 << 31)) >> 32;
    Duration::from_secs(fixed >> 32) + Duration::from_nanos(nanos)
}

/// 16.16 seconds of a duration, as `delay since last SR` has it; what is too long is the most there is.
#[must_use]
pub fn compact_from_duration(duration: Duration) -> u32 {
    let units = duration.as_nanos().saturating_mul(1 << 16) / 1_000_000_000;
    u32::try_from(units).unwrap_or(u32::MAX)
}

/// The duration of 16.16 seconds.
#[must_use]
pub fn duration_from_compact(compact: u32) -> Duration {
    Duration::from_nanos((u64::from(compact) * 1_000_000_000) >> 16)
}

/// The round trip that a report tells: now, less when what it refers to left, less how long the peer kept it (RFC 3550
/// §6.4.1, RFC 3611 §4.5). All in 16.16 seconds, so it holds across their wrap.
///
/// `None` where the report refers to nothing, or claims more than 2^15 seconds or less than nothing. Clocks have grain:
/// a claim short of nothing by up to 1/64 s counts as the least there is.
#[must_use]
pub fn round_trip(now: NtpTime, last_report: u32, delay: u32) -> Option<Duration> {
    if last_report == 0 {
        return None;
    }
    let compact = now.middle().wrapping_sub(last_report).wrapping_sub(delay) as i32;
    match compact {
        ..=-1_025 => None,
        -1_024..=0 => Some(duration_from_compact(1)),
        positive => Some(duration_from_compact(positive as u32)),
    }
}

/// Tells what an [`Instant`] is as NTP time: a pair of both, of one moment. One clock serves all streams of an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct NtpClock {
    instant: Instant,
    ntp: NtpTime,
}

impl NtpClock {
    /// A clock that shows `ntp` at `instant`.
    #[must_use]
    pub fn new(instant: Instant, ntp: NtpTime) -> Self {
        Self { instant, ntp }
    }

    /// What the clock shows at an instant.
    #[must_use]
    pub fn at(&self, instant: Instant) -> NtpTime {
        match instant.checked_duration_since(self.instant) {
            Some(later) => self.ntp.plus(later),
            None => self.ntp.minus(self.instant - instant),
        }
    }

    /// When the clock shows a time; `None` where that is before all instants.
    #[must_use]
    pub fn instant_of(&self, time: NtpTime) -> Option<Instant> {
        let distance = time.distance_from(self.ntp);
        let magnitude = duration(distance.unsigned_abs());
        if distance >= 0 {
            self.instant.checked_add(magnitude)
        } else {
            self.instant.checked_sub(magnitude)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_ntp_times_map_across_2036() {
        let instant = Instant::now() + Duration::from_secs(100_000);
        // Twelve hours before the seconds wrap.
        let clock = NtpClock::new(
            instant,
            NtpTime(0xFFFF_FFFF_0000_0000).minus(Duration::from_secs(43_200)),
        );
        for seconds in (0..86_400).step_by(61) {
            let later = instant + Duration::new(seconds, 123_456_789);
            let ntp = clock.at(later);
            assert_eq!(clock.instant_of(ntp), Some(later));
        }
        let before = instant - Duration::from_millis(1_500);
        assert_eq!(clock.instant_of(clock.at(before)), Some(before));
        assert_eq!(clock.at(instant + Duration::from_secs(86_400)).0 >> 32, 43_199);
    }

    #[test]
    fn unix_times() {
        assert_eq!(NtpTime::from_unix(Duration::ZERO).0, 0x83AA_7E80_0000_0000);
        assert_eq!(NtpTime::from_unix(Duration::from_millis(500)).middle(), 0x7E80_8000);
    }

    #[test]
    fn round_trips_hold_for_a_day_of_wraps() {
        let start = NtpTime(0xFFFF_FF00_0000_0000);
        for minute in 0..1_440 {
            let sent = start.plus(Duration::from_secs(minute * 60));
            let kept = Duration::from_millis(700);
            let now = sent.plus(kept + Duration::from_millis(50));
            let rtt = round_trip(now, sent.middle(), compact_from_duration(kept));
            if sent.middle() != 0 {
                let rtt = rtt.unwrap();
                assert!(
                    rtt > Duration::from_millis(49) && rtt < Duration::from_millis(51),
                    "{rtt:?}"
                );
            }
        }
        assert_eq!(round_trip(start, 0, 0), None);
        assert_eq!(round_trip(start, start.middle(), 100), Some(duration_from_compact(1)));
        assert_eq!(round_trip(start, start.middle(), 1 << 20), None, "a lie");
    }
}
