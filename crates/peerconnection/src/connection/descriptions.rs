//! Offers, answers and what follows when they are set (RFC 9429 §4.1, §5.5 to §5.11; webrtc-pc §4.4).

use std::time::Instant;

use peerage_ice::{Credentials, GatheringState};
use peerage_log::End;
use peerage_sdp::Setup;

use super::PeerConnection;
use crate::config::HeaderEncryption;
use crate::description::{OfferOptions, SdpType, SessionDescription};
use crate::error::{Error, ErrorDetail};
use crate::event::Event;
use crate::jsep::{LocalParameters, MediaParameters, RemoteDescription};
use crate::state::SignalingState;
use crate::transport::dtls::DtlsParameters;
use crate::transport::sctp::{SCTP_PORT, SctpParameters};

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
        let restart = restart
            && self
                .negotiation
                .current_local
                .as_ref()
                .is_some_and(|local| local.transport.is_some());
        let credentials = self.credentials_for(restart);
        let wants_data = self.channels.ever_created && !self.data_ended;
        let sdp = self.describe(&credentials, wants_data, Kind::Offer)?;
        Ok(SessionDescription { kind: SdpType::Offer, sdp })
    }

    /// `createAnswer`.
    ///
    /// # Errors
    /// `InvalidStateError` unless the signaling state is `have-remote-offer` or `have-local-pranswer`.
    pub fn create_answer(&mut self, now: Instant) -> Result<SessionDescription, Error> {
        self.now = now;
        self.negotiation.check_create_answer()?;
        let current =
            self.negotiation.current_local.as_ref().and_then(|local| local.transport.as_ref());
        // RFC 9429 §5.3.2: new credentials only if the offer restarts ICE and no provisional answer has done so yet.
        let restart = self.negotiation.remote_restarts()
            && current.is_some_and(|transport| {
                transport.credentials == *self.ice.agent.local_credentials()
            });
        let credentials = self.credentials_for(restart);
        let sdp = self.describe(&credentials, true, Kind::Answer)?;
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
                // RFC 8445 §6.1.1: the side that begins controls.
                self.settle_ice_role(now, true);
                self.apply_local_ice(now);
            }
            kind @ (SdpType::Answer | SdpType::PrAnswer) => {
                if description.sdp.is_empty() && !self.negotiation.has_created_answer() {
                    self.create_answer(now)?;
                }
                self.negotiation.set_local_answer(&description.sdp, kind)?;
                self.apply_local_ice(now);
                self.apply_agreement(now);
                self.take_agreed_media(now, true);
            }
        }
        self.log_description_set(now, End::Local, kind);
        self.after_description();
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
                let offer = self.parse(SdpType::Offer, description.sdp)?;
                self.negotiation.check_remote_offer(&offer)?;
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
                self.negotiation.set_remote_answer(answer, self.settled_dtls_role())?;
                self.apply_agreement(now);
                self.take_agreed_media(now, false);
            }
        }
        self.log_description_set(now, End::Remote, kind);
        self.after_description();
        Ok(())
    }

    fn parse(&self, kind: SdpType, sdp: String) -> Result<RemoteDescription, Error> {
        let description = RemoteDescription::parse(kind, sdp, &self.config.settings.media)?;
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

    // --- making descriptions ---

    /// The present credentials, or fresh ones for a restart. Those of an offer that was made but not set are used again.
    fn credentials_for(&mut self, restart: bool) -> Credentials {
        if !restart {
            return self.ice.agent.local_credentials().clone();
        }
        let rng = &mut self.rng;
        self.next_credentials.get_or_insert_with(|| Credentials::random(rng)).clone()
    }

    fn describe(
        &mut self,
        credentials: &Credentials,
        wants_data: bool,
        kind: Kind,
    ) -> Result<String, Error> {
        let same_generation = credentials == self.ice.agent.local_credentials();
        let agent = &self.ice.agent;
        let parameters = LocalParameters {
            credentials,
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
            dtls_client: self.settled_dtls_role(),
            candidates: if same_generation { agent.local_candidates() } else { Vec::new() },
            end_of_candidates: same_generation
                && agent.gathering_state() == GatheringState::Complete,
        };
        match kind {
            Kind::Offer => self.negotiation.create_offer(&parameters),
            Kind::Answer => self.negotiation.create_answer(&parameters),
        }
    }

    /// Whether we are the DTLS client, once a final answer or a handshake has settled it: a provisional answer may
    /// still be followed by another.
    fn settled_dtls_role(&self) -> Option<bool> {
        let settled = self.negotiation.current_local.is_some() || self.dtls.has_begun();
        self.dtls.is_client().filter(|_| settled)
    }

    // --- applying them ---

    /// RFC 8445 §6.1.1; only before checks begin: afterwards the agents settle conflicts themselves.
    fn settle_ice_role(&mut self, now: Instant, controlling: bool) {
        if self.negotiation.current_remote.is_none() {
            self.ice.agent.set_controlling(now, controlling && !self.config.settings.ice_lite);
        }
    }

    /// Brings the ICE agent to the generation of the local description and begins gathering (RFC 9429 §5.9).
    fn apply_local_ice(&mut self, now: Instant) {
        let local = self.negotiation.local();
        let Some(transport) = local.and_then(|local| local.transport.as_ref()) else { return };
        let restart = transport.credentials != *self.ice.agent.local_credentials();
        if restart {
            self.ice.agent.restart_with(now, transport.credentials.clone());
            self.next_credentials = None;
        }
        if restart || self.ice.agent.gathering_state() == GatheringState::New {
            for request in self.ice.start_gathering(now) {
                self.events.push_back(Event::ResolveHost {
                    id: request.id,
                    host: request.host,
                    port: request.port,
                });
            }
        }
        self.pump_ice(now);
    }

    /// Acts on what both descriptions say, once there are two (RFC 9429 §5.11).
    fn apply_agreement(&mut self, now: Instant) {
        if self.negotiation.agreed_data().is_none()
            && self.negotiation.state() == SignalingState::Stable
        {
            self.data_was_rejected(now);
        }
        let Some((ours, remote, theirs)) = self.negotiation.agreed_transport() else { return };
        let agent = &mut self.ice.agent;
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
        // RFC 8842 §5.3, §5.4. An answer without the attribute means active (RFC 4145 §4.1).
        let is_client = match ours.setup {
            Setup::Active => true,
            Setup::Passive => false,
            _ => theirs.setup == Some(Setup::Passive),
        };
        self.dtls
            .negotiated(DtlsParameters { is_client, fingerprints: theirs.fingerprints.clone() });
        self.assign_channel_ids();
        self.pump_ice(now);
        self.start_dtls(now);
        // Data may be agreed on when DTLS is up already.
        self.associate(now);
        self.update_sctp_state();
    }

    /// RFC 9429 §5.7, webrtc-pc §4.4.1.5.
    fn roll_back(&mut self, now: Instant) {
        let given_up = self.negotiation.rollback();
        self.roll_transceivers_back();
        let restarted = given_up.and_then(|local| local.transport).is_some_and(|given_up| {
            let current = self.negotiation.current_local.as_ref();
            let current = current.and_then(|local| local.transport.as_ref());
            current.is_some_and(|current| current.credentials != given_up.credentials)
        });
        if restarted {
            let _ = self.ice.agent.rollback_restart(now);
            self.pump_ice(now);
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

    fn after_description(&mut self) {
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

/// Which of the two is to be made.
#[derive(Clone, Copy)]
enum Kind {
    Offer,
    Answer,
}
