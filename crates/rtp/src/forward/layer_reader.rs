//! Reads what the packets of one stream say of its layers, once for all receivers: from the dependency descriptor (AV1 RTP
//! specification, Appendix A), whose templates it keeps, or else from the payload headers of VP8 and VP9.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::layers::{Content, Described, LayeredPacket, PacketLayers, Picture, Templates};
use crate::extension::{DependencyDescriptor, DependencyStructure, MandatoryFields};
use crate::payload::{Depacketizer, PayloadFormat};

/// Packets that are held because the templates they go by did not come yet.
const MAX_HELD: usize = 256;
/// Packets that wait to be polled; beyond, the oldest are dropped.
const MAX_READY: usize = 4 * MAX_HELD;
/// How long templates are waited for: a packet that is late may bring them.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often a keyframe is asked for.
const REQUEST_INTERVAL: Duration = Duration::from_millis(500);
/// A new sequence whose first frame is no nearer than this to the last one of the old is of an encoder that began again.
const MAX_FRAME_JUMP: i16 = 1 << 10;

/// The templates that count from a packet on.
#[derive(Debug)]
struct InForce {
    templates: Arc<Templates>,
    /// The packet that brought them, and its frame.
    sequence: u64,
    frame: u64,
    /// That frame needs no other.
    begins: bool,
    /// The decode targets that are sent.
    active: u32,
}

/// Reads the layers of one stream. `P` is the packet, in whatever form its owner has it.
#[derive(Debug)]
pub struct LayerReader<P> {
    format: PayloadFormat,
    depacketizer: Depacketizer,
    current: Option<InForce>,
    previous: Option<InForce>,
    /// The newest frame; its low bits are the number on the wire.
    newest: u64,
    /// The newest packet.
    newest_sequence: u64,
    /// What was read last, as the next packet is of the same frame most often, and its template.
    last: Option<(Described, u8)>,
    /// Packets that wait for templates.
    held: VecDeque<P>,
    /// When the first of them came.
    waits_since: Option<Instant>,
    ready: VecDeque<(PacketLayers, P)>,
    asked: Option<Instant>,
}

/// The templates that a packet goes by are not here yet.
struct TemplatesMissing;

impl<P: LayeredPacket> LayerReader<P> {
    /// For a stream of `format`.
    #[must_use]
    pub fn new(format: PayloadFormat) -> Self {
        Self {
            format,
            depacketizer: Depacketizer::new(format),
            current: None,
            previous: None,
            // Room below, for frames that come late.
            newest: 1 << 16,
            newest_sequence: 0,
            last: None,
            held: VecDeque::new(),
            waits_since: None,
            ready: VecDeque::new(),
            asked: None,
        }
    }

    /// The templates that came last: decode targets, their layers ([`DependencyStructure::decode_target_layers`]) and
    /// resolutions.
    #[must_use]
    pub fn structure(&self) -> Option<&DependencyStructure> {
        self.current.as_ref().map(|current| &current.templates.structure)
    }

    /// The decode targets that the sender produces, as bits.
    #[must_use]
    pub fn active_decode_targets(&self) -> Option<u32> {
        self.current.as_ref().map(|current| current.active)
    }

    /// Takes a packet. To be followed by [`poll`](Self::poll), which gives it out at once unless its templates are missing.
    pub fn insert(&mut self, packet: P) {
        let arrival = packet.source().arrival;
        let before = self.current.as_ref().map(|current| current.sequence);
        match self.read(&packet) {
            Ok(content) => self.give(packet, content),
            Err(TemplatesMissing) => self.hold(arrival, packet),
        }
        if self.current.as_ref().map(|current| current.sequence) != before {
            self.waits_since = None;
            for packet in std::mem::take(&mut self.held) {
                match self.read(&packet) {
                    Ok(content) => self.give(packet, content),
                    Err(TemplatesMissing) => self.hold(arrival, packet),
                }
            }
        }
    }

    /// The next packet, with what it says of layers.
    pub fn poll(&mut self) -> Option<(PacketLayers, P)> {
        self.ready.pop_front()
    }

    /// Whether a keyframe is to be asked for now, because the templates of what comes were lost. To be called whenever packets
    /// come.
    pub fn poll_keyframe_request(&mut self, now: Instant) -> bool {
        let since = |at: Instant| now.saturating_duration_since(at);
        let is_due = self.waits_since.is_some_and(|at| since(at) >= PATIENCE)
            && self.asked.is_none_or(|at| since(at) >= REQUEST_INTERVAL);
        if is_due {
            self.asked = Some(now);
        }
        is_due
    }

    fn give(&mut self, packet: P, content: Content) {
        if self.ready.len() >= MAX_READY {
            self.ready.pop_front();
        }
        self.ready.push_back((PacketLayers::new(&packet, content), packet));
    }

    fn hold(&mut self, arrival: Instant, packet: P) {
        if self.held.len() >= MAX_HELD
            && let Some(oldest) = self.held.pop_front()
        {
            self.give(oldest, Content::Unreadable);
        }
        self.waits_since.get_or_insert(arrival);
        self.held.push_back(packet);
    }

    fn read(&mut self, packet: &P) -> Result<Content, TemplatesMissing> {
        let sequence = packet.source().sequence;
        let read = self.read_content(packet);
        self.newest_sequence = self.newest_sequence.max(sequence);
        read
    }

