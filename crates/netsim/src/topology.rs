//! Who is joined to whom, and the shortest way from a node to an address. Hosts and the outer sides of NATs do not
//! forward for others, so the inside of a NAT is a world of its own; what is not found there goes to the NAT.

use std::collections::VecDeque;
use std::net::IpAddr;

use rustc_hash::FxHashMap;

/// What a node does with packets that are not for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Host,
    Router,
    /// The inner side of NAT `.0`: forwards among inner hosts, translates the rest.
    NatInside(u32),
    /// The outer side of NAT `.0`.
    NatOutside(u32),
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) role: Role,
    /// Addresses and, where it matters, the link each one is reached by.
    pub(crate) addresses: Vec<(IpAddr, Option<u32>)>,
    /// Links and the nodes at their other ends; the pipe that leads there.
    neighbours: Vec<Neighbour>,
}

#[derive(Clone, Copy, Debug)]
struct Neighbour {
    link: u32,
    pipe: u32,
    node: u32,
}

/// The nodes, and the ways found so far.
#[derive(Debug, Default)]
pub(crate) struct Topology {
    pub(crate) nodes: Vec<Node>,
    /// (node, source's pinned link, destination) to pipe.
    routes: FxHashMap<(u32, Option<u32>, IpAddr), Option<u32>>,
}

impl Topology {
    pub(crate) fn add_node(&mut self, role: Role) -> u32 {
        self.nodes.push(Node { role, addresses: Vec::new(), neighbours: Vec::new() });
        self.nodes.len() as u32 - 1
    }

    /// Joins two nodes; `pipe` leads from `a` to `b`, `pipe + 1` back.
    pub(crate) fn join(&mut self, link: u32, a: u32, b: u32, pipe: u32) {
        self.nodes[a as usize].neighbours.push(Neighbour { link, pipe, node: b });
        self.nodes[b as usize].neighbours.push(Neighbour { link, pipe: pipe + 1, node: a });
        self.routes.clear();
    }

    pub(crate) fn add_address(&mut self, node: u32, address: IpAddr, link: Option<u32>) {
        self.remove_address(node, address);
        self.nodes[node as usize].addresses.push((address, link));
        self.routes.clear();
    }

    pub(crate) fn remove_address(&mut self, node: u32, address: IpAddr) {
        self.nodes[node as usize].addresses.retain(|(own, _)| *own != address);
        self.routes.clear();
    }

    pub(crate) fn owns(&self, node: u32, address: IpAddr) -> bool {
        self.nodes[node as usize].addresses.iter().any(|(own, _)| *own == address)
    }

    /// The first host with this address.
    pub(crate) fn host_of(&self, address: IpAddr) -> Option<u32> {
        (0..self.nodes.len() as u32)
            .find(|&node| self.nodes[node as usize].role == Role::Host && self.owns(node, address))
    }

    /// The pipe by which a packet leaves `node`; the source matters only where the node owns it. `None`: not in this
    /// world, and no way out of it.
    pub(crate) fn route(&mut self, node: u32, source: IpAddr, destination: IpAddr) -> Option<u32> {
        let own = &self.nodes[node as usize].addresses;
        let pinned = own.iter().find(|(own, _)| *own == source).and_then(|(_, link)| *link);
        let key = (node, pinned, destination);
        if let Some(known) = self.routes.get(&key) {
            return *known;
        }
        let found = self.search(node, pinned, destination);
        self.routes.insert(key, found);
        found
    }

    /// Breadth first, in the order in which links were added. Meets the address's owner, else the nearest NAT.
    fn search(&self, start: u32, pinned: Option<u32>, destination: IpAddr) -> Option<u32> {
        let mut seen = vec![false; self.nodes.len()];
        seen[start as usize] = true;
        // (node, first pipe on the way to it)
        let mut open = VecDeque::from([(start, None)]);
        let mut gateway = None;
        while let Some((at, first)) = open.pop_front() {
            for step in &self.nodes[at as usize].neighbours {
                if at == start && pinned.is_some_and(|link| link != step.link) {
                    continue;
                }
                let first = first.or(Some(step.pipe));
                let next = &self.nodes[step.node as usize];
                let owned = next.addresses.iter().find(|(own, _)| *own == destination);
                if owned.is_some_and(|(_, link)| link.is_none_or(|link| link == step.link)) {
                    return first;
                }
                if seen[step.node as usize] {
                    continue;
                }
                match next.role {
                    Role::Host | Role::NatOutside(_) => continue,
                    Role::NatInside(_) => gateway = gateway.or(first),
                    Role::Router => {}
                }
                seen[step.node as usize] = true;
                open.push_back((step.node, first));
            }
        }
        // The inner side of a NAT is itself the way out.
        if matches!(self.nodes[start as usize].role, Role::NatInside(_)) {
            return None;
        }
        gateway
    }
}
