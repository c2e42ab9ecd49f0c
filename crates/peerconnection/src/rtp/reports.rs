//! RTCP of ours: reports, feedback about arrivals, requests for keyframes.

use std::time::Instant;

use peerage_congestion::DataRate;
use peerage_rtp::Ssrc;
use peerage_rtp::rtcp::{
    self, FeedbackSources, FullIntraEntry, FullIntraRequest, PictureLossIndication, SdesKind,
};
use smallvec::SmallVec;

use super::routing::KeyframeRequests;
use super::schedule::ReportSchedule;
use super::send::SendStream;
use super::{KEYFRAME_REQUEST_INTERVAL, MAX_QUEUED_RTCP, MAX_REPORT_LEN, RtpTransport, Target};
use crate::transceiver::TransceiverHandle;

/// Packet types of the two (RFC 3550 §12.1).
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;

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
        let sender = self.own_ssrc();
        let Some(&Target::Media(index)) = self.by_ssrc.get(&media.0) else { return };
        let stream = &mut self.receivers[index];
        let mut packet = Vec::with_capacity(64);
        match stream.keyframe_requests() {
            KeyframeRequests::PictureLoss => {
                let sources = FeedbackSources { sender, media };
                PictureLossIndication { sources }.write(&mut packet);
                stream.counters.picture_losses += 1;
            }
            KeyframeRequests::FullIntra => {
                // RFC 5104 §4.3.1.2: the media source is 0, and named within.
                let sources = FeedbackSources { sender, media: Ssrc(0) };
                let sequence_number = stream.next_command();
                let entries = [FullIntraEntry { ssrc: media, sequence_number }];
                FullIntraRequest { sources, entries: (&entries).into() }.write(&mut packet);
                stream.counters.full_intra_requests += 1;
            }
            KeyframeRequests::None => return,
        }
        self.push_rtcp(packet);
        self.statistics.keyframe_requests_sent += 1;
    }

    pub(super) fn push_rtcp(&mut self, packet: Vec<u8>) {
        if self.rtcp.len() >= MAX_QUEUED_RTCP {
            return;
        }
        let is_report = matches!(packet.get(1), Some(&(SENDER_REPORT | RECEIVER_REPORT)));
        if self.reduced_size || is_report {
            self.rtcp.push_back(packet);
            return;
        }
        // Without a=rtcp-rsize each begins with a report and has the canonical name (RFC 3550 §6.1, RFC 5506 §5).
        let mut compound = Vec::with_capacity(packet.len() + 64);
        let ssrc = self.own_ssrc();
        rtcp::ReceiverReport { ssrc, reports: (&[][..]).into() }.write(&mut compound);
        self.write_names(&[ssrc], &mut compound);
        compound.extend_from_slice(&packet);
        self.rtcp.push_back(compound);
    }

    /// The canonical name of sources of ours (RFC 3550 §6.5.1), and which section each is of (RFC 9143 §15.1).
    pub(super) fn write_names(&self, sources: &[Ssrc], out: &mut Vec<u8>) {
        let value = self.cname.as_bytes();
        let name = rtcp::SdesItem { kind: SdesKind::CNAME, value };
        let items = sources.iter().map(|&ssrc| {
            let mid = self.senders.get(ssrc).map(SendStream::mid).filter(|mid| !mid.is_empty());
            let mid = mid.map(|mid| rtcp::SdesItem { kind: SdesKind::MID, value: mid.as_bytes() });
            (ssrc, std::iter::once(name).chain(mid).collect())
        });
        let items: Vec<(Ssrc, SmallVec<[rtcp::SdesItem<'_>; 2]>)> = items.collect();
        let chunks: Vec<_> = items
            .iter()
            .map(|(ssrc, items)| rtcp::SdesChunk { ssrc: *ssrc, items: items.as_slice().into() })
            .collect();
        rtcp::SourceDescription::new(&chunks).write(out);
    }

    pub(super) fn own_ssrc(&self) -> Ssrc {
        self.senders.iter().next().map_or(self.report_ssrc, SendStream::ssrc)
    }

    /// Begins to report once there is anything to report on, and ends with it.
    pub(super) fn schedule_reports(&mut self, now: Instant) {
        let any = !self.senders.is_empty() || !self.routing.is_empty();
        if self.srtp.is_none() || !any {
            self.schedule = None;
        } else if self.schedule.is_none() {
            let (sending, random) = (self.may_send(), self.rng.u32());
            self.schedule = Some(ReportSchedule::new(now, sending, &self.statistics, random));
        }
    }

    fn may_send(&self) -> DataRate {
        self.rate.as_ref().map_or(self.bitrates.start_rate, |rate| rate.target().rate)
    }

    /// Whether a regular report is to be sent now.
    pub(super) fn is_report_due(&mut self, now: Instant) -> bool {
        let sending = self.may_send();
        let Some(schedule) = &mut self.schedule else { return false };
        if schedule.poll_timeout() > now {
            return false;
        }
        let who_sends = (!self.senders.is_empty(), !self.receivers.is_empty());
        schedule.is_due(now, sending, &self.statistics, who_sends, self.rng.u32())
    }

    /// A report of so many bytes goes out.
    pub(super) fn reported(&mut self, now: Instant, len: usize) {
        if let Some(schedule) = &mut self.schedule {
            schedule.sent(now, len, self.rng.u32());
        }
    }

    /// Queues reports on all streams; their bytes.
    pub(super) fn report(&mut self, now: Instant) -> usize {
        let ntp = self.clock.at(now).0;
        let blocks: Vec<rtcp::ReportBlock> =
            self.receivers.iter_mut().filter_map(|stream| stream.report(now)).collect();
        let mut blocks = blocks.chunks(rtcp::MAX_REPORT_BLOCKS);
        let mut due = Vec::new();
        let mut packet = Vec::with_capacity(512);
        let mut sources = Vec::new();
        // What a source takes: its report, its name, and its mid.
        let name_len = |stream: &SendStream| self.cname.len() + 10 + 2 + stream.mid().len();
        let mut names = 0;
        for stream in self.senders.iter() {
            let Some(info) = stream.sender_info(now, ntp) else { continue };
            let reports = blocks.next().unwrap_or_default();
            names += name_len(stream);
            if !packet.is_empty() && packet.len() + 28 + 24 * reports.len() + names > MAX_REPORT_LEN
            {
                due.push((std::mem::take(&mut sources), std::mem::take(&mut packet)));
                names = name_len(stream);
            }
            sources.push(stream.ssrc());
            let (ssrc, reports) = (stream.ssrc(), reports.into());
            rtcp::SenderReport { ssrc, info, reports }.write(&mut packet);
        }
        let own = self.own_ssrc();
        let sends = !packet.is_empty();
        if packet.is_empty() {
            sources.push(own);
            let reports = blocks.next().unwrap_or_default().into();
            rtcp::ReceiverReport { ssrc: own, reports }.write(&mut packet);
        }
        due.push((sources, packet));
        for reports in blocks {
            let mut packet = Vec::with_capacity(MAX_REPORT_LEN);
            rtcp::ReceiverReport { ssrc: own, reports: reports.into() }.write(&mut packet);
            due.push((vec![own], packet));
        }
        // RFC 3550 §6.1: each compound packet has the canonical name; §6.5: of each source that reports in it.
        let mut len = 0;
        for (index, (sources, mut packet)) in due.into_iter().enumerate() {
            self.write_names(&sources, &mut packet);
            if index == 0 {
                self.write_extended_report(now, sources[0], sends, &mut packet);
            }
            len += packet.len();
            self.push_rtcp(packet);
        }
        len
    }
}
