//! Which frames of a stream one receiver gets, by the dependency descriptor: those of one decode target at a time, and of
//! another from a frame on at which that can be switched to (AV1 RTP specification, App. A.4.4).

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use super::layers::{Described, Layer, Templates};
use crate::extension::DecodeTargetIndication;

/// Frames that are remembered: two seconds of three layers at 60 frames a second and more, for packets that come late.
const FRAMES: usize = 512;
/// Changes of the target that are remembered, for the same.
const TURNS: usize = 8;
/// How long a frame that a chain lacks may be under way.
const REPAIR_TIME: Duration = Duration::from_millis(500);

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unseen,
    Forwarded,
    Dropped,
}

/// From a frame on the receiver gets this target.
#[derive(Debug, Clone, Copy)]
struct Turn {
    from: u64,
    epoch: u64,
    target: usize,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Forward,
    /// It is left out, as all of its frame is.
    Skip,
    /// What became of its frame is not known: to leave it out without a trace could make a frame look whole that is not.
    Lose,
}

impl Fate {
    pub(super) fn of(forward: bool) -> Self {
        if forward { Self::Forward } else { Self::Skip }
    }
}

/// What is decided of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) fate: Fate,
    /// The packet ends the frame of a layer, above which this receiver gets no other in this picture, or may.
    pub(super) ends: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Picture,
    /// Another layer of the picture may follow.
    Layer,
}

impl Decision {
    pub(super) const SKIP: Self = Self { fate: Fate::Skip, ends: None };
    pub(super) const LOSE: Self = Self { fate: Fate::Lose, ends: None };
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct ByDescriptor {
    templates: Option<Arc<Templates>>,
    target: Option<usize>,
    newest: u64,
    states: Box<[State; FRAMES]>,
    turns: ArrayVec<Turn, TURNS>,
    /// The receiver is to learn which targets it gets.
    announces: bool,
    /// It did not get the templates of this sequence yet.
    owes_structure: bool,
    /// A frame of the chain that was never seen, and since when.
    lost: Option<(u64, Instant)>,
    /// Only a keyframe brings what is wanted, as far as the stream shows.
    needs_keyframe: bool,
}

impl ByDescriptor {
    pub(super) fn new() -> Self {
        Self {
            templates: None,
            target: None,
            newest: 0,
            states: Box::new([State::Unseen; FRAMES]),
            turns: ArrayVec::new(),
            announces: false,
            owes_structure: false,
            lost: None,
            needs_keyframe: false,
        }
    }

    /// The layers that the receiver gets.
    pub(super) fn current(&self) -> Option<Layer> {
        self.templates.as_ref()?.targets.get(self.target?).copied()
    }

    /// Whether a keyframe is needed for what is wanted, or because a frame is lost.
    pub(super) fn needs_keyframe(&self, now: Instant) -> bool {
        let is_lost = |(_, since)| now.saturating_duration_since(since) >= REPAIR_TIME;
        self.needs_keyframe || self.lost.is_some_and(is_lost)
    }

    /// Whether the receiver has what it can have of what is wanted.
    pub(super) fn is_settled(&self, wanted: Layer, active: u32) -> bool {
        let Some(templates) = &self.templates else { return false };
        self.target.is_some() && self.target == best(templates, active, wanted)
    }

    fn state(&self, frame: u64) -> State {
        match self.newest.checked_sub(frame) {
            Some(back) if back < FRAMES as u64 => self.states[frame as usize % FRAMES],
            _ => State::Unseen,
        }
    }

    fn set_state(&mut self, frame: u64, state: State) {
        self.states[frame as usize % FRAMES] = state;
    }

    /// Whether all frames that this one refers to were forwarded.
    fn has_references(&self, described: &Described) -> bool {
        let mut references = described.references;
        while references != 0 {
            let back = u64::from(references.trailing_zeros()) + 1;
            let frame = described.frame.checked_sub(back);
            if frame.is_none_or(|frame| self.state(frame) != State::Forwarded) {
                return false;
            }
            references &= references - 1;
        }
        !described.refers_far
    }

