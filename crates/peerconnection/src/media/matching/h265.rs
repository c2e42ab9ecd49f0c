//! H.265 parameters (RFC 7798 §7.1 and §7.2.2).

use crate::media::codec::RtpCodec;

/// Level 3.1, inferred where none is given (RFC 7798 §7.1).
const DEFAULT_LEVEL: u32 = 93;

fn level(codec: &RtpCodec) -> u32 {
    codec.number("level-id").unwrap_or(DEFAULT_LEVEL)
}

/// Whether two formats differ in nothing but the level (RFC 7798 §7.2.2). Constraints are compared where both give
/// them, as browsers give none.
pub(crate) fn same_format(a: &RtpCodec, b: &RtpCodec) -> bool {
    let same = |name: &str, default: &str| {
        let value = |codec: &RtpCodec| codec.parameter(name).unwrap_or(default).to_owned();
        value(a).eq_ignore_ascii_case(&value(b))
    };
    let same_if_both = |name: &str| match (a.parameter(name), b.parameter(name)) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => true,
    };
    same("profile-space", "0")
        && same("profile-id", "1")
        && same("tier-flag", "0")
        && same("tx-mode", "SRST")
        && same_if_both("interop-constraints")
        && same_if_both("profile-compatibility-indicator")
}

/// Whether it comes as a single RTP stream, which is what is meant where nothing is said (RFC 7798 §7.1).
pub(crate) fn is_single_stream(codec: &RtpCodec) -> bool {
    codec.parameter("tx-mode").is_none_or(|mode| mode.eq_ignore_ascii_case("SRST"))
}

/// Our parameters as the answer has them: the level may be lower than that of the offer, not higher.
pub(crate) fn answer(ours: &RtpCodec, theirs: &RtpCodec) -> RtpCodec {
    let level = level(ours).min(level(theirs));
    ours.clone().with_parameter("level-id", &level.to_string())
}
