//! Audio whose frames come out as they arrive, and the frames inside of redundant audio (RFC 2198).

use std::collections::VecDeque;

use bytes::Bytes;

use super::super::arrival::{Arrival, ArrivalWindow, RecentTimestamps};
use super::super::format::PayloadFormat;
use super::super::frame::EncodedFrame;
use super::super::red;
use super::config::{AssemblerStatistics, Insertion};

/// What was here already.
#[derive(Debug, Default)]
pub(super) struct AudioArrivals {
    /// Which of the last packets were.
    packets: ArrivalWindow,
    /// Which of the last frames came out of redundant audio.
    frames: RecentTimestamps,
}

impl AudioArrivals {
    /// Notes a packet: whether it is new.
    pub(super) fn note(&mut self, sequence: u64, counts: &mut AssemblerStatistics) -> Insertion {
        match self.packets.note(sequence) {
            Arrival::New => Insertion::Stored,
            Arrival::Again => {
                counts.duplicate_packets += 1;
                Insertion::Duplicate
            }
            Arrival::TooOld => {
                counts.late_packets += 1;
                Insertion::TooOld
            }
        }
    }

    /// Hands on the frame of a packet, or those in it.
    pub(super) fn hand_on(
        &mut self,
        format: PayloadFormat,
        (sequence, timestamp, marker): (u64, u32, bool),
        data: Bytes,
        ready: &mut VecDeque<EncodedFrame>,
    ) {
        let mut frame = EncodedFrame {
            data,
            timestamp,
            keyframe: true,
            discardable: false,
            first_sequence: sequence,
            last_sequence: sequence,
            marker,
            temporal_layer: None,
            spatial_layer: None,
            dimensions: None,
            picture_id: None,
            block_payload_type: None,
            redundant: false,
        };
        if format != PayloadFormat::Red {
            ready.push_back(frame);
            return;
        }
        let payload = std::mem::take(&mut frame.data);
        let Ok(blocks) = red::blocks(&payload) else { return };
        let primary = blocks.len().saturating_sub(1);
        for (index, block) in blocks.into_iter().enumerate() {
            let timestamp = timestamp.wrapping_sub(u32::from(block.timestamp_offset));
            // A frame comes out once: its own packet may have come before, or its redundancy may have.
            if block.range.is_empty() || !self.frames.note(timestamp) {
                continue;
            }
            ready.push_back(EncodedFrame {
                data: payload.slice(block.range),
                timestamp,
                marker: marker && index == primary,
                block_payload_type: Some(block.payload_type),
                redundant: index != primary,
                ..frame.clone()
            });
        }
    }
}
