//! What can go wrong through the user's fault. Nothing a peer sends ends up here: noise is counted in
//! [`Counters`](crate::Counters) and dropped.

use thiserror::Error;

/// A mistake of the user of this crate, or candidate text that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The agent was closed; only a new agent can go on.
    #[error("the ICE agent is closed")]
    Closed,
    /// A ufrag or password is too short, too long or holds a character that is not an `ice-char`.
    #[error("invalid ICE {what}: {reason} (RFC 8839 §5.4)")]
    InvalidCredentials {
        /// `"ufrag"` or `"pwd"`.
        what: &'static str,
        /// What was wrong.
        reason: &'static str,
    },
    /// A candidate line could not be read.
    #[error("invalid candidate at byte {offset}: {reason} (RFC 8839 §5.1)")]
    InvalidCandidate {
        /// Byte offset in the text that was given.
        offset: usize,
        /// What was wrong.
        reason: &'static str,
    },
    /// The address cannot be the address of a socket.
    #[error("{address} cannot be a local ICE address: {reason}")]
    InvalidAddress {
        /// The address.
        address: std::net::SocketAddr,
        /// What was wrong.
        reason: &'static str,
    },
    /// One of the documented limits is reached.
    #[error("too many {what}: the limit is {limit}")]
    LimitReached {
        /// Of what there are too many.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A multicast DNS message or name could not be read.
    #[error("invalid mDNS message at byte {offset}: {reason} (RFC 6762 §18)")]
    InvalidMdns {
        /// Byte offset in the message.
        offset: usize,
        /// What was wrong.
        reason: &'static str,
    },
    /// There is nothing to roll back, or the new credentials are in use already.
    #[error("no ICE restart that could be rolled back")]
    NoRestart,
}
