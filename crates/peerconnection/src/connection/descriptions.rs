//! Offers, answers and what follows when they are set (RFC 9429 §4.1, §5.5 to §5.11; webrtc-pc §4.4).

use std::time::Instant;

use peerage_crypto::Rng;
use peerage_ice::{Credentials, GatheringState};
use peerage_log::End;
use peerage_sdp::{Setup, TlsId};

use super::PeerConnection;
use crate::config::{Configuration, HeaderEncryption};
use crate::description::{OfferOptions, SdpType, SessionDescription};
use crate::error::{Error, ErrorDetail};
use crate::event::Event;
use crate::jsep::{
    LocalParameters, LocalTransports, MediaParameters, RemoteDescription, RemoteTransport,
    TransportParameters,
};
use crate::state::SignalingState;
use crate::transport::dtls::DtlsParameters;
use crate::transport::sctp::{SCTP_PORT, SctpParameters};
use crate::transport::set::{Transport, TransportId, Transports, random_tls_id};

impl PeerConnection {
    /// `createOffer`.
    ///
    /// # Errors
    /// `InvalidStateError` unless the signaling state is `stable` or `have-local-offer`.
    pub fn create_offer(
        &mut self,
        now: Instant,
        options: OfferOptions,
    ) -> Result<SessionDescription, Error> {
        self.now = now;
        self.negotiation.check_create_offer()?;
        let restart = options.ice_restart || self.negotiation.wants_restart();
        // RFC 9429 §5.2.3.1: on an initial offer the option has no effect.
        let restarts = if restart { self.settled_transports() } else { Vec::new() };
        let wants_data = self.channels.ever_created && !self.data_ended;
        let sdp = self.describe(now, restarts, wants_data, Kind::Offer)?;
        Ok(SessionDescription { kind: SdpType::Offer, sdp })
    }

    /// `createAnswer`.
    ///
    /// # Errors
    /// `InvalidStateError` unless the signaling state is `have-remote-offer` or `have-local-pranswer`.
    pub fn create_answer(&mut self, now: Instant) -> Result<SessionDescription, Error> {
        self.now = now;
        self.negotiation.check_create_answer()?;
        // RFC 9429 §5.3.2: new credentials only if the offer restarts ICE and no provisional answer has done so yet.
        let current = self.negotiation.current_local.as_ref();
        let is_old = |transport: &&Transport| {
            let current = current.and_then(|local| local.transport(transport.id));
            current.is_some_and(|now| now.credentials == *transport.ice.agent.local_credentials())
        };
        let restarts = (self.transports.iter().filter(is_old))
            .map(|transport| transport.id)
            .filter(|&id| self.negotiation.remote_restarts(id))
            .collect();
        let sdp = self.describe(now, restarts, true, Kind::Answer)?;
        Ok(SessionDescription { kind: SdpType::Answer, sdp })
    }

    /// `setLocalDescription`. `None` creates the offer or answer that the signaling state calls for. A description with
    /// empty SDP stands for the one created last.
    ///
    /// # Errors
    /// `InvalidStateError`, `InvalidModificationError`.
    pub fn set_local_description(
        &mut self,
        now: Instant,
        description: Option<SessionDescription>,
    ) -> Result<(), Error> {
        self.now = now;
        let description = match description {
            Some(description) => description,
            // webrtc-pc §4.4.2, setLocalDescription: the type follows from the state.
            None => match self.negotiation.state() {
                SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPrAnswer => {
                    self.create_answer(now)?
                }
                _ => self.create_offer(now, OfferOptions::default())?,
            },
        };
        self.negotiation.check_set_local(description.kind)?;
        let kind = description.kind;
        match kind {
            SdpType::Rollback => self.roll_back(now),
            SdpType::Offer => {
                if description.sdp.is_empty() && !self.negotiation.has_created_offer() {
                    self.create_offer(now, OfferOptions::default())?;
                }
                self.negotiation.set_local_offer(&description.sdp)?;
                self.associate_transceivers();
                self.settle_transports(now);
                // RFC 8445 §6.1.1: the side that begins controls.
                self.settle_ice_role(now, true);
                self.apply_local_ice(now);
            }
            kind @ (SdpType::Answer | SdpType::PrAnswer) => {
                if description.sdp.is_empty() && !self.negotiation.has_created_answer() {
                    self.create_answer(now)?;
                }
                self.negotiation.set_local_answer(&description.sdp, kind)?;
                self.settle_transports(now);
                self.apply_local_ice(now);
                self.apply_agreement(now);
                self.take_agreed_media(now, true);
            }
        }
        self.log_description_set(now, End::Local, kind);
        self.after_description(now);
        Ok(())
    }

