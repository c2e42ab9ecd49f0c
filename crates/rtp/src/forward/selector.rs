//! Chooses the layer of a simulcast that a receiver gets (RFC 8853), and changes it where that can be done unseen: at a
//! keyframe of the new layer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::payload::{CodecDescriptor, Depacketizer, PayloadFormat};

/// Packets of the layer to come that are held until the first of its keyframe is there, which may be lost and come last.
const MAX_HELD: usize = 512;
/// Packets that wait to be polled; beyond, the oldest are dropped.
const MAX_READY: usize = 2 * MAX_HELD;
/// How often a keyframe is asked for.
const REQUEST_INTERVAL: Duration = Duration::from_millis(500);

/// A packet that the receiver gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected<P> {
    /// Its layer.
    pub layer: u8,
    /// It is the first of its layer: the stream goes on from here in another source.
    pub switched: bool,
    /// The packet.
    pub packet: P,
}

/// Which layer one receiver gets. `P` is the packet, in whatever form its owner has it.
#[derive(Debug)]
pub struct SimulcastSelector<P> {
    current: Option<u8>,
    /// The layer to change to.
    target: Option<u8>,
    /// Packets of that layer, by sequence number.
    held: VecDeque<(u64, P)>,
    ready: VecDeque<Selected<P>>,
    asked: Option<Instant>,
}

impl<P> Default for SimulcastSelector<P> {
    fn default() -> Self {
        let (held, ready) = (VecDeque::new(), VecDeque::new());
        Self { current: None, target: None, held, ready, asked: None }
    }
}

impl<P> SimulcastSelector<P> {
    /// One that lets nothing through until a [target](Self::set_target) is set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The receiver is to get this layer, from its next keyframe on. Until then it goes on with the one it has.
    pub fn set_target(&mut self, layer: u8) {
        let target = (self.current != Some(layer)).then_some(layer);
        if self.target != target {
            self.target = target;
            self.held.clear();
            self.asked = None;
        }
    }

    /// The layer that the receiver gets now: requests for keyframes are for this one.
    #[must_use]
    pub fn current(&self) -> Option<u8> {
        self.current
    }

    /// The layer that it is to change to.
    #[must_use]
    pub fn target(&self) -> Option<u8> {
        self.target
    }

    /// Takes a packet of any layer: its layer, its sequence number without wraps, and whether a keyframe
    /// [begins](begins_keyframe) with it. To be followed by [`poll`](Self::poll).
    pub fn insert(&mut self, layer: u8, sequence: u64, begins_keyframe: bool, packet: P) {
        if self.ready.len() >= MAX_READY {
            self.ready.pop_front();
        }
        if self.current == Some(layer) {
            self.ready.push_back(Selected { layer, switched: false, packet });
            return;
        }
        if self.target != Some(layer) {
            return;
        }
        if !begins_keyframe {
            if self.held.len() == MAX_HELD {
                self.held.pop_front();
            }
            self.held.push_back((sequence, packet));
            return;
        }
        self.current = Some(layer);
        self.target = None;
        self.ready.push_back(Selected { layer, switched: true, packet });
        for (held, packet) in self.held.drain(..) {
            if held > sequence {
                self.ready.push_back(Selected { layer, switched: false, packet });
            }
        }
    }

    /// The next packet that the receiver gets.
    pub fn poll(&mut self) -> Option<Selected<P>> {
        self.ready.pop_front()
    }

    /// The layer of which a keyframe is to be asked for now; to be called whenever packets come.
    pub fn poll_keyframe_request(&mut self, now: Instant) -> Option<u8> {
        let target = self.target?;
        let since = |at| now.saturating_duration_since(at);
        if self.asked.is_some_and(|at| since(at) < REQUEST_INTERVAL) {
            return None;
        }
        self.asked = Some(now);
        Some(target)
    }
}

/// Whether a keyframe, on which a receiver can begin, begins with this payload.
///
/// Where encrypted payloads cannot be read, the dependency descriptor tells instead.
#[must_use]
pub fn begins_keyframe(format: PayloadFormat, payload: &[u8]) -> bool {
    let Ok(descriptor) = Depacketizer::new(format).read(payload) else { return false };
    match descriptor.codec {
        // A sequence parameter set opens the access unit of an IDR picture (RFC 6184 §5.2, RFC 7798 §4.4).
        CodecDescriptor::H264(nal) | CodecDescriptor::H265(nal) => nal.sps,
        CodecDescriptor::Av1 { continues, new_sequence, .. } => new_sequence && !continues,
        _ => {
            descriptor.keyframe
                && descriptor.start_of_frame
                && descriptor.spatial_layer.is_none_or(|layer| layer == 0)
        }
    }
}
