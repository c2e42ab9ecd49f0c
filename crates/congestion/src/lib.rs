#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod allocation;
mod controller;
mod error;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod gcc;
mod history;
mod loss_reports;
mod maker;
mod pacer;
mod remote;
mod report;
mod units;

pub use allocation::{Allocation, Allocator, Encoding, MAX_ENCODINGS, MAX_STREAMS, StreamConfig};
pub use controller::{Controller, ProbeCluster, Snapshot, Target};
pub use error::Error;
pub use gcc::{Gcc, GccConfig, GccStats};
pub use history::SendHistory;
pub use loss_reports::LossReports;
pub use maker::{BoxedController, ControllerMaker};
pub use pacer::{Action, Class, Pacer, PacerConfig, Padding, choose_padding};
pub use remote::RemoteEstimator;
pub use report::{Ecn, Feedback, PacketResult, ProbeClusterId, SentPacket};
pub use units::{DataRate, DataSize};
