//! Gain control, measured: voices of any level come to one, noise is not raised, nothing is cut off, and a shout is forgotten.
#![cfg(feature = "processing")]

use std::path::Path;
use std::time::Duration;

use peerage_media::audio::AudioBlock;
use peerage_media::audio::processing::{AudioProcessor, AudioProcessorConfig, GainControl};

const RATE: usize = 48_000;
const BLOCK: usize = 480;

struct Random(u32);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Words of harmonics whose pitch moves, with pauses.
fn made(seconds: usize, pitch: f32) -> Vec<f32> {
    let mut phase = 0.0_f32;
    (0..seconds * RATE)
        .map(|n| {
            let t = n as f32 / RATE as f32;
            let syllable = (std::f32::consts::PI * (t * 4.0).fract()).sin();
            let word = if t % 2.0 < 1.5 { 1.0 } else { 0.0 };
            phase += std::f32::consts::TAU * pitch * (1.0 + 0.1 * (t * 3.0).sin()) / RATE as f32;
            let sum: f32 = (1..12).map(|k| (phase * k as f32).sin() / k as f32).sum();
            word * syllable * 0.3 * sum
        })
        .collect()
}

/// 19 seconds of a person at 48 kHz, where they are at hand.
fn recorded() -> Option<Vec<f32>> {
    let corpora = std::env::var_os("PEERAGE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        Into::into,
    );
    let data = std::fs::read(corpora.join("libwebrtc/media/audio_short48.pcm")).ok()?;
    let samples = data.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])));
    Some(samples.map(|sample| sample / 32_768.0).collect())
}

fn voices() -> Vec<Vec<f32>> {
    let recorded = recorded();
    if recorded.is_none() {
        println!("skipped: recorded speech is not at hand; made voices they are");
    }
    let made = [made(16, 110.0), made(16, 220.0)];
    made.into_iter().chain(recorded).collect()
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32
}

fn decibels(ratio: f32) -> f32 {
    10.0 * ratio.max(1e-12).log10()
}

/// How loud it is while somebody speaks: the blocks within 20 dB of the loudest, together.
fn level(sound: &[f32]) -> f32 {
    let powers: Vec<f32> = sound.chunks_exact(BLOCK).map(power).collect();
    let most = powers.iter().copied().fold(0.0, f32::max);
    let loud: Vec<f32> = powers.into_iter().filter(|power| *power > most / 100.0).collect();
    decibels(loud.iter().sum::<f32>() / loud.len() as f32)
}

fn at_level(voice: &[f32], wanted: f32) -> Vec<f32> {
    let factor = 10.0_f32.powf((wanted - level(voice)) / 20.0);
    voice.iter().map(|sample| (factor * sample).clamp(-1.0, 1.0)).collect()
}

/// Through the gain control alone.
fn process(sound: &[f32], control: GainControl) -> Vec<f32> {
    let mut config = AudioProcessorConfig::off();
    config.gain_control = control;
    process_with(sound, config)
}

fn process_with(sound: &[f32], config: AudioProcessorConfig) -> Vec<f32> {
    let mut processor = AudioProcessor::new(RATE as u32, 1, config).unwrap();
    let mut block = AudioBlock::silence(RATE as u32, 1, BLOCK);
    let mut out = Vec::with_capacity(sound.len());
    for samples in sound.chunks_exact(BLOCK) {
        block.samples_mut().copy_from_slice(samples);
        processor.capture(&mut block, Duration::ZERO).unwrap();
        out.extend_from_slice(block.samples());
    }
    out
}

