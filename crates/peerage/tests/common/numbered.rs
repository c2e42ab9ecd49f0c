//! A codec that carries one number for each picture, a camera that counts, and what waits for a track.

#![allow(dead_code)] // Each test uses its own part of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use peerage::media_engine::codec::{
    AudioDecoder, AudioEncoder, CodecError, CodecFactory, CodecSpec, EncodedPicture,
    PictureRequest, VideoDecoder, VideoEncoder, VideoEncoderInfo, VideoTarget,
};
use peerage::media_engine::track::VideoSource;
use peerage::media_engine::video::{I420, Plane, VideoFrame};
use peerage::rtp::payload::PayloadFormat;
use peerage::{Event, PeerConnection, RtpTransceiver};

use crate::common::within;

/// Stands in for a codec: a frame of VP8 by its header (RFC 6386 §9.1), with the first luma sample of the picture in it.
#[derive(Debug, Default)]
pub(crate) struct Numbered {
    pub(crate) keyframes: AtomicU64,
    pub(crate) bitrate: AtomicU64,
}

pub(crate) struct Encoder(pub(crate) Arc<Numbered>);
pub(crate) struct Decoder;

impl VideoEncoder for Encoder {
    fn info(&self) -> VideoEncoderInfo {
        VideoEncoderInfo::new("numbers")
    }

    fn set_target(&mut self, target: VideoTarget) -> Result<(), CodecError> {
        self.0.bitrate.store(target.bitrate, Ordering::Relaxed);
        Ok(())
    }

    fn encode(
        &mut self,
        frame: &VideoFrame,
        request: PictureRequest,
        out: &mut Vec<EncodedPicture>,
    ) -> Result<(), CodecError> {
        let luma = frame.picture.plane(Plane::Y)[0];
        let mut data = match request.keyframe {
            true => vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 4, 0, 2, 0],
            false => vec![0x11, 0, 0],
        };
        self.0.keyframes.fetch_add(u64::from(request.keyframe), Ordering::Relaxed);
        data.resize(200, luma);
        let size = (frame.picture.width(), frame.picture.height());
        out.push(EncodedPicture::new(data.into(), request.keyframe, size));
        Ok(())
    }
}

impl VideoDecoder for Decoder {
    fn implementation(&self) -> String {
        "numbers".to_owned()
    }

    fn decode(&mut self, data: &[u8]) -> Result<Option<VideoFrame>, CodecError> {
        let mut picture = I420::black(4, 2);
        picture.planes_mut().0.fill(data[199]);
        Ok(Some(VideoFrame::new(picture, Duration::ZERO)))
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Factory(pub(crate) Arc<Numbered>);

impl CodecFactory for Factory {
    fn encodes(&self, codec: &CodecSpec) -> bool {
        codec.format == PayloadFormat::Vp8
    }
    fn decodes(&self, codec: &CodecSpec) -> bool {
        self.encodes(codec)
    }
    fn audio_encoder(&self, _: &CodecSpec) -> Result<Box<dyn AudioEncoder>, CodecError> {
        unreachable!("there is no sound")
    }
    fn audio_decoder(&self, _: &CodecSpec) -> Result<Box<dyn AudioDecoder>, CodecError> {
        unreachable!("there is no sound")
    }
    fn video_encoder(&self, _: &CodecSpec) -> Result<Box<dyn VideoEncoder>, CodecError> {
        Ok(Box::new(Encoder(self.0.clone())))
    }
    fn video_decoder(&self, _: &CodecSpec) -> Result<Box<dyn VideoDecoder>, CodecError> {
        Ok(Box::new(Decoder))
    }
}

/// Gives pictures whose first sample counts up, until it is stopped.
pub(crate) struct Camera {
    pub(crate) source: Arc<VideoSource>,
    over: Arc<AtomicBool>,
}

impl Camera {
    pub(crate) fn begin() -> Self {
        let (source, over) =
            (Arc::new(VideoSource::new("camera")), Arc::new(AtomicBool::new(false)));
        let (frames, stop) = (source.clone(), over.clone());
        std::thread::spawn(move || {
            let start = Instant::now();
            for number in 0..10 * u16::from(u8::MAX) {
                // Black is what a track shows that is disabled.
                if number as u8 == 16 {
                    continue;
                }
                let mut picture = I420::black(4, 2);
                picture.planes_mut().0.fill(number as u8);
                frames.push(&VideoFrame::new(picture, start.elapsed()));
                std::thread::sleep(Duration::from_millis(20));
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        Self { source, over }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The next transceiver on which the peer sends a track.
pub(crate) async fn next_track(pc: &PeerConnection) -> RtpTransceiver {
    loop {
        let event = within("a track", pc.next_event()).await.expect("the connection is open");
        if let Event::Track { transceiver, .. } = event {
            return transceiver;
        }
    }
}
