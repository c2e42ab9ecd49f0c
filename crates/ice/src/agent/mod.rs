//! The agent: gathering, the check list, nomination and consent joined behind the five verbs.
//!
//! ```text
//!  signaling ---> remotes --\                     /--> triggered --\
//!                            pairs --> check list                   pacing (Ta) --> checks --> network
//!  sockets -----> locals ---/                     \--> ordinary  --/
//!
//!  network --> requests  --> respond, learn, trigger --\
//!          \-> responses --> valid pair ----------------> nominate --> selected pair --> consent
//! ```

mod core;
mod explain;
mod gather;
mod receive;
mod select;
mod send;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use peerage_crypto::{CryptoProvider, Rng};
use peerage_stun::{Class, Message, TransactionTable, demux};

pub use self::core::IceAgent;
use self::core::{Gathering, MAX_TRANSACTIONS, PendingKind, Saved, Selected};
use crate::candidate::{Candidate, CandidateAddress, CandidateTransport, TcpType};
use crate::checklist::{CheckList, Pair, PairId};
use crate::config::{IceConfig, MdnsMode};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::event::{Counters, Event, Handled, PairStats, SelectedPair};
use crate::local::{LocalCandidate, LocalCandidates};
use crate::relay::RelayedAddress;
use crate::remote::{Added, RemoteCandidates};
use crate::session::Session;
use crate::state::{GatheringState, IceConnectionState, PairState, Role};
#[allow(unused_imports, reason = "for the documentation")]
use crate::transmit::Protocol;
use crate::transmit::{Input, StreamEnd, Transmit};

/// Setting up.
impl IceAgent {
    /// Makes an agent. Nothing is sent before addresses and remote credentials are given.
    pub fn new(
        _now: Instant,
        config: IceConfig,
        mut rng: Rng,
        provider: Arc<dyn CryptoProvider>,
    ) -> Self {
        let credentials =
            config.credentials.clone().unwrap_or_else(|| Credentials::random(&mut rng));
        // RFC 8445 §6.1.1: a lite agent is controlled by a full one; both lite: by signaling.
        let local = Arc::new(Session::new(&*provider, credentials));
        Self {
            role: config.role,
            config,
            tie_breaker: rng.u64(),
            rng,
            provider,
            remote_lite: false,
            local,
            remote: None,
            locals: LocalCandidates::default(),
            remotes: RemoteCandidates::default(),
            list: CheckList::default(),
            transactions: TransactionTable::new(MAX_TRANSACTIONS),
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
            gathering: Gathering::default(),
            selected: None,
            early: Vec::new(),
            saved: None,
            state: IceConnectionState::New,
            disconnected: false,
            failed: false,
            consent_lost: false,
            pacing: None,
            last_paced: None,
            patience: None,
            give_up: None,
            first_valid: None,
            nomination_at: None,
            challenger: None,
            nominating: None,
            counters: Counters::default(),
        }
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.state == IceConnectionState::Closed { Err(Error::Closed) } else { Ok(()) }
    }

    /// Our ufrag and password of the current generation.
    pub fn local_credentials(&self) -> &Credentials {
        &self.local.credentials
    }

    /// The remote credentials of the current generation.
    pub fn remote_credentials(&self) -> Option<&Credentials> {
        self.remote.as_ref().map(|r| &r.credentials)
    }

    /// Takes the peer's credentials; checks begin, and with them patience (RFC 8863 §4). Other credentials than before
    /// are a restart by the peer: its old candidates and all pairs go, the selected pair carries data until a new one is
    /// selected. Call [`restart`](Self::restart) first when the local credentials are to change as well, as offer and
    /// answer demand.
    pub fn set_remote_credentials(
        &mut self,
        now: Instant,
        credentials: Credentials,
    ) -> Result<(), Error> {
        self.check_open()?;
        match &self.remote {
            Some(remote) if remote.credentials == credentials => return Ok(()),
            Some(_) => {
                self.clear_checks();
                self.remotes = RemoteCandidates::default();
                self.failed = false;
                self.consent_lost = false;
            }
            None => {}
        }
        self.remote = Some(Arc::new(Session::new(&*self.provider, credentials)));
        self.begin_patience(now);
        self.replay_early(now);
        self.advance(now);
        Ok(())
    }

