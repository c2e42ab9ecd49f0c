//! TCP allocations (RFC 6062): connections between a relayed address and peers, each joined to a stream of its own from the
//! client.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use peerage_stun::{
    Attribute, AttributeType as T, Class, ErrorCode, Message, Method, TransactionId,
};

use super::manage::peer_of;
use super::reply::Reply;
use super::{Server, Timer};
use crate::types::{Event, FiveTuple, RelayId};

/// How long a connection waits for its ConnectionBind (RFC 6062 §5.2), and a Connect for the peer: 30 s at least.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections of one allocation.
const MAX_CONNECTIONS: usize = 32;

/// The connections of one worker.
#[derive(Debug, Default)]
pub(super) struct Connections {
    all: HashMap<u32, Connection>,
    /// Client data streams.
    streams: HashMap<FiveTuple, u32>,
}

#[derive(Debug)]
struct Connection {
    place: u32,
    peer: SocketAddr,
    state: State,
    until: Instant,
}

#[derive(Debug)]
enum State {
    /// Towards the peer, for this Connect.
    Connecting(Reply),
    /// With the peer, without a client's stream.
    Pending,
    Joined(FiveTuple),
}

impl Server {
    pub(super) fn connect(
        &mut self,
        now: Instant,
        reply: &Reply,
        message: &Message<'_>,
        place: u32,
    ) {
        let Some(peer) = peer_of(message) else {
            return self.refuse(reply, ErrorCode::BAD_REQUEST, &[]);
        };
        let allocation = &self.allocations[place as usize];
        if !allocation.tcp {
            return self.refuse(reply, ErrorCode::ALLOCATION_MISMATCH, &[]);
        }
        let Some(relayed) = allocation.relayed_for(peer.ip()).copied() else {
            return self.refuse(reply, ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH, &[]);
        };
        let mut count = 0;
        for connection in self.connections.all.values().filter(|c| c.place == place) {
            count += 1;
            if connection.peer == peer {
                // A request sent again is on its way already.
                let again = matches!(&connection.state, State::Connecting(r) if r.id == reply.id);
                if !again {
                    self.refuse(reply, ErrorCode::CONNECTION_ALREADY_EXISTS, &[]);
                }
                return;
            }
        }
        if !self.is_open(peer) {
            self.counters.forbidden += 1;
            return self.refuse(reply, ErrorCode::FORBIDDEN, &[]);
        }
        if count >= MAX_CONNECTIONS {
            return self.refuse(reply, ErrorCode::INSUFFICIENT_CAPACITY, &[]);
        }
        let number = self.add_connection(now, place, peer, State::Connecting(reply.clone()));
        self.events.push_back(Event::Connect {
            connection: number,
            relay: relayed.id,
            address: relayed.bind,
            peer,
        });
    }

    /// The other worker that a ConnectionBind is for: the system gave its stream to whichever it liked.
    pub(super) fn worker_of(&self, message: &Message<'_>, tuple: FiveTuple) -> Option<u8> {
        let number = match message.decode(T::CONNECTION_ID)? {
            Ok(Attribute::ConnectionId(number)) => number,
            _ => return None,
        };
        let worker = (number >> 24) as u8;
        let here = worker == self.worker || self.tuples.contains_key(&tuple);
        (!here && worker < self.shared.workers() && tuple.transport.is_stream()).then_some(worker)
    }

    fn add_connection(&mut self, now: Instant, place: u32, peer: SocketAddr, state: State) -> u32 {
        // The worker's number, so that another one knows whose it is; the rest is random: who guesses it must have the user's credentials as well.
        let number = loop {
            let number = u32::from(self.worker) << 24 | self.rng.u32() >> 8;
            if !self.connections.all.contains_key(&number) {
                break number;
            }
        };
        let until = now + PATIENCE;
        self.timers.insert((until, Timer::Connection(number)));
        self.connections.all.insert(number, Connection { place, peer, state, until });
        number
    }

