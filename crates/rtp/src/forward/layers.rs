//! What a packet says of the layers of its stream (SVC), read once and in a form that is cheap to look at for each receiver.

use std::sync::Arc;
use std::time::Instant;

use arrayvec::ArrayVec;

use super::rewriter::SourcePacket;
use crate::extension::{
    DecodeTargetIndication, DependencyDescriptor, DependencyStructure, MAX_CHAINS,
    MAX_DECODE_TARGETS,
};
use crate::payload::{CodecDescriptor, PayloadDescriptor, PictureId};

/// A packet as the choice of layers looks at it, in whatever form its owner has it.
pub trait LayeredPacket {
    /// Its source, number, time and payload.
    fn source(&self) -> SourcePacket<'_>;

    /// The marker.
    fn marker(&self) -> bool;

    /// The value of its dependency descriptor header extension, if it has one.
    fn dependency_descriptor(&self) -> Option<&[u8]>;
}

impl<T: LayeredPacket + ?Sized> LayeredPacket for &T {
    fn source(&self) -> SourcePacket<'_> {
        (**self).source()
    }

    fn marker(&self) -> bool {
        (**self).marker()
    }

    fn dependency_descriptor(&self) -> Option<&[u8]> {
        (**self).dependency_descriptor()
    }
}

impl<T: LayeredPacket + ?Sized> LayeredPacket for Arc<T> {
    fn source(&self) -> SourcePacket<'_> {
        (**self).source()
    }

    fn marker(&self) -> bool {
        (**self).marker()
    }

    fn dependency_descriptor(&self) -> Option<&[u8]> {
        (**self).dependency_descriptor()
    }
}

/// Layers, counted from zero: the highest of a kind, or those of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Layer {
    /// The spatial layer.
    pub spatial: u8,
    /// The temporal layer.
    pub temporal: u8,
}

impl Layer {
    /// Whatever there is.
    pub const ALL: Self = Self { spatial: u8::MAX, temporal: u8::MAX };

    /// Whether neither is above that of `limit`.
    pub(super) fn is_within(self, limit: Self) -> bool {
        self.spatial <= limit.spatial && self.temporal <= limit.temporal
    }
}

/// What a packet says of layers: what [`LayerReader`](super::LayerReader) reads, for each
/// [`LayerSelector`](super::LayerSelector) to go by.
#[derive(Debug, Clone)]
pub struct PacketLayers {
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    pub(super) arrival: Instant,
    pub(super) marker: bool,
    pub(super) content: Content,
}

impl PacketLayers {
    pub(super) fn new(packet: &impl LayeredPacket, content: Content) -> Self {
        let SourcePacket { sequence, timestamp, arrival, .. } = packet.source();
        Self { sequence, timestamp, arrival, marker: packet.marker(), content }
    }

