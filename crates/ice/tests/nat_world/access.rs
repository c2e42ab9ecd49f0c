//! How an interface reaches the internet, and between which two of them there is a path.
//!
//! ```text
//!   host --(path)-- internet
//!   host --(path)-- [NAT] -- internet
//!   host --(path)-- [NAT] -- [carrier's NAT] -- internet
//!   both hosts --(path)-- [one NAT] -- internet
//!   both hosts --(path)-- [a NAT each] -- [one carrier's NAT] -- internet
//! ```

use std::collections::HashMap;
use std::net::IpAddr;

use peerage_netsim::{
    Behavior, Change, Direction, LinkConfig, LinkId, NatConfig, NatId, NatNodes, Network, NodeId,
    PortAllocation,
};

use super::address;

/// What stands between an interface and the internet.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// Nothing.
    Public,
    /// A NAT.
    Nat(NatConfig),
    /// A NAT behind another.
    Double(NatConfig, NatConfig),
    /// The NAT that the other side may stand behind as well; the same for all that name it.
    Shared(NatConfig),
    /// A NAT of its own behind a carrier's, that the other side may stand behind as well.
    Carrier(NatConfig, NatConfig),
}

/// Between two interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Path {
    /// Plain, or by addresses that STUN finds, or that checks find.
    Direct,
    /// A NAT with a mapping for each remote endpoint keeps the inner port where it can: by luck the one that STUN told.
    Luck,
    /// None without a relay.
    None,
}

impl Access {
    fn chain(&self) -> Vec<&NatConfig> {
        match self {
            Self::Public => vec![],
            Self::Nat(nat) | Self::Shared(nat) => vec![nat],
            Self::Double(inner, outer) | Self::Carrier(inner, outer) => vec![inner, outer],
        }
    }
}

/// Whether packets of one chain of NATs get through the other chain, once both ends send to what they can know of
/// each other: the address that STUN told, or the one that a check came from.
fn passes(from: &[&NatConfig], to: &[&NatConfig]) -> Path {
    let is_symmetric = |nat: &&NatConfig| nat.mapping != Behavior::EndpointIndependent;
    // A filter by address lets another port of the same address in; the filter of a mapping per remote endpoint sits on
    // that mapping, which nobody else can know.
    let is_strict =
        |nat: &&NatConfig| nat.filtering == Behavior::AddressAndPortDependent || is_symmetric(nat);
    let keeps_port = |nat: &&NatConfig| nat.ports == PortAllocation::Preserve;
    if !from.iter().any(is_symmetric) || !to.iter().any(is_strict) {
        Path::Direct
    } else if from.iter().filter(|nat| is_symmetric(nat)).all(keeps_port) {
        Path::Luck
    } else {
        Path::None
    }
}

/// The path between two interfaces. `hidden` sides tell no host addresses.
pub(crate) fn path_between(a: &Access, b: &Access, a_hidden: bool, b_hidden: bool) -> Path {
    let (left, right) = (a.chain(), b.chain());
    match (a, b) {
        // Behind one NAT: plainly when one of the two tells its address, else through the NAT and back.
        (Access::Shared(_), Access::Shared(_)) if !(a_hidden && b_hidden) => Path::Direct,
        // Outside of their own NATs both have addresses of the carrier's network, but STUN shows the carrier's outer ones.
        (Access::Shared(nat), Access::Shared(_))
        | (Access::Carrier(_, nat), Access::Carrier(..))
            if !nat.hairpin =>
        {
            Path::None
        }
        _ => passes(&left, &right).max(passes(&right, &left)),
    }
}

/// The routers and the NATs that are shared.
pub(crate) struct Worlds {
    internet: NodeId,
    shared: Option<NatNodes>,
    carrier: Option<NatNodes>,
    next_public: u8,
    next_inner: u8,
    next_carrier: u8,
    paths: HashMap<usize, LinkConfig>,
    links: Vec<LinkId>,
}

impl Worlds {
    pub(crate) fn new(net: &mut Network) -> Self {
        Self {
            internet: net.add_router(),
            shared: None,
            carrier: None,
            next_public: 0,
            next_inner: 0,
            next_carrier: 0,
            paths: HashMap::new(),
            links: Vec::new(),
        }
    }

    pub(crate) fn attach_server(&self, net: &mut Network, server: NodeId) {
        net.add_link(server, self.internet, LinkConfig::new());
    }

    /// What interfaces that a side gets from now on are joined by.
    pub(crate) fn set_path(&mut self, side: usize, config: LinkConfig) {
        self.paths.insert(side, config);
    }

    /// No link loses, delays or doubles anything more.
    pub(crate) fn end_faults(&mut self, net: &mut Network) {
        for link in &self.links {
            net.apply(Change::configure(*link, Direction::Both, LinkConfig::new()));
        }
    }

    fn public(&mut self) -> IpAddr {
        self.next_public += 1;
        address([198, 51, 100], self.next_public)
    }

    fn outside(&mut self, net: &mut Network, config: &NatConfig) -> NatNodes {
        let nat = net.add_nat(config.clone(), [self.public()]);
        net.add_link(nat.outside, self.internet, LinkConfig::new());
        nat
    }

    /// Joins a host to its part of the world; its address there, the link, and the NATs in front of it.
    pub(crate) fn attach(
        &mut self,
        net: &mut Network,
        host: NodeId,
        side: usize,
        access: &Access,
    ) -> (IpAddr, LinkId, Vec<NatId>) {
        let path = self.paths.get(&side).cloned().unwrap_or_default();
        let (ip, entry, nats) = match access {
            Access::Public => (self.public(), self.internet, vec![]),
            Access::Nat(config) => {
                let nat = self.outside(net, config);
                (self.inner(), nat.inside, vec![nat.id])
            }
            Access::Double(inner, outer) => {
                let outer = self.outside(net, outer);
                let nat = self.behind(net, inner, outer);
                (self.inner(), nat.inside, vec![nat.id, outer.id])
            }
            Access::Shared(config) => {
                let nat = match self.shared {
                    Some(nat) => nat,
                    None => self.outside(net, config),
                };
                self.shared = Some(nat);
                (self.inner(), nat.inside, vec![nat.id])
            }
            Access::Carrier(inner, carrier) => {
                let outer = match self.carrier {
                    Some(nat) => nat,
                    None => self.outside(net, carrier),
                };
                self.carrier = Some(outer);
                let nat = self.behind(net, inner, outer);
                (self.inner(), nat.inside, vec![nat.id, outer.id])
            }
        };
        let link = net.add_link(host, entry, path);
        net.pin_address(host, ip, link);
        self.links.push(link);
        (ip, link, nats)
    }

    fn behind(&mut self, net: &mut Network, config: &NatConfig, outer: NatNodes) -> NatNodes {
        // RFC 6598: the addresses between a carrier's NAT and those of its customers.
        self.next_carrier += 1;
        let nat = net.add_nat(config.clone(), [address([100, 64, 0], self.next_carrier)]);
        net.add_link(nat.outside, outer.inside, LinkConfig::new());
        nat
    }

    fn inner(&mut self) -> IpAddr {
        self.next_inner += 1;
        address([192, 168, self.next_inner], 2)
    }
}
