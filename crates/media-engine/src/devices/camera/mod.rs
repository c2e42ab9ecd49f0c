//! Cameras by Video4Linux.

mod convert;

use std::io;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use linuxvideo::format::{FrameIntervals, FrameSizes, PixFormat, PixelFormat};
use linuxvideo::stream::ReadStream;
use linuxvideo::{BufType, CapabilityFlags};

use super::{Device, DeviceBackend, DeviceError, DeviceKind, MediaDeviceInfo};
use crate::track::{
    MediaStreamTrack, MediaTrackCapabilities, MediaTrackSettings, SourceDescription, VideoSource,
};
use crate::video::{MAX_DIMENSION, Rotation, VideoFrame};
use convert::{Coding, Converter};

/// Sizes that are tried where a camera has any, within its bounds.
const SIZES: [(u32, u32); 5] = [(320, 240), (640, 360), (640, 480), (1280, 720), (1920, 1080)];
/// Pictures a second where a camera does not tell.
const RATE: f64 = 30.0;
/// Damaged pictures in a row after which a camera is given up.
const MAX_DAMAGED: u32 = 100;

/// All cameras of the system.
#[derive(Debug)]
pub(super) struct Cameras;

/// A way in which a camera can be opened.
#[derive(Clone, Debug, PartialEq)]
struct Mode {
    settings: MediaTrackSettings,
    coding: Coding,
}

/// What an error of the system is in W3C's words.
fn refused(device: &str, error: &io::Error) -> DeviceError {
    let device = device.to_owned();
    match error.kind() {
        io::ErrorKind::PermissionDenied => DeviceError::NotAllowed {
            device,
            reason: format!("{error}; the user must be in the group `video`"),
        },
        io::ErrorKind::ResourceBusy => DeviceError::NotReadable {
            device,
            reason: format!("{error} (another program uses it)"),
        },
        _ => DeviceError::unreadable(device, error),
    }
}

impl DeviceBackend for Cameras {
    fn name(&self) -> String {
        "Video4Linux".to_owned()
    }

    fn kinds(&self) -> &[DeviceKind] {
        &[DeviceKind::VideoInput]
    }

    fn devices(&self, kind: DeviceKind) -> Result<Vec<Device>, String> {
        let list = linuxvideo::list().map_err(|error| format!("answered: {error}"))?;
        let mut found = Vec::new();
        let mut refused = None;
        for device in list {
            let device = match device {
                Ok(device) => device,
                Err(error) => {
                    refused = Some(error);
                    continue;
                }
            };
            let (Ok(capabilities), Ok(path)) = (device.capabilities(), device.path()) else {
                continue;
            };
            if !capabilities.device_capabilities().contains(CapabilityFlags::VIDEO_CAPTURE) {
                continue;
            }
            let modes: Vec<_> = modes(&device).into_iter().map(|mode| mode.settings).collect();
            if modes.is_empty() {
                continue;
            }
            let info = MediaDeviceInfo {
                device_id: path.display().to_string(),
                kind,
                label: capabilities.card().to_owned(),
                group_id: capabilities.bus_info().to_owned(),
            };
            found.push(Device { info, modes });
        }
        found.sort_by(|one, other| one.info.device_id.cmp(&other.info.device_id));
        match (found.is_empty(), refused) {
            (true, Some(error)) => Err(format!("answered: {error}")),
            (true, None) => Err("has no camera: there is no /dev/video*".to_owned()),
            (false, _) => Ok(found),
        }
    }

    fn open(
        &self,
        info: &MediaDeviceInfo,
        wanted: &MediaTrackSettings,
    ) -> Result<MediaStreamTrack, DeviceError> {
        let fail = |error: io::Error| refused(&info.label, &error);
        let device = linuxvideo::Device::open(&info.device_id).map_err(fail)?;
        let all = modes(&device);
        let same = |mode: &&Mode| {
            let settings = &mode.settings;
            (settings.width, settings.height, settings.frame_rate)
                == (wanted.width, wanted.height, wanted.frame_rate)
        };
        let mode = all
            .iter()
            .find(same)
            .cloned()
            .ok_or_else(|| DeviceError::unreadable(&info.label, "it has changed meanwhile"))?;
        let (width, height) = (mode.settings.width.unwrap_or(0), mode.settings.height.unwrap_or(0));
        let format = PixelFormat::from_fourcc(mode.coding.fourcc());
        let capture = device.video_capture(PixFormat::new(width, height, format)).map_err(fail)?;
        let got = capture.format();
        let (got_width, got_height) = (got.width(), got.height());
        let stride = got.bytes_per_line() as usize;
        let coding = Coding::of(got.pixel_format().as_fourcc()).ok_or_else(|| {
            DeviceError::unreadable(&info.label, "it gives pictures in another coding than it said")
        })?;
        // A camera may round the rate; one that cannot change it goes on as it is.
        if let Some(rate) = mode.settings.frame_rate {
            let interval = linuxvideo::Fract::new(1000, (rate * 1000.0).round() as u32);
            let _ = capture.set_frame_interval(interval);
        }
        let side = |side: u32| {
            u16::try_from(side).ok().filter(|side| (1..=MAX_DIMENSION).contains(side)).ok_or_else(
                || DeviceError::unreadable(&info.label, format!("it gives pictures of {side}")),
            )
        };
        let size = (side(got_width)?, side(got_height)?);
        let converter = Converter::new(coding, size, stride);
        let mut settings = wanted.clone();
        (settings.width, settings.height) = (Some(got_width), Some(got_height));
        let source = VideoSource::new(info.label.clone());
        let settings_of_all: Vec<_> = all.into_iter().map(|mode| mode.settings).collect();
        source.describe(SourceDescription {
            settings,
            capabilities: MediaTrackCapabilities::of(&settings_of_all),
            ..SourceDescription::default()
        });
        let track = source.track();
        let (told, opened) = sync_channel(1);
        let run = move || match capture.into_stream() {
            Ok(stream) => {
                let _ = told.send(Ok(()));
                read(stream, &source, converter);
            }
            Err(error) => drop(told.send(Err(error))),
        };
        std::thread::Builder::new().name("peerage camera".to_owned()).spawn(run).map_err(fail)?;
        match opened.recv() {
            Ok(result) => result.map(|()| track.into()).map_err(fail),
            Err(_) => Err(DeviceError::unreadable(&info.label, "its thread ended")),
        }
    }
}

