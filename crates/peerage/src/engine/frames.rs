//! How a thread hands frames to the driver without waiting for it, and without keeping the connection alive.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use peerage_peerconnection::playback::{Capture, Playback};
use peerage_peerconnection::{EncoderStatistics, Frame, TransceiverHandle};

use crate::RtpTransceiver;
use crate::lifeline::{Command, Lifeline};

/// Where encoded frames of one transceiver go.
#[derive(Debug)]
pub(super) struct FrameOutlet {
    lifeline: Weak<Lifeline>,
    handle: TransceiverHandle,
    /// Frames that the connection did not take.
    refused: Arc<AtomicU64>,
    /// The share of packets that the peer has reported as lost, as the bits of an `f32`.
    loss: Arc<AtomicU32>,
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
        Self { lifeline, handle, refused: Arc::default(), loss: Arc::default() }
    }

    /// Hands over a frame.
    pub(super) fn post(&self, encoding: usize, frame: Frame) -> Posted {
        let Some(lifeline) = self.lifeline.upgrade() else { return Posted::Closed };
        let (handle, refused, loss) = (self.handle, self.refused.clone(), self.loss.clone());
        let call = Box::new(move |connection: &mut crate::driver::Connection, now| {
            if connection.pc.send_frame(now, handle, encoding, &frame).is_err() {
                refused.fetch_add(1, Ordering::Relaxed);
            }
            let lost = connection.pc.sending_loss(handle, encoding).unwrap_or(0.0);
            loss.store(lost.to_bits(), Ordering::Relaxed);
        });
        match lifeline.commands().try_send(Command::Call(lifeline.id(), call)) {
            Ok(()) => Posted::Underway,
            Err(tokio::sync::mpsc::error::TrySendError::Full(_)) => Posted::Busy,
            Err(tokio::sync::mpsc::error::TrySendError::Closed(_)) => Posted::Closed,
        }
    }

    /// Tells what an encoder has done, for getStats. What a driver with too much to do does not take is told with the next.
    pub(super) fn report(&self, encoding: usize, statistics: EncoderStatistics) {
        let handle = self.handle;
        self.call(move |connection| {
            connection.pc.set_encoder_statistics(handle, encoding, statistics);
        });
    }

    /// Tells the application that an encoding cannot be encoded. False where the driver has too much to do.
    pub(super) fn fail(&self, encoding: usize, reason: String) -> bool {
        let handle = self.handle;
        self.call(move |connection| connection.encoder_failed(handle, encoding, reason))
    }

    /// Frames that the connection did not take so far.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The share of packets, 0 to 1, that the peer has reported as lost of late.
    pub(super) fn loss(&self) -> f32 {
        f32::from_bits(self.loss.load(Ordering::Relaxed))
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

    /// Has something done with the connection; what finds no room is not done. False then; true where there is no connection.
    fn call(&self, call: impl FnOnce(&mut crate::driver::Connection) + Send + 'static) -> bool {
        let Some(lifeline) = self.lifeline.upgrade() else { return true };
        let call = Box::new(move |connection: &mut crate::driver::Connection, _| call(connection));
        let sent = lifeline.commands().try_send(Command::Call(lifeline.id(), call));
        !matches!(sent, Err(tokio::sync::mpsc::error::TrySendError::Full(_)))
    }

    /// Whose numbers the statistics of what is received have.
    pub(super) fn set_playback(&self, playback: Arc<dyn Playback>) {
        let handle = self.handle;
        // It may be gone already: then nobody asks.
        self.call(move |connection| drop(connection.pc.set_playback(handle, Some(playback))));
    }

    /// Whose numbers the statistics of the track that is sent have.
    pub(super) fn set_capture(&self, capture: Arc<dyn Capture>) {
        let handle = self.handle;
        self.call(move |connection| drop(connection.pc.set_capture(handle, Some(capture))));
    }

    /// Whether the connection is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.lifeline.strong_count() == 0
    }
}
