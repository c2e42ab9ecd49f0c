//! Who speaks, on speech that noise was mixed to: of the moments with voice how many are found (recall), and of what is found how much is
//! voice (precision).

use std::path::Path;

use peerage_media::audio::AudioBlock;
use peerage_media::audio::vad::VoiceDetector;

const RATE: usize = 16_000;
const BLOCK: usize = RATE / 100;

struct Random(u32);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

fn recorded() -> Option<Vec<f32>> {
    let corpora = std::env::var_os("PEERAGE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        Into::into,
    );
    let bytes = std::fs::read(corpora.join("libwebrtc/voice_engine/audio_short16.pcm")).ok()?;
    let samples = bytes.as_chunks::<2>().0.iter();
    Some(samples.map(|bytes| f32::from(i16::from_le_bytes(*bytes)) / 32_768.0).collect())
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32
}

/// Which blocks have voice, by the clean sound: louder than 35 dB below the loudest, gaps of up to 200 ms filled, as ends of words and
/// short pauses belong to what is said.
fn labels(speech: &[f32]) -> Vec<bool> {
    let powers: Vec<f32> = speech.chunks_exact(BLOCK).map(power).collect();
    let most = powers.iter().copied().fold(0.0, f32::max);
    let mut labels: Vec<bool> = powers.iter().map(|&power| power > most * 3e-4).collect();
    let mut last = None;
    for n in 0..labels.len() {
        if !labels[n] {
            continue;
        }
        if let Some(last) = last.filter(|last| n - last <= 20) {
            labels[last..n].fill(true);
        }
        last = Some(n);
    }
    labels
}

#[test]
fn voice_is_found_in_noise_and_noise_is_no_voice() {
    let Some(speech) = recorded() else {
        println!("skipped: recorded speech is not at hand");
        return;
    };
    let labels = labels(&speech);
    let loud: Vec<f32> = speech.iter().copied().filter(|s| s.abs() > 1e-3).collect();
    let mut random = Random(3);
    let mut last = 0.0;
    let fan: Vec<f32> = (0..speech.len())
        .map(|_| {
            last = 0.9 * last + 0.1 * random.next();
            last
        })
        .collect();
    for (snr, least_precision, least_recall) in
        [(0.0, 0.7, 0.3), (5.0, 0.75, 0.5), (10.0, 0.8, 0.65), (20.0, 0.8, 0.8)]
    {
        let scale = (power(&loud) / power(&fan) / 10.0_f32.powf(snr / 10.0)).sqrt();
        let mut detector = VoiceDetector::default();
        let mut block = AudioBlock::silence(RATE as u32, 1, BLOCK);
        let (mut right, mut found, mut there) = (0.0, 0.0_f32, 0.0);
        // Two seconds of noise alone come first, as a microphone is open before anybody speaks.
        let before = 200;
        for n in 0..before + labels.len() {
            let noise = fan.iter().cycle().skip((n * BLOCK) % (fan.len() - BLOCK));
            let said = n.checked_sub(before).map(|n| &speech[n * BLOCK..(n + 1) * BLOCK]);
            for (k, (sample, noise)) in block.samples_mut().iter_mut().zip(noise).enumerate() {
                *sample = said.map_or(0.0, |said| said[k]) + scale * noise;
            }
            let active = detector.detect(&block).active;
            let voice = n >= before && labels[n - before];
            found += f32::from(u8::from(active));
            there += f32::from(u8::from(voice));
            right += f32::from(u8::from(active && voice));
        }
        let (precision, recall) = (right / found.max(1.0), right / there);
        println!("{snr} dB: precision {precision:.2}, recall {recall:.2}");
        assert!(precision > least_precision, "{snr} dB: precision {precision}");
        assert!(recall > least_recall, "{snr} dB: recall {recall}");
    }
}
