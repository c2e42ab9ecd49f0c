//! The dependency descriptor (AV1 RTP specification, Appendix A): which frames a frame needs, which decode targets need
//! the frame, and by which chains a receiver knows that nothing is missing. Templates come with key frames; other
//! descriptors refer to them, so reading needs the latest structure.

use smallvec::SmallVec;

use super::bits::{BitReader, BitWriter};
use super::kind::ExtensionKind;
use crate::error::Error;

/// The most templates of a structure: their identifiers have six bits.
pub const MAX_TEMPLATES: usize = 64;
/// The most decode targets: five bits count them.
pub const MAX_DECODE_TARGETS: usize = 32;
/// The most chains: there cannot be more than decode targets.
pub const MAX_CHAINS: usize = MAX_DECODE_TARGETS;
/// The most spatial layers this crate takes. The syntax has no limit; AV1 has 4 in its scalability modes.
pub const MAX_SPATIAL_LAYERS: u8 = 4;
/// The most temporal layers this crate takes. AV1 has 8.
pub const MAX_TEMPORAL_LAYERS: u8 = 8;
/// The most frames this crate lets a frame refer to. AV1 has 7 references.
pub const MAX_FRAME_DIFFS: usize = 64;

/// What a frame is to a decode target (App. A.8.3, table of DTI values).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecodeTargetIndication {
    /// The target does not have the frame.
    #[default]
    NotPresent,
    /// The target has the frame, and no other frame of the target needs it.
    Discardable,
    /// Having the frame, one can switch to the target.
    Switch,
    /// The target needs the frame.
    Required,
}

/// Layer and dependencies of a frame, or of a template for frames.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrameDependencies {
    /// The spatial layer.
    pub spatial_id: u8,
    /// The temporal layer.
    pub temporal_id: u8,
    /// One for each decode target of the structure.
    pub decode_target_indications: SmallVec<[DecodeTargetIndication; 16]>,
    /// How many frames ago the frames were that this one refers to: 1 to 4,096, in templates at most 16.
    pub frame_diffs: SmallVec<[u16; 8]>,
    /// For each chain, how many frames ago its previous frame was; 0 where it begins. In templates at most 15.
    pub chain_diffs: SmallVec<[u8; 16]>,
}

/// A resolution in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenderResolution {
    /// Width, 1 to 65,536.
    pub width: u32,
    /// Height, 1 to 65,536.
    pub height: u32,
}

/// The templates of a coded video sequence, with its decode targets and chains.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DependencyStructure {
    /// The identifier of the first template, below 64; the others follow, modulo 64.
    pub template_id_offset: u8,
    /// How many decode targets there are, 1 to 32.
    pub decode_targets: u8,
    /// How many chains there are, 0 to 32.
    pub chains: u8,
    /// For each decode target the chain that protects it; empty where there are no chains.
    pub protected_by: SmallVec<[u8; 16]>,
    /// The templates, 1 to 64, in ascending order of layers.
    pub templates: Vec<FrameDependencies>,
    /// For each spatial layer its resolution; empty where not said.
    pub resolutions: SmallVec<[RenderResolution; 4]>,
}

impl DependencyStructure {
    /// The template of an identifier.
    #[must_use]
    pub fn template(&self, id: u8) -> Option<&FrameDependencies> {
        self.templates.get(usize::from((id.wrapping_sub(self.template_id_offset)) & 63))
    }

    /// The highest spatial and temporal layer of a decode target (App. A.8.2, `decode_target_layers`).
    #[must_use]
    pub fn decode_target_layers(&self, target: usize) -> (u8, u8) {
        self.templates
            .iter()
            .filter(|template| {
                template
                    .decode_target_indications
                    .get(target)
                    .is_some_and(|dti| *dti != DecodeTargetIndication::NotPresent)
            })
            .fold((0, 0), |(s, t), template| {
                (s.max(template.spatial_id), t.max(template.temporal_id))
            })
    }

    /// All decode targets, as a bitmask.
    #[must_use]
    pub fn all_decode_targets(&self) -> u32 {
        (u64::MAX >> (64 - u32::from(self.decode_targets.clamp(1, 32)))) as u32
    }

    fn last_spatial_id(&self) -> u8 {
        self.templates.last().map_or(0, |template| template.spatial_id)
    }

