//! Logs go through a file unchanged, and broken ones are read as far as they go.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use peerage_log::{
    Direction, Encoding, End, Error, Estimate, EventSink, Frame, LogEvent, LogReader, LogWriter,
    MAX_LINE, Packet, PacketRole, Record, Report, Rtcp, RtcpKind, StateOf, Stream,
};
use proptest::prelude::*;

const HEAD: &str = "{\"format\":\"peerage-log\",\"version\":1,\"started_us\":0,\"name\":\"\"}\n";

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    any::<String>().prop_map(Cow::Owned)
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Sent), Just(Direction::Received)]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Local), Just(End::Remote)]
}

fn packet() -> impl Strategy<Value = Packet> {
    let role = prop_oneof![
        Just(PacketRole::Media),
        Just(PacketRole::Retransmission),
        Just(PacketRole::ForwardErrorCorrection),
        Just(PacketRole::Padding),
    ];
    let numbers = any::<(u32, u16, u32, u8, u32, bool, Option<u16>, Option<u32>)>();
    (numbers, role).prop_map(
        |(
            (ssrc, sequence, timestamp, payload_type, size, marker, transport_sequence, probe),
            role,
        )| {
            Packet {
                ssrc,
                sequence,
                timestamp,
                payload_type,
                size,
                marker,
                transport_sequence,
                role,
                probe,
            }
        },
    )
}

fn rtcp() -> impl Strategy<Value = Rtcp> {
    let kind = prop::sample::select(vec![
        RtcpKind::SenderReport,
        RtcpKind::ReceiverReport,
        RtcpKind::SourceDescription,
        RtcpKind::Goodbye,
        RtcpKind::ExtendedReport,
        RtcpKind::Nack,
        RtcpKind::PictureLoss,
        RtcpKind::FullIntraRequest,
        RtcpKind::TemporaryMaximumBitrate,
        RtcpKind::ReceiverEstimatedMaximumBitrate,
        RtcpKind::TransportFeedback,
        RtcpKind::CongestionFeedback,
        RtcpKind::Other,
    ]);
    (direction(), kind, any::<(u32, u32, u32, Option<u64>)>()).prop_map(
        |(direction, kind, (ssrc, count, lost, bitrate_bps))| Rtcp {
            direction,
            kind,
            ssrc,
            count,
            lost,
            bitrate_bps,
        },
    )
}

fn frame() -> impl Strategy<Value = Frame> {
    any::<(u32, u32, u32, bool, Option<(u16, u16)>)>().prop_map(
        |(ssrc, timestamp, size, keyframe, dimensions)| Frame {
            ssrc,
            timestamp,
            size,
            keyframe,
            dimensions,
        },
    )
}

