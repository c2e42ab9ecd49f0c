//! The encoder and its controls.

use std::ffi::c_int;
use std::ptr::NonNull;

use opusic_sys as sys;

use crate::{Error, rate};

/// What an encoder is tuned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Application {
    /// Speech that is to be understood.
    Voip,
    /// Music and everything else that is to sound as it was.
    Audio,
    /// The least delay: no speech mode, and five milliseconds less of looking ahead.
    RestrictedLowDelay,
}

/// What the sound is, where the application knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The encoder finds out.
    Auto,
    /// Speech.
    Voice,
    /// Music.
    Music,
}

/// Redundancy for lost packets inside of the stream (RFC 6716 §2.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InbandFec {
    /// None.
    Off,
    /// Where losses are expected, and the speech mode is chosen for it even at rates at which it is not the best.
    On,
    /// Where losses are expected and the speech mode is used anyway.
    OnWithoutSwitching,
}

/// The band that is encoded (RFC 6716 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bandwidth {
    /// 4 kHz.
    Narrowband,
    /// 6 kHz.
    Mediumband,
    /// 8 kHz.
    Wideband,
    /// 12 kHz.
    Superwideband,
    /// 20 kHz.
    Fullband,
}

impl Bandwidth {
    fn code(self) -> c_int {
        match self {
            Self::Narrowband => sys::OPUS_BANDWIDTH_NARROWBAND,
            Self::Mediumband => sys::OPUS_BANDWIDTH_MEDIUMBAND,
            Self::Wideband => sys::OPUS_BANDWIDTH_WIDEBAND,
            Self::Superwideband => sys::OPUS_BANDWIDTH_SUPERWIDEBAND,
            Self::Fullband => sys::OPUS_BANDWIDTH_FULLBAND,
        }
    }

    pub(crate) fn of(code: c_int) -> Option<Self> {
        match code {
            sys::OPUS_BANDWIDTH_NARROWBAND => Some(Self::Narrowband),
            sys::OPUS_BANDWIDTH_MEDIUMBAND => Some(Self::Mediumband),
            sys::OPUS_BANDWIDTH_WIDEBAND => Some(Self::Wideband),
            sys::OPUS_BANDWIDTH_SUPERWIDEBAND => Some(Self::Superwideband),
            sys::OPUS_BANDWIDTH_FULLBAND => Some(Self::Fullband),
            _ => None,
        }
    }
}

/// An encoder of one stream.
#[derive(Debug)]
pub struct Encoder {
    state: NonNull<sys::OpusEncoder>,
    rate: u32,
    channels: usize,
}

// SAFETY: the state is memory of its own that no thread is tied to, and whoever has the encoder is the only one who has it.
unsafe impl Send for Encoder {}

impl Encoder {
    /// The most bytes of a packet, 120 ms at the highest rate (RFC 6716 §3.4, R7: 1275 bytes for each frame, and the lengths).
    pub const MAX_PACKET: usize = 1276 * 6;

