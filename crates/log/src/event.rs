//! What may happen on a connection, as plain data that borrows what it can: making one allocates nothing. Whoever drives
//! a connection hands them to an [`EventSink`](crate::EventSink); the writer and the reader of files are elsewhere.
//!
//! Names end in their unit: `_bps` is bits per second, `_us` microseconds, `_ppm` parts of a million; sizes are bytes.

use std::borrow::Cow;
use std::net::SocketAddr;

#[cfg(feature = "json")]
use serde::{Deserialize, Serialize};

/// Puts the derives of the file format on a type.
macro_rules! stored {
    ($($(#[$meta:meta])* pub $what:ident $name:ident $(<$life:lifetime>)? { $($body:tt)* })+) => {
        $(
            #[cfg_attr(feature = "json", derive(Serialize, Deserialize))]
            $(#[$meta])*
            pub $what $name $(<$life>)? { $($body)* }
        )+
    };
}

#[cfg(feature = "json")]
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

stored! {
    /// Which way something went.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "json", serde(rename_all = "kebab-case"))]
    pub enum Direction {
        /// From this end to the peer.
        #[default]
        Sent,
        /// From the peer to this end.
        Received,
    }

    /// Whose something is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "json", serde(rename_all = "kebab-case"))]
    pub enum End {
        /// This end's.
        Local,
        /// The peer's.
        Remote,
    }

    /// What a state is of.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    #[cfg_attr(feature = "json", serde(rename_all = "kebab-case"))]
    #[non_exhaustive]
    pub enum StateOf {
        /// `signalingState`.
        Signaling,
        /// `iceGatheringState`.
        Gathering,
        /// `iceConnectionState`.
        Ice,
        /// The state of `RTCDtlsTransport`.
        Dtls,
        /// The state of `RTCSctpTransport`.
        Sctp,
        /// `connectionState`.
        Connection,
    }

    /// A source of RTP that begins.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "json", serde(default))]
    pub struct Stream<'a> {
        /// Which way it flows.
        pub direction: Direction,
        /// Its synchronisation source.
        pub ssrc: u32,
        /// The source of its retransmissions (RFC 4588), if it has one.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
        pub repair_ssrc: Option<u32>,
        /// `audio` or `video`.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "is_default"))]
        pub kind: Cow<'a, str>,
        /// The codec, `VP8` for instance; empty if it is not known yet.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "is_default"))]
        pub codec: Cow<'a, str>,
        /// The `mid` of its section; empty if it has none.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "is_default"))]
        pub mid: Cow<'a, str>,
        /// Which layer of a simulcast; empty without one.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "is_default"))]
        pub rid: Cow<'a, str>,
    }

    /// What a packet of RTP is for.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "json", serde(rename_all = "kebab-case"))]
    #[non_exhaustive]
    pub enum PacketRole {
        /// It carries media.
        #[default]
        Media,
        /// It carries again what was sent before (RFC 4588).
        Retransmission,
        /// It repairs others (RFC 5109, RFC 8627).
        ForwardErrorCorrection,
        /// It carries nothing: it fills the path.
        Padding,
    }

    /// A packet of RTP.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "json", serde(default))]
    pub struct Packet {
        /// Its synchronisation source.
        pub ssrc: u32,
        /// Its sequence number.
        pub sequence: u16,
        /// Its timestamp, in ticks of the codec's clock.
        pub timestamp: u32,
        /// Its payload type.
        pub payload_type: u8,
        /// Its size in bytes, header included, without SRTP's tag.
        pub size: u32,
        /// Its marker bit.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "is_default"))]
        pub marker: bool,
        /// Its transport-wide sequence number.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
        pub transport_sequence: Option<u16>,
        /// What it is for.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "is_default"))]
        pub role: PacketRole,
        /// The cluster of packets that probes the path, if it is of one.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
        pub probe: Option<u32>,
    }

    /// Kinds of RTCP packets.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
    #[cfg_attr(feature = "json", serde(rename_all = "kebab-case"))]
    #[non_exhaustive]
    pub enum RtcpKind {
        /// SR (RFC 3550 §6.4.1).
        SenderReport,
        /// RR (RFC 3550 §6.4.2).
        ReceiverReport,
        /// SDES (RFC 3550 §6.5).
        SourceDescription,
        /// BYE (RFC 3550 §6.6).
        Goodbye,
        /// XR (RFC 3611).
        ExtendedReport,
        /// Generic NACK (RFC 4585 §6.2.1): packets are asked for again.
        Nack,
        /// PLI (RFC 4585 §6.3.1): a keyframe is asked for.
        PictureLoss,
        /// FIR (RFC 5104 §4.3.1): a keyframe is asked for.
        FullIntraRequest,
        /// TMMBR or TMMBN (RFC 5104 §4.2): a limit to the bitrate.
        TemporaryMaximumBitrate,
        /// REMB: the receiver's estimate.
        ReceiverEstimatedMaximumBitrate,
        /// Transport-wide feedback: when packets arrived.
        TransportFeedback,
        /// RFC 8888: when packets arrived, and their ECN marks.
        CongestionFeedback,
        /// Anything else.
        #[default]
        #[cfg_attr(feature = "json", serde(other))]
        Other,
    }

    /// A packet of RTCP: one of those that a compound packet is made of.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "json", serde(default))]
    pub struct Rtcp {
        /// Which way it went.
        pub direction: Direction,
        /// What it is.
        pub kind: RtcpKind,
        /// Whom it is about: the media source of feedback, the sender of a report; 0 if it is about the transport.
        pub ssrc: u32,
        /// How many: packets asked for, packets reported on, report blocks.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "is_default"))]
        pub count: u32,
        /// Of the packets reported on, those that did not arrive.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "is_default"))]
        pub lost: u32,
        /// The rate that REMB or TMMBR names.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
        pub bitrate_bps: Option<u64>,
    }

    /// What a receiver reports of a source (RFC 3550 §6.4.1). One that was sent is about a source of the peer, one that
    /// was received about one of ours.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "json", serde(default))]
    pub struct Report {
        /// Which way it went.
        pub direction: Direction,
        /// The source.
        pub ssrc: u32,
        /// The share of packets lost since the last report, of 256.
        pub fraction_lost: u8,
        /// Packets lost since the beginning; negative if more came twice.
        pub total_lost: i32,
        /// Interarrival jitter.
        pub jitter_us: u64,
        /// The round trip that it tells of, if it does.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
        pub round_trip_us: Option<u64>,
    }

    /// What congestion control thinks of the path.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "json", serde(default))]
    pub struct Estimate {
        /// What may be sent on average.
        pub target_bps: u64,
        /// The rate at which packets leave the pacer.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
        pub pacing_bps: Option<u64>,
        /// What the peer got, by its feedback.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
        pub acknowledged_bps: Option<u64>,
        /// The share of packets lost.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
        pub loss_ppm: Option<u32>,
        /// The round trip.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
        pub round_trip_us: Option<u64>,
        /// How long packets wait in queues on the way.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
        pub queue_us: Option<u64>,
        /// How long what waits in the pacer will take to leave.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
        pub pacer_us: Option<u64>,
    }

    /// What an encoding was given of the estimate.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "json", serde(default))]
    pub struct Encoding {
        /// Its source.
        pub ssrc: u32,
        /// Its index among the encodings of its transceiver.
        pub encoding: u32,
        /// What it may send; 0 if it is paused.
        pub target_bps: u64,
    }

    /// An encoded frame.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "json", serde(default))]
    pub struct Frame {
        /// Its source.
        pub ssrc: u32,
        /// When it was captured, in ticks of the codec's clock.
        pub timestamp: u32,
        /// Its size in bytes.
        pub size: u32,
        /// Whether it can be decoded on its own.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "is_default"))]
        pub keyframe: bool,
        /// Width and height in pixels, where the frame tells.
        #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
        pub dimensions: Option<(u16, u16)>,
    }

    /// Something that happened.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[cfg_attr(feature = "json", serde(tag = "event", rename_all = "kebab-case"))]
    #[non_exhaustive]
    pub enum LogEvent<'a> {
        /// A state changed.
        State {
            /// What it is of.
            of: StateOf,
            /// The new state, in the W3C spelling.
            state: Cow<'a, str>,
        },
        /// A description was set.
        Description {
            /// Whose.
            end: End,
            /// `offer`, `pranswer`, `answer` or `rollback`.
            kind: Cow<'a, str>,
            /// The text.
            sdp: Cow<'a, str>,
        },
        /// A candidate was found, or came from the peer.
        Candidate {
            /// Whose.
            end: End,
            /// As in `a=candidate`; empty at the end of a generation.
            candidate: Cow<'a, str>,
        },
        /// ICE chose a path.
        SelectedPair {
            /// Our address.
            local: SocketAddr,
            /// The peer's address.
            remote: SocketAddr,
        },
        /// The DTLS handshake is over.
        Handshake {
            /// `DTLS 1.3` for instance.
            version: Cow<'a, str>,
            /// The cipher suite.
            cipher_suite: Cow<'a, str>,
            /// The key exchange group.
            group: Cow<'a, str>,
            /// Whether this end was the client.
            client: bool,
        },
        /// A source of RTP begins.
        StreamBegan(Stream<'a>),
        /// A source of RTP is over.
        StreamEnded {
            /// Which way it flowed.
            direction: Direction,
            /// The source.
            ssrc: u32,
        },
        /// A packet of RTP left.
        PacketSent(Packet),
        /// A packet of RTP came and was understood.
        PacketReceived(Packet),
        /// A packet of RTCP left or came.
        Rtcp(Rtcp),
        /// A receiver's report on one source left or came.
        Report(Report),
        /// The estimate of the path changed.
        Estimate(Estimate),
        /// The path is about to be probed.
        Probe {
            /// The number of the cluster.
            cluster: u32,
            /// The rate at which it is sent.
            rate_bps: u64,
        },
        /// The estimate was shared out anew.
        Allocation(Encoding),
        /// A keyframe was asked for: of the peer if sent, of us if received.
        KeyframeRequest {
            /// Who asked.
            direction: Direction,
            /// The source that is to send one.
            ssrc: u32,
        },
        /// The application handed a frame over.
        FrameSent(Frame),
        /// A frame is complete.
        FrameReceived(Frame),
        /// A data channel is open.
        ChannelOpened {
            /// Its stream.
            channel: u16,
            /// Its label.
            label: Cow<'a, str>,
        },
        /// A data channel is closed.
        ChannelClosed {
            /// Its stream.
            channel: u16,
        },
        /// A message went over a data channel.
        Message {
            /// Which way.
            direction: Direction,
            /// The channel's stream.
            channel: u16,
            /// Bytes.
            size: u32,
        },
        /// Something failed.
        Failure {
            /// What.
            message: Cow<'a, str>,
        },
        /// A remark of the application.
        Note {
            /// Anything.
            text: Cow<'a, str>,
        },
    }
}

impl LogEvent<'_> {
    /// The name of the event's kind, as in the file: `packet-sent` for instance.
    pub fn name(&self) -> &'static str {
        match self {
            Self::State { .. } => "state",
            Self::Description { .. } => "description",
            Self::Candidate { .. } => "candidate",
            Self::SelectedPair { .. } => "selected-pair",
            Self::Handshake { .. } => "handshake",
            Self::StreamBegan(_) => "stream-began",
            Self::StreamEnded { .. } => "stream-ended",
            Self::PacketSent(_) => "packet-sent",
            Self::PacketReceived(_) => "packet-received",
            Self::Rtcp(_) => "rtcp",
            Self::Report(_) => "report",
            Self::Estimate(_) => "estimate",
            Self::Probe { .. } => "probe",
            Self::Allocation(_) => "allocation",
            Self::KeyframeRequest { .. } => "keyframe-request",
            Self::FrameSent(_) => "frame-sent",
            Self::FrameReceived(_) => "frame-received",
            Self::ChannelOpened { .. } => "channel-opened",
            Self::ChannelClosed { .. } => "channel-closed",
            Self::Message { .. } => "message",
            Self::Failure { .. } => "failure",
            Self::Note { .. } => "note",
        }
    }
}
