//! Streams: ICE-TCP both ways (RFC 6544), and TCP and TLS to TURN servers. A stream belongs to one connection, which opens
//! it by sending, or, when it was accepted, to the one that its first packet names. Each is a task with a bounded queue in
//! both directions ([`pipe`]); the driver sees whole packets. The driver is the only caller.
//!
//! ```text
//!  driver ──send──► queue (64 KiB) ──► task ──► socket
//!  driver ◄─poll─── whole frames  ◄─── task ◄── socket
//! ```
//!
//! A peer is hostile: how many streams there are is bounded for the endpoint, for each connection, and for each address that
//! connects without having said who it is; an accepted stream has to name a connection in its first packet, and a frame that
//! was begun has to end, within [`pipe::FRAME_TIME`].

mod listener;
mod pipe;
#[cfg(test)]
mod tests;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use peerage_ice::framing::Framing;
use peerage_ice::{Protocol, StreamEnd, Transmit};
use rustc_hash::FxHashMap;
use tokio::sync::mpsc;

pub(crate) use self::listener::Listener;
use self::pipe::{Opening, Outbox, Task};
pub(super) use self::pipe::{Packets, Report};
use self::tls::Tls;
use super::port::{PATIENCE, Sent};
use super::{ConnectionId, Counters};

/// Streams of one endpoint.
const MAX_STREAMS: usize = 4096;
/// Streams that one connection has open, or is opening.
const MAX_PER_CONNECTION: usize = 32;
/// Accepted streams from one address that have not said which connection they are for.
const MAX_UNCLAIMED_PER_ADDRESS: usize = 16;
/// Accepted streams altogether that have not.
const MAX_UNCLAIMED: usize = 512;
/// Bytes that wait for a stream before its connection does.
const MAX_QUEUED: usize = 64 << 10;
/// Reports of tasks that wait for the driver.
const REPORTS: usize = 128;

/// Never used twice.
pub(super) type StreamId = u64;

/// Which stream a packet goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    connection: ConnectionId,
    protocol: Protocol,
    local: SocketAddr,
    remote: SocketAddr,
}

/// What a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) protocol: Protocol,
    /// As the connection knows it, whichever port the system chose.
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    /// None as long as an accepted stream has not named one.
    pub(super) owner: Option<ConnectionId>,
}

#[derive(Debug)]
struct Stream {
    ends: Ends,
    framing: Framing,
    outbox: Arc<Outbox>,
    open: bool,
    /// Since when the owner waits for room.
    waiting: Option<Instant>,
    /// It took nothing for too long: what is sent is dropped until it takes something again.
    dropping: bool,
    _task: Task,
}

/// See the module.
pub(super) struct Streams {
    streams: FxHashMap<StreamId, Stream>,
    by_key: FxHashMap<Key, StreamId>,
    next_id: StreamId,
    unclaimed: usize,
    /// Those whose owners wait.
    waiting: Vec<StreamId>,
    listeners: Vec<Listener>,
    tls: Tls,
    reports: mpsc::Receiver<(StreamId, Report)>,
    report: mpsc::Sender<(StreamId, Report)>,
    /// Streams that could not be opened at all.
    refused: Vec<(Ends, StreamEnd)>,
}

/// What the driver is told.
#[derive(Debug)]
pub(super) enum StreamEvent {
    Connected(Ends),
    Packets(StreamId, Ends, Packets),
    /// The connection may go on.
    Room(ConnectionId),
    Closed(Ends, StreamEnd),
}

impl Streams {
    pub(super) fn new(listeners: Vec<Listener>, roots: Option<Vec<u8>>) -> Self {
        let (report, reports) = mpsc::channel(REPORTS);
        Self {
            streams: FxHashMap::default(),
            by_key: FxHashMap::default(),
            next_id: 0,
            unclaimed: 0,
            waiting: Vec::new(),
            listeners,
            tls: Tls::new(roots),
            reports,
            report,
            refused: Vec::new(),
        }
    }

    /// The addresses that are listened at.
    pub(super) fn listening(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().map(Listener::local)
    }

