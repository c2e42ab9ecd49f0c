//! What a thread that plays a track knows of the others: it tells what it plays, and is told how long to hold it back.

use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use peerage_media::sync::{Playing, SyncGroup, SyncId, SyncMedium};
use peerage_peerconnection::MediaFrame;
use peerage_rtp::NtpTime;

use crate::RtpTransceiver;
use crate::lifeline::SharedSyncGroup;
use crate::receiving::Wishes;

/// A track among those of its connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Together {
    group: SharedSyncGroup,
    id: SyncId,
    wishes: Wishes,
    /// Of what it plays: the source, and its medium.
    of: Option<(u32, SyncMedium)>,
}

impl Together {
    /// Joins the tracks of a transceiver's connection.
    pub(super) fn join(transceiver: &RtpTransceiver, medium: SyncMedium) -> Self {
        let (group, mut wishes) = (transceiver.sync_group(), transceiver.wishes());
        // What it is part of now.
        let id = lock(&group).add(medium, &wishes.borrow_and_update().streams);
        Self { group, id, wishes, of: None }
    }

    /// Takes what a frame says of the sender's clock.
    pub(super) fn take(&mut self, received: &MediaFrame, medium: SyncMedium) {
        let mut group = lock(&self.group);
        let of = Some((received.ssrc, medium));
        if self.of != of {
            self.of = of;
            group.restart(self.id, medium);
        }
        if let Some(time) = received.sender_time {
            group.sender_report(self.id, time.ntp, time.timestamp);
        }
        if let Some(time) = &received.extensions.absolute_capture_time {
            group.captured(self.id, time, received.frame.timestamp);
        }
    }

    /// Tells what is played now. How long to hold back for the sake of others, and when, by the sender's clock, it was captured.
    pub(super) fn playing(
        &mut self,
        now: Instant,
        playing: Playing,
    ) -> (Duration, Option<NtpTime>) {
        let mut group = lock(&self.group);
        if self.wishes.has_changed().unwrap_or(false) {
            group.set_streams(self.id, &self.wishes.borrow_and_update().streams);
        }
        let delay = group.playing(now, self.id, playing);
        (delay, group.sender_time(self.id, playing.timestamp))
    }

    /// `jitterBufferTarget`: what the application wants to be held back. Zero leaves it to the network.
    pub(super) fn target(&self) -> Duration {
        self.wishes.borrow().jitter_buffer_target.unwrap_or_default()
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        lock(&self.group).remove(self.id);
    }
}

fn lock(group: &SharedSyncGroup) -> MutexGuard<'_, SyncGroup> {
    group.lock().unwrap_or_else(PoisonError::into_inner)
}
