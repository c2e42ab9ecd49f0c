//! Consent, silence, failure and restart.

mod common;

use common::*;
use peerage_ice::{CandidateKind, Event, IceConfig, IceConnectionState as State, Role};

fn connected(seed: u64) -> Pair {
    let mut pair = Pair::new(seed);
    pair.connect();
    assert!(pair.run_until(secs(5), Pair::both_nominated));
    pair.run_for(secs(1));
    pair
}

#[test]
fn consent_is_asked_for_every_four_to_six_seconds() {
    let mut pair = connected(1);
    pair.run_for(secs(600));
    for side in [A, B] {
        let stats = &pair.sides[side].agent.pairs()[0];
        assert!((100..=150).contains(&stats.consent_requests_sent), "{stats:?}");
        assert!(stats.requests_sent <= 3, "{stats:?}");
        assert_eq!(stats.current_round_trip_time, Some(millis(40)));
        assert_eq!(
            pair.sides[side].states(),
            [State::Checking, State::Connected, State::Completed]
        );
    }
}

#[test]
fn a_peer_that_vanishes_is_disconnected_then_failed_in_time() {
    let mut pair = connected(2);
    let gone = pair.elapsed();
    pair.net.dead.insert(addr("10.0.1.1:2000"));
    pair.run_for(secs(60));
    let side = &pair.sides[A];
    let disconnected = side.entered(State::Disconnected).unwrap() - gone;
    let failed = side.entered(State::Failed).unwrap() - gone;
    assert!(disconnected >= secs(4) && disconnected <= secs(8), "{disconnected:?}");
    assert!(failed >= secs(24) && failed <= secs(30), "{failed:?}");
    assert!(
        side.agent.selected_pair().is_none(),
        "nothing may be sent without consent (RFC 7675 §5.1)"
    );
}

#[test]
fn a_short_outage_is_disconnected_and_recovers() {
    let mut pair = connected(3);
    pair.net.dead.insert(addr("10.0.1.1:2000"));
    pair.run_for(secs(15));
    assert_eq!(pair.sides[A].state(), State::Disconnected);
    pair.net.dead.clear();
    pair.run_for(secs(3));
    for side in [A, B] {
        assert_eq!(pair.sides[side].state(), State::Completed);
        assert!(!pair.sides[side].states().contains(&State::Failed));
    }
}

#[test]
fn data_of_the_peer_are_a_sign_of_life_but_no_consent() {
    let mut pair = connected(4);
    // B's datagrams arrive, A's do not.
    pair.net.cut.insert((addr("10.0.0.1:1000"), addr("10.0.1.1:2000")));
    let gone = pair.elapsed();
    for _ in 0..200 {
        pair.run_for(millis(200));
        let now = pair.now;
        pair.net.send(now, addr("10.0.1.1:2000"), addr("10.0.0.1:1000"), vec![22; 100]);
    }
    let side = &pair.sides[A];
    assert_eq!(side.entered(State::Disconnected), None);
    let failed = side.entered(State::Failed).unwrap() - gone;
    assert!(failed >= secs(24) && failed <= secs(30), "{failed:?}");
}

#[test]
fn without_remote_candidates_failure_waits_for_patience() {
    let mut pair = Pair::new(5);
    pair.trickle = false;
    pair.gather(A);
    pair.tell_credentials(A);
    let now = pair.now;
    pair.agent(A).end_of_remote_candidates(now);
    pair.drain();
    pair.run_for(secs(39));
    assert_eq!(pair.sides[A].states(), []);
    pair.run_for(secs(1));
    // RFC 8863 §4: 39.5 s.
    assert_eq!(pair.sides[A].entered(State::Failed), Some(millis(39_500)));
}

#[test]
fn unreachable_candidates_fail_when_their_checks_have() {
    let mut pair = Pair::new(6);
    pair.net.dead.insert(addr("10.0.1.1:2000"));
    pair.connect();
    pair.run_for(secs(60));
    let failed = pair.sides[A].entered(State::Failed).unwrap();
    assert!(failed >= millis(39_500) && failed < secs(41), "{failed:?}");
}

