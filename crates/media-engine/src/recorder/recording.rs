//! A recording without a clock or a thread: frames and the moments at which they came go in, a file comes out.

use std::io::{Seek, Write};
use std::time::{Duration, Instant};

use peerage_rtp::payload::PayloadFormat;

use super::anchor::Anchor;
use super::error::RecordError;
use super::options::{Container, RecorderOptions};
use super::output::Output;
use crate::audio::resample::Resampler;
use crate::audio::{AudioBlock, AudioFrame, mix_channels};
use crate::codec::{
    AudioEncoder, AudioTarget, CodecFactory, CodecSpec, EncodedPicture, PictureRequest,
    VideoEncoder, VideoTarget,
};
use crate::video::scale::{Scaler, rotate};
use crate::video::{Area, I420, PicturePool, Rotation, VideoFrame};

/// So often players find a place to begin at.
const KEYFRAMES: Duration = Duration::from_secs(5);
/// How far sound may be from where it belongs before silence is put in, or a block left out.
const SLACK: Duration = Duration::from_millis(60);
/// The longest silence that is put in at once.
const MAX_GAP: Duration = Duration::from_secs(600);

/// What a recording has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingSummary {
    /// Pictures that were written.
    pub pictures: u64,
    /// Blocks of sound of 10 ms that were.
    pub blocks: u64,
    /// From the first frame to the end of the last.
    pub duration: Duration,
}

/// Writes sound and pictures of two sources into a file, in step, whatever their clocks do. Pictures are all brought to the size
/// of the first, upright.
pub struct Recording<W: Write + Seek> {
    output: Output<W>,
    options: RecorderOptions,
    begin: Option<Instant>,
    audio: Option<Audio>,
    video: Option<Video>,
    summary: RecordingSummary,
}

struct Audio {
    anchor: Anchor,
    /// None where samples are written as they are.
    encoder: Option<Box<dyn AudioEncoder>>,
    rate: u32,
    channels: usize,
    resampler: Option<Resampler>,
    mixed: AudioBlock,
    block: AudioBlock,
    /// What has come of the next packet, and its frames.
    pending: AudioBlock,
    filled: usize,
    /// Samples that were taken in.
    taken: u64,
    written: u64,
    packet: Vec<u8>,
}

struct Video {
    anchor: Anchor,
    encoder: Option<Box<dyn VideoEncoder>>,
    size: (u16, u16),
    scaler: Scaler,
    pool: PicturePool,
    keyframe: Option<Duration>,
    pictures: Vec<EncodedPicture>,
}

impl<W: Write + Seek> std::fmt::Debug for Recording<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording")
            .field("options", &self.options)
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}

impl<W: Write + Seek> Recording<W> {
    /// A recording of sound, pictures or both. Nothing is written before the first frame.
    ///
    /// # Errors
    ///
    /// The container has no place for them, or for this codec.
    pub fn new(
        writer: W,
        container: Container,
        options: RecorderOptions,
        audio: bool,
        video: bool,
    ) -> Result<Self, RecordError> {
        let output = Output::new(writer, container, options, audio, video)?;
        let summary = RecordingSummary::default();
        Ok(Self { output, options, begin: None, audio: None, video: None, summary })
    }

    /// Takes in a picture that came now.
    ///
    /// # Errors
    ///
    /// There is no encoder for it, or the file cannot be written. The recording can be ended still: what was taken in before is
    /// in the file.
    pub fn video(
        &mut self,
        frame: &VideoFrame,
        now: Instant,
        codecs: &dyn CodecFactory,
    ) -> Result<(), RecordError> {
        let begin = *self.begin.get_or_insert(now);
        let video = match &mut self.video {
            Some(video) => video,
            None => {
                let mut encoder = None;
                if !self.output.takes_pictures() {
                    let mut made = codecs.video_encoder(&pictures(self.options))?;
                    made.set_target(VideoTarget::new(
                        self.options.video_bitrate,
                        self.options.frame_rate as f32,
                    ))?;
                    encoder = Some(made);
                }
                self.video.insert(Video {
                    anchor: Anchor::new(begin),
                    encoder,
                    size: upright(frame),
                    scaler: Scaler::new(),
                    pool: PicturePool::new(4),
                    keyframe: None,
                    pictures: Vec::new(),
                })
            }
        };
        let time = video.anchor.place(frame.time, now);
        let frame = video.fit(frame);
        self.summary.duration = self.summary.duration.max(time);
        let Some(encoder) = &mut video.encoder else {
            self.output.picture(time, &frame.picture)?;
            self.summary.pictures += 1;
            return Ok(());
        };
        let due = video.keyframe.is_none_or(|last| time >= last + KEYFRAMES);
        let request = PictureRequest::default().with_keyframe(due);
        video.pictures.clear();
        encoder.encode(&frame, request, &mut video.pictures)?;
        for picture in video.pictures.drain(..) {
            if picture.keyframe {
                video.keyframe = Some(time);
            }
            self.output.encoded(time, picture.keyframe, picture.dimensions, &picture.data)?;
            self.summary.pictures += 1;
        }
        Ok(())
    }