    fn read(reader: &mut BitReader<'_>) -> Result<Self, Error> {
        let template_id_offset = field(reader.bits(6))? as u8;
        let decode_targets = field(reader.bits(5))? as u8 + 1;
        let mut templates = Vec::new();
        let mut current = FrameDependencies::default();
        loop {
            if templates.len() == MAX_TEMPLATES {
                return Err(invalid("it has more than 64 templates"));
            }
            templates.push(current.clone());
            match field(reader.bits(2))? {
                0 => {}
                1 => {
                    current.temporal_id += 1;
                    if current.temporal_id >= MAX_TEMPORAL_LAYERS {
                        return Err(invalid("it has more than 8 temporal layers"));
                    }
                }
                2 => {
                    current.temporal_id = 0;
                    current.spatial_id += 1;
                    if current.spatial_id >= MAX_SPATIAL_LAYERS {
                        return Err(invalid("it has more than 4 spatial layers"));
                    }
                }
                _ => break,
            }
        }
        for template in &mut templates {
            read_indications(reader, decode_targets, &mut template.decode_target_indications)?;
        }
        for template in &mut templates {
            while field(reader.flag())? {
                push_diff(&mut template.frame_diffs, field(reader.bits(4))? as u16 + 1)?;
            }
        }
        let chains = field(reader.non_symmetric(u32::from(decode_targets) + 1))? as u8;
        let mut protected_by = SmallVec::new();
        if chains > 0 {
            for _ in 0..decode_targets {
                protected_by.push(field(reader.non_symmetric(u32::from(chains)))? as u8);
            }
            for template in &mut templates {
                for _ in 0..chains {
                    template.chain_diffs.push(field(reader.bits(4))? as u8);
                }
            }
        }
        let mut resolutions = SmallVec::new();
        if field(reader.flag())? {
            for _ in 0..=current.spatial_id {
                let width = field(reader.bits(16))? + 1;
                let height = field(reader.bits(16))? + 1;
                resolutions.push(RenderResolution { width, height });
            }
        }
        Ok(Self {
            template_id_offset,
            decode_targets,
            chains,
            protected_by,
            templates,
            resolutions,
        })
    }

    fn check(&self) -> Result<(), Error> {
        let targets = usize::from(self.decode_targets);
        if self.template_id_offset > 63 || !(1..=MAX_DECODE_TARGETS).contains(&targets) {
            return Err(invalid("template identifiers or decode targets are out of range"));
        }
        if self.templates.is_empty() || self.templates.len() > MAX_TEMPLATES {
            return Err(invalid("it must have 1 to 64 templates"));
        }
        let chains = usize::from(self.chains);
        if chains > targets
            || self.protected_by.len() != if chains == 0 { 0 } else { targets }
            || self.protected_by.iter().any(|chain| *chain >= self.chains)
        {
            return Err(invalid("its chains do not fit its decode targets"));
        }
        if !self.resolutions.is_empty()
            && (self.resolutions.len() != usize::from(self.last_spatial_id()) + 1
                || self
                    .resolutions
                    .iter()
                    .any(|r| !(1..=65_536).contains(&r.width) || !(1..=65_536).contains(&r.height)))
        {
            return Err(invalid("its resolutions do not fit its spatial layers"));
        }
        for template in &self.templates {
            if template.decode_target_indications.len() != targets
                || template.chain_diffs.len() != chains
                || template.chain_diffs.iter().any(|diff| *diff > 15)
                || template.frame_diffs.len() > MAX_FRAME_DIFFS
                || template.frame_diffs.iter().any(|diff| !(1..=16).contains(diff))
                || template.spatial_id >= MAX_SPATIAL_LAYERS
                || template.temporal_id >= MAX_TEMPORAL_LAYERS
            {
                return Err(invalid("a template does not fit the structure"));
            }
        }
        if (self.templates[0].spatial_id, self.templates[0].temporal_id) != (0, 0)
            || self.templates.windows(2).any(|pair| next_layer(&pair[0], &pair[1]).is_none())
        {
            return Err(invalid("its templates are not in the order of layers"));
        }
        Ok(())
    }

    fn write(&self, writer: &mut BitWriter<'_>) {
        writer.bits(u32::from(self.template_id_offset), 6);
        writer.bits(u32::from(self.decode_targets) - 1, 5);
        for pair in self.templates.windows(2) {
            writer.bits(next_layer(&pair[0], &pair[1]).unwrap_or(0), 2);
        }
        writer.bits(3, 2);
        for template in &self.templates {
            for dti in &template.decode_target_indications {
                writer.bits(*dti as u32, 2);
            }
        }
        for template in &self.templates {
            for diff in &template.frame_diffs {
                writer.flag(true);
                writer.bits(u32::from(*diff) - 1, 4);
            }
            writer.flag(false);
        }
        writer.non_symmetric(u32::from(self.chains), u32::from(self.decode_targets) + 1);
        for chain in &self.protected_by {
            writer.non_symmetric(u32::from(*chain), u32::from(self.chains));
        }
        for template in &self.templates {
            for diff in &template.chain_diffs {
                writer.bits(u32::from(*diff), 4);
            }
        }
        writer.flag(!self.resolutions.is_empty());
        for resolution in &self.resolutions {
            writer.bits(resolution.width - 1, 16);
            writer.bits(resolution.height - 1, 16);
        }
    }
}

