//! The encoder: planes go in, packets of bitstream come out.

use std::ffi::{c_int, c_ulong, c_void};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use vpx_sys::{
    VP8_EFLAG_NO_REF_ARF, VP8_EFLAG_NO_REF_GF, VP8_EFLAG_NO_UPD_ARF, VP8_EFLAG_NO_UPD_ENTROPY,
    VP8_EFLAG_NO_UPD_GF, VP8_EFLAG_NO_UPD_LAST, VPX_DL_REALTIME, VPX_EFLAG_FORCE_KF,
    VPX_ENCODER_ABI_VERSION, VPX_FRAME_IS_DROPPABLE, VPX_FRAME_IS_KEY, vp8e_enc_control_id,
    vpx_codec_control_, vpx_codec_ctx_t, vpx_codec_cx_pkt_kind, vpx_codec_cx_pkt_t,
    vpx_codec_enc_config_set, vpx_codec_enc_init_ver, vpx_codec_encode, vpx_codec_err_t,
    vpx_codec_get_cx_data, vpx_codec_iter_t, vpx_codec_priv_output_cx_pkt_cb_pair_t,
    vpx_codec_vp8_cx, vpx_codec_vp9_cx, vpx_image_t, vpx_img_fmt, vpx_img_wrap,
    vpx_svc_extra_cfg_t, vpx_svc_layer_id,
};

use crate::Error;
use crate::config::{EncoderConfig, MAX_SPATIAL_LAYERS};
use crate::context::{Codec, Context, Interface};

/// A picture to be encoded, in 8-bit 4:2:0. Rows lie beside each other without padding; chroma is half as wide and high, rounded
/// up.
#[derive(Clone, Copy, Debug)]
pub struct Planes<'a> {
    /// Luma.
    pub y: &'a [u8],
    /// Blue difference.
    pub u: &'a [u8],
    /// Red difference.
    pub v: &'a [u8],
}

/// What is asked for with one picture. References may be chosen in VP8 only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// A keyframe.
    pub keyframe: bool,
    /// VP8: the golden frame is not referred to.
    pub no_golden: bool,
    /// VP8: the altref frame is not referred to.
    pub no_altref: bool,
    /// VP8: the picture does not become the last frame.
    pub keep_last: bool,
    /// VP8: the picture does not become the golden frame.
    pub keep_golden: bool,
    /// VP8: the picture does not become the altref frame.
    pub keep_altref: bool,
    /// VP8: probabilities stay as they are.
    pub keep_entropy: bool,
    /// VP8: the temporal layer of the picture.
    pub temporal_layer: u8,
}

/// A frame of bitstream: a picture, or a spatial layer of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The bitstream.
    pub data: Vec<u8>,
    /// It can be decoded by itself.
    pub keyframe: bool,
    /// No other picture refers to it, as far as libvpx tells.
    pub droppable: bool,
    /// Width and height.
    pub dimensions: (u32, u32),
    /// Temporal layer.
    pub temporal_layer: u8,
    /// Spatial layer.
    pub spatial_layer: u8,
}

/// What the callback of VP9's layers needs: libvpx has its address.
#[derive(Debug)]
struct Sink {
    context: *mut vpx_codec_ctx_t,
    packets: Vec<Packet>,
}

/// Encodes VP8 or VP9.
#[derive(Debug)]
pub struct Encoder {
    context: Context,
    config: EncoderConfig,
    /// Dropped after the context, which knows its address.
    sink: OwnedSink,
}

/// A sink whose address libvpx knows, and which is freed with this.
#[derive(Debug)]
struct OwnedSink(NonNull<Sink>);

// SAFETY: owned by this alone; libvpx uses it only inside of `vpx_codec_encode`.
unsafe impl Send for OwnedSink {}

