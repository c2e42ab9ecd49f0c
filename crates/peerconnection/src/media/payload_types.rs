//! Which payload type means which codec. All m-sections of a bundle share one RTP session, so that a number must have
//! one meaning in all of them (RFC 9143 §9.1), and keep it as long as the session lasts (RFC 3264 §8.3.2).

use super::codec::{CodecRole, RtpCodec};
use super::matching::same_format;

/// Payload types handed out to formats that have none by themselves, in this order: the dynamic range, then what
/// RFC 3551 leaves unassigned (RFC 5761 §4 keeps 64 to 95 free, where RTCP would be mistaken for RTP).
fn dynamic() -> impl Iterator<Item = u8> {
    (96..=127).chain(35..=63)
}

/// Whether a payload type can be told from RTCP on the same port (RFC 5761 §4).
pub(crate) fn usable_with_rtcp_mux(payload_type: u8) -> bool {
    matches!(payload_type, 0..=63 | 96..=127)
}

/// The payload types that this end receives, one table per bundle.
///
/// A number that once had a meaning keeps it. Clone the table to be able to go back on a rollback.
#[derive(Clone, Debug, Default)]
pub struct PayloadTypes {
    /// In order of assignment; at most 128, one per payload type.
    assigned: Vec<(u8, RtpCodec)>,
}

impl PayloadTypes {
    /// None assigned.
    pub fn new() -> Self {
        Self::default()
    }

    /// The codec that a payload type means.
    pub fn get(&self, payload_type: u8) -> Option<&RtpCodec> {
        self.assigned.iter().find(|(number, _)| *number == payload_type).map(|(_, codec)| codec)
    }

    /// The payload type for an offer: that which the codec has, or else the preferred one, or else the next that is
    /// free. `None` if all are taken.
    pub fn assign(&mut self, codec: &RtpCodec, preferred: u8) -> Option<u8> {
        if self.get(preferred).is_some_and(|have| same_meaning(have, codec)) {
            return Some(preferred);
        }
        let known = self.assigned.iter().find(|(_, have)| same_meaning(have, codec));
        if let Some((number, _)) = known {
            return Some(*number);
        }
        let free = |number: &u8| usable_with_rtcp_mux(*number) && self.get(*number).is_none();
        let number = Some(preferred)
            .filter(|number| free(number))
            .or_else(|| dynamic().find(|n| free(n)))?;
        self.assigned.push((number, codec.clone()));
        Some(number)
    }

    /// The payload type for an answer: that of the offer wherever it has no other meaning here (RFC 3264 §6.1).
    pub fn adopt(&mut self, codec: &RtpCodec, offered: u8) -> Option<u8> {
        if usable_with_rtcp_mux(offered) && self.get(offered).is_none() {
            self.assigned.push((offered, codec.clone()));
            return Some(offered);
        }
        self.assign(codec, offered)
    }
}

/// Whether two codecs may go by one payload type (RFC 9143 §9.1.1).
pub(crate) fn same_meaning(a: &RtpCodec, b: &RtpCodec) -> bool {
    // Both kinds name other payload types in their parameters.
    let by_parameters = |codec: &RtpCodec| {
        matches!(codec.role(), CodecRole::Retransmission | CodecRole::Redundancy)
    };
    same_format(a, b) && (!by_parameters(a) || (a.apt() == b.apt() && inner(a) == inner(b)))
}

fn inner(codec: &RtpCodec) -> Option<&str> {
    codec.fmtp.as_deref().filter(|_| codec.role() == CodecRole::Redundancy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_sdp::{Text, Word};

    fn codec(name: &str, fmtp: &str) -> RtpCodec {
        RtpCodec::video(Word::new(name).unwrap()).with_fmtp(Text::new(fmtp).unwrap())
    }

    #[test]
    fn a_codec_keeps_its_number() {
        let mut numbers = PayloadTypes::new();
        assert_eq!(numbers.assign(&codec("VP8", ""), 96), Some(96));
        assert_eq!(numbers.assign(&codec("vp8", "max-fs=3600"), 100), Some(96));
        assert_eq!(numbers.assign(&codec("VP9", ""), 96), Some(97));
        assert_eq!(numbers.assign(&codec("rtx", "apt=96"), 98), Some(98));
        assert_eq!(numbers.assign(&codec("rtx", "apt=97"), 98), Some(99));
        assert_eq!(numbers.assign(&codec("rtx", "apt=96"), 120), Some(98));
        // The peer's number is taken in addition, as both may be in flight.
        assert_eq!(numbers.adopt(&codec("VP8", ""), 120), Some(120));
        assert_eq!(numbers.adopt(&codec("VP8", ""), 97), Some(96));
        assert_eq!(numbers.get(120).map(|codec| &*codec.name), Some("VP8"));
        assert_eq!(numbers.get(121), None);
    }

    #[test]
    fn numbers_run_out_without_harm() {
        let mut numbers = PayloadTypes::new();
        let assigned: Vec<Option<u8>> =
            (0..100).map(|n| numbers.assign(&codec(&format!("X{n}"), ""), 72)).collect();
        let expected = (96..=127).chain(35..=63).map(Some).chain(std::iter::repeat(None));
        assert!(assigned.iter().copied().eq(expected.take(100)));
    }
}
