//! Encoding.

use std::time::Duration;

use bytes::Bytes;
use peerage_openh264::RunningEncoder;
use peerage_openh264::openh264::encoder::{
    Complexity, EncoderConfig, FrameRate, FrameType, Profile, QpRange, RateControlMode, UsageType,
};
use peerage_openh264::openh264::formats::YUVSource;

use super::{CODEC, implementation};
use crate::codec::limits::check_target;
use crate::codec::{
    CodecError, EncodedPicture, PictureRequest, VideoEncoder, VideoEncoderInfo, VideoTarget,
};
use crate::video::{I420, Plane, VideoFrame};

/// The highest rate that the library is told. It is also told of half as much again as the highest of all, which it understands as
/// another level's limit where it is above level 5.2's (288 Mbit/s), and then refuses the target.
const MAX_RATE: u32 = 190_000_000;

/// Encodes H.264, constrained baseline. Pictures of odd width or height lose a column or row, since 4:2:0 in H.264 has none such.
#[derive(Debug)]
pub struct H264Encoder {
    target: VideoTarget,
    screen: bool,
    /// Bytes that a slice may have, for packets that hold a whole one.
    longest_slice: Option<u32>,
    encoder: Option<RunningEncoder>,
    size: (u16, u16),
    data: Vec<u8>,
    /// When the last picture was, in milliseconds.
    last: Option<u64>,
}

impl H264Encoder {
    /// An encoder of a camera's pictures, or of a screen's; it allocates when the first picture comes.
    pub fn new(screen: bool) -> Self {
        let (target, encoder, size) = (VideoTarget::default(), None, (0, 0));
        let (longest_slice, last) = (None, None);
        Self { target, screen, longest_slice, encoder, size, data: Vec::new(), last }
    }

    /// Cuts pictures into slices of at most so many bytes, 200 and more, for peers that take no fragments: packetisation mode 0
    /// (RFC 6184 §6.2).
    #[must_use]
    pub fn with_slices(self, longest: u32) -> Self {
        Self { longest_slice: Some(longest.max(200)), ..self }
    }

    fn bits(&self) -> u32 {
        u32::try_from(self.target.bitrate).unwrap_or(u32::MAX).min(MAX_RATE)
    }

    fn prepare(&mut self, size: (u16, u16)) -> Result<(), CodecError> {
        if self.encoder.is_some() && self.size == size {
            return Ok(());
        }
        let usage = if self.screen {
            UsageType::ScreenContentRealTime
        } else {
            UsageType::CameraVideoRealTime
        };
        let config = EncoderConfig::new()
            .max_frame_rate(FrameRate::from_hz(self.target.framerate))
            .rate_control_mode(RateControlMode::Bitrate)
            .skip_frames(true)
            .usage_type(usage)
            .profile(Profile::Baseline)
            .complexity(Complexity::Low)
            .qp(QpRange::new(12, 42))
            // Keyframes come when they are asked for.
            .scene_change_detect(false)
            .num_threads(1);
        let config = match self.longest_slice {
            Some(longest) => config.max_slice_len(longest),
            None => config,
        };
        let encoder = RunningEncoder::new(config, self.bits()).map_err(library)?;
        self.encoder = Some(encoder);
        self.size = size;
        Ok(())
    }
}

fn library(error: impl std::fmt::Display) -> CodecError {
    CodecError::Library { codec: CODEC, reason: error.to_string() }
}

/// A picture as the library takes it, without an odd column or row.
struct Even<'a>(&'a I420);

impl YUVSource for Even<'_> {
    fn dimensions(&self) -> (usize, usize) {
        (usize::from(self.0.width() & !1), usize::from(self.0.height() & !1))
    }

    fn strides(&self) -> (usize, usize, usize) {
        let ((luma, _), (chroma, _)) = (self.0.size(Plane::Y), self.0.size(Plane::U));
        (luma, chroma, chroma)
    }

    fn y(&self) -> &[u8] {
        self.0.plane(Plane::Y)
    }

    fn u(&self) -> &[u8] {
        self.0.plane(Plane::U)
    }

    fn v(&self) -> &[u8] {
        self.0.plane(Plane::V)
    }
}

impl VideoEncoder for H264Encoder {
    fn info(&self) -> VideoEncoderInfo {
        VideoEncoderInfo { implementation: implementation(), quantizer_range: Some((24, 37)) }
    }

    fn set_target(&mut self, target: VideoTarget) -> Result<(), CodecError> {
        check_target(CODEC, target, 60.0)?;
        if target == self.target {
            return Ok(());
        }
        self.target = target;
        let bits = self.bits();
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        let follows = encoder.set_rate(bits, target.framerate);
        if follows { Ok(()) } else { Err(library("it refuses the rate")) }
    }

    fn encode(
        &mut self,
        frame: &VideoFrame,
        request: PictureRequest,
        out: &mut Vec<EncodedPicture>,
    ) -> Result<(), CodecError> {
        let picture = Even(&frame.picture);
        let (width, height) = (frame.picture.width() & !1, frame.picture.height() & !1);
        // The library wants a macroblock, and level 5.2 at most.
        let (long, short) = (width.max(height), width.min(height));
        if short < 16 || long > 3840 || short > 2160 {
            return Err(CodecError::Argument {
                codec: CODEC,
                what: "the size",
                value: format!("{width}x{height}"),
                expected: "16x16 to 3840x2160".to_owned(),
            });
        }
        self.prepare((width, height))?;
        let bits = self.bits();
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        if request.keyframe {
            encoder.force_keyframe();
        }
        self.data.clear();
        let begins = !encoder.is_running();
        let time = Duration::as_millis(&frame.time) as u64;
        // The library leaves out pictures whose time does not grow.
        let time = self.last.map_or(time, |last| time.max(last + 1));
        self.last = Some(time);
        let kind = encoder.encode(&picture, time, &mut self.data).map_err(library)?;
        if begins {
            // The library allows more than the target only once it runs.
            encoder.set_rate(bits, self.target.framerate);
        }
        if self.data.is_empty() || matches!(kind, FrameType::Skip | FrameType::Invalid) {
            return Ok(());
        }
        let data = Bytes::copy_from_slice(&self.data);
        out.push(EncodedPicture {
            quantizer: encoder.quantizer(),
            ..EncodedPicture::new(data, kind == FrameType::IDR, (width, height))
        });
        Ok(())
    }
}