    /// `setRemoteDescription`. An offer over a local offer rolls the latter back first.
    ///
    /// # Errors
    /// `InvalidStateError`; `RTCError` with the line where the SDP does not parse; `InvalidAccessError` where it says
    /// what is not allowed. Nothing has changed then.
    pub fn set_remote_description(
        &mut self,
        now: Instant,
        description: SessionDescription,
    ) -> Result<(), Error> {
        self.now = now;
        self.negotiation.check_set_remote(description.kind)?;
        let kind = description.kind;
        match kind {
            SdpType::Rollback => self.roll_back(now),
            SdpType::Offer => {
                let mut offer = self.parse(SdpType::Offer, description.sdp)?;
                let settled = self.settled_transports();
                let source = Source::new(now, &mut self.transports, &mut self.rng, &self.config);
                let mut source = Source { settled, ..source };
                self.negotiation.check_remote_offer(&mut offer, &mut source)?;
                self.check_room(&offer)?;
                if self.negotiation.state() == SignalingState::HaveLocalOffer {
                    self.roll_back(now);
                }
                self.settle_ice_role(now, offer.ice_lite);
                self.negotiation.set_remote_offer(offer);
                self.take_remote_offer()?;
            }
            kind @ (SdpType::Answer | SdpType::PrAnswer) => {
                let answer = self.parse(kind, description.sdp)?;
                let settled = self.settled_transports();
                let transports = &self.transports;
                let dtls_client = |id| settled_role(transports, &settled, id);
                self.negotiation.set_remote_answer(answer, &dtls_client)?;
                self.apply_agreement(now);
                self.take_agreed_media(now, false);
            }
        }
        self.log_description_set(now, End::Remote, kind);
        self.after_description(now);
        Ok(())
    }

    fn parse(&self, kind: SdpType, sdp: String) -> Result<RemoteDescription, Error> {
        let (media, policy) = (&self.config.settings.media, self.config.bundle_policy);
        let description = RemoteDescription::parse(kind, sdp, media, policy)?;
        let wanted = self.config.settings.header_encryption == HeaderEncryption::Require;
        if wanted && description.has_media() && !description.cryptex {
            return Err(Error::InvalidDescription {
                section: "session".into(),
                reason: "there is no a=cryptex, which the settings require (RFC 9335 §4)".into(),
            });
        }
        Ok(description)
    }

    /// `localDescription`: the pending one, else the current one, with the candidates gathered so far.
    pub fn local_description(&self) -> Option<SessionDescription> {
        self.pending_local_description().or_else(|| self.current_local_description())
    }

    /// `currentLocalDescription`.
    pub fn current_local_description(&self) -> Option<SessionDescription> {
        let local = self.negotiation.current_local.as_ref()?;
        Some(SessionDescription { kind: local.kind, sdp: local.to_sdp().ok()? })
    }

    /// `pendingLocalDescription`.
    pub fn pending_local_description(&self) -> Option<SessionDescription> {
        let local = self.negotiation.pending_local.as_ref()?;
        Some(SessionDescription { kind: local.kind, sdp: local.to_sdp().ok()? })
    }

    /// `remoteDescription`: the pending one, else the current one, with the candidates received so far.
    pub fn remote_description(&self) -> Option<SessionDescription> {
        self.pending_remote_description().or_else(|| self.current_remote_description())
    }

    /// `currentRemoteDescription`.
    pub fn current_remote_description(&self) -> Option<SessionDescription> {
        let remote = self.negotiation.current_remote.as_ref()?;
        Some(SessionDescription { kind: remote.kind, sdp: remote.to_sdp() })
    }

    /// `pendingRemoteDescription`.
    pub fn pending_remote_description(&self) -> Option<SessionDescription> {
        let remote = self.negotiation.pending_remote.as_ref()?;
        Some(SessionDescription { kind: remote.kind, sdp: remote.to_sdp() })
    }

    /// `canTrickleIceCandidates`; `None` before a remote description.
    pub fn can_trickle_ice_candidates(&self) -> Option<bool> {
        self.negotiation.remote().map(|remote| remote.trickle)
    }

    /// `restartIce`: the next offer carries new ICE credentials; [`Event::NegotiationNeeded`] follows.
    pub fn restart_ice(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        self.now = now;
        self.negotiation.restart_ice();
        self.check_negotiation = true;
    }

