//! AV1 by libaom and dav1d: what is encoded is decoded again, by this and by ffmpeg, sample for sample the same, and looks like its
//! source; keyframes come when they are asked for; layers can be left out.
#![cfg(feature = "av1")]

mod codecs;

use std::time::Duration;

use codecs::{Clip, PICTURE_TIME, corpus, encode, ffmpeg_pictures, ffmpeg_psnr, psnr};
use peerage_media::codec::av1::{Av1Config, Av1Decoder, Av1Encoder};
use peerage_media::codec::{
    CodecError, Content, EncodedPicture, PictureRequest, VideoDecoder, VideoEncoder, VideoTarget,
};
use peerage_media::files::{IvfHeader, IvfReader, IvfWriter};
use peerage_media::video::{I420, VideoFrame, pattern::MovingClock};
use peerage_rtp::payload::av1::{Obu, ObuType, Obus, TEMPORAL_DELIMITER};

fn encoder(config: Av1Config, bitrate: u64) -> Av1Encoder {
    let mut encoder = Av1Encoder::new(config).unwrap();
    encoder.set_target(VideoTarget::new(bitrate, 30.0)).unwrap();
    encoder
}

fn layered(temporal: u8, spatial: u8) -> Av1Config {
    let mut config = Av1Config::default();
    (config.temporal_layers, config.spatial_layers) = (temporal, spatial);
    config.drop_frames = false;
    config
}

fn decoder() -> Av1Decoder {
    Av1Decoder::new(1).unwrap()
}

fn show(decoder: &mut Av1Decoder, data: &[u8]) -> VideoFrame {
    decoder.decode(data).unwrap().expect("a picture")
}

/// A file of what was encoded, with the temporal delimiters that files have.
fn ivf(size: (u16, u16), pictures: &[EncodedPicture]) -> Vec<u8> {
    let header = IvfHeader::new(IvfHeader::AV1, size.0, size.1);
    let mut writer = IvfWriter::new(Vec::new(), header).unwrap();
    let mut unit = TEMPORAL_DELIMITER.to_vec();
    let mut number = 0;
    for picture in pictures {
        unit.extend_from_slice(&picture.data);
        if picture.end_of_picture {
            writer.write_frame(number * 3000, &unit).unwrap();
            unit.truncate(TEMPORAL_DELIMITER.len());
            number += 1;
        }
    }
    writer.finish().unwrap()
}

#[test]
fn pictures_survive() {
    for (width, height) in [(640, 360), (321, 181), (64, 48), (17, 33)] {
        let clip = Clip::clock(width, height, 30);
        let mut encoder = encoder(layered(1, 1), 1_500_000);
        let mut decoder = decoder();
        let clock = (width >= 64).then(|| MovingClock::new(width, height));
        let mut worst = f64::MAX;
        for (number, frame) in clip.frames.iter().enumerate() {
            let pictures = encode(&mut encoder, frame, false);
            assert_eq!(pictures.len(), 1);
            assert_eq!(pictures[0].keyframe, number == 0);
            assert_eq!(pictures[0].dimensions, (width, height));
            assert!(pictures[0].quantizer.is_some() && pictures[0].end_of_picture);
            let shown = show(&mut decoder, &pictures[0].data);
            if let Some(clock) = &clock {
                assert_eq!(clock.read(&shown.picture), Some(number as u16));
            }
            worst = worst.min(psnr(&frame.picture, &shown.picture));
        }
        println!("{width}x{height}: {worst:.1} dB");
        assert!(worst > 26.0, "{width}x{height}: {worst} dB");
    }
}

/// What RTP takes: OBUs with sizes and without temporal delimiters, a sequence header before each keyframe.
#[test]
fn temporal_units_are_what_payloads_are_made_of() {
    let mut encoder = encoder(layered(3, 1), 400_000);
    for (number, frame) in Clip::clock(320, 180, 12).frames.iter().enumerate() {
        for picture in encode(&mut encoder, frame, number == 5) {
            let obus: Vec<Obu<'_>> =
                Obus::new(&picture.data).collect::<Result<_, _>>().expect("OBUs with sizes");
            let kinds: Vec<ObuType> = obus.iter().map(|obu| obu.header.obu_type).collect();
            assert!(!kinds.contains(&ObuType::TEMPORAL_DELIMITER), "{kinds:?}");
            assert_eq!(kinds.contains(&ObuType::SEQUENCE_HEADER), picture.keyframe, "{kinds:?}");
            let layers = obus.iter().find_map(|obu| obu.header.layers);
            // Of the lowest layers there is no extension.
            let upper = (picture.temporal_layer > 0).then_some((picture.temporal_layer, 0));
            assert_eq!(layers, upper);
        }
    }
}

