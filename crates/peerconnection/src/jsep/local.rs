//! A description of this end: what it says, kept as data, and its SDP, written anew whenever it is asked for, because
//! candidates come in after the fact (RFC 9429 §5.2.1, §5.3.1).

use peerage_crypto::Fingerprint;
use peerage_ice::{Candidate, CandidateAddress, CandidateKind, CandidateTransport, Credentials};
use peerage_sdp::{
    Attribute, Group, GroupSemantics, HashFunction, IcePwd, IceUfrag, MediaDescription, Protocol,
    SessionDescription, Setup, Text, TlsId, Word, Words,
};
use std::net::IpAddr;

use crate::description::SdpType;
use crate::error::Error;
use crate::transport::sctp::SctpParameters;

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
    /// The m-sections in order; `None` is the data section.
    pub(crate) sections: Vec<Option<MediaDescription>>,
    /// Whether a BUNDLE group names the data section.
    pub(crate) bundle: bool,
    pub(crate) data: Option<LocalData>,
}

/// The data section of a local description.
#[derive(Clone, Debug)]
pub(crate) struct LocalData {
    pub(crate) index: usize,
    /// Absent only in answers to offers that have none.
    pub(crate) mid: Option<Word>,
    pub(crate) protocol: Protocol,
    pub(crate) credentials: Credentials,
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) setup: Setup,
    pub(crate) tls_id: Option<TlsId>,
    pub(crate) sctp: SctpParameters,
    /// Candidates gathered since.
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) end_of_candidates: bool,
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
        if let (true, Some(mid)) =
            (self.bundle, self.data.as_ref().and_then(|data| data.mid.as_ref()))
        {
            let group = Group { semantics: GroupSemantics::Bundle, mids: Words::join([mid]) };
            session = session.with(group);
        }
        for section in &self.sections {
            let media = match (section, &self.data) {
                (Some(rejected), _) => rejected.clone(),
                (None, Some(data)) => data.write()?,
                // `sections` holds one `None` if and only if `data` is set.
                (None, None) => continue,
            };
            session = session.with_media(media);
        }
        Ok(session.to_string())
    }

    /// The mid of the section with data, for candidates.
    pub(crate) fn data_mid(&self) -> Option<&str> {
        self.data.as_ref()?.mid.as_ref().map(Word::as_str)
    }
}

impl LocalData {
    fn write(&self) -> Result<MediaDescription, peerage_sdp::Error> {
        let mut media = MediaDescription::data_channels();
        media.line.protocol = self.protocol.clone();
        // RFC 8839 §4.2.1.2: the default candidate stands in m= and c=; RFC 9429 §5.2.1: 9 and 0.0.0.0 while none is
        // known.
        let default = self.default_candidate();
        media.line.port = default.map_or(9, |(_, port)| port);
        let address = default.map_or(peerage_sdp::NetworkAddress::UNSPECIFIED, |(ip, _)| ip.into());
        media.connections = vec![address.into()];
        if let Some(mid) = &self.mid {
            media.attributes.push(Attribute::Mid(mid.clone()));
        }
        media.attributes.push(IceUfrag::new(self.credentials.ufrag())?);
        media.attributes.push(IcePwd::new(self.credentials.pwd())?);
        for fingerprint in &self.fingerprints {
            media.attributes.push(peerage_sdp::Fingerprint {
                hash: hash_function(fingerprint),
                digest: fingerprint.bytes().to_vec(),
            });
        }
        media.attributes.push(self.setup);
        if let Some(tls_id) = &self.tls_id {
            media.attributes.push(tls_id.clone());
        }
        media.attributes.push(Attribute::SctpPort(self.sctp.port));
        media.attributes.push(Attribute::MaxMessageSize(self.sctp.max_message_size as u64));
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
        Ok(media)
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
