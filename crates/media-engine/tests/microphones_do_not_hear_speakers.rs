//! A whole loop through devices that are made up: a far voice is played, a room carries it to the microphone, and what the microphone's
//! track gives has it no more. Constraints switch that.
#![cfg(feature = "processing")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use peerage_media::audio::{AudioBlock, AudioFrame};
use peerage_media::devices::{
    Device, DeviceBackend, DeviceError, DeviceKind, MediaDeviceInfo, MediaDevices,
    MediaStreamConstraints, Output,
};
use peerage_media::track::constraints::ConstrainBoolean;
use peerage_media::track::{
    AudioSource, AudioTrack, MediaStreamTrack, MediaTrackConstraintSet, MediaTrackSettings, Sink,
    SourceDescription,
};

const RATE: u32 = 48_000;
const BLOCK: usize = 480;
const PATIENCE: Duration = Duration::from_secs(60);

/// A loudspeaker and a microphone; what is played is taken, and what is heard is given, by the test.
#[derive(Debug, Default)]
struct Room {
    microphone: Arc<Mutex<Option<AudioSource>>>,
    speaker: Arc<Mutex<Option<Sink<AudioFrame>>>>,
}

/// Keeps the track, which would end with its last handle.
#[derive(Debug)]
struct Plays(AudioTrack);

impl Output for Plays {
    fn is_running(&self) -> bool {
        !self.0.muted()
    }
}

impl DeviceBackend for Room {
    fn name(&self) -> String {
        "the room".to_owned()
    }

    fn kinds(&self) -> &[DeviceKind] {
        &[DeviceKind::AudioInput, DeviceKind::AudioOutput]
    }

    fn devices(&self, kind: DeviceKind) -> Result<Vec<Device>, String> {
        let label = format!("{kind:?}");
        let (device_id, group_id) = (label.clone(), "room".to_owned());
        let info = MediaDeviceInfo { device_id, kind, label, group_id };
        let modes = match kind {
            DeviceKind::AudioInput => vec![MediaTrackSettings::audio(RATE, 1)],
            _ => Vec::new(),
        };
        Ok(vec![Device { info, modes }])
    }

    fn open(
        &self,
        device: &MediaDeviceInfo,
        mode: &MediaTrackSettings,
    ) -> Result<MediaStreamTrack, DeviceError> {
        let source = AudioSource::new(device.label.clone());
        source.describe(SourceDescription::fixed(mode.clone()));
        let track = source.track();
        *self.microphone.lock().unwrap() = Some(source);
        Ok(track.into())
    }

    fn play(
        &self,
        _: &MediaDeviceInfo,
        track: &AudioTrack,
    ) -> Result<Box<dyn Output>, DeviceError> {
        *self.speaker.lock().unwrap() = Some(track.sink(4));
        Ok(Box::new(Plays(track.clone())))
    }
}

/// Words of harmonics whose pitch moves, with pauses and hiss.
fn voice(seconds: usize) -> Vec<f32> {
    let (mut phase, mut seed) = (0.0_f32, 7_u32);
    (0..seconds * RATE as usize)
        .map(|n| {
            let t = n as f32 / RATE as f32;
            let syllable = (std::f32::consts::PI * (t * 4.0).fract()).sin();
            let word = if t % 2.0 < 1.6 { 1.0 } else { 0.0 };
            phase += std::f32::consts::TAU * 120.0 * (1.0 + 0.2 * (t * 3.0).sin()) / RATE as f32;
            let sum: f32 = (1..24).map(|k| (phase * k as f32).sin() / k as f32).sum();
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let hiss = (seed >> 8) as f32 / (1 << 23) as f32 - 1.0;
            word * syllable * (0.2 * sum + 0.02 * hiss)
        })
        .collect()
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32
}

fn only_echo(on: bool) -> MediaTrackConstraintSet {
    MediaTrackConstraintSet {
        echo_cancellation: Some(ConstrainBoolean::exact(on)),
        noise_suppression: Some(ConstrainBoolean::exact(false)),
        auto_gain_control: Some(ConstrainBoolean::exact(false)),
        ..MediaTrackConstraintSet::default()
    }
}

