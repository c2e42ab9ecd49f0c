//! The aggregate states, and the events for their changes (webrtc-pc §4.3, §4.4.1.4).

use super::PeerConnection;
use crate::event::Event;
use crate::state::{
    ConnectionState, IceConnectionState, IceGatheringState, SctpTransportState, SignalingState,
};
use crate::transport::set::Transport;

/// The states as last reported.
#[derive(Debug, Default)]
pub(super) struct ReportedStates {
    pub(super) signaling: SignalingState,
    pub(super) gathering: IceGatheringState,
    pub(super) ice: IceConnectionState,
    pub(super) connection: ConnectionState,
    pub(super) sctp: Option<SctpTransportState>,
}

impl PeerConnection {
    /// Works the states out anew and reports those that changed.
    pub(super) fn update_states(&mut self) {
        let used = || self.transports.iter().filter(|transport| transport.in_use);
        let ice = match self.closed {
            true => IceConnectionState::Closed,
            false => IceConnectionState::aggregate(used().map(Transport::ice_state)),
        };
        let connection = ConnectionState::of(ice, used().map(|transport| transport.dtls.state()));
        if self.states.ice != ice {
            self.states.ice = ice;
            self.events.push_back(Event::IceConnectionStateChange(ice));
        }
        for transport in self.transports.iter_mut() {
            let dtls = transport.dtls.state();
            if transport.reported != dtls {
                transport.reported = dtls;
                self.events.push_back(Event::DtlsStateChange(dtls));
            }
        }
        if self.states.connection != connection {
            self.states.connection = connection;
            self.events.push_back(Event::ConnectionStateChange(connection));
        }
    }

    /// The same for gathering (webrtc-pc §4.3.2).
    pub(super) fn update_gathering_state(&mut self) {
        let used = self.transports.iter().filter(|transport| transport.in_use);
        let gathering = IceGatheringState::aggregate(used.map(|transport| transport.gathering));
        if self.states.gathering != gathering {
            self.states.gathering = gathering;
            self.events.push_back(Event::IceGatheringStateChange(gathering));
            if gathering == IceGatheringState::Complete {
                self.events.push_back(Event::IceCandidate(None));
            }
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
