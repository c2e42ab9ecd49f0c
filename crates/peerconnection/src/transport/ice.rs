//! The ICE transport: the agent with what surrounds it, which is local addresses before gathering begins, servers and
//! their names, and the end of gathering. The connection calls it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use peerage_crypto::{CryptoProvider, Rng};
use peerage_ice::relay::{RelayEvent, RelayServer, Relays, Unwrapped};
use peerage_ice::{
    Candidate, CandidateTransport, Error as IceError, IceAgent, IceConfig, Input, Protocol, Role,
    StreamEnd, Transmit, TransportPolicy,
};

use crate::config::{Configuration, IceTransportPolicy, MAX_ICE_SERVERS};
use crate::error::Error;
use crate::ice_server::{IceServerUrl, Scheme};

/// Addresses of one server name that are used.
const MAX_ADDRESSES_PER_HOST: usize = 4;

/// Look-ups of one transport before the numbers are those of the next: far more than restarts can bring about.
const HOST_ID_BITS: u32 = 16;

/// A server name that waits for its addresses.
#[derive(Debug)]
struct PendingHost {
    id: u32,
    /// The server that has it.
    server: IceServerUrl,
}

/// A server that is of no use.
#[derive(Debug)]
pub(crate) struct ServerError {
    /// The socket from which it was tried.
    pub(crate) local: SocketAddr,
    pub(crate) url: String,
    pub(crate) code: u16,
    pub(crate) text: String,
}

/// Errors that wait to be told.
const MAX_ERRORS: usize = 64;

/// A name to be looked up.
#[derive(Debug)]
pub(crate) struct HostRequest {
    pub(crate) id: u32,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// See the module.
pub(crate) struct IceTransport {
    pub(crate) agent: IceAgent,
    pub(crate) relays: Relays,
    /// What is to be told of servers.
    pub(crate) errors: Vec<ServerError>,
    servers: Vec<IceServerUrl>,
    /// Addresses of theirs that are asked, how, and their URLs.
    asked: Vec<(SocketAddr, Protocol, String)>,
    pending_hosts: Vec<PendingHost>,
    next_host_id: u32,
    gathering: bool,
    addresses_complete: bool,
    finished: bool,
    /// When unanswered look-ups no longer hold up the end of gathering.
    host_deadline: Option<Instant>,
    host_timeout: std::time::Duration,
    /// It has passed: TURN servers that have not answered are not waited for either.
    late: bool,
}

impl IceTransport {
    /// `id` is that of the transport.
    pub(crate) fn new(
        now: Instant,
        config: &Configuration,
        rng: &mut Rng,
        provider: Arc<dyn CryptoProvider>,
        id: u32,
    ) -> Result<Self, Error> {
        let settings = &config.settings;
        let ice_config = IceConfig {
            role: Role::Controlled,
            lite: settings.ice_lite,
            transport_policy: match config.ice_transport_policy {
                IceTransportPolicy::All => TransportPolicy::All,
                IceTransportPolicy::Relay => TransportPolicy::Relay,
            },
            family_policy: settings.ice_families,
            mdns: settings.mdns,
            loopback: settings.ice_loopback,
            timers: settings.ice_timers.clone(),
            ..IceConfig::default()
        };
        Ok(Self {
            relays: Relays::new(Arc::clone(&provider)),
            agent: IceAgent::new(now, ice_config, rng.fork(), provider),
            errors: Vec::new(),
            servers: parse_servers(config)?,
            asked: Vec::new(),
            pending_hosts: Vec::new(),
            // Transports of one connection ask under numbers of their own.
            next_host_id: id << HOST_ID_BITS,
            gathering: false,
            addresses_complete: false,
            finished: false,
            host_deadline: None,
            host_timeout: settings.ice_timers.gathering_timeout,
            late: false,
        })
    }

    /// Replaces the servers; the next gathering uses them (webrtc-pc "set the configuration", step 9).
    pub(crate) fn set_servers(&mut self, config: &Configuration) -> Result<(), Error> {
        self.servers = parse_servers(config)?;
        Ok(())
    }

