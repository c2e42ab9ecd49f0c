//! Once a call runs, sound takes no memory from the allocator: not to encode and decode it, to change its rate, nor to mix
//! it. One test, so that no other disturbs the count.

#[path = "../../peerconnection/tests/common/allocations.rs"]
mod allocations;

use std::time::{Duration, Instant};

use peerage_media::audio::mixer::Mixer;
use peerage_media::audio::resample::{ClockBridge, Resampler};
use peerage_media::audio::{AudioBlock, LevelMeter};
use peerage_media::codec::comfort_noise::ComfortNoise;
#[cfg(any(feature = "g711", feature = "g722", feature = "opus"))]
use peerage_media::codec::{AudioDecoder, AudioEncoder};

/// Allocations of the last 100 of 300 rounds.
fn steady(mut round: impl FnMut(usize)) -> u64 {
    (0..200).for_each(&mut round);
    let before = allocations::COUNT.get();
    (200..300).for_each(&mut round);
    allocations::COUNT.get() - before
}

fn tone(block: &mut AudioBlock, round: usize) {
    let (rate, channels, frames) = (block.rate() as f32, block.channels(), block.frames());
    for (n, moment) in block.samples_mut().chunks_exact_mut(channels).enumerate() {
        let t = (round * frames + n) as f32 / rate;
        moment.fill(0.4 * (std::f32::consts::TAU * (300.0 + 50.0 * t.sin()) * t).sin());
    }
}

#[cfg(any(feature = "g711", feature = "g722", feature = "opus"))]
fn codec(mut encoder: impl AudioEncoder, mut decoder: impl AudioDecoder) -> u64 {
    let frames = encoder.packet_duration().as_millis() as usize * encoder.rate() as usize / 1000;
    let mut block = AudioBlock::silence(encoder.rate(), encoder.channels(), frames);
    let (mut packet, mut out) = (Vec::new(), AudioBlock::default());
    let missing = encoder.packet_duration();
    steady(|round| {
        tone(&mut block, round);
        packet.clear();
        encoder.encode(&block, &mut packet).unwrap();
        if round % 7 == 6 {
            decoder.conceal(missing, &mut out).unwrap();
        } else {
            if round % 7 == 0 {
                decoder.decode_redundancy(&packet, missing, &mut out).unwrap();
            }
            decoder.decode(&packet, &mut out).unwrap();
        }
    })
}

#[test]
fn nothing_is_allocated_for_sound_in_steady_state() {
    #[cfg(feature = "g711")]
    {
        use peerage_media::codec::g711::{G711Decoder, G711Encoder, Law};
        let encoder = G711Encoder::new(Law::Mu, 1, Duration::from_millis(20)).unwrap();
        assert_eq!(codec(encoder, G711Decoder::new(Law::Mu, 1).unwrap()), 0, "G.711");
    }
    #[cfg(feature = "g722")]
    {
        use peerage_media::codec::g722::{G722Decoder, G722Encoder};
        let encoder = G722Encoder::new(Duration::from_millis(20)).unwrap();
        assert_eq!(codec(encoder, G722Decoder::new()), 0, "G.722");
    }
    #[cfg(feature = "opus")]
    {
        use peerage_media::codec::AudioTarget;
        use peerage_media::codec::opus::{OpusDecoder, OpusEncoder, OpusEncoderConfig};
        let mut encoder = OpusEncoder::new(OpusEncoderConfig::default()).unwrap();
        let mut target = AudioTarget::default();
        (target.loss, target.bitrate) = (0.1, 24_000);
        encoder.set_target(target).unwrap();
        assert_eq!(codec(encoder, OpusDecoder::new(48_000, 2).unwrap()), 0, "Opus");
    }

    let mut block = AudioBlock::silence(48_000, 2, 480);
    let mut out = AudioBlock::default();
    let mut resampler = Resampler::new(48_000, 16_000, 2).unwrap();
    let resampled = steady(|round| {
        tone(&mut block, round);
        resampler.push(&block).unwrap();
        while resampler.pull(&mut out) {}
    });
    assert_eq!(resampled, 0, "resampling");

    let start = Instant::now();
    let mut bridge = ClockBridge::new(48_000, 48_000, 2, Duration::from_millis(20)).unwrap();
    let bridged = steady(|round| {
        let now = start + Duration::from_millis(round as u64 * 10);
        bridge.push(&block, now).unwrap();
        bridge.pull(&mut out, now);
    });
    assert_eq!(bridged, 0, "a bridge between clocks");

    let mut mixer = Mixer::new(48_000, 1);
    let inputs: Vec<u32> = (0..5).map(|_| mixer.add_input().unwrap()).collect();
    let (mut meter, mut noise) = (LevelMeter::default(), ComfortNoise::new(1));
    noise.update(&[50, 100, 150]).unwrap();
    let mixed = steady(|round| {
        tone(&mut block, round);
        for &input in &inputs {
            mixer.add(input, &block).unwrap();
        }
        mixer.mix(&mut out);
        mixer.mix_without(inputs[0], &mut out).unwrap();
        mixer.advance();
        meter.measure(&out);
        noise.fill(&mut out);
    });
    assert_eq!(mixed, 0, "mixing");

    #[cfg(feature = "denoise")]
    {
        let mut denoiser = peerage_media::audio::Denoiser::new(2);
        let denoised = steady(|round| {
            tone(&mut block, round);
            denoiser.process(&mut block).unwrap();
        });
        assert_eq!(denoised, 0, "the stronger suppressor");
    }
    #[cfg(feature = "denoise-deep")]
    {
        let mut denoiser = peerage_media::audio::DeepDenoiser::new(48_000, 2).unwrap();
        let denoised = steady(|round| {
            tone(&mut block, round);
            assert!(denoiser.process(&mut block));
        });
        assert_eq!(denoised, 0, "the deep suppressor");
    }
    #[cfg(feature = "processing")]
    {
        use peerage_media::audio::processing::{
            AudioProcessor, AudioProcessorConfig, EchoCancellation,
        };
        let processed = |stages: fn(&mut AudioProcessorConfig)| {
            let mut config = AudioProcessorConfig::off();
            stages(&mut config);
            let mut processor = AudioProcessor::new(48_000, 1, config).unwrap();
            let mut block = AudioBlock::silence(48_000, 1, 480);
            steady(|round| {
                tone(&mut block, round);
                processor.render(&block).unwrap();
                processor.capture(&mut block, Duration::from_millis(30)).unwrap();
            })
        };
        assert_eq!(processed(|_| ()), 0, "processing that is off");
        let own = |config: &mut AudioProcessorConfig| {
            config.echo_cancellation = EchoCancellation::Own;
        };
        assert_eq!(processed(own), 0, "our echo canceller");
        // Not so the echo canceller and the gain control of the library.
        assert_eq!(processed(|config| config.high_pass = true), 0, "the high-pass filter");
        let all = |config: &mut AudioProcessorConfig| *config = AudioProcessorConfig::default();
        assert_eq!(processed(all), 0, "all of a microphone's stages");
    }
}
