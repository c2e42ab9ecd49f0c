//! `RTCDTMFSender` through the API (webrtc-pc §7).

use std::time::{Duration, Instant};

use super::PeerConnection;
use crate::dtmf::Tones;
use crate::error::Error;
use crate::media::CodecRole;
use crate::state::ConnectionState;
use crate::transceiver::TransceiverHandle;

impl PeerConnection {
    /// `insertDTMF`: plays tones on the audio of a transceiver, in place of those that wait there. `0` to `9`, `A` to `D`,
    /// `*` and `#` are keys, a comma is a pause of two seconds. Each tone lasts `duration` (40 ms to 6 s; 100 ms is usual)
    /// and is followed by silence of `inter_tone_gap` (30 ms to 6 s; 70 ms is usual); times out of range are brought into
    /// it. An empty text cancels what has not begun. [`Event::ToneChange`](crate::Event::ToneChange) tells of each tone.
    /// Audio frames that are sent while a tone sounds are dropped.
    ///
    /// # Errors
    /// `InvalidStateError` if [`PeerConnection::can_insert_dtmf`] says no, `InvalidCharacterError` for other characters,
    /// `OperationError` if there is no such transceiver.
    pub fn insert_dtmf(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
        tones: &str,
        duration: Duration,
        inter_tone_gap: Duration,
    ) -> Result<(), Error> {
        self.begin(now)?;
        let transceiver = self.transceivers.get(handle).ok_or(Error::UnknownTransceiver)?;
        let place = transceiver.transport;
        if transceiver.sender.track.is_none() {
            return Err(Error::InvalidState {
                operation: "insert_dtmf",
                reason: "the sender has no track, which `replace_track` gives it (webrtc-pc §7.3)",
            });
        }
        if !self.can_insert_dtmf(handle) {
            return Err(Error::InvalidState {
                operation: "insert_dtmf",
                reason: "telephone events cannot be sent on this transceiver now (webrtc-pc §7.3)",
            });
        }
        let tones = Tones::new(tones, duration, inter_tone_gap)?;
        self.transports[place].rtp.insert_dtmf(now, handle, tones);
        Ok(())
    }

    /// `canInsertDTMF` (webrtc-pc §7.3).
    pub fn can_insert_dtmf(&self, handle: TransceiverHandle) -> bool {
        if self.connection_state() != ConnectionState::Connected {
            return false;
        }
        let Some(transceiver) = self.transceivers.get(handle) else { return false };
        let codecs = transceiver.agreed.as_ref().map_or(&[][..], |agreed| &agreed.codecs);
        transceiver.is_sending()
            && transceiver.sender.track.is_some()
            && transceiver.sender.encodings.first().is_some_and(|encoding| encoding.active)
            && codecs.iter().any(|codec| codec.codec.role() == CodecRole::TelephoneEvent)
    }

    /// `toneBuffer`: the tones that have not begun.
    pub fn tone_buffer(&self, handle: TransceiverHandle) -> &str {
        self.rtp_of(handle).map_or("", |rtp| rtp.tone_buffer(handle))
    }

    /// Step 1 of the playout task: who may not send any more stops.
    pub(super) fn check_dtmf(&mut self) {
        if !self.transports.iter().any(|transport| transport.rtp.plays_dtmf()) {
            return;
        }
        let able: Vec<_> = (self.transceivers.iter().map(|t| t.handle))
            .filter(|handle| self.can_insert_dtmf(*handle))
            .collect();
        for transport in self.transports.iter_mut() {
            transport.rtp.retain_dtmf(|handle| able.contains(&handle));
        }
    }
}
