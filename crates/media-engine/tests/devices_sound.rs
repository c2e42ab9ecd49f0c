//! Microphone and speaker for real, with a sound server whose speaker nobody hears: what is played there is what the microphone
//! takes. A process of its own for each, since ALSA reads its configuration from the environment.
#![cfg(all(feature = "sound", target_os = "linux"))]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use peerage_media::audio::{AudioBlock, AudioFrame};
use peerage_media::devices::{MediaDevices, MediaStreamConstraints};
use peerage_media::track::constraints::ConstrainString;
use peerage_media::track::{AudioSource, MediaTrackConstraintSet, SinkError};

const PATIENCE: Duration = Duration::from_secs(20);
/// Where the machine does much else, what a program plays sometimes stays silent in this sound server from its beginning on.
const ATTEMPTS: usize = 3;
/// Says that this process is the one that has the devices.
const CHILD: &str = "PEERAGE_TEST_SOUND";
const TONE: f64 = 440.0;

/// A folder of its own, and the server that runs in it.
struct Stand {
    folder: PathBuf,
    server: Option<Child>,
}

impl Drop for Stand {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Stand {
    fn new(name: &str, config: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("peerage-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let config = config.replace("FOLDER", folder.to_str().unwrap());
        std::fs::write(folder.join("asound.conf"), config).unwrap();
        Self { folder, server: None }
    }

    /// Runs a test of this program again, where ALSA has but our devices. What it printed, or why it failed.
    fn again(&self, test: &str) -> Result<String, String> {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env("ALSA_CONFIG_PATH", self.folder.join("asound.conf"))
            .env(CHILD, &self.folder)
            .env_remove("PULSE_SERVER")
            .output()
            .unwrap();
        let text =
            [output.stdout, output.stderr].map(|out| String::from_utf8_lossy(&out).into_owned());
        if output.status.success() { Ok(text.concat()) } else { Err(text.concat()) }
    }
}

fn audio(set: MediaTrackConstraintSet) -> MediaStreamConstraints {
    MediaStreamConstraints { audio: Some(set.into()), video: None }
}

#[test]
fn without_a_microphone_it_says_what_is_missing() {
    if std::env::var_os(CHILD).is_none() {
        let stand = Stand::new("no-sound", "");
        stand.again("without_a_microphone_it_says_what_is_missing").unwrap();
        return;
    }
    let error = MediaDevices::new().get_user_media(&audio(Default::default())).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.name(), "NotFoundError", "{text}");
    for part in ["no microphone is there", "by cpal", "sources::tone", "MediaPlayer"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_the_speaker_plays_the_microphone_hears() {
    if std::env::var_os(CHILD).is_some() {
        return hear();
    }
    for attempt in 1.. {
        match hear_once(attempt) {
            Ok(text) => return println!("{text}"),
            Err(text) if attempt == ATTEMPTS => panic!("{text}"),
            Err(text) => println!("attempt {attempt}: {text}"),
        }
    }
}

/// With a server of its own.
fn hear_once(attempt: usize) -> Result<String, String> {
    let config = r#"
        </usr/share/alsa/alsa.conf>
        pcm.test_speaker {
            type pulse server "unix:FOLDER/socket" device "out"
            hint { show on description "Test speaker" }
        }
        pcm.test_microphone {
            type pulse server "unix:FOLDER/socket" device "out.monitor"
            hint { show on description "Test microphone" }
        }
    "#;
    let mut stand = Stand::new(&format!("sound-{attempt}"), config);
    let socket = stand.folder.join("socket");
    let server = Command::new("pulseaudio")
        .args([
            "-n",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "--use-pid-file=no",
            "--disable-shm=yes",
        ])
        .args(["-L", "module-null-sink sink_name=out rate=48000"])
        .arg("-L")
        .arg(format!("module-native-protocol-unix auth-anonymous=1 socket={}", socket.display()))
        .env("HOME", &stand.folder)
        .env("XDG_RUNTIME_DIR", &stand.folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(server) = server else {
        let hint = "Debian: apt-get install pulseaudio libasound2-plugins";
        return Ok(format!("skipped: pulseaudio is not there ({hint})"));
    };
    stand.server = Some(server);
    let end = Instant::now() + PATIENCE;
    while !socket.exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    if !socket.exists() {
        return Ok("skipped: pulseaudio does not start here".to_owned());
    }
    stand.again("what_the_speaker_plays_the_microphone_hears")
}

/// In the process that has the devices.
fn hear() {
    let devices = MediaDevices::new();
    let all = devices.enumerate_devices();
    let id = |label: &str| {
        let found = all.iter().find(|info| info.label == label);
        found.map(|info| info.device_id.clone())
    };
    let (Some(speaker), Some(microphone)) = (id("Test speaker"), id("Test microphone")) else {
        println!(
            "skipped: ALSA does not reach pulseaudio (Debian: apt-get install libasound2-plugins): {all:?}"
        );
        return;
    };
    // Something that plays a tone, by the machine's clock.
    let source = AudioSource::new("tone");
    let track = source.track();
    let playing = devices.play(&track, Some(&speaker)).unwrap();
    std::thread::spawn(move || {
        let (begin, mut number) = (Instant::now(), 0_u64);
        while source.is_wanted() {
            let mut block = AudioBlock::silence(48_000, 1, 480);
            for (at, sample) in block.samples_mut().iter_mut().enumerate() {
                let at = (number * 480 + at as u64) as f64 / 48_000.0;
                *sample = 0.5 * (std::f64::consts::TAU * TONE * at).sin() as f32;
            }
            let time = Duration::from_millis(10 * number);
            source.push(&AudioFrame { block, time });
            number += 1;
            std::thread::sleep((time + AudioBlock::DURATION).saturating_sub(begin.elapsed()));
        }
    });
    let device_id = Some(ConstrainString::exact(&*microphone));
    // Else what the speaker plays is taken out of what the microphone hears, which is what is looked for here.
    let off = Some(false.into());
    let set = MediaTrackConstraintSet {
        device_id,
        echo_cancellation: off.clone(),
        noise_suppression: off.clone(),
        auto_gain_control: off,
        ..Default::default()
    };
    let stream = devices.get_user_media(&audio(set)).unwrap();
    let track = stream.audio_tracks().remove(0);
    let settings = track.get_settings();
    assert_eq!((settings.sample_rate, settings.channel_count), (Some(48_000), Some(1)));
    let mut sink = track.sink(100);
    let end = Instant::now() + PATIENCE;
    let (mut heard, mut last, mut samples) = (false, None, Vec::new());
    let mut loudest = 0.0_f64;
    while !heard && Instant::now() < end {
        let frame = match sink.recv_timeout(PATIENCE) {
            Ok(frame) => frame,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(frame.block.frames(), 480);
        assert!(last.is_none_or(|last| frame.time > last), "time goes back");
        last = Some(frame.time);
        samples.extend_from_slice(frame.block.samples());
        if samples.len() == 4_800 {
            loudest = loudest.max(strength(&samples));
            heard = loudest > 0.4;
            samples.clear();
        }
    }
    assert!(heard, "the tone was never heard as loud as it is: {loudest} at most");
    assert!(playing.is_running());
    drop(playing);
    // Silence, once nothing is played any more; then the track is stopped, and its sink ends.
    track.stop();
    while sink.try_recv().is_ok() {}
    assert_eq!(sink.try_recv().err(), Some(SinkError::Ended));
    println!("a tone was heard through speaker and microphone");
}

/// How loud the tone is.
fn strength(samples: &[f32]) -> f64 {
    let (mut cosine, mut sine) = (0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let angle = std::f64::consts::TAU * TONE * at as f64 / 48_000.0;
        cosine += f64::from(*sample) * angle.cos();
        sine += f64::from(*sample) * angle.sin();
    }
    2.0 * cosine.hypot(sine) / samples.len() as f64
}
