//! The receiving side: checks of the peer, responses to ours, and the question whether data may pass
//! (RFC 8445 §7.2.5, §7.3).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use peerage_stun::{Attribute, AttributeType, Class, Message, Method, Transaction, demux};

use crate::agent::core::{
    Check, EarlyCheck, IceAgent, MAX_EARLY_CHECKS, MAX_UNKNOWN_ATTRIBUTES, Pending, PendingKind,
    ResponseKind, Selected,
};
use crate::candidate::TcpType;
use crate::checklist::PairId;
use crate::event::{Event, Handled};
use crate::session::Session;
use crate::state::{PairState, Role};
use crate::transmit::{Input, Protocol};

/// Most connectivity checks of one pair that wait for a response; a peer that keeps triggering cannot add more.
const MAX_CHECKS_PER_PAIR: usize = 4;

impl IceAgent {
    pub(super) fn receive(&mut self, now: Instant, input: Input<'_>) -> Handled {
        if demux::classify(input.data) != demux::PacketKind::Stun {
            return self.receive_data(now, input);
        }
        let base = self.locals.base(input.destination);
        let expected = base.map_or(Protocol::Udp, crate::local::Base::protocol);
        if input.protocol != expected {
            return Handled::Unknown;
        }
        let Ok(message) = Message::parse(input.data) else {
            self.counters.malformed += 1;
            return Handled::Stun;
        };
        if message.method() != Method::BINDING {
            self.counters.unexpected += 1;
            return Handled::Stun;
        }
        match message.class() {
            Class::Request => self.receive_request(now, input, &message),
            Class::SuccessResponse | Class::ErrorResponse => {
                self.receive_response(now, input, &message);
            }
            // A keepalive (RFC 8445 §11): unauthenticated, so it says nothing.
            Class::Indication => {}
        }
        Handled::Stun
    }

    fn receive_data(&mut self, now: Instant, input: Input<'_>) -> Handled {
        let in_use =
            |s: &&mut Selected| s.info.remote == input.source && s.info.local == input.destination;
        if let Some(selected) = self.selected.as_mut().filter(in_use) {
            selected.consent.on_heard(now);
            return Handled::Data;
        }
        if self.knows_source(input.source, input.destination) {
            return Handled::Data;
        }
        self.counters.unknown_source += 1;
        Handled::Unknown
    }

    pub(super) fn knows_source(&self, source: SocketAddr, destination: SocketAddr) -> bool {
        let selected = self
            .selected
            .as_ref()
            .is_some_and(|s| s.info.remote == source && s.info.local == destination);
        selected
            || self
                .list
                .find(destination, source)
                .and_then(|id| self.list.get(id))
                .is_some_and(|p| p.authenticated)
    }

