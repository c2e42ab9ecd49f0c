//! Typed quantities: a rate is not a size, and neither is a bare number. Time is `std::time`'s.
//!
//! All arithmetic saturates: what a hostile report makes huge stays huge, it does not wrap and does not panic.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub, SubAssign};
use std::time::Duration;

/// A data rate in bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataRate(u64);

impl DataRate {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest rate, for "no limit".
    pub const MAX: Self = Self(u64::MAX);

    /// Bits per second.
    pub const fn from_bps(bps: u64) -> Self {
        Self(bps)
    }

    /// 1,000 bits per second.
    pub const fn from_kbps(kbps: u64) -> Self {
        Self(kbps.saturating_mul(1_000))
    }

    /// 1,000,000 bits per second.
    pub const fn from_mbps(mbps: u64) -> Self {
        Self(mbps.saturating_mul(1_000_000))
    }

    /// In bits per second.
    pub const fn as_bps(self) -> u64 {
        self.0
    }

    /// In kilobits per second, rounded down.
    pub const fn as_kbps(self) -> u64 {
        self.0 / 1_000
    }

    /// In bits per second, for arithmetic with fractions.
    pub const fn as_f64(self) -> f64 {
        self.0 as f64
    }

    /// From bits per second; what is negative or not a number counts as zero.
    pub fn from_f64(bps: f64) -> Self {
        // `as` saturates and makes NaN zero.
        Self(bps as u64)
    }

    /// This rate times `factor`; a negative factor gives zero.
    pub fn scaled(self, factor: f64) -> Self {
        Self::from_f64(self.0 as f64 * factor)
    }

    /// Whether it is zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// An amount of data in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataSize(u64);

impl DataSize {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest size, for "no limit".
    pub const MAX: Self = Self(u64::MAX);

    /// Bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// In bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }

    /// In bits, for arithmetic with fractions.
    pub const fn bits_f64(self) -> f64 {
        self.0 as f64 * 8.0
    }

    /// Whether it is zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl From<usize> for DataSize {
    fn from(bytes: usize) -> Self {
        Self(bytes as u64)
    }
}

impl Add for DataRate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for DataRate {
    type Output = Self;

    /// Zero where `other` is larger.
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for DataRate {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for DataRate {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for DataRate {
    fn sum<I: Iterator<Item = Self>>(rates: I) -> Self {
        rates.fold(Self::ZERO, Add::add)
    }
}

impl Add for DataSize {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for DataSize {
    type Output = Self;

    /// Zero where `other` is larger.
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for DataSize {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for DataSize {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for DataSize {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::ZERO, Add::add)
    }
}

impl Mul<Duration> for DataRate {
    type Output = DataSize;

    /// What passes in that time.
    fn mul(self, time: Duration) -> DataSize {
        // Nanoseconds times bits per second, so that the division comes last.
        let scaled = u128::from(self.0).saturating_mul(time.as_nanos());
        DataSize(u64::try_from(scaled.div_euclid(8_000_000_000)).unwrap_or(u64::MAX))
    }
}

impl Div<Duration> for DataSize {
    type Output = DataRate;

    /// The rate that moves this much in that time; [`DataRate::MAX`] in no time at all.
    fn div(self, time: Duration) -> DataRate {
        let nanos = time.as_nanos();
        if nanos == 0 {
            return if self.0 == 0 { DataRate::ZERO } else { DataRate::MAX };
        }
        let bps = u128::from(self.0) * 8_000_000_000 / nanos;
        DataRate(u64::try_from(bps).unwrap_or(u64::MAX))
    }
}

/// The longest time a size over a rate gives: adding a day to an `Instant` is safe on every platform.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

impl Div<DataRate> for DataSize {
    type Output = Duration;

    /// How long this much takes at that rate; at most a day, which is also the answer at rate zero.
    fn div(self, rate: DataRate) -> Duration {
        if self.0 == 0 {
            return Duration::ZERO;
        }
        if rate.0 == 0 {
            return LONGEST;
        }
        let nanos = u128::from(self.0) * 8_000_000_000 / u128::from(rate.0);
        u64::try_from(nanos).map_or(LONGEST, |n| Duration::from_nanos(n).min(LONGEST))
    }
}

impl fmt::Display for DataRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::MAX {
            f.write_str("unlimited")
        } else {
            write!(f, "{:.1} kbit/s", self.0 as f64 / 1_000.0)
        }
    }
}

impl fmt::Display for DataSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_rates_and_times_fit_together() {
        let rate = DataRate::from_kbps(800);
        assert_eq!(rate * Duration::from_millis(10), DataSize::from_bytes(1_000));
        assert_eq!(DataSize::from_bytes(1_000) / Duration::from_millis(10), rate);
        assert_eq!(DataSize::from_bytes(1_000) / rate, Duration::from_millis(10));
    }

    #[test]
    fn the_ends_saturate() {
        assert_eq!(DataRate::MAX + DataRate::MAX, DataRate::MAX);
        assert_eq!(DataRate::ZERO - DataRate::MAX, DataRate::ZERO);
        assert_eq!(DataSize::MAX / Duration::ZERO, DataRate::MAX);
        assert_eq!(DataSize::MAX / DataRate::from_bps(1), LONGEST);
        assert_eq!(DataSize::from_bytes(1) / DataRate::ZERO, LONGEST);
        assert_eq!(DataRate::MAX * Duration::MAX, DataSize::MAX);
        assert_eq!(DataRate::from_f64(f64::NAN), DataRate::ZERO);
        assert_eq!(DataRate::from_f64(-1.0), DataRate::ZERO);
        assert_eq!(DataRate::MAX.scaled(2.0), DataRate::MAX);
    }
}
