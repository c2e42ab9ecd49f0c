//! Which RTP header extensions are used under which identifiers (RFC 8285 §5 to §7). All m-sections of a bundle share
//! one space of identifiers (RFC 8285 §7), and an identifier keeps its meaning as long as the session lasts.

use peerage_sdp::{Direction, Word};

use super::capabilities::{RtpHeaderExtensionCapability, uri};

/// The largest identifier of the two-byte form.
const MAX_ID: u16 = 255;

/// A header extension of an m-section: `RTCRtpHeaderExtensionParameters` of webrtc-pc §5.2.3.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RtpHeaderExtension {
    /// The identifier: 1 to 14 fits the one-byte form, others up to 255 the two-byte form. Identifiers from 4096 on
    /// stand in for ones yet to be assigned, and occur in offers only (RFC 8285 §5).
    pub id: u16,
    /// What the extension is.
    pub uri: Word,
    /// Which way it is used, as seen by who wrote the description.
    pub direction: Direction,
}

impl RtpHeaderExtension {
    /// Whether packets can carry it under this identifier.
    pub fn is_usable(&self) -> bool {
        // 15 would end a one-byte header (RFC 8285 §4.2).
        (1..=MAX_ID).contains(&self.id) && self.id != 15
    }
}

/// Which way media goes both by what one side says and by what the other says.
pub(crate) fn intersect(a: Direction, b: Direction) -> Direction {
    match (a.sends() && b.sends(), a.receives() && b.receives()) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    }
}

/// The identifiers of header extensions, one table per bundle.
///
/// An identifier that once had a meaning keeps it. Clone the table to be able to go back on a rollback.
#[derive(Clone, Debug, Default)]
pub struct HeaderExtensionIds {
    /// In order of assignment; at most one per identifier.
    assigned: Vec<(u16, Word)>,
}

impl HeaderExtensionIds {
    /// None assigned.
    pub fn new() -> Self {
        Self::default()
    }

    /// The URI that an identifier means.
    pub fn get(&self, id: u16) -> Option<&Word> {
        self.assigned.iter().find(|(have, _)| *have == id).map(|(_, uri)| uri)
    }

    /// The identifier for an offer: that which the extension has, or else the preferred one, or else the next that is
    /// free.
    pub fn assign(&mut self, uri: &Word, preferred: u16) -> Option<u16> {
        if self.get(preferred) == Some(uri) {
            return Some(preferred);
        }
        if let Some((id, _)) = self.assigned.iter().find(|(_, have)| have == uri) {
            return Some(*id);
        }
        let free = |id: &u16| (1..=MAX_ID).contains(id) && *id != 15 && self.get(*id).is_none();
        let id =
            Some(preferred).filter(|id| free(id)).or_else(|| (1..=MAX_ID).find(|id| free(id)))?;
        self.assigned.push((id, uri.clone()));
        Some(id)
    }

    /// Lets go of the identifiers that `keep` does not name.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(u16) -> bool) {
        self.assigned.retain(|(id, _)| keep(*id));
    }

    /// Takes the identifier of the peer's offer; false if it means something else already.
    pub fn adopt(&mut self, uri: &Word, id: u16) -> bool {
        match self.get(id) {
            Some(have) => have == uri,
            None => {
                self.assigned.push((id, uri.clone()));
                true
            }
        }
    }
}

/// The header extensions of an offer. One that we do not offer by ourselves stays where `previous`, the most recent
/// answer, agreed on it.
pub(crate) fn offer(
    capabilities: &[RtpHeaderExtensionCapability],
    previous: &[RtpHeaderExtension],
    ids: &mut HeaderExtensionIds,
) -> Vec<RtpHeaderExtension> {
    let mut list = Vec::with_capacity(capabilities.len());
    for ours in capabilities {
        let agreed = previous.iter().find(|agreed| agreed.uri == ours.uri);
        let direction = match ours.direction {
            Direction::Inactive if agreed.is_some() => Direction::SendRecv,
            Direction::Inactive => continue,
            direction => direction,
        };
        let preferred = agreed.map_or(ours.preferred_id.into(), |agreed| agreed.id);
        if let Some(id) = ids.assign(&ours.uri, preferred) {
            list.push(RtpHeaderExtension { id, uri: ours.uri.clone(), direction });
        }
    }
    list
}

