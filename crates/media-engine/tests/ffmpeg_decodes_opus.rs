//! What the Opus encoder makes is decoded by ffmpeg, and sounds the same there as here; what ffmpeg's libopus makes is decoded here.
#![cfg(feature = "opus")]

use std::io::Write;
use std::process::{Command, Stdio};

use peerage_media::audio::AudioBlock;
use peerage_media::codec::opus::{OpusDecoder, OpusEncoder, OpusEncoderConfig};
use peerage_media::codec::{AudioDecoder, AudioEncoder, AudioTarget};
use peerage_media::files::{OggOpusReader, OggOpusWriter, OpusHead};

/// Runs ffmpeg from standard input to standard output; nothing where there is none.
fn ffmpeg(input: Vec<u8>, arguments: &[&str]) -> Option<Vec<u8>> {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(arguments)
        .arg("pipe:1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut pipe = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    assert!(output.status.success(), "ffmpeg refused it");
    Some(output.stdout)
}

/// Two seconds of a voice-like sound.
fn sound() -> Vec<f32> {
    (0..96_000)
        .map(|n| {
            let t = n as f32 / 48_000.0;
            let phase = std::f32::consts::TAU * (140.0 * t + 20.0 * t * t);
            let loud = 0.2 + 0.2 * (t * 9.0).sin();
            loud * (phase.sin() + 0.5 * (2.0 * phase).sin() + 0.3 * (5.0 * phase).sin())
        })
        .collect()
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32
}

#[test]
fn both_decoders_make_the_same_of_what_is_encoded() {
    let config = OpusEncoderConfig::default();
    let mut encoder = OpusEncoder::new(config).unwrap();
    let mut target = AudioTarget::default();
    // The speech mode with redundancy, both together, and the music mode: by the bits a second.
    for (bitrate, loss) in [(12_000, 0.2), (28_000, 0.1), (96_000, 0.0)] {
        (target.bitrate, target.loss) = (bitrate, loss);
        encoder.set_target(target).unwrap();
        let mut decoder = OpusDecoder::new(48_000, 1).unwrap();
        let mut ogg = OggOpusWriter::new(Vec::new(), &OpusHead::new(1), 1).unwrap();
        let mut block = AudioBlock::silence(48_000, 1, 960);
        let (mut packet, mut out, mut ours) = (Vec::new(), AudioBlock::default(), Vec::new());
        for part in sound().chunks_exact(960) {
            block.samples_mut().copy_from_slice(part);
            packet.clear();
            assert!(encoder.encode(&block, &mut packet).unwrap());
            ogg.write_packet(&packet).unwrap();
            decoder.decode(&packet, &mut out).unwrap();
            ours.extend_from_slice(out.samples());
        }
        let arguments = ["-c:a", "libopus", "-i", "pipe:0", "-f", "f32le", "-ar", "48000"];
        let Some(theirs) = ffmpeg(ogg.finish().unwrap(), &arguments) else {
            println!("skipped: ffmpeg is not installed");
            return;
        };
        let theirs: Vec<f32> =
            theirs.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        // The beginning may be left out (RFC 7845 §4.2), and the end be cut.
        let skip = ours.len() - theirs.len().min(ours.len());
        let off = (0..=skip)
            .map(|skip| {
                let pairs = ours[skip..].iter().zip(&theirs);
                let off: f32 = pairs.clone().map(|(a, b)| (a - b) * (a - b)).sum();
                off / pairs.len() as f32
            })
            .fold(f32::MAX, f32::min);
        let ratio = 10.0 * (power(&ours) / off).log10();
        println!("{bitrate}: {ratio:.0} dB between the decoders");
        assert!(theirs.len() >= 90_000 && ratio > 40.0, "{bitrate}: {ratio} dB, {}", theirs.len());
    }
}

#[test]
fn what_another_encoder_makes_is_decoded() {
    let data: Vec<u8> = sound().iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let arguments = [
        "-f", "f32le", "-ar", "48000", "-ac", "1", "-i", "pipe:0", "-c:a", "libopus", "-b:a",
        "64k", "-f", "ogg",
    ];
    let Some(file) = ffmpeg(data, &arguments) else {
        println!("skipped: ffmpeg is not installed");
        return;
    };
    let mut decoder = OpusDecoder::new(48_000, 1).unwrap();
    let (mut out, mut all) = (AudioBlock::default(), Vec::new());
    for packet in OggOpusReader::new(&file[..]).unwrap() {
        let packet = packet.unwrap();
        assert!(decoder.packet_duration(&packet.data).is_some());
        decoder.decode(&packet.data, &mut out).unwrap();
        all.extend_from_slice(out.samples());
    }
    let ratio = power(&all[2000..96_000]) / power(&sound());
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
}
