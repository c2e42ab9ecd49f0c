//! RTP of ours: frames queued as packets, sealed one by one as they are sent, and again where the peer misses them.

use std::time::Instant;

use peerage_rtp::rtcp;

use super::frame::Frame;
use super::{MAX_QUEUED_PACKETS, MAX_QUEUED_RETRANSMISSIONS, RtpTransport};
use crate::error::Error;
use crate::transceiver::TransceiverHandle;

impl RtpTransport {
    /// Cuts a frame into packets and queues them.
    pub(crate) fn send_frame(
        &mut self,
        now: Instant,
        transceiver: TransceiverHandle,
        encoding: usize,
        frame: &Frame,
        mtu: usize,
    ) -> Result<(), Error> {
        let Some(srtp) = &self.srtp else { return Ok(()) };
        let overhead = srtp.sender.rtp_overhead();
        let Some(stream) = self.senders.of_encoding(transceiver, encoding) else {
            return Err(Error::InvalidState {
                operation: "send_frame",
                reason: "nothing is sent on this transceiver, as agreed with the peer",
            });
        };
        if self.outgoing.len() >= MAX_QUEUED_PACKETS {
            return Err(Error::Operation(format!(
                "{MAX_QUEUED_PACKETS} packets wait to be sent already"
            )));
        }
        let room = mtu - overhead;
        stream.send(now, frame, room, &self.extensions, &mut self.outgoing)
    }

    /// Appends the next packet, sealed; its size.
    pub(crate) fn poll_packet(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<usize> {
        let srtp = self.srtp.as_mut()?;
        let start = buf.len();
        while let Some(packet) = self.rtcp.pop_front() {
            buf.extend_from_slice(&packet);
            if srtp.sender.protect_rtcp(buf, start).is_ok() {
                self.statistics.rtcp_sent += 1;
                return Some(buf.len() - start);
            }
            buf.truncate(start);
        }
        // What is late already goes first.
        while let Some(packet) =
            self.retransmissions.pop_front().or_else(|| self.outgoing.pop_front())
        {
            packet.write(self.clock.at(now), &mut self.transport_sequence, buf);
            if let Some(stream) = self.senders.get_mut(packet.ssrc) {
                stream.sent(now, &packet, &buf[start..]);
            }
            if srtp.sender.protect_rtp(buf, start).is_ok() {
                self.statistics.packets_sent += 1;
                self.statistics.bytes_sent += packet.payload_len() as u64;
                return Some(buf.len() - start);
            }
            buf.truncate(start);
        }
        None
    }

    /// Sends packets again that the peer misses.
    pub(super) fn send_again(&mut self, now: Instant, nack: &rtcp::Nack<'_>) {
        let media = nack.sources.media;
        let Some(stream) = self.senders.get_mut(media) else {
            return;
        };
        for number in nack.sequence_numbers() {
            if self.retransmissions.len() >= MAX_QUEUED_RETRANSMISSIONS {
                return;
            }
            let packet = stream.retransmit(now, number, self.round_trip, &self.extensions);
            self.statistics.retransmissions_sent += u64::from(packet.is_some());
            self.retransmissions.extend(packet);
        }
    }
}
