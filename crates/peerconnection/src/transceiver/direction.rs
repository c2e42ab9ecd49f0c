//! `RTCRtpTransceiverDirection` (webrtc-pc §5.4).

use peerage_sdp::Direction;
use std::fmt;

/// Which way the media of a transceiver flows, as this end sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TransceiverDirection {
    /// Both ways.
    #[default]
    SendRecv,
    /// From here to the peer.
    SendOnly,
    /// From the peer to here.
    RecvOnly,
    /// Neither.
    Inactive,
    /// Neither, for ever.
    Stopped,
}

impl TransceiverDirection {
    /// The W3C spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
            Self::Stopped => "stopped",
        }
    }

    /// From the W3C spelling.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive, Self::Stopped]
            .into_iter()
            .find(|direction| direction.name() == name)
    }

    /// Whether this end sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether this end receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// From two halves.
    pub const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// With or without sending, the other half as it is.
    pub(crate) const fn with_sending(self, sends: bool) -> Self {
        match self {
            Self::Stopped => Self::Stopped,
            direction => Self::new(sends, direction.receives()),
        }
    }

    pub(crate) const fn from_sdp(direction: Direction) -> Self {
        match direction {
            Direction::SendRecv => Self::SendRecv,
            Direction::SendOnly => Self::SendOnly,
            Direction::RecvOnly => Self::RecvOnly,
            Direction::Inactive => Self::Inactive,
        }
    }

    pub(crate) const fn to_sdp(self) -> Option<Direction> {
        match self {
            Self::SendRecv => Some(Direction::SendRecv),
            Self::SendOnly => Some(Direction::SendOnly),
            Self::RecvOnly => Some(Direction::RecvOnly),
            Self::Inactive => Some(Direction::Inactive),
            Self::Stopped => None,
        }
    }
}

impl fmt::Display for TransceiverDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
