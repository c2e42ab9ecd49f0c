//! What an encoder is made with and may be changed to, in libaom's terms (`aom_codec_enc_cfg` and the controls of `aomcx.h`).

use crate::{Error, ffi};

/// Temporal layers at most.
pub const MAX_TEMPORAL_LAYERS: usize = 3;
/// Spatial layers at most.
pub const MAX_SPATIAL_LAYERS: usize = 3;

/// Bits a second of each layer, in kbit/s: `[spatial][temporal]`, of this temporal layer alone.
pub type LayerRates = [[u32; MAX_TEMPORAL_LAYERS]; MAX_SPATIAL_LAYERS];

/// The highest rate that libaom is told, in kbit/s.
const MAX_RATE: u32 = 1_000_000;

/// Settings of a real-time encoder: one pass, no lag, constant bitrate, 8 bits in 4:2:0. Fields are named as libaom's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderConfig {
    /// Width, 1 to 16384. It cannot be changed in an encoder.
    pub width: u32,
    /// Height, 1 to 16384. It cannot be changed in an encoder.
    pub height: u32,
    /// Threads, 1 to 16.
    pub threads: u32,
    /// Columns of tiles, as a power of two, 0 to 4: threads work on one each.
    pub tile_columns_log2: u32,
    /// Temporal layers, 1 to 3.
    pub temporal_layers: usize,
    /// Spatial layers, 1 to 3, each twice the size of the one below.
    pub spatial_layers: usize,
    /// Bits a second of each layer.
    pub rates: LayerRates,
    /// Share of the buffer below which pictures are left out, percent; 0 for never.
    pub drop_frame_threshold: u32,
    /// Lowest quantiser, 0 to 63.
    pub min_quantizer: u32,
    /// Highest quantiser, 0 to 63.
    pub max_quantizer: u32,
    /// How far the rate may be below the target, percent.
    pub undershoot: u32,
    /// How far the rate may be above the target, percent.
    pub overshoot: u32,
    /// Size of the decoder's buffer, milliseconds of the target rate.
    pub buffer: u32,
    /// What is in it to begin with.
    pub buffer_initial: u32,
    /// What is aimed at.
    pub buffer_optimal: u32,
    /// `cpu-used`: speed against quality, 5 to 10.
    pub speed: i32,
    /// Size of keyframes at most, in percent of an average picture; 0 for no limit.
    pub max_intra_percent: u32,
    /// The picture is a screen.
    pub screen: bool,
}

impl EncoderConfig {
    /// Checks what libaom would not, or would understand otherwise.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |what, value: u64, expected| Err(Error::Argument { what, value, expected });
        for (what, value) in [("the width", self.width), ("the height", self.height)] {
            if !(1..=16_384).contains(&value) {
                return wrong(what, value.into(), "1 to 16384");
            }
        }
        if !(1..=16).contains(&self.threads) {
            return wrong("the number of threads", self.threads.into(), "1 to 16");
        }
        if self.tile_columns_log2 > 4 {
            return wrong("the power of columns", self.tile_columns_log2.into(), "0 to 4");
        }
        for (what, layers, most) in [
            ("the number of temporal layers", self.temporal_layers, MAX_TEMPORAL_LAYERS),
            ("the number of spatial layers", self.spatial_layers, MAX_SPATIAL_LAYERS),
        ] {
            if !(1..=most).contains(&layers) {
                return wrong(what, layers as u64, "1 to 3");
            }
        }
        if self.max_quantizer > 63 || self.min_quantizer > self.max_quantizer {
            let quantizer = u64::from(self.min_quantizer);
            return wrong("the lowest quantiser", quantizer, "at most the highest, and that 63");
        }
        if !(5..=10).contains(&self.speed) {
            return wrong("the speed", self.speed.unsigned_abs().into(), "5 to 10");
        }
        if self.total() == 0 {
            return wrong("the bitrate", 0, "1 kbit/s and more");
        }
        Ok(())
    }

    /// All layers together, kbit/s.
    pub(crate) fn total(&self) -> u32 {
        let layers = self.rates.iter().take(self.spatial_layers);
        layers
            .flat_map(|rates| rates.iter().take(self.temporal_layers))
            .fold(0, |sum: u32, rate| sum.saturating_add(*rate))
            .min(MAX_RATE)
    }

    /// Whether references are chosen by the caller.
    pub(crate) fn is_layered(&self) -> bool {
        self.spatial_layers > 1 || self.temporal_layers > 1
    }

    pub(crate) fn raw(&self) -> ffi::Settings {
        let mut rates = [0; MAX_SPATIAL_LAYERS * MAX_TEMPORAL_LAYERS];
        for (spatial, layer) in self.rates.iter().take(self.spatial_layers).enumerate() {
            let mut sum = 0u32;
            for (temporal, rate) in layer.iter().take(self.temporal_layers).enumerate() {
                // Of a temporal layer, the rate of all that it needs.
                sum = sum.saturating_add(*rate).min(MAX_RATE);
                rates[spatial * self.temporal_layers + temporal] = sum;
            }
        }
        ffi::Settings {
            width: self.width,
            height: self.height,
            threads: self.threads,
            tile_columns_log2: self.tile_columns_log2,
            kilobits: self.total(),
            min_quantizer: self.min_quantizer,
            max_quantizer: self.max_quantizer,
            undershoot: self.undershoot.min(100),
            overshoot: self.overshoot.min(100),
            buffer: self.buffer,
            buffer_initial: self.buffer_initial,
            buffer_optimal: self.buffer_optimal,
            drop_frame_threshold: self.drop_frame_threshold.min(100),
            max_intra_percent: self.max_intra_percent,
            speed: self.speed,
            screen: self.screen.into(),
            spatial_layers: self.spatial_layers as u32,
            temporal_layers: self.temporal_layers as u32,
            rates,
        }
    }
}
