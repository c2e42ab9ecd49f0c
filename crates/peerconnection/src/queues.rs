//! What waits in a connection at one moment, for those who watch that nothing piles up.

/// What waits at this moment, over all transports ([`PeerConnection::queues`](crate::PeerConnection::queues)). Each of it has
/// a limit of its own; while all goes well it is far below that.
///
/// What is kept in rings of a fixed size is not in it: packets that may be asked for again (1,024 for each stream), and those
/// that reports are expected on (8,192 for each transport).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Queues {
    /// Events that the application has not taken, frames and messages among them.
    pub events: usize,
    /// Bytes of the messages among them.
    pub message_bytes: usize,
    /// Frames that the application has not taken: those among the events, and what is about to become one.
    pub frames: usize,
    /// Packets that the application has not taken, where it takes packets.
    pub received_packets: usize,
    /// RTP packets that are to be sent.
    pub packets_to_send: usize,
    /// Their bytes, with all headers.
    pub bytes_to_send: usize,
    /// RTCP packets that are to be sent.
    pub rtcp_to_send: usize,
    /// Bytes of the peer's that wait for the rest of their frames.
    pub incomplete_bytes: usize,
    /// Packets that the peer is asked for.
    pub missing_packets: usize,
    /// Bytes of messages that are to be sent, over all data channels.
    pub data_to_send: usize,
    /// Bytes of messages that are not complete, or not in their turn.
    pub data_incomplete: usize,
}
