//! Which m-section goes over which transport (RFC 8829 §4.1.1, §5.2, §5.3; RFC 9143): where the sections of our offers go, and
//! which of our transports are the other ends of the peer's. The [negotiation](super::negotiation) calls it; the connection makes
//! the transports that are asked for here.

use peerage_ice::{Candidate, Credentials};
use peerage_sdp::{MediaKind, TlsId, Word};

use super::local::{BeforeBundle, LocalDescription, LocalSection};
use super::remote::{RemoteDescription, RemoteTransport};
use crate::config::BundlePolicy;
use crate::description::SdpType;
use crate::error::Error;
use crate::transport::set::TransportId;

/// The descriptions last agreed on.
pub(super) type Current<'a> = Option<(&'a LocalDescription, &'a RemoteDescription)>;

/// What goes into a description of a transport of this end.
pub(crate) struct TransportParameters {
    pub(crate) credentials: Credentials,
    pub(crate) tls_id: TlsId,
    /// The DTLS role, once settled.
    pub(crate) dtls_client: Option<bool>,
    /// Candidates gathered with these credentials so far, and whether there will be no more.
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) end_of_candidates: bool,
}

/// The transports of this end, as a description that is made asks for them.
pub(crate) trait LocalTransports {
    /// What a transport is described by; `None` if there is none of this id.
    fn parameters(&mut self, id: TransportId) -> Option<TransportParameters>;
    /// The same for an answer to what the peer says of it, which may ask for a new DTLS association.
    fn answering(&mut self, theirs: &RemoteTransport) -> Option<TransportParameters>;
    /// Its DTLS role, once settled.
    fn dtls_client(&self, id: TransportId) -> Option<bool>;
    /// A transport that no description has; `None` if there would be too many.
    fn fresh(&mut self, is_named: &dyn Fn(TransportId) -> bool) -> Option<TransportId>;
}

/// Gives each section of an offer its transport, and says which are grouped (RFC 8829 §5.2.1, §5.2.2). What was agreed
/// on stays. New sections join the bundle that the peer accepted, and with it the transport; where there is none, the
/// policy decides.
pub(super) fn place_offered(
    current: Current<'_>,
    pending: Option<&LocalDescription>,
    sections: &mut [LocalSection],
    policy: BundlePolicy,
    source: &mut dyn LocalTransports,
) -> Vec<Vec<Word>> {
    let answer = match current {
        Some((local, _)) if local.kind != SdpType::Offer => &local.bundles,
        Some((_, remote)) => &remote.bundles,
        None => &Vec::new(),
    };
    let lives = |mid: &Word| {
        let is_it = |section: &LocalSection| {
            section.mid.as_ref() == Some(mid) && section.transport.is_some()
        };
        sections.iter().any(is_it)
    };
    let living =
        |group: &Vec<Word>| group.iter().filter(|mid| lives(mid)).cloned().collect::<Vec<_>>();
    let mut bundles: Vec<Vec<Word>> =
        answer.iter().map(living).filter(|group| !group.is_empty()).collect();
    let is_new = |section: &LocalSection| section.transport.is_none() && !section.is_rejected();
    let accepted = bundles.first().and_then(|group| transport_of_mid(sections, group.first()?));
    let mids = sections.iter().filter(|section| is_new(section));
    let mids: Vec<Word> = mids.filter_map(|section| section.mid.clone()).collect();
    match bundles.first_mut() {
        Some(group) => group.extend(mids),
        None if mids.is_empty() => {}
        None => bundles.push(mids),
    }
    // The kinds that have a transport already.
    let mut served: Vec<MediaKind> = Vec::new();
    let mut tagged = accepted;
    let mut taken: Vec<TransportId> = sections.iter().filter_map(|s| s.transport).collect();
    for section in sections.iter_mut().filter(|section| !section.is_rejected()) {
        let (kind, _) = section.line();
        if section.transport.is_none() {
            section.transport = accepted;
        }
        if section.transport.is_none() {
            let alone = match policy {
                BundlePolicy::MaxCompat => true,
                BundlePolicy::Balanced => !served.contains(&kind),
                BundlePolicy::MaxBundle => false,
            };
            if alone || tagged.is_none() {
                let is_named = |id| is_agreed(current, id) || taken.contains(&id);
                // A pending offer that is replaced had one for it.
                let before = pending.and_then(|pending| {
                    let index = pending.find_section(section.mid.as_ref()?.as_str())?;
                    let before = &pending.sections[index];
                    before.transport.filter(|&id| !before.bundle_only && !is_named(id))
                });
                section.transport = before.or_else(|| source.fresh(&is_named));
                taken.extend(section.transport);
            }
            tagged = tagged.or(section.transport);
            if section.transport.is_none() {
                section.transport = tagged;
                section.bundle_only = true;
            }
        }
        served.push(kind);
    }
    bundles
}

