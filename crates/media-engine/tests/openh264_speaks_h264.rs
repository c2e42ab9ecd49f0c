//! H.264 by OpenH264: what is encoded is decoded again, by this and by ffmpeg, and looks like its source; keyframes come when they
//! are asked for; the rate follows its target; published streams decode as ffmpeg decodes them.
#![cfg(feature = "h264")]

mod codecs;

use std::process::Command;

use codecs::{Clip, PICTURE_TIME, corpus, encode, ffmpeg_psnr, psnr};
use peerage_media::codec::h264::{H264Decoder, H264Encoder};
use peerage_media::codec::{CodecError, VideoDecoder, VideoEncoder, VideoTarget};
use peerage_media::files::{AnnexBCodec, AnnexBReader};
use peerage_media::video::{VideoFrame, pattern::MovingClock};
use peerage_rtp::payload::NalUnits;

fn encoder(bitrate: u64) -> H264Encoder {
    let mut target = VideoTarget::default();
    target.bitrate = bitrate;
    let mut encoder = H264Encoder::new(false);
    encoder.set_target(target).unwrap();
    encoder
}

#[test]
fn pictures_survive() {
    for (width, height) in [(640, 360), (320, 182), (64, 48)] {
        let clip = Clip::clock(width, height, 30);
        let clock = MovingClock::new(width, height);
        let (mut encoder, mut decoder) = (encoder(2_000_000), H264Decoder::new().unwrap());
        let (mut shown, mut worst) = (0, f64::MAX);
        for (number, frame) in clip.frames.iter().enumerate() {
            for picture in encode(&mut encoder, frame, false) {
                assert_eq!(picture.keyframe, number == 0);
                assert!(picture.quantizer.is_some_and(|q| (12..=42).contains(&q)), "{picture:?}");
                let got = decoder.decode(&picture.data).unwrap().unwrap();
                assert_eq!(clock.read(&got.picture), Some(number as u16));
                worst = worst.min(psnr(&frame.picture, &got.picture));
                shown += 1;
            }
        }
        assert!(shown >= 25 && worst > 25.0, "{width}x{height}: {shown} pictures, {worst} dB");
    }
}

#[test]
fn ffmpeg_decodes_the_same() {
    let mut clip = Clip::clock(320, 180, 60);
    let mut encoder = encoder(800_000);
    let mut stream = Vec::new();
    clip.frames.retain(|frame| {
        let pictures = encode(&mut encoder, frame, false);
        pictures.iter().for_each(|picture| stream.extend_from_slice(&picture.data));
        !pictures.is_empty()
    });
    let Some(decibels) = ffmpeg_psnr(&clip, "h264", &stream) else { return };
    assert!(decibels > 32.0, "{decibels} dB");
}

#[test]
fn a_keyframe_comes_when_it_is_asked_for_and_when_the_size_changes() {
    let mut encoder = encoder(600_000);
    let mut keys = Vec::new();
    for (number, frame) in Clip::clock(160, 120, 20).frames.iter().enumerate() {
        let pictures = encode(&mut encoder, frame, number == 7);
        keys.extend(pictures.iter().any(|picture| picture.keyframe).then_some(number));
    }
    assert_eq!(keys, [0, 7]);
    // An odd size loses a column and a row.
    let other = VideoFrame::new(MovingClock::new(321, 241).picture(0), 20 * PICTURE_TIME);
    let picture = encode(&mut encoder, &other, false).remove(0);
    assert!(picture.keyframe && picture.dimensions == (320, 240));
    let got = H264Decoder::new().unwrap().decode(&picture.data).unwrap().unwrap();
    assert_eq!((got.picture.width(), got.picture.height()), (320, 240));
    let tiny = VideoFrame::new(MovingClock::new(8, 8).picture(0), 21 * PICTURE_TIME);
    let error = encoder.encode(&tiny, Default::default(), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, CodecError::Argument { what: "the size", .. }), "{error}");
}

