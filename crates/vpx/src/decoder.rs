//! The decoder: a bitstream goes in, planes come out, which are borrowed until the next call.

use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};

use vpx_sys::{
    VPX_DECODER_ABI_VERSION, size_t, vp8_dec_control_id, vpx_codec_control_, vpx_codec_dec_cfg_t,
    vpx_codec_dec_init_ver, vpx_codec_decode, vpx_codec_err_t, vpx_codec_frame_buffer_t,
    vpx_codec_get_frame, vpx_codec_iter_t, vpx_codec_peek_stream_info,
    vpx_codec_set_frame_buffer_functions, vpx_codec_stream_info_t, vpx_codec_vp8_dx,
    vpx_codec_vp9_dx, vpx_image_t, vpx_img_fmt,
};

use crate::context::{Context, Interface};
use crate::{Codec, Error, vp9_header};

/// Buffers of frames that VP9 may hold at once: 8 references, and those that are decoded and shown.
const MAX_BUFFERS: usize = 16;

/// A decoded picture, as libvpx holds it. Rows of a plane begin `stride` apart; the last one has no padding.
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

/// Decodes VP8 or VP9.
#[derive(Debug)]
pub struct Decoder {
    context: Context,
    /// What VP9 decodes into. It is dropped after the context, which gives its buffers back when it is destroyed.
    pool: Option<OwnedPool>,
    threads: u32,
    max_luma: u32,
}

impl Decoder {
    /// A decoder with `threads` threads (1 to 64) that refuses pictures of more than `max_luma` samples of luma.
    ///
    /// # Errors
    ///
    /// [`Error::Library`] where libvpx has no decoder of this codec, or no memory.
    pub fn new(codec: Codec, threads: u32, max_luma: u32) -> Result<Self, Error> {
        let mut pool = None;
        if codec == Codec::Vp9 {
            // A frame may be larger than the one before it without being a keyframe, so that the size is to be checked where
            // memory is asked for. With borders, alignment and chroma a frame of 8 bits takes less than this.
            let limit = (max_luma as usize).saturating_mul(3).saturating_add(8 << 20);
            pool = Some(OwnedPool::new(limit));
        }
        let context = open(codec, threads, pool.as_ref())?;
        Ok(Self { context, pool, threads, max_luma })
    }

    /// Which codec.
    pub fn codec(&self) -> Codec {
        self.context.codec()
    }

    /// The quantiser of the picture that was decoded last, on the bitstream's own scale: 0 to 127 (VP8), 0 to 255 (VP9). `None`
    /// before the first, or where libvpx does not tell.
    pub fn quantizer(&mut self) -> Option<u8> {
        let mut value: c_int = -1;
        // SAFETY: this control takes a pointer to an `int` and writes it.
        let result = unsafe {
            vpx_codec_control_(
                self.context.as_ptr(),
                vp8_dec_control_id::VPXD_GET_LAST_QUANTIZER as c_int,
                &raw mut value,
            )
        };
        if result == vpx_codec_err_t::VPX_CODEC_OK { u8::try_from(value).ok() } else { None }
    }

