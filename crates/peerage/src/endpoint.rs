//! Sockets shared by any number of connections, and the task that drives them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use peerage_crypto::Rng;
use tokio::sync::{mpsc, oneshot};

use crate::driver::{Driver, Listener, NewConnection};
use crate::interfaces::{InterfaceFilter, InterfacePolicy, local_addresses};
use crate::lifeline::{COMMAND_QUEUE, Command, Control, Lifeline};
use crate::peer_connection::PeerConnection;
use crate::socket::Socket;
use crate::{Configuration, Error};

/// How an endpoint binds and what it lets each connection hold.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EndpointConfig {
    /// Addresses to bind; empty binds one socket per interface address. The unspecified address (`0.0.0.0:port`,
    /// `[::]:port`) binds one socket that offers every interface address with that port, as servers do. An address that is
    /// named more than once, with port 0, gets as many sockets: only two ends with one port each that do not bundle need that
    /// (see [`BundlePolicy`](crate::BundlePolicy)).
    pub addresses: Vec<SocketAddr>,
    /// The port of sockets bound per interface; 0 lets the system choose.
    pub port: u16,
    /// Which interfaces are used.
    pub interfaces: InterfacePolicy,
    /// Which of their addresses are used; all if `None`.
    pub interface_filter: Option<InterfaceFilter>,
    /// Whether interfaces that come and go are followed (true at first): connections trickle new candidates, and leave paths
    /// that are gone. Endpoints bound to specific addresses, and those on loopback only, follow nothing.
    pub follow_interfaces: bool,
    /// At most so many interface addresses are used (8 at first): each costs every connection its checks.
    pub max_addresses: usize,
    /// Bytes that one channel queues before `send` waits (1 MiB at first).
    pub send_buffer: usize,
    /// Bytes of one connection that may lie unread in its channels before the peer is made to wait (8 MiB at first).
    pub receive_budget: usize,
    /// Events of one connection that may wait unread (1024 at first); further ones are dropped and counted in the log.
    pub event_queue: usize,
    /// Connections at once (100,000 at first).
    pub max_connections: usize,
    /// ICE-TCP: whether connections open streams to the peer's addresses, and whether they can be opened to ours.
    pub ice_tcp: IceTcp,
    /// Certificates in PEM that servers of `turns:` URLs are trusted by, beside the system's.
    pub tls_roots: Option<Vec<u8>>,
    /// Whether `.local` candidates are resolved and published by multicast DNS (true at first). The multicast socket is
    /// opened when the first name comes up.
    pub mdns: bool,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            port: 0,
            interfaces: InterfacePolicy::Default,
            interface_filter: None,
            follow_interfaces: true,
            max_addresses: 8,
            send_buffer: 1 << 20,
            receive_budget: 8 << 20,
            event_queue: 1024,
            max_connections: 100_000,
            ice_tcp: IceTcp::default(),
            tls_roots: None,
            mdns: true,
        }
    }
}

/// Candidates of ICE-TCP (RFC 6544). They come after every other way but relays, as RTP wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum IceTcp {
    /// None.
    Off,
    /// We open streams: no socket before a peer can be connected to. This is what browsers do.
    #[default]
    Active,
    /// The peer may open them as well: a socket listens at each interface address. For servers that are to be reached by
    /// browsers behind firewalls that let no UDP through.
    Listen {
        /// The port, which must not be that of the UDP sockets; 0 lets the system choose.
        port: u16,
    },
}

impl EndpointConfig {
    /// Loopback only: for tests and programs whose peers are all on this machine.
    pub fn loopback() -> Self {
        Self { interfaces: InterfacePolicy::LoopbackOnly, ..Self::default() }
    }

    /// Whether there is anything to follow.
    pub(crate) fn follows_interfaces(&self) -> bool {
        self.follow_interfaces
            && self.interfaces != InterfacePolicy::LoopbackOnly
            && self.addresses.iter().all(|address| address.ip().is_unspecified())
    }

    /// One socket at `address`, shared by all connections: what a server wants.
    pub fn single(address: SocketAddr) -> Self {
        Self { addresses: vec![address], ..Self::default() }
    }
}

/// Sockets and the one task that drives them together with all connections on them.
///
/// Cheap to clone. The task ends when all handles of the endpoint, its connections and their channels are gone.
#[derive(Clone, Debug)]
pub struct Endpoint(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    commands: mpsc::Sender<Command>,
    control: mpsc::UnboundedSender<Control>,
    next_id: AtomicU64,
    local: Vec<SocketAddr>,
}

