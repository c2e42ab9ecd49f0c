#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod engine;
mod link;
mod nat;
mod network;
mod packet;
pub mod pcap;
mod rng;
mod timeline;
mod topology;
mod two_hosts;

pub use link::{
    Corruption, Distribution, Jitter, LinkConfig, LinkStats, Loss, Management, Overhead, Queue,
    Rate, Reorder,
};
pub use nat::{Behavior, NatConfig, NatStats, PortAllocation};
pub use network::{
    Delivery, LinkId, NatId, NatNodes, Network, NetworkStats, NodeId, Observation, Point,
};
pub use packet::{Ecn, Packet};
pub use rng::Rng;
pub use timeline::{Change, Direction};
pub use two_hosts::{Host, TwoHosts, TwoHostsBuilder};
