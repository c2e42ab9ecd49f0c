//! Pages of Ogg (RFC 3533 §6): header, lacing and checksum, read and written for a single logical stream.

use std::io::Read;

use super::{error::Error, source::Source};

pub(super) const FORMAT: &str = "Ogg";

/// The packet on the page continues from the page before.
pub(super) const CONTINUED: u8 = 1;
/// The first page of the stream.
pub(super) const BEGINS: u8 = 2;
/// The last page of the stream.
pub(super) const ENDS: u8 = 4;

/// RFC 3533 §6: polynomial 0x04C11DB7, neither reflected nor inverted.
const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 0x8000_0000 != 0 { value << 1 ^ 0x04C1_1DB7 } else { value << 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

fn crc(mut value: u32, data: &[u8]) -> u32 {
    for &byte in data {
        value = value << 8 ^ CRC_TABLE[usize::from((value >> 24) as u8 ^ byte)];
    }
    value
}

/// A page as it was read.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) offset: u64,
    pub(super) flags: u8,
    pub(super) serial: u32,
    /// Lengths of up to 255 segments; a packet ends with the first below 255.
    pub(super) lacing: Vec<u8>,
    pub(super) body: Vec<u8>,
}

impl Page {
    /// Reads a page; `None` where the file ends.
    pub(super) fn read<R: Read>(source: &mut Source<R>) -> Result<Option<Self>, Error> {
        let offset = source.offset();
        let Some(head) = source.array_or_end::<27>("a page header")? else { return Ok(None) };
        if head[..4] != *b"OggS" {
            return Err(source.invalid(offset, "a page does not begin with OggS"));
        }
        if head[4] != 0 {
            return Err(source.invalid(offset + 4, "the stream structure version is not 0"));
        }
        let u32_at =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let mut lacing = Vec::new();
        source.append(usize::from(head[26]), "the segment table", &mut lacing)?;
        let size = lacing.iter().map(|&length| usize::from(length)).sum();
        let mut body = Vec::new();
        source.append(size, "a page", &mut body)?;
        let mut cleared = head;
        cleared[22..26].fill(0);
        if crc(crc(crc(0, &cleared), &lacing), &body) != u32_at(22) {
            return Err(source.invalid(offset + 22, "the checksum of a page is wrong"));
        }
        Ok(Some(Self { offset, flags: head[5], serial: u32_at(14), lacing, body }))
    }
}

/// Writes one page.
pub(super) fn write_page(
    flags: u8,
    granule: u64,
    serial: u32,
    sequence: u32,
    lacing: &[u8],
    body: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(27 + lacing.len() + body.len());
    out.extend(b"OggS\0");
    out.push(flags);
    out.extend(granule.to_le_bytes());
    out.extend(serial.to_le_bytes());
    out.extend(sequence.to_le_bytes());
    out.extend([0; 4]);
    out.push(lacing.len() as u8);
    out.extend(lacing);
    out.extend(body);
    let checksum = crc(0, &out);
    out[22..26].copy_from_slice(&checksum.to_le_bytes());
    out
}
