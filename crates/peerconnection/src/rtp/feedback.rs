//! RTCP that comes in: reports, requests for keyframes and for packets, goodbyes.

use std::time::Instant;

use peerage_log::Direction;
use peerage_rtp::Ssrc;
use peerage_rtp::rtcp::{self, SdesKind};

use super::{RtpEvent, RtpTransport, Target};

impl RtpTransport {
    /// Takes a compound RTCP packet.
    pub(crate) fn handle_rtcp(&mut self, now: Instant, datagram: &mut [u8]) {
        let Some(srtp) = &mut self.srtp else {
            self.statistics.packets_dropped += 1;
            return;
        };
        let Ok(plain) = srtp.receiver.unprotect_rtcp(datagram) else {
            self.statistics.packets_unprotectable += 1;
            return;
        };
        self.statistics.rtcp_received += 1;
        self.log.rtcp(now, Direction::Received, plain, &self.clock);
        let mut reported = Vec::new();
        for packet in rtcp::packets(plain) {
            match packet {
                Ok(rtcp::Packet::PictureLossIndication(request)) => {
                    if let Some(stream) = self.senders.get_mut(request.sources.media) {
                        stream.counters.picture_losses += 1;
                    }
                    self.peer_wants_keyframe(request.sources.media);
                }
                Ok(rtcp::Packet::FullIntraRequest(request)) => {
                    for entry in request.entries.iter() {
                        if let Some(stream) = self.senders.get_mut(entry.ssrc) {
                            stream.counters.full_intra_requests += 1;
                        }
                        self.peer_wants_keyframe(entry.ssrc);
                    }
                }
                Ok(rtcp::Packet::SenderReport(report)) => {
                    if let Some(&Target::Media(index)) = self.by_ssrc.get(&report.ssrc.0) {
                        self.receivers[index].sender_report(now, report.info);
                        reported.push(report.ssrc);
                    }
                    self.take_reports(now, report.reports);
                }
                Ok(rtcp::Packet::ReceiverReport(report)) => self.take_reports(now, report.reports),
                Ok(rtcp::Packet::TransportFeedback(feedback)) => {
                    if let Some(rate) = &mut self.rate {
                        rate.transport_feedback(now, &feedback);
                    }
                }
                Ok(rtcp::Packet::ExtendedReport(report)) => {
                    self.take_extended_report(now, &report, &reported);
                }
                Ok(rtcp::Packet::CongestionControlFeedback(feedback)) => {
                    self.statistics.stream_feedback_received += 1;
                    if let Some(rate) = &mut self.rate {
                        rate.stream_feedback(now, &feedback);
                    }
                }
                Ok(rtcp::Packet::Remb(remb)) => {
                    if let Some(rate) = &mut self.rate {
                        rate.remote_estimate(now, remb.bitrate);
                    }
                }
                Ok(rtcp::Packet::Tmmbr(request)) => self.limit_requested(now, &request),
                Ok(rtcp::Packet::SourceDescription(description)) => {
                    for chunk in description.chunks() {
                        let mid = chunk.items.iter().find(|item| item.kind == SdesKind::MID);
                        if let Some(mid) = mid.and_then(|item| str::from_utf8(item.value).ok()) {
                            self.routing.source_description(chunk.ssrc, mid);
                        }
                    }
                }
                Ok(rtcp::Packet::Nack(nack)) => self.send_again(now, &nack),
                Ok(rtcp::Packet::Goodbye(goodbye)) => {
                    for ssrc in goodbye.sources.iter() {
                        self.forget(ssrc);
                        self.lift_limits_of(ssrc);
                    }
                }
                Ok(_) => {}
                // Those that follow are told apart by its length all the same, or else there are none.
                Err(_) => self.statistics.packets_malformed += 1,
            }
        }
        if let Some(rate) = &mut self.rate {
            rate.losses_counted(now);
        }
        self.update_targets(now, false);
    }

    /// The round trip and the losses, from what the peer says of our reports (RFC 3550 §6.4.1).
    pub(super) fn take_reports(
        &mut self,
        now: Instant,
        reports: rtcp::List<'_, rtcp::ReportBlock>,
    ) {
        for block in reports.iter() {
            let Some(stream) = self.senders.get_mut(block.ssrc) else { continue };
            let (lost, expected) = stream.take_report(now, block);
            if let Some(rate) = &mut self.rate {
                rate.count_losses(lost, expected);
            }
            let (last, delay) = (block.last_sender_report, block.delay_since_last_sender_report);
            if let Some(round_trip) = peerage_rtp::round_trip(self.clock.at(now), last, delay) {
                stream.counters.round_trips.add(round_trip);
                self.round_trip = round_trip;
                if let Some(rate) = &mut self.rate {
                    rate.round_trip(now, round_trip);
                }
            }
        }
    }

    /// A request of the peer. While frames are left out one would be left out as well, and the application is asked for
    /// one when there is room again.
    fn peer_wants_keyframe(&mut self, ssrc: Ssrc) {
        if self.senders.get(ssrc).is_some_and(|stream| !stream.load.is_halted()) {
            self.keyframe_requested(ssrc);
        }
    }

    pub(super) fn keyframe_requested(&mut self, ssrc: Ssrc) {
        let Some(stream) = self.senders.get(ssrc) else { return };
        let (transceiver, encoding) = (stream.transceiver(), stream.encoding());
        let is_it = |event: &RtpEvent| match event {
            RtpEvent::KeyframeRequested { transceiver: t, encoding: e } => {
                (*t, *e) == (transceiver, encoding)
            }
            _ => false,
        };
        // One request is as good as several.
        if !self.events.iter().any(is_it) {
            self.events.push_back(RtpEvent::KeyframeRequested { transceiver, encoding });
        }
    }
}
