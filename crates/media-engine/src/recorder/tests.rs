//! What is recorded is played again: the same pictures at the same times, the same sound.

use std::io::Cursor;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use super::*;
use crate::audio::AudioBlock;
use crate::codec::{
    AudioDecoder, AudioEncoder, BuiltIn, CodecError, CodecSpec, EncodedPicture, PictureRequest,
    VideoDecoder, VideoEncoder, VideoEncoderInfo, VideoTarget,
};
use crate::files::IvfReader;
use crate::player::{MediaFile, MediaFrame};
use crate::track::VideoSource;
use crate::video::pattern::NumberedPicture;
use crate::video::{I420, Rotation};

/// A file in the folder for temporary ones that is gone with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("peerage-recorder-{}-{name}", std::process::id())))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn tone(number: u64, rate: u32) -> AudioFrame {
    let frames = rate as usize / 100;
    let mut block = AudioBlock::silence(rate, 1, frames);
    for (at, sample) in block.samples_mut().iter_mut().enumerate() {
        let at = number * frames as u64 + at as u64;
        *sample = 0.5 * (std::f64::consts::TAU * 440.0 * at as f64 / f64::from(rate)).sin() as f32;
    }
    AudioFrame { block, time: Duration::from_millis(10 * number) + Duration::from_secs(7) }
}

/// Two seconds of numbered pictures, 25 a second, and a tone, written and read back.
fn record(place: &Place, options: RecorderOptions, audio: bool, video: bool) -> Vec<MediaFrame> {
    let container = Container::of(&place.0).unwrap();
    let file = BufWriter::new(File::create(&place.0).unwrap());
    let mut recording = Recording::new(file, container, options, audio, video).unwrap();
    let begin = Instant::now();
    for step in 0..200_u64 {
        let now = begin + Duration::from_millis(10 * step);
        if audio {
            recording.audio(&tone(step, 16_000), now + AudioBlock::DURATION, &BuiltIn).unwrap();
        }
        if video && step.is_multiple_of(4) {
            let picture = NumberedPicture::new(step / 4, 0).draw(320, 180);
            let time = Duration::from_millis(10 * step) + Duration::from_secs(100);
            recording.video(&VideoFrame::new(picture, time), now, &BuiltIn).unwrap();
        }
    }
    let summary = recording.finish().unwrap();
    if video {
        assert!(summary.pictures >= 49, "{summary:?}");
    }
    assert!(summary.duration >= Duration::from_millis(1900), "{summary:?}");
    MediaFile::open(&place.0, &BuiltIn).unwrap().map(Result::unwrap).collect()
}

/// Numbers of pictures and their times in ms.
fn pictures(frames: &[MediaFrame]) -> Vec<(u64, u64)> {
    let read = |frame: &MediaFrame| match frame {
        MediaFrame::Video(frame) => {
            let number = NumberedPicture::read(&frame.picture).number?;
            Some((u64::from(number), frame.time.as_millis() as u64))
        }
        MediaFrame::Audio(_) => None,
    };
    frames.iter().filter_map(read).collect()
}

fn check_pictures(frames: &[MediaFrame], slack: u64) {
    let pictures = pictures(frames);
    assert!(pictures.len() >= 48, "{pictures:?}");
    for (number, time) in pictures {
        assert!(time.abs_diff(40 * number) <= slack, "picture {number} at {time} ms");
    }
}

/// How loud it is between, and where a block stands.
fn check_sound(frames: &[MediaFrame]) {
    let blocks: Vec<&AudioFrame> = frames
        .iter()
        .filter_map(|frame| match frame {
            MediaFrame::Audio(frame) => Some(frame),
            MediaFrame::Video(_) => None,
        })
        .collect();
    assert!((195..=205).contains(&blocks.len()), "{} blocks", blocks.len());
    for (at, frame) in blocks.iter().enumerate() {
        assert_eq!(frame.time, Duration::from_millis(10 * at as u64));
    }
    for frame in &blocks[20..180] {
        let samples = frame.block.samples();
        let power =
            samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32;
        assert!((power.sqrt() - 0.354).abs() < 0.05, "{}", power.sqrt());
    }
}

