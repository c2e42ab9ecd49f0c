//! The one task of an endpoint: it owns the sockets and every connection on them, and nothing else touches either.
//!
//! ```text
//!   sockets ──recv batch──► route ──► connection.handle_input ─┐
//!   handles ──commands────► connection call / send ────────────┼─► dirty list ──► drain: events ► handles
//!   timers  ──due─────────► connection.handle_timeout ─────────┘                         packets ► sockets
//! ```
//!
//! Every mutation marks its connection dirty; a turn ends by draining the dirty ones, so that a batch of packets costs one
//! drain. A connection whose socket would block waits until it is writable, and the others go on; see [`port`].

mod claims;
mod connection;
mod interface_watch;
mod mdns;
mod media;
mod port;
mod resolver;
mod roaming;
mod routes;
mod stream_events;
mod streams;
mod timers;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll};
use std::time::Instant;

use peerage_crypto::Rng;
use peerage_peerconnection::{
    ConnectionState, Input, PeerConnection as Protocol, Protocol as Transport,
};
use peerage_stun::{Class, Message};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Sleep;

pub(crate) use self::connection::Connection;
use self::connection::Request;
use self::interface_watch::Watch;
use self::mdns::MdnsPort;
use self::port::{Port, Sent};
use self::resolver::Resolver;
use self::routes::{Path, Routes};
pub(crate) use self::streams::Listener;
use self::streams::Streams;
use self::timers::Timers;
use crate::endpoint::EndpointConfig;
use crate::lifeline::{Command, Control, Lifeline};
use crate::peer_connection::Snapshot;
use crate::socket::{Envelope, ReceiveBuffers, Socket};
use crate::{Configuration, Error, Event};

/// Never used twice in an endpoint's life, so that a late command cannot reach another connection.
pub(crate) type ConnectionId = u64;

/// Commands taken per turn, so that handles cannot keep the sockets waiting.
const COMMANDS_PER_TURN: usize = 256;
/// Receive batches per socket and turn.
const BATCHES_PER_TURN: usize = 8;
/// Datagrams of one path that a connection is given together.
const MAX_RUN: usize = 8;
/// Sends per connection and turn: others have their turn, and input is looked at, before it goes on.
const SENDS_PER_TURN: usize = 32;
/// Turns before the task yields to others of the runtime.
const TURNS_PER_POLL: usize = 16;

/// A connection to be made.
pub(crate) struct NewConnection {
    pub(crate) id: ConnectionId,
    pub(crate) configuration: Configuration,
    pub(crate) rng: Rng,
    pub(crate) lifeline: Weak<Lifeline>,
    pub(crate) reply: oneshot::Sender<Result<NewParts, Error>>,
}

/// Datagrams of one path.
type Run<'a> = SmallVec<[Input<'a>; MAX_RUN]>;

/// The handle's ends of a new connection's queues.
#[derive(Debug)]
pub(crate) struct NewParts {
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) snapshot: watch::Receiver<Snapshot>,
}

/// The driver task.
pub(crate) struct Driver {
    config: EndpointConfig,
    ports: Vec<Port>,
    port_of: FxHashMap<SocketAddr, usize>,
    streams: Streams,
    watch: Watch,
    buffers: ReceiveBuffers,
    output: Vec<u8>,
    commands: mpsc::Receiver<Command>,
    control: mpsc::UnboundedReceiver<Control>,
    connections: FxHashMap<ConnectionId, Box<Connection>>,
    routes: Routes,
    timers: Timers,
    sleep: Option<Pin<Box<Sleep>>>,
    dirty: Vec<ConnectionId>,
    due: Vec<ConnectionId>,
    freed: Vec<ConnectionId>,
    requests: Vec<Request>,
    resolver: Resolver,
    statistics: Counters,
    closed: bool,
}

/// What the driver itself drops.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    /// Datagrams received that are for no connection.
    unroutable: u64,
    /// Datagrams that a socket refused for good.
    send_errors: u64,
    /// Datagrams dropped because a socket would have blocked for too long.
    blocked: u64,
    receive_errors: u64,
}

impl Driver {
    pub(crate) fn new(
        sockets: Vec<Socket>,
        listeners: Vec<Listener>,
        config: EndpointConfig,
        commands: mpsc::Receiver<Command>,
        control: mpsc::UnboundedReceiver<Control>,
    ) -> Self {
        let mut port_of = FxHashMap::default();
        for (index, socket) in sockets.iter().enumerate() {
            for address in &socket.addresses {
                port_of.insert(*address, index);
            }
        }
        let mdns = MdnsPort::new(config.mdns, port_of.keys().copied());
        Self {
            ports: sockets.into_iter().map(Port::new).collect(),
            port_of,
            streams: Streams::new(listeners, config.tls_roots.clone()),
            watch: Watch::new(config.follows_interfaces()),
            buffers: ReceiveBuffers::new(),
            output: Vec::new(),
            commands,
            control,
            connections: FxHashMap::default(),
            routes: Routes::default(),
            timers: Timers::default(),
            sleep: None,
            dirty: Vec::new(),
            due: Vec::new(),
            freed: Vec::new(),
            requests: Vec::new(),
            resolver: Resolver::new(mdns),
            statistics: Counters::default(),
            closed: false,
            config,
        }
    }