fn event() -> impl Strategy<Value = LogEvent<'static>> {
    let of = prop::sample::select(vec![
        StateOf::Signaling,
        StateOf::Gathering,
        StateOf::Ice,
        StateOf::Dtls,
        StateOf::Sctp,
        StateOf::Connection,
    ]);
    let stream = (direction(), any::<(u32, Option<u32>)>(), text(), text(), text(), text());
    let report = (direction(), any::<(u32, u8, i32, u64, Option<u64>)>());
    let estimate = any::<(u64, [Option<u64>; 5], Option<u32>)>();
    prop_oneof![
        (of, text()).prop_map(|(of, state)| LogEvent::State { of, state }),
        (end(), text(), text()).prop_map(|(end, kind, sdp)| LogEvent::Description {
            end,
            kind,
            sdp
        }),
        (end(), text()).prop_map(|(end, candidate)| LogEvent::Candidate { end, candidate }),
        // Flow information and scope of IPv6 are not in the text of an address.
        any::<([u8; 4], [u16; 8], u16, u16)>().prop_map(|(v4, v6, a, b)| {
            LogEvent::SelectedPair {
                local: SocketAddr::from((v4, a)),
                remote: SocketAddr::from((v6, b)),
            }
        }),
        (text(), text(), text(), any::<bool>()).prop_map(
            |(version, cipher_suite, group, client)| {
                LogEvent::Handshake { version, cipher_suite, group, client }
            }
        ),
        stream.prop_map(|(direction, (ssrc, repair_ssrc), kind, codec, mid, rid)| {
            LogEvent::StreamBegan(Stream { direction, ssrc, repair_ssrc, kind, codec, mid, rid })
        }),
        (direction(), any::<u32>())
            .prop_map(|(direction, ssrc)| LogEvent::StreamEnded { direction, ssrc }),
        packet().prop_map(LogEvent::PacketSent),
        packet().prop_map(LogEvent::PacketReceived),
        rtcp().prop_map(LogEvent::Rtcp),
        report.prop_map(
            |(direction, (ssrc, fraction_lost, total_lost, jitter_us, round_trip_us))| {
                LogEvent::Report(Report {
                    direction,
                    ssrc,
                    fraction_lost,
                    total_lost,
                    jitter_us,
                    round_trip_us,
                })
            }
        ),
        estimate.prop_map(
            |(
                target_bps,
                [pacing_bps, acknowledged_bps, round_trip_us, queue_us, pacer_us],
                loss_ppm,
            )| {
                LogEvent::Estimate(Estimate {
                    target_bps,
                    pacing_bps,
                    acknowledged_bps,
                    loss_ppm,
                    round_trip_us,
                    queue_us,
                    pacer_us,
                })
            }
        ),
        any::<(u32, u64)>().prop_map(|(cluster, rate_bps)| LogEvent::Probe { cluster, rate_bps }),
        any::<(u32, u32, u64)>().prop_map(|(ssrc, encoding, target_bps)| {
            LogEvent::Allocation(Encoding { ssrc, encoding, target_bps })
        }),
        (direction(), any::<u32>())
            .prop_map(|(direction, ssrc)| LogEvent::KeyframeRequest { direction, ssrc }),
        frame().prop_map(LogEvent::FrameSent),
        frame().prop_map(LogEvent::FrameReceived),
        (any::<u16>(), text())
            .prop_map(|(channel, label)| LogEvent::ChannelOpened { channel, label }),
        any::<u16>().prop_map(|channel| LogEvent::ChannelClosed { channel }),
        (direction(), any::<(u16, u32)>()).prop_map(|(direction, (channel, size))| {
            LogEvent::Message { direction, channel, size }
        }),
        text().prop_map(|message| LogEvent::Failure { message }),
        text().prop_map(|text| LogEvent::Note { text }),
    ]
}

