//! What is in a file, one encoded or raw piece after another, whatever kind of file it is.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use peerage_rtp::payload::{PacketizationMode, PayloadFormat};

use super::error::PlayErrorKind;
use crate::audio::{AudioBlock, pcm};
use crate::codec::CodecSpec;
use crate::files::{
    self, IvfHeader, IvfReader, MatroskaCodec, MatroskaReader, OggOpusReader, WavReader, Y4mReader,
};
use crate::track::MediaTrackSettings;
use crate::video::I420;

/// A piece of a file, at its time.
pub(super) enum Piece {
    /// A frame of pictures.
    Video(Bytes),
    /// A packet of sound.
    Audio(Bytes),
    /// A picture as it is.
    Picture(Box<I420>),
    /// Samples as they are.
    Samples(AudioBlock),
    /// Something that is not played.
    Other,
}

/// A file that was recognised.
pub(super) struct Packets {
    reader: Reader,
    /// What pictures are coded with, where they are.
    pub(super) video: Option<CodecSpec>,
    /// What sound is coded with, where it is.
    pub(super) audio: Option<CodecSpec>,
    /// What is known of the pictures before the first is decoded.
    pub(super) video_settings: Option<MediaTrackSettings>,
    /// What is known of the sound.
    pub(super) audio_settings: Option<MediaTrackSettings>,
    /// What is to be left out of the beginning of decoded sound.
    pub(super) skip: Duration,
}

/// What a file may be read from.
pub(super) trait Seekable: Read + Seek + Send {}

impl<R: Read + Seek + Send> Seekable for R {}

type Input = BufReader<Box<dyn Seekable>>;

enum Reader {
    Ivf { reader: IvfReader<Input>, tick: f64 },
    Matroska { reader: Box<MatroskaReader<Input>>, video: Option<u64>, audio: Option<u64> },
    Ogg(Box<OggOpusReader<Input>>),
    Wav { reader: WavReader<Input>, samples: Vec<i16>, read: u64 },
    Y4m { reader: Y4mReader<Input>, interval: f64, read: u64 },
}

impl std::fmt::Debug for Packets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packets").field("video", &self.video).field("audio", &self.audio).finish()
    }
}

fn video(format: PayloadFormat) -> CodecSpec {
    CodecSpec::new(format, 90_000, 1)
}

impl Packets {
    /// Opens a file of any kind, known by how it begins.
    pub(super) fn open(path: &Path) -> Result<Self, PlayErrorKind> {
        Self::read(Box::new(File::open(path).map_err(PlayErrorKind::Io)?))
    }

    /// The same, wherever its bytes are.
    pub(super) fn read(mut file: Box<dyn Seekable>) -> Result<Self, PlayErrorKind> {
        let mut head = Vec::new();
        (&mut file).take(12).read_to_end(&mut head).map_err(PlayErrorKind::Io)?;
        file.seek(SeekFrom::Start(0)).map_err(PlayErrorKind::Io)?;
        let input = BufReader::new(file);
        match &head[..] {
            [b'D', b'K', b'I', b'F', ..] => Self::ivf(input),
            [0x1A, 0x45, 0xDF, 0xA3, ..] => Self::matroska(input),
            [b'O', b'g', b'g', b'S', ..] => Self::ogg(input),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E'] => Self::wav(input),
            [b'Y', b'U', b'V', b'4', b'M', b'P', b'E', b'G', ..] => Self::y4m(input),
            _ => Err(PlayErrorKind::Unknown),
        }
    }

    fn of(reader: Reader) -> Self {
        Self {
            reader,
            video: None,
            audio: None,
            video_settings: None,
            audio_settings: None,
            skip: Duration::ZERO,
        }
    }

    fn ivf(input: Input) -> Result<Self, PlayErrorKind> {
        let reader = IvfReader::new(input).map_err(PlayErrorKind::File)?;
        let header = *reader.header();
        let format = match header.fourcc {
            IvfHeader::VP8 => PayloadFormat::Vp8,
            IvfHeader::VP9 => PayloadFormat::Vp9,
            IvfHeader::AV1 => PayloadFormat::Av1,
            other => {
                let name = String::from_utf8_lossy(&other).into_owned();
                return Err(PlayErrorKind::Nothing(Some(name)));
            }
        };
        if header.timebase_denominator == 0 || header.timebase_numerator == 0 {
            let (format, reason) = ("IVF", "the time base is zero, so that no frame has a time");
            return Err(PlayErrorKind::File(files::Error::Invalid { format, offset: 16, reason }));
        }
        let tick = f64::from(header.timebase_numerator) / f64::from(header.timebase_denominator);
        let settings = unsure((header.width.into(), header.height.into()));
        Ok(Self {
            video: Some(video(format)),
            video_settings: Some(settings),
            ..Self::of(Reader::Ivf { reader, tick })
        })
    }

