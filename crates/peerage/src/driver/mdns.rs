//! The multicast DNS socket of an endpoint: opened when the first `.local` name comes up.

use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::Instant;

use super::ConnectionId;
use super::resolver::Answer;

/// The port of multicast DNS (RFC 6762 §3), if the endpoint wants one.
pub(crate) struct MdnsPort {
    enabled: bool,
}

impl MdnsPort {
    pub(crate) fn new(enabled: bool) -> Self {
        Self { enabled }
    }

    pub(crate) fn resolve(
        &mut self,
        _now: Instant,
        _connection: ConnectionId,
        name: String,
    ) -> Option<Answer> {
        (!self.enabled).then(|| Answer::Mdns(name, Vec::new()))
    }

    pub(crate) fn publish(
        &mut self,
        _now: Instant,
        _connection: ConnectionId,
        _name: String,
        _address: IpAddr,
    ) {
    }

    pub(crate) fn poll(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Instant,
    ) -> Poll<(ConnectionId, Answer)> {
        Poll::Pending
    }

    pub(crate) fn forget(&mut self, _now: Instant, _connection: ConnectionId) {}
}
