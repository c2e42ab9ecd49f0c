//! The transport objects through the API (webrtc-pc §5.5, §5.6, §6.1.1).

use peerage_ice::CandidateKind;

use super::PeerConnection;
use crate::error::Error;
use crate::event::Event;
use crate::state::{IceConnectionState, SctpTransportState};
use crate::stats::{DtlsRole, IceComponent, IceRole};
use crate::transceiver::TransceiverHandle;
use crate::transport::set::Transport;
use crate::transport_info::{
    DtlsTransportInfo, IceParameters, IceTransportInfo, SctpTransportInfo,
};

impl PeerConnection {
    /// The `RTCDtlsTransport` that everything goes over as long as it is bundled, and the first where it is not; `None` before
    /// there is a description. [`Event::DtlsStateChange`] tells of the states of all.
    pub fn dtls_transport(&self) -> Option<DtlsTransportInfo> {
        self.has_transport().then(|| dtls_info(self.transports.first()))
    }

    /// The `RTCDtlsTransport`s of all m-sections, each once.
    pub fn dtls_transports(&self) -> impl Iterator<Item = DtlsTransportInfo> {
        self.used_transports().map(dtls_info)
    }

    /// The `RTCIceTransport` beneath the first; `None` before there is a description.
    /// [`Event::IceConnectionStateChange`] and [`Event::IceGatheringStateChange`] tell of what all are together,
    /// [`Event::SelectedCandidatePairChange`] of each.
    pub fn ice_transport(&self) -> Option<IceTransportInfo> {
        self.has_transport().then(|| self.ice_info(self.transports.first()))
    }

    /// The `RTCIceTransport`s of all m-sections, each once.
    pub fn ice_transports(&self) -> impl Iterator<Item = IceTransportInfo> {
        self.used_transports().map(|transport| self.ice_info(transport))
    }

    fn ice_info(&self, transport: &Transport) -> IceTransportInfo {
        let agent = &transport.ice.agent;
        let parameters = |credentials: &peerage_ice::Credentials| IceParameters {
            username_fragment: credentials.ufrag().to_owned(),
            password: credentials.pwd().to_owned(),
        };
        let signalled = |candidate: &peerage_ice::Candidate| {
            // A peer-reflexive one was not told, but learnt (webrtc-pc §5.6, getRemoteCandidates).
            candidate.kind != CandidateKind::PeerReflexive
        };
        let state = self.ice_state_of(transport);
        let has_pair = !matches!(state, IceConnectionState::New | IceConnectionState::Closed);
        IceTransportInfo {
            id: transport.id,
            role: ice_role(transport),
            component: IceComponent::Rtp,
            state,
            gathering_state: transport.gathering,
            local_candidates: agent.local_candidates(),
            remote_candidates: agent.remote_candidates().into_iter().filter(signalled).collect(),
            selected_candidate_pair: agent.selected_pair().filter(|_| has_pair).cloned(),
            local_parameters: self
                .negotiation
                .local()
                .map(|_| parameters(agent.local_credentials())),
            remote_parameters: agent.remote_credentials().map(parameters),
        }
    }

    /// The `RTCSctpTransport` of all data channels; `None` before data channels are agreed on.
    /// [`Event::SctpStateChange`] tells of its state.
    pub fn sctp_transport(&self) -> Option<SctpTransportInfo> {
        let state = self.sctp_state()?;
        Some(SctpTransportInfo {
            transport: self.transports.data().id,
            state,
            max_message_size: self.max_message_size(),
            max_channels: (state == SctpTransportState::Connected).then(|| self.stream_limit()),
        })
    }

    /// `transport` of a transceiver's sender and receiver, once the transceiver is part of a description (webrtc-pc §5.2, §5.3).
    ///
    /// # Errors
    /// `OperationError` if there is no such transceiver.
    pub fn transport_of(
        &self,
        handle: TransceiverHandle,
    ) -> Result<Option<DtlsTransportInfo>, Error> {
        let transceiver = self.transceivers.get(handle).ok_or(Error::UnknownTransceiver)?;
        let transport = &self.transports[transceiver.transport];
        Ok(transceiver.index.filter(|_| self.has_transport()).map(|_| dtls_info(transport)))
    }

    /// Transports are made by the first description, and outlive the connection.
    pub(super) fn has_transport(&self) -> bool {
        self.negotiation.local().is_some() || self.negotiation.remote().is_some()
    }

    pub(super) fn used_transports(&self) -> impl Iterator<Item = &Transport> {
        self.transports.iter().filter(|transport| transport.in_use)
    }

    pub(super) fn ice_state_of(&self, transport: &Transport) -> IceConnectionState {
        match self.closed {
            true => IceConnectionState::Closed,
            false => transport.ice_state(),
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

fn dtls_info(transport: &Transport) -> DtlsTransportInfo {
    DtlsTransportInfo {
        id: transport.id,
        state: transport.dtls.state(),
        role: dtls_role(transport),
        remote_certificates: transport.dtls.peer_certificates().to_vec(),
    }
}

pub(super) fn ice_role(transport: &Transport) -> IceRole {
    match transport.ice.agent.remote_credentials() {
        Some(_) => transport.ice.agent.role().into(),
        None => IceRole::Unknown,
    }
}

pub(super) fn dtls_role(transport: &Transport) -> DtlsRole {
    match transport.dtls.is_client() {
        Some(true) => DtlsRole::Client,
        Some(false) => DtlsRole::Server,
        None => DtlsRole::Unknown,
    }
}
