//! H.264 and H.265 elementary streams in Annex B form (`.264`, `.265`): NAL units between start codes, grouped into
//! access units, which is what an encoder puts out and a packetiser takes in.

use std::io::{Read, Write};

use bytes::Bytes;
use peerage_rtp::payload::find_start_code;

use super::{
    error::Error,
    source::{MAX_FRAME, Source},
};

const FORMAT: &str = "Annex B";
const START_CODE: [u8; 4] = [0, 0, 0, 1];
const CHUNK: usize = 16 << 10;

/// Which of the two codecs a stream is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnnexBCodec {
    /// H.264.
    H264,
    /// H.265.
    H265,
}

/// What a NAL unit means for where access units begin.
struct Role {
    /// A slice.
    is_slice: bool,
    /// A slice from which decoding can begin.
    is_intra: bool,
    /// After a slice, this begins the next access unit.
    begins: bool,
}

impl AnnexBCodec {
    /// ITU-T H.264 §7.4.1.2.3 and H.265 §7.4.2.4.4. That a slice is the first of its picture is taken from its address
    /// being 0, so streams with arbitrary slice order or redundant pictures, which nobody sends, may be split wrongly.
    fn role(self, unit: &[u8]) -> Role {
        match self {
            Self::H264 => {
                let unit_type = unit[0] & 0x1F;
                let is_slice = matches!(unit_type, 1 | 2 | 5);
                let is_first = unit.get(1).is_some_and(|byte| byte & 0x80 != 0);
                Role {
                    is_slice: is_slice || matches!(unit_type, 3 | 4),
                    is_intra: unit_type == 5,
                    begins: matches!(unit_type, 6..=9 | 14..=18) || is_slice && is_first,
                }
            }
            Self::H265 => {
                let unit_type = unit[0] >> 1 & 0x3F;
                let is_slice = unit_type < 32;
                let is_first = unit.get(2).is_some_and(|byte| byte & 0x80 != 0);
                Role {
                    is_slice,
                    is_intra: (16..=23).contains(&unit_type),
                    begins: matches!(unit_type, 32..=35 | 39 | 41..=44 | 48..=55)
                        || is_slice && is_first,
                }
            }
        }
    }
}

/// An access unit: all NAL units of one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// The NAL units, with four-byte start codes.
    pub data: Bytes,
    /// Whether decoding can begin here (IDR; for H.265 any IRAP).
    pub keyframe: bool,
}

/// Splits a stream into access units. After an error nothing more comes.
#[derive(Debug)]
pub struct AnnexBReader<R> {
    source: Source<R>,
    codec: AnnexBCodec,
    /// Bytes read; `buffer[start..]` is not used yet.
    buffer: Vec<u8>,
    start: usize,
    /// No start code begins before this.
    searched: usize,
    /// A start code was found: `start` is right after it.
    in_unit: bool,
    at_end: bool,
    /// The access unit in hand.
    unit: Vec<u8>,
    has_slice: bool,
    keyframe: bool,
    failed: bool,
}

impl<R: Read> AnnexBReader<R> {
    /// Reads a stream of `codec`.
    pub fn new(reader: R, codec: AnnexBCodec) -> Self {
        Self {
            source: Source::new(FORMAT, reader),
            codec,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            in_unit: false,
            at_end: false,
            unit: Vec::new(),
            has_slice: false,
            keyframe: false,
            failed: false,
        }
    }

