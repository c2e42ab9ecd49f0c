//! A file, decoded: pictures and blocks of sound in the order of their times, as fast as they are asked for.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{PlayError, PlayErrorKind};
use super::packets::{Packets, Piece, samples};
use crate::audio::resample::Resampler;
use crate::audio::{AudioBlock, AudioFrame};
use crate::codec::{AudioDecoder, CodecError, CodecFactory, VideoDecoder};
use crate::track::MediaTrackSettings;
use crate::video::VideoFrame;

/// What comes out of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaFrame {
    /// 10 ms of sound.
    Audio(AudioFrame),
    /// A picture.
    Video(VideoFrame),
}

impl MediaFrame {
    /// When it is to be heard or seen, from the beginning of the file.
    pub fn time(&self) -> Duration {
        match self {
            Self::Audio(frame) => frame.time,
            Self::Video(frame) => frame.time,
        }
    }
}

/// The rate that sound of rates without a whole number of samples in 10 ms, or of one that is not resampled well, gets.
const RATE: u32 = 48_000;
/// Pictures in a row that may be damaged before a file is given up.
const MAX_DAMAGED: u32 = 100;

/// A media file that is being decoded: an iterator, which asks no clock. [`MediaPlayer`](super::MediaPlayer) plays one at its
/// pace.
///
/// Known by how they begin are WebM and Matroska (VP8, VP9, AV1, H.264, Opus), IVF, Ogg (Opus), WAV (16 bits) and Y4M. Of
/// several tracks of a kind the first is taken. What is damaged is left out.
pub struct MediaFile {
    path: PathBuf,
    packets: Packets,
    video: Option<Box<dyn VideoDecoder>>,
    audio: Option<Box<dyn AudioDecoder>>,
    decoded: AudioBlock,
    /// Samples that are not a whole block yet.
    pending: VecDeque<f32>,
    /// Samples that are still to be left out of the beginning, and those that were given out.
    skip: u64,
    given: u64,
    ready: VecDeque<MediaFrame>,
    damaged: u32,
    ended: bool,
}

impl std::fmt::Debug for MediaFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaFile")
            .field("path", &self.path)
            .field("packets", &self.packets)
            .finish_non_exhaustive()
    }
}

impl MediaFile {
    /// Opens a file, and decoders for what is in it.
    ///
    /// # Errors
    ///
    /// It cannot be read, is of no kind that is played, or there is no codec for it.
    pub fn open(path: impl AsRef<Path>, codecs: &dyn CodecFactory) -> Result<Self, PlayError> {
        let path = path.as_ref();
        Self::of(path, Packets::open(path), codecs)
    }

    /// Of what was found in a file.
    pub(super) fn of(
        path: &Path,
        packets: Result<Packets, PlayErrorKind>,
        codecs: &dyn CodecFactory,
    ) -> Result<Self, PlayError> {
        let fail = |kind| PlayError::new(path, kind);
        let packets = packets.map_err(fail)?;
        let codec = |error: CodecError| fail(PlayErrorKind::Codec(error));
        let video = packets.video.as_ref().map(|spec| codecs.video_decoder(spec));
        let video = video.transpose().map_err(codec)?;
        let audio = packets.audio.as_ref().map(|spec| codecs.audio_decoder(spec));
        let audio = audio.transpose().map_err(codec)?;
        let mut file = Self {
            path: path.to_owned(),
            skip: 0,
            video,
            audio,
            decoded: AudioBlock::default(),
            pending: VecDeque::new(),
            given: 0,
            ready: VecDeque::new(),
            damaged: 0,
            ended: false,
            packets,
        };
        if let Some(settings) = &mut file.packets.audio_settings
            && let Some(rate) = settings.sample_rate
            && file.audio.is_none()
            && (!rate.is_multiple_of(100) || rate > AudioBlock::MAX_RATE)
        {
            // Nothing passes on blocks that are not 10 ms long.
            return Err(fail(PlayErrorKind::Rate(
                Resampler::new(rate, RATE, 1)
                    .err()
                    .unwrap_or_else(|| unreachable!("no rate that is resampled")),
            )));
        }
        file.skip = (file.packets.skip.as_secs_f64() * f64::from(RATE)).round() as u64;
        Ok(file)
    }

