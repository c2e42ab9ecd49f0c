//! The server that runs: threads with sockets around [`Server`].
//!
//! Each worker is a thread with a [`Server`] of its own and sockets of its own on the same addresses (`SO_REUSEPORT`): the
//! system gives a client's datagrams always to the same worker, so that nothing is shared where data is relayed. Datagrams are
//! taken and sent in batches (`recvmmsg`, GRO, GSO). No runtime: see `docs/performance.md` for what that saves.

mod batch;
mod dtls;
mod http;
mod stream;
mod streams;
mod udp;
mod worker;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fmt, io};

use peerage_crypto::Rng;
use thiserror::Error;

use crate::config::Config;
use crate::error::ConfigError;
use crate::metrics::Counters;
use crate::server::Server;
use crate::shared::Shared;
use crate::types::Event;

use self::dtls::Associations;
use self::stream::Stream;
use self::streams::Listener;
use self::udp::Parked;
use self::worker::{Sockets, Worker};

/// Called with what happens to allocations ([`Event::Allocated`], [`Event::Freed`]), on the worker's thread: it must not block.
pub type Observer = Arc<dyn Fn(&Event) + Send + Sync>;

/// How a server runs.
#[derive(Clone)]
pub struct Options {
    /// What it does.
    pub config: Config,
    /// Where it listens for UDP; port 0 is any.
    pub udp: Vec<SocketAddr>,
    /// Where it listens for TCP.
    pub tcp: Vec<SocketAddr>,
    /// Where it listens for TLS over TCP, which needs an identity.
    pub tls: Vec<SocketAddr>,
    /// Where it listens for DTLS over UDP, which needs an identity too.
    pub dtls: Vec<SocketAddr>,
    /// The certificate for TLS and DTLS.
    pub identity: Option<Identity>,
    /// Threads: one for each processor, unless given.
    pub workers: Option<NonZeroUsize>,
    /// Where it serves `GET /metrics`, for Prometheus, to whoever asks: not an address of the public network.
    pub metrics: Option<SocketAddr>,
    /// Who is told of allocations.
    pub observer: Option<Observer>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("udp", &self.udp)
            .field("tcp", &self.tcp)
            .field("tls", &self.tls)
            .field("dtls", &self.dtls)
            .field("identity", &self.identity)
            .field("workers", &self.workers)
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// Of a configuration, without any listener.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            udp: Vec::new(),
            tcp: Vec::new(),
            tls: Vec::new(),
            dtls: Vec::new(),
            identity: None,
            workers: None,
            metrics: None,
            observer: None,
        }
    }
}

/// A certificate for TLS and DTLS, in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate and those that lead to it, PEM.
    pub chain: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// Why a server does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is nowhere to listen.
    #[error("there is nowhere to listen: name an address for UDP, TCP, TLS or DTLS")]
    NoListener,
    /// An address cannot be listened on.
    #[error("cannot listen for {what} on {address}: {source}")]
    Listen {
        /// For what.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// TLS or DTLS is asked for, and there is no certificate.
    #[error("TLS and DTLS need a certificate and its key")]
    NoIdentity,
    /// A certificate or its key cannot be used.
    #[error("cannot {what} {path}: {source}")]
    Certificate {
        /// What cannot be done.
        what: &'static str,
        /// With which file.
        path: String,
        /// Why.
        source: openssl::error::ErrorStack,
    },
    /// The system refuses something else.
    #[error("cannot {what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct TurnServer {
    control: Arc<Control>,
    threads: Vec<JoinHandle<()>>,
    udp: Vec<SocketAddr>,
    tcp: Vec<SocketAddr>,
    tls: Vec<SocketAddr>,
    dtls: Vec<SocketAddr>,
    metrics: Option<SocketAddr>,
}

/// What the handle and the workers share.
pub(crate) struct Control {
    shared: Arc<Shared>,
    draining: AtomicBool,
    closing: AtomicBool,
    wakers: Mutex<Vec<mio::Waker>>,
    counters: Vec<Mutex<Counters>>,
    parked: Mutex<Parked>,
    /// Streams that other workers hand over to each.
    inboxes: Vec<Mutex<Vec<Stream>>>,
    started: Instant,
}