    /// Says whether the peer is lite (`a=ice-lite`); a full agent then controls (RFC 8445 §6.1.1).
    pub fn set_remote_lite(&mut self, now: Instant, lite: bool) {
        self.remote_lite = lite;
        if lite && !self.config.lite {
            self.apply_role(Role::Controlling);
        }
        self.advance(now);
    }

    /// Sets the role, before checks begin or at a restart. With a lite peer a full agent always controls.
    pub fn set_controlling(&mut self, now: Instant, controlling: bool) {
        let forced = self.remote_lite && !self.config.lite;
        let role = if controlling || forced { Role::Controlling } else { Role::Controlled };
        self.apply_role(role);
        self.advance(now);
    }

    /// The role now.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Adds the address of a socket; makes a host candidate and, with each STUN server, server-reflexive ones.
    ///
    /// Addresses of families that the policy excludes are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAddress`] for wildcards, multicast, IPv4-mapped and link-local IPv6 addresses, and for loopback
    /// unless the configuration allows it; [`Error::LimitReached`] above `max_local_addresses`.
    pub fn add_local_address(&mut self, now: Instant, address: SocketAddr) -> Result<(), Error> {
        self.check_open()?;
        self.register_address(now, address, None)?;
        self.advance(now);
        Ok(())
    }

    /// Adds an address of ICE-TCP (RFC 6544): one that is listened at for `Passive`; for `Active` that of an interface with
    /// port 9, as its candidate has it (§4.5), whichever port the system gives to the streams that the driver opens when
    /// something is to be sent from there. Packets of such streams carry this address and [`Protocol::Tcp`].
    ///
    /// # Errors
    ///
    /// As [`add_local_address`](Self::add_local_address); an address belongs to one protocol and type.
    pub fn add_local_tcp_address(
        &mut self,
        now: Instant,
        address: SocketAddr,
        tcp_type: TcpType,
    ) -> Result<(), Error> {
        self.check_open()?;
        self.register_address(now, address, Some(tcp_type))?;
        self.advance(now);
        Ok(())
    }

    /// The driver lost a stream, or could not open it. Checks over it have failed; when data went over it, another pair is
    /// looked for, this one included if we can open it again.
    pub fn stream_closed(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        end: StreamEnd,
    ) {
        if self.check_open().is_err() || !self.protocol_of(local).is_stream() {
            return;
        }
        if let Some(id) = self.list.find(local, remote) {
            tracing::debug!(%local, %remote, %end, "stream ended");
            self.forget_transactions(id);
            let worked = self.list.get(id).is_some_and(|pair| pair.valid.is_some());
            self.list.set_state(id, PairState::Failed);
            if let Some(pair) = self.list.get_mut(id) {
                pair.valid = None;
                pair.nominating = false;
            }
            let tcp = self.locals.base(local).and_then(|base| base.tcp);
            if worked && tcp != Some(TcpType::Passive) {
                self.list.set_state(id, PairState::Waiting);
                self.list.trigger(id, false);
            }
        }
        self.lose_selected(now, |s| s.local == local && s.remote == remote);
        self.advance(now);
    }

    /// When data went over a pair that is gone, the others are checked anew.
    fn lose_selected(&mut self, now: Instant, is_gone: impl Fn(&SelectedPair) -> bool) {
        if !self.selected.as_ref().is_some_and(|s| is_gone(&s.info)) {
            return;
        }
        self.selected = None;
        self.nominating = None;
        self.first_valid = None;
        self.nomination_at = None;
        self.challenger = None;
        self.list.recheck(None);
        self.begin_patience(now);
    }

    /// Removes the address of a socket that is gone, with its pairs. When the pair in use was among them, the agent is
    /// disconnected and looks for another.
    pub fn remove_local_address(&mut self, now: Instant, address: SocketAddr) {
        let gone: Vec<PairId> =
            self.list.iter().filter(|(_, p)| p.base == address).map(|(id, _)| id).collect();
        for id in gone {
            self.list.remove(id);
            self.forget_transactions(id);
        }
        self.locals.remove_base(address);
        self.gathering.queue.retain(|(base, ..)| *base != address);
        let mut lost = 0;
        self.transactions.retain(|p| {
            let gone = p.base == address;
            lost += usize::from(gone && matches!(p.kind, PendingKind::Gather { keepalive: false }));
            !gone
        });
        self.gathering.pending = self.gathering.pending.saturating_sub(lost);
        self.lose_selected(now, |s| s.local == address);
        self.advance(now);
    }

