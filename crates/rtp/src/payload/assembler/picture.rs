//! The packets of a whole picture, and what they say together.

use std::collections::VecDeque;

use bytes::Bytes;

use super::super::decodability::{FrameDependencies, PictureFacts};
use super::super::descriptor::{CodecDescriptor, PayloadDescriptor};
use super::super::frame::EncodedFrame;
use super::slot::{Content, Slot};

/// So many places at the front of the window.
pub(super) struct Picture<'a> {
    slots: &'a VecDeque<Option<Slot>>,
    packets: usize,
}

/// What H.264 and H.265 bring with a picture.
pub(super) struct ParameterSets {
    pub(super) sps: bool,
    pub(super) pps: bool,
    /// Slices that refer to no other picture.
    pub(super) intra: bool,
}

/// A packet, what its payload says, and what its dependency descriptor does.
type Part<'a> = (&'a Slot, &'a PayloadDescriptor, Option<&'a FrameDependencies>);

impl<'a> Picture<'a> {
    pub(super) fn new(slots: &'a VecDeque<Option<Slot>>, packets: usize) -> Self {
        Self { slots, packets }
    }

    /// Its packets but for padding.
    #[inline]
    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'a>> + Clone + use<'a> {
        self.slots.range(..self.packets).flatten().filter_map(|slot| match &slot.content {
            Content::Media(descriptor, dependencies) => {
                Some((slot, descriptor, dependencies.read()))
            }
            _ => None,
        })
    }

    /// Their payloads.
    pub(super) fn media(
        &self,
    ) -> impl Iterator<Item = (&'a Bytes, &'a PayloadDescriptor)> + Clone + use<'a> {
        self.parts().map(|(slot, descriptor, _)| (&slot.payload, descriptor))
    }

    /// `None` for other codecs.
    pub(super) fn parameter_sets(&self) -> Option<ParameterSets> {
        let seen = |descriptor: &PayloadDescriptor| match descriptor.codec {
            CodecDescriptor::H264(seen) | CodecDescriptor::H265(seen) => Some(seen),
            _ => None,
        };
        let (_, first, _) = self.parts().next()?;
        seen(first)?;
        let none = ParameterSets { sps: false, pps: false, intra: false };
        let all = self.parts().filter_map(|(_, descriptor, _)| seen(descriptor));
        Some(all.fold(none, |all, seen| ParameterSets {
            sps: all.sps | seen.sps,
            pps: all.pps | seen.pps,
            intra: all.intra | seen.intra,
        }))
    }

    /// What tells whether it can be decoded.
    pub(super) fn facts(
        &self,
        first: &'a PayloadDescriptor,
        keyframe: bool,
        after_gap: bool,
    ) -> PictureFacts<'a> {
        let reference_distances = match &first.codec {
            CodecDescriptor::Vp9(vp9) if vp9.flexible => Some(vp9.reference_distances.as_slice()),
            _ => None,
        };
        PictureFacts {
            keyframe,
            picture_id: first.picture_id,
            tl0_picture_index: first.tl0_picture_index,
            temporal_layer: first.temporal_layer,
            layer_sync: first.layer_sync,
            sync_is_upwards: matches!(first.codec, CodecDescriptor::Vp9(_)),
            reference_distances,
            dependencies: self.parts().filter_map(|(_, _, dependencies)| dependencies).collect(),
            after_gap,
        }
    }

    /// The frame that it makes. `None` where it is of padding alone.
    pub(super) fn frame(&self, base: u64, keyframe: bool, data: Bytes) -> Option<EncodedFrame> {
        let (slot, first, dependencies) = self.parts().next()?;
        Some(EncodedFrame {
            data,
            timestamp: slot.timestamp,
            keyframe,
            discardable: self.parts().all(|(_, descriptor, _)| descriptor.discardable),
            first_sequence: base,
            last_sequence: base + self.packets as u64 - 1,
            marker: self.slots.range(..self.packets).flatten().any(|slot| slot.marker),
            temporal_layer: dependencies
                .map(|dependencies| dependencies.temporal_layer)
                .or(first.temporal_layer),
            spatial_layer: self
                .parts()
                .filter_map(|(_, descriptor, dependencies)| {
                    dependencies.map(|d| d.spatial_layer).or(descriptor.spatial_layer)
                })
                .max(),
            dimensions: self.parts().find_map(|(_, descriptor, _)| descriptor.dimensions),
            picture_id: dependencies
                .map(|dependencies| dependencies.frame_number)
                .or(first.picture_id.map(|id| id.value)),
            block_payload_type: None,
            redundant: false,
        })
    }
}
