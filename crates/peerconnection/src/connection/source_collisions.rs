//! Sources of ours become others where the peer uses the same (RFC 3550 §8.2, RFC 8834 §4.8): as the
//! [transport](crate::rtp) finds out, or as an offer says (RFC 5576 §4.1). The old one says goodbye; descriptions have the new one
//! from the next on.

use rustc_hash::FxHashSet;

use super::PeerConnection;
use crate::transceiver::all_sources;

/// Sources that are drawn at most until one is free: of 2^32 most are.
const MAX_DRAWS: usize = 8;

impl PeerConnection {
    /// Gives the encoding that has this source, or retransmits or protects by it, others.
    pub(super) fn change_source(&mut self, ssrc: u32) {
        let found = self.transceivers.iter().find_map(|transceiver| {
            let mut pairs = transceiver.sender.ssrcs.iter();
            let encoding = pairs.position(|&pair| all_sources(pair).contains(&ssrc))?;
            Some((transceiver.handle, encoding))
        });
        let Some((handle, encoding)) = found else { return };
        let mut draws = 0;
        let fresh = loop {
            let [fresh] = self.transceivers.fresh_ssrcs(&mut self.rng, 1)[..] else { return };
            draws += 1;
            let hears = |rtp: &crate::rtp::RtpTransport| rtp.hears_any(all_sources(fresh));
            if draws >= MAX_DRAWS || !self.transports.iter().any(|t| hears(&t.rtp)) {
                break fresh;
            }
        };
        let Some(transceiver) = self.transceivers.get_mut(handle) else { return };
        let old = std::mem::replace(&mut transceiver.sender.ssrcs[encoding], fresh);
        let place = transceiver.transport;
        self.transports[place].rtp.leave_source(old.0);
        self.configure_rtp(self.now);
        self.transports[place].rtp.begin_source(self.now, fresh.0);
    }

    /// The peer's offer names its sources: ours are to be others before the answer names them.
    pub(super) fn avoid_offered_sources(&mut self) {
        let Some(offer) = &self.negotiation.pending_remote else { return };
        let media = offer.sections.iter().filter_map(|section| section.rtp.as_deref());
        let theirs: FxHashSet<u32> =
            media.flat_map(|media| &media.sources).map(|source| source.ssrc).collect();
        if theirs.is_empty() {
            return;
        }
        let pairs = self.transceivers.iter().flat_map(|t| &t.sender.ssrcs);
        let ours = pairs.flat_map(|&pair| all_sources(pair).into_iter().take(2));
        let both: Vec<u32> = ours.filter(|ssrc| theirs.contains(ssrc)).collect();
        let now = self.now;
        // A peer that offers what it hears from us would have us change with each offer.
        if !both.is_empty() && self.transports.iter_mut().all(|t| t.rtp.may_change_source(now)) {
            both.into_iter().for_each(|ssrc| self.change_source(ssrc));
        }
    }
}