    fn read_content(&mut self, packet: &P) -> Result<Content, TemplatesMissing> {
        let source = packet.source();
        if source.payload.is_empty() {
            return Ok(Content::Padding);
        }
        if let Some(bytes) = packet.dependency_descriptor() {
            let read = self.read_descriptor(source.sequence, bytes)?;
            return Ok(read.map_or(Content::Unreadable, Content::Described));
        }
        Ok(match self.format {
            PayloadFormat::Vp8 | PayloadFormat::Vp9 => {
                match self.depacketizer.read(source.payload) {
                    Ok(read) => Content::Picture(Picture::of(&read)),
                    Err(_) => Content::Unreadable,
                }
            }
            _ => Content::Whole,
        })
    }

    /// `None` where it cannot be read, or contradicts what came before.
    fn read_descriptor(
        &mut self,
        sequence: u64,
        bytes: &[u8],
    ) -> Result<Option<Described>, TemplatesMissing> {
        let Ok(fields) = MandatoryFields::parse(bytes) else { return Ok(None) };
        // App. A.8.1: the first bit of the extended fields.
        if bytes.get(3).is_some_and(|flags| flags & 0x80 != 0) {
            return Ok(self.read_structure(sequence, bytes));
        }
        let Some(current) = self.current.as_mut() else { return Err(TemplatesMissing) };
        let is_current = sequence >= current.sequence;
        if let Some((last, template)) = &self.last
            && (last.frame as u16, *template) == (fields.frame_number, fields.template_id)
            && is_current
            && last.templates.epoch == current.templates.epoch
        {
            return Ok(Some(Described { ends_frame: fields.end_of_frame, ..last.clone() }));
        }
        let in_force = match is_current {
            true => current,
            false => match self.previous.as_mut() {
                Some(previous) if sequence >= previous.sequence => previous,
                _ => return Ok(None),
            },
        };
        let templates = in_force.templates.clone();
        if templates.structure.template(fields.template_id).is_none() {
            return if is_current { Err(TemplatesMissing) } else { Ok(None) };
        }
        let Ok(descriptor) = DependencyDescriptor::parse(bytes, Some(&templates.structure)) else {
            return Ok(None);
        };
        let ahead = fields.frame_number.wrapping_sub(self.newest as u16) as i16;
        let frame = self.newest.wrapping_add_signed(i64::from(ahead));
        if frame < in_force.frame {
            return Ok(None);
        }
        if let Some(active) = descriptor.active_decode_targets
            && frame >= self.newest
        {
            in_force.active = active;
        }
        let active = descriptor.active_decode_targets.unwrap_or(in_force.active);
        let begins = in_force.begins && frame == in_force.frame;
        if !is_current && self.current.as_ref().is_some_and(|current| frame >= current.frame) {
            return Ok(None);
        }
        self.newest = self.newest.max(frame);
        let described = Described::new(&descriptor, templates, frame, begins, active);
        if is_current {
            self.last = Some((described.clone(), fields.template_id));
        }
        Ok(Some(described))
    }

    /// The first packet of a sequence.
    fn read_structure(&mut self, sequence: u64, bytes: &[u8]) -> Option<Described> {
        let mut descriptor = DependencyDescriptor::parse(bytes, None).ok()?;
        let structure = *descriptor.structure.take()?;
        let all = structure.all_decode_targets();
        let active = descriptor.active_decode_targets.unwrap_or(all);
        // Only a frame that needs no other begins a sequence.
        let begins = descriptor.dependencies.frame_diffs.is_empty();
        if let Some(current) = &self.current
            && sequence <= current.sequence
        {
            // The same again, or one that is over.
            let (templates, frame) = (current.templates.clone(), current.frame);
            let is_it = sequence == current.sequence
                && descriptor.frame_number == frame as u16
                && templates.structure == structure;
            return is_it.then(|| Described::new(&descriptor, templates, frame, begins, active));
        }
        let ahead = descriptor.frame_number.wrapping_sub(self.newest as u16) as i16;
        // One that comes late lies behind frames of its own sequence.
        let least = if sequence < self.newest_sequence { -MAX_FRAME_JUMP } else { 0 };
        let goes_on = self.current.is_none() || (least..MAX_FRAME_JUMP).contains(&ahead);
        let frame = match goes_on {
            true => self.newest.wrapping_add_signed(i64::from(ahead)),
            // Far enough that nothing of the old is taken for the new.
            false => {
                let far = self.newest + (1 << 16);
                far + u64::from(descriptor.frame_number.wrapping_sub(far as u16))
            }
        };
        let epoch = self.current.as_ref().map_or(0, |current| current.templates.epoch + 1);
        let templates = Arc::new(Templates::new(structure, epoch));
        let in_force = InForce { templates: templates.clone(), sequence, frame, begins, active };
        self.previous = self.current.replace(in_force);
        self.newest = match goes_on && self.previous.is_some() {
            true => self.newest.max(frame),
            false => frame,
        };
        let described = Described::new(&descriptor, templates, frame, begins, active);
        let template = MandatoryFields::parse(bytes).ok()?.template_id;
        self.last = Some((described.clone(), template));
        Some(described)
    }
}
