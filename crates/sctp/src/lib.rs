#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod association;
mod config;
pub mod congestion;
mod error;
mod event;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod inbound;
mod outbound;
mod pacer;
mod packet;
mod random;
mod range_set;
mod rtt;
mod serial;

pub use association::Association;
pub use config::{Config, Reliability, SendOptions};
pub use error::{Error, SendError};
pub use event::{Event, Negotiated, Statistics, Transmit};
pub use serial::{PayloadProtocolId, StreamId};
