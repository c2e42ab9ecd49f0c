//! The table at the end of `cargo xtask bench`: what, ours, beside, aim, met or missed.

use super::figures::Figures;

/// What a figure of the bench programs is called here, and how it compares.
struct Row {
    what: &'static str,
    unit: &'static str,
    /// From the figure to the unit.
    convert: fn(f64) -> f64,
    better: Better,
    ours: &'static str,
    /// The other crates and their figures.
    beside: &'static [(&'static str, &'static str)],
    aim: Option<Aim>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Better {
    More,
    Less,
}

enum Aim {
    /// In the row's unit.
    Fixed(f64),
    /// To be no worse than the first of the other crates, in the same run.
    Equal,
    /// To take a third of it at most.
    Third,
}

/// Nanoseconds of an iteration to thousands a second.
fn thousands(nanos: f64) -> f64 {
    1e6 / nanos
}

/// Nanoseconds of an iteration with eight packets to thousands of packets a second.
fn thousands_of_eight(nanos: f64) -> f64 {
    8.0 * thousands(nanos)
}

/// The same with four.
fn thousands_of_four(nanos: f64) -> f64 {
    4.0 * thousands(nanos)
}

/// Nanoseconds of an iteration to millions a second.
fn millions(nanos: f64) -> f64 {
    1e3 / nanos
}

/// Nanoseconds to milliseconds.
fn milliseconds(nanos: f64) -> f64 {
    nanos / 1e6
}

fn same(value: f64) -> f64 {
    value
}

const ROWS: &[Row] = &[
    Row {
        what: "SDP, typed parse of a browser's offer",
        unit: "k/s",
        convert: thousands,
        better: Better::More,
        ours: "sdp_parse/peerage-sdp",
        beside: &[("webrtc-sdp", "sdp_parse/webrtc-sdp")],
        aim: Some(Aim::Fixed(40.0)),
    },
    Row {
        what: "SDP, write",
        unit: "k/s",
        convert: thousands,
        better: Better::More,
        ours: "sdp_write/peerage-sdp",
        beside: &[("webrtc-sdp", "sdp_write/webrtc-sdp")],
        aim: None,
    },
    Row {
        what: "STUN, parse + integrity + fingerprint",
        unit: "M/s",
        convert: millions,
        better: Better::More,
        ours: "stun_receive/peerage",
        beside: &[("rtc-stun", "stun_receive/rtc-stun")],
        aim: Some(Aim::Fixed(4.0)),
    },
    Row {
        what: "TURN, UDP of 120 bytes, server",
        unit: "s/M",
        convert: same,
        better: Better::Less,
        ours: "turn_udp_120_cpu/peerage-turn",
        beside: &[("coturn", "turn_udp_120_cpu/coturn")],
        aim: Some(Aim::Third),
    },
    Row {
        what: "TURN, UDP of 120 bytes, 16 a call",
        unit: "s/M",
        convert: same,
        better: Better::Less,
        ours: "turn_udp_gso_120_cpu/peerage-turn",
        beside: &[("coturn", "turn_udp_gso_120_cpu/coturn")],
        aim: Some(Aim::Third),
    },
    Row {
        what: "TURN, TCP of 120 bytes, server",
        unit: "s/M",
        convert: same,
        better: Better::Less,
        ours: "turn_tcp_120_cpu/peerage-turn",
        beside: &[("coturn", "turn_tcp_120_cpu/coturn")],
        aim: Some(Aim::Third),
    },
    Row {
        what: "TURN, UDP of 1,200 bytes, server",
        unit: "s/M",
        convert: same,
        better: Better::Less,
        ours: "turn_udp_1200_cpu/peerage-turn",
        beside: &[("coturn", "turn_udp_1200_cpu/coturn")],
        aim: Some(Aim::Third),
    },
    Row {
        what: "TURN, allocations a second",
        unit: "/s",
        convert: same,
        better: Better::More,
        ours: "turn_allocations/peerage-turn",
        beside: &[("coturn", "turn_allocations/coturn")],
        aim: Some(Aim::Equal),
    },
    Row {
        what: "DTLS 1.2 handshake, both ends",
        unit: "ms",
        convert: milliseconds,
        better: Better::Less,
        ours: "dtls12_handshake/peerage-dtls",
        beside: &[("dimpl", "dtls12_handshake/dimpl")],
        aim: Some(Aim::Equal),
    },
    Row {
        what: "DTLS 1.3 handshake, both ends",
        unit: "ms",
        convert: milliseconds,
        better: Better::Less,
        ours: "dtls13_handshake/peerage-dtls",
        beside: &[("dimpl", "dtls13_handshake/dimpl")],
        aim: Some(Aim::Equal),
    },
    Row {
        what: "SRTP AES-CM, protect + open 1,200 B, one by one",
        unit: "k/s",
        convert: thousands,
        better: Better::More,
        ours: "srtp_cm_video/peerage",
        beside: &[("rtc-srtp", "srtp_cm_video/rtc-srtp"), ("libsrtp", "srtp_cm_video/libsrtp")],
        aim: Some(Aim::Fixed(700.0)),
    },
    Row {
        what: "SRTP AES-CM, the same, 4 at a time",
        unit: "k/s",
        convert: thousands_of_four,
        better: Better::More,
        ours: "srtp_cm_video/peerage, 4 at a time",
        beside: &[],
        aim: Some(Aim::Fixed(700.0)),
    },
    Row {
        what: "SRTP AES-CM, the same, 8 at a time",
        unit: "k/s",
        convert: thousands_of_eight,
        better: Better::More,
        ours: "srtp_cm_video/peerage, 8 at a time",
        beside: &[],
        aim: Some(Aim::Fixed(700.0)),
    },
    Row {
        what: "SRTP AES-GCM, protect + open 1,200 B",
        unit: "M/s",
        convert: millions,
        better: Better::More,
        ours: "srtp_gcm_video/peerage",
        beside: &[("rtc-srtp", "srtp_gcm_video/rtc-srtp"), ("libsrtp", "srtp_gcm_video/libsrtp")],
        aim: Some(Aim::Fixed(2.5)),
    },
    Row {
        what: "packetise + assemble VP8, 30 kB frames",
        unit: "k/s",
        convert: thousands,
        better: Better::More,
        ours: "payload_vp8/peerage",
        beside: &[("rtc-rtp", "payload_vp8/rtc-rtp")],
        aim: None,
    },
    Row {
        what: "packetise + assemble VP9, 30 kB frames",
        unit: "k/s",
        convert: thousands,
        better: Better::More,
        ours: "payload_vp9/peerage",
        beside: &[("rtc-rtp", "payload_vp9/rtc-rtp")],
        aim: None,
    },
    Row {
        what: "packetise + assemble H.264, 30 kB frames",
        unit: "k/s",
        convert: thousands,
        better: Better::More,
        ours: "payload_h264/peerage",
        beside: &[("rtc-rtp", "payload_h264/rtc-rtp")],
        aim: None,
    },
    Row {
        what: "packetise + assemble AV1, 30 kB frames",
        unit: "k/s",
        convert: thousands,
        better: Better::More,
        ours: "payload_av1/peerage",
        beside: &[("rtc-rtp", "payload_av1/rtc-rtp")],
        aim: None,
    },
    Row {
        what: "packetise + assemble Opus, 120 B frames",
        unit: "k/s",
        convert: thousands,
        better: Better::More,
        ours: "payload_opus/peerage",
        beside: &[("rtc-rtp", "payload_opus/rtc-rtp")],
        aim: None,
    },
    Row {
        what: "SCTP alone, 64 KiB messages",
        unit: "MB/s",
        convert: same,
        better: Better::More,
        ours: "sctp/65536/peerage-sctp, I-DATA, zero checksum",
        beside: &[
            ("rtc-sctp", "sctp/65536/rtc-sctp, DATA"),
            ("dcsctp", "sctp/65536/dcsctp, I-DATA, zero checksum"),
        ],
        aim: Some(Aim::Fixed(2_500.0)),
    },
    Row {
        what: "data channel, 64 KiB messages",
        unit: "MB/s",
        convert: same,
        better: Better::More,
        ours: "datachannel/throughput/peerage",
        beside: &[("rtc", "datachannel/throughput/rtc"), ("str0m", "datachannel/throughput/str0m")],
        aim: Some(Aim::Fixed(450.0)),
    },
    Row {
        what: "connect, both ends",
        unit: "ms",
        convert: same,
        better: Better::Less,
        ours: "datachannel/connect/peerage",
        beside: &[("str0m", "datachannel/connect/str0m"), ("rtc", "datachannel/connect/rtc")],
        aim: Some(Aim::Fixed(2.0)),
    },
    Row {
        what: "memory of a connected pair",
        unit: "kB",
        convert: same,
        better: Better::Less,
        ours: "datachannel/memory/peerage",
        beside: &[("str0m", "datachannel/memory/str0m"), ("rtc", "datachannel/memory/rtc")],
        aim: Some(Aim::Fixed(60.0)),
    },
    Row {
        what: "CPU of an idle connection, per second",
        unit: "us",
        convert: same,
        better: Better::Less,
        ours: "datachannel/idle/peerage",
        beside: &[("str0m", "datachannel/idle/str0m"), ("rtc", "datachannel/idle/rtc")],
        aim: Some(Aim::Fixed(20.0)),
    },
    Row {
        what: "RTP forwarded to 10 receivers",
        unit: "k/s",
        convert: same,
        better: Better::More,
        ours: "forward/packets/peerage",
        beside: &[("str0m, without estimation", "forward/packets/str0m")],
        aim: Some(Aim::Fixed(1_000.0)),
    },
    Row {
        what: "RTP forwarded and rewritten",
        unit: "k/s",
        convert: same,
        better: Better::More,
        ours: "forward/packets/peerage, rewritten",
        beside: &[],
        aim: Some(Aim::Fixed(1_000.0)),
    },
    Row {
        what: "RTP forwarded, datagram by datagram",
        unit: "k/s",
        convert: same,
        better: Better::More,
        ours: "forward/packets/peerage, one by one",
        beside: &[],
        aim: Some(Aim::Fixed(1_000.0)),
    },
    Row {
        what: "idle tick, 1 stream",
        unit: "ns",
        convert: same,
        better: Better::Less,
        ours: "forward/idle/1",
        beside: &[],
        aim: None,
    },
    Row {
        what: "idle tick, 1,000 streams",
        unit: "ns",
        convert: same,
        better: Better::Less,
        ours: "forward/idle/1000",
        beside: &[("100 streams", "forward/idle/100")],
        aim: None,
    },
    Row {
        what: "noise taken out of 1280x720",
        unit: "ms",
        convert: milliseconds,
        better: Better::Less,
        ours: "enhance_720p/denoise, a room",
        beside: &[],
        aim: Some(Aim::Fixed(5.0)),
    },
    Row {
        what: "all enhancement of 1280x720",
        unit: "ms",
        convert: milliseconds,
        better: Better::Less,
        ours: "enhance_720p/all",
        beside: &[],
        aim: Some(Aim::Fixed(33.0)),
    },
    Row {
        what: "call of 720p30 VP8 and Opus, one way, of a second",
        unit: "ms",
        convert: same,
        better: Better::Less,
        ours: "video/call one way/peerage",
        beside: &[],
        aim: Some(Aim::Fixed(500.0)),
    },
    Row {
        what: "the same, both ways, threads and all, of a second",
        unit: "ms",
        convert: same,
        better: Better::Less,
        ours: "call/both ends on one processor/peerage",
        beside: &[],
        aim: Some(Aim::Fixed(1_000.0)),
    },
    Row {
        what: "10 ms of sound, one of 1,000 streams",
        unit: "µs",
        convert: same,
        better: Better::Less,
        ours: "video/sound of 1,000 streams, good/peerage",
        beside: &[],
        aim: None,
    },
];

/// A row with its figures, in the row's unit.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) what: &'static str,
    pub(super) unit: &'static str,
    pub(super) ours: f64,
    pub(super) beside: Vec<(&'static str, f64)>,
    pub(super) aim: Option<f64>,
    pub(super) met: Option<bool>,
}

/// The rows whose figure of ours was measured.
pub(super) fn results(figures: &Figures) -> Vec<Outcome> {
    ROWS.iter().filter_map(|row| outcome(row, figures)).collect()
}

fn outcome(row: &Row, figures: &Figures) -> Option<Outcome> {
    let ours = (row.convert)(figures.get(row.ours)?);
    let beside: Vec<_> = row
        .beside
        .iter()
        .filter_map(|&(who, name)| Some((who, (row.convert)(figures.get(name)?))))
        .collect();
    let aim = match row.aim {
        None => None,
        Some(Aim::Fixed(value)) => Some(value),
        Some(Aim::Equal) => beside.first().map(|&(_, value)| value),
        Some(Aim::Third) => beside.first().map(|&(_, value)| value / 3.0),
    };
    let met = aim.map(|aim| match row.better {
        Better::More => ours >= aim,
        Better::Less => ours <= aim,
    });
    Some(Outcome { what: row.what, unit: row.unit, ours, beside, aim, met })
}

/// Three digits that count, and no more behind the point than that takes.
pub(super) fn number(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// The table as text, its columns aligned.
pub(super) fn render(results: &[Outcome]) -> String {
    let header = ["per CPU time", "ours", "beside", "aim", ""].map(str::to_owned);
    let rows = results.iter().map(|result| {
        let beside: Vec<String> =
            result.beside.iter().map(|(who, value)| format!("{who} {}", number(*value))).collect();
        [
            result.what.to_owned(),
            format!("{} {}", number(result.ours), result.unit),
            beside.join(", "),
            result.aim.map_or_else(String::new, |aim| format!("{} {}", number(aim), result.unit)),
            match result.met {
                Some(true) => "met",
                Some(false) => "missed",
                None => "",
            }
            .to_owned(),
        ]
    });
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    let widths: [usize; 5] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(text: &str) -> Figures {
        let mut figures = Figures::default();
        figures.add_lines(text).unwrap();
        figures
    }

    #[test]
    fn met_and_missed_follow_the_direction_that_is_better() {
        // 20 us an offer are 50 k/s; 500 ns a check are 2 M/s.
        let figures = figures(
            "sdp_parse/peerage-sdp\t20000\nsdp_parse/webrtc-sdp\t125000\nstun_receive/peerage\t500\n\
             datachannel/connect/peerage\t1.5\ndatachannel/connect/str0m\t4.1\ndatachannel/memory/peerage\t61\n",
        );
        assert_eq!(
            render(&results(&figures)),
            "\
per CPU time                           ours      beside           aim
SDP, typed parse of a browser's offer  50.0 k/s  webrtc-sdp 8.00  40.0 k/s  met
STUN, parse + integrity + fingerprint  2.00 M/s                   4.00 M/s  missed
connect, both ends                     1.50 ms   str0m 4.10       2.00 ms   met
memory of a connected pair             61.0 kB                    60.0 kB   missed
"
        );
    }

    #[test]
    fn a_row_that_was_not_measured_is_left_out() {
        assert!(results(&Figures::default()).is_empty());
        assert!(results(&figures("sdp_parse/webrtc-sdp\t125000")).is_empty());
    }

    #[test]
    fn an_aim_to_be_equal_follows_the_first_rival_of_the_run() {
        let row = Row {
            what: "handshake",
            unit: "ms",
            convert: milliseconds,
            better: Better::Less,
            ours: "ours",
            beside: &[("first", "first"), ("second", "second")],
            aim: Some(Aim::Equal),
        };
        let slower = outcome(&row, &figures("ours\t2e6\nfirst\t1e6\nsecond\t3e6")).unwrap();
        assert_eq!((slower.aim, slower.met), (Some(1.0), Some(false)));
        let alone = outcome(&row, &figures("ours\t2e6")).unwrap();
        assert_eq!((alone.aim, alone.met), (None, None));
    }

    #[test]
    fn no_figure_stands_for_two_rows() {
        let mut names: Vec<_> =
            ROWS.iter().flat_map(|row| row.beside.iter().map(|b| b.1).chain([row.ours])).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
