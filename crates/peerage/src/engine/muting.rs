//! Whether a received track is muted (webrtc-pc §5.3): from the moment at which the peer, or a description, says that nothing
//! comes, until something does.

use std::time::Instant;

use peerage_media::track::{Medium, Source};

use crate::RtpTransceiver;
use crate::receiving::Wishes;

/// See the module.
#[derive(Debug)]
pub(super) struct Muting {
    wishes: Wishes,
    receptive: bool,
    muted_at: Option<Instant>,
}

impl Muting {
    /// Of a transceiver whose track is muted now.
    pub(super) fn new(transceiver: &RtpTransceiver) -> Self {
        let mut wishes = transceiver.wishes();
        let (receptive, muted_at) = {
            let now = wishes.borrow_and_update();
            (now.receptive, now.muted_at)
        };
        Self { wishes, receptive, muted_at }
    }

    /// Mutes the track if nothing comes any more.
    pub(super) fn check<M: Medium>(&mut self, source: &Source<M>) {
        if !self.wishes.has_changed().unwrap_or(false) {
            return;
        }
        let now = self.wishes.borrow_and_update();
        if !now.receptive || now.muted_at != self.muted_at {
            source.set_muted(true);
        }
        (self.receptive, self.muted_at) = (now.receptive, now.muted_at);
    }

    /// Something came at that time: the track is not muted, unless that was under way when it became so.
    pub(super) fn came<M: Medium>(&mut self, at: Instant, source: &Source<M>) {
        self.check(source);
        if self.receptive && self.muted_at.is_none_or(|muted| at > muted) {
            source.set_muted(false);
        }
    }
}
