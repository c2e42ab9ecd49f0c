//! The dictionaries (W3C Media Capture and Streams §4.3.4 to §4.3.7, Screen Capture §5.3): what is wanted, what is possible, what is.

use super::constrain::{ConstrainBoolean, ConstrainDouble, ConstrainString, ConstrainULong};
use crate::track::TrackKind;

/// `MediaTrackConstraintSet`: what is wanted of each property. `None`, whatever.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the properties of MediaTrackSettings, under the same names")]
pub struct MediaTrackConstraintSet {
    pub width: Option<ConstrainULong>,
    pub height: Option<ConstrainULong>,
    pub aspect_ratio: Option<ConstrainDouble>,
    pub frame_rate: Option<ConstrainDouble>,
    pub facing_mode: Option<ConstrainString>,
    pub resize_mode: Option<ConstrainString>,
    pub display_surface: Option<ConstrainString>,
    pub sample_rate: Option<ConstrainULong>,
    pub sample_size: Option<ConstrainULong>,
    pub channel_count: Option<ConstrainULong>,
    pub latency: Option<ConstrainDouble>,
    pub echo_cancellation: Option<ConstrainBoolean>,
    pub auto_gain_control: Option<ConstrainBoolean>,
    pub noise_suppression: Option<ConstrainBoolean>,
    pub device_id: Option<ConstrainString>,
    pub group_id: Option<ConstrainString>,
}

/// `MediaTrackConstraints`: what must hold or is best, and after that, one after the other, what is to hold where it can.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaTrackConstraints {
    /// The basic set.
    pub basic: MediaTrackConstraintSet,
    /// `advanced`: each is kept to if any candidate that is left can.
    pub advanced: Vec<MediaTrackConstraintSet>,
}

impl From<MediaTrackConstraintSet> for MediaTrackConstraints {
    fn from(basic: MediaTrackConstraintSet) -> Self {
        Self { basic, advanced: Vec::new() }
    }
}

/// `MediaTrackSettings`: how a track is. `None` where its source has no such property, or nothing is known of it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct MediaTrackSettings {
    /// Width of pictures.
    pub width: Option<u32>,
    /// Height of pictures.
    pub height: Option<u32>,
    /// Pictures a second.
    pub frame_rate: Option<f64>,
    /// Where a camera looks: `user`, `environment`, `left`, `right`.
    pub facing_mode: Option<String>,
    /// `none`, or `crop-and-scale` where pictures are made smaller than the source has them.
    pub resize_mode: Option<String>,
    /// What a capture of the screen is of: `monitor`, `window`.
    pub display_surface: Option<String>,
    /// Samples a second.
    pub sample_rate: Option<u32>,
    /// Bits of a sample.
    pub sample_size: Option<u32>,
    /// Channels.
    pub channel_count: Option<u32>,
    /// Seconds between the sound and its samples being there.
    pub latency: Option<f64>,
    /// Whether echo is taken out.
    pub echo_cancellation: Option<bool>,
    /// Whether the gain is controlled.
    pub auto_gain_control: Option<bool>,
    /// Whether noise is taken out.
    pub noise_suppression: Option<bool>,
    /// Which device; empty for a source that is none.
    pub device_id: Option<String>,
    /// Devices of one case have the same.
    pub group_id: Option<String>,
}

impl MediaTrackSettings {
    /// Of pictures.
    pub fn video(width: u32, height: u32, frame_rate: f64) -> Self {
        let (width, height, frame_rate) = (Some(width), Some(height), Some(frame_rate));
        Self { width, height, frame_rate, resize_mode: Some("none".to_owned()), ..Self::default() }
    }

    /// Of sound of nobody's processing, in 32-bit samples as all blocks have them.
    pub fn audio(sample_rate: u32, channel_count: u32) -> Self {
        Self {
            sample_rate: Some(sample_rate),
            channel_count: Some(channel_count),
            sample_size: Some(32),
            echo_cancellation: Some(false),
            auto_gain_control: Some(false),
            noise_suppression: Some(false),
            ..Self::default()
        }
    }

