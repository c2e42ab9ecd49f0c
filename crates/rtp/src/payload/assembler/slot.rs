//! A packet in the window, and what its payload and its dependency descriptor say of its frame.

use bytes::Bytes;
use smallvec::SmallVec;

use super::super::decodability::FrameDependencies;
use super::super::descriptor::PayloadDescriptor;
use crate::extension::MandatoryFields;

/// A packet that is held.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) payload: Bytes,
    pub(super) content: Content,
}

/// What it brings.
#[derive(Debug)]
pub(super) enum Content {
    /// No payload: a probe or keep-alive; belongs to no frame.
    Padding,
    Malformed,
    Media(PayloadDescriptor, Dependencies),
}

/// What a packet says of the frames that its own refers to.
#[derive(Debug)]
pub(super) enum Dependencies {
    None,
    Read(FrameDependencies),
    /// Its dependency descriptor, to be read once all before it were: the templates that it goes by may come with a packet
    /// that is late.
    Described(SmallVec<[u8; 16]>),
}

impl Dependencies {
    /// Bytes that are not inside of it.
    pub(super) fn spilled(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Read(read) => spilled(&read.frame_diffs),
            Self::Described(bytes) => spilled(bytes),
        }
    }

    pub(super) fn read(&self) -> Option<&FrameDependencies> {
        match self {
            Self::Read(dependencies) => Some(dependencies),
            _ => None,
        }
    }

    /// Whether the packet begins its frame, and the frame's number.
    fn mandatory(&self) -> Option<(bool, u16)> {
        match self {
            Self::None => None,
            Self::Read(read) => Some((read.begins_frame, read.frame_number)),
            Self::Described(bytes) => {
                let fields = MandatoryFields::parse(bytes).ok()?;
                Some((fields.start_of_frame, fields.frame_number))
            }
        }
    }

    /// Whether templates come with it: it is the first packet of a keyframe.
    fn brings_structure(&self) -> bool {
        match self {
            Self::None => false,
            Self::Read(read) => read.keyframe,
            Self::Described(bytes) => bytes.get(3).is_some_and(|flags| flags & 0x80 != 0),
        }
    }
}

/// Bytes that a list has taken beside itself.
fn spilled<A: smallvec::Array>(list: &SmallVec<A>) -> usize {
    if list.spilled() { list.capacity() * size_of::<A::Item>() } else { 0 }
}

impl Slot {
    /// Bytes that are not inside of it: its payload, and lists that are long.
    #[inline]
    pub(super) fn beside(&self) -> usize {
        let described = match &self.content {
            Content::Media(descriptor, dependencies) => {
                spilled(&descriptor.media) + dependencies.spilled()
            }
            Content::Padding | Content::Malformed => 0,
        };
        self.payload.len() + described
    }

    pub(super) fn is_padding(&self) -> bool {
        matches!(self.content, Content::Padding)
    }

    pub(super) fn descriptor(&self) -> Option<&PayloadDescriptor> {
        match &self.content {
            Content::Media(descriptor, _) => Some(descriptor),
            _ => None,
        }
    }

    pub(super) fn begins_frame(&self) -> bool {
        match &self.content {
            Content::Media(descriptor, dependencies) => {
                dependencies.mandatory().map_or(descriptor.start_of_frame, |(begins, _)| begins)
            }
            _ => false,
        }
    }

    pub(super) fn begins_keyframe(&self) -> bool {
        let Content::Media(descriptor, dependencies) = &self.content else { return false };
        // Every payload of a format unknown here might be of one.
        let by_payload = descriptor.keyframe && matches!(dependencies, Dependencies::None);
        self.begins_frame() && (by_payload || dependencies.brings_structure())
    }

    pub(super) fn frame_number(&self) -> Option<u16> {
        let Content::Media(_, dependencies) = &self.content else { return None };
        dependencies.mandatory().map(|(_, number)| number)
    }
}
