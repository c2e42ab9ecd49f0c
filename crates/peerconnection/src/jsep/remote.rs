//! A description of the peer: parsed, checked for what JSEP demands of it (RFC 9429 §5.8), and reduced to what the
//! connection needs.

use peerage_crypto::{Fingerprint, HashAlgorithm};
use peerage_ice::{Candidate, Credentials};
use peerage_sdp::{
    Attribute, GroupSemantics, HashFunction, Limits, MediaDescription, MediaKind, Protocol,
    Section, SessionDescription, Setup, TlsId, Word,
};

use crate::description::SdpType;
use crate::error::Error;
use crate::media::{Capabilities, RemoteMedia};
use crate::transport::sctp::{DEFAULT_MAX_MESSAGE_SIZE, SCTP_PORT, SctpParameters};

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
    pub(crate) sections: Vec<RemoteSection>,
    pub(crate) bundles: Vec<Vec<Word>>,
    pub(crate) data: Option<RemoteData>,
    /// The transport of all sections that can be used; `None` if there is no such section.
    pub(crate) transport: Option<Box<RemoteTransport>>,
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
    /// It can be used: what it carries is known here, and it shares the transport.
    pub(crate) usable: bool,
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
    /// Parses and checks a description.
    pub(crate) fn parse(
        kind: SdpType,
        sdp: String,
        capabilities: &Capabilities,
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
        let shared = Shared::find(&sections, &bundles, data);
        for (index, section) in sections.iter_mut().enumerate() {
            section.usable &= shared.as_ref().is_some_and(|shared| shared.has(index));
        }
        require_rtcp_mux(&mut sections, &bundles)?;
        let usable = sections.iter().filter(|section| section.usable);
        crate::media::check_bundle(usable.filter_map(|section| section.rtp.as_deref()))?;
        let data = match data {
            Some(index) => Some(RemoteData::read(&session, index)?),
            None => None,
        };
        let transport = match shared {
            Some(shared) => Some(Box::new(RemoteTransport::read(&session, &shared)?)),
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
            sections,
            bundles,
            data,
            transport,
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

    /// Whether section `index` uses the transport: it speaks for it, or it has the same ICE user name, as bundled
    /// sections do.
    pub(crate) fn shares_transport(&self, index: usize) -> bool {
        let (Some(transport), Some(section)) = (&self.transport, self.sections.get(index)) else {
            return false;
        };
        transport.index == index || section.ufrag.as_deref() == Some(transport.credentials.ufrag())
    }

    /// Whether a group names all sections that can be used.
    pub(crate) fn is_bundled(&self) -> bool {
        self.bundles.iter().any(|group| {
            let mut usable = self.sections.iter().filter(|section| section.usable).peekable();
            usable.peek().is_some()
                && usable.all(|section| section.mid.as_ref().is_some_and(|mid| group.contains(mid)))
        })
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
    fn read(session: &SessionDescription, shared: &Shared) -> Result<Self, Error> {
        let (section, name) = named(session, shared.tagged);
        let fail = |reason: &str| Error::InvalidDescription {
            section: name.clone(),
            reason: reason.to_owned(),
        };
        // A section that is bundled may leave its transport to another of the group (RFC 9143 §7.1.3, §9).
        let index = shared
            .sections
            .iter()
            .copied()
            .find(|&index| named(session, index).0.ice_ufrag().is_some())
            .unwrap_or(shared.tagged);
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
        let bundled = (index != shared.tagged)
            .then(|| transport.media().attributes.candidates())
            .into_iter()
            .flatten();
        let candidates = own
            .chain(bundled)
            .filter_map(|candidate| candidate.to_string().parse().ok())
            .take(MAX_CANDIDATES)
            .collect();
        Ok(Self {
            index: shared.tagged,
            credentials,
            fingerprints,
            setup: transport.setup(),
            tls_id: transport.media().attributes.tls_id().cloned(),
            candidates,
            end_of_candidates: transport.end_of_candidates(),
        })
    }
}

/// The sections that share the transport.
struct Shared {
    /// The first of them: its attributes count (RFC 9143 §7.2.1, §7.3.1).
    tagged: usize,
    /// All of the group in its order, those that cannot be used behind the others.
    sections: Vec<usize>,
}

impl Shared {
    /// The sections bundled with `primary`, or that one alone.
    fn find(
        sections: &[RemoteSection],
        bundles: &[Vec<Word>],
        primary: Option<usize>,
    ) -> Option<Self> {
        let primary = primary.or_else(|| sections.iter().position(|section| section.usable))?;
        let group = sections[primary]
            .mid
            .as_ref()
            .and_then(|mid| bundles.iter().find(|group| group.contains(mid)));
        let mut members: Vec<usize> = match group {
            None => vec![primary],
            Some(group) => group
                .iter()
                .filter_map(|mid| sections.iter().position(|s| s.mid.as_ref() == Some(mid)))
                .collect(),
        };
        members.sort_by_key(|&index| !sections[index].usable);
        Some(Self { tagged: members[0], sections: members })
    }

    fn has(&self, index: usize) -> bool {
        self.sections.contains(&index)
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
