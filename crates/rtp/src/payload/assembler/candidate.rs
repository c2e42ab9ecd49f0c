//! The newest keyframe whose beginning is here, which decoding can go on from where what is before it is lost.

use std::collections::VecDeque;

use super::slot::Slot;

/// The sequence number of its first packet, and how many of its packets were looked at.
#[derive(Debug, Default)]
pub(super) struct KeyframeCandidate(Option<(u64, usize)>);

impl KeyframeCandidate {
    /// Its first packet.
    pub(super) fn first(&self) -> Option<u64> {
        self.0.map(|(first, _)| first)
    }

    /// One begins with this packet.
    pub(super) fn begins(&mut self, sequence: u64) {
        if self.0.is_none_or(|(newest, _)| sequence > newest) {
            self.0 = Some((sequence, 0));
        }
    }

    /// What is before this is gone.
    pub(super) fn forget_before(&mut self, base: u64) {
        self.0.take_if(|(first, _)| *first < base);
    }

    /// Its first packet, once all are there.
    pub(super) fn complete(&mut self, slots: &VecDeque<Option<Slot>>, base: u64) -> Option<u64> {
        let (first, mut seen) = self.0?;
        let offset = (first - base) as usize;
        let timestamp = slots.get(offset)?.as_ref()?.timestamp;
        let complete = loop {
            let Some(Some(slot)) = slots.get(offset + seen) else { break false };
            if !slot.is_padding() && slot.timestamp != timestamp {
                break true;
            }
            seen += 1;
            if slot.marker && !slot.is_padding() {
                break true;
            }
        };
        // One short of the packet that ended it, so that the next call finds the end again.
        self.0 = Some((first, if complete { seen.saturating_sub(1) } else { seen }));
        complete.then_some(first)
    }
}
