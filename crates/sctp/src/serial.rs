//! The numbers SCTP counts with, each its own type, and the arithmetic that lets them wrap
//! (RFC 9260 §1.6, RFC 1982). Everything above the wire imports this file; it imports nothing.

/// Identifies one unidirectional stream (RFC 9260 §3.3.1); a data channel uses the same number both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u16);

/// Tells the receiver what a message is (RFC 9260 §3.3.1); SCTP carries it untouched.
///
/// Data channels use 50 (DCEP), 51 (string), 53 (binary), 56 (empty string) and 57 (empty binary), RFC 8831 §8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadProtocolId(pub u32);

macro_rules! serial {
    ($(#[$meta:meta])* $name:ident, $raw:ty, $signed:ty) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub(crate) struct $name(pub(crate) $raw);

        #[allow(dead_code, reason = "every number has the whole arithmetic, used or not")]
        impl $name {
            /// The number after this one.
            #[must_use]
            pub(crate) const fn next(self) -> Self {
                Self(self.0.wrapping_add(1))
            }

            /// The number before this one.
            #[must_use]
            pub(crate) const fn previous(self) -> Self {
                Self(self.0.wrapping_sub(1))
            }

            /// How far this number is ahead of `other`; negative when behind.
            #[must_use]
            pub(crate) const fn distance(self, other: Self) -> $signed {
                self.0.wrapping_sub(other.0) as $signed
            }

            /// Whether this number comes after `other` in serial arithmetic.
            #[must_use]
            pub(crate) const fn is_after(self, other: Self) -> bool {
                self.distance(other) > 0
            }
        }
    };
}

serial! {
    /// Transmission sequence number: counts DATA and I-DATA chunks of one direction (RFC 9260 §3.3.1).
    Tsn, u32, i32
}
serial! {
    /// Stream sequence number: counts ordered messages of a stream carried by DATA (RFC 9260 §6.5).
    Ssn, u16, i16
}
serial! {
    /// Message identifier: counts messages of a stream carried by I-DATA, ordered and unordered apart (RFC 8260 §2.1).
    Mid, u32, i32
}
serial! {
    /// Fragment sequence number: counts the fragments of one I-DATA message (RFC 8260 §2.1).
    Fsn, u32, i32
}
serial! {
    /// Re-configuration request sequence number (RFC 6525 §4.1).
    ReconfigSeq, u32, i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        assert!(Tsn(0).is_after(Tsn(u32::MAX)));
        assert!(!Tsn(u32::MAX).is_after(Tsn(0)));
        assert!(!Tsn(7).is_after(Tsn(7)));
        assert_eq!(Tsn(2).distance(Tsn(u32::MAX)), 3);
        assert_eq!(Ssn(u16::MAX).next(), Ssn(0));
        assert_eq!(Mid(0).previous(), Mid(u32::MAX));
    }
}
