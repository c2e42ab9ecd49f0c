//! The states of an agent, its gathering and its candidate pairs, in the terms of RFC 8445 and the W3C.

use std::fmt;

/// Who nominates (RFC 8445 §6.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nominates the pair both sides use.
    Controlling,
    /// Follows the nomination of the other.
    Controlled,
}

impl Role {
    /// The other role.
    pub fn opposite(self) -> Self {
        match self {
            Self::Controlling => Self::Controlled,
            Self::Controlled => Self::Controlling,
        }
    }
}

/// `RTCIceTransportState` of the W3C.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum IceConnectionState {
    /// Waiting for the remote credentials and candidates.
    #[default]
    New,
    /// Connectivity checks are under way and no pair works yet.
    Checking,
    /// A pair works; checks go on, or more candidates may come.
    Connected,
    /// A pair is selected, nothing more is to be checked, and both sides have ended gathering.
    Completed,
    /// The pair in use stopped answering; it may come back by itself.
    Disconnected,
    /// No pair works, or consent to send expired (RFC 7675). Only a restart leads out.
    Failed,
    /// The agent was closed.
    Closed,
}

impl fmt::Display for IceConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Checking => "checking",
            Self::Connected => "connected",
            Self::Completed => "completed",
            Self::Disconnected => "disconnected",
            Self::Failed => "failed",
            Self::Closed => "closed",
        })
    }
}

/// `RTCIceGatheringState` of the W3C.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum GatheringState {
    /// Gathering has not begun.
    #[default]
    New,
    /// Candidates are being collected.
    Gathering,
    /// There will be no more local candidates in this generation.
    Complete,
}

/// State of a candidate pair (RFC 8445 §6.1.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PairState {
    /// Not to be checked before another pair with its foundation has succeeded.
    Frozen,
    /// To be checked when its turn comes.
    Waiting,
    /// A check is under way.
    InProgress,
    /// A check succeeded.
    Succeeded,
    /// The last check failed.
    Failed,
}
