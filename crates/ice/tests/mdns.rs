//! Names are resolved, published and answered; noise is dropped and nothing grows.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use peerage_ice::mdns::{MDNS_IPV4, Mdns, MdnsConfig, MdnsEvent};
use peerage_ice::{Input, Protocol};

const NAME: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301.local";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn transmits(mdns: &mut Mdns, now: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut out = Vec::new();
    let mut buf = Vec::new();
    while let Some(t) = mdns.poll_transmit(now, &mut buf) {
        out.push((t.destination, std::mem::take(&mut buf)));
    }
    out
}

fn give(mdns: &mut Mdns, now: Instant, source: &str, data: &[u8]) {
    let source = source.parse().unwrap();
    mdns.handle_input(
        now,
        Input { source, destination: MDNS_IPV4, protocol: Protocol::Udp, ecn: None, data },
    );
}

#[test]
fn a_published_name_is_resolved_by_another_host() {
    let now = Instant::now();
    let (mut asker, mut owner) =
        (Mdns::new(MdnsConfig::default()), Mdns::new(MdnsConfig::default()));
    for addr in [ip("192.0.2.7"), ip("2001:db8::7")] {
        owner.publish(now, NAME, addr).unwrap();
        assert_eq!(transmits(&mut owner, now).len(), 1, "the announcement");
        asker.resolve(now, NAME).unwrap();
        let asked = transmits(&mut asker, now);
        assert_eq!(asked[0].0, MDNS_IPV4);
        give(&mut owner, now, "192.0.2.8:5353", &asked[0].1);
        let answers = transmits(&mut owner, now);
        assert_eq!(answers.len(), 1);
        assert_eq!(
            answers[0].0,
            "192.0.2.8:5353".parse().unwrap(),
            "a unicast answer to a QU question"
        );
        give(&mut asker, now, "192.0.2.7:5353", &answers[0].1);
        assert_eq!(asker.poll_event(), Some(MdnsEvent::Resolved { name: NAME.into(), addr }));
        assert_eq!(asker.poll_timeout(), None);
        // Remembered: no second question.
        asker.resolve(now, NAME).unwrap();
        assert_eq!(asker.poll_event(), Some(MdnsEvent::Resolved { name: NAME.into(), addr }));
        assert_eq!(transmits(&mut asker, now), []);
        // The goodbye is forgotten by the asker.
        owner.unpublish(now, NAME);
        let bye = transmits(&mut owner, now);
        give(&mut asker, now, "192.0.2.7:5353", &bye[0].1);
        asker.resolve(now, NAME).unwrap();
        assert_eq!(transmits(&mut asker, now).len(), 1);
        asker.cancel(NAME);
    }
}

#[test]
fn questions_are_repeated_at_growing_intervals_and_then_given_up() {
    let start = Instant::now();
    let mut mdns = Mdns::new(MdnsConfig::default());
    mdns.resolve(start, NAME).unwrap();
    let mut times = vec![];
    let mut now = start;
    loop {
        times.extend(transmits(&mut mdns, now).iter().map(|_| (now - start).as_secs()));
        let Some(next) = mdns.poll_timeout() else { break };
        now = next;
        mdns.handle_timeout(now);
    }
    assert_eq!(times, [0, 1, 3, 7]);
    assert_eq!(now - start, Duration::from_secs(10));
    assert_eq!(mdns.poll_event(), Some(MdnsEvent::Failed { name: NAME.into() }));
}

#[test]
fn a_plain_dns_client_gets_its_id_and_question_back() {
    let now = Instant::now();
    let mut owner = Mdns::new(MdnsConfig::default());
    owner.publish(now, NAME, ip("192.0.2.7")).unwrap();
    transmits(&mut owner, now);
    let mut query = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x24".to_vec();
    query.extend_from_slice(&NAME.as_bytes()[..36]);
    query.extend_from_slice(b"\x05local\0\0\x01\0\x01");
    give(&mut owner, now, "192.0.2.8:40000", &query);
    let answers = transmits(&mut owner, now);
    assert_eq!(answers[0].0, "192.0.2.8:40000".parse().unwrap());
    assert_eq!(&answers[0].1[..8], b"\x12\x34\x84\0\0\x01\0\x01");
    assert_eq!(&answers[0].1[answers[0].1.len() - 4..], [192, 0, 2, 7]);
}

