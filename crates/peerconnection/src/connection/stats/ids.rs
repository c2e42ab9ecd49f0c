//! Ids of what is monitored: the same for an object in all reports, and, as webrtc-pc §8.5 demands, nothing that an
//! application could guess. Each is a hash of what tells the object apart, salted by the connection.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use peerage_ice::{Candidate, CandidateKind};

use crate::stats::StatsType;
use crate::transport::set::TransportId;

/// Makes the ids of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids<'a> {
    /// Random, and another for each connection.
    pub(super) salt: &'a str,
}

impl Ids<'_> {
    /// The id of the object of a type that `key` tells apart.
    pub(super) fn of(self, stats_type: StatsType, key: impl Hash) -> String {
        let mut hasher = DefaultHasher::new();
        (self.salt, stats_type, key).hash(&mut hasher);
        format!("{stats_type}:{:016x}", hasher.finish())
    }

    /// A transport.
    pub(super) fn transport(self, id: TransportId) -> String {
        self.of(StatsType::Transport, id)
    }

    /// A candidate of ours, as the peer is told of it. Its address may be hidden, but its priority is unique among those
    /// with its foundation (RFC 8445 §5.1.2.1); those that the peer saw are told apart by their address.
    pub(super) fn local_candidate(self, candidate: &Candidate, ufrag: &str) -> String {
        let seen = (candidate.kind == CandidateKind::PeerReflexive).then_some(&candidate.address);
        let key = (
            candidate.kind,
            candidate.priority,
            &candidate.foundation,
            candidate.port,
            seen,
            ufrag,
        );
        self.of(StatsType::LocalCandidate, key)
    }

    /// A candidate of the peer, by the address its packets come from: what is known of it beside may change.
    pub(super) fn remote_candidate(self, address: SocketAddr, ufrag: &str) -> String {
        self.of(StatsType::RemoteCandidate, (address, ufrag))
    }

    /// A certificate.
    pub(super) fn certificate(self, der: &[u8]) -> String {
        self.of(StatsType::Certificate, der)
    }
}