    /// The layer of its frame, where that is known.
    #[must_use]
    pub fn layer(&self) -> Option<Layer> {
        match &self.content {
            Content::Described(described) => Some(described.layer),
            Content::Picture(picture) => Some(picture.layer),
            Content::Whole | Content::Padding | Content::Unreadable => None,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Padding,
    /// Malformed, or it goes by templates that are not known.
    Unreadable,
    /// Of a format that tells nothing of layers.
    Whole,
    /// By the dependency descriptor.
    Described(Described),
    /// By the payload's own header: VP8, VP9.
    Picture(Picture),
}

/// What a structure says, with what follows from it.
#[derive(Debug)]
pub(super) struct Templates {
    pub(super) structure: DependencyStructure,
    /// Structures of a stream are counted.
    pub(super) epoch: u64,
    /// The highest layers of each decode target (App. A.8.2).
    pub(super) targets: ArrayVec<Layer, MAX_DECODE_TARGETS>,
    /// For each decode target those that are there as well where all of its frames are, as bits.
    pub(super) includes: ArrayVec<u32, MAX_DECODE_TARGETS>,
}

impl Templates {
    pub(super) fn new(structure: DependencyStructure, epoch: u64) -> Self {
        let count = usize::from(structure.decode_targets).min(MAX_DECODE_TARGETS);
        let targets = (0..count)
            .map(|target| {
                let (spatial, temporal) = structure.decode_target_layers(target);
                Layer { spatial, temporal }
            })
            .collect();
        let mut includes: ArrayVec<u32, MAX_DECODE_TARGETS> =
            (0..count).map(|_| structure.all_decode_targets()).collect();
        for template in &structure.templates {
            let present = present(pack(&template.decode_target_indications));
            for (target, included) in includes.iter_mut().enumerate() {
                if present >> target & 1 == 0 {
                    *included &= !present;
                }
            }
        }
        Self { structure, epoch, targets, includes }
    }

    /// The chain that protects a target.
    pub(super) fn chain(&self, target: usize) -> Option<usize> {
        self.structure.protected_by.get(target).map(|chain| usize::from(*chain))
    }
}

/// Two bits for each target.
fn pack(indications: &[DecodeTargetIndication]) -> u64 {
    let bits = |(at, dti): (usize, &DecodeTargetIndication)| (*dti as u64) << (2 * at);
    indications.iter().take(MAX_DECODE_TARGETS).enumerate().map(bits).fold(0, |a, b| a | b)
}

/// Targets that have the frame, as bits.
fn present(indications: u64) -> u32 {
    (0..MAX_DECODE_TARGETS)
        .filter(|target| indications >> (2 * target) & 3 != 0)
        .fold(0, |targets, target| targets | 1 << target)
}

/// What the dependency descriptor says of a frame.
#[derive(Debug, Clone)]
pub(super) struct Described {
    pub(super) templates: Arc<Templates>,
    /// Its number, without wraps.
    pub(super) frame: u64,
    /// A coded video sequence begins with it.
    pub(super) begins_sequence: bool,
    /// The packet ends it.
    pub(super) ends_frame: bool,
    pub(super) layer: Layer,
    pub(super) indications: u64,
    /// Bit n: it refers to the frame n + 1 before it.
    pub(super) references: u128,
    /// It refers to frames from before those.
    pub(super) refers_far: bool,
    pub(super) chain_diffs: ArrayVec<u8, MAX_CHAINS>,
    /// The decode targets that are sent.
    pub(super) active: u32,
}

impl Described {
    pub(super) fn new(
        descriptor: &DependencyDescriptor,
        templates: Arc<Templates>,
        frame: u64,
        begins_sequence: bool,
        active: u32,
    ) -> Self {
        let dependencies = &descriptor.dependencies;
        let (mut references, mut refers_far) = (0_u128, false);
        for diff in &dependencies.frame_diffs {
            match 1_u128.checked_shl(u32::from(*diff) - 1) {
                Some(bit) => references |= bit,
                None => refers_far = true,
            }
        }
        Self {
            templates,
            frame,
            begins_sequence,
            ends_frame: descriptor.end_of_frame,
            layer: Layer { spatial: dependencies.spatial_id, temporal: dependencies.temporal_id },
            indications: pack(&dependencies.decode_target_indications),
            references,
            refers_far,
            chain_diffs: dependencies.chain_diffs.iter().copied().take(MAX_CHAINS).collect(),
            active,
        }
    }

    /// What the frame is to a target.
    pub(super) fn indication(&self, target: usize) -> DecodeTargetIndication {
        match self.indications >> (2 * target) & 3 {
            0 => DecodeTargetIndication::NotPresent,
            1 => DecodeTargetIndication::Discardable,
            2 => DecodeTargetIndication::Switch,
            _ => DecodeTargetIndication::Required,
        }
    }
}

/// What the header of a payload of VP8 (RFC 7741 §4.2) or VP9 (RFC 9628 §4.2) says of its frame.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    pub(super) layer: Layer,
    pub(super) id: Option<PictureId>,
    /// It is surely of a keyframe; VP8 says so with the first packet only.
    pub(super) is_key: bool,
    /// VP9: the packet ends its layer's frame.
    pub(super) ends_layer: bool,
    /// VP8's Y: it refers to the base layer alone.
    pub(super) needs_base_only: bool,
    /// VP9's U: higher temporal layers can be joined after it.
    pub(super) opens_higher: bool,
    /// VP9: its frame refers to no earlier picture.
    pub(super) joins_here: bool,
    /// VP9 in flexible mode: how many pictures ago those were that it refers to.
    pub(super) distances: Option<ArrayVec<u8, 3>>,
}

impl Picture {
    pub(super) fn of(read: &PayloadDescriptor) -> Self {
        let vp9 = match &read.codec {
            CodecDescriptor::Vp9(vp9) => Some(vp9),
            _ => None,
        };
        let is_lowest = read.spatial_layer.unwrap_or(0) == 0;
        Self {
            layer: Layer {
                spatial: read.spatial_layer.unwrap_or(0),
                temporal: read.temporal_layer.unwrap_or(0),
            },
            id: read.picture_id,
            is_key: read.keyframe && is_lowest,
            ends_layer: vp9.is_some_and(|vp9| vp9.ends_layer_frame),
            needs_base_only: vp9.is_none() && read.layer_sync,
            opens_higher: vp9.is_some() && read.layer_sync,
            joins_here: vp9.is_some_and(|vp9| !vp9.inter_picture_predicted),
            distances: vp9.filter(|vp9| vp9.flexible).map(|vp9| vp9.reference_distances.clone()),
        }
    }
}
