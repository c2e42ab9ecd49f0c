//! A description of the peer: parsed, checked for what JSEP demands of it (RFC 9429 §5.8), and reduced to what the
//! connection needs.

use peerage_crypto::{Fingerprint, HashAlgorithm};
use peerage_ice::{Candidate, Credentials};
use peerage_sdp::{
    Attribute, GroupSemantics, HashFunction, Limits, MediaDescription, MediaKind, Protocol,
    Section, SessionDescription, Setup, TlsId, Word,
};
use rustc_hash::FxHashMap;

use crate::config::BundlePolicy;
use crate::description::SdpType;
use crate::error::Error;
use crate::media::{Capabilities, RemoteMedia, bandwidth_of};
use crate::transport::sctp::{DEFAULT_MAX_MESSAGE_SIZE, SCTP_PORT, SctpParameters};
use crate::transport::set::{MAX_TRANSPORTS, TransportId};

/// Bounds of a description from the peer. A browser's offer with everything in it has 20 kB and 500 lines.
const LIMITS: Limits = Limits { max_size: 256 * 1024, max_lines: 8192, max_media: 256 };
/// Fingerprints of one description that are looked at.
const MAX_FINGERPRINTS: usize = 16;
/// Candidates of one description that are kept, in the SDP and trickled alike; the ICE agent bounds them further.
pub(crate) const MAX_CANDIDATES: usize = 256;

/// An offer or answer of the peer.
#[derive(Clone, Debug)]
pub(crate) struct RemoteDescription {
    pub(crate) kind: SdpType,
    sdp: String,
    pub(crate) ice_lite: bool,
    /// `a=ice-options` held `trickle`, and `ice2`.
    pub(crate) trickle: bool,
    pub(crate) ice2: bool,
    pub(crate) extmap_allow_mixed: bool,
    /// All sections of media take encrypted header extensions (RFC 9335 §4).
    pub(crate) cryptex: bool,
    /// What `b=` of the session leaves, in bits a second of payload.
    pub(crate) bandwidth: Option<u64>,
    pub(crate) sections: Vec<RemoteSection>,
    pub(crate) bundles: Vec<Vec<Word>>,
    pub(crate) data: Option<RemoteData>,
    /// The transports of the sections that can be used, [`MAX_TRANSPORTS`] at most.
    pub(crate) transports: Vec<RemoteTransport>,
    /// Candidates that came later: section and the attribute's text.
    trickled: Vec<(usize, String)>,
}

/// What is kept of any m-section.
#[derive(Clone, Debug)]
pub(crate) struct RemoteSection {
    pub(crate) media: MediaKind,
    pub(crate) protocol: Protocol,
    pub(crate) mid: Option<Word>,
    pub(crate) rejected: bool,
    /// It can be used: what it carries is known here, and it has a transport.
    pub(crate) usable: bool,
    /// The place of that among [`RemoteDescription::transports`].
    pub(crate) transport: Option<usize>,
    /// It can be had in a bundle only (RFC 9143 §6).
    bundle_only: bool,
    pub(crate) ufrag: Option<String>,
    /// What it says of audio or video that can be carried here.
    pub(crate) rtp: Option<Box<RemoteMedia>>,
    /// The section as an answer rejects it.
    pub(crate) rejection: MediaDescription,
}

/// What is kept of the data section.
#[derive(Clone, Debug)]
pub(crate) struct RemoteData {
    pub(crate) index: usize,
    pub(crate) protocol: Protocol,
    pub(crate) sctp: SctpParameters,
}

/// The transport of a description: ICE and DTLS.
#[derive(Clone, Debug)]
pub(crate) struct RemoteTransport {
    /// Which of ours it is the other end of; the [negotiation](super::negotiation) finds out.
    pub(crate) id: TransportId,
    /// The section that speaks for it.
    pub(crate) index: usize,
    pub(crate) credentials: Credentials,
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) setup: Option<Setup>,
    pub(crate) tls_id: Option<TlsId>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) end_of_candidates: bool,
}