    /// Whether echo cancellation, noise suppression and gain control are on.
    #[cfg(feature = "processing")]
    pub(crate) fn stages(&self) -> [Option<bool>; 3] {
        [self.echo_cancellation, self.noise_suppression, self.auto_gain_control]
    }

    /// The ways in which a source can be had whose stages can be switched: all of them first.
    pub(crate) fn switched(&self) -> Vec<Self> {
        let with = |bits: u8| Self {
            echo_cancellation: Some(bits & 1 != 0),
            noise_suppression: Some(bits & 2 != 0),
            auto_gain_control: Some(bits & 4 != 0),
            ..self.clone()
        };
        (0..8).rev().map(with).collect()
    }

    /// With the device that it is of.
    #[must_use]
    pub fn with_device(self, device_id: &str, group_id: &str) -> Self {
        let (device_id, group_id) = (Some(device_id.to_owned()), Some(group_id.to_owned()));
        Self { device_id, group_id, ..self }
    }

    /// With the place that a camera looks at.
    #[must_use]
    pub fn with_facing_mode(self, facing_mode: &str) -> Self {
        Self { facing_mode: Some(facing_mode.to_owned()), ..self }
    }

    /// With what a capture of the screen is of.
    #[must_use]
    pub fn with_display_surface(self, surface: &str) -> Self {
        Self { display_surface: Some(surface.to_owned()), ..self }
    }

    /// Width by height.
    pub fn aspect_ratio(&self) -> Option<f64> {
        let (width, height) = self.width.zip(self.height)?;
        (height > 0).then(|| f64::from(width) / f64::from(height))
    }
}

/// The least and the most of a property (`ULongRange`, `DoubleRange`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range<T> {
    /// The least.
    pub min: T,
    /// The most.
    pub max: T,
}

impl<T: Copy + PartialOrd> Range<T> {
    fn over(values: impl Iterator<Item = T>) -> Option<Self> {
        values.fold(None, |range: Option<Self>, value| {
            let range = range.unwrap_or(Self { min: value, max: value });
            let min = if value < range.min { value } else { range.min };
            let max = if value > range.max { value } else { range.max };
            Some(Self { min, max })
        })
    }
}

/// `MediaTrackCapabilities`: what each property can be, by itself.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the properties of MediaTrackSettings, under the same names")]
pub struct MediaTrackCapabilities {
    pub width: Option<Range<u32>>,
    pub height: Option<Range<u32>>,
    pub aspect_ratio: Option<Range<f64>>,
    pub frame_rate: Option<Range<f64>>,
    pub facing_mode: Vec<String>,
    pub resize_mode: Vec<String>,
    pub display_surface: Option<String>,
    pub sample_rate: Option<Range<u32>>,
    pub sample_size: Option<Range<u32>>,
    pub channel_count: Option<Range<u32>>,
    pub latency: Option<Range<f64>>,
    pub echo_cancellation: Vec<bool>,
    pub auto_gain_control: Vec<bool>,
    pub noise_suppression: Vec<bool>,
    pub device_id: Option<String>,
    pub group_id: Option<String>,
}

fn each<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.fold(Vec::new(), |mut all, value| {
        if !all.contains(&value) {
            all.push(value);
        }
        all
    })
}

