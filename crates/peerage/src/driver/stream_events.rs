//! Where streams and connections meet: what comes by streams goes to their owners, and the other way round.

use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Instant;

use peerage_peerconnection::{
    Input, PeerConnection as Protocol, Protocol as Transport, TcpType, Transmit,
};
use peerage_stun::{Class, Message};

use super::port::Sent;
use super::streams::{Ends, Packets, StreamEvent, StreamId};
use super::{Connection, ConnectionId, Driver, is_stun};
use crate::endpoint::IceTcp;

/// What is taken from streams in a turn.
const EVENTS_PER_TURN: usize = 64;
/// The port of candidates that only open streams (RFC 6544 §4.5: discard).
pub(super) const ACTIVE_PORT: u16 = 9;

impl Driver {
    /// The addresses of ICE-TCP of a new connection.
    pub(super) fn offer_tcp(&self, pc: &mut Protocol, now: Instant) {
        if self.config.ice_tcp == IceTcp::Off {
            return;
        }
        let mut seen = Vec::new();
        for address in self.ports.iter().flat_map(|port| &port.socket.addresses) {
            if !seen.contains(&address.ip()) {
                seen.push(address.ip());
                let active = SocketAddr::new(address.ip(), ACTIVE_PORT);
                pc.add_local_tcp_address(now, active, TcpType::Active);
            }
        }
        for address in self.streams.listening() {
            pc.add_local_tcp_address(now, address, TcpType::Passive);
        }
    }

    pub(super) fn send_by_stream(
        &mut self,
        connection: &Connection,
        transmit: &Transmit,
        now: Instant,
    ) -> Sent {
        let server = match transmit.protocol {
            Transport::TurnTls => connection.pc.tls_server_name(transmit.destination),
            _ => None,
        };
        let (output, statistics) = (&self.output, &mut self.statistics);
        self.streams.send(now, connection.id, output, transmit, server, statistics)
    }

    pub(super) fn poll_streams(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        for turn in 0..EVENTS_PER_TURN {
            let Poll::Ready(event) = self.streams.poll(cx) else { return turn > 0 };
            match event {
                StreamEvent::Connected(ends) => {
                    tracing::debug!(?ends, "stream connected");
                }
                StreamEvent::Packets(id, ends, packets) => {
                    self.take_packets(now, id, ends, packets);
                }
                StreamEvent::Room(id) => self.freed.push(id),
                StreamEvent::Closed(ends, end) => {
                    tracing::debug!(?ends, %end, "stream closed");
                    let Some(id) = ends.owner else { continue };
                    let Some(connection) = self.connections.get_mut(&id) else { continue };
                    let Ends { protocol, local, remote, .. } = ends;
                    connection.pc.stream_closed(now, protocol, local, remote, end);
                    // What it waited for will not come.
                    self.freed.push(id);
                    self.mark(id);
                }
            }
        }
        true
    }

    fn take_packets(&mut self, now: Instant, id: StreamId, ends: Ends, mut packets: Packets) {
        let mut owner = ends.owner;
        while let Some(data) = packets.next() {
            // The first packet of an accepted stream is a check that names its connection, or there is no business here.
            let Some(named) = owner.or_else(|| self.named(data)) else {
                self.statistics.unroutable += 1;
                self.streams.discard(id);
                return;
            };
            if owner.is_none() && !self.streams.claim(id, named) {
                self.streams.discard(id);
                return;
            }
            owner = Some(named);
            let Some(connection) = self.connections.get_mut(&named) else { return };
            let Ends { protocol, local: destination, remote: source, .. } = ends;
            let input = Input { source, destination, protocol, ecn: None, data };
            if let Err(error) = connection.pc.handle_input(now, input) {
                tracing::debug!(connection = named, %error, "connection ended by input");
            }
        }
        if let Some(owner) = owner {
            self.mark(owner);
        }
    }

    /// The connection that a check names.
    fn named(&self, data: &[u8]) -> Option<ConnectionId> {
        let message = is_stun(data).then(|| Message::parse(data).ok())??;
        let name = message.username().filter(|_| message.class() == Class::Request)?;
        self.routes.by_username(name)
    }
}
