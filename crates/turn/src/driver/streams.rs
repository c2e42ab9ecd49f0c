//! All streams of one worker, and what happens on them.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Interest, Registry, Token};
use openssl::ssl::SslAcceptor;
use slab::Slab;

use super::stream::{self, Progress, Role, Stream};
use crate::types::{FiveTuple, RelayId, Transport};

/// Streams of one worker; further connections wait in the system's queue, or are refused by it.
const MAX_STREAMS: usize = 20_000;
/// A client's stream on which nothing comes for so long is closed, if it has no allocation.
const IDLE: Duration = Duration::from_secs(60);
/// Connections taken from a listener in one turn.
const ACCEPTS: usize = 64;
/// What one reading may give.
const READ: usize = 64 << 10;

/// Tokens of listeners begin here, of TCP allocations' ones behind, of streams behind those.
pub(crate) const LISTENERS: usize = 1 << 40;
const RELAYS: usize = 2 << 40;
const STREAMS: usize = 3 << 40;

/// A listener for TCP or TLS.
pub(crate) struct Listener {
    pub(crate) io: TcpListener,
    pub(crate) tls: Option<Arc<SslAcceptor>>,
    pub(crate) local: SocketAddr,
}

/// What a token stands for.
pub(crate) enum Source {
    Listener(usize),
    Relay(RelayId),
    Stream(usize),
}

#[derive(Default)]
pub(crate) struct Streams {
    listeners: Vec<Listener>,
    relays: HashMap<u32, TcpListener>,
    all: Slab<Stream>,
    tuples: HashMap<FiveTuple, usize>,
    connections: HashMap<u32, usize>,
    /// Those with something to write.
    dirty: Vec<usize>,
    /// Those that may be read from again, for what they write to has room.
    pub(crate) resumed: Vec<Token>,
    buffer: Vec<u8>,
    swept: Option<Instant>,
    pub(crate) lost: u64,
}

pub(crate) fn source(token: Token) -> Option<Source> {
    let token = token.0;
    Some(match token >> 40 {
        0 => return None,
        1 => Source::Listener(token - LISTENERS),
        2 => Source::Relay(RelayId((token - RELAYS) as u32)),
        _ => Source::Stream(token - STREAMS),
    })
}

/// What came on a stream.
pub(crate) enum Came {
    /// Bytes of a client: [`Streams::buffer`] from 0 to here.
    Bytes(usize),
    /// Nothing, or it was dealt with; whether there may be more.
    Done { more: bool },
    /// The stream is over.
    Ended,
    /// An outgoing connection is there.
    Connected { connection: u32 },
}

impl Streams {
    pub(crate) fn new(mut listeners: Vec<Listener>, registry: &Registry) -> io::Result<Self> {
        for (number, listener) in listeners.iter_mut().enumerate() {
            registry.register(&mut listener.io, Token(LISTENERS + number), Interest::READABLE)?;
        }
        Ok(Self { listeners, buffer: vec![0; READ], ..Self::default() })
    }

