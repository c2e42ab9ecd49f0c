//! What a client tells its owner.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;

/// What happened. Drained by [`Client::poll_event`](super::Client::poll_event).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The allocation is there.
    Allocated {
        /// The relayed addresses: one, or one of each family.
        relayed: Vec<SocketAddr>,
        /// Our address as the server saw it: server-reflexive where the link is of datagrams.
        mapped: SocketAddr,
        /// How long it lives without a refresh.
        lifetime: Duration,
    },
    /// There is no allocation, or there is one no more. Nothing else comes.
    Failed(AllocationError),
    /// The server named another one (RFC 8489 §10), to which all goes from now on.
    Redirected(SocketAddr),
    /// The server lets nothing through to this address (RFC 8656 §10.3).
    PermissionRefused {
        /// The peer's address.
        peer: IpAddr,
        /// The error code; 0 where the server did not answer.
        code: u16,
        /// What the server said of it.
        reason: String,
    },
    /// The allocation was given back, or the server did not answer to that.
    Closed,
}

/// Why there is no allocation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AllocationError {
    /// The server did not answer.
    #[error("the TURN server did not answer")]
    TimedOut,
    /// The server answers with an error (RFC 8656 §7.4).
    #[error("the TURN server refused with {code}: {reason}")]
    Refused {
        /// The error code.
        code: u16,
        /// What the server said of it.
        reason: String,
    },
    /// User name or password is wrong.
    #[error("the TURN server does not accept user name and password ({code}: {reason})")]
    Credentials {
        /// The error code, 401 or 441.
        code: u16,
        /// What the server said of it.
        reason: String,
    },
    /// Answers were not protected by the password (RFC 8489 §9.2.5): somebody else answers, or the password is wrong.
    #[error("the TURN server's answers do not fit the password")]
    IntegrityViolated,
    /// The server, or somebody on the way, offers no password algorithm although it must, or none that is known (RFC 8489 §9.2.5).
    #[error("the TURN server offers no password algorithm that can be used")]
    PasswordAlgorithm,
    /// Servers named one another in a circle, or too many of them (RFC 8489 §10).
    #[error("the TURN server redirects in a circle, or too often")]
    Redirected,
    /// A success without an address that can be used.
    #[error("the TURN server's answer cannot be used: {0}")]
    Unusable(&'static str),
    /// The link to the server is gone.
    #[error("the connection to the TURN server is gone: {0}")]
    Disconnected(String),
}

impl AllocationError {
    /// The code that `RTCPeerConnectionIceErrorEvent` has for it: STUN's, or 701 where the server was not reached (webrtc-pc §4.8.2).
    pub fn code(&self) -> u16 {
        match self {
            Self::Refused { code, .. } | Self::Credentials { code, .. } => *code,
            Self::IntegrityViolated => 431,
            _ => 701,
        }
    }
}
