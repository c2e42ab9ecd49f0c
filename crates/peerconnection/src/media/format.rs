//! A codec by what two ends must have alike of it, small enough to go with every packet: payload types mean something
//! within one connection only, so that what one has received is sent on another by this.

use peerage_rtp::payload::PayloadFormat;

use super::codec::RtpCodec;
use super::matching::Variant;

/// A codec without what may differ between the ends of a connection: equal where RFC 3264 §6.1 has formats be the same, as
/// the payload formats tell (H.264 by profile and packetization mode, H.265 by profile and tier, VP9 and AV1 by profile).
/// Levels, feedback and payload types are none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodecFormat {
    payload: PayloadFormat,
    clock_rate: u32,
    channels: u16,
    variant: Variant,
}

impl CodecFormat {
    /// Of a codec; `None` if it carries nothing of its own (`rtx`, `ulpfec`), if no payload format of its name is known, or
    /// if its parameters are malformed.
    pub fn of(codec: &RtpCodec) -> Option<Self> {
        Some(Self {
            payload: PayloadFormat::from_sdp(&codec.name, codec.fmtp.as_deref().unwrap_or(""))?,
            clock_rate: codec.clock_rate,
            channels: codec.channels.unwrap_or(1),
            variant: Variant::of(codec)?,
        })
    }

    /// The same for redundant audio with what it carries, which must be alike as well (RFC 2198 §4).
    pub(crate) fn carrying(self, inner: Self) -> Self {
        Self { variant: Variant::Redundant(inner.payload), ..self }
    }

    /// How its payloads are put together.
    pub fn payload(&self) -> PayloadFormat {
        self.payload
    }

    /// Ticks of the timestamp a second.
    pub fn clock_rate(&self) -> u32 {
        self.clock_rate
    }
}

impl std::fmt::Display for CodecFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.payload.encoding_name().unwrap_or("?"), self.clock_rate)?;
        if self.channels > 1 {
            write!(f, "/{}", self.channels)?;
        }
        match self.variant {
            Variant::None => Ok(()),
            variant => write!(f, " ({variant:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use peerage_sdp::{Text, Word};

    use super::*;
    use crate::media::matching::same_format;
    use crate::media::{Capabilities, CodecRole, MediaKind};

    /// One rule in two forms: what negotiation calls the same is the same here.
    #[test]
    fn formats_are_equal_where_negotiation_finds_codecs_the_same() {
        let capabilities = Capabilities::default();
        let mut all: Vec<RtpCodec> = [MediaKind::Audio, MediaKind::Video]
            .iter()
            .flat_map(|kind| capabilities.codecs(*kind))
            .map(|capability| capability.codec.clone())
            .filter(|codec| codec.role() != CodecRole::ForwardErrorCorrection)
            .collect();
        for (name, fmtp) in [
            ("H264", "packetization-mode=1;profile-level-id=4de034"),
            ("H264", "profile-level-id=58c00a"),
            ("H264", ""),
            ("VP9", ""),
            ("VP9", "profile-id=1"),
            ("vp8", "max-fs=3600"),
            ("AV1", "level-idx=9"),
            ("AV1", "profile=1"),
            ("H265", "level-id=120"),
            ("H265", "profile-id=2;level-id=120;tier-flag=1"),
            ("H265", "profile-id=1;level-id=93;tx-mode=MRST"),
        ] {
            let codec = RtpCodec::video(Word::from_static(name));
            all.push(if fmtp.is_empty() {
                codec
            } else {
                codec.with_fmtp(Text::new(fmtp).unwrap())
            });
        }
        for (a, b) in all.iter().flat_map(|a| all.iter().map(move |b| (a, b))) {
            let (x, y) = (CodecFormat::of(a).unwrap(), CodecFormat::of(b).unwrap());
            assert_eq!(x == y, same_format(a, b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn what_carries_nothing_of_its_own_has_none() {
        let of = |name, fmtp: &'static str| {
            let codec = RtpCodec::video(Word::from_static(name));
            CodecFormat::of(&codec.with_fmtp(Text::new(fmtp).unwrap()))
        };
        assert_eq!(of("rtx", "apt=96"), None);
        assert_eq!(of("H264", "profile-level-id=42"), None);
        assert_eq!(of("VP9", "profile-id=x"), None);
        let shown = of("H264", "profile-level-id=640c1f;packetization-mode=1").unwrap().to_string();
        assert!(shown.starts_with("H264/90000") && shown.contains("ConstrainedHigh"), "{shown}");
    }
}
