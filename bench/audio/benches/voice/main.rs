//! What the processing of a microphone's sound does to echo, noise and the voice: AECMOS, ERLE, DNSMOS and SI-SDR of simulated rooms and
//! mixed noises (`voice.py`), beside libwebrtc's processing of the same sound.
//!
//! `PEERAGE_PYTHON` names a Python that has what `voice.py` wants; without one there is nothing to do. `PEERAGE_VOICE_FOLDER` keeps the
//! sound there, and takes what it finds there already; `PEERAGE_VOICE_SET=tune` has other rooms and speakers, to try things out with.
//! `PEERAGE_VOICE_ONLY` and `PEERAGE_VOICE_WAYS` choose clips and ways by their names, lists with semicolons;
//! `PEERAGE_VOICE_JUDGE=0` leaves it at the sound.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use peerage_media::audio::AudioBlock;
use peerage_media::audio::processing::{AudioProcessor, AudioProcessorConfig, EchoCancellation, NoiseSuppression};

const RATE: u32 = 48_000;
const BLOCK: usize = 480;
const NOISES: [&str; 4] = ["pink", "fan", "babble", "keys"];
/// What is told of the delay: the devices' own, which the rooms begin with.
const DELAY: Duration = Duration::from_millis(40);

/// The ways that sound with an echo is processed.
const ECHO_WAYS: [(&str, fn(&mut AudioProcessorConfig)); 3] = [
    ("sonora", |config| config.echo_cancellation = EchoCancellation::Aec3),
    ("ours", |config| config.echo_cancellation = EchoCancellation::Own),
    ("ours, deep", |config| {
        config.echo_cancellation = EchoCancellation::Own;
        config.noise_suppression = NoiseSuppression::Deep;
    }),
];

/// The ways that sound with noise is processed.
const NOISE_WAYS: [(&str, fn(&mut AudioProcessorConfig)); 4] = [
    ("none", |_| ()),
    ("sonora", |config| config.noise_suppression = NoiseSuppression::Moderate),
    ("RNNoise", |config| config.noise_suppression = NoiseSuppression::Neural),
    ("deep", |config| config.noise_suppression = NoiseSuppression::Deep),
];

fn main() {
    let kept = std::env::var_os("PEERAGE_VOICE_FOLDER").map(PathBuf::from);
    let folder = kept.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("peerage-bench-voice-{}", std::process::id()))
    });
    std::fs::create_dir_all(&folder).expect("a folder");
    let set = std::env::var("PEERAGE_VOICE_SET").unwrap_or_else(|_| "final".to_owned());
    let list = folder.join("clips.txt");
    if !list.exists() {
        let made = python(&["make".as_ref(), set.as_ref(), folder.as_ref()]);
        if !made {
            println!("skipped: no material, set PEERAGE_PYTHON to a Python that has pyroomacoustics");
            return;
        }
        if !python(&["libwebrtc".as_ref(), folder.as_ref()]) {
            println!("libwebrtc is not beside it: that needs livekit in the same Python");
        }
    }
    let clips = std::fs::read_to_string(&list).expect("a list of clips");
    let only = std::env::var("PEERAGE_VOICE_ONLY").ok();
    let wanted = |name: &str, list: &Option<String>| {
        list.as_ref().is_none_or(|list| list.split(';').any(|part| name.contains(part)))
    };
    let ways = std::env::var("PEERAGE_VOICE_WAYS").ok();
    let mut spent: Vec<(&str, f64, f64)> = Vec::new();
    for clip in clips.lines().filter(|clip| wanted(clip, &only)) {
        let noise = NOISES.iter().any(|noise| clip.starts_with(noise));
        let table: &[(&str, fn(&mut AudioProcessorConfig))] =
            if noise { &NOISE_WAYS } else { &ECHO_WAYS };
        let at = folder.join(clip);
        let (microphone, far) = (read(&at.join("mic.raw")), read(&at.join("far.raw")));
        for &(way, stages) in table {
            if ways.as_ref().is_some_and(|list| !list.split(';').any(|name| name == way)) {
                continue;
            }
            let mut config = AudioProcessorConfig::off();
            config.high_pass = true;
            stages(&mut config);
            let (heard, time) = bench_measure::cpu_time(|| process(config, &microphone, &far));
            write(&at.join(format!("{way}.raw")), &heard);
            match spent.iter_mut().find(|entry| entry.0 == way) {
                Some(entry) => (entry.1, entry.2) = (entry.1 + time.as_secs_f64(), entry.2 + 1.0),
                None => spent.push((way, time.as_secs_f64(), 1.0)),
            }
        }
    }
    if std::env::var("PEERAGE_VOICE_JUDGE").as_deref() != Ok("0")
        && !python(&["judge".as_ref(), folder.as_ref()])
    {
        println!("skipped: no judge, set PEERAGE_PYTHON to a Python that has speechmos");
    }
    for (way, seconds, clips) in spent {
        let micros = seconds / clips * 1e6 / f64::from(RATE / BLOCK as u32) / 20.0;
        println!("{way}: {micros:.1} µs of CPU for 10 ms");
        bench_measure::figure(&format!("audio/processing 10 ms/{way}"), micros);
    }
    if kept.is_none() {
        let _ = std::fs::remove_dir_all(&folder);
    }
}

fn process(config: AudioProcessorConfig, microphone: &[f32], far: &[f32]) -> Vec<f32> {
    let mut processor = AudioProcessor::new(RATE, 1, config).expect("a processor");
    let mut block = AudioBlock::silence(RATE, 1, BLOCK);
    let mut heard = Vec::with_capacity(microphone.len());
    for (near, far) in microphone.chunks_exact(BLOCK).zip(far.chunks_exact(BLOCK)) {
        block.samples_mut().copy_from_slice(far);
        processor.render(&block).expect("10 ms");
        block.samples_mut().copy_from_slice(near);
        processor.capture(&mut block, DELAY).expect("10 ms");
        heard.extend_from_slice(block.samples());
    }
    heard
}

fn python(arguments: &[&std::ffi::OsStr]) -> bool {
    let python = std::env::var("PEERAGE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("voice.py");
    Command::new(python).arg(script).args(arguments).status().is_ok_and(|status| status.success())
}

fn read(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).expect("a clip's sound");
    let samples = bytes.as_chunks::<4>().0.iter();
    samples.map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn write(path: &Path, sound: &[f32]) {
    let bytes: Vec<u8> = sound.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    std::fs::write(path, bytes).expect("a file of samples");
}
