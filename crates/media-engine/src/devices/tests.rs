//! Devices that are made up, and for real where a stand-in is there: a sound server with a sink of nothing, an X server that
//! draws into memory.

use std::sync::Mutex;
#[cfg(all(feature = "screen", feature = "window", target_os = "linux"))]
use std::time::Duration;

use super::*;
use crate::track::constraints::{ConstrainString, ConstrainULong};
use crate::track::{AudioSource, MediaTrackSettings, SourceDescription, VideoSource};

/// Two cameras and a microphone, which remember what they were opened with.
#[derive(Debug, Default)]
struct Fake {
    audio: Mutex<Vec<AudioSource>>,
    video: Mutex<Vec<VideoSource>>,
    busy: bool,
}

fn info(kind: DeviceKind, name: &str) -> MediaDeviceInfo {
    let group_id = "case".to_owned();
    MediaDeviceInfo { device_id: name.to_owned(), kind, label: format!("the {name}"), group_id }
}

impl DeviceBackend for Fake {
    fn name(&self) -> String {
        "the test".to_owned()
    }

    fn kinds(&self) -> &[DeviceKind] {
        &[DeviceKind::AudioInput, DeviceKind::VideoInput]
    }

    fn devices(&self, kind: DeviceKind) -> Result<Vec<Device>, String> {
        let device = |name: &str, modes: Vec<_>| Device { info: info(kind, name), modes };
        Ok(match kind {
            DeviceKind::AudioInput => vec![device(
                "microphone",
                vec![MediaTrackSettings::audio(44_100, 2), MediaTrackSettings::audio(48_000, 1)],
            )],
            _ => vec![
                device("front", vec![MediaTrackSettings::video(640, 480, 30.0)]),
                device(
                    "back",
                    vec![
                        MediaTrackSettings::video(1280, 720, 30.0),
                        MediaTrackSettings::video(1280, 720, 60.0),
                    ],
                ),
            ],
        })
    }

    fn open(
        &self,
        device: &MediaDeviceInfo,
        mode: &MediaTrackSettings,
    ) -> Result<MediaStreamTrack, DeviceError> {
        if self.busy {
            return Err(DeviceError::unreadable(&device.label, "it is in use"));
        }
        let description = SourceDescription::fixed(mode.clone());
        if device.kind == DeviceKind::AudioInput {
            let source = AudioSource::new(device.label.clone());
            source.describe(description);
            let track = source.track();
            self.audio.lock().unwrap().push(source);
            return Ok(track.into());
        }
        let source = VideoSource::new(device.label.clone());
        source.describe(description);
        let track = source.track();
        self.video.lock().unwrap().push(source);
        Ok(track.into())
    }
}

fn video(set: MediaTrackConstraintSet) -> MediaStreamConstraints {
    MediaStreamConstraints { audio: None, video: Some(set.into()) }
}

fn set() -> MediaTrackConstraintSet {
    MediaTrackConstraintSet::default()
}

#[test]
fn the_device_that_fits_best_is_opened() {
    let devices = MediaDevices::with_backends(vec![Box::new(Fake::default())]);
    let names: Vec<_> = devices.enumerate_devices().into_iter().map(|info| info.label).collect();
    assert_eq!(names, ["the microphone", "the front", "the back"]);
    let stream = devices.get_user_media(&MediaStreamConstraints::audio_and_video()).unwrap();
    let [audio, camera] = &stream.tracks()[..] else { panic!("{stream:?}") };
    assert_eq!((audio.label(), camera.label()), ("the microphone", "the front"));
    assert_eq!(audio.get_settings().sample_rate, Some(48_000));
    assert_eq!(camera.get_settings().device_id.as_deref(), Some("front"));
    // Something larger is had from the other, something between is made of it.
    let width = Some(ConstrainULong::at_least(1000));
    let stream =
        devices.get_user_media(&video(MediaTrackConstraintSet { width, ..set() })).unwrap();
    assert_eq!(stream.tracks()[0].label(), "the back");
    let (width, height) = (Some(ConstrainULong::exact(960)), Some(ConstrainULong::exact(540)));
    let wanted = video(MediaTrackConstraintSet { width, height, ..set() });
    let stream = devices.get_user_media(&wanted).unwrap();
    let settings = stream.tracks()[0].get_settings();
    assert_eq!((settings.width, settings.height), (Some(960), Some(540)));
    assert_eq!(settings.resize_mode.as_deref(), Some("crop-and-scale"));
    assert_eq!(stream.tracks()[0].get_constraints(), wanted.video.unwrap());
}

