#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod alert;
mod cipher_suite;
mod codec;
mod config;
#[cfg(test)]
mod corpora_tests;
mod dtls12;
mod dtls13;
mod endpoint;
mod error;
mod event;
mod flight;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod handover;
mod handshake;
mod negotiation;
mod range_set;
mod reassembler;
mod record;
mod registry;
mod side;
mod srtp_profile;
mod statistics;
mod timer;
mod transcript;
mod version;

pub use alert::AlertDescription;
pub use cipher_suite::CipherSuite;
pub use config::{Config, MIN_MTU};
pub use endpoint::Endpoint;
pub use error::Error;
pub use event::{ApplicationData, Event, HandshakeSummary, State, Transmit};
pub use peerage_crypto::{NamedGroup, SignatureScheme};
pub use srtp_profile::SrtpProtectionProfile;
pub use statistics::Statistics;
pub use version::ProtocolVersion;