/// Passes on pictures until nobody wants them, or the camera is gone: then the tracks end.
fn read(mut stream: ReadStream, source: &VideoSource, mut converter: Converter) {
    let begin = Instant::now();
    let mut damaged = 0;
    while source.is_wanted() {
        let picture = stream.dequeue(|view| {
            let time = begin.elapsed();
            Ok((!view.is_error()).then(|| (time, converter.picture(&view))))
        });
        match picture {
            Ok(Some((time, Ok(picture)))) => {
                damaged = 0;
                source.push(&VideoFrame { picture, time, rotation: Rotation::None });
            }
            // A cable that is loose now and then is no reason to end.
            Ok(_) if damaged < MAX_DAMAGED => damaged += 1,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// The ways in which a camera can be opened, of each size the one with the most pictures a second, raw before compressed.
fn modes(device: &linuxvideo::Device) -> Vec<Mode> {
    let mut modes = Vec::new();
    for format in device.formats(BufType::VIDEO_CAPTURE).map_while(Result::ok) {
        let Some(coding) = Coding::of(format.pixel_format().as_fourcc()) else { continue };
        let Ok(sizes) = device.frame_sizes(format.pixel_format()) else { continue };
        let sizes: Vec<(u32, u32)> = match &sizes {
            FrameSizes::Discrete(sizes) => {
                sizes.iter().map(|size| (size.width(), size.height())).collect()
            }
            FrameSizes::Stepwise(_) | FrameSizes::Continuous(_) => {
                let (widths, heights) = (
                    sizes.min_width()..=sizes.max_width(),
                    sizes.min_height()..=sizes.max_height(),
                );
                let within =
                    |size: &(u32, u32)| widths.contains(&size.0) && heights.contains(&size.1);
                SIZES.into_iter().filter(within).collect()
            }
        };
        for (width, height) in sizes {
            let intervals = device.frame_intervals(format.pixel_format(), width, height);
            let rate = |fract: &linuxvideo::Fract| {
                f64::from(fract.denominator()) / f64::from(fract.numerator().max(1))
            };
            let rates: Vec<f64> = match intervals {
                Ok(FrameIntervals::Discrete(list)) => {
                    list.iter().map(|interval| rate(interval.fract())).collect()
                }
                Ok(FrameIntervals::Stepwise(range) | FrameIntervals::Continuous(range)) => {
                    let (most, least) = (rate(range.min()), rate(range.max()));
                    [most, RATE].into_iter().filter(|rate| (least..=most).contains(rate)).collect()
                }
                Err(_) => vec![RATE],
            };
            for rate in rates {
                let settings = MediaTrackSettings::video(width, height, rate);
                modes.push(Mode { settings, coding });
            }
        }
    }
    best(modes)
}

/// Of modes that differ in their coding alone, the one that costs least.
fn best(mut modes: Vec<Mode>) -> Vec<Mode> {
    modes.sort_by_key(|mode| mode.coding);
    let mut kept: Vec<Mode> = Vec::new();
    for mode in modes {
        if kept.iter().all(|other| other.settings != mode.settings) {
            kept.push(mode);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_codings_the_raw_one_is_taken() {
        let mode =
            |rate, coding| Mode { settings: MediaTrackSettings::video(64, 48, rate), coding };
        let kept = best(vec![
            mode(30.0, Coding::Jpeg),
            mode(30.0, Coding::Yuy2),
            mode(60.0, Coding::Jpeg),
            mode(30.0, Coding::Nv12),
        ]);
        assert_eq!(kept, [mode(30.0, Coding::Nv12), mode(60.0, Coding::Jpeg)]);
    }

    #[test]
    fn what_the_system_refuses_has_w3cs_names() {
        let of = |kind| refused("cam", &io::Error::from(kind)).name();
        assert_eq!(of(io::ErrorKind::PermissionDenied), "NotAllowedError");
        assert_eq!(of(io::ErrorKind::ResourceBusy), "NotReadableError");
        assert_eq!(of(io::ErrorKind::NotFound), "NotReadableError");
    }
}
