//! Header extensions of the frames that one stream of the peer is assembled into: noted packet by packet, and given out with
//! the frame that has their timestamp.

use std::collections::VecDeque;

use peerage_rtp::extension::VideoOrientation;

use super::packets::{PacketExtensions, PictureExtensions};

/// Timestamps whose elements are kept: more frames are not under way at once unless much is missing.
const MAX_WAITING: usize = 64;

/// A picture's extensions, with the lists in them.
const PICTURE_BYTES: usize = size_of::<PictureExtensions>() + 1_024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct FrameExtensions {
    waiting: VecDeque<(u32, PacketExtensions)>,
    /// Bytes of theirs beside the list, at most.
    beside: usize,
    /// How the last frame was to be turned.
    orientation: Option<VideoOrientation>,
}

impl FrameExtensions {
    /// Notes the elements of a packet. Those of one frame are taken together, and the last word counts.
    pub(super) fn note(&mut self, timestamp: u32, extensions: PacketExtensions) {
        if extensions.is_empty() {
            return;
        }
        if let Some((_, known)) = self.waiting.iter_mut().rev().find(|(at, _)| *at == timestamp) {
            self.beside -= beside(known);
            known.add(extensions);
            self.beside += beside(known);
            return;
        }
        if self.waiting.len() >= MAX_WAITING
            && let Some((_, oldest)) = self.waiting.pop_front()
        {
            self.beside -= beside(&oldest);
        }
        self.beside += beside(&extensions);
        self.waiting.push_back((timestamp, extensions));
    }

    /// Bytes of memory that they take.
    pub(super) fn held_bytes(&self) -> usize {
        self.waiting.capacity() * size_of::<(u32, PacketExtensions)>() + self.beside
    }

    /// Forgets those of frames that are not there yet.
    pub(super) fn give_up(&mut self) {
        (self.waiting, self.beside) = (VecDeque::new(), 0);
    }

    /// Those of a frame. Frames come in order, so that older ones are forgotten; layers of one picture share them.
    pub(super) fn take(&mut self, timestamp: u32, keyframe: bool) -> PacketExtensions {
        self.waiting.retain(|(at, known)| {
            let stays = at.wrapping_sub(timestamp) as i32 >= 0;
            if !stays {
                self.beside -= beside(known);
            }
            stays
        });
        let found = self.waiting.iter().find(|(at, _)| *at == timestamp);
        let mut extensions = found.map(|(_, known)| known.clone()).unwrap_or_default();
        // After a keyframe it need only be said where it changes (3GPP TS 26.114 §7.4.5).
        if extensions.video_orientation.is_none() && !keyframe {
            extensions.video_orientation = self.orientation;
        }
        self.orientation = extensions.video_orientation;
        extensions
    }
}

/// Bytes that the elements take beside themselves, at most.
fn beside(extensions: &PacketExtensions) -> usize {
    let descriptor = extensions.dependency_descriptor.as_ref().map_or(0, |value| value.len());
    descriptor + if extensions.picture.is_some() { PICTURE_BYTES } else { 0 }
}

#[cfg(test)]
mod tests {
    use peerage_rtp::extension::{AudioLevel, Rotation};

    use super::*;

    fn turned(rotation: Rotation) -> PacketExtensions {
        let video_orientation = Some(VideoOrientation { rotation, ..VideoOrientation::default() });
        PacketExtensions { video_orientation, ..PacketExtensions::default() }
    }

    fn loud(level: u8) -> PacketExtensions {
        let audio_level = Some(AudioLevel { level, voice: true });
        PacketExtensions { audio_level, ..PacketExtensions::default() }
    }

    #[test]
    fn a_frame_has_what_any_of_its_packets_said() {
        let mut frames = FrameExtensions::default();
        frames.note(u32::MAX, turned(Rotation::Clockwise90));
        frames.note(5, loud(7));
        frames.note(u32::MAX, loud(9));
        let expected =
            PacketExtensions { audio_level: loud(9).audio_level, ..turned(Rotation::Clockwise90) };
        assert_eq!(frames.take(u32::MAX, true), expected);
        assert_eq!(frames.take(u32::MAX, true), expected, "another layer of the picture");
        let expected =
            PacketExtensions { audio_level: loud(7).audio_level, ..turned(Rotation::Clockwise90) };
        assert_eq!(frames.take(5, false), expected, "still turned");
        assert!(frames.take(6, true).is_empty(), "a keyframe that says nothing");
        assert!(frames.take(7, false).is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut frames = FrameExtensions::default();
        for timestamp in 0..10_000 {
            frames.note(timestamp, loud(1));
        }
        assert_eq!(frames.waiting.len(), MAX_WAITING);
        assert!(!frames.take(9_999, false).is_empty());
        assert_eq!(frames.waiting.len(), 1);
        assert!(frames.held_bytes() > 0);
        frames.give_up();
        assert_eq!(frames.held_bytes(), 0);
    }
}
