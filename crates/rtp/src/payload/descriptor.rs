//! What one payload says about itself: the result of reading it, whatever its format.
//! [`Depacketizer::read`](super::Depacketizer::read) makes these, the frame assembler and packet forwarders use them.

use std::ops::Range;

use smallvec::SmallVec;

use super::vp9::Vp9Descriptor;

/// What a payload's descriptor and the first bytes of its media tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PayloadDescriptor {
    /// The payload surely begins a frame. Formats without an explicit mark (H.264, H.265, raw) say so only where the
    /// content leaves no doubt.
    pub start_of_frame: bool,
    /// The descriptor itself says that this payload ends a frame of its layer (VP9's E bit), or every payload of the
    /// format is a whole frame. Elsewhere the RTP marker bit tells.
    pub end_of_frame: bool,
    /// The payload begins or is part of a keyframe, as far as this payload alone shows.
    pub keyframe: bool,
    /// No other frame refers to this one.
    pub discardable: bool,
    /// Running number of the picture (VP8, VP9).
    pub picture_id: Option<PictureId>,
    /// Running number of base-layer frames, TL0PICIDX (VP8, VP9).
    pub tl0_picture_index: Option<u8>,
    /// Temporal layer, 0 is the base.
    pub temporal_layer: Option<u8>,
    /// Spatial layer, 0 is the base.
    pub spatial_layer: Option<u8>,
    /// VP8: the frame refers to the base layer only (Y). VP9: higher temporal layers may be joined here (U).
    pub layer_sync: bool,
    /// Width and height in pixels, where the payload tells.
    pub dimensions: Option<(u16, u16)>,
    /// What only one format has.
    pub codec: CodecDescriptor,
    /// Where in the payload the media are, in order.
    pub media: SmallVec<[MediaRange; 2]>,
}

/// Parts of a descriptor that only one format has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CodecDescriptor {
    /// Nothing more.
    #[default]
    None,
    /// VP8 (RFC 7741 §4.2).
    Vp8 {
        /// KEYIDX, running number of key frames.
        key_index: Option<u8>,
        /// Index of the partition the payload belongs to.
        partition: u8,
    },
    /// VP9 (RFC 9628 §4.2).
    Vp9(Vp9Descriptor),
    /// H.264 (RFC 6184 §5).
    H264(NalSummary),
    /// H.265 (RFC 7798 §4.4).
    H265(NalSummary),
    /// AV1 (AV1 RTP specification §4.4).
    Av1 {
        /// Z: the first element continues an OBU of the packet before.
        continues: bool,
        /// Y: the last element continues in the next packet.
        continued: bool,
        /// N: the first packet of a coded video sequence.
        new_sequence: bool,
    },
}

/// Which kinds of NAL unit a payload has (or has the first fragment of).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NalSummary {
    /// A sequence parameter set.
    pub sps: bool,
    /// A picture parameter set.
    pub pps: bool,
    /// A slice of a picture from which decoding can begin (IDR; for H.265 any IRAP).
    pub intra: bool,
    /// Any slice.
    pub slice: bool,
    /// The payload begins with the first slice of a picture. Parameter sets may stand before it in other packets.
    pub first_slice: bool,
}

/// A piece of media inside a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaRange {
    start: u16,
    end: u16,
    /// What to put before these bytes when frames are assembled.
    pub lead: Lead,
}

/// What stands before a piece of media in the assembled frame, but not (in this form) in the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lead {
    /// Nothing: the bytes follow those of the piece before.
    None,
    /// A NAL unit begins: an Annex B start code.
    StartCode,
    /// The first fragment of a NAL unit: a start code and the unit's header (1 byte in H.264, 2 in H.265).
    NalHeader([u8; 2], u8),
    /// An AV1 OBU begins; its size field is put in once the whole OBU is there.
    Obu,
}

impl MediaRange {
    /// Payloads are at most this long; a longer one is refused as malformed.
    pub(crate) const MAX_PAYLOAD: usize = u16::MAX as usize;

    pub(crate) fn new(range: Range<usize>, lead: Lead) -> Self {
        debug_assert!(range.start <= range.end && range.end <= Self::MAX_PAYLOAD);
        Self { start: range.start as u16, end: range.end as u16, lead }
    }

    /// Where in the payload the bytes are.
    pub fn range(&self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }

    /// Bytes of media.
    pub fn len(&self) -> usize {
        usize::from(self.end - self.start)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// Running number of a picture: 7 or 15 bits (RFC 7741 §4.2, RFC 9628 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PictureId {
    /// The number.
    pub value: u16,
    /// Whether it has 15 bits rather than 7.
    pub is_long: bool,
}

impl PictureId {
    /// The largest value of this width; the next is 0.
    pub fn mask(self) -> u16 {
        if self.is_long { 0x7FFF } else { 0x7F }
    }

    /// How many pictures after `earlier` this one is, at the width of this one, in `-half..half` of the number space.
    pub fn distance_from(self, earlier: u16) -> i32 {
        let mask = i32::from(self.mask());
        let ahead = (i32::from(self.value) - i32::from(earlier)) & mask;
        if ahead > mask / 2 { ahead - (mask + 1) } else { ahead }
    }
}
