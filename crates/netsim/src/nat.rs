//! Network address translators by the terms of RFC 4787: how they map, how they filter, whether they hairpin, and how
//! long they remember. The network asks one for each packet that crosses it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::rng::Rng;

/// On what a mapping or a filter depends besides the inner endpoint (RFC 4787 §4.1, §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Behavior {
    /// On nothing: one mapping for all destinations; anybody may send back.
    EndpointIndependent,
    /// On the remote address.
    AddressDependent,
    /// On the remote address and port: a "symmetric" NAT, where it is the mapping.
    AddressAndPortDependent,
}

/// How a NAT picks the outer port of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortAllocation {
    /// The inner port if it is free, else a random one.
    Preserve,
    /// The next free port.
    Sequential,
    /// A random free port.
    Random,
}

/// How a NAT behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatConfig {
    /// When a new mapping is made.
    pub mapping: Behavior,
    /// Who may send through a mapping.
    pub filtering: Behavior,
    /// How outer ports are picked.
    pub ports: PortAllocation,
    /// Whether inner hosts reach each other by their outer addresses (RFC 4787 §6).
    pub hairpin: bool,
    /// How long a mapping or a filter's permission lasts after the last packet from inside (RFC 4787 §4.3 asks for two
    /// minutes at least).
    pub timeout: Duration,
    /// Whether packets from outside refresh it too.
    pub refreshed_from_outside: bool,
    /// Most mappings at a time; new ones are refused when it is reached and none has expired.
    pub max_mappings: usize,
}

impl NatConfig {
    fn with(mapping: Behavior, filtering: Behavior) -> Self {
        Self {
            mapping,
            filtering,
            ports: PortAllocation::Random,
            hairpin: true,
            timeout: Duration::from_secs(120),
            refreshed_from_outside: false,
            max_mappings: 4_096,
        }
    }

    /// Maps and filters independently of the remote endpoint.
    pub fn full_cone() -> Self {
        Self::with(Behavior::EndpointIndependent, Behavior::EndpointIndependent)
    }

    /// Maps independently of the remote endpoint, filters by its address.
    pub fn address_restricted() -> Self {
        Self::with(Behavior::EndpointIndependent, Behavior::AddressDependent)
    }

    /// Maps independently of the remote endpoint, filters by its address and port: the usual router at home.
    pub fn port_restricted() -> Self {
        Self::with(Behavior::EndpointIndependent, Behavior::AddressAndPortDependent)
    }

    /// Maps and filters by the remote address and port, without hairpinning. Two of these keep two hosts apart.
    pub fn symmetric() -> Self {
        Self::with(Behavior::AddressAndPortDependent, Behavior::AddressAndPortDependent)
            .hairpin(false)
    }

    /// Sets how outer ports are picked.
    pub fn ports(mut self, ports: PortAllocation) -> Self {
        self.ports = ports;
        self
    }

    /// Sets whether inner hosts reach each other by their outer addresses.
    pub fn hairpin(mut self, hairpin: bool) -> Self {
        self.hairpin = hairpin;
        self
    }

    /// Sets how long mappings last.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// What a NAT has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NatStats {
    /// Packets let out.
    pub outbound: u64,
    /// Packets let in.
    pub inbound: u64,
    /// Packets from outside for which there was no mapping.
    pub dropped_unmapped: u64,
    /// Packets from outside that the filter refused.
    pub dropped_filtered: u64,
    /// Packets from inside for which there was no free mapping or outer address.
    pub dropped_exhausted: u64,
    /// Packets from inside to an outer address, where the NAT does not hairpin.
    pub dropped_hairpin: u64,
    /// Mappings made.
    pub mappings: u64,
}

impl NatStats {
    /// All that did not get through.
    pub fn dropped(&self) -> u64 {
        self.dropped_unmapped
            + self.dropped_filtered
            + self.dropped_exhausted
            + self.dropped_hairpin
    }
}

/// The remote endpoint as far as a behavior looks at it.
type Remote = (Option<IpAddr>, u16);

fn remote_by(behavior: Behavior, remote: SocketAddr) -> Remote {
    match behavior {
        Behavior::EndpointIndependent => (None, 0),
        Behavior::AddressDependent => (Some(remote.ip()), 0),
        Behavior::AddressAndPortDependent => (Some(remote.ip()), remote.port()),
    }
}

#[derive(Debug)]
struct Mapping {
    inner: SocketAddr,
    remote: Remote,
    expires: u64,
    /// Who may send back, and until when. At most [`MAX_PERMISSIONS`].
    permissions: FxHashMap<Remote, u64>,
}

/// Most remote endpoints a mapping remembers for its filter.
const MAX_PERMISSIONS: usize = 1_024;
const FIRST_PORT: u16 = 1_024;

/// A NAT's state. Times are nanoseconds since the start of the simulation.
#[derive(Debug)]
pub(crate) struct Nat {
    config: NatConfig,
    outer: Vec<IpAddr>,
    by_inner: FxHashMap<(SocketAddr, Remote), SocketAddr>,
    by_outer: FxHashMap<SocketAddr, Mapping>,
    /// Outer endpoints of before the last rebinding: not handed out again until the next, so that a rebinding shows.
    retired: FxHashSet<SocketAddr>,
    next_port: u16,
    rng: Rng,
    pub(crate) stats: NatStats,
}

