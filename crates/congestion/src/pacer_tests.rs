use super::*;

const PACKET: DataSize = DataSize::from_bytes(1_000);

/// Runs until `end` and gives what was sent, with the time in milliseconds.
fn run(
    pacer: &mut Pacer<u32>,
    start: Instant,
    end: Instant,
    padding: bool,
) -> Vec<(u64, Action<u32>)> {
    let mut sent = Vec::new();
    let mut now = start;
    for _ in 0..100_000 {
        while let Some(action) = pacer.poll(now) {
            if let Action::Padding { size, .. } = action {
                pacer.on_padding_sent(now, if padding { size } else { DataSize::ZERO });
            }
            sent.push(((now - start).as_millis() as u64, action));
        }
        match pacer.poll_timeout() {
            Some(next) if next < end => now = next.max(now + Duration::from_micros(1)),
            _ => return sent,
        }
    }
    panic!("it never rests");
}

fn pacer(kbps: u64, start: Instant) -> Pacer<u32> {
    let mut pacer = Pacer::new(PacerConfig::default());
    pacer.set_rates(start, DataRate::from_kbps(kbps), DataRate::ZERO);
    pacer
}

#[test]
fn packets_leave_at_the_pace() {
    let start = Instant::now();
    let mut pacer = pacer(800, start);
    for i in 0..50 {
        pacer.enqueue(start, Class::Video, PACKET, i).expect("room");
    }
    let sent = run(&mut pacer, start, start + Duration::from_secs(1), false);
    assert_eq!(sent.len(), 50);
    // 10 ms each, the first at once, 5 ms ahead of the pace.
    let last = sent.last().expect("sent").0;
    assert!((484..=492).contains(&last), "{last}");
    assert!(pacer.is_empty() && pacer.queued().is_zero());
}

#[test]
fn the_most_urgent_goes_first_and_audio_never_waits() {
    let start = Instant::now();
    let mut pacer = pacer(80, start);
    for (i, class) in
        [Class::Padding, Class::Fec, Class::Video, Class::Retransmission, Class::Audio]
            .into_iter()
            .enumerate()
    {
        pacer.enqueue(start, class, PACKET, i as u32).expect("room");
    }
    pacer.enqueue(start, Class::Audio, PACKET, 5).expect("room");
    let sent = run(&mut pacer, start, start + Duration::from_secs(2), false);
    let order: Vec<u32> = sent
        .iter()
        .map(|(_, action)| match action {
            Action::Send { packet, .. } => *packet,
            Action::Padding { .. } => panic!("no padding was asked for"),
        })
        .collect();
    assert_eq!(order, [4, 5, 3, 2, 1, 0]);
    assert_eq!((sent[0].0, sent[1].0), (0, 0));
}

#[test]
fn a_long_queue_raises_the_pace() {
    let start = Instant::now();
    let mut pacer = pacer(80, start);
    for i in 0..100 {
        pacer.enqueue(start, Class::Video, PACKET, i).expect("room");
    }
    // 800 kbit at 80 kbit/s would take ten seconds.
    let sent = run(&mut pacer, start, start + Duration::from_secs(20), false);
    let last = sent.last().expect("sent").0;
    assert_eq!(sent.len(), 100);
    assert!((1_900..=2_150).contains(&last), "{last}");
}

#[test]
fn congestion_holds_all_but_audio_and_a_packet_now_and_then() {
    let start = Instant::now();
    let mut pacer = pacer(1_000, start);
    pacer.set_congested(true);
    for i in 0..50 {
        pacer.enqueue(start, Class::Video, PACKET, i).expect("room");
    }
    let sent = run(&mut pacer, start, start + Duration::from_millis(1_400), false);
    assert_eq!(sent.len(), 3, "{sent:?}");
    pacer.enqueue(start, Class::Audio, PACKET, 99).expect("room");
    assert!(matches!(
        pacer.poll(start + Duration::from_millis(1_401)),
        Some(Action::Send { packet: 99, .. })
    ));
}

