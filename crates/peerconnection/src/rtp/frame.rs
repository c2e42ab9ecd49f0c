//! Encoded frames as the application hands them in and gets them.

use std::time::Instant;

use bytes::Bytes;
use peerage_rtp::NtpTime;
use peerage_rtp::payload::{EncodedFrame, FrameInfo};

use super::packets::PacketExtensions;
use crate::media::CodecFormat;
use crate::transceiver::TransceiverHandle;

/// Which of the codecs that were agreed on something is sent by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The first one of media.
    First,
    /// By the number that the peer gave it.
    Number(u8),
    /// The one that this is on the wire.
    Format(CodecFormat),
    /// The one that carries this: itself, or redundant audio where that is what is sent by default.
    Media(CodecFormat),
}

/// An encoded frame to be sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Frame {
    /// The encoded media: a whole picture, or one packet of audio. H.264 and H.265 with start codes, AV1 as a temporal unit.
    pub data: Bytes,
    /// When it was captured, in ticks of the codec's RTP clock, from any beginning. It wraps.
    pub timestamp: u32,
    /// The codec, by the payload type under which it is sent; `None`: by `codec`.
    pub payload_type: Option<u8>,
    /// The codec, whatever its payload type is at this peer; `None`: the one that the encoding has chosen, or else the first
    /// that was agreed on.
    pub codec: Option<CodecFormat>,
    /// What the encoder knows of it.
    pub info: FrameInfo,
    /// Header extensions, which go with its first and its last packet: how loud it is, how the picture is to be turned.
    /// Those that were not negotiated are left out, and so is the dependency descriptor, which each packet has its own of.
    pub extensions: PacketExtensions,
    /// When it was captured, by the clock that `now` is told by; `None`: when it is handed in. Sender reports tell the peer by it
    /// which media belong together (RFC 3550 §6.4.1): what encoding takes must not make pictures late against sound.
    pub captured: Option<Instant>,
}

impl Frame {
    /// A frame of the first codec that was agreed on.
    pub fn new(data: impl Into<Bytes>, timestamp: u32) -> Self {
        Self {
            data: data.into(),
            timestamp,
            payload_type: None,
            codec: None,
            info: FrameInfo::default(),
            extensions: PacketExtensions::default(),
            captured: None,
        }
    }

    /// The same frame, captured then.
    #[must_use]
    pub fn captured_at(self, captured: Instant) -> Self {
        Self { captured: Some(captured), ..self }
    }

    /// The same frame under another payload type.
    #[must_use]
    pub fn with_payload_type(self, payload_type: u8) -> Self {
        Self { payload_type: Some(payload_type), ..self }
    }

    /// The same frame of a codec that may have any payload type at this peer.
    #[must_use]
    pub fn with_codec(self, codec: CodecFormat) -> Self {
        Self { codec: Some(codec), ..self }
    }

    pub(super) fn choice(&self) -> Choice {
        match (self.payload_type, self.codec) {
            (Some(number), _) => Choice::Number(number),
            (None, Some(format)) => Choice::Media(format),
            (None, None) => Choice::First,
        }
    }

    /// The same frame with what the encoder knows of it.
    #[must_use]
    pub fn with_info(self, info: FrameInfo) -> Self {
        Self { info, ..self }
    }

    /// The same frame with header extensions.
    #[must_use]
    pub fn with_extensions(self, extensions: PacketExtensions) -> Self {
        Self { extensions, ..self }
    }
}

/// When the packets of a received frame came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameArrival {
    /// The first.
    pub first: Instant,
    /// The last.
    pub last: Instant,
    /// Some of them came as retransmissions, or were computed from parity: later than the path alone would have brought them.
    pub repaired: bool,
}

impl FrameArrival {
    /// All of it came at once.
    pub fn at(now: Instant) -> Self {
        Self { first: now, last: now, repaired: false }
    }
}

/// What a sender report says of the peer's clock (RFC 3550 §6.4.1): the timestamp is of this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderTime {
    /// By the sender's clock.
    pub ntp: NtpTime,
    /// In ticks of the codec's RTP clock, as frames have it.
    pub timestamp: u32,
}

/// An encoded frame that was received, complete and decodable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaFrame {
    /// Whose it is.
    pub transceiver: TransceiverHandle,
    /// Which layer of a simulcast.
    pub rid: Option<String>,
    /// The payload type it came under, as our description has it.
    pub payload_type: u8,
    /// The codec of the frame, which is the same on other connections: of redundant audio, the audio's.
    pub codec: CodecFormat,
    /// The synchronisation source it came from.
    pub ssrc: u32,
    /// The frame.
    pub frame: EncodedFrame,
    /// When its packets came.
    pub arrival: FrameArrival,
    /// What the last sender report of its source says; `None` before one came.
    pub sender_time: Option<SenderTime>,
    /// The header extensions of its packets, as far as they are of use to others than this transport. How the picture is to
    /// be turned holds from one frame to the next until it is said anew, or a keyframe says nothing.
    pub extensions: PacketExtensions,
}

impl MediaFrame {
    /// Takes the frame out of its place, which can be handed back by
    /// [`PeerConnection::reuse_frame`](crate::PeerConnection::reuse_frame): what is left has no bytes.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let data = std::mem::take(&mut self.frame.data);
        Self {
            rid: self.rid.take(),
            frame: EncodedFrame { data, ..self.frame.clone() },
            extensions: std::mem::take(&mut self.extensions),
            ..*self
        }
    }
}

/// The frame to be sent on as it came, on any connection: by its codec, whose payload type may be another there. Where
/// the codec was not agreed on, sending it is an error.
impl From<MediaFrame> for Frame {
    fn from(received: MediaFrame) -> Self {
        let EncodedFrame {
            data, timestamp, keyframe, discardable, temporal_layer, dimensions, ..
        } = received.frame;
        let info = FrameInfo {
            keyframe: Some(keyframe),
            discardable,
            temporal_layer,
            dimensions,
            ..FrameInfo::default()
        };
        Self {
            data,
            timestamp,
            payload_type: None,
            codec: Some(received.codec),
            info,
            extensions: received.extensions,
            captured: None,
        }
    }
}
