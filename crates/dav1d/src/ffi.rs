//! `shim.h` in Rust. The structures are our own on both sides.

use std::ffi::{c_char, c_int};

/// A decoder, which only C knows.
#[repr(C)]
pub(crate) struct Handle {
    _private: [u8; 0],
}

#[repr(C)]
pub(crate) struct Picture {
    pub(crate) planes: [*const u8; 3],
    pub(crate) strides: [isize; 2],
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) bits: i32,
    pub(crate) layout: i32,
}

unsafe extern "C" {
    pub(crate) fn peerage_dav1d_version() -> *const c_char;
    pub(crate) fn peerage_dav1d_new(threads: u32, max_luma: u32) -> *mut Handle;
    pub(crate) fn peerage_dav1d_decode(
        decoder: *mut Handle,
        data: *const u8,
        length: usize,
        picture: *mut Picture,
    ) -> c_int;
    pub(crate) fn peerage_dav1d_is_too_large(result: c_int) -> c_int;
    pub(crate) fn peerage_dav1d_free(decoder: *mut Handle);
}
