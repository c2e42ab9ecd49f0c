//! What can go wrong: [`Error`] for the calls, [`SendError`] for one message. Noise from the peer is neither;
//! it is counted in [`Statistics`](crate::Statistics).

use crate::serial::StreamId;
use bytes::Bytes;

/// Errors of [`Association`](crate::Association): mistakes of the caller. What a peer sends never ends here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The call does not fit the state of the association.
    #[error("{call} does not fit the state of the association: {state} (RFC 9260 §4)")]
    InvalidState {
        /// The call that was made.
        call: &'static str,
        /// The state it met.
        state: &'static str,
    },
    /// The bytes given as the peer's out-of-band INIT are not a valid INIT chunk.
    #[error(
        "the peer's out-of-band INIT is not valid: {reason} (draft-hancke-tsvwg-snap, RFC 9260 §3.3.2)"
    )]
    InvalidRemoteInit {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The peer did not offer RE-CONFIG, so streams cannot be reset.
    #[error("the peer does not support stream reset (RFC 6525 §5.1.1)")]
    ResetUnsupported,
}

/// Why a message was not taken by [`Association::send`](crate::Association::send).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The association is closing or closed.
    #[error("the association is closing or closed and takes no more messages (RFC 9260 §9.2)")]
    Closed,
    /// The message is larger than the peer accepts.
    #[error(
        "the message has {size} bytes but at most {limit} may be sent (a=max-message-size, RFC 8841 §6)"
    )]
    TooLarge {
        /// Bytes in the message.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// SCTP cannot carry a message without a byte; data channels send one byte and a PPID that says empty (RFC 8831 §6.6).
    #[error("an SCTP message cannot be empty (RFC 9260 §3.3.1)")]
    Empty,
    /// The send buffer is full; the message comes back.
    #[error("the send buffer is full ({buffered} of {limit} bytes)")]
    BufferFull {
        /// Bytes waiting.
        buffered: usize,
        /// The limit in [`Config::send_buffer_limit`](crate::Config::send_buffer_limit).
        limit: usize,
        /// The message, for another try.
        data: Bytes,
    },
    /// The stream is being reset; its number can be used again after `OutgoingStreamsReset`.
    #[error("stream {} is being reset (RFC 6525 §5.1.2)", .0.0)]
    StreamResetting(StreamId),
    /// The number is not below the count of outgoing streams that was negotiated.
    #[error("stream {} does not exist: {count} outgoing streams were negotiated (RFC 9260 §5.1.1)", stream.0)]
    InvalidStream {
        /// The number.
        stream: StreamId,
        /// Streams there are.
        count: u16,
    },
}
