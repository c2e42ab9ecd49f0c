//! Whether a complete frame can be decoded after what was decoded before it: from the dependency descriptor where there
//! is one, from picture ids and layer indices of VP8 and VP9, else from the packets being without a gap.

use smallvec::SmallVec;

use super::descriptor::PictureId;
use crate::extension::DependencyDescriptor;

/// What the dependency descriptor header extension says about the frame a packet belongs to, in the form the frame
/// assembler needs (AV1 RTP specification, appendix A). The caller reads the extension, keeps the structure, and makes this of a
/// [`DependencyDescriptor`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrameDependencies {
    /// `frame_number`.
    pub frame_number: u16,
    /// `frame_fdiffs`: distances back to the frames this one refers to.
    pub frame_diffs: SmallVec<[u16; 4]>,
    /// Decoding can begin here: the packet brings a template dependency structure and refers to nothing.
    pub keyframe: bool,
    /// The first packet of its frame.
    pub begins_frame: bool,
    /// Spatial layer.
    pub spatial_layer: u8,
    /// Temporal layer.
    pub temporal_layer: u8,
}

impl From<&DependencyDescriptor> for FrameDependencies {
    fn from(descriptor: &DependencyDescriptor) -> Self {
        let frame = &descriptor.dependencies;
        Self {
            frame_number: descriptor.frame_number,
            frame_diffs: SmallVec::from_slice(&frame.frame_diffs),
            // The structure comes with the first packet of a keyframe, and with nothing else.
            keyframe: descriptor.structure.is_some() && frame.frame_diffs.is_empty(),
            begins_frame: descriptor.start_of_frame,
            spatial_layer: frame.spatial_id,
            temporal_layer: frame.temporal_id,
        }
    }
}

/// What is known of a complete picture.
#[derive(Debug, Default)]
pub(crate) struct PictureFacts<'a> {
    pub(crate) keyframe: bool,
    pub(crate) picture_id: Option<PictureId>,
    pub(crate) tl0_picture_index: Option<u8>,
    pub(crate) temporal_layer: Option<u8>,
    pub(crate) layer_sync: bool,
    /// VP9, where the sync bit speaks of the layers above.
    pub(crate) sync_is_upwards: bool,
    /// VP9 in flexible mode.
    pub(crate) reference_distances: Option<&'a [u8]>,
    /// One per packet.
    pub(crate) dependencies: SmallVec<[&'a FrameDependencies; 4]>,
    /// Packets or frames were lost since the picture before.
    pub(crate) after_gap: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Decodable,
    /// Not decodable, but the layers below go on.
    Skip,
    /// Not decodable, and nothing will be before the next keyframe.
    NeedsKeyframe,
}

/// Remembers what was handed to the decoder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decodability {
    /// A keyframe was decoded and the base layer followed it without a gap.
    intact: bool,
    /// TL0PICIDX of the last base-layer frame.
    base: Option<u8>,
    /// Id of the last picture, decoded or not.
    last_picture: Option<u16>,
    /// Number of the last frame that a dependency descriptor told of, decoded or not.
    last_frame: Option<u16>,
    /// Temporal layers whose every frame since their last sync point was decoded; index 0 is unused.
    layers: [bool; 8],
    /// Pictures (flexible mode) or frames (dependency descriptor) that were decoded.
    decoded: History,
}

impl Decodability {
    /// Whether this picture follows the last one, so that none was lost between.
    pub(crate) fn is_next(&self, id: PictureId) -> bool {
        self.last_picture.is_some_and(|last| id.distance_from(last) == 1)
    }

    /// The same by the number of the dependency descriptor, which every frame of every layer has.
    pub(crate) fn is_next_frame(&self, number: u16) -> bool {
        self.last_frame.is_some_and(|last| number.wrapping_sub(last) == 1)
    }

    /// Judges a picture, and takes it as decoded if it can be.
    pub(crate) fn judge(&mut self, facts: &PictureFacts<'_>) -> Verdict {
        let lost = facts.after_gap
            && match (facts.picture_id, self.last_picture) {
                // Nothing but padding was lost if the ids have no gap.
                (Some(id), Some(last)) => id.distance_from(last) != 1,
                _ => true,
            };
        self.last_picture = facts.picture_id.map(|id| id.value);
        self.last_frame = facts.dependencies.last().map(|frame| frame.frame_number);
        if !facts.dependencies.is_empty() {
            return self.judge_by_dependencies(facts);
        }
        let id = facts.picture_id;
        if facts.keyframe {
            self.intact = true;
            self.base = facts.tl0_picture_index;
            self.layers = [true; 8];
            self.decoded = History::default();
            if let Some(id) = id {
                self.decoded.add(id.value, id.mask());
            }
            return Verdict::Decodable;
        }
        if let (Some(distances), Some(id)) = (facts.reference_distances, id) {
            let known = distances.iter().all(|&distance| {
                self.decoded.contains(id.value.wrapping_sub(u16::from(distance)), id.mask())
            });
            if known && self.intact {
                self.decoded.add(id.value, id.mask());
                return Verdict::Decodable;
            }
            return self.refuse(facts.temporal_layer);
        }
        match (facts.tl0_picture_index, facts.temporal_layer) {
            (Some(tl0), Some(layer)) => self.judge_by_layers(tl0, layer & 7, lost, facts),
            _ if lost || !self.intact => self.refuse(None),
            _ => Verdict::Decodable,
        }
    }

