//! TURN from the client's side: one allocation on one server (RFC 8656), sans-IO.
//!
//! [`Client`] authenticates, allocates, follows redirections, keeps allocation, permissions and channels alive while they are used,
//! and frames what goes to peers. Its owner moves bytes between it and the server, by datagrams or by a stream:
//!
//! ```
//! use std::time::Instant;
//! use peerage_stun::turn::{Client, ClientConfig, Link};
//!
//! let config = ClientConfig::new("192.0.2.1:3478".parse()?, Link::Datagrams, "user", "password");
//! let now = Instant::now();
//! let mut client =
//!     Client::new(now, config, peerage_crypto::Rng::from_seed(1), peerage_crypto::default_provider())?;
//! let mut buf = Vec::new();
//! assert!(client.poll_transmit(now, &mut buf).is_some(), "an Allocate request");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod authentication;
mod client;
mod config;
mod event;
mod peers;
mod rest;
#[cfg(test)]
mod tests;

pub use client::{Client, Received};
pub use config::{ClientConfig, Link};
pub use event::{AllocationError, Event};
pub use rest::time_limited_credentials;
