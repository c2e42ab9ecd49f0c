//! Codecs as negotiation names them, and as the media engine does.

use peerage_media::codec::{CodecFactory, CodecSpec};
use peerage_peerconnection::media::{Capabilities, CodecFormat, RtpCodec};

/// How the media engine names a codec; `None` where it carries nothing of its own (`rtx`, `ulpfec`).
pub(super) fn spec(codec: &RtpCodec) -> Option<CodecSpec> {
    let format = CodecFormat::of(codec)?;
    let spec = CodecSpec::new(format.payload(), codec.clock_rate, codec.channels.unwrap_or(1));
    Some(spec.with_parameters(codec.fmtp.as_deref().unwrap_or_default()))
}

/// What a connection can offer whose tracks are encoded and decoded by these codecs: for
/// [`Settings::media`](crate::Settings). Scalability modes that their encoders do not make are refused then, by
/// `add_transceiver` and `set_parameters`. Everything else stays as it is by default.
pub fn capabilities(codecs: &dyn CodecFactory) -> Capabilities {
    use peerage_rtp::payload::PayloadFormat::{ComfortNoise, Red, TelephoneEvent};
    let mut capabilities = Capabilities::default();
    let keep = |codec: &RtpCodec| match spec(codec) {
        // These go with others, and are made and read without a codec.
        Some(CodecSpec { format: Red | TelephoneEvent | ComfortNoise, .. }) | None => true,
        Some(spec) => codecs.encodes(&spec) && codecs.decodes(&spec),
    };
    capabilities.audio.retain(|capability| keep(&capability.codec));
    capabilities.video.retain(|capability| keep(&capability.codec));
    for capability in &mut capabilities.video {
        let modes = spec(&capability.codec).filter(|spec| codecs.encodes(spec));
        let names = |of: CodecSpec| codecs.scalability_modes(&of).iter().map(|name| (*name).into());
        capability.scalability_modes = modes.map(|of| names(of).collect());
    }
    capabilities
}

#[cfg(all(test, feature = "codecs"))]
mod tests {
    use super::*;
    use peerage_media::codec::BuiltIn;

    #[test]
    fn only_what_there_are_codecs_for_is_offered() {
        let all = capabilities(&BuiltIn);
        let names = |of: &[peerage_peerconnection::media::CodecCapability]| -> Vec<String> {
            of.iter().map(|one| one.codec.name.to_string()).collect()
        };
        let (audio, video) = (names(&all.audio), names(&all.video));
        for there in ["opus", "G722", "PCMU", "telephone-event"] {
            assert!(audio.iter().any(|name| name == there), "{there} of {audio:?}");
        }
        for there in ["VP8", "VP9", "H264", "AV1", "red", "ulpfec"] {
            assert!(video.iter().any(|name| name == there), "{there} of {video:?}");
        }
    }
}