/// Says of each transport of an offer of the peer which of ours it is the other end of: that of its sections as last
/// agreed on, else a new one. What would be one too many is not used.
pub(super) fn assign_offered(
    current: Current<'_>,
    offer: &mut RemoteDescription,
    source: &mut dyn LocalTransports,
) {
    let mut taken: Vec<TransportId> = Vec::new();
    let mut homeless = Vec::new();
    for (place, transport) in offer.transports.iter_mut().enumerate() {
        let members = offer.sections.iter().enumerate();
        let mut members = members.filter(|(_, section)| section.transport == Some(place));
        let before = members.find_map(|(index, _)| {
            let (local, remote) = current?;
            let lives = !local.sections.get(index)?.is_rejected();
            let id = remote.transport_of(index).filter(|_| lives)?.id;
            (!taken.contains(&id)).then_some(id)
        });
        let is_named = |id| is_agreed(current, id) || taken.contains(&id);
        match before.or_else(|| source.fresh(&is_named)) {
            Some(id) => {
                transport.id = id;
                taken.push(id);
            }
            None => homeless.push(place),
        }
    }
    for section in &mut offer.sections {
        if section.transport.is_some_and(|place| homeless.contains(&place)) {
            section.usable = false;
            section.transport = None;
        }
    }
}

/// Says of each transport of an answer which of ours it is the other end of: that of the section that speaks for it (RFC 9143
/// §7.3.1), which a section that we offered in a bundle only does not have alone.
pub(super) fn assign_answered(
    offer: &LocalDescription,
    answer: &mut RemoteDescription,
) -> Result<(), Error> {
    let mut taken: Vec<TransportId> = Vec::new();
    for (place, theirs) in answer.transports.iter_mut().enumerate() {
        let index = theirs.index;
        // That the number of sections differs is found later.
        let Some(ours) = offer.sections.get(index) else { continue };
        let members = answer.sections.iter().enumerate();
        let mut members = members.filter(|(_, section)| section.transport == Some(place));
        let own = |index: usize| {
            let section = offer.sections.get(index).filter(|section| !section.bundle_only)?;
            section.transport.filter(|id| !taken.contains(id))
        };
        let grouped = ours
            .mid
            .as_ref()
            .is_some_and(|mid| answer.bundles.iter().any(|group| group.contains(mid)));
        let fallback = || ours.transport.filter(|id| grouped && !taken.contains(id));
        let found = own(index).or_else(|| members.find_map(|(index, _)| own(index)));
        match found.or_else(fallback) {
            Some(id) => {
                theirs.id = id;
                taken.push(id);
            }
            // The answer accepts what the offer disabled: found later.
            None if ours.is_rejected() => {}
            None => {
                return Err(Error::InvalidDescription {
                    section: format!("m-section {index}"),
                    reason: "it was offered as part of a bundle, and is answered outside of it (RFC 9143 §7.3)"
                        .to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// Whether sections that live have it, as last agreed on.
pub(super) fn is_agreed(current: Current<'_>, id: TransportId) -> bool {
    let Some((local, remote)) = current else { return false };
    let pairs = local.sections.iter().enumerate();
    let mut living = pairs.filter(|(_, section)| !section.is_rejected());
    living.any(|(index, _)| remote.transport_of(index).is_some_and(|of| of.id == id))
}

pub(super) fn transport_of_mid(sections: &[LocalSection], mid: &Word) -> Option<TransportId> {
    sections.iter().find(|section| section.mid.as_ref() == Some(mid))?.transport
}

/// Sections of our offer are on the transports that the answer has put them on; others are of no use any more
/// (RFC 8829 §5.11).
pub(super) fn settle(local: &mut LocalDescription, remote: &RemoteDescription) {
    let transports = &local.transports;
    for (index, section) in local.sections.iter_mut().enumerate() {
        let agreed = remote.transport_of(index).filter(|_| !section.is_rejected());
        let agreed = agreed.map(|transport| transport.id);
        if section.transport != agreed && !section.bundle_only {
            let said = |id| transports.iter().find(|transport| Some(transport.id) == id);
            section.before = said(section.transport).zip(said(agreed)).map(|(own, bundle)| {
                let (own, bundle) = (own.credentials.clone(), bundle.credentials.clone());
                Box::new(BeforeBundle { own, bundle })
            });
        }
        section.transport = agreed;
        section.bundle_only = false;
    }
    local.drop_unused();
}
