//! NATs by table: who may send what back, and what their mappings look like from outside.

mod common;

use std::net::{IpAddr, SocketAddr};

use common::{at, drain, ms, start};
use peerage_netsim::{
    Behavior, Change, LinkConfig, NatConfig, Network, NodeId, Packet, PortAllocation, TwoHosts,
};

const ALL: [Behavior; 3] =
    [Behavior::EndpointIndependent, Behavior::AddressDependent, Behavior::AddressAndPortDependent];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// An inner host behind a NAT and two outer hosts.
struct World {
    network: Network,
    nat: peerage_netsim::NatNodes,
    inner: SocketAddr,
    one: SocketAddr,
    two: SocketAddr,
}

fn world(config: NatConfig) -> World {
    let mut network = Network::new(7, start());
    let nat = network.add_nat(config, [ip("192.0.2.1")]);
    let lan = network.add_node([ip("192.168.0.2")]);
    network.add_link(lan, nat.inside, LinkConfig::new());
    let internet = network.add_router();
    network.add_link(nat.outside, internet, LinkConfig::new());
    for address in ["203.0.113.1", "203.0.113.2"] {
        let node = network.add_node([ip(address)]);
        network.add_link(node, internet, LinkConfig::new());
    }
    World {
        network,
        nat,
        inner: at(ip("192.168.0.2"), 5_000),
        one: at(ip("203.0.113.1"), 10),
        two: at(ip("203.0.113.2"), 10),
    }
}

impl World {
    /// Sends at a time in milliseconds; what arrived, if anything.
    fn send(&mut self, time: u64, source: SocketAddr, destination: SocketAddr) -> Option<Packet> {
        let now = start() + ms(time);
        self.network.send(now, Packet::new(source, destination, vec![1, 2, 3]));
        self.network.poll(now).map(|delivery| delivery.packet)
    }
}

#[test]
fn mappings_depend_on_what_the_table_says() {
    for mapping in ALL {
        let mut config = NatConfig::full_cone();
        config.mapping = mapping;
        let mut world = world(config);
        let (inner, one, two) = (world.inner, world.one, world.two);
        let seen = |packet: Option<Packet>| packet.unwrap().source;
        let first = seen(world.send(0, inner, one));
        assert_eq!(first.ip(), ip("192.0.2.1"));
        assert_eq!(seen(world.send(1, inner, one)), first, "stable for one endpoint");
        let other_port = seen(world.send(2, inner, at(one.ip(), 11)));
        let other_address = seen(world.send(3, inner, two));
        assert_eq!(
            other_port == first,
            mapping != Behavior::AddressAndPortDependent,
            "{mapping:?}"
        );
        assert_eq!(other_address == first, mapping == Behavior::EndpointIndependent, "{mapping:?}");
        let other_inner = seen(world.send(4, at(inner.ip(), 5_001), one));
        assert_ne!(other_inner, first);
    }
}

#[test]
fn filters_let_in_whom_the_table_says() {
    for filtering in ALL {
        let mut config = NatConfig::full_cone();
        config.filtering = filtering;
        let mut world = world(config);
        let (inner, one, two) = (world.inner, world.one, world.two);
        let outer = world.send(0, inner, one).unwrap().source;
        let back = world.send(1, one, outer).unwrap();
        assert_eq!((back.source, back.destination), (one, inner));
        let other_port = world.send(2, at(one.ip(), 11), outer).is_some();
        let other_address = world.send(3, two, outer).is_some();
        assert_eq!(other_port, filtering != Behavior::AddressAndPortDependent, "{filtering:?}");
        assert_eq!(other_address, filtering == Behavior::EndpointIndependent, "{filtering:?}");
        assert!(world.send(4, one, at(outer.ip(), outer.port() ^ 1)).is_none(), "no such mapping");
        let stats = world.network.nat_stats(world.nat.id);
        assert_eq!(stats.dropped_unmapped, 1);
        assert_eq!(stats.dropped_filtered, 2 - u64::from(other_port) - u64::from(other_address));
    }
}

