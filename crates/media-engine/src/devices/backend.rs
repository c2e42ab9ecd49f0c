//! What devices are found by and opened with: one of these for each system. An application may bring its own.

use std::fmt;

use super::DeviceError;
use crate::track::{AudioTrack, MediaStreamTrack, MediaTrackSettings, VideoTrack};

/// What a device does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// Microphones and whatever else gives sound (`audioinput`).
    AudioInput,
    /// Speakers (`audiooutput`).
    AudioOutput,
    /// Cameras (`videoinput`).
    VideoInput,
    /// Screens and windows that can be captured; [`enumerate_devices`](super::MediaDevices::enumerate_devices) does not list
    /// them, [`enumerate_displays`](super::MediaDevices::enumerate_displays) does.
    Display,
    /// Where a window can be opened that shows pictures.
    VideoOutput,
}

impl DeviceKind {
    /// For people.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::AudioInput => "microphone",
            Self::AudioOutput => "speaker",
            Self::VideoInput => "camera",
            Self::Display => "screen",
            Self::VideoOutput => "place for a window",
        }
    }

    /// What does without the device.
    pub(super) fn substitute(self) -> &'static str {
        match self {
            Self::AudioInput => {
                "a source that needs none: `peerage::engine::sources::tone`, or a file by `player::MediaPlayer`"
            }
            Self::VideoInput | Self::Display => {
                "a source that needs none: `peerage::engine::sources::numbered_pictures`, or a file by `player::MediaPlayer`"
            }
            Self::AudioOutput | Self::VideoOutput => {
                "a sink that needs none: a file, by `recorder::Recorder`"
            }
        }
    }
}

/// A device (`MediaDeviceInfo`, Media Capture and Streams §9.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDeviceInfo {
    /// What it is named by in constraints; the same the next time.
    pub device_id: String,
    /// What it does.
    pub kind: DeviceKind,
    /// What it is called, for people.
    pub label: String,
    /// Devices of one case have the same.
    pub group_id: String,
}

/// A device and the ways in which it can be opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Which.
    pub info: MediaDeviceInfo,
    /// What it can give; its identifier is filled in by who asks. Speakers have none.
    pub modes: Vec<MediaTrackSettings>,
}

/// Something that plays a track. Dropping it ends that.
pub trait Output: fmt::Debug + Send {
    /// Whether it goes on: not once the track has ended, the device is gone, or the window was closed.
    fn is_running(&self) -> bool;
}

/// A kind of devices on a kind of system.
pub trait DeviceBackend: fmt::Debug + Send + Sync {
    /// What it is called in errors.
    fn name(&self) -> String;

    /// What it is asked for.
    fn kinds(&self) -> &[DeviceKind];

    /// The devices that can be opened; the one that is taken where nothing else is said comes first.
    ///
    /// # Errors
    ///
    /// What the system answered where it has none, as the end of a sentence that begins with [`name`](Self::name).
    fn devices(&self, kind: DeviceKind) -> Result<Vec<Device>, String>;

    /// Opens a device in one of its modes; the track ends when the device is gone.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    fn open(
        &self,
        device: &MediaDeviceInfo,
        mode: &MediaTrackSettings,
    ) -> Result<MediaStreamTrack, DeviceError>;

    /// Plays sound.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or plays no sound.
    fn play(
        &self,
        device: &MediaDeviceInfo,
        _track: &AudioTrack,
    ) -> Result<Box<dyn Output>, DeviceError> {
        Err(DeviceError::unreadable(&device.label, "it plays no sound"))
    }

    /// Shows pictures in a window of this title.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or shows no pictures.
    fn show(
        &self,
        device: &MediaDeviceInfo,
        _track: &VideoTrack,
        _title: &str,
    ) -> Result<Box<dyn Output>, DeviceError> {
        Err(DeviceError::unreadable(&device.label, "it shows no pictures"))
    }
}

/// In the place of a backend that is not built in.
#[derive(Debug)]
#[allow(dead_code, reason = "each backend is a feature")]
pub(super) struct Absent {
    pub(super) name: &'static str,
    pub(super) feature: &'static str,
    pub(super) kinds: &'static [DeviceKind],
}

impl DeviceBackend for Absent {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn kinds(&self) -> &[DeviceKind] {
        self.kinds
    }

    fn devices(&self, _: DeviceKind) -> Result<Vec<Device>, String> {
        Err(format!("is not built in (the feature `{}` of peerage-media)", self.feature))
    }

    fn open(
        &self,
        device: &MediaDeviceInfo,
        _: &MediaTrackSettings,
    ) -> Result<MediaStreamTrack, DeviceError> {
        Err(DeviceError::unreadable(&device.label, "it is not built in"))
    }
}
