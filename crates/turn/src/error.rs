//! What can be wrong with a configuration.

use std::net::SocketAddr;

use thiserror::Error;

/// Why a server cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not an address or a range.
    #[error(
        "`{text}` is not a range of addresses: write it as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1"
    )]
    Cidr {
        /// What was written.
        text: String,
    },
    /// A user name, password or realm that cannot be used.
    #[error("user `{username}`: {source}")]
    Credential {
        /// Whose.
        username: String,
        /// What is wrong.
        source: peerage_stun::Error,
    },
    /// The realm cannot be used.
    #[error("realm `{realm}`: it must have 1 to 128 bytes and no control characters")]
    Realm {
        /// What was given.
        realm: String,
    },
    /// The range of relayed ports is empty or too low.
    #[error(
        "relayed ports {first} to {last}: the first must be 1024 or more, and not above the last (RFC 8656 §7.2)"
    )]
    Ports {
        /// The first.
        first: u16,
        /// The last.
        last: u16,
    },
    /// Two relay addresses of one family, or an unspecified one.
    #[error(
        "relay address {address}: give one address of each family, and not the unspecified one: peers have to reach it"
    )]
    Relay {
        /// Which.
        address: std::net::IpAddr,
    },
    /// Credentials without an address to relay from, or the reverse.
    #[error("{0}")]
    Incomplete(&'static str),
    /// A number that is out of its range.
    #[error("{what} is {value}: {expected}")]
    Limit {
        /// Which.
        what: &'static str,
        /// What was given.
        value: u64,
        /// What it may be.
        expected: &'static str,
    },
    /// The two addresses for behaviour discovery do not differ in both.
    #[error(
        "behaviour discovery: {primary} and {alternate} must differ in address and port, and be of one family (RFC 5780 §6)"
    )]
    Alternate {
        /// The first.
        primary: SocketAddr,
        /// The second.
        alternate: SocketAddr,
    },
}
