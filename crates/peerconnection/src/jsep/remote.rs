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
    pub(crate) sections: Vec<RemoteSection>,
    pub(crate) bundles: Vec<Vec<Word>>,
    pub(crate) data: Option<Box<RemoteData>>,
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
    pub(crate) ufrag: Option<String>,
    /// The section as an answer rejects it.
    pub(crate) rejection: MediaDescription,
}

/// What is kept of the data section.
#[derive(Clone, Debug)]
pub(crate) struct RemoteData {
    pub(crate) index: usize,
    pub(crate) mid: Option<Word>,
    pub(crate) protocol: Protocol,
    pub(crate) credentials: Credentials,
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) setup: Option<Setup>,
    pub(crate) tls_id: Option<TlsId>,
    pub(crate) sctp: SctpParameters,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) end_of_candidates: bool,
}

impl RemoteDescription {
    /// Parses and checks a description.
    pub(crate) fn parse(kind: SdpType, sdp: String) -> Result<Self, Error> {
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
        let sections: Vec<RemoteSection> = session.sections().map(RemoteSection::read).collect();
        check_bundles(&bundles, &sections)?;
        let usable = |section: &Section<'_>| section.is_data_channels() && !section.is_rejected();
        // RFC 9429 §5.2.1: there is at most one data section; of several the first is taken and the others rejected.
        let data = match session.sections().position(|section| usable(&section)) {
            Some(index) => Some(Box::new(RemoteData::read(&session, index, &bundles)?)),
            None => None,
        };
        let option = |name: &str| {
            session
                .sections()
                .any(|section| section.ice_options().is_some_and(|options| options.has(name)))
        };
        Ok(Self {
            kind,
            ice_lite: session.attributes.ice_lite(),
            trickle: option("trickle"),
            ice2: option("ice2"),
            sections,
            bundles,
            data,
            trickled: Vec::new(),
            sdp,
        })
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

    /// Whether section `index` uses the transport of the data section: it is that section, or it has the same ICE user
    /// name, as bundled sections do.
    pub(crate) fn shares_data_transport(&self, index: usize) -> bool {
        let (Some(data), Some(section)) = (&self.data, self.sections.get(index)) else {
            return false;
        };
        data.index == index || section.ufrag.as_deref() == Some(data.credentials.ufrag())
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
            ufrag: section.ice_ufrag().map(|ufrag| ufrag.to_string()),
            rejection,
        }
    }
}

impl RemoteData {
    fn read(
        session: &SessionDescription,
        index: usize,
        bundles: &[Vec<Word>],
    ) -> Result<Self, Error> {
        let Some(section) = session.sections().nth(index) else {
            unreachable!("the index was just found")
        };
        let mid = section.media().attributes.mid().cloned();
        let name = match &mid {
            Some(mid) => format!("mid {mid}"),
            None => format!("m-section {index}"),
        };
        let fail = |reason: &str| Error::InvalidDescription {
            section: name.clone(),
            reason: reason.to_owned(),
        };

        let transport = transport_section(session, section, mid.as_ref(), bundles);
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
        let own = section.media().attributes.candidates();
        let bundled = (!std::ptr::eq(transport.media(), section.media()))
            .then(|| transport.media().attributes.candidates())
            .into_iter()
            .flatten();
        let candidates = own
            .chain(bundled)
            .filter_map(|candidate| candidate.to_string().parse().ok())
            .take(MAX_CANDIDATES)
            .collect();
        Ok(Self {
            index,
            mid,
            protocol: section.media().line.protocol.clone(),
            credentials,
            fingerprints,
            setup: transport.setup(),
            tls_id: transport.media().attributes.tls_id().cloned(),
            sctp: SctpParameters { port, max_message_size },
            candidates,
            end_of_candidates: transport.end_of_candidates(),
        })
    }
}

/// The section whose transport the data section uses: itself, unless it is bundled and says nothing of a transport of
/// its own (RFC 9143 §7.1.3, §9).
fn transport_section<'a>(
    session: &'a SessionDescription,
    section: Section<'a>,
    mid: Option<&Word>,
    bundles: &[Vec<Word>],
) -> Section<'a> {
    if section.ice_ufrag().is_some() {
        return section;
    }
    let group = mid.and_then(|mid| bundles.iter().find(|group| group.contains(mid)));
    group
        .into_iter()
        .flatten()
        .filter_map(|mid| session.section(mid.as_str()))
        .find(|candidate| candidate.ice_ufrag().is_some())
        .unwrap_or(section)
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

fn algorithm(hash: &HashFunction) -> Option<HashAlgorithm> {
    match hash {
        HashFunction::Sha1 => Some(HashAlgorithm::Sha1),
        HashFunction::Sha256 => Some(HashAlgorithm::Sha256),
        HashFunction::Sha384 => Some(HashAlgorithm::Sha384),
        HashFunction::Sha512 => Some(HashAlgorithm::Sha512),
        _ => None,
    }
}
