//! A socket and what waits for it. A connection whose datagram meets a full kernel buffer waits with it, so that the
//! buffer's back-pressure reaches the application; connections of other sockets do not notice. A socket that takes nothing
//! for [`PATIENCE`] is treated as a link that loses everything, until it is writable again: what is sent there is dropped
//! and counted, and the connections see to their timers, other paths and ends. The driver is the only caller.

use std::collections::VecDeque;
use std::io;
use std::task::Context;
use std::time::{Duration, Instant};

use peerage_peerconnection::Transmit;

use super::{ConnectionId, Counters};
use crate::socket::Socket;

/// How long connections wait for a socket that takes nothing. Below the shortest of their timers that matters.
const PATIENCE: Duration = Duration::from_millis(500);
/// Transmits that wait for one socket: at most one from each connection, and no more than these.
const MAX_UNSENT: usize = 64;

/// What could not be sent yet.
#[derive(Debug)]
struct Unsent {
    bytes: Vec<u8>,
    transmit: Transmit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Clear,
    /// The socket would block; connections wait for it until then.
    Waiting(Instant),
    /// It has taken nothing for too long.
    Dropping,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It was sent, or dropped as a network drops.
    Gone,
    /// The connection has to wait until it is among those that [`Port::poll_unsent`] sets free.
    Blocked,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) socket: Socket,
    /// Connections that wait for this socket, in the order in which they came.
    pub(super) stalled: Vec<ConnectionId>,
    flow: Flow,
    unsent: VecDeque<Unsent>,
}

impl Port {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, stalled: Vec::new(), flow: Flow::Clear, unsent: VecDeque::new() }
    }

    /// When [`Port::poll_unsent`] has to be called although the socket is not writable.
    pub(super) fn patience_ends(&self) -> Option<Instant> {
        match self.flow {
            Flow::Waiting(until) => Some(until),
            Flow::Clear | Flow::Dropping => None,
        }
    }

    /// Sends, or keeps `bytes` if the socket would block.
    pub(super) fn send(
        &mut self,
        now: Instant,
        bytes: &mut Vec<u8>,
        transmit: Transmit,
        statistics: &mut Counters,
    ) -> Sent {
        match self.flow {
            Flow::Clear if send(&self.socket, bytes, &transmit, statistics) => return Sent::Gone,
            Flow::Clear => self.flow = Flow::Waiting(now + PATIENCE),
            Flow::Waiting(_) => {}
            Flow::Dropping => {
                statistics.blocked += 1;
                return Sent::Gone;
            }
        }
        if self.unsent.len() < MAX_UNSENT {
            self.unsent.push_back(Unsent { bytes: std::mem::take(bytes), transmit });
        } else {
            statistics.blocked += 1;
        }
        Sent::Blocked
    }

    /// Retries what the socket refused. True if the stalled connections may go on.
    pub(super) fn poll_unsent(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        statistics: &mut Counters,
    ) -> bool {
        while self.flow != Flow::Clear {
            if self.socket.poll_writable(cx).is_pending() {
                if self.patience_ends().is_none_or(|until| now < until) {
                    return false;
                }
                statistics.blocked += self.unsent.len() as u64;
                self.unsent.clear();
                self.flow = Flow::Dropping;
                return true;
            }
            while let Some(unsent) = self.unsent.pop_front() {
                if !send(&self.socket, &unsent.bytes, &unsent.transmit, statistics) {
                    self.unsent.push_front(unsent);
                    break;
                }
                self.flow = Flow::Waiting(now + PATIENCE);
            }
            if self.unsent.is_empty() {
                self.flow = Flow::Clear;
                return true;
            }
        }
        false
    }
}

