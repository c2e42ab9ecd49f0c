//! The transport objects through the API (webrtc-pc §5.5, §5.6, §6.1.1).

use peerage_ice::CandidateKind;

use super::PeerConnection;
use crate::error::Error;
use crate::event::Event;
use crate::state::{IceConnectionState, SctpTransportState};
use crate::stats::{DtlsRole, IceComponent, IceRole};
use crate::transceiver::TransceiverHandle;
use crate::transport_info::{
    DtlsTransportInfo, IceParameters, IceTransportInfo, SctpTransportInfo,
};

impl PeerConnection {
    /// The `RTCDtlsTransport` that everything goes over; `None` before there is a description.
    /// [`Event::DtlsStateChange`] tells of its state.
    pub fn dtls_transport(&self) -> Option<DtlsTransportInfo> {
        self.has_transport().then(|| DtlsTransportInfo {
            state: self.dtls.state(),
            role: self.dtls_role(),
            remote_certificates: self.dtls.peer_certificates().to_vec(),
        })
    }

    /// The `RTCIceTransport` beneath it; `None` before there is a description.
    /// [`Event::IceConnectionStateChange`], [`Event::IceGatheringStateChange`] and [`Event::SelectedCandidatePairChange`] tell
    /// of its changes.
    pub fn ice_transport(&self) -> Option<IceTransportInfo> {
        if !self.has_transport() {
            return None;
        }
        let agent = &self.ice.agent;
        let parameters = |credentials: &peerage_ice::Credentials| IceParameters {
            username_fragment: credentials.ufrag().to_owned(),
            password: credentials.pwd().to_owned(),
        };
        let signalled = |candidate: &peerage_ice::Candidate| {
            // A peer-reflexive one was not told, but learnt (webrtc-pc §5.6, getRemoteCandidates).
            candidate.kind != CandidateKind::PeerReflexive
        };
        let has_pair =
            !matches!(self.states.ice, IceConnectionState::New | IceConnectionState::Closed);
        Some(IceTransportInfo {
            role: self.ice_role(),
            component: IceComponent::Rtp,
            state: self.states.ice,
            gathering_state: self.states.gathering,
            local_candidates: agent.local_candidates(),
            remote_candidates: agent.remote_candidates().into_iter().filter(signalled).collect(),
            selected_candidate_pair: agent.selected_pair().filter(|_| has_pair).cloned(),
            local_parameters: self
                .negotiation
                .local()
                .map(|_| parameters(agent.local_credentials())),
            remote_parameters: agent.remote_credentials().map(parameters),
        })
    }

    /// The `RTCSctpTransport` of all data channels; `None` before data channels are agreed on.
    /// [`Event::SctpStateChange`] tells of its state.
    pub fn sctp_transport(&self) -> Option<SctpTransportInfo> {
        let state = self.sctp_state()?;
        Some(SctpTransportInfo {
            state,
            max_message_size: self.max_message_size(),
            max_channels: (state == SctpTransportState::Connected).then(|| self.stream_limit()),
        })
    }

    /// `transport` of a transceiver's sender and receiver: [`PeerConnection::dtls_transport`] once the transceiver is part
    /// of a description (webrtc-pc §5.2, §5.3).
    ///
    /// # Errors
    /// `OperationError` if there is no such transceiver.
    pub fn transport_of(
        &self,
        handle: TransceiverHandle,
    ) -> Result<Option<DtlsTransportInfo>, Error> {
        let transceiver = self.transceivers.get(handle).ok_or(Error::UnknownTransceiver)?;
        Ok(transceiver.index.and_then(|_| self.dtls_transport()))
    }

    /// Transports are made by the first description, and outlive the connection.
    pub(super) fn has_transport(&self) -> bool {
        self.negotiation.local().is_some() || self.negotiation.remote().is_some()
    }

    pub(super) fn ice_role(&self) -> IceRole {
        match self.ice.agent.remote_credentials() {
            Some(_) => self.ice.agent.role().into(),
            None => IceRole::Unknown,
        }
    }

    pub(super) fn dtls_role(&self) -> DtlsRole {
        match self.dtls.is_client() {
            Some(true) => DtlsRole::Client,
            Some(false) => DtlsRole::Server,
            None => DtlsRole::Unknown,
        }
    }

    fn sctp_state(&self) -> Option<SctpTransportState> {
        let agreed = self.negotiation.agreed_data().is_some();
        if !agreed && !self.data_ended {
            return None;
        }
        let is_up = self.sctp.as_ref().is_some_and(|sctp| sctp.negotiated().is_some());
        Some(match (self.closed || self.data_ended, is_up) {
            (true, _) => SctpTransportState::Closed,
            (false, true) => SctpTransportState::Connected,
            (false, false) => SctpTransportState::Connecting,
        })
    }

    /// Reports a change of the SCTP transport.
    pub(super) fn update_sctp_state(&mut self) {
        let state = self.sctp_state();
        if self.states.sctp != state {
            self.states.sctp = state;
            self.events.extend(state.map(Event::SctpStateChange));
        }
    }
}
