//! An agent that fails says why: which cause, which servers answered, which pairs were tried and what came of them.

mod common;

use common::*;
use peerage_ice::{Failure, FailureCause, IceConnectionState as State};

/// Runs until both have failed, and returns what A says.
fn fail(pair: &mut Pair) -> Failure {
    let failed = |pair: &Pair| pair.sides.iter().all(|side| side.state() == State::Failed);
    assert!(pair.run_until(secs(120), failed), "{:?}", pair.sides.each_ref().map(Side::state));
    pair.agent(A).failure().expect("a failure explains itself")
}

#[test]
fn two_symmetric_nats_without_a_relay() {
    let mut pair = Pair::new(1);
    pair.net.behind_nat("10.0.0.1", NatKind::Symmetric, "192.0.2.1");
    pair.net.behind_nat("10.0.1.1", NatKind::Symmetric, "192.0.2.2");
    let now = pair.now;
    for side in [A, B] {
        pair.agent(side).add_stun_server(now, addr(STUN_SERVER)).unwrap();
    }
    pair.connect();
    let failure = fail(&mut pair);
    assert_eq!(failure.cause, FailureCause::NothingAnswered);
    assert_eq!(failure.servers, [(addr(STUN_SERVER), true)]);
    assert_eq!(failure.pairs.len(), 2);
    assert!(
        failure.pairs.iter().all(|pair| pair.sent > 0 && pair.answered == 0 && pair.heard == 0)
    );
    let text = failure.to_string();
    assert!(text.contains("add a TURN server"), "{text}");
    assert!(text.contains("STUN server 198.51.100.1:3478 answered"), "{text}");
    assert!(text.contains("srflx 192.0.2.2:"), "{text}");
}

#[test]
fn where_udp_is_blocked() {
    let mut pair = Pair::new(2);
    let now = pair.now;
    pair.agent(A).add_stun_server(now, addr(STUN_SERVER)).unwrap();
    pair.net.dead.insert(addr("10.0.0.1:1000"));
    pair.connect();
    let failure = fail(&mut pair);
    assert_eq!(failure.cause, FailureCause::NothingAnswered);
    assert_eq!(failure.servers, [(addr(STUN_SERVER), false)]);
    let text = failure.to_string();
    assert!(text.contains("UDP seems to be blocked"), "{text}");
}

#[test]
fn where_only_one_direction_passes() {
    let mut pair = Pair::new(3);
    pair.net.cut.insert((addr("10.0.0.1:1000"), addr("10.0.1.1:2000")));
    pair.connect();
    let failure = fail(&mut pair);
    assert_eq!(failure.cause, FailureCause::OneWay);
    assert!(failure.pairs[0].heard > 0, "{failure:?}");
    // The other end heard nothing at all.
    assert_eq!(pair.agent(B).failure().unwrap().cause, FailureCause::NothingAnswered);
}

#[test]
fn where_the_peer_vanishes() {
    let mut pair = Pair::new(4);
    pair.connect();
    assert!(pair.run_until(secs(10), Pair::both_nominated));
    assert_eq!(pair.agent(A).failure(), None);
    pair.net.dead.insert(addr("10.0.0.1:1000"));
    assert_eq!(fail(&mut pair).cause, FailureCause::PeerVanished);
    // A restart forgets it.
    let now = pair.now;
    pair.agent(A).restart(now);
    assert_eq!(pair.agent(A).failure(), None);
}

#[test]
fn where_the_two_have_nothing_in_common() {
    let mut pair = Pair::new(5);
    pair.only_address(A, "[2001:db8::1]:1000");
    pair.connect();
    let failure = fail(&mut pair);
    assert_eq!(failure.cause, FailureCause::NoCommonFamily);
    assert!(failure.to_string().contains("no IP version in common"));
    let mut pair = Pair::new(6);
    pair.trickle = false;
    pair.connect();
    assert_eq!(fail(&mut pair).cause, FailureCause::NoRemoteCandidates);
}

#[test]
fn while_it_is_trying() {
    let mut pair = Pair::new(7);
    pair.net.cut.insert((addr("10.0.0.1:1000"), addr("10.0.1.1:2000")));
    assert_eq!(pair.agent(A).failure(), None, "there is no peer yet");
    pair.connect();
    pair.run_for(secs(2));
    let so_far = pair.agent(A).failure().expect("what has been tried so far");
    assert!(so_far.pairs[0].sent > 0);
}