impl TurnServer {
    /// Binds all addresses and starts the workers.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let mut config = options.config;
        let lists = [&options.udp, &options.tcp, &options.tls, &options.dtls];
        if lists.iter().all(|list| list.is_empty()) {
            return Err(StartError::NoListener);
        }
        config.own_addresses.extend(own_addresses(lists.into_iter().flatten()));
        let system = |what| move |source| StartError::System { what, source };
        let now = Instant::now();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut rng = Rng::from_os();
        let provider = peerage_crypto::default_provider();
        let shared = Shared::new(config, provider, now, unix, &mut rng)?;
        let count = options
            .workers
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get)
            // The number of a worker is a byte.
            .min(128);

        let mut sockets: Vec<Sockets> = (0..count).map(|_| Sockets::default()).collect();
        let udp = listen_udp(&options.udp, "UDP", &mut sockets)?;
        let dtls = listen_udp(&options.dtls, "DTLS", &mut sockets)?;
        let identity = options.identity.as_ref();
        if identity.is_none() && !(options.tls.is_empty() && options.dtls.is_empty()) {
            return Err(StartError::NoIdentity);
        }
        let acceptor = identity.map(stream::acceptor).transpose()?.map(Arc::new);
        let dtls_config = match identity {
            Some(identity) if !options.dtls.is_empty() => Some(dtls::config(identity)?),
            _ => None,
        };
        let tcp = listen_tcp(&options.tcp, None, &mut sockets)?;
        let tls = listen_tcp(&options.tls, acceptor.as_ref(), &mut sockets)?;
        let http = options
            .metrics
            .map(|address| {
                http::listen(address).map_err(|source| StartError::Listen {
                    what: "metrics",
                    address,
                    source,
                })
            })
            .transpose()?;

        let control = Arc::new(Control {
            shared: Arc::clone(&shared),
            draining: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            wakers: Mutex::default(),
            counters: (0..count).map(|_| Mutex::default()).collect(),
            parked: Mutex::default(),
            inboxes: (0..count).map(|_| Mutex::default()).collect(),
            started: now,
        });
        let mut threads = Vec::new();
        for (index, mut sockets) in sockets.into_iter().enumerate() {
            sockets.dtls = dtls_config
                .as_ref()
                .map(|config| Associations::new(Arc::clone(config), rng.fork(), now));
            sockets.plain = udp.len();
            let server = Server::new(Arc::clone(&shared), now, rng.fork());
            let observer = options.observer.clone();
            let worker = Worker::new(index, server, sockets, Arc::clone(&control), observer)
                .map_err(system("watch sockets"))?;
            let thread = std::thread::Builder::new()
                .name(format!("turn-{index}"))
                .spawn(move || worker.run())
                .map_err(system("start a thread"))?;
            threads.push(thread);
        }
        let metrics = match http {
            Some((listener, address)) => {
                let control = Arc::clone(&control);
                let thread = std::thread::Builder::new()
                    .name("turn-metrics".into())
                    .spawn(move || http::serve(&listener, &control))
                    .map_err(system("start a thread"))?;
                threads.push(thread);
                Some(address)
            }
            None => None,
        };
        Ok(Self { control, threads, udp, tcp, tls, dtls, metrics })
    }

    /// Where it listens for UDP.
    pub fn udp_addresses(&self) -> &[SocketAddr] {
        &self.udp
    }

    /// Where it listens for TCP.
    pub fn tcp_addresses(&self) -> &[SocketAddr] {
        &self.tcp
    }

    /// Where it listens for TLS.
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.tls
    }

    /// Where it listens for DTLS.
    pub fn dtls_addresses(&self) -> &[SocketAddr] {
        &self.dtls
    }

    /// Where it serves metrics.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Allocations there are, in all workers.
    pub fn allocations(&self) -> usize {
        self.control.allocations()
    }

    /// What all workers have counted.
    pub fn counters(&self) -> Counters {
        self.control.counters()
    }

    /// The metrics in Prometheus's text format.
    pub fn prometheus(&self) -> String {
        self.control.prometheus()
    }

    /// From now on makes no allocation; those that are there go on until their clients end them, or they end by themselves, an
    /// hour later at most. [`Self::allocations`] tells how many are left.
    pub fn drain(&self) {
        self.control.draining.store(true, Ordering::Relaxed);
        self.control.wake();
    }

    /// Drains until no allocation is left or `patience` is over, then ends.
    pub fn shut_down(self, patience: Duration) {
        self.drain();
        let until = Instant::now() + patience;
        while self.allocations() > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        self.control.closing.store(true, Ordering::Relaxed);
        self.control.wake();
        if let Some(address) = self.metrics {
            // The thread that serves metrics waits for a connection.
            let _ = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200));
        }
        for thread in self.threads.drain(..) {
            // A worker that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Control {
    fn wake(&self) {
        for waker in self.wakers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // A worker that is gone need not wake.
            let _ = waker.wake();
        }
    }

    /// Gives a stream to a worker.
    fn hand_over(&self, worker: u8, stream: Stream) {
        let worker = usize::from(worker);
        if let Some(inbox) = self.inboxes.get(worker) {
            inbox.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        }
        if let Some(waker) = self.wakers.lock().unwrap_or_else(PoisonError::into_inner).get(worker)
        {
            // As above.
            let _ = waker.wake();
        }
    }

    fn inbox(&self, worker: usize) -> Vec<Stream> {
        std::mem::take(&mut *self.inboxes[worker].lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for counters in &self.counters {
            sum.add(&counters.lock().unwrap_or_else(PoisonError::into_inner));
        }
        sum
    }

    fn allocations(&self) -> usize {
        self.shared.tables().allocations()
    }

    fn prometheus(&self) -> String {
        let mut text = String::new();
        for (name, help, value) in [
            ("allocations_active", "Allocations there are.", self.allocations() as u64),
            ("workers", "Worker threads.", self.counters.len() as u64),
            (
                "draining",
                "1 while no allocation is made.",
                u64::from(self.draining.load(Ordering::Relaxed)),
            ),
            ("uptime_seconds", "Since the start.", self.started.elapsed().as_secs()),
        ] {
            text += &format!(
                "# HELP peerage_turn_{name} {help}\n# TYPE peerage_turn_{name} gauge\npeerage_turn_{name} {value}\n"
            );
        }
        self.counters().prometheus(&mut text);
        text
    }
}

