//! What an end can do (`RTCRtpCapabilities` of webrtc-pc §5.2.8): codecs and header extensions per kind of media, in
//! order of preference, with the numbers they are offered under where these are free. Offers and answers are made of
//! it; applications add and remove entries before the first description.

use peerage_sdp::{Direction, Feedback, Text, Word};

use super::codec::{MediaKind, RtpCodec};

/// URIs of header extensions.
pub mod uri {
    /// Identification tag of the m-section (RFC 9143 §15.2).
    pub const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
    /// Identifier of the RTP stream (RFC 8852 §3.1).
    pub const RTP_STREAM_ID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
    /// Identifier of the RTP stream that is repaired (RFC 8852 §3.2).
    pub const REPAIRED_RTP_STREAM_ID: &str =
        "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
    /// Audio level from client to mixer (RFC 6464).
    pub const SSRC_AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
    /// Audio levels from mixer to client (RFC 6465).
    pub const CSRC_AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:csrc-audio-level";
    /// Transmission time offset (RFC 5450).
    pub const TRANSMISSION_OFFSET: &str = "urn:ietf:params:rtp-hdrext:toffset";
    /// Time of sending, 24 bits.
    pub const ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
    /// Time of capture.
    pub const ABS_CAPTURE_TIME: &str =
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
    /// Transport-wide sequence number.
    pub const TRANSPORT_CC: &str =
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
    /// The same with requests: reports are sent where the sender asks for them.
    pub const TRANSPORT_CC_02: &str =
        "http://www.webrtc.org/experiments/rtp-hdrext/transport-wide-cc-02";
    /// Orientation of the camera (3GPP TS 26.114).
    pub const VIDEO_ORIENTATION: &str = "urn:3gpp:video-orientation";
    /// Least and greatest delay of playing.
    pub const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
    /// Camera or screen.
    pub const VIDEO_CONTENT_TYPE: &str =
        "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type";
    /// Times of the stages of sending.
    pub const VIDEO_TIMING: &str = "http://www.webrtc.org/experiments/rtp-hdrext/video-timing";
    /// Colour space.
    pub const COLOR_SPACE: &str = "http://www.webrtc.org/experiments/rtp-hdrext/color-space";
    /// Dependencies between frames (AV1 RTP specification, appendix A).
    pub const DEPENDENCY_DESCRIPTOR: &str =
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
    /// Layers and their bit rates.
    pub const VIDEO_LAYERS_ALLOCATION: &str =
        "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00";
}

/// A codec that can be negotiated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecCapability {
    /// The codec. `rtx` is no entry of its own: see [`rtx`](Self::rtx).
    pub codec: RtpCodec,
    /// The payload type it is offered under, where that is free.
    pub payload_type: u8,
    /// Whether lost packets are sent again as `rtx` (RFC 4588), and the payload type that is offered for it.
    pub rtx: Option<u8>,
    /// The scalability modes (webrtc-svc §6) that whoever encodes it makes; others are refused where encodings are set. `None`:
    /// all that the codec has, since the application's encoder is not known here.
    pub scalability_modes: Option<Vec<String>>,
}

/// A header extension that can be negotiated: `RTCRtpHeaderExtensionCapability` of webrtc-pc §5.2.10.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpHeaderExtensionCapability {
    /// What the extension is.
    pub uri: Word,
    /// Which way it is used; [`Inactive`](Direction::Inactive) means that it is known but not offered.
    pub direction: Direction,
    /// The identifier it is offered under, where that is free: 1 to 14 for the one-byte form.
    pub preferred_id: u8,
}

/// What one end can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Audio codecs, the preferred ones first.
    pub audio: Vec<CodecCapability>,
    /// Video codecs, the preferred ones first.
    pub video: Vec<CodecCapability>,
    /// Header extensions of audio.
    pub audio_extensions: Vec<RtpHeaderExtensionCapability>,
    /// Header extensions of video.
    pub video_extensions: Vec<RtpHeaderExtensionCapability>,
}

