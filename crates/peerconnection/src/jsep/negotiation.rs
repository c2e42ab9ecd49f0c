//! The JSEP state machine (RFC 9429 §3.2, §4.1; webrtc-pc §4.4): which descriptions are current and pending, which
//! calls the signaling state allows, and what offers and answers say. It moves no packets; the connection asks it what
//! was agreed and acts on it.

use std::collections::VecDeque;

use peerage_crypto::{Fingerprint, Rng};
use peerage_sdp::{Protocol, Setup, Word};

use super::local::{LocalBody, LocalData, LocalDescription, LocalSection, LocalTransport};
use super::media::{self, AgreedMedia, MediaParameters, NumbersByTransport};
use super::placement::{
    Current, LocalTransports, TransportParameters, assign_answered, assign_offered, is_agreed,
    place_offered, settle, transport_of_mid,
};
use super::remote::{RemoteDescription, RemoteSection, RemoteTransport};
use super::verify;
use crate::config::{BundlePolicy, HeaderEncryption};
use crate::description::SdpType;
use crate::error::Error;
use crate::state::SignalingState;
use crate::transceiver::{Transceiver, Transceivers};
use crate::transport::sctp::SctpParameters;
use crate::transport::set::TransportId;

/// What of this end goes into a description.
pub(crate) struct LocalParameters<'a> {
    pub(crate) policy: BundlePolicy,
    pub(crate) fingerprints: &'a [Fingerprint],
    pub(crate) ice_lite: bool,
    pub(crate) sctp: SctpParameters,
    /// Whether an offer must have a data section even if none was agreed on before.
    pub(crate) wants_data: bool,
    pub(crate) transceivers: &'a Transceivers,
    pub(crate) media: MediaParameters<'a>,
    pub(crate) header_encryption: HeaderEncryption,
}

/// A description made by `create_offer` or `create_answer`.
#[derive(Clone)]
struct Created {
    sdp: String,
    description: LocalDescription,
    /// The numbers as they are once it is set.
    numbers: NumbersByTransport,
}

/// See the module.
pub(crate) struct Negotiation {
    state: SignalingState,
    session_id: u64,
    next_version: u64,
    /// What payload types and header extensions mean by what was agreed on.
    numbers: NumbersByTransport,
    /// The same with what a local description that is pending has assigned: a rollback lets go of that.
    pending_numbers: Option<NumbersByTransport>,
    pub(crate) current_local: Option<LocalDescription>,
    pub(crate) pending_local: Option<LocalDescription>,
    pub(crate) current_remote: Option<RemoteDescription>,
    pub(crate) pending_remote: Option<RemoteDescription>,
    last_offer: Option<Created>,
    last_answer: Option<Created>,
    /// The user name fragments that `restartIce` wants replaced (webrtc-pc `[[LocalIceCredentialsToReplace]]`).
    to_replace: Vec<String>,
    /// `[[NegotiationNeeded]]`.
    pub(crate) needed: bool,
}

