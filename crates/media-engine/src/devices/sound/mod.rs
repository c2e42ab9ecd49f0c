//! Microphones and speakers by cpal.

mod blocks;
mod microphone;
mod speaker;

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{ErrorKind, SampleFormat};

use super::{Device, DeviceBackend, DeviceError, DeviceKind, MediaDeviceInfo, Output};
use crate::audio::AudioBlock;
use crate::track::{AudioTrack, MediaStreamTrack, MediaTrackSettings};

/// The rates that a device is tried with: all that sound is encoded at, and what it is stored at.
const RATES: [u32; 7] = [48_000, 44_100, 32_000, 24_000, 16_000, 8_000, 96_000];

/// All devices of sound.
#[derive(Debug)]
pub(super) struct Sound;

/// What an error of the library is in W3C's words.
fn refused(device: &str, error: &cpal::Error) -> DeviceError {
    let (device, reason) = (device.to_owned(), error.to_string());
    match error.kind() {
        ErrorKind::PermissionDenied => DeviceError::NotAllowed { device, reason },
        ErrorKind::DeviceBusy => DeviceError::NotReadable {
            device,
            reason: format!("{reason} (another program uses it)"),
        },
        _ => DeviceError::NotReadable { device, reason },
    }
}

/// Whether an error of a stream ends it: what is late or was moved elsewhere by the system goes on.
fn ends(error: &cpal::Error) -> bool {
    !matches!(error.kind(), ErrorKind::Xrun | ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged)
}

fn is_input(kind: DeviceKind) -> bool {
    kind == DeviceKind::AudioInput
}

/// The ways in which a device can be opened: none where it cannot be.
fn modes(device: &cpal::Device, kind: DeviceKind) -> Vec<MediaTrackSettings> {
    let ranges: Vec<_> = match is_input(kind) {
        true => device.supported_input_configs().map(Iterator::collect).unwrap_or_default(),
        false => device.supported_output_configs().map(Iterator::collect).unwrap_or_default(),
    };
    let mut modes: Vec<MediaTrackSettings> = Vec::new();
    for range in ranges {
        let channels = range.channels();
        if usize::from(channels) > AudioBlock::MAX_CHANNELS || rank(range.sample_format()).is_none()
        {
            continue;
        }
        for rate in RATES {
            let mode = MediaTrackSettings::audio(rate, u32::from(channels));
            let within = (range.min_sample_rate()..=range.max_sample_rate()).contains(&rate);
            if within && !modes.contains(&mode) {
                modes.push(mode);
            }
        }
    }
    modes
}

/// How good a format of samples is: the lower the better.
fn rank(format: SampleFormat) -> Option<usize> {
    let order = [SampleFormat::F32, SampleFormat::I32, SampleFormat::I16, SampleFormat::U8];
    order.iter().position(|known| *known == format)
}

/// The best format that a device has a mode in.
fn format(
    device: &cpal::Device,
    kind: DeviceKind,
    rate: u32,
    channels: u16,
) -> Option<SampleFormat> {
    let ranges: Vec<_> = match is_input(kind) {
        true => device.supported_input_configs().map(Iterator::collect).unwrap_or_default(),
        false => device.supported_output_configs().map(Iterator::collect).unwrap_or_default(),
    };
    let fits = ranges.into_iter().filter(|range| {
        range.channels() == channels
            && (range.min_sample_rate()..=range.max_sample_rate()).contains(&rate)
    });
    let ranked = fits.filter_map(|range| {
        let format = range.sample_format();
        Some((rank(format)?, format))
    });
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, format)| format)
}

fn id(device: &cpal::Device) -> Option<String> {
    device.id().ok().map(|id| id.to_string())
}

impl Sound {
    fn device(info: &MediaDeviceInfo) -> Result<cpal::Device, DeviceError> {
        let host = cpal::default_host();
        let mut devices = host.devices().map_err(|error| refused(&info.label, &error))?;
        devices
            .find(|device| id(device).as_deref() == Some(&*info.device_id))
            .ok_or_else(|| DeviceError::unreadable(&info.label, "it is not there any more"))
    }
}

impl DeviceBackend for Sound {
    fn name(&self) -> String {
        format!("{} (by cpal)", cpal::default_host().id().name())
    }

    fn kinds(&self) -> &[DeviceKind] {
        &[DeviceKind::AudioInput, DeviceKind::AudioOutput]
    }

    fn devices(&self, kind: DeviceKind) -> Result<Vec<Device>, String> {
        let host = cpal::default_host();
        let devices = host.devices().map_err(|error| format!("answered: {error}"))?;
        let preferred = match is_input(kind) {
            true => host.default_input_device(),
            false => host.default_output_device(),
        };
        let preferred = preferred.as_ref().and_then(id);
        let mut found = Vec::new();
        let mut closed = 0;
        for device in devices {
            let (Some(device_id), Ok(description)) = (id(&device), device.description()) else {
                continue;
            };
            let does = match is_input(kind) {
                true => device.supports_input(),
                false => device.supports_output(),
            };
            // ALSA's own sink and source of nothing are no devices.
            if !does || description.driver() == Some("null") {
                continue;
            }
            let modes = modes(&device, kind);
            if modes.is_empty() {
                closed += 1;
                continue;
            }
            let label = description.name().to_owned();
            let group_id = description.driver().unwrap_or_default().to_owned();
            let is_preferred = preferred.as_deref() == Some(&*device_id);
            let info = MediaDeviceInfo { device_id, kind, label, group_id };
            found.push((!is_preferred, Device { info, modes }));
        }
        if found.is_empty() && closed > 0 {
            return Err(format!("lists {closed} of which none can be opened"));
        }
        found.sort_by_key(|(later, _)| *later);
        Ok(found.into_iter().map(|(_, device)| device).collect())
    }

    fn open(
        &self,
        info: &MediaDeviceInfo,
        mode: &MediaTrackSettings,
    ) -> Result<MediaStreamTrack, DeviceError> {
        let device = Self::device(info)?;
        let all = modes(&device, DeviceKind::AudioInput);
        microphone::open(device, info, mode, &all).map(Into::into)
    }

    fn play(
        &self,
        info: &MediaDeviceInfo,
        track: &AudioTrack,
    ) -> Result<Box<dyn Output>, DeviceError> {
        let device = Self::device(info)?;
        let modes = modes(&device, DeviceKind::AudioOutput);
        let speaker = speaker::play(device, info, &modes, track)?;
        Ok(Box::new(speaker))
    }
}
