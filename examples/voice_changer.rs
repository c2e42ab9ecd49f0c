//! Changes a voice on its way: a track is processed block by block, sent, received, and written to a WAV file.
//!
//! `cargo run --features opus --example voice_changer -- [voice.wav [changed.wav]]`: without a voice a tone stands in for it.
//! Caller and listener are in one process.

mod support;

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use peerage::engine::sources;
use peerage::media_engine::codec::BuiltIn;
use peerage::media_engine::files::{WavFormat, WavReader, WavWriter};
use peerage::media_engine::track::MediaStream;
use support::{Result, negotiate, next_track, two_peers};

/// Samples a second.
const RATE: u32 = 48_000;
/// What the voice is multiplied with: a robot's.
const ROBOT: f32 = 90.0;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let voice = match arguments.next() {
        Some(path) => read(&path)?,
        None => (0..2 * RATE).map(|at| 0.4 * wave(440.0, at)).collect(),
    };
    let out = arguments.next().unwrap_or_else(|| std::env::temp_dir().join("changed.wav"));

    let (caller, listener) = two_peers().await?;
    let blocks = voice.len() / (RATE as usize / 100);
    let microphone = sources::sound("voice", RATE, move |first, samples| {
        for (at, sample) in samples.iter_mut().enumerate() {
            let at = first as usize + at;
            *sample = voice.get(at).unwrap_or(&0.0) * wave(ROBOT, at as u32);
        }
        true
    })?;
    let stream = MediaStream::new([microphone.into()]);
    let codecs = Arc::new(BuiltIn);
    let _sender = caller.send_track(&stream.tracks()[0], &[&stream], codecs.clone()).await?;
    negotiate(&caller, &listener).await?;
    let received = next_track(&listener).await?.receive_track(codecs)?;
    let mut speaker = received.track().as_audio().ok_or("no sound")?.sink(100);

    let mut samples = Vec::new();
    for _ in 0..blocks + 20 {
        let Some(frame) = speaker.recv().await else { break };
        let channels = frame.block.channels();
        let left = frame.block.samples().iter().step_by(channels);
        samples.extend(left.map(|sample| (sample * 32_767.0) as i16));
        speaker.recycle(frame);
    }
    let format = WavFormat { sample_rate: RATE, channels: 1 };
    let mut file = WavWriter::new(BufWriter::new(File::create(&out)?), format)?;
    file.write(&samples)?;
    file.finish()?;
    let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    println!("{} of {} s, loudest {loudest}", out.display(), samples.len() as f32 / RATE as f32);
    assert!(loudest > 3_000, "nothing was heard");
    caller.close().await;
    Ok(())
}

/// The samples of a file, which is to be mono and of our rate.
fn read(path: &Path) -> Result<Vec<f32>> {
    let mut reader = WavReader::new(BufReader::new(File::open(path)?))?;
    let format = reader.format();
    if (format.sample_rate, format.channels) != (RATE, 1) {
        return Err(format!("{}: {format:?}, must be mono at {RATE} Hz", path.display()).into());
    }
    let (mut all, mut part) = (Vec::new(), vec![0; RATE as usize]);
    loop {
        let count = reader.read(&mut part)?;
        if count == 0 {
            return Ok(all);
        }
        all.extend(part[..count].iter().map(|sample| f32::from(*sample) / 32_768.0));
    }
}

fn wave(frequency: f32, at: u32) -> f32 {
    (std::f32::consts::TAU * frequency * at as f32 / RATE as f32).sin()
}
