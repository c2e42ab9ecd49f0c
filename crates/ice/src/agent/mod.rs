//! The agent: joins gathering, the check list, nomination and consent behind the five verbs.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use peerage_crypto::{CryptoProvider, Rng};

use crate::candidate::Candidate;
use crate::config::IceConfig;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::event::{Counters, Event, Handled, PairStats, SelectedPair};
use crate::state::{GatheringState, IceConnectionState, Role};
use crate::transmit::{Input, Transmit};

/// An ICE agent for one data stream of one component (everything bundled, RTCP multiplexed).
pub struct IceAgent {
    config: IceConfig,
    credentials: Credentials,
    role: Role,
    rng: Rng,
    _provider: Arc<dyn CryptoProvider>,
}

impl IceAgent {
    /// Makes an agent. Nothing is sent before addresses and remote credentials are given.
    pub fn new(
        now: Instant,
        config: IceConfig,
        mut rng: Rng,
        provider: Arc<dyn CryptoProvider>,
    ) -> Self {
        let _ = now;
        let credentials =
            config.credentials.clone().unwrap_or_else(|| Credentials::random(&mut rng));
        Self { role: config.role, config, credentials, rng, _provider: provider }
    }

    /// Our ufrag and password of the current generation.
    pub fn local_credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The remote credentials of the current generation.
    pub fn remote_credentials(&self) -> Option<&Credentials> {
        None
    }

    /// Takes the peer's credentials; checks begin. Other credentials than before are a restart by the peer.
    pub fn set_remote_credentials(
        &mut self,
        _now: Instant,
        _credentials: Credentials,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// Says whether the peer is lite (`a=ice-lite`); a full agent then controls.
    pub fn set_remote_lite(&mut self, _now: Instant, _lite: bool) {}

    /// Sets the role, before checks begin or at a restart.
    pub fn set_controlling(&mut self, _now: Instant, controlling: bool) {
        self.role = if controlling { Role::Controlling } else { Role::Controlled };
    }

    /// The role now.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Adds the address of a socket; makes a host candidate and, with each STUN server, server-reflexive ones.
    pub fn add_local_address(&mut self, _now: Instant, _address: SocketAddr) -> Result<(), Error> {
        Ok(())
    }

    /// Removes the address of a socket that is gone, with its candidates and pairs.
    pub fn remove_local_address(&mut self, _now: Instant, _address: SocketAddr) {}

    /// Adds a STUN server by its resolved address.
    pub fn add_stun_server(&mut self, _now: Instant, _server: SocketAddr) -> Result<(), Error> {
        Ok(())
    }

    /// Begins gathering: `GatheringState::Gathering`.
    pub fn start_gathering(&mut self, _now: Instant) {}

    /// Says that no more local addresses or servers will be added: gathering completes when what is under way has ended.
    pub fn finish_gathering(&mut self, _now: Instant) {}

    /// The gathering state.
    pub fn gathering_state(&self) -> GatheringState {
        GatheringState::New
    }

    /// The connection state.
    pub fn connection_state(&self) -> IceConnectionState {
        IceConnectionState::New
    }

    /// Adds a candidate of the peer. Candidates that cannot be used are ignored; limits apply.
    pub fn add_remote_candidate(
        &mut self,
        _now: Instant,
        _candidate: Candidate,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// Says that the peer has no more candidates (RFC 8838 §14).
    pub fn end_of_remote_candidates(&mut self, _now: Instant) {}

    /// Begins a new generation with fresh credentials. The selected pair goes on carrying data until a new one is selected.
    pub fn restart(&mut self, _now: Instant) -> Credentials {
        self.credentials = Credentials::random(&mut self.rng);
        self.credentials.clone()
    }

    /// As [`restart`](Self::restart), with credentials that were drawn before: an offer names them when it is created, but
    /// the restart begins when it is set (RFC 9429 §5.9).
    pub fn restart_with(&mut self, _now: Instant, credentials: Credentials) {
        self.credentials = credentials;
    }

    /// Undoes a [`restart`](Self::restart) whose new remote credentials never came (rollback of an offer).
    pub fn rollback_restart(&mut self, _now: Instant) -> Result<(), Error> {
        Err(Error::NoRestart)
    }

    /// The driver resolved the name of an `Event::ResolveMdns`.
    pub fn mdns_resolved(&mut self, _now: Instant, _name: &str, _addr: IpAddr) {}

    /// The driver gave up on a name.
    pub fn mdns_failed(&mut self, _now: Instant, _name: &str) {}

    /// Takes a datagram. Noise is counted and dropped; an error means the agent is closed.
    pub fn handle_input(&mut self, _now: Instant, _input: Input<'_>) -> Result<Handled, Error> {
        Ok(Handled::Unknown)
    }

    /// Whether data from `source` to the local address `destination` may be handed on: the pair passed a check.
    pub fn is_known_source(&self, _source: SocketAddr, _destination: SocketAddr) -> bool {
        false
    }

    /// Whether this STUN message is for this agent: for drivers that share one socket among many connections.
    pub fn wants(&self, _input: &Input<'_>) -> bool {
        false
    }

    /// Does what is due by `now`.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// When `handle_timeout` is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Appends the next datagram to `buf` and says where it goes.
    pub fn poll_transmit(&mut self, _now: Instant, _buf: &mut Vec<u8>) -> Option<Transmit> {
        None
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// The pair over which to send data, if there is consent to send.
    pub fn selected_pair(&self) -> Option<&SelectedPair> {
        None
    }

    /// Numbers of every pair of this generation.
    pub fn pairs(&self) -> Vec<PairStats> {
        Vec::new()
    }

    /// Local candidates of this generation, as told to the peer.
    pub fn local_candidates(&self) -> Vec<Candidate> {
        Vec::new()
    }

    /// Remote candidates of this generation, peer-reflexive ones included.
    pub fn remote_candidates(&self) -> Vec<Candidate> {
        Vec::new()
    }

    /// What was dropped.
    pub fn counters(&self) -> Counters {
        let _ = &self.config;
        Counters::default()
    }

    /// Ends the agent: nothing more is sent or answered.
    pub fn close(&mut self, _now: Instant) {}
}
