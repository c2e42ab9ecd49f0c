//! The state that the parts of the agent share, and the small steps they all take.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_crypto::{CryptoProvider, Rng};
use peerage_stun::{AttributeType, RetransmitConfig, TransactionId, TransactionTable};

use crate::checklist::{CheckList, PairId};
use crate::config::IceConfig;
use crate::consent::Consent;
use crate::event::{Counters, Event, PairStats, SelectedPair};
use crate::local::LocalCandidates;
use crate::remote::RemoteCandidates;
use crate::session::Session;
use crate::state::{GatheringState, IceConnectionState, Role};
use crate::transmit::Protocol;

/// Most requests in flight: checks, consent checks and gathering together.
pub(crate) const MAX_TRANSACTIONS: usize = 512;

/// Most datagrams that wait for `poll_transmit`; responses beyond are not given, as if lost.
pub(crate) const MAX_OUTGOING: usize = 128;

/// Ti of RFC 8489 §6.2.2.
const STREAM_TIMEOUT: Duration = Duration::from_millis(39_500);

/// Most events that wait for `poll_event`; changes of pair states beyond are not told.
pub(crate) const MAX_EVENTS: usize = 512;

/// Most checks of the peer that are remembered before its credentials are known.
pub(crate) const MAX_EARLY_CHECKS: usize = 16;

/// Most unknown attributes that a 420 response lists.
pub(crate) const MAX_UNKNOWN_ATTRIBUTES: usize = 4;

/// What is known about a request in flight. Retransmissions are written from it again, byte for byte.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) base: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) kind: PendingKind,
}

#[derive(Debug, Clone)]
pub(crate) enum PendingKind {
    /// A connectivity check or a consent check.
    Check(Check),
    /// A request to a STUN server.
    Gather {
        /// Whether it only keeps the binding alive.
        keepalive: bool,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Check {
    /// The pair in the list; `None` for the pair in use once its generation is over.
    pub(crate) pair: Option<PairId>,
    pub(crate) role: Role,
    pub(crate) tie_breaker: u64,
    pub(crate) nominate: bool,
    pub(crate) priority: u32,
    /// Consent checks and probes are sent once and say nothing about the pair when they are lost.
    pub(crate) once: bool,
    pub(crate) local: Arc<Session>,
    pub(crate) remote: Arc<Session>,
}

/// A datagram that waits for `poll_transmit`.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// The request of a transaction in flight.
    Request(TransactionId),
    /// A response.
    Response(Response),
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) id: TransactionId,
    pub(crate) kind: ResponseKind,
    pub(crate) session: Arc<Session>,
}

#[derive(Debug)]
pub(crate) enum ResponseKind {
    Success,
    BadRequest,
    RoleConflict,
    UnknownAttributes([AttributeType; MAX_UNKNOWN_ATTRIBUTES], usize),
}

/// A check that came before the peer's credentials (RFC 8445 §7.3).
#[derive(Debug)]
pub(crate) struct EarlyCheck {
    pub(crate) base: SocketAddr,
    pub(crate) source: SocketAddr,
    pub(crate) priority: u32,
    pub(crate) use_candidate: bool,
    pub(crate) remote_ufrag: Vec<u8>,
}

/// The pair over which data go. It outlives its check list at a restart.
#[derive(Debug)]
pub(crate) struct Selected {
    pub(crate) info: SelectedPair,
    /// In the present check list; `None` after a restart.
    pub(crate) pair: Option<PairId>,
    /// Its numbers when its check list ended.
    pub(crate) before_restart: Option<Box<PairStats>>,
    pub(crate) local: Arc<Session>,
    pub(crate) remote: Option<Arc<Session>>,
    pub(crate) priority: u64,
    pub(crate) check_priority: u32,
    pub(crate) consent: Consent,
    /// When the controlling peer last confirmed it.
    pub(crate) use_candidate: Option<Instant>,
}

/// What a rollback of a restart brings back.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) local: Arc<Session>,
    pub(crate) remote: Option<Arc<Session>>,
    pub(crate) remotes: RemoteCandidates,
}

/// Gathering of server-reflexive candidates (RFC 8445 §5.1.1.2).
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    pub(crate) state: GatheringState,
    pub(crate) finished: bool,
    pub(crate) servers: Vec<SocketAddr>,
    /// Those that ever answered.
    pub(crate) answered: Vec<SocketAddr>,
    /// Base and server, and whether it is a keepalive.
    pub(crate) queue: VecDeque<(SocketAddr, SocketAddr, bool)>,
    /// First requests in flight.
    pub(crate) pending: usize,
    pub(crate) deadline: Option<Instant>,
    pub(crate) keepalive: Option<Instant>,
}

/// An ICE agent for one data stream of one component: everything bundled, RTCP multiplexed.
pub struct IceAgent {
    pub(super) config: IceConfig,
    pub(super) rng: Rng,
    pub(super) provider: Arc<dyn CryptoProvider>,
    pub(super) role: Role,
    pub(super) tie_breaker: u64,
    pub(super) remote_lite: bool,
    pub(super) local: Arc<Session>,
    pub(super) remote: Option<Arc<Session>>,
    pub(super) locals: LocalCandidates,
    pub(super) remotes: RemoteCandidates,
    pub(super) list: CheckList,
    pub(super) transactions: TransactionTable<Pending>,
    pub(super) outgoing: VecDeque<Outgoing>,
    pub(super) events: VecDeque<Event>,
    pub(super) gathering: Gathering,
    pub(super) selected: Option<Selected>,
    pub(super) early: Vec<EarlyCheck>,
    pub(super) saved: Option<Saved>,
    pub(super) state: IceConnectionState,
    pub(super) disconnected: bool,
    pub(super) failed: bool,
    /// It failed because a pair that worked did so no more.
    pub(super) consent_lost: bool,
    /// When the next check or gathering request may go out; `None` while there is nothing to send.
    pub(super) pacing: Option<Instant>,
    pub(super) last_paced: Option<Instant>,
    pub(super) patience: Option<Instant>,
    pub(super) give_up: Option<Instant>,
    pub(super) first_valid: Option<Instant>,
    /// When nomination stops waiting for better pairs; `None` once it has.
    pub(super) nomination_at: Option<Instant>,
    /// A pair that the peer has nominated in the place of the one in use, and when that one has to have answered to stay.
    pub(super) challenger: Option<(PairId, Instant)>,
    /// The pair whose nomination is under way.
    pub(super) nominating: Option<PairId>,
    pub(super) counters: Counters,
}

