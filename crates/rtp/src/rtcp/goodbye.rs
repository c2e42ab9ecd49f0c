//! Goodbye (RFC 3550 §6.6), application-defined packets (§6.7), and packets of unknown type.

use super::header::{RawPacket, packet_type, tail, u32_at, write_packet};
use super::list::{List, WireItem};
use crate::error::Error;
use crate::number::Ssrc;

/// The most sources of one packet: five bits count them.
const MAX_SOURCES: usize = 31;

/// Sources that end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goodbye<'a> {
    /// Which.
    pub sources: List<'a, Ssrc>,
    /// Why, in UTF-8; at most 255 bytes are written.
    pub reason: Option<&'a [u8]>,
}

impl<'a> Goodbye<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Result<Self, Error> {
        const SECTION: &str = "RFC 3550 §6.6";
        let sources = usize::from(count) * 4;
        let rest = tail(body, sources, "goodbye", SECTION)?;
        let reason = match rest.split_first() {
            None => None,
            Some((&len, text)) => {
                let need = usize::from(len);
                let have = text.len();
                let error =
                    Error::Truncated { what: "reason for leaving", need, have, section: SECTION };
                Some(text.get(..need).ok_or(error)?)
            }
        };
        Ok(Self { sources: List::wire(&body[..sources]), reason })
    }

    /// Appends the packet; sources beyond 31 follow in further ones.
    pub fn write(&self, out: &mut Vec<u8>) {
        for (from, to) in self.sources.pages(MAX_SOURCES) {
            write_packet(out, packet_type::GOODBYE, (to - from) as u8, |out| {
                self.sources.write(from, to, out);
                if let Some(reason) = self.reason {
                    let reason = &reason[..reason.len().min(255)];
                    out.push(reason.len() as u8);
                    out.extend_from_slice(reason);
                }
            });
        }
    }
}

/// A packet whose meaning an application knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApplicationDefined<'a> {
    /// Five bits of the application's.
    pub subtype: u8,
    /// Who sent it.
    pub ssrc: Ssrc,
    /// Which application.
    pub name: [u8; 4],
    /// What it says: whole words, up to 65,533 of them. What is written is cut and padded to that.
    pub data: &'a [u8],
}

impl<'a> ApplicationDefined<'a> {
    pub(super) fn read(subtype: u8, body: &'a [u8]) -> Result<Self, Error> {
        const SECTION: &str = "RFC 3550 §6.7";
        let ssrc = Ssrc(u32_at(body, 0, "APP packet", SECTION)?);
        let name = u32_at(body, 4, "APP packet", SECTION)?.to_be_bytes();
        Ok(Self { subtype, ssrc, name, data: &body[8..] })
    }

    /// Appends the packet.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_packet(out, packet_type::APPLICATION_DEFINED, self.subtype, |out| {
            self.ssrc.write(out);
            out.extend_from_slice(&self.name);
            out.extend_from_slice(&self.data[..self.data.len().min(65_533 * 4)]);
        });
    }
}

/// A packet of a type, or a feedback message of a format, that this crate does not know. Kept as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Other<'a> {
    /// The packet type.
    pub packet_type: u8,
    /// Five bits: a count, a feedback message type, or a subtype.
    pub count: u8,
    /// What follows the first four bytes.
    pub body: &'a [u8],
}

impl<'a> Other<'a> {
    pub(super) fn from_raw(raw: &RawPacket<'a>) -> Self {
        Self { packet_type: raw.packet_type, count: raw.count, body: raw.body }
    }

    /// Appends the packet.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_packet(out, self.packet_type, self.count, |out| {
            out.extend_from_slice(&self.body[..self.body.len().min(65_535 * 4)]);
        });
    }
}
