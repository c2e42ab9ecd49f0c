//! Deep redundancy: coarse sound of up to a second before a packet, inside of the packet (draft-ietf-mlcodec-opus-dred).

use std::ffi::c_int;
use std::ptr::NonNull;

use opusic_sys as sys;

use crate::{Decoder, Error, rate};

/// The deep redundancy of one packet at a time.
#[derive(Debug)]
pub struct Dred {
    model: NonNull<sys::OpusDREDDecoder>,
    state: NonNull<sys::OpusDRED>,
    /// What [`parse`](Self::parse) found: samples at 48 kHz from the first to the packet. The state is uninitialised memory
    /// before the first call.
    available: usize,
}

// SAFETY: both are memory of their own that no thread is tied to, and whoever has this is the only one who has them.
unsafe impl Send for Dred {}

impl Dred {
    /// The most samples at 48 kHz that are looked at: two seconds, more than a packet can have.
    const MOST: usize = 96_000;

    /// Takes the memory, about 20 kB.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](Error::OutOfMemory).
    pub fn new() -> Result<Self, Error> {
        let mut code = sys::OPUS_OK;
        // SAFETY: `code` lives through the call, which returns null or a new state.
        let model = unsafe { sys::opus_dred_decoder_create(&raw mut code) };
        let model = NonNull::new(model).ok_or(Error::of(code))?;
        // SAFETY: as above.
        let state = unsafe { sys::opus_dred_alloc(&raw mut code) };
        let Some(state) = NonNull::new(state) else {
            // SAFETY: the library made it, and nobody has it but us.
            unsafe { sys::opus_dred_decoder_destroy(model.as_ptr()) };
            return Err(Error::of(code));
        };
        Ok(Self { model, state, available: 0 })
    }

    /// Takes in the redundancy of a packet, of `wanted` samples at 48 kHz before it. Returns how many samples before the
    /// packet the redundancy begins, zero where there is none.
    ///
    /// # Errors
    ///
    /// [`InvalidPacket`](Error::InvalidPacket).
    pub fn parse(&mut self, packet: &[u8], wanted: usize) -> Result<usize, Error> {
        self.available = 0;
        let length = rate::length(packet)?;
        if packet.is_empty() {
            return Err(Error::InvalidPacket);
        }
        let mut end: c_int = 0;
        // SAFETY: model and state are alive and ours alone, `end` lives through the call. The library reads at most `length`
        // bytes, and decodes what it finds into the state.
        let code = unsafe {
            sys::opus_dred_parse(
                self.model.as_ptr(),
                self.state.as_ptr(),
                packet.as_ptr(),
                length,
                wanted.min(Self::MOST) as i32,
                48_000,
                &raw mut end,
                0,
            )
        };
        self.available = Error::check(code)?;
        Ok(self.available)
    }

    /// Fills all of `out`, whole multiples of 2.5 ms, with the sound that begins `before` samples at the decoder's rate before
    /// the packet that was [parsed](Self::parse) last. The decoder must have decoded or filled up to there.
    ///
    /// # Errors
    ///
    /// [`BadArgument`](Error::BadArgument) for another length, and where the redundancy does not begin as early.
    pub fn decode(
        &self,
        decoder: &mut Decoder,
        before: usize,
        out: &mut [f32],
    ) -> Result<usize, Error> {
        let frames = rate::frames(out, decoder.channels())?;
        // Beyond of what there is the library would fill the gap like any other, and say nothing.
        let there = self.available as u64 * u64::from(decoder.rate()) / 48_000;
        if before == 0 || before as u64 > there {
            return Err(Error::BadArgument);
        }
        // SAFETY: both states are alive; the decoder's is borrowed for us alone, ours was filled by a call of `parse` that
        // found something, and is only read. The library writes at most `frames` samples in each channel, which `out` has.
        let code = unsafe {
            sys::opus_decoder_dred_decode_float(
                decoder.state(),
                self.state.as_ptr(),
                before as i32,
                out.as_mut_ptr(),
                frames,
            )
        };
        Error::check(code)
    }
}

impl Drop for Dred {
    fn drop(&mut self) {
        // SAFETY: the library made both, and nobody uses them after this.
        unsafe {
            sys::opus_dred_free(self.state.as_ptr());
            sys::opus_dred_decoder_destroy(self.model.as_ptr());
        }
    }
}
