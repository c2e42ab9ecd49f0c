//! Peers and strangers that mean harm, and peers with old habits.

mod common;

use std::net::SocketAddr;
use std::time::Instant;

use common::*;
use peerage_crypto::default_provider;
use peerage_ice::{
    Candidate, Credentials, IceConfig, IceConnectionState as State, Input, PairState, Protocol,
    Role,
};
use peerage_stun::{
    Attribute, AttributeType, Class, IntegrityAlgorithm, IntegrityKey, Message, MessageBuilder,
    Method, TransactionId,
};

const PWD: &str = "the-password-of-the-peer";

/// A peer made of bytes: writes checks to `agent` as it likes.
struct Forger {
    us: Credentials,
    them: Credentials,
    count: u8,
}

impl Forger {
    fn new(them: &Credentials) -> Self {
        Self { us: Credentials::new("peer", PWD).unwrap(), them: them.clone(), count: 0 }
    }

    fn check(&mut self, attributes: &[Attribute<'_>]) -> Vec<u8> {
        self.count = self.count.wrapping_add(1);
        let key = IntegrityKey::short_term(
            &*default_provider(),
            IntegrityAlgorithm::HmacSha1,
            self.them.pwd(),
        );
        let mut buf = Vec::new();
        let mut builder = MessageBuilder::new(
            &mut buf,
            Class::Request,
            Method::BINDING,
            TransactionId([self.count; 12]),
        )
        .parts(
            AttributeType::USERNAME,
            &[self.them.ufrag().as_bytes(), b":", self.us.ufrag().as_bytes()],
        );
        for attribute in attributes {
            builder = builder.attribute(attribute);
        }
        builder.integrity(&key).fingerprint();
        buf
    }

    /// Answers a check of the agent.
    fn answer(&self, request: &[u8], mapped: SocketAddr) -> Vec<u8> {
        let request = Message::parse(request).unwrap();
        let key = IntegrityKey::short_term(
            &*default_provider(),
            IntegrityAlgorithm::HmacSha1,
            self.us.pwd(),
        );
        let mut buf = Vec::new();
        MessageBuilder::new(
            &mut buf,
            Class::SuccessResponse,
            Method::BINDING,
            request.transaction_id(),
        )
        .attribute(&Attribute::XorMappedAddress(mapped))
        .integrity(&key)
        .fingerprint();
        buf
    }
}

fn give(pair: &mut Pair, now: Instant, source: SocketAddr, data: &[u8]) {
    let destination = addr("10.0.0.1:1000");
    let input = Input { source, destination, protocol: Protocol::Udp, ecn: None, data };
    pair.agent(A).handle_input(now, input).unwrap();
}

/// What A sent since the last call.
fn sent(pair: &mut Pair) -> Vec<(SocketAddr, Vec<u8>)> {
    let (now, mut out, mut buf) = (pair.now, Vec::new(), Vec::new());
    while let Some(t) = pair.agent(A).poll_transmit(now, &mut buf) {
        out.push((t.destination, std::mem::take(&mut buf)));
    }
    out
}

fn agent_and_forger(role: Role) -> (Pair, Forger) {
    let mut pair = Pair::with(1, IceConfig { role, ..IceConfig::default() }, IceConfig::default());
    pair.gather(A);
    let forger = Forger::new(&pair.sides[A].agent.local_credentials().clone());
    let now = pair.now;
    pair.agent(A).set_remote_credentials(now, forger.us.clone()).unwrap();
    (pair, forger)
}

#[test]
fn strangers_get_no_answer() {
    let (mut pair, mut forger) = agent_and_forger(Role::Controlled);
    let now = pair.now;
    let good = forger.check(&[Attribute::Priority(5), Attribute::IceControlling(1)]);
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        give(&mut pair, now, addr("10.0.1.1:2000"), &bad);
    }
    assert_eq!(sent(&mut pair), []);
    assert_eq!(pair.sides[A].agent.pairs().len(), 0);
    let mut other = Forger::new(&Credentials::new("nobody", PWD).unwrap());
    let wrong_user = other.check(&[Attribute::Priority(5)]);
    give(&mut pair, now, addr("10.0.1.1:2000"), &wrong_user);
    // The right password and ours, but the name of another peer.
    other = Forger::new(&forger.them);
    other.us = Credentials::new("else", PWD).unwrap();
    let wrong_peer = other.check(&[Attribute::Priority(5)]);
    give(&mut pair, now, addr("10.0.1.1:2000"), &wrong_peer);
    assert_eq!(sent(&mut pair), []);
    give(&mut pair, now, addr("10.0.1.1:2000"), &good);
    assert!(!sent(&mut pair).is_empty());
}

