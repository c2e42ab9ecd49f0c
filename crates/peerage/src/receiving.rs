//! What is wanted of a transceiver's receiver, as a value that a thread can look at.

use std::time::{Duration, Instant};

use peerage_peerconnection::Transceiver;
use tokio::sync::watch;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Receiving {
    /// Ids of the streams that the peer puts the track into.
    pub(crate) streams: Vec<String>,
    /// `jitterBufferTarget`.
    pub(crate) jitter_buffer_target: Option<Duration>,
    /// What comes is let through to the track (`[[Receptive]]`).
    pub(crate) receptive: bool,
    /// When the peer last ended what it sends: what came until then does not unmute the track.
    pub(crate) muted_at: Option<Instant>,
}

impl Receiving {
    /// Tells of a transceiver as it is now, where that is something else.
    pub(crate) fn update(known: &watch::Sender<Self>, transceiver: &Transceiver) {
        let receiver = &transceiver.receiver;
        let (target, receptive) = (receiver.jitter_buffer_target, transceiver.is_receptive());
        known.send_if_modified(|known| {
            let changed = known.streams != receiver.streams
                || (known.jitter_buffer_target, known.receptive) != (target, receptive);
            if changed {
                known.streams.clone_from(&receiver.streams);
                (known.jitter_buffer_target, known.receptive) = (target, receptive);
            }
            changed
        });
    }
}

/// Shared by all handles of a transceiver.
pub(crate) type Wishes = watch::Receiver<Receiving>;
