//! One worker: a thread that waits for its sockets and drives its share of the server.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, Waker};
use quinn_udp::{BATCH_SIZE, RecvMeta};

use super::batch::{Batch, From, Way};
use super::dtls::Associations;
use super::stream::Role;
use super::streams::{self, Came, Listener, Source, Streams};
use super::udp::{self, Buffers, Udp};
use super::{Control, Observer};
use crate::framing;
use crate::server::Server;
use crate::types::{Event, FiveTuple, Forward, Input, Path, RelayId, Transport};

const WAKE: Token = Token(0);
/// Tokens of listeners begin here, those of relayed addresses behind.
const LISTENERS: usize = 1;
const RELAYS: usize = 1 << 20;

/// The longest sleep: so often are the counters told, at least.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// The listeners of one worker.
#[derive(Default)]
pub(crate) struct Sockets {
    pub(crate) udp: Vec<Udp>,
    pub(crate) tcp: Vec<Listener>,
    /// So many of `udp` are plain, the others for DTLS.
    pub(crate) plain: usize,
    pub(crate) dtls: Option<Associations>,
}

pub(crate) struct Worker {
    index: usize,
    poll: Poll,
    server: Server,
    net: Net,
    buffers: Buffers,
    meta: [RecvMeta; BATCH_SIZE],
    /// Sockets that may have more.
    ready: Vec<Token>,
    control: Arc<Control>,
    observer: Option<Observer>,
    out: Vec<u8>,
    scratch: Vec<u8>,
    /// So many listeners are for UDP, the others for DTLS.
    plain: usize,
    /// The worker that the stream which is worked on goes to.
    handing: Option<u8>,
}

/// The sockets, and what waits to be sent by them.
struct Net {
    listeners: Vec<Udp>,
    relays: Vec<Option<Udp>>,
    batch: Batch,
    streams: Streams,
    dtls: Option<Associations>,
    /// Where records are made.
    record: Vec<u8>,
    lost: u64,
}

impl Net {
    fn send(&mut self, way: Way, parts: [&[u8]; 2], padding: u8) {
        let Self { listeners, relays, batch, .. } = self;
        batch.push(way, parts, padding, &|from| socket(listeners, relays, from));
    }

    fn flush(&mut self) {
        let Self { listeners, relays, batch, lost, .. } = self;
        *lost += batch.flush(&|from| socket(listeners, relays, from)) as u64;
    }

    /// Sends a message to a client, by whatever transport.
    fn send_to(
        &mut self,
        tuple: FiveTuple,
        parts: [&[u8]; 2],
        padding: u8,
        ecn: Option<quinn_udp::EcnCodepoint>,
    ) {
        if tuple.transport.is_stream() {
            return self.streams.send(&tuple, parts, padding);
        }
        let Some(way) = self.way_to(tuple) else { return };
        if tuple.transport == Transport::Udp {
            return self.send(Way { ecn, ..way }, parts, padding);
        }
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        let sealed =
            self.dtls.as_mut().is_some_and(|dtls| dtls.seal(&tuple, parts, padding, &mut record));
        if sealed {
            self.send(Way { ecn, ..way }, [&record, &[]], 0);
        }
        self.record = record;
    }

    /// The way to a client, by the listener that speaks for the server's address.
    fn way_to(&self, tuple: FiveTuple) -> Option<Way> {
        let listener = self.listeners.iter().position(|listener| {
            let local = listener.local();
            local == tuple.server
                || local.ip().is_unspecified()
                    && local.port() == tuple.server.port()
                    && local.is_ipv4() == tuple.server.is_ipv4()
        })?;
        let any = self.listeners[listener].local().ip().is_unspecified();
        Some(Way {
            from: From::Listener(listener),
            destination: tuple.client,
            source: any.then(|| tuple.server.ip()),
            ecn: None,
        })
    }
}

fn socket<'a>(listeners: &'a [Udp], relays: &'a [Option<Udp>], from: From) -> Option<&'a Udp> {
    match from {
        From::Listener(index) => listeners.get(index),
        From::Relay(id) => relays.get(id as usize)?.as_ref(),
    }
}

impl Worker {
    pub(crate) fn new(
        index: usize,
        server: Server,
        mut sockets: Sockets,
        control: Arc<Control>,
        observer: Option<Observer>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        control.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(waker);
        for (number, socket) in sockets.udp.iter_mut().enumerate() {
            let token = Token(LISTENERS + number);
            poll.registry().register(&mut socket.io, token, Interest::READABLE)?;
        }
        let streams = Streams::new(sockets.tcp, poll.registry())?;
        Ok(Self {
            index,
            poll,
            server,
            net: Net {
                listeners: sockets.udp,
                relays: Vec::new(),
                batch: Batch::default(),
                streams,
                dtls: sockets.dtls,
                record: Vec::new(),
                lost: 0,
            },
            buffers: Buffers::new(),
            meta: [RecvMeta::default(); BATCH_SIZE],
            ready: Vec::new(),
            control,
            observer,
            out: Vec::new(),
            scratch: Vec::new(),
            plain: sockets.plain,
            handing: None,
        })
    }

