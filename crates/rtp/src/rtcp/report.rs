//! Sender and receiver reports (RFC 3550 §6.4).

use super::header::{packet_type, tail, u32_at, write_packet};
use super::list::{List, WireItem};
use crate::error::Error;
use crate::number::{RtpTimestamp, Ssrc};

/// The most report blocks of one packet: five bits count them. Writers make more packets of more blocks.
pub const MAX_REPORT_BLOCKS: usize = 31;

/// What a receiver says of one source (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: Ssrc,
    /// Packets lost since the last report, in 1/256 of those expected.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; negative where duplicates came. 24 bits: what is beyond is written as the
    /// nearest value.
    pub cumulative_lost: i32,
    /// The highest sequence number, with how often it wrapped in the upper 16 bits.
    pub extended_highest_sequence_number: u32,
    /// Variation of the packets' transit time, in ticks of the timestamp.
    pub jitter: u32,
    /// The middle 32 bits of the NTP timestamp of the last sender report; 0 where none came.
    pub last_sender_report: u32,
    /// Time since that report arrived, in 1/65,536 seconds; 0 where none came.
    pub delay_since_last_sender_report: u32,
}

impl WireItem for ReportBlock {
    const SIZE: usize = 24;

    fn read(bytes: &[u8]) -> Self {
        let word = |i: usize| {
            u32::from_be_bytes([bytes[i * 4], bytes[i * 4 + 1], bytes[i * 4 + 2], bytes[i * 4 + 3]])
        };
        Self {
            ssrc: Ssrc(word(0)),
            fraction_lost: bytes[4],
            cumulative_lost: (word(1) << 8) as i32 >> 8,
            extended_highest_sequence_number: word(2),
            jitter: word(3),
            last_sender_report: word(4),
            delay_since_last_sender_report: word(5),
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        // RFC 3550 App. A.3: the cumulative loss is clamped to its 24 bits.
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0xFF_FFFF;
        for word in [
            self.ssrc.0,
            u32::from(self.fraction_lost) << 24 | lost,
            self.extended_highest_sequence_number,
            self.jitter,
            self.last_sender_report,
            self.delay_since_last_sender_report,
        ] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// What a sender says of itself (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderInfo {
    /// When the report was sent: seconds since 1900 in 32.32 fixed point.
    pub ntp: u64,
    /// The same moment in ticks of the stream's timestamp.
    pub rtp_timestamp: RtpTimestamp,
    /// Packets sent, modulo 2^32.
    pub packet_count: u32,
    /// Payload bytes sent, modulo 2^32.
    pub octet_count: u32,
}

/// A report of a participant that sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport<'a> {
    /// Who reports.
    pub ssrc: Ssrc,
    /// What it sent.
    pub info: SenderInfo,
    /// What it received.
    pub reports: List<'a, ReportBlock>,
}

impl<'a> SenderReport<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Result<Self, Error> {
        let field = |offset| u32_at(body, offset, "sender report", "RFC 3550 §6.4.1");
        let blocks = blocks(count, body, 24, "sender report", "RFC 3550 §6.4.1")?;
        let info = SenderInfo {
            ntp: u64::from(field(4)?) << 32 | u64::from(field(8)?),
            rtp_timestamp: RtpTimestamp(field(12)?),
            packet_count: field(16)?,
            octet_count: field(20)?,
        };
        Ok(Self { ssrc: Ssrc(field(0)?), info, reports: blocks })
    }

    /// Appends the report. Blocks beyond 31 follow in receiver reports (RFC 3550 §6.1).
    pub fn write(&self, out: &mut Vec<u8>) {
        let first = self.reports.len().min(MAX_REPORT_BLOCKS);
        write_packet(out, packet_type::SENDER_REPORT, first as u8, |out| {
            self.ssrc.write(out);
            out.extend_from_slice(&self.info.ntp.to_be_bytes());
            out.extend_from_slice(&self.info.rtp_timestamp.0.to_be_bytes());
            out.extend_from_slice(&self.info.packet_count.to_be_bytes());
            out.extend_from_slice(&self.info.octet_count.to_be_bytes());
            self.reports.write(0, first, out);
        });
        for from in (first..self.reports.len()).step_by(MAX_REPORT_BLOCKS) {
            write_receiver_report(self.ssrc, &self.reports, from, out);
        }
    }
}

/// A report of a participant that does not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiverReport<'a> {
    /// Who reports.
    pub ssrc: Ssrc,
    /// What it received.
    pub reports: List<'a, ReportBlock>,
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Result<Self, Error> {
        let ssrc = Ssrc(u32_at(body, 0, "receiver report", "RFC 3550 §6.4.2")?);
        Ok(Self { ssrc, reports: blocks(count, body, 4, "receiver report", "RFC 3550 §6.4.2")? })
    }

    /// Appends the report; blocks beyond 31 follow in further ones (RFC 3550 §6.1).
    pub fn write(&self, out: &mut Vec<u8>) {
        for (from, _) in self.reports.pages(MAX_REPORT_BLOCKS) {
            write_receiver_report(self.ssrc, &self.reports, from, out);
        }
    }
}

fn write_receiver_report(
    ssrc: Ssrc,
    reports: &List<'_, ReportBlock>,
    from: usize,
    out: &mut Vec<u8>,
) {
    let to = reports.len().min(from + MAX_REPORT_BLOCKS);
    write_packet(out, packet_type::RECEIVER_REPORT, (to - from) as u8, |out| {
        ssrc.write(out);
        reports.write(from, to, out);
    });
}

/// The blocks that `count` announces; what follows them is a profile's extension and skipped (RFC 3550 §6.4.3).
fn blocks<'a>(
    count: u8,
    body: &'a [u8],
    at: usize,
    what: &'static str,
    section: &'static str,
) -> Result<List<'a, ReportBlock>, Error> {
    let need = at + usize::from(count) * ReportBlock::SIZE;
    tail(body, need, what, section)?;
    Ok(List::wire(&body[at..need]))
}