    fn judge_by_layers(
        &mut self,
        tl0: u8,
        layer: u8,
        lost: bool,
        facts: &PictureFacts<'_>,
    ) -> Verdict {
        if lost {
            // Which layers the lost pictures were of is not known.
            self.layers = [false; 8];
        }
        if layer == 0 {
            let follows = self.base.is_none_or(|base| tl0 == base.wrapping_add(1));
            if !self.intact || (lost && !follows) {
                return self.refuse(Some(0));
            }
            self.base = Some(tl0);
            if facts.sync_is_upwards && facts.layer_sync {
                self.layers = [true; 8];
            }
            return Verdict::Decodable;
        }
        let index = usize::from(layer);
        let synced = facts.layer_sync && !facts.sync_is_upwards;
        let has_base = self.intact && self.base.is_none_or(|base| base == tl0);
        if has_base && (synced || self.layers[1..=index].iter().all(|&whole| whole)) {
            self.layers[index] = true;
            if facts.sync_is_upwards && facts.layer_sync {
                self.layers[index + 1..].fill(true);
            }
            return Verdict::Decodable;
        }
        self.layers[index..].fill(false);
        if has_base {
            Verdict::Skip
        } else {
            // The base-layer frame it belongs to is missing, and so all that follows will be.
            self.refuse(Some(0))
        }
    }

    fn judge_by_dependencies(&mut self, facts: &PictureFacts<'_>) -> Verdict {
        const MASK: u16 = u16::MAX;
        let mut decoded = self.decoded;
        let mut intact = self.intact;
        let mut last = None;
        for frame in &facts.dependencies {
            if last == Some(frame.frame_number) {
                continue; // another packet of the same frame
            }
            last = Some(frame.frame_number);
            if frame.keyframe {
                decoded = History::default();
                intact = true;
            } else if !intact
                || frame.frame_diffs.iter().any(|&distance| {
                    !decoded.contains(frame.frame_number.wrapping_sub(distance), MASK)
                })
            {
                return self.refuse(Some(frame.temporal_layer));
            }
            decoded.add(frame.frame_number, MASK);
        }
        self.decoded = decoded;
        self.intact = intact;
        Verdict::Decodable
    }

    fn refuse(&mut self, layer: Option<u8>) -> Verdict {
        if self.intact && layer.is_some_and(|layer| layer > 0) {
            return Verdict::Skip;
        }
        self.intact = false;
        Verdict::NeedsKeyframe
    }
}

/// Which of the last 128 numbers were decoded.
#[derive(Debug, Clone, Copy, Default)]
struct History {
    newest: u16,
    /// Bit n: `newest - n`.
    bits: u128,
}

impl History {
    fn add(&mut self, number: u16, mask: u16) {
        let ahead = number.wrapping_sub(self.newest) & mask;
        if self.bits == 0 {
            *self = Self { newest: number, bits: 1 };
        } else if ahead <= mask / 2 {
            self.bits = self.bits.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.newest = number;
        } else {
            let behind = self.newest.wrapping_sub(number) & mask;
            self.bits |= 1u128.checked_shl(u32::from(behind)).unwrap_or(0);
        }
    }

    fn contains(&self, number: u16, mask: u16) -> bool {
        let behind = self.newest.wrapping_sub(number) & mask;
        behind < 128 && self.bits >> behind & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::DependencyStructure;

    #[test]
    fn descriptors_are_taken_over() {
        let mut descriptor = DependencyDescriptor {
            start_of_frame: true,
            frame_number: 7,
            structure: Some(Box::new(DependencyStructure::default())),
            end_of_frame: true,
            active_decode_targets: None,
            dependencies: crate::extension::FrameDependencies::default(),
            resolution: None,
        };
        descriptor.dependencies.temporal_id = 2;
        let taken = FrameDependencies::from(&descriptor);
        assert!(taken.keyframe && taken.begins_frame);
        assert_eq!((taken.frame_number, taken.temporal_layer), (7, 2));
        descriptor.structure = None;
        descriptor.dependencies.frame_diffs.push(3);
        let taken = FrameDependencies::from(&descriptor);
        assert!(!taken.keyframe);
        assert_eq!(taken.frame_diffs[..], [3]);
    }

    #[test]
    fn history_remembers_what_was_decoded() {
        let mut history = History::default();
        for number in [0x7FFE, 0x7FFF, 1] {
            history.add(number, 0x7FFF);
        }
        let known: Vec<_> =
            [0x7FFD, 0x7FFE, 0x7FFF, 0, 1, 2].map(|number| history.contains(number, 0x7FFF)).into();
        assert_eq!(known, [false, true, true, false, true, false]);
        history.add(0, 0x7FFF); // late
        assert!(history.contains(0, 0x7FFF));
        history.add(500, 0x7FFF);
        assert!(!history.contains(1, 0x7FFF) && history.contains(500, 0x7FFF));
    }
}