    /// Adds the relayed address of an allocation on a TURN server, which is like one more socket: what is to leave by it comes
    /// out of `poll_transmit` with it as its source, and is to be wrapped for the server; what the server unwraps goes in with it
    /// as its destination ([`Relays`](crate::relay::Relays) does both). [`remove_local_address`](Self::remove_local_address) takes
    /// it away.
    ///
    /// # Errors
    ///
    /// As [`add_local_address`](Self::add_local_address).
    pub fn add_relayed_address(
        &mut self,
        now: Instant,
        relay: RelayedAddress,
    ) -> Result<(), Error> {
        self.check_open()?;
        self.register_relay(now, relay)?;
        self.advance(now);
        Ok(())
    }

    /// Randomness for what goes with this agent, as [`Relays`](crate::relay::Relays).
    pub fn fork_rng(&mut self) -> Rng {
        self.rng.fork()
    }

    /// How the server of a relayed local candidate is reached; `None` for other candidates.
    pub fn relay_of(&self, candidate: &Candidate) -> Option<&RelayedAddress> {
        let address = candidate.socket_addr()?;
        self.locals.base(address)?.relay.as_ref()
    }

    /// Adds a STUN server by its resolved address.
    pub fn add_stun_server(&mut self, now: Instant, server: SocketAddr) -> Result<(), Error> {
        self.check_open()?;
        self.register_server(now, server)?;
        self.advance(now);
        Ok(())
    }

    /// Begins gathering: `GatheringState::Gathering`. After a restart gathering begins again by itself.
    pub fn start_gathering(&mut self, now: Instant) {
        if self.check_open().is_ok() {
            self.begin_gathering(now);
            self.advance(now);
        }
    }

    /// Says that no more local addresses or servers will be added: gathering completes when what is under way has
    /// ended, in this generation and in those after a restart.
    pub fn finish_gathering(&mut self, now: Instant) {
        self.gathering.finished = true;
        self.advance(now);
    }

    /// The gathering state.
    pub fn gathering_state(&self) -> GatheringState {
        self.gathering.state
    }

    /// The connection state.
    pub fn connection_state(&self) -> IceConnectionState {
        self.state
    }

    /// Adds a candidate of the peer. Candidates that cannot be used (other components, active TCP, names that are not
    /// `.local`, generations that are over) are ignored, and so are those beyond `max_remote_candidates`.
    pub fn add_remote_candidate(
        &mut self,
        now: Instant,
        candidate: Candidate,
    ) -> Result<(), Error> {
        self.check_open()?;
        let stale = match (candidate.ufrag(), &self.remote) {
            (Some(ufrag), Some(remote)) => ufrag.as_bytes() != remote.ufrag(),
            _ => false,
        };
        let usable = candidate.component == 1
            && match candidate.transport {
                CandidateTransport::Udp => true,
                // Active ones are never paired: their streams come from ports that nobody can name (RFC 6544 §6.2).
                CandidateTransport::Tcp => {
                    candidate.tcp_type().is_some_and(|tcp| tcp != TcpType::Active)
                }
                CandidateTransport::Other(_) => false,
            }
            && candidate.port != 0;
        if stale || !usable {
            return Ok(());
        }
        match &candidate.address {
            CandidateAddress::Ip(ip) => {
                let address = SocketAddr::new(*ip, candidate.port);
                self.learn_remote(now, candidate, address);
            }
            CandidateAddress::Mdns(name) if self.config.mdns != MdnsMode::Off => {
                let name = name.clone();
                if self.remotes.wait_for_name(candidate) {
                    self.push_event(Event::ResolveMdns { name });
                }
            }
            CandidateAddress::Mdns(_) | CandidateAddress::Fqdn(_) => {}
        }
        self.advance(now);
        Ok(())
    }