/// What packetisation mode 0 wants: no NAL unit is longer than a packet, even of pictures that cost much, and the slices make the
/// same pictures in ffmpeg as here.
#[test]
fn slices_are_as_long_as_was_said() {
    let mut clip = Clip::clock(320, 180, 20);
    let mut noise = codecs::Noise(0x2545_F491_4F6C_DD1D);
    for frame in &mut clip.frames {
        let picture = std::sync::Arc::make_mut(&mut frame.picture);
        picture.planes_mut().0[10_000..40_000].fill_with(|| noise.next() as u8);
    }
    let mut encoder = H264Encoder::new(false).with_slices(1_000);
    encoder.set_target(VideoTarget::new(1_500_000, 30.0)).unwrap();
    let (mut stream, mut own) = (Vec::new(), Vec::new());
    let mut decoder = H264Decoder::new().unwrap();
    let (mut longest, mut most) = (0, 0);
    for frame in &clip.frames {
        for picture in encode(&mut encoder, frame, false) {
            let units: Vec<usize> = NalUnits::new(&picture.data).map(<[u8]>::len).collect();
            longest = longest.max(*units.iter().max().unwrap());
            most = most.max(units.len());
            stream.extend_from_slice(&picture.data);
            let shown = decoder.decode(&picture.data).unwrap().unwrap();
            own.extend_from_slice(shown.picture.as_bytes());
        }
    }
    println!("up to {most} slices of up to {longest} bytes");
    assert!(longest <= 1_000 && most > 4, "{most} slices of {longest} bytes");
    let Some(theirs) = codecs::ffmpeg_pictures("h264", &[], &stream) else { return };
    assert!(own == theirs);
}

#[test]
fn damaged_frames_do_no_harm() {
    codecs::damage(&mut encoder(600_000), &mut H264Decoder::new().unwrap());
}

/// Streams of the conformance suite and others, sample for sample as ffmpeg decodes them.
#[test]
fn published_streams_decode_as_ffmpeg_decodes_them() {
    let Some(root) = corpus("openh264") else { return };
    if Command::new("ffmpeg").arg("-version").output().is_err() {
        println!("skipped: no ffmpeg");
        return;
    }
    for name in [
        "BA1_Sony_D.jsv",
        "BASQP1_Sony_C.jsv",
        "BA_MW_D.264",
        "CI_MW_D.264",
        "Cisco_Men_whisper_640x320_CABAC_Bframe_9.264",
        "Cisco_Men_whisper_640x320_CAVLC_Bframe_9.264",
        "MIDR_MW_D.264",
        "NL1_Sony_D.jsv",
        "NRF_MW_E.264",
        "QCIF_2P_I_allIPCM.264",
        "SVA_BA1_B.264",
        "SVA_BA2_D.264",
        "SVA_Base_B.264",
        "SVA_CL1_E.264",
        "SVA_NL1_B.264",
        "SVA_NL2_E.264",
        "test_qcif_cabac.264",
        "test_scalinglist_jm.264",
    ] {
        let path = root.join(name);
        let file = std::fs::read(&path).unwrap();
        let mut decoder = H264Decoder::reordering().unwrap();
        let mut sums = Vec::new();
        for unit in AnnexBReader::new(&file[..], AnnexBCodec::H264) {
            let shown =
                decoder.decode(&unit.unwrap().data).unwrap_or_else(|e| panic!("{name}: {e}"));
            sums.extend(shown.map(|shown| codecs::md5(shown.picture.as_bytes())));
        }
        let rest = decoder.flush().unwrap();
        sums.extend(rest.iter().map(|shown| codecs::md5(shown.picture.as_bytes())));
        let out = Command::new("ffmpeg")
            .args(["-v", "error", "-threads", "1", "-f", "h264", "-i"])
            .arg(&path)
            .args(["-fps_mode", "passthrough", "-pix_fmt", "yuv420p"])
            .args(["-f", "framehash", "-hash", "md5", "-"])
            .output()
            .unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        let expected: Vec<_> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.rsplit(',').next().unwrap().trim())
            .collect();
        assert_eq!(sums.len(), expected.len(), "{name}");
        let wrong = sums.iter().zip(&expected).filter(|(one, other)| one != other).count();
        assert_eq!(wrong, 0, "{name}: of {} pictures", sums.len());
    }
}
