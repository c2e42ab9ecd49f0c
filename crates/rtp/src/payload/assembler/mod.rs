//! Makes frames of the packets of one stream, which come late, twice, out of order or not at all.
//!
//! ```text
//! insert ─▶ window of packets ─▶ run without gap? ─▶ whole picture? ─▶ decodable? ─▶ poll_frame
//!           (by sequence number)                                        │ no
//!                                                                       └▶ needs_keyframe
//! ```
//!
//! The assembler keeps no time: whoever calls it decides how long a gap is worth waiting for, and ends the wait with
//! [`give_up_before`](FrameAssembler::give_up_before). Each packet is looked at a constant number of times.

mod audio;
mod candidate;
mod config;
mod picture;
mod slot;

use std::collections::VecDeque;

use bytes::Bytes;
use smallvec::SmallVec;

use self::audio::AudioArrivals;
use self::candidate::KeyframeCandidate;
pub use self::config::{AssemblerConfig, AssemblerStatistics, Insertion};
use self::picture::Picture;
use self::slot::{Content, Dependencies, Slot};
use super::{
    av1,
    decodability::{Decodability, FrameDependencies, Verdict},
    depacketizer::Depacketizer,
    descriptor::{CodecDescriptor, MediaRange},
    format::PayloadFormat,
    frame::EncodedFrame,
    join::join,
};
use crate::extension::{DependencyDescriptor, DependencyStructure};

/// Missing numbers that are looked past for the next frame: parity packets of one frame, or a burst of padding.
const MAX_PASSED_OVER: usize = 64;
/// How far back the first packets may be reordered: nothing tells where the stream begins.
const MAX_REWIND: u64 = 64;
/// A template of a dependency descriptor, with the longest lists that it can have.
const TEMPLATE_BYTES: usize = size_of::<crate::extension::FrameDependencies>() + 3 * 64;
/// Places that are kept while nothing is held: what more a gap or a large frame took is given back.
const KEPT_PLACES: usize = 128;

/// Assembles the frames of one stream. Made for one payload format; see [`EncodedFrame`] for what comes out.
#[derive(Debug)]
pub struct FrameAssembler {
    depacketizer: Depacketizer,
    config: AssemblerConfig,
    /// The packets from `base` on; `None` where one is missing.
    slots: VecDeque<Option<Slot>>,
    base: u64,
    started: bool,
    /// Nothing was taken from the front yet.
    may_rewind: bool,
    bytes: usize,
    /// `slots[..scanned]` are there and belong to the picture at the front.
    scanned: usize,
    /// The packet at the front begins a frame, because the one before it ended one.
    at_boundary: bool,
    /// Timestamp of the packet before the front, if it was there.
    previous_timestamp: Option<u32>,
    /// Something was lost since the last picture that was judged.
    after_gap: bool,
    candidate: KeyframeCandidate,
    decodability: Decodability,
    /// The templates that came last.
    structure: Option<Box<DependencyStructure>>,
    /// Packets have descriptors.
    described: bool,
    /// H.264, H.265: sequence and picture parameter set were seen.
    parameter_sets_seen: (bool, bool),
    needs_keyframe: bool,
    audio: AudioArrivals,
    ready: VecDeque<EncodedFrame>,
    statistics: AssemblerStatistics,
}

impl FrameAssembler {
    /// For a stream of `format`.
    pub fn new(format: PayloadFormat, mut config: AssemblerConfig) -> Self {
        config.max_packets = config.max_packets.max(2);
        config.max_bytes = config.max_bytes.max(MediaRange::MAX_PAYLOAD);
        Self {
            depacketizer: Depacketizer::new(format),
            config,
            slots: VecDeque::new(),
            base: 0,
            started: false,
            may_rewind: true,
            bytes: 0,
            scanned: 0,
            // A raw stream has no other mark of where it begins.
            at_boundary: format == PayloadFormat::Raw,
            previous_timestamp: None,
            after_gap: false,
            candidate: KeyframeCandidate::default(),
            decodability: Decodability::default(),
            structure: None,
            described: false,
            parameter_sets_seen: (false, false),
            needs_keyframe: false,
            audio: AudioArrivals::default(),
            ready: VecDeque::new(),
            statistics: AssemblerStatistics::default(),
        }
    }

    /// The payload format.
    pub fn format(&self) -> PayloadFormat {
        self.depacketizer.format()
    }

