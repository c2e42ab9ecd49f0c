//! Seeds of the targets of peerage-ice: candidates, multicast DNS messages, and scripts for the agent.

use crate::Sink;

pub(crate) fn write(sink: &Sink) {
    for (name, text) in [
        ("host", "1 1 udp 2130706431 192.0.2.1 5000 typ host"),
        ("prefix", "candidate:1 1 udp 2130706431 2001:db8::1 5000 typ host generation 0 ufrag abcd"),
        ("srflx", "2 1 udp 1694498815 203.0.113.7 4000 typ srflx raddr 192.0.2.1 rport 5000"),
        ("tcp", "3 1 tcp 1518280447 192.0.2.1 9 typ host tcptype passive"),
        ("mdns", "4 1 udp 1 3b0e1f0e-0000-4000-8000-000000000000.local 5000 typ host"),
    ] {
        sink.seed("ice_candidate", name, text.as_bytes());
    }
    let name: &[u8] = b"\x01a\x05local\x00";
    let question = [&[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], name, &[0, 1, 0, 1]].concat();
    sink.seed("ice_mdns_message", "query", &question);
    let answer = [
        &[0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0],
        &b"\x01b\x05local\x00"[..],
        &[0, 1, 0x80, 1, 0, 0, 0, 120, 0, 4, 192, 0, 2, 9],
    ]
    .concat();
    sink.seed("ice_mdns_message", "response", &answer);
    let pointer = [&question[..], &[0xc0, 12, 0, 28, 0, 1]].concat();
    sink.seed("ice_mdns_message", "pointer", &pointer);

    // A byte of flags; then commands of three bytes: local address, operand, what.
    let begin = [0, 0, 0, 0, 3, 0, 0, 4, 0, 0, 5, 0, 2, 6];
    for (name, flags, rest) in [
        ("checks", 0, &[0, 50, 13, 10, 0, 2, 15, 0, 9, 0, 0, 16, 0, 50, 13, 20][..]),
        ("controlled", 1, &[0, 2, 15, 12, 9, 0, 50, 13, 10, 0, 0, 16, 0]),
        ("lite", 2, &[0, 2, 15, 4, 9, 0, 2, 15, 12, 9]),
        ("mdns", 4, &[0, 5, 12, 0, 9, 12, 0, 50, 13, 100]),
        ("restart", 0, &[0, 0, 8, 0, 1, 5, 0, 2, 15, 5, 9, 0, 0, 9]),
        ("silence", 0, &[0, 255, 13, 255, 0, 255, 13, 255, 0, 0, 7, 0, 255, 13, 255]),
    ] {
        sink.seed("ice_agent", name, &[&[flags], &begin[..], rest].concat());
    }
}