#[test]
fn what_cannot_be_had_has_w3cs_name_and_says_what_was_asked() {
    let devices = MediaDevices::with_backends(vec![Box::new(Fake::default())]);
    let device_id = Some(ConstrainString::exact("side"));
    let error = devices.get_user_media(&video(MediaTrackConstraintSet { device_id, ..set() }));
    let error = error.unwrap_err();
    assert_eq!(error.name(), "OverconstrainedError");
    assert!(error.to_string().contains("deviceId; there is back, front"), "{error}");
    assert_eq!(devices.get_user_media(&Default::default()).unwrap_err().name(), "TypeError");
    let error = devices.get_display_media(&DisplayMediaOptions::default()).unwrap_err();
    assert_eq!(error.name(), "NotFoundError");

    let fake = Fake { busy: true, ..Fake::default() };
    let devices = MediaDevices::with_backends(vec![Box::new(fake)]);
    let error = devices.get_user_media(&video(set())).unwrap_err();
    assert_eq!(error.to_string(), "NotReadableError: the front: it is in use");

    let absent =
        backend::Absent { name: "sound", feature: "sound", kinds: &[DeviceKind::AudioInput] };
    let devices = MediaDevices::with_backends(vec![Box::new(absent)]);
    let audio = MediaStreamConstraints { audio: Some(Default::default()), video: None };
    let error = devices.get_user_media(&audio).unwrap_err().to_string();
    assert!(
        error.starts_with("NotFoundError: no microphone is there: sound is not built in"),
        "{error}"
    );
    assert!(error.contains("`sound`") && error.contains("sources::tone"), "{error}");
}

/// A machine without cameras says so: the text goes to people.
#[cfg(all(feature = "camera", target_os = "linux"))]
#[test]
fn without_a_camera_it_says_what_is_missing() {
    if std::path::Path::new("/dev/video0").exists() {
        println!("skipped: there is a camera");
        return;
    }
    let error = MediaDevices::new().get_user_media(&video(set())).unwrap_err();
    assert_eq!(error.name(), "NotFoundError");
    let text = error.to_string();
    assert!(text.contains("Video4Linux") && text.contains("numbered_pictures"), "{text}");
}

#[cfg(all(feature = "screen", feature = "window", target_os = "linux"))]
mod with_a_display {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::track::{ReadyState, SinkError};
    use crate::video::VideoFrame;
    use crate::video::pattern::NumberedPicture;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// An X server that draws into memory, for as long as it lives.
    struct Display {
        server: Child,
        name: String,
    }

    impl Drop for Display {
        fn drop(&mut self) {
            let _ = self.server.kill();
            let _ = self.server.wait();
        }
    }

    impl Display {
        fn new() -> Option<Self> {
            let server = Command::new("Xvfb")
                .args(["-displayfd", "1", "-screen", "0", "640x360x24", "-nolisten", "tcp"])
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn();
            let Ok(mut server) = server else {
                println!("skipped: Xvfb is not there (Debian: apt-get install xvfb)");
                return None;
            };
            let mut number = String::new();
            let out = server.stdout.take()?;
            BufReader::new(out).read_line(&mut number).ok()?;
            let display = Self { server, name: format!(":{}", number.trim()) };
            (!number.trim().is_empty()).then_some(display)
        }