/// The speaker's sound 45 ms later and weaker, with two walls.
fn heard(played: &[f32], at: usize) -> f32 {
    [(45 * 48, 0.4), (51 * 48, -0.2), (63 * 48, 0.1)]
        .iter()
        .filter_map(|(delay, gain)| Some(gain * played.get(at.checked_sub(*delay)?)?))
        .sum()
}

#[test]
fn what_is_played_does_not_come_back() {
    let room = Room::default();
    let (microphone, speaker) = (room.microphone.clone(), room.speaker.clone());
    let devices = MediaDevices::with_backends(vec![Box::new(room)]);
    let wanted =
        MediaStreamConstraints { audio: Some(only_echo(true).into()), ..Default::default() };
    let stream = devices.get_user_media(&wanted).unwrap();
    let track = &stream.audio_tracks()[0];
    assert_eq!(track.get_capabilities().echo_cancellation, [true, false]);
    let (peer, mut sent) = (AudioSource::new("the peer"), track.sink(4));
    let _playing = devices.play(&peer.track(), None).unwrap();
    let (microphone, mut speaker) = (
        microphone.lock().unwrap().take().expect("it was opened"),
        speaker.lock().unwrap().take().expect("it plays"),
    );

    let far = voice(12);
    let (mut played, mut echo, mut out) = (Vec::new(), Vec::new(), Vec::new());
    let mut frame = AudioFrame { block: AudioBlock::silence(RATE, 1, BLOCK), time: Duration::ZERO };
    for (n, samples) in far.chunks_exact(BLOCK).enumerate() {
        if n == 900 {
            track.apply_constraints(only_echo(false).into()).unwrap();
            assert_eq!(track.clone_track().get_settings().echo_cancellation, Some(false));
        }
        frame.time = AudioBlock::DURATION * n as u32;
        frame.block.samples_mut().copy_from_slice(samples);
        peer.push(&frame);
        played.extend_from_slice(speaker.recv_timeout(PATIENCE).unwrap().block.samples());
        for (k, sample) in frame.block.samples_mut().iter_mut().enumerate() {
            *sample = heard(&played, n * BLOCK + k);
        }
        echo.extend_from_slice(frame.block.samples());
        microphone.push(&frame);
        let processed = sent.recv_timeout(PATIENCE).unwrap();
        out.extend_from_slice(processed.block.samples());
        sent.recycle(processed);
    }
    let taken = |from: usize, to: usize| {
        let part = from * BLOCK..to * BLOCK;
        10.0 * (power(&echo[part.clone()]) / power(&out[part]).max(1e-12)).log10()
    };
    println!(
        "echo is {:.1} dB weaker; {:.1} dB once that is off",
        taken(500, 900),
        taken(910, 1200)
    );
    assert!(taken(500, 900) > 25.0, "{}", taken(500, 900));
    assert!(taken(910, 1200).abs() < 0.1, "{}", taken(910, 1200));
}

#[test]
fn all_is_on_unless_constraints_say_otherwise() {
    let devices = MediaDevices::with_backends(vec![Box::new(Room::default())]);
    let open = |set: MediaTrackConstraintSet| {
        let wanted = MediaStreamConstraints { audio: Some(set.into()), ..Default::default() };
        let settings = devices.get_user_media(&wanted).unwrap().tracks()[0].get_settings();
        [settings.echo_cancellation, settings.noise_suppression, settings.auto_gain_control]
    };
    assert_eq!(open(MediaTrackConstraintSet::default()), [Some(true); 3]);
    assert_eq!(open(only_echo(true)), [Some(true), Some(false), Some(false)]);
    assert_eq!(open(only_echo(false)), [Some(false); 3]);
    let noise_suppression = Some(false.into());
    let set = MediaTrackConstraintSet { noise_suppression, ..MediaTrackConstraintSet::default() };
    assert_eq!(open(set), [Some(true), Some(false), Some(true)]);
}