impl Drop for OwnedSink {
    fn drop(&mut self) {
        // SAFETY: leaked in `Encoder::new`, freed here only, after the context.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl Encoder {
    /// An encoder.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for what cannot be encoded with, [`Error::Library`] where libvpx has no encoder of this codec, or no
    /// memory.
    pub fn new(codec: Codec, config: EncoderConfig) -> Result<Self, Error> {
        config.check(codec)?;
        let raw = config.raw(codec, interface(codec))?;
        let version = VPX_ENCODER_ABI_VERSION as c_int;
        let initialise = |context| {
            // SAFETY: the context is zeroed memory as `Context::new` makes it, the interface is libvpx's own, and the
            // configuration is read during the call only (libvpx copies it).
            unsafe { vpx_codec_enc_init_ver(context, interface(codec), &raw, 0, version) }
        };
        // SAFETY: `initialise` is `vpx_codec_enc_init_ver`.
        let mut context = unsafe { Context::new(codec, "vpx_codec_enc_init", initialise) }?;
        let sink = Sink { context: context.as_ptr(), packets: Vec::new() };
        let sink = OwnedSink(NonNull::from(Box::leak(Box::new(sink))));
        let mut encoder = Self { context, config, sink };
        encoder.apply_controls()?;
        if codec == Codec::Vp9 && encoder.config.is_svc() {
            encoder.apply_layers()?;
        }
        Ok(encoder)
    }

    /// Which codec.
    pub fn codec(&self) -> Codec {
        self.context.codec()
    }

    /// The settings.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Changes settings. Size, layers and threads must be those that the encoder was made with: VP8 has memory for so many
    /// threads, and libvpx before 1.13.1 writes beyond it where there are more (CVE-2023-5217).
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] and [`Error::Library`]; the settings are as before then.
    pub fn configure(&mut self, config: EncoderConfig) -> Result<(), Error> {
        let codec = self.codec();
        config.check(codec)?;
        let fixed = |config: &EncoderConfig| {
            let layers = (config.temporal_layers, config.spatial_layers);
            (config.width, config.height, layers, config.threads)
        };
        if fixed(&config) != fixed(&self.config) {
            let (value, expected) = (config.width.into(), "that the encoder was made with");
            let (codec, what) = (codec.name(), "the size, or the number of layers or threads");
            return Err(Error::Argument { codec, what, value, expected });
        }
        let raw = config.raw(codec, interface(codec))?;
        // SAFETY: the context is initialised, and the configuration is read during the call only.
        let result = unsafe { vpx_codec_enc_config_set(self.context.as_ptr(), &raw) };
        self.context.check("vpx_codec_enc_config_set", result)?;
        let changed = config.max_intra_percent != self.config.max_intra_percent
            || config.speed != self.config.speed
            || config.screen != self.config.screen
            || config.static_threshold != self.config.static_threshold
            || config.noise_sensitivity != self.config.noise_sensitivity;
        self.config = config;
        if changed { self.apply_controls() } else { Ok(()) }
    }

    /// A control that takes an `int` or `unsigned int`.
    fn control(&mut self, id: vp8e_enc_control_id, value: i32) -> Result<(), Error> {
        // SAFETY: the context is initialised, and every control that this is called with takes one argument of the size of an
        // `int` (vp8cx.h: the `VPX_CTRL_USE_TYPE` of each).
        let result =
            unsafe { vpx_codec_control_(self.context.as_ptr(), id as c_int, value as c_int) };
        self.context.check("vpx_codec_control", result)
    }

    fn apply_controls(&mut self) -> Result<(), Error> {
        use vp8e_enc_control_id as id;
        let config = self.config.clone();
        self.control(id::VP8E_SET_CPUUSED, config.speed)?;
        self.control(id::VP8E_SET_STATIC_THRESHOLD, config.static_threshold as i32)?;
        self.control(id::VP8E_SET_MAX_INTRA_BITRATE_PCT, config.max_intra_percent as i32)?;
        match self.codec() {
            Codec::Vp8 => {
                self.control(id::VP8E_SET_NOISE_SENSITIVITY, config.noise_sensitivity as i32)?;
                self.control(id::VP8E_SET_TOKEN_PARTITIONS, 0)?;
                self.control(id::VP8E_SET_SCREEN_CONTENT_MODE, 2 * i32::from(config.screen))
            }
            Codec::Vp9 => {
                self.control(id::VP9E_SET_NOISE_SENSITIVITY, config.noise_sensitivity as i32)?;
                // Cyclic refresh.
                self.control(id::VP9E_SET_AQ_MODE, 3)?;
                self.control(id::VP9E_SET_FRAME_PARALLEL_DECODING, 0)?;
                self.control(id::VP9E_SET_TILE_COLUMNS, config.threads.ilog2() as i32)?;
                self.control(id::VP9E_SET_ROW_MT, i32::from(config.threads > 1))?;
                self.control(id::VP9E_SET_TUNE_CONTENT, i32::from(config.screen))
            }
        }
    }

