//! Names to addresses: host names of STUN servers by the system's resolver, `.local` candidates by multicast DNS.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use peerage_peerconnection::PeerConnection as Protocol;
use tokio::sync::mpsc;

use super::ConnectionId;
use super::connection::Request;
use super::mdns::MdnsPort;

/// A name server that says nothing must not hold gathering up longer than the STUN transaction itself would.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Lookups under way at once; further ones fail at once, which costs server-reflexive candidates only.
const MAX_LOOKUPS: usize = 256;

/// What a connection asked for.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Addresses of a host; none if it could not be resolved.
    Host(u32, Vec<SocketAddr>),
    /// The address of an mDNS name; none if nobody answered.
    Mdns(String, Option<IpAddr>),
}

impl Answer {
    /// Hands the answer to the connection.
    pub(crate) fn apply(self, pc: &mut Protocol, now: Instant) {
        match self {
            Self::Host(id, addresses) => pc.host_resolved(now, id, &addresses),
            Self::Mdns(name, addresses) => pc.mdns_resolved(now, &name, addresses.as_slice()),
        }
    }
}

/// All lookups of one endpoint.
pub(crate) struct Resolver {
    hosts: mpsc::UnboundedReceiver<(ConnectionId, Answer)>,
    hosts_done: mpsc::UnboundedSender<(ConnectionId, Answer)>,
    lookups: usize,
    failed: VecDeque<(ConnectionId, Answer)>,
    mdns: MdnsPort,
}

impl Resolver {
    pub(crate) fn new(mdns: MdnsPort) -> Self {
        let (hosts_done, hosts) = mpsc::unbounded_channel();
        Self { hosts, hosts_done, lookups: 0, failed: VecDeque::new(), mdns }
    }

    /// Begins what a connection asked for.
    pub(crate) fn request(&mut self, now: Instant, connection: ConnectionId, request: Request) {
        match request {
            Request::ResolveHost { id, host, port } => self.lookup(connection, id, host, port),
            Request::ResolveMdns(name) => self.mdns.resolve(now, connection, name),
            Request::PublishMdns(name, address) => {
                self.mdns.publish(now, connection, name, address);
            }
        }
    }

    fn lookup(&mut self, connection: ConnectionId, id: u32, host: String, port: u16) {
        if self.lookups >= MAX_LOOKUPS {
            tracing::warn!(%host, "too many name lookups at once");
            self.failed.push_back((connection, Answer::Host(id, Vec::new())));
            return;
        }
        self.lookups += 1;
        let done = self.hosts_done.clone();
        // Short-lived and bounded in time: the system's resolver blocks, so that tokio runs it on its own threads.
        tokio::spawn(async move {
            let target = (host.as_str(), port);
            let addresses =
                match tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host(target)).await {
                    Ok(Ok(addresses)) => addresses.collect(),
                    Ok(Err(error)) => {
                        tracing::warn!(%host, %error, "ICE server not found");
                        Vec::new()
                    }
                    Err(_) => {
                        tracing::warn!(%host, "no answer about this ICE server within 5 s");
                        Vec::new()
                    }
                };
            let _ = done.send((connection, Answer::Host(id, addresses)));
        });
    }

    /// The next answer.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Poll<(ConnectionId, Answer)> {
        if let Some(failed) = self.failed.pop_front() {
            return Poll::Ready(failed);
        }
        if let Poll::Ready(Some(answer)) = self.hosts.poll_recv(cx) {
            self.lookups -= 1;
            return Poll::Ready(answer);
        }
        self.mdns.poll(cx, now)
    }

    /// A connection is gone: its names are no longer answered for.
    pub(crate) fn forget(&mut self, now: Instant, connection: ConnectionId) {
        self.mdns.forget(now, connection);
    }
}