    fn learn_remote(&mut self, now: Instant, candidate: Candidate, address: SocketAddr) {
        let ip = address.ip();
        if ip.is_unspecified() || ip.is_multicast() {
            return;
        }
        match self.remotes.add(candidate, address, self.config.max_remote_candidates) {
            Added::New(index) => {
                self.pair_remote(index);
                // A late candidate gets its chance; there are only so many.
                let chance = now + self.config.timers.patience;
                self.give_up = self.give_up.map(|at| at.max(chance));
            }
            Added::Updated(index) => {
                let remote = self.remotes.get(index);
                self.list.update_remote(
                    index,
                    remote.foundation,
                    remote.candidate.priority,
                    self.role,
                );
                self.pair_remote(index);
            }
            Added::Ignored => {}
        }
    }

    /// Says that the peer has no more candidates (RFC 8838 §14).
    pub fn end_of_remote_candidates(&mut self, now: Instant) {
        self.remotes.ended = true;
        self.advance(now);
    }

    /// The driver resolved the name of an `Event::ResolveMdns`.
    pub fn mdns_resolved(&mut self, now: Instant, name: &str, addr: IpAddr) {
        for (candidate, address) in self.remotes.resolved(name, Some(addr)) {
            self.learn_remote(now, candidate, address);
        }
        self.advance(now);
    }

    /// The driver gave up on a name: its candidates are dropped.
    pub fn mdns_failed(&mut self, now: Instant, name: &str) {
        self.remotes.resolved(name, None);
        self.advance(now);
    }

    /// Ends the agent: nothing more is sent or answered.
    pub fn close(&mut self, _now: Instant) {
        if self.check_open().is_err() {
            return;
        }
        self.fail();
        self.clear_checks();
        self.gathering.queue.clear();
        self.saved = None;
        self.early.clear();
        self.pacing = None;
        self.patience = None;
        self.state = IceConnectionState::Closed;
        self.push_event(Event::ConnectionStateChange(IceConnectionState::Closed));
    }
}

/// Restarting (RFC 8445 §9).
impl IceAgent {
    /// Begins a new generation with fresh credentials, which it returns. The peer's credentials and candidates are
    /// forgotten; gathering begins again. The selected pair goes on carrying data, with its consent, until a new one is
    /// selected.
    pub fn restart(&mut self, now: Instant) -> Credentials {
        let credentials = Credentials::random(&mut self.rng);
        self.restart_with(now, credentials.clone());
        credentials
    }

    /// As [`restart`](Self::restart), with credentials that were drawn before: an offer names them when it is created, but
    /// the restart begins when it is set (RFC 9429 §5.9).
    pub fn restart_with(&mut self, now: Instant, credentials: Credentials) {
        if self.check_open().is_err() {
            return;
        }
        let local = Arc::new(Session::new(&*self.provider, credentials));
        self.clear_checks();
        let saved = Saved {
            local: std::mem::replace(&mut self.local, local),
            remote: self.remote.take(),
            remotes: std::mem::take(&mut self.remotes),
        };
        // Two restarts without an answer between them: the older generation is the one to roll back to. With one between
        // them it is the newer, though no pair of it has been selected yet.
        if self.saved.is_none() || saved.remote.is_some() {
            self.saved = Some(saved);
        }
        self.failed = false;
        self.consent_lost = false;
        self.patience = None;
        self.tie_breaker = self.rng.u64();
        self.locals.clear_candidates();
        self.gather_again(now);
        self.advance(now);
    }

    /// Undoes a [`restart`](Self::restart) whose new remote credentials never came, as the rollback of an offer does.
    ///
    /// # Errors
    ///
    /// [`Error::NoRestart`] when there was none, or the new credentials are in use already.
    pub fn rollback_restart(&mut self, now: Instant) -> Result<(), Error> {
        self.check_open()?;
        if self.remote.is_some() {
            return Err(Error::NoRestart);
        }
        let saved = self.saved.take().ok_or(Error::NoRestart)?;
        self.clear_checks();
        self.local = saved.local;
        self.remote = saved.remote;
        self.remotes = saved.remotes;
        if self.remote.is_some() {
            self.begin_patience(now);
        }
        for index in 0..self.remotes.len() {
            self.pair_remote(index);
        }
        // The pair in use is one of the list again.
        let find = |s: &Selected| self.list.find(s.info.local, s.info.remote);
        let id = self.selected.as_ref().and_then(find);
        if let (Some(selected), Some(id)) = (&mut self.selected, id) {
            selected.pair = Some(id);
            if let Some(pair) = self.list.get_mut(id) {
                pair.valid = Some(pair.local_index);
                pair.authenticated = true;
                pair.nominated = selected.info.nominated;
                pair.rtt = selected.info.rtt;
                if let Some(before) = selected.before_restart.take() {
                    pair.go_on_from(&before);
                }
            }
            self.list.succeeded(id);
        }
        self.advance(now);
        Ok(())
    }