    /// The next offer asks for new DTLS associations (RFC 8842 §5.5), and with them for new ICE credentials, as
    /// [`restart_ice`](Self::restart_ice) does; [`Event::NegotiationNeeded`] follows. A peer that knows no `a=tls-id`, as
    /// browsers do not, goes on with those that there are.
    pub fn renew_dtls(&mut self, now: Instant) {
        self.restart_ice(now);
        let transports = self.transports.iter().filter(|transport| transport.in_use);
        self.to_renew = transports.map(|transport| transport.tls_id.clone()).collect();
    }

    // --- making descriptions ---

    /// Those of which a final answer has settled how they are.
    fn settled_transports(&self) -> Vec<TransportId> {
        let local = self.negotiation.current_local.iter();
        local.flat_map(|local| &local.transports).map(|transport| transport.id).collect()
    }

    fn describe(
        &mut self,
        now: Instant,
        restarts: Vec<TransportId>,
        wants_data: bool,
        kind: Kind,
    ) -> Result<String, Error> {
        let settled = self.settled_transports();
        let parameters = LocalParameters {
            policy: self.config.bundle_policy,
            fingerprints: &self.fingerprints,
            ice_lite: self.config.settings.ice_lite,
            sctp: SctpParameters {
                port: SCTP_PORT,
                max_message_size: self.config.settings.sctp.max_message_size,
            },
            wants_data,
            transceivers: &self.transceivers,
            media: MediaParameters {
                capabilities: &self.config.settings.media,
                cname: &self.cname,
            },
            header_encryption: self.config.settings.header_encryption,
        };
        let to_renew = match kind {
            Kind::Offer => self.to_renew.as_slice(),
            // RFC 8829 §5.3.2: an answer changes it only if the offer does.
            Kind::Answer => &[],
        };
        let source = Source::new(now, &mut self.transports, &mut self.rng, &self.config);
        let mut source = Source { restarts, settled, to_renew, ..source };
        match kind {
            Kind::Offer => self.negotiation.create_offer(&parameters, &mut source),
            Kind::Answer => self.negotiation.create_answer(&parameters, &mut source),
        }
    }

    // --- applying them ---

    /// RFC 8445 §6.1.1; only before checks begin: afterwards the agents settle conflicts themselves. Transports that come
    /// later have the role of the first.
    fn settle_ice_role(&mut self, now: Instant, controlling: bool) {
        if self.negotiation.current_remote.is_none() {
            self.controlling = controlling && !self.config.settings.ice_lite;
        }
        for transport in self.transports.iter_mut() {
            if transport.ice.agent.remote_credentials().is_none() {
                transport.ice.agent.set_controlling(now, self.controlling);
            }
        }
    }

    /// Brings the ICE agents to the generation of the local description and begins gathering (RFC 9429 §5.9).
    fn apply_local_ice(&mut self, now: Instant) {
        for place in 0..self.transports.len() {
            let id = self.transports[place].id;
            let local = self.negotiation.local();
            let Some(described) = local.and_then(|local| local.transport(id)) else { continue };
            let transport = &mut self.transports[place];
            let restart = described.credentials != *transport.ice.agent.local_credentials();
            if restart {
                transport.ice.agent.restart_with(now, described.credentials.clone());
                transport.next_credentials = None;
            }
            if let Some(id) = described.tls_id.as_ref().filter(|id| **id != transport.tls_id) {
                transport.tls_id = id.clone();
                transport.next_tls_id = None;
            }
            if restart || transport.ice.agent.gathering_state() == GatheringState::New {
                for request in transport.ice.start_gathering(now) {
                    self.events.push_back(Event::ResolveHost {
                        id: request.id,
                        host: request.host,
                        port: request.port,
                    });
                }
            }
            self.pump_ice(now, place);
        }
    }

    /// Acts on what both descriptions say, once there are two (RFC 9429 §5.11).
    fn apply_agreement(&mut self, now: Instant) {
        if self.negotiation.agreed_data().is_none()
            && self.negotiation.state() == SignalingState::Stable
        {
            self.data_was_rejected(now);
        }
        self.settle_transports(now);
        for place in 0..self.transports.len() {
            self.apply_transport(now, place);
        }
        if let Some(remote) = self.negotiation.agreed_data() {
            self.check_sctp_port(now, remote);
        }
        self.assign_channel_ids();
        for place in 0..self.transports.len() {
            self.pump_ice(now, place);
            self.start_dtls(now, place);
        }
        // Data may be agreed on when DTLS is up already.
        self.associate(now);
        self.update_sctp_state();
    }

