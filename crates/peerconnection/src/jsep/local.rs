//! A description of this end: what it says, kept as data, and its SDP, written anew whenever it is asked for, because
//! candidates come in after the fact (RFC 9429 §5.2.1, §5.3.1).

use peerage_crypto::Fingerprint;
use peerage_ice::{Candidate, CandidateAddress, CandidateKind, CandidateTransport, Credentials};
use peerage_sdp::{
    Attribute, Attributes, Group, GroupSemantics, HashFunction, IcePwd, IceUfrag, MediaDescription,
    MediaKind, Protocol, SessionDescription, Setup, Text, TlsId, Word, Words,
};
use std::net::IpAddr;

use crate::config::HeaderEncryption;
use crate::description::SdpType;
use crate::error::Error;
use crate::media::{Agreement, LocalMedia};
use crate::transceiver::TransceiverHandle;
use crate::transport::sctp::SctpParameters;
use crate::transport::set::TransportId;

/// An offer or answer of ours.
#[derive(Clone, Debug)]
pub(crate) struct LocalDescription {
    pub(crate) kind: SdpType,
    /// `<sess-id>` of `o=`, the same for the life of the connection.
    pub(crate) session_id: u64,
    /// `<sess-version>` of `o=`.
    pub(crate) version: u64,
    pub(crate) ice_lite: bool,
    /// What stands in `a=ice-options`; empty: no such line.
    pub(crate) ice_options: &'static str,
    /// Whether one-byte and two-byte header extensions may be mixed (RFC 8285 §6). It is said at both levels, as peers look
    /// at the one or the other.
    pub(crate) extmap_allow_mixed: bool,
    /// Whether header extensions may be sent encrypted to this end (RFC 9335 §4).
    pub(crate) header_encryption: HeaderEncryption,
    /// The m-sections in order.
    pub(crate) sections: Vec<LocalSection>,
    /// The BUNDLE groups, by mid; sections that are rejected are not written among them.
    pub(crate) bundles: Vec<Vec<Word>>,
    /// The transports of the sections that are not rejected.
    pub(crate) transports: Vec<LocalTransport>,
}

/// An m-section of a local description.
#[derive(Clone, Debug)]
pub(crate) struct LocalSection {
    /// Absent only where the peer's offer has none.
    pub(crate) mid: Option<Word>,
    /// What it goes over; `None` if it is rejected.
    pub(crate) transport: Option<TransportId>,
    /// It can be had in a bundle only (RFC 9143 §6): the transport is that of another section.
    pub(crate) bundle_only: bool,
    /// What it said of ICE before it was bundled.
    pub(crate) before: Option<Box<BeforeBundle>>,
    pub(crate) body: LocalBody,
}

/// The ICE credentials of a section that was offered with a transport of its own, and then bundled into another. The section
/// repeats them until the bundle restarts: nobody goes by them (RFC 9143 §7.2.1), but Firefox takes others, in an answer to
/// its next offer, for a restart that it has not asked for.
#[derive(Clone, Debug)]
pub(crate) struct BeforeBundle {
    pub(crate) own: Credentials,
    /// Those of the bundle at that time.
    pub(crate) bundle: Credentials,
}

/// What an m-section of ours carries.
#[derive(Clone, Debug)]
pub(crate) enum LocalBody {
    /// Nothing: port 0. As it is written, with its mid.
    Rejected(Box<MediaDescription>),
    /// Data channels.
    Data(LocalData),
    /// Audio or video.
    Media(Box<LocalMediaSection>),
}

/// A section of audio or video in a local description.
#[derive(Clone, Debug)]
pub(crate) struct LocalMediaSection {
    pub(crate) transceiver: TransceiverHandle,
    pub(crate) media: LocalMedia,
    /// In an answer, what was agreed on.
    pub(crate) agreement: Option<Agreement>,
}

/// The data section of a local description.
#[derive(Clone, Debug)]
pub(crate) struct LocalData {
    pub(crate) protocol: Protocol,
    pub(crate) sctp: SctpParameters,
}

/// The transport of a local description: ICE and DTLS.
#[derive(Clone, Debug)]
pub(crate) struct LocalTransport {
    pub(crate) id: TransportId,
    pub(crate) credentials: Credentials,
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) setup: Setup,
    pub(crate) tls_id: Option<TlsId>,
    /// Candidates gathered since.
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) end_of_candidates: bool,
}

impl LocalSection {
    /// A section that has no transport yet.
    pub(crate) fn new(mid: Option<Word>, body: LocalBody) -> Self {
        Self { mid, transport: None, bundle_only: false, before: None, body }
    }

    pub(crate) fn rejected(mid: Option<Word>, media: MediaDescription) -> Self {
        Self::new(mid, LocalBody::Rejected(Box::new(media)))
    }

