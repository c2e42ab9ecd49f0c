//! Counters, for `getStats` and for whoever looks for the reason of silence.

use crate::Rejected;

/// What a [`Sender`](crate::Sender) protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SenderStatistics {
    /// RTP packets.
    pub rtp_packets: u64,
    /// RTCP packets, compound ones counted once.
    pub rtcp_packets: u64,
}

/// What a [`Receiver`](crate::Receiver) accepted and dropped, RTP and RTCP together where it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiverStatistics {
    /// RTP packets accepted.
    pub rtp_packets: u64,
    /// RTCP packets accepted, compound ones counted once.
    pub rtcp_packets: u64,
    /// Dropped as [`Rejected::Malformed`].
    pub malformed: u64,
    /// Dropped as [`Rejected::Authentication`].
    pub authentication: u64,
    /// Dropped as [`Rejected::Replayed`].
    pub replayed: u64,
    /// Dropped as [`Rejected::TooOld`].
    pub too_old: u64,
    /// Dropped as [`Rejected::UnknownMki`].
    pub unknown_mki: u64,
    /// Dropped as [`Rejected::TooManyStreams`].
    pub too_many_streams: u64,
    /// Dropped as [`Rejected::CryptexMissing`].
    pub cryptex_missing: u64,
    /// Dropped as [`Rejected::IndexExhausted`].
    pub index_exhausted: u64,
}

impl ReceiverStatistics {
    /// Everything dropped.
    pub fn rejected(&self) -> u64 {
        self.malformed
            + self.authentication
            + self.replayed
            + self.too_old
            + self.unknown_mki
            + self.too_many_streams
            + self.cryptex_missing
            + self.index_exhausted
    }

    pub(crate) fn count(&mut self, rejected: Rejected) {
        let counter = match rejected {
            Rejected::Malformed => &mut self.malformed,
            Rejected::Authentication => &mut self.authentication,
            Rejected::Replayed => &mut self.replayed,
            Rejected::TooOld => &mut self.too_old,
            Rejected::UnknownMki => &mut self.unknown_mki,
            Rejected::TooManyStreams => &mut self.too_many_streams,
            Rejected::CryptexMissing => &mut self.cryptex_missing,
            Rejected::IndexExhausted => &mut self.index_exhausted,
        };
        *counter += 1;
    }
}