impl RemoteDescription {
    /// Parses and checks a description. `policy` says which sections of an offer are to be had.
    pub(crate) fn parse(
        kind: SdpType,
        sdp: String,
        capabilities: &Capabilities,
        policy: BundlePolicy,
    ) -> Result<Self, Error> {
        let session =
            SessionDescription::parse_within(&sdp, &LIMITS).map_err(|error| Error::SdpSyntax {
                line: error.line().map_or(0, |line| u32::try_from(line).unwrap_or(u32::MAX)),
                message: error.to_string(),
            })?;
        let bundles: Vec<Vec<Word>> = session
            .attributes
            .groups()
            .filter(|group| group.semantics == GroupSemantics::Bundle)
            .map(|group| group.mids.iter().filter_map(|mid| Word::new(mid).ok()).collect())
            .collect();
        let bandwidth = bandwidth_of(&session.bandwidths);
        let mut sections: Vec<RemoteSection> =
            session.sections().map(RemoteSection::read).collect();
        check_bundles(&bundles, &sections)?;
        // RFC 9429 §5.2.1: there is at most one data section; of several the first is taken and the others rejected.
        let data = session
            .sections()
            .position(|section| section.is_data_channels() && !section.is_rejected());
        for (index, (section, described)) in sections.iter_mut().zip(session.sections()).enumerate()
        {
            if !section.rejected && described.line.protocol.is_rtp() && has_kind(&described) {
                let media = RemoteMedia::read(described, index)?;
                section.rtp = Some(Box::new(media))
                    .filter(|media| super::media::is_supported(media, capabilities));
            }
            section.usable = Some(index) == data || section.rtp.is_some();
        }
        let policy = Some(policy).filter(|_| kind == SdpType::Offer);
        let shared = arrange(&mut sections, &bundles, policy);
        require_rtcp_mux(&mut sections, &bundles)?;
        let mut transports = Vec::new();
        for members in shared {
            let of_bundle = members.iter().map(|&index| &sections[index]);
            let media = of_bundle.filter(|section| section.usable).filter_map(|s| s.rtp.as_deref());
            crate::media::check_bundle(media)?;
            for &index in &members {
                sections[index].transport = sections[index].usable.then_some(transports.len());
            }
            transports.push(RemoteTransport::read(&session, &members)?);
        }
        let data = match data {
            Some(index) => Some(RemoteData::read(&session, index)?),
            None => None,
        };
        let option = |name: &str| {
            session
                .sections()
                .any(|section| section.ice_options().is_some_and(|options| options.has(name)))
        };
        // Each section says it, or the session for all of them (RFC 8285 §6).
        let extmap_allow_mixed = {
            let usable = sections.iter().filter(|section| section.usable);
            let mut media = usable.filter_map(|section| section.rtp.as_deref()).peekable();
            match media.peek() {
                Some(_) => media.all(|media| media.extmap_allow_mixed),
                None => session.attributes.extmap_allow_mixed(),
            }
        };
        let cryptex = session.attributes.cryptex()
            || (sections.iter().zip(session.sections()))
                .filter(|(section, _)| section.usable && section.rtp.is_some())
                .all(|(_, described)| described.media().attributes.cryptex());
        Ok(Self {
            kind,
            ice_lite: session.attributes.ice_lite(),
            trickle: option("trickle"),
            ice2: option("ice2"),
            extmap_allow_mixed,
            cryptex,
            bandwidth,
            sections,
            bundles,
            data,
            transports,
            trickled: Vec::new(),
            sdp,
        })
    }

    /// Whether audio or video can be carried.
    pub(crate) fn has_media(&self) -> bool {
        self.sections.iter().any(|section| section.usable && section.rtp.is_some())
    }

    /// The index of a section by mid or, without one, by index.
    pub(crate) fn find_section(&self, mid: Option<&str>, index: Option<u16>) -> Option<usize> {
        match mid {
            Some(mid) => self
                .sections
                .iter()
                .position(|section| section.mid.as_ref().is_some_and(|have| have.as_str() == mid)),
            None => index.map(usize::from).filter(|&index| index < self.sections.len()),
        }
    }

    /// What is said of the transport of a section.
    pub(crate) fn transport_of(&self, index: usize) -> Option<&RemoteTransport> {
        self.transports.get(self.sections.get(index)?.transport?)
    }

    /// What is said of a transport of ours.
    pub(crate) fn transport(&self, id: TransportId) -> Option<&RemoteTransport> {
        self.transports.iter().find(|transport| transport.id == id)
    }