    pub(super) fn peer_connected(&mut self, now: Instant, number: u32, ok: bool) {
        let Some(connection) = self.connections.all.get_mut(&number) else { return };
        let State::Connecting(reply) = &connection.state else { return };
        let reply = reply.clone();
        if ok {
            self.timers.remove(&(connection.until, Timer::Connection(number)));
            connection.state = State::Pending;
            connection.until = now + PATIENCE;
            self.timers.insert((connection.until, Timer::Connection(number)));
            self.succeed(&reply, &[Attribute::ConnectionId(number)]);
        } else {
            self.forget_connection(number);
            self.refuse(&reply, ErrorCode::CONNECTION_TIMEOUT_OR_FAILURE, &[]);
        }
    }

    pub(super) fn peer_accepted(&mut self, now: Instant, relay: RelayId, peer: SocketAddr) {
        let place = self.relay_place(relay);
        let admitted = place.filter(|place| {
            let allocation = &self.allocations[*place as usize];
            let mine = self.connections.all.values().filter(|c| c.place == *place);
            allocation.is_permitted(now, peer.ip()) && mine.count() < MAX_CONNECTIONS
        });
        let Some(place) = admitted else {
            self.counters.unpermitted += 1;
            self.events.push_back(Event::Refuse);
            return;
        };
        let tuple = self.allocations[place as usize].tuple;
        let number = self.add_connection(now, place, peer, State::Pending);
        self.events.push_back(Event::Incoming { connection: number });
        let id = TransactionId::random(&mut self.rng);
        self.write(tuple, Class::Indication, Method::CONNECTION_ATTEMPT, id, |builder| {
            builder
                .attribute(&Attribute::ConnectionId(number))
                .attribute(&Attribute::XorPeerAddress(peer))
                .finish()
        });
    }

    pub(super) fn connection_bind(&mut self, reply: &Reply, message: &Message<'_>, username: &str) {
        let number = match message.decode(T::CONNECTION_ID) {
            Some(Ok(Attribute::ConnectionId(number))) if reply.tuple.transport.is_stream() => {
                number
            }
            _ => return self.refuse(reply, ErrorCode::BAD_REQUEST, &[]),
        };
        let connection = self.connections.all.get_mut(&number).filter(|connection| {
            matches!(connection.state, State::Pending)
                && *self.allocations[connection.place as usize].username == *username
                && !self.tuples.contains_key(&reply.tuple)
        });
        let Some(connection) = connection else {
            return self.refuse(reply, ErrorCode::BAD_REQUEST, &[]);
        };
        self.timers.remove(&(connection.until, Timer::Connection(number)));
        connection.state = State::Joined(reply.tuple);
        self.connections.streams.insert(reply.tuple, number);
        self.succeed(reply, &[]);
        self.events.push_back(Event::Join { connection: number, tuple: reply.tuple });
    }

    pub(super) fn peer_closed(&mut self, number: u32) {
        self.forget_connection(number);
    }

    pub(super) fn client_stream_closed(&mut self, tuple: FiveTuple) {
        if let Some(number) = self.connections.streams.get(&tuple).copied() {
            self.disconnect(number);
        }
    }

    pub(super) fn connection_timed_out(&mut self, number: u32) {
        let Some(connection) = self.connections.all.get(&number) else { return };
        if let State::Connecting(reply) = &connection.state {
            let reply = reply.clone();
            self.refuse(&reply, ErrorCode::CONNECTION_TIMEOUT_OR_FAILURE, &[]);
        }
        self.disconnect(number);
    }

    pub(super) fn drop_connections_of(&mut self, place: u32) {
        let gone: Vec<u32> = self
            .connections
            .all
            .iter()
            .filter(|(_, connection)| connection.place == place)
            .map(|(number, _)| *number)
            .collect();
        gone.into_iter().for_each(|number| self.disconnect(number));
    }

    fn disconnect(&mut self, number: u32) {
        self.forget_connection(number);
        self.events.push_back(Event::Disconnect { connection: number });
    }

    fn forget_connection(&mut self, number: u32) {
        let Some(connection) = self.connections.all.remove(&number) else { return };
        self.timers.remove(&(connection.until, Timer::Connection(number)));
        if let State::Joined(tuple) = connection.state {
            self.connections.streams.remove(&tuple);
        }
    }
}
