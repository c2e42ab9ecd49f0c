//! A codec as a description names it: `a=rtpmap`, `a=fmtp` and `a=rtcp-fb` of one payload type (RFC 8866 §6.6 and
//! §6.15, RFC 4585 §4.2), by the names of webrtc-pc.

use peerage_sdp::{Feedback, Text, Word};

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaKind {
    /// `m=audio`.
    Audio,
    /// `m=video`.
    Video,
}

impl MediaKind {
    /// The word of the `m=` line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    /// The kind of an `m=` line; `None` if it is neither audio nor video.
    pub fn from_sdp(kind: &peerage_sdp::MediaKind) -> Option<Self> {
        match kind {
            peerage_sdp::MediaKind::Audio => Some(Self::Audio),
            peerage_sdp::MediaKind::Video => Some(Self::Video),
            _ => None,
        }
    }

    /// The kind as the `m=` line has it.
    pub const fn to_sdp(self) -> peerage_sdp::MediaKind {
        match self {
            Self::Audio => peerage_sdp::MediaKind::Audio,
            Self::Video => peerage_sdp::MediaKind::Video,
        }
    }
}

impl std::fmt::Display for MediaKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a format does for the media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodecRole {
    /// It carries media.
    Media,
    /// `rtx`: it carries packets again (RFC 4588).
    Retransmission,
    /// `red`: it carries packets with copies of earlier ones (RFC 2198).
    Redundancy,
    /// `ulpfec` or `flexfec`: it carries what lost packets are computed from (RFC 5109, RFC 8627).
    ForwardErrorCorrection,
    /// `CN`: it describes background noise (RFC 3389).
    ComfortNoise,
    /// `telephone-event`: it carries the keys of a telephone (RFC 4733).
    TelephoneEvent,
}

/// A codec and how it is configured: `RTCRtpCodec` of webrtc-pc §5.2.7, with the feedback it is used with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RtpCodec {
    /// Audio or video.
    pub kind: MediaKind,
    /// The name; compared without regard to case.
    pub name: Word,
    /// The RTP clock rate in Hz.
    pub clock_rate: u32,
    /// The number of channels; always there for audio, never for video.
    pub channels: Option<u16>,
    /// The parameters, as they stand in `a=fmtp` (`sdpFmtpLine` of webrtc-pc).
    pub fmtp: Option<Text>,
    /// RTCP feedback that the receiver of the media may send.
    pub rtcp_feedback: Vec<Feedback>,
}

impl RtpCodec {
    /// An audio codec without parameters.
    pub fn audio(name: Word, clock_rate: u32, channels: u16) -> Self {
        Self {
            kind: MediaKind::Audio,
            name,
            clock_rate,
            channels: Some(channels),
            fmtp: None,
            rtcp_feedback: Vec::new(),
        }
    }

    /// A video codec without parameters; the clock rate is 90 kHz.
    pub fn video(name: Word) -> Self {
        Self {
            kind: MediaKind::Video,
            name,
            clock_rate: 90_000,
            channels: None,
            fmtp: None,
            rtcp_feedback: Vec::new(),
        }
    }

    /// The same with parameters.
    #[must_use]
    pub fn with_fmtp(mut self, fmtp: Text) -> Self {
        self.fmtp = Some(fmtp);
        self
    }

    /// The same with feedback.
    #[must_use]
    pub fn with_feedback(mut self, feedback: &[Feedback]) -> Self {
        self.rtcp_feedback = feedback.to_vec();
        self
    }

