//! The numbers of an RTP header that have names of their own (RFC 3550 §5.1), with the arithmetic of numbers that wrap
//! (RFC 1982 in spirit). Every other module builds on these.

use std::fmt;

/// A synchronisation source: names one stream of packets (RFC 3550 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u32> for Ssrc {
    fn from(value: u32) -> Self {
        Self(value)
    }
}

/// A sequence number; it wraps every 65,536 packets, so it has no total order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number `n` packets later.
    #[must_use]
    pub fn plus(self, n: u16) -> Self {
        Self(self.0.wrapping_add(n))
    }

    /// The number `n` packets earlier.
    #[must_use]
    pub fn minus(self, n: u16) -> Self {
        Self(self.0.wrapping_sub(n))
    }

    /// The number of the next packet.
    #[must_use]
    pub fn next(self) -> Self {
        self.plus(1)
    }

    /// How far this number is ahead of `other` by the shorter way; negative where it is behind.
    #[must_use]
    pub fn distance_from(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0) as i16
    }

    /// Whether this number is ahead of `other` by the shorter way.
    #[must_use]
    pub fn is_newer_than(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }
}

impl From<u16> for SequenceNumber {
    fn from(value: u16) -> Self {
        Self(value)
    }
}

/// A media timestamp in units of the payload's clock rate; it wraps, so it has no total order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RtpTimestamp(pub u32);

impl RtpTimestamp {
    /// The timestamp `ticks` later.
    #[must_use]
    pub fn plus(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }

    /// How far this timestamp is ahead of `other` by the shorter way; negative where it is behind.
    #[must_use]
    pub fn distance_from(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }

    /// Whether this timestamp is ahead of `other` by the shorter way.
    #[must_use]
    pub fn is_newer_than(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }
}

impl From<u32> for RtpTimestamp {
    fn from(value: u32) -> Self {
        Self(value)
    }
}

/// A payload type, 0 to 127 (RFC 3550 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PayloadType(u8);

impl PayloadType {
    /// PCMU at 8 kHz (RFC 3551 §6).
    pub const PCMU: Self = Self(0);
    /// PCMA at 8 kHz (RFC 3551 §6).
    pub const PCMA: Self = Self(8);
    /// G.722, whose clock rate is 8 kHz though it samples at 16 kHz (RFC 3551 §4.5.2).
    pub const G722: Self = Self(9);
    /// Comfort noise at 8 kHz (RFC 3389).
    pub const CN: Self = Self(13);

