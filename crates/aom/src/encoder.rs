//! The encoder: planes go in, frames of bitstream come out.

use std::ffi::{CStr, c_char, c_int};
use std::ptr::{self, NonNull};

use crate::config::EncoderConfig;
use crate::{Error, ffi};

/// A picture to be encoded, in 8-bit 4:2:0. Rows lie beside each other without padding; chroma is half as wide and high, rounded
/// up.
#[derive(Clone, Copy, Debug)]
pub struct Planes<'a> {
    /// Luma.
    pub y: &'a [u8],
    /// Blue difference.
    pub u: &'a [u8],
    /// Red difference.
    pub v: &'a [u8],
}

/// Which layer a picture is encoded as, and what it refers to. It counts only where there is more than one layer; without, libaom
/// chooses references by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// Spatial layer.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// The buffer, 0 to 7, with the last picture of this or a lower temporal layer, if that is referred to.
    pub last: Option<u8>,
    /// The buffer, 0 to 7, with the picture of the spatial layer below, if that is referred to.
    pub below: Option<u8>,
    /// The buffer, 0 to 7, that the picture is stored in; nothing refers to it without.
    pub store: Option<u8>,
}

/// A frame of bitstream: a picture, or a spatial layer of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// OBUs in the low-overhead format (AV1 specification §5.2).
    pub data: Vec<u8>,
    /// It can be decoded by itself.
    pub keyframe: bool,
}

/// Encodes AV1 (main profile, 8 bits, 4:2:0).
#[derive(Debug)]
pub struct Encoder {
    handle: NonNull<ffi::Handle>,
    config: EncoderConfig,
}

// SAFETY: libaom ties encoders to no thread (its own workers are joined inside of calls), and the handle is owned by this alone.
// Functions that change the encoder take `&mut self`.
unsafe impl Send for Encoder {}

/// The version of libaom that is linked, such as `3.6.0`.
pub fn version() -> String {
    // SAFETY: takes nothing, and returns a string of static lifetime, as `text` wants it.
    unsafe { text(ffi::peerage_aom_version()) }
}

/// # Safety
/// `string` is null or ends with a zero, and stays as it is during the call.
unsafe fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: not null, and ends with a zero as the caller promises.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned()
}

fn reason(error: c_int) -> String {
    // SAFETY: takes any value, and returns a string of static lifetime.
    unsafe { text(ffi::peerage_aom_reason(error)) }
}

impl Encoder {
    /// An encoder.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for what cannot be encoded with, [`Error::Library`] where libaom was built without its encoder, or has no
    /// memory.
    pub fn new(config: EncoderConfig) -> Result<Self, Error> {
        config.check()?;
        let mut error = 0;
        // SAFETY: both are pointers to our own structures, which are read and written during the call only.
        let handle = unsafe { ffi::peerage_aom_new(&config.raw(), &mut error) };
        match NonNull::new(handle) {
            Some(handle) => Ok(Self { handle, config }),
            None => Err(Error::Library { call: "making an encoder", reason: reason(error) }),
        }
    }

