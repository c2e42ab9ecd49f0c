//! A camera, a machine of a given speed and a codec, on a connection in virtual time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use peerage_media::codec::{
    AudioDecoder, AudioEncoder, CodecError, CodecFactory, CodecSpec, EncodedPicture,
    PictureRequest, VideoDecoder, VideoEncoder, VideoEncoderInfo, VideoEncoderSettings,
    VideoTarget,
};
use peerage_media::video::{I420, VideoFrame};
use peerage_peerconnection::{PeerConnection, TransceiverHandle};

use super::super::layer::Wish;
use super::super::pipeline::Pipeline;
use super::common::call::Camera;

/// An encoder by a formula, whose frames begin as those of VP8 do (RFC 6386 §9.1).
#[derive(Debug, Default)]
pub(super) struct Formula;

#[derive(Default)]
struct FormulaEncoder {
    target: VideoTarget,
    layers: (u8, u8),
    size: (u16, u16),
    count: u32,
    seed: u32,
}

impl VideoEncoder for FormulaEncoder {
    fn info(&self) -> VideoEncoderInfo {
        let mut info = VideoEncoderInfo::new("a formula");
        info.quantizer_range = Some((29, 95));
        info
    }

    fn layers(&self) -> (u8, u8) {
        self.layers
    }

    fn set_target(&mut self, target: VideoTarget) -> Result<(), CodecError> {
        self.target = target;
        Ok(())
    }

    fn encode(
        &mut self,
        frame: &VideoFrame,
        request: PictureRequest,
        out: &mut Vec<EncodedPicture>,
    ) -> Result<(), CodecError> {
        let size = (frame.picture.width(), frame.picture.height());
        let other_size = std::mem::replace(&mut self.size, size) != size;
        let keyframe = request.keyframe || other_size;
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let bits = self.target.bitrate as f64 / f64::from(self.target.framerate);
        let pixels = f64::from(size.0) * f64::from(size.1);
        let noise = f64::from(self.seed >> 29);
        let quantizer = 60.0 - 22.0 * (bits / pixels / 0.1).log2() + noise - 4.0;
        // What has no room is left out, as encoders do.
        if quantizer > 127.0 + 8.0 && !keyframe {
            return Ok(());
        }
        let [width, height] = [size.0, size.1].map(u16::to_le_bytes);
        let mut data = match keyframe {
            true => vec![0x10, 0, 0, 0x9d, 1, 0x2a, width[0], width[1], height[0], height[1]],
            false => vec![0x11, 0, 0],
        };
        let times = if keyframe { 3.0 } else { 1.0 };
        data.resize((bits / 8.0 * times) as usize + data.len(), 0x5a);
        let mut picture = EncodedPicture::new(data.into(), keyframe, size);
        picture.quantizer = Some(quantizer.clamp(0.0, 127.0) as u8);
        if keyframe {
            self.count = 0;
        }
        picture.temporal_layer = match self.layers.0 {
            1 => 0,
            _ => (self.count % 2) as u8,
        };
        self.count += 1;
        out.push(picture);
        Ok(())
    }
}

impl CodecFactory for Formula {
    fn encodes(&self, _: &CodecSpec) -> bool {
        true
    }
    fn decodes(&self, _: &CodecSpec) -> bool {
        false
    }
    fn audio_encoder(&self, _: &CodecSpec) -> Result<Box<dyn AudioEncoder>, CodecError> {
        unreachable!("there is no sound")
    }
    fn audio_decoder(&self, _: &CodecSpec) -> Result<Box<dyn AudioDecoder>, CodecError> {
        unreachable!("there is no sound")
    }
    fn video_encoder(&self, codec: &CodecSpec) -> Result<Box<dyn VideoEncoder>, CodecError> {
        self.video_encoder_with(codec, VideoEncoderSettings::default())
    }
    fn video_encoder_with(
        &self,
        _: &CodecSpec,
        settings: VideoEncoderSettings,
    ) -> Result<Box<dyn VideoEncoder>, CodecError> {
        let layers = (settings.temporal_layers.min(2), 1);
        Ok(Box::new(FormulaEncoder { layers, ..FormulaEncoder::default() }))
    }
    fn video_decoder(&self, _: &CodecSpec) -> Result<Box<dyn VideoDecoder>, CodecError> {
        unreachable!("nothing is decoded")
    }
}

/// A machine: encoding takes so long for a pixel, whatever it takes for real.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) nanos_per_pixel: AtomicU64,
    /// What encoding the last picture took.
    spent: AtomicU64,
}

#[derive(Debug)]
struct Slow {
    codecs: Arc<dyn CodecFactory>,
    machine: Arc<Machine>,
}

struct SlowEncoder(Box<dyn VideoEncoder>, Arc<Machine>);

impl VideoEncoder for SlowEncoder {
    fn info(&self) -> VideoEncoderInfo {
        self.0.info()
    }
    fn layers(&self) -> (u8, u8) {
        self.0.layers()
    }
    fn set_target(&mut self, target: VideoTarget) -> Result<(), CodecError> {
        self.0.set_target(target)
    }
    fn encode(
        &mut self,
        frame: &VideoFrame,
        request: PictureRequest,
        out: &mut Vec<EncodedPicture>,
    ) -> Result<(), CodecError> {
        let pixels = u64::from(frame.picture.width()) * u64::from(frame.picture.height());
        let spent = pixels * self.1.nanos_per_pixel.load(Ordering::Relaxed);
        self.1.spent.fetch_add(spent, Ordering::Relaxed);
        self.0.encode(frame, request, out)
    }
}

