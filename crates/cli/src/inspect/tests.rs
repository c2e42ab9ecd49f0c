//! Pages and summaries of logs that peers, or whoever wrote the file, made up.

use std::time::{Duration, Instant, SystemTime};

use peerage::log::{
    Direction, End, Estimate, EventSink, Frame, LogEvent, LogWriter, Packet, PacketRole, Report,
    Rtcp, RtcpKind, StateOf, Stream,
};

use super::{Digest, MARK, page, summary};

/// What would be a script, or the end of one, if it were taken for HTML; with what else may break text.
const HOSTILE: &str = "</script><script>alert(1)</script><!--<script>&lt;img src=x onerror=alert(1)>\u{2028}\u{1b}[2J\"'`";

fn log(events: impl IntoIterator<Item = (u64, LogEvent<'static>)>) -> Vec<u8> {
    let start = Instant::now();
    let mut writer =
        LogWriter::new(Vec::new(), start, SystemTime::UNIX_EPOCH, HOSTILE).expect("memory");
    for (ms, event) in events {
        writer.record(start + Duration::from_millis(ms), &event);
    }
    writer.finish().expect("memory")
}

fn hostile() -> Vec<u8> {
    let text = || HOSTILE.into();
    let stream = |direction| Stream {
        direction,
        ssrc: 7,
        repair_ssrc: None,
        kind: text(),
        codec: text(),
        mid: text(),
        rid: text(),
    };
    log([
        (0, LogEvent::State { of: StateOf::Connection, state: text() }),
        (1, LogEvent::Description { end: End::Remote, kind: text(), sdp: text() }),
        (2, LogEvent::Candidate { end: End::Remote, candidate: text() }),
        (
            3,
            LogEvent::Handshake {
                version: text(),
                cipher_suite: text(),
                group: text(),
                client: true,
            },
        ),
        (4, LogEvent::StreamBegan(stream(Direction::Sent))),
        (5, LogEvent::StreamBegan(stream(Direction::Received))),
        (6, LogEvent::PacketSent(Packet { ssrc: 7, size: 100, ..Packet::default() })),
        (7, LogEvent::ChannelOpened { channel: 1, label: text() }),
        (8, LogEvent::Failure { message: text() }),
        (9, LogEvent::Note { text: text() }),
    ])
}

/// The JSON in a page.
fn data(page: &str) -> serde_json::Value {
    let (_, after) =
        page.split_once("<script id=\"data\" type=\"application/json\">").expect("data");
    let (json, _) = after.split_once("</script>").expect("its end");
    serde_json::from_str(json).expect("JSON")
}

#[test]
fn nothing_in_a_log_becomes_html() {
    let digest = Digest::read(&hostile()[..]).expect("a log");
    let page = page(&digest).expect("a page");
    assert!(page.starts_with(MARK));
    assert_eq!(page.matches("<script").count(), 2, "the data and the page's own");
    assert_eq!(page.matches("</script").count(), 2);
    assert_eq!(page.matches("<!--").count(), 1, "the mark");
    assert!(!page.contains("<img") && !page.contains("alert(1)</"));
    let data = data(&page);
    let rows = data["rows"].as_array().expect("rows");
    assert!(rows.iter().any(|row| row["detail"] == HOSTILE), "it is there as text");
    assert_eq!(data["name"], HOSTILE);
}

/// The page reaches for nothing, and lets no script run that is not its own.
#[test]
fn the_page_stands_alone() {
    let digest = Digest::read(&hostile()[..]).expect("a log");
    let page = page(&digest).expect("a page");
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-";
    assert!(page.contains(policy));
    assert!(!page.contains("{{"), "nothing is left to be filled in");
    for outside in ["src=\"", "href=", "@import", "url(http", "fetch(", "innerHTML", "eval("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn a_summary_moves_no_cursor() {
    let digest = Digest::read(&hostile()[..]).expect("a log");
    let summary = summary(&digest);
    assert!(summary.contains("alert(1)") && summary.contains("1 packets"), "{summary}");
    assert!(!summary.contains(|c: char| c.is_control() && c != '\n'));
}

#[test]
fn a_call_is_digested() {
    let stream = Stream {
        direction: Direction::Sent,
        ssrc: 1,
        repair_ssrc: Some(2),
        kind: "video".into(),
        codec: "VP8".into(),
        mid: "0".into(),
        rid: "h".into(),
    };
    let mut events = vec![
        (0, LogEvent::State { of: StateOf::Connection, state: "connecting".into() }),
        (50, LogEvent::State { of: StateOf::Connection, state: "connected".into() }),
        (60, LogEvent::StreamBegan(stream)),
    ];
    for index in 0..200u16 {
        let at = 100 + 20 * u64::from(index);
        let packet = Packet { ssrc: 1, sequence: index, size: 1000, ..Packet::default() };
        events.push((at, LogEvent::PacketSent(packet)));
        let keyframe = index == 0;
        let frame = Frame { ssrc: 1, size: 900, keyframe, ..Frame::default() };
        events.push((at, LogEvent::FrameSent(frame)));
        let estimate = Estimate { target_bps: 500_000, ..Estimate::default() };
        events.push((at, LogEvent::Estimate(estimate)));
    }
    let again =
        Packet { ssrc: 2, size: 1000, role: PacketRole::Retransmission, ..Packet::default() };
    events.push((3000, LogEvent::PacketSent(again)));
    let received = Direction::Received;
    let nack =
        Rtcp { direction: received, kind: RtcpKind::Nack, ssrc: 1, count: 3, ..Rtcp::default() };
    events.push((3001, LogEvent::Rtcp(nack)));
    events.push((3002, LogEvent::KeyframeRequest { direction: received, ssrc: 1 }));
    let report = Report {
        direction: received,
        ssrc: 1,
        fraction_lost: 64,
        total_lost: 20,
        jitter_us: 4000,
        round_trip_us: Some(50_000),
    };
    events.push((3100, LogEvent::Report(report)));
    let digest = Digest::read(&log(events)[..]).expect("a log");

    let stream = &digest.streams[0];
    assert_eq!(digest.streams.len(), 1, "retransmissions are none of their own");
    assert_eq!(stream.label, "video VP8, mid 0, rid h");
    assert_eq!((stream.packets, stream.bytes), (200, 200_000));
    assert_eq!((stream.frames, stream.keyframes, stream.keyframe_requests), (200, 1, 1));
    assert_eq!(
        (stream.lost, stream.round_trip_ms, stream.jitter_ms),
        (Some(20), Some(50.0), Some(4.0))
    );
    let rows: Vec<&str> = digest.rows.iter().map(|row| row.text.as_str()).collect();
    assert!(rows.contains(&"received: NACK of 3 packets, video VP8, mid 0, rid h"), "{rows:?}");
    assert!(rows.contains(&"asked of us: video VP8, mid 0, rid h"), "{rows:?}");

    let json = data(&page(&digest).expect("a page"));
    let plots = json["plots"].as_array().expect("plots");
    let line = |chart: &str, label: &str| {
        let plot = plots.iter().find(|plot| plot["chart"] == chart).expect(chart);
        let lines = plot["lines"].as_array().expect("lines");
        let found = lines.iter().find(|line| line["label"] == label);
        found.unwrap_or_else(|| panic!("{label} in {lines:?}"))["values"].clone()
    };
    let sent = line("sent", "video VP8, mid 0, rid h");
    assert_eq!(sent[20], 400_000.0, "five packets in a tenth of a second");
    assert_eq!(line("sent", "estimate")[20], 500_000.0);
    assert_eq!(line("loss", "sent video VP8, mid 0, rid h")[31], 25.0);
    assert_eq!(line("repair", "asked of us")[30], 30.0);
    assert_eq!(line("frames", "sent video VP8, mid 0, rid h")[20], 50.0);

    let summary = summary(&digest);
    assert!(summary.contains("connection: connecting at 0.00 s, connected at 0.05 s"), "{summary}");
    assert!(summary.contains("20 lost (10.0 %), round trip 50 ms"), "{summary}");
}

/// Whatever a log holds, the page has a size.
#[test]
fn huge_logs_make_small_pages() {
    let events = (0..60_000u64).map(|index| {
        let ssrc = index as u32;
        let event = match index % 3 {
            0 => LogEvent::Note { text: "x".repeat(2000).into() },
            1 => LogEvent::PacketSent(Packet { ssrc, size: 100, ..Packet::default() }),
            _ => LogEvent::State { of: StateOf::Ice, state: "checking".into() },
        };
        (index * 60_000, event)
    });
    let digest = Digest::read(&log(events)[..]).expect("a log");
    assert_eq!(digest.streams.len(), 200);
    assert!(digest.rows_left_out > 30_000);
    let page = page(&digest).expect("a page");
    assert!(page.len() < 16 << 20, "{} bytes", page.len());
}
