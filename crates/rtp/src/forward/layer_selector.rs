//! Chooses the layers of one stream (SVC) that a receiver gets, and changes them where the stream allows it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::by_descriptor::{ByDescriptor, Decision, End, Fate};
use super::by_payload::ByPayload;
use super::layers::{Content, Described, Layer, LayeredPacket, PacketLayers};
use crate::extension::DependencyDescriptor;

/// Packets that wait to be polled; beyond, the oldest are dropped.
const MAX_READY: usize = 1_024;
/// How often a keyframe is asked for.
const REQUEST_INTERVAL: Duration = Duration::from_millis(500);
/// How long the stream's own points are waited for at which layers can be joined.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest value of a header extension (RFC 8285 §4.3).
const MAX_DESCRIPTOR: usize = 255;

/// A packet, and whether the receiver gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerChoice<P> {
    /// It does.
    Forward(ChosenPacket<P>),
    /// It does not: [`StreamRewriter::skip`](super::StreamRewriter::skip) closes the gap.
    Skip(P),
    /// It cannot be told what it belongs to: it is too late, or malformed. Its number stays open, as if it had been lost, since
    /// its frame may have been forwarded in part.
    Lose(P),
}

/// A packet of the layers that a receiver gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenPacket<P> {
    /// The packet.
    pub packet: P,
    /// Its marker: it is the last of its picture that the receiver gets.
    pub marker: bool,
    /// The value of the dependency descriptor where it has to be another: it says which decode targets the receiver gets, or
    /// brings the templates. `None`: it stays as it came.
    pub descriptor: Option<Bytes>,
}

/// The end of a layer's frame, which is the picture's unless another layer follows.
#[derive(Debug)]
struct Held<P> {
    sequence: u64,
    /// What comes next if nothing is lost.
    next: u64,
    timestamp: u32,
    chosen: ChosenPacket<P>,
}

/// What is looked at to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Nothing,
    Descriptor { active: u32 },
    Payload,
}

/// Which layers of one stream a receiver gets. `P` is the packet, in whatever form its owner has it.
///
/// It costs no allocation for a packet but where a descriptor has to be another: with keyframes, and when layers change.
#[derive(Debug)]
pub struct LayerSelector<P> {
    wanted: Layer,
    by: By,
    by_descriptor: ByDescriptor,
    by_payload: ByPayload,
    held: Option<Held<P>>,
    ready: VecDeque<LayerChoice<P>>,
    asked: Option<Instant>,
    /// Since when the receiver has not got what is wanted, though it could.
    unsettled: Option<Instant>,
}

impl<P: LayeredPacket> Default for LayerSelector<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: LayeredPacket> LayerSelector<P> {
    /// One that lets all layers through, from the next keyframe on.
    #[must_use]
    pub fn new() -> Self {
        Self {
            wanted: Layer::ALL,
            by: By::Nothing,
            by_descriptor: ByDescriptor::new(),
            by_payload: ByPayload::new(),
            held: None,
            ready: VecDeque::new(),
            asked: None,
            unsettled: None,
        }
    }

    /// The receiver is to get layers up to these, as soon as the stream allows. Where no decode target is so low, it gets the
    /// lowest.
    pub fn set_wanted(&mut self, wanted: Layer) {
        if self.wanted != wanted {
            self.wanted = wanted;
            self.unsettled = None;
        }
    }

    /// The layers that it is to get at most.
    #[must_use]
    pub fn wanted(&self) -> Layer {
        self.wanted
    }

    /// The layers that it gets now; `None` before a keyframe, and of streams without layers.
    #[must_use]
    pub fn current(&self) -> Option<Layer> {
        match self.by {
            By::Nothing => None,
            By::Descriptor { .. } => self.by_descriptor.current(),
            By::Payload => self.by_payload.current(),
        }
    }

    /// Takes a packet with what [`LayerReader`](super::LayerReader) has read of it. To be followed by [`poll`](Self::poll). The
    /// last packet of a layer's frame may be held until the next packet shows whether it ends the picture.
    pub fn insert(&mut self, layers: &PacketLayers, packet: P) {
        let decision = self.decide(layers);
        self.settle(layers);
        self.release_before(layers, decision.fate == Fate::Forward);
        match decision.fate {
            Fate::Forward => {}
            Fate::Skip => return self.give(LayerChoice::Skip(packet)),
            Fate::Lose => return self.give(LayerChoice::Lose(packet)),
        }
        let marker = layers.marker || decision.ends == Some(End::Picture);
        let descriptor = match &layers.content {
            Content::Described(described) => self.rewrite(described, &packet),
            _ => None,
        };
        let chosen = ChosenPacket { packet, marker, descriptor };
        if decision.ends == Some(End::Layer) && !layers.marker && self.held.is_none() {
            let PacketLayers { sequence, timestamp, .. } = *layers;
            self.held = Some(Held { sequence, next: sequence + 1, timestamp, chosen });
        } else {
            self.give(LayerChoice::Forward(chosen));
        }
    }