    fn matroska(input: Input) -> Result<Self, PlayErrorKind> {
        let reader = MatroskaReader::new(input).map_err(PlayErrorKind::File)?;
        let (mut pictures, mut sound, mut other) = (None, None, None);
        for track in reader.tracks() {
            let format = match &track.codec {
                MatroskaCodec::Vp8 => PayloadFormat::Vp8,
                MatroskaCodec::Vp9 => PayloadFormat::Vp9,
                MatroskaCodec::Av1 => PayloadFormat::Av1,
                MatroskaCodec::H264 => {
                    PayloadFormat::H264 { packetization_mode: PacketizationMode::NonInterleaved }
                }
                MatroskaCodec::Opus => {
                    sound = sound.or(Some(track.clone()));
                    continue;
                }
                MatroskaCodec::Other(name) => {
                    other = other.or(Some(name.clone()));
                    continue;
                }
            };
            pictures = pictures.or(Some((track.clone(), format)));
        }
        if pictures.is_none() && sound.is_none() {
            return Err(PlayErrorKind::Nothing(other));
        }
        let audio_track = sound.as_ref().map(|track| track.number);
        let video_track = pictures.as_ref().map(|(track, _)| track.number);
        let reader = Box::new(reader);
        Ok(Self {
            video: pictures.as_ref().map(|(_, format)| video(*format)),
            video_settings: pictures.as_ref().map(|(track, _)| unsure(track.dimensions)),
            audio: sound.as_ref().map(|_| opus()),
            audio_settings: sound.as_ref().map(|_| MediaTrackSettings::audio(48_000, 2)),
            skip: sound.map_or(Duration::ZERO, |track| track.codec_delay),
            ..Self::of(Reader::Matroska { reader, video: video_track, audio: audio_track })
        })
    }

    fn ogg(input: Input) -> Result<Self, PlayErrorKind> {
        let reader = OggOpusReader::new(input).map_err(PlayErrorKind::File)?;
        let skip = samples(u64::from(reader.head().pre_skip), 48_000);
        Ok(Self {
            audio: Some(opus()),
            audio_settings: Some(MediaTrackSettings::audio(48_000, 2)),
            skip,
            ..Self::of(Reader::Ogg(Box::new(reader)))
        })
    }

    fn wav(input: Input) -> Result<Self, PlayErrorKind> {
        let reader = WavReader::new(input).map_err(PlayErrorKind::File)?;
        let format = reader.format();
        if usize::from(format.channels) > AudioBlock::MAX_CHANNELS {
            return Err(PlayErrorKind::Nothing(Some(format!("{} channels", format.channels))));
        }
        let settings = MediaTrackSettings::audio(format.sample_rate, u32::from(format.channels));
        let samples = Vec::new();
        Ok(Self {
            audio_settings: Some(settings),
            ..Self::of(Reader::Wav { reader, samples, read: 0 })
        })
    }

    fn y4m(input: Input) -> Result<Self, PlayErrorKind> {
        let reader = Y4mReader::new(input).map_err(PlayErrorKind::File)?;
        let header = *reader.header();
        let rate = f64::from(header.rate_numerator) / f64::from(header.rate_denominator);
        let settings = MediaTrackSettings::video(header.width.into(), header.height.into(), rate);
        Ok(Self {
            video_settings: Some(settings),
            ..Self::of(Reader::Y4m { reader, interval: 1.0 / rate, read: 0 })
        })
    }

    /// The next piece with its time from the beginning, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(Duration, Piece)>, PlayErrorKind> {
        Ok(match &mut self.reader {
            Reader::Ivf { reader, tick } => match reader.next() {
                Some(frame) => {
                    let frame = frame.map_err(PlayErrorKind::File)?;
                    Some((seconds(frame.timestamp as f64 * *tick), Piece::Video(frame.data)))
                }
                None => None,
            },
            Reader::Matroska { reader, video, audio } => match reader.next() {
                Some(frame) => {
                    let frame = frame.map_err(PlayErrorKind::File)?;
                    let track = Some(frame.track);
                    let piece = match () {
                        () if track == *video => Piece::Video(frame.data),
                        () if track == *audio => Piece::Audio(frame.data),
                        () => Piece::Other,
                    };
                    Some((frame.time, piece))
                }
                None => None,
            },
            Reader::Ogg(reader) => match reader.next() {
                Some(packet) => {
                    let packet = packet.map_err(PlayErrorKind::File)?;
                    Some((samples(packet.timestamp, 48_000), Piece::Audio(packet.data)))
                }
                None => None,
            },
            Reader::Wav { reader, samples: buffer, read } => {
                let format = reader.format();
                let (rate, channels) = (format.sample_rate, usize::from(format.channels));
                // 10 ms, or a little less where that is no whole number of samples.
                buffer.resize((rate as usize / 100).max(1) * channels, 0);
                let count = reader.read(buffer).map_err(PlayErrorKind::File)? / channels;
                if count == 0 {
                    return Ok(None);
                }
                let mut block = AudioBlock::silence(rate, channels, count);
                for (to, from) in block.samples_mut().iter_mut().zip(&*buffer) {
                    *to = pcm::from_i16(*from);
                }
                let time = samples(*read, rate);
                *read += count as u64;
                Some((time, Piece::Samples(block)))
            }
            Reader::Y4m { reader, interval, read } => match reader.next() {
                Some(picture) => {
                    let picture = picture.map_err(PlayErrorKind::File)?;
                    let time = seconds(*read as f64 * *interval);
                    *read += 1;
                    Some((time, Piece::Picture(Box::new(picture))))
                }
                None => None,
            },
        })
    }
}

/// Settings of pictures of which the file may not tell the size, and does not tell how many come in a second.
fn unsure((width, height): (u32, u32)) -> MediaTrackSettings {
    let told = |side: u32| Some(side).filter(|_| width > 0 && height > 0);
    MediaTrackSettings {
        width: told(width),
        height: told(height),
        frame_rate: None,
        ..MediaTrackSettings::video(0, 0, 0.0)
    }
}

fn opus() -> CodecSpec {
    CodecSpec::new(PayloadFormat::Opus, 48_000, 2)
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// How long so many samples sound.
pub(super) fn samples(count: u64, rate: u32) -> Duration {
    Duration::from_nanos((u128::from(count) * 1_000_000_000 / u128::from(rate.max(1))) as u64)
}
