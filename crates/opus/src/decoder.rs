//! The decoder, which also fills gaps.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use opusic_sys as sys;

use crate::{Bandwidth, Error, rate};

/// A decoder of one stream.
#[derive(Debug)]
pub struct Decoder {
    state: NonNull<sys::OpusDecoder>,
    rate: u32,
    channels: usize,
}

// SAFETY: the state is memory of its own that no thread is tied to, and whoever has the decoder is the only one who has it.
unsafe impl Send for Decoder {}

impl Decoder {
    /// A decoder to `rate` samples a second (8, 12, 16, 24 or 48 thousand) and one or two channels, whatever the stream has.
    ///
    /// # Errors
    ///
    /// [`BadArgument`](Error::BadArgument) for other rates and channels.
    pub fn new(rate: u32, channels: usize) -> Result<Self, Error> {
        let (fs, count) = rate::format(rate, channels)?;
        let mut code = sys::OPUS_OK;
        // SAFETY: `code` lives through the call. The library checks the rest, and returns null or a new state.
        let state = unsafe { sys::opus_decoder_create(fs, count, &raw mut code) };
        let state = NonNull::new(state).ok_or(Error::of(code))?;
        Ok(Self { state, rate, channels })
    }

    /// Samples a second in each channel.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Decodes a packet to the beginning of `out`, the channels of a moment side by side. Returns the samples in each channel.
    ///
    /// # Errors
    ///
    /// [`InvalidPacket`](Error::InvalidPacket), also where it is empty; [`BufferTooSmall`](Error::BufferTooSmall) where it
    /// sounds longer than `out`, which is at most 120 ms.
    pub fn decode(&mut self, packet: &[u8], out: &mut [f32]) -> Result<usize, Error> {
        // No packet at all means a lost one to the library.
        if packet.is_empty() {
            return Err(Error::InvalidPacket);
        }
        self.call(packet, out, false)
    }

    /// Fills all of `out`, whole multiples of 2.5 ms, with the sound before this packet: its redundancy, and where that is
    /// shorter or missing, sound that goes on from what was decoded last.
    ///
    /// # Errors
    ///
    /// [`InvalidPacket`](Error::InvalidPacket), and [`BadArgument`](Error::BadArgument) for another length.
    pub fn decode_redundancy(&mut self, packet: &[u8], out: &mut [f32]) -> Result<usize, Error> {
        if packet.is_empty() {
            return Err(Error::InvalidPacket);
        }
        self.call(packet, out, true)
    }

    /// Fills all of `out`, whole multiples of 2.5 ms, with sound that goes on from what was decoded last.
    ///
    /// # Errors
    ///
    /// [`BadArgument`](Error::BadArgument) for another length.
    pub fn conceal(&mut self, out: &mut [f32]) -> Result<usize, Error> {
        self.call(&[], out, false)
    }

    fn call(&mut self, packet: &[u8], out: &mut [f32], redundancy: bool) -> Result<usize, Error> {
        let frames = rate::frames(out, self.channels)?;
        let length = rate::length(packet)?;
        let data = if packet.is_empty() { ptr::null() } else { packet.as_ptr() };
        // SAFETY: the state is alive and ours alone. The library reads at most `length` bytes, and none of null; it writes at
        // most `frames` samples in each channel, which is what `out` has.
        let code = unsafe {
            sys::opus_decode_float(
                self.state.as_ptr(),
                data,
                length,
                out.as_mut_ptr(),
                frames,
                c_int::from(redundancy),
            )
        };
        Error::check(code)
    }

    /// How much CPU may be spent, 0 to 10. From 5 on, gaps are filled by a neural network, from 6 on, speech of low rates is
    /// enhanced, where the library was built for it.
    pub fn set_complexity(&mut self, complexity: u8) -> Result<(), Error> {
        self.set(sys::OPUS_SET_COMPLEXITY_REQUEST, c_int::from(complexity))
    }

    /// Amplifies by so many 256ths of a decibel.
    pub fn set_gain(&mut self, gain: i16) -> Result<(), Error> {
        self.set(sys::OPUS_SET_GAIN_REQUEST, c_int::from(gain))
    }

    /// The band of the last packet; `None` before the first.
    pub fn bandwidth(&mut self) -> Option<Bandwidth> {
        Bandwidth::of(self.get(sys::OPUS_GET_BANDWIDTH_REQUEST))
    }

    /// Samples in each channel of what was decoded or filled last.
    pub fn last_duration(&mut self) -> usize {
        self.get(sys::OPUS_GET_LAST_PACKET_DURATION_REQUEST).max(0) as usize
    }

    /// The period of the voice in the last packet, in samples at 48 kHz; zero where there is none.
    pub fn pitch(&mut self) -> usize {
        self.get(sys::OPUS_GET_PITCH_REQUEST).max(0) as usize
    }

    /// The state of the range decoder after the last packet, which equals the encoder's.
    pub fn final_range(&mut self) -> u32 {
        // The library counts it unsigned, in as many bits.
        self.get(sys::OPUS_GET_FINAL_RANGE_REQUEST) as u32
    }

    /// Forgets what was decoded, and keeps what was set.
    pub fn reset(&mut self) {
        // SAFETY: the state is alive and ours alone; this request takes nothing more.
        unsafe { sys::opus_decoder_ctl(self.state.as_ptr(), sys::OPUS_RESET_STATE) };
    }

    #[cfg(feature = "dred")]
    pub(crate) fn state(&mut self) -> *mut sys::OpusDecoder {
        self.state.as_ptr()
    }

    fn set(&mut self, request: c_int, value: c_int) -> Result<(), Error> {
        // SAFETY: the state is alive and ours alone; each request that is given here takes one `opus_int32`.
        let code = unsafe { sys::opus_decoder_ctl(self.state.as_ptr(), request, value) };
        Error::check(code).map(drop)
    }

    fn get(&mut self, request: c_int) -> i32 {
        let mut value = 0i32;
        // SAFETY: the state is alive and ours alone; each request that is given here writes one 32-bit number, and the
        // place for it lives through the call.
        unsafe { sys::opus_decoder_ctl(self.state.as_ptr(), request, &raw mut value) };
        value
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the library made the state, and nobody uses it after this.
        unsafe { sys::opus_decoder_destroy(self.state.as_ptr()) };
    }
}
