//! Gathering: host candidates of every socket, server-reflexive ones of every socket and server (RFC 8445 §5.1.1).

use std::net::SocketAddr;
use std::time::Instant;

use crate::agent::core::{IceAgent, PendingKind};
use crate::candidate::TcpType;
use crate::checklist::NewPair;
use crate::config::{FamilyPolicy, TransportPolicy};
use crate::error::Error;
use crate::event::Event;
use crate::local::Base;
use crate::relay::RelayedAddress;
use crate::state::GatheringState;

impl IceAgent {
    pub(super) fn register_address(
        &mut self,
        now: Instant,
        address: SocketAddr,
        tcp: Option<TcpType>,
    ) -> Result<(), Error> {
        let ip = address.ip();
        let unfit = |reason| Err(Error::InvalidAddress { address, reason });
        if ip.is_unspecified() || address.port() == 0 {
            return unfit("it must be the address of a bound socket, not a wildcard");
        }
        if ip.is_multicast() {
            return unfit("it is a multicast address");
        }
        if ip.is_loopback() && !self.config.loopback {
            return unfit("loopback addresses are off in the configuration");
        }
        if let std::net::IpAddr::V6(v6) = ip {
            // RFC 8445 §5.1.1.1: neither IPv4-mapped nor site-local addresses; link-local ones need a zone the text
            // form cannot carry.
            if v6.to_ipv4_mapped().is_some() {
                return unfit("give IPv4 addresses as such, not mapped into IPv6");
            }
            if v6.segments()[0] & 0xFFC0 == 0xFE80 {
                return unfit("link-local IPv6 addresses cannot be told to a peer");
            }
        }
        let wanted = match self.config.family_policy {
            FamilyPolicy::PreferIpv6 | FamilyPolicy::PreferIpv4 => true,
            FamilyPolicy::Ipv4Only => ip.is_ipv4(),
            FamilyPolicy::Ipv6Only => ip.is_ipv6(),
        };
        if !wanted {
            return Ok(());
        }
        if let Some(base) = self.locals.base(address) {
            return if base.tcp == tcp {
                Ok(())
            } else {
                unfit("it is taken by another protocol: give streams a port of their own")
            };
        }
        if self.locals.bases().len() >= self.config.max_local_addresses {
            return Err(Error::LimitReached {
                what: "local addresses",
                limit: self.config.max_local_addresses,
            });
        }
        self.locals.add_base(address, tcp, self.config.family_policy);
        if self.gathering.state != GatheringState::New {
            self.gather_base(now, address);
        }
        Ok(())
    }

    /// Whether the policy lets anything go by this base.
    pub(super) fn may_use(&self, base: &Base) -> bool {
        base.relay.is_some() || self.config.transport_policy == TransportPolicy::All
    }

    pub(super) fn register_relay(
        &mut self,
        now: Instant,
        relay: RelayedAddress,
    ) -> Result<(), Error> {
        let address = relay.relayed;
        if address.ip().is_unspecified() || address.ip().is_multicast() || address.port() == 0 {
            return Err(Error::InvalidAddress { address, reason: "a TURN server gave it" });
        }
        if self.locals.base(address).is_some() {
            return Ok(());
        }
        if self.locals.bases().len() >= self.config.max_local_addresses {
            return Err(Error::LimitReached {
                what: "local addresses",
                limit: self.config.max_local_addresses,
            });
        }
        self.locals.add_relayed_base(relay);
        if self.gathering.state != GatheringState::New {
            self.gather_base(now, address);
        }
        Ok(())
    }

    pub(super) fn register_server(
        &mut self,
        now: Instant,
        server: SocketAddr,
    ) -> Result<(), Error> {
        if self.gathering.servers.contains(&server) {
            return Ok(());
        }
        if self.gathering.servers.len() >= self.config.max_stun_servers {
            return Err(Error::LimitReached {
                what: "STUN servers",
                limit: self.config.max_stun_servers,
            });
        }
        self.gathering.servers.push(server);
        if self.gathering.state != GatheringState::New {
            let bases: Vec<_> = self.locals.bases().iter().map(|b| b.address).collect();
            for base in bases {
                self.queue_request(now, base, server, false);
            }
        }
        Ok(())
    }

