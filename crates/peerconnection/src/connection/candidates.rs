//! Addresses, servers and candidates of both sides (RFC 8838, webrtc-pc §4.4.2 addIceCandidate), and the ICE agent's
//! events.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use peerage_ice::{Candidate, GatheringState};
use peerage_log::{End, LogEvent};

use super::PeerConnection;
use crate::description::IceCandidateInit;
use crate::error::Error;
use crate::event::Event;
use crate::jsep::{MAX_CANDIDATES, RemoteDescription};

impl PeerConnection {
    /// A local UDP socket is bound to this (specific, not wildcard) address. May be called at any time.
    pub fn add_local_address(&mut self, now: Instant, address: SocketAddr) {
        self.now = now;
        if !self.closed {
            // An address that is unusable or one too many yields no candidate.
            let _ = self.ice.agent.add_local_address(now, address);
            self.pump_ice(now);
        }
    }

    /// That address is gone, with all candidates and pairs of it.
    pub fn remove_local_address(&mut self, now: Instant, address: SocketAddr) {
        self.now = now;
        if !self.closed {
            self.ice.agent.remove_local_address(now, address);
            self.pump_ice(now);
        }
    }

    /// All local addresses have been added: gathering completes once the servers have answered.
    pub fn local_addresses_complete(&mut self, now: Instant) {
        self.now = now;
        if !self.closed {
            self.ice.addresses_complete(now);
            self.pump_ice(now);
        }
    }

    /// Answers [`Event::ResolveHost`]; an empty slice says that the name is unknown.
    pub fn host_resolved(&mut self, now: Instant, id: u32, addresses: &[SocketAddr]) {
        self.now = now;
        if !self.closed {
            self.ice.host_resolved(now, id, addresses);
            self.pump_ice(now);
        }
    }

    /// Answers [`Event::ResolveMdns`]; an empty slice says that nobody answered.
    pub fn mdns_resolved(&mut self, now: Instant, name: &str, addresses: &[IpAddr]) {
        self.now = now;
        if self.closed {
            return;
        }
        match addresses.first() {
            Some(&address) => self.ice.agent.mdns_resolved(now, name, address),
            None => self.ice.agent.mdns_failed(now, name),
        }
        self.pump_ice(now);
    }

    /// The ICE user name fragment that the peer's checks carry first in USERNAME. It changes with an ICE restart;
    /// while one is under way both are valid.
    pub fn local_ufrag(&self) -> &str {
        self.ice.agent.local_credentials().ufrag()
    }

    /// `addIceCandidate`. `None` or an empty candidate says that no more come (RFC 8838 §14).
    ///
    /// # Errors
    /// `TypeError` if neither mid nor index is given, `InvalidStateError` before a remote description,
    /// `OperationError` if the m-section or the generation is unknown or the text does not parse.
    pub fn add_ice_candidate(
        &mut self,
        now: Instant,
        candidate: Option<IceCandidateInit>,
    ) -> Result<(), Error> {
        self.now = now;
        if self.closed {
            return Err(Error::Closed);
        }
        let candidate = candidate.unwrap_or_default();
        let text = candidate.candidate.trim();
        let has_section = candidate.sdp_mid.is_some() || candidate.sdp_m_line_index.is_some();
        if !text.is_empty() && !has_section {
            return Err(Error::Type {
                argument: "candidate",
                reason: "neither sdp_mid nor sdp_m_line_index is set".into(),
            });
        }
        if self.negotiation.remote().is_none() {
            return Err(Error::InvalidState {
                operation: "add_ice_candidate",
                reason: "there is no remote description",
            });
        }
        // A text that does not parse is the caller's mistake whatever its generation.
        let parsed = match text {
            "" => None,
            text => Some(
                text.parse::<Candidate>()
                    .map_err(|error| Error::InvalidCandidate(error.to_string()))?,
            ),
        };
        self.take_candidate(now, &candidate, parsed)?;
        self.log.record(now, || LogEvent::Candidate {
            end: End::Remote,
            candidate: candidate.candidate.as_str().into(),
        });
        self.pump_ice(now);
        Ok(())
    }

    /// Gives a candidate, or the end of candidates, to the newest description that knows its generation, and to the
    /// agent if that generation is the agent's.
    fn take_candidate(
        &mut self,
        now: Instant,
        init: &IceCandidateInit,
        parsed: Option<Candidate>,
    ) -> Result<(), Error> {
        let text = init.candidate.trim();
        let has_section = init.sdp_mid.is_some() || init.sdp_m_line_index.is_some();
        let named = init.username_fragment.as_deref();
        let ufrag = named.or_else(|| parsed.as_ref().and_then(Candidate::ufrag));
        let applied = self.ice.agent.remote_credentials().cloned();
        let negotiation = &mut self.negotiation;
        let mut section_found = false;
        for remote in
            [&mut negotiation.pending_remote, &mut negotiation.current_remote].into_iter().flatten()
        {
            let section = match has_section {
                true => remote.find_section(init.sdp_mid.as_deref(), init.sdp_m_line_index),
                // An end of candidates without a section ends those of the transport.
                false => remote.transport.as_ref().map(|transport| transport.index),
            };
            let Some(index) = section else { continue };
            section_found = true;
            if !knows_generation(remote, index, ufrag) {
                continue;
            }
            if !remote
                .note_candidate(index, if text.is_empty() { "end-of-candidates" } else { text })
            {
                return Err(Error::Operation(format!(
                    "more than {MAX_CANDIDATES} candidates for one description"
                )));
            }
            let shares = remote.shares_transport(index);
            let transport = remote.transport.as_deref_mut().filter(|_| shares);
            let Some(transport) = transport else { return Ok(()) };
            let is_applied = applied.as_ref() == Some(&transport.credentials);
            match parsed {
                Some(candidate) => {
                    if is_applied {
                        // A candidate that cannot be used is no mistake of the caller.
                        let _ = self.ice.agent.add_remote_candidate(now, candidate.clone());
                    }
                    if transport.candidates.len() < MAX_CANDIDATES {
                        transport.candidates.push(candidate);
                    }
                }
                None => {
                    transport.end_of_candidates = true;
                    if is_applied {
                        self.ice.agent.end_of_remote_candidates(now);
                    }
                }
            }
            return Ok(());
        }
        match (has_section, section_found) {
            // The end of candidates of a session without data.
            (false, false) => Ok(()),
            (_, true) => Err(Error::InvalidCandidate(
                "its user name fragment is in no remote description (RFC 8838 §9)".into(),
            )),
            (true, false) => {
                Err(Error::InvalidCandidate("its m-section is in no remote description".into()))
            }
        }
    }

