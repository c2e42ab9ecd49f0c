//! The check list of the one data stream: pairs, their states, freezing, the triggered-check queue
//! (RFC 8445 §6.1.2, §6.1.4).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::candidate::pair_priority;
use crate::event::PairStats;
use crate::state::{PairState, Role};

/// Index of a pair; not reused before the pair is removed, and then only after its transactions are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PairId(usize);

/// A candidate pair. Its local candidate is the base's host candidate (RFC 8445 §6.1.2.4: others are pruned).
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) base: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// Index of the local candidate the check is sent from.
    pub(crate) local_index: usize,
    pub(crate) remote_index: usize,
    /// Index of the local candidate of the valid pair that a check gave (RFC 8445 §7.2.5.3.2).
    pub(crate) valid: Option<usize>,
    pub(crate) foundation: (u32, u32),
    pub(crate) local_priority: u32,
    pub(crate) remote_priority: u32,
    pub(crate) priority: u64,
    pub(crate) state: PairState,
    pub(crate) nominated: bool,
    /// We control: the next check carries USE-CANDIDATE.
    pub(crate) nominating: bool,
    /// The peer controls: when it last sent USE-CANDIDATE.
    pub(crate) use_candidate: Option<Instant>,
    /// A check of the peer, or a response to ours, passed its integrity check: data from there are welcome.
    pub(crate) authenticated: bool,
    pub(crate) last_response: Option<Instant>,
    pub(crate) rtt: Option<Duration>,
    pub(crate) total_rtt: Duration,
    pub(crate) requests_sent: u64,
    pub(crate) requests_received: u64,
    pub(crate) responses_sent: u64,
    pub(crate) responses_received: u64,
    pub(crate) consent_requests_sent: u64,
}

impl Pair {
    /// Goes on counting where the same pair stopped before a restart that was rolled back.
    pub(crate) fn go_on_from(&mut self, before: &PairStats) {
        self.total_rtt = before.total_round_trip_time;
        self.requests_sent = before.requests_sent;
        self.requests_received = before.requests_received;
        self.responses_sent = before.responses_sent;
        self.responses_received = before.responses_received;
        self.consent_requests_sent = before.consent_requests_sent;
    }
}

/// What a pair is formed from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewPair {
    pub(crate) base: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) local_index: usize,
    pub(crate) remote_index: usize,
    pub(crate) foundation: (u32, u32),
    pub(crate) local_priority: u32,
    pub(crate) remote_priority: u32,
}

fn priority(role: Role, local: u32, remote: u32) -> u64 {
    match role {
        Role::Controlling => pair_priority(local, remote),
        Role::Controlled => pair_priority(remote, local),
    }
}

/// All pairs.
#[derive(Debug, Default)]
pub(crate) struct CheckList {
    pairs: Vec<Option<Pair>>,
    index: FxHashMap<(SocketAddr, SocketAddr), PairId>,
    triggered: VecDeque<PairId>,
    /// Pairs whose state changed since the last [`take_changed`](Self::take_changed).
    changed: Vec<PairId>,
}

impl CheckList {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PairId, &Pair)> {
        self.pairs.iter().enumerate().filter_map(|(i, p)| Some((PairId(i), p.as_ref()?)))
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn get(&self, id: PairId) -> Option<&Pair> {
        self.pairs.get(id.0)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: PairId) -> Option<&mut Pair> {
        self.pairs.get_mut(id.0)?.as_mut()
    }

    pub(crate) fn find(&self, base: SocketAddr, remote: SocketAddr) -> Option<PairId> {
        self.index.get(&(base, remote)).copied()
    }