    fn mark(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && !connection.dirty
        {
            connection.dirty = true;
            self.dirty.push(id);
        }
    }

    fn poll_commands(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progress = false;
        for _ in 0..COMMANDS_PER_TURN {
            match self.commands.poll_recv(cx) {
                Poll::Ready(Some(command)) => self.handle_command(command, now),
                // No handle is left, and none can come back: every connection has been dropped too.
                Poll::Ready(None) => {
                    self.closed = true;
                    return progress;
                }
                Poll::Pending => break,
            }
            progress = true;
        }
        progress
    }

    fn handle_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Connect(new) => self.add_connection(*new, now),
            Command::Call(id, call) => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    call(connection, now);
                    connection.claim_ufrags(&mut self.routes);
                    self.mark(id);
                }
            }
            Command::Send(id, handle, message) => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.send(now, handle, message);
                    self.mark(id);
                }
            }
        }
    }

    fn add_connection(&mut self, new: NewConnection, now: Instant) {
        let NewConnection { id, mut configuration, rng, lifeline, reply } = new;
        // The caller gave up before its turn came; nobody would ever drop the connection.
        if lifeline.strong_count() == 0 {
            return;
        }
        if self.connections.len() >= self.config.max_connections {
            let _ = reply.send(Err(Error::TooManyConnections(self.config.max_connections)));
            return;
        }
        let segments =
            self.ports.iter().map(|port| port.socket.max_gso_segments()).min().unwrap_or(1);
        configuration.settings.max_gso_segments =
            configuration.settings.max_gso_segments.min(segments);
        // Which addresses are offered was decided when the endpoint was bound.
        configuration.settings.ice_loopback = true;
        let mut pc = match Protocol::new(now, configuration, rng) {
            Ok(pc) => pc,
            Err(error) => {
                let _ = reply.send(Err(error.into()));
                return;
            }
        };
        for port in &self.ports {
            for address in &port.socket.addresses {
                pc.add_local_address(now, *address);
            }
        }
        self.offer_tcp(&mut pc, now);
        pc.local_addresses_complete(now);
        let (events, receiver) = mpsc::channel(self.config.event_queue.max(1));
        let (mut connection, snapshot) = Connection::new(
            id,
            pc,
            lifeline,
            events,
            self.config.send_buffer,
            self.config.receive_budget,
        );
        connection.claim_ufrags(&mut self.routes);
        self.connections.insert(id, Box::new(connection));
        self.mark(id);
        // If the caller gives up just now its lifeline ends, and tells us so by itself.
        let _ = reply.send(Ok(NewParts { events: receiver, snapshot }));
    }

    fn poll_control(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progress = false;
        while let Poll::Ready(Some(control)) = self.control.poll_recv(cx) {
            progress = true;
            let id = match control {
                Control::DropConnection(id) => {
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.dropped = true;
                        connection.pc.close(now);
                    }
                    id
                }
                Control::DropChannel(id, handle, sent) => {
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.drop_channel(now, handle, sent);
                    }
                    id
                }
                Control::CloseChannel(id, handle, sent) => {
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.close_channel(now, handle, sent);
                    }
                    id
                }
                Control::Resume(id) => id,
                Control::CloseEndpoint => {
                    let ids: Vec<_> = self.connections.keys().copied().collect();
                    for id in ids {
                        if let Some(connection) = self.connections.get_mut(&id) {
                            connection.pc.close(now);
                        }
                        self.mark(id);
                    }
                    self.closed = true;
                    continue;
                }
            };
            self.mark(id);
        }
        progress
    }

    fn poll_sockets(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Self { ports, buffers, connections, routes, dirty, statistics, .. } = self;
        let mut progress = false;
        for port in ports.iter() {
            for _ in 0..BATCHES_PER_TURN {
                let mut hand_over = |envelope: &Envelope, datagrams: &mut Run<'_>| {
                    let Some(first) = datagrams.first() else { return };
                    let Some(connection) = route(routes, connections, envelope, first.data) else {
                        statistics.unroutable += datagrams.len() as u64;
                        datagrams.clear();
                        return;
                    };
                    if let Err(error) = connection.pc.handle_inputs(now, datagrams) {
                        tracing::debug!(connection = connection.id, %error, "connection ended by input");
                    }
                    if !connection.dirty {
                        connection.dirty = true;
                        dirty.push(connection.id);
                    }
                    datagrams.clear();
                };
                let received = port.socket.poll_recv(cx, buffers, |envelope, datagrams| {
                    let Envelope { source, destination, ecn } = envelope;
                    let mut run = Run::new();
                    for data in datagrams {
                        // STUN may be for another connection than what else comes by its path.
                        let alone =
                            is_stun(data) || run.last().is_some_and(|last| is_stun(last.data));
                        if alone || run.len() == MAX_RUN {
                            hand_over(&envelope, &mut run);
                        }
                        let protocol = Transport::Udp;
                        run.push(Input { source, destination, protocol, ecn, data });
                    }
                    hand_over(&envelope, &mut run);
                });
                match received {
                    Poll::Ready(Ok(_)) => progress = true,
                    Poll::Ready(Err(error)) => {
                        // ICMP errors and the like concern one datagram, not the socket.
                        statistics.receive_errors += 1;
                        tracing::debug!(%error, "receive");
                        progress = true;
                        break;
                    }
                    Poll::Pending => break,
                }
            }
        }
        progress
    }

    fn poll_resolver(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progress = false;
        while let Poll::Ready((id, answer)) = self.resolver.poll(cx, now) {
            progress = true;
            if let Some(connection) = self.connections.get_mut(&id) {
                answer.apply(&mut connection.pc, now);
                self.mark(id);
            }
        }
        progress
    }

    fn poll_timers(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        self.due.clear();
        self.due.extend(self.timers.due(now));
        let progress = !self.due.is_empty();
        for index in 0..self.due.len() {
            let id = self.due[index];
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.pc.handle_timeout(now);
            }
            self.mark(id);
        }
        if progress {
            return true;
        }
        let retries = self.ports.iter().filter_map(Port::poll_timeout);
        let retries = retries.chain(self.streams.poll_timeout());
        let Some(next) = self.timers.next().into_iter().chain(retries).min() else {
            self.sleep = None;
            return false;
        };
        let sleep =
            self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next.into())));
        if sleep.deadline() != next.into() {
            sleep.as_mut().reset(next.into());
        }
        sleep.as_mut().poll(cx).is_ready()
    }

    /// Retries what sockets refused, and lets the connections go on that waited for it.
    fn poll_blocked_ports(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        for port in &mut self.ports {
            port.poll_unsent(cx, now, &mut self.freed, &mut self.statistics);
        }
        self.streams.give_up(now, &mut self.freed);
        let mut freed = std::mem::take(&mut self.freed);
        let progress = !freed.is_empty();
        for id in freed.drain(..) {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.stalled = false;
                // Now, or not at all: as long as it has something to send it may stall again before its timers ran.
                if connection.pc.poll_timeout().is_some_and(|deadline| deadline <= now) {
                    connection.pc.handle_timeout(now);
                }
            }
            self.mark(id);
        }
        self.freed = freed;
        progress
    }

    /// Drains connections that changed. True if something was done.
    fn drain(&mut self, now: Instant) -> bool {
        let mut dirty = std::mem::take(&mut self.dirty);
        let progress = !dirty.is_empty();
        for id in dirty.drain(..) {
            let Some(mut connection) = self.connections.remove(&id) else { continue };
            let drained = self.drain_connection(&mut connection, now);
            if matches!(drained, Drained::Finished) && connection.dropped {
                self.timers.change(id, connection.deadline, None);
                connection.release_routes(&mut self.routes);
                self.resolver.forget(now, id);
                self.streams.forget(id);
                continue;
            }
            connection.dirty = matches!(drained, Drained::More);
            if connection.dirty {
                self.dirty.push(id);
            }
            self.connections.insert(id, connection);
        }
        // The emptied list goes back to keep its allocation, unless connections were put off into a new one.
        if self.dirty.is_empty() {
            self.dirty = dirty;
        }
        progress
    }

    fn drain_connection(&mut self, connection: &mut Connection, now: Instant) -> Drained {
        connection.deliver_events(&mut self.requests);
        for request in self.requests.drain(..) {
            self.resolver.request(now, connection.id, request);
        }
        let mut drained = if connection.stalled { Drained::Stalled } else { Drained::More };
        let turns = if connection.stalled { 0 } else { SENDS_PER_TURN };
        for _ in 0..turns {
            self.output.clear();
            let Some(transmit) = connection.pc.poll_transmit(now, &mut self.output) else {
                drained = Drained::Finished;
                break;
            };
            if transmit.protocol.is_stream() {
                if self.send_by_stream(connection, &transmit, now) == Sent::Blocked {
                    drained = Drained::Stalled;
                    connection.stalled = true;
                    break;
                }
                continue;
            }
            self.note_output(connection, (transmit.source, transmit.destination));
            let Some(&port) = self.port_of.get(&transmit.source) else {
                self.statistics.send_errors += 1;
                continue;
            };
            let sent = self.ports[port].send(
                now,
                connection.id,
                &mut self.output,
                transmit,
                &mut self.statistics,
            );
            if sent == Sent::Blocked {
                drained = Drained::Stalled;
                connection.stalled = true;
                break;
            }
        }
        connection.settle_senders(now);
        connection.deliver_events(&mut self.requests);
        for request in self.requests.drain(..) {
            self.resolver.request(now, connection.id, request);
        }
        // What a stalled connection should have sent already would be due over and over.
        let deadline = if connection.stalled { None } else { connection.pc.poll_timeout() };
        self.timers.change(connection.id, connection.deadline, deadline);
        connection.deadline = deadline;
        // A stalled one that was closed has nothing left but its goodbye.
        let all_said = !matches!(drained, Drained::More);
        if all_said && connection.pc.connection_state() == ConnectionState::Closed {
            connection.finish();
        }
        drained
    }

    /// Keeps the routing tables true to what a connection is about to send.
    fn note_output(&mut self, connection: &mut Connection, path: Path) {
        match self.output.first_chunk() {
            // A check proves nothing about its destination, which the peer named: only its response is expected back.
            Some([0x00, 0x01]) => return self.routes.note_request(&self.output, connection.id),
            // A TURN server may have another connection's answers as well, but what it relays has nothing else to be known by.
            Some([0x00, 0x03..=0x16]) => self.routes.note_request(&self.output, connection.id),
            // Neither do refusals.
            Some([0..=3, kind]) if *kind != 0x01 => return,
            _ => {}
        }
        match self.routes.by_path(&path) {
            Some(owner) if owner == connection.id => return,
            Some(owner)
                if self.connections.get(&owner).is_some_and(|owner| owner.uses_path(&path)) =>
            {
                // Checks find their connection by name, data by the path alone.
                let is_data = self.output.first().is_some_and(|byte| *byte > 3);
                connection.path_is_taken(path, is_data);
                return;
            }
            _ => {}
        }
        self.routes.claim_path(path, connection.id);
        if let Some(oldest) = connection.note_path(path) {
            self.routes.release_path(&oldest, connection.id);
        }
    }
}