    pub(super) fn begin_gathering(&mut self, now: Instant) {
        if self.gathering.state != GatheringState::New {
            return;
        }
        self.set_gathering_state(GatheringState::Gathering);
        let bases: Vec<_> = self.locals.bases().iter().map(|b| b.address).collect();
        for base in bases {
            self.gather_base(now, base);
        }
    }

    /// Forgets what was gathered and begins again, for a new generation.
    pub(super) fn gather_again(&mut self, now: Instant) {
        let begun = self.gathering.state != GatheringState::New;
        self.gathering.queue.clear();
        // An answer to a request of the generation before would count as one of this, and end gathering too early.
        self.transactions.retain(|p| !matches!(p.kind, PendingKind::Gather { .. }));
        self.gathering.pending = 0;
        self.gathering.deadline = None;
        self.gathering.keepalive = None;
        self.gathering.state = GatheringState::New;
        if begun {
            self.begin_gathering(now);
        }
    }

    fn set_gathering_state(&mut self, state: GatheringState) {
        if self.gathering.state != state {
            self.gathering.state = state;
            self.push_event(Event::GatheringStateChange(state));
        }
    }

    fn gather_base(&mut self, now: Instant, address: SocketAddr) {
        let Some(base) = self.locals.base(address).cloned() else { return };
        if !self.may_use(&base) {
            return;
        }
        self.set_gathering_state(GatheringState::Gathering);
        if let Some(relay) = base.relay {
            let relay_only = self.config.transport_policy == TransportPolicy::Relay;
            let index = self.locals.add_relayed(&base, relay, relay_only || self.hides_hosts());
            self.publish(index);
            self.pair_local(index);
            return;
        }
        let (index, name) = self.locals.add_host(&base, self.hides_hosts(), &mut self.rng);
        if let Some(name) = name {
            self.push_event(Event::PublishMdns { name, addr: address.ip() });
        }
        self.publish(index);
        self.pair_local(index);
        if !self.config.lite {
            for server in self.gathering.servers.clone() {
                self.queue_request(now, address, server, false);
            }
        }
    }

    fn publish(&mut self, index: usize) {
        if let Some(candidate) = self.locals.get(index).published.clone() {
            self.push_event(Event::LocalCandidate(candidate));
        }
    }

    fn queue_request(
        &mut self,
        now: Instant,
        base: SocketAddr,
        server: SocketAddr,
        keepalive: bool,
    ) {
        let is_socket = |base: &Base| {
            base.relay.is_none()
                && base.tcp.is_none()
                && self.config.transport_policy == TransportPolicy::All
        };
        if !self.locals.base(base).is_some_and(is_socket)
            || base.is_ipv4() != server.is_ipv4()
            || base.ip().is_loopback() != server.ip().is_loopback()
        {
            return;
        }
        // Bounded by `max_local_addresses * max_stun_servers`: nothing is queued twice.
        if self.gathering.queue.iter().any(|(b, s, _)| *b == base && *s == server) {
            return;
        }
        if !keepalive {
            self.set_gathering_state(GatheringState::Gathering);
            let deadline = now + self.config.timers.gathering_timeout;
            self.gathering.deadline =
                Some(self.gathering.deadline.map_or(deadline, |d| d.max(deadline)));
        }
        self.gathering.queue.push_back((base, server, keepalive));
    }

    /// A STUN server answered.
    pub(super) fn on_mapped(
        &mut self,
        now: Instant,
        base: SocketAddr,
        server: SocketAddr,
        mapped: SocketAddr,
    ) {
        if !self.gathering.answered.contains(&server) {
            // Bounded: requests go to configured servers alone.
            self.gathering.answered.push(server);
        }
        let Some(base) = self.locals.base(base).cloned() else { return };
        // RFC 8445 §5.1.1.4: bindings are kept alive until ICE is done.
        if self.gathering.keepalive.is_none() && self.selected.is_none() {
            self.gathering.keepalive = Some(now + self.config.timers.keepalive);
        }
        if self.gathering.state == GatheringState::Complete {
            return; // too late: the peer was told that there are no more
        }
        if mapped.is_ipv4() != base.address.is_ipv4()
            || mapped.ip().is_unspecified()
            || mapped.port() == 0
        {
            return;
        }
        if let Some(index) =
            self.locals.add_server_reflexive(&base, mapped, server, self.hides_hosts())
        {
            // RFC 8445 §6.1.2.4: its pairs would be those of its base, so none are formed.
            self.publish(index);
        }
    }