    /// Begins to listen.
    pub(super) fn listen(&mut self, listener: Listener) {
        self.listeners.push(listener);
    }

    /// An interface's address is gone, and nothing comes to it any more.
    pub(super) fn stop_listening(&mut self, ip: IpAddr) {
        self.listeners.retain(|listener| listener.local().ip() != ip);
    }

    /// Sends a packet, or several of `segment_size`; opens the stream if there is none. `server` is whose certificate TLS
    /// asks for.
    pub(super) fn send(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        bytes: &[u8],
        transmit: &Transmit,
        server: Option<&str>,
        statistics: &mut Counters,
    ) -> Sent {
        let Transmit { source: local, destination: remote, protocol, .. } = *transmit;
        let key = Key { connection, protocol, local, remote };
        let id = match self.by_key.get(&key) {
            Some(id) => *id,
            None => match self.open(key, server) {
                Ok(id) => id,
                Err(end) => {
                    statistics.send_errors += 1;
                    let owner = Some(connection);
                    self.refused.push((Ends { protocol, local, remote, owner }, end));
                    return Sent::Gone;
                }
            },
        };
        let Some(stream) = self.streams.get_mut(&id) else { return Sent::Gone };
        let queued = stream.outbox.len();
        let full = queued >= MAX_QUEUED;
        stream.dropping &= full;
        if full && (stream.dropping || !stream.open) {
            statistics.blocked += 1;
            return Sent::Gone;
        }
        for packet in bytes.chunks(transmit.segment_size.unwrap_or(usize::MAX).max(1)) {
            if !stream.outbox.push(stream.framing, packet) {
                statistics.send_errors += 1;
            }
        }
        if !full {
            return Sent::Gone;
        }
        stream.outbox.ask_for_room();
        if stream.waiting.is_none() {
            stream.waiting = Some(now);
            self.waiting.push(id);
        }
        Sent::Blocked
    }

    fn open(&mut self, key: Key, server: Option<&str>) -> Result<StreamId, StreamEnd> {
        // Who is behind an accepted stream that is gone has to come again.
        if self.listening().any(|local| key.protocol == Protocol::Tcp && local == key.local) {
            return Err(StreamEnd::Closed);
        }
        let own = self.by_key.keys().filter(|other| other.connection == key.connection).count();
        if own >= MAX_PER_CONNECTION || self.streams.len() >= MAX_STREAMS {
            return Err(StreamEnd::Limit);
        }
        let tls = match (key.protocol, server) {
            (Protocol::TurnTls, Some(server)) => Some(self.tls.client(server)?),
            // Whose certificate it is could not be said.
            (Protocol::TurnTls, None) => return Err(StreamEnd::Tls),
            _ => None,
        };
        let ends = Ends {
            protocol: key.protocol,
            local: key.local,
            remote: key.remote,
            owner: Some(key.connection),
        };
        let opening = Opening::Connect { from: key.local.ip(), to: key.remote, tls };
        let id = self.spawn(ends, opening).ok_or(StreamEnd::Refused)?;
        self.by_key.insert(key, id);
        Ok(id)
    }

    fn spawn(&mut self, ends: Ends, opening: Opening) -> Option<StreamId> {
        let framing = Framing::of(ends.protocol)?;
        let id = self.next_id;
        self.next_id += 1;
        let outbox = Arc::new(Outbox::default());
        let open = matches!(opening, Opening::Accepted(_));
        let task = pipe::spawn(id, opening, framing, Arc::clone(&outbox), self.report.clone());
        let stream =
            Stream { ends, framing, outbox, open, waiting: None, dropping: false, _task: task };
        self.streams.insert(id, stream);
        Some(id)
    }