    /// Decodes a frame (VP9: a superframe, or the layer frames of a picture one after the other). `None` where nothing is shown.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`], [`Error::TooLarge`] or [`Error::Format`]; the decoder can be used on, best from a keyframe.
    pub fn decode(&mut self, data: &[u8]) -> Result<Option<Picture<'_>>, Error> {
        let codec = self.codec();
        let damaged = |reason: &str| Error::Damaged { codec: codec.name(), reason: reason.into() };
        // libvpx takes no data for the end of the stream, and lengths as 32 bits.
        let length = match u32::try_from(data.len()) {
            Ok(length @ 1..) => length,
            _ => return Err(damaged("it has no bytes, or more than 4 GiB")),
        };
        self.check_size(data, length)?;
        // SAFETY: the context is initialised and ours alone, `data` has `length` bytes and is only read during the call, and
        // no user data is handed over.
        let result = unsafe {
            vpx_codec_decode(self.context.as_ptr(), data.as_ptr(), length, ptr::null_mut(), 0)
        };
        if result != vpx_codec_err_t::VPX_CODEC_OK {
            let reason = self.context.reason(result);
            // What was decoded before the damage is of no use, but must be fetched, or it comes with the next frame.
            self.fetch();
            self.let_go()?;
            return Err(damaged(&reason));
        }
        match self.fetch() {
            Some(image) => self.picture(image).map(Some),
            None => Ok(None),
        }
    }

    /// Begins anew where a frame was refused for its size: libvpx has taken memory by then that it would keep, in proportion to
    /// the size that the frame says it has.
    fn let_go(&mut self) -> Result<(), Error> {
        let refused = self.pool.as_mut().is_some_and(|pool| {
            // SAFETY: libvpx uses the pool only while it decodes or is destroyed.
            let pool = unsafe { pool.0.as_mut() };
            std::mem::take(&mut pool.refused)
        });
        if refused {
            self.context = open(self.codec(), self.threads, self.pool.as_ref())?;
        }
        Ok(())
    }

    /// Refuses frames that are too large before libvpx allocates for them: keyframes, and with VP9 all that name a size.
    fn check_size(&self, data: &[u8], length: u32) -> Result<(), Error> {
        let codec = self.codec();
        let too_large = |(width, height): (u32, u32)| {
            let luma = u64::from(width) * u64::from(height);
            let (codec, limit) = (codec.name(), self.max_luma);
            let error = Error::TooLarge { codec, width, height, limit };
            (luma > u64::from(limit)).then_some(error)
        };
        if codec == Codec::Vp9 {
            let mut sizes = vp9_header::frames(data).filter_map(vp9_header::size);
            return sizes.find_map(too_large).map_or(Ok(()), Err);
        }
        let mut info = vpx_codec_stream_info_t {
            sz: size_of::<vpx_codec_stream_info_t>() as u32,
            w: 0,
            h: 0,
            is_kf: 0,
        };
        // SAFETY: `data` has `length` bytes, and `info` says how large it is. What cannot be read leaves zeros.
        unsafe {
            vpx_codec_peek_stream_info(interface(codec), data.as_ptr(), length, &mut info);
        }
        too_large((info.w, info.h)).map_or(Ok(()), Err)
    }

    /// The last picture that decoding gave, if any.
    fn fetch(&mut self) -> Option<*const vpx_image_t> {
        let mut iterator: vpx_codec_iter_t = ptr::null();
        let mut last = None;
        loop {
            // SAFETY: the context is initialised, and the iterator begins with null as libvpx wants it.
            let image = unsafe { vpx_codec_get_frame(self.context.as_ptr(), &mut iterator) };
            if image.is_null() {
                return last;
            }
            last = Some(image.cast_const());
        }
    }

    fn picture(&self, image: *const vpx_image_t) -> Result<Picture<'_>, Error> {
        let codec = self.codec().name();
        // SAFETY: `vpx_codec_get_frame` returned it, and it stays as it is until the context is used again, for which `&mut self`
        // is needed. The format is read as a number, since a newer libvpx may know more formats than the enum.
        let (format, width, height, planes, strides) = unsafe {
            let format = ptr::addr_of!((*image).fmt).cast::<u32>().read();
            (format, (*image).d_w, (*image).d_h, (*image).planes, (*image).stride)
        };
        if format != vpx_img_fmt::VPX_IMG_FMT_I420 as u32 {
            return Err(Error::Format { codec, format });
        }
        let mut picture = Picture { width, height, planes: [&[]; 3], strides: [0; 3] };
        for (index, plane) in picture.planes.iter_mut().enumerate() {
            let shift = u32::from(index > 0);
            let (columns, rows) = ((width + shift) >> shift, (height + shift) >> shift);
            let stride = usize::try_from(strides[index]).unwrap_or(0);
            if planes[index].is_null() || stride < columns as usize || rows == 0 || columns == 0 {
                return Err(Error::Format { codec, format });
            }
            let length = stride * (rows as usize - 1) + columns as usize;
            // SAFETY: libvpx's planes have `rows` rows of `columns` samples that begin `stride` bytes apart, so that so many
            // bytes from the first sample on are inside of the picture's buffer. They live and stay unchanged until the context
            // is used again, which the lifetime of `&self` rules out.
            *plane = unsafe { std::slice::from_raw_parts(planes[index], length) };
            picture.strides[index] = stride;
        }
        Ok(picture)
    }

    /// Bytes of frames that VP9 holds at this time; zero for VP8, which holds four pictures.
    pub fn held(&self) -> usize {
        // SAFETY: libvpx uses the pool only while it decodes or is destroyed, for which `&mut self` is needed.
        self.pool.as_ref().map_or(0, |pool| unsafe { pool.0.as_ref() }.lent)
    }
}