/// Feedback of every video codec.
const VIDEO_FEEDBACK: [Feedback; 5] = [
    Feedback::GoogRemb,
    Feedback::TransportCc,
    Feedback::CcmFir,
    Feedback::Nack,
    Feedback::NackPli,
];

fn audio(payload_type: u8, name: &'static str, clock_rate: u32, channels: u16) -> CodecCapability {
    let codec = RtpCodec::audio(Word::from_static(name), clock_rate, channels);
    CodecCapability { codec, payload_type, rtx: None, scalability_modes: None }
}

fn video(payload_type: u8, rtx: u8, name: &'static str, fmtp: &'static str) -> CodecCapability {
    let mut codec = RtpCodec::video(Word::from_static(name)).with_feedback(&VIDEO_FEEDBACK);
    codec.fmtp = Some(fmtp).filter(|fmtp| !fmtp.is_empty()).and_then(|fmtp| Text::new(fmtp).ok());
    CodecCapability { codec, payload_type, rtx: Some(rtx), scalability_modes: None }
}

/// What protects video: without feedback of its own, except where it has a source of its own.
fn protection(payload_type: u8, rtx: Option<u8>, name: &'static str) -> CodecCapability {
    CodecCapability {
        codec: RtpCodec::video(Word::from_static(name)),
        payload_type,
        rtx,
        scalability_modes: None,
    }
}

fn extension(preferred_id: u8, uri: &'static str) -> RtpHeaderExtensionCapability {
    let uri = Word::from_static(uri);
    RtpHeaderExtensionCapability { uri, direction: Direction::SendRecv, preferred_id }
}

impl Default for Capabilities {
    /// All that passes through without a codec being linked, under the numbers that Firefox uses. It numbers the sections that
    /// it adds to a bundle of ours in its own way, whatever ours are: with other numbers one would soon have two meanings
    /// (RFC 9143 §9.1.1). Chromium takes any.
    fn default() -> Self {
        let mut opus = audio(109, "opus", 48_000, 2);
        opus.codec.fmtp = Text::new("minptime=10;useinbandfec=1").ok();
        opus.codec.rtcp_feedback = vec![Feedback::TransportCc];
        let h264 = |payload_type, rtx, mode, profile| {
            let mut h264 = video(payload_type, rtx, "H264", "");
            h264.codec.fmtp = Text::new(&format!(
                "level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}"
            ))
            .ok();
            h264
        };
        Self {
            audio: vec![
                opus,
                audio(63, "red", 48_000, 2),
                audio(9, "G722", 8_000, 1),
                audio(0, "PCMU", 8_000, 1),
                audio(8, "PCMA", 8_000, 1),
                audio(13, "CN", 8_000, 1),
                audio(110, "telephone-event", 48_000, 1),
                audio(101, "telephone-event", 8_000, 1),
            ],
            video: vec![
                video(120, 124, "VP8", ""),
                video(121, 125, "VP9", "profile-id=0"),
                video(107, 108, "VP9", "profile-id=2"),
                h264(105, 106, 1, "42001f"),
                h264(103, 104, 0, "42001f"),
                h264(126, 127, 1, "42e01f"),
                h264(97, 98, 0, "42e01f"),
                h264(112, 113, 1, "4d001f"),
                h264(114, 115, 0, "4d001f"),
                h264(116, 117, 1, "64001f"),
                h264(118, 102, 0, "64001f"),
                video(99, 100, "AV1", "level-idx=5;profile=0;tier=0"),
                video(49, 50, "H265", "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST"),
                // RFC 5109 §14: ULPFEC travels in RED.
                protection(122, Some(119), "red"),
                protection(123, None, "ulpfec"),
            ],
            audio_extensions: vec![
                extension(1, uri::SSRC_AUDIO_LEVEL),
                extension(2, uri::ABS_SEND_TIME),
                extension(3, uri::TRANSPORT_CC),
                extension(4, uri::MID),
                RtpHeaderExtensionCapability {
                    direction: Direction::Inactive,
                    ..extension(12, uri::ABS_CAPTURE_TIME)
                },
                RtpHeaderExtensionCapability {
                    direction: Direction::Inactive,
                    ..extension(15, uri::TRANSPORT_CC_02)
                },
            ],
            video_extensions: vec![
                extension(14, uri::TRANSMISSION_OFFSET),
                extension(2, uri::ABS_SEND_TIME),
                extension(13, uri::VIDEO_ORIENTATION),
                extension(3, uri::TRANSPORT_CC),
                extension(5, uri::PLAYOUT_DELAY),
                extension(6, uri::VIDEO_CONTENT_TYPE),
                extension(7, uri::VIDEO_TIMING),
                extension(8, uri::COLOR_SPACE),
                extension(4, uri::MID),
                extension(10, uri::RTP_STREAM_ID),
                extension(11, uri::REPAIRED_RTP_STREAM_ID),
                extension(9, uri::DEPENDENCY_DESCRIPTOR),
                RtpHeaderExtensionCapability {
                    direction: Direction::Inactive,
                    ..extension(12, uri::ABS_CAPTURE_TIME)
                },
                RtpHeaderExtensionCapability {
                    direction: Direction::Inactive,
                    ..extension(15, uri::VIDEO_LAYERS_ALLOCATION)
                },
                RtpHeaderExtensionCapability {
                    direction: Direction::Inactive,
                    ..extension(15, uri::TRANSPORT_CC_02)
                },
            ],
        }
    }
}