impl IceAgent {
    pub(super) fn push_event(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS && matches!(event, Event::PairStateChange { .. }) {
            return;
        }
        self.events.push_back(event);
    }

    /// Tells of pairs that were formed or changed.
    pub(super) fn report_pairs(&mut self) {
        if !self.list.has_changed() {
            return;
        }
        for id in self.list.take_changed() {
            if let Some(pair) = self.list.get(id) {
                let (local, remote, state, nominated) =
                    (pair.base, pair.remote, pair.state, pair.nominated);
                self.push_event(Event::PairStateChange { local, remote, state, nominated });
            }
        }
    }

    /// Ordinary checks of pairs at or below this priority are over (RFC 8445 §8.1.2): once a pair is nominated, the
    /// controlling side is done; the controlled side still looks at higher ones, which the peer may yet nominate.
    pub(super) fn check_floor(&self) -> u64 {
        match &self.selected {
            Some(s) if s.pair.is_some() && s.info.nominated && !self.disconnected => {
                match self.role {
                    Role::Controlling => u64::MAX,
                    Role::Controlled => s.priority,
                }
            }
            _ => 0,
        }
    }

    /// Checks begin (RFC 8863 §4).
    pub(super) fn begin_patience(&mut self, now: Instant) {
        self.patience = Some(now + self.config.timers.patience);
        self.give_up = Some(now + self.config.timers.give_up.max(self.config.timers.patience));
    }

    /// Whether a check above `floor` waits or is under way. The pairs of a lite agent are never checked.
    pub(super) fn checks_open(&self, floor: u64) -> bool {
        !self.config.lite && self.list.is_open(floor)
    }

    pub(super) fn checking_allowed(&self) -> bool {
        self.remote.is_some() && !self.config.lite && !self.failed
    }

    pub(super) fn has_paced_work(&self) -> bool {
        !self.gathering.queue.is_empty()
            || (self.checking_allowed() && self.list.has_next(self.check_floor()))
    }

    /// Retransmission of a check (RFC 8445 §14.3: `MAX(500 ms, Ta * N * (Num-Waiting + Num-In-Progress))`, N is 1).
    pub(super) fn check_retransmission(&self) -> RetransmitConfig {
        let timers = &self.config.timers;
        let rto = timers.rto_min.max(timers.pacing * self.list.active());
        RetransmitConfig {
            rto,
            max_rto: timers.rto_max,
            max_requests: timers.max_requests,
            last_wait: timers.last_wait,
        }
    }

    /// A check over a stream, which retransmits by itself: it is sent once and waited for (RFC 8489 §6.2.2).
    pub(super) fn stream_retransmission(&self) -> RetransmitConfig {
        let rto = STREAM_TIMEOUT;
        RetransmitConfig { rto, max_rto: rto, max_requests: 1, last_wait: 1 }
    }

    /// The protocol of a base; datagrams for what is gone.
    pub(super) fn protocol_of(&self, base: SocketAddr) -> Protocol {
        self.locals.base(base).map_or(Protocol::Udp, crate::local::Base::protocol)
    }

    pub(super) fn gather_retransmission(&self) -> RetransmitConfig {
        let timers = &self.config.timers;
        RetransmitConfig {
            rto: timers.rto_min,
            max_rto: timers.rto_max,
            ..RetransmitConfig::default()
        }
    }

    /// A request that is sent once; a late response still counts.
    pub(super) fn once(&self) -> RetransmitConfig {
        let rto = self.config.timers.consent_timeout;
        RetransmitConfig { rto, max_rto: rto, max_requests: 1, last_wait: 1 }
    }

    pub(super) fn mark_sent(pair: &mut crate::checklist::Pair, consent: bool) {
        if consent {
            pair.consent_requests_sent += 1;
        } else {
            pair.requests_sent += 1;
        }
    }

    pub(super) fn hides_hosts(&self) -> bool {
        self.config.mdns == crate::config::MdnsMode::ResolveAndPublish
    }

    /// Whether a pair goes by a TURN server, at either end.
    pub(super) fn is_relayed(&self, id: PairId) -> bool {
        let relayed = |kind| kind == crate::candidate::CandidateKind::Relayed;
        self.list.get(id).is_some_and(|pair| {
            relayed(self.locals.get(pair.local_index).candidate.kind)
                || relayed(self.remotes.get(pair.remote_index).candidate.kind)
        })
    }

    /// The PRIORITY of a check: that of a peer-reflexive candidate of the base (RFC 8445 §7.1.1).
    pub(super) fn check_priority(&self, base: SocketAddr) -> u32 {
        let kind = crate::candidate::CandidateKind::PeerReflexive;
        self.locals
            .base(base)
            .map_or_else(|| crate::candidate::priority(kind, 0, 1), |b| b.priority(kind))
    }
}