    /// Takes a packet: its sequence number, extended by the caller to 64 bits, its timestamp and marker bit, its payload
    /// without padding, and what its dependency descriptor says, if it has one. An empty payload is padding, and fills
    /// its place in the sequence.
    pub fn insert(
        &mut self,
        sequence: u64,
        timestamp: u32,
        marker: bool,
        payload: Bytes,
        dependencies: Option<FrameDependencies>,
    ) -> Insertion {
        let dependencies = dependencies.map_or(Dependencies::None, Dependencies::Read);
        self.insert_with(sequence, timestamp, marker, payload, dependencies, true)
    }

    /// The same with the value of the packet's dependency descriptor as it came (AV1 RTP specification, Appendix A). The
    /// templates are kept here, and descriptors are read in the order of their frames.
    pub fn insert_described(
        &mut self,
        sequence: u64,
        timestamp: u32,
        marker: bool,
        payload: Bytes,
        descriptor: &[u8],
    ) -> Insertion {
        self.described = true;
        let described = Dependencies::Described(SmallVec::from_slice(descriptor));
        self.insert_with(sequence, timestamp, marker, payload, described, true)
    }

    fn insert_with(
        &mut self,
        sequence: u64,
        timestamp: u32,
        marker: bool,
        payload: Bytes,
        dependencies: Dependencies,
        readable: bool,
    ) -> Insertion {
        if self.hands_on_at_once() {
            return self.pass_audio(sequence, timestamp, marker, payload);
        }
        if !self.started {
            self.started = true;
            self.base = sequence;
        }
        if sequence < self.base && !self.rewind_to(sequence) {
            self.statistics.late_packets += 1;
            return Insertion::TooOld;
        }
        let max_packets = self.config.max_packets as u64;
        if sequence - self.base >= max_packets {
            self.drop_before(sequence - (max_packets - 1));
        }
        // Looked up after dropping: the front has moved.
        let index = (sequence - self.base) as usize;
        if self.slots.get(index).is_some_and(Option::is_some) {
            self.statistics.duplicate_packets += 1;
            return Insertion::Duplicate;
        }
        let mut result = Insertion::Stored;
        let content = if payload.is_empty() {
            self.statistics.malformed_packets += u64::from(!readable);
            if readable { Content::Padding } else { Content::Malformed }
        } else {
            match self.depacketizer.read(&payload) {
                Ok(descriptor) => Content::Media(descriptor, dependencies),
                Err(error) => {
                    self.statistics.malformed_packets += 1;
                    result = Insertion::Malformed(error);
                    Content::Malformed
                }
            }
        };
        let payload = if matches!(content, Content::Media(..)) { payload } else { Bytes::new() };
        let slot = Slot { timestamp, marker, payload, content };
        if slot.begins_keyframe() {
            self.candidate.begins(sequence);
        }
        self.bytes += slot.beside();
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots[index] = Some(slot);
        while self.bytes > self.config.max_bytes && self.base < sequence {
            self.drop_before(self.base + 1);
        }
        result
    }

    /// Takes a packet of which only the header can be read: the frame that it is of is lost, and nothing is waited for in
    /// its place.
    pub fn insert_unreadable(&mut self, sequence: u64, timestamp: u32, marker: bool) -> Insertion {
        if self.hands_on_at_once() {
            let noted = self.audio.note(sequence, &mut self.statistics);
            self.statistics.malformed_packets += u64::from(noted == Insertion::Stored);
            return noted;
        }
        self.insert_with(sequence, timestamp, marker, Bytes::new(), Dependencies::None, false)
    }

    /// Audio whose frames come out as they arrive.
    fn hands_on_at_once(&self) -> bool {
        !self.format().is_video() && !self.config.audio_in_order
    }

