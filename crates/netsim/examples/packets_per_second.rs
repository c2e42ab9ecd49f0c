//! How fast the simulation runs: packets per second of real time through a perfect path, a lossy one, and one behind NATs.
//! `cargo run --release -p peerage-netsim --example packets_per_second`

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use peerage_netsim::{LinkConfig, NatConfig, Packet, TwoHosts, TwoHostsBuilder};

const PACKETS: u32 = 1_000_000;

fn main() {
    let start = Instant::now();
    let plain = TwoHosts::builder(1, start);
    let lossy = plain.clone().path(LinkConfig::wifi_lossy());
    let natted = lossy.clone().nat_a(NatConfig::port_restricted());
    for (name, builder) in
        [("perfect path", plain), ("lossy Wi-Fi", lossy), ("behind a NAT", natted)]
    {
        let (elapsed, delivered) = run(builder, start);
        let rate = f64::from(PACKETS) / elapsed.as_secs_f64();
        println!("{name:14} {rate:>12.0} packets/s, {delivered} of {PACKETS} delivered");
    }
}

fn run(builder: TwoHostsBuilder, start: Instant) -> (Duration, u64) {
    let mut hosts = builder.build();
    let a = SocketAddr::new(hosts.a.address, 1);
    let server = SocketAddr::new(hosts.server_address, 2);
    let begun = Instant::now();
    for i in 0..PACKETS {
        // 1,228 bytes each half millisecond: 20 Mbit/s.
        let now = start + Duration::from_micros(500) * i;
        let mut data = hosts.network.buffer();
        data.resize(1_200, 0);
        hosts.network.send(now, Packet::new(a, server, data));
        while let Some(delivery) = hosts.network.poll(now) {
            hosts.network.recycle(delivery.packet.data);
        }
    }
    (begun.elapsed(), hosts.network.stats().delivered)
}