impl MediaTrackCapabilities {
    /// Of a source that can be in any of these modes, and whose pictures can be made smaller and fewer.
    pub fn of(modes: &[MediaTrackSettings]) -> Self {
        let all = || modes.iter();
        // Whatever there is can be scaled to a pixel; pictures can be left out.
        let down = |range: Range<u32>| Range { min: 1, ..range };
        let width = Range::over(all().filter_map(|mode| mode.width)).map(down);
        let height = Range::over(all().filter_map(|mode| mode.height)).map(down);
        let ratio = |width: Range<u32>, height: Range<u32>| Range {
            min: 1.0 / f64::from(height.max),
            max: f64::from(width.max),
        };
        let rate = Range::over(all().filter_map(|mode| mode.frame_rate));
        let scales = width.is_some();
        let modes_of_size = ["none", "crop-and-scale"].map(str::to_owned);
        let text = |of: fn(&MediaTrackSettings) -> &Option<String>| {
            all().find_map(move |mode| of(mode).clone())
        };
        Self {
            width,
            height,
            aspect_ratio: width.zip(height).map(|(width, height)| ratio(width, height)),
            frame_rate: rate.map(|rate| Range { min: 0.0, ..rate }),
            facing_mode: each(all().filter_map(|mode| mode.facing_mode.clone())),
            resize_mode: if scales { modes_of_size.to_vec() } else { Vec::new() },
            display_surface: text(|mode| &mode.display_surface),
            sample_rate: Range::over(all().filter_map(|mode| mode.sample_rate)),
            sample_size: Range::over(all().filter_map(|mode| mode.sample_size)),
            channel_count: Range::over(all().filter_map(|mode| mode.channel_count)),
            latency: Range::over(all().filter_map(|mode| mode.latency)),
            echo_cancellation: each(all().filter_map(|mode| mode.echo_cancellation)),
            auto_gain_control: each(all().filter_map(|mode| mode.auto_gain_control)),
            noise_suppression: each(all().filter_map(|mode| mode.noise_suppression)),
            device_id: text(|mode| &mode.device_id),
            group_id: text(|mode| &mode.group_id),
        }
    }
}

impl MediaTrackConstraintSet {
    /// The fitness distance to settings for each property that it constrains and a track of this kind has, under W3C's name.
    pub(super) fn distances(
        &self,
        settings: &MediaTrackSettings,
        kind: TrackKind,
        advanced: bool,
    ) -> impl Iterator<Item = (&'static str, f64)> {
        let long = |of: &Option<ConstrainULong>, actual: Option<u32>| {
            of.as_ref().map(|of| of.distance(actual.map(f64::from), advanced))
        };
        let double = |of: &Option<ConstrainDouble>, actual: Option<f64>| {
            of.as_ref().map(|of| of.distance(actual, advanced))
        };
        let text = |of: &Option<ConstrainString>, actual: &Option<String>| {
            of.as_ref().map(|of| of.distance(actual.as_ref(), advanced))
        };
        let boolean = |of: &Option<ConstrainBoolean>, actual: &Option<bool>| {
            of.as_ref().map(|of| of.distance(actual.as_ref(), advanced))
        };
        let (audio, video) = (Some(TrackKind::Audio), Some(TrackKind::Video));
        let all = [
            ("deviceId", None, text(&self.device_id, &settings.device_id)),
            ("groupId", None, text(&self.group_id, &settings.group_id)),
            ("width", video, long(&self.width, settings.width)),
            ("height", video, long(&self.height, settings.height)),
            ("aspectRatio", video, double(&self.aspect_ratio, settings.aspect_ratio())),
            ("frameRate", video, double(&self.frame_rate, settings.frame_rate)),
            ("facingMode", video, text(&self.facing_mode, &settings.facing_mode)),
            ("resizeMode", video, text(&self.resize_mode, &settings.resize_mode)),
            ("displaySurface", video, text(&self.display_surface, &settings.display_surface)),
            ("sampleRate", audio, long(&self.sample_rate, settings.sample_rate)),
            ("sampleSize", audio, long(&self.sample_size, settings.sample_size)),
            ("channelCount", audio, long(&self.channel_count, settings.channel_count)),
            ("latency", audio, double(&self.latency, settings.latency)),
            (
                "echoCancellation",
                audio,
                boolean(&self.echo_cancellation, &settings.echo_cancellation),
            ),
            (
                "autoGainControl",
                audio,
                boolean(&self.auto_gain_control, &settings.auto_gain_control),
            ),
            (
                "noiseSuppression",
                audio,
                boolean(&self.noise_suppression, &settings.noise_suppression),
            ),
        ];
        let applies = move |of: Option<TrackKind>| of.is_none_or(|of| of == kind);
        all.into_iter()
            .filter(move |(_, of, _)| applies(*of))
            .filter_map(|(name, _, distance)| Some((name, distance?)))
    }
}
