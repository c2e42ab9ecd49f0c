//! Codec preferences of an application: which lists are allowed, and what they leave (`setCodecPreferences` and the
//! codec dictionary match of webrtc-pc §5.4).

use crate::error::Error;
use crate::media::capabilities::{Capabilities, CodecCapability};
use crate::media::codec::{CodecRole, MediaKind, RtpCodec};

/// Whether two codecs are the same to an application. With `ignore_asymmetrical`, parameters that each end may choose
/// for itself, such as levels, may differ.
pub(crate) fn dictionary_match(a: &RtpCodec, b: &RtpCodec, ignore_asymmetrical: bool) -> bool {
    if a.kind != b.kind
        || !a.is(&b.name)
        || a.clock_rate != b.clock_rate
        || a.channels != b.channels
    {
        return false;
    }
    let (Some(first), Some(second)) = (&a.fmtp, &b.fmtp) else {
        return a.fmtp.is_none() && b.fmtp.is_none();
    };
    let key_value = |codec: &RtpCodec| codec.parameters().all(|(_, value)| value.is_some());
    if !key_value(a) || !key_value(b) {
        return first == second;
    }
    super::same_format(a, b) && (ignore_asymmetrical || (has_all(a, b) && has_all(b, a)))
}

/// Whether `a` has every parameter of `b` with the same value.
fn has_all(a: &RtpCodec, b: &RtpCodec) -> bool {
    b.parameters().all(|(name, value)| {
        let same = |mine: &str| value.is_some_and(|value| mine.eq_ignore_ascii_case(value));
        a.parameter(name).is_some_and(same)
    })
}

/// The list without what stands in it twice, if it may be set.
///
/// # Errors
/// [`Error::CodecPreferences`] if a codec is none of ours, or if none of them carries media.
pub(crate) fn check_preferences(
    capabilities: &Capabilities,
    kind: MediaKind,
    codecs: &[RtpCodec],
) -> Result<Vec<RtpCodec>, Error> {
    let ours = capabilities.rtp_codecs(kind);
    let mut kept: Vec<RtpCodec> = Vec::new();
    for codec in codecs {
        if kept.iter().any(|have| dictionary_match(have, codec, false)) {
            continue;
        }
        if !ours.iter().any(|ours| dictionary_match(ours, codec, false)) {
            let fmtp = codec.fmtp.as_deref().unwrap_or("no parameters");
            return Err(Error::CodecPreferences(format!(
                "{} ({} Hz, {fmtp}) is not among the capabilities",
                codec.mime_type(),
                codec.clock_rate
            )));
        }
        kept.push(codec.clone());
    }
    let only_helpers = |codec: &RtpCodec| {
        matches!(
            codec.role(),
            CodecRole::Retransmission
                | CodecRole::Redundancy
                | CodecRole::ForwardErrorCorrection
                | CodecRole::ComfortNoise
        )
    };
    if !codecs.is_empty() && kept.iter().all(only_helpers) {
        return Err(Error::CodecPreferences("none of the codecs carries media".to_owned()));
    }
    Ok(kept)
}

/// The capabilities in the order of checked preferences, without what these leave out; all of them if there are no
/// preferences.
pub(crate) fn apply_preferences(
    capabilities: &Capabilities,
    kind: MediaKind,
    preferences: &[RtpCodec],
) -> Vec<CodecCapability> {
    let ours = capabilities.codecs(kind);
    if preferences.is_empty() {
        return ours.to_vec();
    }
    let rtx = preferences.iter().any(|codec| codec.role() == CodecRole::Retransmission);
    let of_ours = |codec: &RtpCodec| {
        let found = ours.iter().find(|ours| dictionary_match(&ours.codec, codec, false))?;
        Some(CodecCapability { rtx: found.rtx.filter(|_| rtx), ..found.clone() })
    };
    preferences.iter().filter_map(of_ours).collect()
}
