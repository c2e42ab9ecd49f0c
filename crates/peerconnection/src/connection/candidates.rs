//! Addresses, servers and candidates of both sides (RFC 8838, webrtc-pc §4.4.2 addIceCandidate), and the ICE agent's
//! events.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use peerage_ice::{Candidate, GatheringState, Protocol, StreamEnd, TcpType};
use peerage_log::{End, LogEvent};

use super::PeerConnection;
use crate::description::IceCandidateInit;
use crate::error::Error;
use crate::event::Event;
use crate::jsep::{MAX_CANDIDATES, RemoteDescription};
use crate::state::{IceConnectionState, IceGatheringState};
use crate::transport::ice::ServerError;
use crate::transport::set::Transport;

impl PeerConnection {
    /// A local UDP socket is bound to this (specific, not wildcard) address. May be called at any time.
    pub fn add_local_address(&mut self, now: Instant, address: SocketAddr) {
        self.now = now;
        if !self.closed {
            self.transports.add_address(now, address);
            self.pump_all_ice(now);
        }
    }

    /// An address of ICE-TCP (RFC 6544): one that is listened at for `Passive`, an interface's with port 9 for `Active`. An
    /// address belongs to one protocol.
    pub fn add_local_tcp_address(&mut self, now: Instant, address: SocketAddr, tcp_type: TcpType) {
        self.now = now;
        if !self.closed {
            self.transports.add_tcp_address(now, address, tcp_type);
            self.pump_all_ice(now);
        }
    }

    /// The driver lost a stream by which packets went or were to go, or could not open it.
    pub fn stream_closed(
        &mut self,
        now: Instant,
        protocol: Protocol,
        local: SocketAddr,
        remote: SocketAddr,
        end: StreamEnd,
    ) {
        self.now = now;
        if self.closed {
            return;
        }
        for transport in self.transports.iter_mut() {
            transport.ice.stream_closed(now, protocol, local, remote, end);
        }
        self.pump_all_ice(now);
    }

    /// Whose certificate TLS to this address has to show: the host of the server's URL.
    pub fn tls_server_name(&self, remote: SocketAddr) -> Option<&str> {
        self.transports.iter().find_map(|transport| transport.ice.host_of(remote))
    }

    /// That address is gone, with all candidates and pairs of it.
    pub fn remove_local_address(&mut self, now: Instant, address: SocketAddr) {
        self.now = now;
        if !self.closed {
            self.transports.remove_address(now, address);
            self.pump_all_ice(now);
        }
    }

    /// All local addresses have been added: gathering completes once the servers have answered.
    pub fn local_addresses_complete(&mut self, now: Instant) {
        self.now = now;
        if !self.closed {
            self.transports.addresses_complete(now);
            self.pump_all_ice(now);
        }
    }

    /// Answers [`Event::ResolveHost`]; an empty slice says that the name is unknown.
    pub fn host_resolved(&mut self, now: Instant, id: u32, addresses: &[SocketAddr]) {
        self.now = now;
        if !self.closed {
            for transport in self.transports.iter_mut() {
                transport.ice.host_resolved(now, id, addresses);
            }
            self.pump_all_ice(now);
        }
    }

    /// Answers [`Event::ResolveMdns`]; an empty slice says that nobody answered.
    pub fn mdns_resolved(&mut self, now: Instant, name: &str, addresses: &[IpAddr]) {
        self.now = now;
        if self.closed {
            return;
        }
        for transport in self.transports.iter_mut() {
            match addresses.first() {
                Some(&address) => transport.ice.agent.mdns_resolved(now, name, address),
                None => transport.ice.agent.mdns_failed(now, name),
            }
        }
        self.pump_all_ice(now);
    }

    /// The ICE user name fragment that the peer's checks carry first in USERNAME, of the first transport. It changes with an
    /// ICE restart; while one is under way both are valid.
    pub fn local_ufrag(&self) -> &str {
        self.transports.first().ice.agent.local_credentials().ufrag()
    }

