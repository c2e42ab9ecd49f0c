//! What is wanted of a transceiver's receiver, as a value that a thread can look at.

use std::time::Duration;

use peerage_peerconnection::Transceiver;
use tokio::sync::watch;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Receiving {
    /// Ids of the streams that the peer puts the track into.
    pub(crate) streams: Vec<String>,
    /// `jitterBufferTarget`.
    pub(crate) jitter_buffer_target: Option<Duration>,
}

impl Receiving {
    pub(crate) fn of(transceiver: &Transceiver) -> Self {
        let receiver = &transceiver.receiver;
        Self {
            streams: receiver.streams.clone(),
            jitter_buffer_target: receiver.jitter_buffer_target,
        }
    }

    /// Tells of a transceiver as it is now, where that is something else.
    pub(crate) fn update(known: &watch::Sender<Self>, transceiver: &Transceiver) {
        let receiver = &transceiver.receiver;
        known.send_if_modified(|known| {
            let changed = known.streams != receiver.streams
                || known.jitter_buffer_target != receiver.jitter_buffer_target;
            if changed {
                *known = Self::of(transceiver);
            }
            changed
        });
    }
}

/// Shared by all handles of a transceiver.
pub(crate) type Wishes = watch::Receiver<Receiving>;
