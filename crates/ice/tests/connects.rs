//! Agents find a pair, in every mix of roles, kinds and networks.

mod common;

use common::*;
use peerage_ice::{
    Candidate, CandidateKind, Event, FamilyPolicy, GatheringState, IceConfig, IceConnectionState,
    Input, MdnsMode, PairState, Protocol, Role,
};

fn controlling() -> IceConfig {
    IceConfig { role: Role::Controlling, ..IceConfig::default() }
}

#[test]
fn full_and_full_connect_in_two_round_trips() {
    let mut pair = Pair::new(1);
    pair.connect();
    assert!(pair.run_until(secs(5), Pair::both_nominated));
    pair.assert_agree();
    // One round trip (40 ms) for the check, one for the nomination.
    assert!(pair.elapsed() <= millis(160), "{:?}", pair.elapsed());
    pair.run_for(secs(1));
    for side in [A, B] {
        assert_eq!(pair.sides[side].state(), IceConnectionState::Completed);
    }
    assert_eq!(pair.sides[A].agent.role(), Role::Controlling);
    // Checks cross on the way, so that a late response to one that was overtaken is the only noise.
    let counters = pair.sides[A].agent.counters();
    assert_eq!(
        counters.malformed + counters.unauthenticated + counters.unexpected + counters.limited,
        0
    );
}

#[test]
fn data_may_flow_before_nomination_and_never_from_strangers() {
    let mut pair = Pair::new(2);
    pair.connect();
    assert!(pair.run_until(secs(5), |p| p.sides[A].agent.selected_pair().is_some()));
    assert!(pair.send_data(A, &[20; 50]));
    pair.run_for(millis(20));
    assert_eq!(pair.sides[B].data.len(), 1);
    let now = pair.now;
    pair.net.send(now, addr("203.0.113.9:9"), addr("10.0.1.1:2000"), vec![20; 50]);
    pair.run_for(millis(20));
    assert_eq!(pair.sides[B].data.len(), 1);
    assert_eq!(pair.sides[B].agent.counters().unknown_source, 1);
}

#[test]
fn full_controls_lite() {
    for full_offers in [true, false] {
        let lite = IceConfig {
            lite: true,
            role: if full_offers { Role::Controlled } else { Role::Controlling },
            ..Default::default()
        };
        let mut pair =
            Pair::with(3, IceConfig { role: lite.role.opposite(), ..Default::default() }, lite);
        let now = pair.now;
        pair.agent(A).set_remote_lite(now, true);
        pair.agent(B).set_controlling(now, false);
        pair.connect();
        assert!(pair.run_until(secs(5), Pair::both_nominated));
        pair.assert_agree();
        assert_eq!(pair.sides[A].agent.role(), Role::Controlling);
        // The lite side lives as long as the full one checks.
        pair.run_for(secs(60));
        assert!(pair.both_nominated());
        assert!(!pair.sides[B].states().contains(&IceConnectionState::Disconnected));
        assert_eq!(pair.sides[B].agent.pairs().iter().map(|p| p.requests_sent).sum::<u64>(), 0);
    }
}

#[test]
fn role_conflicts_are_settled_whoever_has_the_larger_tie_breaker() {
    for role in [Role::Controlling, Role::Controlled] {
        let mut switched = [0; 2];
        for seed in 0..8 {
            let config = IceConfig { role, ..IceConfig::default() };
            let mut pair = Pair::with(seed, config.clone(), config);
            pair.connect();
            assert!(pair.run_until(secs(5), Pair::both_nominated), "seed {seed}");
            pair.assert_agree();
            let roles = [A, B].map(|s| pair.sides[s].agent.role());
            assert_ne!(roles[0], roles[1], "seed {seed}");
            for side in [A, B] {
                let changes = pair.sides[side]
                    .events
                    .iter()
                    .filter(|(_, e)| matches!(e, Event::RoleChange(_)))
                    .count();
                assert_eq!(changes % 2, usize::from(roles[side] != role));
                switched[side] += changes;
            }
        }
        assert!(switched[0] > 0 && switched[1] > 0, "both ways must occur: {switched:?}");
    }
}

