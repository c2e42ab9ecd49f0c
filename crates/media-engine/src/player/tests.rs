//! Files that are played: in order, to their end or over and over, and errors that say what is wrong.

use std::fs::File;
use std::sync::Arc;

use super::*;
use crate::codec::{
    AudioDecoder, AudioEncoder, BuiltIn, CodecError, CodecSpec, VideoDecoder, VideoEncoder,
};
use crate::files::{IvfHeader, IvfWriter, WavFormat, WavWriter, Y4mHeader, Y4mWriter};
use crate::track::{ReadyState, SinkError};
use crate::video::pattern::NumberedPicture;
use crate::video::{I420, VideoFrame};

const PATIENCE: Duration = Duration::from_secs(30);

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("peerage-player-{}-{name}", std::process::id())))
    }

    fn pictures(self, count: u64) -> Self {
        let header = Y4mHeader { width: 64, height: 32, rate_numerator: 200, rate_denominator: 1 };
        let mut writer = Y4mWriter::new(File::create(&self.0).unwrap(), header).unwrap();
        for number in 0..count {
            writer.write_picture(&NumberedPicture::new(number, 0).draw(64, 32)).unwrap();
        }
        writer.finish().unwrap();
        self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_file_is_played_to_its_end() {
    let place = Place::new("once.y4m").pictures(6);
    let player = MediaPlayer::open(&place.0, PlayerOptions::default(), Arc::new(BuiltIn)).unwrap();
    assert!(player.audio().is_none());
    let track = player.video().unwrap().clone();
    assert_eq!(track.get_settings().frame_rate, Some(200.0));
    let mut sink = track.sink(100);
    let mut last = None;
    loop {
        match sink.recv_timeout(PATIENCE) {
            Ok(frame) => {
                let number = NumberedPicture::read(&frame.picture).number;
                assert!(number > last, "{number:?} after {last:?}");
                last = number;
                assert_eq!(frame.time, Duration::from_millis(5 * u64::from(number.unwrap())));
            }
            Err(error) => break assert_eq!(error, SinkError::Ended),
        }
    }
    assert_eq!((last, track.ready_state()), (Some(5), ReadyState::Ended));
    assert!(player.take_error().is_none());
}

#[test]
fn a_file_that_is_looped_goes_on_and_ends_with_its_tracks() {
    let place = Place::new("looped.y4m").pictures(3);
    let options = PlayerOptions::default().with_looped(true);
    let mut player = MediaPlayer::open(&place.0, options, Arc::new(BuiltIn)).unwrap();
    let mut sink = player.video().unwrap().sink(100);
    let mut last = None;
    let mut rounds = 0;
    while rounds < 3 {
        let frame = sink.recv_timeout(PATIENCE).unwrap();
        assert!(last.is_none_or(|last| frame.time > last), "time goes back");
        last = Some(frame.time);
        rounds += u32::from(NumberedPicture::read(&frame.picture).number == Some(2));
    }
    player.stop();
    assert!(!player.is_playing());
    while sink.try_recv().is_ok() {}
    assert_eq!(sink.try_recv().err(), Some(SinkError::Ended));
}

#[test]
fn what_cannot_be_played_says_why() {
    let open = |place: &Place| MediaFile::open(&place.0, &BuiltIn).err().unwrap().to_string();
    let place = Place::new("none");
    assert!(open(&place).contains("No such file"), "{}", open(&place));
    std::fs::write(&place.0, "GIF89a").unwrap();
    assert!(open(&place).contains("WebM and Matroska, IVF"), "{}", open(&place));
    let place = Place::new("odd.wav");
    let format = WavFormat { sample_rate: 11_025, channels: 1 };
    let mut writer = WavWriter::new(File::create(&place.0).unwrap(), format).unwrap();
    writer.write(&[0; 400]).unwrap();
    writer.finish().unwrap();
    assert!(open(&place).contains("ffmpeg"), "{}", open(&place));
}

fn ivf(place: &Place, tick: (u32, u32), times: &[u64]) {
    let header = IvfHeader {
        timebase_numerator: tick.0,
        timebase_denominator: tick.1,
        ..IvfHeader::new(IvfHeader::VP8, 0, 0)
    };
    let mut writer = IvfWriter::new(File::create(&place.0).unwrap(), header).unwrap();
    times.iter().for_each(|time| writer.write_frame(*time, &[0; 4]).unwrap());
    writer.finish().unwrap();
}

/// Makes a picture of whatever it is given.
#[derive(Debug)]
struct Anything;

impl VideoDecoder for Anything {
    fn implementation(&self) -> String {
        "anything".to_owned()
    }

    fn decode(&mut self, _: &[u8]) -> Result<Option<VideoFrame>, CodecError> {
        Ok(Some(VideoFrame::new(I420::black(2, 2), Duration::ZERO)))
    }
}

impl CodecFactory for Anything {
    fn encodes(&self, _: &CodecSpec) -> bool {
        false
    }

    fn decodes(&self, _: &CodecSpec) -> bool {
        true
    }

    fn audio_encoder(&self, spec: &CodecSpec) -> Result<Box<dyn AudioEncoder>, CodecError> {
        BuiltIn.audio_encoder(spec)
    }

    fn audio_decoder(&self, spec: &CodecSpec) -> Result<Box<dyn AudioDecoder>, CodecError> {
        BuiltIn.audio_decoder(spec)
    }

    fn video_encoder(&self, spec: &CodecSpec) -> Result<Box<dyn VideoEncoder>, CodecError> {
        BuiltIn.video_encoder(spec)
    }

    fn video_decoder(&self, _: &CodecSpec) -> Result<Box<dyn VideoDecoder>, CodecError> {
        Ok(Box::new(Anything))
    }
}

#[test]
fn times_that_cannot_be_do_not_stop_a_file() {
    let place = Place::new("times.ivf");
    ivf(&place, (u32::MAX, 1), &[0, u64::MAX, 0, 1, u64::MAX]);
    let file = MediaFile::open(&place.0, &Anything).unwrap();
    let settings = file.video_settings().unwrap();
    assert_eq!((settings.width, settings.height), (None, None), "the header does not tell");
    let source = VideoSource::new("times");
    let track = source.track();
    let mut sink = track.sink(100);
    let (path, options) = (place.0.clone(), PlayerOptions::default());
    let (codecs, audio, video) = (Arc::new(Anything), None, Some(source));
    Playing { path, codecs, options, audio, video }.run(file).unwrap();
    assert_eq!(std::iter::from_fn(|| sink.try_recv().ok()).count(), 5);
}

#[test]
fn a_file_of_nothing_ends_even_if_it_is_looped() {
    let nothing = Place::new("nothing.y4m").pictures(0);
    let options = PlayerOptions::default().with_looped(true);
    let mut player = MediaPlayer::open(&nothing.0, options, Arc::new(BuiltIn)).unwrap();
    let mut sink = player.video().unwrap().sink(1);
    assert_eq!(sink.recv_timeout(PATIENCE).err(), Some(SinkError::Ended));
    player.stop();
    player.stop();
    let error = player.take_error().unwrap().to_string();
    assert!(error.contains("nothing.y4m: nothing in it can be played"), "{error}");
}

#[test]
fn a_file_without_times_is_refused() {
    let place = Place::new("base.ivf");
    for tick in [(0, 1), (1, 0)] {
        ivf(&place, tick, &[0]);
        let error = MediaFile::open(&place.0, &Anything).unwrap_err().to_string();
        assert!(error.contains("byte 16: the time base is zero"), "{error}");
    }
}

#[test]
fn a_rate_that_nobody_plays_is_refused_before_memory_is_taken() {
    let place = Place::new("rate.wav");
    let format = WavFormat { sample_rate: 48_000, channels: 1 };
    let mut writer = WavWriter::new(File::create(&place.0).unwrap(), format).unwrap();
    writer.write(&[0; 8]).unwrap();
    writer.finish().unwrap();
    let mut file = std::fs::read(&place.0).unwrap();
    file[24..28].copy_from_slice(&2_000_000_000_u32.to_le_bytes());
    file[28..32].copy_from_slice(&4_000_000_000_u32.to_le_bytes());
    std::fs::write(&place.0, file).unwrap();
    let error = MediaFile::open(&place.0, &BuiltIn).unwrap_err().to_string();
    assert!(error.contains("2000000000") && error.contains("ffmpeg"), "{error}");
}