/// How far a connection was drained.
#[derive(Clone, Copy)]
enum Drained {
    Finished,
    /// Its turn was over before it was done.
    More,
    /// It waits for a socket.
    Stalled,
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        for _ in 0..TURNS_PER_POLL {
            // The driver is where time enters: once per turn, for all that happens in it.
            let now = Instant::now();
            // Commands before control: what was sent before a handle was dropped goes out.
            let mut progress = this.poll_commands(cx, now);
            progress |= this.poll_control(cx, now);
            progress |= this.poll_sockets(cx, now);
            progress |= this.poll_streams(cx, now);
            progress |= this.poll_resolver(cx, now);
            progress |= this.poll_watch(cx, now);
            progress |= this.poll_timers(cx, now);
            progress |= this.poll_blocked_ports(cx, now);
            // A socket that refuses now is registered for its readiness in the next turn, which follows at once.
            progress |= this.drain(now);
            if this.closed {
                this.finish();
                return Poll::Ready(());
            }
            if !progress {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Driver {
    fn finish(&mut self) {
        for connection in self.connections.values_mut() {
            connection.finish();
        }
        self.connections.clear();
        tracing::debug!(statistics = ?self.statistics, "endpoint closed");
    }
}

/// RFC 7983 §7: a first byte of 0..3 is STUN.
fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|byte| *byte < 4)
}

/// Finds the connection that a datagram is for.
fn route<'a>(
    routes: &Routes,
    connections: &'a mut FxHashMap<ConnectionId, Box<Connection>>,
    envelope: &Envelope,
    datagram: &[u8],
) -> Option<&'a mut Connection> {
    let path = (envelope.destination, envelope.source);
    // Requests name their receiver; that is surer than the address.
    let id = if is_stun(datagram) {
        Message::parse(datagram)
            .ok()
            .filter(|message| message.class() == Class::Request)
            .and_then(|message| message.username().and_then(|name| routes.by_username(name)))
            .or_else(|| routes.by_transaction(datagram))
            .or_else(|| routes.by_path(&path))
    } else {
        routes.by_path(&path)
    };
    connections.get_mut(&id?).map(Box::as_mut)
}
