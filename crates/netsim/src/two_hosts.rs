//! What most tests want: two hosts, each perhaps behind a NAT, a server that both reach, and a path with faults.
//!
//! ```text
//!   A --- [NAT A] ===(path)=== internet ===(far path)=== [NAT B] --- B
//!                                 |
//!                               server
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use crate::link::LinkConfig;
use crate::nat::NatConfig;
use crate::network::{LinkId, NatNodes, Network, NodeId};

/// A host of [`TwoHosts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The host.
    pub node: NodeId,
    /// Its IPv4 address: an inner one behind a NAT.
    pub address: IpAddr,
    /// Its IPv6 address; none behind a NAT.
    pub address_v6: Option<IpAddr>,
    /// The address under which others see it: the NAT's, or its own.
    pub public_address: IpAddr,
    /// Its NAT.
    pub nat: Option<NatNodes>,
}

/// Two hosts, a server and the paths between them.
#[derive(Debug)]
pub struct TwoHosts {
    /// The network they are in.
    pub network: Network,
    /// The first host.
    pub a: Host,
    /// The second host.
    pub b: Host,
    /// A third host that both reach, for a STUN server.
    pub server: NodeId,
    /// The server's address.
    pub server_address: IpAddr,
    /// The link with the path's parameters, at A's end; forward is away from A.
    pub path: LinkId,
    /// The link at B's end, perfect unless asked otherwise; forward is towards B.
    pub far_path: LinkId,
}

impl TwoHosts {
    /// Begins to describe a network; without more, its path is perfect and there are no NATs.
    pub fn builder(seed: u64, start: Instant) -> TwoHostsBuilder {
        TwoHostsBuilder {
            seed,
            start,
            forward: LinkConfig::new(),
            backward: LinkConfig::new(),
            far: LinkConfig::new(),
            nat_a: None,
            nat_b: None,
        }
    }

    /// Two hosts joined by a path that is the same both ways.
    pub fn new(seed: u64, start: Instant, path: LinkConfig) -> Self {
        Self::builder(seed, start).path(path).build()
    }
}

/// Describes a network of [`TwoHosts`].
#[derive(Clone, Debug)]
pub struct TwoHostsBuilder {
    seed: u64,
    start: Instant,
    forward: LinkConfig,
    backward: LinkConfig,
    far: LinkConfig,
    nat_a: Option<NatConfig>,
    nat_b: Option<NatConfig>,
}

impl TwoHostsBuilder {
    /// The path between the hosts, the same both ways.
    pub fn path(self, config: LinkConfig) -> Self {
        self.asymmetric_path(config.clone(), config)
    }

    /// The path between the hosts, from A to B and from B to A.
    pub fn asymmetric_path(mut self, a_to_b: LinkConfig, b_to_a: LinkConfig) -> Self {
        self.forward = a_to_b;
        self.backward = b_to_a;
        self
    }

    /// The second link of the path, at B's end.
    pub fn far_path(mut self, config: LinkConfig) -> Self {
        self.far = config;
        self
    }

    /// Puts A behind a NAT.
    pub fn nat_a(mut self, config: NatConfig) -> Self {
        self.nat_a = Some(config);
        self
    }

    /// Puts B behind a NAT.
    pub fn nat_b(mut self, config: NatConfig) -> Self {
        self.nat_b = Some(config);
        self
    }

    /// Builds the network.
    pub fn build(self) -> TwoHosts {
        let mut network = Network::new(self.seed, self.start);
        let internet = network.add_router();
        let (a, a_end) = add_host(&mut network, self.nat_a, 0);
        let (b, b_end) = add_host(&mut network, self.nat_b, 1);
        let server_address = Ipv4Addr::new(203, 0, 113, 10).into();
        let server_v6 = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 10).into();
        let server = network.add_node([server_address, server_v6]);
        let path = network.add_asymmetric_link(a_end, internet, self.forward, self.backward);
        let far_path = network.add_link(internet, b_end, self.far);
        network.add_link(server, internet, LinkConfig::new());
        TwoHosts { network, a, b, server, server_address, path, far_path }
    }
}

/// A host and the node that the path begins at. Addresses are those set aside for documentation (RFC 5737, RFC 3849) and
/// for private networks (RFC 1918).
fn add_host(network: &mut Network, nat: Option<NatConfig>, index: u8) -> (Host, NodeId) {
    let public: IpAddr = match index {
        0 => Ipv4Addr::new(192, 0, 2, 1).into(),
        _ => Ipv4Addr::new(198, 51, 100, 1).into(),
    };
    let Some(config) = nat else {
        let v6: IpAddr = Ipv6Addr::new(0x2001, 0xdb8, u16::from(index) + 1, 0, 0, 0, 0, 1).into();
        let node = network.add_node([public, v6]);
        let host =
            Host { node, address: public, address_v6: Some(v6), public_address: public, nat: None };
        return (host, node);
    };
    // Different inner networks, so that `Network::send` can tell the hosts apart.
    let inner: IpAddr = Ipv4Addr::new(192, 168, index + 1, 2).into();
    let node = network.add_node([inner]);
    let nat = network.add_nat(config, [public]);
    network.add_link(node, nat.inside, LinkConfig::new());
    let host =
        Host { node, address: inner, address_v6: None, public_address: public, nat: Some(nat) };
    (host, nat.outside)
}
