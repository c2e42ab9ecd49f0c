//! AV1 elementary streams (`.obu`): the low-overhead format (AV1 specification §5.2) and the length-delimited one
//! (annex B), read as temporal units; the first is also written.

use std::io::{Read, Write};

use bytes::Bytes;
use peerage_rtp::payload::av1::{ObuHeader, ObuType, TEMPORAL_DELIMITER, write_leb128};

use super::{
    error::Error,
    source::{MAX_FRAME, Source},
};

const FORMAT: &str = "OBU";

/// How OBUs stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObuStreamFormat {
    /// Each OBU has its size (AV1 specification §5.2). Usual, and what RTP packetisers take in.
    LowOverhead,
    /// Temporal units, frame units and OBUs are preceded by their lengths (AV1 specification, annex B).
    LengthDelimited,
}

/// Reads temporal units, without their temporal delimiters and in the low-overhead format. After an error nothing more
/// comes.
#[derive(Debug)]
pub struct ObuReader<R> {
    source: Source<R>,
    format: ObuStreamFormat,
    /// The temporal unit in hand.
    unit: Vec<u8>,
    ended: bool,
}

impl<R: Read> ObuReader<R> {
    /// Reads a stream in the given format.
    pub fn new(reader: R, format: ObuStreamFormat) -> Self {
        Self { source: Source::new(FORMAT, reader), format, unit: Vec::new(), ended: false }
    }

    fn read_low_overhead(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let at = self.source.offset();
            let Some([first]) = self.source.array_or_end::<1>("an OBU header")? else {
                self.ended = true;
                return Ok(self.take());
            };
            let mut head = [first, 0];
            let has_extension = first & 4 != 0;
            if has_extension {
                [head[1]] = self.source.array("an OBU header")?;
            }
            let Some(header) = ObuHeader::read(&head[..1 + usize::from(has_extension)]) else {
                return Err(self.source.invalid(at, "the forbidden bit of an OBU header is set"));
            };
            if !header.has_size {
                return Err(self.source.invalid(at, "an OBU without a size"));
            }
            let size = self.read_leb128()?.ok_or(self.source.truncated("an OBU size"))?;
            if header.obu_type == ObuType::TEMPORAL_DELIMITER {
                self.source.append(size, "a temporal delimiter", &mut Vec::new())?;
                if let Some(unit) = self.take() {
                    return Ok(Some(unit));
                }
                continue;
            }
            self.check_size(size)?;
            let (length, length_len) = write_leb128(size as u32);
            self.unit.extend_from_slice(&head[..header.len()]);
            self.unit.extend_from_slice(&length[..length_len]);
            self.source.append(size, "an OBU", &mut self.unit)?;
        }
    }

    fn read_length_delimited(&mut self) -> Result<Option<Bytes>, Error> {
        // temporal_unit(sz): frame_unit(sz): open_bitstream_unit(sz), each behind its size.
        loop {
            let Some(unit_size) = self.read_leb128()? else {
                self.ended = true;
                return Ok(None);
            };
            let unit_end = self.source.offset() + unit_size as u64;
            while self.source.offset() < unit_end {
                let size = self.inner_size(unit_end, "a frame unit")?;
                let frame_end = self.source.offset() + size as u64;
                while self.source.offset() < frame_end {
                    let size = self.inner_size(frame_end, "an OBU")?;
                    self.read_delimited_obu(size)?;
                }
            }
            if let Some(unit) = self.take() {
                return Ok(Some(unit));
            }
        }
    }

    fn inner_size(&mut self, end: u64, what: &'static str) -> Result<usize, Error> {
        let at = self.source.offset();
        let size = self.read_leb128()?.ok_or(self.source.truncated(what))?;
        if self.source.offset() + size as u64 > end {
            return Err(self.source.invalid(at, "a unit reaches beyond the one around it"));
        }
        Ok(size)
    }

    fn read_delimited_obu(&mut self, size: usize) -> Result<(), Error> {
        let at = self.source.offset();
        self.check_size(size)?;
        let mut obu = Vec::new();
        self.source.append(size, "an OBU", &mut obu)?;
        let Some(header) = ObuHeader::read(&obu) else {
            return Err(self
                .source
                .invalid(at, "an OBU header is cut off or has its forbidden bit set"));
        };
        if header.obu_type == ObuType::TEMPORAL_DELIMITER {
            return Ok(());
        }
        if header.has_size {
            self.unit.extend_from_slice(&obu);
            return Ok(());
        }
        let payload = &obu[header.len()..];
        let (length, length_len) = write_leb128(payload.len() as u32);
        self.unit.push(obu[0] | 2); // obu_has_size_field
        self.unit.extend_from_slice(&obu[1..header.len()]);
        self.unit.extend_from_slice(&length[..length_len]);
        self.unit.extend_from_slice(payload);
        Ok(())
    }

    fn check_size(&self, size: usize) -> Result<(), Error> {
        let total = self.unit.len() + size;
        if total > MAX_FRAME {
            let (size, limit) = (total as u64, MAX_FRAME as u64);
            let (offset, what) = (self.source.offset(), "a temporal unit");
            return Err(Error::TooLarge { format: FORMAT, offset, what, size, limit });
        }
        Ok(())
    }

    /// `None` where the file ends.
    fn read_leb128(&mut self) -> Result<Option<usize>, Error> {
        let at = self.source.offset();
        let mut value = 0u64;
        for index in 0..8 {
            let byte = match self.source.array_or_end::<1>("a size")? {
                Some([byte]) => byte,
                None if index == 0 => return Ok(None),
                None => return Err(self.source.truncated("a size")),
            };
            value |= u64::from(byte & 0x7F) << (7 * index);
            if byte & 0x80 == 0 {
                return match u32::try_from(value) {
                    Ok(value) => Ok(Some(value as usize)),
                    Err(_) => Err(self.source.invalid(at, "a size does not fit 32 bits")),
                };
            }
        }
        Err(self.source.invalid(at, "a size has more than 8 bytes"))
    }

    fn take(&mut self) -> Option<Bytes> {
        (!self.unit.is_empty()).then(|| std::mem::take(&mut self.unit).into())
    }
}

impl<R: Read> Iterator for ObuReader<R> {
    type Item = Result<Bytes, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let unit = match self.format {
            ObuStreamFormat::LowOverhead => self.read_low_overhead(),
            ObuStreamFormat::LengthDelimited => self.read_length_delimited(),
        };
        self.ended |= unit.is_err();
        unit.transpose()
    }
}

/// Writes temporal units in the low-overhead format, each behind a temporal delimiter.
#[derive(Debug)]
pub struct ObuWriter<W> {
    writer: W,
}

impl<W: Write> ObuWriter<W> {
    /// Begins a stream.
    pub fn new(writer: W) -> Self {
        Self { writer }
    }

    /// Writes a temporal unit in the low-overhead format.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn write_frame(&mut self, data: &[u8]) -> Result<(), Error> {
        if !data.starts_with(&TEMPORAL_DELIMITER) {
            self.writer.write_all(&TEMPORAL_DELIMITER).map_err(io)?;
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
