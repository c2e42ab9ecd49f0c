//! Random networks, random settings, everything at once: reliable and unreliable messages both ways, stream resets, a
//! shutdown. `PEERAGE_SEEDS=3000 cargo test --release --test any_mixture_of_faults_ends_well` runs as many seeds as that.

mod support;

use peerage_sctp::{Association, Config, Event, Reliability, StreamId};
use std::time::Duration;
use support::{Dice, Link, Pair, check, message};

const MESSAGES: u32 = 40;

fn link(dice: &mut Dice) -> Link {
    Link {
        loss: dice.below(300),
        reorder: dice.below(500),
        duplicate: dice.below(200),
        corrupt: if dice.chance(500) { dice.below(50) } else { 0 },
        rate: [0, 1_000_000, 20_000_000][dice.below(3) as usize],
        queue: 10_000 + dice.below(100_000) as usize,
        delay: Duration::from_millis(dice.below(100)),
    }
}

fn config(dice: &mut Dice, link: &Link) -> Config {
    Config {
        interleaving: dice.chance(500),
        // A corrupted packet is only told by its checksum.
        zero_checksum: link.corrupt == 0 && dice.chance(500),
        mtu: 600 + dice.below(800) as usize,
        receive_window: 400_000,
        max_association_retransmits: None,
        max_init_retransmits: None,
        ..Config::default()
    }
}

fn limited(dice: &mut Dice) -> Reliability {
    if dice.chance(500) {
        Reliability::MaxRetransmits(dice.below(3) as u16)
    } else {
        Reliability::MaxLifetime(Duration::from_millis(dice.below(500)))
    }
}

fn run(seed: u64) {
    let mut dice = Dice::new(seed);
    let link = link(&mut dice);
    let config = config(&mut dice, &link);
    let mut pair = Pair::new(seed, [config.clone(), config], [link; 2]);
    pair.connect_both();
    for number in 0..MESSAGES {
        for from in 0..2 {
            let size = match dice.below(10) {
                0 => 4 + dice.below(100_000),
                1..=3 => 4 + dice.below(5_000),
                _ => 4 + dice.below(300),
            } as usize;
            let data = message(number, size);
            pair.send_with(
                from,
                (number % 4) as u16,
                dice.chance(700),
                Reliability::Reliable,
                data.clone(),
            );
            if dice.chance(300) {
                pair.send_with(from, 9, dice.chance(500), limited(&mut dice), data);
            }
        }
    }
    for from in 0..2 {
        let now = pair.now;
        pair.ends[from].reset_outgoing_streams(now, &[StreamId(1), StreamId(9)]).unwrap();
    }
    let reliable = |pair: &Pair, at: usize| -> Vec<u32> {
        let mut numbers: Vec<u32> = pair
            .messages(at)
            .filter(|(stream, _)| stream.0 < 4)
            .map(|(_, data)| check(data))
            .collect();
        numbers.sort();
        numbers
    };
    pair.run_until(Duration::from_secs(3000), |pair| {
        (0..2).all(|at| {
            pair.messages(at).filter(|(stream, _)| stream.0 < 4).count() == MESSAGES as usize
                && pair.events[at]
                    .iter()
                    .any(|event| matches!(event, Event::OutgoingStreamsReset { .. }))
                && pair.ends[at].total_buffered() == 0
        })
    });
    for at in 0..2 {
        assert_eq!(reliable(&pair, at), (0..MESSAGES).collect::<Vec<_>>(), "seed {seed}");
    }
    let now = pair.now;
    pair.ends[0].shutdown(now);
    pair.run_until(Duration::from_secs(3000), |pair| pair.ends.iter().all(Association::is_closed));
    assert!(pair.saw(0, &Event::ShutdownComplete), "seed {seed}: {:?}", pair.events[0].last());
}

#[test]
fn seeds() {
    let count =
        std::env::var("PEERAGE_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(150);
    for seed in 0..count {
        // Names the seed if anything below panics.
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "seed {seed} failed");
    }
}
