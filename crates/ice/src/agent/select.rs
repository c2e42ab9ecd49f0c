//! Nomination, the pair in use, its consent, and the state of the whole (RFC 8445 §8, §12; RFC 7675; RFC 8863).

use std::time::{Duration, Instant};

use crate::agent::core::{IceAgent, Selected};
use crate::checklist::{Pair, PairId};
use crate::consent::{Consent, ConsentStep};
use crate::event::{Event, SelectedPair};
use crate::state::{GatheringState, IceConnectionState, Role};

/// A nomination of another pair is followed when the peer has not confirmed the pair in use for so long. Peers that
/// change their mind without a restart repeat USE-CANDIDATE every few seconds on the pair they mean.
const NOMINATION_STALE: Duration = Duration::from_secs(5);

/// How long the pair in use has to answer once the peer has nominated another: four round trips, and not less than this ...
const CHALLENGE: Duration = Duration::from_millis(250);
/// ... nor more than this.
const CHALLENGE_MOST: Duration = Duration::from_secs(1);

impl IceAgent {
    /// A pair works but is not nominated. Until one is, data uses the best that does (RFC 8445 §12.1).
    pub(super) fn on_valid(&mut self, now: Instant, id: PairId) {
        let priority = self.list.get(id).map_or(0, |pair| pair.priority);
        let replace = match &self.selected {
            None => true,
            Some(selected) => {
                let better = selected.pair.is_some()
                    && !selected.info.nominated
                    && priority > selected.priority;
                selected.pair != Some(id) && (better || selected.consent.is_doubtful(now))
            }
        };
        if replace {
            self.select(now, id, false);
            if self.role == Role::Controlling {
                // The pair in use died: the nomination is to be made anew.
                self.nominating = None;
            }
        }
    }

    /// A pair works and is nominated.
    pub(super) fn on_nominated(&mut self, now: Instant, id: PairId) {
        if self.nominating == Some(id) {
            self.nominating = None;
        }
        self.list.set_nominated(id);
        let Some(pair) = self.list.get(id) else { return };
        let follow = match &self.selected {
            None => true,
            Some(s) if s.pair == Some(id) => true,
            Some(s) => {
                !s.info.nominated
                    || s.pair.is_none()
                    || self.role == Role::Controlling
                    || pair.priority > s.priority
                    || s.consent.is_doubtful(now)
                    || s.use_candidate.is_none_or(|at| now >= at + NOMINATION_STALE)
            }
        };
        if follow {
            self.select(now, id, true);
            return;
        }
        // The peer may have moved: the pair in use is asked, and where it does not answer soon, the other one is taken. The nomination
        // is not repeated before the peer's next consent check, which is seconds away.
        if let Some(selected) = &mut self.selected
            && self.challenger.is_none_or(|(other, _)| other != id)
        {
            let round_trips = selected.info.rtt.map_or(CHALLENGE, |rtt| (rtt * 4).max(CHALLENGE));
            self.challenger = Some((id, now + round_trips.min(CHALLENGE_MOST)));
            selected.consent.suspect(now);
        }
    }

    /// Decides between the pair in use and the one that the peer has nominated in its place.
    fn settle_challenge(&mut self, now: Instant) {
        let Some((id, _)) = self.challenger.filter(|(_, at)| now >= *at) else { return };
        self.challenger = None;
        let Some(selected) = &self.selected else { return };
        let silent = selected.consent.is_unanswered();
        let stands = selected.pair != Some(id) && self.role == Role::Controlled;
        if silent && stands && self.list.get(id).is_some_and(|pair| pair.valid.is_some()) {
            self.select(now, id, true);
        }
    }

    /// The controlling peer of a lite agent nominated a pair.
    pub(super) fn lite_nominated(&mut self, now: Instant, id: PairId) {
        let Some(pair) = self.list.get_mut(id) else { return };
        pair.valid = Some(pair.local_index);
        self.list.succeeded(id);
        self.on_nominated(now, id);
    }

    fn select(&mut self, now: Instant, id: PairId, nominated: bool) {
        let check_priority = self.list.get(id).map_or(0, |p| self.check_priority(p.base));
        let Some(pair) = self.list.get(id) else { return };
        let same = self.selected.as_ref().filter(|s| s.pair == Some(id));
        if same.is_some_and(|s| s.info.nominated || !nominated) {
            return;
        }
        let local = self.locals.get(pair.valid.unwrap_or(pair.local_index));
        let info = SelectedPair {
            local: pair.base,
            remote: pair.remote,
            protocol: self.protocol_of(pair.base),
            local_candidate: local.published.clone().unwrap_or_else(|| local.candidate.clone()),
            remote_candidate: self.remotes.get(pair.remote_index).candidate.clone(),
            nominated,
            rtt: pair.rtt,
        };
        let mut consent = match same {
            Some(same) => same.consent.clone(),
            None => Consent::new(now, &self.config.timers, &mut self.rng, self.config.lite),
        };
        if !self.config.lite {
            consent.on_response(pair.last_response.unwrap_or(now));
        }
        self.selected = Some(Selected {
            info: info.clone(),
            pair: Some(id),
            before_restart: None,
            local: self.local.clone(),
            remote: self.remote.clone(),
            priority: pair.priority,
            check_priority,
            consent,
            use_candidate: pair.use_candidate,
        });
        self.disconnected = false;
        if nominated {
            // Nothing of the generation before is needed any more.
            self.saved = None;
        }
        self.push_event(Event::SelectedPairChange(info));
    }