    /// What happened next.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<StreamEvent> {
        if let Some((ends, end)) = self.refused.pop() {
            return Poll::Ready(StreamEvent::Closed(ends, end));
        }
        self.poll_listeners(cx);
        while let Poll::Ready(Some((id, report))) = self.reports.poll_recv(cx) {
            // Of one that is closed already.
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let ends = stream.ends;
            match report {
                Report::Connected => {
                    stream.open = true;
                    return Poll::Ready(StreamEvent::Connected(ends));
                }
                Report::Packets(packets) => {
                    return Poll::Ready(StreamEvent::Packets(id, ends, packets));
                }
                Report::Room => {
                    stream.dropping = false;
                    if stream.waiting.take().is_some()
                        && let Some(owner) = ends.owner
                    {
                        self.waiting.retain(|waiting| *waiting != id);
                        return Poll::Ready(StreamEvent::Room(owner));
                    }
                }
                Report::Closed(end) => {
                    self.remove(id);
                    return Poll::Ready(StreamEvent::Closed(ends, end));
                }
            }
        }
        Poll::Pending
    }

    fn poll_listeners(&mut self, cx: &mut Context<'_>) {
        for index in 0..self.listeners.len() {
            let local = self.listeners[index].local();
            while let Poll::Ready((socket, remote)) = self.listeners[index].poll_accept(cx) {
                let strangers = self.streams.values().filter(|stream| stream.ends.owner.is_none());
                let of_it = strangers.filter(|stream| stream.ends.remote.ip() == remote.ip());
                if self.unclaimed >= MAX_UNCLAIMED
                    || self.streams.len() >= MAX_STREAMS
                    || of_it.count() >= MAX_UNCLAIMED_PER_ADDRESS
                {
                    tracing::debug!(%remote, "stream not accepted: too many");
                    continue;
                }
                let ends = Ends { protocol: Protocol::Tcp, local, remote, owner: None };
                if self.spawn(ends, Opening::Accepted(socket)).is_some() {
                    self.unclaimed += 1;
                }
            }
        }
    }

    /// An accepted stream named its connection; false if that has too many.
    pub(super) fn claim(&mut self, id: StreamId, connection: ConnectionId) -> bool {
        let own = self.by_key.keys().filter(|key| key.connection == connection).count();
        if own >= MAX_PER_CONNECTION {
            return false;
        }
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        if stream.ends.owner.replace(connection).is_none() {
            self.unclaimed -= 1;
        }
        stream.outbox.claimed();
        let Ends { protocol, local, remote, .. } = stream.ends;
        let before = self.by_key.insert(Key { connection, protocol, local, remote }, id);
        if let Some(before) = before.filter(|before| *before != id) {
            // The same addresses again: the one before is dead, whether its end was noticed or not.
            self.discard(before);
        }
        true
    }

    /// Closes a stream of which nobody is told.
    pub(super) fn discard(&mut self, id: StreamId) {
        self.remove(id);
    }

    /// The connection is gone, and its streams with it, once they have said what is queued.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        let own: Vec<StreamId> = self
            .by_key
            .iter()
            .filter(|(key, _)| key.connection == connection)
            .map(|(_, id)| *id)
            .collect();
        for id in own {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: StreamId) {
        let Some(stream) = self.streams.remove(&id) else { return };
        stream.outbox.finish();
        let Ends { protocol, local, remote, owner } = stream.ends;
        match owner {
            Some(connection) => {
                let key = Key { connection, protocol, local, remote };
                if self.by_key.get(&key) == Some(&id) {
                    self.by_key.remove(&key);
                }
            }
            None => self.unclaimed -= 1,
        }
        self.waiting.retain(|waiting| *waiting != id);
    }

    /// When [`Self::give_up`] has to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let since = self.waiting.iter().filter_map(|id| self.streams.get(id)?.waiting);
        since.min().map(|since| since + PATIENCE)
    }

    /// Those that have waited for long enough go on; their streams drop until they take something again.
    pub(super) fn give_up(&mut self, now: Instant, freed: &mut Vec<ConnectionId>) {
        let streams = &mut self.streams;
        self.waiting.retain(|id| {
            let Some(stream) = streams.get_mut(id) else { return false };
            if stream.waiting.is_some_and(|since| now < since + PATIENCE) {
                return true;
            }
            stream.waiting = None;
            stream.dropping = true;
            freed.extend(stream.ends.owner);
            false
        });
    }

    /// How many there are, and how many of them belong to nobody.
    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.streams.len(), self.unclaimed)
    }
}