#[test]
fn raw_pictures_and_samples_come_back() {
    let place = Place::new("pictures.y4m");
    check_pictures(
        &record(&place, RecorderOptions { frame_rate: 25, ..Default::default() }, false, true),
        0,
    );
    let place = Place::new("sound.wav");
    check_sound(&record(&place, RecorderOptions::default(), true, false));
}

#[cfg(feature = "opus")]
#[test]
fn opus_comes_back_where_it_was() {
    let place = Place::new("sound.ogg");
    check_sound(&record(&place, RecorderOptions::default(), true, false));
}

#[cfg(all(feature = "opus", feature = "vpx"))]
#[test]
fn sound_and_pictures_come_back_in_step() {
    for (name, video) in [("a.webm", RecordedVideo::Vp8), ("b.webm", RecordedVideo::Vp9)] {
        let place = Place::new(name);
        let frames = record(&place, RecorderOptions::default().with_video(video), true, true);
        check_pictures(&frames, 2);
        check_sound(&frames);
    }
    let place = Place::new("c.ivf");
    check_pictures(&record(&place, RecorderOptions::default(), false, true), 1);
}

#[cfg(all(feature = "opus", feature = "h264"))]
#[test]
fn h264_goes_into_matroska() {
    let place = Place::new("d.mkv");
    let options = RecorderOptions::default().with_video(RecordedVideo::H264);
    let frames = record(&place, options, true, true);
    check_pictures(&frames, 2);
    check_sound(&frames);
}

#[test]
fn what_has_no_place_is_refused_before_there_is_a_file() {
    let new = |container, options, audio, video| {
        Recording::new(Cursor::new(Vec::new()), container, options, audio, video)
            .err()
            .unwrap()
            .to_string()
    };
    let options = RecorderOptions::default();
    assert!(new(Container::Ogg, options, true, true).starts_with("Ogg holds no pictures"));
    assert!(new(Container::Y4m, options, true, false).starts_with("Y4M holds no sound"));
    let h264 = options.with_video(RecordedVideo::H264);
    assert!(new(Container::WebM, h264, false, true).starts_with("WebM holds no H.264"));
    assert!(new(Container::WebM, options, false, false).contains("no track"));
    assert!(Container::of(Path::new("call.mp4")).unwrap_err().to_string().contains(".webm"));
}

#[test]
fn pictures_are_turned_and_brought_to_the_size_of_the_first() {
    let place = Place::new("turned.y4m");
    let file = BufWriter::new(File::create(&place.0).unwrap());
    let options = RecorderOptions::default();
    let mut recording = Recording::new(file, Container::Y4m, options, false, true).unwrap();
    let begin = Instant::now();
    let mut first = VideoFrame::new(NumberedPicture::new(1, 0).draw(320, 180), Duration::ZERO);
    first.rotation = Rotation::Quarter;
    recording.video(&first, begin, &BuiltIn).unwrap();
    let second =
        VideoFrame::new(NumberedPicture::new(2, 0).draw(90, 160), Duration::from_millis(33));
    recording.video(&second, begin + Duration::from_millis(33), &BuiltIn).unwrap();
    recording.finish().unwrap();
    let sizes: Vec<(u16, u16)> = MediaFile::open(&place.0, &BuiltIn)
        .unwrap()
        .map(|frame| match frame.unwrap() {
            MediaFrame::Video(frame) => (frame.picture.width(), frame.picture.height()),
            MediaFrame::Audio(_) => unreachable!("there is no sound"),
        })
        .collect();
    assert_eq!(sizes, [(180, 320), (180, 320)]);
}

