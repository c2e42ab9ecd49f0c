//! The file that is written: what it is to hold is known once the first frame of each kind is there.

use std::io::{Seek, Write};
use std::time::Duration;

use super::error::RecordError;
use super::options::{Container, MAX_FRAME_RATE, RecorderOptions};
use crate::audio::{AudioBlock, pcm};
use crate::files::{
    IvfHeader, IvfWriter, MatroskaTracks, MatroskaWriter, OggOpusWriter, OpusHead, WavFormat,
    WavWriter, Y4mHeader, Y4mWriter,
};
use crate::video::I420;

/// Samples that libopus looks ahead by: what comes out of a decoder first is not sound yet.
const OPUS_LOOKAHEAD: u16 = 312;

/// A file of some kind, begun or not.
pub(super) enum Output<W: Write + Seek> {
    Waiting { writer: W, options: RecorderOptions, container: Container },
    Matroska(Box<MatroskaWriter<W>>),
    Ivf(IvfWriter<W>, u64),
    Ogg(Box<OggOpusWriter<W>>),
    Wav(WavWriter<W>, Vec<i16>),
    Y4m { writer: Y4mWriter<W>, rate: u32, written: u64 },
    Over,
}

impl<W: Write + Seek> Output<W> {
    pub(super) fn new(
        writer: W,
        container: Container,
        options: RecorderOptions,
        audio: bool,
        video: bool,
    ) -> Result<Self, RecordError> {
        let refuse = |what| RecordError::Container { container: container.name(), what };
        match () {
            () if !audio && !video => return Err(RecordError::NoTrack),
            () if audio && !container.holds_sound() => return Err(refuse("sound")),
            () if video && !container.holds_pictures() => return Err(refuse("pictures")),
            () if !(1..=MAX_FRAME_RATE).contains(&options.frame_rate) => {
                return Err(RecordError::FrameRate(options.frame_rate));
            }
            () => {}
        }
        let fourcc = options.video.fourcc();
        if video && fourcc.is_none() && matches!(container, Container::WebM | Container::Ivf) {
            return Err(refuse("H.264"));
        }
        Ok(match container {
            Container::WebM | Container::Matroska => {
                let tracks = MatroskaTracks {
                    video: video.then_some((options.video.matroska(), 0, 0)),
                    audio: audio.then(head),
                };
                // Pictures may come long after sound: a camera that is switched on late.
                Self::Matroska(Box::new(MatroskaWriter::new(writer, tracks)?.with_late_video()))
            }
            Container::Ogg => {
                // One stream, so that any serial number will do.
                Self::Ogg(Box::new(OggOpusWriter::new(writer, &head(), 1)?))
            }
            Container::Ivf | Container::Wav | Container::Y4m => {
                Self::Waiting { writer, options, container }
            }
        })
    }

    /// Whether sound is written as it is.
    pub(super) fn takes_samples(&self) -> bool {
        matches!(self, Self::Wav(..) | Self::Waiting { container: Container::Wav, .. })
    }

    /// Whether pictures are.
    pub(super) fn takes_pictures(&self) -> bool {
        matches!(self, Self::Y4m { .. } | Self::Waiting { container: Container::Y4m, .. })
    }

    /// Begins a file whose header says how large pictures are, or of how many samples sound is.
    fn begin(&mut self, size: (u16, u16), format: WavFormat) -> Result<(), RecordError> {
        if !matches!(self, Self::Waiting { .. }) {
            return Ok(());
        }
        let Self::Waiting { writer, options, container } = std::mem::replace(self, Self::Over)
        else {
            unreachable!("it was looked at above")
        };
        *self = match container {
            Container::Wav => Self::Wav(WavWriter::new(writer, format)?, Vec::new()),
            Container::Y4m => {
                let rate = options.frame_rate;
                let header = Y4mHeader {
                    width: size.0,
                    height: size.1,
                    rate_numerator: rate,
                    rate_denominator: 1,
                };
                Self::Y4m { writer: Y4mWriter::new(writer, header)?, rate, written: 0 }
            }
            _ => {
                let fourcc = options.video.fourcc().unwrap_or(IvfHeader::VP8);
                let header = IvfHeader::new(fourcc, size.0, size.1);
                Self::Ivf(IvfWriter::new(writer, header)?, 0)
            }
        };
        Ok(())
    }

    pub(super) fn encoded(
        &mut self,
        time: Duration,
        keyframe: bool,
        size: (u16, u16),
        data: &[u8],
    ) -> Result<(), RecordError> {
        self.begin(size, WavFormat { sample_rate: 1, channels: 1 })?;
        match self {
            Self::Matroska(writer) => writer.write_video(time, keyframe, data)?,
            Self::Ivf(writer, next) => {
                let ticks = (time.as_nanos() * 90_000 / 1_000_000_000) as u64;
                let ticks = ticks.max(*next);
                *next = ticks + 1;
                writer.write_frame(ticks, data)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A picture that is seen from `time` on, until another is.
    pub(super) fn picture(&mut self, time: Duration, picture: &I420) -> Result<(), RecordError> {
        let size = (picture.width(), picture.height());
        self.begin(size, WavFormat { sample_rate: 1, channels: 1 })?;
        if let Self::Y4m { writer, rate, written } = self {
            let due = (time.as_secs_f64() * f64::from(*rate)).round() as u64;
            // Bounded: what stands still for longer than ten minutes stands still for ten minutes.
            let most = *written + u64::from(*rate) * 600;
            while *written <= due.min(most) {
                writer.write_picture(picture)?;
                *written += 1;
            }
        }
        Ok(())
    }

    pub(super) fn packet(&mut self, time: Duration, data: &[u8]) -> Result<(), RecordError> {
        match self {
            Self::Matroska(writer) => writer.write_audio(time, data)?,
            Self::Ogg(writer) => writer.write_packet(data)?,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn samples(&mut self, block: &AudioBlock) -> Result<(), RecordError> {
        let (sample_rate, channels) = (block.rate(), block.channels() as u16);
        self.begin((1, 1), WavFormat { sample_rate, channels })?;
        if let Self::Wav(writer, buffer) = self {
            buffer.clear();
            buffer.extend(block.samples().iter().map(|sample| pcm::to_i16(*sample)));
            writer.write(buffer)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), RecordError> {
        match self {
            Self::Waiting { .. } | Self::Over => return Err(RecordError::Nothing),
            Self::Matroska(writer) => drop(writer.finish_seekable()?),
            Self::Ivf(writer, _) => drop(writer.finish_seekable()?),
            Self::Ogg(writer) => drop(writer.finish()?),
            Self::Wav(writer, _) => writer.finish()?,
            Self::Y4m { writer, .. } => drop(writer.finish()?),
        }
        Ok(())
    }
}

fn head() -> OpusHead {
    OpusHead { pre_skip: OPUS_LOOKAHEAD, ..OpusHead::new(2) }
}
