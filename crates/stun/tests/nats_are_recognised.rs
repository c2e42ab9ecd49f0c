//! The probe of RFC 5780 tells what NAT it is behind, in virtual time, whatever is lost on the way.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use peerage_crypto::Rng;
use peerage_netsim::{Behavior, LinkConfig, Loss, NatConfig, Network, Packet};
use peerage_stun::nat_behavior::{NatBehavior, NatProbe, NatReport, ProbeSocket};
use peerage_stun::{Attribute, AttributeType, Class, Message, MessageBuilder};

const PRIMARY: &str = "203.0.113.10:3478";
const OTHER: &str = "203.0.113.11:3479";

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The server's answer and where it comes from (RFC 5780 §6.1).
fn answer(packet: &Packet, behaves: bool) -> Option<Packet> {
    let message = Message::parse(&packet.data).ok()?;
    let change = match message.decode(AttributeType::CHANGE_REQUEST) {
        Some(Ok(Attribute::ChangeRequest { ip, port })) if behaves => (ip, port),
        _ => (false, false),
    };
    let (primary, other) = (addr(PRIMARY), addr(OTHER));
    let swap = |now: bool, is: bool| now != is;
    let ip = swap(packet.destination.ip() == other.ip(), change.0);
    let port = swap(packet.destination.port() == other.port(), change.1);
    let source = SocketAddr::new(
        if ip { other.ip() } else { primary.ip() },
        if port { other.port() } else { primary.port() },
    );
    let mut data = Vec::new();
    let id = message.transaction_id();
    let mut builder = MessageBuilder::new(&mut data, Class::SuccessResponse, message.method(), id)
        .attribute(&Attribute::XorMappedAddress(packet.source));
    if behaves {
        builder = builder.attribute(&Attribute::OtherAddress(other));
    }
    builder.fingerprint();
    Some(Packet::new(source, packet.source, data))
}

struct World {
    nat: Option<NatConfig>,
    path: LinkConfig,
    behaves: bool,
    reachable: bool,
}

impl Default for World {
    fn default() -> Self {
        Self { nat: None, path: LinkConfig::new(), behaves: true, reachable: true }
    }
}

fn probe(seed: u64, world: &World) -> (NatReport, Duration) {
    let start = Instant::now();
    let mut net = Network::new(seed, start);
    let internet = net.add_router();
    let server = net.add_node([addr(PRIMARY).ip(), addr(OTHER).ip()]);
    net.add_link(server, internet, LinkConfig::new());
    let inner: IpAddr = [192, 168, 1, 2].into();
    let public: IpAddr = [198, 51, 100, 7].into();
    let (ip, host) = match &world.nat {
        Some(config) => {
            let host = net.add_node([inner]);
            let nat = net.add_nat(config.clone(), [public]);
            net.add_link(host, nat.inside, world.path.clone());
            net.add_link(nat.outside, internet, LinkConfig::new());
            (inner, host)
        }
        None => {
            let host = net.add_node([public]);
            net.add_link(host, internet, world.path.clone());
            (public, host)
        }
    };
    let sockets = [SocketAddr::new(ip, 5_000), SocketAddr::new(ip, 5_001)];
    let mut probe = NatProbe::new(start, sockets[0], addr(PRIMARY), Rng::from_seed(seed));
    let mut now = start;
    for _ in 0..10_000 {
        let mut buf = Vec::new();
        while let Some((socket, destination)) = probe.poll_transmit(&mut buf) {
            let source = sockets[usize::from(socket == ProbeSocket::Second)];
            net.send_from(now, host, Packet::new(source, destination, std::mem::take(&mut buf)));
        }
        if probe.is_finished() {
            return (probe.report().clone(), now - start);
        }
        now = [probe.poll_timeout(), net.next_timeout()].into_iter().flatten().min().unwrap();
        while let Some(delivery) = net.poll(now) {
            let packet = delivery.packet;
            if delivery.node == server {
                let reply = answer(&packet, world.behaves).filter(|_| world.reachable);
                if let Some(reply) = reply {
                    net.send_from(now, server, reply);
                }
                continue;
            }
            let socket = match packet.destination == sockets[1] {
                true => ProbeSocket::Second,
                false => ProbeSocket::Main,
            };
            probe.handle_input(now, socket, packet.source, &packet.data);
        }
        probe.handle_timeout(now);
    }
    panic!("seed {seed}: never finished");
}

