//! What a connection hands its events and its cleartext packets to. The application supplies both; a connection without
//! them pays a branch.

use std::time::Instant;

use crate::event::{Direction, LogEvent};

/// Takes the events of one connection, in order.
///
/// It is called from the packet path: it should not block.
pub trait EventSink {
    /// Something happened at `now`.
    fn record(&mut self, now: Instant, event: &LogEvent<'_>);
}

impl<F: FnMut(Instant, &LogEvent<'_>)> EventSink for F {
    fn record(&mut self, now: Instant, event: &LogEvent<'_>) {
        self(now, event);
    }
}

/// What a packet is once SRTP is taken off it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Plaintext {
    /// One packet of RTP.
    Rtp,
    /// A compound packet of RTCP (RFC 3550 §6.1).
    Rtcp,
}

/// Takes the packets of one connection in the clear, before SRTP protects them and after it has opened them.
///
/// They give away what was said: for debugging alone.
pub trait PacketTap {
    /// A packet was sent or received at `now`.
    fn packet(&mut self, now: Instant, direction: Direction, kind: Plaintext, data: &[u8]);
}

impl<F: FnMut(Instant, Direction, Plaintext, &[u8])> PacketTap for F {
    fn packet(&mut self, now: Instant, direction: Direction, kind: Plaintext, data: &[u8]) {
        self(now, direction, kind, data);
    }
}