#[test]
fn a_peer_of_a_thousand_addresses_cannot_make_lists_grow() {
    for early in [false, true] {
        let (mut pair, mut forger) = agent_and_forger(Role::Controlled);
        if early {
            pair = Pair::with(2, IceConfig::default(), IceConfig::default());
            pair.gather(A);
            forger = Forger::new(&pair.sides[A].agent.local_credentials().clone());
        }
        let now = pair.now;
        for port in 1..1000 {
            let check = forger.check(&[Attribute::Priority(port), Attribute::IceControlling(1)]);
            give(&mut pair, now, SocketAddr::from(([10, 0, 1, 1], port as u16)), &check);
            sent(&mut pair);
        }
        if early {
            pair.agent(A).set_remote_credentials(now, forger.us.clone()).unwrap();
        }
        let agent = &pair.sides[A].agent;
        assert!(agent.remote_candidates().len() <= 16 && agent.pairs().len() <= 16);
        assert!(agent.counters().limited > 900);
    }
}

#[test]
fn a_peer_that_keeps_triggering_gets_one_check_per_pace() {
    let (mut pair, mut forger) = agent_and_forger(Role::Controlled);
    let mut requests = 0;
    for _ in 0..1000 {
        pair.now += millis(1);
        let now = pair.now;
        let check = forger.check(&[Attribute::Priority(5), Attribute::IceControlling(1)]);
        give(&mut pair, now, addr("10.0.1.1:2000"), &check);
        pair.agent(A).handle_timeout(now);
        let out = sent(&mut pair);
        requests += out
            .iter()
            .filter(|(_, b)| Message::parse(b).unwrap().class() == Class::Request)
            .count();
    }
    assert!(requests <= 21, "{requests} checks in a second, where Ta is 50 ms");
}

#[test]
fn forged_and_foreign_responses_are_no_successes() {
    let (mut pair, forger) = agent_and_forger(Role::Controlling);
    let now = pair.now;
    let remote = addr("10.0.1.1:2000");
    pair.agent(A).add_remote_candidate(now, Candidate::host(remote)).unwrap();
    let check = sent(&mut pair).remove(0).1;
    // Signed with the wrong key.
    let liar = Forger { us: forger.them.clone(), them: forger.us.clone(), count: 0 };
    give(&mut pair, now, remote, &liar.answer(&check, addr("10.0.0.1:1000")));
    assert_eq!(pair.sides[A].agent.pairs()[0].state, PairState::InProgress);
    assert_eq!(pair.sides[A].agent.counters().unmatched_responses, 1);
    // Genuine, but from elsewhere: RFC 8445 §7.2.5.2.1.
    give(&mut pair, now, addr("10.0.1.66:2000"), &forger.answer(&check, addr("10.0.0.1:1000")));
    assert_eq!(pair.sides[A].agent.pairs()[0].state, PairState::Failed);
    assert!(pair.sides[A].agent.selected_pair().is_none());
    // Once only.
    give(&mut pair, now, remote, &forger.answer(&check, addr("10.0.0.1:1000")));
    assert!(pair.sides[A].agent.selected_pair().is_none());
}