fn expected(behavior: Behavior) -> Option<NatBehavior> {
    Some(match behavior {
        Behavior::EndpointIndependent => NatBehavior::EndpointIndependent,
        Behavior::AddressDependent => NatBehavior::AddressDependent,
        Behavior::AddressAndPortDependent => NatBehavior::AddressAndPortDependent,
    })
}

#[test]
fn every_mapping_with_every_filter_is_told() {
    let all = [
        Behavior::EndpointIndependent,
        Behavior::AddressDependent,
        Behavior::AddressAndPortDependent,
    ];
    for (seed, (mapping, filtering)) in
        all.iter().flat_map(|m| all.iter().map(move |f| (*m, *f))).enumerate()
    {
        let mut nat = NatConfig::full_cone();
        (nat.mapping, nat.filtering) = (mapping, filtering);
        let (report, _) = probe(seed as u64, &World { nat: Some(nat), ..World::default() });
        assert_eq!(report.is_translated(), Some(true));
        assert_eq!(report.mapping, expected(mapping), "{mapping:?}, {filtering:?}");
        assert_eq!(report.filtering, expected(filtering), "{mapping:?}, {filtering:?}");
    }
}

#[test]
fn hairpinning_is_told() {
    for hairpin in [true, false] {
        let nat = NatConfig::full_cone().hairpin(hairpin);
        let (report, _) = probe(1, &World { nat: Some(nat), ..World::default() });
        assert_eq!(report.hairpin, Some(hairpin));
    }
}

#[test]
fn no_nat_is_told() {
    let (report, _) = probe(1, &World::default());
    assert_eq!(report.is_translated(), Some(false));
    assert_eq!(report.mapping, Some(NatBehavior::EndpointIndependent));
    assert_eq!(report.filtering, Some(NatBehavior::EndpointIndependent));
    assert_eq!(report.hairpin, None);
}

#[test]
fn a_silent_server_and_one_without_a_second_address_end_it() {
    let (report, took) = probe(1, &World { reachable: false, ..World::default() });
    assert_eq!((report.mapped, report.mapping, report.filtering), (None, None, None));
    assert_eq!(took, Duration::from_millis(4_500));
    let nat = Some(NatConfig::symmetric());
    let (report, _) = probe(2, &World { behaves: false, nat, ..World::default() });
    assert_eq!(report.is_translated(), Some(true));
    assert_eq!((report.other_address, report.mapping, report.filtering), (None, None, None));
}

#[test]
fn one_packet_in_ten_may_be_lost() {
    let mut right = 0;
    for seed in 0..500 {
        let nat = NatConfig::port_restricted();
        let path = LinkConfig::new().delay(Duration::from_millis(30)).loss(Loss::Random(0.05));
        let (report, _) = probe(seed, &World { nat: Some(nat), path, ..World::default() });
        right += u32::from(
            report.mapping == Some(NatBehavior::EndpointIndependent)
                && report.filtering == Some(NatBehavior::AddressAndPortDependent)
                && report.hairpin == Some(false),
        );
    }
    assert!(right >= 495, "{right} of 500");
}

#[test]
fn noise_changes_nothing() {
    let start = Instant::now();
    let local = addr("192.168.1.2:5000");
    let mut probe = NatProbe::new(start, local, addr(PRIMARY), Rng::from_seed(1));
    let mut buf = Vec::new();
    probe.poll_transmit(&mut buf).unwrap();
    let request = Packet::new(local, addr(PRIMARY), buf);
    let reply = answer(&request, true).unwrap();
    // From elsewhere; at the other socket; cut short; our own request sent back.
    probe.handle_input(start, ProbeSocket::Second, reply.source, &reply.data);
    probe.handle_input(start, ProbeSocket::Main, reply.source, &reply.data[..30]);
    probe.handle_input(start, ProbeSocket::Main, reply.source, &request.data);
    assert_eq!(probe.report().mapped, None);
    probe.handle_input(start, ProbeSocket::Main, reply.source, &reply.data);
    assert_eq!(probe.report().mapped, Some(local));
}
