//! Random calls: loss, delay, NATs, rebinding, restarts, role conflicts. Every one must end connected, agreed on one pair,
//! and able to carry data both ways.

mod common;

use common::*;
use peerage_crypto::Rng;
use peerage_ice::{IceConfig, IceConnectionState as State, Role};

fn call(seed: u64) {
    let mut rng = Rng::from_seed(seed ^ 0xca11);
    let mut pick = |n: u32| rng.u32() % n;
    let role = |n| if n == 0 { Role::Controlling } else { Role::Controlled };
    let config = |role| IceConfig { role, ..IceConfig::default() };
    let (a, b) = (role(pick(2)), role(pick(2)));
    let mut pair = Pair::with(seed, config(a), config(b));
    pair.net.latency = millis(u64::from(1 + pick(200)));
    pair.net.loss = f64::from(pick(25)) / 100.0;
    let kinds = [NatKind::FullCone, NatKind::PortRestricted];
    if pick(2) == 0 {
        pair.net.behind_nat("10.0.0.1", kinds[pick(2) as usize], "192.0.2.1");
    }
    if pick(2) == 0 {
        pair.net.behind_nat("10.0.1.1", kinds[pick(2) as usize], "192.0.2.2");
    }
    let now = pair.now;
    for side in [A, B] {
        pair.agent(side).add_stun_server(now, addr(STUN_SERVER)).unwrap();
    }
    pair.connect();
    assert!(pair.run_until(secs(60), Pair::both_nominated), "seed {seed}: never connected");
    for _ in 0..pick(3) {
        pair.run_for(secs(u64::from(pick(20))));
        let now = pair.now;
        match pick(2) {
            // With a filtering NAT before the other side as well, no packet of the new mapping would pass: only a restart
            // mends that.
            0 if pair.net.boxes.len() == 1 => pair.net.boxes[0].rebind(),
            0 => {}
            _ => {
                for side in [A, B] {
                    pair.agent(side).restart(now);
                }
                pair.drain();
                for side in [A, B] {
                    pair.tell_credentials(side);
                    let candidates = pair.sides[1 - side].agent.local_candidates();
                    for candidate in candidates {
                        pair.agent(side).add_remote_candidate(now, candidate).unwrap();
                    }
                }
                pair.drain();
            }
        }
    }
    pair.run_for(secs(40));
    let settled = pair.run_until(secs(60), Pair::both_nominated);
    assert!(settled, "seed {seed}: never settled: {:?}", pair.sides.each_ref().map(|s| s.states()));
    let roles = [A, B].map(|s| pair.sides[s].agent.role());
    assert_ne!(roles[0], roles[1], "seed {seed}");
    for side in [A, B] {
        let states = pair.sides[side].states();
        assert!(!states.contains(&State::Failed), "seed {seed}, side {side}: {states:?}");
    }
    pair.net.loss = 0.0;
    pair.run_for(secs(10));
    for side in [A, B] {
        pair.sides[1 - side].data.clear();
        assert!(pair.send_data(side, &[20; 40]));
        pair.run_for(secs(1));
        assert_eq!(pair.sides[1 - side].data.len(), 1, "seed {seed}: data of side {side} are lost");
    }
}

#[test]
fn three_hundred_random_calls_end_well() {
    for seed in 0..300 {
        call(seed);
    }
}
