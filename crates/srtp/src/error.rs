//! What can go wrong: [`Error`] for the calls of this side, [`Rejected`] for one packet of the peer.

/// Errors of setting up, and of protecting a packet: mistakes of the caller, or a key that is used up. What a peer sends
/// never ends here; it is [`Rejected`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key or a salt has not the length that its profile asks for.
    #[error("{what} is {actual} bytes long, {expected} expected (RFC 3711 §8.2, RFC 7714 §12)")]
    InvalidLength {
        /// Which input.
        what: &'static str,
        /// The length it must have.
        expected: usize,
        /// The length it has.
        actual: usize,
    },
    /// A master key identifier is longer than [`MasterKey::MAX_MKI_LEN`](crate::MasterKey::MAX_MKI_LEN).
    #[error("a master key identifier of {0} bytes is too long (RFC 5764 §4.1.1: at most 255)")]
    MkiTooLong(usize),
    /// The key does not fit its context: another profile, or another length of the master key identifier.
    #[error("the master key does not fit the context: {0} (RFC 3711 §3.2.1)")]
    KeyMismatch(&'static str),
    /// The context has a key with this identifier already.
    #[error("the context has a key with this master key identifier already (RFC 3711 §8.1)")]
    DuplicateMki,
    /// The context holds as many keys as it may.
    #[error("the context holds {0} master keys already")]
    TooManyKeys(usize),
    /// The bytes given as an RTP or RTCP packet are none.
    #[error("not a packet that can be protected: {0}")]
    MalformedPacket(&'static str),
    /// The packet is longer than any transport carries.
    #[error("a packet of {actual} bytes is too long: at most {limit} can be protected")]
    PacketTooLong {
        /// Its length in bytes.
        actual: usize,
        /// The longest there may be.
        limit: usize,
    },
    /// A packet with this sequence number was protected before, or it may have been, so long ago is it. To protect another
    /// packet under it would give both away (RFC 3711 §9.1, RFC 7714 §8.4).
    #[error(
        "SSRC {ssrc:#010x}: sequence number {sequence_number} is used already or too old (RFC 7714 §8.4)"
    )]
    SequenceNumberReused {
        /// The stream.
        ssrc: u32,
        /// The sequence number.
        sequence_number: u16,
    },
    /// A rollover counter cannot go back: packets would be protected twice under one index.
    #[error(
        "SSRC {ssrc:#010x}: the rollover counter is {current} and cannot go back to {asked} (RFC 7714 §8.4)"
    )]
    RolloverCounterBackwards {
        /// The stream.
        ssrc: u32,
        /// The counter as it is.
        current: u32,
        /// What was asked for.
        asked: u32,
    },
    /// The index of a stream ran out: 2^48 RTP packets or 2^31 RTCP packets. Both ends need a new context with a new
    /// master key.
    #[error(
        "SSRC {ssrc:#010x}: the {kind} packet index ran out; rekeying is needed (RFC 3711 §9.2)"
    )]
    IndexExhausted {
        /// The stream.
        ssrc: u32,
        /// "SRTP" or "SRTCP".
        kind: &'static str,
    },
    /// The master key has protected as many packets as it may: 2^48 of RTP or 2^31 of RTCP.
    #[error(
        "the master key protected as many {kind} packets as it may; rekeying is needed (RFC 3711 §9.2)"
    )]
    KeyExhausted {
        /// "SRTP" or "SRTCP".
        kind: &'static str,
    },
    /// There are as many streams as [`Config::max_streams`](crate::Config::max_streams) allows.
    #[error("the context has {limit} streams already")]
    TooManyStreams {
        /// The limit.
        limit: usize,
    },
    /// The source was [retired](crate::Sender::retire_stream).
    #[error("the state of source {ssrc:#x} was let go, and it must not send again (RFC 3711 §9.1)")]
    StreamRetired {
        /// The source.
        ssrc: u32,
    },
    /// A primitive failed.
    #[error("the crypto provider failed: {0}")]
    Crypto(#[from] peerage_crypto::Error),
}

/// Why a packet from the network was dropped. The cause is counted in [`ReceiverStatistics`](crate::ReceiverStatistics)
/// too; nothing else changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// Too short or too long, another version than 2, or a header that runs past the end.
    #[error("not an SRTP or SRTCP packet (RFC 3711 §3.1, §3.4)")]
    Malformed,
    /// The tag does not match: forged, damaged, of another key, or of another rollover counter.
    #[error("authentication failed (RFC 3711 §3.3, RFC 7714 §5.3)")]
    Authentication,
    /// A packet with this index was accepted before.
    #[error("replayed (RFC 3711 §3.3.2)")]
    Replayed,
    /// Older than the replay window reaches.
    #[error("older than the replay window (RFC 3711 §3.3.2)")]
    TooOld,
    /// No key has the packet's master key identifier.
    #[error("unknown master key identifier (RFC 3711 §3.2.3)")]
    UnknownMki,
    /// An unknown stream, and no room in the table.
    #[error("too many streams")]
    TooManyStreams,
    /// The header is in the clear though [`Cryptex::Required`](crate::Cryptex::Required) was asked for.
    #[error("contributing sources or header extensions are not encrypted (RFC 9335 §5.2)")]
    CryptexMissing,
    /// The stream's 2^48 indices are used up: both ends need a new context with a new master key.
    #[error("the packet index ran out; rekeying is needed (RFC 3711 §9.2)")]
    IndexExhausted,
}
