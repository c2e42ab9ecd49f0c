//! The transport objects of webrtc-pc (§5.5, §5.6, §6.1.1) as they stand: SCTP and RTP over DTLS, DTLS over ICE. A connection
//! that bundles everything has one of each; without a bundle there is one for each m-section.

use peerage_ice::{Candidate, SelectedPair};

use crate::state::{DtlsState, IceConnectionState, IceGatheringState, SctpTransportState};
use crate::stats::{DtlsRole, IceComponent, IceRole};
pub use crate::transport::set::{MAX_TRANSPORTS, TransportId};

/// `RTCDtlsTransport`. Its `iceTransport` is that with the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DtlsTransportInfo {
    /// Which one.
    pub id: TransportId,
    /// `state`.
    pub state: DtlsState,
    /// Who begins the handshake, once that is settled.
    pub role: DtlsRole,
    /// `getRemoteCertificates`: the peer's chain, DER, its own certificate first; empty before the handshake is over.
    pub remote_certificates: Vec<Vec<u8>>,
}

/// `RTCIceTransport`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IceTransportInfo {
    /// Which one.
    pub id: TransportId,
    /// `role`, once there are descriptions of both ends.
    pub role: IceRole,
    /// `component`: always that of RTP.
    pub component: IceComponent,
    /// `state`.
    pub state: IceConnectionState,
    /// `gatheringState`.
    pub gathering_state: IceGatheringState,
    /// `getLocalCandidates`: those of this generation, as the peer is told of them.
    pub local_candidates: Vec<Candidate>,
    /// `getRemoteCandidates`: those of this generation that signalling told and whose address is known.
    pub remote_candidates: Vec<Candidate>,
    /// `getSelectedCandidatePair`.
    pub selected_candidate_pair: Option<SelectedPair>,
    /// `getLocalParameters`, once there is a local description.
    pub local_parameters: Option<IceParameters>,
    /// `getRemoteParameters`, once there are descriptions of both ends.
    pub remote_parameters: Option<IceParameters>,
}

/// `RTCIceParameters`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IceParameters {
    /// `usernameFragment`.
    pub username_fragment: String,
    /// `password`.
    pub password: String,
}

/// `RTCSctpTransport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SctpTransportInfo {
    /// `transport`: the DTLS transport with this id.
    pub transport: TransportId,
    /// `state`.
    pub state: SctpTransportState,
    /// `maxMessageSize`: the largest message that the peer takes, in bytes; `usize::MAX` if it sets no limit.
    pub max_message_size: usize,
    /// `maxChannels`, once the association is up.
    pub max_channels: Option<u16>,
}