#[test]
fn mappings_end_after_their_timeout_unless_refreshed_from_inside() {
    let mut world = world(NatConfig::full_cone().timeout(ms(1_000)));
    let (inner, one) = (world.inner, world.one);
    let outer = world.send(0, inner, one).unwrap().source;
    assert_eq!(world.send(900, inner, one).unwrap().source, outer);
    assert!(world.send(1_800, one, outer).is_some());
    assert!(world.send(1_900, one, outer).is_none(), "packets from outside do not refresh");
    assert!(world.send(1_950, inner, one).is_some(), "a new mapping is made");
}

#[test]
fn mappings_can_be_refreshed_from_outside() {
    let mut config = NatConfig::port_restricted().timeout(ms(1_000));
    config.refreshed_from_outside = true;
    let mut world = world(config);
    let (inner, one) = (world.inner, world.one);
    let outer = world.send(0, inner, one).unwrap().source;
    for time in [900, 1_800, 2_700] {
        assert!(world.send(time, one, outer).is_some());
    }
}

#[test]
fn ports_are_preserved_sequential_or_random() {
    let ports = |allocation| {
        let mut world = world(NatConfig::symmetric().ports(allocation));
        let (inner, one, two) = (world.inner, world.one, world.two);
        [one, two, at(one.ip(), 11)]
            .map(|remote| world.send(0, inner, remote).unwrap().source.port())
    };
    let [first, second, third] = ports(PortAllocation::Preserve);
    assert!(first == 5_000 && second != 5_000 && third != 5_000 && second != third);
    let [first, second, third] = ports(PortAllocation::Sequential);
    assert!(second == first + 1 && third == second + 1);
    let [first, second, third] = ports(PortAllocation::Random);
    assert!(first != second && second != third);
    assert_eq!(ports(PortAllocation::Random), [first, second, third], "the seed decides");
}

#[test]
fn rebinding_moves_mappings_to_other_ports_and_addresses() {
    let mut world = world(NatConfig::full_cone().ports(PortAllocation::Preserve));
    let (inner, one) = (world.inner, world.one);
    let before = world.send(0, inner, one).unwrap().source;
    world.network.apply(Change::RebindNat(world.nat.id, None));
    assert!(world.send(1, one, before).is_none());
    let after = world.send(2, inner, one).unwrap().source;
    assert_ne!(after.port(), before.port());
    world.network.apply(Change::RebindNat(world.nat.id, Some(ip("192.0.2.99"))));
    let moved = world.send(3, inner, one).unwrap().source;
    assert_eq!(moved.ip(), ip("192.0.2.99"));
    assert!(world.send(4, one, moved).is_some());
    assert!(world.send(5, one, after).is_none());
    assert_eq!(world.network.stats().unroutable, 1, "the old address is gone");
}

#[test]
fn hosts_behind_one_nat_meet_inside_and_by_hairpin() {
    for hairpin in [true, false] {
        let mut network = Network::new(7, start());
        let nat = network.add_nat(NatConfig::port_restricted().hairpin(hairpin), [ip("192.0.2.1")]);
        let internet = network.add_node([ip("203.0.113.1")]);
        network.add_link(nat.outside, internet, LinkConfig::new());
        for address in ["10.0.0.2", "10.0.0.3"] {
            let node = network.add_node([ip(address)]);
            network.add_link(node, nat.inside, LinkConfig::new());
        }
        let (p, q, server) =
            (at(ip("10.0.0.2"), 1), at(ip("10.0.0.3"), 2), at(ip("203.0.113.1"), 3));
        let mut send = |source, destination| {
            network.send(start(), Packet::new(source, destination, vec![0]));
            network.poll(start()).map(|delivery| delivery.packet)
        };
        assert_eq!(send(p, q).unwrap().source, p, "directly");
        let p_outer = send(p, server).unwrap().source;
        let q_outer = send(q, server).unwrap().source;
        assert!(send(p, q_outer).is_none(), "q has not sent to p yet");
        let reply = send(q, p_outer);
        assert_eq!(reply.is_some(), hairpin);
        if let Some(reply) = reply {
            assert_eq!(reply.source, q_outer, "RFC 4787 REQ-9: the outer endpoint is seen");
            assert_eq!(send(p, q_outer).unwrap().destination, q);
        } else {
            assert_eq!(network.nat_stats(nat.id).dropped_hairpin, 2);
        }
    }
}

