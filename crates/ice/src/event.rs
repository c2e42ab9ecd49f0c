//! What an agent tells its user.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::candidate::Candidate;
use crate::state::{GatheringState, IceConnectionState, PairState, Role};
use crate::transmit::Protocol;

/// What happened. Drained by `poll_event`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "a handful of selections in the life of a connection")]
pub enum Event {
    /// A local candidate to be told to the peer.
    LocalCandidate(Candidate),
    /// Gathering went on.
    GatheringStateChange(GatheringState),
    /// The state of the agent changed.
    ConnectionStateChange(IceConnectionState),
    /// Data now go over this pair.
    SelectedPairChange(SelectedPair),
    /// A pair was formed or changed its state.
    PairStateChange {
        /// Base of the local candidate.
        local: SocketAddr,
        /// Address of the remote candidate.
        remote: SocketAddr,
        /// The new state.
        state: PairState,
        /// Whether the pair is nominated.
        nominated: bool,
    },
    /// The role changed because both sides had the same (RFC 8445 §7.3.1.1).
    RoleChange(Role),
    /// A `.local` name is to be resolved; answer with `mdns_resolved` or `mdns_failed`.
    ResolveMdns {
        /// The name.
        name: String,
    },
    /// A `.local` name is to be answered for as long as this agent lives.
    PublishMdns {
        /// The name, `<UUID>.local`.
        name: String,
        /// The address it stands for.
        addr: IpAddr,
    },
}

/// The pair over which data go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedPair {
    /// Base of the local candidate: the socket to send from.
    pub local: SocketAddr,
    /// The address to send to.
    pub remote: SocketAddr,
    /// The protocol to send by.
    pub protocol: Protocol,
    /// The local candidate.
    pub local_candidate: Candidate,
    /// The remote candidate.
    pub remote_candidate: Candidate,
    /// Whether the pair was nominated, or only works and is used until one is (RFC 8445 §12.1).
    pub nominated: bool,
    /// Round-trip time as last measured.
    pub rtt: Option<Duration>,
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// It was STUN: consumed, answered or dropped by the agent.
    Stun,
    /// It is not STUN and came from an address that passed a check: hand it to the next layer.
    Data,
    /// It is not STUN and came from an address that never passed a check, or to an address that is not ours: drop it.
    Unknown,
}

/// Numbers of a candidate pair, after `RTCIceCandidatePairStats` of the W3C.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairStats {
    /// Base of the local candidate.
    pub local: SocketAddr,
    /// Address of the remote candidate.
    pub remote: SocketAddr,
    /// The local candidate, as the peer is told of it.
    pub local_candidate: Candidate,
    /// The remote candidate.
    pub remote_candidate: Candidate,
    /// Our ufrag of the pair's generation.
    pub local_ufrag: String,
    /// The peer's ufrag of the pair's generation; empty before it is known.
    pub remote_ufrag: String,
    /// Priority of the pair.
    pub priority: u64,
    /// State.
    pub state: PairState,
    /// Whether it is nominated.
    pub nominated: bool,
    /// Whether data go over it now.
    pub selected: bool,
    /// Round-trip time as last measured.
    pub current_round_trip_time: Option<Duration>,
    /// Sum of all measured round-trip times.
    pub total_round_trip_time: Duration,
    /// Checks sent, without retransmissions.
    pub requests_sent: u64,
    /// Checks received that passed their integrity check.
    pub requests_received: u64,
    /// Responses sent.
    pub responses_sent: u64,
    /// Responses received.
    pub responses_received: u64,
    /// Consent checks sent (RFC 7675).
    pub consent_requests_sent: u64,
}

/// Noise that was dropped, and other counts. Never reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Packets that looked like STUN and were malformed.
    pub malformed: u64,
    /// Requests whose username is not ours, or whose integrity check failed.
    pub unauthenticated: u64,
    /// Responses to no request of ours, from a wrong address, or with a wrong integrity.
    pub unmatched_responses: u64,
    /// STUN messages with a method or class this agent has no use for.
    pub unexpected: u64,
    /// Requests dropped because a limit was reached (peer-reflexive candidates, queues).
    pub limited: u64,
    /// Datagrams that were not STUN and came from an address that never passed a check.
    pub unknown_source: u64,
}
