//! Another DTLS association in the midst of a call (RFC 8842 §5.5), and with it other keys of SRTP: what is kept sealed under the
//! old ones is of no use to anybody, and what the application sends until the new ones are there is left out, as before the
//! first.

use std::time::Instant;

use peerage_rtp::Ssrc;

use super::RtpTransport;

impl RtpTransport {
    /// The association is over and the next one begins: nothing is sent, while what still comes is taken.
    pub(crate) fn hold(&mut self) {
        self.held = self.srtp.is_some();
    }

    /// The keys are those of the next association. The contexts of SRTP are new, so sources may go on with their numbers.
    pub(super) fn keys_changed(&mut self, now: Instant) {
        self.held = false;
        self.sealed.clear();
        self.rtcp.clear();
        if let Some(rate) = &mut self.rate {
            rate.retain(|packet| !packet.is_sealed());
        }
        let mut missed: Vec<Ssrc> = Vec::new();
        for stream in self.senders.iter_mut() {
            stream.forget_sent();
            if stream.is_video() && stream.load.can_begin_anew() {
                // Frames were left out.
                stream.begin_anew();
                missed.push(stream.ssrc());
            }
        }
        self.paused.iter_mut().for_each(|stream| stream.forget_sent());
        missed.into_iter().for_each(|ssrc| self.want_keyframe(now, ssrc));
    }
}
