//! One stream of the peer: sequence numbers made whole, payloads assembled into frames.

use std::time::{Duration, Instant};

use peerage_rtp::payload::{AssemblerConfig, FrameAssembler, PayloadFormat};
use peerage_rtp::{RtpPacket, SequenceUnwrapper, Ssrc};

use super::frame::MediaFrame;
use super::routing::{Route, Routing};
use crate::transceiver::TransceiverHandle;

/// See the module.
pub(super) struct ReceiveStream {
    ssrc: Ssrc,
    transceiver: TransceiverHandle,
    rid: Option<String>,
    formats: Vec<(u8, PayloadFormat)>,
    /// The payload type of the packets last received, and what assembles them.
    current: Option<(u8, FrameAssembler)>,
    sequence: SequenceUnwrapper,
    wants_keyframe: bool,
    asked: Option<Instant>,
}

impl ReceiveStream {
    pub(super) fn new(ssrc: Ssrc, route: Route) -> Self {
        Self {
            ssrc,
            transceiver: route.transceiver,
            rid: route.rid,
            formats: route.formats,
            current: None,
            sequence: SequenceUnwrapper::default(),
            wants_keyframe: false,
            asked: None,
        }
    }

    pub(super) fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    pub(super) fn transceiver(&self) -> TransceiverHandle {
        self.transceiver
    }

    /// Follows a new agreement; false if the section receives no more.
    pub(super) fn is_still_wanted(&mut self, routing: &Routing) -> bool {
        match routing.section(self.transceiver) {
            Some(section) => {
                self.formats = section.formats().to_vec();
                true
            }
            None => false,
        }
    }

    pub(super) fn handle(&mut self, _now: Instant, packet: &RtpPacket<'_>) {
        let payload_type = packet.payload_type().get();
        let Some(&(_, format)) = self.formats.iter().find(|(pt, _)| *pt == payload_type) else {
            return;
        };
        let sequence = self.sequence.unwrap(packet.sequence_number());
        let assembler = match &mut self.current {
            Some((current, assembler)) if *current == payload_type => assembler,
            // Another codec: what was under way in the old one is given up.
            current => {
                let assembler = FrameAssembler::new(format, AssemblerConfig::default());
                self.wants_keyframe |= format.is_video();
                &mut current.insert((payload_type, assembler)).1
            }
        };
        let payload = super::owned(packet.payload());
        assembler.insert(sequence, packet.timestamp().0, packet.marker(), payload, None);
        self.wants_keyframe |= assembler.needs_keyframe();
    }

    pub(super) fn poll_frame(&mut self) -> Option<MediaFrame> {
        let (payload_type, assembler) = self.current.as_mut()?;
        let frame = assembler.poll_frame()?;
        self.wants_keyframe &= !frame.keyframe;
        Some(MediaFrame {
            transceiver: self.transceiver,
            rid: self.rid.clone(),
            payload_type: *payload_type,
            ssrc: self.ssrc.0,
            frame,
        })
    }

    /// Frames were lost to the application.
    pub(super) fn want_keyframe(&mut self) {
        self.wants_keyframe |= self.current.as_ref().is_some_and(|(_, a)| a.format().is_video());
    }

    /// Whether a keyframe is to be asked for now.
    pub(super) fn keyframe_request_due(&mut self, now: Instant, interval: Duration) -> bool {
        let due = self.wants_keyframe
            && self.asked.is_none_or(|at| now.saturating_duration_since(at) >= interval);
        if due {
            self.asked = Some(now);
        }
        due
    }
}
