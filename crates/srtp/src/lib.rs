#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod burst;
mod config;
mod cryptex;
mod error;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod header_extension;
mod index;
mod kdf;
mod key;
mod packet;
mod profile;
mod receiver;
mod replay;
mod sender;
mod session;
mod statistics;
mod streams;
#[cfg(test)]
mod vectors_tests;

pub use burst::Burst;
pub use config::{Config, Cryptex, HeaderExtensionIds};
pub use error::{Error, Rejected};
pub use key::{KeyingMaterial, MasterKey};
pub use profile::ProtectionProfile;
pub use receiver::{MAX_MASTER_KEYS, Receiver};
pub use sender::Sender;
pub use statistics::{ReceiverStatistics, SenderStatistics};
pub use streams::EVICTION_SILENCE;
