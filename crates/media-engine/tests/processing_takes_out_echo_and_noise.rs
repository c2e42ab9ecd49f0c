//! What the processing is for, measured: how much weaker an echo becomes, and how much nearer to the clean voice noisy speech.
#![cfg(feature = "processing")]

use std::path::Path;
use std::time::Duration;

use peerage_media::audio::AudioBlock;
use peerage_media::audio::processing::{
    AudioProcessor, AudioProcessorConfig, EchoCancellation, GainControl, NoiseSuppression,
};

const RATE: usize = 48_000;

struct Random(u32);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Syllables of a voice: harmonics under two formants that move, and hisses, with pauses between words.
fn voice(seconds: usize, pitch: f32, seed: u32) -> Vec<f32> {
    let mut random = Random(seed);
    let mut phase = 0.0_f32;
    let (mut first, mut second, mut hiss) = (500.0, 1500.0, 0.0);
    let mut last = 0.0;
    (0..seconds * RATE)
        .map(|n| {
            let t = n as f32 / RATE as f32;
            let syllable = n % (RATE / 4);
            if syllable == 0 {
                first = 500.0 + 250.0 * random.next();
                second = 1600.0 + 700.0 * random.next();
                hiss = if random.next() > 0.6 { 0.08 } else { 0.004 };
            }
            let envelope = (std::f32::consts::PI * syllable as f32 / (RATE as f32 / 4.0)).sin();
            let word = if t % 2.0 < 1.5 { 1.0 } else { 0.0 };
            let frequency = pitch * (1.0 + 0.1 * (t * 3.0).sin());
            phase += std::f32::consts::TAU * frequency / RATE as f32;
            let mut sample = 0.0;
            for harmonic in 1..20 {
                let at = frequency * harmonic as f32;
                let near = |formant: f32| (-((at - formant) / 200.0).powi(2)).exp();
                let weight = near(first) + 0.5 * near(second) + 0.05;
                sample += weight * (phase * harmonic as f32).sin();
            }
            let white = random.next();
            let high = white - last;
            last = white;
            word * envelope * (0.12 * sample + hiss * high)
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

/// What a microphone hears of a speaker: a delay, and a room whose sound dies away.
fn echo(far: &[f32], delay: usize) -> Vec<f32> {
    let mut random = Random(77);
    let room: Vec<(usize, f32)> = (0..200)
        .map(|tap| {
            let at = tap * 24;
            (delay + at, 0.25 * random.next() * (-(at as f32) / 1500.0).exp())
        })
        .collect();
    (0..far.len())
        .map(|n| room.iter().filter(|(at, _)| *at <= n).map(|(at, gain)| gain * far[n - at]).sum())
        .collect()
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32
}

fn decibels(ratio: f32) -> f32 {
    10.0 * ratio.log10()
}

fn run(
    processor: &mut AudioProcessor,
    near: &[f32],
    far: &[f32],
    mut each: impl FnMut(usize, &mut AudioProcessor),
) -> Vec<f32> {
    let mut block = AudioBlock::silence(RATE as u32, 1, 480);
    let mut out = Vec::new();
    for (n, (near, far)) in near.chunks_exact(480).zip(far.chunks_exact(480)).enumerate() {
        each(n, processor);
        block.samples_mut().copy_from_slice(far);
        processor.render(&block).unwrap();
        block.samples_mut().copy_from_slice(near);
        processor.capture(&mut block, Duration::from_millis(40)).unwrap();
        assert!(block.samples().iter().all(|sample| sample.abs() <= 1.0));
        out.extend_from_slice(block.samples());
    }
    out
}

fn only_echo() -> AudioProcessorConfig {
    let mut config = AudioProcessorConfig::off();
    config.echo_cancellation = EchoCancellation::Own;
    config
}

#[test]
fn an_echo_is_taken_out_and_the_near_voice_is_not() {
    let far = recorded().unwrap_or_else(|| {
        println!("skipped: recorded speech is not at hand; a made voice it is");
        voice(19, 120.0, 1)
    });
    let echo = echo(&far, 48 * 40);
    let mut random = Random(5);
    let room: Vec<f32> = (0..far.len()).map(|_| 1e-4 * random.next()).collect();
    let mut near = voice(far.len() / RATE, 210.0, 2);
    near.resize(far.len(), 0.0);
    // Only the far end speaks for ten seconds, then both do.
    let both = 10 * RATE;
    let microphone: Vec<f32> =
        (0..far.len()).map(|n| echo[n] + room[n] + if n >= both { near[n] } else { 0.0 }).collect();
    let mut processor = AudioProcessor::new(48_000, 1, only_echo()).unwrap();
    let out = run(&mut processor, &microphone, &far, |_, _| {});

    let single = 4 * RATE..both;
    let erle = decibels(power(&echo[single.clone()]) / power(&out[single]));
    println!("ERLE in single talk: {erle:.1} dB; {:?}", processor.stats());
    assert!(erle > 25.0, "{erle}");
    let double = both + RATE..out.len();
    let kept = decibels(power(&out[double.clone()]) / power(&near[double]));
    println!("near voice in double talk: {kept:.1} dB");
    assert!(kept.abs() < 4.0, "{kept}");
    assert!(processor.stats().echo_return_loss_enhancement.is_some());
}

#[test]
fn a_jump_of_the_delay_is_followed_while_both_speak() {
    let far = recorded().unwrap_or_else(|| {
        println!("skipped: recorded speech is not at hand; a made voice it is");
        voice(19, 120.0, 1)
    });
    // The devices' buffers become 100 ms longer; from then on both speak.
    let direct = |delay: usize| -> Vec<f32> {
        let around = echo(&far, delay);
        (0..far.len())
            .map(|n| around[n] + if n < delay { 0.0 } else { 0.4 * far[n - delay] })
            .collect()
    };
    let (early, late) = (direct(48 * 40), direct(48 * 140));
    let jump = 9 * RATE;
    let mut near = voice(far.len() / RATE, 210.0, 2);
    near.resize(far.len(), 0.0);
    near[..jump].fill(0.0);
    near.iter_mut().for_each(|sample| *sample *= 0.4);
    let echo: Vec<f32> = [&early[..jump], &late[jump..]].concat();
    let microphone: Vec<f32> = echo.iter().zip(&near).map(|(e, n)| e + n).collect();
    let mut processor = AudioProcessor::new(48_000, 1, only_echo()).unwrap();
    let out = run(&mut processor, &microphone, &far, |_, _| {});
    let part = |sound: &[f32]| sound[jump + RATE / 2..jump + 5 * RATE].to_vec();
    let (before, after) =
        (si_sdr(&part(&near), &part(&microphone)), si_sdr(&part(&near), &part(&out)));
    println!("near voice after a jump: SI-SDR {before:.1} dB before, {after:.1} dB after");
    assert!(after > before + 6.0, "{before} {after}");
    let delay = processor.stats().echo_delay.unwrap().as_millis();
    assert!((138..=145).contains(&delay), "{delay}");
}

#[test]
fn a_loudspeaker_that_distorts_is_learnt() {
    // Hisses of many heights: at each level the curve has another slope, which no room has.
    let mut random = Random(3);
    let mut last = 0.0;
    let mut far: Vec<f32> = (0..18 * RATE)
        .map(|n| {
            last = 0.9 * last + random.next();
            let syllable =
                (std::f32::consts::PI * (n % (RATE / 4)) as f32 / (RATE as f32 / 4.0)).sin();
            last * syllable * syllable
        })
        .collect();
    let peak = far.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
    far.iter_mut().for_each(|sample| *sample *= 0.6 / peak);
    // It gives way on either side, on one more than on the other.
    let driven: Vec<f32> =
        far.iter()
            .map(|&sample| {
                if sample > 0.0 { (6.0 * sample).tanh() / 6.0 } else { (4.0 * sample).tanh() / 4.0 }
            })
            .collect();
    let echo = echo(&driven, 48 * 40);
    let mut random = Random(5);
    let microphone: Vec<f32> = echo.iter().map(|echo| echo + 1e-5 * random.next()).collect();
    let mut processor = AudioProcessor::new(48_000, 1, only_echo()).unwrap();
    let mut taken_out = Vec::new();
    run(&mut processor, &microphone, &far, |n, processor| {
        // The last 200 ms count: they have to be loud.
        let heard = &microphone[(n.max(20) - 20) * 480..n.max(20) * 480];
        if n > 600 && power(heard) > 1e-4 {
            taken_out.extend(processor.stats().echo_return_loss_enhancement);
        }
    });
    assert!(taken_out.len() > 300, "{}", taken_out.len());
    let mean = taken_out.iter().sum::<f64>() / taken_out.len() as f64;
    println!("a loudspeaker that distorts: the filter takes out {mean:.1} dB");
    assert!(mean > 15.5, "{mean}");
}

#[test]
fn a_speaker_of_another_rate_that_plays_in_bursts_is_cancelled_too() {
    let far = voice(12, 120.0, 1);
    let echo = echo(&far, 48 * 40);
    let mut processor = AudioProcessor::new(48_000, 1, only_echo()).unwrap();
    let mut resampler = peerage_media::audio::resample::Resampler::new(48_000, 16_000, 1).unwrap();
    let (mut wide, mut narrow) = (AudioBlock::silence(48_000, 1, 480), AudioBlock::default());
    let (mut waiting, mut out) = (Vec::new(), Vec::new());
    for (n, (near, far)) in echo.chunks_exact(480).zip(far.chunks_exact(480)).enumerate() {
        wide.samples_mut().copy_from_slice(far);
        resampler.push(&wide).unwrap();
        while resampler.pull(&mut narrow) {
            waiting.extend_from_slice(narrow.samples());
        }
        // Two blocks at once, then none.
        while n.is_multiple_of(2) && waiting.len() >= 160 {
            let mut block = AudioBlock::silence(16_000, 1, 160);
            block.samples_mut().copy_from_slice(&waiting[..160]);
            waiting.drain(..160);
            processor.render(&block).unwrap();
        }
        wide.samples_mut().copy_from_slice(near);
        processor.capture(&mut wide, Duration::ZERO).unwrap();
        out.extend_from_slice(wide.samples());
    }
    let last = 8 * RATE..out.len();
    let erle = decibels(power(&echo[last.clone()]) / power(&out[last]));
    println!("ERLE of a speaker at 16 kHz: {erle:.1} dB");
    assert!(erle > 12.0, "{erle}");
}

#[test]
fn stages_are_switched_while_sound_goes_through() {
    let far = voice(16, 120.0, 1);
    let echo = echo(&far, 48 * 40);
    let mut processor = AudioProcessor::new(48_000, 1, AudioProcessorConfig::off()).unwrap();
    let out = run(&mut processor, &echo, &far, |n, processor| {
        let mut config = processor.config();
        match n {
            200 => config.echo_cancellation = EchoCancellation::Own,
            // This does not make the canceller begin again.
            1000 => config.gain_control = GainControl::Own,
            1100 => config.gain_control = GainControl::Off,
            1200 => config = AudioProcessorConfig::off(),
            _ => return,
        }
        processor.set_config(config);
    });
    let at = |from: usize, to: usize| {
        let (from, to) = (from * 480, to * 480);
        decibels(power(&echo[from..to]) / power(&out[from..to]))
    };
    // Nothing is touched while all is off.
    assert_eq!(out[..200 * 480], echo[..200 * 480]);
    assert!(at(600, 900) > 20.0, "{}", at(600, 900));
    assert!(at(1000, 1100) > 5.0, "{}", at(1000, 1100));
    assert!(at(1100, 1200) > 20.0, "{}", at(1100, 1200));
    assert_eq!(out[1200 * 480..], echo[1200 * 480..out.len()]);
}

/// How much of a sound is a multiple of the reference, at the delay at which it is most, against all else (SI-SDR).
fn si_sdr(reference: &[f32], sound: &[f32]) -> f32 {
    (0..600)
        .map(|delay| {
            let count = reference.len().min(sound.len() - delay);
            let (reference, sound) = (&reference[..count], &sound[delay..delay + count]);
            let dot: f32 = reference.iter().zip(sound).map(|(a, b)| a * b).sum();
            let scale = dot / reference.iter().map(|a| a * a).sum::<f32>();
            let (mut target, mut rest) = (0.0, 0.0);
            for (a, b) in reference.iter().zip(sound) {
                target += (scale * a).powi(2);
                rest += (b - scale * a).powi(2);
            }
            decibels(target / rest)
        })
        .fold(f32::MIN, f32::max)
}

#[test]
fn noisy_speech_comes_nearer_to_the_clean_voice() {
    let speech = recorded().unwrap_or_else(|| {
        println!("skipped: recorded speech is not at hand; a made voice it is");
        voice(12, 140.0, 3)
    });
    let speech = &speech[..speech.len().min(12 * RATE)];
    // A fan: noise that falls with frequency.
    let mut random = Random(9);
    let mut last = 0.0;
    let fan: Vec<f32> = (0..speech.len())
        .map(|_| {
            last = 0.95 * last + 0.05 * random.next();
            last
        })
        .collect();
    let scale = (power(speech) / power(&fan) / 10.0_f32.powf(0.5)).sqrt();
    let noisy: Vec<f32> = speech.iter().zip(&fan).map(|(s, f)| s + scale * f).collect();
    // The last eight seconds: it has to learn the noise first.
    let part = |samples: &[f32]| samples[4 * RATE..].to_vec();
    let silence = vec![0.0; noisy.len()];
    // The stages but the network cut off what is below speech, and turn phases when they split the band: that is no noise, so
    // the reference went the same way.
    let mut config = AudioProcessorConfig::off();
    config.high_pass = true;
    let mut processor = AudioProcessor::new(48_000, 1, config).unwrap();
    let filtered = run(&mut processor, speech, &silence, |_, _| {});
    let mut processor = AudioProcessor::new(48_000, 1, config).unwrap();
    let unsuppressed = run(&mut processor, &noisy, &silence, |_, _| {});

    let mut results = Vec::new();
    let mut stages = vec![NoiseSuppression::Moderate, NoiseSuppression::High];
    #[cfg(feature = "denoise")]
    stages.push(NoiseSuppression::Neural);
    for stage in stages.drain(..) {
        let mut config = AudioProcessorConfig::off();
        config.noise_suppression = stage;
        let mut processor = AudioProcessor::new(48_000, 1, config).unwrap();
        let out = run(&mut processor, &noisy, &silence, |_, _| {});
        let (reference, before) = match stage {
            NoiseSuppression::Moderate | NoiseSuppression::High => (&filtered[..], &unsuppressed),
            _ => (speech, &noisy),
        };
        let before = si_sdr(&part(reference), &part(before));
        let after = si_sdr(&part(reference), &part(&out));
        println!("{stage:?}: SI-SDR {before:.1} dB before, {after:.1} dB after");
        results.push((stage, after - before));
    }
    for (stage, gain) in results {
        assert!(gain > 2.0, "{stage:?}: {gain}");
    }
}

#[test]
fn what_does_not_fit_is_refused_and_left() {
    assert!(AudioProcessor::new(7_000, 1, AudioProcessorConfig::default()).is_err());
    assert!(AudioProcessor::new(48_000, 9, AudioProcessorConfig::default()).is_err());
    for (rate, channels) in [(8_000, 1), (16_000, 1), (44_100, 1), (48_000, 2)] {
        let mut processor =
            AudioProcessor::new(rate, channels, AudioProcessorConfig::default()).unwrap();
        let mut block = AudioBlock::silence(rate, channels, rate as usize / 100);
        block.samples_mut()[3] = f32::NAN;
        for _ in 0..50 {
            // The speaker may have another format, and change it.
            processor.render(&AudioBlock::silence(48_000, 2, 480)).unwrap();
            processor.render(&AudioBlock::silence(16_000, 1, 160)).unwrap();
            processor.capture(&mut block, Duration::from_secs(9)).unwrap();
            assert!(block.samples().iter().all(|sample| sample.is_finite()));
        }
        let mut other = AudioBlock::silence(rate, channels, 7);
        assert!(processor.capture(&mut other, Duration::ZERO).is_err());
        assert!(processor.render(&other).is_err());
    }
}