fn cluster(kbps: u64) -> ProbeCluster {
    ProbeCluster {
        id: ProbeClusterId(1),
        rate: DataRate::from_kbps(kbps),
        min_size: DataRate::from_kbps(kbps) * Duration::from_millis(15),
        min_packets: 5,
    }
}

#[test]
fn a_burst_goes_at_its_own_rate_and_is_filled_up_with_padding() {
    let start = Instant::now();
    let mut pacer = pacer(300, start);
    pacer.set_can_pad(true);
    pacer.enqueue(start, Class::Video, PACKET, 0).expect("room");
    pacer.add_probe(cluster(3_000));
    let sent = run(&mut pacer, start, start + Duration::from_secs(1), true);
    let last = sent.last().expect("sent").0;
    assert!((10..=16).contains(&last), "{last}");
    assert!(sent.len() >= 5, "{sent:?}");
    assert!(matches!(sent[0].1, Action::Send { probe: Some(ProbeClusterId(1)), .. }));
    assert!(matches!(sent[1].1, Action::Padding { probe: Some(ProbeClusterId(1)), .. }));
    assert_eq!(pacer.poll_timeout(), None, "it is over");
}

#[test]
fn a_burst_that_finds_nothing_to_send_is_given_up() {
    let start = Instant::now();
    let mut pacer = pacer(300, start);
    pacer.set_can_pad(true);
    pacer.add_probe(cluster(3_000));
    run(&mut pacer, start, start + Duration::from_secs(2), false);
    assert!(pacer.probes.is_empty());
}

#[test]
fn padding_fills_up_to_its_rate() {
    let start = Instant::now();
    let mut pacer = pacer(1_000, start);
    pacer.set_can_pad(true);
    pacer.set_rates(start, DataRate::from_kbps(1_000), DataRate::from_kbps(100));
    let sent = run(&mut pacer, start, start + Duration::from_secs(10), true);
    let bytes: u64 = sent
        .iter()
        .map(|(_, action)| match action {
            Action::Padding { size, .. } => size.as_bytes(),
            Action::Send { .. } => 0,
        })
        .sum();
    let kbps = bytes * 8 / 10_000;
    assert!((90..=110).contains(&kbps), "{kbps}");
}

#[test]
fn a_full_class_gives_the_packet_back() {
    let start = Instant::now();
    let mut pacer = Pacer::new(PacerConfig { max_packets: 2, ..PacerConfig::default() });
    assert_eq!(pacer.enqueue(start, Class::Video, PACKET, 1), Ok(()));
    assert_eq!(pacer.enqueue(start, Class::Video, PACKET, 2), Ok(()));
    assert_eq!(pacer.enqueue(start, Class::Video, PACKET, 3), Err(3));
    assert_eq!(pacer.enqueue(start, Class::Audio, PACKET, 4), Ok(()));
    assert_eq!((pacer.dropped(), pacer.len()), (1, 3));
    pacer.retain(|&packet| packet != 1);
    assert_eq!((pacer.len(), pacer.queued()), (2, DataSize::from_bytes(2_000)));
}

#[test]
fn retransmissions_are_the_better_padding() {
    let size = DataSize::from_bytes;
    assert_eq!(choose_padding(size(600), Some(size(1_200))), Padding::Retransmission);
    assert_eq!(choose_padding(size(200), Some(size(1_200))), Padding::Plain(200));
    assert_eq!(choose_padding(size(600), None), Padding::Plain(255));
}

#[test]
fn congestion_ends_a_burst_that_has_begun() {
    let start = Instant::now();
    let mut pacer = pacer(300, start);
    pacer.add_probe(cluster(3_000));
    for i in 0..3 {
        pacer.enqueue(start, Class::Video, PACKET, i).expect("room");
    }
    assert!(matches!(pacer.poll(start), Some(Action::Send { probe: Some(_), .. })));
    pacer.set_congested(true);
    let sent = run(&mut pacer, start, start + Duration::from_millis(1_100), false);
    assert_eq!(sent.len(), 2, "every half second one, so that reports go on: {sent:?}");
    assert!(sent.iter().all(|(_, action)| matches!(action, Action::Send { probe: None, .. })));
}
