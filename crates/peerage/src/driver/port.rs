//! A socket and what waits for it. A connection whose datagram meets a full kernel buffer waits with it, so that the
//! buffer's back-pressure reaches the application; connections of other sockets do not notice. No connection waits for
//! longer than [`PATIENCE`]: then its datagram is dropped and counted. A socket that took nothing in all that time is
//! treated as a link that loses everything, until it takes a datagram again, and the connections see to their timers,
//! other paths and ends. The driver is the only caller.

use std::collections::VecDeque;
use std::io;
use std::task::Context;
use std::time::{Duration, Instant};

use peerage_peerconnection::Transmit;

use super::{ConnectionId, Counters};
use crate::socket::Socket;

/// How long a connection waits for its socket. Below the shortest of its timers that matters.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
/// A socket that refused is asked again so often, writable or not: it takes more long before it is called writable.
pub(super) const RETRY: Duration = Duration::from_millis(20);
/// Transmits that wait for one socket: at most one from each connection, and no more than these.
const MAX_UNSENT: usize = 64;

/// What could not be sent yet.
#[derive(Debug)]
struct Unsent {
    bytes: Vec<u8>,
    transmit: Transmit,
}

/// A connection that waits.
#[derive(Debug)]
struct Waiting {
    connection: ConnectionId,
    /// When it has waited for [`PATIENCE`].
    until: Instant,
    /// None if there were too many already.
    unsent: Option<Unsent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Clear,
    /// The socket would block; connections wait for it.
    Waiting {
        /// When it last took something, or refused first.
        taken: Instant,
        /// When to ask it again.
        retry: Instant,
    },
    /// It has taken nothing for too long.
    Dropping {
        /// When to ask it again, if there is something to send.
        retry: Instant,
    },
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
    flow: Flow,
    /// In the order in which they came, so that the first has waited longest.
    waiting: VecDeque<Waiting>,
    /// How many of them have something to send.
    unsent: usize,
}

