//! Protocol versions of DTLS as they stand on the wire (RFC 9147 §5.3).

use std::fmt;

/// A version of DTLS that Peerage speaks. Ordered by age: `Dtls12 < Dtls13`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// DTLS 1.2 (RFC 6347), `0xfefd` on the wire.
    Dtls12,
    /// DTLS 1.3 (RFC 9147), `0xfefc` in `supported_versions`.
    Dtls13,
}

impl ProtocolVersion {
    /// The two bytes on the wire. Note that newer versions have smaller numbers.
    pub const fn to_wire(self) -> u16 {
        match self {
            Self::Dtls12 => 0xfefd,
            Self::Dtls13 => 0xfefc,
        }
    }

    /// Reads the two bytes of the wire; `None` for every version Peerage does not speak (DTLS 1.0 among them).
    pub const fn from_wire(value: u16) -> Option<Self> {
        match value {
            0xfefd => Some(Self::Dtls12),
            0xfefc => Some(Self::Dtls13),
            _ => None,
        }
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dtls12 => "DTLS 1.2",
            Self::Dtls13 => "DTLS 1.3",
        })
    }
}
