//! UDP sockets: of listeners, and of relayed addresses.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use quinn_udp::{BATCH_SIZE, EcnCodepoint, RecvMeta, UdpSocketState};

/// The kernel's buffers of a listener, which all clients share; less may be granted.
const LISTENER_BUFFER: usize = 4 << 20;
/// Those of a relayed address.
const RELAY_BUFFER: usize = 512 << 10;
/// The largest UDP datagram; with GRO the kernel may fill a buffer with several.
const MAX_DATAGRAM: usize = 65_535;

/// Sockets of reserved addresses (EVEN-PORT), which any worker may be given.
pub(crate) type Parked = HashMap<SocketAddr, Udp>;

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Udp {
    pub(crate) io: mio::net::UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

/// A socket on an address of the server's; several workers have one each.
pub(crate) fn listen(address: SocketAddr, several: bool) -> io::Result<Udp> {
    Udp::bind(address, several, LISTENER_BUFFER)
}

/// A socket on a relayed address.
pub(crate) fn relay(address: SocketAddr) -> io::Result<Udp> {
    let socket = Udp::bind(address, false, RELAY_BUFFER)?;
    // Fragments may leave: only a client that asks (DONT-FRAGMENT) hears of the MTU (RFC 8656 §14).
    socket.set_dont_fragment(false);
    Ok(socket)
}

impl Udp {
    fn bind(address: SocketAddr, several: bool, buffer: usize) -> io::Result<Self> {
        let domain = socket2::Domain::for_address(address);
        let socket =
            socket2::Socket::new(domain, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        #[cfg(unix)]
        if several {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&address.into())?;
        socket.set_nonblocking(true)?;
        // Best effort: a small buffer costs throughput, not correctness.
        let _ = socket.set_recv_buffer_size(buffer);
        let _ = socket.set_send_buffer_size(buffer);
        let io = mio::net::UdpSocket::from_std(socket.into());
        let state = UdpSocketState::new((&io).into())?;
        let local = io.local_addr()?;
        Ok(Self { io, state, local })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// How many datagrams one call may send.
    pub(crate) fn max_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Takes what is there, up to a batch: how many of `meta` were filled.
    pub(crate) fn receive(
        &self,
        buffers: &mut Buffers,
        meta: &mut [RecvMeta; BATCH_SIZE],
    ) -> io::Result<usize> {
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] = buffers.slices();
        self.state.recv((&self.io).into(), &mut slices, meta)
    }

    /// Sends datagrams of `segment` bytes each, the last one perhaps shorter. What the system has no room for is lost: a relay
    /// that queues only makes late what was to be dropped. Gives how many datagrams went.
    pub(crate) fn send(
        &self,
        destination: SocketAddr,
        source: Option<IpAddr>,
        ecn: Option<EcnCodepoint>,
        contents: &[u8],
        segment: usize,
    ) -> usize {
        let several = contents.len() > segment;
        let transmit = quinn_udp::Transmit {
            destination,
            ecn,
            contents,
            segment_size: several.then_some(segment),
            src_ip: source,
        };
        match self.state.try_send((&self.io).into(), &transmit) {
            Ok(()) => contents.len().div_ceil(segment.max(1)).max(1),
            // The interface, or its MTU, takes no segments: one by one.
            Err(error) if several && error.kind() != io::ErrorKind::WouldBlock => contents
                .chunks(segment)
                .filter(|contents| {
                    let one = quinn_udp::Transmit {
                        destination,
                        ecn,
                        contents,
                        segment_size: None,
                        src_ip: source,
                    };
                    self.state.try_send((&self.io).into(), &one).is_ok()
                })
                .count(),
            Err(_) => 0,
        }
    }

    /// Whether what is sent has the DF bit.
    pub(crate) fn set_dont_fragment(&self, on: bool) {
        #[cfg(target_os = "linux")]
        {
            use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
            // Where the system refuses, datagrams keep the bit.
            let _ = if self.local.is_ipv4() {
                let mode =
                    if on { Ipv4PathMtuDiscovery::PROBE } else { Ipv4PathMtuDiscovery::DONT };
                sockopt::set_ip_mtu_discover(&self.io, mode)
            } else {
                let mode =
                    if on { Ipv6PathMtuDiscovery::PROBE } else { Ipv6PathMtuDiscovery::DONT };
                sockopt::set_ipv6_mtu_discover(&self.io, mode)
            };
        }
        #[cfg(not(target_os = "linux"))]
        let _ = on;
    }
}

/// Receive buffers of a worker: they are only full during one call.
#[derive(Debug)]
pub(crate) struct Buffers(Vec<Vec<u8>>);

impl Buffers {
    pub(crate) fn new() -> Self {
        Self((0..BATCH_SIZE).map(|_| vec![0; MAX_DATAGRAM]).collect())
    }

    fn slices(&mut self) -> [IoSliceMut<'_>; BATCH_SIZE] {
        let mut buffers = self.0.iter_mut();
        std::array::from_fn(|_| IoSliceMut::new(buffers.next().expect("one buffer per slot")))
    }

    pub(crate) fn get(&self, index: usize) -> &[u8] {
        &self.0[index]
    }
}
