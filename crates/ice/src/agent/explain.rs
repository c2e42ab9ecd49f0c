//! Says why there is no path: see [`Failure`].

use crate::agent::core::IceAgent;
use crate::event::PairStats;
use crate::failure::{Failure, FailureCause, PairAttempt};

impl IceAgent {
    /// Why this agent failed, or, while checks are under way and none has succeeded, what has been tried so far; else `None`.
    /// It is of the present generation, and is gone with a restart.
    pub fn failure(&self) -> Option<Failure> {
        let trying = self.remote.is_some() && self.selected.is_none();
        if !(self.failed || trying) || self.check_open().is_err() {
            return None;
        }
        let (local_candidates, remote_candidates) =
            (self.local_candidates(), self.remote_candidates());
        let mut pairs: Vec<PairStats> = self.list.iter().map(|(id, p)| self.stats(id, p)).collect();
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.priority));
        let cause = if self.consent_lost {
            FailureCause::PeerVanished
        } else if local_candidates.is_empty() {
            FailureCause::NoLocalCandidates
        } else if remote_candidates.is_empty() {
            FailureCause::NoRemoteCandidates
        } else if pairs.is_empty() {
            FailureCause::NoCommonFamily
        } else if pairs.iter().any(|pair| pair.requests_received > 0) {
            FailureCause::OneWay
        } else {
            FailureCause::NothingAnswered
        };
        let answered = |server| self.gathering.answered.contains(server);
        let attempt = |pair: PairStats| PairAttempt {
            local: pair.local_candidate,
            remote: pair.remote_candidate,
            sent: pair.requests_sent,
            answered: pair.responses_received,
            heard: pair.requests_received,
        };
        Some(Failure {
            cause,
            servers: self.gathering.servers.iter().map(|s| (*s, answered(s))).collect(),
            local_candidates,
            remote_candidates,
            pairs: pairs.into_iter().map(attempt).collect(),
        })
    }
}