impl CodecFactory for Slow {
    fn encodes(&self, codec: &CodecSpec) -> bool {
        self.codecs.encodes(codec)
    }
    fn decodes(&self, codec: &CodecSpec) -> bool {
        self.codecs.decodes(codec)
    }
    fn audio_encoder(&self, codec: &CodecSpec) -> Result<Box<dyn AudioEncoder>, CodecError> {
        self.codecs.audio_encoder(codec)
    }
    fn audio_decoder(&self, codec: &CodecSpec) -> Result<Box<dyn AudioDecoder>, CodecError> {
        self.codecs.audio_decoder(codec)
    }
    fn video_encoder(&self, codec: &CodecSpec) -> Result<Box<dyn VideoEncoder>, CodecError> {
        self.codecs.video_encoder(codec)
    }
    fn video_encoder_with(
        &self,
        codec: &CodecSpec,
        settings: VideoEncoderSettings,
    ) -> Result<Box<dyn VideoEncoder>, CodecError> {
        let encoder = self.codecs.video_encoder_with(codec, settings)?;
        Ok(Box::new(SlowEncoder(encoder, self.machine.clone())))
    }
    fn video_decoder(&self, codec: &CodecSpec) -> Result<Box<dyn VideoDecoder>, CodecError> {
        self.codecs.video_decoder(codec)
    }
}

/// What was encoded since somebody looked.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub(super) size: (u16, u16),
    pub(super) frames: u32,
    pub(super) bytes: usize,
}

/// Pictures of a texture that moves, encoded as the connection asks for.
pub(super) struct Studio {
    pub(super) pipeline: Rc<RefCell<Pipeline>>,
    pub(super) machine: Arc<Machine>,
    pub(super) log: Rc<RefCell<Log>>,
}

impl Studio {
    pub(super) fn new() -> Self {
        let machine = Arc::new(Machine::default());
        machine.nanos_per_pixel.store(8, Ordering::Relaxed);
        let pipeline = Rc::new(RefCell::new(Pipeline::new()));
        Self { pipeline, machine, log: Rc::default() }
    }

    /// The camera of it. Pictures of `size` are drawn where something looks at them, black else.
    pub(super) fn camera(
        &self,
        size: (u16, u16),
        codecs: Arc<dyn CodecFactory>,
        drawn: bool,
    ) -> Camera {
        let machine = self.machine.clone();
        let slow = Slow { codecs, machine: machine.clone() };
        let (pipeline, log) = (self.pipeline.clone(), self.log.clone());
        let pictures: Vec<Arc<I420>> = match drawn {
            true => (0..16).map(|step| Arc::new(texture(size, step))).collect(),
            false => vec![Arc::new(I420::black(size.0, size.1))],
        };
        let (mut number, mut begin, mut missed) = (0, None, 0);
        let busy: Cell<Option<Instant>> = Cell::new(None);
        Box::new(
            move |now: Instant, pc: &mut PeerConnection, video: TransceiverHandle, keyframe| {
                let mut pipeline = pipeline.borrow_mut();
                if keyframe {
                    pipeline.request_keyframe(0);
                }
                number += 1;
                if busy.get().is_some_and(|until| until > now) {
                    missed += 1;
                    return;
                }
                let target = pc.encoding_target(video, 0);
                let wish = target.filter(|target| target.bitrate > 0);
                let wish = wish.map(|target| Wish { bitrate: target.bitrate, target });
                let picture = pictures[number % pictures.len()].clone();
                let mut frame = VideoFrame::new(I420::black(1, 1), Duration::ZERO);
                (frame.picture, frame.time) = (picture, now - *begin.get_or_insert(now));
                machine.spent.store(0, Ordering::Relaxed);
                let clock = || now + Duration::from_nanos(machine.spent.load(Ordering::Relaxed));
                let passed = std::mem::take(&mut missed);
                let mut refused = false;
                pipeline.take(&frame, passed, &[wish], &slow, &clock, |encoding, frame| {
                    let mut log = log.borrow_mut();
                    log.size = frame.info.dimensions.unwrap();
                    log.frames += 1;
                    log.bytes += frame.data.len();
                    refused |= pc.send_frame(now, video, encoding, &frame).is_err();
                });
                if refused {
                    pipeline.request_keyframes();
                }
                if let Some(statistics) = pipeline.statistics(0) {
                    pc.set_encoder_statistics(video, 0, statistics);
                }
                busy.set(Some(clock()));
            },
        )
    }
}

/// Waves and grain, a step further each time.
fn texture((width, height): (u16, u16), step: usize) -> I420 {
    let mut picture = I420::black(width, height);
    let (columns, step) = (usize::from(width), step * 5);
    for (at, sample) in picture.planes_mut().0.iter_mut().enumerate() {
        let (x, y) = (at % columns + step, at / columns + step / 2);
        let waves =
            (x as f32 / 23.0).sin() + (y as f32 / 17.0).cos() + ((x + y) as f32 / 7.0).sin();
        let grain = (x / 2).wrapping_mul(2_654_435_761) ^ (y / 2).wrapping_mul(2_246_822_519);
        *sample = (110.0 + 25.0 * waves) as u8 + ((grain >> 13) & 15) as u8;
    }
    picture
}