    /// What both descriptions say of a transport.
    fn apply_transport(&mut self, now: Instant, place: usize) {
        let transport = &mut self.transports[place];
        let Some((ours, remote, theirs)) = self.negotiation.agreed_transport(transport.id) else {
            return;
        };
        let agent = &mut transport.ice.agent;
        agent.set_remote_lite(now, remote.ice_lite);
        if agent.remote_credentials() != Some(&theirs.credentials) {
            // The credentials were checked when they were parsed: an error says that the agent is closed.
            let _ = agent.set_remote_credentials(now, theirs.credentials.clone());
        }
        for candidate in &theirs.candidates {
            let _ = agent.add_remote_candidate(now, candidate.clone());
        }
        if theirs.end_of_candidates {
            agent.end_of_remote_candidates(now);
        }
        transport.ice.permit_peers(now);
        // RFC 8842 §5.3, §5.4. An answer without the attribute means active (RFC 4145 §4.1).
        let is_client = match ours.setup {
            Setup::Active => true,
            Setup::Passive => false,
            _ => theirs.setup == Some(Setup::Passive),
        };
        transport.dtls.negotiated(DtlsParameters {
            is_client,
            fingerprints: theirs.fingerprints.clone(),
            tls_ids: (ours.tls_id.clone(), theirs.tls_id.clone()),
        });
    }

    /// Lets go of transports that no description names, which is what becomes of those that an answer has bundled into
    /// another (RFC 8829 §5.11), and finds out what goes over which.
    fn settle_transports(&mut self, now: Instant) {
        let negotiation = &mut self.negotiation;
        self.transports.retain(now, |id| negotiation.names(id));
        let transports = &self.transports;
        negotiation.keep_numbers(|id| transports.position(id).is_some());
        for transport in self.transports.iter_mut() {
            transport.in_use |= negotiation.uses(transport.id);
        }
        let place_of = |transports: &Transports, id: Option<TransportId>| {
            id.and_then(|id| transports.position(id)).unwrap_or(0)
        };
        let data = place_of(&self.transports, negotiation.data_transport());
        self.transports.set_data_place(data);
        for transceiver in self.transceivers.iter_mut() {
            let id = transceiver.index.and_then(|index| negotiation.transport_of_section(index));
            transceiver.transport = place_of(&self.transports, id);
        }
        self.update_gathering_state();
    }

    /// RFC 9429 §5.7, webrtc-pc §4.4.1.5.
    fn roll_back(&mut self, now: Instant) {
        let given_up = self.negotiation.rollback();
        self.roll_transceivers_back();
        let current = self.negotiation.current_local.as_ref();
        let restarted: Vec<_> = given_up
            .iter()
            .flat_map(|local| &local.transports)
            .filter(|given_up| {
                let current = current.and_then(|current| current.transport(given_up.id));
                current.is_some_and(|current| current.credentials != given_up.credentials)
            })
            .filter_map(|given_up| self.transports.position(given_up.id))
            .collect();
        for place in restarted {
            let _ = self.transports[place].ice.agent.rollback_restart(now);
            self.pump_ice(now, place);
        }
        // An association that was asked for is not to come.
        for transport in self.transports.iter_mut() {
            let current = self.negotiation.current_local.as_ref();
            let described = current.and_then(|current| current.transport(transport.id));
            if let Some(id) = described.and_then(|described| described.tls_id.as_ref()) {
                transport.tls_id.clone_from(id);
            }
        }
    }

    /// An answer without data: what was there ends, what was wanted cannot be had.
    fn data_was_rejected(&mut self, now: Instant) {
        let offered =
            self.negotiation.current_local.as_ref().is_some_and(|local| local.data().is_some())
                || self.sctp.is_some();
        if !offered && self.channels.len() == 0 {
            return;
        }
        if self.sctp.is_some() {
            self.data_ended = true;
        }
        let reason = "the data section was rejected (RFC 9429 §5.3.1)".to_owned();
        self.end_association(now, Some((ErrorDetail::DataChannelFailure, reason)));
    }

    fn after_description(&mut self, now: Instant) {
        self.settle_transports(now);
        if self.negotiation.state() == SignalingState::Stable {
            // webrtc-pc §4.4.1.5, step 14: clear the flag, then look again.
            self.negotiation.needed = false;
            self.check_negotiation = true;
        }
        self.update_signaling_state();
        self.update_states();
    }