    /// Port 0, with the mid.
    pub(crate) fn reject(&mut self) {
        let (kind, protocol) = self.line();
        let formats = Words::join([&Word::from_static("0")]);
        let mut media = MediaDescription::new(kind, 0, protocol, formats);
        media.connections = vec![peerage_sdp::NetworkAddress::UNSPECIFIED.into()];
        media.attributes.extend(self.mid.clone().map(Attribute::Mid));
        *self = Self::rejected(self.mid.take(), media);
    }

    pub(crate) fn is_rejected(&self) -> bool {
        matches!(self.body, LocalBody::Rejected(_))
    }

    /// The kind of media and the protocol of its `m=` line.
    pub(crate) fn line(&self) -> (MediaKind, Protocol) {
        match &self.body {
            LocalBody::Rejected(media) => (media.line.media.clone(), media.line.protocol.clone()),
            LocalBody::Data(data) => (MediaKind::Application, data.protocol.clone()),
            LocalBody::Media(section) => {
                (section.media.kind.to_sdp(), section.media.protocol.clone())
            }
        }
    }
}

impl LocalDescription {
    /// The SDP, with the candidates so far.
    pub(crate) fn to_sdp(&self) -> Result<String, Error> {
        self.write().map_err(|error| Error::Layer { layer: "sdp", message: error.to_string() })
    }

    fn write(&self) -> Result<String, peerage_sdp::Error> {
        let mut session = SessionDescription::new(self.session_id, self.version);
        if self.ice_lite {
            session = session.with(Attribute::IceLite);
        }
        if !self.ice_options.is_empty() {
            session = session.with(Attribute::IceOptions(Words::new(self.ice_options)?));
        }
        for bundle in &self.bundles {
            let lives = |mid: &&Word| self.live().any(|(_, live)| live.mid.as_ref() == Some(mid));
            let mids: Vec<&Word> = bundle.iter().filter(lives).collect();
            if !mids.is_empty() {
                let group = Group { semantics: GroupSemantics::Bundle, mids: Words::join(mids) };
                session = session.with(group);
            }
        }
        if self.extmap_allow_mixed {
            session = session.with(Attribute::ExtmapAllowMixed);
        }
        for (index, section) in self.sections.iter().enumerate() {
            session = session.with_media(self.write_section(index, section)?);
        }
        Ok(session.to_string())
    }

    fn write_section(
        &self,
        index: usize,
        section: &LocalSection,
    ) -> Result<MediaDescription, peerage_sdp::Error> {
        let transport = section.transport.and_then(|id| self.transport(id));
        let mut head = Attributes::new();
        head.extend(section.mid.clone().map(Attribute::Mid));
        let own = transport.filter(|_| !section.bundle_only);
        // RFC 8829 §5.2.1 leaves them out of sections that can be had in a bundle only; browsers write them everywhere, and some
        // peers refuse a section without.
        if let Some(transport) = transport {
            let before = section.before.as_ref().filter(|before| {
                before.bundle == transport.credentials && self.tagged(transport.id) != Some(index)
            });
            let credentials = before.map_or(&transport.credentials, |before| &before.own);
            transport.write_attributes(credentials, &mut head)?;
        }
        if section.bundle_only {
            head.push(Attribute::BundleOnly);
        }
        let mut media = match &section.body {
            LocalBody::Rejected(media) => return Ok((**media).clone()),
            LocalBody::Data(data) => {
                let mut media = MediaDescription::data_channels();
                media.line.protocol = data.protocol.clone();
                media.attributes = head;
                media.attributes.push(Attribute::SctpPort(data.sctp.port));
                let max_message_size = data.sctp.max_message_size as u64;
                media.attributes.push(Attribute::MaxMessageSize(max_message_size));
                media
            }
            LocalBody::Media(body) => {
                let mut media = body.media.with_head(head);
                if self.extmap_allow_mixed {
                    media.attributes.push(Attribute::ExtmapAllowMixed);
                }
                // In all sections of the bundle (RFC 9335 §4).
                if self.header_encryption != HeaderEncryption::Disable {
                    media.attributes.push(Attribute::Cryptex);
                }
                media
            }
        };
        let tagged = own.filter(|transport| self.tagged(transport.id) == Some(index));
        write_address(&mut media, tagged);
        if section.bundle_only {
            // RFC 9143 §6, RFC 8829 §5.2.1.
            media.line.port = 0;
        }
        if let Some(transport) = tagged {
            transport.write_candidates(&mut media)?;
        }
        Ok(media)
    }

    /// The sections that are not rejected.
    pub(crate) fn live(&self) -> impl Iterator<Item = (usize, &LocalSection)> {
        self.sections.iter().enumerate().filter(|(_, section)| !section.is_rejected())
    }

    /// What is said of a transport.
    pub(crate) fn transport(&self, id: TransportId) -> Option<&LocalTransport> {
        self.transports.iter().find(|transport| transport.id == id)
    }

    pub(crate) fn transport_mut(&mut self, id: TransportId) -> Option<&mut LocalTransport> {
        self.transports.iter_mut().find(|transport| transport.id == id)
    }

