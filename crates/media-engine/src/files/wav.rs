//! WAV with 16-bit linear samples, by the `hound` crate: what decoders put out and encoders take in.

use std::io::{Read, Seek, Write};

use super::error::Error;

const FORMAT: &str = "WAV";

/// Rate and channels of a WAV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WavFormat {
    /// Samples per second and channel.
    pub sample_rate: u32,
    /// Channels, interleaved.
    pub channels: u16,
}

/// Reads samples, interleaved where there are several channels.
pub struct WavReader<R> {
    reader: hound::WavReader<R>,
    format: WavFormat,
    /// Sample number, for messages.
    position: u64,
    failed: bool,
}

impl<R: Read> WavReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// The file is no WAV file with 16-bit integer samples.
    pub fn new(reader: R) -> Result<Self, Error> {
        let reader = hound::WavReader::new(reader).map_err(|error| convert(error, 0))?;
        let spec = reader.spec();
        if spec.bits_per_sample != 16 || spec.sample_format != hound::SampleFormat::Int {
            let reason = "only 16-bit integer samples are read";
            return Err(Error::Invalid { format: FORMAT, offset: 0, reason });
        }
        if spec.channels == 0 || spec.sample_rate == 0 {
            let reason = "no channels or no sample rate";
            return Err(Error::Invalid { format: FORMAT, offset: 0, reason });
        }
        let format = WavFormat { sample_rate: spec.sample_rate, channels: spec.channels };
        Ok(Self { reader, format, position: 0, failed: false })
    }

    /// Rate and channels.
    pub fn format(&self) -> WavFormat {
        self.format
    }

    /// Fills `out` with as many samples as there are; fewer only at the end of the file.
    ///
    /// # Errors
    ///
    /// The file is cut off. The offset in the error counts bytes of samples.
    pub fn read(&mut self, out: &mut [i16]) -> Result<usize, Error> {
        if self.failed {
            return Ok(0);
        }
        let mut count = 0;
        for (place, sample) in out.iter_mut().zip(self.reader.samples::<i16>()) {
            match sample {
                Ok(sample) => *place = sample,
                Err(error) => {
                    self.failed = true;
                    return Err(convert(error, self.position * 2));
                }
            }
            self.position += 1;
            count += 1;
        }
        Ok(count)
    }
}

/// Writes samples.
pub struct WavWriter<W: Write + Seek> {
    writer: hound::WavWriter<W>,
    channels: usize,
    /// Bytes of samples.
    written: u64,
}

/// Bytes of samples at most: sizes have 32 bits, one of which counts the header too.
const MAX_SAMPLES: u64 = (u32::MAX - 256) as u64;

impl<W: Write + Seek> WavWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// The writer fails, there are no channels, or a second takes 4 GiB.
    pub fn new(writer: W, format: WavFormat) -> Result<Self, Error> {
        if format.channels == 0 || format.sample_rate == 0 {
            let reason = "no channels or no sample rate";
            return Err(Error::Unwritable { format: FORMAT, reason });
        }
        let bytes = u64::from(format.sample_rate) * u64::from(format.channels) * 2;
        if u32::try_from(bytes).is_err() {
            let reason = "more bytes of samples a second than the header has room for";
            return Err(Error::Unwritable { format: FORMAT, reason });
        }
        let spec = hound::WavSpec {
            channels: format.channels,
            sample_rate: format.sample_rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let writer = hound::WavWriter::new(writer, spec).map_err(|error| convert(error, 0))?;
        Ok(Self { writer, channels: usize::from(format.channels), written: 0 })
    }

    /// Writes samples, interleaved, a whole number for each channel.
    ///
    /// # Errors
    ///
    /// The writer fails, the number of samples is not a multiple of the channels, or the file would reach 4 GiB: what was written
    /// before can be [finished](Self::finish).
    pub fn write(&mut self, samples: &[i16]) -> Result<(), Error> {
        if !samples.len().is_multiple_of(self.channels) {
            let reason = "not the same number of samples for each channel";
            return Err(Error::Unwritable { format: FORMAT, reason });
        }
        self.written += samples.len() as u64 * 2;
        if self.written > MAX_SAMPLES {
            let reason = "a WAV file holds less than 4 GiB; go on in another";
            return Err(Error::Unwritable { format: FORMAT, reason });
        }
        for &sample in samples {
            self.writer.write_sample(sample).map_err(|error| convert(error, 0))?;
        }
        Ok(())
    }

    /// Ends the file and writes its length into the header.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn finish(self) -> Result<(), Error> {
        self.writer.finalize().map_err(|error| convert(error, 0))
    }
}

fn convert(error: hound::Error, offset: u64) -> Error {
    match error {
        hound::Error::IoError(source) => Error::Io { format: FORMAT, source },
        hound::Error::FormatError(reason) => Error::Invalid { format: FORMAT, offset, reason },
        hound::Error::Unsupported => {
            Error::Invalid { format: FORMAT, offset, reason: "a kind of WAV that is not read" }
        }
        _ => Error::Invalid { format: FORMAT, offset, reason: "samples do not fit the header" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sizes_of_32_bits_cannot_say_is_refused() {
        let new = |sample_rate, channels| {
            WavWriter::new(std::io::Cursor::new(Vec::new()), WavFormat { sample_rate, channels })
        };
        assert!(new(4_000_000_000, 8).err().unwrap().to_string().contains("a second"));
        let mut writer = new(48_000, 2).unwrap();
        // As if hours had been written.
        writer.written = MAX_SAMPLES - 6;
        writer.write(&[0, 0]).unwrap();
        let error = writer.write(&[0, 0]).unwrap_err().to_string();
        assert!(error.contains("less than 4 GiB"), "{error}");
        writer.finish().unwrap();
    }
}
