//! Asks the transports why there is no connection.

use super::PeerConnection;
use crate::failure::ConnectionFailure;
use crate::state::DtlsState;

impl PeerConnection {
    /// Why the connection failed: which pairs of addresses were tried, what answered, whether the servers were reached. While
    /// it is still being made, what has been tried so far; `None` when there is nothing to explain. Ask when
    /// [`connection_state`](Self::connection_state) becomes `failed`: a restart of ICE forgets it.
    pub fn connection_failure(&self) -> Option<ConnectionFailure> {
        let dtls = self.used_transports().find_map(|transport| {
            let failed = transport.dtls.state() == DtlsState::Failed;
            let reason = transport.dtls.failure.clone().filter(|_| failed)?;
            Some(ConnectionFailure::Dtls(reason))
        });
        let ice = || self.used_transports().find_map(|t| t.ice.agent.failure());
        dtls.or_else(|| ice().map(ConnectionFailure::Ice))
    }
}