    /// Begins gathering, for the first time or after a restart; returns the names to be looked up.
    pub(crate) fn start_gathering(&mut self, now: Instant) -> Vec<HostRequest> {
        self.gathering = true;
        self.finished = false;
        self.late = false;
        let mut requests = Vec::new();
        self.pending_hosts.clear();
        self.asked.clear();
        for server in self.servers.clone() {
            if protocol_of(&server).is_none() {
                continue;
            }
            match server.ip() {
                Some(ip) => self.ask_server(now, SocketAddr::new(ip, server.port), &server),
                None => {
                    let id = self.next_host_id;
                    self.next_host_id = self.next_host_id.wrapping_add(1);
                    requests.push(HostRequest { id, host: server.host.clone(), port: server.port });
                    self.pending_hosts.push(PendingHost { id, server });
                }
            }
        }
        self.host_deadline =
            (!requests.is_empty() || self.relays.is_pending()).then(|| now + self.host_timeout);
        self.agent.start_gathering(now);
        self.settle_relays(now);
        requests
    }

    /// Asks a server for our address, and for one of its own.
    fn ask_server(&mut self, now: Instant, address: SocketAddr, server: &IceServerUrl) {
        let Some(protocol) = protocol_of(server) else { return };
        if protocol == Protocol::Udp {
            // A TURN server answers Binding requests as well (webrtc-pc §4.4.1.1). More servers than the agent takes are left out,
            // as webrtc-pc §4.2.1 allows.
            let _ = self.agent.add_stun_server(now, address);
        }
        self.asked.push((address, protocol, server.text.clone()));
        if let Some((username, password)) = server.credentials.clone() {
            let server = RelayServer { address, protocol, username, password };
            let agent = &mut self.agent;
            self.relays.add_server(now, server, || agent.fork_rng());
        }
    }

    /// A local socket.
    pub(crate) fn add_local_address(
        &mut self,
        now: Instant,
        address: SocketAddr,
    ) -> Result<(), IceError> {
        self.agent.add_local_address(now, address)?;
        self.relays.add_base(now, address);
        self.settle_relays(now);
        Ok(())
    }

    /// That socket is gone.
    pub(crate) fn remove_local_address(&mut self, now: Instant, address: SocketAddr) {
        self.agent.remove_local_address(now, address);
        self.relays.remove_base(now, address);
        self.settle_relays(now);
    }

    /// Has the TURN servers let the peer through before the first check goes to it: the peer's own checks would be dropped until
    /// then, and come again half a second later.
    pub(crate) fn permit_peers(&mut self, now: Instant) {
        if self.relays.is_empty() {
            return;
        }
        for (candidate, address) in self.agent.remote_candidate_addresses() {
            // A name that is not known yet has no address.
            if candidate.transport == CandidateTransport::Udp && !address.ip().is_unspecified() {
                self.relays.permit(now, address.ip());
            }
        }
    }

    /// Tells the agent of allocations.
    fn settle_relays(&mut self, now: Instant) {
        while let Some(event) = self.relays.poll_event() {
            match event {
                // One too many yields no candidate.
                RelayEvent::Allocated(relay) => {
                    let _ = self.agent.add_relayed_address(now, relay);
                    self.permit_peers(now);
                }
                RelayEvent::Lost(relayed) => self.agent.remove_local_address(now, relayed),
                RelayEvent::Failed { base, server, protocol, error } => {
                    let url = self.url_at(server, protocol).unwrap_or_default().to_owned();
                    if self.errors.len() < MAX_ERRORS {
                        let (code, text) = (error.code(), error.to_string());
                        self.errors.push(ServerError { local: base, url, code, text });
                    }
                }
                _ => {}
            }
        }
        self.finish_if_done(now);
    }

    /// Takes what came from a TURN server.
    pub(crate) fn unwrap(&mut self, now: Instant, input: &Input<'_>) -> Unwrapped {
        if self.relays.is_empty() {
            return Unwrapped::NotOurs;
        }
        let unwrapped = self.relays.handle_input(now, input);
        if unwrapped == Unwrapped::Handled {
            self.settle_relays(now);
        }
        unwrapped
    }

    /// Whether an address is at a TURN server.
    pub(crate) fn is_relayed(&self, address: SocketAddr) -> bool {
        !self.relays.is_empty() && self.relays.relayed().any(|relayed| relayed == address)
    }