    /// Drops every pair and check. The pair in use stays, outside of the list.
    fn clear_checks(&mut self) {
        let in_use = self.selected.as_ref().and_then(|s| s.pair);
        let numbers = in_use.and_then(|id| Some(Box::new(self.stats(id, self.list.get(id)?))));
        self.list = CheckList::default();
        self.transactions.retain(|p| match &p.kind {
            PendingKind::Check(_) => false,
            PendingKind::Gather { .. } => true,
        });
        self.nominating = None;
        self.first_valid = None;
        self.nomination_at = None;
        self.challenger = None;
        self.early.clear();
        if let Some(selected) = &mut self.selected {
            selected.pair = None;
            selected.before_restart = numbers.or(selected.before_restart.take());
        }
    }
}

/// The five verbs.
impl IceAgent {
    /// Takes a datagram. Noise is counted and dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] after [`close`](Self::close); nothing else.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) -> Result<Handled, Error> {
        self.check_open()?;
        let handled = self.receive(now, input);
        // Data need nothing of the agent but, when it was thought dead, to notice the sign of life.
        if handled == Handled::Stun || (self.disconnected && handled == Handled::Data) {
            self.advance(now);
        }
        Ok(handled)
    }

    /// Does what is due by `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.check_open().is_ok() {
            self.advance(now);
        }
    }

    /// Everything that time or a change makes due.
    fn advance(&mut self, now: Instant) {
        if self.check_open().is_err() {
            return;
        }
        self.run_transactions(now);
        self.keep_bindings_alive(now);
        self.run_consent(now);
        self.consider_nomination(now);
        self.run_paced(now);
        self.check_patience(now);
        self.update_gathering(now);
        self.report_pairs();
        self.update_state();
    }

    /// When `handle_timeout` is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.check_open().is_err() {
            return None;
        }
        let waiting = self.selected.is_none() && !self.failed;
        let patience = if self.checks_open(0) { self.give_up } else { self.patience };
        let patience = patience.filter(|_| waiting && self.patience.is_some());
        let gathering = self.gathering.deadline.filter(|_| {
            self.gathering.state == GatheringState::Gathering && self.gathering.finished
        });
        let consent = self
            .selected
            .as_ref()
            .map(|s| s.consent.deadline(self.disconnected, &self.config.timers));
        [
            self.transactions.deadline(),
            self.pacing,
            self.nomination_at.filter(|_| !self.failed),
            self.challenger.map(|(_, at)| at).filter(|_| !self.failed),
            consent,
            patience,
            gathering,
            self.gathering.keepalive,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Appends the next datagram to `buf` and says where it goes.
    pub fn poll_transmit(&mut self, _now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        self.write_next(buf)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

/// Asking.
impl IceAgent {
    /// Whether data from `source` to the local address `destination` may be handed on: the pair passed a check.
    pub fn is_known_source(&self, source: SocketAddr, destination: SocketAddr) -> bool {
        self.knows_source(source, destination)
    }

    /// Whether this datagram is for this agent, without handling it: a check addressed to our ufrag, a response to a
    /// request of ours, or data from a source that passed a check. For drivers that share a socket among connections.
    pub fn wants(&self, input: &Input<'_>) -> bool {
        if demux::classify(input.data) != demux::PacketKind::Stun {
            return self.knows_source(input.source, input.destination);
        }
        let Ok(message) = Message::parse(input.data) else { return false };
        match message.class() {
            Class::SuccessResponse | Class::ErrorResponse => {
                self.transactions.get(message.transaction_id()).is_some()
            }
            Class::Request => {
                message.username().is_some_and(|u| self.addressed_session(u).is_some())
            }
            Class::Indication => self.knows_source(input.source, input.destination),
        }
    }

    /// The pair over which to send data, as long as there is consent to send.
    pub fn selected_pair(&self) -> Option<&SelectedPair> {
        self.selected.as_ref().map(|s| &s.info)
    }

    /// Whether the selected pair is of this generation, not of one before a restart.
    pub fn is_pair_of_generation(&self) -> bool {
        self.selected.as_ref().is_some_and(|s| s.pair.is_some())
    }

    fn stats(&self, id: PairId, pair: &Pair) -> PairStats {
        let local = self.locals.get(pair.valid.unwrap_or(pair.local_index));
        PairStats {
            local: pair.base,
            remote: pair.remote,
            local_candidate: local.published.clone().unwrap_or_else(|| local.candidate.clone()),
            remote_candidate: self.remotes.get(pair.remote_index).candidate.clone(),
            local_ufrag: self.local.credentials.ufrag().to_owned(),
            remote_ufrag: self.remote.as_ref().map_or("", |r| r.credentials.ufrag()).to_owned(),
            priority: pair.priority,
            state: pair.state,
            nominated: pair.nominated,
            selected: self.selected.as_ref().is_some_and(|s| s.pair == Some(id)),
            current_round_trip_time: pair.rtt,
            total_round_trip_time: pair.total_rtt,
            requests_sent: pair.requests_sent,
            requests_received: pair.requests_received,
            responses_sent: pair.responses_sent,
            responses_received: pair.responses_received,
            consent_requests_sent: pair.consent_requests_sent,
        }
    }

    /// Numbers of every pair of this generation, and of the pair in use if it is of the one before.
    pub fn pairs(&self) -> Vec<PairStats> {
        let before = self.selected.as_ref().and_then(|selected| {
            let before = selected.before_restart.as_deref()?.clone();
            Some(PairStats { current_round_trip_time: selected.info.rtt, ..before })
        });
        self.list.iter().map(|(id, pair)| self.stats(id, pair)).chain(before).collect()
    }

    /// Local candidates of this generation, as told to the peer.
    pub fn local_candidates(&self) -> Vec<Candidate> {
        let live = self.locals.iter().filter(|c| self.locals.base(c.base).is_some());
        live.filter_map(|c| c.published.clone()).collect()
    }

    /// The STUN server that a server-reflexive candidate of this generation was learnt from.
    pub fn server_of(&self, candidate: &Candidate) -> Option<SocketAddr> {
        let is_it = |local: &LocalCandidate| {
            local.candidate == *candidate || local.published.as_ref() == Some(candidate)
        };
        self.locals.iter().filter(|local| local.server.is_some()).find(|c| is_it(c))?.server
    }

    /// Remote candidates of this generation, peer-reflexive ones included.
    pub fn remote_candidates(&self) -> Vec<Candidate> {
        self.remotes.iter().map(|c| c.candidate.clone()).collect()
    }

    /// The same with the addresses that packets come from: that of a name is known once it is resolved.
    pub fn remote_candidate_addresses(&self) -> impl Iterator<Item = (&Candidate, SocketAddr)> {
        self.remotes.iter().map(|c| (&c.candidate, c.address))
    }

    /// What was dropped.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

/// The ufrag that a connectivity check is addressed to: the first half of its USERNAME. By it a server finds the
/// connection before it knows the peer's address. `None` when the datagram is no STUN request.
pub fn local_ufrag(datagram: &[u8]) -> Option<&str> {
    if demux::classify(datagram) != demux::PacketKind::Stun {
        return None;
    }
    let message = Message::parse(datagram).ok().filter(|m| m.class() == Class::Request)?;
    let username = message.username()?;
    let end = username.iter().position(|b| *b == b':')?;
    std::str::from_utf8(&username[..end]).ok()
}

impl std::fmt::Debug for IceAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceAgent")
            .field("role", &self.role)
            .field("state", &self.state)
            .field("pairs", &self.list.len())
            .field("selected", &self.selected.as_ref().map(|s| (s.info.local, s.info.remote)))
            .finish_non_exhaustive()
    }
}
