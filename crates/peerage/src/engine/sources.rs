//! Sources that need no device: pictures and sound that are made up as time passes, each in a thread of its own that ends with
//! the last track of it.

use std::thread::Builder;
use std::time::{Duration, Instant};

use peerage_media::audio::{AudioBlock, AudioFrame};
use peerage_media::track::{AudioSource, AudioTrack, Medium, Source, VideoSource, VideoTrack};
use peerage_media::video::pattern::NumberedPicture;
use peerage_media::video::{I420, VideoFrame};

use crate::Error;

/// What a source is late by at most before it leaves out what it has missed.
const MAX_LATE: Duration = Duration::from_millis(200);
/// Samples a second of [`tone`].
const RATE: u32 = 48_000;

/// A track of pictures, `rate` a second, that `draw` makes from their numbers; it ends when that gives none.
///
/// # Errors
/// [`Error::Thread`] if no thread can be begun.
///
/// # Panics
/// If `rate` is not between a picture an hour and 1,000 a second.
pub fn pictures(
    label: &str,
    rate: f64,
    mut draw: impl FnMut(u64) -> Option<I420> + Send + 'static,
) -> Result<VideoTrack, Error> {
    assert!((1.0 / 3_600.0..=1_000.0).contains(&rate), "{rate} pictures a second");
    let source = VideoSource::new(label);
    let track = source.track();
    let interval = Duration::from_secs_f64(1.0 / rate);
    paced(source, interval, 0, move |number, time| {
        draw(number).map(|picture| VideoFrame::new(picture, time))
    })?;
    Ok(track)
}

/// A track of pictures that tell their number, so that whoever sees them knows which are missing, late or twice there.
///
/// # Errors
/// As [`pictures`].
///
/// # Panics
/// As [`pictures`] and [`I420::black`].
pub fn numbered_pictures(width: u16, height: u16, rate: f64) -> Result<VideoTrack, Error> {
    // Here rather than in the thread, where nobody would see it.
    drop(NumberedPicture::new(0, 0).draw(width, height));
    pictures("numbered pictures", rate, move |number| {
        Some(NumberedPicture::new(number, 0).draw(width, height))
    })
}

/// A track of sound of so many samples a second in one channel; `fill` is given 10 ms at a time, with the number of the first
/// sample, and the track ends when it returns false.
///
/// # Errors
/// [`Error::Thread`] if no thread can be begun.
///
/// # Panics
/// If `rate` is not a multiple of 100 from 8,000 to 192,000.
pub fn sound(
    label: &str,
    rate: u32,
    mut fill: impl FnMut(u64, &mut [f32]) -> bool + Send + 'static,
) -> Result<AudioTrack, Error> {
    let fits = (8_000..=192_000).contains(&rate) && rate.is_multiple_of(100);
    assert!(fits, "{rate} samples a second");
    let source = AudioSource::new(label);
    let track = source.track();
    let frames = rate / 100;
    // A block is there when it has ended.
    paced(source, AudioBlock::DURATION, 1, move |number, time| {
        let mut block = AudioBlock::silence(rate, 1, frames as usize);
        let goes_on = fill(number * u64::from(frames), block.samples_mut());
        goes_on.then_some(AudioFrame { block, time })
    })?;
    Ok(track)
}

/// A track of a tone, a quarter of full scale loud, at 48 kHz.
///
/// # Errors
/// As [`sound`].
pub fn tone(frequency: f64) -> Result<AudioTrack, Error> {
    let step = std::f64::consts::TAU * frequency / f64::from(RATE);
    sound("tone", RATE, move |first, samples| {
        for (at, sample) in samples.iter_mut().enumerate() {
            *sample = (0.25 * (step * (first + at as u64) as f64).sin()) as f32;
        }
        true
    })
}

/// Gives what is made to a source, each when it is due: so many intervals after its time.
fn paced<M: Medium>(
    source: Source<M>,
    interval: Duration,
    later: u32,
    mut make: impl FnMut(u64, Duration) -> Option<M> + Send + 'static,
) -> Result<(), Error> {
    let run = move || {
        let begin = Instant::now();
        let mut number = 0;
        while source.is_wanted() {
            let time = Duration::from_nanos(interval.as_nanos() as u64 * number);
            let (now, due) = (begin.elapsed(), time + interval * later);
            match due.checked_sub(now) {
                Some(early) => std::thread::sleep(early),
                // What nobody could have seen in time is left out.
                None if now - due > MAX_LATE => {
                    number = (now.as_nanos() / interval.as_nanos()) as u64 - u64::from(later);
                    continue;
                }
                None => {}
            }
            let Some(frame) = make(number, time) else { return };
            source.push(&frame);
            number += 1;
        }
    };
    Builder::new().name("peerage source".to_owned()).spawn(run).map(drop).map_err(Error::Thread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_media::track::SinkError;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn pictures_come_in_order_until_there_are_none() {
        let track = pictures("test", 500.0, |number| {
            (number < 5).then(|| NumberedPicture::new(number, 0).draw(64, 32))
        });
        let track = track.unwrap();
        let mut sink = track.sink(1_000);
        let mut last = None;
        loop {
            match sink.recv_timeout(PATIENCE) {
                Ok(frame) => {
                    let number = NumberedPicture::read(&frame.picture).number;
                    assert!(number > last, "{number:?} after {last:?}");
                    last = number;
                }
                Err(error) => break assert_eq!(error, SinkError::Ended),
            }
        }
    }

    #[test]
    fn a_tone_goes_on_from_block_to_block() {
        let track = tone(1_000.0).unwrap();
        let mut sink = track.sink(1_000);
        let (mut last, mut most) = (None, 0.0_f32);
        for _ in 0..5 {
            let frame = sink.recv_timeout(PATIENCE).unwrap();
            for sample in frame.block.samples() {
                // A sine of 1 kHz moves by no more than this from one sample to the next.
                assert!(last.is_none_or(|last: f32| (last - sample).abs() < 0.033));
                most = most.max(sample.abs());
                last = Some(*sample);
            }
        }
        assert!((0.24..0.26).contains(&most));
    }
}
