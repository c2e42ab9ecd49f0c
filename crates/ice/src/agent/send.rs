//! The sending side: paced checks and gathering requests, retransmissions, and writing datagrams
//! (RFC 8445 §7.2.4, §14).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use peerage_stun::{
    Attribute, AttributeType, Class, Due, ErrorCode, MessageBuilder, Method, RetransmitConfig,
    Transaction, TransactionId,
};

use crate::agent::core::{
    Check, IceAgent, MAX_OUTGOING, Outgoing, Pending, PendingKind, Response, ResponseKind,
};
use crate::checklist::PairId;
use crate::session::Session;
use crate::state::{PairState, Role};
use crate::transmit::Transmit;

impl IceAgent {
    pub(super) fn forget_transactions(&mut self, pair: PairId) {
        self.transactions
            .retain(|p| !matches!(&p.kind, PendingKind::Check(c) if c.pair == Some(pair)));
        if self.nominating == Some(pair) {
            self.nominating = None;
        }
    }

    fn push_outgoing(&mut self, outgoing: Outgoing) -> bool {
        if self.outgoing.len() >= MAX_OUTGOING {
            self.counters.limited += 1;
            return false;
        }
        self.outgoing.push_back(outgoing);
        true
    }

    pub(super) fn respond(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        id: TransactionId,
        kind: ResponseKind,
        session: Arc<Session>,
    ) {
        self.push_outgoing(Outgoing::Response(Response { source, destination, id, kind, session }));
    }

    fn start(&mut self, now: Instant, pending: Pending, config: RetransmitConfig) -> bool {
        let id = TransactionId::random(&mut self.rng);
        if self.transactions.insert(id, Transaction::new(now, config), pending).is_err() {
            self.counters.limited += 1;
            return false;
        }
        self.push_outgoing(Outgoing::Request(id));
        true
    }

    /// Sends one check or gathering request if its time has come (RFC 8445 §14.2), and sets the time of the next.
    pub(super) fn run_paced(&mut self, now: Instant) {
        if !self.has_paced_work() {
            self.pacing = None;
            return;
        }
        let due = self.last_paced.map_or(now, |last| (last + self.config.timers.pacing).max(now));
        let due = self.pacing.unwrap_or(due);
        self.pacing = Some(due);
        if now < due {
            return;
        }
        self.last_paced = Some(now);
        // Gathering first: candidates have further to go than checks.
        if let Some((base, server, keepalive)) = self.gathering.queue.pop_front() {
            let pending =
                Pending { base, destination: server, kind: PendingKind::Gather { keepalive } };
            let config = self.gather_retransmission();
            if self.start(now, pending, config) && !keepalive {
                self.gathering.pending += 1;
            }
        } else if let Some(id) = self.list.next(self.check_floor()) {
            self.start_check(now, id);
        }
        let next = now + self.config.timers.pacing;
        self.pacing = self.has_paced_work().then_some(next);
    }

    /// Starts the connectivity check of a pair.
    fn start_check(&mut self, now: Instant, id: PairId) {
        let Some(remote) = self.remote.clone() else { return };
        let Some(pair) = self.list.get(id) else { return };
        let (base, destination) = (pair.base, pair.remote);
        let nominate = pair.nominating && self.role == Role::Controlling;
        let check = Check {
            pair: Some(id),
            role: self.role,
            tie_breaker: self.tie_breaker,
            nominate,
            priority: self.check_priority(base),
            once: false,
            local: self.local.clone(),
            remote,
        };
        let config = match self.protocol_of(base).is_stream() {
            true => self.stream_retransmission(),
            false => self.check_retransmission(),
        };
        if self.start(now, Pending { base, destination, kind: PendingKind::Check(check) }, config) {
            self.list.set_state(id, PairState::InProgress);
            if let Some(pair) = self.list.get_mut(id) {
                Self::mark_sent(pair, false);
            }
        }
    }

    /// Sends a request over the pair in use, once: a consent check or a probe.
    pub(super) fn ask_for_consent(&mut self, now: Instant, consent: bool) {
        let once = self.once();
        let tie_breaker = self.tie_breaker;
        let role = self.role;
        let Some(selected) = &mut self.selected else { return };
        let Some(remote) = selected.remote.clone() else { return };
        let rtt = selected.info.rtt;
        selected.consent.on_sent(now, &self.config.timers, rtt);
        let check = Check {
            pair: selected.pair,
            role,
            tie_breaker,
            // Repeating the nomination brings back a controlled side that moved to another pair by itself.
            nominate: role == Role::Controlling
                && selected.info.nominated
                && selected.pair.is_some(),
            priority: selected.check_priority,
            once: true,
            local: selected.local.clone(),
            remote,
        };
        let (base, destination, pair) = (selected.info.local, selected.info.remote, selected.pair);
        let started =
            self.start(now, Pending { base, destination, kind: PendingKind::Check(check) }, once);
        if let Some(pair) = pair.filter(|_| started).and_then(|id| self.list.get_mut(id)) {
            Self::mark_sent(pair, consent);
        }
    }

