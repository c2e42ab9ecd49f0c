//! A new DTLS association in the place of another on a living connection (RFC 8842 §3.1, §5.5; RFC 8829 §5.11): the peer has
//! said that it wants one, or is another than before (third-party call control). The old one carries media and data until ICE
//! has selected a pair of the new generation; then it is let go, and the handshake of the new one begins.
//!
//! What is over DTLS follows the peer. One with the same certificate goes on: SCTP as if nothing had happened (RFC 8841 §10.5),
//! media under new keys. Another certificate is another peer: its channels, sources and limits are gone, and SCTP and the
//! estimate of the path begin anew.

use std::time::Instant;

use super::PeerConnection;
use crate::state::DataChannelState;
use crate::transport::sctp::SctpParameters;

/// The content type of handshakes, which begin in the clear: in epoch 0 (RFC 6347 §4.1).
const HANDSHAKE: u8 = 22;

impl PeerConnection {
    /// Lets go of an association that was replaced, if there is a path for the next one.
    pub(super) fn renew_association(&mut self, now: Instant, place: usize) {
        let transport = &mut self.transports[place];
        // By a pair from before, the handshake would go to the old peer.
        if !transport.dtls.is_replaced() || !transport.ice.agent.is_pair_of_generation() {
            return;
        }
        let Some(another) = transport.dtls.renew() else { return };
        // It was sealed by the old one.
        transport.held_back.clear();
        transport.held_back_ecn = None;
        transport.rtp.hold();
        transport.another_peer |= another;
        if place == self.transports.data_place() {
            self.renew_data(now, another);
        }
        self.update_states();
    }

    /// Whether a datagram of DTLS is of a handshake that this end cannot take part in yet: another association is agreed on, or
    /// may be, as we have offered to restart ICE.
    pub(super) fn is_of_next_association(&self, place: usize, record: &[u8]) -> bool {
        if record.first() != Some(&HANDSHAKE) || record.get(3..5) != Some(&[0, 0]) {
            return false;
        }
        let Some(transport) = self.transports.iter().nth(place) else { return false };
        let agent = &transport.ice.agent;
        let restarts = self.negotiation.pending_local.is_some()
            && agent.selected_pair().is_some()
            && !agent.is_pair_of_generation();
        transport.dtls.is_replaced() || restarts
    }

    /// Readies data for the next association: SCTP goes on with the same peer, and begins anew with another.
    fn renew_data(&mut self, now: Instant, another: bool) {
        if another {
            self.held_opens.clear();
            // What has arrived is delivered still: at most a receive window.
            while let Some(event) = self.sctp.as_deref_mut().and_then(|sctp| sctp.poll_event()) {
                self.handle_sctp_event(now, event);
            }
            self.held_opens.clear();
            // Nobody is there who would hear a goodbye.
            self.sctp = None;
            let mut handles = self.channels.handles();
            handles.sort_unstable();
            for handle in handles {
                let waits = |state| state == DataChannelState::Connecting;
                match self.channels.get(handle).map(|channel| waits(channel.state)) {
                    // Nobody knows of it yet. The role that its id went by may be another.
                    Some(true) => self.channels.unassign_id(handle),
                    _ => self.finish_channel(handle, None),
                }
            }
        }
        if self.sctp.is_none() {
            self.begin_data_anew();
            self.assign_channel_ids();
            self.update_sctp_state();
        }
    }

    /// Closes the association if the peer has said another port: that is how a new one is asked for (RFC 8841 §9.3).
    pub(super) fn check_sctp_port(&mut self, now: Instant, remote: SctpParameters) {
        if self.sctp_port.is_some_and(|port| port != remote.port) {
            self.end_association(now, None);
            self.data_ended = false;
            self.sctp_port = None;
        }
    }

    /// There is no association, and there may be one again.
    fn begin_data_anew(&mut self) {
        self.data_ended = false;
        self.ended_sctp = None;
        self.sctp_port = None;
        for stream in std::mem::take(&mut self.refused_streams) {
            self.channels.release_id(stream);
        }
    }
}
