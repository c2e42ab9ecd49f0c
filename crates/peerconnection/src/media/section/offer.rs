//! Our section as we offer it, first and again (RFC 9429 §5.2.1 and §5.2.2).

use peerage_sdp::Direction;

use super::accept::Agreement;
use super::local::LocalMedia;
use crate::media::capabilities::{CodecCapability, RtpHeaderExtensionCapability};
use crate::media::codec::MediaKind;
use crate::media::header_extension::{self, HeaderExtensionIds};
use crate::media::matching::{self, Order};
use crate::media::payload_types::PayloadTypes;

/// What our transceiver offers.
#[derive(Clone, Copy, Debug)]
pub struct OfferIntent<'a> {
    /// The direction of the transceiver.
    pub direction: Direction,
    /// The codecs, in order of preference.
    pub codecs: &'a [CodecCapability],
    /// Whose order the codecs follow in later offers: that of the last answer, or ours, which the application has set.
    pub order: Order,
    /// The header extensions.
    pub extensions: &'a [RtpHeaderExtensionCapability],
}

/// The section of an offer; `last` is what the most recent answer agreed on for it. What is said of streams, sources
/// and simulcast is left to the caller.
pub(crate) fn offer(
    kind: MediaKind,
    intent: OfferIntent<'_>,
    last: Option<&Agreement>,
    payload_types: &mut PayloadTypes,
    ids: &mut HeaderExtensionIds,
) -> LocalMedia {
    let codecs = last.map_or(&[][..], |last| &last.codecs);
    let extensions = last.map_or(&[][..], |last| &last.extensions);
    LocalMedia {
        direction: intent.direction,
        codecs: matching::offer(intent.codecs, intent.order, codecs, payload_types),
        extensions: header_extension::offer(intent.extensions, extensions, ids),
        // It may not come back once an answer has left it out (RFC 9429 §5.2.2).
        rtcp_rsize: last.is_none_or(|last| last.rtcp_rsize),
        ..LocalMedia::new(kind)
    }
}