    /// A payload type; `None` beyond 127.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        if value < 128 { Some(Self(value)) } else { None }
    }

    /// The low seven bits of a byte: how a header holds it, beside the marker.
    #[must_use]
    pub const fn from_low_bits(byte: u8) -> Self {
        Self(byte & 0x7F)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether RFC 5761 §4 keeps the number free for RTCP on the same port (64 to 95).
    #[must_use]
    pub const fn collides_with_rtcp(self) -> bool {
        self.0 >= 64 && self.0 <= 95
    }

    /// What RFC 3551 §6 assigned the number to; `None` for the dynamic and the unassigned.
    #[must_use]
    pub const fn assigned(self) -> Option<StaticPayload> {
        const fn audio(name: &'static str, clock_rate: u32, channels: u8) -> Option<StaticPayload> {
            Some(StaticPayload { name, clock_rate, channels })
        }
        const fn video(name: &'static str) -> Option<StaticPayload> {
            Some(StaticPayload { name, clock_rate: 90_000, channels: 0 })
        }
        match self.0 {
            0 => audio("PCMU", 8_000, 1),
            3 => audio("GSM", 8_000, 1),
            4 => audio("G723", 8_000, 1),
            5 => audio("DVI4", 8_000, 1),
            6 => audio("DVI4", 16_000, 1),
            7 => audio("LPC", 8_000, 1),
            8 => audio("PCMA", 8_000, 1),
            9 => audio("G722", 8_000, 1),
            10 => audio("L16", 44_100, 2),
            11 => audio("L16", 44_100, 1),
            12 => audio("QCELP", 8_000, 1),
            13 => audio("CN", 8_000, 1),
            14 => audio("MPA", 90_000, 0),
            15 => audio("G728", 8_000, 1),
            16 => audio("DVI4", 11_025, 1),
            17 => audio("DVI4", 22_050, 1),
            18 => audio("G729", 8_000, 1),
            25 => video("CelB"),
            26 => video("JPEG"),
            28 => video("nv"),
            31 => video("H261"),
            32 => video("MPV"),
            33 => video("MP2T"),
            34 => video("H263"),
            _ => None,
        }
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A payload format with a number of its own (RFC 3551 tables 4 and 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaticPayload {
    /// The encoding name, as in `a=rtpmap`.
    pub name: &'static str,
    /// Ticks of the timestamp per second.
    pub clock_rate: u32,
    /// Audio channels; 0 for video, and where the payload says itself.
    pub channels: u8,
}

/// Makes 64-bit sequence numbers of 16-bit ones that wrap.
///
/// Each number is placed within half a cycle of the highest so far. The first gets 65,536 added, so that packets that
/// were sent before it and arrive after it find room below.
#[derive(Debug, Clone, Copy, Default)]
pub struct SequenceUnwrapper {
    highest: Option<u64>,
}

impl SequenceUnwrapper {
    /// The extended number; remembered if it is the highest so far.
    pub fn unwrap(&mut self, number: SequenceNumber) -> u64 {
        let extended = self.peek(number);
        self.highest = Some(self.highest.map_or(extended, |highest| highest.max(extended)));
        extended
    }

    /// The extended number, without remembering it.
    #[must_use]
    pub fn peek(&self, number: SequenceNumber) -> u64 {
        match self.highest {
            None => (1 << 16) + u64::from(number.0),
            Some(highest) => {
                let step = number.distance_from(SequenceNumber(highest as u16));
                highest.wrapping_add_signed(i64::from(step))
            }
        }
    }

    /// The highest number so far.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}

/// Makes 64-bit timestamps of 32-bit ones that wrap, as [`SequenceUnwrapper`] does: the first gets 2^32 added.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimestampUnwrapper {
    highest: Option<u64>,
}

impl TimestampUnwrapper {
    /// The extended timestamp; remembered if it is the highest so far.
    pub fn unwrap(&mut self, timestamp: RtpTimestamp) -> u64 {
        let extended = match self.highest {
            None => (1 << 32) + u64::from(timestamp.0),
            Some(highest) => {
                let step = timestamp.distance_from(RtpTimestamp(highest as u32));
                highest.wrapping_add_signed(i64::from(step))
            }
        };
        self.highest = Some(self.highest.map_or(extended, |highest| highest.max(extended)));
        extended
    }

    /// The highest timestamp so far.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_goes_the_shorter_way() {
        assert!(SequenceNumber(0).is_newer_than(SequenceNumber(65_535)));
        assert!(!SequenceNumber(65_535).is_newer_than(SequenceNumber(0)));
        assert_eq!(SequenceNumber(3).distance_from(SequenceNumber(65_534)), 5);
        assert!(RtpTimestamp(5).is_newer_than(RtpTimestamp(u32::MAX)));
        assert_eq!(RtpTimestamp(u32::MAX).distance_from(RtpTimestamp(1)), -2);
    }

    #[test]
    fn unwrapping_survives_wraps_and_reordering() {
        let mut unwrapper = SequenceUnwrapper::default();
        assert_eq!(unwrapper.unwrap(SequenceNumber(1)), 65_537);
        assert_eq!(unwrapper.unwrap(SequenceNumber(65_535)), 65_535, "sent before the first");
        assert_eq!(unwrapper.unwrap(SequenceNumber(2)), 65_538);
        // A day of 1,000 packets a second wraps 1,318 times.
        let mut expected = 65_538;
        for _ in 0..86_400_000_u64 / 997 {
            expected += 997;
            assert_eq!(unwrapper.unwrap(SequenceNumber(expected as u16)), expected);
            assert_eq!(unwrapper.unwrap(SequenceNumber((expected - 900) as u16)), expected - 900);
        }
        assert_eq!(unwrapper.highest(), Some(expected));
    }

    #[test]
    fn timestamps_unwrap_for_a_day() {
        let mut unwrapper = TimestampUnwrapper::default();
        let first = u32::MAX - 100;
        let mut expected = (1_u64 << 32) + u64::from(first);
        assert_eq!(unwrapper.unwrap(RtpTimestamp(first)), expected);
        for _ in 0..24 * 3_600 {
            expected += 90_000;
            assert_eq!(unwrapper.unwrap(RtpTimestamp(expected as u32)), expected);
        }
    }

    #[test]
    fn static_payload_types() {
        assert_eq!(PayloadType::G722.assigned().map(|p| p.clock_rate), Some(8_000));
        assert_eq!(PayloadType::new(96).and_then(PayloadType::assigned), None);
        assert_eq!(PayloadType::new(128), None);
        assert!(PayloadType::from_low_bits(0xC8).collides_with_rtcp());
    }
}