impl Capabilities {
    /// The codecs of a kind.
    pub fn codecs(&self, kind: MediaKind) -> &[CodecCapability] {
        match kind {
            MediaKind::Audio => &self.audio,
            MediaKind::Video => &self.video,
        }
    }

    /// The codecs of a kind, to change them.
    pub fn codecs_mut(&mut self, kind: MediaKind) -> &mut Vec<CodecCapability> {
        match kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video => &mut self.video,
        }
    }

    /// The header extensions of a kind.
    pub fn extensions(&self, kind: MediaKind) -> &[RtpHeaderExtensionCapability] {
        match kind {
            MediaKind::Audio => &self.audio_extensions,
            MediaKind::Video => &self.video_extensions,
        }
    }

    /// Adds `flexfec-03` to video (draft-ietf-payload-flexible-fec-scheme-03): forward error correction on a source of its
    /// own, for any codec. Where both ends have it, it takes the place of `ulpfec`. Not there by default, since browsers
    /// have it behind a switch.
    pub fn enable_flexfec(&mut self) {
        self.disable_codec(MediaKind::Video, "flexfec-03");
        let mut flexfec = protection(35, None, "flexfec-03");
        flexfec.codec.fmtp = Text::new("repair-window=10000000").ok();
        flexfec.codec.rtcp_feedback = vec![Feedback::GoogRemb, Feedback::TransportCc];
        self.video.push(flexfec);
    }

    /// Removes all forward error correction of video: `red`, `ulpfec` and `flexfec-03`.
    pub fn disable_video_fec(&mut self) {
        for name in ["red", "ulpfec", "flexfec-03"] {
            self.disable_codec(MediaKind::Video, name);
        }
    }

    /// Adds congestion control feedback of RFC 8888 to every codec that has transport-wide feedback. Not there by
    /// default.
    pub fn enable_ccfb(&mut self) {
        for capability in self.audio.iter_mut().chain(&mut self.video) {
            let feedback = &mut capability.codec.rtcp_feedback;
            if feedback.contains(&Feedback::TransportCc) && !feedback.contains(&Feedback::AckCcfb) {
                feedback.push(Feedback::AckCcfb);
            }
        }
    }

    /// Offers `transport-wide-cc-02` beside the first version, and takes it before that where both are offered: the peer
    /// then reports where it is asked to, which takes less of the way back. Without this it is taken where the first
    /// version is not offered.
    pub fn enable_transport_cc_02(&mut self) {
        let all = self.audio_extensions.iter_mut().chain(&mut self.video_extensions);
        for extension in all.filter(|extension| *extension.uri == *uri::TRANSPORT_CC_02) {
            extension.direction = Direction::SendRecv;
        }
    }

    /// Removes every codec of this name.
    pub fn disable_codec(&mut self, kind: MediaKind, name: &str) {
        self.codecs_mut(kind).retain(|capability| !capability.codec.is(name));
    }

    /// The codecs as `getCapabilities` lists them: `rtx` once, without parameters (webrtc-pc §5.2.8).
    pub fn rtp_codecs(&self, kind: MediaKind) -> Vec<RtpCodec> {
        let mut list: Vec<RtpCodec> = Vec::new();
        for capability in self.codecs(kind) {
            let mut codec = capability.codec.clone();
            codec.rtcp_feedback.clear();
            list.push(codec);
            if capability.rtx.is_some() && !list.iter().any(|codec| codec.is("rtx")) {
                list.push(match kind {
                    MediaKind::Video => RtpCodec::video(Word::from_static("rtx")),
                    MediaKind::Audio => {
                        RtpCodec::audio(Word::from_static("rtx"), capability.codec.clock_rate, 1)
                    }
                });
            }
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// All payload types, which one bundle must be able to hold.
    fn numbers(capabilities: &Capabilities) -> Vec<u8> {
        let all = capabilities.audio.iter().chain(&capabilities.video);
        all.flat_map(|codec| [Some(codec.payload_type), codec.rtx]).flatten().collect()
    }

    #[test]
    fn every_number_is_given_once() {
        let mut capabilities = Capabilities::default();
        capabilities.enable_flexfec();
        let all = numbers(&capabilities);
        let unique: BTreeSet<u8> = all.iter().copied().collect();
        assert_eq!(unique.len(), all.len());
        assert!(unique.into_iter().all(super::super::payload_types::usable_with_rtcp_mux));
        let before = all.len();
        capabilities.enable_flexfec();
        assert_eq!(numbers(&capabilities).len(), before, "asked twice, it is there once");
    }

    #[test]
    fn what_is_off_by_default_can_be_switched_on_and_the_other_way_round() {
        let mut capabilities = Capabilities::default();
        let has = |capabilities: &Capabilities, name: &str| {
            capabilities.video.iter().any(|capability| capability.codec.is(name))
        };
        assert!(!has(&capabilities, "flexfec-03") && has(&capabilities, "H264"));
        capabilities.enable_flexfec();
        capabilities.disable_codec(MediaKind::Video, "h264");
        assert!(has(&capabilities, "flexfec-03") && !has(&capabilities, "H264"));
        assert!(has(&capabilities, "red") && has(&capabilities, "ulpfec"));
        capabilities.disable_video_fec();
        assert!(!["flexfec-03", "red", "ulpfec"].iter().any(|name| has(&capabilities, name)));

        capabilities.enable_ccfb();
        capabilities.enable_ccfb();
        let feedback = &capabilities.audio[0].codec.rtcp_feedback;
        assert_eq!(*feedback, [Feedback::TransportCc, Feedback::AckCcfb]);
        assert_eq!(capabilities.audio[3].codec.rtcp_feedback, []);
    }

    #[test]
    fn rtx_is_listed_once_and_without_parameters() {
        let capabilities = Capabilities::default();
        let listed = capabilities.rtp_codecs(MediaKind::Video);
        let rtx: Vec<&RtpCodec> = listed.iter().filter(|codec| codec.is("rtx")).collect();
        assert_eq!(rtx.len(), 1);
        assert_eq!(rtx[0].fmtp, None);
        assert_eq!(listed.len(), capabilities.video.len() + 1);
        assert!(capabilities.rtp_codecs(MediaKind::Audio).iter().all(|codec| !codec.is("rtx")));
    }
}
