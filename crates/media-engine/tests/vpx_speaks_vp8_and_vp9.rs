//! VP8 and VP9 by libvpx: what is encoded is decoded again, by this and by ffmpeg, and looks like its source; keyframes come when
//! they are asked for; the rate follows its target; layers can be left out.
#![cfg(feature = "vpx")]

mod codecs;

use std::time::Duration;

use codecs::{Clip, PICTURE_TIME, corpus, encode, ffmpeg_psnr, psnr};
use peerage_media::codec::vpx::{Content, VpxCodec, VpxConfig, VpxDecoder, VpxEncoder};
use peerage_media::codec::{
    CodecError, EncodedPicture, PictureRequest, VideoDecoder, VideoEncoder, VideoTarget,
};
use peerage_media::files::{IvfHeader, IvfReader, IvfWriter};
use peerage_media::video::{I420, VideoFrame, pattern::MovingClock};

const BOTH: [VpxCodec; 2] = [VpxCodec::Vp8, VpxCodec::Vp9];

fn target(bitrate: u64) -> VideoTarget {
    let mut target = VideoTarget::default();
    target.bitrate = bitrate;
    target
}

fn encoder(config: VpxConfig, bitrate: u64) -> VpxEncoder {
    let mut encoder = VpxEncoder::new(config).unwrap();
    encoder.set_target(target(bitrate)).unwrap();
    encoder
}

fn layered(codec: VpxCodec, temporal: u8, spatial: u8) -> VpxConfig {
    let mut config = VpxConfig::new(codec);
    (config.temporal_layers, config.spatial_layers) = (temporal, spatial);
    config.drop_frames = false;
    config
}

#[test]
fn pictures_survive() {
    for codec in BOTH {
        for (width, height) in [(640, 360), (321, 181), (64, 48)] {
            let clip = Clip::clock(width, height, 30);
            let mut encoder = encoder(layered(codec, 1, 1), 1_500_000);
            let mut decoder = VpxDecoder::new(codec, 1).unwrap();
            let clock = MovingClock::new(width, height);
            let mut worst = f64::MAX;
            for (number, frame) in clip.frames.iter().enumerate() {
                let pictures = encode(&mut encoder, frame, false);
                assert_eq!(pictures.len(), 1);
                assert_eq!(pictures[0].keyframe, number == 0);
                assert_eq!(pictures[0].dimensions, (width, height));
                assert!(pictures[0].quantizer.is_some());
                let shown = decoder.decode(&pictures[0].data).unwrap().unwrap();
                assert_eq!(clock.read(&shown.picture), Some(number as u16), "{codec:?}");
                worst = worst.min(psnr(&frame.picture, &shown.picture));
            }
            assert!(worst > 26.0, "{codec:?} {width}x{height}: {worst} dB");
        }
    }
}

#[test]
fn ffmpeg_decodes_the_same() {
    for (codec, fourcc) in [(VpxCodec::Vp8, IvfHeader::VP8), (VpxCodec::Vp9, IvfHeader::VP9)] {
        for temporal in [1, 3] {
            let clip = Clip::clock(320, 180, 60);
            let mut encoder = encoder(layered(codec, temporal, 1), 400_000);
            let mut writer = IvfWriter::new(Vec::new(), IvfHeader::new(fourcc, 320, 180)).unwrap();
            for (number, frame) in clip.frames.iter().enumerate() {
                for picture in encode(&mut encoder, frame, false) {
                    writer.write_frame(number as u64 * 3000, &picture.data).unwrap();
                }
            }
            let Some(decibels) = ffmpeg_psnr(&clip, "ivf", &writer.finish().unwrap()) else {
                return;
            };
            assert!(decibels > 32.0, "{codec:?} with {temporal} temporal layers: {decibels} dB");
        }
    }
}

#[test]
fn a_keyframe_comes_when_it_is_asked_for_and_when_the_size_changes() {
    for codec in BOTH {
        let mut encoder = encoder(layered(codec, 2, 1), 300_000);
        let mut keys = Vec::new();
        for (number, frame) in Clip::clock(160, 120, 20).frames.iter().enumerate() {
            let picture = encode(&mut encoder, frame, number == 7).remove(0);
            assert!(!picture.keyframe || picture.temporal_layer == 0);
            keys.extend(picture.keyframe.then_some(number));
        }
        assert_eq!(keys, [0, 7], "{codec:?}");
        let other = VideoFrame::new(MovingClock::new(320, 240).picture(0), 20 * PICTURE_TIME);
        let picture = encode(&mut encoder, &other, false).remove(0);
        assert!(picture.keyframe && picture.dimensions == (320, 240), "{codec:?}");
    }
}

