//! What an association is told at birth. Handed to [`Association::new`](crate::Association::new).

use crate::congestion::Congestion;
use std::time::Duration;

/// Parameters of an association. [`Config::default`] suits a WebRTC data channel over DTLS.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our SCTP port, as in our `a=sctp-port` (RFC 8841 §5.1). Default 5000.
    pub local_port: u16,
    /// The peer's SCTP port, as in its `a=sctp-port`. Default 5000.
    pub remote_port: u16,
    /// Largest message we accept, in bytes: our `a=max-message-size` (RFC 8841 §6).
    /// A peer that sends more is aborted (there is no way to refuse one message of a reliable stream).
    /// Default 256 KiB.
    pub max_message_size: usize,
    /// Largest message we send, in bytes: the peer's `a=max-message-size`. Default 256 KiB;
    /// may be changed later by [`Association::set_max_send_message_size`](crate::Association::set_max_send_message_size).
    pub max_send_message_size: usize,
    /// Bytes we are ready to hold for the peer (the a_rwnd of RFC 9260 §3.3.2). Raised to
    /// `max_message_size` + 64 KiB if it is lower, since a message must fit while it is put together.
    /// Default 5 MiB.
    pub receive_window: usize,
    /// Bytes that may wait in all send queues together before `send` hands messages back. Default 16 MiB.
    pub send_buffer_limit: usize,
    /// Largest SCTP packet handed to the lower layer, in bytes, common header included.
    ///
    /// Default 1191: IPv6's minimum MTU 1280 − IPv6 header 40 − UDP 8 − DTLS 1.2 record header 13
    /// − explicit nonce 8 − AEAD tag 16 − 4 bytes for a TURN ChannelData header. DTLS 1.3 needs less.
    /// Values below 512 are raised to 512 (RFC 9260 §7.2 names no smaller path), odd ones rounded down to a multiple of 4.
    pub mtu: usize,
    /// Streams we would like to send on (RFC 9260 §3.3.2). Default 65535.
    pub outgoing_streams: u16,
    /// Streams the peer may send on. Default 65535.
    pub incoming_streams: u16,
    /// Retransmission timeout before the first round trip is measured (RTO.Initial, RFC 9260 §16). Default 500 ms.
    pub rto_initial: Duration,
    /// Smallest retransmission timeout (RTO.Min). Default 200 ms.
    pub rto_min: Duration,
    /// Largest retransmission timeout (RTO.Max). Default 10 s, so that a path that returns is used soon.
    pub rto_max: Duration,
    /// How long an acknowledgement may wait for a second packet (RFC 9260 §6.2 allows at most 500 ms). Default 20 ms.
    pub delayed_ack: Duration,
    /// INIT or COOKIE ECHO is sent this many times more before the association fails; `None`: for ever. Default 12.
    pub max_init_retransmits: Option<u32>,
    /// Consecutive timeouts without an answer before the association fails (Association.Max.Retrans);
    /// `None`: never (ICE consent then decides). Default 10.
    pub max_association_retransmits: Option<u32>,
    /// Time between heartbeats on an idle association (HB.interval, RFC 9260 §8.3); `None`: none. Default 30 s.
    pub heartbeat_interval: Option<Duration>,
    /// Offer to accept packets without checksum, and use the same offer of the peer (RFC 9653).
    /// Right only over DTLS, whose records are authenticated. Default on.
    pub zero_checksum: bool,
    /// Offer I-DATA (RFC 8260), so that a large message does not hold up the others. Default on.
    pub interleaving: bool,
    /// Offer FORWARD TSN (RFC 3758). When off or refused by the peer every message is sent reliably. Default on.
    pub partial_reliability: bool,
    /// Offer RE-CONFIG (RFC 6525), needed to close data channels. Default on.
    pub stream_reset: bool,
    /// Let the peer add streams (RFC 6525 §5.2.5 and §5.2.6), up to 65535. Default off.
    pub accept_added_streams: bool,
    /// The congestion controller to use. Default [`Congestion::Bbr`].
    pub congestion: Congestion,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            local_port: 5000,
            remote_port: 5000,
            max_message_size: 256 * 1024,
            max_send_message_size: 256 * 1024,
            receive_window: 5 * 1024 * 1024,
            send_buffer_limit: 16 * 1024 * 1024,
            mtu: 1191,
            outgoing_streams: 65535,
            incoming_streams: 65535,
            rto_initial: Duration::from_millis(500),
            rto_min: Duration::from_millis(200),
            rto_max: Duration::from_secs(10),
            delayed_ack: Duration::from_millis(20),
            max_init_retransmits: Some(12),
            max_association_retransmits: Some(10),
            heartbeat_interval: Some(Duration::from_secs(30)),
            zero_checksum: true,
            interleaving: true,
            partial_reliability: true,
            stream_reset: true,
            accept_added_streams: false,
            congestion: Congestion::Bbr,
        }
    }
}

/// How hard SCTP tries to deliver a message (RFC 7496 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reliability {
    /// Until it is acknowledged.
    #[default]
    Reliable,
    /// A fragment is retransmitted at most this many times, then the message is abandoned (RFC 7496 §3.2).
    MaxRetransmits(u16),
    /// The message is abandoned when it was not acknowledged this long after `send` (RFC 7496 §3.1).
    MaxLifetime(Duration),
}

/// How one message is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// What the message is, for the receiver.
    pub ppid: PayloadProtocolId,
    /// Delivered in the order of sending within its stream, or as soon as it arrives.
    pub ordered: bool,
    /// When to give up.
    pub reliability: Reliability,
}

use crate::serial::PayloadProtocolId;

impl SendOptions {
    /// Ordered and reliable.
    #[must_use]
    pub const fn reliable(ppid: PayloadProtocolId) -> Self {
        Self { ppid, ordered: true, reliability: Reliability::Reliable }
    }
}
