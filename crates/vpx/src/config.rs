//! What an encoder is made with and may be changed to, in libvpx's terms (`vpx_codec_enc_cfg` and the controls of `vp8cx.h`).

use std::mem::MaybeUninit;

use vpx_sys::{
    VPX_ERROR_RESILIENT_DEFAULT, vp9e_temporal_layering_mode, vpx_codec_enc_cfg_t,
    vpx_codec_enc_config_default, vpx_codec_err_t, vpx_enc_pass, vpx_kf_mode, vpx_rational,
    vpx_rc_mode,
};

use crate::Error;
use crate::context::{Codec, Interface};

/// Temporal layers at most.
pub const MAX_TEMPORAL_LAYERS: usize = 3;
/// Spatial layers at most (VP9 only).
pub const MAX_SPATIAL_LAYERS: usize = 3;

/// Bits a second of each layer, in kbit/s: `[spatial][temporal]`, of this temporal layer alone.
pub type LayerRates = [[u32; MAX_TEMPORAL_LAYERS]; MAX_SPATIAL_LAYERS];

/// Settings of a real-time encoder: one pass, no lag, constant bitrate. Fields are named as libvpx's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderConfig {
    /// Width, 1 to 16383. It cannot be changed in an encoder.
    pub width: u32,
    /// Height, 1 to 16383. It cannot be changed in an encoder.
    pub height: u32,
    /// Threads, 1 to 16.
    pub threads: u32,
    /// Temporal layers, 1 to 3.
    pub temporal_layers: usize,
    /// Spatial layers, 1 to 3, each twice the size of the one below; VP9 only.
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
    /// Pictures can be decoded although one before them that nothing else refers to is missing.
    pub error_resilient: bool,
    /// `cpu-used`: speed against quality, -16 to 16 (VP8), 0 to 9 (VP9).
    pub speed: i32,
    /// Size of keyframes at most, in percent of an average picture; 0 for no limit.
    pub max_intra_percent: u32,
    /// Changes below this are not encoded.
    pub static_threshold: u32,
    /// Denoising, 0 to 6 (VP8) or 0 to 1 (VP9).
    pub noise_sensitivity: u32,
    /// The picture is a screen.
    pub screen: bool,
}

