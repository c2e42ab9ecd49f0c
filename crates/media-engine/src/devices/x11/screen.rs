//! The screen and its windows as sources of pictures.

use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use x11rb::protocol::shm::ConnectionExt as _;
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, ImageFormat, MapState, Window};

use super::super::{Device, DeviceBackend, DeviceError, DeviceKind, MediaDeviceInfo};
use super::server::{Server, Shared};
use crate::track::{MediaStreamTrack, MediaTrackSettings, SourceDescription, VideoSource};
use crate::video::convert::{ColorSpace, RgbLayout, from_rgb};
use crate::video::{MAX_DIMENSION, PicturePool, Rotation, VideoFrame};

/// Pictures a second where nothing else is asked for.
const RATE: f64 = 30.0;
/// Pictures that are used again: tracks and encoders hold some.
const POOL: usize = 8;
/// Windows that are listed.
const MAX_WINDOWS: usize = 64;
/// How long the thread rests at most before it looks whether a window shows something again.
const REST: Duration = Duration::from_millis(100);
/// What a picture is late by at most before it is left out.
const MAX_LATE: Duration = Duration::from_millis(200);

/// Screens and windows of an X server.
#[derive(Debug, Default)]
pub(in super::super) struct Screens {
    /// Another server than that of `DISPLAY`.
    pub(in super::super) display: Option<String>,
}

impl Screens {
    fn connect(&self) -> Result<Server, String> {
        Server::connect(self.display.as_deref())
    }
}

impl DeviceBackend for Screens {
    fn name(&self) -> String {
        "X11".to_owned()
    }

    fn kinds(&self) -> &[DeviceKind] {
        &[DeviceKind::Display]
    }

    fn devices(&self, kind: DeviceKind) -> Result<Vec<Device>, String> {
        let server = self.connect()?;
        let screen = &server.screen;
        let size = (screen.width_in_pixels, screen.height_in_pixels);
        let mut found = vec![device(kind, "screen", "the whole screen", size, "monitor")];
        for (window, title, size) in windows(&server) {
            let id = format!("window-{window:#x}");
            found.push(device(kind, &id, &title, size, "window"));
        }
        Ok(found)
    }

    fn open(
        &self,
        info: &MediaDeviceInfo,
        mode: &MediaTrackSettings,
    ) -> Result<MediaStreamTrack, DeviceError> {
        let fail = |reason: String| DeviceError::unreadable(&info.label, reason);
        let server = self.connect().map_err(|answer| fail(format!("X11 {answer}")))?;
        let window = match info.device_id.strip_prefix("window-0x") {
            Some(number) => {
                u32::from_str_radix(number, 16).map_err(|error| fail(error.to_string()))?
            }
            None => server.screen.root,
        };
        let source = VideoSource::new(info.label.clone());
        source.describe(SourceDescription::fixed(mode.clone()));
        let track = source.track();
        let (told, opened) = sync_channel(1);
        let mode = mode.clone();
        let run = move || {
            let mut capture = Capture::new(server, window);
            // The first picture tells whether it works.
            let first = capture.picture();
            let works = first.as_ref().map(drop).map_err(String::clone);
            if told.send(works).is_err() || first.is_err() {
                return;
            }
            capture.run(&source, &mode);
        };
        std::thread::Builder::new()
            .name("peerage screen".to_owned())
            .spawn(run)
            .map_err(|error| fail(error.to_string()))?;
        match opened.recv() {
            Ok(works) => works.map(|()| track.into()).map_err(fail),
            Err(_) => Err(fail("its thread ended".to_owned())),
        }
    }
}

fn device(kind: DeviceKind, id: &str, label: &str, size: (u16, u16), surface: &str) -> Device {
    let mode = MediaTrackSettings::video(size.0.into(), size.1.into(), RATE);
    let info = MediaDeviceInfo {
        device_id: id.to_owned(),
        kind,
        label: label.to_owned(),
        group_id: "X11".to_owned(),
    };
    Device { info, modes: vec![mode.with_display_surface(surface)] }
}

/// Windows that are shown and have a title: those that the window manager lists, or else all at the top.
fn windows(server: &Server) -> Vec<(Window, String, (u16, u16))> {
    let connection = &server.connection;
    let root = server.screen.root;
    let property = |window, name: u32, kind: u32| {
        connection.get_property(false, window, name, kind, 0, 1 << 16).ok()?.reply().ok()
    };
    let atom =
        |name: &str| Some(connection.intern_atom(true, name.as_bytes()).ok()?.reply().ok()?.atom);
    let listed = atom("_NET_CLIENT_LIST")
        .filter(|list| *list != x11rb::NONE)
        .and_then(|list| property(root, list, AtomEnum::WINDOW.into()))
        .map(|reply| reply.value32().into_iter().flatten().collect::<Vec<_>>())
        .filter(|list| !list.is_empty());
    let all = || Some(connection.query_tree(root).ok()?.reply().ok()?.children);
    let list = listed.or_else(all).unwrap_or_default();
    let described = |window: Window| {
        let attributes = connection.get_window_attributes(window).ok()?.reply().ok()?;
        let geometry = connection.get_geometry(window).ok()?.reply().ok()?;
        let name = property(window, AtomEnum::WM_NAME.into(), AtomEnum::ANY.into())?;
        let title = String::from_utf8_lossy(&name.value).into_owned();
        let shown = attributes.map_state == MapState::VIEWABLE && !title.is_empty();
        shown.then_some((window, title, (geometry.width, geometry.height)))
    };
    list.into_iter().filter_map(described).take(MAX_WINDOWS).collect()
}

