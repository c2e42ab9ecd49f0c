//! Changes to the network, now or at a set time.

use std::fmt;
use std::net::IpAddr;

use crate::link::LinkConfig;
use crate::network::{LinkId, NatId, NodeId};

/// A direction of a link, as its two ends were named when it was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the first end to the second.
    Forward,
    /// From the second end to the first.
    Backward,
    /// Both.
    Both,
}

impl Direction {
    /// Offsets of the pipes meant, from a link's first.
    pub(crate) fn pipes(self) -> std::ops::Range<usize> {
        match self {
            Self::Forward => 0..1,
            Self::Backward => 1..2,
            Self::Both => 0..2,
        }
    }
}

/// Something that happens to the network. Give it to [`Network::apply`](crate::Network::apply) or
/// [`Network::schedule`](crate::Network::schedule).
#[non_exhaustive]
pub enum Change {
    /// The link behaves differently from now on; see [`Change::configure`].
    Configure(LinkId, Direction, Box<LinkConfig>),
    /// Some of a link's parameters change; see [`Change::update`].
    Update(LinkId, Direction, Box<dyn FnMut(&mut LinkConfig) + Send>),
    /// The link goes down, which drops all that waits and all that comes.
    LinkDown(LinkId),
    /// The link is up again.
    LinkUp(LinkId),
    /// Nothing leaves the link's queues until [`Change::Resume`].
    Pause(LinkId, Direction),
    /// The link goes on.
    Resume(LinkId, Direction),
    /// The NAT forgets its mappings and hands out other ports and, if one is given, another outer address.
    RebindNat(NatId, Option<IpAddr>),
    /// The node gets an address.
    AddAddress(NodeId, IpAddr),
    /// The node loses an address: packets to it are unroutable from now on.
    RemoveAddress(NodeId, IpAddr),
}

impl Change {
    /// The link behaves differently from now on. What it has already put on the wire keeps its arrival time.
    pub fn configure(link: LinkId, direction: Direction, config: LinkConfig) -> Self {
        Self::Configure(link, direction, Box::new(config))
    }

    /// Changes some of a link's parameters and leaves the others.
    pub fn update(
        link: LinkId,
        direction: Direction,
        update: impl FnMut(&mut LinkConfig) + Send + 'static,
    ) -> Self {
        Self::Update(link, direction, Box::new(update))
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configure(link, direction, config) => {
                f.debug_tuple("Configure").field(link).field(direction).field(config).finish()
            }
            Self::Update(link, direction, _) => {
                f.debug_tuple("Update").field(link).field(direction).finish_non_exhaustive()
            }
            Self::LinkDown(link) => f.debug_tuple("LinkDown").field(link).finish(),
            Self::LinkUp(link) => f.debug_tuple("LinkUp").field(link).finish(),
            Self::Pause(link, direction) => {
                f.debug_tuple("Pause").field(link).field(direction).finish()
            }
            Self::Resume(link, direction) => {
                f.debug_tuple("Resume").field(link).field(direction).finish()
            }
            Self::RebindNat(nat, outer) => {
                f.debug_tuple("RebindNat").field(nat).field(outer).finish()
            }
            Self::AddAddress(node, address) => {
                f.debug_tuple("AddAddress").field(node).field(address).finish()
            }
            Self::RemoveAddress(node, address) => {
                f.debug_tuple("RemoveAddress").field(node).field(address).finish()
            }
        }
    }
}