    /// The place of the transport to which candidates of section `index` belong: the section speaks for it, or it has the
    /// same ICE user name, as bundled sections do.
    pub(crate) fn candidates_go_to(&self, index: usize) -> Option<usize> {
        let section = self.sections.get(index)?;
        let transport = self.transports.get(section.transport?)?;
        let same = section.ufrag.as_deref() == Some(transport.credentials.ufrag());
        section.transport.filter(|_| transport.index == index || same)
    }

    /// The groups that an answer can keep: their sections that can be used, in their order.
    pub(crate) fn usable_bundles(&self) -> Vec<Vec<Word>> {
        let usable = |mid: &&Word| {
            let is_it = |section: &&RemoteSection| section.mid.as_ref() == Some(mid);
            self.sections.iter().find(is_it).is_some_and(|section| section.usable)
        };
        let kept = |group: &Vec<Word>| group.iter().filter(usable).cloned().collect::<Vec<_>>();
        self.bundles.iter().map(kept).filter(|group| !group.is_empty()).collect()
    }

    /// Notes a trickled candidate, so that `remoteDescription` shows it; false if there are too many.
    pub(crate) fn note_candidate(&mut self, index: usize, candidate: &str) -> bool {
        let room = self.trickled.len() < MAX_CANDIDATES;
        if room {
            self.trickled
                .push((index, candidate.strip_prefix("a=").unwrap_or(candidate).to_owned()));
        }
        room
    }

    /// The SDP with the trickled candidates, each at the end of its m-section.
    pub(crate) fn to_sdp(&self) -> String {
        if self.trickled.is_empty() {
            return self.sdp.clone();
        }
        let mut out = String::with_capacity(self.sdp.len() + self.trickled.len() * 100);
        let mut section = None;
        let end_section = |section: Option<usize>, out: &mut String| {
            if !out.is_empty() && !out.ends_with('\n') {
                out.push_str("\r\n");
            }
            for (_, candidate) in self.trickled.iter().filter(|(index, _)| Some(*index) == section)
            {
                out.push_str("a=");
                out.push_str(candidate);
                out.push_str("\r\n");
            }
        };
        for line in self.sdp.split_inclusive('\n') {
            if line.starts_with("m=") {
                end_section(section, &mut out);
                section = Some(section.map_or(0, |index| index + 1));
            }
            out.push_str(line);
        }
        end_section(section, &mut out);
        out
    }
}

impl RemoteSection {
    fn read(section: Section<'_>) -> Self {
        let media = section.media();
        let mid = media.attributes.mid().cloned();
        let mut rejection = media.rejected();
        if let Some(mid) = &mid {
            rejection.attributes.push(Attribute::Mid(mid.clone()));
        }
        Self {
            media: media.line.media.clone(),
            protocol: media.line.protocol.clone(),
            mid,
            rejected: media.is_rejected(),
            usable: false,
            transport: None,
            bundle_only: section.bundle_only(),
            rtp: None,
            ufrag: section.ice_ufrag().map(|ufrag| ufrag.to_string()),
            rejection,
        }
    }
}

impl RemoteData {
    fn read(session: &SessionDescription, index: usize) -> Result<Self, Error> {
        let (section, name) = named(session, index);
        let fail = |reason: &str| Error::InvalidDescription {
            section: name.clone(),
            reason: reason.to_owned(),
        };
        let attributes = &section.media().attributes;
        let port = attributes
            .sctp_port()
            // The form before RFC 8841, which some servers still write.
            .or_else(|| attributes.sctpmap().map(|map| map.port))
            .unwrap_or(SCTP_PORT);
        if port == 0 {
            return Err(fail("a=sctp-port is 0 (RFC 8841 §5.2)"));
        }
        let max_message_size = match attributes.max_message_size() {
            None => DEFAULT_MAX_MESSAGE_SIZE,
            // RFC 8841 §6.1: 0 says that messages of any size can be handled.
            Some(0) => usize::MAX,
            Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
        };
        Ok(Self {
            index,
            protocol: section.media().line.protocol.clone(),
            sctp: SctpParameters { port, max_message_size },
        })
    }
}

