//! Microphones, cameras, screens, speakers and windows: `MediaDevices` of W3C (Media Capture and Streams §9 and §10, Screen
//! Capture §5).
//!
//! ```text
//! cpal callback ─▶ bounded queue ─▶ thread: blocks of 10 ms ─▶ AudioSource ─▶ tracks
//! V4L2, X11     ──────────────────▶ thread: convert          ─▶ VideoSource ─▶ tracks
//! AudioTrack ─▶ thread ─▶ ClockBridge ─▶ cpal callback        (the speaker's clock is not that of the sound)
//! ```
//!
//! Which devices there are depends on features: `sound`, `camera`, `screen`, `window`. What is not built in says so when it is
//! asked for, and nothing here needs a device to be there.
//!
//! ```no_run
//! use peerage_media::devices::{MediaDevices, MediaStreamConstraints};
//!
//! let devices = MediaDevices::new();
//! for device in devices.enumerate_devices() {
//!     println!("{:?}: {}", device.kind, device.label);
//! }
//! match devices.get_user_media(&MediaStreamConstraints::audio_and_video()) {
//!     Ok(stream) => println!("{} tracks", stream.tracks().len()),
//!     Err(error) => println!("{error}"), // names what is missing, and what does without it
//! }
//! ```

mod backend;
#[cfg(all(feature = "camera", target_os = "linux"))]
mod camera;
mod error;
#[cfg(feature = "processing")]
mod processing;
#[cfg(feature = "sound")]
mod sound;
#[cfg(all(any(feature = "screen", feature = "window"), target_os = "linux"))]
mod x11;

#[cfg(test)]
mod tests;

pub use backend::{Device, DeviceBackend, DeviceKind, MediaDeviceInfo, Output};
pub use error::DeviceError;

use crate::track::constraints::select;
use crate::track::{
    AudioTrack, MediaStream, MediaStreamTrack, MediaTrackConstraintSet, MediaTrackConstraints,
    MediaTrackSettings, TrackKind, VideoTrack,
};

/// What is wanted of [`MediaDevices::get_user_media`] (Media Capture and Streams §10.2.1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaStreamConstraints {
    /// Sound, like this.
    pub audio: Option<MediaTrackConstraints>,
    /// Pictures, like this.
    pub video: Option<MediaTrackConstraints>,
}

impl MediaStreamConstraints {
    /// Both, of whatever device comes first.
    pub fn audio_and_video() -> Self {
        Self { audio: Some(Default::default()), video: Some(Default::default()) }
    }
}

/// What is wanted of [`MediaDevices::get_display_media`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DisplayMediaOptions {
    /// How its pictures are to be.
    pub video: MediaTrackConstraints,
    /// The identifier of a screen or window, or a part of a window's title; where nothing is said, the whole screen. In a browser
    /// a person picks it.
    pub surface: Option<String>,
}

/// All devices of this machine.
#[derive(Debug)]
pub struct MediaDevices {
    backends: Vec<Box<dyn DeviceBackend>>,
    /// What is played, which microphones hear.
    #[cfg(feature = "processing")]
    loudspeakers: processing::Loudspeakers,
}

impl Default for MediaDevices {
    fn default() -> Self {
        Self::new()
    }
}

impl MediaDevices {
    /// Those that this system and the features of this build know of.
    pub fn new() -> Self {
        Self::with_backends(vec![
            sound_backend(),
            camera_backend(),
            screen_backend(),
            window_backend(),
        ])
    }

    /// Those of these backends alone.
    pub fn with_backends(backends: Vec<Box<dyn DeviceBackend>>) -> Self {
        Self {
            backends,
            #[cfg(feature = "processing")]
            loudspeakers: processing::Loudspeakers::default(),
        }
    }

    /// All cameras, microphones and speakers (`enumerateDevices`).
    pub fn enumerate_devices(&self) -> Vec<MediaDeviceInfo> {
        let kinds = [DeviceKind::AudioInput, DeviceKind::VideoInput, DeviceKind::AudioOutput];
        kinds.into_iter().flat_map(|kind| self.list(kind)).collect()
    }

    /// Screens and windows that can be captured.
    pub fn enumerate_displays(&self) -> Vec<MediaDeviceInfo> {
        self.list(DeviceKind::Display)
    }

    fn list(&self, kind: DeviceKind) -> Vec<MediaDeviceInfo> {
        let found = self.find(kind).map(|(found, _)| found).unwrap_or_default();
        found.into_iter().map(|(_, device)| device.info).collect()
    }

