//! Encoded frames as the application hands them in and gets them.

use bytes::Bytes;
use peerage_rtp::payload::{EncodedFrame, FrameInfo};

use crate::transceiver::TransceiverHandle;

/// An encoded frame to be sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Frame {
    /// The encoded media: a whole picture, or one packet of audio. H.264 and H.265 with start codes, AV1 as a temporal unit.
    pub data: Bytes,
    /// When it was captured, in ticks of the codec's RTP clock, from any beginning. It wraps.
    pub timestamp: u32,
    /// The codec, by the payload type under which it is sent; `None`: the first that was agreed on.
    pub payload_type: Option<u8>,
    /// What the encoder knows of it.
    pub info: FrameInfo,
}

impl Frame {
    /// A frame of the first codec that was agreed on.
    pub fn new(data: impl Into<Bytes>, timestamp: u32) -> Self {
        Self { data: data.into(), timestamp, payload_type: None, info: FrameInfo::default() }
    }

    /// The same frame under another payload type.
    #[must_use]
    pub fn with_payload_type(self, payload_type: u8) -> Self {
        Self { payload_type: Some(payload_type), ..self }
    }

    /// The same frame with what the encoder knows of it.
    #[must_use]
    pub fn with_info(self, info: FrameInfo) -> Self {
        Self { info, ..self }
    }
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
    /// The synchronisation source it came from.
    pub ssrc: u32,
    /// The frame.
    pub frame: EncodedFrame,
}

/// The frame to be sent on as it came, under the same payload type.
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
        Self { data, timestamp, payload_type: Some(received.payload_type), info }
    }
}
