//! Dependency descriptors of the frames of an encoder that keeps to a scalability mode: the templates of the mode, and for
//! each frame its number, the frames it refers to, and the chains (AV1 RTP specification, App. A.6 has the examples).

use smallvec::SmallVec;

use super::mode::{InterLayerPrediction, ScalabilityMode};
use crate::extension::{
    DecodeTargetIndication, DependencyDescriptor, DependencyStructure, FrameDependencies,
    RenderResolution,
};
use crate::payload::FrameInfo;

/// The most layers of either kind that a mode has.
const LAYERS: usize = 3;
/// Pictures back to which references can be told: VP9's distances have seven bits (RFC 9628 §4.2).
const PICTURES: usize = 128;
/// What a template can say of frames and chains (App. A.4.1).
const MAX_TEMPLATE_FRAME_DIFF: u16 = 16;
const MAX_TEMPLATE_CHAIN_DIFF: u8 = 15;
/// What a frame can say of another (App. A.4.1).
const MAX_FRAME_DIFF: u64 = 4_096;

/// The frames of one picture, by spatial layer.
type Picture = [Option<u64>; LAYERS];

/// Tells what the frames of one stream depend on. It costs no allocation but for the frame that brings the templates.
#[derive(Debug, Clone)]
pub struct DependencyTracker {
    mode: ScalabilityMode,
    structure: DependencyStructure,
    frames: Frames,
}

/// What was sent.
#[derive(Debug, Clone)]
struct Frames {
    /// The number of the next frame, without wraps.
    next: u64,
    /// A keyframe was sent.
    begun: bool,
    /// The last frame of each layer, by spatial and temporal layer.
    last: [[Option<u64>; LAYERS]; LAYERS],
    /// The last frame of each chain: there is one for each spatial layer.
    chains: [Option<u64>; LAYERS],
    /// The last pictures, by their running number.
    pictures: Box<[Picture; PICTURES]>,
    /// The running number of the picture at hand, or of the next one.
    picture: u64,
    /// Whether the picture at hand is a key picture; `None` before its first frame.
    is_key: Option<bool>,
    /// Spatial layers that are sent, as bits, and those of them that have been since the last picture of the temporal base.
    active: u8,
    seen: u8,
    /// What is sent has changed, and is told with all frames of the picture at hand.
    announces: bool,
}

impl DependencyTracker {
    /// For a stream whose first frame has this number. It says nothing before a keyframe.
    #[must_use]
    pub fn new(mode: ScalabilityMode, first_frame_number: u16) -> Self {
        let frames = Frames::new(u64::from(first_frame_number));
        Self { mode, structure: structure(mode, 0), frames }
    }

    /// The mode.
    #[must_use]
    pub fn mode(&self) -> ScalabilityMode {
        self.mode
    }

    /// The templates: what descriptors without templates of their own are [written](DependencyDescriptor::write) by.
    #[must_use]
    pub fn structure(&self) -> &DependencyStructure {
        &self.structure
    }

    /// The next frame is a keyframe, from which on the encoder keeps to another mode. Frame numbers go on; templates get other
    /// identifiers (App. A.4.2, `template_id_offset`).
    pub fn set_mode(&mut self, mode: ScalabilityMode) {
        if mode != self.mode {
            let used = self.structure.templates.len() as u8;
            let offset = (self.structure.template_id_offset + used) & 63;
            self.mode = mode;
            self.structure = structure(mode, offset);
            self.frames.begun = false;
        }
    }

    /// The descriptor of the next frame, as if it had one packet: the templates go with the first of several only. Layers,
    /// references and the end of the picture are taken from `info`; where it names no distances, the references are those
    /// that the mode has. `None` for a frame that the mode has no layer for, or that comes before a keyframe.
    pub fn frame(&mut self, keyframe: bool, info: &FrameInfo) -> Option<DependencyDescriptor> {
        let spatial = usize::from(info.spatial_layer.unwrap_or(0));
        let temporal = usize::from(info.temporal_layer.unwrap_or(0));
        if spatial >= usize::from(self.mode.spatial) || temporal >= usize::from(self.mode.temporal)
        {
            return None;
        }
        let begins_sequence = keyframe && self.frames.is_key.is_none();
        let dependencies = self.frames.add(self.mode, (spatial, temporal), keyframe, info)?;
        let number = self.frames.next - 1;
        let structure = begins_sequence.then(|| {
            let size = info.dimensions.filter(|size| size.0 > 0 && size.1 > 0);
            self.structure.resolutions = match size {
                // Those of all layers are told, or of none.
                Some((width, height)) if self.mode.spatial == 1 => {
                    let (width, height) = (u32::from(width), u32::from(height));
                    SmallVec::from_slice(&[RenderResolution { width, height }])
                }
                _ => SmallVec::new(),
            };
            Box::new(self.structure.clone())
        });
        let targets = self.frames.announces.then(|| self.active_targets());
        let resolution = self.structure.resolutions.get(spatial).copied();
        if info.end_of_picture {
            self.frames.end_picture();
        }
        Some(DependencyDescriptor {
            start_of_frame: true,
            end_of_frame: true,
            frame_number: number as u16,
            structure,
            active_decode_targets: targets,
            dependencies,
            resolution,
        })
    }