    pub(super) fn keep_bindings_alive(&mut self, now: Instant) {
        if self.gathering.keepalive.is_none_or(|at| now < at) {
            return;
        }
        if self.selected.is_some() || self.failed {
            self.gathering.keepalive = None;
            return;
        }
        self.gathering.keepalive = Some(now + self.config.timers.keepalive);
        let bases: Vec<_> = self.locals.bases().iter().map(|b| b.address).collect();
        for base in bases {
            for server in self.gathering.servers.clone() {
                self.queue_request(now, base, server, true);
            }
        }
    }

    /// Ends gathering when nothing is left to wait for.
    pub(super) fn update_gathering(&mut self, now: Instant) {
        if self.gathering.state != GatheringState::Gathering || !self.gathering.finished {
            return;
        }
        let open = self.gathering.pending > 0
            || self.gathering.queue.iter().any(|(_, _, keepalive)| !keepalive);
        let late = self.gathering.deadline.is_none_or(|d| now >= d);
        if !open || late {
            self.gathering.deadline = None;
            self.set_gathering_state(GatheringState::Complete);
        }
    }

    /// Pairs a new local host candidate with every remote candidate.
    pub(super) fn pair_local(&mut self, local_index: usize) {
        for remote_index in 0..self.remotes.len() {
            self.form_pair(local_index, remote_index);
        }
    }

    /// Pairs a new remote candidate with every local host candidate: the bases (RFC 8445 §6.1.2.4).
    pub(super) fn pair_remote(&mut self, remote_index: usize) {
        let bases: Vec<Base> = self.locals.bases().to_vec();
        for base in bases {
            if let Some(local_index) = self.locals.own(base.address) {
                self.form_pair(local_index, remote_index);
            }
        }
    }

    pub(super) fn form_pair(
        &mut self,
        local_index: usize,
        remote_index: usize,
    ) -> Option<crate::checklist::PairId> {
        let base = self.locals.get(local_index).base;
        let address = self.remotes.get(remote_index).address;
        if base.ip().is_loopback() != address.ip().is_loopback() {
            return None;
        }
        // RFC 6544 §6.2: the peer opens the streams of our passive candidates, and only then is there a pair.
        let tcp = self.locals.base(base).and_then(|base| base.tcp);
        let theirs = self.remotes.get(remote_index).candidate.tcp_type();
        if tcp == Some(TcpType::Passive) || theirs != tcp.map(TcpType::counterpart) {
            return None;
        }
        self.form_heard_pair(local_index, remote_index)
    }

    /// As [`form_pair`](Self::form_pair), where a check of the peer has shown that there is a path: a loopback address
    /// hears from every address of its own machine.
    pub(super) fn form_heard_pair(
        &mut self,
        local_index: usize,
        remote_index: usize,
    ) -> Option<crate::checklist::PairId> {
        let (local, remote) = (self.locals.get(local_index), self.remotes.get(remote_index));
        let (base, address) = (local.base, remote.address);
        if base.is_ipv4() != address.is_ipv4()
            || local.candidate.transport != remote.candidate.transport
        {
            return None;
        }
        let new = NewPair {
            base,
            remote: address,
            local_index,
            remote_index,
            foundation: (local.foundation, remote.foundation),
            local_priority: local.candidate.priority,
            remote_priority: remote.candidate.priority,
        };
        let (id, dropped) = self.list.add(new, self.role, self.config.max_pairs);
        if let Some(dropped) = dropped {
            self.forget_transactions(dropped);
        }
        id
    }
}
