//! Y4M (YUV4MPEG2): raw pictures of 8 bits in 4:2:0, a line of text before all and one before each.

use std::io::{Read, Write};

use super::error::Error;
use super::source::{MAX_FRAME, Source};
use crate::video::{I420, MAX_DIMENSION};

const FORMAT: &str = "Y4M";
const MAGIC: &[u8] = b"YUV4MPEG2";
/// Lines longer than this are refused.
const MAX_LINE: usize = 256;

/// What a file says of its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Y4mHeader {
    /// Width of luma, 1 to 16,384.
    pub width: u16,
    /// Height of luma, 1 to 16,384.
    pub height: u16,
    /// Pictures ...
    pub rate_numerator: u32,
    /// ... in so many seconds.
    pub rate_denominator: u32,
}

/// Reads pictures. After an error nothing more comes.
#[derive(Debug)]
pub struct Y4mReader<R> {
    source: Source<R>,
    header: Y4mHeader,
    failed: bool,
}

impl<R: Read> Y4mReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// The file does not begin with a header, or has pictures of another kind than 8 bits in 4:2:0.
    pub fn new(reader: R) -> Result<Self, Error> {
        let mut source = Source::new(FORMAT, reader);
        let Some(line) = line(&mut source)? else {
            return Err(source.truncated("the header"));
        };
        let mut fields = line.split(|byte| *byte == b' ');
        if fields.next() != Some(MAGIC) {
            return Err(source.invalid(0, "the file does not begin with YUV4MPEG2"));
        }
        let mut header = Y4mHeader { width: 0, height: 0, rate_numerator: 30, rate_denominator: 1 };
        for field in fields {
            let Some((&kind, value)) = field.split_first() else { continue };
            let value = std::str::from_utf8(value).unwrap_or_default();
            match kind {
                b'W' => header.width = value.parse().unwrap_or(0),
                b'H' => header.height = value.parse().unwrap_or(0),
                b'F' => {
                    let parts = value.split_once(':').unwrap_or_default();
                    let (Ok(numerator @ 1..), Ok(denominator @ 1..)) =
                        (parts.0.parse(), parts.1.parse())
                    else {
                        return Err(source.invalid(0, "the rate is not a ratio of numbers"));
                    };
                    (header.rate_numerator, header.rate_denominator) = (numerator, denominator);
                }
                b'C' if !matches!(value, "420" | "420jpeg" | "420mpeg2" | "420paldv") => {
                    return Err(source.invalid(0, "the samples are not 8 bits in 4:2:0"));
                }
                b'I' if !matches!(value, "p" | "?") => {
                    return Err(source.invalid(0, "the pictures are interlaced"));
                }
                _ => {}
            }
        }
        let sizes = 1..=MAX_DIMENSION;
        if !sizes.contains(&header.width) || !sizes.contains(&header.height) {
            return Err(source.invalid(0, "width or height is missing, or not 1 to 16384"));
        }
        Ok(Self { source, header, failed: false })
    }

    /// The header.
    pub fn header(&self) -> &Y4mHeader {
        &self.header
    }

    fn read_picture(&mut self) -> Result<Option<I420>, Error> {
        let begin = self.source.offset();
        let Some(line) = line(&mut self.source)? else { return Ok(None) };
        if line.split(|byte| *byte == b' ').next() != Some(b"FRAME") {
            return Err(self.source.invalid(begin, "a picture does not begin with FRAME"));
        }
        let (width, height) = (usize::from(self.header.width), usize::from(self.header.height));
        let mut data = Vec::new();
        // Plane by plane, so that a claim of size costs nothing before the samples are there.
        let chroma = width.div_ceil(2) * height.div_ceil(2);
        for plane in [width * height, chroma, chroma] {
            let mut left = plane;
            while left > 0 {
                let part = left.min(MAX_FRAME);
                self.source.append(part, "a picture", &mut data)?;
                left -= part;
            }
        }
        let picture = I420::from_planes(self.header.width, self.header.height, data);
        picture.map(Some).ok_or_else(|| self.source.truncated("a picture"))
    }
}