    /// All devices of a kind with their backends, and what those answered that have none.
    #[allow(clippy::type_complexity, reason = "used in this file alone")]
    fn find(
        &self,
        kind: DeviceKind,
    ) -> Result<(Vec<(&dyn DeviceBackend, Device)>, Vec<(String, String)>), DeviceError> {
        let (mut found, mut asked) = (Vec::new(), Vec::new());
        for backend in &self.backends {
            if !backend.kinds().contains(&kind) {
                continue;
            }
            match backend.devices(kind) {
                Ok(devices) if devices.is_empty() => {
                    asked.push((backend.name(), format!("has no {}", kind.noun())));
                }
                Ok(devices) => {
                    found.extend(devices.into_iter().map(|device| (&**backend, device)));
                }
                Err(answer) => asked.push((backend.name(), answer)),
            }
        }
        if found.is_empty() {
            Err(DeviceError::NotFound { kind, asked })
        } else {
            Ok((found, asked))
        }
    }

    /// A stream of a microphone, a camera or both (`getUserMedia`): the devices and modes that fit the constraints best. Opening
    /// a device may take a second; it does so in this thread.
    ///
    /// With the feature `processing` a microphone's echo, of what [`play`](Self::play) plays, and noise are taken out and its voice is
    /// brought to a level, unless constraints on `echoCancellation`, `noiseSuppression` and `autoGainControl` say otherwise;
    /// [`apply_constraints`](crate::track::Track::apply_constraints) switches each at any time.
    ///
    /// # Errors
    ///
    /// There is no device of the kind, none keeps to the constraints, or the one that does cannot be opened. What was opened
    /// already is closed.
    pub fn get_user_media(
        &self,
        constraints: &MediaStreamConstraints,
    ) -> Result<MediaStream, DeviceError> {
        let mut tracks = Vec::new();
        if let Some(audio) = &constraints.audio {
            tracks.push(self.open(DeviceKind::AudioInput, audio, |_| true)?);
        }
        if let Some(video) = &constraints.video {
            tracks.push(self.open(DeviceKind::VideoInput, video, |_| true)?);
        }
        if tracks.is_empty() {
            return Err(DeviceError::Type);
        }
        Ok(MediaStream::new(tracks))
    }

    /// A stream of a screen or a window (`getDisplayMedia`).
    ///
    /// # Errors
    ///
    /// As [`get_user_media`](Self::get_user_media).
    pub fn get_display_media(
        &self,
        options: &DisplayMediaOptions,
    ) -> Result<MediaStream, DeviceError> {
        let wanted = options.surface.as_deref();
        let fits = |info: &MediaDeviceInfo| {
            wanted.is_none_or(|wanted| info.device_id == wanted || info.label.contains(wanted))
        };
        let track = self.open(DeviceKind::Display, &options.video, fits)?;
        Ok(MediaStream::new([track]))
    }

    fn open(
        &self,
        kind: DeviceKind,
        constraints: &MediaTrackConstraints,
        fits: impl Fn(&MediaDeviceInfo) -> bool,
    ) -> Result<MediaStreamTrack, DeviceError> {
        let (mut found, mut asked) = self.find(kind)?;
        let all = found.len();
        found.retain(|(_, device)| fits(&device.info));
        if found.is_empty() {
            asked.push((format!("of {all}"), "none has this name".to_owned()));
            return Err(DeviceError::NotFound { kind, asked });
        }
        let track_kind = match kind {
            DeviceKind::AudioInput | DeviceKind::AudioOutput => TrackKind::Audio,
            _ => TrackKind::Video,
        };
        let (mut modes, mut owners) = (Vec::new(), Vec::new());
        for (number, (_, device)) in found.iter().enumerate() {
            for (place, mode) in device.modes.iter().enumerate() {
                let info = &device.info;
                let mode = mode.clone().with_device(&info.device_id, &info.group_id);
                for way in ways(kind, mode) {
                    modes.push(way);
                    owners.push((number, place));
                }
            }
        }
        let (chosen, _) = select(track_kind, &modes, constraints, &usual(kind))?;
        let (number, place) = owners[chosen];
        let (backend, device) = &found[number];
        let info = &device.info;
        let mode = device.modes[place].clone().with_device(&info.device_id, &info.group_id);
        let track = backend.open(info, &mode)?;
        #[cfg(feature = "processing")]
        let track = match track {
            // Where it could have been had in several ways, its stages are ours.
            MediaStreamTrack::Audio(raw) if ways(kind, mode).len() > 1 => {
                processing::process(raw, &modes[chosen], &self.loudspeakers)?.into()
            }
            track => track,
        };
        track.apply_constraints(constraints.clone())?;
        Ok(track)
    }

