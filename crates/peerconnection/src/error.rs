//! Errors by their W3C names, so that an application which knows the browser API knows these.

use thiserror::Error as ThisError;

use crate::description::SdpType;
use crate::message::Message;
use crate::state::SignalingState;

/// The exception names of the W3C API (webrtc-pc §10 and WebIDL).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `InvalidStateError`: the object is in the wrong state for the call.
    InvalidState,
    /// `InvalidAccessError`: a parameter or a description may not be used here.
    InvalidAccess,
    /// `InvalidModificationError`: something that must not change was changed.
    InvalidModification,
    /// `OperationError`: the operation failed for a reason that lies in its data.
    Operation,
    /// `InvalidCharacterError`: a text has a character that has no meaning there.
    InvalidCharacter,
    /// `SyntaxError`: a URL or another text does not follow its grammar.
    Syntax,
    /// `NotSupportedError`: a feature that is not supported.
    NotSupported,
    /// `TypeError`: an argument is out of its range or contradicts another.
    Type,
    /// `RangeError`: a number is out of its range.
    Range,
    /// `RTCError`: see [`Error::detail`] and [`Error::sdp_line`].
    Rtc,
}

impl ErrorKind {
    /// The W3C name, `"InvalidStateError"` for instance.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidState => "InvalidStateError",
            Self::InvalidAccess => "InvalidAccessError",
            Self::InvalidModification => "InvalidModificationError",
            Self::Operation => "OperationError",
            Self::InvalidCharacter => "InvalidCharacterError",
            Self::Syntax => "SyntaxError",
            Self::NotSupported => "NotSupportedError",
            Self::Type => "TypeError",
            Self::Range => "RangeError",
            Self::Rtc => "RTCError",
        }
    }
}

/// `RTCErrorDetailType` of webrtc-pc §11.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorDetail {
    /// `sdp-syntax-error`.
    SdpSyntaxError,
    /// `dtls-failure`.
    DtlsFailure,
    /// `fingerprint-failure`.
    FingerprintFailure,
    /// `sctp-failure`.
    SctpFailure,
    /// `data-channel-failure`.
    DataChannelFailure,
}

impl ErrorDetail {
    /// The W3C spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SdpSyntaxError => "sdp-syntax-error",
            Self::DtlsFailure => "dtls-failure",
            Self::FingerprintFailure => "fingerprint-failure",
            Self::SctpFailure => "sctp-failure",
            Self::DataChannelFailure => "data-channel-failure",
        }
    }
}

/// What went wrong. Every error is a mistake of the caller or of the description it hands in; noise from the
/// network never becomes one.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The connection was closed (webrtc-pc §4.4.1.6).
    #[error("the connection is closed")]
    Closed,
    /// A description of this type may not be set in this signaling state (RFC 9429 §5.5, §5.6).
    #[error("{operation}({kind}) is not allowed in signaling state {state} (RFC 9429 §3.2)")]
    WrongSignalingState {
        /// The call.
        operation: &'static str,
        /// The description's type.
        kind: SdpType,
        /// The state at the time of the call.
        state: SignalingState,
    },
    /// Another call that the present state does not allow.
    #[error("{operation}: {reason}")]
    InvalidState {
        /// The call.
        operation: &'static str,
        /// What stands in the way.
        reason: &'static str,
    },
    /// An argument that may not be used here.
    #[error("{operation}: {reason}")]
    InvalidAccess {
        /// The call.
        operation: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// The description given to `set_local_description` is not the one created last (RFC 9429 §5.4).
    #[error(
        "the {kind} differs from the last one created; descriptions must not be changed before they are set (RFC 9429 §5.4)"
    )]
    ModifiedDescription {
        /// The description's type.
        kind: SdpType,
    },
    /// Something must stay as it is: of a configuration (webrtc-pc §4.4.1.6, "set the configuration"), or of the parameters of a
    /// sender (§5.2, setParameters).
    #[error("{field} cannot be changed once it is there")]
    InvalidModification {
        /// The field.
        field: &'static str,
    },
    /// Parameters that `setParameters` may not change so (webrtc-pc §5.2).
    #[error("set_encodings: {0}")]
    Parameters(String),
    /// Codec preferences that name what there is not, or nothing that carries media (webrtc-pc §5.4).
    #[error("codec preferences: {0}")]
    CodecPreferences(String),
    /// The SDP does not parse.
    #[error("line {line}: {message}")]
    SdpSyntax {
        /// Line number, from 1.
        line: u32,
        /// What was wrong.
        message: String,
    },
    /// The SDP parses but says something that is not allowed.
    #[error("{section}: {reason}")]
    InvalidDescription {
        /// Which part: `session`, or `mid 0`.
        section: String,
        /// What was wrong, with the RFC section.
        reason: String,
    },
    /// A candidate that could not be used (webrtc-pc §4.4.1.6, "add an ICE candidate").
    #[error("candidate: {0}")]
    InvalidCandidate(String),
    /// An argument is out of range or contradicts another (`TypeError`).
    #[error("{argument}: {reason}")]
    Type {
        /// The argument.
        argument: &'static str,
        /// Why it cannot be accepted.
        reason: String,
    },
    /// A character that has no meaning there (`InvalidCharacterError`).
    #[error("{argument}: {character:?} is no key of a telephone and no comma (webrtc-pc §7.2)")]
    InvalidCharacter {
        /// The argument.
        argument: &'static str,
        /// The first such character.
        character: char,
    },
    /// A number is out of its range (`RangeError`).
    #[error("{argument}: {reason}")]
    Range {
        /// The argument.
        argument: &'static str,
        /// The range.
        reason: String,
    },
    /// A URL of an ICE server is not understood.
    #[error("ICE server {url:?}: {reason}")]
    IceServerUrl {
        /// The URL as given.
        url: String,
        /// What was wrong.
        reason: &'static str,
    },
    /// TURN servers need credentials (webrtc-pc §4.2.2).
    #[error("ICE server {url:?} needs a username and a credential")]
    IceServerCredentials {
        /// The URL as given.
        url: String,
    },
    /// A certificate has expired.
    #[error("certificate {index} has expired")]
    CertificateExpired {
        /// Index in `Configuration::certificates`.
        index: usize,
    },
    /// A feature that is not there.
    #[error("{0} is not supported")]
    NotSupported(&'static str),
    /// A limit of this connection was reached.
    #[error("{0}")]
    Operation(String),
    /// The handle names no channel of this connection, or one whose closing has been reported.
    #[error("no such data channel")]
    UnknownDataChannel,
    /// The handle names no transceiver of this connection, or one that was stopped and is gone.
    #[error("no such transceiver")]
    UnknownTransceiver,
    /// A lower layer refused its configuration.
    #[error("{layer}: {message}")]
    Layer {
        /// `crypto`, `dtls`, `ice` or `sctp`.
        layer: &'static str,
        /// Its message.
        message: String,
    },
}