    /// Takes connections; whether there may be more.
    pub(crate) fn accept(&mut self, now: Instant, number: usize, registry: &Registry) -> bool {
        for _ in 0..ACCEPTS {
            let Some(listener) = self.listeners.get(number) else { return false };
            if self.all.len() >= MAX_STREAMS {
                // The oldest idle ones make room; if there are none, the connection is dropped below.
                self.swept = None;
            }
            let (io, client) = match listener.io.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // One connection's trouble, or too many files: the next turn tries again.
                Err(_) => return false,
            };
            let server = io.local_addr().unwrap_or(listener.local);
            let transport = if listener.tls.is_some() { Transport::Tls } else { Transport::Tcp };
            let tuple = FiveTuple { transport, client, server };
            // Best effort: without it small messages wait for acknowledgements.
            let _ = io.set_nodelay(true);
            let stream = match &listener.tls {
                Some(acceptor) => Stream::tls(io, acceptor, tuple, now),
                None => Ok(Stream::plain(io, tuple, Role::Client, now)),
            };
            if let (Ok(stream), true) = (stream, self.all.len() < MAX_STREAMS)
                && let Some(place) = self.add(stream, registry)
            {
                self.tuples.insert(tuple, place);
            }
        }
        true
    }

    fn add(&mut self, mut stream: Stream, registry: &Registry) -> Option<usize> {
        let token = Token(STREAMS + self.all.vacant_key());
        let both = Interest::READABLE | Interest::WRITABLE;
        registry.register(stream.socket(), token, both).ok()?;
        Some(self.all.insert(stream))
    }

    /// Takes a stream out, for another worker.
    pub(crate) fn take(&mut self, place: usize, registry: &Registry) -> Option<Stream> {
        let mut stream = self.all.try_remove(place)?;
        let _ = registry.deregister(stream.socket());
        self.tuples.remove(&stream.tuple);
        Some(stream)
    }

    /// Puts in a client's stream that another worker took out.
    pub(crate) fn put(&mut self, stream: Stream, registry: &Registry) -> Option<usize> {
        let tuple = stream.tuple;
        let place = self.add(stream, registry)?;
        self.tuples.insert(tuple, place);
        Some(place)
    }

    /// Listens on the relayed address of a TCP allocation.
    pub(crate) fn bind_relay(
        &mut self,
        relay: RelayId,
        address: SocketAddr,
        registry: &Registry,
    ) -> io::Result<()> {
        let mut listener = stream::listen(address, true)?;
        let token = Token(RELAYS + relay.0 as usize);
        registry.register(&mut listener, token, Interest::READABLE)?;
        self.relays.insert(relay.0, listener);
        Ok(())
    }

    pub(crate) fn close_relay(&mut self, relay: RelayId, registry: &Registry) {
        if let Some(mut listener) = self.relays.remove(&relay.0) {
            let _ = registry.deregister(&mut listener);
        }
    }

    /// The next peer that connected to a TCP allocation.
    pub(crate) fn accept_peer(&self, relay: RelayId) -> Option<(mio::net::TcpStream, SocketAddr)> {
        self.relays.get(&relay.0)?.accept().ok()
    }

    pub(crate) fn add_peer(
        &mut self,
        now: Instant,
        connection: u32,
        io: mio::net::TcpStream,
        connecting: bool,
        registry: &Registry,
    ) -> bool {
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        let server = io.local_addr().unwrap_or(any);
        let client = io.peer_addr().unwrap_or(any);
        let tuple = FiveTuple { transport: Transport::Tcp, client, server };
        let role =
            if connecting { Role::Connecting { connection } } else { Role::Peer { connection } };
        let _ = io.set_nodelay(true);
        match self.add(Stream::plain(io, tuple, role, now), registry) {
            Some(place) => self.connections.insert(connection, place).is_none(),
            None => false,
        }
    }

    /// Carries bytes between a client's stream and a peer's from now on.
    pub(crate) fn join(&mut self, connection: u32, tuple: FiveTuple) {
        let (Some(&peer), Some(&client)) =
            (self.connections.get(&connection), self.tuples.get(&tuple))
        else {
            return;
        };
        self.all[peer].role = Role::Joined { other: client, connection, peer: true };
        self.all[client].role = Role::Joined { other: peer, connection, peer: false };
        self.resumed.push(Token(STREAMS + peer));
    }

    /// Reads once from a stream, after what waits was written.
    pub(crate) fn read(&mut self, now: Instant, place: usize) -> Came {
        let Some(stream) = self.all.get_mut(place) else { return Came::Done { more: false } };
        if let Role::Connecting { connection } = stream.role {
            return match stream.connected() {
                Ok(Some(_)) => {
                    stream.role = Role::Peer { connection };
                    Came::Connected { connection }
                }
                Ok(None) => Came::Done { more: false },
                Err(_) => Came::Ended,
            };
        }
        let was_full = stream.is_full();
        if stream.flush().is_err() || stream.closing && !stream.has_output() {
            return Came::Ended;
        }
        if stream.closing {
            return Came::Done { more: false };
        }
        let (full, role) = (stream.is_full(), stream.role);
        match role {
            Role::Joined { other, .. } => {
                if was_full && !full {
                    self.resumed.push(Token(STREAMS + other));
                }
                if self.all.get(other).is_none_or(Stream::is_full) {
                    // Read when the other has room: see above.
                    return Came::Done { more: false };
                }
            }
            Role::Peer { .. } => return Came::Done { more: false },
            Role::Client | Role::Connecting { .. } => {}
        }
        let Some(stream) = self.all.get_mut(place) else { return Came::Done { more: false } };
        match stream.read(&mut self.buffer) {
            Progress::Blocked => Came::Done { more: false },
            Progress::Ended => Came::Ended,
            Progress::Bytes(count) => {
                stream.active = now;
                match role {
                    Role::Joined { other, .. } => {
                        self.pipe(other, count);
                        Came::Done { more: true }
                    }
                    _ => Came::Bytes(count),
                }
            }
        }
    }

    fn pipe(&mut self, other: usize, count: usize) {
        if let Some(stream) = self.all.get_mut(other) {
            // There is room: a reading is smaller than what is between high water and the end.
            stream.push([&self.buffer[..count], &[]], 0);
            self.dirty.push(other);
        }
    }

    /// The bytes of a client that wait, those just read behind what was there: taken out while they are worked on.
    pub(crate) fn take_input(&mut self, place: usize, count: usize) -> Vec<u8> {
        let Some(stream) = self.all.get_mut(place) else { return Vec::new() };
        let mut input = std::mem::take(&mut stream.input);
        input.extend_from_slice(&self.buffer[..count]);
        input
    }

    /// Puts back what is left of it from `start`. On a stream that was joined meanwhile it is data.
    pub(crate) fn put_input(&mut self, place: usize, mut input: Vec<u8>, start: usize) {
        let Some(stream) = self.all.get_mut(place) else { return };
        match stream.role {
            Role::Joined { other, .. } => {
                if let Some(other_stream) = self.all.get_mut(other) {
                    other_stream.push([&input[start..], &[]], 0);
                    self.dirty.push(other);
                }
            }
            _ => {
                input.drain(..start);
                stream.input = input;
            }
        }
    }

    pub(crate) fn role(&self, place: usize) -> Option<(Role, FiveTuple)> {
        self.all.get(place).map(|stream| (stream.role, stream.tuple))
    }

    /// Queues a message for a client.
    pub(crate) fn send(&mut self, tuple: &FiveTuple, parts: [&[u8]; 2], padding: u8) {
        let Some(&place) = self.tuples.get(tuple) else { return };
        let Some(stream) = self.all.get_mut(place) else { return };
        if stream.push(parts, padding) {
            if self.dirty.last() != Some(&place) {
                self.dirty.push(place);
            }
        } else {
            self.lost += 1;
        }
    }

    /// Writes what was queued; gives those that are over.
    pub(crate) fn flush(&mut self) -> Vec<usize> {
        let mut over = Vec::new();
        while let Some(place) = self.dirty.pop() {
            let Some(stream) = self.all.get_mut(place) else { continue };
            if stream.flush().is_err() || stream.closing && !stream.has_output() {
                over.push(place);
            }
        }
        over
    }

    /// Closes a stream, and the one it is joined to once all is written there.
    pub(crate) fn close(&mut self, place: usize, registry: &Registry) {
        let Some(mut stream) = self.all.try_remove(place) else { return };
        let _ = registry.deregister(stream.socket());
        if self.tuples.get(&stream.tuple) == Some(&place) {
            self.tuples.remove(&stream.tuple);
        }
        match stream.role {
            Role::Joined { other, connection, .. } => {
                self.connections.remove(&connection);
                // Its place may have another stream by now.
                let joined =
                    |role| matches!(role, Role::Joined { connection: c, .. } if c == connection);
                if let Some(other_stream) = self.all.get_mut(other).filter(|s| joined(s.role)) {
                    other_stream.closing = true;
                    self.dirty.push(other);
                }
            }
            Role::Connecting { connection } | Role::Peer { connection } => {
                self.connections.remove(&connection);
            }
            Role::Client => {}
        }
    }

    /// Closes a connection with a peer, and the client's stream for it.
    pub(crate) fn disconnect(&mut self, connection: u32, registry: &Registry) {
        if let Some(place) = self.connections.get(&connection).copied() {
            let _ = self.all.get_mut(place).map(Stream::flush);
            self.close(place, registry);
        }
    }

    /// Clients' streams that have been silent, at most every ten seconds; which of them have no allocation the caller knows.
    pub(crate) fn idle(&mut self, now: Instant) -> Vec<(usize, FiveTuple)> {
        if self.swept.is_some_and(|at| now < at + IDLE / 6) {
            return Vec::new();
        }
        self.swept = Some(now);
        self.all
            .iter()
            .filter(|(_, stream)| stream.role == Role::Client && stream.active + IDLE <= now)
            .map(|(place, stream)| (place, stream.tuple))
            .collect()
    }
}
