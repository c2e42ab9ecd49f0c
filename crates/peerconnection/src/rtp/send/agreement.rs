//! What descriptions have agreed on for the packets of one encoding: its name, and the header extensions.

use peerage_rtp::ExtensionMap;
use peerage_sdp::RidDirection;

use crate::jsep::AgreedMedia;
use crate::transceiver::RtpEncodingParameters;

/// By what `rid` an encoding is sent, empty without simulcast; `None` if it is not sent, because the peer did not agree to
/// it. Without a simulcast only the first is (RFC 8853 §5.3.3; webrtc-pc §4.4.1.5, step 4.6.9).
pub(in super::super) fn agreed_rid<'a>(
    media: &'a AgreedMedia,
    encodings: &'a [RtpEncodingParameters],
    index: usize,
) -> Option<&'a str> {
    let own = encodings.get(index)?.rid.as_str();
    let rids = &media.agreement.rids;
    let agreed =
        |own: &str| rids.iter().any(|r| r.direction == RidDirection::Send && *r.id == *own);
    let layers = media.agreement.simulcast.as_ref().map_or(&[][..], |layers| &layers.send);
    if layers.is_empty() {
        return (index == 0).then_some(if agreed(own) { own } else { "" });
    }
    let has =
        |own: &str| layers.iter().flat_map(|layer| &layer.0).any(|format| *format.rid == *own);
    match encodings.iter().any(|encoding| has(&encoding.rid)) {
        true => has(own).then_some(own),
        // An offer of the peer has named them.
        false => layers.get(index).and_then(|layer| Some(&*layer.0.first()?.rid)),
    }
}

/// The header extensions that packets of a section may carry: those that it has agreed to send, which other sections of the
/// bundle may not have (RFC 8285 §5, §7).
pub(super) fn sent_extensions(media: &AgreedMedia) -> ExtensionMap {
    let mut map = ExtensionMap::new();
    for extension in media.agreement.extensions.iter().filter(|e| e.direction.sends()) {
        // An identifier that cannot be used was not agreed on.
        if let Ok(id) = u8::try_from(extension.id) {
            let _ = map.insert(id, extension.uri.as_str());
        }
    }
    map.allow_two_byte(media.mixed_headers);
    map
}