impl RemoteTransport {
    /// Of sections that share it, the first of which speaks for it.
    fn read(session: &SessionDescription, members: &[usize]) -> Result<Self, Error> {
        let tagged = members[0];
        let (section, name) = named(session, tagged);
        let fail = |reason: &str| Error::InvalidDescription {
            section: name.clone(),
            reason: reason.to_owned(),
        };
        // A section that is bundled may leave its transport to another of the group (RFC 9143 §7.1.3, §9).
        let index = members
            .iter()
            .copied()
            .find(|&index| named(session, index).0.ice_ufrag().is_some())
            .unwrap_or(tagged);
        let (transport, _) = named(session, index);
        let ufrag = transport
            .ice_ufrag()
            .ok_or_else(|| fail("there is no a=ice-ufrag (RFC 9429 §5.8.3)"))?;
        let pwd =
            transport.ice_pwd().ok_or_else(|| fail("there is no a=ice-pwd (RFC 9429 §5.8.3)"))?;
        let credentials =
            Credentials::new(&**ufrag, &**pwd).map_err(|error| fail(&error.to_string()))?;
        let mut any = false;
        let fingerprints: Vec<Fingerprint> = transport
            .fingerprints()
            .inspect(|_| any = true)
            .filter_map(|fingerprint| {
                Fingerprint::new(algorithm(&fingerprint.hash)?, &fingerprint.digest).ok()
            })
            .take(MAX_FINGERPRINTS)
            .collect();
        if fingerprints.is_empty() {
            return Err(fail(if any {
                "no a=fingerprint uses a hash function that is supported (RFC 8122 §5)"
            } else {
                "there is no a=fingerprint (RFC 9429 §5.8.3)"
            }));
        }
        let own = section.media().attributes.candidates();
        let bundled = (index != tagged)
            .then(|| transport.media().attributes.candidates())
            .into_iter()
            .flatten();
        let candidates = own
            .chain(bundled)
            .filter_map(|candidate| candidate.to_string().parse().ok())
            .take(MAX_CANDIDATES)
            .collect();
        Ok(Self {
            id: TransportId::NONE,
            index: tagged,
            credentials,
            fingerprints,
            setup: transport.setup(),
            tls_id: transport.media().attributes.tls_id().cloned(),
            candidates,
            end_of_candidates: transport.end_of_candidates(),
        })
    }
}

/// Which sections share a transport: those of each group, and each section beside the groups by itself. The first of each
/// speaks for it: its attributes count (RFC 9143 §7.2.1, §7.3.1). Sections without a transport are made unusable.
fn arrange(
    sections: &mut [RemoteSection],
    bundles: &[Vec<Word>],
    policy: Option<BundlePolicy>,
) -> Vec<Vec<usize>> {
    let mut places = FxHashMap::default();
    for (index, section) in sections.iter().enumerate() {
        section.mid.as_ref().map(|mid| places.insert(mid, index));
    }
    let mut grouped = vec![false; sections.len()];
    let mut shared: Vec<Vec<usize>> = Vec::new();
    for group in bundles {
        let mut members: Vec<usize> =
            group.iter().filter_map(|mid| places.get(mid).copied()).collect();
        members.iter().for_each(|&index| grouped[index] = true);
        // Those that cannot be used behind the others.
        members.sort_by_key(|&index| !sections[index].usable);
        if members.first().is_some_and(|&first| sections[first].usable) {
            shared.push(members);
        }
    }
    for (index, section) in sections.iter_mut().enumerate().filter(|(index, _)| !grouped[*index]) {
        // RFC 9143 §6: without its bundle it is disabled.
        section.usable &= !section.bundle_only;
        if section.usable {
            shared.push(vec![index]);
        }
    }
    let first_usable = |members: &Vec<usize>| {
        members.iter().copied().filter(|&index| sections[index].usable).min()
    };
    shared.sort_by_key(first_usable);
    if let Some(policy) = policy {
        apply_policy(sections, &shared, policy);
        shared.retain(|members| members.iter().any(|&index| sections[index].usable));
        for members in &mut shared {
            members.sort_by_key(|&index| !sections[index].usable);
        }
    }
    for members in shared.drain(MAX_TRANSPORTS.min(shared.len())..) {
        members.iter().for_each(|&index| sections[index].usable = false);
    }
    shared
}

