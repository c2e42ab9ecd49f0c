//! `shim.h` in Rust. The structures are our own on both sides.

use std::ffi::{c_char, c_int};

/// An encoder, which only C knows.
#[repr(C)]
pub(crate) struct Handle {
    _private: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) threads: u32,
    pub(crate) tile_columns_log2: u32,
    pub(crate) kilobits: u32,
    pub(crate) min_quantizer: u32,
    pub(crate) max_quantizer: u32,
    pub(crate) undershoot: u32,
    pub(crate) overshoot: u32,
    pub(crate) buffer: u32,
    pub(crate) buffer_initial: u32,
    pub(crate) buffer_optimal: u32,
    pub(crate) drop_frame_threshold: u32,
    pub(crate) max_intra_percent: u32,
    pub(crate) speed: i32,
    pub(crate) screen: u32,
    pub(crate) spatial_layers: u32,
    pub(crate) temporal_layers: u32,
    pub(crate) rates: [u32; 9],
}

#[repr(C)]
pub(crate) struct Picture {
    pub(crate) planes: [*const u8; 3],
    pub(crate) time: i64,
    pub(crate) duration: u32,
    pub(crate) keyframe: u32,
    pub(crate) spatial_layer: u32,
    pub(crate) temporal_layer: u32,
    pub(crate) reference: [i32; 7],
    pub(crate) slot: [i32; 7],
    pub(crate) refresh: [i32; 8],
}

#[repr(C)]
pub(crate) struct Packet {
    pub(crate) data: *const u8,
    pub(crate) length: usize,
    pub(crate) keyframe: u32,
}

unsafe extern "C" {
    pub(crate) fn peerage_aom_version() -> *const c_char;
    pub(crate) fn peerage_aom_new(settings: *const Settings, error: *mut c_int) -> *mut Handle;
    pub(crate) fn peerage_aom_configure(encoder: *mut Handle, settings: *const Settings) -> c_int;
    pub(crate) fn peerage_aom_encode(encoder: *mut Handle, picture: *const Picture) -> c_int;
    pub(crate) fn peerage_aom_next(encoder: *mut Handle, packet: *mut Packet) -> c_int;
    pub(crate) fn peerage_aom_quantizer(encoder: *mut Handle) -> c_int;
    pub(crate) fn peerage_aom_reason(error: c_int) -> *const c_char;
    pub(crate) fn peerage_aom_detail(encoder: *mut Handle) -> *const c_char;
    pub(crate) fn peerage_aom_free(encoder: *mut Handle);
}
