//! Binding requests (RFC 8489 §12), with where they went and came from for those who study their NAT (RFC 5780).

use std::net::SocketAddr;
use std::time::Instant;

use peerage_stun::{Attribute, AttributeType, ErrorCode, Message};

use super::Server;
use super::reply::Reply;
use crate::config::BehaviourDiscovery;
use crate::types::{FiveTuple, Transport};

impl Server {
    pub(super) fn binding(&mut self, now: Instant, tuple: FiveTuple, message: &Message<'_>) {
        let second = self.shared.second(now);
        if !self.may_answer_stranger(tuple, second) {
            return;
        }
        let reply = Reply::new(tuple, message);
        let other = self.other_address(tuple.server);
        let without: &[AttributeType] = match other {
            Some(_) if tuple.transport == Transport::Udp => &[],
            _ => &[AttributeType::CHANGE_REQUEST, AttributeType::RESPONSE_PORT],
        };
        if self.refuse_unknown(&reply, message, without) {
            return;
        }
        self.counters.bindings += 1;
        let mapped = Attribute::XorMappedAddress(tuple.client);
        let Some(other) = other else {
            return self.succeed(&reply, &[mapped]);
        };
        let mut server = tuple.server;
        if let Some(Ok(Attribute::ChangeRequest { ip, port })) =
            message.decode(AttributeType::CHANGE_REQUEST)
        {
            if ip {
                server.set_ip(other.ip());
            }
            if port {
                server.set_port(other.port());
            }
        }
        let padding = message.get(AttributeType::PADDING).map(|padding| padding.value);
        let mut client = tuple.client;
        match message.decode(AttributeType::RESPONSE_PORT) {
            Some(Ok(Attribute::ResponsePort(port))) if padding.is_none() && port != 0 => {
                client.set_port(port);
            }
            None => {}
            Some(_) => return self.refuse(&reply, ErrorCode::BAD_REQUEST, &[]),
        }
        let mut attributes = vec![
            Attribute::MappedAddress(tuple.client),
            mapped,
            Attribute::ResponseOrigin(server),
            Attribute::OtherAddress(other),
        ];
        // As long as it came, not as long as the MTU, which would let one small datagram make a large one.
        attributes.extend(padding.map(Attribute::Padding));
        self.succeed_from(&reply, server, client, &attributes);
    }

    /// The address that differs in both parts, where behaviour discovery is on and `server` is one of its four.
    fn other_address(&self, server: SocketAddr) -> Option<SocketAddr> {
        let has = |ip| {
            move |pair: &&BehaviourDiscovery| [pair.primary.ip(), pair.alternate.ip()].contains(&ip)
        };
        let behaviour = self.config().behaviour.iter().find(has(server.ip()))?;
        let (a, b) = (behaviour.primary, behaviour.alternate);
        let ip = if server.ip() == a.ip() { b.ip() } else { a.ip() };
        let port = match server.port() {
            port if port == a.port() => b.port(),
            port if port == b.port() => a.port(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }
}