impl Endpoint {
    /// Binds the sockets and starts the driver on the current tokio runtime.
    ///
    /// # Errors
    /// [`Error::NoRuntime`] outside of a runtime, [`Error::Bind`] (a busy port, say), [`Error::NoAddress`].
    #[allow(
        clippy::unused_async,
        reason = "room for asynchronous set-up without a break of the interface"
    )]
    pub async fn bind(config: EndpointConfig) -> Result<Self, Error> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let interfaces = local_addresses(
            config.interfaces,
            config.max_addresses,
            config.interface_filter.as_ref(),
        )
        .map_err(Error::Interfaces)?;
        let addresses = if config.addresses.is_empty() {
            interfaces.iter().map(|ip| SocketAddr::new(*ip, config.port)).collect()
        } else {
            config.addresses.clone()
        };
        let mut sockets = Vec::with_capacity(addresses.len());
        for address in addresses {
            match Socket::bind(address, &interfaces) {
                Ok(socket) => sockets.push(socket),
                // An interface may vanish, or be tentative, between listing and binding; what was asked for by name may not.
                Err(error) if config.addresses.is_empty() && config.port == 0 => {
                    tracing::debug!(%address, %error, "interface address not bound");
                }
                Err(source) => return Err(Error::Bind { address, source }),
            }
        }
        if sockets.iter().all(|socket| socket.addresses.is_empty()) {
            return Err(Error::NoAddress);
        }
        let listeners = listeners(&sockets, &config)?;
        let (endpoint, driver) = Self::over(sockets, listeners, config);
        runtime.spawn(driver);
        Ok(endpoint)
    }

    /// An endpoint over these sockets, and the task that has to run for it.
    pub(crate) fn over(
        sockets: Vec<Socket>,
        listeners: Vec<Listener>,
        config: EndpointConfig,
    ) -> (Self, Driver) {
        let local = sockets.iter().flat_map(|socket| socket.addresses.iter().copied()).collect();
        let (commands, command_queue) = mpsc::channel(COMMAND_QUEUE);
        let (control, control_queue) = mpsc::unbounded_channel();
        let driver = Driver::new(sockets, listeners, config, command_queue, control_queue);
        (Self(Arc::new(Inner { commands, control, next_id: AtomicU64::new(0), local })), driver)
    }

    /// A new connection on this endpoint's sockets.
    ///
    /// # Errors
    /// [`Error::Refused`] if the configuration is wrong (an ICE server URL, say), [`Error::ConnectionClosed`] if the
    /// endpoint is closed.
    pub async fn connect(&self, mut configuration: Configuration) -> Result<PeerConnection, Error> {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let lifeline = Arc::new(Lifeline::new(id, self.0.commands.clone(), self.0.control.clone()));
        let (reply, answer) = oneshot::channel();
        configuration.wall_clock = SystemTime::now();
        let new = NewConnection {
            id,
            configuration,
            rng: Rng::from_os(),
            lifeline: Arc::downgrade(&lifeline),
            reply,
        };
        self.0
            .commands
            .send(Command::Connect(Box::new(new)))
            .await
            .map_err(|_| Error::ConnectionClosed)?;
        let parts = answer.await.map_err(|_| Error::ConnectionClosed)??;
        Ok(PeerConnection::from_parts(lifeline, parts.events, parts.snapshot))
    }

    /// The addresses that candidates are made of, as the endpoint was bound; interfaces may have changed since.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.0.local
    }

    /// Closes all connections and the sockets; handles that are left report closure.
    pub fn close(&self) {
        let _ = self.0.control.send(Control::CloseEndpoint);
    }
}

/// One at each address of the sockets, if streams are to be accepted.
fn listeners(sockets: &[Socket], config: &EndpointConfig) -> Result<Vec<Listener>, Error> {
    let IceTcp::Listen { port } = config.ice_tcp else { return Ok(Vec::new()) };
    let mut listeners = Vec::new();
    let taken = || sockets.iter().flat_map(|socket| &socket.addresses);
    let mut seen = Vec::new();
    for ip in taken().map(SocketAddr::ip) {
        if seen.contains(&ip) {
            continue;
        }
        seen.push(ip);
        let address = SocketAddr::new(ip, port);
        let bind = || Listener::bind(address).map_err(|source| Error::Bind { address, source });
        let mut listener = bind()?;
        // The system may choose a port that one of our UDP sockets has: an address belongs to one protocol.
        for _ in 0..8 {
            if !taken().any(|taken| *taken == listener.local()) {
                break;
            }
            listener = bind()?;
        }
        if taken().any(|taken| *taken == listener.local()) {
            let reason = "a UDP socket has it: give ICE-TCP another port";
            let source = io::Error::new(io::ErrorKind::AddrInUse, reason);
            return Err(Error::Bind { address, source });
        }
        listeners.push(listener);
    }
    Ok(listeners)
}
