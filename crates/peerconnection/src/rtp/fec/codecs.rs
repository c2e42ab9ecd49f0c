//! Which formats of forward error correction a section has agreed on.

use crate::jsep::AgreedMedia;
use crate::media::{CodecRole, MediaKind, NegotiatedCodec, RtpCodec, RtxPayloadTypes};

/// Whether a codec of video protects others and carries no media of its own. RED of audio does carry media.
pub(in crate::rtp) fn is_protection(codec: &RtpCodec) -> bool {
    let protects =
        matches!(codec.role(), CodecRole::Redundancy | CodecRole::ForwardErrorCorrection);
    codec.kind == MediaKind::Video && protects
}

/// Payload types of what protects a section's video, in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::rtp) struct FecCodecs {
    /// What ULPFEC and the media that it protects travel in (RFC 5109 §14.2).
    pub(in crate::rtp) red: Option<u8>,
    /// Retransmissions of that.
    pub(in crate::rtp) red_rtx: Option<u8>,
    /// ULPFEC, inside RED only.
    pub(in crate::rtp) ulpfec: Option<u8>,
    /// FlexFEC, on a source of its own.
    pub(in crate::rtp) flexfec: Option<u8>,
}

impl FecCodecs {
    /// As we receive them.
    pub(in crate::rtp) fn received(media: &AgreedMedia) -> Self {
        Self::find(media, |codec| codec.receive, |rtx| rtx.receive)
    }

    /// As the peer receives them.
    pub(in crate::rtp) fn sent(media: &AgreedMedia) -> Self {
        Self::find(media, |codec| codec.send, |rtx| rtx.send)
    }

    fn find(
        media: &AgreedMedia,
        number: impl Fn(&NegotiatedCodec) -> u8,
        rtx: impl Fn(RtxPayloadTypes) -> u8,
    ) -> Self {
        let protection = media.agreement.codecs.iter().filter(|c| is_protection(&c.codec));
        let named = |name: &str| protection.clone().find(|codec| codec.codec.is(name));
        let (red, ulpfec, flexfec) = (named("red"), named("ulpfec"), named("flexfec-03"));
        Self {
            red: red.map(&number),
            red_rtx: red.and_then(|red| red.rtx).map(rtx),
            ulpfec: ulpfec.filter(|_| red.is_some()).map(&number),
            flexfec: flexfec.map(&number),
        }
    }

    /// All payload types that stand in RTP headers, and which of them belong to streams that repair others.
    pub(in crate::rtp) fn payload_types(&self) -> impl Iterator<Item = (u8, bool)> {
        let all = [(self.red, false), (self.red_rtx, true), (self.flexfec, true)];
        all.into_iter().filter_map(|(number, repairs)| Some((number?, repairs)))
    }
}
