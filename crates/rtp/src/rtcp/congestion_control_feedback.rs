//! Congestion control feedback (RFC 8888): for a run of packets of each stream, which arrived, when, and with which ECN
//! mark.

use super::feedback::FeedbackSources;
use super::header::{packet_type, u32_at, write_packet};
use super::list::{List, WireItem};
use crate::error::Error;
use crate::number::{SequenceNumber, Ssrc};

const SECTION: &str = "RFC 8888 §3.1";
const WHAT: &str = "congestion control feedback";

/// The most packets of a report block (RFC 8888 §3.1). More are not written.
pub const MAX_METRICS_PER_STREAM: usize = 16_384;

/// The mark of an IP packet (RFC 3168 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ecn {
    /// Not ECN-capable, or not known.
    #[default]
    NotEct,
    /// ECN-capable, ECT(1): L4S (RFC 9331).
    Ect1,
    /// ECN-capable, ECT(0).
    Ect0,
    /// Congestion experienced.
    Ce,
}

impl Ecn {
    /// From the two bits of the IP header.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::NotEct,
            1 => Self::Ect1,
            2 => Self::Ect0,
            _ => Self::Ce,
        }
    }
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketMetric {
    /// It had not arrived.
    NotReceived,
    /// It had arrived.
    Received {
        /// The mark it came with.
        ecn: Ecn,
        /// How long before the report's timestamp it came, in 1/1,024 seconds up to 8,189; or one of
        /// [`OFFSET_TOO_LONG`](Self::OFFSET_TOO_LONG) and [`OFFSET_UNKNOWN`](Self::OFFSET_UNKNOWN).
        arrival_offset: u16,
    },
}

impl PacketMetric {
    /// The packet came longer ago than can be said.
    pub const OFFSET_TOO_LONG: u16 = 0x1FFE;
    /// When the packet came is not known, or was after the report's timestamp.
    pub const OFFSET_UNKNOWN: u16 = 0x1FFF;
}

impl WireItem for PacketMetric {
    const SIZE: usize = 2;

    fn read(bytes: &[u8]) -> Self {
        let word = u16::from_be_bytes([bytes[0], bytes[1]]);
        if word & 0x8000 == 0 {
            return Self::NotReceived;
        }
        Self::Received { ecn: Ecn::from_bits((word >> 13) as u8), arrival_offset: word & 0x1FFF }
    }

    fn write(self, out: &mut Vec<u8>) {
        let word = match self {
            Self::NotReceived => 0,
            Self::Received { ecn, arrival_offset } => {
                0x8000 | (ecn as u16) << 13 | arrival_offset.min(Self::OFFSET_UNKNOWN)
            }
        };
        out.extend_from_slice(&word.to_be_bytes());
    }
}

/// Feedback on one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamFeedback<'a> {
    /// The stream.
    pub ssrc: Ssrc,
    /// The first packet reported on.
    pub begin: SequenceNumber,
    /// The packets from there on, at most 16,384.
    pub metrics: List<'a, PacketMetric>,
}

impl<'a> StreamFeedback<'a> {
    /// The packets with their numbers.
    pub fn packets(&self) -> impl Iterator<Item = (SequenceNumber, PacketMetric)> + use<'a> {
        let begin = self.begin;
        self.metrics
            .iter()
            .enumerate()
            .map(move |(index, metric)| (begin.plus(index as u16), metric))
    }
}

/// Feedback on streams.
#[derive(Debug, Clone, Copy)]
pub struct CongestionControlFeedback<'a> {
    /// Who sends it.
    pub sender: Ssrc,
    /// The middle 32 bits of the NTP time that offsets count back from.
    pub report_timestamp: u32,
    streams: Repr<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Repr<'a> {
    /// Checked when it was read.
    Wire(&'a [u8]),
    Items(&'a [StreamFeedback<'a>]),
}

