//! What tells formats of one name, clock and number of channels apart, as a value: two formats are the same where it is.

use peerage_rtp::payload::PayloadFormat;

use super::{h264, h265};
use crate::media::codec::RtpCodec;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Variant {
    /// Nothing does.
    None,
    /// Redundant audio of this format (RFC 2198).
    Redundant(PayloadFormat),
    /// A profile by its number.
    Profile(u32),
    /// H.264 (RFC 6184 §8.2.2).
    H264 { profile: h264::Profile, mode: u32 },
    /// H.265 (RFC 7798 §7.2.2).
    H265 { space: u32, profile: u32, tier: u32, single_stream: bool },
}

impl Variant {
    /// Of a codec; `None` if its parameters are malformed.
    pub(crate) fn of(codec: &RtpCodec) -> Option<Self> {
        let number = |name: &str, default| match codec.parameter(name) {
            None => Some(default),
            Some(text) => text.parse::<u32>().ok(),
        };
        Some(match &*codec.name {
            name if name.eq_ignore_ascii_case("H264") => Self::H264 {
                profile: h264::ProfileLevelId::of(codec)?.profile(),
                mode: h264::packetization_mode(codec)?,
            },
            name if name.eq_ignore_ascii_case("H265") => Self::H265 {
                space: number("profile-space", 0)?,
                profile: number("profile-id", 1)?,
                tier: number("tier-flag", 0)?,
                single_stream: h265::is_single_stream(codec),
            },
            // RTP payload format for VP9 (RFC 9628) §7: absent means profile 0.
            name if name.eq_ignore_ascii_case("VP9") => Self::Profile(number("profile-id", 0)?),
            // AV1 RTP specification §7.2.1: absent means profile 0.
            name if name.eq_ignore_ascii_case("AV1") => Self::Profile(number("profile", 0)?),
            _ => Self::None,
        })
    }
}
