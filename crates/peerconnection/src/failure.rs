//! Why a connection did not come up, for people and for programs.

use std::fmt;

pub use peerage_ice::{Failure as IceFailure, FailureCause, PairAttempt};

/// Why a connection failed, or is not up yet: what [`PeerConnection::connection_failure`](crate::PeerConnection::connection_failure)
/// tells. Its text (`Display`) begins with a sentence; lines about what was tried may follow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionFailure {
    /// There is no path to the peer.
    Ice(IceFailure),
    /// There is a path, but the handshake over it failed.
    Dtls(String),
}

impl fmt::Display for ConnectionFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ice(failure) => failure.fmt(f),
            Self::Dtls(reason) => write!(f, "the handshake with the peer failed: {reason}"),
        }
    }
}