/// The header extensions of an answer: those of the offer that we have too, under the identifiers of the offer
/// (RFC 8285 §6). One that we know but do not offer by ourselves is taken when the peer offers it.
pub(crate) fn answer(
    capabilities: &[RtpHeaderExtensionCapability],
    theirs: &[RtpHeaderExtension],
    ids: &mut HeaderExtensionIds,
) -> Vec<RtpHeaderExtension> {
    let mut common: Vec<RtpHeaderExtension> = Vec::new();
    for offered in theirs {
        let Some(ours) = capabilities.iter().find(|ours| ours.uri == offered.uri) else { continue };
        let ours = match ours.direction {
            Direction::Inactive => Direction::SendRecv,
            direction => direction,
        };
        let direction = intersect(offered.direction.reversed(), ours);
        // One identifier per extension is enough: a second one would be for another direction or configuration.
        if direction == Direction::Inactive || common.iter().any(|have| have.uri == offered.uri) {
            continue;
        }
        let id = match offered.id {
            4096..=4351 => ids.assign(&offered.uri, 0),
            id => (offered.is_usable() && ids.adopt(&offered.uri, id)).then_some(id),
        };
        let Some(id) = id else { continue };
        common.push(RtpHeaderExtension { id, uri: offered.uri.clone(), direction });
    }
    // One of both versions of transport-wide numbers: the second where it is asked for, or alone.
    let has = |uri: &str| common.iter().any(|extension| *extension.uri == *uri);
    if has(uri::TRANSPORT_CC) && has(uri::TRANSPORT_CC_02) {
        let second = capabilities.iter().find(|ours| *ours.uri == *uri::TRANSPORT_CC_02);
        let is_wanted = second.is_some_and(|ours| ours.direction != Direction::Inactive);
        let other = if is_wanted { uri::TRANSPORT_CC } else { uri::TRANSPORT_CC_02 };
        common.retain(|extension| *extension.uri != *other);
    }
    common
}

