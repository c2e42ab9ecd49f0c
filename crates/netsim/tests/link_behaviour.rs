//! What links do to streams of packets, for fixed seeds.

mod common;

use common::{at, drain, ms, start, stream};
use peerage_netsim::{
    Change, Direction, Ecn, Jitter, LinkConfig, Loss, Management, Packet, Queue, Rate, TwoHosts,
};

/// Four standard deviations of a binomial count.
fn band(n: u32, p: f64) -> std::ops::RangeInclusive<f64> {
    let (mean, deviation) = (f64::from(n) * p, (f64::from(n) * p * (1.0 - p)).sqrt());
    mean - 4.0 * deviation..=mean + 4.0 * deviation
}

#[test]
fn a_perfect_link_delivers_at_once_and_in_order() {
    let (hosts, arrived) = stream(1, LinkConfig::new(), 100, 10, ms(1), Ecn::NotEct);
    assert_eq!(arrived.len(), 100);
    assert!(
        arrived
            .iter()
            .enumerate()
            .all(|(i, (time, number, _))| *number == i as u32 && *time == ms(i as u64))
    );
    assert_eq!(hosts.network.stats().dropped(), 0);
}

#[test]
fn packets_leave_at_the_rate_of_the_link() {
    // 1,222 bytes of payload are 1,250 on the wire: 10 ms at 1 Mbit/s.
    let path = LinkConfig::new().rate(Rate::mbit(1)).delay(ms(5));
    let (_, arrived) = stream(1, path, 50, 1_222, ms(0), Ecn::NotEct);
    for (i, (time, ..)) in arrived.iter().enumerate() {
        assert_eq!(*time, ms(10 * (i as u64 + 1) + 5));
    }
}

#[test]
fn a_full_queue_drops_by_packets_and_by_bytes() {
    for queue in [Queue::packets(10), Queue::bytes(12_500)] {
        let path = LinkConfig::new().rate(Rate::mbit(1)).queue(queue);
        let (hosts, arrived) = stream(1, path, 50, 1_222, ms(0), Ecn::NotEct);
        // Ten wait behind the one being sent.
        assert_eq!(arrived.len(), 11);
        let stats = hosts.network.link_stats(hosts.path, Direction::Forward);
        assert_eq!(stats.dropped_full, 39);
        assert_eq!(stats.max_queue_delay, ms(100));
        assert_eq!(stats.mean_queue_delay(), ms(50));
    }
}

#[test]
fn random_loss_stays_within_its_binomial_band() {
    for (seed, p) in [(1, 0.01), (2, 0.1), (3, 0.3), (4, 0.9)] {
        let (hosts, arrived) =
            stream(seed, LinkConfig::new().loss(Loss::Random(p)), 20_000, 4, ms(1), Ecn::NotEct);
        let lost = hosts.network.link_stats(hosts.path, Direction::Forward).lost;
        assert!(
            band(20_000, p).contains(&(lost as f64)),
            "seed {seed}: {lost} lost of 20000 at {p}"
        );
        assert_eq!(arrived.len() as u64 + lost, 20_000);
    }
}

#[test]
fn duplicates_and_marks_stay_within_their_bands() {
    let path = LinkConfig::new().duplicate(0.2).mark(0.1);
    let (hosts, arrived) = stream(5, path, 20_000, 4, ms(1), Ecn::Ect0);
    let stats = hosts.network.link_stats(hosts.path, Direction::Forward);
    assert!(band(20_000, 0.2).contains(&(stats.duplicated as f64)), "{stats:?}");
    assert!(band(20_000, 0.1).contains(&(stats.marked as f64)), "{stats:?}");
    assert_eq!(arrived.len() as u64, 20_000 + stats.duplicated);
    assert!(arrived.iter().any(|(_, _, packet)| packet.ecn == Ecn::Ce));
}

#[test]
fn a_packet_that_is_not_ecn_capable_is_never_marked_and_bleaching_clears() {
    let (_, arrived) = stream(5, LinkConfig::new().mark(1.0), 100, 4, ms(1), Ecn::NotEct);
    assert!(arrived.iter().all(|(_, _, packet)| packet.ecn == Ecn::NotEct));
    let (_, arrived) = stream(5, LinkConfig::new().bleach_ecn(true), 100, 4, ms(1), Ecn::Ect1);
    assert!(arrived.iter().all(|(_, _, packet)| packet.ecn == Ecn::NotEct));
}