impl EncoderConfig {
    /// Checks what libvpx would not, or would understand otherwise.
    pub(crate) fn check(&self, codec: Codec) -> Result<(), Error> {
        let wrong = |what, value: u64, expected| {
            Err(Error::Argument { codec: codec.name(), what, value, expected })
        };
        for (what, value) in [("the width", self.width), ("the height", self.height)] {
            if !(1..=16_383).contains(&value) {
                return wrong(what, value.into(), "1 to 16383");
            }
        }
        if !(1..=16).contains(&self.threads) {
            return wrong("the number of threads", self.threads.into(), "1 to 16");
        }
        if !(1..=MAX_TEMPORAL_LAYERS).contains(&self.temporal_layers) {
            return wrong("the number of temporal layers", self.temporal_layers as u64, "1 to 3");
        }
        let spatial = match codec {
            Codec::Vp8 => 1,
            Codec::Vp9 => MAX_SPATIAL_LAYERS,
        };
        if !(1..=spatial).contains(&self.spatial_layers) {
            let expected = if spatial == 1 { "1" } else { "1 to 3" };
            return wrong("the number of spatial layers", self.spatial_layers as u64, expected);
        }
        if self.max_quantizer > 63 || self.min_quantizer > self.max_quantizer {
            let quantizers = u64::from(self.min_quantizer);
            return wrong("the lowest quantiser", quantizers, "at most the highest, and that 63");
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
            .min(2_000_000)
    }

    /// Whether VP9's interface for layers is needed.
    pub(crate) fn is_svc(&self) -> bool {
        self.spatial_layers > 1 || self.temporal_layers > 1
    }

    /// libvpx's own settings, changed to these.
    pub(crate) fn raw(
        &self,
        codec: Codec,
        interface: Interface,
    ) -> Result<vpx_codec_enc_cfg_t, Error> {
        let mut raw = MaybeUninit::<vpx_codec_enc_cfg_t>::zeroed();
        // SAFETY: the interface is libvpx's own, and `raw` is memory of the right size to be written.
        let result = unsafe { vpx_codec_enc_config_default(interface, raw.as_mut_ptr(), 0) };
        if result != vpx_codec_err_t::VPX_CODEC_OK {
            let (call, reason) = ("vpx_codec_enc_config_default", format!("{result:?}"));
            return Err(Error::Library { codec: codec.name(), call, reason });
        }
        // SAFETY: the call succeeded, so that libvpx has copied its defaults over all of it.
        let mut raw = unsafe { raw.assume_init() };
        raw.g_w = self.width;
        raw.g_h = self.height;
        raw.g_threads = self.threads;
        raw.g_profile = 0;
        raw.g_timebase = vpx_rational { num: 1, den: 90_000 };
        raw.g_error_resilient = if self.error_resilient { VPX_ERROR_RESILIENT_DEFAULT } else { 0 };
        raw.g_pass = vpx_enc_pass::VPX_RC_ONE_PASS;
        raw.g_lag_in_frames = 0;
        raw.rc_dropframe_thresh = self.drop_frame_threshold.min(100);
        raw.rc_resize_allowed = 0;
        raw.rc_end_usage = vpx_rc_mode::VPX_CBR;
        raw.rc_target_bitrate = self.total();
        raw.rc_min_quantizer = self.min_quantizer;
        raw.rc_max_quantizer = self.max_quantizer;
        raw.rc_undershoot_pct = self.undershoot.min(100);
        raw.rc_overshoot_pct = self.overshoot.min(100);
        raw.rc_buf_sz = self.buffer;
        raw.rc_buf_initial_sz = self.buffer_initial;
        raw.rc_buf_optimal_sz = self.buffer_optimal;
        // Keyframes come when they are asked for.
        raw.kf_mode = vpx_kf_mode::VPX_KF_DISABLED;
        self.set_layers(codec, &mut raw);
        Ok(raw)
    }

    fn set_layers(&self, codec: Codec, raw: &mut vpx_codec_enc_cfg_t) {
        if !self.is_svc() {
            return;
        }
        let layers = self.temporal_layers;
        raw.ts_number_layers = layers as u32;
        raw.ss_number_layers = self.spatial_layers as u32;
        for layer in 0..layers {
            // Each layer doubles the rate of pictures.
            raw.ts_rate_decimator[layer] = 1 << (layers - 1 - layer);
        }
        for (spatial, rates) in self.rates.iter().take(self.spatial_layers).enumerate() {
            let mut sum = 0u32;
            for (temporal, rate) in rates.iter().take(layers).enumerate() {
                sum = sum.saturating_add(*rate).min(2_000_000);
                // Of a temporal layer, the rate of all that it needs.
                raw.layer_target_bitrate[spatial * layers + temporal] = sum;
                if spatial == 0 {
                    raw.ts_target_bitrate[temporal] = sum;
                }
            }
            raw.ss_target_bitrate[spatial] = sum;
        }
        let pattern: &[u32] = match layers {
            1 => &[0],
            2 => &[0, 1],
            _ => &[0, 2, 1, 2],
        };
        raw.ts_periodicity = pattern.len() as u32;
        raw.ts_layer_id[..pattern.len()].copy_from_slice(pattern);
        if codec == Codec::Vp9 {
            raw.temporal_layering_mode = match layers {
                1 => vp9e_temporal_layering_mode::VP9E_TEMPORAL_LAYERING_MODE_NOLAYERING,
                2 => vp9e_temporal_layering_mode::VP9E_TEMPORAL_LAYERING_MODE_0101,
                _ => vp9e_temporal_layering_mode::VP9E_TEMPORAL_LAYERING_MODE_0212,
            } as i32;
        }
    }
}