impl Port {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, flow: Flow::Clear, waiting: VecDeque::new(), unsent: 0 }
    }

    /// When [`Port::poll_unsent`] has to be called although the socket is not writable.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let Flow::Waiting { retry, .. } = self.flow else { return None };
        self.waiting.front().map(|first| first.until.min(retry))
    }

    /// Its address is gone: nobody waits for it any more.
    pub(super) fn give_up(&mut self, freed: &mut Vec<ConnectionId>) {
        freed.extend(self.waiting.drain(..).map(|waiting| waiting.connection));
        self.unsent = 0;
    }

    /// Sends, or keeps `bytes` if the socket would block.
    pub(super) fn send(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        bytes: &mut Vec<u8>,
        transmit: Transmit,
        statistics: &mut Counters,
    ) -> Sent {
        match self.flow {
            Flow::Clear if send(&self.socket, bytes, &transmit, statistics) => return Sent::Gone,
            Flow::Clear => self.flow = Flow::Waiting { taken: now, retry: now + RETRY },
            Flow::Waiting { .. } => {}
            Flow::Dropping { retry } if now < retry => {
                statistics.blocked += 1;
                return Sent::Gone;
            }
            Flow::Dropping { .. } => {
                if send(&self.socket, bytes, &transmit, statistics) {
                    self.flow = Flow::Clear;
                } else {
                    self.flow = Flow::Dropping { retry: now + RETRY };
                    statistics.blocked += 1;
                }
                return Sent::Gone;
            }
        }
        let unsent = if self.unsent < MAX_UNSENT {
            self.unsent += 1;
            Some(Unsent { bytes: std::mem::take(bytes), transmit })
        } else {
            statistics.blocked += 1;
            None
        };
        self.waiting.push_back(Waiting { connection, until: now + PATIENCE, unsent });
        Sent::Blocked
    }

    /// Retries what the socket refused. The connections in `freed` may go on.
    pub(super) fn poll_unsent(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        freed: &mut Vec<ConnectionId>,
        statistics: &mut Counters,
    ) {
        while self.flow != Flow::Clear {
            let writable = self.socket.poll_writable(cx).is_ready();
            match self.flow {
                Flow::Dropping { .. } if writable => self.flow = Flow::Clear,
                Flow::Waiting { taken, .. }
                    if writable || self.poll_timeout().is_none_or(|retry| retry <= now) =>
                {
                    self.flow = self.retry(now, taken, freed, statistics);
                }
                _ => {}
            }
            if !writable {
                return;
            }
        }
    }

    /// Sends what the socket takes, and drops what has waited for too long.
    fn retry(
        &mut self,
        now: Instant,
        mut taken: Instant,
        freed: &mut Vec<ConnectionId>,
        statistics: &mut Counters,
    ) -> Flow {
        while let Some(first) = self.waiting.front() {
            if let Some(unsent) = &first.unsent {
                if !send(&self.socket, &unsent.bytes, &unsent.transmit, statistics) {
                    break;
                }
                self.unsent -= 1;
                taken = now;
            }
            freed.push(first.connection);
            self.waiting.pop_front();
        }
        let dead = now >= taken + PATIENCE;
        while let Some(first) = self.waiting.front()
            && (dead || first.until <= now)
        {
            if first.unsent.is_some() {
                self.unsent -= 1;
                statistics.blocked += 1;
            }
            freed.push(first.connection);
            self.waiting.pop_front();
        }
        match (dead, self.waiting.is_empty()) {
            (false, false) => Flow::Waiting { taken, retry: now + RETRY },
            (false, true) => Flow::Clear,
            (true, _) => Flow::Dropping { retry: now + RETRY },
        }
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
            let id = number.into();
            self.port.send(self.now, id, &mut vec![number], transmit, &mut self.statistics)
        }

        /// The connections that may go on; each is named as its last datagram.
        fn poll(&mut self) -> Vec<ConnectionId> {
            let mut context = Context::from_waker(Waker::noop());
            let mut freed = Vec::new();
            self.port.poll_unsent(&mut context, self.now, &mut freed, &mut self.statistics);
            freed
        }

        /// Once the runtime has seen that the socket is writable.
        async fn poll_until_clear(&mut self) {
            while self.port.flow != Flow::Clear {
                self.poll();
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
        assert!(rig.poll().is_empty());
        rig.port.socket.gate.open();
        rig.poll_until_clear().await;
        assert_eq!(rig.send(3), Sent::Gone);
        assert_eq!([rig.received(), rig.received(), rig.received()], [1, 2, 3]);
        assert_eq!((rig.statistics.blocked, rig.port.poll_timeout()), (0, None));
    }

    #[tokio::test]
    async fn what_waits_is_bounded_in_number_and_time() {
        let mut rig = Rig::new();
        rig.port.socket.gate.shut(Refusal::WouldBlock);
        for _ in 0..MAX_UNSENT + 10 {
            assert_eq!(rig.send(0), Sent::Blocked);
        }
        assert_eq!((rig.port.unsent, rig.statistics.blocked), (MAX_UNSENT, 10));
        assert_eq!(rig.port.poll_timeout(), Some(rig.now + RETRY));
        rig.now += PATIENCE;
        assert_eq!(rig.poll().len(), MAX_UNSENT + 10, "the connections go on");
        assert_eq!((rig.port.unsent, rig.statistics.blocked), (0, MAX_UNSENT as u64 + 10));
        assert!(rig.port.waiting.is_empty());
        for _ in 0..10 {
            assert_eq!(rig.send(1), Sent::Gone);
        }
        assert_eq!(rig.statistics.blocked, MAX_UNSENT as u64 + 20);
        assert_eq!((rig.port.poll_timeout(), rig.poll()), (None, vec![]));
        assert_eq!(
            rig.port.socket.gate.refused(),
            2,
            "a blocked socket is not asked again and again"
        );
        rig.port.socket.gate.open();
        rig.poll_until_clear().await;
        assert_eq!(rig.send(2), Sent::Gone);
        assert_eq!(rig.received(), 2);
    }

    #[tokio::test]
    async fn a_socket_is_asked_again_before_it_is_called_writable() {
        let mut rig = Rig::new();
        rig.port.socket.gate.shut(Refusal::WouldBlock);
        assert_eq!(rig.send(1), Sent::Blocked);
        rig.port.socket.gate.shut(Refusal::NotReported);
        assert!(rig.poll().is_empty(), "not all the time");
        rig.now += RETRY;
        assert_eq!(rig.poll(), [1]);
        assert_eq!((rig.send(2), rig.received(), rig.received()), (Sent::Gone, 1, 2));
        assert_eq!(rig.statistics.blocked, 0);

        // So is one that was taken for dead.
        rig.port.socket.gate.shut(Refusal::WouldBlock);
        assert_eq!(rig.send(3), Sent::Blocked);
        rig.now += PATIENCE;
        assert_eq!(rig.poll(), [3]);
        rig.port.socket.gate.shut(Refusal::NotReported);
        assert_eq!((rig.send(4), rig.statistics.blocked), (Sent::Gone, 2));
        rig.now += RETRY;
        assert_eq!((rig.send(5), rig.received()), (Sent::Gone, 5));
        assert_eq!((rig.send(6), rig.received()), (Sent::Gone, 6));
        assert_eq!(rig.statistics.blocked, 2);
    }

    #[tokio::test]
    async fn nobody_waits_longer_because_the_socket_takes_some() {
        let mut rig = Rig::new();
        rig.port.socket.gate.shut(Refusal::WouldBlock);
        for number in 1..=3 {
            assert_eq!(rig.send(number), Sent::Blocked);
        }
        let begin = rig.now;
        rig.now = begin + PATIENCE * 4 / 5;
        rig.port.socket.gate.let_pass(1);
        assert_eq!(rig.poll(), [1], "the one whose datagram left");
        assert_eq!((rig.send(4), rig.received()), (Sent::Blocked, 1));
        rig.now = begin + PATIENCE;
        assert!(rig.port.poll_timeout().is_some_and(|retry| retry <= rig.now));
        assert_eq!(rig.poll(), [2, 3], "those that have waited for long enough");
        assert_eq!((rig.statistics.blocked, rig.port.unsent), (2, 1));
        // A slow socket is not a dead one: who came later waits on, and gets through.
        rig.now += RETRY;
        rig.port.socket.gate.let_pass(1);
        assert_eq!((rig.poll(), rig.received()), (vec![4], 4));
        assert_eq!(rig.statistics.blocked, 2);
    }
}