#[test]
fn silence_stands_where_a_source_gave_nothing() {
    let place = Place::new("gap.wav");
    let file = BufWriter::new(File::create(&place.0).unwrap());
    let options = RecorderOptions::default();
    let mut recording = Recording::new(file, Container::Wav, options, true, false).unwrap();
    let begin = Instant::now();
    for step in (0..50).chain(150..200) {
        let now = begin + Duration::from_millis(10 * (step + 1));
        recording.audio(&tone(step, 48_000), now, &BuiltIn).unwrap();
    }
    recording.finish().unwrap();
    let frames: Vec<_> = MediaFile::open(&place.0, &BuiltIn).unwrap().map(Result::unwrap).collect();
    let loud = |frame: &MediaFrame| match frame {
        MediaFrame::Audio(frame) => frame.block.samples().iter().any(|sample| sample.abs() > 0.1),
        MediaFrame::Video(_) => unreachable!("there are no pictures"),
    };
    assert!((190..=205).contains(&frames.len()), "{}", frames.len());
    assert!(loud(&frames[40]) && !loud(&frames[100]) && loud(&frames[170]));
}

/// Encodes nothing, fails where it is told to, and gives its source another picture for each.
#[derive(Debug)]
struct Odd {
    source: Option<Arc<VideoSource>>,
    encoded: Arc<AtomicU64>,
    fails_at: u64,
    encodes: bool,
}

impl Odd {
    fn new(fails_at: u64) -> Self {
        Self { source: None, encoded: Arc::default(), fails_at, encodes: true }
    }
}

impl VideoEncoder for Odd {
    fn info(&self) -> VideoEncoderInfo {
        VideoEncoderInfo::new("odd")
    }

    fn set_target(&mut self, _: VideoTarget) -> Result<(), CodecError> {
        Ok(())
    }

    fn encode(
        &mut self,
        frame: &VideoFrame,
        _: PictureRequest,
        out: &mut Vec<EncodedPicture>,
    ) -> Result<(), CodecError> {
        let number = self.encoded.fetch_add(1, Ordering::Relaxed);
        if number == self.fails_at {
            return Err(CodecError::Library { codec: "odd", reason: "was told to".to_owned() });
        }
        out.push(EncodedPicture::new(bytes::Bytes::from_static(&[1, 2, 3]), true, (16, 16)));
        if let Some(source) = &self.source {
            source.push(frame);
        }
        Ok(())
    }
}

impl CodecFactory for Odd {
    fn encodes(&self, codec: &CodecSpec) -> bool {
        self.encodes || BuiltIn.encodes(codec)
    }

    fn decodes(&self, codec: &CodecSpec) -> bool {
        BuiltIn.decodes(codec)
    }

    fn audio_encoder(&self, codec: &CodecSpec) -> Result<Box<dyn AudioEncoder>, CodecError> {
        BuiltIn.audio_encoder(codec)
    }

    fn audio_decoder(&self, codec: &CodecSpec) -> Result<Box<dyn AudioDecoder>, CodecError> {
        BuiltIn.audio_decoder(codec)
    }

    fn video_encoder(&self, codec: &CodecSpec) -> Result<Box<dyn VideoEncoder>, CodecError> {
        if !self.encodes {
            let (codec, feature) = (format!("{:?}", codec.format), Some("vpx"));
            return Err(CodecError::Missing { codec, feature });
        }
        let (source, encoded) = (self.source.clone(), self.encoded.clone());
        Ok(Box::new(Self { source, encoded, ..Self::new(self.fails_at) }))
    }

    fn video_decoder(&self, codec: &CodecSpec) -> Result<Box<dyn VideoDecoder>, CodecError> {
        BuiltIn.video_decoder(codec)
    }
}

fn black(step: u64) -> VideoFrame {
    VideoFrame::new(I420::black(16, 16), Duration::from_millis(33 * step))
}