fn written(events: &[(Duration, LogEvent<'static>)], name: &str) -> Vec<u8> {
    let start = Instant::now();
    let began = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
    let mut writer = LogWriter::new(Vec::new(), start, began, name).unwrap();
    for (at, event) in events {
        writer.record(start + *at, event);
    }
    writer.finish().unwrap()
}

proptest! {
    #[test]
    fn records_come_back(
        events in prop::collection::vec((0u64..1 << 50, event()), 0..20),
        name in any::<String>(),
    ) {
        let events: Vec<_> =
            events.into_iter().map(|(at, event)| (Duration::from_micros(at), event)).collect();
        let file = written(&events, &name);
        let mut reader = LogReader::new(&file[..]).unwrap();
        prop_assert_eq!(&reader.header().name, &name);
        let records: Vec<Record> = reader.by_ref().collect::<Result<_, _>>().unwrap();
        let read: Vec<_> = records.into_iter().map(|record| (record.at, record.event)).collect();
        prop_assert_eq!(&read, &events);
        prop_assert_eq!((reader.unknown(), reader.damaged(), reader.truncated()), (0, 0, false));
        for (line, (_, event)) in std::str::from_utf8(&file).unwrap().lines().skip(1).zip(&events) {
            let named = format!("\"event\":\"{}\"", event.name());
            prop_assert!(line.contains(&named), "{} in {}", named, line);
        }
    }

    #[test]
    fn a_log_that_was_cut_off_is_read_up_to_there(
        events in prop::collection::vec(event(), 1..10),
        part in 0.0..1.0,
    ) {
        let events: Vec<_> = events.into_iter().map(|event| (Duration::ZERO, event)).collect();
        let file = written(&events, "x");
        let head = file.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let cut = head + ((file.len() - head) as f64 * part) as usize;
        let mut reader = LogReader::new(&file[..cut]).unwrap();
        let records: Vec<Record> = reader.by_ref().collect::<Result<_, _>>().unwrap();
        let whole = file[head..cut].iter().filter(|byte| **byte == b'\n').count();
        prop_assert!(records.len() == whole || records.len() == whole + 1);
        for (record, (_, event)) in records.iter().zip(&events) {
            prop_assert_eq!(&record.event, event);
        }
        prop_assert_eq!(reader.damaged(), 0);
        let at_end_of_line = file[..cut].ends_with(b"\n");
        prop_assert!(at_end_of_line || reader.truncated() || records.len() == whole + 1);
    }
}

#[test]
fn the_wall_clock_comes_back() {
    let reader = written(&[], "");
    let reader = LogReader::new(&reader[..]).unwrap();
    let began = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
    assert_eq!(reader.header().started, began);
}

#[test]
fn what_is_no_log_is_refused() {
    let refusal = |text: &str| LogReader::new(text.as_bytes()).unwrap_err();
    assert!(matches!(refusal(""), Error::Empty));
    for text in ["hello\n", "{}\n", "\n", "{\"format\":\"qlog\",\"version\":1}\n", "\0\u{1}\u{2}"] {
        assert!(matches!(refusal(text), Error::NotALog), "{text:?}");
    }
    let huge = "x".repeat(MAX_LINE + 10);
    assert!(matches!(refusal(&huge), Error::NotALog));
    let error = refusal("{\"format\":\"peerage-log\",\"version\":2}\n");
    assert!(matches!(error, Error::Version { found: 2 }));
    assert_eq!(error.to_string(), "the log has version 2, known is version 1");
}

#[test]
fn events_of_tomorrow_are_passed_over() {
    let log = format!(
        "{HEAD}{}\n{}\n{}\n",
        r#"{"at":1,"event":"teleportation","to":{"x":[1,2]}}"#,
        // A field more, and all others missing.
        r#"{"at":2,"event":"packet-sent","colour":"red","ssrc":5}"#,
        // A value that is not known.
        r#"{"at":3,"event":"state","of":"mind","state":"calm"}"#,
    );
    let mut reader = LogReader::new(log.as_bytes()).unwrap();
    let records: Vec<Record> = reader.by_ref().collect::<Result<_, _>>().unwrap();
    let packet = Packet { ssrc: 5, ..Packet::default() };
    let record = Record { at: Duration::from_micros(2), event: LogEvent::PacketSent(packet) };
    assert_eq!(records, [record]);
    assert_eq!((reader.unknown(), reader.damaged(), reader.truncated()), (2, 0, false));
}

#[test]
fn damage_is_passed_over() {
    let note = r#"{"at":1,"event":"note","text":"x"}"#;
    let long = format!(r#"{{"at":1,"event":"note","text":"{}"}}"#, "y".repeat(MAX_LINE));
    let log = format!("{HEAD}{note}\nrubbish\n\n{long}\n{{\"at\":-1}}\n{note}\n{{\"at\":1,\"ev");
    let mut reader = LogReader::new(log.as_bytes()).unwrap();
    let records: Vec<Record> = reader.by_ref().collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!((reader.unknown(), reader.damaged(), reader.truncated()), (0, 3, true));
}

/// A disk that is full: what was written stays a log, and the connection goes on.
#[test]
fn a_writer_that_fails_ends_the_log_and_nothing_else() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
            match self.0.checked_sub(data.len()) {
                Some(left) => self.0 = left,
                None => return Err(std::io::Error::other("full")),
            }
            Ok(data.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let now = Instant::now();
    let mut log = LogWriter::new(Full(200), now, SystemTime::UNIX_EPOCH, "x").unwrap();
    let note = LogEvent::Note { text: "y".into() };
    assert!(log.error().is_none());
    for _ in 0..100 {
        log.record(now, &note);
    }
    assert_eq!(log.error().unwrap().to_string(), "full");
    assert_eq!(log.finish().err().unwrap().to_string(), "full");
}
