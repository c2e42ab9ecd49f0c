//! RTP of ours: frames queued as packets, sealed one by one as they are sent, and again where the peer misses them.

use std::time::{Duration, Instant};

use peerage_congestion::Class;
use peerage_ice::Ecn;
use peerage_log::Direction;
use peerage_rtp::{Ssrc, rtcp};
use peerage_srtp::Burst;

use super::congestion::Due;
use super::frame::Frame;
use super::{KEYFRAME_REQUEST_INTERVAL, MAX_QUEUED_PACKETS, RtpTransport};
use crate::error::Error;
use crate::transceiver::TransceiverHandle;

/// Where more than this share of packets is lost, what is asked for again is sent twice: each round trip more would hold up
/// the picture.
const MUCH_LOSS: f64 = 0.05;
/// If what the peer misses would take longer than this to be sent again, a keyframe is sent in its place.
const REPAIR_LIMIT: Duration = Duration::from_millis(400);

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
        let Some(srtp) = self.srtp.as_ref().filter(|_| !self.held) else { return Ok(()) };
        let overhead = srtp.sender.rtp_overhead();
        // RFC 7874 §3: the tone is not to be heard in the audio as well.
        if !self.playouts.is_empty() && self.is_tone_playing(now, transceiver) {
            return Ok(());
        }
        let Some(stream) = self.senders.of_encoding(transceiver, encoding) else {
            return Err(Error::InvalidState {
                operation: "send_frame",
                reason: "nothing is sent on this encoding, as agreed with the peer",
            });
        };
        let refused =
            || Error::Operation(format!("{MAX_QUEUED_PACKETS} packets wait to be sent already"));
        let class = stream.class(frame.choice());
        let Some(rate) = self.rate.as_deref_mut().filter(|rate| rate.has_room(class)) else {
            return Err(refused());
        };
        if class == Class::Video && !stream.admits(frame, rate.is_behind(now), rate.has_recovered())
        {
            self.statistics.frames_left_out += 1;
            let ask = rate.has_recovered()
                && !rate.is_held_back()
                && stream.load.keyframe_due(now, KEYFRAME_REQUEST_INTERVAL);
            if ask {
                let ssrc = stream.ssrc();
                self.want_keyframe(now, ssrc);
            }
            return Ok(());
        }
        let room = mtu - overhead;
        if frame.data.len() / room >= MAX_QUEUED_PACKETS {
            return Err(Error::Operation(format!(
                "the frame has {} bytes, more than {MAX_QUEUED_PACKETS} packets",
                frame.data.len()
            )));
        }
        let path = (rate.target().loss, self.round_trip);
        let sent = stream.send(now, frame, room, path, &mut self.outgoing);
        if sent.is_ok() {
            self.log.frame_sent(now, stream, frame);
        }
        for packet in self.outgoing.drain(..) {
            rate.enqueue(now, packet);
        }
        sent
    }

    /// What is sent on a transceiver comes of another source from now on.
    pub(crate) fn source_changed(&mut self, transceiver: TransceiverHandle) {
        for stream in self.senders.iter_mut().chain(&mut self.paused) {
            if stream.transceiver() == transceiver {
                stream.source_changed();
            }
        }
    }

    /// Appends the next packet, sealed; its size.
    pub(crate) fn poll_packet(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
    ) -> Option<(usize, Option<Ecn>)> {
        let srtp = self.srtp.as_mut().filter(|_| !self.held)?;
        let start = buf.len();
        while let Some(mut packet) = self.rtcp.pop_front() {
            buf.extend_from_slice(&packet);
            self.log.rtcp(now, Direction::Sent, &packet, &self.clock);
            packet.clear();
            self.spare_rtcp = packet;
            if srtp.sender.protect_rtcp(buf, start).is_ok() {
                self.statistics.rtcp_sent += 1;
                return Some((buf.len() - start, None));
            }
            self.statistics.packets_unsealable += 1;
            buf.truncate(start);
        }
        if let Some(sealed) = self.sealed.hand_out(buf) {
            return Some(sealed);
        }
        self.seal_burst(now);
        if let Some(sealed) = self.sealed.hand_out(buf) {
            return Some(sealed);
        }
        self.seal_next(now, buf, None).map(|(_, len, mark)| (len, mark))
    }

    /// Seals the next packet of media that is due, behind what is in `buf`: whose it is, its size and how it is marked. With
    /// `tags` it is one of a burst, which the caller finishes.
    pub(super) fn seal_next(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
        mut tags: Option<&mut Burst>,
    ) -> Option<(Ssrc, usize, Option<Ecn>)> {
        let start = buf.len();
        let srtp = self.srtp.as_mut()?;
        let rate = self.rate.as_deref_mut()?;
        while let Some(due) = rate.poll(now) {
            let (packet, probe, padding) = match due {
                Due::Packet(packet, probe) => (packet, probe, false),
                Due::Padding(size, probe) => {
                    let stream = self.padding_stream.and_then(|ssrc| self.senders.get_mut(ssrc));
                    match stream.and_then(|stream| stream.pad(now, size)) {
                        Some(packet) => (packet, probe, true),
                        None => {
                            rate.padded(now, None);
                            continue;
                        }
                    }
                }
            };
            if packet.is_sealed() {
                // It has the numbers of its first transmission, and no keystream is used twice, as nothing in it differs.
                buf.extend_from_slice(&packet.payload);
                self.statistics.packets_sent += 1;
                self.statistics.bytes_sent += packet.payload_len() as u64;
                let (ssrc, mut mark) = (packet.ssrc, None);
                if let Some(stream) = self.senders.get_mut(packet.ssrc) {
                    // A report tells of it by the number of the packet that was lost, which was marked.
                    mark = rate.mark().filter(|_| stream.load.by_stream);
                    stream.sent(now, packet, &[]);
                }
                return Some((ssrc, buf.len() - start, mark));
            }
            let numbered = packet.write(self.clock.at(now), rate.number(), buf);
            if packet.may_ask()
                && let Some(request) = rate.request_report(now)
            {
                packet.write_request(&mut buf[start..], request);
            }
            let stream = self.senders.get_mut(packet.ssrc);
            if let Some(stream) = &stream {
                packet.write_offset(&mut buf[start..], |timestamp| {
                    stream.ticks_since(now, timestamp)
                });
            }
            let cause = (probe, padding);
            self.log.rtp_sent(now, &buf[start..], stream.as_deref(), cause, &self.extensions);
            let by_stream = stream.as_ref().is_some_and(|stream| stream.load.by_stream);
            let mark = if by_stream { rate.mark() } else { None };
            let sealed = match &mut tags {
                Some(tags) => {
                    let sealed = srtp.sender.protect_rtp_in_burst(buf, start, tags).is_ok();
                    if stream.as_ref().is_some_and(|stream| stream.keeps_sealed(&packet)) {
                        srtp.sender.finish_burst(buf, tags);
                    }
                    sealed
                }
                None => srtp.sender.protect_rtp(buf, start).is_ok(),
            };
            let len = buf.len() - start;
            if padding {
                rate.padded(now, sealed.then_some(len));
            }
            if sealed {
                if numbered || by_stream {
                    let identity = by_stream.then(|| packet.identity());
                    rate.sent(now, len, probe, padding, identity);
                }
                self.statistics.packets_sent += 1;
                self.statistics.fec_packets_sent += u64::from(packet.is_parity());
                self.statistics.bytes_sent += packet.payload_len() as u64;
                let ssrc = packet.ssrc;
                if let Some(stream) = stream {
                    if packet.class == Class::Video && stream.can_pad() {
                        self.padding_stream = Some(packet.ssrc);
                        rate.set_can_pad(true);
                    }
                    stream.sent(now, packet, &buf[start..]);
                }
                return Some((ssrc, len, mark));
            }
            self.statistics.packets_unsealable += 1;
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
        stream.counters.nacks += 1;
        let Some(rate) = self.rate.as_deref_mut() else { return };
        let round_trip = rate.shortest_round_trip(self.round_trip);
        for number in nack.sequence_numbers() {
            if !rate.has_room_to_repeat() {
                break;
            }
            if let Some(packet) = stream.retransmit(now, number, round_trip) {
                self.statistics.retransmissions_sent += 1;
                rate.enqueue(now, packet);
                if rate.target().loss > MUCH_LOSS && stream.was_asked_for_again(number) {
                    let copy = stream.repeat(now, number).filter(|copy| !copy.is_sealed());
                    if let Some(copy) = copy.filter(|_| rate.has_room_to_repeat()) {
                        self.statistics.retransmissions_sent += 1;
                        rate.enqueue(now, copy);
                    }
                }
            }
        }
        if rate.repairs_take() > REPAIR_LIMIT && stream.load.can_begin_anew() {
            // A keyframe is there sooner than what is missing. What waits could not be decoded without that.
            stream.begin_anew();
            rate.retain(|packet| packet.ssrc != media || packet.class == Class::Audio);
            self.statistics.repairs_given_up += 1;
            if !rate.is_held_back() && stream.load.keyframe_due(now, KEYFRAME_REQUEST_INTERVAL) {
                self.want_keyframe(now, media);
            }
        }
    }
}
