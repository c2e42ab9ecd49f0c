//! The same seed gives the same trace; every packet is accounted for, whatever the network and the calls.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{at, ms, start};
use peerage_netsim::{
    Change, Direction, Ecn, Jitter, LinkConfig, Loss, NatConfig, Packet, Point, Queue, Rate,
    TwoHosts,
};
use proptest::prelude::*;

type Trace = Vec<(Duration, Point, Packet)>;

/// Some minutes of traffic over a bad and changing network behind NATs.
fn trace(seed: u64) -> Trace {
    let mut hosts = TwoHosts::builder(seed, start())
        .path(LinkConfig::cellular().duplicate(0.02).corrupt(0.02).reorder(0.05, ms(30)))
        .far_path(LinkConfig::wifi_lossy())
        .nat_a(NatConfig::full_cone())
        .nat_b(NatConfig::full_cone())
        .build();
    let trace = Arc::new(Mutex::new(Trace::new()));
    let sink = Arc::clone(&trace);
    hosts.network.observe_with(move |seen| {
        sink.lock().unwrap().push((seen.time, seen.point, seen.packet.clone()));
    });
    let nat = hosts.a.nat.unwrap().id;
    hosts.network.schedule(start() + ms(5_000), Change::RebindNat(nat, None));
    let server = at(hosts.server_address, 9);
    for i in 0..2_000u32 {
        let now = start() + ms(5) * i;
        while let Some(delivery) = hosts.network.poll(now) {
            if delivery.node == hosts.server {
                let packet = delivery.packet;
                hosts
                    .network
                    .send(now, Packet::new(packet.destination, packet.source, packet.data));
            }
        }
        let source = if i % 2 == 0 { hosts.a.address } else { hosts.b.address };
        hosts.network.send(now, Packet::new(at(source, 5), server, i.to_be_bytes().to_vec()));
    }
    drop(hosts);
    Arc::try_unwrap(trace).unwrap().into_inner().unwrap()
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let first = trace(42);
    assert!(first.len() > 4_000);
    assert_eq!(first, trace(42));
    assert_ne!(first, trace(43));
}

#[test]
fn a_fault_on_one_link_leaves_the_other_link_as_it_was() {
    let arrivals = |loss: f64| {
        let mut hosts = TwoHosts::builder(1, start())
            .path(LinkConfig::new().loss(Loss::Random(loss)))
            .far_path(LinkConfig::new().jitter(Jitter::uniform(ms(5))).delay(ms(10)))
            .build();
        let (server, b) = (at(hosts.server_address, 1), at(hosts.b.address, 2));
        for _ in 0..100 {
            hosts.network.send(start(), Packet::new(server, b, vec![0]));
        }
        common::drain(&mut hosts.network)
            .into_iter()
            .map(|delivery| delivery.at)
            .collect::<Vec<_>>()
    };
    assert_eq!(arrivals(0.0), arrivals(0.5));
}

fn any_link() -> impl Strategy<Value = LinkConfig> {
    (
        proptest::option::of(10u64..10_000),
        0u64..100,
        (0u64..50, any::<bool>()),
        0.0..1.0f64,
        (0.0..0.5f64, 0.0..0.5f64, 0.0..0.5f64),
        (0usize..20, any::<bool>()),
        proptest::option::of(28usize..1_500),
    )
        .prop_map(
            |(
                rate,
                delay,
                (jitter, reordering),
                loss,
                (reorder, duplicate, corrupt),
                (room, codel),
                mtu,
            )| {
                let mut jitter = Jitter::normal(ms(jitter));
                jitter.reordering = reordering;
                let mut queue = if codel { Queue::codel(true) } else { Queue::packets(room) };
                queue.max_bytes = room * 1_000;
                LinkConfig {
                    rate: rate.map(Rate::kbit),
                    mtu,
                    ..LinkConfig::new()
                        .delay(ms(delay))
                        .jitter(jitter)
                        .queue(queue)
                        .loss(Loss::bursty(loss, 3.0))
                        .reorder(reorder, ms(20))
                        .duplicate(duplicate)
                        .corrupt(corrupt)
                }
            },
        )
}

#[derive(Clone, Debug)]
enum Step {
    Send { from_a: bool, to_server: bool, size: usize },
    Wait(u64),
    Down(bool),
    Pause(bool),
    Rebind,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<bool>(), any::<bool>(), 0usize..1_400)
            .prop_map(|(from_a, to_server, size)| Step::Send { from_a, to_server, size }),
        4 => (0u64..50).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::Down),
        1 => any::<bool>().prop_map(Step::Pause),
        1 => Just(Step::Rebind),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_packet_is_accounted_for(
        seed: u64,
        path in any_link(),
        far in any_link(),
        steps in proptest::collection::vec(any_step(), 1..200),
    ) {
        let mut hosts = TwoHosts::builder(seed, start())
            .path(path)
            .far_path(far)
            .nat_a(NatConfig::full_cone())
            .build();
        let server = at(hosts.server_address, 9);
        let network = &mut hosts.network;
        let (mut now, mut sent, mut received) = (start(), 0u64, 0u64);
        let mut last_arrival = start();
        for step in steps {
            match step {
                Step::Send { from_a, to_server, size } => {
                    let source = at(if from_a { hosts.a.address } else { hosts.b.address }, 5);
                    let destination = if to_server { server } else { at(hosts.b.address, 6) };
                    let mut packet = Packet::new(source, destination, vec![7; size]);
                    packet.ecn = Ecn::Ect0;
                    network.send(now, packet);
                    sent += 1;
                }
                Step::Wait(time) => now += ms(time),
                Step::Down(true) => network.apply(Change::LinkDown(hosts.path)),
                Step::Down(false) => network.apply(Change::LinkUp(hosts.path)),
                Step::Pause(true) => network.apply(Change::Pause(hosts.path, Direction::Forward)),
                Step::Pause(false) => network.apply(Change::Resume(hosts.path, Direction::Forward)),
                Step::Rebind => network.apply(Change::RebindNat(hosts.a.nat.unwrap().id, None)),
            }
            while let Some(delivery) = network.poll(now) {
                prop_assert!(delivery.at <= now && delivery.at >= last_arrival);
                last_arrival = delivery.at;
                received += 1;
            }
            let stats = network.stats();
            prop_assert_eq!((stats.sent, stats.delivered), (sent, received));
            prop_assert_eq!(
                stats.sent + stats.duplicated,
                stats.delivered + stats.dropped() + stats.in_flight,
                "{:?}", stats
            );
            for link in [hosts.path, hosts.far_path] {
                for direction in [Direction::Forward, Direction::Backward, Direction::Both] {
                    let stats = network.link_stats(link, direction);
                    prop_assert_eq!(
                        stats.offered + stats.duplicated,
                        stats.delivered + stats.dropped() + stats.queued + stats.on_wire,
                        "{:?}", stats
                    );
                }
            }
        }
        // Nothing is held for ever once all links run.
        network.apply(Change::LinkUp(hosts.path));
        network.apply(Change::Resume(hosts.path, Direction::Both));
        common::drain(network);
        prop_assert_eq!(network.stats().in_flight, 0);
        prop_assert_eq!(network.next_timeout(), None);
    }
}