    /// Decides on a packet of which this is said.
    pub(super) fn decide(
        &mut self,
        described: &Described,
        wanted: Layer,
        arrival: Instant,
    ) -> Decision {
        let frame = described.frame;
        let epoch = self.templates.as_ref().map(|templates| templates.epoch);
        let is_of_ours = epoch == Some(described.templates.epoch);
        if described.begins_sequence && epoch.is_none_or(|ours| ours < described.templates.epoch) {
            self.begin(described, wanted);
        } else if frame > self.newest {
            if !is_of_ours {
                // The beginning of its sequence was lost, or the receiver came later. Should the first packet of this frame come
                // yet, and begin a sequence, then without this one.
                self.needs_keyframe = true;
                self.advance(frame);
                self.set_state(frame, State::Dropped);
                return Decision::SKIP;
            }
            self.advance(frame);
            self.consider_switch(described, wanted);
            self.look_at_chain(described, arrival);
        }
        if self.lost.is_some_and(|(lost, _)| lost == frame) {
            self.lost = None;
        }
        let is_remembered = self.newest - frame.min(self.newest) < FRAMES as u64;
        if self.turns.is_empty() && is_remembered {
            self.set_state(frame, State::Dropped);
        }
        if self.turns.is_empty() || self.state(frame) == State::Dropped {
            return Decision::SKIP;
        }
        let turn = self.turns.iter().rev().find(|turn| turn.from <= frame).copied();
        let turn = turn.filter(|turn| turn.epoch == described.templates.epoch && is_remembered);
        let Some(turn) = turn else { return Decision::LOSE };
        let forward = match self.state(frame) {
            State::Unseen => {
                let forward = self.is_wanted(described, turn.target, wanted);
                self.set_state(frame, if forward { State::Forwarded } else { State::Dropped });
                forward
            }
            State::Forwarded => true,
            State::Dropped => false,
        };
        let ends =
            (forward && described.ends_frame).then(|| self.end(described, turn.target, wanted));
        Decision { fate: Fate::of(forward), ends }
    }

    fn is_wanted(&self, described: &Described, target: usize, wanted: Layer) -> bool {
        match described.indication(target) {
            DecodeTargetIndication::NotPresent => false,
            // No frame of the target needs it, so that it can go before the target itself changes.
            DecodeTargetIndication::Discardable => described.layer.is_within(wanted),
            _ => true,
        }
    }

    /// A coded video sequence begins.
    fn begin(&mut self, described: &Described, wanted: Layer) {
        let templates = described.templates.clone();
        if self.state(described.frame) == State::Dropped {
            // Packets of it were left out before its first one came: it can never be whole.
            self.needs_keyframe = true;
            return;
        }
        // Where frames after this one went by the same templates already, before it came, the target is the one that they went
        // by: what it left out of them is missing.
        let is_late = described.frame <= self.newest
            && self.templates.as_ref().is_some_and(|known| known.structure == templates.structure);
        if self.target.is_none() || !is_late {
            self.target = best(&templates, described.active, wanted);
            self.needs_keyframe = false;
        }
        if described.frame > self.newest {
            self.advance(described.frame);
        }
        // What lies before is not referred to any more; late packets still find what became of their frames.
        self.templates = Some(templates);
        self.owes_structure = true;
        self.announces = false;
        self.lost = None;
        self.turn(described);
    }

    /// From this frame on the receiver gets the target.
    fn turn(&mut self, described: &Described) {
        let Some(target) = self.target else { return };
        if self.turns.is_full() {
            self.turns.remove(0);
        }
        let (from, epoch) = (described.frame, described.templates.epoch);
        self.turns.push(Turn { from, epoch, target });
    }

    fn advance(&mut self, frame: u64) {
        if frame - self.newest >= FRAMES as u64 {
            self.states.fill(State::Unseen);
        } else {
            for unseen in self.newest + 1..=frame {
                self.set_state(unseen, State::Unseen);
            }
        }
        self.newest = frame;
    }

