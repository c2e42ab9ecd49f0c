//! How a thread hands frames to the driver without waiting for it, and without keeping the connection alive.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use peerage_peerconnection::{Frame, TransceiverHandle};

use crate::RtpTransceiver;
use crate::lifeline::{Command, Lifeline};

/// Where encoded frames of one transceiver go.
#[derive(Debug)]
pub(super) struct FrameOutlet {
    lifeline: Weak<Lifeline>,
    handle: TransceiverHandle,
    /// Frames that the connection did not take.
    refused: Arc<AtomicU64>,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// It is on its way; [`FrameOutlet::refused`] tells later if it was not taken.
    Underway,
    /// The driver has too much to do.
    Busy,
    /// The connection is gone.
    Closed,
}

impl FrameOutlet {
    pub(super) fn new(transceiver: &RtpTransceiver) -> Self {
        let (lifeline, handle) = transceiver.weak();
        Self { lifeline, handle, refused: Arc::default() }
    }

    /// Hands over a frame.
    pub(super) fn post(&self, encoding: usize, frame: Frame) -> Posted {
        let Some(lifeline) = self.lifeline.upgrade() else { return Posted::Closed };
        let (handle, refused) = (self.handle, self.refused.clone());
        let call = Box::new(move |connection: &mut crate::driver::Connection, now| {
            if connection.pc.send_frame(now, handle, encoding, &frame).is_err() {
                refused.fetch_add(1, Ordering::Relaxed);
            }
        });
        match lifeline.commands().try_send(Command::Call(lifeline.id(), call)) {
            Ok(()) => Posted::Underway,
            Err(tokio::sync::mpsc::error::TrySendError::Full(_)) => Posted::Busy,
            Err(tokio::sync::mpsc::error::TrySendError::Closed(_)) => Posted::Closed,
        }
    }

    /// Frames that the connection did not take so far.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Asks the peer for a keyframe.
    pub(super) fn request_keyframe(&self) {
        let Some(lifeline) = self.lifeline.upgrade() else { return };
        let handle = self.handle;
        let call = Box::new(move |connection: &mut crate::driver::Connection, now| {
            connection.pc.request_keyframe(now, handle);
        });
        // A driver with too much to do is asked again with the next frame.
        let _ = lifeline.commands().try_send(Command::Call(lifeline.id(), call));
    }

    /// Whether the connection is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.lifeline.strong_count() == 0
    }
}