#[test]
fn unknown_required_attributes_and_missing_priority_are_refused() {
    let (mut pair, mut forger) = agent_and_forger(Role::Controlled);
    let now = pair.now;
    for (attributes, code) in [
        (vec![Attribute::Priority(1), Attribute::Raw(AttributeType(0x7ABC), b"?")], 420),
        (vec![Attribute::IceControlling(1)], 400),
    ] {
        let check = forger.check(&attributes);
        give(&mut pair, now, addr("10.0.1.1:2000"), &check);
        let reply = sent(&mut pair).remove(0).1;
        assert_eq!(Message::parse(&reply).unwrap().error_code().unwrap().code(), code);
    }
    assert_eq!(pair.sides[A].agent.pairs().len(), 0);
}

#[test]
fn a_full_queue_loses_answers_not_memory() {
    let (mut pair, mut forger) = agent_and_forger(Role::Controlled);
    let now = pair.now;
    for _ in 0..10_000 {
        let check = forger.check(&[Attribute::Priority(5), Attribute::IceControlling(1)]);
        give(&mut pair, now, addr("10.0.1.1:2000"), &check);
    }
    assert!(sent(&mut pair).len() <= 128);
}

#[test]
fn aggressive_peers_nominate_everything_and_the_best_pair_wins() {
    let (mut pair, mut forger) = agent_and_forger(Role::Controlled);
    let mapped = addr("10.0.0.1:1000");
    // Three of the peer's addresses, the best last; every check carries USE-CANDIDATE.
    for (last, priority) in [(1, 100), (2, 200), (3, 300)] {
        let source = SocketAddr::from(([10, 0, 1, last], 2000));
        pair.now += millis(60);
        let now = pair.now;
        let check = forger.check(&[
            Attribute::Priority(priority),
            Attribute::IceControlling(1),
            Attribute::UseCandidate,
        ]);
        give(&mut pair, now, source, &check);
        pair.agent(A).handle_timeout(now);
        for (to, request) in sent(&mut pair) {
            if Message::parse(&request).unwrap().class() == Class::Request {
                give(&mut pair, now, to, &forger.answer(&request, mapped));
            }
        }
        let selected = pair.sides[A].agent.selected_pair().unwrap();
        assert!(selected.nominated);
        assert_eq!(selected.remote, source);
    }
    // A lower one, nominated again at once, does not win back.
    let now = pair.now;
    let check = forger.check(&[
        Attribute::Priority(100),
        Attribute::IceControlling(1),
        Attribute::UseCandidate,
    ]);
    give(&mut pair, now, addr("10.0.1.1:2000"), &check);
    assert_eq!(pair.sides[A].agent.selected_pair().unwrap().remote, addr("10.0.1.3:2000"));
    // But does when the peer has not confirmed the better one for a while: it changed its mind. It worked long ago, so
    // that it is checked again first.
    pair.now += secs(6);
    let now = pair.now;
    let check = forger.check(&[
        Attribute::Priority(100),
        Attribute::IceControlling(1),
        Attribute::UseCandidate,
    ]);
    give(&mut pair, now, addr("10.0.1.1:2000"), &check);
    pair.agent(A).handle_timeout(now);
    for (to, request) in sent(&mut pair) {
        let of_old = to == addr("10.0.1.1:2000");
        if of_old && Message::parse(&request).unwrap().class() == Class::Request {
            give(&mut pair, now, to, &forger.answer(&request, mapped));
        }
    }
    assert_eq!(pair.sides[A].agent.selected_pair().unwrap().remote, addr("10.0.1.1:2000"));
}

#[test]
fn candidates_without_end_are_ignored() {
    let mut pair = Pair::new(3);
    pair.trickle = false;
    pair.connect();
    let now = pair.now;
    for i in 0..5000u32 {
        let source = SocketAddr::from(([10, 1, (i >> 8) as u8, i as u8], 2000));
        pair.agent(A).add_remote_candidate(now, Candidate::host(source)).unwrap();
        let name = format!("1 1 udp 1 n{i}.local 9 typ host").parse().unwrap();
        pair.agent(A).add_remote_candidate(now, name).unwrap();
        pair.drain();
    }
    assert!(pair.sides[A].agent.remote_candidates().len() <= 64);
    assert!(pair.sides[A].agent.pairs().len() <= 100);
    pair.run_for(secs(120));
    assert_eq!(pair.sides[A].state(), State::Failed);
}