/// What takes pictures of a window.
struct Capture {
    server: Server,
    window: Window,
    shared: Option<Shared>,
    shares: bool,
    pixels: Vec<u8>,
    pool: PicturePool,
}

impl Capture {
    fn new(server: Server, window: Window) -> Self {
        let shares = server.shares();
        Self {
            server,
            window,
            shared: None,
            shares,
            pixels: Vec::new(),
            pool: PicturePool::new(POOL),
        }
    }

    /// A picture of how it looks now.
    fn picture(&mut self) -> Result<VideoFrame, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let connection = &self.server.connection;
        let geometry = connection.get_geometry(self.window).map_err(|error| text(&error))?;
        let geometry = geometry.reply().map_err(|error| text(&error))?;
        let (width, height) =
            (geometry.width.clamp(1, MAX_DIMENSION), geometry.height.clamp(1, MAX_DIMENSION));
        let size = usize::from(width) * usize::from(height) * 4;
        let all = u32::MAX;
        if self.shares {
            if self.shared.as_ref().is_none_or(|shared| shared.size() < size) {
                let smaller = self.shared.replace(self.server.share(size)?);
                // The server has nothing to gain by keeping it.
                let _ = smaller.map(|smaller| connection.shm_detach(smaller.segment));
            }
            let shared = self.shared.as_ref().ok_or("no memory is shared")?;
            let format = ImageFormat::Z_PIXMAP.into();
            connection
                .shm_get_image(self.window, 0, 0, width, height, all, format, shared.segment, 0)
                .map_err(|error| text(&error))?
                .reply()
                .map_err(|error| text(&error))?;
            self.pixels.resize(size, 0);
            shared.read(&mut self.pixels).map_err(|error| text(&error))?;
        } else {
            let format = ImageFormat::Z_PIXMAP;
            let image = connection
                .get_image(format, self.window, 0, 0, width, height, all)
                .map_err(|error| text(&error))?
                .reply()
                .map_err(|error| text(&error))?;
            self.pixels = image.data;
        }
        let pixels = &self.pixels;
        let stride = usize::from(width) * 4;
        let picture = self.pool.take(width, height, |picture| {
            from_rgb(pixels, stride, RgbLayout::Bgra, ColorSpace::default(), picture)
        });
        let picture = picture.map_err(|error| text(&error))?;
        Ok(VideoFrame { picture, time: Duration::ZERO, rotation: Rotation::None })
    }

    /// Whether the window is there, seen or not.
    fn is_there(&self) -> bool {
        let asked = self.server.connection.get_geometry(self.window);
        asked.is_ok_and(|asked| asked.reply().is_ok())
    }

    /// Takes pictures until nobody wants them, or the window is gone. While it shows nothing the source is muted.
    fn run(mut self, source: &VideoSource, mode: &MediaTrackSettings) {
        let rate = mode.frame_rate.unwrap_or(RATE).max(1.0);
        let mut size = (mode.width.unwrap_or(0), mode.height.unwrap_or(0));
        let begin = Instant::now();
        let mut number = 0_u64;
        while source.is_wanted() {
            // As few as all tracks are content with.
            let wanted = source.wanted().frame_rate.map_or(rate, f64::from).clamp(0.1, rate);
            let interval = Duration::from_secs_f64(1.0 / wanted);
            let mut frame = match self.picture() {
                Ok(frame) => frame,
                // Minimised, or changing its size just now: it shows nothing, and may again.
                Err(_) if self.is_there() => {
                    source.set_muted(true);
                    std::thread::sleep(interval.min(REST));
                    continue;
                }
                Err(_) => return,
            };
            source.set_muted(false);
            frame.time = begin.elapsed();
            let have = (u32::from(frame.picture.width()), u32::from(frame.picture.height()));
            if have != size {
                size = have;
                let mut settings = mode.clone();
                (settings.width, settings.height) = (Some(size.0), Some(size.1));
                source.describe(SourceDescription::fixed(settings));
            }
            source.push(&frame);
            number += 1;
            let due = Duration::from_secs_f64(number as f64 / wanted);
            let now = begin.elapsed();
            match due.checked_sub(now) {
                Some(early) => std::thread::sleep(early.min(interval)),
                None if now - due > MAX_LATE => number = (now.as_secs_f64() * wanted) as u64,
                None => {}
            }
        }
    }
}