#[test]
fn ffmpeg_decodes_the_same() {
    for (temporal, content) in [(1, Content::Camera), (3, Content::Camera), (1, Content::Screen)] {
        let clip = Clip::clock(321, 181, 60);
        let mut config = layered(temporal, 1);
        config.content = content;
        let mut encoder = encoder(config, 400_000);
        let frames = clip.frames.iter();
        let pictures: Vec<_> =
            frames.flat_map(|frame| encode(&mut encoder, frame, false)).collect();
        let file = ivf(clip.size, &pictures);
        let Some(decibels) = ffmpeg_psnr(&clip, "ivf", &file) else { return };
        println!("{temporal} temporal layers, {content:?}: {decibels:.1} dB");
        assert!(decibels > 32.0, "{temporal} temporal layers, {content:?}: {decibels} dB");
        let expected = ffmpeg_pictures("ivf", &["-c:v", "libaom-av1"], &file).unwrap();
        let mut decoder = decoder();
        let got: Vec<u8> = pictures
            .iter()
            .flat_map(|picture| show(&mut decoder, &picture.data).picture.as_bytes().to_vec())
            .collect();
        assert!(got == expected, "{temporal} temporal layers, {content:?}");
    }
}

/// A published stream decodes as libaom's own decoder, in ffmpeg, decodes it.
#[test]
fn a_published_stream_decodes_as_ffmpeg_decodes_it() {
    let Some(root) = corpus("ex_webrtc/ivf") else { return };
    let file = std::fs::read(root.join("av1_correct.ivf")).unwrap();
    let Some(expected) = ffmpeg_pictures("ivf", &["-c:v", "libaom-av1"], &file) else { return };
    let mut decoder = decoder();
    let (mut got, mut count) = (Vec::new(), 0);
    for frame in IvfReader::new(&file[..]).unwrap() {
        if let Some(shown) = decoder.decode(&frame.unwrap().data).unwrap() {
            got.extend_from_slice(shown.picture.as_bytes());
            count += 1;
        }
    }
    println!("{count} pictures");
    assert!(count > 0 && got == expected, "{count} pictures");
}

#[test]
fn a_keyframe_comes_when_it_is_asked_for_and_when_the_size_changes() {
    for (temporal, spatial) in [(1, 1), (2, 1), (1, 2)] {
        let mut encoder = encoder(layered(temporal, spatial), 300_000);
        let mut keys = Vec::new();
        for (number, frame) in Clip::clock(160, 120, 20).frames.iter().enumerate() {
            let picture = encode(&mut encoder, frame, number == 7).remove(0);
            assert!(!picture.keyframe || picture.temporal_layer == 0);
            keys.extend(picture.keyframe.then_some(number));
        }
        assert_eq!(keys, [0, 7], "L{spatial}T{temporal}");
        let other = VideoFrame::new(MovingClock::new(320, 240).picture(0), 20 * PICTURE_TIME);
        let pictures = encode(&mut encoder, &other, false);
        assert!(pictures[0].keyframe);
        assert_eq!(pictures.last().unwrap().dimensions, (320, 240));
    }
}

/// Leaves out all pictures of temporal layers above one; what is left is decoded to the same samples as with all.
#[test]
fn temporal_layers_can_be_left_out() {
    for layers in [2, 3] {
        let mut encoder = encoder(layered(layers, 1), 400_000);
        let frames = Clip::clock(320, 180, 40).frames;
        let pictures: Vec<EncodedPicture> = frames
            .iter()
            .enumerate()
            .flat_map(|(number, frame)| encode(&mut encoder, frame, number == 21))
            .collect();
        assert_eq!(pictures.len(), 40);
        let mut all = decoder();
        let whole: Vec<_> =
            pictures.iter().map(|picture| show(&mut all, &picture.data).picture).collect();
        for kept in 0..layers {
            let mut decoder = decoder();
            let mut shown = 0;
            for (picture, whole) in pictures.iter().zip(&whole) {
                if picture.temporal_layer <= kept {
                    let got = show(&mut decoder, &picture.data).picture;
                    assert!(got == *whole, "L1T{layers}, {kept} and below");
                    shown += 1;
                }
            }
            // A new pattern begins at the keyframe in the middle.
            let share = 40 >> (layers - 1 - kept);
            assert!((share..=share + 2).contains(&shown), "L1T{layers}: {shown}");
        }
        // What says of itself that nothing refers to it may be left out, each one alone.
        let mut decoder = decoder();
        for (at, (picture, whole)) in pictures.iter().zip(&whole).enumerate() {
            if picture.discardable && at % 3 != 0 {
                continue;
            }
            assert!(show(&mut decoder, &picture.data).picture == *whole);
        }
    }
}