    /// The controlling side picks the pair (RFC 8445 §8.1.1): at once when no better pair can still come, else after a
    /// short wait for those that are being checked.
    pub(super) fn consider_nomination(&mut self, now: Instant) {
        if self.nomination_at.is_some_and(|at| now >= at) {
            self.nomination_at = None;
        }
        if self.role != Role::Controlling
            || self.config.lite
            || !self.checking_allowed()
            || self.nominating.is_some()
        {
            return;
        }
        let current = self.selected.as_ref().filter(|s| s.pair.is_some());
        let doubtful = current.is_some_and(|s| s.consent.is_doubtful(now));
        if let Some(selected) = current.filter(|s| s.info.nominated && !doubtful) {
            // A peer that connects on nomination is not kept waiting for a direct path, which two NATs often let through only with the
            // second transmission of the first check, half a second later. When it works, it takes the relay's place, as does a relay
            // that is reached by UDP that of one by TCP: RFC 8445 §8.1.1 has one nomination only, yet browsers nominate anew as
            // well, and follow.
            let is_better = |pair: &Pair| pair.priority > selected.priority;
            let has_better = self.list.best_valid().is_some_and(|(_, pair)| is_better(pair));
            if !has_better || !selected.pair.is_some_and(|id| self.is_relayed(id)) {
                return;
            }
        }
        let best = if doubtful {
            // The pair in use went silent: the best pair that has answered since.
            let (silent, since) =
                current.map_or((None, None), |s| (s.pair, Some(s.consent.last_response())));
            self.list
                .iter()
                .filter(|(id, p)| {
                    Some(*id) != silent && p.valid.is_some() && p.last_response > since
                })
                .max_by_key(|(_, p)| p.priority)
        } else {
            self.list.best_valid()
        };
        let Some((id, pair)) = best else { return };

        if self.nomination_at.is_some() && !doubtful && self.list.is_open(pair.priority) {
            return;
        }
        if let Some(pair) = self.list.get_mut(id) {
            pair.nominating = true;
        }
        self.nominating = Some(id);
        self.list.trigger(id, true);
    }

    /// Keeps consent of the pair in use.
    pub(super) fn run_consent(&mut self, now: Instant) {
        self.settle_challenge(now);
        let Some(selected) = &mut self.selected else { return };
        match selected.consent.step(now, &self.config.timers, &mut self.rng) {
            ConsentStep::Idle => {}
            ConsentStep::Check => self.ask_for_consent(now, true),
            ConsentStep::Probe => self.ask_for_consent(now, false),
            ConsentStep::Expired => {
                // RFC 7675 §5.1: nothing more may be sent on this pair; only a restart gives consent back. When one is
                // under way already, its checks go on.
                let outlived = self.selected.take().is_some_and(|s| s.pair.is_none());
                self.disconnected = false;
                if !outlived {
                    self.consent_lost = true;
                    self.fail();
                }
                return;
            }
        }
        let Some(selected) = &self.selected else { return };
        let silent = selected.consent.is_disconnected(now, &self.config.timers);
        if silent && !self.disconnected {
            // Look whether another pair works.
            let pair = selected.pair;
            self.list.recheck(pair);
        }
        self.disconnected = silent;
    }

    pub(super) fn fail(&mut self) {
        self.failed = true;
        self.nominating = None;
        self.selected = None;
        self.transactions.retain(|_| false);
        self.gathering.pending = 0;
        self.outgoing.clear();
    }

    /// Fails when nothing is left to hope for and patience is over (RFC 8863 §4).
    pub(super) fn check_patience(&mut self, now: Instant) {
        if self.failed || self.selected.is_some() || self.patience.is_none_or(|at| now < at) {
            return;
        }
        // A gathering that never ends and an end of candidates that is never told do not hold it up: the timer stands in
        // for both (RFC 8863 §5).
        if !self.checks_open(0) || self.give_up.is_none_or(|at| now >= at) {
            self.fail();
        }
    }

    /// Recomputes the state and tells of a change.
    pub(super) fn update_state(&mut self) {
        let state = if self.state == IceConnectionState::Closed {
            IceConnectionState::Closed
        } else if self.failed {
            IceConnectionState::Failed
        } else if let Some(selected) = &self.selected {
            let done = selected.info.nominated
                && selected.pair.is_some()
                && self.gathering.state == GatheringState::Complete
                && self.remotes.ended
                && !self.remotes.is_resolving()
                && !self.checks_open(self.check_floor());
            match (self.disconnected, done) {
                (true, _) => IceConnectionState::Disconnected,
                (false, true) => IceConnectionState::Completed,
                (false, false) => IceConnectionState::Connected,
            }
        } else if self.remote.is_some() && self.list.len() > 0 {
            IceConnectionState::Checking
        } else {
            IceConnectionState::New
        };
        if state != self.state {
            self.state = state;
            self.push_event(Event::ConnectionStateChange(state));
        }
    }
}