#[test]
fn candidates_may_trickle_late() {
    let mut pair = Pair::new(5);
    pair.trickle = false;
    pair.connect();
    pair.run_for(secs(20));
    assert_eq!(pair.sides[A].state(), IceConnectionState::New);
    let candidates = pair.sides[B].agent.local_candidates();
    let now = pair.now;
    for candidate in candidates {
        pair.agent(A).add_remote_candidate(now, candidate).unwrap();
    }
    pair.drain();
    // B never hears of A's candidate: it learns it from the check.
    assert!(pair.run_until(secs(2), Pair::both_nominated));
    let learnt = pair.sides[B].agent.remote_candidates();
    assert_eq!(learnt.iter().map(|c| c.kind).collect::<Vec<_>>(), [CandidateKind::PeerReflexive]);
    assert_eq!(
        pair.sides[A].state(),
        IceConnectionState::Connected,
        "the end of candidates was never told"
    );
    let now = pair.now;
    pair.agent(A).end_of_remote_candidates(now);
    assert_eq!(pair.sides[A].state(), IceConnectionState::Completed);
    // The late word about it gives the peer-reflexive candidate its true kind and priority.
    let late = pair.sides[A].agent.local_candidates();
    for candidate in late {
        pair.agent(B).add_remote_candidate(now, candidate).unwrap();
    }
    let known = pair.sides[B].agent.remote_candidates();
    assert_eq!(known.iter().map(|c| c.kind).collect::<Vec<_>>(), [CandidateKind::Host]);
    assert_eq!(pair.sides[B].agent.pairs().len(), 1);
}

#[test]
fn checks_that_come_before_the_answer_are_answered_and_remembered() {
    let mut pair = Pair::new(6);
    pair.gather(A);
    pair.gather(B);
    // B, the answerer, knows everything; A knows nothing of B until its answer comes, 300 ms later.
    pair.tell_credentials(B);
    pair.drain();
    pair.run_for(millis(300));
    assert_eq!(pair.sides[B].state(), IceConnectionState::Connected);
    assert_eq!(pair.sides[A].state(), IceConnectionState::New);
    pair.tell_credentials(A);
    pair.drain();
    assert!(pair.run_until(millis(100), Pair::both_nominated));
}

#[test]
fn agents_behind_nats_meet_at_reflexive_addresses() {
    use NatKind::*;
    for (left, right) in [
        (FullCone, FullCone),
        (PortRestricted, PortRestricted),
        (FullCone, Symmetric),
        (Symmetric, FullCone),
        (PortRestricted, FullCone),
    ] {
        let mut pair = Pair::new(7);
        pair.net.behind_nat("10.0.0.1", left, "192.0.2.1");
        pair.net.behind_nat("10.0.1.1", right, "192.0.2.2");
        let now = pair.now;
        for side in [A, B] {
            pair.agent(side).add_stun_server(now, addr(STUN_SERVER)).unwrap();
        }
        pair.connect();
        assert!(pair.run_until(secs(10), Pair::both_nominated));
        let selected = pair.sides[A].agent.selected_pair().unwrap();
        assert_eq!(selected.remote.ip(), "192.0.2.2".parse::<std::net::IpAddr>().unwrap());
        let kinds: Vec<_> = pair.sides[A].agent.local_candidates().iter().map(|c| c.kind).collect();
        assert_eq!(kinds, [CandidateKind::Host, CandidateKind::ServerReflexive]);
        pair.run_for(secs(40));
        assert!(pair.both_nominated());
    }
}

#[test]
fn two_symmetric_nats_fail_clearly() {
    let mut pair = Pair::new(8);
    pair.net.behind_nat("10.0.0.1", NatKind::Symmetric, "192.0.2.1");
    pair.net.behind_nat("10.0.1.1", NatKind::Symmetric, "192.0.2.2");
    let now = pair.now;
    for side in [A, B] {
        pair.agent(side).add_stun_server(now, addr(STUN_SERVER)).unwrap();
    }
    pair.connect();
    pair.run_for(secs(90));
    for side in [A, B] {
        assert_eq!(
            pair.sides[side].states(),
            [IceConnectionState::Checking, IceConnectionState::Failed]
        );
    }
}

