//! The protection operation (RFC 5109 §8, RFC 8627 §6): exclusive or over the recoverable fields of RTP headers, and over
//! all that follows the fixed twelve bytes.

use crate::packet::FIXED_HEADER_LEN;

/// What exclusive or makes of packets.
#[derive(Debug, Clone, Default)]
pub(super) struct Parity {
    /// Padding, extension, CSRC count: the low six bits of the first byte.
    pub(super) flags: u8,
    /// Marker and payload type.
    pub(super) marker_and_type: u8,
    pub(super) timestamp: u32,
    /// Length of what follows the fixed header.
    pub(super) length: u16,
    /// What follows the fixed header, as long as the longest.
    pub(super) body: Vec<u8>,
}

impl Parity {
    pub(super) fn clear(&mut self) {
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        *self = Self { body, ..Self::default() };
    }

    /// Adds a packet, or takes it away again. It must have a fixed header, and be no longer than 65,547 bytes.
    pub(super) fn add(&mut self, packet: &[u8]) {
        let Some((header, body)) = packet.split_first_chunk::<FIXED_HEADER_LEN>() else { return };
        self.flags ^= header[0] & 0x3F;
        self.marker_and_type ^= header[1];
        self.timestamp ^= u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        self.length ^= body.len() as u16;
        if self.body.len() < body.len() {
            self.body.resize(body.len(), 0);
        }
        for (sum, byte) in self.body.iter_mut().zip(body) {
            *sum ^= byte;
        }
    }
}
