//! The multicast DNS sockets of an endpoint: opened when the first `.local` name comes up, one per IPv4 interface, since
//! a host may be reached by its name on each of them.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use peerage_ice::mdns::{MDNS_IPV4, MDNS_PORT, Mdns, MdnsConfig, MdnsEvent};
use peerage_ice::{Input, Protocol};
use rustc_hash::FxHashMap;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::time::Sleep;

use super::ConnectionId;
use super::resolver::Answer;

/// Multicast DNS messages fit one Ethernet frame unless their sender has the interface's word for more (RFC 6762 §17).
const MAX_MESSAGE: usize = 9_000;
/// Datagrams taken per turn: other hosts' chatter must not keep the endpoint busy.
const DATAGRAMS_PER_TURN: usize = 32;

/// The port of multicast DNS (RFC 6762 §3), if the endpoint wants one.
pub(crate) struct MdnsPort {
    enabled: bool,
    interfaces: Vec<Ipv4Addr>,
    sockets: Vec<UdpSocket>,
    mdns: Mdns,
    sleep: Option<Pin<Box<Sleep>>>,
    buffer: Vec<u8>,
    output: Vec<u8>,
    waiting: FxHashMap<String, Vec<ConnectionId>>,
    published: Vec<(ConnectionId, String)>,
    answers: Vec<(ConnectionId, Answer)>,
}

impl MdnsPort {
    /// `addresses` are those that the endpoint is bound to.
    pub(crate) fn new(enabled: bool, addresses: impl Iterator<Item = SocketAddr>) -> Self {
        let mut interfaces: Vec<_> = addresses
            .filter_map(|address| match address.ip() {
                IpAddr::V4(ip) => Some(ip),
                IpAddr::V6(_) => None,
            })
            .collect();
        interfaces.dedup();
        Self {
            enabled,
            interfaces,
            sockets: Vec::new(),
            mdns: Mdns::new(MdnsConfig::default()),
            sleep: None,
            buffer: Vec::new(),
            output: Vec::new(),
            waiting: FxHashMap::default(),
            published: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Asks for a name on behalf of a connection; the answer comes by [`Self::poll`].
    pub(crate) fn resolve(&mut self, now: Instant, connection: ConnectionId, name: String) {
        if !self.open() || self.mdns.resolve(now, &name).is_err() {
            self.answers.push((connection, Answer::Mdns(name, None)));
            return;
        }
        let waiting = self.waiting.entry(name).or_default();
        if !waiting.contains(&connection) {
            waiting.push(connection);
        }
    }

    /// Answers for a name as long as the connection lives.
    pub(crate) fn publish(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        name: String,
        address: IpAddr,
    ) {
        if !self.open() {
            return;
        }
        match self.mdns.publish(now, &name, address) {
            Ok(()) => self.published.push((connection, name)),
            Err(error) => tracing::warn!(%name, %error, "mDNS name not published"),
        }
    }

    /// The connection is gone.
    pub(crate) fn forget(&mut self, now: Instant, connection: ConnectionId) {
        let Self { mdns, published, waiting, .. } = self;
        published.retain(|(owner, name)| {
            if *owner == connection {
                mdns.unpublish(now, name);
            }
            *owner != connection
        });
        waiting.retain(|name, connections| {
            connections.retain(|waiting| *waiting != connection);
            if connections.is_empty() {
                mdns.cancel(name);
            }
            !connections.is_empty()
        });
    }

    fn open(&mut self) -> bool {
        if !self.sockets.is_empty() || !self.enabled {
            return self.enabled;
        }
        for interface in &self.interfaces {
            match bind(*interface) {
                Ok(socket) => self.sockets.push(socket),
                Err(error) => {
                    tracing::debug!(%interface, %error, "no multicast DNS on this interface");
                }
            }
        }
        if self.sockets.is_empty() {
            tracing::warn!(
                "no interface lets us speak multicast DNS: .local candidates stay unresolved"
            );
            self.enabled = false;
        }
        self.enabled
    }

    /// The next answer.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Poll<(ConnectionId, Answer)> {
        if !self.sockets.is_empty() {
            self.receive(cx, now);
            self.tick(cx, now);
            self.transmit(now);
        }
        while let Some(event) = self.mdns.poll_event() {
            let (name, address) = match event {
                MdnsEvent::Resolved { name, addr } => (name, Some(addr)),
                MdnsEvent::Failed { name } => (name, None),
                _ => continue,
            };
            for connection in self.waiting.remove(&name).unwrap_or_default() {
                self.answers.push((connection, Answer::Mdns(name.clone(), address)));
            }
        }
        self.answers.pop().map_or(Poll::Pending, Poll::Ready)
    }

    fn receive(&mut self, cx: &mut Context<'_>, now: Instant) {
        self.buffer.resize(MAX_MESSAGE, 0);
        for socket in &self.sockets {
            let mut taken = 0;
            loop {
                let mut datagram = ReadBuf::new(&mut self.buffer);
                match socket.poll_recv_from(cx, &mut datagram) {
                    Poll::Ready(Ok(source)) => {
                        let input = Input {
                            source,
                            destination: MDNS_IPV4,
                            protocol: Protocol::Udp,
                            ecn: None,
                            data: datagram.filled(),
                        };
                        self.mdns.handle_input(now, input);
                    }
                    Poll::Ready(Err(error)) => tracing::debug!(%error, "multicast DNS receive"),
                    Poll::Pending => break,
                }
                taken += 1;
                if taken == DATAGRAMS_PER_TURN {
                    cx.waker().wake_by_ref();
                    break;
                }
            }
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>, now: Instant) {
        if self.mdns.poll_timeout().is_some_and(|at| at <= now) {
            self.mdns.handle_timeout(now);
        }
        let Some(next) = self.mdns.poll_timeout() else {
            self.sleep = None;
            return;
        };
        let sleep =
            self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next.into())));
        if sleep.deadline() != next.into() {
            sleep.as_mut().reset(next.into());
        }
        if sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    fn transmit(&mut self, now: Instant) {
        self.output.clear();
        while let Some(transmit) = self.mdns.poll_transmit(now, &mut self.output) {
            for socket in &self.sockets {
                // A refused datagram is a lost one: questions are asked again.
                if let Err(error) = socket.try_send_to(&self.output, transmit.destination) {
                    tracing::debug!(%error, "multicast DNS send");
                }
                if transmit.destination != MDNS_IPV4 {
                    break;
                }
            }
            self.output.clear();
        }
    }
}

fn bind(interface: Ipv4Addr) -> io::Result<UdpSocket> {
    let IpAddr::V4(group) = MDNS_IPV4.ip() else { unreachable!("the IPv4 group is IPv4") };
    let socket = socket2::Socket::new(
        socket2::Domain::IPV4,
        socket2::Type::DGRAM,
        Some(socket2::Protocol::UDP),
    )?;
    // The system's own responder, browsers and other endpoints share the port.
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, MDNS_PORT)).into())?;
    socket.join_multicast_v4(&group, &interface)?;
    socket.set_multicast_if_v4(&interface)?;
    // A browser on this very machine is a peer like any other.
    socket.set_multicast_loop_v4(true)?;
    // RFC 6762 §11: messages are sent with an IP TTL of 255.
    socket.set_multicast_ttl_v4(255)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}