        fn devices(&self) -> MediaDevices {
            let display = Some(self.name.clone());
            MediaDevices::with_backends(vec![
                Box::new(x11::Screens { display: display.clone() }),
                Box::new(x11::Windows { display }),
            ])
        }
    }

    /// A window shows numbered pictures, the capture of the screen and of the window read their numbers; what is closed ends.
    #[test]
    fn what_a_window_shows_is_captured() {
        let Some(display) = Display::new() else { return };
        let devices = display.devices();
        let source = VideoSource::new("numbers");
        let shown = source.track();
        let window = devices.show(&shown, "Peerage numbers").unwrap();
        for surface in [None, Some("Peerage numbers".to_owned())] {
            let options = DisplayMediaOptions { surface: surface.clone(), ..Default::default() };
            let stream = devices.get_display_media(&options).unwrap();
            let track = stream.video_tracks().remove(0);
            let settings = track.get_settings();
            assert_eq!((settings.width, settings.height), (Some(640), Some(360)), "{surface:?}");
            let mut sink = track.sink(2);
            for number in [3, 77, 200] {
                let picture = NumberedPicture::new(number, 0).draw(640, 360);
                source.push(&VideoFrame::new(picture, Duration::ZERO));
                let end = std::time::Instant::now() + PATIENCE;
                loop {
                    let frame = sink.recv_timeout(PATIENCE).unwrap();
                    let read = NumberedPicture::read(&frame.picture);
                    if read.number.map(u64::from) == Some(number) {
                        break;
                    }
                    assert!(std::time::Instant::now() < end, "{number} was never seen: {read:?}");
                }
            }
            if surface.is_some() {
                drop(window);
                // The window is gone: the track of it ends by itself.
                loop {
                    match sink.recv_timeout(PATIENCE) {
                        Ok(_) => {}
                        Err(error) => break assert_eq!(error, SinkError::Ended),
                    }
                }
                assert_eq!(track.ready_state(), ReadyState::Ended);
                break;
            }
        }
    }

    /// A window that is minimised mutes its track; it does not end it.
    #[test]
    fn a_window_that_is_not_seen_is_captured_again() {
        use x11rb::connection::Connection;
        use x11rb::protocol::xproto::ConnectionExt as _;
        let Some(display) = Display::new() else { return };
        let devices = display.devices();
        let source = VideoSource::new("numbers");
        let _window = devices.show(&source.track(), "Peerage hides").unwrap();
        let surface = Some("Peerage hides".to_owned());
        let options = DisplayMediaOptions { surface, ..Default::default() };
        let track = devices.get_display_media(&options).unwrap().video_tracks().remove(0);
        let mut sink = track.sink(2);
        sink.recv_timeout(PATIENCE).unwrap();
        let displays = devices.enumerate_displays();
        let shown = displays.iter().find(|info| info.label == "Peerage hides").unwrap();
        let number = shown.device_id.strip_prefix("window-0x").unwrap();
        let window = u32::from_str_radix(number, 16).unwrap();
        let (connection, _) = x11rb::connect(Some(&display.name)).unwrap();
        connection.unmap_window(window).unwrap().check().unwrap();
        let end = std::time::Instant::now() + PATIENCE;
        while !track.muted() {
            assert_eq!(track.ready_state(), ReadyState::Live);
            assert!(std::time::Instant::now() < end, "it is not muted");
            std::thread::sleep(Duration::from_millis(5));
        }
        while sink.try_recv().is_ok() {}
        connection.map_window(window).unwrap();
        connection.flush().unwrap();
        sink.recv_timeout(PATIENCE).unwrap();
        assert!(!track.muted());
    }

    #[test]
    fn a_server_that_is_not_there_is_named() {
        let display = Some(":9999".to_owned());
        let devices = MediaDevices::with_backends(vec![Box::new(x11::Screens { display })]);
        let error = devices.get_display_media(&DisplayMediaOptions::default()).unwrap_err();
        assert!(
            error.to_string().starts_with("NotFoundError: no screen is there: X11 answered"),
            "{error}"
        );
    }
}