/// Listens for UDP, with a socket for each worker.
fn listen_udp(
    addresses: &[SocketAddr],
    what: &'static str,
    sockets: &mut [Sockets],
) -> Result<Vec<SocketAddr>, StartError> {
    let several = sockets.len() > 1;
    let mut bound = Vec::new();
    for mut address in addresses.iter().copied() {
        for sockets in &mut *sockets {
            let socket = udp::listen(address, several).map_err(|source| StartError::Listen {
                what,
                address,
                source,
            })?;
            // The first one's port, where any is asked for.
            address = socket.local();
            sockets.udp.push(socket);
        }
        bound.push(address);
    }
    Ok(bound)
}

/// Listens for TCP, or for TLS where there is an acceptor, with a socket for each worker.
fn listen_tcp(
    addresses: &[SocketAddr],
    tls: Option<&Arc<openssl::ssl::SslAcceptor>>,
    sockets: &mut [Sockets],
) -> Result<Vec<SocketAddr>, StartError> {
    let what = if tls.is_some() { "TLS" } else { "TCP" };
    let several = sockets.len() > 1;
    let mut bound = Vec::new();
    for mut address in addresses.iter().copied() {
        for sockets in &mut *sockets {
            let listening = stream::listen(address, several)
                .and_then(|io| Ok((io.local_addr()?, io)))
                .map_err(|source| StartError::Listen { what, address, source })?;
            let (local, io) = listening;
            address = local;
            sockets.tcp.push(Listener { io, tls: tls.cloned(), local });
        }
        bound.push(address);
    }
    Ok(bound)
}

/// The addresses of the host, as far as the system tells.
fn own_addresses<'a>(listeners: impl Iterator<Item = &'a SocketAddr>) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .iter()
        .map(|interface| interface.ip())
        .collect();
    addresses.extend(listeners.map(SocketAddr::ip));
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