#[test]
fn corruption_flips_one_to_three_bits() {
    let (hosts, arrived) = {
        let mut hosts = TwoHosts::new(9, start(), LinkConfig::new().corrupt(0.5));
        let (a, b) = (at(hosts.a.address, 1), at(hosts.b.address, 2));
        for _ in 0..10_000 {
            hosts.network.send(start(), Packet::new(a, b, vec![0; 100]));
        }
        let arrived = drain(&mut hosts.network);
        (hosts, arrived)
    };
    let flips: Vec<u32> = arrived
        .iter()
        .map(|delivery| delivery.packet.data.iter().map(|byte| byte.count_ones()).sum())
        .collect();
    assert!(flips.iter().all(|&flips| flips <= 3));
    assert!([0, 1, 2, 3].iter().all(|n| flips.contains(n)));
    let corrupted = hosts.network.link_stats(hosts.path, Direction::Forward).corrupted;
    assert!(band(10_000, 0.5).contains(&(corrupted as f64)), "{corrupted} corrupted");
}

#[test]
fn jitter_keeps_the_order_unless_told_otherwise() {
    for jitter in [Jitter::uniform(ms(15)), Jitter::normal(ms(10)), Jitter::long_tail(ms(5))] {
        let path = LinkConfig::new().delay(ms(20)).jitter(jitter);
        let (_, arrived) = stream(3, path, 2_000, 4, ms(1), Ecn::NotEct);
        assert!(arrived.windows(2).all(|pair| pair[0].1 < pair[1].1), "{jitter:?}");
        let path = LinkConfig::new().delay(ms(20)).jitter(jitter.reordering());
        let (_, arrived) = stream(3, path, 2_000, 4, ms(1), Ecn::NotEct);
        assert!(arrived.windows(2).any(|pair| pair[0].1 > pair[1].1), "{jitter:?}");
        assert_eq!(arrived.len(), 2_000);
    }
}

#[test]
fn uniform_jitter_stays_within_its_bounds() {
    let path = LinkConfig::new().delay(ms(20)).jitter(Jitter::uniform(ms(5)).reordering());
    let (_, arrived) = stream(3, path, 2_000, 4, ms(1), Ecn::NotEct);
    let delays: Vec<_> =
        arrived.iter().map(|(time, number, _)| *time - ms(u64::from(*number))).collect();
    assert!(delays.iter().all(|delay| (ms(15)..=ms(25)).contains(delay)));
    assert!(
        delays.iter().any(|delay| *delay < ms(16)) && delays.iter().any(|delay| *delay > ms(24))
    );
}

#[test]
fn packets_held_back_are_overtaken_by_those_sent_meanwhile() {
    let path = LinkConfig::new().delay(ms(10)).reorder(0.1, ms(5));
    let (hosts, arrived) = stream(8, path, 5_000, 4, ms(1), Ecn::NotEct);
    let held = hosts.network.link_stats(hosts.path, Direction::Forward).held_back;
    assert!(band(5_000, 0.1).contains(&(held as f64)));
    let late =
        arrived.iter().filter(|(time, number, _)| *time == ms(u64::from(*number) + 15)).count();
    assert_eq!(late as u64, held);
}

#[test]
fn a_packet_above_the_mtu_vanishes() {
    let (hosts, arrived) = stream(8, LinkConfig::new().mtu(1_280), 1, 1_252, ms(1), Ecn::NotEct);
    assert_eq!((arrived.len(), hosts.network.stats().dropped()), (1, 0));
    let (hosts, arrived) = stream(8, LinkConfig::new().mtu(1_280), 1, 1_253, ms(1), Ecn::NotEct);
    assert_eq!((arrived.len(), hosts.network.stats().dropped()), (0, 1));
}

