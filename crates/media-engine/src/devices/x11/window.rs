//! A window that shows a track.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::shm::ConnectionExt as _;
use x11rb::protocol::xproto::{
    AtomEnum, ConfigureWindowAux, ConnectionExt as _, CreateGCAux, CreateWindowAux, EventMask,
    Gcontext, ImageFormat, PropMode, Window, WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;

use super::super::{Device, DeviceBackend, DeviceError, DeviceKind, MediaDeviceInfo, Output};
use super::server::{Server, Shared};
use crate::track::{MediaStreamTrack, MediaTrackSettings, SinkError, VideoTrack};
use crate::video::I420;
use crate::video::convert::{ColorSpace, RgbLayout, to_rgb};

/// How long the thread rests before it looks whether the window was closed.
const REST: Duration = Duration::from_millis(50);

/// Windows on an X server.
#[derive(Debug, Default)]
pub(in super::super) struct Windows {
    /// Another server than that of `DISPLAY`.
    pub(in super::super) display: Option<String>,
}

impl DeviceBackend for Windows {
    fn name(&self) -> String {
        "X11".to_owned()
    }

    fn kinds(&self) -> &[DeviceKind] {
        &[DeviceKind::VideoOutput]
    }

    fn devices(&self, kind: DeviceKind) -> Result<Vec<Device>, String> {
        let server = Server::connect(self.display.as_deref())?;
        if !server.shares() {
            return Err("shares no memory with this machine, which windows want".to_owned());
        }
        let (device_id, group_id) = ("window".to_owned(), "X11".to_owned());
        let info = MediaDeviceInfo { device_id, kind, label: "a window".to_owned(), group_id };
        Ok(vec![Device { info, modes: Vec::new() }])
    }

    fn open(
        &self,
        device: &MediaDeviceInfo,
        _: &MediaTrackSettings,
    ) -> Result<MediaStreamTrack, DeviceError> {
        Err(DeviceError::unreadable(&device.label, "a window gives no pictures"))
    }

    fn show(
        &self,
        device: &MediaDeviceInfo,
        track: &VideoTrack,
        title: &str,
    ) -> Result<Box<dyn Output>, DeviceError> {
        let fail = |reason: String| DeviceError::unreadable(&device.label, reason);
        let server = Server::connect(self.display.as_deref())
            .map_err(|answer| fail(format!("X11 {answer}")))?;
        let over = Arc::new(AtomicBool::new(false));
        let shown = Shown { over: over.clone() };
        let (track, title) = (track.clone(), title.to_owned());
        let (told, opened) = sync_channel(1);
        let run = move || {
            let settings = track.get_settings();
            let side = |side: Option<u32>, otherwise: u16| {
                side.and_then(|side| u16::try_from(side).ok())
                    .filter(|side| *side > 0)
                    .unwrap_or(otherwise)
            };
            let size = (side(settings.width, 640), side(settings.height, 360));
            match Pane::open(server, &title, size) {
                Ok(mut pane) => {
                    let _ = told.send(Ok(()));
                    if let Err(reason) = pane.run(&track, &over) {
                        let _ = reason;
                    }
                }
                Err(reason) => drop(told.send(Err(reason))),
            }
            over.store(true, Ordering::Relaxed);
        };
        std::thread::Builder::new()
            .name("peerage window".to_owned())
            .spawn(run)
            .map_err(|error| fail(error.to_string()))?;
        match opened.recv() {
            Ok(result) => result.map(|()| Box::new(shown) as Box<dyn Output>).map_err(fail),
            Err(_) => Err(fail("its thread ended".to_owned())),
        }
    }
}

/// A window that is open.
#[derive(Debug)]
struct Shown {
    over: Arc<AtomicBool>,
}

impl Output for Shown {
    fn is_running(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The window, and what is drawn into it.
struct Pane {
    server: Server,
    window: Window,
    context: Gcontext,
    /// What the window manager says when a person closes it.
    close: u32,
    size: (u16, u16),
    shared: Option<Shared>,
    pixels: Vec<u8>,
}

impl Pane {
    fn open(server: Server, title: &str, size: (u16, u16)) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let (connection, screen) = (&server.connection, &server.screen);
        let window = connection.generate_id().map_err(|error| text(&error))?;
        let context = connection.generate_id().map_err(|error| text(&error))?;
        let attributes = CreateWindowAux::new()
            .background_pixel(screen.black_pixel)
            .event_mask(EventMask::EXPOSURE | EventMask::STRUCTURE_NOTIFY);
        connection
            .create_window(
                screen.root_depth,
                window,
                screen.root,
                0,
                0,
                size.0,
                size.1,
                0,
                WindowClass::INPUT_OUTPUT,
                screen.root_visual,
                &attributes,
            )
            .map_err(|error| text(&error))?
            .check()
            .map_err(|error| text(&error))?;
        connection.create_gc(context, window, &CreateGCAux::new()).map_err(|error| text(&error))?;
        let atom = |name: &str| {
            let cookie = connection.intern_atom(false, name.as_bytes());
            let reply = cookie.map_err(|error| text(&error))?.reply();
            reply.map(|reply| reply.atom).map_err(|error| text(&error))
        };
        let (protocols, close) = (atom("WM_PROTOCOLS")?, atom("WM_DELETE_WINDOW")?);
        let (name, string) = (AtomEnum::WM_NAME, AtomEnum::STRING);
        connection
            .change_property8(PropMode::REPLACE, window, name, string, title.as_bytes())
            .map_err(|error| text(&error))?;
        connection
            .change_property32(PropMode::REPLACE, window, protocols, AtomEnum::ATOM, &[close])
            .map_err(|error| text(&error))?;
        connection.map_window(window).map_err(|error| text(&error))?;
        connection.flush().map_err(|error| text(&error))?;
        Ok(Self { window, context, close, size, shared: None, pixels: Vec::new(), server })
    }

    /// Shows what comes until it ends, the window is closed, or nobody wants it any more.
    fn run(&mut self, track: &VideoTrack, over: &AtomicBool) -> Result<(), String> {
        let mut sink = track.sink(2);
        let mut last = None;
        while !over.load(Ordering::Relaxed) {
            let mut exposed = false;
            while let Some(event) =
                self.server.connection.poll_for_event().map_err(|error| error.to_string())?
            {
                match event {
                    Event::ClientMessage(message) if message.data.as_data32()[0] == self.close => {
                        return Ok(());
                    }
                    Event::DestroyNotify(_) => return Ok(()),
                    Event::Expose(_) => exposed = true,
                    _ => {}
                }
            }
            match sink.recv_timeout(REST) {
                Ok(frame) => {
                    self.draw(&frame.picture)?;
                    last = Some(frame.picture);
                }
                Err(SinkError::Ended) => return Ok(()),
                Err(SinkError::Empty) => {
                    if let Some(picture) = last.as_ref().filter(|_| exposed) {
                        self.draw(picture)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn draw(&mut self, picture: &I420) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let connection = &self.server.connection;
        let (width, height) = (picture.width(), picture.height());
        if (width, height) != self.size {
            let size = ConfigureWindowAux::new().width(u32::from(width)).height(u32::from(height));
            connection.configure_window(self.window, &size).map_err(|error| text(&error))?;
            self.size = (width, height);
        }
        let stride = usize::from(width) * 4;
        self.pixels.resize(stride * usize::from(height), 0);
        to_rgb(picture, ColorSpace::default(), RgbLayout::Bgra, &mut self.pixels, stride)
            .map_err(|error| text(&error))?;
        let shared = match self.shared.take().filter(|shared| shared.size() >= self.pixels.len()) {
            Some(shared) => shared,
            None => self.server.share(self.pixels.len())?,
        };
        shared.write(&self.pixels).map_err(|error| text(&error))?;
        let depth = self.server.screen.root_depth;
        // Waiting for it to be drawn keeps the memory from being written while it is read.
        connection
            .shm_put_image(
                self.window,
                self.context,
                width,
                height,
                0,
                0,
                width,
                height,
                0,
                0,
                depth,
                ImageFormat::Z_PIXMAP.into(),
                false,
                shared.segment,
                0,
            )
            .map_err(|error| text(&error))?
            .check()
            .map_err(|error| text(&error))?;
        self.shared = Some(shared);
        Ok(())
    }
}
