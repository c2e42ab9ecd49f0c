//! IVF: the simple container of VP8, VP9 and AV1 test streams. A header of 32 bytes, then frames with a size and a
//! timestamp each, all in little-endian order.

use std::io::{Read, Seek, SeekFrom, Write};

use bytes::Bytes;
use peerage_rtp::payload::av1::TEMPORAL_DELIMITER;

use super::{error::Error, source::Source};

const FORMAT: &str = "IVF";
const HEADER: usize = 32;

/// The header of an IVF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IvfHeader {
    /// Codec: `VP80`, `VP90` or `AV01`.
    pub fourcc: [u8; 4],
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Timestamps count this many ...
    pub timebase_denominator: u32,
    /// ... over this many to the second.
    pub timebase_numerator: u32,
    /// Frames in the file; 0 or wrong in files that were not finished.
    pub frames: u32,
}

impl IvfHeader {
    /// `fourcc` of VP8.
    pub const VP8: [u8; 4] = *b"VP80";
    /// `fourcc` of VP9.
    pub const VP9: [u8; 4] = *b"VP90";
    /// `fourcc` of AV1.
    pub const AV1: [u8; 4] = *b"AV01";

    /// A header whose timestamps are those of RTP video: 90,000 to the second.
    pub fn new(fourcc: [u8; 4], width: u16, height: u16) -> Self {
        let (timebase_denominator, timebase_numerator, frames) = (90_000, 1, 0);
        Self { fourcc, width, height, timebase_denominator, timebase_numerator, frames }
    }

    fn write(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[..4].copy_from_slice(b"DKIF");
        out[6..8].copy_from_slice(&(HEADER as u16).to_le_bytes());
        out[8..12].copy_from_slice(&self.fourcc);
        out[12..14].copy_from_slice(&self.width.to_le_bytes());
        out[14..16].copy_from_slice(&self.height.to_le_bytes());
        out[16..20].copy_from_slice(&self.timebase_denominator.to_le_bytes());
        out[20..24].copy_from_slice(&self.timebase_numerator.to_le_bytes());
        out[24..28].copy_from_slice(&self.frames.to_le_bytes());
        out
    }
}

/// A frame of an IVF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IvfFrame {
    /// In units of the header's time base.
    pub timestamp: u64,
    /// The encoded frame; for AV1 a temporal unit.
    pub data: Bytes,
}

/// Reads an IVF file frame by frame. After an error nothing more comes.
#[derive(Debug)]
pub struct IvfReader<R> {
    source: Source<R>,
    header: IvfHeader,
    failed: bool,
}

impl<R: Read> IvfReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// The file is no IVF file of version 0, or is cut off.
    pub fn new(reader: R) -> Result<Self, Error> {
        let mut source = Source::new(FORMAT, reader);
        let head: [u8; HEADER] = source.array("the header")?;
        if head[..4] != *b"DKIF" {
            return Err(source.invalid(0, "the file does not begin with DKIF"));
        }
        if head[4..6] != [0, 0] {
            return Err(source.invalid(4, "the version is not 0"));
        }
        let u16_at = |at| u16::from_le_bytes([head[at], head[at + 1]]);
        let u32_at = |at| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let header_len = usize::from(u16_at(6));
        if header_len < HEADER {
            return Err(source.invalid(6, "the header length is less than 32"));
        }
        source.append(header_len - HEADER, "the header", &mut Vec::new())?;
        let header = IvfHeader {
            fourcc: [head[8], head[9], head[10], head[11]],
            width: u16_at(12),
            height: u16_at(14),
            timebase_denominator: u32_at(16),
            timebase_numerator: u32_at(20),
            frames: u32_at(24),
        };
        Ok(Self { source, header, failed: false })
    }

    /// The header.
    pub fn header(&self) -> &IvfHeader {
        &self.header
    }

    fn read_frame(&mut self) -> Result<Option<IvfFrame>, Error> {
        let Some(head) = self.source.array_or_end::<12>("a frame header")? else {
            return Ok(None);
        };
        let (size, timestamp) = head.split_at(4);
        let size = u32::from_le_bytes(size.try_into().unwrap_or_default()) as usize;
        let timestamp = u64::from_le_bytes(timestamp.try_into().unwrap_or_default());
        let mut data = Vec::new();
        self.source.append(size, "a frame", &mut data)?;
        Ok(Some(IvfFrame { timestamp, data: data.into() }))
    }
}

impl<R: Read> Iterator for IvfReader<R> {
    type Item = Result<IvfFrame, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let frame = self.read_frame();
        self.failed = frame.is_err();
        frame.transpose()
    }
}

/// Writes an IVF file.
#[derive(Debug)]
pub struct IvfWriter<W> {
    writer: W,
    header: IvfHeader,
}

impl<W: Write> IvfWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn new(mut writer: W, header: IvfHeader) -> Result<Self, Error> {
        let header = IvfHeader { frames: 0, ..header };
        writer.write_all(&header.write()).map_err(io)?;
        Ok(Self { writer, header })
    }

    /// Writes a frame. AV1 temporal units get the temporal delimiter that files need, if they have none.
    ///
    /// # Errors
    ///
    /// The writer fails, or the frame is larger than 4 GiB.
    pub fn write_frame(&mut self, timestamp: u64, data: &[u8]) -> Result<(), Error> {
        let add_delimiter =
            self.header.fourcc == IvfHeader::AV1 && !data.starts_with(&TEMPORAL_DELIMITER);
        let prefix: &[u8] = if add_delimiter { &TEMPORAL_DELIMITER } else { &[] };
        let reason = "a frame of 4 GiB or more";
        let size = u32::try_from(prefix.len() + data.len())
            .map_err(|_| Error::Unwritable { format: FORMAT, reason })?;
        let mut head = [0; 12];
        head[..4].copy_from_slice(&size.to_le_bytes());
        head[4..].copy_from_slice(&timestamp.to_le_bytes());
        for part in [&head[..], prefix, data] {
            self.writer.write_all(part).map_err(io)?;
        }
        self.header.frames = self.header.frames.saturating_add(1);
        Ok(())
    }

    /// Ends the file; the header's frame count stays 0, which players take for unknown.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn finish(mut self) -> Result<W, Error> {
        self.writer.flush().map_err(io)?;
        Ok(self.writer)
    }

    /// Ends the file and writes the number of frames into the header.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn finish_seekable(mut self) -> Result<W, Error>
    where
        W: Seek,
    {
        self.writer.seek(SeekFrom::Start(0)).map_err(io)?;
        self.writer.write_all(&self.header.write()).map_err(io)?;
        self.writer.seek(SeekFrom::End(0)).map_err(io)?;
        self.finish()
    }
}

fn io(source: std::io::Error) -> Error {
    Error::Io { format: FORMAT, source }
}
