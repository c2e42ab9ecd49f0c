#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod controller;
mod error;
pub mod gcc;
mod history;
mod pacer;
mod report;
mod units;

pub use controller::{Controller, ProbeCluster, Target};
pub use error::Error;
pub use gcc::{Gcc, GccConfig, GccStats};
pub use history::SendHistory;
pub use pacer::{Action, Class, Pacer, PacerConfig, Padding, choose_padding};
pub use report::{Ecn, Feedback, PacketResult, ProbeClusterId, SentPacket};
pub use units::{DataRate, DataSize};
