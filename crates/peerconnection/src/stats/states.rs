//! Words that dictionaries and transports have for states and kinds, by their W3C names.

use crate::state::named_states;

named_states! {
    /// `RTCIceRole`.
    IceRole {
        /// Not settled yet.
        #[default]
        Unknown = "unknown",
        /// This end nominates.
        Controlling = "controlling",
        /// The peer nominates.
        Controlled = "controlled",
    }
}

named_states! {
    /// `RTCDtlsRole`.
    DtlsRole {
        /// Not settled yet.
        #[default]
        Unknown = "unknown",
        /// This end begins the handshake.
        Client = "client",
        /// The peer begins it.
        Server = "server",
    }
}

named_states! {
    /// `RTCIceComponent`.
    IceComponent {
        /// RTP and everything that is multiplexed with it.
        #[default]
        Rtp = "rtp",
        /// RTCP alone: not used, for RTCP is always multiplexed.
        Rtcp = "rtcp",
    }
}

named_states! {
    /// `RTCIceCandidateType`.
    IceCandidateType {
        /// An address of an interface.
        #[default]
        Host = "host",
        /// The address that a STUN server sees.
        ServerReflexive = "srflx",
        /// The address that the other end sees.
        PeerReflexive = "prflx",
        /// An address at a TURN server.
        Relayed = "relay",
    }
}

named_states! {
    /// `RTCStatsIceCandidatePairState`.
    IceCandidatePairState {
        /// Its check waits for that of another pair.
        #[default]
        Frozen = "frozen",
        /// Its check is about to be sent.
        Waiting = "waiting",
        /// Its check is under way.
        InProgress = "in-progress",
        /// Its check failed.
        Failed = "failed",
        /// Its check succeeded.
        Succeeded = "succeeded",
    }
}

named_states! {
    /// `RTCQualityLimitationReason`.
    QualityLimitationReason {
        /// Nothing limits it.
        #[default]
        None = "none",
        /// The processor.
        Cpu = "cpu",
        /// The path.
        Bandwidth = "bandwidth",
        /// Something else.
        Other = "other",
    }
}

impl From<peerage_ice::Role> for IceRole {
    fn from(role: peerage_ice::Role) -> Self {
        match role {
            peerage_ice::Role::Controlling => Self::Controlling,
            peerage_ice::Role::Controlled => Self::Controlled,
        }
    }
}

impl From<peerage_ice::CandidateKind> for IceCandidateType {
    fn from(kind: peerage_ice::CandidateKind) -> Self {
        use peerage_ice::CandidateKind as Kind;
        match kind {
            Kind::Host => Self::Host,
            Kind::ServerReflexive => Self::ServerReflexive,
            Kind::PeerReflexive => Self::PeerReflexive,
            Kind::Relayed => Self::Relayed,
        }
    }
}

impl From<peerage_ice::PairState> for IceCandidatePairState {
    fn from(state: peerage_ice::PairState) -> Self {
        use peerage_ice::PairState as Pair;
        match state {
            Pair::Frozen => Self::Frozen,
            Pair::Waiting => Self::Waiting,
            Pair::InProgress => Self::InProgress,
            Pair::Failed => Self::Failed,
            Pair::Succeeded => Self::Succeeded,
        }
    }
}