#[test]
fn failure_is_left_by_a_restart() {
    let mut pair = connected(7);
    pair.net.dead.insert(addr("10.0.1.1:2000"));
    pair.run_for(secs(60));
    pair.net.dead.clear();
    // Late word from the peer does not revive spent credentials.
    pair.run_for(secs(10));
    assert_eq!([A, B].map(|s| pair.sides[s].state()), [State::Failed; 2]);
    restart_both(&mut pair);
    assert!(pair.run_until(secs(5), Pair::both_nominated));
    pair.run_for(secs(1));
    assert_eq!([A, B].map(|s| pair.sides[s].state()), [State::Completed; 2]);
}

fn restart_both(pair: &mut Pair) {
    let now = pair.now;
    for side in [A, B] {
        pair.agent(side).restart(now);
    }
    for side in [A, B] {
        pair.tell_credentials(side);
    }
    pair.drain();
}

#[test]
fn a_restart_loses_no_data_and_gives_new_credentials() {
    let mut pair = connected(8);
    let before = [A, B].map(|s| pair.sides[s].agent.local_credentials().clone());
    let mut sent = 0;
    let now = pair.now;
    // The offer goes out, the answer comes 500 ms later, data flow all the time both ways.
    pair.agent(A).restart(now);
    pair.drain();
    for step in 0..400u32 {
        if step == 25 {
            let now = pair.now;
            pair.agent(B).restart(now);
            pair.tell_credentials(B);
            pair.drain();
        }
        if step == 50 {
            pair.tell_credentials(A);
            pair.drain();
        }
        for side in [A, B] {
            assert!(pair.send_data(side, &[20; 30]), "step {step}");
        }
        sent += 1;
        pair.run_for(millis(10));
    }
    pair.run_for(secs(1));
    for side in [A, B] {
        assert_eq!(pair.sides[side].data.len(), sent);
        assert_ne!(pair.sides[side].agent.local_credentials(), &before[side]);
        assert!(pair.sides[side].nominated());
        let states = pair.sides[side].states();
        assert!(
            !states.contains(&State::Disconnected) && !states.contains(&State::Failed),
            "{states:?}"
        );
        assert!(pair.sides[side].selections() >= 2);
    }
    pair.assert_agree();
}

#[test]
fn the_old_pair_keeps_its_consent_while_the_answer_is_awaited() {
    let mut pair = connected(9);
    let now = pair.now;
    pair.agent(A).restart(now);
    pair.drain();
    pair.run_for(secs(120));
    assert!(pair.sides[A].agent.selected_pair().is_some());
    assert!(pair.sides[B].agent.selected_pair().is_some());
    assert!(!pair.sides[B].states().contains(&State::Disconnected));
}

#[test]
fn a_restart_can_be_rolled_back() {
    let mut pair = connected(10);
    let before = pair.sides[A].agent.local_credentials().clone();
    let now = pair.now;
    assert!(pair.agent(A).rollback_restart(now).is_err());
    pair.agent(A).restart(now);
    pair.agent(A).restart(now);
    pair.drain();
    pair.run_for(secs(3));
    let now = pair.now;
    pair.agent(A).rollback_restart(now).unwrap();
    assert_eq!(pair.sides[A].agent.local_credentials(), &before);
    pair.run_for(secs(120));
    assert!(pair.both_nominated());
    for side in [A, B] {
        assert!(!pair.sides[side].states().contains(&State::Disconnected));
    }
    restart_both(&mut pair);
    assert!(pair.run_until(secs(5), Pair::both_nominated));
}

/// Before a pair of the first restart is selected, what was before it is still there as well.
#[test]
fn a_second_restart_is_rolled_back_to_the_first() {
    let mut pair = connected(14);
    restart_both(&mut pair);
    let first = pair.sides[A].agent.local_credentials().clone();
    let now = pair.now;
    pair.agent(A).restart(now);
    pair.agent(A).rollback_restart(now).unwrap();
    assert_eq!(pair.sides[A].agent.local_credentials(), &first);
    assert!(pair.run_until(secs(5), Pair::both_nominated));
    pair.assert_agree();
}

