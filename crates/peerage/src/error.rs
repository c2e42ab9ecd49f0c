//! What can go wrong for a user of this crate.

use peerage_peerconnection::Message;

/// Errors of endpoints and connections.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The call was refused; [`peerage_peerconnection::Error`] has the W3C name and the reason.
    #[error(transparent)]
    Refused(#[from] peerage_peerconnection::Error),
    /// A socket could not be bound.
    #[error("cannot bind UDP {address}: {source}{}", hint(source))]
    Bind {
        /// What was asked for.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The local interfaces could not be listed.
    #[error("cannot list the network interfaces: {0}")]
    Interfaces(#[source] std::io::Error),
    /// There is no address to bind to.
    #[error(
        "no usable network address: no interface is up; give EndpointConfig::addresses, or allow loopback by EndpointConfig::interfaces"
    )]
    NoAddress,
    /// The connection is closed, or its endpoint is.
    #[error("the connection is closed")]
    ConnectionClosed,
    /// The channel is closed.
    #[error("the data channel is closed")]
    ChannelClosed,
    /// The connection failed.
    #[error("the connection failed: no working path to the peer, or the handshake with it failed")]
    ConnectionFailed,
    /// [`EndpointConfig::max_connections`](crate::EndpointConfig::max_connections) is reached.
    #[error(
        "the endpoint has {0} connections, which is its limit: close some, or raise EndpointConfig::max_connections"
    )]
    TooManyConnections(usize),
    /// A log or a capture could not be begun.
    #[error("cannot create {}: {source}", path.display())]
    Record {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gave no thread to encode or decode in.
    #[error("cannot begin a thread for a track: {0}")]
    Thread(#[source] std::io::Error),
    /// There is no tokio runtime to run the driver on.
    #[error("no tokio runtime here: call this from within one (for example under #[tokio::main])")]
    NoRuntime,
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => " (the port is busy: choose another, or 0 for any)",
        std::io::ErrorKind::AddrNotAvailable => " (no interface has this address)",
        std::io::ErrorKind::PermissionDenied => " (ports below 1024 need privileges)",
        _ => "",
    }
}

/// Why a message was not sent; it comes back with the error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The channel or its connection is closed.
    #[error("the data channel is closed")]
    Closed(Message),
    /// The message exceeds what the peer takes.
    #[error("a message of {} bytes exceeds the peer's max-message-size of {limit} (RFC 8841 §6): split it", message.len())]
    TooLarge {
        /// The message.
        message: Message,
        /// The peer's limit in bytes.
        limit: usize,
    },
}

/// Why a message was not sent at once; it comes back with the error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// The channel is still connecting.
    #[error("InvalidStateError: the data channel is not open yet")]
    NotOpen(Message),
    /// The buffer is full; `send` waits instead.
    #[error("the send buffer is full")]
    Full(Message),
    /// The channel or its connection is closed.
    #[error("the data channel is closed")]
    Closed(Message),
    /// The message exceeds what the peer takes.
    #[error("a message of {} bytes exceeds the peer's max-message-size of {limit} (RFC 8841 §6): split it", message.len())]
    TooLarge {
        /// The message.
        message: Message,
        /// The peer's limit in bytes.
        limit: usize,
    },
}
