//! `RTCRtpTransceiverInit` and `RTCRtpEncodingParameters` (webrtc-pc §5.1, §5.2.5).

use super::TransceiverDirection;
use crate::channel::Priority;
use crate::media::RtpCodec;

/// How a transceiver begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TransceiverInit {
    /// Which way media is to flow.
    pub direction: TransceiverDirection,
    /// Id of the track to send; `None`: no track yet, one comes by `replace_track`.
    pub track: Option<String>,
    /// Ids of the streams that the track is part of.
    pub streams: Vec<String>,
    /// The layers of a simulcast, the poorest first; at most one needs no `rid`.
    pub send_encodings: Vec<RtpEncodingParameters>,
    /// The `rid` of each layer that the peer is asked to send (`a=simulcast:recv`, RFC 8853 §5.3.1), the poorest first, at
    /// most 8, of video. Servers that are to receive layers and make the offer need it; webrtc-pc has no such option, since a
    /// browser never does. Empty: one stream. Layers that the peer offers are received without it.
    pub receive_encodings: Vec<String>,
}

impl TransceiverInit {
    /// Receives only.
    pub fn recv_only() -> Self {
        Self { direction: TransceiverDirection::RecvOnly, ..Self::default() }
    }

    /// Sends only.
    pub fn send_only() -> Self {
        Self { direction: TransceiverDirection::SendOnly, ..Self::default() }
    }
}

/// One layer that is sent. Encoders are told of all this by [`EncodingTarget`](crate::EncodingTarget).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RtpEncodingParameters {
    /// `rid`, 1 to 255 letters and digits (RFC 8851 §10); empty without simulcast.
    pub rid: String,
    /// Whether it is sent.
    pub active: bool,
    /// `priority`: its share beside the other streams of the connection (RFC 8835 §4.1).
    pub priority: Priority,
    /// Bits a second of encoded media at most.
    pub max_bitrate: Option<u64>,
    /// Frames a second at most.
    pub max_framerate: Option<f64>,
    /// By what width and height are divided, 1 or more.
    pub scale_resolution_down_by: Option<f64>,
    /// `scalabilityMode`, `L1T3` for instance: the layers that the encoder makes. VP9's payload headers tell the peer of
    /// them, from the next keyframe on; frames of other layers are refused then.
    pub scalability_mode: Option<String>,
    /// VP9: the payload headers tell what each frame refers to, as
    /// [`FrameInfo::reference_distances`](crate::FrameInfo::reference_distances) has it, instead of a pattern that
    /// `scalability_mode` implies (flexible mode, RFC 9628 §3). Not of the W3C. It takes effect with the next keyframe.
    pub vp9_flexible: bool,
    /// `codec`: what is sent, of the codecs that are agreed on; `None`: the first of them.
    pub codec: Option<RtpCodec>,
}

impl Default for RtpEncodingParameters {
    fn default() -> Self {
        Self {
            rid: String::new(),
            active: true,
            priority: Priority::default(),
            max_bitrate: None,
            max_framerate: None,
            scale_resolution_down_by: None,
            scalability_mode: None,
            vp9_flexible: false,
            codec: None,
        }
    }
}

impl RtpEncodingParameters {
    /// An active layer of this name.
    pub fn new(rid: impl Into<String>) -> Self {
        Self { rid: rid.into(), ..Self::default() }
    }
}
