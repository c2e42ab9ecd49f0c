//! Who captures, decodes and plays; asked for its numbers when statistics are.

use std::sync::Arc;

use super::PeerConnection;
use crate::error::Error;
use crate::playback::{AudioPlayout, Capture, Playback};
use crate::transceiver::TransceiverHandle;

impl PeerConnection {
    /// Names whoever decodes and plays what a transceiver receives, whose numbers `inbound-rtp` then has; `None` for nobody.
    ///
    /// # Errors
    /// `OperationError` if there is no such transceiver.
    pub fn set_playback(
        &mut self,
        handle: TransceiverHandle,
        playback: Option<Arc<dyn Playback>>,
    ) -> Result<(), Error> {
        let transceiver = self.transceivers.get_mut(handle).ok_or(Error::UnknownTransceiver)?;
        transceiver.receiver.playback = playback;
        Ok(())
    }

    /// Names whoever captures what a transceiver sends, whose numbers `media-source` then has; `None` for nobody.
    ///
    /// # Errors
    /// `OperationError` if there is no such transceiver.
    pub fn set_capture(
        &mut self,
        handle: TransceiverHandle,
        capture: Option<Arc<dyn Capture>>,
    ) -> Result<(), Error> {
        let transceiver = self.transceivers.get_mut(handle).ok_or(Error::UnknownTransceiver)?;
        transceiver.sender.capture = capture;
        Ok(())
    }

    /// Names what plays all received sound, a loudspeaker: it becomes `media-playout`. `None` for nothing.
    pub fn set_audio_playout(&mut self, playout: Option<Arc<dyn AudioPlayout>>) {
        self.playout = playout;
    }
}
