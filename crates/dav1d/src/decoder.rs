//! The decoder: a bitstream goes in, planes come out, which are borrowed until the next call.

use std::ffi::CStr;
use std::ptr::{self, NonNull};

use crate::{Error, ffi};

/// A decoded picture, as dav1d holds it. Rows of a plane begin `stride` apart; the last one has no padding.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Width of luma.
    pub width: u32,
    /// Height of luma.
    pub height: u32,
    /// Y, U, V.
    pub planes: [&'a [u8]; 3],
    /// Bytes from one row to the next.
    pub strides: [usize; 3],
}

/// Decodes AV1 (8 bits, 4:2:0).
#[derive(Debug)]
pub struct Decoder {
    handle: NonNull<ffi::Handle>,
    max_luma: u32,
}

// SAFETY: dav1d ties decoders to no thread, and the handle is owned by this alone. Functions that change the decoder take `&mut self`.
unsafe impl Send for Decoder {}

/// The version of dav1d that is linked, such as `1.0.0`.
pub fn version() -> String {
    // SAFETY: takes nothing, and returns a string of static lifetime that ends with a zero.
    let version = unsafe { CStr::from_ptr(ffi::peerage_dav1d_version()) };
    version.to_string_lossy().into_owned()
}

impl Decoder {
    /// A decoder with `threads` threads (1 to 64) that refuses pictures of more than `max_luma` samples of luma, which bounds its
    /// memory; 0 is taken for 1.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`].
    pub fn new(threads: u32, max_luma: u32) -> Result<Self, Error> {
        let max_luma = max_luma.max(1);
        // SAFETY: takes numbers, which are in the range that dav1d wants.
        let handle = unsafe { ffi::peerage_dav1d_new(threads.clamp(1, 64), max_luma) };
        NonNull::new(handle).map(|handle| Self { handle, max_luma }).ok_or(Error::Memory)
    }

    /// Decodes a temporal unit in the low-overhead format (AV1 specification §5.2), with or without a temporal delimiter. Of several
    /// spatial layers the last one is shown. `None` where nothing is shown.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`], [`Error::TooLarge`] or [`Error::Format`]; the decoder can be used on, best from a keyframe.
    pub fn decode(&mut self, data: &[u8]) -> Result<Option<Picture<'_>>, Error> {
        // dav1d takes no data for the end of the stream.
        if data.is_empty() || data.len() > usize::MAX / 4 {
            return Err(Error::Damaged(0));
        }
        let mut picture = ffi::Picture {
            planes: [ptr::null(); 3],
            strides: [0; 2],
            width: 0,
            height: 0,
            bits: 0,
            layout: 0,
        };
        // SAFETY: the decoder is alive, `data` has as many bytes as are said and is copied during the call, and the picture is our
        // own structure to be filled in.
        let result = unsafe {
            let handle = self.handle.as_ptr();
            ffi::peerage_dav1d_decode(handle, data.as_ptr(), data.len(), &mut picture)
        };
        match result {
            0 => Ok(None),
            1.. => self.picture(&picture).map(Some),
            // SAFETY: takes a number.
            _ if unsafe { ffi::peerage_dav1d_is_too_large(result) } != 0 => {
                Err(Error::TooLarge { limit: self.max_luma })
            }
            _ => Err(Error::Damaged(result)),
        }
    }

    fn picture(&self, raw: &ffi::Picture) -> Result<Picture<'_>, Error> {
        let layout = match raw.layout {
            0 => "4:0:0",
            1 => "4:2:0",
            2 => "4:2:2",
            _ => "4:4:4",
        };
        let wrong = Error::Format { bits: raw.bits.unsigned_abs(), layout };
        if (raw.layout, raw.bits) != (1, 8) {
            return Err(wrong);
        }
        let (width, height) = (raw.width.unsigned_abs(), raw.height.unsigned_abs());
        let mut picture = Picture { width, height, planes: [&[]; 3], strides: [0; 3] };
        for (index, plane) in picture.planes.iter_mut().enumerate() {
            let shift = u32::from(index > 0);
            let (columns, rows) = ((width + shift) >> shift, (height + shift) >> shift);
            let stride = usize::try_from(raw.strides[usize::from(index > 0)]).unwrap_or(0);
            let samples = raw.planes[index];
            if samples.is_null() || stride < columns as usize || rows == 0 || columns == 0 {
                return Err(wrong);
            }
            let length = stride * (rows as usize - 1) + columns as usize;
            // SAFETY: dav1d's planes of 8 bits have `rows` rows of `columns` samples that begin `stride` bytes apart. They live and
            // stay unchanged until the decoder is used again or dropped, which the lifetime of `&self` rules out.
            *plane = unsafe { std::slice::from_raw_parts(samples, length) };
            picture.strides[index] = stride;
        }
        Ok(picture)
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: made in `new`, freed here only.
        unsafe { ffi::peerage_dav1d_free(self.handle.as_ptr()) }
    }
}