    /// Sends again what is due and gives up what is not answered.
    pub(super) fn run_transactions(&mut self, now: Instant) {
        loop {
            match self.transactions.poll(now) {
                None => return,
                Some(Due::Retransmit(id, _)) => {
                    self.push_outgoing(Outgoing::Request(id));
                }
                Some(Due::TimedOut(_, pending)) => self.on_timed_out(pending),
            }
        }
    }

    fn on_timed_out(&mut self, pending: Pending) {
        match pending.kind {
            PendingKind::Gather { keepalive: false } => {
                self.gathering.pending = self.gathering.pending.saturating_sub(1);
            }
            PendingKind::Gather { keepalive: true } => {}
            PendingKind::Check(check) => {
                let Some(id) = check.pair.filter(|_| !check.once) else { return };
                self.check_failed(id);
            }
        }
    }

    /// A check failed for good, unless another check of the pair is still under way.
    pub(super) fn check_failed(&mut self, id: PairId) {
        let others = self.transactions.iter().any(
            |(_, p)| matches!(&p.kind, PendingKind::Check(c) if c.pair == Some(id) && !c.once),
        );
        if others {
            return;
        }
        if self.list.get(id).is_some_and(|p| p.state == PairState::InProgress) {
            self.list.set_state(id, PairState::Failed);
        }
        if let Some(pair) = self.list.get_mut(id) {
            pair.nominating = false;
        }
        if self.nominating == Some(id) {
            self.nominating = None;
        }
    }

    /// Writes the next datagram.
    pub(super) fn write_next(&mut self, buf: &mut Vec<u8>) -> Option<Transmit> {
        loop {
            let (source, destination, size) = match self.outgoing.pop_front()? {
                Outgoing::Request(id) => {
                    // The request may have been answered or forgotten while it waited.
                    let Some((_, pending)) = self.transactions.get(id) else { continue };
                    (pending.base, pending.destination, write_request(buf, id, pending))
                }
                Outgoing::Response(response) => {
                    (response.source, response.destination, write_response(buf, &response))
                }
            };
            return Some(Transmit {
                source,
                destination,
                protocol: self.protocol_of(source),
                ecn: None,
                size,
                segment_size: None,
            });
        }
    }
}

fn write_request(buf: &mut Vec<u8>, id: TransactionId, pending: &Pending) -> usize {
    let builder = MessageBuilder::new(buf, Class::Request, Method::BINDING, id);
    let PendingKind::Check(check) = &pending.kind else {
        return builder.fingerprint();
    };
    // RFC 8445 §7.2.2: the peer's fragment first, then ours.
    let mut builder = builder
        .parts(AttributeType::USERNAME, &[check.remote.ufrag(), b":", check.local.ufrag()])
        .attribute(&Attribute::Priority(check.priority))
        .attribute(&match check.role {
            Role::Controlling => Attribute::IceControlling(check.tie_breaker),
            Role::Controlled => Attribute::IceControlled(check.tie_breaker),
        });
    if check.nominate {
        builder = builder.attribute(&Attribute::UseCandidate);
    }
    builder.integrity(&check.remote.key).fingerprint()
}

fn write_response(buf: &mut Vec<u8>, response: &Response) -> usize {
    let class = match response.kind {
        ResponseKind::Success => Class::SuccessResponse,
        _ => Class::ErrorResponse,
    };
    let mut builder = MessageBuilder::new(buf, class, Method::BINDING, response.id);
    builder = match &response.kind {
        ResponseKind::Success => {
            builder.attribute(&Attribute::XorMappedAddress(response.destination))
        }
        ResponseKind::BadRequest => {
            builder.attribute(&Attribute::ErrorCode(ErrorCode::BAD_REQUEST))
        }
        ResponseKind::RoleConflict => {
            builder.attribute(&Attribute::ErrorCode(ErrorCode::ROLE_CONFLICT))
        }
        ResponseKind::UnknownAttributes(list, len) => {
            let bytes: Vec<u8> = list[..*len].iter().flat_map(|t| t.0.to_be_bytes()).collect();
            builder
                .attribute(&Attribute::ErrorCode(ErrorCode::UNKNOWN_ATTRIBUTE))
                .parts(AttributeType::UNKNOWN_ATTRIBUTES, &[&bytes])
        }
    };
    builder.integrity(&response.session.key).fingerprint()
}
