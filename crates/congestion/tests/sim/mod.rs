//! A path in virtual time with media flows and TCP on it, as RFC 8867 §4 describes its testbed: sources that follow
//! their target, a pacer, a bottleneck with a drop-tail queue, and reports every 50 ms over the way back. Every run
//! follows from its seed. The tests judge the figures; the report of `cargo xtask bench congestion` draws them.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "every test program uses its own part")]

pub mod measure;
pub mod media;
pub mod scenarios;
pub mod tcp;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use peerage_congestion::{Controller, Gcc, GccConfig};
use peerage_netsim::{
    Change, Direction, Jitter, LinkConfig, LinkId, Loss, Management, Network, NodeId, Packet,
    Queue, Rate,
};

use measure::{Outcome, TcpOutcome};
use media::MediaFlow;
use tcp::TcpFlow;

pub use media::{FlowSpec, Source};
pub use tcp::TcpSpec;

/// A stretch of the chain of routers, with its capacity over time.
#[derive(Clone)]
pub struct Stretch {
    /// Seconds and kbit/s; the first at 0. Forward, and backward where it differs.
    pub forward: Vec<(f64, u64)>,
    pub backward: Vec<(f64, u64)>,
    pub delay_ms: u64,
    pub queue: QueueSize,
    pub loss: Loss,
    /// The way back loses as much.
    pub loses_reports: bool,
    pub jitter_ms: u64,
    /// Nothing passes, either way, between these seconds.
    pub outage: Option<(f64, f64)>,
    /// CoDel that marks instead of dropping.
    pub ecn: bool,
}

#[derive(Clone, Copy)]
pub enum QueueSize {
    /// As much as the present capacity carries in so many milliseconds.
    Milliseconds(u64),
    Bytes(usize),
}

impl Stretch {
    /// RFC 8867 §4.2: 50 ms, 300 ms of drop-tail queue, no loss.
    pub fn new(forward: &[(f64, u64)]) -> Self {
        Self {
            forward: forward.to_vec(),
            backward: vec![(0.0, 100_000)],
            delay_ms: 50,
            queue: QueueSize::Milliseconds(300),
            loss: Loss::None,
            loses_reports: false,
            jitter_ms: 0,
            outage: None,
            ecn: false,
        }
    }

    fn config(&self, kbps: u64, forward: bool) -> LinkConfig {
        let mut queue = match self.queue {
            QueueSize::Milliseconds(ms) => Queue::bytes((kbps * ms / 8) as usize),
            QueueSize::Bytes(bytes) => Queue::bytes(bytes),
        };
        if self.ecn {
            queue = queue.management(Management::CoDel {
                target: Duration::from_millis(5),
                interval: Duration::from_millis(100),
                ecn: true,
            });
        }
        let mut config = LinkConfig::new()
            .rate(Rate::kbit(kbps))
            .delay(Duration::from_millis(self.delay_ms))
            .queue(queue);
        if self.loses_reports {
            config = config.loss(self.loss);
        }
        if forward {
            config = config
                .loss(self.loss)
                .jitter(Jitter::normal(Duration::from_millis(self.jitter_ms)));
        }
        config
    }
}

/// Everything about one run.
#[derive(Clone)]
pub struct Scenario {
    pub name: &'static str,
    pub seconds: u64,
    pub seed: u64,
    pub stretches: Vec<Stretch>,
    pub flows: Vec<FlowSpec>,
    pub tcp: Vec<TcpSpec>,
    /// Background UDP over the first stretch, seconds and kbit/s (RFC 8868 §5.3).
    pub udp: Vec<(f64, u64)>,
}

impl Scenario {
    pub fn new(name: &'static str, seconds: u64, stretch: Stretch, flows: Vec<FlowSpec>) -> Self {
        Self {
            name,
            seconds,
            seed: 1,
            stretches: vec![stretch],
            flows,
            tcp: Vec::new(),
            udp: Vec::new(),
        }
    }

    /// The capacity of the first stretch at that time, in kbit/s, less the background traffic.
    pub fn capacity(&self, at: f64) -> u64 {
        let value = |steps: &[(f64, u64)]| {
            steps.iter().rev().find(|step| step.0 <= at).map_or(0, |step| step.1)
        };
        value(&self.stretches[0].forward) - value(&self.udp)
    }
}

/// Makes a flow's controller.
pub type Maker = dyn Fn(GccConfig) -> Box<dyn Controller>;

/// Ours.
pub fn ours(config: GccConfig) -> Box<dyn Controller> {
    Box::new(Gcc::new(config).expect("bounds make sense"))
}

pub fn run(scenario: &Scenario) -> Outcome {
    run_with(scenario, &ours)
}

const MEDIA: u8 = 0;
const REPORT: u8 = 1;
const SEGMENT: u8 = 2;
const ACK: u8 = 3;
const NOISE: u8 = 4;

/// What a simulated datagram says; the rest of it is filling.
pub(crate) fn encode(buf: &mut Vec<u8>, kind: u8, flow: usize, number: u64, size: usize) {
    buf.clear();
    buf.push(kind);
    buf.push(flow as u8);
    buf.extend_from_slice(&number.to_le_bytes());
    buf.resize(size.max(10), 0);
}

fn decode(data: &[u8]) -> (u8, usize, u64) {
    let mut number = [0; 8];
    number.copy_from_slice(&data[2..10]);
    (data[0], data[1] as usize, u64::from_le_bytes(number))
}

/// The two ends of a flow in the network.
#[derive(Clone, Copy)]
pub struct Ends {
    pub near: SocketAddr,
    pub far: SocketAddr,
    pub near_node: NodeId,
    pub far_node: NodeId,
}