#[test]
fn a_nat_behind_a_nat_translates_twice() {
    let mut network = Network::new(7, start());
    let home = network.add_nat(NatConfig::port_restricted(), [ip("100.64.0.2")]);
    let carrier = network.add_nat(NatConfig::port_restricted(), [ip("192.0.2.1")]);
    let host = network.add_node([ip("192.168.0.2")]);
    let server = network.add_node([ip("203.0.113.1")]);
    network.add_link(host, home.inside, LinkConfig::new());
    network.add_link(home.outside, carrier.inside, LinkConfig::new());
    network.add_link(carrier.outside, server, LinkConfig::new());
    let (inner, remote) = (at(ip("192.168.0.2"), 1), at(ip("203.0.113.1"), 3));
    network.send(start(), Packet::new(inner, remote, vec![0]));
    let seen = drain(&mut network).remove(0).packet.source;
    assert_eq!(seen.ip(), ip("192.0.2.1"));
    network.send(start(), Packet::new(remote, seen, vec![0]));
    assert_eq!(drain(&mut network).remove(0).packet.destination, inner);
}

#[test]
fn hole_punching_works_except_between_symmetric_nats() {
    let kinds = [
        NatConfig::full_cone(),
        NatConfig::address_restricted(),
        NatConfig::port_restricted(),
        NatConfig::symmetric(),
    ];
    for (i, nat_a) in kinds.iter().enumerate() {
        for (j, nat_b) in kinds.iter().enumerate() {
            let mut hosts =
                TwoHosts::builder(1, start()).nat_a(nat_a.clone()).nat_b(nat_b.clone()).build();
            let (a, b, server) =
                (at(hosts.a.address, 1), at(hosts.b.address, 2), at(hosts.server_address, 3_478));
            let network = &mut hosts.network;
            let send = |network: &mut Network, source, destination| {
                network.send(start(), Packet::new(source, destination, vec![0]));
                drain(network).pop()
            };
            let a_outer = send(network, a, server).unwrap().packet.source;
            let b_outer = send(network, b, server).unwrap().packet.source;
            // Each sends to the other's server-reflexive endpoint, and answers to where packets came from.
            let mut connected = false;
            let (mut to_b, mut to_a) = (b_outer, a_outer);
            for _ in 0..3 {
                if let Some(delivery) = send(network, a, to_b) {
                    to_a = delivery.packet.source;
                }
                if let Some(delivery) = send(network, b, to_a) {
                    to_b = delivery.packet.source;
                    connected = true;
                }
            }
            // Port-restricted filters keep a symmetric peer out, whose new port they have not sent to.
            let expected = !((i == 3 && j >= 2) || (j == 3 && i >= 2));
            assert_eq!(connected, expected, "{nat_a:?} with {nat_b:?}");
        }
    }
}

#[test]
fn mappings_are_bounded() {
    let mut config = NatConfig::symmetric().timeout(ms(1_000));
    config.max_mappings = 10;
    let mut world = world(config);
    let (inner, one) = (world.inner, world.one);
    let passed = (0..20).filter(|port| world.send(0, inner, at(one.ip(), 100 + port)).is_some());
    assert_eq!(passed.count(), 10);
    assert_eq!(world.network.nat_stats(world.nat.id).dropped_exhausted, 10);
    assert!(world.send(1_000, inner, one).is_some(), "expired ones make room");
}

#[test]
fn hosts_with_the_same_inner_address_are_told_apart_by_node() {
    let mut network = Network::new(7, start());
    let internet = network.add_router();
    let nodes: Vec<NodeId> = ["192.0.2.1", "192.0.2.2"]
        .map(|outer| {
            let nat = network.add_nat(NatConfig::full_cone(), [ip(outer)]);
            let host = network.add_node([ip("192.168.0.2")]);
            network.add_link(host, nat.inside, LinkConfig::new());
            network.add_link(nat.outside, internet, LinkConfig::new());
            host
        })
        .to_vec();
    let server = network.add_node([ip("203.0.113.1")]);
    network.add_link(server, internet, LinkConfig::new());
    let packet = Packet::new(at(ip("192.168.0.2"), 1), at(ip("203.0.113.1"), 2), vec![]);
    for (node, outer) in nodes.into_iter().zip(["192.0.2.1", "192.0.2.2"]) {
        network.send_from(start(), node, packet.clone());
        assert_eq!(network.poll(start()).unwrap().packet.source.ip(), ip(outer));
    }
}