#[test]
fn voices_of_any_level_come_to_one_and_nothing_is_cut_off() {
    for (number, voice) in voices().iter().enumerate() {
        for wanted in [-45.0, -35.0, -25.0, -18.0, -10.0] {
            let out = process(&at_level(voice, wanted), GainControl::Own);
            let after = level(&out[6 * RATE..]);
            let most = out.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
            let [other, other_most] = {
                let out = process(&at_level(voice, wanted), GainControl::Agc2);
                let most = out.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
                [level(&out[6 * RATE..]), most]
            };
            println!(
                "voice {number} at {wanted}: {after:.1} dBFS after 6 s, peak {most:.2}; \
                 AGC2 {other:.1}, peak {other_most:.2}"
            );
            assert!((after + 20.0).abs() < 4.0, "voice {number} at {wanted}: {after}");
            assert!(most <= 0.951, "voice {number} at {wanted}: {most}");
        }
        let out = process_with(&at_level(voice, -38.0), AudioProcessorConfig::default());
        let after = level(&out[7 * RATE..]);
        assert!((after + 20.0).abs() < 5.0, "with all stages, voice {number}: {after}");
    }
}

/// A fan: noise that falls with frequency.
fn fan(count: usize, wanted: f32) -> Vec<f32> {
    let (mut random, mut last) = (Random(9), 0.0);
    let fan: Vec<f32> = (0..count)
        .map(|_| {
            last = 0.95 * last + 0.05 * random.next();
            last
        })
        .collect();
    let factor = 10.0_f32.powf((wanted - decibels(power(&fan))) / 20.0);
    fan.iter().map(|sample| factor * sample).collect()
}

#[test]
fn noise_is_not_raised_where_nobody_speaks() {
    for wanted in [-75.0, -60.0, -45.0, -30.0] {
        let mut noise = fan(20 * RATE, wanted);
        // It becomes louder, as a fan that is switched on.
        noise[10 * RATE..].iter_mut().for_each(|sample| *sample *= 4.0);
        let out = process(&noise, GainControl::Own);
        for from in (0..20).step_by(2) {
            let part = from * RATE..(from + 2) * RATE;
            let raised = decibels(power(&out[part.clone()]) / power(&noise[part]));
            assert!(raised < 1.0, "{wanted} after {from} s: {raised}");
        }
    }
}

#[test]
fn a_quiet_voice_in_noise_is_raised_as_far_as_the_noise_allows() {
    for voice in voices() {
        let voice = at_level(&voice, -40.0);
        let noise = fan(voice.len(), -60.0);
        let sound: Vec<f32> = voice.iter().zip(&noise).map(|(v, n)| v + n).collect();
        // Nobody speaks at the end.
        let quiet: Vec<f32> = fan(5 * RATE, -60.0);
        let out = process(&[sound.clone(), quiet.clone()].concat(), GainControl::Own);
        let end = &out[out.len() - 4 * RATE..];
        let noise = decibels(power(end));
        let other = process(&[sound, quiet.clone()].concat(), GainControl::Agc2);
        let other = decibels(power(&other[other.len() - 4 * RATE..]));
        let raised = noise - decibels(power(&quiet));
        println!("noise of -60 dBFS after a voice of -40: {noise:.1}, AGC2 {other:.1}");
        assert!((5.0..12.5).contains(&raised), "{raised}");
    }
}

#[test]
fn a_shout_does_not_pump() {
    let voice = at_level(&made(24, 130.0), -30.0);
    let noise = fan(voice.len(), -62.0);
    let plain: Vec<f32> = voice.iter().zip(&noise).map(|(v, n)| v + n).collect();
    let mut shouted = plain.clone();
    // From 12.0 s on for 0.4 s, 24 dB louder.
    let shout = 12 * RATE..12 * RATE + RATE * 2 / 5;
    shouted[shout.clone()]
        .iter_mut()
        .for_each(|sample| *sample = (*sample * 16.0).clamp(-1.0, 1.0));
    let (plain, shouted) = (process(&plain, GainControl::Own), process(&shouted, GainControl::Own));
    assert!(shouted.iter().all(|sample| sample.abs() <= 0.951));
    // Half a second later it is as if nobody had shouted, but for little.
    for tenth in 0..60 {
        let part = shout.end + RATE / 4 + tenth * RATE / 10..;
        let part = part.start..part.start + RATE / 10;
        let apart = decibels(power(&shouted[part.clone()]) / power(&plain[part]));
        assert!(apart.abs() < 3.0, "{apart} dB after {} ms", 250 + tenth * 100);
    }
}