    /// Switches on VP9's layers, and has each given out as it is ready.
    fn apply_layers(&mut self) -> Result<(), Error> {
        use vp8e_enc_control_id as id;
        self.control(id::VP9E_SET_SVC, 1)?;
        // SAFETY: plain integers, of which zero is a value.
        let mut parameters: vpx_svc_extra_cfg_t =
            unsafe { MaybeUninit::<vpx_svc_extra_cfg_t>::zeroed().assume_init() };
        let (spatial, temporal) = (self.config.spatial_layers, self.config.temporal_layers);
        for layer in 0..spatial {
            for index in layer * temporal..(layer + 1) * temporal {
                parameters.max_quantizers[index] = self.config.max_quantizer as c_int;
                parameters.min_quantizers[index] = self.config.min_quantizer as c_int;
            }
            parameters.scaling_factor_num[layer] = 1;
            parameters.scaling_factor_den[layer] = 1 << (spatial - 1 - layer);
            parameters.speed_per_layer[layer] = self.config.speed;
        }
        // SAFETY: this control takes a pointer to such parameters, and reads them during the call only.
        let result = unsafe {
            vpx_codec_control_(
                self.context.as_ptr(),
                id::VP9E_SET_SVC_PARAMETERS as c_int,
                &raw mut parameters,
            )
        };
        self.context.check("vpx_codec_control(VP9E_SET_SVC_PARAMETERS)", result)?;
        if spatial > 1 {
            // Layers refer to the one below in keyframes only, so that a receiver may do without the upper ones, and a
            // forwarder switch at keyframes.
            self.control(id::VP9E_SET_SVC_INTER_LAYER_PRED, 2)?;
            let mut callback = vpx_codec_priv_output_cx_pkt_cb_pair_t {
                output_cx_pkt: Some(take_layer),
                user_priv: self.sink.0.as_ptr().cast::<c_void>(),
            };
            // SAFETY: this control takes a pointer to such a pair and copies it. The sink that it points to outlives the context.
            let result = unsafe {
                vpx_codec_control_(
                    self.context.as_ptr(),
                    id::VP9E_REGISTER_CX_CALLBACK as c_int,
                    ptr::from_mut(&mut callback).cast::<c_void>(),
                )
            };
            self.context.check("vpx_codec_control(VP9E_REGISTER_CX_CALLBACK)", result)?;
        }
        Ok(())
    }

