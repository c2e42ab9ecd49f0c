//! Whatever size, rate and order of them an application comes with, an encoder works or says what is wrong; afterwards it can be used.
#![cfg(any(feature = "av1", feature = "h264", feature = "vpx"))]

mod codecs;

use std::time::Duration;

use codecs::{PICTURE_TIME, all};
use peerage_media::codec::{CodecError, PictureRequest, VideoEncoder, VideoTarget};
use peerage_media::video::{I420, MAX_DIMENSION, VideoFrame, pattern};

/// A picture of any size with something in it.
fn picture(width: u16, height: u16, number: u32) -> VideoFrame {
    let mut picture = I420::black(width, height);
    let (y, u, v) = picture.planes_mut();
    for (at, sample) in y.iter_mut().enumerate() {
        *sample = (at as u32 * 7 + number * 13) as u8;
    }
    u.fill((number * 31) as u8);
    v.fill((number * 17) as u8);
    VideoFrame::new(picture, number * PICTURE_TIME)
}

/// Encodes it, and says what came of it: the sizes told, or the error.
fn encode(encoder: &mut dyn VideoEncoder, frame: &VideoFrame) -> Result<Vec<Vec<u8>>, CodecError> {
    let mut out = Vec::new();
    encoder.encode(frame, PictureRequest::default(), &mut out)?;
    Ok(out.into_iter().map(|picture| picture.data.to_vec()).collect())
}

#[test]
fn any_size_is_encoded_and_decoded_or_refused_by_name() {
    let sizes = [1, 2, 3, 7, 8, 15, 16, 17, 33, 63, 66, 130];
    for codec in all::all() {
        let mut refused = Vec::new();
        for (at, (width, height)) in
            sizes.iter().flat_map(|one| sizes.map(|other| (*one, other))).enumerate()
        {
            let (mut encoder, mut decoder) = (codec.encoder(), codec.decoder());
            for number in 0..3 {
                match encode(&mut *encoder, &picture(width, height, at as u32 * 3 + number)) {
                    Ok(pictures) => {
                        assert!(number > 0 || pictures.len() == 1);
                        for data in pictures {
                            let shown = decoder.decode(&data).unwrap().unwrap().picture;
                            let told = (shown.width(), shown.height());
                            // Of H.264 an odd column or row is left out.
                            let even = if codec.name == "H264" { !1 } else { !0 };
                            assert_eq!(told, (width & even, height & even), "{}", codec.name);
                        }
                    }
                    Err(CodecError::Argument { what: "the size", value, expected, .. }) => {
                        assert!(value.contains('x') && expected.contains("16x16"), "{expected}");
                        refused.push((width, height));
                    }
                    Err(other) => panic!("{} {width}x{height}: {other}", codec.name),
                }
            }
        }
        // What can be refused is what is too small in one direction; everything from a macroblock on is encoded.
        assert!(refused.iter().all(|(width, height)| *width.min(height) < 16), "{refused:?}");
        println!("{}: {} pictures refused", codec.name, refused.len());
    }
}

#[test]
fn pictures_that_no_decoder_would_take_are_refused() {
    for codec in all::all() {
        let mut encoder = codec.encoder();
        for (width, height) in [(MAX_DIMENSION, MAX_DIMENSION), (MAX_DIMENSION, 1024)] {
            let frame = VideoFrame::new(I420::black(width, height), Duration::ZERO);
            let error = encode(&mut *encoder, &frame).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!("the size is {width}x{height}, must be")), "{text}");
        }
        // And then goes on.
        assert_eq!(encode(&mut *encoder, &picture(64, 48, 1)).unwrap().len(), 1);
    }
}

#[test]
fn the_size_may_change_with_every_picture() {
    for codec in all::all() {
        let (mut encoder, mut decoder) = (codec.encoder(), codec.decoder());
        for number in 0..40u32 {
            let size = |step: u32| (16 + (number * step) % 97) as u16 & !1;
            let frame = picture(size(29), size(41), number);
            let mut out = Vec::new();
            encoder.encode(&frame, PictureRequest::default(), &mut out).unwrap();
            let picture = out.pop().expect("a keyframe is never left out");
            assert!(picture.keyframe, "{}: picture {number}", codec.name);
            let shown = decoder.decode(&picture.data).unwrap().unwrap().picture;
            assert_eq!((shown.width(), shown.height()), (size(29), size(41)), "{}", codec.name);
        }
    }
}

#[test]
fn wrong_rates_are_refused_and_great_ones_taken() {
    for codec in all::all() {
        let mut encoder = codec.encoder();
        let bars = pattern::colour_bars(64, 48);
        for round in 0..2u32 {
            for (bitrate, framerate) in [
                (0, 30.0),
                (999, 30.0),
                (100_000, 0.0),
                (100_000, -1.0),
                (100_000, 0.5),
                (100_000, f32::NAN),
                (100_000, f32::INFINITY),
                (100_000, 1e9),
            ] {
                let target = VideoTarget::new(bitrate, framerate);
                let error = encoder.set_target(target).unwrap_err();
                let CodecError::Argument { what, value, .. } = &error else { panic!("{error}") };
                assert!(
                    ["the bitrate", "the rate of pictures"].contains(what) && !value.is_empty()
                );
            }
            for (at, bitrate) in [1_000, 50_000, 1_000_000_000, u64::MAX].into_iter().enumerate() {
                for framerate in [1.0, 29.97, 60.0] {
                    let name = codec.name;
                    encoder
                        .set_target(VideoTarget::new(bitrate, framerate))
                        .unwrap_or_else(|error| panic!("{name} {bitrate} {framerate}: {error}"));
                    let time = (round * 4 + at as u32) * 4 * PICTURE_TIME;
                    let frame = VideoFrame::new(bars.clone(), time);
                    encode(&mut *encoder, &frame).unwrap();
                }
            }
        }
        // A time that stands still or goes back does not either.
        for time in [9_000, 9_000, 100, u64::MAX / 2_000_000, 0] {
            let frame = VideoFrame::new(bars.clone(), Duration::from_millis(time));
            encode(&mut *encoder, &frame).unwrap();
        }
    }
}
