//! A day of a video stream, a thousand packets a second, 1,318 times around the sequence numbers. Between the wraps the
//! sender leaps; around them every packet goes over a network that loses, delays and repeats. A model that knows each
//! packet's true index says what must become of it.

mod support;

use std::collections::{BTreeMap, HashSet};

use peerage_crypto::Rng;
use peerage_srtp::{Config, ProtectionProfile, Receiver, Rejected};
use support::{below, pair, protected, rtp};

const SSRC: u32 = 0xcafe_babe;
const PACKETS: u64 = 24 * 3600 * 1000;

/// What the receiver must say, from indices alone.
#[derive(Default)]
struct Model {
    highest: Option<u64>,
    accepted: HashSet<u64>,
}

impl Model {
    fn expect(&mut self, index: u64, window: u64) -> Result<(), Rejected> {
        let highest = self.highest.unwrap_or(index);
        if index <= highest && highest - index >= window {
            return Err(Rejected::TooOld);
        }
        if !self.accepted.insert(index) {
            return Err(Rejected::Replayed);
        }
        self.highest = Some(highest.max(index));
        self.accepted.retain(|seen| seen + 2 * window > highest);
        Ok(())
    }
}

struct Tally {
    accepted: u64,
    replayed: u64,
    too_old: u64,
}

/// A stream with the given loss in per cent, delays of up to `jitter` packets, and a window.
fn call(profile: ProtectionProfile, seed: u64, packets: u64, window: usize, jitter: u64) -> Tally {
    let config = Config { rtp_replay_window: window, ..Config::default() };
    let (mut sender, mut receiver) = pair(profile, &config);
    let mut rng = Rng::from_seed(seed);
    let loss = below(&mut rng, 30);
    let mut model = Model::default();
    let mut in_flight: BTreeMap<(u64, u64), Vec<u8>> = BTreeMap::new();
    let mut deliver = |receiver: &mut Receiver, index: u64, mut packet: Vec<u8>| {
        let opened = receiver.unprotect_rtp(&mut packet);
        let expected = model.expect(index, window as u64);
        match (opened, expected) {
            (Ok(plain), Ok(())) => assert_eq!(plain[12..], index.to_be_bytes(), "seed {seed}"),
            (opened, expected) => {
                assert_eq!(opened.map(|_| ()), expected, "seed {seed}, index {index}");
            }
        }
        if let Some(highest) = model.highest {
            assert_eq!(receiver.roc(SSRC), Some((highest >> 16) as u32));
        }
    };
    let first = below(&mut rng, 1 << 15);
    let mut index = first;
    while index < first + packets {
        let packet = protected(&mut sender, &rtp(SSRC, index as u16, &index.to_be_bytes()));
        // The receiver may not lose half a round (RFC 3711 §3.3.1), so what comes after a leap does arrive.
        let to_wrap = (1 << 16) - (index & 0xffff);
        let leaps = (400..(1 << 16) - 400).contains(&to_wrap);
        let copies = match below(&mut rng, 100) {
            _ if leaps => 1,
            chance if chance < loss => 0,
            99 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let delay = if !leaps && below(&mut rng, 3) == 0 { below(&mut rng, jitter) } else { 0 };
            in_flight.insert((index + delay, index), packet.clone());
            if below(&mut rng, 50) == 0 {
                // Once more, much later perhaps.
                let delay = delay + below(&mut rng, 3 * window as u64);
                in_flight.insert((index + delay, index), packet.clone());
            }
        }
        let mut next = index + 1;
        if leaps {
            // Far from a wrap: leap, as after an outage, by less than half a round (RFC 3711 §3.3.1).
            let leap = below(&mut rng, (1 << 15) - 2 * jitter - 600);
            next = (index + leap).min(index + to_wrap - 400).max(next);
        }
        while let Some(entry) = in_flight.first_entry()
            && entry.key().0 < next
        {
            let (_, index) = *entry.key();
            let packet = entry.remove();
            deliver(&mut receiver, index, packet);
        }
        index = next;
    }
    let statistics = receiver.statistics();
    assert_eq!(statistics.authentication, 0);
    assert_eq!(
        receiver.roc(SSRC),
        Some((sender.roc(SSRC).expect("sent")).min((index >> 16) as u32))
    );
    Tally {
        accepted: statistics.rtp_packets,
        replayed: statistics.replayed,
        too_old: statistics.too_old,
    }
}

#[test]
fn a_day_over_a_bad_network() {
    let tally = call(ProtectionProfile::AeadAes128Gcm, 1, PACKETS, 256, 300);
    assert!(tally.accepted > 400_000, "{} accepted", tally.accepted);
    assert!(tally.replayed > 1000, "{} replayed", tally.replayed);
    assert!(tally.too_old > 1000, "{} too old", tally.too_old);
}

#[test]
fn many_shorter_calls_with_other_windows_and_profiles() {
    for seed in 0..60 {
        let profiles = ProtectionProfile::ALL;
        let profile = profiles[seed as usize % profiles.len()];
        let window = [64, 128, 1024, 4096][seed as usize % 4];
        let tally = call(profile, seed, 10 << 16, window, 10 + 5 * seed);
        assert!(tally.accepted > 1000, "seed {seed}: {} accepted", tally.accepted);
    }
}
