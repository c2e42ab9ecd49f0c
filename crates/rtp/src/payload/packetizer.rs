//! Sending frames of any format: dispatches to the formats, which keep running numbers and cut frames into payloads.
//! One packetiser serves one RTP stream.

use super::{
    av1,
    error::Error,
    format::{PacketizationMode, PayloadFormat},
    fragments::fragments,
    frame::FrameInfo,
    h264, h265,
    red::RedPacketizer,
    vp8::Vp8Packetizer,
    vp9::Vp9Packetizer,
};

/// What a packetiser is told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PacketizerOptions {
    /// First picture id (VP8, VP9), 15 bits; should be random.
    pub picture_id: u16,
    /// TL0PICIDX before the first base-layer frame (VP8, VP9); should be random.
    pub tl0_picture_index: u8,
    /// VP9: write references into every frame (flexible mode); they must then be in [`FrameInfo`].
    pub vp9_flexible: bool,
    /// VP9 without flexible mode: temporal layers of the stream, 1 to 3, in the patterns of L1T1, L1T2 and L1T3. 0 is 1.
    pub vp9_temporal_layers: u8,
    /// VP9: spatial layers of the stream, 1 to 8; told in the scalability structure. 0 is 1.
    pub vp9_spatial_layers: u8,
    /// Redundant audio: payload type of the frames inside.
    pub red_payload_type: u8,
    /// Redundant audio: how many earlier frames go with each, at most [`MAX_REDUNDANCY`](super::red::MAX_REDUNDANCY).
    pub red_redundancy: u8,
}

/// Cuts the frames of one stream into RTP payloads.
#[derive(Debug, Clone)]
pub struct Packetizer {
    format: PayloadFormat,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// One frame, one packet.
    Whole,
    /// Pieces without a header.
    Raw,
    Vp8(Vp8Packetizer),
    Vp9(Vp9Packetizer),
    H264(PacketizationMode),
    H265,
    Av1,
    Red(Box<RedPacketizer>),
}

impl Packetizer {
    /// For frames of `format`.
    pub fn new(format: PayloadFormat, options: PacketizerOptions) -> Self {
        let kind = match format {
            PayloadFormat::Vp8 => {
                Kind::Vp8(Vp8Packetizer::new(options.picture_id, options.tl0_picture_index))
            }
            PayloadFormat::Vp9 => Kind::Vp9(Vp9Packetizer::new(
                options.picture_id,
                options.tl0_picture_index,
                options.vp9_flexible,
                options.vp9_temporal_layers,
                options.vp9_spatial_layers,
            )),
            PayloadFormat::H264 { packetization_mode } => Kind::H264(packetization_mode),
            PayloadFormat::H265 => Kind::H265,
            PayloadFormat::Av1 => Kind::Av1,
            PayloadFormat::Red => Kind::Red(Box::new(RedPacketizer::new(
                options.red_payload_type,
                options.red_redundancy,
            ))),
            PayloadFormat::Raw => Kind::Raw,
            _ => Kind::Whole,
        };
        Self { format, kind }
    }

    /// VP9: what [`PacketizerOptions`] said of layers is so from now on; picture ids go on. To be called before a keyframe, by
    /// which alone receivers learn of it (RFC 9628 §4.2). Of other formats it changes nothing.
    pub fn set_vp9_layers(&mut self, flexible: bool, temporal_layers: u8, spatial_layers: u8) {
        if let Kind::Vp9(vp9) = &mut self.kind {
            vp9.set_layers(flexible, temporal_layers, spatial_layers);
        }
    }

    /// The format.
    pub fn format(&self) -> PayloadFormat {
        self.format
    }

    /// Cuts `frame` into payloads of at most `max_payload` bytes and hands each to `emit`: its parts, to be written one
    /// after the other, and the RTP marker bit. The media among the parts are slices of `frame`; nothing is copied (but
    /// what redundant audio sends again later).
    ///
    /// # Errors
    ///
    /// The frame is not of this format, or does not fit where it must not be split. Nothing was emitted then.
    pub fn packetize(
        &mut self,
        frame: &[u8],
        info: &FrameInfo,
        max_payload: usize,
        emit: &mut impl FnMut(&[&[u8]], bool),
    ) -> Result<(), Error> {
        match &mut self.kind {
            Kind::Whole => {
                let format = self.format.name();
                if frame.is_empty() {
                    return Err(Error::InvalidFrame { format, reason: "the frame is empty" });
                }
                if frame.len() > max_payload {
                    let (size, max, section) = (frame.len(), max_payload, "RFC 3551 §4.2");
                    return Err(Error::TooLarge { format, size, max, section });
                }
                emit(&[frame], info.after_silence);
                Ok(())
            }
            Kind::Raw => {
                let format = self.format.name();
                if max_payload == 0 {
                    return Err(Error::PayloadLimitTooSmall { format, max: 0 });
                }
                if frame.is_empty() {
                    return Err(Error::InvalidFrame { format, reason: "the frame is empty" });
                }
                for piece in fragments(frame, max_payload) {
                    emit(&[piece.bytes], piece.is_last && info.end_of_picture);
                }
                Ok(())
            }
            Kind::Vp8(vp8) => vp8.packetize(frame, info, max_payload, emit),
            Kind::Vp9(vp9) => vp9.packetize(frame, info, max_payload, emit),
            Kind::H265 => h265::packetize(frame, info, max_payload, emit),
            Kind::Av1 => av1::packetize(frame, info, max_payload, emit),
            Kind::Red(red) => red.packetize(frame, info, max_payload, emit),
            Kind::H264(mode) => h264::packetize(*mode, frame, info, max_payload, emit),
        }
    }
}
