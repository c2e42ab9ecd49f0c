//! What an operator decides.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::ConfigError;
use crate::rules::PeerRules;

/// How long a permission lasts (RFC 8656 §9).
pub const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// How long a channel lasts (RFC 8656 §12).
pub const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// How long the port after an even one is kept: 30 s at least (RFC 8656 §7.2).
pub const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);

/// An address that peers see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayAddress {
    /// What sockets are bound to.
    pub bind: IpAddr,
    /// What clients are told: another only behind a NAT that maps ports one to one, as clouds have.
    pub advertised: IpAddr,
}

impl From<IpAddr> for RelayAddress {
    fn from(ip: IpAddr) -> Self {
        Self { bind: ip, advertised: ip }
    }
}

/// Two addresses with two ports each, for clients that want to know how their NAT behaves (RFC 5780 §6). Listeners are
/// needed on all four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BehaviourDiscovery {
    /// The one that clients know.
    pub primary: SocketAddr,
    /// Another address and another port.
    pub alternate: SocketAddr,
}

/// The configuration of a [`Server`](crate::Server). With neither users nor secrets it is a STUN server: Allocate is refused.
#[derive(Clone, Debug)]
pub struct Config {
    /// What users' names belong to; the provider's domain (RFC 8489 §9.2.4).
    pub realm: String,
    /// Named in answers to those who have credentials, never to others. `None`: not at all.
    pub software: Option<String>,
    /// Where relayed addresses are: one of each family at most.
    pub relays: Vec<RelayAddress>,
    /// Their ports.
    pub ports: RangeInclusive<u16>,
    /// Names and passwords.
    pub users: Vec<(String, String)>,
    /// Secrets shared with those who make time-limited credentials (draft-uberti-behave-turn-rest); several while one is
    /// replaced.
    pub secrets: Vec<String>,
    /// The lifetime of an allocation whose client asks for none or for less.
    pub default_lifetime: Duration,
    /// The longest lifetime.
    pub max_lifetime: Duration,
    /// How long a nonce is good.
    pub nonce_lifetime: Duration,
    /// Allocations of one user (of one user id, for time-limited credentials).
    pub user_quota: usize,
    /// Allocations in all.
    pub total_quota: usize,
    /// Permissions of one allocation.
    pub max_permissions: usize,
    /// Channels of one allocation: 4,096 at most.
    pub max_channels: usize,
    /// Payload of one allocation, each direction, in bytes per second; what is above is dropped.
    pub bandwidth: Option<u64>,
    /// Payload that all allocations of one worker relay, both directions, in bytes per second.
    pub total_bandwidth: Option<u64>,
    /// Which peers may be reached.
    pub peers: PeerRules,
    /// Addresses of the server's host, which peers' rules hold closed unless they are opened by name. On the relayed ones
    /// of them, ports that are relayed ones can be reached in any case: two clients of one server meet there.
    pub own_addresses: Vec<IpAddr>,
    /// How many answers a second go to those without credentials, over UDP, for each /24 (IPv4) or /56 (IPv6): it bounds what
    /// a forged source is sent. 0 is no bound.
    pub unauthenticated_rate: u32,
    /// RFC 5780.
    pub behaviour: Vec<BehaviourDiscovery>,
    /// Whether allocations may relay TCP (RFC 6062).
    pub tcp_relay: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            realm: "peerage".into(),
            software: None,
            relays: Vec::new(),
            ports: 49152..=65535,
            users: Vec::new(),
            secrets: Vec::new(),
            default_lifetime: Duration::from_secs(600),
            max_lifetime: Duration::from_secs(3600),
            nonce_lifetime: Duration::from_secs(3600),
            user_quota: 1000,
            total_quota: 10_000,
            max_permissions: 256,
            max_channels: 256,
            bandwidth: None,
            total_bandwidth: None,
            peers: PeerRules::default(),
            own_addresses: Vec::new(),
            unauthenticated_rate: 500,
            behaviour: Vec::new(),
            tcp_relay: true,
        }
    }
}

impl Config {
    /// Whether there is anyone who may allocate.
    pub fn relays_for_anyone(&self) -> bool {
        !self.users.is_empty() || !self.secrets.is_empty()
    }

    /// Says what cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        // 128 bytes: every answer to those without credentials carries it.
        if self.realm.is_empty()
            || self.realm.len() > 128
            || self.realm.chars().any(char::is_control)
        {
            return Err(ConfigError::Realm { realm: self.realm.clone() });
        }
        let (first, last) = (*self.ports.start(), *self.ports.end());
        if first < 1024 || first > last {
            return Err(ConfigError::Ports { first, last });
        }
        for (index, relay) in self.relays.iter().enumerate() {
            let twice = self.relays[..index]
                .iter()
                .any(|other| other.bind.is_ipv4() == relay.bind.is_ipv4());
            if twice
                || relay.bind.is_ipv4() != relay.advertised.is_ipv4()
                || relay.bind.is_unspecified()
                || relay.advertised.is_unspecified()
            {
                return Err(ConfigError::Relay { address: relay.bind });
            }
        }
        if self.relays_for_anyone() && self.relays.is_empty() {
            return Err(ConfigError::Incomplete(
                "there are users or secrets, and no address to relay from: name one",
            ));
        }
        let limit = |what, value, expected| Err(ConfigError::Limit { what, value, expected });
        let seconds = self.default_lifetime.as_secs();
        if !(60..=86_400).contains(&seconds) || self.default_lifetime > self.max_lifetime {
            return limit(
                "the default lifetime",
                seconds,
                "60 to 86400 s, and not above the maximum",
            );
        }
        if self.max_lifetime.as_secs() > 86_400 {
            return limit("the maximum lifetime", self.max_lifetime.as_secs(), "86400 s at most");
        }
        if !(1..=4096).contains(&self.max_channels) {
            return limit("channels per allocation", self.max_channels as u64, "1 to 4096");
        }
        if !(1..=65_536).contains(&self.max_permissions) {
            return limit("permissions per allocation", self.max_permissions as u64, "1 to 65536");
        }
        if self.nonce_lifetime.as_secs() < 10 {
            return limit("the lifetime of nonces", self.nonce_lifetime.as_secs(), "10 s or more");
        }
        for &BehaviourDiscovery { primary, alternate } in &self.behaviour {
            if primary.ip() == alternate.ip()
                || primary.port() == alternate.port()
                || primary.is_ipv4() != alternate.is_ipv4()
            {
                return Err(ConfigError::Alternate { primary, alternate });
            }
        }
        Ok(())
    }
}