    /// Makes of what leaves by a relayed address what goes to its server; anything else stays as it is. `None` where nothing goes
    /// now.
    pub(crate) fn wrap(
        &mut self,
        now: Instant,
        transmit: Transmit,
        buf: &mut Vec<u8>,
        start: usize,
    ) -> Option<Transmit> {
        if !self.is_relayed(transmit.source) {
            return Some(transmit);
        }
        self.relays.wrap(now, transmit, buf, start)
    }

    pub(crate) fn host_resolved(&mut self, now: Instant, id: u32, addresses: &[SocketAddr]) {
        let Some(position) = self.pending_hosts.iter().position(|host| host.id == id) else {
            return;
        };
        let PendingHost { server, .. } = self.pending_hosts.swap_remove(position);
        for &address in addresses.iter().take(MAX_ADDRESSES_PER_HOST) {
            self.ask_server(now, address, &server);
        }
        self.settle_relays(now);
    }

    /// The URL of the server that a local candidate was learnt from. Of a generation that is over it is not known.
    pub(crate) fn url_of(&self, candidate: &Candidate) -> Option<&str> {
        let server = self.agent.server_of(candidate)?;
        let protocol = self.agent.relay_of(candidate).map_or(Protocol::Udp, |relay| relay.protocol);
        self.url_at(server, protocol)
    }

    fn url_at(&self, server: SocketAddr, protocol: Protocol) -> Option<&str> {
        let is_it =
            |asked: &&(SocketAddr, Protocol, String)| (asked.0, asked.1) == (server, protocol);
        self.asked.iter().find(is_it).map(|(_, _, url)| &**url)
    }

    /// A stream of ICE-TCP, or to a TURN server, is no more.
    pub(crate) fn stream_closed(
        &mut self,
        now: Instant,
        protocol: Protocol,
        local: SocketAddr,
        remote: SocketAddr,
        end: StreamEnd,
    ) {
        if protocol == Protocol::Tcp {
            self.agent.stream_closed(now, local, remote, end);
        } else {
            self.relays.stream_closed(now, protocol, local, remote, &end.to_string());
            self.settle_relays(now);
        }
    }

    /// The host in the URL of the server at this address.
    pub(crate) fn host_of(&self, address: SocketAddr) -> Option<&str> {
        let is_it = |asked: &&(SocketAddr, Protocol, String)| {
            (asked.0, asked.1) == (address, Protocol::TurnTls)
        };
        let (_, _, url) = self.asked.iter().find(is_it)?;
        let server = self.servers.iter().find(|server| server.text == *url)?;
        Some(&server.host)
    }

    pub(crate) fn addresses_complete(&mut self, now: Instant) {
        self.addresses_complete = true;
        self.finish_if_done(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.host_deadline.is_some_and(|deadline| deadline <= now) {
            self.pending_hosts.clear();
            self.host_deadline = None;
            self.late = true;
            self.finish_if_done(now);
        }
        if self.relays.poll_timeout().is_some_and(|at| at <= now) {
            self.relays.handle_timeout(now);
            self.settle_relays(now);
        }
        self.agent.handle_timeout(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let timers = [self.agent.poll_timeout(), self.host_deadline, self.relays.poll_timeout()];
        timers.into_iter().flatten().min()
    }

    fn finish_if_done(&mut self, now: Instant) {
        let relays_pending = self.relays.is_pending() && !self.late;
        if !self.pending_hosts.is_empty() || relays_pending {
            return;
        }
        self.host_deadline = None;
        if self.gathering && self.addresses_complete && !self.finished {
            self.finished = true;
            self.agent.finish_gathering(now);
        }
    }
}

/// How a server is reached; `None` where it is not: STUN over TCP and TLS tells nothing that is of use, and DTLS is not spoken to
/// servers.
fn protocol_of(server: &IceServerUrl) -> Option<Protocol> {
    match (server.scheme, server.tcp) {
        (Scheme::Stun | Scheme::Turn, false) => Some(Protocol::Udp),
        (Scheme::Turn, true) => Some(Protocol::TurnTcp),
        (Scheme::Turns, true) => Some(Protocol::TurnTls),
        _ => None,
    }
}

fn parse_servers(config: &Configuration) -> Result<Vec<IceServerUrl>, Error> {
    let mut urls = Vec::new();
    for server in config.ice_servers.iter().take(MAX_ICE_SERVERS) {
        urls.extend(server.parse()?);
    }
    urls.truncate(MAX_ICE_SERVERS);
    Ok(urls)
}