fn split_stream(bytes: &[u8]) -> Result<(StreamFeedback<'_>, &[u8]), Error> {
    let truncated =
        |need| Error::Truncated { what: WHAT, need, have: bytes.len(), section: SECTION };
    let Some((&[s0, s1, s2, s3, b0, b1, n0, n1], rest)) = bytes.split_first_chunk::<8>() else {
        return Err(truncated(8));
    };
    let count = usize::from(u16::from_be_bytes([n0, n1]));
    if count > MAX_METRICS_PER_STREAM {
        let what = "packets of a congestion control feedback block";
        return Err(Error::TooMany {
            what,
            have: count,
            limit: MAX_METRICS_PER_STREAM,
            section: SECTION,
        });
    }
    // RFC 8888 §3.1: an odd number of metrics is followed by 16 bits of padding.
    let padded = (count * 2).next_multiple_of(4);
    let (metrics, rest) = rest.split_at_checked(padded).ok_or(truncated(8 + padded))?;
    let ssrc = Ssrc(u32::from_be_bytes([s0, s1, s2, s3]));
    let begin = SequenceNumber(u16::from_be_bytes([b0, b1]));
    Ok((StreamFeedback { ssrc, begin, metrics: List::wire(&metrics[..count * 2]) }, rest))
}

impl<'a> CongestionControlFeedback<'a> {
    /// Feedback to be written.
    #[must_use]
    pub fn new(sender: Ssrc, report_timestamp: u32, streams: &'a [StreamFeedback<'a>]) -> Self {
        Self { sender, report_timestamp, streams: Repr::Items(streams) }
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        let sender = Ssrc(u32_at(body, 0, WHAT, SECTION)?);
        let blocks_end = body.len() - 4;
        if blocks_end < 4 {
            return Err(Error::Truncated {
                what: WHAT,
                need: 8,
                have: body.len(),
                section: SECTION,
            });
        }
        let report_timestamp = u32_at(body, blocks_end, WHAT, SECTION)?;
        let blocks = &body[4..blocks_end];
        let mut rest = blocks;
        while !rest.is_empty() {
            (_, rest) = split_stream(rest)?;
        }
        Ok(Self { sender, report_timestamp, streams: Repr::Wire(blocks) })
    }

    /// The streams.
    pub fn streams(&self) -> impl Iterator<Item = StreamFeedback<'a>> + use<'a> {
        let (mut wire, mut items) = match self.streams {
            Repr::Wire(bytes) => (bytes, [].iter()),
            Repr::Items(items) => (&[][..], items.iter()),
        };
        std::iter::from_fn(move || {
            if let Some(stream) = items.next() {
                return Some(*stream);
            }
            let (stream, rest) = split_stream(wire).ok()?;
            wire = rest;
            Some(stream)
        })
    }

    /// Appends the message. The caller keeps it within the MTU by the number of packets it reports on; what exceeds the
    /// length field is left out.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_packet(out, packet_type::TRANSPORT_FEEDBACK, 11, |out| {
            let start = out.len();
            self.sender.write(out);
            for stream in self.streams() {
                let count = stream.metrics.len().min(MAX_METRICS_PER_STREAM);
                if out.len() - start + 12 + count * 2 + 2 > 65_535 * 4 {
                    break;
                }
                stream.ssrc.write(out);
                out.extend_from_slice(&stream.begin.0.to_be_bytes());
                out.extend_from_slice(&(count as u16).to_be_bytes());
                stream.metrics.write(0, count, out);
                if count % 2 == 1 {
                    out.extend_from_slice(&[0, 0]);
                }
            }
            out.extend_from_slice(&self.report_timestamp.to_be_bytes());
        });
    }

    /// Who sends it, and that it is about no single source.
    #[must_use]
    pub fn sources(&self) -> FeedbackSources {
        FeedbackSources { sender: self.sender, media: Ssrc(0) }
    }
}

impl PartialEq for CongestionControlFeedback<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.sender, self.report_timestamp) == (other.sender, other.report_timestamp)
            && self.streams().eq(other.streams())
    }
}

impl Eq for CongestionControlFeedback<'_> {}