    /// The next packet, and whether the receiver gets it.
    pub fn poll(&mut self) -> Option<LayerChoice<P>> {
        self.ready.pop_front()
    }

    /// Whether a keyframe is to be asked for now: the receiver has nothing to begin with, what is wanted can be joined at none
    /// of the stream's own points, or a frame that all others need was lost. To be called whenever packets come.
    pub fn poll_keyframe_request(&mut self, now: Instant) -> bool {
        let since = |at: Instant| now.saturating_duration_since(at);
        let needs = match self.by {
            By::Nothing => false,
            By::Descriptor { .. } => self.by_descriptor.needs_keyframe(now),
            By::Payload => self.by_payload.needs_keyframe(),
        };
        let is_due = (needs || self.unsettled.is_some_and(|at| since(at) >= PATIENCE))
            && self.asked.is_none_or(|at| since(at) >= REQUEST_INTERVAL);
        if is_due {
            self.asked = Some(now);
        }
        is_due
    }

    fn decide(&mut self, layers: &PacketLayers) -> Decision {
        match &layers.content {
            Content::Padding => Decision::SKIP,
            Content::Unreadable => Decision::LOSE,
            Content::Whole => Decision { fate: Fate::Forward, ends: None },
            Content::Described(described) => {
                self.by = By::Descriptor { active: described.active };
                self.by_descriptor.decide(described, self.wanted, layers.arrival)
            }
            Content::Picture(picture) => {
                self.by = By::Payload;
                self.by_payload.decide(picture, layers.timestamp, self.wanted)
            }
        }
    }

    /// Notes since when something is wanting.
    fn settle(&mut self, layers: &PacketLayers) {
        let is_settled = match self.by {
            By::Nothing => true,
            By::Descriptor { active } => self.by_descriptor.is_settled(self.wanted, active),
            By::Payload => self.by_payload.is_settled(),
        };
        match is_settled {
            true => self.unsettled = None,
            false => {
                self.unsettled.get_or_insert(layers.arrival);
            }
        }
    }

    /// Lets go of the packet that is held, once it is known whether it ends its picture.
    fn release_before(&mut self, layers: &PacketLayers, forward: bool) {
        let Some(held) = &mut self.held else { return };
        let ends = if layers.timestamp != held.timestamp {
            // Where a number is missing before it, another layer may be under way; the marker would be wrong then.
            if layers.sequence > held.sequence { Some(held.next == layers.sequence) } else { None }
        } else if layers.sequence < held.sequence {
            None
        } else if forward {
            Some(false)
        } else {
            layers.marker.then_some(held.next == layers.sequence)
        };
        if layers.sequence == held.next {
            held.next += 1;
        }
        if let Some(ends) = ends
            && let Some(Held { mut chosen, .. }) = self.held.take()
        {
            chosen.marker = ends;
            self.give(LayerChoice::Forward(chosen));
        }
    }

    /// The descriptor as the receiver is to get it, where that is another.
    fn rewrite(&mut self, described: &Described, packet: &P) -> Option<Bytes> {
        let bytes = packet.dependency_descriptor()?;
        let (targets, attaches) = self.by_descriptor.rewrites(described, bytes)?;
        let structure = &described.templates.structure;
        let mut descriptor = DependencyDescriptor::parse(bytes, Some(structure)).ok()?;
        descriptor.active_decode_targets = Some(targets);
        if attaches {
            descriptor.structure = Some(Box::new(structure.clone()));
        }
        let mut out = Vec::new();
        descriptor.write(Some(structure), &mut out).ok()?;
        (out.len() <= MAX_DESCRIPTOR).then(|| out.into())
    }

    fn give(&mut self, choice: LayerChoice<P>) {
        if self.ready.len() >= MAX_READY {
            self.ready.pop_front();
        }
        self.ready.push_back(choice);
    }
}