/// Leaves out all pictures of temporal layers above one; what is left is decoded to the same samples as with all.
#[test]
fn temporal_layers_can_be_left_out() {
    for codec in BOTH {
        for layers in [2, 3] {
            let mut encoder = encoder(layered(codec, layers, 1), 400_000);
            let frames = Clip::clock(320, 180, 40).frames;
            let pictures: Vec<EncodedPicture> = frames
                .iter()
                .enumerate()
                .flat_map(|(number, frame)| encode(&mut encoder, frame, number == 21))
                .collect();
            assert_eq!(pictures.len(), 40);
            let mut all = VpxDecoder::new(codec, 1).unwrap();
            let whole: Vec<I420> = pictures
                .iter()
                .map(|picture| (*all.decode(&picture.data).unwrap().unwrap().picture).clone())
                .collect();
            for kept in 0..layers {
                let mut decoder = VpxDecoder::new(codec, 1).unwrap();
                let mut shown = 0;
                for (picture, whole) in pictures.iter().zip(&whole) {
                    if picture.temporal_layer <= kept {
                        let got = decoder.decode(&picture.data).unwrap().unwrap();
                        assert!(*got.picture == *whole, "{codec:?} L1T{layers}, {kept} and below");
                        shown += 1;
                    }
                }
                // A new pattern begins at the keyframe in the middle.
                let share = 40 >> (layers - 1 - kept);
                assert!((share..=share + 2).contains(&shown), "{codec:?} L1T{layers}: {shown}");
            }
            // What says of itself that nothing refers to it may be left out, each one alone.
            let mut decoder = VpxDecoder::new(codec, 1).unwrap();
            for (at, (picture, whole)) in pictures.iter().zip(&whole).enumerate() {
                if picture.discardable && at % 3 != 0 {
                    continue;
                }
                assert!(*decoder.decode(&picture.data).unwrap().unwrap().picture == *whole);
            }
        }
    }
}

#[test]
fn joining_a_layer_where_it_says_so_loses_nothing() {
    for codec in BOTH {
        let mut encoder = encoder(layered(codec, 3, 1), 400_000);
        let frames = Clip::clock(320, 180, 32).frames;
        let pictures: Vec<EncodedPicture> =
            frames.iter().flat_map(|frame| encode(&mut encoder, frame, false)).collect();
        let mut all = VpxDecoder::new(codec, 1).unwrap();
        let mut joined = VpxDecoder::new(codec, 1).unwrap();
        let mut highest = 0;
        for (at, picture) in pictures.iter().enumerate() {
            let whole = all.decode(&picture.data).unwrap().unwrap();
            let step_up = at > 8 && picture.layer_sync && picture.temporal_layer == highest + 1;
            highest += u8::from(step_up);
            if picture.temporal_layer <= highest {
                let got = joined.decode(&picture.data).unwrap().unwrap();
                assert!(got == whole, "{codec:?}: picture {at}");
            }
        }
        assert_eq!(highest, 2, "{codec:?}: both layers could be joined");
    }
}

#[test]
fn spatial_layers_of_vp9_are_decoded_each_at_its_size() {
    let mut encoder = encoder(layered(VpxCodec::Vp9, 2, 3), 1_200_000);
    let clip = Clip::clock(640, 360, 12);
    let clock = MovingClock::new(640, 360);
    let mut decoders = [0; 3].map(|_| VpxDecoder::new(VpxCodec::Vp9, 1).unwrap());
    for (number, frame) in clip.frames.iter().enumerate() {
        let layers = encode(&mut encoder, frame, number == 6);
        let told: Vec<_> = layers
            .iter()
            .map(|layer| (layer.spatial_layer, layer.dimensions, layer.end_of_picture))
            .collect();
        assert_eq!(told, [(0, (160, 90), false), (1, (320, 180), false), (2, (640, 360), true)]);
        assert_eq!(layers[0].keyframe, number % 6 == 0);
        for (highest, decoder) in decoders.iter_mut().enumerate() {
            let data: Vec<u8> =
                layers[..=highest].iter().flat_map(|layer| layer.data.to_vec()).collect();
            let shown = decoder.decode(&data).unwrap().unwrap().picture;
            assert_eq!((shown.width(), shown.height()), layers[highest].dimensions);
            if highest == 2 {
                assert_eq!(clock.read(&shown), Some(number as u16));
            }
        }
    }
}