    /// Takes in sound that came now.
    ///
    /// # Errors
    ///
    /// There is no encoder for it, its rate cannot be converted, or the file cannot be written. The recording can be ended still:
    /// what was taken in before is in the file.
    pub fn audio(
        &mut self,
        frame: &AudioFrame,
        now: Instant,
        codecs: &dyn CodecFactory,
    ) -> Result<(), RecordError> {
        if frame.block.frames() == 0 {
            return Ok(());
        }
        // It came once it was there to its end.
        let before = |duration: Duration| now.checked_sub(duration).unwrap_or(now);
        let begin = before(frame.block.duration().min(AudioBlock::DURATION));
        let begin = *self.begin.get_or_insert(begin);
        let raw = self.output.takes_samples();
        let audio = match &mut self.audio {
            Some(audio) => audio,
            None => {
                let audio = Audio::new(begin, &frame.block, raw, &self.options, codecs)?;
                self.audio.insert(audio)
            }
        };
        let time = audio.anchor.place(frame.time, before(frame.block.duration()));
        let here = duration(audio.taken, audio.rate);
        if here > time + SLACK {
            return Ok(());
        }
        if time > here + SLACK {
            let gap = (time - here).min(MAX_GAP);
            let silence =
                AudioBlock::silence(audio.rate, audio.channels, audio.rate as usize / 100);
            for _ in 0..gap.as_millis() / 10 {
                audio.fill(&silence, &mut self.output, &mut self.summary)?;
            }
        }
        audio.take(&frame.block, &mut self.output, &mut self.summary)?;
        self.summary.duration = self.summary.duration.max(duration(audio.taken, audio.rate));
        Ok(())
    }

    /// Ends the file, and fills in what its header says of its length.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or nothing came.
    pub fn finish(mut self) -> Result<RecordingSummary, RecordError> {
        let mut rest_is_in = Ok(());
        if let Some(audio) = &mut self.audio {
            // The last packet is filled up with silence.
            let rest = audio.pending.frames() - audio.filled;
            if audio.encoder.is_some() && audio.filled > 0 {
                let silence = AudioBlock::silence(audio.rate, audio.channels, rest);
                rest_is_in = audio.fill(&silence, &mut self.output, &mut self.summary);
            }
            // Of what an error came after, too.
            let taken = duration(audio.taken, audio.rate);
            self.summary.duration = self.summary.duration.max(taken);
        }
        if self.begin.is_none() {
            return Err(RecordError::Nothing);
        }
        self.output.finish()?;
        rest_is_in.map(|()| self.summary)
    }
}

/// What sound is encoded with, where it is.
pub(super) fn opus() -> CodecSpec {
    CodecSpec::new(PayloadFormat::Opus, 48_000, 2).with_parameters("stereo=1")
}

/// What pictures are encoded with, where they are.
pub(super) fn pictures(options: RecorderOptions) -> CodecSpec {
    CodecSpec::new(options.video.format(), 90_000, 1)
}

fn duration(samples: u64, rate: u32) -> Duration {
    Duration::from_nanos((u128::from(samples) * 1_000_000_000 / u128::from(rate.max(1))) as u64)
}

/// Width and height once it is turned.
fn upright(frame: &VideoFrame) -> (u16, u16) {
    let size = (frame.picture.width(), frame.picture.height());
    match frame.rotation {
        Rotation::None | Rotation::Half => size,
        Rotation::Quarter | Rotation::ThreeQuarters => (size.1, size.0),
    }
}

