//! A data channel as the application describes it and sees it (webrtc-pc §6.2).

use crate::state::DataChannelState;

/// Names a data channel of one connection for as long as the channel lives; never reused within a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataChannelHandle(pub(crate) u64);

impl DataChannelHandle {
    /// The handle as a number, for use in maps and logs.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// `RTCPriorityType` of webrtc-priority; the numbers are those of RFC 8831 §6.4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// Below normal: 128.
    VeryLow,
    /// Normal: 256.
    #[default]
    Low,
    /// High: 512.
    Medium,
    /// Extra high: 1024.
    High,
}

impl Priority {
    /// The number on the wire (RFC 8831 §6.4).
    pub const fn weight(self) -> u16 {
        match self {
            Self::VeryLow => 128,
            Self::Low => 256,
            Self::Medium => 512,
            Self::High => 1024,
        }
    }

    /// From the number on the wire: the highest name that is not above it.
    pub const fn from_weight(weight: u16) -> Self {
        match weight {
            0..=128 => Self::VeryLow,
            129..=256 => Self::Low,
            257..=512 => Self::Medium,
            _ => Self::High,
        }
    }
}

/// `RTCDataChannelInit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataChannelInit {
    /// Whether messages arrive in the order of sending.
    pub ordered: bool,
    /// How often a lost fragment is sent again before the message is given up. Excludes `max_packet_life_time`.
    pub max_retransmits: Option<u16>,
    /// For how many milliseconds a message is tried. Excludes `max_retransmits`.
    pub max_packet_life_time: Option<u16>,
    /// Subprotocol, at most 65,535 bytes.
    pub protocol: String,
    /// Whether both ends create the channel by themselves, with the same `id`, and no OPEN is sent.
    pub negotiated: bool,
    /// The id of a negotiated channel, 0 to 65,534; ignored otherwise.
    pub id: Option<u16>,
    /// Share of the bandwidth relative to other channels.
    pub priority: Priority,
}

impl Default for DataChannelInit {
    fn default() -> Self {
        Self {
            ordered: true,
            max_retransmits: None,
            max_packet_life_time: None,
            protocol: String::new(),
            negotiated: false,
            id: None,
            priority: Priority::default(),
        }
    }
}

/// A data channel as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataChannelInfo {
    /// Its label.
    pub label: String,
    /// What it was created with; for a channel of the peer, what the OPEN said. `id` is set once it is known.
    pub init: DataChannelInit,
    /// `readyState`.
    pub state: DataChannelState,
}