    /// An encoder of `rate` samples a second (8, 12, 16, 24 or 48 thousand) and one or two channels.
    ///
    /// # Errors
    ///
    /// [`BadArgument`](Error::BadArgument) for other rates and channels.
    pub fn new(rate: u32, channels: usize, application: Application) -> Result<Self, Error> {
        let (fs, count) = rate::format(rate, channels)?;
        let application = match application {
            Application::Voip => sys::OPUS_APPLICATION_VOIP,
            Application::Audio => sys::OPUS_APPLICATION_AUDIO,
            Application::RestrictedLowDelay => sys::OPUS_APPLICATION_RESTRICTED_LOWDELAY,
        };
        let mut code = sys::OPUS_OK;
        // SAFETY: `code` lives through the call. The library checks the rest, and returns null or a new state.
        let state = unsafe { sys::opus_encoder_create(fs, count, application, &raw mut code) };
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

    /// Encodes 2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms of samples, the channels of a moment side by side, as one packet of
    /// at most `out.len()` bytes. Returns the length; with DTX, a packet of two bytes or less need not be sent.
    ///
    /// # Errors
    ///
    /// [`BadArgument`](Error::BadArgument) for another length.
    pub fn encode(&mut self, samples: &[f32], out: &mut [u8]) -> Result<usize, Error> {
        let frames = rate::frames(samples, self.channels)?;
        let room = i32::try_from(out.len()).unwrap_or(i32::MAX);
        // SAFETY: the state is alive and ours alone. The library reads `frames` samples in each channel, which is what
        // `samples` has, and writes at most `room` bytes, which `out` has.
        let code = unsafe {
            sys::opus_encode_float(
                self.state.as_ptr(),
                samples.as_ptr(),
                frames,
                out.as_mut_ptr(),
                room,
            )
        };
        Error::check(code)
    }

    /// Bits a second, 500 to 512,000 in each channel.
    pub fn set_bitrate(&mut self, bitrate: u32) -> Result<(), Error> {
        let bitrate = i32::try_from(bitrate).map_err(|_| Error::BadArgument)?;
        self.set(sys::OPUS_SET_BITRATE_REQUEST, bitrate)
    }

    /// How much CPU may be spent, 0 to 10.
    pub fn set_complexity(&mut self, complexity: u8) -> Result<(), Error> {
        self.set(sys::OPUS_SET_COMPLEXITY_REQUEST, c_int::from(complexity))
    }

    /// Whether packets may differ in length to sound the same, rather than the other way around. True at first.
    pub fn set_vbr(&mut self, vbr: bool) -> Result<(), Error> {
        self.set(sys::OPUS_SET_VBR_REQUEST, c_int::from(vbr))
    }

    /// Whether a variable rate may not go beyond what a constant one would by more than one frame. True at first.
    pub fn set_vbr_constraint(&mut self, constrained: bool) -> Result<(), Error> {
        self.set(sys::OPUS_SET_VBR_CONSTRAINT_REQUEST, c_int::from(constrained))
    }

    /// Redundancy for lost packets.
    pub fn set_inband_fec(&mut self, fec: InbandFec) -> Result<(), Error> {
        let fec = match fec {
            InbandFec::Off => 0,
            InbandFec::On => 1,
            InbandFec::OnWithoutSwitching => 2,
        };
        self.set(sys::OPUS_SET_INBAND_FEC_REQUEST, fec)
    }

    /// The share of packets that get lost, in percent up to 100: how much redundancy is put in.
    pub fn set_packet_loss(&mut self, percent: u8) -> Result<(), Error> {
        self.set(sys::OPUS_SET_PACKET_LOSS_PERC_REQUEST, c_int::from(percent))
    }

    /// Whether almost nothing is encoded while nobody speaks.
    pub fn set_dtx(&mut self, dtx: bool) -> Result<(), Error> {
        self.set(sys::OPUS_SET_DTX_REQUEST, c_int::from(dtx))
    }

    /// The widest band that may be encoded.
    pub fn set_max_bandwidth(&mut self, bandwidth: Bandwidth) -> Result<(), Error> {
        self.set(sys::OPUS_SET_MAX_BANDWIDTH_REQUEST, bandwidth.code())
    }

    /// The channels that are encoded whatever comes in: one, two, or what the encoder thinks best.
    pub fn set_force_channels(&mut self, channels: Option<usize>) -> Result<(), Error> {
        let channels = match channels {
            None => sys::OPUS_AUTO,
            Some(1) => 1,
            Some(2) => 2,
            Some(_) => return Err(Error::BadArgument),
        };
        self.set(sys::OPUS_SET_FORCE_CHANNELS_REQUEST, channels)
    }

    /// What the sound is.
    pub fn set_signal(&mut self, signal: Signal) -> Result<(), Error> {
        let signal = match signal {
            Signal::Auto => sys::OPUS_AUTO,
            Signal::Voice => sys::OPUS_SIGNAL_VOICE,
            Signal::Music => sys::OPUS_SIGNAL_MUSIC,
        };
        self.set(sys::OPUS_SET_SIGNAL_REQUEST, signal)
    }

    /// How much of the past each packet carries as deep redundancy, in units of 10 ms, at most 104. Zero at first.
    #[cfg(feature = "dred")]
    pub fn set_dred(&mut self, units: u8) -> Result<(), Error> {
        self.set(sys::OPUS_SET_DRED_DURATION_REQUEST, c_int::from(units))
    }

    /// Samples that the decoded sound is late by.
    pub fn lookahead(&mut self) -> usize {
        self.get(sys::OPUS_GET_LOOKAHEAD_REQUEST) as usize
    }

    /// Whether the last packet was one of DTX.
    pub fn in_dtx(&mut self) -> bool {
        self.get(sys::OPUS_GET_IN_DTX_REQUEST) != 0
    }

    /// The bits a second that are set.
    pub fn bitrate(&mut self) -> u32 {
        self.get(sys::OPUS_GET_BITRATE_REQUEST).max(0) as u32
    }

    /// The state of the range coder after the last packet. A decoder that decoded the packet the same way has the same.
    pub fn final_range(&mut self) -> u32 {
        // The library counts it unsigned, in as many bits.
        self.get(sys::OPUS_GET_FINAL_RANGE_REQUEST) as u32
    }

    /// Forgets what was encoded, and keeps what was set.
    pub fn reset(&mut self) {
        // SAFETY: the state is alive and ours alone; this request takes nothing more.
        unsafe { sys::opus_encoder_ctl(self.state.as_ptr(), sys::OPUS_RESET_STATE) };
    }

    fn set(&mut self, request: c_int, value: c_int) -> Result<(), Error> {
        // SAFETY: the state is alive and ours alone; each request that is given here takes one `opus_int32`.
        let code = unsafe { sys::opus_encoder_ctl(self.state.as_ptr(), request, value) };
        Error::check(code).map(drop)
    }

    fn get(&mut self, request: c_int) -> i32 {
        let mut value = 0i32;
        // SAFETY: the state is alive and ours alone; each request that is given here writes one 32-bit number, and the
        // place for it lives through the call.
        unsafe { sys::opus_encoder_ctl(self.state.as_ptr(), request, &raw mut value) };
        value
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: the library made the state, and nobody uses it after this.
        unsafe { sys::opus_encoder_destroy(self.state.as_ptr()) };
    }
}