#[test]
fn a_source_that_is_faster_than_the_encoder_does_not_keep_it_from_ending() {
    let place = Place::new("fast.ivf");
    let source = Arc::new(VideoSource::new("fast"));
    let stream = MediaStream::new([source.track().into()]);
    // Were it without an end, the encoder would be told to fail.
    let odd = Arc::new(Odd { source: Some(source.clone()), ..Odd::new(100_000) });
    let recorder =
        Recorder::begin(&place.0, &stream, RecorderOptions::default(), odd.clone()).unwrap();
    source.push(&black(0));
    while odd.encoded.load(Ordering::Relaxed) == 0 && recorder.is_recording() {
        std::thread::yield_now();
    }
    recorder.finish().unwrap();
}

#[test]
fn what_came_before_an_error_is_in_the_file() {
    let place = Place::new("broken.ivf");
    let source = VideoSource::new("test");
    let stream = MediaStream::new([source.track().into()]);
    let recorder =
        Recorder::begin(&place.0, &stream, RecorderOptions::default(), Arc::new(Odd::new(4)))
            .unwrap();
    (0..8).for_each(|step| source.push(&black(step)));
    drop(source);
    let error = recorder.finish().unwrap_err().to_string();
    assert!(error.contains("broken.ivf: odd: the library failed: was told to"), "{error}");
    let reader = IvfReader::new(File::open(&place.0).unwrap()).unwrap();
    assert_eq!(reader.header().frames, 4);
    assert_eq!(reader.map(Result::unwrap).count(), 4);
}

#[test]
fn what_cannot_be_encoded_is_said_before_a_file_is_lost() {
    let place = Place::new("kept.ivf");
    std::fs::write(&place.0, "what was there").unwrap();
    let source = VideoSource::new("test");
    let stream = MediaStream::new([source.track().into()]);
    let begin = |options, codecs| {
        Recorder::begin(&place.0, &stream, options, codecs).err().unwrap().to_string()
    };
    let none = Arc::new(Odd { encodes: false, ..Odd::new(0) });
    let av1 = RecorderOptions::default().with_video(RecordedVideo::Av1);
    if !BuiltIn.encodes(&recording::pictures(av1)) {
        assert!(begin(av1, none).contains("switch on the feature"));
    }
    for frame_rate in [0, 1_001, u32::MAX] {
        let options = RecorderOptions { frame_rate, ..RecorderOptions::default() };
        let error = begin(options, Arc::new(Odd::new(0)));
        assert!(error.contains("must be 1 to 1000"), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&place.0).unwrap(), "what was there");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_with_the_name_of_the_file() {
    let place = Place::new("full.y4m");
    std::os::unix::fs::symlink("/dev/full", &place.0).unwrap();
    let source = VideoSource::new("test");
    let stream = MediaStream::new([source.track().into()]);
    let options = RecorderOptions::default();
    let recorder = Recorder::begin(&place.0, &stream, options, Arc::new(BuiltIn)).unwrap();
    (0..8).for_each(|step| source.push(&black(step)));
    drop(source);
    let error = recorder.finish().unwrap_err().to_string();
    assert!(error.contains("full.y4m: Y4M: No space left on device"), "{error}");
}

#[test]
fn blocks_of_any_length_are_taken() {
    let place = Place::new("long.wav");
    let file = BufWriter::new(File::create(&place.0).unwrap());
    let options = RecorderOptions::default();
    let mut recording = Recording::new(file, Container::Wav, options, true, false).unwrap();
    let begin = Instant::now();
    recording.audio(&tone(0, 48_000), begin, &BuiltIn).unwrap();
    let long = AudioFrame {
        block: AudioBlock::silence(16_000, 2, 16_000),
        time: Duration::from_millis(7_010),
    };
    let summary = recording.audio(&long, begin + Duration::from_secs(1), &BuiltIn);
    summary.unwrap();
    let summary = recording.finish().unwrap();
    assert!(summary.duration > Duration::from_millis(990), "{summary:?}");
}