impl Video {
    /// The picture, upright and of the size of the file.
    fn fit(&mut self, frame: &VideoFrame) -> VideoFrame {
        let mut frame = frame.clone();
        if frame.rotation != Rotation::None {
            let (width, height) = upright(&frame);
            let Ok(turned) = self.pool.take(width, height, |picture: &mut I420| {
                rotate(&frame.picture, frame.rotation, picture);
                Ok::<(), std::convert::Infallible>(())
            });
            frame.picture = turned;
            frame.rotation = Rotation::None;
        }
        let size = (frame.picture.width(), frame.picture.height());
        if size != self.size {
            let (scaler, area) = (&mut self.scaler, Area::of_ratio(size.0, size.1, self.size));
            let scaled = self.pool.take(self.size.0, self.size.1, |picture: &mut I420| {
                scaler.scale(&frame.picture, area, picture)
            });
            // Refused is only what is not a part of the picture.
            if let Ok(scaled) = scaled {
                frame.picture = scaled;
            }
        }
        frame
    }
}

impl Audio {
    fn new(
        begin: Instant,
        first: &AudioBlock,
        raw: bool,
        options: &RecorderOptions,
        codecs: &dyn CodecFactory,
    ) -> Result<Self, RecordError> {
        let mut encoder = None;
        let (mut rate, mut channels, mut frames) = (first.rate(), first.channels(), 0);
        if !raw {
            let mut made = codecs.audio_encoder(&opus())?;
            made.set_target(AudioTarget::default().with_bitrate(options.audio_bitrate))?;
            (rate, channels) = (made.rate(), made.channels());
            frames =
                (made.packet_duration().as_nanos() * u128::from(rate) / 1_000_000_000) as usize;
            encoder = Some(made);
        }
        let mut pending = AudioBlock::default();
        pending.reset(rate, channels, frames);
        Ok(Self {
            anchor: Anchor::new(begin),
            encoder,
            rate,
            channels,
            resampler: None,
            mixed: AudioBlock::default(),
            block: AudioBlock::default(),
            pending,
            filled: 0,
            taken: 0,
            written: 0,
            packet: Vec::new(),
        })
    }

    /// Takes a block of any rate and channels.
    fn take<W: Write + Seek>(
        &mut self,
        block: &AudioBlock,
        output: &mut Output<W>,
        summary: &mut RecordingSummary,
    ) -> Result<(), RecordError> {
        // No more than a resampler takes at once, however long the block is.
        let most = (block.rate() as usize / 10).max(1);
        if block.frames() > most {
            for samples in block.samples().chunks(most * block.channels()) {
                let frames = samples.len() / block.channels();
                let mut part = AudioBlock::silence(block.rate(), block.channels(), frames);
                part.samples_mut().copy_from_slice(samples);
                self.take(&part, output, summary)?;
            }
            return Ok(());
        }
        let mut mixed = std::mem::take(&mut self.mixed);
        mix_channels(block, self.channels, &mut mixed);
        if block.rate() == self.rate {
            self.fill(&mixed, output, summary)?;
        } else {
            let fits = |resampler: &&mut Resampler| resampler.input_rate() == block.rate();
            let resampler = match self.resampler.as_mut().filter(fits) {
                Some(resampler) => resampler,
                None => {
                    let made = Resampler::new(block.rate(), self.rate, self.channels)?;
                    self.resampler.insert(made)
                }
            };
            resampler.push(&mixed)?;
            let mut out = std::mem::take(&mut self.block);
            while self.resampler.as_mut().is_some_and(|resampler| resampler.pull(&mut out)) {
                self.fill(&out, output, summary)?;
            }
            self.block = out;
        }
        self.mixed = mixed;
        Ok(())
    }

    /// Takes a block of the rate and channels of the file.
    fn fill<W: Write + Seek>(
        &mut self,
        block: &AudioBlock,
        output: &mut Output<W>,
        summary: &mut RecordingSummary,
    ) -> Result<(), RecordError> {
        self.taken += block.frames() as u64;
        summary.blocks += 1;
        let Some(encoder) = &mut self.encoder else { return output.samples(block) };
        let mut rest = block.samples();
        while !rest.is_empty() {
            let place = &mut self.pending.samples_mut()[self.filled * self.channels..];
            let (now, later) = rest.split_at(rest.len().min(place.len()));
            place[..now.len()].copy_from_slice(now);
            self.filled += now.len() / self.channels;
            rest = later;
            if self.filled == self.pending.frames() {
                self.packet.clear();
                encoder.encode(&self.pending, &mut self.packet)?;
                output.packet(duration(self.written, self.rate), &self.packet)?;
                self.written += self.filled as u64;
                self.filled = 0;
            }
        }
        Ok(())
    }
}