    /// The section that speaks for a transport: the first of its group (RFC 9143 §7.2.1), or the only one.
    pub(crate) fn tagged(&self, id: TransportId) -> Option<usize> {
        let speaks = |section: &LocalSection| section.transport == Some(id) && !section.bundle_only;
        let grouped = self.bundles.iter().flatten().find_map(|mid| {
            self.find_section(mid.as_str()).filter(|&index| speaks(&self.sections[index]))
        });
        grouped.or_else(|| self.sections.iter().position(speaks))
    }

    /// The mid of that section and its index, for candidates.
    pub(crate) fn place_of(&self, id: TransportId) -> (Option<String>, Option<u16>) {
        let index = self.tagged(id);
        let mid = index.and_then(|index| self.sections[index].mid.as_ref());
        (mid.map(Word::to_string), index.and_then(|index| u16::try_from(index).ok()))
    }

    /// Lets go of transports that no section has any more.
    pub(crate) fn drop_unused(&mut self) {
        let sections = &self.sections;
        let used = |id| sections.iter().any(|section| section.transport == Some(id));
        self.transports.retain(|transport| used(transport.id));
    }

    /// The data section and its index.
    pub(crate) fn data(&self) -> Option<(usize, &LocalData)> {
        self.sections.iter().enumerate().find_map(|(index, section)| match &section.body {
            LocalBody::Data(data) => Some((index, data)),
            LocalBody::Rejected(_) | LocalBody::Media(_) => None,
        })
    }

    /// The section with this mid.
    pub(crate) fn find_section(&self, mid: &str) -> Option<usize> {
        let is_it =
            |section: &LocalSection| section.mid.as_ref().is_some_and(|m| m.as_str() == mid);
        self.sections.iter().position(is_it)
    }
}

impl LocalTransport {
    /// What ICE and DTLS say of themselves. Sections that have been bundled into another repeat it, as browsers do.
    fn write_attributes(
        &self,
        credentials: &Credentials,
        attributes: &mut Attributes,
    ) -> Result<(), peerage_sdp::Error> {
        attributes.push(IceUfrag::new(credentials.ufrag())?);
        attributes.push(IcePwd::new(credentials.pwd())?);
        for fingerprint in &self.fingerprints {
            attributes.push(peerage_sdp::Fingerprint {
                hash: hash_function(fingerprint),
                digest: fingerprint.bytes().to_vec(),
            });
        }
        attributes.push(self.setup);
        if let Some(tls_id) = &self.tls_id {
            attributes.push(tls_id.clone());
        }
        Ok(())
    }

    fn write_candidates(&self, media: &mut MediaDescription) -> Result<(), peerage_sdp::Error> {
        for candidate in &self.candidates {
            let text = candidate.to_string();
            let value = Text::new(text.strip_prefix("candidate:").unwrap_or(&text))?;
            media.attributes.push(Attribute::Unknown {
                name: Word::from_static("candidate"),
                value: Some(value),
            });
        }
        if self.end_of_candidates {
            media.attributes.push(Attribute::EndOfCandidates);
        }
        Ok(())
    }

    /// Relayed before reflexive before host, as most likely to be reachable (RFC 8839 §4.2.1.2); IPv4 first.
    fn default_candidate(&self) -> Option<(IpAddr, u16)> {
        self.candidates
            .iter()
            .filter(|candidate| candidate.transport == CandidateTransport::Udp)
            .filter_map(|candidate| match candidate.address {
                CandidateAddress::Ip(ip) => Some((candidate.kind, ip, candidate.port)),
                _ => None,
            })
            .min_by_key(|(kind, ip, _)| {
                let rank = match kind {
                    CandidateKind::Relayed => 0,
                    CandidateKind::ServerReflexive | CandidateKind::PeerReflexive => 1,
                    CandidateKind::Host => 2,
                };
                (ip.is_ipv6(), rank)
            })
            .map(|(_, ip, port)| (ip, port))
    }
}

/// Port and address. RFC 8839 §4.2.1.2: the default candidate stands in m= and c=; RFC 9429 §5.2.1: 9 and 0.0.0.0 while none
/// is known.
fn write_address(media: &mut MediaDescription, tagged: Option<&LocalTransport>) {
    let default = tagged.and_then(LocalTransport::default_candidate);
    media.line.port = default.map_or(9, |(_, port)| port);
    let address = default.map_or(peerage_sdp::NetworkAddress::UNSPECIFIED, |(ip, _)| ip.into());
    media.connections = vec![address.into()];
}

fn hash_function(fingerprint: &Fingerprint) -> HashFunction {
    use peerage_crypto::HashAlgorithm;
    match fingerprint.algorithm() {
        HashAlgorithm::Md5 => HashFunction::Md5,
        HashAlgorithm::Sha1 => HashFunction::Sha1,
        HashAlgorithm::Sha256 => HashFunction::Sha256,
        HashAlgorithm::Sha384 => HashFunction::Sha384,
        HashAlgorithm::Sha512 => HashFunction::Sha512,
    }
}