/// RFC 8829 §5.3.1: sections of an offer that the policy rejects because they would take a transport of their own.
fn apply_policy(sections: &mut [RemoteSection], shared: &[Vec<usize>], policy: BundlePolicy) {
    let mut home = vec![usize::MAX; sections.len()];
    for (place, members) in shared.iter().enumerate() {
        members.iter().for_each(|&index| home[index] = place);
    }
    // Where the first section of each kind is; with `max-bundle`, the first of all.
    let mut first: Vec<(MediaKind, usize)> = Vec::new();
    for index in 0..sections.len() {
        if !sections[index].usable {
            continue;
        }
        let kind = &sections[index].media;
        let known = first.iter().find(|(of, _)| of == kind || policy == BundlePolicy::MaxBundle);
        match known {
            _ if policy == BundlePolicy::MaxCompat => {}
            Some((_, place)) => sections[index].usable = *place == home[index],
            None => first.push((kind.clone(), home[index])),
        }
    }
}

/// A section and what errors call it.
fn named(session: &SessionDescription, index: usize) -> (Section<'_>, String) {
    let Some(section) = session.sections().nth(index) else {
        unreachable!("the index is that of a section")
    };
    let name = match section.media().attributes.mid() {
        Some(mid) => format!("mid {mid}"),
        None => format!("m-section {index}"),
    };
    (section, name)
}

fn has_kind(section: &Section<'_>) -> bool {
    crate::media::MediaKind::from_sdp(&section.media().line.media).is_some()
}

/// RFC 9143 §7.2.1 and RFC 5888 §9.2: a group names sections that exist, and no section stands in two.
fn check_bundles(bundles: &[Vec<Word>], sections: &[RemoteSection]) -> Result<(), Error> {
    let fail = |reason: String| {
        Err(Error::InvalidDescription { section: "a=group:BUNDLE".into(), reason })
    };
    for (position, group) in bundles.iter().enumerate() {
        for mid in group {
            if !sections.iter().any(|section| section.mid.as_ref() == Some(mid)) {
                return fail(format!("no m-section has mid {mid:?} (RFC 5888 §9.2)"));
            }
            if bundles[..position].iter().any(|other| other.contains(mid)) {
                return fail(format!("mid {mid:?} stands in two groups (RFC 9143 §7.1)"));
            }
        }
    }
    Ok(())
}

/// RTCP has no port of its own here: each section of media says `a=rtcp-mux` (RFC 9429 §5.8.3, policy `require`), or the
/// one that speaks for its bundle does (RFC 9143 §9.3), and so for all of them.
fn require_rtcp_mux(sections: &mut [RemoteSection], bundles: &[Vec<Word>]) -> Result<(), Error> {
    let says_so = |mid: &Word| {
        sections.iter().filter(|section| section.mid.as_ref() == Some(mid)).any(|section| {
            section.usable && section.rtp.as_ref().is_some_and(|media| media.rtcp_mux)
        })
    };
    let muxed: Vec<&Vec<Word>> = bundles.iter().filter(|group| group.iter().any(says_so)).collect();
    for (index, section) in sections.iter_mut().enumerate().filter(|(_, s)| s.usable) {
        let Some(media) = section.rtp.as_deref_mut().filter(|media| !media.rtcp_mux) else {
            continue;
        };
        let mid = section.mid.as_ref();
        media.rtcp_mux = mid.is_some_and(|mid| muxed.iter().any(|group| group.contains(mid)));
        if !media.rtcp_mux {
            return Err(Error::InvalidDescription {
                section: match mid {
                    Some(mid) => format!("mid {mid}"),
                    None => format!("m-section {index}"),
                },
                reason:
                    "there is no a=rtcp-mux, which the policy `require` demands (RFC 9429 §5.8.3)"
                        .to_owned(),
            });
        }
    }
    Ok(())
}

fn algorithm(hash: &HashFunction) -> Option<HashAlgorithm> {
    match hash {
        HashFunction::Sha1 => Some(HashAlgorithm::Sha1),
        HashFunction::Sha256 => Some(HashAlgorithm::Sha256),
        HashFunction::Sha384 => Some(HashAlgorithm::Sha384),
        HashFunction::Sha512 => Some(HashAlgorithm::Sha512),
        _ => None,
    }
}