    /// Moves the agent's events on.
    pub(super) fn pump_ice(&mut self, now: Instant) {
        let (mut changed, mut restored) = (false, false);
        while let Some(event) = self.ice.agent.poll_event() {
            match event {
                peerage_ice::Event::LocalCandidate(candidate) => self.local_candidate(candidate),
                peerage_ice::Event::GatheringStateChange(state) => self.gathering_changed(state),
                peerage_ice::Event::ConnectionStateChange(state) => {
                    changed = true;
                    restored |= state == peerage_ice::IceConnectionState::Connected;
                }
                peerage_ice::Event::SelectedPairChange(pair) => {
                    self.path = Some((pair.local, pair.remote));
                    self.rtp.route_changed(now, pair.remote.ip(), pair.rtt);
                    self.selected_pair_changed();
                    changed = true;
                    restored = true;
                }
                peerage_ice::Event::ResolveMdns { name } => {
                    self.events.push_back(Event::ResolveMdns { name });
                }
                peerage_ice::Event::PublishMdns { name, addr } => {
                    self.events.push_back(Event::PublishMdns { name, address: addr });
                }
                // Pairs and roles are in the statistics.
                _ => {}
            }
        }
        if changed {
            self.selected_pair_changed();
            self.update_states();
            self.start_dtls(now);
            self.replay_early(now);
        }
        // Timers that doubled while there was no path would keep a working one idle for seconds.
        if restored && let Some(sctp) = self.sctp.as_deref_mut() {
            sctp.path_restored(now);
        }
    }

    /// Counts and tells of another selected pair. That one is nominated which worked before is no change.
    fn selected_pair_changed(&mut self) {
        let agent = &self.ice.agent;
        let generation = || agent.local_credentials().ufrag().to_owned();
        let pair = agent.selected_pair().map(|pair| (pair.local, pair.remote, generation()));
        // A pair outlives a restart, until one of the new generation takes its place.
        let is_same = match (&self.selected_pair, &pair) {
            (Some(was), Some(is)) => {
                (was.0, was.1) == (is.0, is.1) && (was.2 == is.2 || !agent.is_pair_of_generation())
            }
            (None, None) => true,
            _ => false,
        };
        if is_same {
            return;
        }
        self.pair_changes += 1;
        if let Some((local, remote, _)) = &pair {
            let (local, remote) = (*local, *remote);
            self.events.push_back(Event::SelectedCandidatePairChange { local, remote });
        }
        self.selected_pair = pair;
    }

    fn local_candidate(&mut self, candidate: Candidate) {
        let Some(local) = self.negotiation.local_mut() else { return };
        let mid = local.transport_mid().map(str::to_owned);
        let index = local.transport_index();
        let Some(transport) = local.transport.as_mut() else { return };
        let ufrag = transport.credentials.ufrag();
        let init = IceCandidateInit {
            // The generation also stands in the text, for signalling that carries nothing else.
            candidate: format!("{candidate} ufrag {ufrag}"),
            sdp_mid: mid,
            sdp_m_line_index: index.and_then(|index| u16::try_from(index).ok()),
            username_fragment: Some(ufrag.to_owned()),
        };
        transport.candidates.push(candidate);
        self.events.push_back(Event::IceCandidate(Some(init)));
    }

    fn gathering_changed(&mut self, state: GatheringState) {
        if state == GatheringState::Complete
            && let Some(local) = self.negotiation.local_mut()
        {
            let mid = local.transport_mid().map(str::to_owned);
            let index = local.transport_index();
            if let Some(transport) = local.transport.as_mut() {
                transport.end_of_candidates = true;
                // webrtc-pc §4.4.1.3: the end of a generation is told before the state changes, and null after.
                self.events.push_back(Event::IceCandidate(Some(IceCandidateInit {
                    candidate: String::new(),
                    sdp_mid: mid,
                    sdp_m_line_index: index.and_then(|index| u16::try_from(index).ok()),
                    username_fragment: Some(transport.credentials.ufrag().to_owned()),
                })));
            }
        }
        self.update_gathering_state(state);
        if state == GatheringState::Complete {
            self.events.push_back(Event::IceCandidate(None));
        }
    }
}

/// Whether a candidate of section `index` with this user name fragment, if it has one, belongs to the description.
fn knows_generation(remote: &RemoteDescription, index: usize, ufrag: Option<&str>) -> bool {
    let own = remote.sections.get(index).and_then(|section| section.ufrag.as_deref());
    let bundled = remote.transport.as_ref().map(|transport| transport.credentials.ufrag());
    ufrag.is_none_or(|ufrag| own == Some(ufrag) || (own.is_none() && bundled == Some(ufrag)))
}