    /// Plays a track on a speaker: the one of this identifier, or the one that the system prefers.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be opened.
    pub fn play(
        &self,
        track: &AudioTrack,
        device_id: Option<&str>,
    ) -> Result<Box<dyn Output>, DeviceError> {
        let (found, asked) = self.find(DeviceKind::AudioOutput)?;
        let fits = |info: &MediaDeviceInfo| device_id.is_none_or(|id| info.device_id == id);
        let found = found.into_iter().find(|(_, device)| fits(&device.info));
        let Some((backend, device)) = found else {
            return Err(DeviceError::NotFound { kind: DeviceKind::AudioOutput, asked });
        };
        #[cfg(feature = "processing")]
        {
            let (played, heard) = processing::heard(track, &self.loudspeakers)?;
            backend.play(&device.info, &played).map(|output| heard.with(output))
        }
        #[cfg(not(feature = "processing"))]
        backend.play(&device.info, track)
    }

    /// Shows a track in a window.
    ///
    /// # Errors
    ///
    /// There is no place for one.
    pub fn show(&self, track: &VideoTrack, title: &str) -> Result<Box<dyn Output>, DeviceError> {
        let (found, _) = self.find(DeviceKind::VideoOutput)?;
        let (backend, device) = &found[0];
        backend.show(&device.info, track, title)
    }
}

/// What is best where constraints do not say (Media Capture and Streams §11): for cameras what calls have always had, for screens
/// whatever they are.
fn usual(kind: DeviceKind) -> MediaTrackConstraintSet {
    match kind {
        DeviceKind::AudioInput => MediaTrackConstraintSet {
            sample_rate: Some(48_000.into()),
            channel_count: Some(1.into()),
            // As browsers have it.
            echo_cancellation: Some(true.into()),
            noise_suppression: Some(true.into()),
            auto_gain_control: Some(true.into()),
            ..MediaTrackConstraintSet::default()
        },
        DeviceKind::VideoInput => MediaTrackConstraintSet {
            width: Some(640.into()),
            height: Some(480.into()),
            frame_rate: Some(30.0.into()),
            ..MediaTrackConstraintSet::default()
        },
        _ => MediaTrackConstraintSet::default(),
    }
}

/// The ways in which a device's mode can be had.
fn ways(kind: DeviceKind, mode: MediaTrackSettings) -> Vec<MediaTrackSettings> {
    #[cfg(feature = "processing")]
    if kind == DeviceKind::AudioInput {
        return processing::ways(&mode);
    }
    let _ = kind;
    vec![mode]
}

fn sound_backend() -> Box<dyn DeviceBackend> {
    #[cfg(feature = "sound")]
    let backend = sound::Sound;
    #[cfg(not(feature = "sound"))]
    let backend = backend::Absent {
        name: "sound",
        feature: "sound",
        kinds: &[DeviceKind::AudioInput, DeviceKind::AudioOutput],
    };
    Box::new(backend)
}

fn camera_backend() -> Box<dyn DeviceBackend> {
    #[cfg(all(feature = "camera", target_os = "linux"))]
    let backend = camera::Cameras;
    #[cfg(not(all(feature = "camera", target_os = "linux")))]
    let backend = backend::Absent {
        name: "Video4Linux",
        feature: "camera",
        kinds: &[DeviceKind::VideoInput],
    };
    Box::new(backend)
}

fn screen_backend() -> Box<dyn DeviceBackend> {
    #[cfg(all(feature = "screen", target_os = "linux"))]
    let backend = x11::Screens::default();
    #[cfg(not(all(feature = "screen", target_os = "linux")))]
    let backend = backend::Absent { name: "X11", feature: "screen", kinds: &[DeviceKind::Display] };
    Box::new(backend)
}

fn window_backend() -> Box<dyn DeviceBackend> {
    #[cfg(all(feature = "window", target_os = "linux"))]
    let backend = x11::Windows::default();
    #[cfg(not(all(feature = "window", target_os = "linux")))]
    let backend =
        backend::Absent { name: "X11", feature: "window", kinds: &[DeviceKind::VideoOutput] };
    Box::new(backend)
}