impl Negotiation {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self {
            state: SignalingState::Stable,
            // RFC 9429 §5.2.1: 64 bits with the highest at zero; some peers read it as a signed or a floating number.
            session_id: rng.u64() >> 11,
            next_version: 1,
            numbers: NumbersByTransport::default(),
            pending_numbers: None,
            current_local: None,
            pending_local: None,
            current_remote: None,
            pending_remote: None,
            last_offer: None,
            last_answer: None,
            to_replace: Vec::new(),
            needed: false,
        }
    }

    pub(crate) fn state(&self) -> SignalingState {
        self.state
    }

    pub(crate) fn close(&mut self) {
        self.state = SignalingState::Closed;
        self.last_offer = None;
        self.last_answer = None;
    }

    /// The pending descriptions, else the current ones.
    pub(crate) fn local(&self) -> Option<&LocalDescription> {
        self.pending_local.as_ref().or(self.current_local.as_ref())
    }

    /// The local description whose candidates are being gathered.
    pub(crate) fn local_mut(&mut self) -> Option<&mut LocalDescription> {
        self.pending_local.as_mut().or(self.current_local.as_mut())
    }

    /// The pending remote description, else the current one.
    pub(crate) fn remote(&self) -> Option<&RemoteDescription> {
        self.pending_remote.as_ref().or(self.current_remote.as_ref())
    }

    // --- ICE restarts ---

    /// `restartIce`.
    pub(crate) fn restart_ice(&mut self) {
        let locals = [&self.current_local, &self.pending_local];
        self.to_replace = locals
            .into_iter()
            .flatten()
            .flat_map(|local| &local.transports)
            .map(|transport| transport.credentials.ufrag().to_owned())
            .collect();
    }

    /// Whether the next offer must carry new credentials.
    pub(crate) fn wants_restart(&self) -> bool {
        !self.to_replace.is_empty()
    }

    /// Whether the pending remote offer restarts ICE of a transport (RFC 9429 §5.10).
    pub(crate) fn remote_restarts(&self, id: TransportId) -> bool {
        let credentials = |remote: &Option<RemoteDescription>| {
            let transport = remote.as_ref().and_then(|remote| remote.transport(id));
            transport.map(|transport| transport.credentials.clone())
        };
        match (credentials(&self.current_remote), credentials(&self.pending_remote)) {
            (Some(current), Some(pending)) => current != pending,
            _ => false,
        }
    }

    // --- transports ---

    /// Whether a description has this transport, one that was made and not set yet included.
    pub(crate) fn names(&self, id: TransportId) -> bool {
        let made = [&self.last_offer, &self.last_answer].into_iter().flatten();
        let locals = [&self.current_local, &self.pending_local].into_iter().flatten();
        let remotes = [&self.current_remote, &self.pending_remote].into_iter().flatten();
        made.map(|created| &created.description)
            .chain(locals)
            .any(|local| local.transport(id).is_some())
            || remotes.into_iter().any(|remote| remote.transport(id).is_some())
    }

    /// Whether a description that was set has it.
    pub(crate) fn uses(&self, id: TransportId) -> bool {
        let locals = [&self.current_local, &self.pending_local].into_iter().flatten();
        let remotes = [&self.current_remote, &self.pending_remote].into_iter().flatten();
        locals.into_iter().any(|local| local.transport(id).is_some())
            || remotes.into_iter().any(|remote| remote.transport(id).is_some())
    }

    /// The transport of a section: as agreed on, else as offered.
    pub(crate) fn transport_of_section(&self, index: usize) -> Option<TransportId> {
        let agreed = self.agreed().and_then(|(_, remote)| remote.transport_of(index));
        let offered = || self.local()?.sections.get(index)?.transport;
        let theirs = || Some(self.pending_remote.as_ref()?.transport_of(index)?.id);
        agreed.map(|transport| transport.id).or_else(offered).or_else(theirs)
    }

    /// The transport of the data section.
    pub(crate) fn data_transport(&self) -> Option<TransportId> {
        let ours = self.local().and_then(|local| Some(local.data()?.0));
        let theirs = self.remote().and_then(|remote| Some(remote.data.as_ref()?.index));
        self.transport_of_section(ours.or(theirs)?)
    }

    /// webrtc-pc "check if negotiation is needed", as far as it concerns data.
    pub(crate) fn is_needed(&self, any_channel: bool) -> bool {
        let negotiated = self.current_local.as_ref().is_some_and(|local| local.data().is_some());
        self.wants_restart() || (any_channel && !negotiated)
    }

    // --- offers ---

    /// Whether `createOffer` may be called.
    pub(crate) fn check_create_offer(&self) -> Result<(), Error> {
        match self.state {
            SignalingState::Stable | SignalingState::HaveLocalOffer => Ok(()),
            SignalingState::Closed => Err(Error::Closed),
            _ => Err(Error::InvalidState {
                operation: "create_offer",
                reason: "an offer of the peer waits for an answer, or an answer of the peer is provisional",
            }),
        }
    }

    /// RFC 9429 §5.2.
    pub(crate) fn create_offer(
        &mut self,
        parameters: &LocalParameters<'_>,
        source: &mut dyn LocalTransports,
    ) -> Result<String, Error> {
        // A pending offer is replaced: RFC 9429 §5.2.2 has it generated as from the stable state, with the mids kept.
        let mut sections = self.agreed_sections();
        let mut numbers = self.numbers_for_creation();
        // A section that was rejected is recycled before a new one is added (RFC 9429 §5.2.2). One that this very offer
        // rejects must be seen rejected first.
        let mut free: VecDeque<usize> =
            (0..sections.len()).filter(|&index| sections[index].is_rejected()).collect();
        let mut put = |sections: &mut Vec<LocalSection>, section| match free.pop_front() {
            Some(index) => sections[index] = section,
            None => sections.push(section),
        };
        let mut waiting: Vec<&Transceiver> =
            parameters.transceivers.iter().filter(|t| t.is_active()).collect();
        for section in &mut sections {
            let LocalBody::Media(body) = &section.body else { continue };
            // webrtc-pc §4.4.1: what is stopping counts as stopped here.
            match waiting.iter().position(|t| t.handle == body.transceiver) {
                Some(index) => {
                    waiting.remove(index);
                }
                None => section.reject(),
            }
        }
        for transceiver in waiting {
            // One that a pending offer names keeps its mid.
            let mid = transceiver.mid.clone().unwrap_or_else(|| self.fresh_mid(&sections));
            let body = LocalBody::Media(Box::new(media::empty_section(transceiver)));
            put(&mut sections, LocalSection::new(Some(mid), body));
        }
        let has_data = sections.iter().any(|section| matches!(section.body, LocalBody::Data(_)));
        if !has_data && parameters.wants_data {
            let body = LocalBody::Data(LocalData {
                protocol: Protocol::UdpDtlsSctp,
                sctp: parameters.sctp,
            });
            let pending = self.pending_local.as_ref();
            let mid = pending
                .and_then(|local| local.sections[local.data()?.0].mid.clone())
                .filter(|mid| sections.iter().all(|section| section.mid.as_ref() != Some(mid)))
                .unwrap_or_else(|| self.fresh_mid(&sections));
            put(&mut sections, LocalSection::new(Some(mid), body));
        }
        // The transports come first: what numbers mean goes by them.
        let bundles = place_offered(
            self.current(),
            self.pending_local.as_ref(),
            &mut sections,
            parameters.policy,
            source,
        );
        let main = bundles.first().and_then(|group| transport_of_mid(&sections, group.first()?));
        for section in &mut sections {
            let LocalBody::Media(body) = &section.body else { continue };
            let Some(transceiver) = parameters.transceivers.get(body.transceiver) else { continue };
            // Sections that may share a transport must agree on what numbers mean.
            let in_bundle = |group: &Vec<Word>| section.mid.iter().any(|mid| group.contains(mid));
            let bundled = bundles.first().is_some_and(in_bundle);
            let id = main.filter(|_| bundled).or(section.transport).unwrap_or(TransportId::NONE);
            let numbers = numbers.of(id, main);
            let body = media::offer_section(transceiver, parameters.media, numbers);
            section.body = LocalBody::Media(Box::new(body));
        }
        let mut transports: Vec<LocalTransport> = Vec::new();
        for section in sections.iter().filter(|section| !section.bundle_only) {
            if let Some(id) = section.transport
                && transports.iter().all(|transport| transport.id != id)
                && let Some(own) = source.parameters(id)
            {
                transports.push(local_transport(id, own, parameters, Setup::ActPass));
                if !is_agreed(self.current(), id) && main.is_some_and(|main| main != id) {
                    // Should the peer not bundle, the numbers go on from here.
                    numbers.retain(|of| of != id);
                    numbers.of(id, main);
                }
            }
        }
        let description = LocalDescription {
            kind: SdpType::Offer,
            session_id: self.session_id,
            version: self.take_version(),
            ice_lite: parameters.ice_lite,
            ice_options: "ice2 trickle",
            extmap_allow_mixed: sections
                .iter()
                .any(|section| matches!(section.body, LocalBody::Media(_))),
            header_encryption: parameters.header_encryption,
            sections,
            bundles,
            transports,
        };
        let sdp = description.to_sdp()?;
        self.last_offer = Some(Created { sdp: sdp.clone(), description, numbers });
        Ok(sdp)
    }

    /// The m-sections as last agreed on; what one end rejected stays rejected.
    fn agreed_sections(&self) -> Vec<LocalSection> {
        let (Some(local), Some(remote)) = (&self.current_local, &self.current_remote) else {
            return Vec::new();
        };
        let agreed = |(index, theirs): (usize, &RemoteSection)| match local.sections.get(index) {
            Some(ours) if !ours.is_rejected() && theirs.usable => LocalSection {
                transport: remote.transport_of(index).map(|transport| transport.id),
                bundle_only: false,
                ..ours.clone()
            },
            _ => LocalSection::rejected(theirs.mid.clone(), theirs.rejection.clone()),
        };
        remote.sections.iter().enumerate().map(agreed).collect()
    }

    fn fresh_mid(&self, sections: &[LocalSection]) -> Word {
        let here = |mid: &str| {
            sections.iter().any(|section| section.mid.as_ref().is_some_and(|have| &**have == mid))
        };
        let taken = |mid: &str| {
            let remotes = [&self.current_remote, &self.pending_remote];
            let locals = [&self.current_local, &self.pending_local];
            here(mid)
                || remotes
                    .into_iter()
                    .flatten()
                    .any(|remote| remote.find_section(Some(mid), None).is_some())
                || locals.into_iter().flatten().any(|local| local.find_section(mid).is_some())
        };
        (0u32..)
            .map(|number| number.to_string())
            .find(|mid| !taken(mid))
            .and_then(|mid| Word::new(&mid).ok())
            .unwrap_or_else(|| Word::from_static("data"))
    }

    // --- answers ---

    /// Whether `createAnswer` may be called.
    pub(crate) fn check_create_answer(&self) -> Result<(), Error> {
        match self.state {
            SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPrAnswer => Ok(()),
            SignalingState::Closed => Err(Error::Closed),
            _ => Err(Error::InvalidState {
                operation: "create_answer",
                reason: "there is no offer of the peer to answer",
            }),
        }
    }

    /// RFC 9429 §5.3.
    pub(crate) fn create_answer(
        &mut self,
        parameters: &LocalParameters<'_>,
        source: &mut dyn LocalTransports,
    ) -> Result<String, Error> {
        let version = self.take_version();
        let mut numbers = self.numbers_for_creation();
        let Some(offer) = self.pending_remote.take() else {
            return Err(Error::InvalidState {
                operation: "create_answer",
                reason: "there is no offer of the peer",
            });
        };
        let mut sections = Self::answer_sections(&offer, parameters, &mut numbers);
        let before = self.current_local.iter().flat_map(|local| &local.sections);
        for (section, before) in sections.iter_mut().zip(before) {
            if section.mid == before.mid {
                section.before.clone_from(&before.before);
            }
        }
        // RFC 9429 §5.3.1: the options stand in an answer only if they stood in the offer.
        let ice_options = match (offer.ice2, offer.trickle) {
            (true, true) => "ice2 trickle",
            (true, false) => "ice2",
            (false, true) => "trickle",
            (false, false) => "",
        };
        let mut transports = Vec::new();
        for theirs in &offer.transports {
            let lives = sections.iter().any(|section| section.transport == Some(theirs.id));
            if let Some(own) = source.answering(theirs).filter(|_| lives) {
                let setup = answer_setup(theirs.setup, own.dtls_client);
                let mut transport = local_transport(theirs.id, own, parameters, setup);
                if theirs.tls_id.is_none() {
                    // RFC 8842 §5.3: no tls-id unless the offer has one.
                    transport.tls_id = None;
                }
                transports.push(transport);
            }
        }
        let description = LocalDescription {
            kind: SdpType::Answer,
            session_id: self.session_id,
            version,
            ice_lite: parameters.ice_lite,
            ice_options,
            extmap_allow_mixed: offer.extmap_allow_mixed,
            header_encryption: match offer.cryptex {
                true => parameters.header_encryption,
                false => HeaderEncryption::Disable,
            },
            sections,
            bundles: offer.usable_bundles(),
            transports,
        };
        self.pending_remote = Some(offer);
        let sdp = description.to_sdp()?;
        self.last_answer = Some(Created { sdp: sdp.clone(), description, numbers });
        Ok(sdp)
    }

    fn answer_sections(
        offer: &RemoteDescription,
        parameters: &LocalParameters<'_>,
        numbers: &mut NumbersByTransport,
    ) -> Vec<LocalSection> {
        let mut body = |index: usize, theirs: &RemoteSection, id| match (&offer.data, &theirs.rtp) {
            (Some(data), _) if data.index == index => Some(LocalBody::Data(LocalData {
                protocol: data.protocol.clone(),
                sctp: parameters.sctp,
            })),
            (_, Some(rtp)) => {
                let transceiver = match &theirs.mid {
                    Some(mid) => parameters.transceivers.by_mid(mid)?,
                    None => parameters.transceivers.by_index(index)?,
                };
                let numbers = numbers.of(id, None);
                media::answer_section(transceiver, rtp, parameters.media, numbers)
                    .map(|section| LocalBody::Media(Box::new(section)))
            }
            _ => None,
        };
        let mut sections = Vec::with_capacity(offer.sections.len());
        for (index, theirs) in offer.sections.iter().enumerate() {
            let transport = offer.transport_of(index).filter(|_| theirs.usable);
            let answered = transport.and_then(|to| Some((to.id, body(index, theirs, to.id)?)));
            sections.push(match answered {
                Some((id, body)) => LocalSection {
                    transport: Some(id),
                    ..LocalSection::new(theirs.mid.clone(), body)
                },
                None => LocalSection::rejected(theirs.mid.clone(), theirs.rejection.clone()),
            });
        }
        sections
    }

    // --- setting descriptions ---

    /// Whether a local description of this type may be set now (RFC 9429 §5.5).
    pub(crate) fn check_set_local(&self, kind: SdpType) -> Result<(), Error> {
        use SignalingState as S;
        let allowed = match kind {
            SdpType::Offer => matches!(self.state, S::Stable | S::HaveLocalOffer),
            SdpType::Answer | SdpType::PrAnswer => {
                matches!(self.state, S::HaveRemoteOffer | S::HaveLocalPrAnswer)
            }
            SdpType::Rollback => matches!(self.state, S::HaveLocalOffer | S::HaveRemoteOffer),
        };
        self.allowed(allowed, "set_local_description", kind)
    }

    /// Whether a remote description of this type may be set now (RFC 9429 §5.6); an offer may be set over a local
    /// offer, which is then rolled back (webrtc-pc §4.4.2, setRemoteDescription).
    pub(crate) fn check_set_remote(&self, kind: SdpType) -> Result<(), Error> {
        use SignalingState as S;
        let allowed = match kind {
            SdpType::Offer => {
                matches!(self.state, S::Stable | S::HaveRemoteOffer | S::HaveLocalOffer)
            }
            SdpType::Answer | SdpType::PrAnswer => {
                matches!(self.state, S::HaveLocalOffer | S::HaveRemotePrAnswer)
            }
            SdpType::Rollback => matches!(self.state, S::HaveLocalOffer | S::HaveRemoteOffer),
        };
        self.allowed(allowed, "set_remote_description", kind)
    }

    fn allowed(&self, allowed: bool, operation: &'static str, kind: SdpType) -> Result<(), Error> {
        match (self.state, allowed) {
            (SignalingState::Closed, _) => Err(Error::Closed),
            (_, true) => Ok(()),
            (state, false) => Err(Error::WrongSignalingState { operation, kind, state }),
        }
    }

    /// Whether there is an offer that an empty description can stand for.
    pub(crate) fn has_created_offer(&self) -> bool {
        self.last_offer.is_some()
    }

    /// Whether there is an answer that an empty description can stand for.
    pub(crate) fn has_created_answer(&self) -> bool {
        self.last_answer.is_some()
    }

    /// Sets a local offer. It must be the one created last; an empty text stands for it (webrtc-pc §4.4.2).
    pub(crate) fn set_local_offer(&mut self, sdp: &str) -> Result<(), Error> {
        let created = created(&self.last_offer, sdp, SdpType::Offer)?;
        self.pending_local = Some(created.description);
        self.pending_numbers = Some(created.numbers);
        self.state = SignalingState::HaveLocalOffer;
        Ok(())
    }

    /// Sets a local answer, provisional or final.
    pub(crate) fn set_local_answer(&mut self, sdp: &str, kind: SdpType) -> Result<(), Error> {
        let Created { mut description, numbers, .. } = created(&self.last_answer, sdp, kind)?;
        description.kind = kind;
        if kind == SdpType::PrAnswer {
            self.pending_local = Some(description);
            self.pending_numbers = Some(numbers);
            self.state = SignalingState::HaveLocalPrAnswer;
        } else {
            self.current_local = Some(description);
            self.numbers = numbers;
            self.current_remote = self.pending_remote.take();
            self.complete();
        }
        Ok(())
    }

    /// Finds the transports of a remote offer, and checks it against what was agreed before; nothing changes.
    pub(crate) fn check_remote_offer(
        &self,
        offer: &mut RemoteDescription,
        source: &mut dyn LocalTransports,
    ) -> Result<(), Error> {
        assign_offered(self.current(), offer, source);
        verify::offer(offer, self.current_remote.as_ref(), &|id| source.dtls_client(id))
    }

    /// Sets a remote offer that was checked, after any rollback.
    pub(crate) fn set_remote_offer(&mut self, offer: RemoteDescription) {
        self.pending_remote = Some(offer);
        self.state = SignalingState::HaveRemoteOffer;
    }

    /// Checks and sets a remote answer, provisional or final.
    pub(crate) fn set_remote_answer(
        &mut self,
        mut answer: RemoteDescription,
        dtls_client: &dyn Fn(TransportId) -> Option<bool>,
    ) -> Result<(), Error> {
        let Some(offer) = &self.pending_local else {
            return Err(Error::InvalidState {
                operation: "set_remote_description",
                reason: "there is no offer",
            });
        };
        assign_answered(offer, &mut answer)?;
        let current = self.current_local.as_ref().zip(self.current_remote.as_ref());
        let before = self.pending_remote.as_ref().or(self.current_remote.as_ref());
        verify::answer(offer, &answer, (current, before), dtls_client)?;
        if answer.kind == SdpType::PrAnswer {
            self.pending_remote = Some(answer);
            self.state = SignalingState::HaveRemotePrAnswer;
        } else {
            self.current_remote = Some(answer);
            self.current_local = self.pending_local.take();
            self.settle_offered_numbers();
            self.complete();
        }
        Ok(())
    }

    /// Back to `stable`; what was pending is forgotten. Returns the local offer that was given up.
    pub(crate) fn rollback(&mut self) -> Option<LocalDescription> {
        self.state = SignalingState::Stable;
        self.last_answer = None;
        self.pending_remote = None;
        self.pending_numbers = None;
        self.pending_local.take()
    }

    fn complete(&mut self) {
        self.pending_local = None;
        self.pending_remote = None;
        self.pending_numbers = None;
        self.last_offer = None;
        self.last_answer = None;
        self.state = SignalingState::Stable;
        // What the answer has bundled has the transport of its bundle (RFC 8829 §5.11).
        if let (Some(local), Some(remote)) = (&mut self.current_local, &self.current_remote) {
            settle(local, remote);
        }
        let locals = self.current_local.iter().flat_map(|local| &local.transports);
        let mut ufrags = locals.map(|transport| transport.credentials.ufrag());
        if !ufrags.any(|ufrag| self.to_replace.iter().any(|old| old == ufrag)) {
            self.to_replace.clear();
        }
    }

    /// What a description that is made now goes on from. A description that is never set, or that is rolled back, must
    /// bind nothing: the peer's offer may give the same numbers another meaning, and its numbers count then (RFC 8285 §7,
    /// RFC 3264 §6.1).
    fn numbers_for_creation(&self) -> NumbersByTransport {
        self.pending_numbers.as_ref().unwrap_or(&self.numbers).clone()
    }

    /// The peer has answered: what was agreed on stays bound.
    fn settle_offered_numbers(&mut self) {
        let (Some(pending), Some((local, remote))) = (
            self.pending_numbers.take(),
            self.current_local.as_ref().zip(self.current_remote.as_ref()),
        ) else {
            return;
        };
        let agreed = media::agreed(local, remote);
        self.numbers = pending.settled(&self.numbers, &agreed);
    }

    /// Forgets the numbers of transports that are gone.
    pub(crate) fn keep_numbers(&mut self, lives: impl Fn(TransportId) -> bool) {
        self.numbers.retain(&lives);
        self.pending_numbers.iter_mut().for_each(|numbers| numbers.retain(&lives));
    }

    /// The descriptions last agreed on.
    fn current(&self) -> Current<'_> {
        self.current_local.as_ref().zip(self.current_remote.as_ref())
    }

    /// The descriptions that answer each other, provisionally or not.
    pub(crate) fn agreed(&self) -> Option<(&LocalDescription, &RemoteDescription)> {
        match self.state {
            SignalingState::HaveLocalPrAnswer | SignalingState::HaveRemotePrAnswer => {
                self.pending_local.as_ref().zip(self.pending_remote.as_ref())
            }
            _ => self.current_local.as_ref().zip(self.current_remote.as_ref()),
        }
    }

    /// What both ends have said of a transport.
    pub(crate) fn agreed_transport(
        &self,
        id: TransportId,
    ) -> Option<(&LocalTransport, &RemoteDescription, &RemoteTransport)> {
        let (local, remote) = self.agreed()?;
        Some((local.transport(id)?, remote, remote.transport(id)?))
    }

    /// What the peer said of SCTP, if both ends have a data section.
    pub(crate) fn agreed_data(&self) -> Option<SctpParameters> {
        let (local, remote) = self.agreed()?;
        let theirs = remote.data.as_ref()?;
        let (index, _) = local.data()?;
        (index == theirs.index && remote.sections[index].usable).then_some(theirs.sctp)
    }

    /// What was agreed on for each section of media, provisionally or not.
    pub(crate) fn agreed_media(&self) -> Vec<AgreedMedia> {
        let Some((local, remote)) = self.agreed() else { return Vec::new() };
        media::agreed(local, remote)
    }

    fn take_version(&mut self) -> u64 {
        let version = self.next_version;
        self.next_version += 1;
        version
    }
}

/// RFC 8842 §5.3: the answerer takes the active role where it may; a settled role stays.
fn answer_setup(offered: Option<Setup>, dtls_client: Option<bool>) -> Setup {
    match (offered, dtls_client) {
        (Some(Setup::Active), _) => Setup::Passive,
        (Some(Setup::Passive), _) => Setup::Active,
        (_, Some(false)) => Setup::Passive,
        _ => Setup::Active,
    }
}

/// The description that was created last, if it is the one that is to be set.
fn created(last: &Option<Created>, sdp: &str, kind: SdpType) -> Result<Created, Error> {
    match last {
        // RFC 9429 §5.4.
        Some(created) if sdp.is_empty() || created.sdp == sdp => Ok(created.clone()),
        _ => Err(Error::ModifiedDescription { kind }),
    }
}

fn local_transport(
    id: TransportId,
    own: TransportParameters,
    parameters: &LocalParameters<'_>,
    setup: Setup,
) -> LocalTransport {
    LocalTransport {
        id,
        credentials: own.credentials,
        fingerprints: parameters.fingerprints.to_vec(),
        setup,
        tls_id: Some(own.tls_id),
        candidates: own.candidates,
        end_of_candidates: own.end_of_candidates,
    }
}