#[test]
fn a_flood_of_questions_is_answered_once_a_second() {
    let start = Instant::now();
    let mut owner = Mdns::new(MdnsConfig::default());
    owner.publish(start, NAME, ip("192.0.2.7")).unwrap();
    transmits(&mut owner, start);
    let mut query = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x24".to_vec();
    query.extend_from_slice(&NAME.as_bytes()[..36]);
    query.extend_from_slice(b"\x05LOCAL\0\0\xff\0\x01");
    let mut answers = 0;
    for i in 0..3000u64 {
        let now = start + Duration::from_millis(i);
        give(&mut owner, now, "192.0.2.8:5353", &query);
        answers += transmits(&mut owner, now).len();
    }
    assert_eq!(answers, 2);
    assert!(owner.counters().suppressed > 2900);
}

#[test]
fn answers_are_believed_only_from_port_5353_and_only_when_asked_for() {
    let now = Instant::now();
    let (mut asker, mut owner) =
        (Mdns::new(MdnsConfig::default()), Mdns::new(MdnsConfig::default()));
    owner.publish(now, NAME, ip("192.0.2.7")).unwrap();
    let announcement = transmits(&mut owner, now).remove(0).1;
    give(&mut asker, now, "192.0.2.7:5353", &announcement);
    assert_eq!(asker.poll_event(), None);
    asker.resolve(now, NAME).unwrap();
    give(&mut asker, now, "192.0.2.66:1234", &announcement);
    assert_eq!(asker.poll_event(), None);
    assert_eq!(asker.counters().foreign, 1);
    give(&mut asker, now, "192.0.2.7:5353", &announcement);
    assert!(matches!(asker.poll_event(), Some(MdnsEvent::Resolved { .. })));
}

#[test]
fn limits_hold() {
    let now = Instant::now();
    let mut mdns =
        Mdns::new(MdnsConfig { max_queries: 3, max_published: 2, ..MdnsConfig::default() });
    for i in 0..3 {
        mdns.resolve(now, &format!("n{i}.local")).unwrap();
    }
    assert!(mdns.resolve(now, "n3.local").is_err());
    mdns.publish(now, "a.local", ip("192.0.2.1")).unwrap();
    mdns.publish(now, "b.local", ip("192.0.2.1")).unwrap();
    assert!(mdns.publish(now, "c.local", ip("192.0.2.1")).is_err());
    // Names that are not ours to ask for fail at once.
    mdns.resolve(now, "example.org").unwrap();
    assert_eq!(mdns.poll_event(), Some(MdnsEvent::Failed { name: "example.org".into() }));
}

#[test]
fn libwebrtc_fuzz_seeds() {
    let corpora = std::env::var_os("PEERAGE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    let Ok(entries) = std::fs::read_dir(corpora.join("libwebrtc/corpora/mdns-corpus")) else {
        println!("skipped: no corpus libwebrtc/corpora/mdns-corpus");
        return;
    };
    let now = Instant::now();
    let mut mdns = Mdns::new(MdnsConfig::default());
    mdns.publish(now, "webrtc.local", ip("192.0.2.1")).unwrap();
    mdns.resolve(now, "example.local").unwrap();
    let mut files = 0;
    for entry in entries.flatten() {
        give(&mut mdns, now, "192.0.2.8:5353", &std::fs::read(entry.path()).unwrap());
        files += 1;
    }
    // They are the fuzzer's own finds: broken, every one.
    assert_eq!((files, mdns.counters().malformed), (20, 20));
}
