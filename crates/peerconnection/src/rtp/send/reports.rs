//! What a stream of ours says of itself, and hears of itself, in reports (RFC 3550 §6.4) and statistics.

use std::time::Instant;

use peerage_rtp::rtcp::{ReportBlock, SenderInfo};
use peerage_rtp::{RtpTimestamp, Ssrc};

use super::{Codec, MAX_LATE_PACKETS, SendStream, ticks};
use crate::rtp::counters::PacketReports;
use crate::rtp::snapshot::Outbound;

/// How much of the mean of losses a report is: redundancy is needed at once, and is not given up for one good second.
const LOSS_RISES: f32 = 0.5;
const LOSS_FALLS: f32 = 0.15;

impl SendStream {
    /// What is known of the stream.
    pub(in crate::rtp) fn snapshot(
        &self,
        now: Instant,
        reports: Option<PacketReports>,
    ) -> Outbound<'_> {
        let counters = &self.counters;
        let in_use = |codec: &&Codec| Some(codec.payload_type.get()) == counters.payload_type;
        let codec = self.codecs.iter().find(in_use).or(self.codecs.first());
        Outbound {
            ssrc: self.ssrc.0,
            transceiver: self.transceiver,
            encoding: self.encoding,
            payload_type: counters.payload_type,
            clock_rate: codec.map(|codec| codec.clock_rate),
            rtx_ssrc: self.codecs.iter().any(|codec| codec.rtx.is_some()).then_some(self.rtx_ssrc),
            first_sequence: self.first as u16,
            frames_per_second: counters.rate.per_second(now),
            reports,
            counters,
        }
    }

    /// Takes what the peer reports; how many packets it has lost since its last report, and how many it was to get.
    pub(in crate::rtp) fn take_report(&mut self, now: Instant, block: ReportBlock) -> (u32, u32) {
        let last = self.counters.report.replace((now, block)).map(|(_, block)| block);
        let told = f32::from(block.fraction_lost) / 256.0;
        let loss = &mut self.counters.loss;
        *loss += (told - *loss) * if told > *loss { LOSS_RISES } else { LOSS_FALLS };
        // Before its first packet the peer knows the number before ours, in its own cycle (RFC 3550 App. A.1).
        let highest = block.extended_highest_sequence_number;
        let before = match last {
            Some(last) => last.extended_highest_sequence_number,
            None => (highest & 0xffff_0000) | u32::from((self.first as u16).wrapping_sub(1)),
        };
        let expected = highest.wrapping_sub(before);
        // More than was sent since, or less than nothing, is no report on this stream.
        let sent = self.counters.packets - self.reported;
        if u64::from(expected) > sent.saturating_add(MAX_LATE_PACKETS) {
            return (0, 0);
        }
        self.reported = self.counters.packets;
        let lost_before = last.map_or(0, |last| last.cumulative_lost);
        let lost = i64::from(block.cumulative_lost) - i64::from(lost_before);
        // What came twice, or late, can make it less than none (RFC 3550 §6.4.1).
        (u32::try_from(lost.max(0)).unwrap_or(u32::MAX).min(expected), expected)
    }

    /// It ends: its sources that are to say goodbye, if it has sent and did not say it before.
    pub(in crate::rtp) fn leave(&mut self) -> impl Iterator<Item = Ssrc> + use<> {
        let sent = self.counters.packets > 0;
        let first = sent && !std::mem::replace(&mut self.has_left, true);
        self.sources().filter(move |_| first)
    }

    /// What a sender report says; `None` before the first packet.
    pub(in crate::rtp) fn sender_info(&self, now: Instant, ntp: u64) -> Option<SenderInfo> {
        let (timestamp, at, clock_rate) = self.last.filter(|_| self.counters.packets > 0)?;
        let ticks = ticks(now.saturating_duration_since(at), clock_rate);
        Some(SenderInfo {
            ntp,
            rtp_timestamp: RtpTimestamp(timestamp.wrapping_add(ticks as u32)),
            packet_count: self.packets,
            octet_count: self.octets,
        })
    }
}