    /// Adds a pair unless it is there already or is lower than all of a full list (RFC 8445 §6.1.2.5).
    /// The second value is the pair that had to go.
    pub(crate) fn add(
        &mut self,
        new: NewPair,
        role: Role,
        limit: usize,
    ) -> (Option<PairId>, Option<PairId>) {
        if let Some(id) = self.find(new.base, new.remote) {
            return (Some(id), None);
        }
        let priority = priority(role, new.local_priority, new.remote_priority);
        let mut dropped = None;
        if self.len() >= limit {
            let lowest = self
                .iter()
                .filter(|(_, p)| {
                    matches!(p.state, PairState::Frozen | PairState::Waiting | PairState::Failed)
                })
                .min_by_key(|(_, p)| (p.state != PairState::Failed, p.priority));
            match lowest {
                Some((id, p)) if p.priority < priority || p.state == PairState::Failed => {
                    dropped = Some(id);
                    self.remove(id);
                }
                _ => return (None, None),
            }
        }
        // RFC 8445 §6.1.2.6 and RFC 8838 §12: one pair of each foundation waits, the others are frozen until one of them
        // has succeeded.
        let mut state = PairState::Waiting;
        for (_, pair) in self.iter().filter(|(_, p)| p.foundation == new.foundation) {
            match pair.state {
                PairState::Succeeded => {
                    state = PairState::Waiting;
                    break;
                }
                PairState::Waiting | PairState::InProgress => state = PairState::Frozen,
                PairState::Frozen | PairState::Failed => {}
            }
        }
        let pair = Pair {
            base: new.base,
            remote: new.remote,
            local_index: new.local_index,
            remote_index: new.remote_index,
            valid: None,
            foundation: new.foundation,
            local_priority: new.local_priority,
            remote_priority: new.remote_priority,
            priority,
            state,
            nominated: false,
            nominating: false,
            use_candidate: None,
            authenticated: false,
            last_response: None,
            rtt: None,
            total_rtt: Duration::ZERO,
            requests_sent: 0,
            requests_received: 0,
            responses_sent: 0,
            responses_received: 0,
            consent_requests_sent: 0,
        };
        let slot = self.pairs.iter().position(Option::is_none).unwrap_or_else(|| {
            self.pairs.push(None);
            self.pairs.len() - 1
        });
        let id = PairId(slot);
        self.pairs[slot] = Some(pair);
        self.index.insert((new.base, new.remote), id);
        self.note_change(id);
        (Some(id), dropped)
    }

    pub(crate) fn remove(&mut self, id: PairId) {
        if let Some(pair) = self.pairs.get_mut(id.0).and_then(Option::take) {
            self.index.remove(&(pair.base, pair.remote));
            self.triggered.retain(|t| *t != id);
            self.changed.retain(|t| *t != id);
        }
    }

    /// New knowledge about a remote candidate that was peer-reflexive before.
    pub(crate) fn update_remote(
        &mut self,
        remote_index: usize,
        foundation: u32,
        remote_priority: u32,
        role: Role,
    ) {
        for pair in self.pairs.iter_mut().flatten().filter(|p| p.remote_index == remote_index) {
            pair.foundation.1 = foundation;
            pair.remote_priority = remote_priority;
            pair.priority = priority(role, pair.local_priority, remote_priority);
        }
    }

    /// Recomputes priorities for a new role (RFC 8445 §7.2.5.1).
    pub(crate) fn set_role(&mut self, role: Role) {
        for pair in self.pairs.iter_mut().flatten() {
            pair.priority = priority(role, pair.local_priority, pair.remote_priority);
            pair.nominating = false;
        }
    }

    fn note_change(&mut self, id: PairId) {
        if !self.changed.contains(&id) {
            self.changed.push(id);
        }
    }

    /// Pairs that were formed or changed their state since the last call.
    pub(crate) fn take_changed(&mut self) -> Vec<PairId> {
        std::mem::take(&mut self.changed)
    }

    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    pub(crate) fn set_state(&mut self, id: PairId, state: PairState) {
        let Some(pair) = self.get_mut(id) else { return };
        if pair.state != state {
            pair.state = state;
            self.note_change(id);
        }
    }

