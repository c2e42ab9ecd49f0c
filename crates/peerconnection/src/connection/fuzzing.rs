//! What fuzz bodies see of a connection from inside: see [`RtpTransport`](crate::rtp::RtpTransport).

use super::PeerConnection;
use crate::event::Event;
use crate::rtp::MAX_QUEUED_FRAMES;

/// Events that one call may leave behind beside frames, where the application takes them only now and then.
const MAX_OTHER_EVENTS: usize = super::verbs::MAX_EAGER_EVENTS + 512;

impl PeerConnection {
    /// Seals RTP or RTCP as this end would.
    pub(crate) fn try_seal(&mut self, packet: Vec<u8>) -> Option<Vec<u8>> {
        self.transports.unmarked(0).rtp.try_seal(packet)
    }

    /// The transport-wide number of the next packet.
    pub(crate) fn next_number(&self) -> u16 {
        self.transports.first().rtp.next_number()
    }

    /// What waits inside is within its limits.
    ///
    /// # Panics
    /// If not.
    pub(crate) fn assert_bounded(&self) {
        for transport in self.transports.iter() {
            transport.rtp.assert_bounded();
        }
        let frames = self.events.iter().filter(|event| matches!(event, Event::Frame(_))).count();
        assert_eq!(frames, self.frame_origins.len(), "each frame has an origin");
        assert!(frames <= MAX_QUEUED_FRAMES * self.transports.len(), "{frames} frames wait");
        let others = self.events.len() - frames;
        assert!(others <= MAX_OTHER_EVENTS, "{others} events wait");
    }
}
