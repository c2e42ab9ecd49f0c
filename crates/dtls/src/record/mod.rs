//! The record layer that both versions share: what kinds of record there are, how a datagram splits into them, and the
//! window that detects replays (RFC 9147 §4, RFC 6347 §4.1).

mod plaintext;
mod replay_window;
mod unified;

pub(crate) use plaintext::PlaintextHeader;
pub(crate) use replay_window::ReplayWindow;
pub(crate) use unified::UnifiedHeader;

/// Longest plaintext of a record (RFC 8446 §5.1).
pub(crate) const MAX_PLAINTEXT: usize = 1 << 14;

/// What a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentType {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
    Ack,
}

impl ContentType {
    pub(crate) const fn to_wire(self) -> u8 {
        match self {
            Self::ChangeCipherSpec => 20,
            Self::Alert => 21,
            Self::Handshake => 22,
            Self::ApplicationData => 23,
            Self::Ack => 26,
        }
    }

    pub(crate) const fn from_wire(value: u8) -> Option<Self> {
        match value {
            20 => Some(Self::ChangeCipherSpec),
            21 => Some(Self::Alert),
            22 => Some(Self::Handshake),
            23 => Some(Self::ApplicationData),
            26 => Some(Self::Ack),
            _ => None,
        }
    }
}

/// The header of the next record of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordHeader {
    /// DTLSPlaintext, or any record of DTLS 1.2.
    Plaintext(PlaintextHeader),
    /// DTLSCiphertext of DTLS 1.3.
    Unified(UnifiedHeader),
}

impl RecordHeader {
    /// Reads the header of the record at the start of `bytes` (RFC 9147 §4.1). `None` if there is no whole record; the
    /// rest of the datagram is then useless, for nothing says where the next record would begin.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        if *bytes.first()? & 0xe0 == 0x20 {
            UnifiedHeader::parse(bytes).map(Self::Unified)
        } else {
            PlaintextHeader::parse(bytes).map(Self::Plaintext)
        }
    }

    /// Length of the header in bytes.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) const fn header_len(&self) -> usize {
        match self {
            Self::Plaintext(_) => PlaintextHeader::LEN,
            Self::Unified(header) => header.header_len,
        }
    }

    /// Length of the whole record in bytes.
    pub(crate) const fn record_len(&self) -> usize {
        match self {
            Self::Plaintext(header) => PlaintextHeader::LEN + header.length as usize,
            Self::Unified(header) => header.header_len + header.body_len,
        }
    }
}