/// Sends; false if the socket would block. Other errors concern this datagram or this path only: ICE finds out.
fn send(socket: &Socket, bytes: &[u8], transmit: &Transmit, statistics: &mut Counters) -> bool {
    let attempt = |bytes: &[u8], segment_size| {
        socket.try_send(bytes, transmit.source, transmit.destination, transmit.ecn, segment_size)
    };
    match attempt(bytes, transmit.segment_size) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
        Err(error) => {
            statistics.send_errors += 1;
            tracing::trace!(%error, destination = %transmit.destination, "send");
            // The interface refuses segmentation: from now on the state says so; what is in hand goes one by one.
            if let Some(size) = transmit.segment_size {
                for datagram in bytes.chunks(size) {
                    let _ = attempt(datagram, None);
                }
            }
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};
    use std::task::Waker;

    use peerage_peerconnection::Protocol;

    use super::*;
    use crate::socket::gate::Refusal;

    struct Rig {
        port: Port,
        peer: UdpSocket,
        now: Instant,
        statistics: Counters,
    }

    impl Rig {
        fn new() -> Self {
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            let peer = UdpSocket::bind(any).unwrap();
            peer.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            Self {
                port: Port::new(Socket::bind(any, &[]).unwrap()),
                peer,
                now: Instant::now(),
                statistics: Counters::default(),
            }
        }

        fn send(&mut self, number: u8) -> Sent {
            let transmit = Transmit {
                source: self.port.socket.addresses[0],
                destination: self.peer.local_addr().unwrap(),
                protocol: Protocol::Udp,
                ecn: None,
                size: 1,
                segment_size: None,
            };
            self.port.send(self.now, &mut vec![number], transmit, &mut self.statistics)
        }

        fn poll(&mut self) -> bool {
            let mut context = Context::from_waker(Waker::noop());
            self.port.poll_unsent(&mut context, self.now, &mut self.statistics)
        }

        /// Once the runtime has seen that the socket is writable.
        async fn poll_until_free(&mut self) {
            while !self.poll() {
                tokio::task::yield_now().await;
            }
        }

        fn received(&self) -> u8 {
            let mut buf = [0; 16];
            let (len, _) = self.peer.recv_from(&mut buf).expect("a datagram within 30 s");
            assert_eq!(len, 1);
            buf[0]
        }
    }

    #[tokio::test]
    async fn what_was_refused_goes_first_when_the_socket_takes_more() {
        let mut rig = Rig::new();
        rig.port.socket.gate.shut(Refusal::WouldBlock);
        assert_eq!((rig.send(1), rig.send(2)), (Sent::Blocked, Sent::Blocked));
        assert_eq!(rig.port.socket.gate.refused(), 1, "the second waits behind the first");
        rig.now += PATIENCE - Duration::from_millis(1);
        assert!(!rig.poll());
        rig.port.socket.gate.open();
        rig.poll_until_free().await;
        assert_eq!(rig.send(3), Sent::Gone);
        assert_eq!([rig.received(), rig.received(), rig.received()], [1, 2, 3]);
        assert_eq!((rig.statistics.blocked, rig.port.patience_ends()), (0, None));
    }

    #[tokio::test]
    async fn what_waits_is_bounded_in_number_and_time() {
        let mut rig = Rig::new();
        rig.port.socket.gate.shut(Refusal::WouldBlock);
        for _ in 0..MAX_UNSENT + 10 {
            assert_eq!(rig.send(0), Sent::Blocked);
        }
        assert_eq!((rig.port.unsent.len(), rig.statistics.blocked), (MAX_UNSENT, 10));
        assert_eq!(rig.port.patience_ends(), Some(rig.now + PATIENCE));
        rig.now += PATIENCE;
        assert!(rig.poll(), "the connections go on");
        assert_eq!((rig.port.unsent.len(), rig.statistics.blocked), (0, MAX_UNSENT as u64 + 10));
        assert_eq!(rig.send(1), Sent::Gone);
        assert_eq!(rig.statistics.blocked, MAX_UNSENT as u64 + 11);
        assert_eq!((rig.port.patience_ends(), rig.poll()), (None, false));
        assert_eq!(
            rig.port.socket.gate.refused(),
            1,
            "a blocked socket is not asked again and again"
        );
        rig.port.socket.gate.open();
        rig.poll_until_free().await;
        assert_eq!(rig.send(2), Sent::Gone);
        assert_eq!(rig.received(), 2);
    }
}
