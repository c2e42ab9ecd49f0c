//! The context that encoder and decoder have in common: owned, freed once, and asked for what went wrong.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use vpx_sys::{
    vpx_codec_ctx_t, vpx_codec_destroy, vpx_codec_err_t, vpx_codec_err_to_string,
    vpx_codec_error_detail, vpx_codec_iface_t, vpx_codec_version_str,
};

use crate::Error;

/// Which codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// VP8 (RFC 6386).
    Vp8,
    /// VP9, profile 0.
    Vp9,
}

impl Codec {
    /// `VP8` or `VP9`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
        }
    }
}

/// The version of libvpx that is linked, such as `v1.12.0`.
pub fn version() -> String {
    // SAFETY: takes nothing, and returns a string of static lifetime, as `text` wants it.
    unsafe { text(vpx_codec_version_str()) }
}

/// # Safety
/// `string` is null or ends with a zero, and stays as it is during the call.
unsafe fn text(string: *const std::ffi::c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: not null, and ends with a zero as the caller promises.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned()
}

/// A context of libvpx that was initialised, and is destroyed with this.
#[derive(Debug)]
pub(crate) struct Context {
    codec: Codec,
    /// On the heap, because callbacks of libvpx are handed its address.
    raw: NonNull<vpx_codec_ctx_t>,
}

// SAFETY: libvpx ties contexts to no thread (it has no thread-local state; its own workers are joined inside of calls), and the
// pointer is owned by this alone. Functions that change the context take `&mut self`.
unsafe impl Send for Context {}

impl Context {
    /// Has `initialise` fill in a context.
    ///
    /// # Safety
    /// `initialise` is `vpx_codec_dec_init_ver` or `vpx_codec_enc_init_ver` with arguments that it takes. The context that it gets
    /// is zeroed memory of the right size and alignment.
    pub(crate) unsafe fn new(
        codec: Codec,
        call: &'static str,
        initialise: impl FnOnce(*mut vpx_codec_ctx_t) -> vpx_codec_err_t,
    ) -> Result<Self, Error> {
        let memory = Box::new(MaybeUninit::<vpx_codec_ctx_t>::zeroed());
        let raw = NonNull::from(Box::leak(memory)).cast::<vpx_codec_ctx_t>();
        let result = initialise(raw.as_ptr());
        if result == vpx_codec_err_t::VPX_CODEC_OK {
            return Ok(Self { codec, raw });
        }
        // libvpx has undone what it began: a context whose initialisation fails is not to be destroyed.
        let error = Error::Library { codec: codec.name(), call, reason: reason(result) };
        // SAFETY: made by `Box::leak` of this very type above, and handed to nobody who keeps it.
        drop(unsafe { Box::from_raw(raw.cast::<MaybeUninit<vpx_codec_ctx_t>>().as_ptr()) });
        Err(error)
    }

    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    pub(crate) fn as_ptr(&mut self) -> *mut vpx_codec_ctx_t {
        self.raw.as_ptr()
    }

    /// What a failed call means, with what the context adds to it.
    pub(crate) fn reason(&mut self, result: vpx_codec_err_t) -> String {
        // SAFETY: the context is initialised; the detail, if there is any, is a string inside of it, which nothing changes during
        // the call.
        let detail = unsafe { text(vpx_codec_error_detail(self.as_ptr())) };
        let reason = reason(result);
        if detail.is_empty() { reason } else { format!("{reason}: {detail}") }
    }

    /// An error unless the call succeeded.
    pub(crate) fn check(
        &mut self,
        call: &'static str,
        result: vpx_codec_err_t,
    ) -> Result<(), Error> {
        if result == vpx_codec_err_t::VPX_CODEC_OK {
            return Ok(());
        }
        Err(Error::Library { codec: self.codec.name(), call, reason: self.reason(result) })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed here only; then its memory is freed, which came from a box of this type.
        unsafe {
            vpx_codec_destroy(self.raw.as_ptr());
            drop(Box::from_raw(self.raw.cast::<MaybeUninit<vpx_codec_ctx_t>>().as_ptr()));
        }
    }
}

fn reason(result: vpx_codec_err_t) -> String {
    // SAFETY: takes any value, and returns a string of static lifetime.
    unsafe { text(vpx_codec_err_to_string(result)) }
}

/// Which interface of libvpx.
pub(crate) type Interface = *mut vpx_codec_iface_t;