/// `next_layer_idc`; `None` where the syntax cannot say it.
fn next_layer(from: &FrameDependencies, to: &FrameDependencies) -> Option<u32> {
    match (to.spatial_id.checked_sub(from.spatial_id)?, to.temporal_id) {
        (0, t) if t == from.temporal_id => Some(0),
        (0, t) if t == from.temporal_id + 1 => Some(1),
        (1, 0) => Some(2),
        _ => None,
    }
}

/// The three bytes that every descriptor begins with; they can be read without a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MandatoryFields {
    /// The packet begins the frame.
    pub start_of_frame: bool,
    /// The packet ends the frame.
    pub end_of_frame: bool,
    /// Which template the frame has, below 64.
    pub template_id: u8,
    /// Counts frames in decoding order.
    pub frame_number: u16,
}

impl MandatoryFields {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`].
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        let mut reader = BitReader::new(data);
        Self::read(&mut reader)
    }

    fn read(reader: &mut BitReader<'_>) -> Result<Self, Error> {
        Ok(Self {
            start_of_frame: field(reader.flag())?,
            end_of_frame: field(reader.flag())?,
            template_id: field(reader.bits(6))? as u8,
            frame_number: field(reader.bits(16))? as u16,
        })
    }
}

/// What a packet says about its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependencyDescriptor {
    /// The packet begins the frame.
    pub start_of_frame: bool,
    /// The packet ends the frame.
    pub end_of_frame: bool,
    /// Counts frames in decoding order.
    pub frame_number: u16,
    /// A new structure, on the first packet of a key frame: to be kept and given when later descriptors are read.
    pub structure: Option<Box<DependencyStructure>>,
    /// A bit for each decode target that is still produced, where it is said. With a structure and without this, all
    /// are.
    pub active_decode_targets: Option<u32>,
    /// Layer and dependencies: the template's, or the frame's own.
    pub dependencies: FrameDependencies,
    /// The resolution of the frame's spatial layer, where the structure says it.
    pub resolution: Option<RenderResolution>,
}

impl DependencyDescriptor {
    /// Reads a descriptor; `latest` is the structure that came last on the stream.
    ///
    /// # Errors
    ///
    /// [`Error::NoDependencyStructure`] where none came and none is attached, [`Error::Invalid`] where a field is out of
    /// range, above all the template, which is then of a structure that was lost.
    pub fn parse(data: &[u8], latest: Option<&DependencyStructure>) -> Result<Self, Error> {
        let mut reader = BitReader::new(data);
        let mandatory = MandatoryFields::read(&mut reader)?;
        let (mut has_structure, mut has_targets) = (false, false);
        let (mut own_indications, mut own_diffs, mut own_chains) = (false, false, false);
        if data.len() > 3 {
            has_structure = field(reader.flag())?;
            has_targets = field(reader.flag())?;
            own_indications = field(reader.flag())?;
            own_diffs = field(reader.flag())?;
            own_chains = field(reader.flag())?;
        }
        let attached = if has_structure {
            Some(Box::new(DependencyStructure::read(&mut reader)?))
        } else {
            None
        };
        let structure = attached.as_deref().or(latest).ok_or(Error::NoDependencyStructure)?;
        let active_decode_targets = if has_targets {
            Some(field(reader.bits(u32::from(structure.decode_targets)))?)
        } else {
            None
        };
        let template = structure
            .template(mandatory.template_id)
            .ok_or_else(|| invalid("its template is not in the structure"))?;
        let mut dependencies = template.clone();
        if own_indications {
            dependencies.decode_target_indications.clear();
            let out = &mut dependencies.decode_target_indications;
            read_indications(&mut reader, structure.decode_targets, out)?;
        }
        if own_diffs {
            dependencies.frame_diffs.clear();
            loop {
                let size = field(reader.bits(2))?;
                if size == 0 {
                    break;
                }
                push_diff(&mut dependencies.frame_diffs, field(reader.bits(4 * size))? as u16 + 1)?;
            }
        }
        if own_chains {
            dependencies.chain_diffs.clear();
            for _ in 0..structure.chains {
                dependencies.chain_diffs.push(field(reader.bits(8))? as u8);
            }
        }
        let resolution = structure.resolutions.get(usize::from(dependencies.spatial_id)).copied();
        Ok(Self {
            start_of_frame: mandatory.start_of_frame,
            end_of_frame: mandatory.end_of_frame,
            frame_number: mandatory.frame_number,
            structure: attached,
            active_decode_targets,
            dependencies,
            resolution,
        })
    }

    /// Appends the descriptor, with the template that needs the fewest bits beside it. `latest` is the structure that the
    /// receiver has; it is not looked at where the descriptor attaches one.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the structure or the frame cannot be written, above all where no template has the
    /// frame's layer; [`Error::NoDependencyStructure`]. Nothing is appended then.
    pub fn write(
        &self,
        latest: Option<&DependencyStructure>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if let Some(structure) = &self.structure {
            structure.check()?;
        }
        let structure = self.structure.as_deref().or(latest).ok_or(Error::NoDependencyStructure)?;
        let frame = &self.dependencies;
        if frame.decode_target_indications.len() != usize::from(structure.decode_targets)
            || frame.chain_diffs.len() != usize::from(structure.chains)
            || frame.frame_diffs.len() > MAX_FRAME_DIFFS
            || frame.frame_diffs.iter().any(|diff| !(1..=4_096).contains(diff))
        {
            return Err(invalid("the frame does not fit the structure"));
        }
        let (index, template) = structure
            .templates
            .iter()
            .enumerate()
            .filter(|(_, t)| (t.spatial_id, t.temporal_id) == (frame.spatial_id, frame.temporal_id))
            .min_by_key(|(_, template)| custom_bits(frame, template))
            .ok_or_else(|| invalid("no template has the frame's layer"))?;
        let own_indications = frame.decode_target_indications != template.decode_target_indications;
        let own_diffs = frame.frame_diffs != template.frame_diffs;
        let own_chains = frame.chain_diffs != template.chain_diffs;
        let id = (structure.template_id_offset + index as u8) & 63;

        let mut writer = BitWriter::new(out);
        writer.flag(self.start_of_frame);
        writer.flag(self.end_of_frame);
        writer.bits(u32::from(id), 6);
        writer.bits(u32::from(self.frame_number), 16);
        let has_targets = self.active_decode_targets.is_some();
        if self.structure.is_none() && !has_targets && !own_indications && !own_diffs && !own_chains
        {
            return Ok(());
        }
        writer.flag(self.structure.is_some());
        writer.flag(has_targets);
        writer.flag(own_indications);
        writer.flag(own_diffs);
        writer.flag(own_chains);
        if let Some(structure) = &self.structure {
            structure.write(&mut writer);
        }
        if let Some(targets) = self.active_decode_targets {
            writer.bits(targets, u32::from(structure.decode_targets));
        }
        if own_indications {
            for dti in &frame.decode_target_indications {
                writer.bits(*dti as u32, 2);
            }
        }
        if own_diffs {
            for diff in &frame.frame_diffs {
                let size = diff_size(*diff);
                writer.bits(size, 2);
                writer.bits(u32::from(*diff) - 1, 4 * size);
            }
            writer.bits(0, 2);
        }
        if own_chains {
            for diff in &frame.chain_diffs {
                writer.bits(u32::from(*diff), 8);
            }
        }
        Ok(())
    }
}

/// Units of four bits that a frame difference takes.
fn diff_size(diff: u16) -> u32 {
    match diff {
        0..=16 => 1,
        17..=256 => 2,
        _ => 3,
    }
}

/// Bits that a frame takes beside its template.
fn custom_bits(frame: &FrameDependencies, template: &FrameDependencies) -> u32 {
    let mut bits = 0;
    if frame.decode_target_indications != template.decode_target_indications {
        bits += 2 * frame.decode_target_indications.len() as u32;
    }
    if frame.frame_diffs != template.frame_diffs {
        bits += 2 + frame.frame_diffs.iter().map(|diff| 2 + 4 * diff_size(*diff)).sum::<u32>();
    }
    if frame.chain_diffs != template.chain_diffs {
        bits += 8 * frame.chain_diffs.len() as u32;
    }
    bits
}

fn read_indications(
    reader: &mut BitReader<'_>,
    count: u8,
    out: &mut SmallVec<[DecodeTargetIndication; 16]>,
) -> Result<(), Error> {
    for _ in 0..count {
        out.push(match field(reader.bits(2))? {
            0 => DecodeTargetIndication::NotPresent,
            1 => DecodeTargetIndication::Discardable,
            2 => DecodeTargetIndication::Switch,
            _ => DecodeTargetIndication::Required,
        });
    }
    Ok(())
}

fn push_diff(diffs: &mut SmallVec<[u16; 8]>, diff: u16) -> Result<(), Error> {
    if diffs.len() == MAX_FRAME_DIFFS {
        return Err(invalid("a frame refers to more than 64 others"));
    }
    diffs.push(diff);
    Ok(())
}

fn field<T>(value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| invalid("it ends within a field"))
}

fn invalid(reason: &'static str) -> Error {
    let kind = ExtensionKind::DependencyDescriptor;
    Error::Invalid { what: kind.name(), reason, section: kind.section() }
}

#[cfg(test)]
#[path = "dependency_descriptor_tests.rs"]
mod tests;