    /// webrtc-pc §4.7.3, "update the negotiation-needed flag".
    pub(super) fn update_negotiation_needed(&mut self) {
        if self.closed || self.negotiation.state() != SignalingState::Stable {
            return;
        }
        let needed = self.negotiation.is_needed(self.channels.ever_created && !self.data_ended)
            || self.transceivers.iter().any(|t| self.needs_negotiation(t));
        if needed && !self.negotiation.needed {
            self.events.push_back(Event::NegotiationNeeded);
        }
        self.negotiation.needed = needed;
    }
}

/// The transports of a connection, as the negotiation asks for them.
struct Source<'a> {
    now: Instant,
    transports: &'a mut Transports,
    rng: &'a mut Rng,
    config: &'a Configuration,
    /// Those that are to restart ICE.
    restarts: Vec<TransportId>,
    settled: Vec<TransportId>,
    /// The `a=tls-id` of associations that are to be replaced.
    to_renew: &'a [TlsId],
}

impl<'a> Source<'a> {
    fn new(
        now: Instant,
        transports: &'a mut Transports,
        rng: &'a mut Rng,
        config: &'a Configuration,
    ) -> Self {
        Self {
            now,
            transports,
            rng,
            config,
            restarts: Vec::new(),
            settled: Vec::new(),
            to_renew: &[],
        }
    }
}

impl LocalTransports for Source<'_> {
    fn parameters(&mut self, id: TransportId) -> Option<TransportParameters> {
        let dtls_client = settled_role(self.transports, &self.settled, id);
        let place = self.transports.position(id)?;
        let credentials = match self.restarts.contains(&id) {
            // Those of a description that was made but not set are used again.
            true => {
                let next = &mut self.transports[place].next_credentials;
                next.get_or_insert_with(|| Credentials::random(self.rng)).clone()
            }
            false => self.transports[place].ice.agent.local_credentials().clone(),
        };
        let transport = &mut self.transports[place];
        let tls_id = match self.to_renew.contains(&transport.tls_id) {
            true => next_tls_id(transport, self.rng),
            false => transport.tls_id.clone(),
        };
        let agent = &transport.ice.agent;
        let same_generation = credentials == *agent.local_credentials();
        Some(TransportParameters {
            credentials,
            tls_id,
            dtls_client,
            candidates: if same_generation { agent.local_candidates() } else { Vec::new() },
            end_of_candidates: same_generation
                && agent.gathering_state() == GatheringState::Complete,
        })
    }

    fn answering(&mut self, theirs: &RemoteTransport) -> Option<TransportParameters> {
        let mut own = self.parameters(theirs.id)?;
        let place = self.transports.position(theirs.id)?;
        let transport = &mut self.transports[place];
        let (setup, id) = (theirs.setup, theirs.tls_id.as_ref());
        if own.dtls_client.is_some() && transport.dtls.is_another(setup, &theirs.fingerprints, id) {
            // RFC 8842 §5.3: a new id, and the roles are free again.
            own.tls_id = next_tls_id(transport, self.rng);
            own.dtls_client = None;
        }
        Some(own)
    }

    fn dtls_client(&self, id: TransportId) -> Option<bool> {
        settled_role(self.transports, &self.settled, id)
    }

    fn fresh(&mut self, is_named: &dyn Fn(TransportId) -> bool) -> Option<TransportId> {
        let idle = self.transports.iter().map(|transport| transport.id).find(|&id| !is_named(id));
        let made = || {
            let place = self.transports.create(self.now, self.config, self.rng)?;
            Some(self.transports[place].id)
        };
        idle.or_else(made)
    }
}

/// Whether we are the DTLS client of a transport, once a final answer or a handshake has settled it: a provisional answer
/// may still be followed by another.
fn settled_role(transports: &Transports, settled: &[TransportId], id: TransportId) -> Option<bool> {
    let dtls = &transports[transports.position(id)?].dtls;
    let agreed = dtls.agreed().map(|agreed| agreed.is_client);
    agreed.filter(|_| settled.contains(&id) || dtls.has_begun())
}

/// The `a=tls-id` of an association to come: that of a description that was made but not set is used again.
fn next_tls_id(transport: &mut Transport, rng: &mut Rng) -> TlsId {
    transport.next_tls_id.get_or_insert_with(|| random_tls_id(rng)).clone()
}

/// Which of the two is to be made.
#[derive(Clone, Copy)]
enum Kind {
    Offer,
    Answer,
}
