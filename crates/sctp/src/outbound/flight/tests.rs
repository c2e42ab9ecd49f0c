//! What counts as in flight.

use super::*;
use crate::packet::data::DATA_HEADER_LENGTH;
use crate::packet::idata::I_DATA_HEADER_LENGTH;

#[test]
fn chunks_leave_with_the_size_they_entered_with() {
    let now = Instant::now();
    let mut flight = Flight::new(now, Tsn(1));
    let new = NewChunk {
        payload: Bytes::from_static(b"data"),
        stream: StreamId(1),
        flags: FragmentFlags(FragmentFlags::BEGIN | FragmentFlags::END),
        number: 0,
        fsn: 0,
        ppid: PayloadProtocolId(51),
        message: 0,
        previous: 0,
        limit: None,
        expires: None,
        committed: 0,
    };
    // Beside COOKIE ECHO as DATA; then the handshake turns out to agree on I-DATA.
    for _ in 0..2 {
        flight.begin_packet();
        flight.push(now, new.clone());
    }
    assert_eq!(flight.in_flight(), 2 * (4 + DATA_HEADER_LENGTH));
    flight.set_chunk_header(I_DATA_HEADER_LENGTH);
    let none = || std::iter::empty();
    assert!(flight.on_sack(now, Tsn(1), none(), std::iter::empty(), None, None).is_some());
    assert_eq!(flight.in_flight(), 4 + DATA_HEADER_LENGTH);
    // Sent again it is I-DATA.
    flight.on_timeout();
    assert_eq!(flight.in_flight(), 0);
    flight.begin_packet();
    assert!(flight.next_retransmission(now, 1_000, true).is_some());
    assert_eq!(flight.in_flight(), 4 + I_DATA_HEADER_LENGTH);
    assert!(flight.on_sack(now, Tsn(2), none(), std::iter::empty(), None, None).is_some());
    assert_eq!(flight.in_flight(), 0);
}