#[test]
fn a_screen_is_encoded() {
    for codec in BOTH {
        let mut config = VpxConfig::new(codec);
        config.content = Content::Screen;
        let mut encoder = encoder(config, 500_000);
        let mut decoder = VpxDecoder::new(codec, 2).unwrap();
        let clip = Clip::clock(320, 240, 10);
        let shown = clip
            .frames
            .iter()
            .flat_map(|frame| encode(&mut encoder, frame, false))
            .filter(|picture| decoder.decode(&picture.data).unwrap().is_some())
            .count();
        assert!(shown >= 5, "{codec:?}: {shown}");
    }
}

#[test]
fn wrong_arguments_are_refused() {
    assert!(matches!(
        VpxEncoder::new(layered(VpxCodec::Vp8, 1, 2)),
        Err(CodecError::Argument { what: "the number of spatial layers", .. })
    ));
    let error = VpxEncoder::new(layered(VpxCodec::Vp9, 4, 1)).unwrap_err();
    assert_eq!(error.to_string(), "VP9: the number of temporal layers is 4, must be 1 to 3");
    let mut encoder = VpxEncoder::new(VpxConfig::new(VpxCodec::Vp8)).unwrap();
    assert!(encoder.set_target(target(0)).is_err());
    let mut strange = VideoTarget::default();
    strange.framerate = f32::NAN;
    assert!(encoder.set_target(strange).is_err());
    let frame = VideoFrame::new(I420::black(1, 1), Duration::ZERO);
    let error = encoder.encode(&frame, PictureRequest::default(), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, CodecError::Argument { what: "the size", .. }), "{error}");
}

/// The test vectors that came with VP8: every sample of every picture is right.
#[test]
fn test_vectors_of_vp8_decode_to_their_sums() {
    let Some(root) = corpus("vp8-test-vectors") else { return };
    let (mut files, mut pictures) = (0, 0);
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "ivf") {
            continue;
        }
        let sums = std::fs::read_to_string(path.with_extension("ivf.md5")).unwrap();
        let mut sums = sums.lines();
        let mut decoder = VpxDecoder::new(VpxCodec::Vp8, 1).unwrap();
        for frame in IvfReader::new(std::fs::File::open(&path).unwrap()).unwrap() {
            let Some(shown) = decoder.decode(&frame.unwrap().data).unwrap() else { continue };
            let sum = codecs::md5(shown.picture.as_bytes());
            let expected = sums.next().and_then(|line| line.split_whitespace().next());
            assert_eq!(Some(sum.as_str()), expected, "{path:?}");
            pictures += 1;
        }
        assert_eq!(sums.next(), None, "{path:?} has more pictures");
        files += 1;
    }
    println!("{pictures} pictures of {files} files");
    assert!(files > 50 && pictures > 1000, "{pictures} pictures of {files} files");
}

/// Bits of frames are turned over and their ends cut off: errors at most, and a keyframe makes all well again.
#[test]
fn damaged_frames_do_no_harm() {
    for codec in BOTH {
        codecs::damage(
            &mut encoder(layered(codec, 1, 1), 300_000),
            &mut VpxDecoder::new(codec, 1).unwrap(),
        );
    }
}

/// A keyframe and a frame between that claim to be as large as their fields can say.
#[test]
fn pictures_too_large_are_refused() {
    let huge = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f, 0, 0, 0, 0, 0, 0];
    let error = VpxDecoder::new(VpxCodec::Vp8, 1).unwrap().decode(&huge).unwrap_err();
    assert!(error.to_string().contains("16383x16383"), "{error}");
    // Frame marker, profile 0, a keyframe that is shown, its sync code, colour space 1, 65536x65536.
    let huge = [0x82, 0x49, 0x83, 0x42, 0x2f, 0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let error = VpxDecoder::new(VpxCodec::Vp9, 1).unwrap().decode(&huge).unwrap_err();
    assert!(matches!(error, CodecError::Damaged { .. }), "{error}");
}