#[test]
fn joining_a_layer_where_it_says_so_loses_nothing() {
    let mut encoder = encoder(layered(3, 1), 400_000);
    let frames = Clip::clock(320, 180, 32).frames;
    let pictures: Vec<EncodedPicture> =
        frames.iter().flat_map(|frame| encode(&mut encoder, frame, false)).collect();
    let (mut all, mut joined) = (decoder(), decoder());
    let mut highest = 0;
    for (at, picture) in pictures.iter().enumerate() {
        let whole = show(&mut all, &picture.data);
        let step_up = at > 8 && picture.layer_sync && picture.temporal_layer == highest + 1;
        highest += u8::from(step_up);
        if picture.temporal_layer <= highest {
            assert!(show(&mut joined, &picture.data) == whole, "picture {at}");
        }
    }
    assert_eq!(highest, 2, "both layers could be joined");
}

#[test]
fn spatial_layers_are_decoded_each_at_its_size() {
    for (temporal, spatial) in [(1, 2), (2, 3), (3, 3)] {
        let mut encoder = encoder(layered(temporal, spatial), 1_200_000);
        let clip = Clip::clock(640, 360, 12);
        let clock = MovingClock::new(640, 360);
        let mut decoders: Vec<_> = (0..spatial).map(|_| decoder()).collect();
        for (number, frame) in clip.frames.iter().enumerate() {
            let layers = encode(&mut encoder, frame, number == 6);
            let told: Vec<_> =
                layers.iter().map(|layer| (layer.dimensions, layer.end_of_picture)).collect();
            let all = [((160, 90), false), ((320, 180), false), ((640, 360), true)];
            assert_eq!(told, all[3 - usize::from(spatial)..], "L{spatial}T{temporal}: {number}");
            assert_eq!(layers[0].keyframe, number % 6 == 0);
            for (highest, decoder) in decoders.iter_mut().enumerate() {
                let data: Vec<u8> =
                    layers[..=highest].iter().flat_map(|layer| layer.data.to_vec()).collect();
                let shown = show(decoder, &data).picture;
                assert_eq!((shown.width(), shown.height()), layers[highest].dimensions);
                if highest + 1 == usize::from(spatial) {
                    assert_eq!(clock.read(&shown), Some(number as u16));
                    let decibels = psnr(&frame.picture, &shown);
                    assert!(decibels > 24.0, "L{spatial}T{temporal}, {number}: {decibels} dB");
                }
            }
        }
    }
}

#[test]
fn wrong_arguments_are_refused() {
    let error = Av1Encoder::new(layered(4, 1)).unwrap_err();
    assert_eq!(error.to_string(), "AV1: the number of temporal layers is 4, must be 1 to 3");
    let mut config = Av1Config::default();
    config.speed = Some(2);
    let mut encoder = Av1Encoder::new(config).unwrap();
    let frame = VideoFrame::new(I420::black(64, 64), Duration::ZERO);
    let error = encoder.encode(&frame, PictureRequest::default(), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, CodecError::Argument { what: "the speed", .. }), "{error}");
}

/// Bits of frames are turned over and their ends cut off: errors at most, and a keyframe makes all well again.
#[test]
fn damaged_frames_do_no_harm() {
    codecs::damage(&mut encoder(layered(1, 1), 300_000), &mut decoder());
}

/// A keyframe whose sequence header claims the largest pictures that there are (AV1 specification §5.5.1).
#[test]
fn pictures_too_large_are_refused() {
    let mut encoder = encoder(layered(1, 1), 300_000);
    let frame = VideoFrame::new(I420::black(64, 64), Duration::ZERO);
    let data = encode(&mut encoder, &frame, true).remove(0).data;
    assert_eq!(data[0], 0x0a, "a sequence header with a size");
    let (header, rest) = data[2..].split_at(usize::from(data[1]));
    let bits = |of: &[u8]| -> Vec<bool> {
        (0..8 * of.len()).map(|at| of[at / 8] >> (7 - at % 8) & 1 == 1).collect()
    };
    let header = bits(header);
    // Profile, still picture, reduced header, timing, delay, operating points, the first one's layers, its level.
    let (before, header) = header.split_at(3 + 1 + 1 + 1 + 1 + 5 + 12 + 5);
    let number = |bits: &[bool]| bits.iter().fold(0, |sum, bit| sum << 1 | usize::from(*bit));
    let lengths = number(&header[..4]) + 1 + number(&header[4..8]) + 1;
    let mut larger = [before, &[true; 4 + 4 + 16 + 16], &header[8 + lengths..]].concat();
    larger.resize(larger.len().next_multiple_of(8), false);
    let larger: Vec<u8> = larger.chunks(8).map(|bits| number(bits) as u8).collect();
    let huge = [&[0x0a, larger.len() as u8], &larger[..], rest].concat();
    let error = decoder().decode(&huge).unwrap_err();
    assert!(error.to_string().contains("more than 9437184 samples"), "{error}");
}