    /// The decode targets whose spatial layer is sent.
    fn active_targets(&self) -> u32 {
        let temporal = u32::from(self.mode.temporal);
        (0..u32::from(self.mode.spatial))
            .filter(|spatial| self.frames.active >> spatial & 1 != 0)
            .fold(0, |targets, spatial| targets | ((1 << temporal) - 1) << (spatial * temporal))
    }
}

impl Frames {
    fn new(next: u64) -> Self {
        Self {
            next,
            begun: false,
            last: [[None; LAYERS]; LAYERS],
            chains: [None; LAYERS],
            pictures: Box::new([[None; LAYERS]; PICTURES]),
            picture: 0,
            is_key: None,
            active: 0,
            seen: 0,
            announces: false,
        }
    }

    fn end_picture(&mut self) {
        if self.is_key.take().is_some() {
            self.picture += 1;
            self.announces = false;
        }
    }

    fn begin_picture(&mut self, mode: ScalabilityMode, keyframe: bool, temporal: usize) {
        self.is_key = Some(keyframe);
        self.pictures[self.picture as usize % PICTURES] = [None; LAYERS];
        if keyframe {
            self.begun = true;
            self.last = [[None; LAYERS]; LAYERS];
            self.chains = [None; LAYERS];
            self.pictures.fill([None; LAYERS]);
            self.active = (1 << mode.spatial) - 1;
            self.seen = 0;
        } else if temporal == 0 {
            let seen = std::mem::take(&mut self.seen);
            self.announces = seen != self.active;
            self.active = seen;
        }
    }

    /// Takes a frame; what it depends on.
    fn add(
        &mut self,
        mode: ScalabilityMode,
        (spatial, temporal): (usize, usize),
        keyframe: bool,
        info: &FrameInfo,
    ) -> Option<FrameDependencies> {
        if !self.begun && !keyframe {
            return None;
        }
        if self.is_key.is_none() {
            self.begin_picture(mode, keyframe, temporal);
        }
        let is_key = self.is_key == Some(true);
        let number = self.next;
        self.next += 1;
        self.seen |= 1 << spatial;
        if self.active & 1 << spatial == 0 {
            self.active |= 1 << spatial;
            self.announces = true;
        }

        let mut frame_diffs: SmallVec<[u16; 8]> = SmallVec::new();
        let mut refer_to = |frame: u64| {
            let diff = number - frame;
            if (1..=MAX_FRAME_DIFF).contains(&diff) && !frame_diffs.contains(&(diff as u16)) {
                frame_diffs.push(diff as u16);
            }
        };
        let mut is_fresh = true;
        if !is_key {
            for distance in info.reference_distances.iter().map(|&distance| u64::from(distance)) {
                let back = self.picture.checked_sub(distance).filter(|_| distance > 0);
                let Some(back) = back.filter(|_| distance < PICTURES as u64) else { continue };
                let picture = &self.pictures[back as usize % PICTURES];
                if let Some(frame) = picture[..=spatial].iter().rev().flatten().next() {
                    is_fresh = false;
                    refer_to(*frame);
                }
            }
            if info.reference_distances.is_empty() {
                // The last of a lower temporal layer; in the lowest, the last there is.
                let lower = &self.last[spatial][..temporal.max(1)];
                if let Some(frame) = lower.iter().flatten().max() {
                    is_fresh = false;
                    refer_to(*frame);
                }
            }
        }
        let refers_down = match mode.prediction {
            InterLayerPrediction::Always => true,
            InterLayerPrediction::Keyframes => is_key || info.inter_layer_predicted,
            InterLayerPrediction::Never => info.inter_layer_predicted,
        };
        let picture = &mut self.pictures[self.picture as usize % PICTURES];
        if refers_down && let Some(below) = picture[..spatial].iter().rev().flatten().next() {
            refer_to(*below);
        }
        picture[spatial] = Some(number);
        self.last[spatial][temporal] = Some(number);

        let chains = &mut self.chains[..usize::from(mode.spatial)];
        let chain_diffs = chains
            .iter()
            .map(|last| last.map_or(0, |last| (number - last).min(u64::from(u8::MAX)) as u8))
            .collect();
        for (chain, last) in chains.iter_mut().enumerate() {
            if is_in_chain(mode.prediction, is_key, (spatial, temporal), chain) {
                *last = Some(number);
            }
        }
        let targets = (0..usize::from(mode.spatial))
            .flat_map(|s| (0..usize::from(mode.temporal)).map(move |t| (s, t)));
        let decode_target_indications = targets
            .map(|target| {
                let starts = if is_key { Start::Picture } else { Start::of(is_fresh) };
                indication(mode.prediction, starts, (spatial, temporal), target)
            })
            .collect();
        Some(FrameDependencies {
            spatial_id: spatial as u8,
            temporal_id: temporal as u8,
            decode_target_indications,
            frame_diffs,
            chain_diffs,
        })
    }
}

