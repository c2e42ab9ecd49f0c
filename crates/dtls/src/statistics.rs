//! Counters: what went through an endpoint and what it threw away, and why.

/// Counters of an endpoint since its birth. They only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Datagrams handed out by `poll_transmit`; application data is not counted here.
    pub datagrams_sent: u64,
    /// Datagrams handed in.
    pub datagrams_received: u64,
    /// Application records sealed.
    pub application_records_sent: u64,
    /// Application records opened and handed to the caller.
    pub application_records_received: u64,
    /// How often a flight, or a part of one, was sent again.
    pub retransmissions: u64,
    /// ACK records sent (DTLS 1.3).
    pub acks_sent: u64,
    /// ACK records received and used (DTLS 1.3).
    pub acks_received: u64,
    /// Records that could not be parsed, and bytes that are no record at all.
    pub dropped_malformed: u64,
    /// Records of an epoch we have no keys for.
    pub dropped_unknown_epoch: u64,
    /// Records whose authentication failed.
    pub dropped_bad_mac: u64,
    /// Records that were received before, or are too old to tell.
    pub dropped_replayed: u64,
    /// Plaintext alerts, and other records that anyone could have sent and that have no place where they came.
    pub dropped_unauthenticated: u64,
    /// Handshake fragments that contradict what came before, are out of place, or exceed a limit.
    pub dropped_handshake: u64,
    /// Application data that came before the handshake was complete.
    pub dropped_early: u64,
    /// Input that came after the connection had ended.
    pub dropped_after_close: u64,
}

impl Statistics {
    /// The sum of all `dropped_*` counters.
    pub fn dropped(&self) -> u64 {
        self.dropped_malformed
            + self.dropped_unknown_epoch
            + self.dropped_bad_mac
            + self.dropped_replayed
            + self.dropped_unauthenticated
            + self.dropped_handshake
            + self.dropped_early
            + self.dropped_after_close
    }
}
