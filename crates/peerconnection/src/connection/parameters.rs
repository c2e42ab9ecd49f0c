//! `getParameters` and `setParameters` through the API (webrtc-pc §5.2, §5.3).

use std::time::Instant;

use super::PeerConnection;
use crate::error::Error;
use crate::transceiver::{RtpReceiveParameters, RtpSendParameters, TransceiverHandle, random_id};

impl PeerConnection {
    /// `RTCRtpSender.getParameters`: the encodings, and what was negotiated for sending. The next call ends its
    /// transaction, and so does a negotiation.
    ///
    /// # Errors
    /// `InvalidStateError` once closed, `OperationError` if there is no such transceiver.
    pub fn get_parameters(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
    ) -> Result<RtpSendParameters, Error> {
        self.begin(now)?;
        let transaction_id = random_id(&mut self.rng);
        let transceiver = self.transceivers.get_mut(handle).ok_or(Error::UnknownTransceiver)?;
        let parameters = transceiver.send_parameters(transaction_id, &self.cname);
        transceiver.sender.last_returned = Some(Box::new(parameters.clone()));
        Ok(parameters)
    }

    /// `RTCRtpSender.setParameters`: takes the parameters that [`get_parameters`](Self::get_parameters) gave last, with the
    /// encodings changed; their number, order and `rid` stay. A transaction can be used once.
    ///
    /// # Errors
    /// `InvalidStateError` once closed or stopped, or if no parameters were asked for since the last ones were set;
    /// `InvalidModificationError` if something else differs from those; else as
    /// [`set_encodings`](Self::set_encodings).
    pub fn set_parameters(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
        parameters: RtpSendParameters,
    ) -> Result<(), Error> {
        let transceiver = self.living_transceiver(now, handle, "set_parameters")?;
        let Some(last) = &transceiver.sender.last_returned else {
            return Err(Error::InvalidState {
                operation: "set_parameters",
                reason: "`get_parameters` was not called since (webrtc-pc §5.2)",
            });
        };
        parameters.check_read_only(last).map_err(|field| Error::InvalidModification { field })?;
        self.set_encodings(now, handle, parameters.encodings)?;
        if let Some(transceiver) = self.transceivers.get_mut(handle) {
            transceiver.sender.last_returned = None;
        }
        Ok(())
    }

    /// `RTCRtpReceiver.getParameters`: what was negotiated for receiving.
    ///
    /// # Errors
    /// `OperationError` if there is no such transceiver.
    pub fn get_receive_parameters(
        &self,
        handle: TransceiverHandle,
    ) -> Result<RtpReceiveParameters, Error> {
        let transceiver = self.transceivers.get(handle).ok_or(Error::UnknownTransceiver)?;
        Ok(transceiver.receive_parameters())
    }
}
