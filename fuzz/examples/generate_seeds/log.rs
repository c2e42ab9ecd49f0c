//! Seeds of the target of peerage-log: short logs.

use std::time::{Duration, Instant, SystemTime};

use peerage_log::{
    Direction, End, EventSink, Frame, LogEvent, LogWriter, Packet, Report, Rtcp, RtcpKind, StateOf,
    Stream,
};

use crate::Sink;

pub(crate) fn write(sink: &Sink) {
    let start = Instant::now();
    let log = |name: &str, events: &[LogEvent<'_>]| {
        let mut log = LogWriter::new(Vec::new(), start, SystemTime::UNIX_EPOCH, name)
            .expect("a vector takes all");
        for (index, event) in (0..).zip(events) {
            log.record(start + Duration::from_millis(20 * index), event);
        }
        sink.seed("log_reader", name, &log.finish().expect("a vector takes all"));
    };
    log("empty", &[]);
    log(
        "data",
        &[
            LogEvent::State { of: StateOf::Ice, state: "checking".into() },
            LogEvent::Description { end: End::Local, kind: "offer".into(), sdp: "v=0\r\n".into() },
            LogEvent::SelectedPair {
                local: "[::1]:5".parse().expect("an address"),
                remote: "192.0.2.1:6".parse().expect("an address"),
            },
            LogEvent::ChannelOpened { channel: 1, label: "chat".into() },
        ],
    );
    let stream = Stream { ssrc: 7, kind: "video".into(), codec: "VP8".into(), ..Stream::default() };
    log(
        "media",
        &[
            LogEvent::StreamBegan(stream),
            LogEvent::PacketSent(Packet { ssrc: 7, sequence: 9, size: 1200, ..Packet::default() }),
            LogEvent::Rtcp(Rtcp { kind: RtcpKind::Nack, ssrc: 7, count: 3, ..Rtcp::default() }),
            LogEvent::Report(Report { ssrc: 7, round_trip_us: Some(50_000), ..Report::default() }),
            LogEvent::FrameReceived(Frame { dimensions: Some((640, 360)), ..Frame::default() }),
            LogEvent::StreamEnded { direction: Direction::Sent, ssrc: 7 },
        ],
    );
}