    /// Nominates a pair.
    pub(crate) fn set_nominated(&mut self, id: PairId) {
        let Some(pair) = self.get_mut(id) else { return };
        pair.nominating = false;
        if !pair.nominated {
            pair.nominated = true;
            self.note_change(id);
        }
    }

    /// Queues a triggered check (RFC 8445 §7.3.1.4); `urgent` ones, nominations, go first.
    pub(crate) fn trigger(&mut self, id: PairId, urgent: bool) {
        if self.get(id).is_none() {
            return;
        }
        if let Some(at) = self.triggered.iter().position(|t| *t == id) {
            if !urgent {
                return;
            }
            self.triggered.remove(at);
        }
        if urgent { self.triggered.push_front(id) } else { self.triggered.push_back(id) }
    }

    /// Takes a pair out of the queue of triggered checks.
    pub(crate) fn untrigger(&mut self, id: PairId) {
        self.triggered.retain(|t| *t != id);
    }

    /// A check succeeded: pairs of the same foundation thaw (RFC 8445 §7.2.5.3.3).
    pub(crate) fn succeeded(&mut self, id: PairId) {
        let Some(foundation) = self.get(id).map(|p| p.foundation) else { return };
        self.set_state(id, PairState::Succeeded);
        let frozen: Vec<_> = self
            .iter()
            .filter(|(_, p)| p.state == PairState::Frozen && p.foundation == foundation)
            .map(|(id, _)| id)
            .collect();
        for id in frozen {
            self.set_state(id, PairState::Waiting);
        }
    }

    /// The pair to check next: from the triggered queue, else the highest waiting one, else the highest frozen one whose
    /// foundation is idle (RFC 8445 §6.1.4.2). Ordinary checks below `floor` are left alone.
    pub(crate) fn next(&mut self, floor: u64) -> Option<PairId> {
        if let Some(id) = self.triggered.pop_front() {
            return Some(id);
        }
        let highest = |state: PairState| {
            let open = self.iter().filter(|(_, p)| p.state == state && p.priority > floor);
            open.max_by_key(|(_, p)| p.priority).map(|(id, _)| id)
        };
        if let Some(id) = highest(PairState::Waiting) {
            return Some(id);
        }
        let idle = |foundation| {
            !self.iter().any(|(_, p)| {
                p.foundation == foundation
                    && matches!(p.state, PairState::Waiting | PairState::InProgress)
            })
        };
        self.iter()
            .filter(|(_, p)| {
                p.state == PairState::Frozen && p.priority > floor && idle(p.foundation)
            })
            .max_by_key(|(_, p)| p.priority)
            .map(|(id, _)| id)
    }

    /// Whether [`next`](Self::next) has something now.
    pub(crate) fn has_next(&self, floor: u64) -> bool {
        !self.triggered.is_empty()
            || self.iter().any(|(_, p)| {
                p.priority > floor
                    && matches!(p.state, PairState::Waiting | PairState::Frozen)
                    && (p.state == PairState::Waiting
                        || !self.iter().any(|(_, q)| {
                            q.foundation == p.foundation
                                && matches!(q.state, PairState::Waiting | PairState::InProgress)
                        }))
            })
    }

    /// Whether a pair above `floor` waits for its check or for the response.
    pub(crate) fn is_open(&self, floor: u64) -> bool {
        !self.triggered.is_empty()
            || self.iter().any(|(_, p)| {
                p.priority > floor
                    && matches!(
                        p.state,
                        PairState::Waiting | PairState::InProgress | PairState::Frozen
                    )
            })
    }

    /// Number of pairs that wait or are in progress, for the retransmission timeout (RFC 8445 §14.3).
    pub(crate) fn active(&self) -> u32 {
        self.iter()
            .filter(|(_, p)| matches!(p.state, PairState::Waiting | PairState::InProgress))
            .count() as u32
    }