    /// The next frame that is complete and can be decoded, in decoding order. To be called until it has none after
    /// packets were inserted or given up.
    pub fn poll_frame(&mut self) -> Option<EncodedFrame> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                self.statistics.frames += 1;
                self.statistics.keyframes += u64::from(frame.keyframe);
                return Some(frame);
            }
            if self.needs_keyframe
                && let Some(sequence) = self.complete_keyframe()
                && sequence > self.base
            {
                // Nothing before it can be decoded any more.
                self.drop_before(sequence);
            }
            let Some(packets) = self.complete_picture() else {
                self.give_back();
                return None;
            };
            self.take_picture(packets);
        }
    }

    /// Ends the wait for packets before `sequence`: what is incomplete before it is dropped, and so is what came but was
    /// not polled yet.
    pub fn give_up_before(&mut self, sequence: u64) {
        if self.started && sequence > self.base {
            self.drop_before(sequence);
        }
    }

    /// Ends the wait for packets that are missing before `sequence`, and keeps what came after them.
    pub fn give_up_missing(&mut self, sequence: u64) {
        let last = self.missing().take_while(|missing| *missing < sequence).last();
        if let Some(last) = last {
            self.drop_before(last + 1);
        }
    }

    /// Whether packets have dependency descriptors, which tell what refers to what was lost.
    pub fn is_described(&self) -> bool {
        self.described
    }

    /// Whether decoding has come to an end that only a keyframe can mend: ask the sender for one (RFC 4585 §6.3.1,
    /// RFC 5104 §3.5.1). Until it comes the assembler holds back all else.
    pub fn needs_keyframe(&self) -> bool {
        self.needs_keyframe
    }

    /// Sequence number of the first packet of the newest keyframe, if that is complete and packets before it are missing:
    /// `give_up_before` this to go on there. While [`needs_keyframe`](Self::needs_keyframe) that happens by itself.
    pub fn complete_keyframe(&mut self) -> Option<u64> {
        self.candidate.complete(&self.slots, self.base)
    }

    /// The newest keyframe whose beginning is held, whether the rest is there or not: the sequence number of its first
    /// packet, and its RTP timestamp.
    pub fn newest_keyframe(&self) -> Option<(u64, u32)> {
        let first = self.candidate.first()?;
        let slot = self.slots.get(usize::try_from(first - self.base).ok()?)?;
        slot.as_ref().map(|slot| (first, slot.timestamp))
    }

    /// The sequence numbers that are missing before the newest packet, oldest first.
    pub fn missing(&self) -> impl Iterator<Item = u64> + '_ {
        let base = self.base;
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.is_none())
            .map(move |(index, _)| base + index as u64)
    }

    /// The sequence number that is waited for: no frame comes out before this packet is there or given up. `None` while
    /// nothing is held or nothing is missing.
    pub fn first_missing(&self) -> Option<u64> {
        self.slots
            .iter()
            .skip(self.scanned)
            .position(Option::is_none)
            .map(|index| self.base + (self.scanned + index) as u64)
    }

    /// Timestamp of the oldest packet held that waits for others.
    pub fn oldest_timestamp(&self) -> Option<u32> {
        self.slots.iter().flatten().find(|slot| !slot.is_padding()).map(|slot| slot.timestamp)
    }

    /// Bytes of payloads held, and of what describes them.
    pub fn buffered_bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory held for packets: payloads, what describes them, the places of those that are there and of those
    /// that are missing, and templates of dependency descriptors. What was polled is not counted. Found without a walk.
    pub fn held_bytes(&self) -> usize {
        let templates = self.structure.as_ref().map_or(0, |structure| {
            size_of::<DependencyStructure>() + structure.templates.capacity() * TEMPLATE_BYTES
        });
        self.bytes + self.slots.capacity() * size_of::<Option<Slot>>() + templates
    }

    /// Gives up all that is held, and the memory with it: afterwards [`held_bytes`](Self::held_bytes) is zero. What was
    /// assembled already can still be polled.
    pub fn give_up_all(&mut self) {
        if !self.slots.is_empty() {
            self.drop_before(self.base + self.slots.len() as u64);
        }
        self.slots = VecDeque::new();
        self.structure = None;
    }

    /// Counters.
    pub fn statistics(&self) -> AssemblerStatistics {
        self.statistics
    }

    /// Makes room for a packet from before the first. `false` if that is too late.
    fn rewind_to(&mut self, sequence: u64) -> bool {
        let distance = self.base - sequence;
        if !self.may_rewind
            || distance > MAX_REWIND
            || self.slots.len() + distance as usize > self.config.max_packets
        {
            return false;
        }
        for _ in 0..distance {
            self.slots.push_front(None);
        }
        self.base = sequence;
        self.scanned = 0;
        true
    }

    /// Drops everything before `sequence`, which is after `base`.
    fn drop_before(&mut self, sequence: u64) {
        let count = sequence - self.base;
        let mut dropped_media = false;
        for _ in 0..count.min(self.slots.len() as u64) {
            match self.pop_front() {
                Some(slot) if slot.is_padding() => {}
                Some(slot) => {
                    dropped_media = true;
                    self.at_boundary = slot.marker;
                    self.previous_timestamp = Some(slot.timestamp);
                }
                None => self.note_lost(1),
            }
        }
        self.note_lost(sequence - self.base);
        self.base = sequence;
        if dropped_media {
            self.after_gap = true;
            self.statistics.incomplete_frames += 1;
        }
        self.scanned = 0;
        self.give_back();
    }

    fn note_lost(&mut self, count: u64) {
        if count > 0 {
            self.statistics.lost_packets += count;
            self.after_gap = true;
            self.at_boundary = false;
            self.previous_timestamp = None;
            self.may_rewind = false;
        }
    }

    fn pop_front(&mut self) -> Option<Slot> {
        let slot = self.slots.pop_front()?;
        self.base += 1;
        self.may_rewind = false;
        self.candidate.forget_before(self.base);
        self.bytes -= slot.as_ref().map_or(0, Slot::beside);
        slot
    }

    /// Gives back the memory of places that nothing stands in.
    fn give_back(&mut self) {
        if self.slots.is_empty() && self.slots.capacity() > KEPT_PLACES {
            self.slots.shrink_to(KEPT_PLACES);
        }
    }

    /// Passes over numbers at the front that are missing but were of no media: parity packets have numbers of the media's
    /// (RFC 5109 §14.2), and are not sent again. The frame after them tells, where frames are numbered.
    fn pass_over_gap(&mut self) {
        if !self.at_boundary || !matches!(self.slots.front(), Some(None)) {
            return;
        }
        let is_media = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| !slot.is_padding());
        let Some(gap) = self.slots.iter().take(MAX_PASSED_OVER).position(is_media) else { return };
        let Some(Some(next)) = self.slots.get(gap) else { return };
        let Some(descriptor) = next.descriptor() else { return };
        let by_frame = next.frame_number().is_some_and(|n| self.decodability.is_next_frame(n));
        // An upper layer begins a frame of its own, and the layers below it may be what is missing.
        let is_lowest = descriptor.spatial_layer.unwrap_or(0) == 0;
        let by_picture = descriptor.picture_id.is_some_and(|id| self.decodability.is_next(id));
        let is_next = by_frame || (by_picture && is_lowest);
        if !next.begins_frame() || !is_next {
            return;
        }
        for _ in 0..gap {
            let missing = self.slots.front().is_some_and(Option::is_none);
            self.statistics.passed_over += u64::from(missing);
            self.pop_front();
        }
    }

    /// How many packets at the front make a whole picture, padding inside included.
    fn complete_picture(&mut self) -> Option<usize> {
        if self.scanned == 0 {
            self.pass_over_gap();
            while self.slots.front()?.as_ref()?.is_padding() {
                self.pop_front();
            }
        }
        let timestamp = self.slots.front()?.as_ref()?.timestamp;
        loop {
            let slot = self.slots.get(self.scanned)?.as_ref()?;
            if slot.is_padding() {
                self.scanned += 1;
                continue;
            }
            if slot.timestamp != timestamp {
                return Some(self.scanned);
            }
            self.scanned += 1;
            if slot.marker || !self.depacketizer.format().is_video() {
                return Some(self.scanned);
            }
        }
    }

    /// Takes a whole picture from the front: into `ready` if it can be decoded.
    fn take_picture(&mut self, packets: usize) {
        let Some(Some(first)) = self.slots.front() else { return };
        // A descriptor leaves no doubt.
        let begins = first.frame_number().filter(|_| self.described).map_or_else(
            || {
                self.at_boundary
                    || first.begins_frame()
                    || self.previous_timestamp.is_some_and(|previous| previous != first.timestamp)
                    || self.may_begin_with_slice(first)
            },
            |_| first.begins_frame(),
        );
        let whole = begins
            && self
                .slots
                .range(..packets)
                .flatten()
                .all(|slot| !matches!(slot.content, Content::Malformed));
        if !self.format().is_video() {
            let first_sequence = self.base;
            if let Some(slot) = self.pop_front()
                && whole
            {
                let packet = (first_sequence, slot.timestamp, slot.marker);
                self.audio.hand_on(self.format(), packet, slot.payload, &mut self.ready);
            }
        } else if whole {
            self.read_descriptors(packets);
            self.judge_picture(packets);
            self.after_gap = self.ready.is_empty();
        } else {
            self.statistics.incomplete_frames += 1;
            self.after_gap = true;
        }
        let end = if self.format().is_video() { packets } else { 0 };
        for _ in 0..end {
            if let Some(slot) = self.pop_front()
                && !slot.is_padding()
            {
                self.previous_timestamp = Some(slot.timestamp);
            }
        }
        self.at_boundary = true;
        self.scanned = 0;
    }

    /// Whether nothing can be missing before a first slice, because parameter sets come with the session description.
    fn may_begin_with_slice(&self, slot: &Slot) -> bool {
        !self.config.parameter_sets.is_empty()
            && slot.descriptor().is_some_and(|descriptor| match descriptor.codec {
                CodecDescriptor::H264(seen) | CodecDescriptor::H265(seen) => seen.first_slice,
                _ => false,
            })
    }

    /// Reads the dependency descriptors of the picture at the front; those that go by templates that were lost tell nothing.
    fn read_descriptors(&mut self, packets: usize) {
        for slot in self.slots.range_mut(..packets).flatten() {
            let Content::Media(_, dependencies) = &mut slot.content else { continue };
            let Dependencies::Described(bytes) = dependencies else { continue };
            let read = DependencyDescriptor::parse(bytes, self.structure.as_deref());
            let before = dependencies.spilled();
            *dependencies = match read {
                Ok(mut descriptor) => {
                    let taken = FrameDependencies::from(&descriptor);
                    if let Some(structure) = descriptor.structure.take() {
                        self.structure = Some(structure);
                    }
                    Dependencies::Read(taken)
                }
                Err(_) => Dependencies::None,
            };
            self.bytes = self.bytes - before + dependencies.spilled();
        }
    }

    /// Judges the picture at the front: into `ready` if it can be decoded.
    fn judge_picture(&mut self, packets: usize) {
        let picture = Picture::new(&self.slots, packets);
        let Some((_, first, first_dependencies)) = picture.parts().next() else { return };
        let mut keyframe = first.keyframe;
        let mut prepend_parameter_sets = false;
        if let Some(seen) = picture.parameter_sets() {
            keyframe = seen.intra;
            prepend_parameter_sets =
                keyframe && !seen.sps && !self.config.parameter_sets.is_empty();
            self.parameter_sets_seen.0 |= seen.sps || prepend_parameter_sets;
            self.parameter_sets_seen.1 |= seen.pps || prepend_parameter_sets;
        } else if let Some(dependencies) = first_dependencies {
            keyframe = dependencies.keyframe;
        }
        let mut av1_data = None;
        if self.depacketizer.format() == PayloadFormat::Av1 {
            // Before judging: a unit whose fragments do not fit together was not decoded.
            av1_data = av1::join(picture.media());
            if av1_data.is_none() {
                self.statistics.incomplete_frames += 1;
                return;
            }
        }
        let facts = picture.facts(first, keyframe, self.after_gap);
        let has_parameter_sets =
            !matches!(self.format(), PayloadFormat::H264 { .. } | PayloadFormat::H265)
                || self.parameter_sets_seen == (true, true);
        let verdict = if facts.keyframe && !has_parameter_sets {
            Verdict::NeedsKeyframe
        } else if self.format() == PayloadFormat::Raw && facts.dependencies.is_empty() {
            match self.described {
                // The templates were lost that would tell.
                true => Verdict::NeedsKeyframe,
                false => Verdict::Decodable, // nothing is known of what refers to what
            }
        } else {
            self.decodability.judge(&facts)
        };
        if verdict != Verdict::Decodable {
            self.needs_keyframe |= verdict == Verdict::NeedsKeyframe;
            self.statistics.undecodable_frames += 1;
            return;
        }
        let prefix: &[u8] = if prepend_parameter_sets { &self.config.parameter_sets } else { &[] };
        let data = av1_data.unwrap_or_else(|| join(prefix, picture.media()));
        let frame = picture.frame(self.base, keyframe, data);
        self.needs_keyframe &= !keyframe;
        self.ready.extend(frame);
    }

    /// Takes a packet of audio that comes out as it arrives.
    fn pass_audio(
        &mut self,
        sequence: u64,
        timestamp: u32,
        marker: bool,
        payload: Bytes,
    ) -> Insertion {
        let noted = self.audio.note(sequence, &mut self.statistics);
        if noted != Insertion::Stored || payload.is_empty() {
            return noted;
        }
        if let Err(error) = self.depacketizer.read(&payload) {
            self.statistics.malformed_packets += 1;
            return Insertion::Malformed(error);
        }
        // Whoever never polls must not make this grow.
        if self.ready.len() >= self.config.max_packets {
            self.ready.pop_front();
            self.statistics.incomplete_frames += 1;
        }
        let packet = (sequence, timestamp, marker);
        self.audio.hand_on(self.format(), packet, payload, &mut self.ready);
        Insertion::Stored
    }
}
