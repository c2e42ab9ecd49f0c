//! What goes over each path, that is each candidate pair: datagrams of DTLS, SCTP, RTP and RTCP, those of ICE not counted.
//! The connection counts; `getStats` reads.

use std::net::SocketAddr;
use std::time::Instant;

use rustc_hash::FxHashMap;

/// Paths that are remembered beside the one in use; more than ICE has pairs at once. Others begin anew.
const MAX_PATHS: usize = 128;

/// Our address and the peer's.
type Path = (SocketAddr, SocketAddr);

/// Counters of one path, or of all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PathCounters {
    pub(crate) packets_sent: u64,
    pub(crate) packets_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) last_sent: Option<Instant>,
    pub(crate) last_received: Option<Instant>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    total: PathCounters,
    /// The path of the last datagram: almost always that of the next.
    current: Option<(Path, PathCounters)>,
    others: FxHashMap<Path, PathCounters>,
}

impl Paths {
    /// Counts datagrams sent at once, `bytes` all together.
    pub(crate) fn sent(&mut self, now: Instant, path: Path, packets: u64, bytes: u64) {
        let count = |counters: &mut PathCounters| {
            counters.packets_sent += packets;
            counters.bytes_sent += bytes;
            counters.last_sent = Some(now);
        };
        count(&mut self.total);
        count(self.of(path));
    }

    /// Counts a datagram that came.
    pub(crate) fn received(&mut self, now: Instant, path: Path, bytes: u64) {
        let count = |counters: &mut PathCounters| {
            counters.packets_received += 1;
            counters.bytes_received += bytes;
            counters.last_received = Some(now);
        };
        count(&mut self.total);
        count(self.of(path));
    }

    /// The counters of all paths together.
    pub(crate) fn total(&self) -> PathCounters {
        self.total
    }

    /// The counters of a path.
    pub(crate) fn get(&self, path: Path) -> PathCounters {
        match self.current {
            Some((current, counters)) if current == path => counters,
            _ => self.others.get(&path).copied().unwrap_or_default(),
        }
    }

    fn of(&mut self, path: Path) -> &mut PathCounters {
        if self.current.is_none_or(|(current, _)| current != path) {
            let counters = self.others.remove(&path).unwrap_or_default();
            if let Some((before, counters)) = self.current.take()
                && self.others.len() < MAX_PATHS
            {
                self.others.insert(before, counters);
            }
            self.current = Some((path, counters));
        }
        &mut self.current.get_or_insert((path, PathCounters::default())).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        (SocketAddr::from(([192, 0, 2, 1], 1)), SocketAddr::from(([192, 0, 2, 2], port)))
    }

    #[test]
    fn each_path_is_counted_by_itself() {
        let (now, mut paths) = (Instant::now(), Paths::default());
        for round in 0..10 {
            paths.sent(now, path(1), 2, 2000);
            paths.received(now, path(1 + round % 2), 100);
        }
        let (first, second, total) = (paths.get(path(1)), paths.get(path(2)), paths.total());
        assert_eq!((first.packets_sent, first.bytes_sent, first.packets_received), (20, 20_000, 5));
        assert_eq!((second.packets_sent, second.bytes_received), (0, 500));
        assert_eq!((total.packets_received, total.bytes_received), (10, 1000));
        assert!(second.last_sent.is_none() && second.last_received.is_some());
    }

    #[test]
    fn paths_without_end_are_not_remembered() {
        let (now, mut paths) = (Instant::now(), Paths::default());
        for port in 0..1000 {
            paths.received(now, path(port), 1);
        }
        assert_eq!(paths.others.len(), MAX_PATHS);
        assert_eq!(paths.total().packets_received, 1000);
    }
}
