//! Media as RTP packets through the API: for servers that forward them (SFUs) and for bridges to plain RTP.

use std::time::Instant;

use super::PeerConnection;
use crate::error::Error;
use crate::media::CodecFormat;
use crate::rtp::{OutgoingPacket, ReceiveMode, ReceivedPacket};
use crate::transceiver::TransceiverHandle;

impl PeerConnection {
    /// Chooses between frames and packets for what comes in on a transceiver. It holds for all its sources at once, and for
    /// those to come; what is under way is given up.
    ///
    /// # Errors
    /// `InvalidStateError` once closed, `OperationError` if there is no such transceiver.
    pub fn set_receive_mode(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
        mode: ReceiveMode,
    ) -> Result<(), Error> {
        self.begin(now)?;
        self.transceivers.get(handle).ok_or(Error::UnknownTransceiver)?;
        // All, as it may come to be on any.
        for transport in self.transports.iter_mut() {
            transport.rtp.set_receive_mode(handle, mode);
        }
        Ok(())
    }

    /// What was chosen for a transceiver.
    pub fn receive_mode(&self, handle: TransceiverHandle) -> ReceiveMode {
        self.transports.first().rtp.receive_mode(handle)
    }

    /// The next packet of a transceiver whose mode is [`ReceiveMode::Packets`]. To be called until it has none after each
    /// [`handle_input`](Self::handle_input); at most 4,096 wait, more are dropped and counted.
    pub fn poll_rtp(&mut self) -> Option<ReceivedPacket> {
        self.transports.poll_rtp()
    }

    /// Sends an RTP packet on an encoding of a transceiver, 0 without simulcast. It is numbered, encrypted, kept to be sent
    /// again, and counted like those that frames are cut into. While the connection is not up yet it is dropped, as live
    /// media is. Audio is dropped too while a tone of [`insert_dtmf`](Self::insert_dtmf) sounds on it (RFC 7874 §3), and those
    /// after it take its numbers.
    ///
    /// # Errors
    /// `InvalidStateError` if nothing is sent as agreed or there is no such encoding, `OperationError` if the codec was not agreed on, the sequence
    /// number is far from those before it, the packet is longer than a path takes (1,452 bytes with all that is added), or
    /// too much waits to be sent.
    pub fn send_rtp(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
        encoding: usize,
        packet: &OutgoingPacket,
    ) -> Result<(), Error> {
        self.begin(now)?;
        let transceiver = self.transceivers.get(handle).ok_or(Error::UnknownTransceiver)?;
        if !transceiver.is_active() {
            return Err(Error::InvalidState {
                operation: "send_rtp",
                reason: "the transceiver is stopped",
            });
        }
        if !transceiver.sender.encoding(encoding, "send_rtp")?.active {
            return Ok(());
        }
        let place = transceiver.transport;
        self.transports[place].rtp.send_rtp(now, handle, encoding, packet)
    }

    /// The payload type under which packets of a codec are sent on a transceiver, as the peer numbers it; `None` if it was
    /// not agreed on.
    pub fn sending_payload_type(
        &mut self,
        handle: TransceiverHandle,
        codec: CodecFormat,
    ) -> Option<u8> {
        let place = self.transceivers.get(handle)?.transport;
        self.transports[place].rtp.sending_payload_type(handle, codec)
    }

    /// Asks the peer for a keyframe of one of its sources, which is how a layer of a simulcast is asked for. Requests that
    /// follow each other closely are made one.
    pub fn request_keyframe_from(&mut self, now: Instant, ssrc: u32) {
        self.now = now;
        if !self.closed {
            for transport in self.transports.iter_mut() {
                transport.rtp.request_keyframe_from(now, ssrc);
            }
        }
    }
}
