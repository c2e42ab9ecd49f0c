#![doc = include_str!("../README.md")]
#![cfg(feature = "source")]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;

/// The crate that this stands on.
pub use openh264;

use openh264::encoder::{BitRate, Encoder, EncoderConfig, FrameType};
use openh264::formats::YUVSource;
use openh264::{Error, OpenH264API, Timestamp};
use openh264_sys2::{
    ENCODER_OPTION, ENCODER_OPTION_BITRATE, ENCODER_OPTION_FRAME_RATE,
    ENCODER_OPTION_GET_STATISTICS, ENCODER_OPTION_MAX_BITRATE, SBitrateInfo, SEncoderStatistics,
    SPATIAL_LAYER_0, SPATIAL_LAYER_ALL,
};

/// An encoder whose rate may change while it runs.
pub struct RunningEncoder {
    encoder: Encoder,
    /// Options may be set once the library is initialised, which the first picture does.
    running: bool,
    /// The highest rate that the library knows of, bits a second.
    highest: c_int,
}

impl std::fmt::Debug for RunningEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningEncoder").field("running", &self.running).finish_non_exhaustive()
    }
}

impl RunningEncoder {
    /// An encoder that begins with so many bits a second.
    ///
    /// # Errors
    ///
    /// Where the library cannot make one.
    pub fn new(config: EncoderConfig, bits: u32) -> Result<Self, Error> {
        let config = config.bitrate(BitRate::from_bps(bits));
        let encoder = Encoder::with_api_config(OpenH264API::from_source(), config)?;
        Ok(Self { encoder, running: false, highest: rate(bits) })
    }

    /// Encodes a picture of a time in milliseconds, and appends the access unit (Annex B) to `out`. What kind of picture it became:
    /// nothing was appended for [`FrameType::Skip`].
    ///
    /// # Errors
    ///
    /// The size is odd or beyond 3840x2160, or the library failed.
    pub fn encode(
        &mut self,
        picture: &impl YUVSource,
        milliseconds: u64,
        out: &mut Vec<u8>,
    ) -> Result<FrameType, Error> {
        let bits = self.encoder.encode_at(picture, Timestamp::from_millis(milliseconds))?;
        bits.write_vec(out);
        let kind = bits.frame_type();
        self.running = true;
        Ok(kind)
    }

    /// Whether a picture was encoded.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// The next picture becomes a keyframe. Before the first, which is one anyway, it does nothing.
    pub fn force_keyframe(&mut self) {
        if self.running {
            self.encoder.force_intra_frame();
        }
    }

    /// Bits a second, and pictures a second. False where the encoder has not begun, or refuses.
    pub fn set_rate(&mut self, bits: u32, pictures: f32) -> bool {
        let mut pictures = pictures;
        let mut target = SBitrateInfo { iLayer: SPATIAL_LAYER_ALL, iBitrate: rate(bits) };
        // Where the highest rate is the target, the library stays below it.
        let highest = rate(bits.saturating_add(bits / 2));
        let mut limit = SBitrateInfo { iLayer: SPATIAL_LAYER_0, iBitrate: highest };
        let raised = highest > self.highest;
        // SAFETY: these options take a pointer to a `float` and to an `SBitrateInfo` (codec_app_def.h).
        let follows = unsafe {
            self.option(ENCODER_OPTION_FRAME_RATE, &mut pictures)
                // The target may never be above the highest rate.
                && (!raised || self.option(ENCODER_OPTION_MAX_BITRATE, &mut limit))
                && self.option(ENCODER_OPTION_BITRATE, &mut target)
                && (raised || self.option(ENCODER_OPTION_MAX_BITRATE, &mut limit))
        };
        if follows {
            self.highest = highest;
        }
        follows
    }

    /// # Safety
    /// `option` takes a pointer to a `T`, which the library reads or writes during the call only.
    unsafe fn option<T>(&mut self, option: ENCODER_OPTION, value: &mut T) -> bool {
        // SAFETY: the encoder was initialised by its first picture, and the caller promises the rest. Sizes and layers, which the
        // wrapper relies on, are not changed by the options that this is called with.
        self.running
            && unsafe { self.encoder.raw_api().set_option(option, ptr::from_mut(value).cast()) }
                == 0
    }

    /// The mean quantiser of the last picture, 0 to 51.
    pub fn quantizer(&mut self) -> Option<u8> {
        if !self.running {
            return None;
        }
        let mut statistics = MaybeUninit::<SEncoderStatistics>::zeroed();
        // SAFETY: the encoder was initialised by its first picture; this option writes such a struct, which consists of numbers, of
        // which zero is a value.
        let statistics = unsafe {
            let memory = statistics.as_mut_ptr().cast();
            if self.encoder.raw_api().get_option(ENCODER_OPTION_GET_STATISTICS, memory) != 0 {
                return None;
            }
            statistics.assume_init()
        };
        u8::try_from(statistics.uiAverageFrameQP).ok().filter(|quantizer| *quantizer <= 51)
    }
}

fn rate(bits: u32) -> c_int {
    c_int::try_from(bits).unwrap_or(c_int::MAX)
}
