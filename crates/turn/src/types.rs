//! What goes into the server and what comes out of it: addresses, messages to send, things to do.

use std::net::SocketAddr;
use std::ops::Range;

/// How a client's messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// One message in each UDP datagram.
    Udp,
    /// A TCP stream.
    Tcp,
    /// A TLS stream over TCP.
    Tls,
    /// DTLS records, each with one message, over UDP.
    Dtls,
}

impl Transport {
    /// Whether messages are delimited by their own lengths, and padded (RFC 8656 §12.5).
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }
}

/// What an allocation is known by (RFC 8656 §2.3): both ends and the transport between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FiveTuple {
    /// The transport between client and server.
    pub transport: Transport,
    /// The client's address as the server sees it.
    pub client: SocketAddr,
    /// The server's address that the client sends to.
    pub server: SocketAddr,
}

/// A relayed transport address of an allocation: what [`Event::Bind`] gave, until [`Event::Close`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayId(pub u32);

/// What has happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A client sent one message: a datagram, or what [`crate::framing`] cut from a stream.
    Client {
        /// On which path.
        tuple: FiveTuple,
        /// STUN or ChannelData.
        message: &'a [u8],
    },
    /// A datagram came to a relayed address.
    Peer {
        /// To which.
        relay: RelayId,
        /// From where.
        source: SocketAddr,
        /// Application data.
        data: &'a [u8],
    },
    /// The answer to [`Event::Bind`]: whether the socket is there.
    Bound {
        /// Of which event.
        relay: RelayId,
        /// `false` where the address is taken or the system refuses; another port is tried.
        ok: bool,
    },
    /// A stream has closed, or a DTLS association ended: its allocation goes (RFC 8656 §7.4 for TCP).
    Closed {
        /// Which.
        tuple: FiveTuple,
    },
    /// The answer to [`Event::Connect`] (RFC 6062 §5.2).
    PeerConnected {
        /// CONNECTION-ID.
        connection: u32,
        /// Whether the peer took it.
        ok: bool,
    },
    /// A peer connected to the relayed address of a TCP allocation (RFC 6062 §5.3). The core answers with
    /// [`Event::Incoming`] or [`Event::Refuse`], in that order of calls.
    PeerAccepted {
        /// Which.
        relay: RelayId,
        /// From where.
        peer: SocketAddr,
    },
    /// A connection between peer and client has ended, on either side.
    PeerClosed {
        /// CONNECTION-ID.
        connection: u32,
    },
}

/// Where relayed data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// From a relayed address to a peer, as a UDP datagram.
    Peer {
        /// From which.
        relay: RelayId,
        /// To where.
        peer: SocketAddr,
        /// With the DF bit set (RFC 8656 §11.2, DONT-FRAGMENT).
        dont_fragment: bool,
    },
    /// To a client.
    Client(FiveTuple),
}

/// Data to be relayed at once: `prefix`, then `payload` of the message that came in, then `padding` bytes of zero. Nothing is
/// copied or kept by the core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Where to.
    pub path: Path,
    /// What stands before the data: nothing towards a peer, a ChannelData or Data header towards a client.
    pub prefix: Prefix,
    /// Which bytes of the input are the data.
    pub payload: Range<usize>,
    /// Zero to three.
    pub padding: u8,
}

/// A header of at most 48 bytes, in place: the longest is that of a Data indication with an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Prefix {
    const MAX: usize = 48;

    /// Of no bytes.
    pub const EMPTY: Self = Self { bytes: [0; Self::MAX], len: 0 };

    /// Copies `parts`, at most 48 bytes together; what is beyond is a mistake of this crate and left out.
    pub(crate) fn new(parts: &[&[u8]]) -> Self {
        let mut prefix = Self::EMPTY;
        for part in parts {
            let start = usize::from(prefix.len);
            let end = (start + part.len()).min(Self::MAX);
            prefix.bytes[start..end].copy_from_slice(&part[..end - start]);
            prefix.len = end as u8;
        }
        prefix
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// A message of the server's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// From `tuple.server` to `tuple.client`, over `tuple.transport`. For RFC 5780 the server's address may be another than the
    /// one asked, so a server with several sockets looks by it.
    pub tuple: FiveTuple,
    /// How many bytes were appended to the buffer.
    pub size: usize,
}

/// Why an allocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client asked for it: a Refresh with a lifetime of 0.
    Released,
    /// It was not refreshed in time.
    Expired,
    /// Its stream closed.
    Disconnected,
    /// The server is closing.
    Drained,
}

/// What is to be done, or known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Bind a socket for a relayed address, then say so with [`Input::Bound`].
    Bind {
        /// Its number from now on. Numbers are used again after [`Event::Close`].
        relay: RelayId,
        /// The address to bind.
        address: SocketAddr,
        /// Whether the socket waits already, bound for [`Event::Reserve`].
        reserved: bool,
        /// A listening TCP socket instead of a UDP one (RFC 6062).
        tcp: bool,
    },
    /// Close the socket.
    Close {
        /// Which.
        relay: RelayId,
    },
    /// Bind a UDP socket and keep it for [`Event::Bind`] or [`Event::Unreserve`], which another worker may be given. Nothing is
    /// received on it. A failure shows when it is asked for.
    Reserve {
        /// The address.
        address: SocketAddr,
    },
    /// Close what [`Event::Reserve`] bound, if it is still there.
    Unreserve {
        /// The address.
        address: SocketAddr,
    },
    /// Connect from the relayed address to a peer (RFC 6062 §5.2), then say so with [`Input::PeerConnected`].
    Connect {
        /// CONNECTION-ID.
        connection: u32,
        /// From which relayed address.
        relay: RelayId,
        /// That address, to be bound.
        address: SocketAddr,
        /// To whom.
        peer: SocketAddr,
    },
    /// Keep the connection of [`Input::PeerAccepted`] under this number.
    Incoming {
        /// CONNECTION-ID.
        connection: u32,
    },
    /// Close the connection of [`Input::PeerAccepted`]: the peer has no permission.
    Refuse,
    /// From now on the client's stream and the peer's carry bytes to each other (RFC 6062 §5.4).
    Join {
        /// CONNECTION-ID.
        connection: u32,
        /// The client's data stream, on which a ConnectionBind came.
        tuple: FiveTuple,
    },
    /// A ConnectionBind came to this worker that is for another one's connection: give that one the client's stream, and this
    /// message again.
    HandOver {
        /// To which worker.
        worker: u8,
        /// The client's stream.
        tuple: FiveTuple,
    },
    /// Close the peer's connection, and the client's data stream if it has one.
    Disconnect {
        /// CONNECTION-ID.
        connection: u32,
    },
    /// A client has an allocation.
    Allocated {
        /// Whose.
        tuple: FiveTuple,
        /// By which name.
        username: Box<str>,
        /// The relayed address that it was told; the first, where there are two.
        relayed: SocketAddr,
    },
    /// An allocation is gone.
    Freed {
        /// Whose.
        tuple: FiveTuple,
        /// By which name.
        username: Box<str>,
        /// Why.
        ended: Ended,
        /// Payload relayed from the client to peers, in bytes.
        sent: u64,
        /// Payload relayed from peers to the client, in bytes.
        received: u64,
    },
}