impl<R: Read> Iterator for Y4mReader<R> {
    type Item = Result<I420, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = self.read_picture().transpose();
        self.failed = !matches!(item, Some(Ok(_)));
        item
    }
}

/// A line without its end, or `None` where the file ends before it.
fn line<R: Read>(source: &mut Source<R>) -> Result<Option<Vec<u8>>, Error> {
    let mut line = Vec::new();
    loop {
        match source.array_or_end::<1>("a line")? {
            Some([b'\n']) => return Ok(Some(line)),
            Some([byte]) if line.len() < MAX_LINE => line.push(byte),
            Some(_) => return Err(source.invalid(source.offset(), "a line is too long")),
            None if line.is_empty() => return Ok(None),
            None => return Err(source.truncated("a line")),
        }
    }
}

/// Writes pictures of one size.
#[derive(Debug)]
pub struct Y4mWriter<W> {
    writer: W,
    header: Y4mHeader,
}

impl<W: Write> Y4mWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn new(mut writer: W, header: Y4mHeader) -> Result<Self, Error> {
        let Y4mHeader { width, height, rate_numerator, rate_denominator } = header;
        let line = format!(
            "YUV4MPEG2 W{width} H{height} F{rate_numerator}:{rate_denominator} Ip A1:1 C420\n"
        );
        writer.write_all(line.as_bytes()).map_err(failed)?;
        Ok(Self { writer, header })
    }

    /// Writes a picture.
    ///
    /// # Errors
    ///
    /// The writer fails, or the picture has another size than the header says.
    pub fn write_picture(&mut self, picture: &I420) -> Result<(), Error> {
        if (picture.width(), picture.height()) != (self.header.width, self.header.height) {
            let reason = "the picture has another size than the file";
            return Err(Error::Unwritable { format: FORMAT, reason });
        }
        self.writer.write_all(b"FRAME\n").map_err(failed)?;
        self.writer.write_all(picture.as_bytes()).map_err(failed)
    }

    /// Gives the writer back.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn finish(mut self) -> Result<W, Error> {
        self.writer.flush().map_err(failed)?;
        Ok(self.writer)
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::Io { format: FORMAT, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::pattern::colour_bars;

    const HEADER: Y4mHeader =
        Y4mHeader { width: 17, height: 9, rate_numerator: 30_000, rate_denominator: 1001 };

    #[test]
    fn what_is_written_is_read() {
        let pictures = [colour_bars(17, 9), I420::black(17, 9)];
        let mut writer = Y4mWriter::new(Vec::new(), HEADER).unwrap();
        pictures.iter().for_each(|picture| writer.write_picture(picture).unwrap());
        assert!(writer.write_picture(&I420::black(16, 9)).is_err());
        let file = writer.finish().unwrap();
        let mut reader = Y4mReader::new(&file[..]).unwrap();
        assert_eq!(*reader.header(), HEADER);
        for picture in &pictures {
            assert_eq!(reader.next().unwrap().unwrap(), *picture);
        }
        assert!(reader.next().is_none());
        let mut cut = Y4mReader::new(&file[..file.len() - 1]).unwrap();
        assert!(
            cut.next().unwrap().is_ok() && cut.next().unwrap().is_err() && cut.next().is_none()
        );
    }

    #[test]
    fn wrong_files_are_refused() {
        let error = |file: &str| Y4mReader::new(file.as_bytes()).err().unwrap().to_string();
        assert!(error("").contains("inside the header"));
        assert!(error("RIFF\n").contains("does not begin with YUV4MPEG2"));
        assert!(error("YUV4MPEG2 W16 H0\n").contains("width or height"));
        assert!(error("YUV4MPEG2 W16 H16 C444\n").contains("4:2:0"));
        assert!(error("YUV4MPEG2 W16 H16 It\n").contains("interlaced"));
        assert!(error(&"Y".repeat(300)).contains("too long"));
        // A claim of size costs nothing.
        let mut huge = Y4mReader::new(&b"YUV4MPEG2 W16384 H16384\nFRAME\n123"[..]).unwrap();
        assert!(huge.next().unwrap().is_err());
    }
}
