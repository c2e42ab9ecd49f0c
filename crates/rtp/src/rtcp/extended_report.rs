//! Extended reports (RFC 3611): receiver reference time and DLRR blocks, by which a participant that only receives
//! measures its round trip. Other blocks are kept as they came.

use super::header::{packet_type, u32_at, write_packet};
use super::list::{List, WireItem};
use crate::error::Error;
use crate::number::Ssrc;

/// What a participant heard last from another that only receives (RFC 3611 §4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DelaySinceReference {
    /// The participant that receives.
    pub ssrc: Ssrc,
    /// The middle 32 bits of its last reference time; 0 where none came.
    pub last_reference: u32,
    /// Time since that arrived, in 1/65,536 seconds; 0 where none came.
    pub delay: u32,
}

impl WireItem for DelaySinceReference {
    const SIZE: usize = 12;

    fn read(bytes: &[u8]) -> Self {
        let word =
            |i: usize| u32::from_be_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
        Self { ssrc: Ssrc(word(0)), last_reference: word(4), delay: word(8) }
    }

    fn write(self, out: &mut Vec<u8>) {
        for word in [self.ssrc.0, self.last_reference, self.delay] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// A block of an extended report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReportBlockXr<'a> {
    /// When the report was sent, by an NTP clock (RFC 3611 §4.4).
    ReceiverReferenceTime {
        /// Seconds since 1900 in 32.32 fixed point.
        ntp: u64,
    },
    /// What was heard of others' reference times (RFC 3611 §4.5).
    Dlrr(List<'a, DelaySinceReference>),
    /// A block of another type.
    Other {
        /// The block type.
        block_type: u8,
        /// Eight bits whose meaning is the type's.
        specific: u8,
        /// Its contents: whole words.
        data: &'a [u8],
    },
}

/// An extended report.
#[derive(Debug, Clone, Copy)]
pub struct ExtendedReport<'a> {
    /// Who reports.
    pub ssrc: Ssrc,
    blocks: Repr<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Repr<'a> {
    /// Checked when it was read.
    Wire(&'a [u8]),
    Items(&'a [ReportBlockXr<'a>]),
}

fn split_block(bytes: &[u8]) -> Result<(ReportBlockXr<'_>, &[u8]), Error> {
    let truncated = |need| Error::Truncated {
        what: "XR block",
        need,
        have: bytes.len(),
        section: "RFC 3611 §3",
    };
    let Some((&[block_type, specific, l0, l1], rest)) = bytes.split_first_chunk::<4>() else {
        return Err(truncated(4));
    };
    let len = usize::from(u16::from_be_bytes([l0, l1])) * 4;
    let (data, rest) = rest.split_at_checked(len).ok_or(truncated(len + 4))?;
    let wrong =
        |section| Error::Invalid { what: "XR block", reason: "its length is wrong", section };
    let block = match block_type {
        4 => {
            let Ok(ntp) = data.try_into() else { return Err(wrong("RFC 3611 §4.4")) };
            ReportBlockXr::ReceiverReferenceTime { ntp: u64::from_be_bytes(ntp) }
        }
        5 if !data.len().is_multiple_of(DelaySinceReference::SIZE) => {
            return Err(wrong("RFC 3611 §4.5"));
        }
        5 => ReportBlockXr::Dlrr(List::wire(data)),
        _ => ReportBlockXr::Other { block_type, specific, data },
    };
    Ok((block, rest))
}

impl<'a> ExtendedReport<'a> {
    /// A report to be written.
    #[must_use]
    pub fn new(ssrc: Ssrc, blocks: &'a [ReportBlockXr<'a>]) -> Self {
        Self { ssrc, blocks: Repr::Items(blocks) }
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        let ssrc = Ssrc(u32_at(body, 0, "extended report", "RFC 3611 §2")?);
        let mut rest = &body[4..];
        while !rest.is_empty() {
            (_, rest) = split_block(rest)?;
        }
        Ok(Self { ssrc, blocks: Repr::Wire(&body[4..]) })
    }

    /// The blocks.
    pub fn blocks(&self) -> impl Iterator<Item = ReportBlockXr<'a>> + use<'a> {
        let (mut wire, mut items) = match self.blocks {
            Repr::Wire(bytes) => (bytes, [].iter()),
            Repr::Items(items) => (&[][..], items.iter()),
        };
        std::iter::from_fn(move || {
            if let Some(block) = items.next() {
                return Some(*block);
            }
            let (block, rest) = split_block(wire).ok()?;
            wire = rest;
            Some(block)
        })
    }

    /// Appends the report. The blocks together must fit 65,534 words; those that do not are left out.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_packet(out, packet_type::EXTENDED_REPORT, 0, |out| {
            let start = out.len();
            self.ssrc.write(out);
            for block in self.blocks() {
                let at = out.len();
                let (block_type, specific) = match block {
                    ReportBlockXr::ReceiverReferenceTime { .. } => (4, 0),
                    ReportBlockXr::Dlrr(_) => (5, 0),
                    ReportBlockXr::Other { block_type, specific, .. } => (block_type, specific),
                };
                out.extend_from_slice(&[block_type, specific, 0, 0]);
                match block {
                    ReportBlockXr::ReceiverReferenceTime { ntp } => {
                        out.extend_from_slice(&ntp.to_be_bytes());
                    }
                    ReportBlockXr::Dlrr(list) => list.write(0, list.len(), out),
                    ReportBlockXr::Other { data, .. } => out.extend_from_slice(data),
                }
                let len = (out.len() - at).next_multiple_of(4);
                out.resize(at + len, 0);
                if out.len() - start > 65_535 * 4 {
                    out.truncate(at);
                    break;
                }
                out[at + 2..at + 4].copy_from_slice(&(((len - 4) / 4) as u16).to_be_bytes());
            }
        });
    }
}

impl PartialEq for ExtendedReport<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.ssrc == other.ssrc && self.blocks().eq(other.blocks())
    }
}

impl Eq for ExtendedReport<'_> {}