impl Ends {
    pub(crate) fn send(
        &self,
        network: &mut Network,
        now: Instant,
        forward: bool,
        ecn: peerage_netsim::Ecn,
        fill: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut data = network.buffer();
        fill(&mut data);
        let (node, source, destination) = if forward {
            (self.near_node, self.near, self.far)
        } else {
            (self.far_node, self.far, self.near)
        };
        network.send_from(now, node, Packet { source, destination, ecn, data });
    }
}

struct Builder {
    network: Network,
    routers: Vec<NodeId>,
    hosts: u16,
}

impl Builder {
    fn host(&mut self, router: usize, delay: Duration) -> (NodeId, SocketAddr) {
        self.hosts += 1;
        let [high, low] = self.hosts.to_be_bytes();
        let address = IpAddr::V4(Ipv4Addr::new(10, 0, high, low));
        let node = self.network.add_node([address]);
        let access = LinkConfig::new().delay(delay).queue(Queue::packets(100_000));
        self.network.add_link(node, self.routers[router], access);
        (node, SocketAddr::new(address, 1))
    }

    fn ends(&mut self, from: usize, to: usize, delay_ms: u64) -> Ends {
        let (near_node, near) = self.host(from, Duration::from_millis(delay_ms));
        let (far_node, far) = self.host(to, Duration::ZERO);
        Ends { near, far, near_node, far_node }
    }
}

fn schedule(network: &mut Network, link: LinkId, stretch: &Stretch, start: Instant) {
    for (direction, steps, forward) in [
        (Direction::Forward, &stretch.forward, true),
        (Direction::Backward, &stretch.backward, false),
    ] {
        for &(at, kbps) in steps.iter().skip(1) {
            network.schedule(
                start + Duration::from_secs_f64(at),
                Change::configure(link, direction, stretch.config(kbps, forward)),
            );
        }
    }
    if let Some((from, to)) = stretch.outage {
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        network.schedule(at(from), Change::Pause(link, Direction::Both));
        network.schedule(at(to), Change::Resume(link, Direction::Both));
    }
}

pub fn run_with(scenario: &Scenario, maker: &Maker) -> Outcome {
    let start = Instant::now();
    let mut builder =
        Builder { network: Network::new(scenario.seed, start), routers: Vec::new(), hosts: 0 };
    let first = builder.network.add_router();
    builder.routers.push(first);
    for stretch in &scenario.stretches {
        let next = builder.network.add_router();
        let last = *builder.routers.last().expect("one at least");
        let link = builder.network.add_asymmetric_link(
            last,
            next,
            stretch.config(stretch.forward[0].1, true),
            stretch.config(stretch.backward[0].1, false),
        );
        schedule(&mut builder.network, link, stretch, start);
        builder.routers.push(next);
    }
    let last_router = scenario.stretches.len();
    let mut flows: Vec<MediaFlow> = Vec::new();
    for (index, spec) in scenario.flows.iter().enumerate() {
        let to = spec.to.unwrap_or(last_router);
        let ends = builder.ends(spec.from, to, spec.extra_delay_ms);
        let between = if spec.from < to { spec.from..to } else { to..spec.from };
        let base: u64 = between.map(|index| scenario.stretches[index].delay_ms).sum();
        let base = Duration::from_millis(base + spec.extra_delay_ms);
        flows.push(MediaFlow::new(index, spec, ends, base, start, scenario, maker));
    }
    let mut tcp: Vec<TcpFlow> = Vec::new();
    for (index, spec) in scenario.tcp.iter().enumerate() {
        let ends = builder.ends(0, last_router, 0);
        tcp.push(TcpFlow::new(index, spec, ends, start, scenario.seed));
    }
    let noise = builder.ends(0, 1, 0);
    let mut next_noise = (!scenario.udp.is_empty()).then_some(start);
    let mut network = builder.network;

    let end = start + Duration::from_secs(scenario.seconds);
    let mut now = start;
    while now < end {
        while let Some(delivery) = network.poll(now) {
            let (kind, flow, number) = decode(&delivery.packet.data);
            let size = delivery.packet.data.len();
            match kind {
                MEDIA => flows[flow].on_packet(now, number, size, delivery.packet.ecn),
                REPORT => flows[flow].on_report(now, number),
                SEGMENT => tcp[flow].on_segment(now, number, size, &mut network),
                ACK => tcp[flow].on_ack(now, number, &mut network),
                _ => {}
            }
            network.recycle(delivery.packet.data);
        }
        for flow in &mut flows {
            flow.drive(now, &mut network);
        }
        for flow in &mut tcp {
            flow.drive(now, &mut network);
        }
        if let Some(at) = next_noise.filter(|&at| at <= now) {
            let seconds = (now - start).as_secs_f64();
            let kbps = scenario.udp.iter().rev().find(|step| step.0 <= seconds).map_or(0, |s| s.1);
            if kbps > 0 {
                noise.send(&mut network, now, true, peerage_netsim::Ecn::NotEct, |data| {
                    encode(data, NOISE, 0, 0, 1_172);
                });
            }
            next_noise = Some(at + Duration::from_nanos(9_600_000_000 / kbps.max(100)));
        }
        let next = flows
            .iter()
            .map(MediaFlow::next)
            .chain(tcp.iter().map(TcpFlow::next))
            .chain([network.next_timeout(), next_noise])
            .flatten()
            .min()
            .unwrap_or(end);
        now = next.max(now + Duration::from_micros(1));
    }
    Outcome {
        seconds: scenario.seconds,
        flows: flows.into_iter().map(MediaFlow::finish).collect(),
        tcp: tcp
            .into_iter()
            .map(|flow| TcpOutcome { bins: flow.bins, sent: flow.sent, lost: flow.lost })
            .collect(),
    }
}
