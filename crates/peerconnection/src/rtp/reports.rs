//! RTCP of ours: reports, feedback about arrivals, requests for keyframes.

use std::time::{Duration, Instant};

use peerage_rtp::Ssrc;
use peerage_rtp::rtcp::{self, FeedbackSources, PictureLossIndication};

use super::send::SendStream;
use super::{
    KEYFRAME_REQUEST_INTERVAL, MAX_QUEUED_RTCP, MAX_REPORT_LEN, REPORT_INTERVAL, RtpTransport,
    Target,
};
use crate::transceiver::TransceiverHandle;

impl RtpTransport {
    /// Asks the peer for a keyframe of every stream of video of a transceiver: now, or when the last request is long
    /// enough ago.
    pub(crate) fn request_keyframe(&mut self, now: Instant, transceiver: TransceiverHandle) {
        let mut due = Vec::new();
        for stream in &mut self.receivers {
            if stream.transceiver() == transceiver
                && stream.ask_for_keyframe(now, KEYFRAME_REQUEST_INTERVAL)
            {
                due.push(stream.ssrc());
            }
        }
        for ssrc in due {
            self.push_keyframe_request(ssrc);
        }
    }

    pub(super) fn push_keyframe_request(&mut self, media: Ssrc) {
        let sources = FeedbackSources { sender: self.own_ssrc(), media };
        let mut packet = Vec::with_capacity(64);
        PictureLossIndication { sources }.write(&mut packet);
        self.push_rtcp(packet);
        self.statistics.keyframe_requests_sent += 1;
        if let Some(&Target::Media(index)) = self.by_ssrc.get(&media.0) {
            self.receivers[index].counters.picture_losses += 1;
        }
    }

    pub(super) fn push_rtcp(&mut self, packet: Vec<u8>) {
        if self.rtcp.len() < MAX_QUEUED_RTCP {
            self.rtcp.push_back(packet);
        }
    }

    pub(super) fn own_ssrc(&self) -> Ssrc {
        self.senders.iter().next().map_or(self.report_ssrc, SendStream::ssrc)
    }

    pub(super) fn schedule_reports(&mut self, now: Instant) {
        let any = !self.senders.is_empty() || !self.routing.is_empty();
        if self.srtp.is_none() || !any {
            self.next_report = None;
            return;
        }
        if self.next_report.is_none() {
            // RFC 3550 §6.3.1: between half and one and a half of the interval, so that ends do not fall into step.
            let half = REPORT_INTERVAL.as_millis() as u64 / 2;
            let wait = Duration::from_millis(self.rng.range(half..3 * half));
            self.next_report = Some(now + wait);
        }
    }

    pub(super) fn report(&mut self, now: Instant) {
        let ntp = self.clock.at(now).0;
        let blocks: Vec<rtcp::ReportBlock> =
            self.receivers.iter_mut().filter_map(|stream| stream.report(now)).collect();
        let mut blocks = blocks.chunks(rtcp::MAX_REPORT_BLOCKS);
        let mut due = Vec::new();
        let mut packet = Vec::with_capacity(512);
        let mut first = self.own_ssrc();
        for stream in self.senders.iter() {
            let Some(info) = stream.sender_info(now, ntp) else { continue };
            let reports = blocks.next().unwrap_or_default();
            if !packet.is_empty() && packet.len() + 28 + 24 * reports.len() > MAX_REPORT_LEN {
                due.push((first, std::mem::take(&mut packet)));
            }
            if packet.is_empty() {
                first = stream.ssrc();
            }
            let (ssrc, reports) = (stream.ssrc(), reports.into());
            rtcp::SenderReport { ssrc, info, reports }.write(&mut packet);
        }
        let own = self.own_ssrc();
        let sends = !packet.is_empty();
        if packet.is_empty() {
            let reports = blocks.next().unwrap_or_default().into();
            rtcp::ReceiverReport { ssrc: own, reports }.write(&mut packet);
        }
        due.push((first, packet));
        for reports in blocks {
            let mut packet = Vec::with_capacity(MAX_REPORT_LEN);
            rtcp::ReceiverReport { ssrc: own, reports: reports.into() }.write(&mut packet);
            due.push((own, packet));
        }
        // RFC 3550 §6.1: each compound packet has the canonical name.
        for (index, (ssrc, mut packet)) in due.into_iter().enumerate() {
            let value = self.cname.as_bytes();
            let items = [rtcp::SdesItem { kind: rtcp::SdesKind::CNAME, value }];
            let chunks = [rtcp::SdesChunk { ssrc, items: (&items).into() }];
            rtcp::SourceDescription::new(&chunks).write(&mut packet);
            if index == 0 {
                self.write_extended_report(now, ssrc, sends, &mut packet);
            }
            self.push_rtcp(packet);
        }
    }
}
