//! G.711 and G.722 against ffmpeg, both ways: what we encode it decodes to the same samples as we do, and so the other way around.
#![cfg(all(feature = "g711", feature = "g722"))]

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use peerage_media::audio::{AudioBlock, pcm};
use peerage_media::codec::g711::{G711Decoder, G711Encoder, Law};
use peerage_media::codec::g722::{G722Decoder, G722Encoder};
use peerage_media::codec::{AudioDecoder, AudioEncoder};

/// Runs ffmpeg from standard input to standard output; nothing where there is none.
fn ffmpeg(input: &[u8], from: &[&str], to: &[&str]) -> Option<Vec<u8>> {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(from)
        .args(["-i", "pipe:0"])
        .args(to)
        .arg("pipe:1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut pipe = child.stdin.take().unwrap();
    let data = input.to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&data));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "ffmpeg refused it");
    Some(output.stdout)
}

/// Two seconds of loud and quiet chirps and noise, in 16 bits.
fn sound(rate: u32) -> Vec<i16> {
    let mut seed = 12345_u32;
    (0..rate * 2)
        .map(|n| {
            let t = n as f32 / rate as f32;
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (seed >> 16) as f32 / 32_768.0 - 1.0;
            let loud = (t * 3.0).sin().powi(2);
            let chirp = (std::f32::consts::TAU * (100.0 + 900.0 * t) * t).sin();
            pcm::to_i16(0.9 * loud * chirp + 0.05 * noise)
        })
        .collect()
}

fn bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn encode(encoder: &mut impl AudioEncoder, samples: &[i16]) -> Vec<u8> {
    let mut out = Vec::new();
    let frames = (encoder.rate() / 50) as usize;
    let mut block = AudioBlock::silence(encoder.rate(), 1, frames);
    for part in samples.chunks_exact(frames) {
        for (sample, &value) in block.samples_mut().iter_mut().zip(part) {
            *sample = pcm::from_i16(value);
        }
        assert!(encoder.encode(&block, &mut out).unwrap());
    }
    out
}

fn decode(decoder: &mut impl AudioDecoder, data: &[u8]) -> Vec<i16> {
    let mut block = AudioBlock::default();
    data.chunks(160)
        .flat_map(|packet| {
            decoder.decode(packet, &mut block).unwrap();
            block.samples().iter().map(|&sample| pcm::to_i16(sample)).collect::<Vec<_>>()
        })
        .collect()
}

const TWENTY: Duration = Duration::from_millis(20);

#[test]
fn ffmpeg_decodes_what_is_encoded_to_the_same_samples() {
    let mut compared = 0;
    for (format, rate) in [("mulaw", 8_000), ("alaw", 8_000), ("g722", 16_000)] {
        let samples = sound(rate);
        let (data, ours) = match format {
            "mulaw" => {
                let data = encode(&mut G711Encoder::new(Law::Mu, 1, TWENTY).unwrap(), &samples);
                let ours = decode(&mut G711Decoder::new(Law::Mu, 1).unwrap(), &data);
                (data, ours)
            }
            "alaw" => {
                let data = encode(&mut G711Encoder::new(Law::A, 1, TWENTY).unwrap(), &samples);
                let ours = decode(&mut G711Decoder::new(Law::A, 1).unwrap(), &data);
                (data, ours)
            }
            _ => {
                let data = encode(&mut G722Encoder::new(TWENTY).unwrap(), &samples);
                let ours = decode(&mut G722Decoder::new(), &data);
                (data, ours)
            }
        };
        let from: &[&str] = if format == "g722" {
            &["-f", "g722"]
        } else {
            &["-f", format, "-ar", "8000", "-ac", "1"]
        };
        let Some(theirs) = ffmpeg(&data, from, &["-f", "s16le"]) else {
            println!("skipped: ffmpeg is not installed");
            return;
        };
        assert!(bytes(&ours) == theirs, "{format} differs");
        compared += ours.len();
    }
    assert_eq!(compared, 64_000);
}

#[test]
fn what_ffmpeg_encodes_is_decoded_to_the_same_samples() {
    for (codec, format, rate) in
        [("pcm_mulaw", "mulaw", 8_000), ("pcm_alaw", "alaw", 8_000), ("g722", "g722", 16_000)]
    {
        let samples = sound(rate);
        let rate = rate.to_string();
        let raw = ["-f", "s16le", "-ar", &rate, "-ac", "1"];
        let Some(data) = ffmpeg(&bytes(&samples), &raw, &["-c:a", codec, "-f", format]) else {
            println!("skipped: ffmpeg is not installed");
            return;
        };
        let from: &[&str] = if format == "g722" {
            &["-f", "g722"]
        } else {
            &["-f", format, "-ar", "8000", "-ac", "1"]
        };
        let theirs = ffmpeg(&data, from, &["-f", "s16le"]).unwrap();
        let (ours, again) = match format {
            "mulaw" => (
                decode(&mut G711Decoder::new(Law::Mu, 1).unwrap(), &data),
                encode(&mut G711Encoder::new(Law::Mu, 1, TWENTY).unwrap(), &samples),
            ),
            "alaw" => (
                decode(&mut G711Decoder::new(Law::A, 1).unwrap(), &data),
                encode(&mut G711Encoder::new(Law::A, 1, TWENTY).unwrap(), &samples),
            ),
            _ => (
                decode(&mut G722Decoder::new(), &data),
                encode(&mut G722Encoder::new(TWENTY).unwrap(), &samples),
            ),
        };
        assert!(bytes(&ours) == theirs, "{format} differs");
        let same = data.iter().zip(&again).filter(|(a, b)| a == b).count();
        println!("{format}: {same} of {} bytes are encoded alike", data.len());
        assert_eq!(data.len(), again.len());
    }
}