    /// The settings.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    fn check(&mut self, call: &'static str, result: c_int) -> Result<(), Error> {
        if result == 0 {
            return Ok(());
        }
        // SAFETY: the encoder is alive; the detail is null or a string inside of it, which nothing changes during the call.
        let detail = unsafe { text(ffi::peerage_aom_detail(self.handle.as_ptr())) };
        let reason = reason(result);
        let reason = if detail.is_empty() { reason } else { format!("{reason}: {detail}") };
        Err(Error::Library { call, reason })
    }

    /// Changes settings. Size, threads and layers must be those that the encoder was made with.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] and [`Error::Library`]; the settings count as they were before then.
    pub fn configure(&mut self, config: EncoderConfig) -> Result<(), Error> {
        config.check()?;
        let fixed = |config: &EncoderConfig| {
            let size = (config.width, config.height);
            let threads = (config.threads, config.tile_columns_log2);
            (size, threads, config.temporal_layers, config.spatial_layers, config.screen)
        };
        if fixed(&config) != fixed(&self.config) {
            let (what, value) = ("the size or number of threads or layers", config.width.into());
            let expected = "that the encoder was made with";
            return Err(Error::Argument { what, value, expected });
        }
        // SAFETY: the encoder is alive, and the settings are our own structure, read during the call only.
        let result = unsafe { ffi::peerage_aom_configure(self.handle.as_ptr(), &config.raw()) };
        self.check("changing the settings", result)?;
        self.config = config;
        Ok(())
    }

    /// Encodes a picture, or one spatial layer of it: all layers are made from the same planes, which libaom scales. `time` and
    /// `duration` are in units of 1/90000 s; `time` grows from picture to picture, and is the same for all layers of one. Appends to
    /// `out` what comes of it: nothing where the picture was left out to keep to the rate.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where a plane has not as many samples as its size takes or a layer is none of the encoder's,
    /// [`Error::Library`].
    pub fn encode(
        &mut self,
        planes: Planes<'_>,
        (time, duration): (i64, u32),
        keyframe: bool,
        layer: Layer,
        out: &mut Vec<Packet>,
    ) -> Result<(), Error> {
        self.check_planes(planes)?;
        let mut picture = ffi::Picture {
            planes: [planes.y.as_ptr(), planes.u.as_ptr(), planes.v.as_ptr()],
            time,
            duration: duration.max(1),
            keyframe: keyframe.into(),
            spatial_layer: layer.spatial.into(),
            temporal_layer: layer.temporal.into(),
            reference: [0; 7],
            slot: [0; 7],
            refresh: [0; 8],
        };
        if self.config.is_layered() {
            self.refer(layer, &mut picture)?;
        }
        // SAFETY: the encoder is alive; the planes are as long as `check_planes` found them, live through the call and are only
        // read: without lag libaom keeps nothing of them. Buffers were checked to be 0 to 7.
        let result = unsafe { ffi::peerage_aom_encode(self.handle.as_ptr(), &picture) };
        self.check("encoding", result)?;
        let mut packet = ffi::Packet { data: ptr::null(), length: 0, keyframe: 0 };
        // SAFETY: the encoder is alive, and the packet is our own structure to be filled in.
        while unsafe { ffi::peerage_aom_next(self.handle.as_ptr(), &mut packet) } != 0 {
            if packet.data.is_null() {
                continue;
            }
            // SAFETY: libaom lends so many bytes until the encoder is used again.
            let data = unsafe { std::slice::from_raw_parts(packet.data, packet.length) };
            out.push(Packet { data: data.to_vec(), keyframe: packet.keyframe != 0 });
        }
        Ok(())
    }

    /// Puts down what a layer refers to. libaom's names of references stand at fixed places: LAST 0, GOLDEN 3.
    fn refer(&self, layer: Layer, picture: &mut ffi::Picture) -> Result<(), Error> {
        for (what, value, layers) in [
            ("the spatial layer", layer.spatial, self.config.spatial_layers),
            ("the temporal layer", layer.temporal, self.config.temporal_layers),
        ] {
            if usize::from(value) >= layers {
                let expected = "below the number of layers";
                return Err(Error::Argument { what, value: value.into(), expected });
            }
        }
        let buffers = [layer.last, layer.below, layer.store];
        if let Some(value) = buffers.into_iter().flatten().find(|buffer| *buffer > 7) {
            let (what, expected) = ("the buffer", "0 to 7");
            return Err(Error::Argument { what, value: value.into(), expected });
        }
        // Unused references point to a buffer that is used, so that no other one is ever read.
        let any = layer.last.or(layer.below).unwrap_or(0);
        picture.slot = [any.into(); 7];
        if let Some(last) = layer.last {
            (picture.reference[0], picture.slot[0]) = (1, last.into());
        }
        if let Some(below) = layer.below {
            (picture.reference[3], picture.slot[3]) = (1, below.into());
        }
        if let Some(store) = layer.store {
            picture.refresh[usize::from(store)] = 1;
        }
        Ok(())
    }

    fn check_planes(&self, planes: Planes<'_>) -> Result<(), Error> {
        let (width, height) = (u64::from(self.config.width), u64::from(self.config.height));
        let chroma = width.div_ceil(2) * height.div_ceil(2);
        for (what, plane, length) in [
            ("the length of luma", planes.y, width * height),
            ("the length of blue difference", planes.u, chroma),
            ("the length of red difference", planes.v, chroma),
        ] {
            if plane.len() as u64 != length {
                let expected = "width times height of the plane";
                return Err(Error::Argument { what, value: plane.len() as u64, expected });
            }
        }
        Ok(())
    }

    /// The quantiser of what was encoded last on the bitstream's own scale, 0 to 255 (`base_q_idx`, AV1 specification §5.9.12).
    pub fn quantizer(&mut self) -> Option<u8> {
        // SAFETY: the encoder is alive.
        u8::try_from(unsafe { ffi::peerage_aom_quantizer(self.handle.as_ptr()) }).ok()
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: made in `new`, freed here only.
        unsafe { ffi::peerage_aom_free(self.handle.as_ptr()) }
    }
}