/// The header extensions of the peer's answer that were offered, as seen from our side.
pub(crate) fn accept(
    offered: &[RtpHeaderExtension],
    theirs: &[RtpHeaderExtension],
) -> Vec<RtpHeaderExtension> {
    let mut common: Vec<RtpHeaderExtension> = Vec::new();
    for answered in theirs {
        // The identifier may not be another than that of the offer (RFC 8285 §6).
        let ours = offered.iter().find(|ours| ours.uri == answered.uri && ours.id == answered.id);
        let Some(ours) = ours else { continue };
        let direction = intersect(ours.direction, answered.direction.reversed());
        let again = common.iter().any(|have| have.id == answered.id);
        if direction != Direction::Inactive && answered.is_usable() && !again {
            common.push(RtpHeaderExtension { direction, ..answered.clone() });
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::capabilities::{Capabilities, uri};
    use Direction::*;

    fn extension(id: u16, uri: &str, direction: Direction) -> RtpHeaderExtension {
        RtpHeaderExtension { id, uri: Word::new(uri).unwrap(), direction }
    }

    fn ids_of(list: &[RtpHeaderExtension]) -> Vec<u16> {
        list.iter().map(|extension| extension.id).collect()
    }

    #[test]
    fn directions_intersect() {
        for (a, b, both) in [
            (SendRecv, SendRecv, SendRecv),
            (SendRecv, SendOnly, SendOnly),
            (RecvOnly, SendRecv, RecvOnly),
            (SendOnly, RecvOnly, Inactive),
            (Inactive, SendRecv, Inactive),
        ] {
            assert_eq!(intersect(a, b), both);
            assert_eq!(intersect(b, a), both);
        }
    }

    #[test]
    fn sections_of_a_bundle_share_identifiers() {
        let capabilities = Capabilities::default();
        let mut ids = HeaderExtensionIds::new();
        let audio = offer(&capabilities.audio_extensions, &[], &mut ids);
        let video = offer(&capabilities.video_extensions, &[], &mut ids);
        assert_eq!(ids_of(&audio), [1, 2, 3, 4]);
        for shared in [uri::MID, uri::ABS_SEND_TIME, uri::TRANSPORT_CC] {
            let id = |list: &[RtpHeaderExtension]| {
                list.iter().find(|extension| extension.uri == shared).map(|e| e.id)
            };
            assert_eq!(id(&audio), id(&video));
        }
        let mut all: Vec<(u16, &str)> =
            audio.iter().chain(&video).map(|extension| (extension.id, &*extension.uri)).collect();
        all.sort_unstable();
        all.dedup();
        assert!(all.windows(2).all(|pair| pair[0].0 != pair[1].0), "{all:?}");
        assert!(all.iter().all(|(id, _)| (1..=14).contains(id)), "the one-byte form is enough");
    }

    #[test]
    fn answers_use_the_identifiers_of_the_offer() {
        let capabilities = Capabilities::default();
        let mut ids = HeaderExtensionIds::new();
        let theirs = [
            extension(7, uri::MID, SendRecv),
            extension(1, uri::SSRC_AUDIO_LEVEL, SendOnly),
            extension(2, uri::CSRC_AUDIO_LEVEL, RecvOnly),
            extension(20, uri::ABS_CAPTURE_TIME, SendRecv),
            extension(15, uri::ABS_SEND_TIME, SendRecv),
            extension(4096, uri::TRANSPORT_CC, SendRecv),
            extension(8, uri::MID, SendRecv),
        ];
        let ours = answer(&capabilities.audio_extensions, &theirs, &mut ids);
        assert_eq!(
            ours,
            [
                extension(7, uri::MID, SendRecv),
                extension(1, uri::SSRC_AUDIO_LEVEL, RecvOnly),
                extension(20, uri::ABS_CAPTURE_TIME, SendRecv),
                extension(2, uri::TRANSPORT_CC, SendRecv),
            ]
        );
        // What the answer agreed on stays in the next offer, although it is not offered by itself.
        let next = offer(&capabilities.audio_extensions, &ours, &mut ids);
        assert_eq!(ids_of(&next), [1, 3, 2, 7, 20]);
        // An identifier in use is not given to another extension.
        let again = [extension(7, uri::SSRC_AUDIO_LEVEL, SendRecv)];
        assert_eq!(answer(&capabilities.audio_extensions, &again, &mut ids), []);
    }

    #[test]
    fn an_answer_can_only_choose_from_the_offer() {
        let capabilities = Capabilities::default();
        let offered = offer(&capabilities.audio_extensions, &[], &mut HeaderExtensionIds::new());
        let theirs = [
            extension(4, uri::MID, SendRecv),
            extension(9, uri::ABS_SEND_TIME, SendRecv),
            extension(1, uri::SSRC_AUDIO_LEVEL, RecvOnly),
            extension(3, uri::TRANSPORT_CC, Inactive),
            extension(4, uri::MID, SendRecv),
            extension(14, uri::TRANSMISSION_OFFSET, SendRecv),
        ];
        let agreed = accept(&offered, &theirs);
        let expected =
            [extension(4, uri::MID, SendRecv), extension(1, uri::SSRC_AUDIO_LEVEL, SendOnly)];
        assert_eq!(agreed, expected);
    }

    #[test]
    fn identifiers_run_out_without_harm() {
        let mut ids = HeaderExtensionIds::new();
        let assigned: Vec<u16> = (0..300)
            .filter_map(|n| ids.assign(&Word::new(&format!("urn:x:{n}")).unwrap(), 3))
            .collect();
        assert_eq!(assigned.len(), 254);
        assert!(!assigned.contains(&15) && !assigned.contains(&0));
    }
}