    /// Changes the target, if it is not the one that is wanted and this frame lets it be.
    fn consider_switch(&mut self, described: &Described, wanted: Layer) {
        let templates = &described.templates;
        let Some(desired) = best(templates, described.active, wanted) else { return };
        if self.target == Some(desired) {
            self.needs_keyframe = false;
            return;
        }
        let can_switch =
            |target: usize| described.indication(target) == DecodeTargetIndication::Switch;
        let reachable = (0..templates.targets.len())
            .filter(|target| described.active >> target & 1 != 0 && can_switch(*target))
            .filter(|target| templates.targets[*target].is_within(templates.targets[desired]))
            .max_by_key(|target| templates.targets[*target]);
        let Some(reachable) = reachable else { return };
        // One that is still as good as it can be is kept.
        let layer = |target: usize| templates.targets[target];
        let keeps = self.target.is_some_and(|target| {
            described.active >> target & 1 != 0
                && layer(target).is_within(layer(desired))
                && layer(reachable) <= layer(target)
        });
        if !keeps && self.has_references(described) {
            self.target = Some(reachable);
            self.announces = true;
            self.turn(described);
        }
        if self.target != Some(desired) && can_switch(desired) {
            // The stream's own chance has come, and refers to what the receiver does not have.
            self.needs_keyframe = true;
        } else if self.target == Some(desired) {
            self.needs_keyframe = false;
        }
    }

    /// App. A.4.3: whether the frame of the chain before this one came.
    fn look_at_chain(&mut self, described: &Described, arrival: Instant) {
        let chain = self.target.and_then(|target| described.templates.chain(target));
        let diff = chain.and_then(|chain| described.chain_diffs.get(chain)).copied().unwrap_or(0);
        let begins = self.turns.last().map_or(0, |turn| turn.from);
        if self.lost.is_none()
            && diff > 0
            && let Some(before) = described.frame.checked_sub(u64::from(diff))
            && before >= begins
            && self.state(before) == State::Unseen
        {
            self.lost = Some((before, arrival));
        }
    }

    fn end(&self, described: &Described, target: usize, wanted: Layer) -> End {
        let templates = &described.templates;
        let top = templates.targets[target].spatial;
        let desired = best(templates, described.active, wanted).filter(|_| {
            // In the picture at hand it may still be switched up.
            described.frame == self.newest
        });
        let may = desired.map_or(0, |desired| templates.targets[desired].spatial);
        let layer = described.layer.spatial;
        if layer >= top && layer >= may { End::Picture } else { End::Layer }
    }

    /// The decode targets that the receiver is to be told of with this packet, which is forwarded, and whether templates are to
    /// go with it. `None` if the descriptor stays as it is.
    pub(super) fn rewrites(&mut self, described: &Described, bytes: &[u8]) -> Option<(u32, bool)> {
        let target = self.target?;
        let templates = self.templates.as_ref()?;
        if templates.epoch != described.templates.epoch {
            return None;
        }
        // App. A.8.1: flags of the extended fields.
        let flags = bytes.get(3).copied().unwrap_or(0);
        let (brings_structure, brings_targets) = (flags & 0x80 != 0, flags & 0x40 != 0);
        let targets = described.active & templates.includes[target];
        // With the first packet of a frame alone (App. A.4.2).
        let starts_frame = bytes.first().is_some_and(|first| first & 0x80 != 0);
        let attaches = self.owes_structure && starts_frame && !brings_structure;
        self.owes_structure &= !(brings_structure || attaches);
        // App. A.4.4: wherever the templates are, unless all targets are.
        let tells = self.announces
            || attaches
            || (brings_structure || brings_targets) && targets != described.active
            || brings_structure && targets != templates.structure.all_decode_targets();
        // Told with all of a picture on the chain, which is sent again until it is there.
        if described.ends_frame
            && described.layer.temporal == 0
            && described.layer.spatial >= templates.targets[target].spatial
        {
            self.announces = false;
        }
        tells.then_some((targets, attaches))
    }
}

/// The best of the targets that are sent and wanted; the lowest that is sent if none of them is.
fn best(templates: &Templates, active: u32, wanted: Layer) -> Option<usize> {
    let sent = || {
        let targets = templates.targets.iter().copied().enumerate();
        targets.filter(|(target, _)| active >> target & 1 != 0)
    };
    let within = sent().filter(|(_, layer)| layer.is_within(wanted));
    let best = within.max_by_key(|(_, layer)| *layer);
    best.or_else(|| sent().min_by_key(|(_, layer)| *layer)).map(|(target, _)| target)
}