    /// What is known of its pictures; `None` where it has none.
    pub fn video_settings(&self) -> Option<&MediaTrackSettings> {
        self.packets.video_settings.as_ref()
    }

    /// What is known of its sound; `None` where it has none.
    pub fn audio_settings(&self) -> Option<&MediaTrackSettings> {
        self.packets.audio_settings.as_ref()
    }

    /// Decodes the next piece into `ready`. False at the end.
    fn step(&mut self) -> Result<bool, PlayErrorKind> {
        let Some((time, piece)) = self.packets.next()? else { return Ok(false) };
        match piece {
            Piece::Picture(picture) => {
                self.ready.push_back(MediaFrame::Video(VideoFrame::new(*picture, time)));
            }
            Piece::Samples(block) => self.sound(block, time)?,
            Piece::Other => {}
            Piece::Video(data) => {
                let Some(decoder) = &mut self.video else { return Ok(true) };
                match decoder.decode(&data) {
                    Ok(Some(mut frame)) => {
                        frame.time = time;
                        self.ready.push_back(MediaFrame::Video(frame));
                        self.damaged = 0;
                    }
                    Ok(None) => {}
                    Err(error) => self.damage(error)?,
                }
            }
            Piece::Audio(data) => {
                let Some(decoder) = &mut self.audio else { return Ok(true) };
                let mut block = std::mem::take(&mut self.decoded);
                match decoder.decode(&data, &mut block) {
                    Ok(()) => self.damaged = 0,
                    Err(error) => self.damage(error)?,
                }
                self.sound(block, time)?;
            }
        }
        Ok(true)
    }

    fn damage(&mut self, error: CodecError) -> Result<(), PlayErrorKind> {
        self.damaged += 1;
        if self.damaged > MAX_DAMAGED { Err(PlayErrorKind::Codec(error)) } else { Ok(()) }
    }

    /// Makes blocks of 10 ms of sound of any length.
    fn sound(&mut self, block: AudioBlock, time: Duration) -> Result<(), PlayErrorKind> {
        let (rate, channels) = (block.rate(), block.channels());
        if block.frames() == 0 {
            self.decoded = block;
            return Ok(());
        }
        // What a file leaves out is silent there.
        let here = samples(self.given + (self.pending.len() / channels) as u64, rate);
        let begins = time.saturating_sub(self.packets.skip);
        if let Some(gap) = begins.checked_sub(here)
            && gap > 2 * AudioBlock::DURATION
            && self.skip == 0
        {
            let gap = gap.min(Duration::from_secs(600)).as_secs_f64();
            let frames =
                (gap * f64::from(rate)) as u64 / u64::from(rate / 100) * u64::from(rate / 100);
            self.given += frames;
        }
        let skipped = (self.skip as usize).min(block.frames());
        self.skip -= skipped as u64;
        self.pending.extend(&block.samples()[skipped * channels..]);
        let size = rate as usize / 100 * channels;
        while size > 0 && self.pending.len() >= size {
            let mut out = AudioBlock::silence(rate, channels, rate as usize / 100);
            let samples_out = out.samples_mut().iter_mut();
            samples_out.zip(self.pending.drain(..size)).for_each(|(to, from)| *to = from);
            let time = samples(self.given, rate);
            self.given += u64::from(rate / 100);
            self.ready.push_back(MediaFrame::Audio(AudioFrame { block: out, time }));
        }
        self.decoded = block;
        Ok(())
    }
}

impl MediaFile {
    /// The next frame, or nothing where none came of the next piece of the file. `None` at the end.
    pub(super) fn advance(&mut self) -> Option<Result<Option<MediaFrame>, PlayError>> {
        if let Some(frame) = self.ready.pop_front() {
            return Some(Ok(Some(frame)));
        }
        if self.ended {
            return None;
        }
        match self.step() {
            Ok(true) => Some(Ok(self.ready.pop_front())),
            Ok(false) => {
                self.ended = true;
                None
            }
            Err(kind) => {
                self.ended = true;
                Some(Err(PlayError::new(&self.path, kind)))
            }
        }
    }
}

impl Iterator for MediaFile {
    type Item = Result<MediaFrame, PlayError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(frame) = self.advance()?.transpose() {
                return Some(frame);
            }
        }
    }
}
