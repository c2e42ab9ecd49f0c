//! The packets level of the transport: which transceivers give packets out instead of frames, and the packets that wait
//! for the application.

use std::collections::VecDeque;
use std::time::Instant;

use peerage_congestion::Class;
use peerage_rtp::extension::TransmissionOffset;
use peerage_rtp::{RtpPacket, Ssrc};
use rustc_hash::FxHashSet;

use super::arena::Arena;
use super::frame::{Choice, Frame};
use super::packets::{
    OutgoingPacket, PacketExtensions, ReceiveMode, ReceivedPacket, contributions,
};
use super::receive::Accepted;
use super::{KEYFRAME_REQUEST_INTERVAL, MAX_QUEUED_PACKETS, RtpTransport};
use crate::error::Error;
use crate::media::CodecFormat;
use crate::transceiver::TransceiverHandle;

/// Received packets that wait for the application; more are dropped, the newest first.
pub(super) const MAX_RECEIVED_PACKETS: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Forwarding {
    /// Transceivers in the mode of packets.
    transceivers: FxHashSet<TransceiverHandle>,
    received: VecDeque<ReceivedPacket>,
    arena: Arena,
}

impl Forwarding {
    pub(super) fn includes(&self, transceiver: TransceiverHandle) -> bool {
        self.transceivers.contains(&transceiver)
    }

    /// Packets that wait for the application.
    pub(super) fn waiting(&self) -> usize {
        self.received.len()
    }

    /// Lets go what waits.
    pub(super) fn clear(&mut self) {
        self.received.clear();
    }

    /// Forgets transceivers that are gone.
    pub(super) fn retain(&mut self, lives: impl Fn(TransceiverHandle) -> bool) {
        self.transceivers.retain(|&transceiver| lives(transceiver));
    }
}

impl RtpTransport {
    pub(crate) fn set_receive_mode(&mut self, transceiver: TransceiverHandle, mode: ReceiveMode) {
        let packets = mode == ReceiveMode::Packets;
        match packets {
            true => self.forwarding.transceivers.insert(transceiver),
            false => self.forwarding.transceivers.remove(&transceiver),
        };
        for stream in &mut self.receivers {
            if stream.transceiver() == transceiver {
                stream.set_packets(packets);
                stream.count_bytes();
            }
        }
        self.assembly.recount(self.receivers.iter());
    }

    /// Gives out and sends what another transport of the connection would, and as that does.
    pub(crate) fn begin_as(&mut self, other: &Self) {
        self.controller = other.controller.clone();
        self.forwarding.transceivers.clone_from(&other.forwarding.transceivers);
    }

    pub(crate) fn receive_mode(&self, transceiver: TransceiverHandle) -> ReceiveMode {
        match self.forwarding.includes(transceiver) {
            true => ReceiveMode::Packets,
            false => ReceiveMode::Frames,
        }
    }

    /// The next packet of a transceiver in the mode of packets.
    pub(crate) fn poll_rtp(&mut self) -> Option<ReceivedPacket> {
        self.forwarding.received.pop_front()
    }

    /// Lets go of packets that wait for the application.
    pub(crate) fn drop_received(&mut self, transceiver: TransceiverHandle) {
        self.forwarding.received.retain(|packet| packet.transceiver != transceiver);
    }

    /// Queues a packet for the application, if its stream is to give packets out.
    pub(super) fn give_out(
        &mut self,
        now: Instant,
        index: usize,
        packet: &RtpPacket<'_>,
        accepted: Accepted,
        repaired: bool,
    ) {
        let Forwarding { received, arena, .. } = &mut self.forwarding;
        if received.len() >= MAX_RECEIVED_PACKETS {
            self.statistics.received_packets_dropped += 1;
            return;
        }
        let stream = &self.receivers[index];
        received.push_back(ReceivedPacket {
            transceiver: stream.transceiver(),
            rid: stream.rid().cloned(),
            ssrc: stream.ssrc().0,
            payload_type: accepted.payload_type,
            format: accepted.format,
            codec: accepted.codec,
            sequence: accepted.sequence,
            timestamp: packet.timestamp().0,
            marker: packet.marker(),
            repaired,
            extensions: PacketExtensions::read(packet, &self.extensions, Some(arena)),
            transmission_offset: packet
                .extension::<TransmissionOffset>(&self.extensions)
                .map(|offset| offset.0),
            contributing: contributions(packet, &self.extensions),
            payload: arena.copy(&[packet.payload()]),
            arrival: now,
        });
    }

    /// Queues a packet of the application's.
    pub(crate) fn send_rtp(
        &mut self,
        now: Instant,
        transceiver: TransceiverHandle,
        encoding: usize,
        packet: &OutgoingPacket,
    ) -> Result<(), Error> {
        let Some(srtp) = self.srtp.as_ref().filter(|_| !self.held) else { return Ok(()) };
        let overhead = srtp.sender.rtp_overhead();
        let Some(stream) = self.senders.of_encoding(transceiver, encoding) else {
            return Err(Error::InvalidState {
                operation: "send_rtp",
                reason: "nothing is sent on this encoding, as agreed with the peer",
            });
        };
        let codec = stream.codec_of(packet)?;
        let class = codec.class;
        // RFC 7874 §3: the tone is not to be heard in the audio as well. So it is with frames.
        if class == Class::Audio
            && self.playouts.iter().any(|playout| playout.sounds_on(now, transceiver))
        {
            stream.leave_out(packet);
            return Ok(());
        }
        let Some(rate) = self.rate.as_deref_mut().filter(|rate| rate.has_room(class)) else {
            return Err(Error::Operation(format!(
                "{MAX_QUEUED_PACKETS} packets wait to be sent already"
            )));
        };
        rate.enqueue(now, stream.packet(now, packet, codec, overhead)?);
        Ok(())
    }

    /// The payload type under which a codec is sent to the peer.
    pub(crate) fn sending_payload_type(
        &mut self,
        transceiver: TransceiverHandle,
        codec: CodecFormat,
    ) -> Option<u8> {
        self.senders.of_encoding(transceiver, 0)?.payload_type(Choice::Format(codec))
    }

    /// The payload type under which a frame is sent to the peer.
    pub(crate) fn payload_type_of(
        &mut self,
        transceiver: TransceiverHandle,
        encoding: usize,
        frame: &Frame,
    ) -> Option<u8> {
        self.senders.of_encoding(transceiver, encoding)?.payload_type(frame.choice())
    }

    /// Asks the peer for a keyframe of one source: now, or when the last request is long enough ago.
    pub(crate) fn request_keyframe_from(&mut self, now: Instant, ssrc: u32) {
        let Some(&super::Target::Media(index)) = self.by_ssrc.get(&ssrc) else { return };
        let stream = &mut self.receivers[index];
        if stream.ask_for_keyframe(now, KEYFRAME_REQUEST_INTERVAL) {
            self.push_keyframe_request(Ssrc(ssrc));
        }
    }
}
