//! The states of webrtc-pc §4.3 and §6.2, and how the aggregate ones follow from those of the transports.

macro_rules! named_states {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $name {
            /// The W3C spelling.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

pub(crate) use named_states;

named_states! {
    /// `RTCSignalingState`.
    SignalingState {
        /// No offer is pending.
        #[default]
        Stable = "stable",
        /// A local offer waits for its answer.
        HaveLocalOffer = "have-local-offer",
        /// A remote offer waits for our answer.
        HaveRemoteOffer = "have-remote-offer",
        /// A remote offer has a provisional local answer.
        HaveLocalPrAnswer = "have-local-pranswer",
        /// A local offer has a provisional remote answer.
        HaveRemotePrAnswer = "have-remote-pranswer",
        /// The connection is closed.
        Closed = "closed",
    }
}

named_states! {
    /// `RTCIceGatheringState`.
    IceGatheringState {
        /// Nothing was asked for yet.
        #[default]
        New = "new",
        /// Candidates are being gathered.
        Gathering = "gathering",
        /// All candidates of this generation are known.
        Complete = "complete",
    }
}

named_states! {
    /// `RTCIceConnectionState`.
    IceConnectionState {
        /// No checks yet.
        #[default]
        New = "new",
        /// Pairs are being checked.
        Checking = "checking",
        /// A pair works.
        Connected = "connected",
        /// A pair works and nothing is left to check.
        Completed = "completed",
        /// The selected pair has gone silent.
        Disconnected = "disconnected",
        /// No pair works.
        Failed = "failed",
        /// The connection is closed.
        Closed = "closed",
    }
}

named_states! {
    /// `RTCDtlsTransportState`.
    DtlsState {
        /// No handshake yet.
        #[default]
        New = "new",
        /// The handshake runs.
        Connecting = "connecting",
        /// The handshake is over and the peer's certificate has been checked against its description.
        Connected = "connected",
        /// The peer or this end closed the association.
        Closed = "closed",
        /// The handshake or the check of the certificate failed.
        Failed = "failed",
    }
}

named_states! {
    /// `RTCSctpTransportState`.
    SctpTransportState {
        /// The association is being negotiated, or waits for DTLS.
        #[default]
        Connecting = "connecting",
        /// The association is up.
        Connected = "connected",
        /// The association is over; there will be no other.
        Closed = "closed",
    }
}

named_states! {
    /// `RTCPeerConnectionState`: ICE and DTLS together.
    ConnectionState {
        /// Nothing has begun.
        #[default]
        New = "new",
        /// ICE or DTLS is under way.
        Connecting = "connecting",
        /// ICE and DTLS are up.
        Connected = "connected",
        /// ICE has gone silent.
        Disconnected = "disconnected",
        /// ICE or DTLS failed.
        Failed = "failed",
        /// The connection is closed.
        Closed = "closed",
    }
}

named_states! {
    /// `RTCDataChannelState`.
    DataChannelState {
        /// Waiting for the transport.
        #[default]
        Connecting = "connecting",
        /// Messages flow.
        Open = "open",
        /// Being closed.
        Closing = "closing",
        /// Closed.
        Closed = "closed",
    }
}

impl IceGatheringState {
    /// The aggregate over transports, by the table of webrtc-pc §4.3.2.
    pub(crate) fn aggregate(transports: impl Iterator<Item = Self>) -> Self {
        let (mut any, mut new, mut gathering) = (false, false, false);
        for state in transports {
            any = true;
            new |= state == Self::New;
            gathering |= state == Self::Gathering;
        }
        match (any, gathering, new) {
            (_, true, _) => Self::Gathering,
            (true, false, false) => Self::Complete,
            _ => Self::New,
        }
    }
}

impl IceConnectionState {
    /// The aggregate over transports, by the table of webrtc-pc §4.3.4.
    pub(crate) fn aggregate(transports: impl Iterator<Item = Self>) -> Self {
        // In the order in which the table looks.
        let mut seen = [false; 6];
        for state in transports {
            seen[match state {
                Self::Failed => 0,
                Self::Disconnected => 1,
                Self::New => 2,
                Self::Checking => 3,
                Self::Connected => 4,
                Self::Completed => 5,
                Self::Closed => continue,
            }] = true;
        }
        match seen {
            [true, ..] => Self::Failed,
            [_, true, ..] => Self::Disconnected,
            [_, _, _, false, false, false] => Self::New,
            [_, _, false, false, false, true] => Self::Completed,
            [_, _, false, false, _, _] => Self::Connected,
            _ => Self::Checking,
        }
    }
}

impl ConnectionState {
    /// The aggregate over transports, by the table of webrtc-pc §4.3.3; ICE is aggregated already.
    pub(crate) fn of(ice: IceConnectionState, transports: impl Iterator<Item = DtlsState>) -> Self {
        let (mut failed, mut fresh, mut open) = (false, false, false);
        for state in transports {
            match state {
                DtlsState::Failed => failed = true,
                DtlsState::New => fresh = true,
                DtlsState::Connecting => (fresh, open) = (true, true),
                DtlsState::Connected => open = true,
                DtlsState::Closed => {}
            }
        }
        let dtls = match (failed, fresh, open) {
            (true, ..) => DtlsState::Failed,
            (_, false, true) => DtlsState::Connected,
            (_, true, false) => DtlsState::New,
            (_, false, false) => DtlsState::Closed,
            (_, true, true) => DtlsState::Connecting,
        };
        Self::aggregate(ice, dtls)
    }

    /// The aggregate of one ICE and one DTLS transport, by the table of webrtc-pc §4.3.3.
    pub const fn aggregate(ice: IceConnectionState, dtls: DtlsState) -> Self {
        match (ice, dtls) {
            (IceConnectionState::Closed, _) => Self::Closed,
            (IceConnectionState::Failed, _) | (_, DtlsState::Failed) => Self::Failed,
            (IceConnectionState::Disconnected, _) => Self::Disconnected,
            // "new: all are in the new or closed state": a peer's close_notify leaves DTLS closed beneath a live ICE.
            (IceConnectionState::New, DtlsState::New | DtlsState::Closed) => Self::New,
            (
                IceConnectionState::Connected | IceConnectionState::Completed,
                DtlsState::Connected | DtlsState::Closed,
            ) => Self::Connected,
            _ => Self::Connecting,
        }
    }
}
