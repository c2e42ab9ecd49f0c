//! Gathers datagrams that go the same way into one call to the system (GSO).

use std::net::{IpAddr, SocketAddr};

use quinn_udp::EcnCodepoint;

use super::udp::Udp;

/// What the kernel takes in one call: 64 segments, and a datagram's worth of bytes.
const MAX_BYTES: usize = 65_000;
/// How many ways are gathered at once; of more, the oldest goes.
const MAX_RUNS: usize = 16;

/// Which socket sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// A listener's, by its number.
    Listener(usize),
    /// A relayed address's, by its number.
    Relay(u32),
}

/// A way that datagrams go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) from: From,
    pub(crate) destination: SocketAddr,
    /// Named where the socket has several addresses.
    pub(crate) source: Option<IpAddr>,
    pub(crate) ecn: Option<EcnCodepoint>,
}

#[derive(Debug)]
struct Run {
    way: Way,
    bytes: Vec<u8>,
    segment: usize,
    count: usize,
    /// A shorter segment ends a run.
    ended: bool,
}

/// Runs of datagrams that wait for the end of a received batch.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    runs: Vec<Run>,
    spare: Vec<Vec<u8>>,
}

impl Batch {
    /// Adds a datagram. Those of one way keep their order.
    pub(crate) fn push<'a>(
        &mut self,
        way: Way,
        parts: [&[u8]; 2],
        padding: u8,
        sockets: &impl Fn(From) -> Option<&'a Udp>,
    ) {
        let size = parts[0].len() + parts[1].len() + usize::from(padding);
        let fits = |run: &Run| {
            !run.ended
                && size <= run.segment
                && size > 0
                && run.bytes.len() + size <= MAX_BYTES
                && sockets(run.way.from).is_some_and(|socket| run.count < socket.max_segments())
        };
        let last = self.runs.iter().rposition(|run| run.way == way);
        let place = match last {
            Some(place) if fits(&self.runs[place]) => place,
            _ => {
                if self.runs.len() >= MAX_RUNS {
                    self.flush(sockets);
                }
                let bytes = self.spare.pop().unwrap_or_default();
                self.runs.push(Run { way, bytes, segment: size, count: 0, ended: false });
                self.runs.len() - 1
            }
        };
        let run = &mut self.runs[place];
        run.bytes.extend_from_slice(parts[0]);
        run.bytes.extend_from_slice(parts[1]);
        run.bytes.extend_from_slice(&[0; 3][..usize::from(padding)]);
        run.count += 1;
        run.ended = size < run.segment;
    }

    /// Sends everything. Gives how many datagrams the system did not take.
    pub(crate) fn flush<'a>(&mut self, sockets: &impl Fn(From) -> Option<&'a Udp>) -> usize {
        let mut lost = 0;
        for mut run in self.runs.drain(..) {
            let Way { from, destination, source, ecn } = run.way;
            let sent = sockets(from)
                .map_or(0, |socket| socket.send(destination, source, ecn, &run.bytes, run.segment));
            lost += run.count - sent.min(run.count);
            run.bytes.clear();
            self.spare.push(run.bytes);
        }
        lost
    }
}