    /// Encodes a picture. `time` and `duration` are in units of 1/90000 s; `time` grows from picture to picture. Appends to `out`
    /// what comes of it: nothing where the picture was left out to keep to the rate.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where a plane has not as many samples as its size takes, [`Error::Library`].
    pub fn encode(
        &mut self,
        picture: Planes<'_>,
        time: i64,
        duration: u32,
        flags: Flags,
        out: &mut Vec<Packet>,
    ) -> Result<(), Error> {
        let codec = self.codec();
        let image = self.image(picture)?;
        let mut bits = 0;
        let mut set = |on: bool, flag: u32| bits |= if on { flag } else { 0 };
        set(flags.keyframe, VPX_EFLAG_FORCE_KF);
        if codec == Codec::Vp8 {
            set(flags.no_golden, VP8_EFLAG_NO_REF_GF);
            set(flags.no_altref, VP8_EFLAG_NO_REF_ARF);
            set(flags.keep_last, VP8_EFLAG_NO_UPD_LAST);
            set(flags.keep_golden, VP8_EFLAG_NO_UPD_GF);
            set(flags.keep_altref, VP8_EFLAG_NO_UPD_ARF);
            set(flags.keep_entropy, VP8_EFLAG_NO_UPD_ENTROPY);
            if self.config.temporal_layers > 1 {
                let layer = i32::from(flags.temporal_layer);
                self.control(vp8e_enc_control_id::VP8E_SET_TEMPORAL_LAYER_ID, layer)?;
            }
        }
        // What came of a picture that failed half-way is of no use.
        // SAFETY: as below: nobody else uses the sink now.
        unsafe { self.sink.0.as_mut() }.packets.clear();
        // SAFETY: the context is initialised; the image and the planes that it points to (as long as `image` checked) live
        // through the call and are only read: without lag libvpx keeps nothing of them.
        let result = unsafe {
            vpx_codec_encode(
                self.context.as_ptr(),
                &image,
                time,
                c_ulong::from(duration.max(1)),
                bits.into(),
                c_ulong::from(VPX_DL_REALTIME),
            )
        };
        self.context.check("vpx_codec_encode", result)?;
        let mut iterator: vpx_codec_iter_t = ptr::null();
        loop {
            // SAFETY: the context is initialised, and the iterator begins with null as libvpx wants it.
            let packet = unsafe { vpx_codec_get_cx_data(self.context.as_ptr(), &mut iterator) };
            if packet.is_null() {
                break;
            }
            let layer = match codec {
                Codec::Vp8 => (0, flags.temporal_layer),
                // SAFETY: the context is that of an initialised VP9 encoder.
                Codec::Vp9 if self.config.is_svc() => unsafe { layer_of(self.context.as_ptr()) },
                Codec::Vp9 => (0, 0),
            };
            // SAFETY: a packet of libvpx, valid until the context is encoded with again; what was asked above leaves it alone.
            let Some(mut packet) = (unsafe { copy(packet, layer) }) else { continue };
            if packet.keyframe {
                packet.temporal_layer = 0;
            }
            self.push(packet);
        }
        // SAFETY: libvpx writes to the sink during `vpx_codec_encode` only, which has returned.
        out.append(&mut unsafe { self.sink.0.as_mut() }.packets);
        Ok(())
    }

    fn push(&mut self, packet: Packet) {
        // SAFETY: as in `encode`.
        unsafe { self.sink.0.as_mut() }.packets.push(packet);
    }

    fn image(&self, picture: Planes<'_>) -> Result<vpx_image_t, Error> {
        let (width, height) = (self.config.width, self.config.height);
        let (half, rows) = (width.div_ceil(2), height.div_ceil(2));
        for (what, plane, width, height) in [
            ("the length of luma", picture.y, width, height),
            ("the length of blue difference", picture.u, half, rows),
            ("the length of red difference", picture.v, half, rows),
        ] {
            if plane.len() as u64 != u64::from(width) * u64::from(height) {
                let (codec, value) = (self.codec().name(), plane.len() as u64);
                let expected = "width times height of the plane";
                return Err(Error::Argument { codec, what, value, expected });
            }
        }
        let mut image = MaybeUninit::<vpx_image_t>::zeroed();
        // SAFETY: `image` is memory of the right size to be filled in; the pointer given for samples is not used by the call, only
        // stored, and set to the planes below.
        let wrapped = unsafe {
            let samples = picture.y.as_ptr().cast_mut();
            vpx_img_wrap(
                image.as_mut_ptr(),
                vpx_img_fmt::VPX_IMG_FMT_I420,
                width,
                height,
                1,
                samples,
            )
        };
        if wrapped.is_null() {
            let (call, reason) = ("vpx_img_wrap", "the image was refused".to_owned());
            return Err(Error::Library { codec: self.codec().name(), call, reason });
        }
        // SAFETY: `vpx_img_wrap` has filled it in.
        let mut image = unsafe { image.assume_init() };
        // libvpx rounds widths up to even ones, which our rows are not.
        image.planes =
            [picture.y, picture.u, picture.v, &[]].map(|plane: &[u8]| plane.as_ptr().cast_mut());
        image.planes[3] = ptr::null_mut();
        image.stride = [width as c_int, half as c_int, half as c_int, 0];
        Ok(image)
    }