#[test]
fn loss_of_thirty_percent_is_survived() {
    for seed in 0..60 {
        let mut pair = Pair::new(seed);
        pair.net.loss = 0.3;
        pair.connect();
        assert!(pair.run_until(secs(30), Pair::both_nominated), "seed {seed}");
        pair.run_for(secs(120));
        assert!(pair.both_nominated(), "seed {seed}");
        for side in [A, B] {
            let states = pair.sides[side].states();
            assert!(!states.contains(&IceConnectionState::Failed), "seed {seed}: {states:?}");
        }
    }
}

#[test]
fn the_best_of_several_paths_is_nominated() {
    let mut pair = Pair::with(10, controlling(), IceConfig::default());
    pair.add_address(A, "[2001:db8::1]:1000");
    pair.add_address(B, "[2001:db8::2]:2000");
    pair.add_address(A, "10.9.0.1:1000");
    pair.connect();
    assert!(pair.run_until(secs(5), Pair::both_nominated));
    pair.run_for(secs(2));
    pair.assert_agree();
    assert!(
        pair.sides[A].agent.selected_pair().unwrap().local.is_ipv6(),
        "RFC 8421: IPv6 first when it works"
    );
}

#[test]
fn a_better_path_that_is_dead_delays_nomination_only_a_little() {
    let mut pair = Pair::new(11);
    pair.add_address(A, "[2001:db8::1]:1000");
    pair.add_address(B, "[2001:db8::2]:2000");
    pair.net.dead.insert(addr("[2001:db8::1]:1000"));
    pair.connect();
    assert!(pair.run_until(secs(5), Pair::both_nominated));
    assert!(pair.elapsed() < millis(700), "{:?}", pair.elapsed());
    assert!(pair.sides[A].agent.selected_pair().unwrap().local.is_ipv4());
}

#[test]
fn families_can_be_excluded() {
    let mut pair = Pair::with(
        12,
        IceConfig { family_policy: FamilyPolicy::Ipv6Only, ..controlling() },
        IceConfig::default(),
    );
    pair.add_address(A, "[2001:db8::1]:1000");
    pair.add_address(B, "[2001:db8::2]:2000");
    pair.connect();
    assert!(pair.run_until(secs(5), Pair::both_nominated));
    assert!(
        pair.sides[A].agent.local_candidates().iter().all(|c| c.socket_addr().unwrap().is_ipv6())
    );
}

#[test]
fn hidden_hosts_are_met_by_name_and_their_addresses_stay_hidden() {
    let config = IceConfig { mdns: MdnsMode::ResolveAndPublish, ..IceConfig::default() };
    let mut pair = Pair::with(13, IceConfig { role: Role::Controlling, ..config.clone() }, config);
    let now = pair.now;
    pair.agent(A).add_stun_server(now, addr(STUN_SERVER)).unwrap();
    pair.connect();
    assert!(pair.run_until(secs(5), Pair::both_nominated));
    pair.assert_agree();
    for side in [A, B] {
        for (_, event) in &pair.sides[side].events {
            if let Event::LocalCandidate(candidate) = event {
                let text = candidate.to_string();
                let hidden = candidate.kind != CandidateKind::Host || text.contains(".local");
                assert!(hidden && !text.contains("raddr 10."), "{text}");
            }
        }
    }
}

#[test]
fn a_name_that_nobody_knows_is_given_up() {
    let config = IceConfig { mdns: MdnsMode::ResolveAndPublish, ..IceConfig::default() };
    let mut pair = Pair::with(14, controlling(), config);
    pair.gather(A);
    pair.gather(B);
    let now = pair.now;
    pair.tell_credentials(A);
    let unknown: Candidate = "candidate:1 1 udp 1 nobody.local 9 typ host".parse().unwrap();
    pair.agent(A).add_remote_candidate(now, unknown).unwrap();
    pair.drain();
    pair.run_for(secs(1));
    // It does not stand in the way of the others.
    pair.tell_credentials(B);
    pair.drain();
    assert!(pair.run_until(secs(5), Pair::both_nominated));
}

#[test]
fn gathering_completes_with_a_silent_server_and_without_any() {
    let mut pair = Pair::new(15);
    pair.gather(A);
    pair.drain();
    assert_eq!(pair.sides[A].agent.gathering_state(), GatheringState::Complete);
    let now = pair.now;
    pair.agent(B).add_stun_server(now, addr("203.0.113.77:3478")).unwrap();
    pair.gather(B);
    pair.drain();
    assert_eq!(pair.sides[B].agent.gathering_state(), GatheringState::Gathering);
    pair.run_for(secs(10));
    assert_eq!(pair.sides[B].agent.gathering_state(), GatheringState::Complete);
}

