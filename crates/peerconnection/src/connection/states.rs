//! The aggregate states, and the events for their changes (webrtc-pc §4.3, §4.4.1.4).

use peerage_ice::GatheringState;

use super::PeerConnection;
use crate::event::Event;
use crate::state::{
    ConnectionState, DtlsState, IceConnectionState, IceGatheringState, SctpTransportState,
    SignalingState,
};

/// The states as last reported.
#[derive(Debug, Default)]
pub(super) struct ReportedStates {
    pub(super) signaling: SignalingState,
    pub(super) gathering: IceGatheringState,
    pub(super) ice: IceConnectionState,
    pub(super) connection: ConnectionState,
    pub(super) dtls: DtlsState,
    pub(super) sctp: Option<SctpTransportState>,
}

impl PeerConnection {
    /// Works the states out anew and reports those that changed.
    pub(super) fn update_states(&mut self) {
        let ice = if self.closed {
            IceConnectionState::Closed
        } else {
            ice_state(self.ice.agent.connection_state())
        };
        if self.states.ice != ice {
            self.states.ice = ice;
            self.events.push_back(Event::IceConnectionStateChange(ice));
        }
        let dtls = self.dtls.state();
        if self.states.dtls != dtls {
            self.states.dtls = dtls;
            self.events.push_back(Event::DtlsStateChange(dtls));
        }
        let connection = ConnectionState::aggregate(ice, dtls);
        if self.states.connection != connection {
            self.states.connection = connection;
            self.events.push_back(Event::ConnectionStateChange(connection));
        }
    }

    pub(super) fn update_gathering_state(&mut self, gathering: GatheringState) {
        let gathering = match gathering {
            GatheringState::New => IceGatheringState::New,
            GatheringState::Gathering => IceGatheringState::Gathering,
            GatheringState::Complete => IceGatheringState::Complete,
        };
        if self.states.gathering != gathering {
            self.states.gathering = gathering;
            self.events.push_back(Event::IceGatheringStateChange(gathering));
        }
    }

    pub(super) fn update_signaling_state(&mut self) {
        let signaling = self.negotiation.state();
        if self.states.signaling != signaling {
            self.states.signaling = signaling;
            self.events.push_back(Event::SignalingStateChange(signaling));
        }
    }
}

fn ice_state(state: peerage_ice::IceConnectionState) -> IceConnectionState {
    use peerage_ice::IceConnectionState as Agent;
    match state {
        Agent::New => IceConnectionState::New,
        Agent::Checking => IceConnectionState::Checking,
        Agent::Connected => IceConnectionState::Connected,
        Agent::Completed => IceConnectionState::Completed,
        Agent::Disconnected => IceConnectionState::Disconnected,
        Agent::Failed => IceConnectionState::Failed,
        Agent::Closed => IceConnectionState::Closed,
    }
}
