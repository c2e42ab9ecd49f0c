#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod allocation;
mod config;
mod credentials;
#[cfg(feature = "driver")]
pub mod driver;
mod error;
pub mod framing;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod limits;
mod metrics;
mod nonce;
mod rules;
mod server;
mod shared;
mod types;

pub use config::{
    BehaviourDiscovery, CHANNEL_LIFETIME, Config, PERMISSION_LIFETIME, RESERVATION_LIFETIME,
    RelayAddress,
};
pub use credentials::time_limited_password;
pub use error::ConfigError;
pub use metrics::Counters;
pub use rules::{Cidr, PeerRules};
pub use server::Server;
pub use shared::Shared;
pub use types::{
    Ended, Event, FiveTuple, Forward, Input, Path, Prefix, RelayId, Transmit, Transport,
};
