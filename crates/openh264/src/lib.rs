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
    /// The highest rate that the library knows of, bits a second, and what it was in the beginning.
    highest: c_int,
    first: c_int,
    /// Of the last picture: the library begins anew for another one.
    size: (usize, usize),
    /// What was asked of it last.
    rate: Option<(u32, f32)>,
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
        let first = rate(bits);
        Ok(Self { encoder, running: false, highest: first, first, size: (0, 0), rate: None })
    }

    /// Encodes a picture of a time in milliseconds, and appends the access unit (Annex B) to `out`. What kind of picture it became:
    /// nothing was appended for [`FrameType::Skip`].
    ///
    /// # Errors
    ///
    /// The size is odd or beyond 3840x2160, a plane has fewer samples than its size and stride take, or the library failed.
    pub fn encode(
        &mut self,
        picture: &impl YUVSource,
        milliseconds: u64,
        out: &mut Vec<u8>,
    ) -> Result<FrameType, Error> {
        let picture = Checked::new(picture)?;
        let size = picture.dimensions;
        let bits = self.encoder.encode_at(&picture, Timestamp::from_millis(milliseconds))?;
        bits.write_vec(out);
        let kind = bits.frame_type();
        self.running = true;
        if std::mem::replace(&mut self.size, size) != size {
            // It was initialised with the settings that it was made with.
            self.highest = self.first;
            if let Some((bits, pictures)) = self.rate {
                self.set_rate(bits, pictures);
            }
        }
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
            self.rate = Some((bits, pictures));
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

/// A picture whose planes have the samples that its size takes. The library reads them by pointers, and what implements the
/// trait may say anything, and something else the second time.
struct Checked<'a> {
    dimensions: (usize, usize),
    strides: (usize, usize, usize),
    planes: [&'a [u8]; 3],
}

impl<'a> Checked<'a> {
    fn new(picture: &'a impl YUVSource) -> Result<Self, Error> {
        let (dimensions, strides) = (picture.dimensions(), picture.strides());
        let planes = [picture.y(), picture.u(), picture.v()];
        let (width, height) = dimensions;
        let chroma = (width.div_ceil(2), height.div_ceil(2));
        for ((plane, stride), (columns, rows)) in
            planes.iter().zip([strides.0, strides.1, strides.2]).zip([dimensions, chroma, chroma])
        {
            let needed = rows
                .checked_sub(1)
                .and_then(|rows| rows.checked_mul(stride)?.checked_add(columns))
                .filter(|_| columns > 0 && stride >= columns);
            if needed.is_none_or(|needed| plane.len() < needed) {
                return Err(Error::msg("a plane has fewer samples than its size and stride take"));
            }
        }
        Ok(Self { dimensions, strides, planes })
    }
}

impl YUVSource for Checked<'_> {
    fn dimensions(&self) -> (usize, usize) {
        self.dimensions
    }

    fn strides(&self) -> (usize, usize, usize) {
        self.strides
    }

    fn y(&self) -> &[u8] {
        self.planes[0]
    }

    fn u(&self) -> &[u8] {
        self.planes[1]
    }

    fn v(&self) -> &[u8] {
        self.planes[2]
    }
}

fn rate(bits: u32) -> c_int {
    c_int::try_from(bits).unwrap_or(c_int::MAX)
}
