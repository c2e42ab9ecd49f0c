//! Header extensions whose values are written when a packet leaves, after its parity was computed. Parity takes them as
//! zero at both ends: browsers do so, and no document says it. What is recovered has zeros in these places.

use arrayvec::ArrayVec;

use crate::extension::{ExtensionKind, ExtensionMap};
use crate::packet::RtpPacket;

/// The kinds, and where in the value the part begins that changes: of video-timing it is what is measured at the pacer and
/// behind it.
const MUTABLE: [(ExtensionKind, usize); 5] = [
    (ExtensionKind::TransmissionOffset, 0),
    (ExtensionKind::AbsoluteSendTime, 0),
    (ExtensionKind::TransportSequenceNumber, 0),
    (ExtensionKind::TransportSequenceNumberV2, 0),
    (ExtensionKind::VideoTiming, 7),
];

/// Those of them that were negotiated, by identifier.
#[derive(Debug, Clone, Default)]
pub(super) struct MutableElements(ArrayVec<(u8, usize), { MUTABLE.len() }>);

impl MutableElements {
    pub(super) fn new(map: &ExtensionMap) -> Self {
        Self(MUTABLE.iter().filter_map(|&(kind, from)| Some((map.id(kind)?, from))).collect())
    }

    /// Overwrites them with zeros in `copy`, which has the bytes of `packet`.
    pub(super) fn clear(&self, packet: &RtpPacket<'_>, copy: &mut [u8]) {
        if packet.extension_profile().is_none() {
            return;
        }
        for &(id, from) in &self.0 {
            let value = packet.extension_range(id).and_then(|range| copy.get_mut(range));
            if let Some(changes) = value.and_then(|value| value.get_mut(from..)) {
                changes.fill(0);
            }
        }
    }
}