    /// Finds the next NAL unit in the buffer, reading on as needed: its range. Empty units are skipped.
    fn next_nal(&mut self) -> Result<Option<std::ops::Range<usize>>, Error> {
        loop {
            let found = find_start_code(&self.buffer[self.searched..]).map(|at| self.searched + at);
            let end = match found {
                Some(at) => at,
                None if self.at_end => self.buffer.len(),
                None => {
                    // A start code may lie across the end of what is here.
                    self.searched = self.buffer.len().saturating_sub(2).max(self.start);
                    self.read_on()?;
                    continue;
                }
            };
            if found.is_none() && end == self.start {
                return Ok(None);
            }
            let unit = self.start..end;
            let was_in_unit = self.in_unit;
            self.start = found.map_or(end, |at| at + 3);
            self.searched = self.start;
            self.in_unit = found.is_some();
            if !was_in_unit {
                // Before the first start code there may be zero bytes and nothing else.
                if self.buffer[unit.clone()].iter().any(|&byte| byte != 0) {
                    return Err(self.source.invalid(0, "bytes before the first start code"));
                }
                continue;
            }
            let trimmed = self.buffer[unit.clone()].iter().rposition(|&byte| byte != 0);
            if let Some(last) = trimmed {
                return Ok(Some(unit.start..unit.start + last + 1));
            }
        }
    }

    fn read_on(&mut self) -> Result<(), Error> {
        let used = self.start;
        if used > 0 {
            self.buffer.drain(..used);
            self.start = 0;
            self.searched -= used;
        }
        let filled = self.buffer.len();
        if filled > MAX_FRAME {
            return Err(too_large(self.source.offset(), "a NAL unit", filled));
        }
        // Grows with what was found, so that large units are not read in small steps.
        self.buffer.resize(filled + CHUNK.max(filled / 2), 0);
        let read = self.source.read_up_to(&mut self.buffer[filled..])?;
        self.buffer.truncate(filled + read);
        self.at_end = read == 0;
        Ok(())
    }

    fn read_unit(&mut self) -> Result<Option<AccessUnit>, Error> {
        while let Some(range) = self.next_nal()? {
            let role = self.codec.role(&self.buffer[range.clone()]);
            let complete = (self.has_slice && role.begins).then(|| self.take());
            self.has_slice |= role.is_slice;
            self.keyframe |= role.is_intra;
            self.unit.extend_from_slice(&START_CODE);
            self.unit.extend_from_slice(&self.buffer[range]);
            if self.unit.len() > MAX_FRAME {
                return Err(too_large(self.source.offset(), "an access unit", self.unit.len()));
            }
            if let Some(unit) = complete {
                return Ok(Some(unit));
            }
        }
        Ok((!self.unit.is_empty()).then(|| self.take()))
    }

    fn take(&mut self) -> AccessUnit {
        self.has_slice = false;
        let keyframe = std::mem::take(&mut self.keyframe);
        AccessUnit { data: std::mem::take(&mut self.unit).into(), keyframe }
    }
}

fn too_large(offset: u64, what: &'static str, size: usize) -> Error {
    let (size, limit) = (size as u64, MAX_FRAME as u64);
    Error::TooLarge { format: FORMAT, offset, what, size, limit }
}

impl<R: Read> Iterator for AnnexBReader<R> {
    type Item = Result<AccessUnit, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let unit = self.read_unit();
        self.failed = unit.is_err();
        unit.transpose()
    }
}

/// Writes a stream of access units.
#[derive(Debug)]
pub struct AnnexBWriter<W> {
    writer: W,
}

impl<W: Write> AnnexBWriter<W> {
    /// Begins a stream.
    pub fn new(writer: W) -> Self {
        Self { writer }
    }

    /// Writes an access unit in Annex B form.
    ///
    /// # Errors
    ///
    /// The writer fails, or the data do not begin with a start code.
    pub fn write_frame(&mut self, data: &[u8]) -> Result<(), Error> {
        if !data.starts_with(&START_CODE) && !data.starts_with(&START_CODE[1..]) {
            let reason = "the access unit does not begin with a start code";
            return Err(Error::Unwritable { format: FORMAT, reason });
        }
        self.writer.write_all(data).map_err(io)
    }

    /// Ends the stream.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn finish(mut self) -> Result<W, Error> {
        self.writer.flush().map_err(io)?;
        Ok(self.writer)
    }
}

fn io(source: std::io::Error) -> Error {
    Error::Io { format: FORMAT, source }
}
