//! The one error type of this crate.

use crate::{alert::AlertDescription, version::ProtocolVersion};

/// Why a connection ended or a call was refused.
///
/// Noise from the network never becomes an error. All variants but [`Error::NotConnected`], [`Error::RecordTooLarge`]
/// and [`Error::BadConfig`] mean that the connection has failed for good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol, or the two ends have no parameters in common. The alert went to the peer.
    #[error("{message} ({section}); sent {alert}")]
    Protocol {
        /// The alert the peer was sent.
        alert: AlertDescription,
        /// What was wrong, and in which message.
        message: &'static str,
        /// The section of the RFC that says so.
        section: &'static str,
    },
    /// The peer sent an authenticated fatal alert.
    #[error("the peer ended the connection with a fatal alert: {0} (RFC 8446 §6.2)")]
    PeerAlert(AlertDescription),
    /// The caller refused the peer with [`Endpoint::reject`](crate::Endpoint::reject).
    #[error("the peer was refused with {0}")]
    Rejected(AlertDescription),
    /// The handshake did not end in the time that [`Config::handshake_timeout`](crate::Config::handshake_timeout) allows.
    #[error("the handshake did not complete in time{}", match .peer_alert {
        Some(alert) => format!("; the peer sent an alert that could not be authenticated: {alert}"),
        None => String::new(),
    })]
    HandshakeTimeout {
        /// The last unauthenticated alert that was seen: a hint, for anyone could have sent it.
        peer_alert: Option<AlertDescription>,
    },
    /// The version that was negotiated is not available in this build.
    #[error("{0} was negotiated but is not supported")]
    UnsupportedVersion(ProtocolVersion),
    /// More records than the AEAD allows were sent under one key, or failed to open (RFC 9147 §4.5.3).
    #[error("the usage limit of the traffic keys is reached (RFC 9147 §4.5.3)")]
    KeyLimit,
    /// A primitive failed that cannot fail on honest input, such as key generation.
    #[error("cryptographic provider: {0}")]
    Crypto(String),
    /// The call needs a connection that has completed its handshake and is not closed.
    #[error("the connection is not established")]
    NotConnected,
    /// The plaintext is longer than 2^14 bytes (RFC 8446 §5.1).
    #[error("a record of {len} bytes is too large: the limit is 16384 (RFC 8446 §5.1)")]
    RecordTooLarge {
        /// Its length in bytes.
        len: usize,
    },
    /// The configuration cannot work.
    #[error("configuration: {0}")]
    BadConfig(&'static str),
}

impl Error {
    pub(crate) const fn protocol(
        alert: AlertDescription,
        message: &'static str,
        section: &'static str,
    ) -> Self {
        Self::Protocol { alert, message, section }
    }

    pub(crate) const fn decode(message: &'static str, section: &'static str) -> Self {
        Self::protocol(AlertDescription::DecodeError, message, section)
    }

    pub(crate) const fn illegal(message: &'static str, section: &'static str) -> Self {
        Self::protocol(AlertDescription::IllegalParameter, message, section)
    }

    pub(crate) const fn unexpected(message: &'static str, section: &'static str) -> Self {
        Self::protocol(AlertDescription::UnexpectedMessage, message, section)
    }

    /// The alert to send when this error ends a connection, if one is due.
    pub(crate) const fn alert(&self) -> Option<AlertDescription> {
        match self {
            Self::Protocol { alert, .. } | Self::Rejected(alert) => Some(*alert),
            Self::UnsupportedVersion(_) => Some(AlertDescription::ProtocolVersion),
            Self::Crypto(_) | Self::KeyLimit => Some(AlertDescription::InternalError),
            _ => None,
        }
    }
}

impl From<peerage_crypto::Error> for Error {
    fn from(error: peerage_crypto::Error) -> Self {
        Self::Crypto(error.to_string())
    }
}