/// A context that decodes into the pool, where there is one; the pool must outlive it.
fn open(codec: Codec, threads: u32, pool: Option<&OwnedPool>) -> Result<Context, Error> {
    let config = vpx_codec_dec_cfg_t { threads: threads.clamp(1, 64), w: 0, h: 0 };
    let version = VPX_DECODER_ABI_VERSION as c_int;
    let initialise = |context| {
        // SAFETY: the context is zeroed memory as `Context::new` makes it, the interface is libvpx's own, and the
        // configuration is read during the call only.
        unsafe { vpx_codec_dec_init_ver(context, interface(codec), &config, 0, version) }
    };
    // SAFETY: `initialise` is `vpx_codec_dec_init_ver`.
    let mut context = unsafe { Context::new(codec, "vpx_codec_dec_init", initialise) }?;
    if let Some(pool) = pool {
        let memory = pool.0.as_ptr().cast::<c_void>();
        // SAFETY: the functions have the types that are asked for, and `memory` points to a pool on the heap that outlives
        // the context: it is a later field of the decoder, which is dropped later.
        let result = unsafe {
            vpx_codec_set_frame_buffer_functions(
                context.as_ptr(),
                Some(get_buffer),
                Some(release_buffer),
                memory,
            )
        };
        context.check("vpx_codec_set_frame_buffer_functions", result)?;
    }
    Ok(context)
}

fn interface(codec: Codec) -> Interface {
    // SAFETY: both take nothing and return a pointer to a static.
    unsafe {
        match codec {
            Codec::Vp8 => vpx_codec_vp8_dx(),
            Codec::Vp9 => vpx_codec_vp9_dx(),
        }
    }
}

/// Memory that VP9 decodes into.
#[derive(Debug)]
struct Pool {
    /// Bytes that a frame may have at most.
    limit: usize,
    /// Bytes that libvpx holds.
    lent: usize,
    /// It was asked for more than that.
    refused: bool,
    /// Buffers to be used again, at most [`MAX_BUFFERS`].
    free: Vec<Vec<u8>>,
}

/// A pool whose address libvpx knows, and which is freed with this.
#[derive(Debug)]
struct OwnedPool(NonNull<Pool>);

// SAFETY: owned by this alone; libvpx uses it only inside of calls.
unsafe impl Send for OwnedPool {}

impl OwnedPool {
    fn new(limit: usize) -> Self {
        Self(NonNull::from(Box::leak(Box::new(Pool {
            limit,
            lent: 0,
            refused: false,
            free: Vec::new(),
        }))))
    }
}

impl Drop for OwnedPool {
    fn drop(&mut self) {
        // SAFETY: leaked in `new`, freed here only, after the context that knows its address.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// Lends a buffer to libvpx: of at least `size` bytes, zeroed when it is new. Non-zero for no.
///
/// # Safety
/// libvpx calls it during `vpx_codec_decode` with the pool's address and a buffer to be filled in.
unsafe extern "C" fn get_buffer(
    pool: *mut c_void,
    size: size_t,
    buffer: *mut vpx_codec_frame_buffer_t,
) -> c_int {
    // SAFETY: `pool` is what `Decoder::new` handed over, and nobody else uses it during the call: libvpx asks for buffers under
    // a lock, on the thread that decodes.
    let pool = unsafe { &mut *pool.cast::<Pool>() };
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size == 0 || size > pool.limit || pool.lent > MAX_BUFFERS.saturating_mul(pool.limit) {
        pool.refused = true;
        return -1;
    }
    let used = pool.free.iter().position(|free| free.len() >= size && free.len() / 2 <= size);
    let memory = match used {
        Some(at) => pool.free.swap_remove(at),
        None => {
            // Sizes have changed: what does not fit will not be needed again.
            pool.free.clear();
            vec![0; size]
        }
    };
    pool.lent += memory.len();
    let memory: *mut [u8] = Box::into_raw(memory.into_boxed_slice());
    // SAFETY: libvpx hands over a buffer of its own to be written. What is written is taken back by `release_buffer`.
    unsafe {
        (*buffer).data = memory.cast::<u8>();
        (*buffer).size = memory.len() as size_t;
        (*buffer).priv_ = memory.cast::<c_void>();
    }
    0
}

/// Takes back what [`get_buffer`] lent.
///
/// # Safety
/// libvpx calls it once for each buffer, with the pool's address, during `vpx_codec_decode`, `vpx_codec_get_frame` or
/// `vpx_codec_destroy`.
unsafe extern "C" fn release_buffer(
    pool: *mut c_void,
    buffer: *mut vpx_codec_frame_buffer_t,
) -> c_int {
    // SAFETY: as in `get_buffer`; `buffer` is one that was filled in there, or empty.
    let (pool, data, size) = unsafe {
        let buffer = &mut *buffer;
        let data = std::mem::replace(&mut buffer.priv_, ptr::null_mut()).cast::<u8>();
        (&mut *pool.cast::<Pool>(), data, buffer.size as usize)
    };
    if data.is_null() {
        return 0;
    }
    // SAFETY: `data` and `size` are those of the boxed slice that `get_buffer` leaked; `priv_` was set to null above, so that it
    // is taken back once.
    let memory = unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(data, size)) };
    pool.lent = pool.lent.saturating_sub(memory.len());
    if pool.free.len() < MAX_BUFFERS {
        pool.free.push(memory.into_vec());
    }
    0
}