#[test]
fn reflexive_bindings_are_kept_alive_while_the_answer_is_awaited() {
    let mut pair = Pair::new(16);
    pair.net.behind_nat("10.0.0.1", NatKind::PortRestricted, "192.0.2.1");
    let now = pair.now;
    pair.agent(A).add_stun_server(now, addr(STUN_SERVER)).unwrap();
    pair.gather(A);
    pair.drain();
    pair.run_for(secs(61));
    // The first request and one every 15 s, each answered.
    assert_eq!(pair.net.sent, 2 * 5);
}

#[test]
fn pair_states_are_told() {
    let mut pair = Pair::new(17);
    pair.connect();
    pair.run_for(secs(1));
    let mut seen = Vec::new();
    for (_, event) in &pair.sides[A].events {
        if let Event::PairStateChange { state, nominated, .. } = event {
            seen.push((*state, *nominated));
        }
    }
    assert!(seen.contains(&(PairState::InProgress, false)));
    assert!(seen.contains(&(PairState::Succeeded, false)));
    assert_eq!(seen.last(), Some(&(PairState::Succeeded, true)));
}

#[test]
fn a_shared_socket_tells_connections_apart() {
    let mut pair = Pair::new(18);
    pair.connect();
    assert!(pair.run_until(secs(5), Pair::both_nominated));
    let mut other = Pair::new(19);
    other.connect();
    let (mut buf, now) = (Vec::new(), pair.now);
    // A check of the first connection, as it arrives at a socket that both share.
    let credentials = pair.sides[B].agent.restart(now);
    let theirs = pair.sides[A].agent.local_credentials().clone();
    pair.sides[A].agent.set_remote_credentials(now, credentials.clone()).unwrap();
    pair.sides[A].agent.add_remote_candidate(now, Candidate::host(addr("10.0.1.1:2000"))).unwrap();
    let now = now + millis(50); // the pace of checks
    pair.sides[A].agent.handle_timeout(now);
    let check = pair.sides[A].agent.poll_transmit(now, &mut buf).unwrap();
    assert_eq!(peerage_ice::local_ufrag(&buf), Some(credentials.ufrag()));
    let input = Input {
        source: check.source,
        destination: check.destination,
        protocol: Protocol::Udp,
        ecn: None,
        data: &buf,
    };
    assert!(pair.sides[B].agent.wants(&input));
    assert!(!other.sides[B].agent.wants(&input));
    // The response goes to the one that asked.
    pair.sides[B].agent.set_remote_credentials(now, theirs).unwrap();
    pair.sides[B].agent.handle_input(now, input).unwrap();
    let mut reply = Vec::new();
    let sent = pair.sides[B].agent.poll_transmit(now, &mut reply).unwrap();
    let input = Input {
        source: sent.source,
        destination: sent.destination,
        protocol: Protocol::Udp,
        ecn: None,
        data: &reply,
    };
    assert!(pair.sides[A].agent.wants(&input));
    assert!(!other.sides[A].agent.wants(&input));
}

#[test]
fn a_loopback_address_takes_checks_from_other_addresses_of_its_machine() {
    let config = IceConfig { loopback: true, ..IceConfig::default() };
    let controlling = IceConfig { role: Role::Controlling, ..config.clone() };
    let mut pair = Pair::with(1, controlling, config);
    pair.only_address(A, "127.0.0.1:1000");
    pair.only_address(B, "127.0.0.2:2000");
    // What B sends seems to come from the machine's address in the network, as it does when a browser's socket is bound
    // to that; nothing gets to where B says it is.
    pair.net.behind_nat("127.0.0.2", NatKind::FullCone, "10.0.1.9");
    pair.net.cut.insert((addr("127.0.0.1:1000"), addr("127.0.0.2:2000")));
    pair.connect();
    assert!(pair.run_until(secs(10), Pair::both_nominated));
    assert!(pair.send_data(B, b"hello"));
    pair.run_for(secs(1));
    assert_eq!(pair.sides[A].data.len(), 1, "a path that was answered carries data");
}