    /// Until the handle closes.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        let mut draining = false;
        loop {
            let now = Instant::now();
            let timeouts = [
                self.server.poll_timeout(),
                self.net.dtls.as_ref().and_then(Associations::poll_timeout),
            ];
            let sleep = match timeouts.into_iter().flatten().min() {
                _ if !self.ready.is_empty() => Duration::ZERO,
                Some(at) => at.saturating_duration_since(now).min(LONGEST_SLEEP),
                None => LONGEST_SLEEP,
            };
            match self.poll.poll(&mut events, Some(sleep)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Nothing can be waited for any more; the other workers go on.
                Err(_) => break,
            }
            let now = Instant::now();
            if self.control.closing.load(Ordering::Relaxed) {
                break;
            }
            if !draining && self.control.draining.load(Ordering::Relaxed) {
                draining = true;
                self.server.drain();
            }
            for event in &events {
                if event.token() != WAKE && !self.ready.contains(&event.token()) {
                    self.ready.push(event.token());
                }
            }
            self.take_in(now);
            // One batch of each: a busy socket waits for its next turn.
            for token in std::mem::take(&mut self.ready) {
                if self.serve(now, token) {
                    self.ready.push(token);
                }
            }
            if self.server.poll_timeout().is_some_and(|at| at <= now) {
                self.server.handle_timeout(now);
                self.drain(now);
            }
            self.close_idle(now);
            self.time_dtls(now);
            self.flush(now);
            self.publish();
        }
        self.server.close();
        self.drain(Instant::now());
        self.publish();
    }

    fn publish(&self) {
        let place = &self.control.counters[self.index];
        let mut counters = *self.server.counters();
        counters.lost += self.net.lost + self.net.streams.lost;
        *place.lock().unwrap_or_else(PoisonError::into_inner) = counters;
    }

    /// Takes a batch from a socket; whether there may be more.
    fn serve(&mut self, now: Instant, token: Token) -> bool {
        match streams::source(token) {
            None => {}
            Some(Source::Listener(number)) => {
                return self.net.streams.accept(now, number, self.poll.registry());
            }
            Some(Source::Relay(relay)) => return self.accept_peers(now, relay),
            Some(Source::Stream(place)) => return self.serve_stream(now, place),
        }
        let (from, relay) = match token.0 {
            token if token >= RELAYS => {
                let id = (token - RELAYS) as u32;
                (From::Relay(id), Some(RelayId(id)))
            }
            token => (From::Listener(token - LISTENERS), None),
        };
        let Some(socket) = socket(&self.net.listeners, &self.net.relays, from) else {
            return false;
        };
        let count = match socket.receive(&mut self.buffers, &mut self.meta) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            // What an earlier datagram met on its way (ICMP) is told once; the socket is well.
            Err(_) => return true,
        };
        let secured = matches!(from, From::Listener(number) if number >= self.plain);
        let local = socket.local();
        let several = local.ip().is_unspecified();
        for index in 0..count {
            let meta = self.meta[index];
            let source = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            let server = match meta.dst_ip {
                Some(ip) if several => SocketAddr::new(ip.to_canonical(), local.port()),
                _ => local,
            };
            let tuple = FiveTuple { transport: Transport::Udp, client: source, server };
            let mut at = 0;
            let mut left = meta.len;
            loop {
                let size = left.min(meta.stride.max(1));
                let datagram = &self.buffers.get(index)[at..at + size];
                at += size;
                left -= size;
                if secured {
                    self.scratch.clear();
                    self.scratch.extend_from_slice(datagram);
                    self.serve_dtls(now, Associations::tuple(source, server));
                    if left == 0 {
                        break;
                    }
                    continue;
                }
                let input = match relay {
                    Some(relay) => Input::Peer { relay, source, data: datagram },
                    None => Input::Client { tuple, message: datagram },
                };
                if let Some(forward) = self.server.handle_input(now, input) {
                    relay_data(&mut self.net, &forward, datagram, meta.ecn);
                } else {
                    self.drain(now);
                }
                if left == 0 {
                    break;
                }
            }
        }
        self.net.flush();
        count == BATCH_SIZE
    }

    /// Works on the datagram in `scratch`.
    fn serve_dtls(&mut self, now: Instant, tuple: FiveTuple) {
        let Some(dtls) = &mut self.net.dtls else { return };
        let mut datagram = std::mem::take(&mut self.scratch);
        let opened = dtls.open(now, tuple, &mut datagram);
        self.send_handshake(now, tuple);
        for range in opened.messages {
            let message = &datagram[range];
            match self.server.handle_input(now, Input::Client { tuple, message }) {
                Some(forward) => relay_data(&mut self.net, &forward, message, None),
                None => self.drain(now),
            }
        }
        self.scratch = datagram;
        if opened.ended {
            self.end_association(now, tuple);
        }
    }

    fn send_handshake(&mut self, now: Instant, tuple: FiveTuple) {
        let Some(way) = self.net.way_to(tuple) else { return };
        let mut record = std::mem::take(&mut self.net.record);
        record.clear();
        while self.net.dtls.as_mut().is_some_and(|dtls| dtls.poll(now, &tuple, &mut record)) {
            self.net.send(way, [&record, &[]], 0);
            record.clear();
        }
        self.net.record = record;
    }

    fn end_association(&mut self, now: Instant, tuple: FiveTuple) {
        self.send_handshake(now, tuple);
        if let Some(dtls) = &mut self.net.dtls {
            dtls.remove(&tuple);
        }
        self.server.handle_input(now, Input::Closed { tuple });
        self.drain(now);
    }

    fn time_dtls(&mut self, now: Instant) {
        let Some(dtls) = &mut self.net.dtls else { return };
        let due = dtls.handle_timeout(now);
        let idle = dtls.idle(now);
        for (tuple, failed) in due {
            self.send_handshake(now, tuple);
            if failed {
                self.end_association(now, tuple);
            }
        }
        for tuple in idle {
            if !self.server.has_allocation(&tuple) {
                self.end_association(now, tuple);
            }
        }
    }

    /// Sends and writes what waits. Streams that end by it may free allocations, and so on.
    fn flush(&mut self, now: Instant) {
        self.net.flush();
        loop {
            let over = self.net.streams.flush();
            if over.is_empty() {
                break;
            }
            for place in over {
                self.close_stream(now, place);
            }
        }
        self.ready.append(&mut self.net.streams.resumed);
    }

    /// Reads once from a stream; whether there may be more.
    fn serve_stream(&mut self, now: Instant, place: usize) -> bool {
        match self.net.streams.read(now, place) {
            Came::Done { more } => more,
            Came::Ended => {
                self.close_stream(now, place);
                false
            }
            Came::Connected { connection } => {
                self.server.handle_input(now, Input::PeerConnected { connection, ok: true });
                self.drain(now);
                false
            }
            Came::Bytes(count) => self.serve_client(now, place, count),
        }
    }

    /// Works on the messages of a client's stream, `count` bytes of which were just read; whether there may be more.
    fn serve_client(&mut self, now: Instant, place: usize, count: usize) -> bool {
        let inputs = self.net.streams.take_input(place, count);
        let mut start = 0;
        let ended = loop {
            // A ConnectionBind makes all that follows data.
            let Some((Role::Client, tuple)) = self.net.streams.role(place) else {
                break false;
            };
            let size = match framing::next(&inputs[start..]) {
                Ok(Some(size)) => size,
                Ok(None) => break false,
                Err(_) => break true,
            };
            let message = &inputs[start..start + size];
            let input = Input::Client { tuple, message };
            match self.server.handle_input(now, input) {
                Some(forward) => relay_data(&mut self.net, &forward, message, None),
                None => self.drain(now),
            }
            if let Some(worker) = self.handing.take() {
                let stream = self.net.streams.take(place, self.poll.registry());
                if let Some(mut stream) = stream {
                    stream.input = inputs[start..].to_vec();
                    self.control.hand_over(worker, stream);
                }
                return false;
            }
            start += size;
        };
        self.net.flush();
        if ended {
            self.close_stream(now, place);
            return false;
        }
        self.net.streams.put_input(place, inputs, start);
        true
    }

    /// Takes in what other workers handed over.
    fn take_in(&mut self, now: Instant) {
        for stream in self.control.inbox(self.index) {
            if let Some(place) = self.net.streams.put(stream, self.poll.registry()) {
                self.serve_client(now, place, 0);
            }
        }
    }

    fn close_stream(&mut self, now: Instant, place: usize) {
        let Some((role, tuple)) = self.net.streams.role(place) else { return };
        self.net.streams.close(place, self.poll.registry());
        let input = match role {
            Role::Connecting { connection } => Input::PeerConnected { connection, ok: false },
            Role::Peer { connection } | Role::Joined { connection, peer: true, .. } => {
                Input::PeerClosed { connection }
            }
            Role::Client | Role::Joined { .. } => Input::Closed { tuple },
        };
        self.server.handle_input(now, input);
        self.drain(now);
    }

    fn close_idle(&mut self, now: Instant) {
        for (place, tuple) in self.net.streams.idle(now) {
            if !self.server.has_allocation(&tuple) {
                self.close_stream(now, place);
            }
        }
    }

    /// Takes peers that connected to a TCP allocation.
    fn accept_peers(&mut self, now: Instant, relay: RelayId) -> bool {
        while let Some((io, peer)) = self.net.streams.accept_peer(relay) {
            self.server.handle_input(now, Input::PeerAccepted { relay, peer });
            // The answer is the only event: all others were drained.
            if let Some(Event::Incoming { connection }) = self.server.poll_event() {
                let registry = self.poll.registry();
                if !self.net.streams.add_peer(now, connection, io, false, registry) {
                    self.server.handle_input(now, Input::PeerClosed { connection });
                }
            }
            self.drain(now);
        }
        false
    }

    /// Does what the server asks for, and sends what it answers.
    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.server.poll_event() {
            self.handle(now, event);
        }
        while let Some(transmit) = self.server.poll_transmit(now, &mut self.out) {
            self.net.send_to(transmit.tuple, [&self.out, &[]], 0, None);
            self.out.clear();
        }
    }

    fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::Bind { relay, address, reserved, tcp } => {
                let ok = if tcp {
                    let registry = self.poll.registry();
                    self.net.streams.bind_relay(relay, address, registry).is_ok()
                } else {
                    self.bind(relay, address, reserved).is_ok()
                };
                self.server.handle_input(now, Input::Bound { relay, ok });
            }
            Event::Close { relay } => {
                self.net.streams.close_relay(relay, self.poll.registry());
                // What waits to be sent by it goes first.
                self.net.flush();
                if let Some(mut socket) =
                    self.net.relays.get_mut(relay.0 as usize).and_then(Option::take)
                {
                    let _ = self.poll.registry().deregister(&mut socket.io);
                }
            }
            Event::Reserve { address } => {
                if let Ok(socket) = udp::relay(address) {
                    self.parked().insert(address, socket);
                }
            }
            Event::Unreserve { address } => {
                self.parked().remove(&address);
            }
            Event::Allocated { .. } | Event::Freed { .. } => {
                if let Some(observer) = &self.observer {
                    observer(&event);
                }
            }
            Event::Connect { connection, address, peer, .. } => {
                let connected = super::stream::connect(address, peer).is_ok_and(|io| {
                    let registry = self.poll.registry();
                    self.net.streams.add_peer(now, connection, io, true, registry)
                });
                if !connected {
                    let input = Input::PeerConnected { connection, ok: false };
                    self.server.handle_input(now, input);
                }
            }
            Event::HandOver { worker, .. } => self.handing = Some(worker),
            Event::Join { connection, tuple } => self.net.streams.join(connection, tuple),
            Event::Disconnect { connection } => {
                self.net.streams.disconnect(connection, self.poll.registry());
            }
            // Answered where the peer was accepted.
            Event::Incoming { .. } | Event::Refuse => {}
        }
    }

    fn parked(&self) -> std::sync::MutexGuard<'_, udp::Parked> {
        self.control.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bind(&mut self, relay: RelayId, address: SocketAddr, reserved: bool) -> io::Result<()> {
        let parked = if reserved { self.parked().remove(&address) } else { None };
        let mut socket = match parked {
            Some(socket) => socket,
            None if reserved => return Err(io::ErrorKind::AddrNotAvailable.into()),
            None => udp::relay(address)?,
        };
        let place = relay.0 as usize;
        let token = Token(RELAYS + place);
        self.poll.registry().register(&mut socket.io, token, Interest::READABLE)?;
        if place >= self.net.relays.len() {
            self.net.relays.resize_with(place + 1, || None);
        }
        self.net.relays[place] = Some(socket);
        Ok(())
    }
}

/// Sends data on at once.
fn relay_data(
    net: &mut Net,
    forward: &Forward,
    input: &[u8],
    ecn: Option<quinn_udp::EcnCodepoint>,
) {
    let payload = &input[forward.payload.clone()];
    let parts = [forward.prefix.as_slice(), payload];
    match forward.path {
        Path::Peer { relay, peer, dont_fragment } => {
            let from = From::Relay(relay.0);
            // RFC 8656 §14: ECN marks pass.
            let way = Way { from, destination: peer, source: None, ecn };
            if !dont_fragment {
                return net.send(way, parts, forward.padding);
            }
            net.flush();
            let set = |net: &Net, on| {
                if let Some(socket) = socket(&net.listeners, &net.relays, from) {
                    socket.set_dont_fragment(on);
                }
            };
            set(net, true);
            net.send(way, parts, forward.padding);
            net.flush();
            set(net, false);
        }
        Path::Client(tuple) => net.send_to(tuple, parts, forward.padding, ecn),
    }
}