    /// The valid pair of highest priority.
    pub(crate) fn best_valid(&self) -> Option<(PairId, &Pair)> {
        self.iter()
            .filter(|(_, p)| p.valid.is_some() && p.state != PairState::Failed)
            .max_by_key(|(_, p)| p.priority)
    }

    /// Checks everything again but `except`: the pair in use went silent.
    pub(crate) fn recheck(&mut self, except: Option<PairId>) {
        let ids: Vec<_> = self
            .iter()
            .filter(|(id, p)| {
                Some(*id) != except && matches!(p.state, PairState::Succeeded | PairState::Failed)
            })
            .map(|(id, _)| id)
            .collect();
        for id in ids {
            self.set_state(id, PairState::Waiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(last: u8, foundation: (u32, u32), priority: u32) -> NewPair {
        NewPair {
            base: "10.0.0.1:1".parse().unwrap(),
            remote: SocketAddr::from(([10, 0, 1, last], 1)),
            local_index: 0,
            remote_index: 0,
            foundation,
            local_priority: priority,
            remote_priority: priority,
        }
    }

    #[test]
    fn one_pair_of_each_foundation_waits_and_success_thaws_the_rest() {
        let mut list = CheckList::default();
        let ids: Vec<_> = [pair(1, (0, 0), 30), pair(2, (0, 0), 20), pair(3, (0, 1), 10)]
            .map(|p| list.add(p, Role::Controlling, 10).0.unwrap())
            .to_vec();
        let states =
            |l: &CheckList| ids.iter().map(|i| l.get(*i).unwrap().state).collect::<Vec<_>>();
        assert_eq!(states(&list), [PairState::Waiting, PairState::Frozen, PairState::Waiting]);
        assert_eq!(list.next(0), Some(ids[0]));
        list.set_state(ids[0], PairState::InProgress);
        assert_eq!(list.next(0), Some(ids[2]));
        list.set_state(ids[2], PairState::InProgress);
        assert_eq!(list.next(0), None);
        list.succeeded(ids[0]);
        assert_eq!(list.next(0), Some(ids[1]));
    }

    #[test]
    fn a_frozen_pair_thaws_when_its_foundation_is_idle() {
        let mut list = CheckList::default();
        let first = list.add(pair(1, (0, 0), 30), Role::Controlling, 10).0.unwrap();
        let second = list.add(pair(2, (0, 0), 20), Role::Controlling, 10).0.unwrap();
        list.set_state(first, PairState::InProgress);
        assert!(!list.has_next(0));
        list.set_state(first, PairState::Failed);
        assert!(list.has_next(0));
        assert_eq!(list.next(0), Some(second));
    }

    #[test]
    fn a_full_list_keeps_the_highest() {
        let mut list = CheckList::default();
        let low = list.add(pair(1, (0, 0), 1), Role::Controlling, 2).0.unwrap();
        list.add(pair(2, (0, 1), 5), Role::Controlling, 2);
        assert_eq!(list.add(pair(3, (0, 2), 3), Role::Controlling, 2).1, Some(low));
        assert_eq!(list.add(pair(4, (0, 3), 2), Role::Controlling, 2), (None, None));
        assert_eq!(list.len(), 2);
    }

    #[test]
    fn triggered_checks_go_first_and_stand_in_the_queue_once() {
        let mut list = CheckList::default();
        let a = list.add(pair(1, (0, 0), 9), Role::Controlling, 9).0.unwrap();
        let b = list.add(pair(2, (0, 1), 1), Role::Controlling, 9).0.unwrap();
        list.trigger(b, false);
        list.trigger(b, false);
        assert_eq!(list.next(0), Some(b));
        assert_eq!(list.next(0), Some(a));
        list.trigger(a, false);
        list.trigger(b, true);
        assert_eq!((list.next(0), list.next(0)), (Some(b), Some(a)));
    }
}
