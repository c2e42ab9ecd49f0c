//! Helpers shared by the tests.
#![allow(dead_code, reason = "every test program uses its own part")]

use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use peerage_netsim::{Delivery, Ecn, LinkConfig, Network, Packet, TwoHosts};

/// The same for all tests of a process: virtual time has to begin somewhere.
pub(crate) fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn at(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, port)
}

/// All that arrives until nothing more happens.
pub(crate) fn drain(network: &mut Network) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    while let Some(now) = network.next_timeout() {
        while let Some(delivery) = network.poll(now) {
            deliveries.push(delivery);
        }
    }
    deliveries
}

/// Sends `count` packets of `size` bytes from A to B, one each `interval`, numbered in their first four bytes; returns
/// the network and what arrived, with its time since the start.
pub(crate) fn stream(
    seed: u64,
    path: LinkConfig,
    count: u32,
    size: usize,
    interval: Duration,
    ecn: Ecn,
) -> (TwoHosts, Vec<(Duration, u32, Packet)>) {
    let mut hosts = TwoHosts::new(seed, start(), path);
    let (a, b) = (at(hosts.a.address, 1), at(hosts.b.address, 2));
    let mut arrived = Vec::new();
    let mut take = |delivery: Delivery| {
        let number = u32::from_be_bytes(delivery.packet.data[..4].try_into().unwrap());
        arrived.push((delivery.at - start(), number, delivery.packet));
    };
    for number in 0..count {
        let now = start() + interval * number;
        while let Some(delivery) = hosts.network.poll(now) {
            take(delivery);
        }
        let mut data = hosts.network.buffer();
        data.extend_from_slice(&number.to_be_bytes());
        data.resize(size, 0);
        let packet = Packet { source: a, destination: b, ecn, data };
        hosts.network.send(now, packet);
    }
    drain(&mut hosts.network).into_iter().for_each(take);
    (hosts, arrived)
}
