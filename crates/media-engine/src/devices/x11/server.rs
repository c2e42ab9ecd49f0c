//! A connection to an X server, and memory that it and we share.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::MemfdFlags;
use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::shm::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{ImageOrder, Screen};
use x11rb::rust_connection::RustConnection;

/// A server and its first screen.
pub(super) struct Server {
    pub(super) connection: RustConnection,
    pub(super) screen: Screen,
}

impl Server {
    /// Connects to the server of this name, or to that of `DISPLAY`.
    ///
    /// # Errors
    ///
    /// What it answered, as the end of a sentence.
    pub(super) fn connect(display: Option<&str>) -> Result<Self, String> {
        if display.is_none() && std::env::var_os("DISPLAY").is_none_or(|name| name.is_empty()) {
            return Err("was not asked: DISPLAY is not set".to_owned());
        }
        let (connection, number) =
            x11rb::connect(display).map_err(|error| format!("answered: {error}"))?;
        let setup = connection.setup();
        let screen = setup.roots.get(number).ok_or("has no screen")?.clone();
        let pixels = setup.pixmap_formats.iter().find(|format| format.depth == screen.root_depth);
        let bits = pixels.map_or(0, |format| format.bits_per_pixel);
        if bits != 32 || setup.image_byte_order != ImageOrder::LSB_FIRST {
            return Err(format!("has pixels of {bits} bits, which are not read: 32 are"));
        }
        let visual = screen
            .allowed_depths
            .iter()
            .flat_map(|depth| &depth.visuals)
            .find(|visual| visual.visual_id == screen.root_visual);
        let masks = visual.map(|visual| (visual.red_mask, visual.green_mask, visual.blue_mask));
        if masks != Some((0xFF_0000, 0xFF00, 0xFF)) {
            return Err("has pixels that are not red, green and blue of 8 bits".to_owned());
        }
        Ok(Self { connection, screen })
    }

    /// Whether memory can be shared with it: not where it is another machine.
    pub(super) fn shares(&self) -> bool {
        let there = self.connection.extension_information(shm::X11_EXTENSION_NAME);
        if !there.is_ok_and(|there| there.is_some()) {
            return false;
        }
        let version = self.connection.shm_query_version().ok().and_then(|query| query.reply().ok());
        version.is_some_and(|version| (version.major_version, version.minor_version) >= (1, 2))
    }

    /// Memory of so many bytes that both see.
    pub(super) fn share(&self, size: usize) -> Result<Shared, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("shared memory: {error}");
        let memory = rustix::fs::memfd_create("peerage picture", MemfdFlags::CLOEXEC)
            .map_err(|error| wrong(&error))?;
        let file = File::from(memory);
        file.set_len(size as u64).map_err(|error| wrong(&error))?;
        let theirs: OwnedFd = file.try_clone().map_err(|error| wrong(&error))?.into();
        let segment = self.connection.generate_id().map_err(|error| wrong(&error))?;
        self.connection
            .shm_attach_fd(segment, theirs, false)
            .map_err(|error| wrong(&error))?
            .check()
            .map_err(|error| wrong(&error))?;
        Ok(Shared { file, segment, size })
    }
}

/// Memory that is shared: the server maps it, we read and write it as a file, which is a copy and needs no `unsafe`.
pub(super) struct Shared {
    file: File,
    pub(super) segment: shm::Seg,
    size: usize,
}

impl Shared {
    pub(super) fn size(&self) -> usize {
        self.size
    }

    #[cfg(feature = "screen")]
    pub(super) fn read(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        self.file.read_exact_at(bytes, 0)
    }

    #[cfg(feature = "window")]
    pub(super) fn write(&self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all_at(bytes, 0)
    }
}
