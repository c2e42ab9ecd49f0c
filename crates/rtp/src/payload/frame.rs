//! Frames on their way in and out: what the sender says about a frame beside its bytes, and what the receiver gets.

use arrayvec::ArrayVec;
use bytes::Bytes;

/// What the encoder knows about a frame and the packetiser writes into payload descriptors.
///
/// The default describes a frame without layers, which is right for every format and encoder that has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameInfo {
    /// Whether this is a keyframe; `None` has the packetiser look into the frame. To be given where the frame's bytes
    /// are encrypted or transformed.
    pub keyframe: Option<bool>,
    /// RTP timestamp, as it will stand in the packets' headers. Used by redundant audio only, for its offsets.
    pub timestamp: u32,
    /// No other frame will refer to this one (VP8's N; VP9: not a reference for upper spatial layers).
    pub discardable: bool,
    /// Temporal layer (VP8, VP9), `None` where the stream has none.
    pub temporal_layer: Option<u8>,
    /// VP8: refers to the base layer only (Y). VP9: higher temporal layers may be joined from here (U).
    pub layer_sync: bool,
    /// Spatial layer (VP9), `None` where the stream has none.
    pub spatial_layer: Option<u8>,
    /// VP9: the layer frame is predicted from the next lower spatial layer of the same picture (D).
    pub inter_layer_predicted: bool,
    /// VP9 in flexible mode: distances back, in pictures, to those referred to (P_DIFF); at most 3, each 1 to 127.
    pub reference_distances: ArrayVec<u8, 3>,
    /// The last frame of its picture: sets the marker bit. `false` only for all but the last spatial layer of a picture.
    pub end_of_picture: bool,
    /// Width and height, written into the scalability structure of VP9 keyframes; `None` has the packetiser look.
    pub dimensions: Option<(u16, u16)>,
    /// Audio: the first frame after a silence in which nothing was sent. Sets the marker bit (RFC 3551 §4.1).
    pub after_silence: bool,
}

impl Default for FrameInfo {
    fn default() -> Self {
        Self {
            keyframe: None,
            timestamp: 0,
            discardable: false,
            temporal_layer: None,
            layer_sync: false,
            spatial_layer: None,
            inter_layer_predicted: false,
            reference_distances: ArrayVec::new(),
            end_of_picture: true,
            dimensions: None,
            after_silence: false,
        }
    }
}

/// A frame as it came out of the network, complete, ready for a decoder or a file.
///
/// H.264 and H.265 are in Annex B form (four-byte start codes), AV1 is a temporal unit in the low-overhead format
/// (sizes in every OBU, no temporal delimiter), VP9 has all spatial layers of a picture one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// The encoded media.
    pub data: Bytes,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Whether decoding can begin here.
    pub keyframe: bool,
    /// Whether no other frame refers to this one, as far as the stream tells.
    pub discardable: bool,
    /// Extended sequence number of the first packet.
    pub first_sequence: u64,
    /// Extended sequence number of the last packet.
    pub last_sequence: u64,
    /// The RTP marker bit of the last packet. For audio: the first frame after a silence.
    pub marker: bool,
    /// Temporal layer, where the stream tells.
    pub temporal_layer: Option<u8>,
    /// Highest spatial layer in `data`, where the stream tells.
    pub spatial_layer: Option<u8>,
    /// Width and height in pixels, where the frame tells (keyframes mostly).
    pub dimensions: Option<(u16, u16)>,
    /// Picture id (VP8, VP9), or the frame number of the dependency descriptor.
    pub picture_id: Option<u16>,
    /// Redundant audio only: the payload type of the block this frame came in (RFC 2198 §3).
    pub block_payload_type: Option<u8>,
    /// Redundant audio only: the frame was restored from redundancy; `first_sequence` is the packet that brought it.
    pub redundant: bool,
}
