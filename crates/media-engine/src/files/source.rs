//! A reader that counts, so that errors can say where; all readers of files are built on it. Nothing is allocated for a
//! size that a file claims before the bytes are there.

use std::io::{self, Read};

use super::error::Error;

/// Frames, temporal units and access units larger than this are refused: 64 MiB.
pub const MAX_FRAME: usize = 64 << 20;

#[derive(Debug)]
pub(super) struct Source<R> {
    format: &'static str,
    reader: R,
    offset: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(format: &'static str, reader: R) -> Self {
        Self { format, reader, offset: 0 }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads up to `buf.len()` bytes; fewer only at the end of the file.
    pub(super) fn read_up_to(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.reader.read(&mut buf[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Io { format: self.format, source }),
            }
        }
        self.offset += filled as u64;
        Ok(filled)
    }

    /// Reads exactly `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let mut buf = [0; N];
        match self.read_up_to(&mut buf)? {
            filled if filled == N => Ok(buf),
            _ => Err(self.truncated(what)),
        }
    }

    /// Reads exactly `N` bytes, or `None` where the file ends.
    pub(super) fn array_or_end<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<Option<[u8; N]>, Error> {
        let mut buf = [0; N];
        match self.read_up_to(&mut buf)? {
            0 => Ok(None),
            filled if filled == N => Ok(Some(buf)),
            _ => Err(self.truncated(what)),
        }
    }

    /// Appends exactly `size` bytes to `out`.
    pub(super) fn append(
        &mut self,
        size: usize,
        what: &'static str,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if size > MAX_FRAME {
            let (format, offset, limit) = (self.format, self.offset, MAX_FRAME as u64);
            return Err(Error::TooLarge { format, offset, what, size: size as u64, limit });
        }
        let read = self
            .reader
            .by_ref()
            .take(size as u64)
            .read_to_end(out)
            .map_err(|source| Error::Io { format: self.format, source })?;
        self.offset += read as u64;
        if read == size { Ok(()) } else { Err(self.truncated(what)) }
    }

    /// Passes over `size` bytes, or over all there are.
    pub(super) fn skip(&mut self, size: u64) -> Result<(), Error> {
        let skipped = io::copy(&mut self.reader.by_ref().take(size), &mut io::sink())
            .map_err(|source| Error::Io { format: self.format, source })?;
        self.offset += skipped;
        Ok(())
    }

    pub(super) fn truncated(&self, what: &'static str) -> Error {
        Error::Truncated { format: self.format, offset: self.offset, what }
    }

    pub(super) fn invalid(&self, offset: u64, reason: &'static str) -> Error {
        Error::Invalid { format: self.format, offset, reason }
    }
}