impl Nat {
    pub(crate) fn new(config: NatConfig, outer: Vec<IpAddr>, rng: Rng) -> Self {
        Self {
            config,
            outer,
            by_inner: FxHashMap::default(),
            by_outer: FxHashMap::default(),
            retired: FxHashSet::default(),
            next_port: 40_000,
            rng,
            stats: NatStats::default(),
        }
    }

    pub(crate) fn owns(&self, address: IpAddr) -> bool {
        self.outer.contains(&address)
    }

    pub(crate) fn hairpins(&self) -> bool {
        self.config.hairpin
    }

    /// A packet from inside: its outer source, or `None` if there is none to be had.
    pub(crate) fn outbound(
        &mut self,
        now: u64,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> Option<SocketAddr> {
        let remote = remote_by(self.config.mapping, destination);
        let known = self.by_inner.get(&(source, remote)).copied();
        let outer = match known {
            Some(outer)
                if self.by_outer.get(&outer).is_some_and(|mapping| mapping.expires > now) =>
            {
                outer
            }
            expired => {
                if let Some(outer) = expired {
                    self.forget(outer);
                }
                let Some(outer) = self.make_mapping(now, source, remote) else {
                    self.stats.dropped_exhausted += 1;
                    return None;
                };
                outer
            }
        };
        let expires = now.saturating_add(nanos(self.config.timeout));
        let permission = remote_by(self.config.filtering, destination);
        if let Some(mapping) = self.by_outer.get_mut(&outer) {
            mapping.expires = expires;
            if mapping.permissions.len() >= MAX_PERMISSIONS
                && !mapping.permissions.contains_key(&permission)
            {
                mapping.permissions.retain(|_, until| *until > now);
            }
            if mapping.permissions.len() < MAX_PERMISSIONS
                || mapping.permissions.contains_key(&permission)
            {
                mapping.permissions.insert(permission, expires);
            }
        }
        self.stats.outbound += 1;
        Some(outer)
    }

    /// A packet from outside: its inner destination, or `None` if it may not pass.
    pub(crate) fn inbound(
        &mut self,
        now: u64,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> Option<SocketAddr> {
        let Some(mapping) =
            self.by_outer.get_mut(&destination).filter(|mapping| mapping.expires > now)
        else {
            self.stats.dropped_unmapped += 1;
            return None;
        };
        let permission = remote_by(self.config.filtering, source);
        let Some(until) = mapping.permissions.get_mut(&permission).filter(|until| **until > now)
        else {
            self.stats.dropped_filtered += 1;
            return None;
        };
        if self.config.refreshed_from_outside {
            mapping.expires = now.saturating_add(nanos(self.config.timeout));
            *until = mapping.expires;
        }
        self.stats.inbound += 1;
        Some(mapping.inner)
    }

    /// Forgets all mappings, as a router does that restarts or gets a new address; the next packets get other ports.
    pub(crate) fn rebind(&mut self, outer: Option<IpAddr>) {
        self.retired = self.by_outer.drain().map(|(outer, _)| outer).collect();
        self.by_inner.clear();
        if let Some(outer) = outer {
            self.outer.retain(|old| old.is_ipv4() != outer.is_ipv4());
            self.outer.push(outer);
        }
    }

    pub(crate) fn outer_addresses(&self) -> &[IpAddr] {
        &self.outer
    }

    fn make_mapping(&mut self, now: u64, inner: SocketAddr, remote: Remote) -> Option<SocketAddr> {
        if self.by_outer.len() >= self.config.max_mappings {
            let expired: Vec<SocketAddr> = self
                .by_outer
                .iter()
                .filter(|(_, mapping)| mapping.expires <= now)
                .map(|(outer, _)| *outer)
                .collect();
            for outer in expired {
                self.forget(outer);
            }
            if self.by_outer.len() >= self.config.max_mappings {
                return None;
            }
        }
        let address = *self.outer.iter().find(|outer| outer.is_ipv4() == inner.is_ipv4())?;
        let port = self.pick_port(address, inner.port())?;
        let outer = SocketAddr::new(address, port);
        self.by_inner.insert((inner, remote), outer);
        self.by_outer.insert(
            outer,
            Mapping {
                inner,
                remote,
                expires: now.saturating_add(nanos(self.config.timeout)),
                permissions: FxHashMap::default(),
            },
        );
        self.stats.mappings += 1;
        Some(outer)
    }

    fn pick_port(&mut self, address: IpAddr, inner: u16) -> Option<u16> {
        let is_free = |port| {
            let outer = SocketAddr::new(address, port);
            !self.by_outer.contains_key(&outer) && !self.retired.contains(&outer)
        };
        let mut port = match self.config.ports {
            PortAllocation::Preserve if is_free(inner) => return Some(inner),
            PortAllocation::Sequential => self.next_port,
            PortAllocation::Preserve | PortAllocation::Random => {
                FIRST_PORT + self.rng.below(u64::from(u16::MAX - FIRST_PORT) + 1) as u16
            }
        };
        for _ in FIRST_PORT..=u16::MAX {
            let next = if port == u16::MAX { FIRST_PORT } else { port + 1 };
            if is_free(port) {
                self.next_port = next;
                return Some(port);
            }
            port = next;
        }
        None
    }

    fn forget(&mut self, outer: SocketAddr) {
        if let Some(mapping) = self.by_outer.remove(&outer) {
            self.by_inner.remove(&(mapping.inner, mapping.remote));
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}
