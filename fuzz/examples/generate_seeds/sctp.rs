//! Seeds of the targets of peerage-sctp: the packets of a real association, and scripts.

use std::time::Instant;

use bytes::Bytes;
use peerage_sctp::{Association, Config, PayloadProtocolId, Reliability, SendOptions, StreamId};

use crate::Sink;

pub(crate) fn write(sink: &Sink) {
    for interleaving in [false, true] {
        packets(sink, interleaving);
    }
    // Two bytes of configuration (bit 7 of the first: not connected), then commands.
    for (name, script) in [
        ("connect", &[0x80, 0, 0, 14, 14, 14, 14][..]),
        ("ordered", &[0, 0, 1, 0, 100, 8, 14, 129, 4, 0, 9, 14, 10, 1, 0, 13]),
        ("interleaved", &[1, 1, 1, 32, 0, 8, 2, 0, 10, 1, 14, 14, 14]),
        ("unreliable", &[0, 0, 1, 8, 0, 0x40, 19, 0, 14, 10, 8, 0, 13, 14, 1, 8, 0, 0xc5, 19, 0, 10, 19, 0, 13, 14]),
        ("reset", &[0, 0, 1, 0, 5, 8, 14, 7, 0, 0, 0, 0, 14, 14, 135, 0, 1, 0, 2, 14]),
        ("shutdown", &[0, 0, 1, 0, 5, 8, 8, 14, 14, 14]),
        ("abort", &[0, 0, 9, 14]),
        ("damage", &[0, 0, 1, 0, 50, 8, 21, 0, 4, 7, 14, 20, 14]),
        ("own_chunk", &[0, 0, 23, 8, 11, 0, 0, 4, 0, 0, 0, 0, 14]),
        ("zero_checksum", &[2, 2, 1, 0, 50, 8, 14, 14]),
        ("priorities", &[1, 1, 31, 0, 1, 1, 0, 1, 8, 0, 9, 1, 8, 0, 8, 14, 14]),
    ] {
        sink.seed("sctp_association", name, script);
    }
}

fn packets(sink: &Sink, interleaving: bool) {
    let now = Instant::now();
    let config = || Config { interleaving, ..Config::default() };
    let mut ends = [Association::new(now, config(), [1; 32]), Association::new(now, config(), [2; 32])];
    let _ = ends[0].connect(now);
    let _ = ends[1].connect(now);
    let mut number = 0;
    for round in 0..12 {
        match round {
            4 => {
                for ordered in [true, false] {
                    let reliability = Reliability::MaxRetransmits(1);
                    let options = SendOptions { ppid: PayloadProtocolId(51), ordered, reliability };
                    let _ = ends[0].send(now, StreamId(1), options, Bytes::from_static(b"a message"));
                }
            }
            7 => drop(ends[0].reset_outgoing_streams(now, &[StreamId(1)])),
            9 => ends[1].shutdown(now),
            _ => {}
        }
        for from in 0..2 {
            let mut buf = Vec::new();
            while ends[from].poll_transmit(now, &mut buf).is_some() {
                let name = format!("{}{number:02}", if interleaving { "i" } else { "d" });
                number += 1;
                sink.seed("sctp_packet", &name, &buf);
                let _ = ends[1 - from].handle_input(now, &buf);
                buf.clear();
            }
            while ends[from].poll_event().is_some() {}
        }
    }
}
