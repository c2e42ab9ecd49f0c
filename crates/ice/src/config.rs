//! Everything about an agent that its user may choose. `Default` is what WebRTC wants.

use std::time::Duration;

use crate::credentials::Credentials;
use crate::state::Role;

/// Settings of an agent.
#[derive(Debug, Clone)]
pub struct IceConfig {
    /// The role to begin with; a conflict is settled by the agents themselves (RFC 8445 §7.3.1.1).
    pub role: Role,
    /// Whether this agent is lite: it only answers checks (RFC 8445 §2.5). For servers with public addresses.
    pub lite: bool,
    /// Credentials of the first generation; drawn at random when `None`.
    pub credentials: Option<Credentials>,
    /// Which local candidates may be used.
    pub transport_policy: TransportPolicy,
    /// Which address families may be used, and which comes first.
    pub family_policy: FamilyPolicy,
    /// What is done with `.local` names.
    pub mdns: MdnsMode,
    /// Whether host candidates on loopback addresses are made.
    pub loopback: bool,
    /// Timers.
    pub timers: Timers,
    /// Most candidate pairs; the lowest in priority are dropped (RFC 8445 §6.1.2.5).
    pub max_pairs: usize,
    /// Most remote candidates, peer-reflexive ones included; more are ignored.
    pub max_remote_candidates: usize,
    /// Most local addresses.
    pub max_local_addresses: usize,
    /// Most STUN servers.
    pub max_stun_servers: usize,
}

impl Default for IceConfig {
    fn default() -> Self {
        Self {
            role: Role::Controlled,
            lite: false,
            credentials: None,
            transport_policy: TransportPolicy::All,
            family_policy: FamilyPolicy::PreferIpv6,
            mdns: MdnsMode::Resolve,
            loopback: false,
            timers: Timers::default(),
            max_pairs: 100,
            max_remote_candidates: 64,
            max_local_addresses: 32,
            max_stun_servers: 8,
        }
    }
}

/// `RTCIceTransportPolicy` of the W3C.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransportPolicy {
    /// Every candidate.
    #[default]
    All,
    /// Relayed candidates only: no host or server-reflexive candidate is told to the peer or checked.
    Relay,
}

/// Which address families are used (RFC 8421).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FamilyPolicy {
    /// Both, intermingled by priority, IPv6 first (RFC 8421 §4).
    #[default]
    PreferIpv6,
    /// Both, intermingled by priority, IPv4 first.
    PreferIpv4,
    /// IPv4 only.
    Ipv4Only,
    /// IPv6 only.
    Ipv6Only,
}

/// What is done with multicast DNS names (draft-ietf-rtcweb-mdns-ice-candidates).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MdnsMode {
    /// Remote candidates with `.local` names are ignored.
    Off,
    /// Names of remote candidates are resolved: `Event::ResolveMdns`.
    #[default]
    Resolve,
    /// As `Resolve`, and local host addresses hide behind fresh names: `Event::PublishMdns`.
    ResolveAndPublish,
}

/// Timers of an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Timers {
    /// Ta, the time between two new checks or gathering requests (RFC 8445 §14.2: 50 ms; not below 5 ms).
    pub pacing: Duration,
    /// Least retransmission timeout of a check (RFC 8445 §14.3: 500 ms).
    pub rto_min: Duration,
    /// Longest time between two transmissions of a check: RFC 8489 §6.2.1 would let it grow to 16 s, which on a lossy
    /// path is most of anybody's patience.
    pub rto_max: Duration,
    /// Rc: how often a check is sent in all. 17 times with the limit above last about as long as RFC 8489's 7 without.
    pub max_requests: u32,
    /// Rm: how many RTOs to wait for a response after the last (RFC 8489 §6.2.1: 16).
    pub last_wait: u32,
    /// How long a controlling agent waits for a better pair once one works and better ones are still being checked.
    pub nomination_wait: Duration,
    /// Basic period of consent checks; each is drawn from 0.8 to 1.2 times this, and never below 4 s (RFC 7675 §5.1).
    pub consent_interval: Duration,
    /// Without a valid response for so long, consent has expired and the agent fails (RFC 7675 §5.1: 30 s).
    pub consent_timeout: Duration,
    /// Without a sign of life for so long, while a check stands unanswered, the agent is disconnected.
    pub disconnected_timeout: Duration,
    /// Time between keepalives of server-reflexive bindings while no pair works yet (RFC 8445 §11: Tr, 15 s).
    pub keepalive: Duration,
    /// The agent does not fail before this has passed since checks began (RFC 8863 §4: 39.5 s).
    pub patience: Duration,
    /// Without any pair that works for so long since checks began, or since patience began anew with a later candidate,
    /// the agent fails even while checks are under way: with many pairs RFC 8445 §14.3 would make that minutes.
    pub give_up: Duration,
    /// A STUN server that has not answered by then no longer holds up the end of gathering.
    pub gathering_timeout: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            pacing: Duration::from_millis(50),
            rto_min: Duration::from_millis(500),
            rto_max: Duration::from_secs(2),
            max_requests: 17,
            last_wait: 16,
            nomination_wait: Duration::from_millis(250),
            consent_interval: Duration::from_secs(5),
            consent_timeout: Duration::from_secs(30),
            disconnected_timeout: Duration::from_secs(5),
            keepalive: Duration::from_secs(15),
            patience: Duration::from_millis(39_500),
            give_up: Duration::from_secs(60),
            gathering_timeout: Duration::from_secs(10),
        }
    }
}
