//! Which payload format a payload type stands for, from its encoding name and format parameters in SDP (RFC 8866 §6.6).
//! The packetiser, depacketiser and frame assembler are made for one of these.

/// A payload format that Peerage packetises, depacketises and assembles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PayloadFormat {
    /// Opus (RFC 7587).
    Opus,
    /// VP8 (RFC 7741).
    Vp8,
    /// VP9 (RFC 9628).
    Vp9,
    /// H.264 (RFC 6184).
    H264 {
        /// What may be sent: single NAL units only, or aggregates and fragments too.
        /// Reading does not depend on it.
        packetization_mode: PacketizationMode,
    },
    /// H.265 (RFC 7798), without decoding order numbers.
    H265,
    /// AV1 (AV1 RTP specification 1.0).
    Av1,
    /// G.711 µ-law (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law (RFC 3551 §4.5.14).
    Pcma,
    /// G.722 (RFC 3551 §4.5.2).
    G722,
    /// Redundant audio (RFC 2198).
    Red,
    /// DTMF and other named events (RFC 4733).
    TelephoneEvent,
    /// Comfort noise (RFC 3389).
    ComfortNoise,
    /// Linear 16-bit samples in network byte order (RFC 3551 §4.5.11).
    L16,
    /// Anything else: a frame is cut into pieces without a payload header, the marker bit ends it.
    Raw,
}

/// H.264 `packetization-mode` (RFC 6184 §6.2, §6.3). Interleaved mode (2) is not spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PacketizationMode {
    /// Mode 0: one NAL unit per packet; a NAL unit that does not fit cannot be sent.
    #[default]
    SingleNalUnit,
    /// Mode 1: STAP-A and FU-A as well.
    NonInterleaved,
}

impl PayloadFormat {
    /// The format for an encoding name (`a=rtpmap`, case does not matter) and its parameters (`a=fmtp`, the part
    /// after the payload type).
    ///
    /// `None` for names that are no media of their own (`rtx`, `ulpfec`, `flexfec-03`), for names unknown here, and for
    /// H.264 in interleaved mode. `red` is taken as redundant audio; the caller knows whether the section is video,
    /// where RED carries ULPFEC instead.
    pub fn from_sdp(encoding_name: &str, fmtp: &str) -> Option<Self> {
        let is = |name: &str| encoding_name.eq_ignore_ascii_case(name);
        Some(if is("opus") {
            Self::Opus
        } else if is("VP8") {
            Self::Vp8
        } else if is("VP9") {
            Self::Vp9
        } else if is("H264") {
            let packetization_mode = match fmtp_parameter(fmtp, "packetization-mode") {
                None | Some("0") => PacketizationMode::SingleNalUnit,
                Some("1") => PacketizationMode::NonInterleaved,
                Some(_) => return None,
            };
            Self::H264 { packetization_mode }
        } else if is("H265") {
            Self::H265
        } else if is("AV1") {
            Self::Av1
        } else if is("PCMU") {
            Self::Pcmu
        } else if is("PCMA") {
            Self::Pcma
        } else if is("G722") {
            Self::G722
        } else if is("red") {
            Self::Red
        } else if is("telephone-event") {
            Self::TelephoneEvent
        } else if is("CN") {
            Self::ComfortNoise
        } else if is("L16") {
            Self::L16
        } else {
            return None;
        })
    }

    /// The format of a static payload type (RFC 3551 §6), for the few that are used without `a=rtpmap`.
    pub fn from_static_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            9 => Some(Self::G722),
            10 | 11 => Some(Self::L16),
            13 => Some(Self::ComfortNoise),
            _ => None,
        }
    }

    /// The encoding name as registered; `None` for [`Raw`](Self::Raw).
    pub fn encoding_name(self) -> Option<&'static str> {
        match self {
            Self::Raw => None,
            other => Some(other.name()),
        }
    }

    /// The RTP clock rate in Hz where the format fixes it or has a usual one. L16 depends on SDP and is given as 44,100;
    /// RED and telephone-event follow the audio they go with and are given as 48,000 and 8,000.
    ///
    /// G.722 is sampled at 16 kHz, but its RTP clock runs at 8 kHz (RFC 3551 §4.5.2).
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Opus | Self::Red => 48_000,
            Self::Pcmu | Self::Pcma | Self::G722 | Self::TelephoneEvent | Self::ComfortNoise => {
                8_000
            }
            Self::L16 => 44_100,
            _ => 90_000,
        }
    }

    /// Whether frames of this format may span packets. These are the video formats, and [`Raw`](Self::Raw).
    pub fn is_video(self) -> bool {
        matches!(
            self,
            Self::Vp8 | Self::Vp9 | Self::H264 { .. } | Self::H265 | Self::Av1 | Self::Raw
        )
    }

    /// For messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::H264 { .. } => "H264",
            Self::H265 => "H265",
            Self::Av1 => "AV1",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Red => "red",
            Self::TelephoneEvent => "telephone-event",
            Self::ComfortNoise => "CN",
            Self::L16 => "L16",
            Self::Raw => "raw",
        }
    }
}

/// The value of `name` in the parameters of an `a=fmtp` line (`a=1;b=2`); the case of names does not matter.
pub(crate) fn fmtp_parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sdp_are_understood_in_any_case() {
        assert_eq!(PayloadFormat::from_sdp("OPUS", "minptime=10"), Some(PayloadFormat::Opus));
        assert_eq!(PayloadFormat::from_sdp("vp8", ""), Some(PayloadFormat::Vp8));
        assert_eq!(PayloadFormat::from_sdp("rtx", "apt=96"), None);
        for format in [
            PayloadFormat::Opus,
            PayloadFormat::Vp9,
            PayloadFormat::Av1,
            PayloadFormat::H265,
            PayloadFormat::Pcmu,
            PayloadFormat::Pcma,
            PayloadFormat::G722,
            PayloadFormat::Red,
            PayloadFormat::TelephoneEvent,
            PayloadFormat::ComfortNoise,
            PayloadFormat::L16,
        ] {
            assert_eq!(PayloadFormat::from_sdp(format.encoding_name().unwrap(), ""), Some(format));
        }
        assert_eq!(PayloadFormat::Raw.encoding_name(), None);
    }

    #[test]
    fn packetization_mode_is_read_and_interleaved_refused() {
        let mode = |fmtp| PayloadFormat::from_sdp("H264", fmtp);
        let single = PayloadFormat::H264 { packetization_mode: PacketizationMode::SingleNalUnit };
        let aggregates =
            PayloadFormat::H264 { packetization_mode: PacketizationMode::NonInterleaved };
        assert_eq!(mode(""), Some(single));
        assert_eq!(mode("profile-level-id=42e01f; Packetization-Mode=1"), Some(aggregates));
        assert_eq!(mode("packetization-mode=2"), None);
    }
}
