//! The kinds of header extensions and their URIs, as `a=extmap` names them.

use std::fmt;

macro_rules! kinds {
    ($($variant:ident, $name:literal, $uri:literal, $section:literal, $doc:literal;)+) => {
        /// A header extension that this crate reads and writes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum ExtensionKind {
            $(#[doc = $doc] $variant,)+
        }

        impl ExtensionKind {
            /// All kinds, in the order of their discriminants.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The kind that a URI names; `None` for those this crate does not know.
            #[must_use]
            pub fn from_uri(uri: &str) -> Option<Self> {
                match uri {
                    $($uri => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The URI, as in `a=extmap`.
            #[must_use]
            pub const fn uri(self) -> &'static str {
                match self { $(Self::$variant => $uri,)+ }
            }

            /// A short name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Where its format is specified.
            #[must_use]
            pub const fn section(self) -> &'static str {
                match self { $(Self::$variant => $section,)+ }
            }
        }
    };
}

kinds! {
    AudioLevel, "ssrc-audio-level", "urn:ietf:params:rtp-hdrext:ssrc-audio-level", "RFC 6464 §3",
        "Loudness of the packet's audio (RFC 6464).";
    CsrcAudioLevels, "csrc-audio-level", "urn:ietf:params:rtp-hdrext:csrc-audio-level", "RFC 6465 §3",
        "Loudness of each contributing source (RFC 6465).";
    Mid, "sdes:mid", "urn:ietf:params:rtp-hdrext:sdes:mid", "RFC 9143 §15",
        "The media section's identification tag (RFC 9143).";
    RtpStreamId, "sdes:rtp-stream-id", "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", "RFC 8852 §4.1",
        "The simulcast layer's RID (RFC 8852).";
    RepairedRtpStreamId, "sdes:repaired-rtp-stream-id",
        "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id", "RFC 8852 §4.2",
        "The RID of the layer that a repair stream repairs (RFC 8852).";
    AbsoluteSendTime, "abs-send-time", "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "webrtc.org abs-send-time", "When the packet left, in 2^-18 seconds.";
    AbsoluteCaptureTime, "abs-capture-time", "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
        "webrtc.org abs-capture-time", "When the first sample of the packet's frame was captured, by an NTP clock.";
    TransportSequenceNumber, "transport-wide-cc-01",
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "draft-holmer-rmcat-transport-wide-cc-extensions-01 §2", "Counts the packets of the whole transport.";
    TransportSequenceNumberV2, "transport-wide-cc-02",
        "http://www.webrtc.org/experiments/rtp-hdrext/transport-wide-cc-02", "webrtc.org transport-wide-cc-02",
        "The same, where the sender may ask for feedback.";
    TransmissionOffset, "toffset", "urn:ietf:params:rtp-hdrext:toffset", "RFC 5450 §2",
        "How long after its timestamp the packet left (RFC 5450).";
    VideoOrientation, "video-orientation", "urn:3gpp:video-orientation", "3GPP TS 26.114 §7.4.5",
        "How the frame is to be turned (3GPP TS 26.114).";
    PlayoutDelay, "playout-delay", "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
        "webrtc.org playout-delay", "The least and the most delay from capture to rendering.";
    VideoContentType, "video-content-type", "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
        "webrtc.org video-content-type", "Whether the video is of a screen.";
    VideoTiming, "video-timing", "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
        "webrtc.org video-timing", "When the frame passed the sender's stages.";
    ColorSpace, "color-space", "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
        "webrtc.org color-space", "The frame's colour space, and metadata of high dynamic range.";
    DependencyDescriptor, "dependency-descriptor",
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
        "AV1 RTP App. A", "Which frames the frame needs, and which layers need it.";
    VideoLayersAllocation, "video-layers-allocation00",
        "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
        "webrtc.org video-layers-allocation00", "Bitrate, resolution and frame rate of each layer.";
}

impl fmt::Display for ExtensionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::ExtensionKind;

    #[test]
    fn uris_name_their_kinds() {
        for (index, kind) in ExtensionKind::ALL.iter().enumerate() {
            assert_eq!(ExtensionKind::from_uri(kind.uri()), Some(*kind));
            assert_eq!(*kind as usize, index);
        }
        assert_eq!(ExtensionKind::from_uri("urn:example"), None);
    }
}