impl Error {
    /// The kind, by W3C name.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Closed | Self::WrongSignalingState { .. } | Self::InvalidState { .. } => {
                ErrorKind::InvalidState
            }
            Self::ModifiedDescription { .. }
            | Self::InvalidModification { .. }
            | Self::Parameters(_)
            | Self::CodecPreferences(_) => ErrorKind::InvalidModification,
            Self::SdpSyntax { .. } => ErrorKind::Rtc,
            Self::InvalidDescription { .. }
            | Self::InvalidAccess { .. }
            | Self::IceServerCredentials { .. }
            | Self::CertificateExpired { .. } => ErrorKind::InvalidAccess,
            Self::InvalidCandidate(_)
            | Self::Operation(_)
            | Self::UnknownDataChannel
            | Self::UnknownTransceiver
            | Self::Layer { .. } => ErrorKind::Operation,
            Self::Type { .. } => ErrorKind::Type,
            Self::InvalidCharacter { .. } => ErrorKind::InvalidCharacter,
            Self::Range { .. } => ErrorKind::Range,
            Self::IceServerUrl { .. } => ErrorKind::Syntax,
            Self::NotSupported(_) => ErrorKind::NotSupported,
        }
    }

    /// The W3C name of the exception, `"InvalidStateError"` for instance.
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// `errorDetail` of an `RTCError`.
    pub const fn detail(&self) -> Option<ErrorDetail> {
        match self {
            Self::SdpSyntax { .. } => Some(ErrorDetail::SdpSyntaxError),
            _ => None,
        }
    }

    /// `sdpLineNumber` of an `RTCError`.
    pub const fn sdp_line(&self) -> Option<u32> {
        match self {
            Self::SdpSyntax { line, .. } => Some(*line),
            _ => None,
        }
    }
}

/// Why a message could not be sent.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum SendError {
    /// The send buffer is full; the message is handed back. Wait for
    /// [`Event::BufferedAmountLow`](crate::Event::BufferedAmountLow) of this channel.
    #[error("the send buffer is full")]
    BufferFull(Message),
    /// The message is larger than the peer accepts (RFC 8841 §6; `TypeError`).
    #[error("a message of {size} bytes exceeds the peer's limit of {limit}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The channel is not open (`InvalidStateError`).
    #[error("the data channel is {0}")]
    NotOpen(crate::state::DataChannelState),
    /// The handle names no channel of this connection.
    #[error("no such data channel")]
    UnknownDataChannel,
}

impl SendError {
    /// The kind, by W3C name.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::BufferFull(_) => ErrorKind::Operation,
            Self::TooLarge { .. } => ErrorKind::Type,
            Self::NotOpen(_) | Self::UnknownDataChannel => ErrorKind::InvalidState,
        }
    }

    /// The W3C name of the exception.
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }
}
