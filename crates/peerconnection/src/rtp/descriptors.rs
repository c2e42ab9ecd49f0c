//! Dependency descriptors (AV1 RTP specification, Appendix A) of the frames of one stream of ours, where they were agreed on and
//! `scalabilityMode` says what refers to what. The stream calls it for each frame that it cuts.

use peerage_rtp::ExtensionMap;
use peerage_rtp::extension::{DependencyDescriptor, ExtensionKind, ExtensionWriter};
use peerage_rtp::payload::FrameInfo;
use peerage_rtp::scalability::{DependencyTracker, ScalabilityMode};
use smallvec::SmallVec;

/// The longest that packets may carry: most templates find no room in the one-byte form (RFC 8285 §4.2, §4.3). `None` where
/// they were not agreed on.
pub(super) fn longest(map: &ExtensionMap) -> Option<usize> {
    map.id(ExtensionKind::DependencyDescriptor)?;
    Some(if map.two_byte_allowed() { 255 } else { 16 })
}

/// See the module. Nothing is taken before a mode is set.
#[derive(Debug, Default)]
pub(super) struct Descriptors {
    tracker: Option<DependencyTracker>,
    /// There is a mode.
    stated: bool,
    /// A frame was lost here, so that what follows cannot be told before a keyframe.
    broken: bool,
    scratch: Vec<u8>,
}

/// What the packets of one frame carry.
#[derive(Debug)]
pub(super) struct OfFrame {
    /// Of the first packet, of those between and of the last one.
    first: SmallVec<[u8; 16]>,
    middle: SmallVec<[u8; 16]>,
    last: SmallVec<[u8; 16]>,
    /// Of one that is first and last.
    only: SmallVec<[u8; 16]>,
}

impl Descriptors {
    /// The next frame is a keyframe, or the first of all, from which on the encoder keeps to this mode. Without one nothing is
    /// said.
    pub(super) fn set_mode(&mut self, mode: Option<ScalabilityMode>) {
        self.stated = mode.is_some();
        match (&mut self.tracker, mode) {
            (Some(tracker), Some(mode)) => tracker.set_mode(mode),
            (tracker @ None, Some(mode)) => *tracker = Some(DependencyTracker::new(mode, 0)),
            (_, None) => {}
        }
        // What came before it was not all told of.
        self.broken = true;
    }

    /// What is said of a frame. `None` where nothing can be said: there is no mode, the application does not tell the frame's
    /// layers, no keyframe came since the last frame that got lost here, or it would be longer than `longest` bytes.
    pub(super) fn of_frame(
        &mut self,
        keyframe: bool,
        info: &FrameInfo,
        longest: usize,
    ) -> Option<OfFrame> {
        let tracker = self.tracker.as_mut().filter(|_| self.stated)?;
        self.broken &= !keyframe;
        let mode = tracker.mode();
        let is_told = (mode.spatial == 1 || info.spatial_layer.is_some())
            && (mode.temporal == 1 || info.temporal_layer.is_some());
        let frame = match self.broken || !is_told {
            true => None,
            false => tracker.frame(keyframe, info),
        };
        let of_frame = frame.and_then(|mut frame| {
            let (structure, scratch) = (tracker.structure(), &mut self.scratch);
            let mut write = |frame: &DependencyDescriptor| {
                scratch.clear();
                frame.write(Some(structure), scratch).ok()?;
                (scratch.len() <= longest).then(|| SmallVec::from_slice(scratch))
            };
            let only = write(&frame)?;
            frame.end_of_frame = false;
            let first = write(&frame)?;
            // The templates come with the first packet alone.
            (frame.start_of_frame, frame.structure) = (false, None);
            let middle = write(&frame)?;
            frame.end_of_frame = true;
            Some(OfFrame { first, middle, last: write(&frame)?, only })
        });
        // Later frames would refer to one that nothing is known of.
        self.broken |= of_frame.is_none();
        of_frame
    }

    /// The frame that was asked for last could not be sent.
    pub(super) fn frame_lost(&mut self) {
        self.broken = true;
    }
}

impl OfFrame {
    /// The longest.
    pub(super) fn longest(&self) -> &[u8] {
        &self.only
    }

    /// That of a packet, by its place among those of the frame.
    pub(super) fn of_packet(&self, index: usize, packets: usize) -> &[u8] {
        match (index == 0, index + 1 == packets) {
            (true, true) => &self.only,
            (true, false) => &self.first,
            (false, false) => &self.middle,
            (false, true) => &self.last,
        }
    }
}

/// Puts a descriptor into a header.
pub(super) fn put(descriptor: &[u8], writer: &mut ExtensionWriter<'_>, map: &ExtensionMap) {
    if let Some(id) = map.id(ExtensionKind::DependencyDescriptor) {
        if map.two_byte_allowed() {
            writer.allow_two_byte();
        }
        // There is room.
        let _ = writer.put(id, descriptor);
    }
}

#[cfg(test)]
mod tests {
    use peerage_rtp::extension::DependencyStructure;

    use super::*;

    fn info(temporal: Option<u8>) -> FrameInfo {
        FrameInfo { temporal_layer: temporal, ..FrameInfo::default() }
    }

    fn read(bytes: &[u8], structure: Option<&DependencyStructure>) -> DependencyDescriptor {
        DependencyDescriptor::parse(bytes, structure).expect("it is ours")
    }

    #[test]
    fn templates_come_with_the_first_packet_alone() {
        let mut descriptors = Descriptors::default();
        assert!(descriptors.of_frame(true, &info(Some(0)), 255).is_none(), "no mode");
        descriptors.set_mode(ScalabilityMode::parse("L1T2"));
        let key = descriptors.of_frame(true, &info(Some(0)), 255).unwrap();
        let first = read(key.of_packet(0, 3), None);
        assert!(first.start_of_frame && !first.end_of_frame);
        let structure = first.structure.expect("templates");
        for (index, ends) in [(1, false), (2, true)] {
            let packet = read(key.of_packet(index, 3), Some(&structure));
            assert!(!packet.start_of_frame && packet.structure.is_none());
            assert_eq!(packet.end_of_frame, ends);
        }
        let only = read(key.of_packet(0, 1), None);
        assert!(only.start_of_frame && only.end_of_frame && only.structure.is_some());
        let next = descriptors.of_frame(false, &info(Some(1)), 255).unwrap();
        let next = read(next.of_packet(0, 1), Some(&structure));
        assert_eq!((next.frame_number, next.dependencies.temporal_id), (1, 1));
        assert_eq!(next.dependencies.frame_diffs.as_slice(), [1]);
    }

    #[test]
    fn nothing_is_said_after_a_frame_of_which_nothing_can_be_said() {
        let mut descriptors = Descriptors::default();
        descriptors.set_mode(ScalabilityMode::parse("L1T2"));
        assert!(descriptors.of_frame(false, &info(Some(0)), 255).is_none(), "no keyframe yet");
        for lose in [
            (|own| assert!(own.of_frame(false, &info(None), 255).is_none()))
                as fn(&mut Descriptors),
            |own| assert!(own.of_frame(false, &info(Some(2)), 255).is_none()),
            Descriptors::frame_lost,
        ] {
            assert!(descriptors.of_frame(true, &info(Some(0)), 255).is_some());
            assert!(descriptors.of_frame(false, &info(Some(1)), 255).is_some());
            lose(&mut descriptors);
            assert!(descriptors.of_frame(false, &info(Some(0)), 255).is_none());
        }
        descriptors.set_mode(None);
        assert!(descriptors.of_frame(true, &info(Some(0)), 255).is_none());
    }
}