/// What begins with a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// All layers.
    Picture,
    /// Its layer: it refers to no frame of an earlier picture.
    Layer,
    Nothing,
}

impl Start {
    fn of(is_fresh: bool) -> Self {
        if is_fresh { Self::Layer } else { Self::Nothing }
    }
}

/// Whether the chain of a spatial layer includes a frame (App. A.6: of the lowest temporal layer alone).
fn is_in_chain(
    prediction: InterLayerPrediction,
    is_key: bool,
    (spatial, temporal): (usize, usize),
    chain: usize,
) -> bool {
    let includes_lower = match prediction {
        InterLayerPrediction::Always => true,
        InterLayerPrediction::Keyframes => is_key,
        InterLayerPrediction::Never => false,
    };
    temporal == 0 && (chain == spatial || (includes_lower && chain > spatial))
}

/// What a frame is to a decode target (App. A.6.1, A.6.3, A.6.4).
fn indication(
    prediction: InterLayerPrediction,
    starts: Start,
    (spatial, temporal): (usize, usize),
    (target_spatial, target_temporal): (usize, usize),
) -> DecodeTargetIndication {
    use DecodeTargetIndication::{Discardable, NotPresent, Required, Switch};
    if target_spatial < spatial || target_temporal < temporal {
        return NotPresent;
    }
    if target_spatial > spatial {
        let begins = starts != Start::Nothing;
        return match prediction {
            InterLayerPrediction::Always if begins => Switch,
            InterLayerPrediction::Always => Required,
            InterLayerPrediction::Keyframes if starts == Start::Picture => Switch,
            _ => NotPresent,
        };
    }
    if temporal > 0 && temporal == target_temporal { Discardable } else { Switch }
}

/// The templates of a mode: all that its pattern brings forth.
fn structure(mode: ScalabilityMode, template_id_offset: u8) -> DependencyStructure {
    // Two rounds: the first differs, being after the key picture.
    let pattern: &[u8] = match mode.temporal {
        1 => &[0, 0, 0],
        2 => &[0, 1, 0, 1, 0],
        _ => &[0, 2, 1, 2, 0, 2, 1, 2, 0],
    };
    let mut frames = Frames::new(0);
    let mut templates: Vec<FrameDependencies> = Vec::new();
    for (index, &temporal) in pattern.iter().enumerate() {
        for spatial in 0..mode.spatial {
            let info = FrameInfo { end_of_picture: false, ..FrameInfo::default() };
            let layer = (usize::from(spatial), usize::from(temporal));
            let frame = frames.add(mode, layer, index == 0 && spatial == 0, &info);
            let fits = |frame: &FrameDependencies| {
                frame.frame_diffs.iter().all(|diff| *diff <= MAX_TEMPLATE_FRAME_DIFF)
                    && frame.chain_diffs.iter().all(|diff| *diff <= MAX_TEMPLATE_CHAIN_DIFF)
            };
            if let Some(frame) = frame.filter(fits)
                && !templates.contains(&frame)
            {
                templates.push(frame);
            }
        }
        frames.end_picture();
    }
    // App. A.4.2, `next_layer_idc`: in the order of layers.
    templates.sort_by_key(|template| (template.spatial_id, template.temporal_id));
    let decode_targets = mode.spatial * mode.temporal;
    DependencyStructure {
        template_id_offset,
        decode_targets,
        chains: mode.spatial,
        protected_by: (0..decode_targets).map(|target| target / mode.temporal).collect(),
        templates,
        resolutions: SmallVec::new(),
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
