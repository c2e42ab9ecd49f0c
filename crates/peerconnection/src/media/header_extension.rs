//! Which RTP header extensions are used under which identifiers (RFC 8285 §5 to §7). All m-sections of a bundle share
//! one space of identifiers (RFC 9143 §9.2), and an identifier keeps its meaning as long as the session lasts.

use peerage_sdp::{Direction, Word};

use super::capabilities::RtpHeaderExtensionCapability;

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
        if let Some((id, _)) = self.assigned.iter().find(|(_, have)| have == uri) {
            return Some(*id);
        }
        let free = |id: &u16| (1..=MAX_ID).contains(id) && *id != 15 && self.get(*id).is_none();
        let id =
            Some(preferred).filter(|id| free(id)).or_else(|| (1..=MAX_ID).find(|id| free(id)))?;
        self.assigned.push((id, uri.clone()));
        Some(id)
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

/// The header extensions of an offer.
pub(crate) fn offer(
    capabilities: &[RtpHeaderExtensionCapability],
    ids: &mut HeaderExtensionIds,
) -> Vec<RtpHeaderExtension> {
    let used = capabilities.iter().filter(|ours| ours.direction != Direction::Inactive);
    used.filter_map(|ours| {
        let id = ids.assign(&ours.uri, ours.preferred_id.into())?;
        Some(RtpHeaderExtension { id, uri: ours.uri.clone(), direction: ours.direction })
    })
    .collect()
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