#[test]
fn codel_keeps_the_delay_of_a_responsive_flow_near_its_target() {
    // A sender that halves its rate at a drop and else grows, over 10 Mbit/s and a queue of a second.
    let mean_delay = |queue: Queue| {
        let path = LinkConfig::new().rate(Rate::mbit(10)).delay(ms(10)).queue(queue);
        let mut hosts = TwoHosts::new(4, start(), path);
        let (a, b) = (at(hosts.a.address, 1), at(hosts.b.address, 2));
        let (mut now, mut rate, mut dropped_before, mut since_cut) = (start(), 2e6, 0, start());
        while now < start() + ms(20_000) {
            while hosts.network.poll(now).is_some() {}
            let stats = hosts.network.link_stats(hosts.path, Direction::Forward);
            let signals = stats.dropped() + stats.marked;
            if signals > dropped_before && now - since_cut > ms(30) {
                rate = f64::max(rate * 0.7, 1e6);
                since_cut = now;
            }
            dropped_before = signals;
            rate += 4_000.0;
            let mut packet = Packet::new(a, b, vec![0; 1_172]);
            packet.ecn = Ecn::Ect0;
            hosts.network.send(now, packet);
            now += std::time::Duration::from_secs_f64(1_200.0 * 8.0 / rate);
        }
        let stats = hosts.network.link_stats(hosts.path, Direction::Forward);
        (stats.mean_queue_delay(), stats)
    };
    let (tail, _) = mean_delay(Queue::packets(1_000));
    assert!(tail > ms(200), "drop-tail fills: {tail:?}");
    for ecn in [false, true] {
        let (delay, stats) = mean_delay(Queue::codel(ecn));
        assert!(delay < ms(15), "ecn {ecn}: {delay:?}");
        assert!(stats.delivered * 1_200 * 8 > 20 * 8_000_000, "and the link is used: {stats:?}");
        assert_eq!(stats.marked > 0, ecn);
        assert_eq!(stats.dropped_aqm > 0, !ecn);
    }
}

#[test]
fn a_shallow_threshold_marks_what_waited() {
    let queue = Queue::packets(100).management(Management::MarkAbove(ms(25)));
    let path = LinkConfig::new().rate(Rate::mbit(1)).queue(queue);
    let (_, arrived) = stream(1, path, 10, 1_222, ms(0), Ecn::Ect1);
    let marked: Vec<bool> = arrived.iter().map(|(_, _, packet)| packet.ecn == Ecn::Ce).collect();
    // Packet i waits i times 10 ms.
    assert_eq!(marked, (0..10).map(|i| i * 10 > 25).collect::<Vec<_>>());
}

#[test]
fn the_timeline_changes_pauses_and_cuts_the_path() {
    let mut hosts = TwoHosts::new(1, start(), LinkConfig::new().delay(ms(10)));
    let (a, b, path) = (at(hosts.a.address, 1), at(hosts.b.address, 2), hosts.path);
    let network = &mut hosts.network;
    for (time, change) in [
        (100, Change::update(path, Direction::Forward, |config| config.delay = ms(50))),
        (200, Change::LinkDown(path)),
        (300, Change::LinkUp(path)),
        (400, Change::Pause(path, Direction::Both)),
        (500, Change::Resume(path, Direction::Both)),
        (600, Change::configure(path, Direction::Both, LinkConfig::new())),
    ] {
        network.schedule(start() + ms(time), change);
    }
    let mut arrived = Vec::new();
    for time in (50..=650).step_by(100) {
        let now = start() + ms(time);
        while let Some(delivery) = network.poll(now) {
            arrived.push((delivery.at - start(), delivery.packet.data[0]));
        }
        network.send(now, Packet::new(a, b, vec![(time / 100) as u8]));
    }
    arrived.extend(drain(network).into_iter().map(|d| (d.at - start(), d.packet.data[0])));
    assert_eq!(
        arrived,
        [(60, 0), (200, 1), (400, 3), (550, 4), (600, 5), (650, 6)].map(|(time, n)| (ms(time), n))
    );
    assert_eq!(network.link_stats(path, Direction::Both).dropped_down, 1);
}

#[test]
fn presets_carry_a_stream() {
    for preset in [
        LinkConfig::lan(),
        LinkConfig::wifi_lossy(),
        LinkConfig::cellular(),
        LinkConfig::satellite(),
        LinkConfig::dsl_down(),
        LinkConfig::dsl_up(),
    ] {
        let (_, arrived) = stream(2, preset.clone(), 500, 1_000, ms(10), Ecn::NotEct);
        assert!(arrived.len() > 400, "{preset:?}: {} arrived", arrived.len());
        assert!(arrived.iter().all(|(time, number, _)| *time >= ms(u64::from(*number) * 10)));
    }
}
