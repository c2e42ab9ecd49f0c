//! Why an agent did not connect, in plain words: what it had, what it tried, what answered.

use std::fmt;
use std::net::SocketAddr;

use crate::candidate::{Candidate, CandidateKind};

/// What an agent knows of why it has no path. Made by [`IceAgent::failure`](crate::IceAgent::failure); its text, by `Display`, is
/// for people: a sentence, then a line for each server and pair.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What comes nearest to a cause.
    pub cause: FailureCause,
    /// The STUN servers, and whether one of our sockets ever got an answer.
    pub servers: Vec<(SocketAddr, bool)>,
    /// Local candidates told to the peer.
    pub local_candidates: Vec<Candidate>,
    /// Candidates that the peer told, or that its checks showed.
    pub remote_candidates: Vec<Candidate>,
    /// The pairs that were tried, the highest priority first.
    pub pairs: Vec<PairAttempt>,
}

/// What comes nearest to a cause of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureCause {
    /// There was no local candidate: no network, or none that the configuration allows.
    NoLocalCandidates,
    /// The peer told no candidate that could be used.
    NoRemoteCandidates,
    /// There were candidates on both sides, but none that fit each other: IPv4 here and IPv6 there.
    NoCommonFamily,
    /// No check was answered, and none of the peer's arrived.
    NothingAnswered,
    /// Checks of the peer arrived, but none of ours was answered.
    OneWay,
    /// A pair worked, then its peer stopped answering for 30 s (RFC 7675).
    PeerVanished,
}

/// A pair that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PairAttempt {
    /// The local candidate.
    pub local: Candidate,
    /// The remote candidate.
    pub remote: Candidate,
    /// Checks sent, without retransmissions.
    pub sent: u64,
    /// Checks answered.
    pub answered: u64,
    /// Checks of the peer that arrived here.
    pub heard: u64,
}

impl Failure {
    fn has(candidates: &[Candidate], kind: CandidateKind) -> bool {
        candidates.iter().any(|candidate| candidate.kind == kind)
    }

    /// What might help, where something is known.
    fn advice(&self) -> Option<&'static str> {
        let relayed = Self::has(&self.local_candidates, CandidateKind::Relayed)
            || Self::has(&self.remote_candidates, CandidateKind::Relayed);
        let unanswered = !self.servers.is_empty() && !self.servers.iter().any(|(_, told)| *told);
        let mapped =
            |candidates: &[Candidate]| Self::has(candidates, CandidateKind::ServerReflexive);
        match self.cause {
            FailureCause::NothingAnswered | FailureCause::OneWay if unanswered => Some(
                "no STUN server answered: UDP seems to be blocked here, and a TURN server by TCP or TLS is needed",
            ),
            FailureCause::NothingAnswered | FailureCause::OneWay if relayed => None,
            FailureCause::NothingAnswered
                if !mapped(&self.local_candidates) && !mapped(&self.remote_candidates) =>
            {
                Some(
                    "neither side knows its public address: ask a STUN server, unless both are in one network",
                )
            }
            FailureCause::NothingAnswered | FailureCause::OneWay => Some(
                "the NATs or firewalls between the two let nothing through, and there was no relay: add a TURN server",
            ),
            FailureCause::NoCommonFamily => {
                Some("a TURN server with addresses of both families joins IPv4 and IPv6")
            }
            _ => None,
        }
    }
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLocalCandidates => "there is no local address to connect from",
            Self::NoRemoteCandidates => "the peer told no address that can be used",
            Self::NoCommonFamily => "the two sides have no IP version in common",
            Self::NothingAnswered => "no address of the peer answered, and nothing came from it",
            Self::OneWay => "checks of the peer arrived, but none of ours was answered",
            Self::PeerVanished => "the connection worked until the peer stopped answering",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        if let Some(advice) = self.advice() {
            write!(f, "; {advice}")?;
        }
        for (server, answered) in &self.servers {
            let told = if *answered { "answered" } else { "did not answer" };
            write!(f, "\n  STUN server {server} {told}")?;
        }
        for pair in &self.pairs {
            write!(
                f,
                "\n  {} to {}: {} checks sent, {} answered, {} of the peer's heard",
                Name(&pair.local),
                Name(&pair.remote),
                pair.sent,
                pair.answered,
                pair.heard
            )?;
        }
        Ok(())
    }
}

/// A candidate as people read it.
struct Name<'a>(&'a Candidate);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Candidate { kind, address, port, .. } = self.0;
        write!(f, "{kind} {address}:{port}")
    }
}
