//! One UDP socket of an endpoint: batched receive (GRO), segmented send (GSO) and ECN through `quinn-udp`.
//! The driver is the only caller.

#[cfg(test)]
pub(crate) mod gate;

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::slice::ChunksMut;
use std::task::{Context, Poll, ready};

use peerage_ice::Ecn;
use quinn_udp::{BATCH_SIZE, EcnCodepoint, RecvMeta, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// The kernel's receive buffer asked for, which has to hold what comes while the driver is busy; less may be granted.
const RECEIVE_BUFFER: usize = 4 << 20;
/// The kernel's send buffer asked for. What is in it is beyond recall, and Linux calls a full socket writable only when
/// half of it is gone: on a slow link a large one is seconds of delay.
const SEND_BUFFER: usize = 256 << 10;

/// The largest UDP datagram; with GRO the kernel may fill a buffer with several.
const MAX_DATAGRAM: usize = 65_535;

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    /// The concrete addresses this socket speaks for: one, or every interface's if bound to the unspecified address.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Lets tests refuse what is sent.
    #[cfg(test)]
    pub(crate) gate: std::sync::Arc<gate::Gate>,
}

/// A received datagram's envelope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) ecn: Option<Ecn>,
}

impl Socket {
    /// Binds. For an unspecified address, `interfaces` names the addresses that candidates are made of.
    pub(crate) fn bind(address: SocketAddr, interfaces: &[IpAddr]) -> io::Result<Self> {
        let domain = socket2::Domain::for_address(address);
        let socket =
            socket2::Socket::new(domain, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.set_nonblocking(true)?;
        let io = UdpSocket::from_std(socket.into())?;
        let state = UdpSocketState::new((&io).into())?;
        // Best effort: a small buffer costs throughput, not correctness.
        let _ = state.set_send_buffer_size((&io).into(), SEND_BUFFER);
        let _ = state.set_recv_buffer_size((&io).into(), RECEIVE_BUFFER);
        let local = io.local_addr()?;
        let addresses = if local.ip().is_unspecified() {
            interfaces
                .iter()
                .filter(|ip| ip.is_ipv4() == local.is_ipv4())
                .map(|ip| SocketAddr::new(*ip, local.port()))
                .collect()
        } else {
            vec![local]
        };
        Ok(Self {
            io,
            state,
            local,
            addresses,
            #[cfg(test)]
            gate: std::sync::Arc::default(),
        })
    }

    /// Whether it is bound to the unspecified address.
    pub(crate) fn is_wildcard(&self) -> bool {
        self.local.ip().is_unspecified()
    }

    /// Whether it is bound to the unspecified address of this family.
    pub(crate) fn is_wildcard_of(&self, ip: IpAddr) -> bool {
        self.is_wildcard() && self.local.is_ipv4() == ip.is_ipv4()
    }

    /// Speaks for another address, if it has not done so before; with the port.
    pub(crate) fn speak_for(&mut self, ip: IpAddr) -> SocketAddr {
        let address = SocketAddr::new(ip, self.local.port());
        if !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
        address
    }

    /// How many segments one send may carry.
    pub(crate) fn max_gso_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Sends one datagram, or several of `segment_size`. `WouldBlock` means that the system was asked and has no room:
    /// keep it and wait for [`Self::poll_writable`], or ask again after a while.
    pub(crate) fn try_send(
        &self,
        contents: &[u8],
        source: SocketAddr,
        destination: SocketAddr,
        ecn: Option<Ecn>,
        segment_size: Option<usize>,
    ) -> io::Result<()> {
        let transmit = quinn_udp::Transmit {
            destination,
            ecn: ecn.and_then(to_codepoint),
            contents,
            segment_size,
            // A socket bound to one address needs no hint, and the hint costs a control message.
            src_ip: self.local.ip().is_unspecified().then(|| source.ip()),
        };
        let send = || self.state.try_send((&self.io).into(), &transmit);
        let reported = || {
            #[cfg(test)]
            self.gate.try_pass_reported()?;
            self.io.try_io(Interest::WRITABLE, send)
        };
        match reported() {
            // The runtime answers so without asking the system, from a refusal until it is told that the socket is
            // writable again. There is room long before that.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
        #[cfg(test)]
        self.gate.try_pass()?;
        send()
    }

    /// Waits until the socket may take more.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        #[cfg(test)]
        ready!(self.gate.poll_open(cx));
        self.io.poll_send_ready(cx)
    }

    /// Receives a batch and calls `deliver` for the datagrams in place, those of one path that the kernel coalesced at once.
    /// Ready(Ok(n)) tells how many datagrams came.
    pub(crate) fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut ReceiveBuffers,
        mut deliver: impl FnMut(Envelope, ChunksMut<'_, u8>),
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.io.poll_recv_ready(cx))?;
            let mut meta = [RecvMeta::default(); BATCH_SIZE];
            let mut slices: [IoSliceMut<'_>; BATCH_SIZE] = buffers.slices();
            let received = self.io.try_io(Interest::READABLE, || {
                self.state.recv((&self.io).into(), &mut slices, &mut meta)
            });
            match received {
                Ok(count) => {
                    let mut datagrams = 0;
                    for (meta, slice) in meta.iter().zip(slices.iter_mut()).take(count) {
                        let envelope = Envelope {
                            source: unmap(meta.addr),
                            destination: self.destination(meta.dst_ip),
                            ecn: meta.ecn.map(from_codepoint),
                        };
                        let stride = meta.stride.max(1);
                        datagrams += meta.len.div_ceil(stride);
                        deliver(envelope, slice[..meta.len].chunks_mut(stride));
                    }
                    return Poll::Ready(Ok(datagrams));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn destination(&self, dst_ip: Option<IpAddr>) -> SocketAddr {
        match dst_ip {
            Some(ip) if self.local.ip().is_unspecified() => SocketAddr::new(ip, self.local.port()),
            _ => self.local,
        }
    }
}

/// Receive buffers shared by all sockets of an endpoint: they are only full during one call.
#[derive(Debug)]
pub(crate) struct ReceiveBuffers(Vec<Vec<u8>>);

impl ReceiveBuffers {
    /// Each buffer takes the largest datagram, or as many as the kernel coalesces.
    pub(crate) fn new() -> Self {
        Self((0..BATCH_SIZE).map(|_| vec![0; MAX_DATAGRAM]).collect())
    }

    fn slices(&mut self) -> [IoSliceMut<'_>; BATCH_SIZE] {
        let mut buffers = self.0.iter_mut();
        std::array::from_fn(|_| IoSliceMut::new(buffers.next().expect("one buffer per slot")))
    }
}

/// Some systems report IPv4 peers of a dual-stack socket as mapped addresses; candidates never are.
fn unmap(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn to_codepoint(ecn: Ecn) -> Option<EcnCodepoint> {
    Some(match ecn {
        Ecn::Ect0 => EcnCodepoint::Ect0,
        Ecn::Ect1 => EcnCodepoint::Ect1,
        Ecn::Ce => EcnCodepoint::Ce,
        #[allow(unreachable_patterns, reason = "not-ECT is the absence of a codepoint")]
        _ => return None,
    })
}

fn from_codepoint(codepoint: EcnCodepoint) -> Ecn {
    match codepoint {
        EcnCodepoint::Ect0 => Ecn::Ect0,
        EcnCodepoint::Ect1 => Ecn::Ect1,
        EcnCodepoint::Ce => Ecn::Ce,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_is_given_little_that_cannot_be_recalled() {
        let socket = Socket::bind(SocketAddr::from(([127, 0, 0, 1], 0)), &[]).unwrap();
        // Linux counts its own overhead, and doubles what was asked for.
        let granted = socket.state.send_buffer_size((&socket.io).into()).unwrap();
        assert!(granted <= 2 * SEND_BUFFER && SEND_BUFFER <= 256 << 10, "{granted} bytes");
    }
}
