//! RTCP that comes in: reports, requests for keyframes and for packets, goodbyes.

use std::time::Instant;

use peerage_log::Direction;
use peerage_rtp::Ssrc;
use peerage_rtp::rtcp::{self, SdesKind};

use super::send::SendStream;
use super::{RtpTransport, Target};
use crate::transceiver::TransceiverHandle;

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
        if let Some(schedule) = &mut self.schedule {
            schedule.received(plain);
        }
        self.limits.heard(now, plain);
        self.log.rtcp(now, Direction::Received, plain, &self.clock);
        let mut reported = Vec::new();
        for packet in rtcp::packets(plain) {
            match packet {
                Ok(rtcp::Packet::PictureLossIndication(request)) => {
                    if let Some(stream) = self.video_sender(request.sources.media) {
                        stream.counters.picture_losses += 1;
                    }
                    self.peer_wants_keyframe(now, request.sources.media, None);
                }
                Ok(rtcp::Packet::FullIntraRequest(request)) => {
                    for entry in request.entries.iter() {
                        if let Some(stream) = self.video_sender(entry.ssrc) {
                            stream.counters.full_intra_requests += 1;
                        }
                        let command = (request.sources.sender, entry.sequence_number);
                        self.peer_wants_keyframe(now, entry.ssrc, Some(command));
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
                Ok(rtcp::Packet::Remb(remb)) => self.remote_estimate(now, &remb),
                Ok(rtcp::Packet::Tmmbr(request)) => self.limit_requested(now, &request),
                Ok(rtcp::Packet::SourceDescription(description)) => {
                    for chunk in description.chunks() {
                        let name = chunk.items.iter().find(|item| item.kind == SdesKind::CNAME);
                        self.check_named_source(now, chunk.ssrc, name.map(|item| item.value));
                        let mid = chunk.items.iter().find(|item| item.kind == SdesKind::MID);
                        if let Some(mid) = mid.and_then(|item| str::from_utf8(item.value).ok()) {
                            self.routing.source_description(chunk.ssrc, mid);
                        }
                    }
                }
                Ok(rtcp::Packet::Nack(nack)) => self.send_again(now, &nack),
                Ok(rtcp::Packet::Goodbye(goodbye)) => {
                    for ssrc in goodbye.sources.iter() {
                        self.source_ended(ssrc);
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

    /// A stream of ours that has keyframes.
    fn video_sender(&mut self, ssrc: Ssrc) -> Option<&mut SendStream> {
        self.senders.get_mut(ssrc).filter(|stream| stream.is_video())
    }

    /// A request of the peer, or a command with its number. While frames are left out a keyframe would be left out as well,
    /// and the application is asked for one when there is room again.
    fn peer_wants_keyframe(&mut self, now: Instant, ssrc: Ssrc, command: Option<(Ssrc, u8)>) {
        let round_trip = self.round_trip;
        let Some(stream) = self.video_sender(ssrc).filter(|stream| !stream.load.is_halted()) else {
            return;
        };
        let counts = command.is_none_or(|(requester, number)| {
            stream.keyframes.command(now, requester, number, round_trip)
        });
        if counts {
            self.want_keyframe(now, ssrc);
        }
    }

    /// The application is to make a keyframe for a stream of ours.
    pub(super) fn want_keyframe(&mut self, now: Instant, ssrc: Ssrc) {
        let Some(stream) = self.senders.get_mut(ssrc) else { return };
        stream.keyframes.request();
        let due = stream.keyframes.due(now).filter(|due| *due > now);
        self.next_keyframe = due.into_iter().chain(self.next_keyframe).min();
        // Bounded by the streams that are sent.
        if !self.keyframes_wanted.contains(&ssrc) {
            self.keyframes_wanted.push(ssrc);
        }
    }

    /// The next encoding whose encoder is to make a keyframe now.
    pub(crate) fn poll_keyframe_request(
        &mut self,
        now: Instant,
    ) -> Option<(TransceiverHandle, usize)> {
        let mut index = 0;
        while let Some(&ssrc) = self.keyframes_wanted.get(index) {
            let stream = self.senders.get_mut(ssrc);
            match stream.and_then(|stream| Some((stream.keyframes.due(now)?, stream))) {
                Some((due, _)) if due > now => {
                    self.next_keyframe = Some(self.next_keyframe.map_or(due, |at| at.min(due)));
                    index += 1;
                }
                told => {
                    self.keyframes_wanted.swap_remove(index);
                    if let Some((_, stream)) = told {
                        stream.keyframes.take(now);
                        return Some((stream.transceiver(), stream.encoding()));
                    }
                }
            }
        }
        None
    }
}
