//! Files that are played: in order, to their end or over and over, and errors that say what is wrong.

use std::fs::File;
use std::sync::Arc;

use super::*;
use crate::codec::BuiltIn;
use crate::files::{WavFormat, WavWriter, Y4mHeader, Y4mWriter};
use crate::track::{ReadyState, SinkError};
use crate::video::pattern::NumberedPicture;

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
