//! A conference in small: three who speak, and each hears the other two, mixed.
//!
//! `cargo run --features opus --example mixer`: all are in one process; each speaks a tone of its own, and the mix that comes
//! back to each is searched for the tones of the others and of itself.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage::engine::sources;
use peerage::media_engine::audio::mixer::Mixer;
use peerage::media_engine::audio::{AudioBlock, AudioFrame};
use peerage::media_engine::codec::BuiltIn;
use peerage::media_engine::track::{AudioSource, MediaStream};
use support::{Result, negotiate, next_track, two_peers};

/// What each one speaks, in Hz.
const TONES: [f64; 3] = [440.0, 660.0, 1_100.0];
const RATE: u32 = 48_000;

#[tokio::main]
async fn main() -> Result<()> {
    let codecs = Arc::new(BuiltIn);
    let (mut here, mut ends, mut keep) = (Vec::new(), Vec::new(), Vec::new());
    for tone in TONES {
        let (speaker, conference) = two_peers().await?;
        let microphone = sources::tone(tone)?;
        let spoken = MediaStream::new([microphone.into()]);
        let sender = speaker.send_track(&spoken.tracks()[0], &[&spoken], codecs.clone()).await?;
        // What goes back is on the same transceiver: both ends send and receive.
        let mix = AudioSource::new("the others");
        let mixed = MediaStream::new([mix.track().into()]);
        let back = conference.send_track(&mixed.tracks()[0], &[&mixed], codecs.clone()).await?;
        negotiate(&speaker, &conference).await?;
        let input = next_track(&conference).await?.receive_track(codecs.clone())?;
        let output = next_track(&speaker).await?.receive_track(codecs.clone())?;
        ends.push((input.track().as_audio().ok_or("no sound")?.sink(20), mix));
        here.push(output);
        keep.push((speaker, conference, sender, back, spoken, mixed, input));
    }

    // Each 10 ms, whatever has come of each, to all others.
    let mixing = std::thread::spawn(move || -> Result<()> {
        let mut mixer = Mixer::new(RATE, 1);
        let inputs: Vec<u32> =
            TONES.iter().map(|_| mixer.add_input()).collect::<std::result::Result<_, _>>()?;
        let begin = Instant::now();
        let mut frame = AudioFrame { block: AudioBlock::default(), time: Duration::ZERO };
        while frame.time < Duration::from_secs(4) {
            for ((sink, _), input) in ends.iter_mut().zip(&inputs) {
                if let Ok(spoken) = sink.try_recv() {
                    mixer.add(*input, &spoken.block)?;
                    sink.recycle(spoken);
                }
            }
            for ((_, mix), input) in ends.iter().zip(&inputs) {
                mixer.mix_without(*input, &mut frame.block)?;
                mix.push(&frame);
            }
            mixer.advance();
            frame.time += AudioBlock::DURATION;
            std::thread::sleep(frame.time.saturating_sub(begin.elapsed()));
        }
        Ok(())
    });

    // What each one hears after two seconds, for a second.
    let mut heard = Vec::new();
    let mut ears = Vec::new();
    for output in &here {
        ears.push(output.track().as_audio().ok_or("no sound")?.sink(100));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for mut ear in ears {
        while ear.try_recv().is_ok() {}
        let mut samples = Vec::new();
        while samples.len() < RATE as usize / 2 {
            let Some(frame) = ear.recv().await else { break };
            samples.extend(frame.block.samples().iter().step_by(frame.block.channels()));
            ear.recycle(frame);
        }
        heard.push(TONES.map(|tone| strength(&samples, tone)));
    }
    for (own, heard) in heard.iter().enumerate() {
        println!("{own} hears {:?} as loud as {heard:.2?}", TONES);
        for (tone, loud) in heard.iter().enumerate() {
            let expected = if tone == own { *loud < 0.02 } else { *loud > 0.1 };
            assert!(expected, "{own} hears the tone of {tone} at {loud}");
        }
    }
    mixing.join().map_err(|_| "the mixer failed")??;
    for (speaker, ..) in keep {
        speaker.close().await;
    }
    Ok(())
}

/// How loud a tone is in sound, as its amplitude.
fn strength(samples: &[f32], tone: f64) -> f64 {
    let (mut cosine, mut sine) = (0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let angle = std::f64::consts::TAU * tone * at as f64 / f64::from(RATE);
        cosine += f64::from(*sample) * angle.cos();
        sine += f64::from(*sample) * angle.sin();
    }
    2.0 * cosine.hypot(sine) / samples.len().max(1) as f64
}