    /// `video/VP8` for instance.
    pub fn mime_type(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// Whether it goes by this name.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// What it does for the media.
    pub fn role(&self) -> CodecRole {
        const ROLES: [(&str, CodecRole); 7] = [
            ("rtx", CodecRole::Retransmission),
            ("red", CodecRole::Redundancy),
            ("ulpfec", CodecRole::ForwardErrorCorrection),
            ("flexfec-03", CodecRole::ForwardErrorCorrection),
            ("flexfec", CodecRole::ForwardErrorCorrection),
            ("CN", CodecRole::ComfortNoise),
            ("telephone-event", CodecRole::TelephoneEvent),
        ];
        ROLES.iter().find(|(name, _)| self.is(name)).map_or(CodecRole::Media, |(_, role)| *role)
    }

    /// The parameters in the usual form `name=value;name=value`, spaces around them dropped.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let text = self.fmtp.as_deref().unwrap_or_default();
        text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(|part| {
            match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (part, None),
            }
        })
    }

    /// The value of the parameter `name`, compared without regard to case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters().find(|(n, _)| n.eq_ignore_ascii_case(name)).and_then(|(_, value)| value)
    }

    /// The value of a parameter that is a number.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.parameter(name).and_then(|value| value.parse().ok())
    }

    /// The payload type that a format of role [`Retransmission`](CodecRole::Retransmission) repeats (RFC 4588 §8.1).
    pub fn apt(&self) -> Option<u8> {
        let apt = self.number("apt").and_then(|apt| u8::try_from(apt).ok());
        apt.filter(|&apt| apt < 128 && self.role() == CodecRole::Retransmission)
    }

    /// The same parameters with one of them replaced, or added at the end.
    #[must_use]
    pub(crate) fn with_parameter(mut self, name: &str, value: &str) -> Self {
        let mut text = String::new();
        let mut found = false;
        for (n, v) in self.parameters() {
            if !text.is_empty() {
                text.push(';');
            }
            text.push_str(n);
            let same = n.eq_ignore_ascii_case(name);
            found |= same;
            if let Some(v) = if same { Some(value) } else { v } {
                text.push('=');
                text.push_str(v);
            }
        }
        if !found {
            if !text.is_empty() {
                text.push(';');
            }
            text.push_str(name);
            text.push('=');
            text.push_str(value);
        }
        self.fmtp = Text::new(&text).ok();
        self
    }
}

/// A codec under its payload type: `RTCRtpCodecParameters` of webrtc-pc §5.2.4.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RtpCodecParameters {
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// The codec.
    pub codec: RtpCodec,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(name: &'static str, fmtp: &str) -> RtpCodec {
        RtpCodec::video(Word::from_static(name)).with_fmtp(Text::new(fmtp).unwrap())
    }

    #[test]
    fn parameters_are_found_and_replaced() {
        let codec = video("H264", " Level-Asymmetry-Allowed = 1 ;; cbr; profile-level-id=42e01f ");
        assert_eq!(codec.parameter("level-asymmetry-allowed"), Some("1"));
        assert_eq!(codec.parameter("cbr"), None);
        assert_eq!(codec.parameters().count(), 3);
        let changed = codec.clone().with_parameter("PROFILE-level-id", "640c1f");
        let expected = "Level-Asymmetry-Allowed=1;cbr;profile-level-id=640c1f";
        assert_eq!(changed.fmtp.as_deref(), Some(expected));
        let added = RtpCodec { fmtp: None, ..codec }.with_parameter("a", "b");
        assert_eq!(added.fmtp.as_deref(), Some("a=b"));
    }

    #[test]
    fn only_retransmissions_refer_to_a_payload_type() {
        assert_eq!(video("rtx", "apt=96;rtx-time=3000").apt(), Some(96));
        assert_eq!(video("RTX", "rtx-time=3000;APT=127").apt(), Some(127));
        for fmtp in ["apt=128", "apt=", "apt", "apt=-1", "rtx-time=96"] {
            assert_eq!(video("rtx", fmtp).apt(), None, "{fmtp}");
        }
        assert_eq!(video("VP8", "apt=96").apt(), None);
    }

    #[test]
    fn roles_go_by_name() {
        for (name, role) in [
            ("VP8", CodecRole::Media),
            ("opus", CodecRole::Media),
            ("RTX", CodecRole::Retransmission),
            ("red", CodecRole::Redundancy),
            ("ULPFEC", CodecRole::ForwardErrorCorrection),
            ("flexfec-03", CodecRole::ForwardErrorCorrection),
            ("cn", CodecRole::ComfortNoise),
            ("telephone-event", CodecRole::TelephoneEvent),
        ] {
            assert_eq!(RtpCodec::video(Word::from_static(name)).role(), role, "{name}");
        }
    }
}