    /// The quantiser of the last picture on the bitstream's own scale: 0 to 127 (VP8), 0 to 255 (VP9, of the highest layer).
    pub fn quantizer(&mut self) -> Option<u8> {
        let mut value: c_int = -1;
        // SAFETY: this control takes a pointer to an `int` and writes it.
        let result = unsafe {
            vpx_codec_control_(
                self.context.as_ptr(),
                vp8e_enc_control_id::VP8E_GET_LAST_QUANTIZER as c_int,
                &raw mut value,
            )
        };
        if result == vpx_codec_err_t::VPX_CODEC_OK { u8::try_from(value).ok() } else { None }
    }
}

fn interface(codec: Codec) -> Interface {
    // SAFETY: both take nothing and return a pointer to a static.
    unsafe {
        match codec {
            Codec::Vp8 => vpx_codec_vp8_cx(),
            Codec::Vp9 => vpx_codec_vp9_cx(),
        }
    }
}

/// Takes a spatial layer of VP9.
///
/// # Safety
/// libvpx calls it during `vpx_codec_encode`, with a packet of its own and the sink's address.
unsafe extern "C" fn take_layer(packet: *mut vpx_codec_cx_pkt_t, sink: *mut c_void) {
    // SAFETY: `sink` is what `apply_layers` handed over; nobody else uses it during `vpx_codec_encode`. The packet is valid during
    // this call, and the context in the sink is the one that encodes.
    unsafe {
        let sink = &mut *sink.cast::<Sink>();
        sink.packets.extend(copy(packet, layer_of(sink.context)));
    }
}

/// Spatial and temporal layer of what is or was just encoded.
///
/// # Safety
/// `context` is that of an initialised VP9 encoder.
unsafe fn layer_of(context: *mut vpx_codec_ctx_t) -> (u8, u8) {
    let mut id = vpx_svc_layer_id {
        spatial_layer_id: 0,
        temporal_layer_id: 0,
        temporal_layer_id_per_spatial: [0; 5],
    };
    // SAFETY: this control takes a pointer to such a struct and writes it. A failure leaves the zeros.
    unsafe {
        vpx_codec_control_(
            context,
            vp8e_enc_control_id::VP9E_GET_SVC_LAYER_ID as c_int,
            &raw mut id,
        );
    }
    let small = |value: c_int| u8::try_from(value).unwrap_or(0);
    (small(id.spatial_layer_id), small(id.temporal_layer_id))
}

/// Copies a frame out of libvpx; `None` for a packet that is none.
///
/// # Safety
/// `packet` points to a packet of libvpx that is valid during the call.
unsafe fn copy(packet: *const vpx_codec_cx_pkt_t, layer: (u8, u8)) -> Option<Packet> {
    // SAFETY: the kind is read as a number, since a newer libvpx may know more of them than the enum; a frame packet has `frame`
    // set in the union, whose buffer has `sz` bytes.
    unsafe {
        let kind = ptr::addr_of!((*packet).kind).cast::<u32>().read();
        if kind != vpx_codec_cx_pkt_kind::VPX_CODEC_CX_FRAME_PKT as u32 {
            return None;
        }
        // Fields one by one: those of other layers are not always written.
        let frame = ptr::addr_of!((*packet).data.frame);
        let (bytes, length, flags) = ((*frame).buf, (*frame).sz as usize, (*frame).flags);
        if bytes.is_null() || length == 0 {
            return None;
        }
        let at = usize::from(layer.0).min(MAX_SPATIAL_LAYERS - 1);
        Some(Packet {
            data: std::slice::from_raw_parts(bytes.cast::<u8>(), length).to_vec(),
            keyframe: flags & VPX_FRAME_IS_KEY != 0,
            droppable: flags & VPX_FRAME_IS_DROPPABLE != 0,
            dimensions: ((*frame).width[at], (*frame).height[at]),
            temporal_layer: layer.1,
            spatial_layer: layer.0,
        })
    }
}
