//! Seeds of the target of peerage-turn: sessions in the commands of its fuzz body, see `peerage_turn::fuzzing`.

use crate::Sink;

const ALLOCATE: &[u8] = &[1, 0, 6, 0x19, 4, 17, 0, 0, 0];
const PERMIT: &[u8] = &[1, 8, 3, 0x12, 1, 1];
const BIND: &[u8] = &[1, 12, 9, 0x0C, 4, 0x40, 0, 0, 0, 0x12, 1, 1];
const CHANNEL_DATA: &[u8] = &[0, 0, 5, 0x40, 0, 0, 1, 7];
const PEER_DATA: &[u8] = &[3, 1, 2, 7, 7];
const TIME: &[u8] = &[4, 200, 0];
const END: &[u8] = &[1, 4, 6, 0x0D, 4, 0, 0, 0, 0];
const EVEN: &[u8] = &[1, 0, 9, 0x19, 4, 17, 0, 0, 0, 0x18, 1, 0x80];
const DUAL: &[u8] = &[1, 0, 12, 0x19, 4, 17, 0, 0, 0, 0x80, 4, 2, 0, 0, 0];
const TCP: &[u8] = &[1, 1, 6, 0x19, 4, 6, 0, 0, 0];
const PERMIT_TCP: &[u8] = &[1, 9, 3, 0x12, 1, 1];
const CONNECT: &[u8] = &[1, 17, 3, 0x12, 1, 1];
const CONNECTED: &[u8] = &[7, 0, 0];
const CLOSED: &[u8] = &[6, 1, 0];
const REFUSE: &[u8] = &[5, 1, 0];

pub(crate) fn write(sink: &Sink) {
    let sessions: [(&str, &[&[u8]]); 6] = [
        ("channel", &[ALLOCATE, BIND, CHANNEL_DATA, PEER_DATA, TIME]),
        ("permission", &[ALLOCATE, PERMIT, PEER_DATA, END]),
        ("even_port", &[EVEN, TIME]),
        ("dual", &[DUAL, PERMIT, TIME]),
        ("tcp", &[TCP, PERMIT_TCP, CONNECT, CONNECTED, CLOSED]),
        ("refused", &[REFUSE, ALLOCATE, TIME]),
    ];
    for (name, steps) in sessions {
        sink.seed("turn_server", name, &steps.concat());
    }
}
