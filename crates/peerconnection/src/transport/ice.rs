//! The ICE transport: the agent with what surrounds it, which is local addresses before gathering begins, servers and
//! their names, and the end of gathering. The connection calls it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use peerage_crypto::{CryptoProvider, Rng};
use peerage_ice::{Candidate, IceAgent, IceConfig, Role, TransportPolicy};

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
    /// The URL that has it.
    url: String,
}

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
    servers: Vec<IceServerUrl>,
    /// Addresses of theirs that the agent asks, and their URLs.
    asked: Vec<(SocketAddr, String)>,
    pending_hosts: Vec<PendingHost>,
    next_host_id: u32,
    gathering: bool,
    addresses_complete: bool,
    finished: bool,
    /// When unanswered look-ups no longer hold up the end of gathering.
    host_deadline: Option<Instant>,
    host_timeout: std::time::Duration,
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
            agent: IceAgent::new(now, ice_config, rng.fork(), provider),
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
        let mut requests = Vec::new();
        self.pending_hosts.clear();
        self.asked.clear();
        for server in &self.servers {
            // A TURN server answers Binding requests as well (webrtc-pc §4.4.1.1). TLS and TCP are not spoken yet.
            if !matches!(server.scheme, Scheme::Stun | Scheme::Turn) {
                continue;
            }
            match server.ip() {
                Some(ip) => {
                    // More servers than the agent takes are left out, as webrtc-pc §4.2.1 allows.
                    let address = SocketAddr::new(ip, server.port);
                    let _ = self.agent.add_stun_server(now, address);
                    self.asked.push((address, server.text.clone()));
                }
                None => {
                    let id = self.next_host_id;
                    self.next_host_id = self.next_host_id.wrapping_add(1);
                    self.pending_hosts.push(PendingHost { id, url: server.text.clone() });
                    requests.push(HostRequest { id, host: server.host.clone(), port: server.port });
                }
            }
        }
        self.host_deadline = (!requests.is_empty()).then(|| now + self.host_timeout);
        self.agent.start_gathering(now);
        self.finish_if_done(now);
        requests
    }

    pub(crate) fn host_resolved(&mut self, now: Instant, id: u32, addresses: &[SocketAddr]) {
        let Some(position) = self.pending_hosts.iter().position(|host| host.id == id) else {
            return;
        };
        let PendingHost { url, .. } = self.pending_hosts.swap_remove(position);
        for &address in addresses.iter().take(MAX_ADDRESSES_PER_HOST) {
            let _ = self.agent.add_stun_server(now, address);
            self.asked.push((address, url.clone()));
        }
        self.finish_if_done(now);
    }

    /// The URL of the server that a local candidate was learnt from. Of a generation that is over it is not known.
    pub(crate) fn url_of(&self, candidate: &Candidate) -> Option<&str> {
        let server = self.agent.server_of(candidate)?;
        let (_, url) = self.asked.iter().find(|(address, _)| *address == server)?;
        Some(url)
    }

    pub(crate) fn addresses_complete(&mut self, now: Instant) {
        self.addresses_complete = true;
        self.finish_if_done(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.host_deadline.is_some_and(|deadline| deadline <= now) {
            self.pending_hosts.clear();
            self.finish_if_done(now);
        }
        self.agent.handle_timeout(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let agent = self.agent.poll_timeout();
        match self.host_deadline {
            Some(deadline) => Some(agent.map_or(deadline, |at| at.min(deadline))),
            None => agent,
        }
    }

    fn finish_if_done(&mut self, now: Instant) {
        if !self.pending_hosts.is_empty() {
            return;
        }
        self.host_deadline = None;
        if self.gathering && self.addresses_complete && !self.finished {
            self.finished = true;
            self.agent.finish_gathering(now);
        }
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