    /// The session that a username addresses, and the peer's fragment in it.
    pub(super) fn addressed_session<'u>(
        &self,
        username: &'u [u8],
    ) -> Option<(Arc<Session>, &'u [u8])> {
        let colon = username.iter().position(|b| *b == b':')?;
        let (ours, theirs) = (&username[..colon], &username[colon + 1..]);
        if ours == self.local.ufrag() {
            return Some((self.local.clone(), theirs));
        }
        let previous = self.selected.as_ref().map(|s| &s.local).filter(|s| ours == s.ufrag());
        previous
            .or(self.saved.as_ref().map(|s| &s.local).filter(|s| ours == s.ufrag()))
            .map(|s| (s.clone(), theirs))
    }

    fn receive_request(&mut self, now: Instant, input: Input<'_>, message: &Message<'_>) {
        let Some((session, remote_ufrag)) =
            message.username().and_then(|u| self.addressed_session(u))
        else {
            self.counters.unauthenticated += 1;
            return;
        };
        // RFC 8445 §7.1: checks carry FINGERPRINT.
        if message.verify_fingerprint().is_err() || message.verify_integrity(&session.key).is_err()
        {
            self.counters.unauthenticated += 1;
            return;
        }
        let (base, source, id) = (input.destination, input.source, message.transaction_id());
        if !self.locals.base(base).is_some_and(|base| self.may_use(base)) {
            self.counters.unexpected += 1;
            return;
        }

        let mut unknown = [AttributeType(0); MAX_UNKNOWN_ATTRIBUTES];
        let mut count = 0;
        for (slot, kind) in unknown.iter_mut().zip(message.unknown_required()) {
            *slot = kind;
            count += 1;
        }
        if count > 0 {
            return self.respond(
                base,
                source,
                id,
                ResponseKind::UnknownAttributes(unknown, count),
                session,
            );
        }
        let Some(priority) = message.priority() else {
            // RFC 8445 §7.1.1: PRIORITY must be there.
            return self.respond(base, source, id, ResponseKind::BadRequest, session);
        };

        let current = Arc::ptr_eq(&session, &self.local);
        if !current || self.remote.as_ref().is_some_and(|r| r.ufrag() != remote_ufrag) {
            // The generation before: keep the pair in use alive, check nothing anew.
            let known =
                self.selected.as_mut().filter(|s| s.info.remote == source && s.info.local == base);
            let same = |s: &Arc<Session>| s.ufrag() == remote_ufrag;
            match known {
                Some(selected) if selected.remote.as_ref().is_none_or(same) => {
                    selected.consent.on_heard(now);
                    self.respond(base, source, id, ResponseKind::Success, session);
                }
                _ => self.counters.unauthenticated += 1,
            }
            return;
        }
        if self.failed {
            // Consent was lost or no pair works: the credentials are spent (RFC 7675 §5.1).
            self.counters.unexpected += 1;
            return;
        }
        if !self.settle_roles(message) {
            return self.respond(base, source, id, ResponseKind::RoleConflict, session);
        }
        self.respond(base, source, id, ResponseKind::Success, session);

        let use_candidate = message.get(AttributeType::USE_CANDIDATE).is_some();
        if self.remote.is_none() {
            self.remember_early(EarlyCheck {
                base,
                source,
                priority,
                use_candidate,
                remote_ufrag: remote_ufrag.to_vec(),
            });
            return;
        }
        self.on_check(now, base, source, priority, use_candidate);
    }

    /// Detects and repairs role conflicts (RFC 8445 §7.3.1.1); `false` asks for a 487 response.
    fn settle_roles(&mut self, message: &Message<'_>) -> bool {
        // A lite peer is controlled whatever it says (RFC 8445 §6.1.1).
        if self.remote_lite {
            return true;
        }
        let number = |kind| message.get(kind).and_then(|a| a.u64());
        match self.role {
            Role::Controlling => {
                let Some(theirs) = number(AttributeType::ICE_CONTROLLING) else { return true };
                if self.tie_breaker >= theirs {
                    return false;
                }
                self.switch_role(Role::Controlled);
            }
            Role::Controlled => {
                let Some(theirs) = number(AttributeType::ICE_CONTROLLED) else { return true };
                if self.tie_breaker < theirs {
                    return false;
                }
                self.switch_role(Role::Controlling);
            }
        }
        true
    }

    /// Changes the role because of a conflict, and says so.
    fn switch_role(&mut self, role: Role) {
        if self.role != role {
            self.apply_role(role);
            self.push_event(Event::RoleChange(role));
        }
    }

    pub(super) fn apply_role(&mut self, role: Role) {
        if self.role == role {
            return;
        }
        self.role = role;
        self.nominating = None;
        self.list.set_role(role);
        let updated = self
            .selected
            .as_ref()
            .and_then(|s| s.pair)
            .and_then(|id| self.list.get(id))
            .map(|p| p.priority);
        if let (Some(selected), Some(priority)) = (&mut self.selected, updated) {
            selected.priority = priority;
        }
    }

    fn remember_early(&mut self, check: EarlyCheck) {
        if let Some(known) =
            self.early.iter_mut().find(|e| e.base == check.base && e.source == check.source)
        {
            known.use_candidate |= check.use_candidate;
            return;
        }
        if self.early.len() >= MAX_EARLY_CHECKS {
            self.counters.limited += 1;
            return;
        }
        self.early.push(check);
    }

    /// The peer's credentials came: its early checks count now.
    pub(super) fn replay_early(&mut self, now: Instant) {
        let Some(remote) = self.remote.clone() else { return };
        for early in std::mem::take(&mut self.early) {
            if early.remote_ufrag == remote.ufrag() {
                self.on_check(now, early.base, early.source, early.priority, early.use_candidate);
            }
        }
    }

    /// An authenticated check of the peer (RFC 8445 §7.3.1.3 to §7.3.1.5).
    fn on_check(
        &mut self,
        now: Instant,
        base: SocketAddr,
        source: SocketAddr,
        priority: u32,
        use_candidate: bool,
    ) {
        let id = match self.list.find(base, source) {
            Some(id) => id,
            None => {
                let limit = self.config.max_remote_candidates;
                let tcp = self.locals.base(base).and_then(|base| base.tcp);
                let tcp = tcp.map(TcpType::counterpart);
                let remote_index = self.remotes.find_or_learn(source, priority, tcp, limit);
                let local_index = self.locals.own(base);
                let formed =
                    local_index.zip(remote_index).and_then(|(l, r)| self.form_heard_pair(l, r));
                let Some(id) = formed else {
                    self.counters.limited += 1;
                    return;
                };
                if let Some(selected) = &mut self.selected {
                    // A new address of the peer while a pair is in use: its network may have changed.
                    selected.consent.suspect(now);
                }
                id
            }
        };
        let controlled = self.role == Role::Controlled;
        let Some(pair) = self.list.get_mut(id) else { return };
        pair.requests_received += 1;
        pair.responses_sent += 1;
        pair.authenticated = true;
        if use_candidate && controlled {
            pair.use_candidate = Some(now);
        }
        let state = pair.state;
        let stale =
            pair.last_response.is_none_or(|at| now >= at + self.config.timers.consent_interval);
        if let Some(selected) = self.selected.as_mut().filter(|s| s.pair == Some(id)) {
            selected.consent.on_heard(now);
            if use_candidate {
                selected.use_candidate = Some(now);
            }
        }
        if self.config.lite {
            if use_candidate && controlled {
                self.lite_nominated(now, id);
            }
            return;
        }
        match state {
            // RFC 8445 §7.3.1.4: a pair that works needs no further check, but a nomination takes effect.
            PairState::Succeeded => {
                let in_use = self.selected.as_ref().is_some_and(|s| s.pair == Some(id));
                if use_candidate && controlled && stale && !in_use {
                    // It worked long ago; consent to send on it is to be asked for anew (RFC 7675 §5.1).
                    self.list.set_state(id, PairState::Waiting);
                    self.list.trigger(id, false);
                } else if use_candidate && controlled {
                    self.on_nominated(now, id);
                } else if !controlled && !in_use && self.nominating.is_none() {
                    // Why would a peer check what works and is not in use? It may have lost what is: both are asked.
                    if let Some(selected) = &mut self.selected {
                        selected.consent.suspect(now);
                        if stale {
                            self.list.set_state(id, PairState::Waiting);
                            self.list.trigger(id, false);
                        }
                    }
                }
            }
            PairState::InProgress => {
                let in_flight =
                    self.transactions.iter().filter(|(_, p)| is_check_of(p, id)).count();
                if in_flight < MAX_CHECKS_PER_PAIR {
                    self.transactions.cancel(|p| is_check_of(p, id));
                    self.list.set_state(id, PairState::Waiting);
                    self.list.trigger(id, false);
                }
            }
            PairState::Waiting | PairState::Frozen | PairState::Failed => {
                self.list.set_state(id, PairState::Waiting);
                self.list.trigger(id, false);
            }
        }
    }

    fn receive_response(&mut self, now: Instant, input: Input<'_>, message: &Message<'_>) {
        let id = message.transaction_id();
        let Some((_, pending)) = self.transactions.get(id) else {
            self.counters.unmatched_responses += 1;
            return;
        };
        let genuine = match &pending.kind {
            PendingKind::Gather { .. } => {
                let fingerprint =
                    !message.has_fingerprint() || message.verify_fingerprint().is_ok();
                fingerprint
                    && pending.destination == input.source
                    && pending.base == input.destination
            }
            // RFC 8445 §7.2.5: errors too must be authentic, or anybody could fail our checks.
            PendingKind::Check(check) => message.verify_integrity(&check.remote.key).is_ok(),
        };
        if !genuine {
            self.counters.unmatched_responses += 1;
            return;
        }
        let Some((transaction, pending)) = self.transactions.remove(id) else { return };
        match &pending.kind {
            PendingKind::Gather { keepalive } => {
                if !keepalive {
                    self.gathering.pending = self.gathering.pending.saturating_sub(1);
                }
                if let (Class::SuccessResponse, Some(mapped)) =
                    (message.class(), message.mapped_address())
                {
                    self.on_mapped(now, pending.base, pending.destination, mapped);
                }
            }
            PendingKind::Check(check) => {
                // RFC 8445 §7.2.5.2.1: a response from elsewhere fails the check.
                let symmetric =
                    pending.destination == input.source && pending.base == input.destination;
                match message.class() {
                    Class::SuccessResponse if symmetric => {
                        self.on_check_succeeded(now, &pending, check, &transaction, message);
                    }
                    _ => self.on_check_refused(&pending, check, message),
                }
            }
        }
    }

    fn on_check_refused(&mut self, pending: &Pending, check: &Check, message: &Message<'_>) {
        let Some(id) = check.pair else { return };
        let conflict = message.class() == Class::ErrorResponse
            && message.error_code().is_some_and(|e| e.code() == 487)
            && !self.remote_lite;
        if conflict {
            // RFC 8445 §7.2.5.1. When the role changed since the check was sent, the conflict is settled already.
            if self.role == check.role {
                self.switch_role(check.role.opposite());
                self.tie_breaker = self.rng.u64();
            }
            if self.list.get(id).is_some() && !check.once {
                self.list.set_state(id, PairState::Waiting);
                self.list.trigger(id, false);
            }
            return;
        }
        tracing::debug!(base = %pending.base, remote = %pending.destination, "connectivity check refused");
        if !check.once {
            self.check_failed(id);
        }
    }

    /// A check succeeded (RFC 8445 §7.2.5.3).
    fn on_check_succeeded(
        &mut self,
        now: Instant,
        pending: &Pending,
        check: &Check,
        transaction: &Transaction,
        message: &Message<'_>,
    ) {
        let rtt = transaction.rtt(now);
        let in_use = |s: &&mut Selected| {
            s.info.local == pending.base && s.info.remote == pending.destination
        };
        if let Some(selected) = self.selected.as_mut().filter(in_use) {
            // Consent is bound to the credentials it was given with.
            if selected.remote.as_ref().is_some_and(|r| Arc::ptr_eq(r, &check.remote)) {
                selected.consent.on_response(now);
                selected.info.rtt = rtt.or(selected.info.rtt);
            }
        }
        let Some(id) = check.pair else { return };
        let Some(pair) = self.list.get_mut(id) else { return };
        pair.responses_received += 1;
        pair.authenticated = true;
        pair.last_response = Some(now);
        if let Some(rtt) = rtt {
            pair.rtt = Some(rtt);
            pair.total_rtt += rtt;
        }
        let was_valid = pair.valid;
        let Some(local) = self.valid_local(pending.base, check.priority, message, was_valid) else {
            return;
        };
        let Some(pair) = self.list.get_mut(id) else { return };
        pair.valid = Some(local);
        let nominated_by_peer = pair.use_candidate.is_some() && self.role == Role::Controlled;
        if self.first_valid.is_none() {
            self.first_valid = Some(now);
            self.nomination_at = Some(now + self.config.timers.nomination_wait);
        }
        let nominates = check.nominate && self.role == Role::Controlling && !check.once;
        // Other checks of the pair have nothing more to say, but for a nomination that is still under way.
        let nominating = self.nominating == Some(id) && !nominates;
        self.transactions.retain(|p| !is_check_of(p, id) || nominating && is_nomination(p));
        self.list.succeeded(id);
        if !nominating {
            self.list.untrigger(id);
        }
        if nominates || nominated_by_peer {
            self.on_nominated(now, id);
        } else {
            self.on_valid(now, id);
        }
    }

    /// The local candidate that the peer saw us as; learnt when new (RFC 8445 §7.2.5.3.1).
    fn valid_local(
        &mut self,
        base: SocketAddr,
        priority: u32,
        message: &Message<'_>,
        was: Option<usize>,
    ) -> Option<usize> {
        let host = self.locals.own(base);
        let mapped = match message.decode(AttributeType::XOR_MAPPED_ADDRESS) {
            Some(Ok(Attribute::XorMappedAddress(mapped))) => mapped,
            // RFC 8445 §7.3: it must be there. Without it the pair still works.
            _ => return was.or(host),
        };
        // The port of a stream that we opened is the system's choice, and says nothing of a NAT.
        let active = self.locals.base(base).is_some_and(|b| b.tcp == Some(TcpType::Active));
        if active && mapped.ip() == base.ip() {
            return host;
        }
        self.locals
            .find(base, mapped)
            .or_else(|| self.locals.add_peer_reflexive(base, mapped, priority))
            .or(was)
            .or(host)
    }
}

fn is_nomination(pending: &Pending) -> bool {
    matches!(&pending.kind, PendingKind::Check(check) if check.nominate)
}

fn is_check_of(pending: &Pending, id: PairId) -> bool {
    matches!(&pending.kind, PendingKind::Check(check) if check.pair == Some(id) && !check.once)
}