    /// Those of all transports, for drivers that share a socket among connections.
    pub fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        let transports = self.transports.iter();
        transports.map(|transport| transport.ice.agent.local_credentials().ufrag())
    }

    /// The pairs of addresses that ICE has selected, ours first, one for each transport that has any.
    pub fn selected_paths(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
        let pairs = self.transports.iter().filter_map(|t| t.ice.agent.selected_pair());
        pairs.map(|pair| (pair.local, pair.remote))
    }

    /// Whether a transport has selected the pair of these addresses, ours first, and it works.
    pub fn uses_path(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        let works = |transport: &Transport| {
            let pair = transport.ice.agent.selected_pair();
            let is_relays = transport.ice.relays.uses_path(local, remote);
            is_relays
                || pair.is_some_and(|pair| (pair.local, pair.remote) == (local, remote))
                    && matches!(
                        transport.ice_state(),
                        IceConnectionState::Connected | IceConnectionState::Completed
                    )
        };
        !self.closed && self.transports.iter().any(works)
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
        self.pump_all_ice(now);
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
        let transports = &mut self.transports;
        let negotiation = &mut self.negotiation;
        let mut section_found = false;
        for remote in
            [&mut negotiation.pending_remote, &mut negotiation.current_remote].into_iter().flatten()
        {
            let sections = match has_section {
                true => remote.find_section(init.sdp_mid.as_deref(), init.sdp_m_line_index),
                false => None,
            };
            // An end of candidates without a section ends those of all transports.
            let sections: Vec<usize> = match has_section {
                true => sections.into_iter().collect(),
                false => remote.transports.iter().map(|transport| transport.index).collect(),
            };
            section_found |= !sections.is_empty();
            let mut taken = false;
            for index in sections {
                if !knows_generation(remote, index, ufrag) {
                    continue;
                }
                taken = true;
                let noted = if text.is_empty() { "end-of-candidates" } else { text };
                if !remote.note_candidate(index, noted) {
                    return Err(Error::Operation(format!(
                        "more than {MAX_CANDIDATES} candidates for one description"
                    )));
                }
                let Some(place) = remote.candidates_go_to(index) else { continue };
                let transport = &mut remote.transports[place];
                let ours = transports.position(transport.id).map(|place| &mut transports[place]);
                let ice = ours
                    .map(|ours| &mut ours.ice)
                    .filter(|ice| ice.agent.remote_credentials() == Some(&transport.credentials));
                match &parsed {
                    Some(candidate) => {
                        if let Some(ice) = ice {
                            // A candidate that cannot be used is no mistake of the caller.
                            let _ = ice.agent.add_remote_candidate(now, candidate.clone());
                            ice.permit_peers(now);
                        }
                        if transport.candidates.len() < MAX_CANDIDATES {
                            transport.candidates.push(candidate.clone());
                        }
                    }
                    None => {
                        transport.end_of_candidates = true;
                        if let Some(ice) = ice {
                            ice.agent.end_of_remote_candidates(now);
                        }
                    }
                }
            }
            if taken {
                return Ok(());
            }
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

    /// Moves the events of all agents on.
    fn pump_all_ice(&mut self, now: Instant) {
        for place in 0..self.transports.len() {
            self.pump_ice(now, place);
        }
    }

    /// Moves the events of a transport's agent on.
    pub(super) fn pump_ice(&mut self, now: Instant, place: usize) {
        let (mut changed, mut restored) = (false, false);
        // Before the end of gathering, which the last of them brings.
        for error in std::mem::take(&mut self.transports.unmarked(place).ice.errors) {
            let ServerError { local, url, code, text } = error;
            self.events.push_back(Event::IceCandidateError { local, url, code, text });
        }
        while let Some(event) = self.transports.unmarked(place).ice.agent.poll_event() {
            match event {
                peerage_ice::Event::LocalCandidate(candidate) => {
                    self.local_candidate(place, candidate);
                }
                peerage_ice::Event::GatheringStateChange(state) => {
                    self.gathering_changed(place, state);
                }
                peerage_ice::Event::ConnectionStateChange(state) => {
                    changed = true;
                    restored |= state == peerage_ice::IceConnectionState::Connected;
                }
                peerage_ice::Event::SelectedPairChange(pair) => {
                    let transport = &mut self.transports[place];
                    transport.path = Some((pair.local, pair.remote));
                    transport.rtp.route_changed(now, pair.remote.ip(), pair.rtt);
                    self.selected_pair_changed(place);
                    self.check_path(place);
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
            self.selected_pair_changed(place);
            self.update_states();
            self.start_dtls(now, place);
            self.replay_early(now);
        }
        // Timers that doubled while there was no path would keep a working one idle for seconds.
        if restored
            && place == self.transports.data_place()
            && let Some(sctp) = self.sctp.as_deref_mut()
        {
            sctp.path_restored(now);
        }
    }

    /// Counts and tells of another selected pair. That one is nominated which worked before is no change.
    fn selected_pair_changed(&mut self, place: usize) {
        let transport = &mut self.transports[place];
        let agent = &transport.ice.agent;
        let generation = || agent.local_credentials().ufrag().to_owned();
        let pair = agent.selected_pair().map(|pair| (pair.local, pair.remote, generation()));
        // A pair outlives a restart, until one of the new generation takes its place.
        let is_same = match (&transport.selected_pair, &pair) {
            (Some(was), Some(is)) => {
                (was.0, was.1) == (is.0, is.1) && (was.2 == is.2 || !agent.is_pair_of_generation())
            }
            (None, None) => true,
            _ => false,
        };
        if is_same {
            return;
        }
        transport.pair_changes += 1;
        if let Some((local, remote, _)) = &pair {
            let (local, remote) = (*local, *remote);
            self.events.push_back(Event::SelectedCandidatePairChange { local, remote });
        }
        transport.selected_pair = pair;
    }

    fn local_candidate(&mut self, place: usize, candidate: Candidate) {
        let id = self.transports[place].id;
        let Some(local) = self.negotiation.local_mut() else { return };
        let (sdp_mid, sdp_m_line_index) = local.place_of(id);
        let Some(transport) = local.transport_mut(id) else { return };
        let ufrag = transport.credentials.ufrag();
        let init = IceCandidateInit {
            // The generation also stands in the text, for signalling that carries nothing else.
            candidate: format!("{candidate} ufrag {ufrag}"),
            sdp_mid,
            sdp_m_line_index,
            username_fragment: Some(ufrag.to_owned()),
        };
        transport.candidates.push(candidate);
        self.events.push_back(Event::IceCandidate(Some(init)));
    }

    fn gathering_changed(&mut self, place: usize, state: GatheringState) {
        let id = self.transports[place].id;
        if state == GatheringState::Complete
            && let Some(local) = self.negotiation.local_mut()
        {
            let (sdp_mid, sdp_m_line_index) = local.place_of(id);
            if let Some(transport) = local.transport_mut(id) {
                transport.end_of_candidates = true;
                // webrtc-pc §4.4.1.3: the end of a generation is told before the state changes, and null after.
                self.events.push_back(Event::IceCandidate(Some(IceCandidateInit {
                    candidate: String::new(),
                    sdp_mid,
                    sdp_m_line_index,
                    username_fragment: Some(transport.credentials.ufrag().to_owned()),
                })));
            }
        }
        self.transports[place].gathering = match state {
            GatheringState::New => IceGatheringState::New,
            GatheringState::Gathering => IceGatheringState::Gathering,
            GatheringState::Complete => IceGatheringState::Complete,
        };
        self.update_gathering_state();
    }
}

/// Whether a candidate of section `index` with this user name fragment, if it has one, belongs to the description.
fn knows_generation(remote: &RemoteDescription, index: usize, ufrag: Option<&str>) -> bool {
    let own = remote.sections.get(index).and_then(|section| section.ufrag.as_deref());
    let bundled = remote.transport_of(index).map(|transport| transport.credentials.ufrag());
    ufrag.is_none_or(|ufrag| own == Some(ufrag) || (own.is_none() && bundled == Some(ufrag)))
}