#[test]
fn a_rebinding_nat_costs_seconds_not_the_connection() {
    for (seed, behind) in [(11, A), (12, B)] {
        let mut pair = Pair::new(seed);
        let (inside, public) = [("10.0.0.1", "192.0.2.1"), ("10.0.1.1", "192.0.2.2")][behind];
        pair.net.behind_nat(inside, NatKind::PortRestricted, public);
        pair.connect();
        assert!(pair.run_until(secs(5), Pair::both_nominated));
        pair.run_for(secs(5));
        let first = pair.sides[1 - behind].agent.selected_pair().unwrap().remote;
        pair.net.boxes[0].rebind();
        pair.run_for(secs(20));
        let second = pair.sides[1 - behind].agent.selected_pair().unwrap().remote;
        assert_ne!(first, second, "behind {behind}");
        pair.sides.iter_mut().for_each(|s| s.data.clear());
        for side in [A, B] {
            assert!(pair.send_data(side, &[20; 30]));
        }
        pair.run_for(millis(100));
        for side in [A, B] {
            assert_eq!(pair.sides[side].data.len(), 1, "behind {behind}, side {side}");
            assert!(!pair.sides[side].states().contains(&State::Failed));
        }
    }
}

#[test]
fn when_the_pair_in_use_dies_another_path_takes_over() {
    let mut pair = Pair::new(13);
    pair.add_address(A, "10.9.0.1:1000");
    pair.connect();
    assert!(pair.run_until(secs(5), Pair::both_nominated));
    pair.run_for(secs(3));
    let used = pair.sides[A].agent.selected_pair().unwrap().local;
    pair.net.dead.insert(used);
    pair.run_for(secs(25));
    for side in [A, B] {
        assert!(pair.sides[side].nominated());
        assert!(!pair.sides[side].states().contains(&State::Failed));
    }
    pair.assert_agree();
    assert_ne!(pair.sides[A].agent.selected_pair().unwrap().local, used);
}

#[test]
fn removing_the_address_in_use_moves_to_another() {
    let mut pair = Pair::new(14);
    pair.add_address(A, "10.9.0.1:1000");
    pair.connect();
    assert!(pair.run_until(secs(5), Pair::both_nominated));
    pair.run_for(secs(3));
    let used = pair.sides[A].agent.selected_pair().unwrap().local;
    let now = pair.now;
    pair.agent(A).remove_local_address(now, used);
    pair.net.dead.insert(used);
    pair.run_for(secs(20));
    assert!(pair.both_nominated());
    pair.assert_agree();
}

#[test]
fn a_closed_agent_is_silent() {
    let mut pair = connected(15);
    let now = pair.now;
    pair.agent(A).close(now);
    pair.drain();
    assert_eq!(pair.sides[A].events.last().unwrap().1, Event::ConnectionStateChange(State::Closed));
    assert_eq!(pair.sides[A].agent.poll_timeout(), None);
    assert!(pair.agent(A).add_local_address(now, addr("10.0.0.9:9")).is_err());
    pair.run_for(secs(60));
    assert_eq!(pair.sides[B].state(), State::Failed);
    assert_eq!(pair.sides[A].agent.pairs().len(), 0);
}

#[test]
fn the_same_seed_gives_the_same_call() {
    let run = |seed| {
        let config = IceConfig { role: Role::Controlling, ..IceConfig::default() };
        let mut pair = Pair::with(seed, config.clone(), config);
        pair.net.loss = 0.2;
        pair.connect();
        pair.run_for(secs(60));
        pair.sides.map(|s| s.events)
    };
    assert_eq!(run(21), run(21));
    assert_ne!(run(21), run(22));
}

#[test]
fn answers_to_requests_of_before_a_restart_do_not_end_gathering() {
    let mut pair = Pair::new(1);
    pair.net.behind_nat("10.0.0.1", NatKind::PortRestricted, "192.0.2.1");
    pair.net.behind_nat("10.0.0.2", NatKind::PortRestricted, "192.0.2.2");
    pair.add_address(A, "10.0.0.2:1001");
    pair.net.latency = millis(60);
    let now = pair.now;
    pair.agent(A).add_stun_server(now, addr(STUN_SERVER)).unwrap();
    pair.gather(A);
    pair.drain();
    // The first request has left, the second waits for its turn.
    pair.run_for(millis(40));
    let now = pair.now;
    pair.agent(A).restart(now);
    pair.run_for(secs(5));
    let told = pair.agent(A).local_candidates();
    let mapped = told.iter().filter(|c| c.kind == CandidateKind::ServerReflexive).count();
    assert_eq!(mapped, 2, "{told:?}");
}
