//! Which stream ids are in use, and which one a new channel takes: even for the DTLS client, odd for the server
//! (RFC 8832 §6). Used by the channel table alone.

use rustc_hash::FxHashMap;

/// The largest id of a data channel; 65,535 is reserved (webrtc-pc §6.1, createDataChannel step 17).
pub(crate) const MAX_STREAM_ID: u16 = 65_534;

/// Map from stream id to slot, with a cursor that makes taking the lowest free id cheap.
#[derive(Debug, Default)]
pub(crate) struct StreamIds {
    slots: FxHashMap<u16, u32>,
    /// For even and odd ids: all ids of that parity below are taken.
    lowest_free: [u32; 2],
}

impl StreamIds {
    pub(crate) fn get(&self, id: u16) -> Option<u32> {
        self.slots.get(&id).copied()
    }

    pub(crate) fn contains(&self, id: u16) -> bool {
        self.slots.contains_key(&id)
    }

    /// Takes `id`; false if it is taken already.
    pub(crate) fn insert(&mut self, id: u16, slot: u32) -> bool {
        if self.contains(id) {
            return false;
        }
        self.slots.insert(id, slot);
        true
    }

    pub(crate) fn remove(&mut self, id: u16) {
        if self.slots.remove(&id).is_some() {
            let cursor = &mut self.lowest_free[usize::from(id & 1)];
            *cursor = (*cursor).min(u32::from(id >> 1));
        }
    }

    /// The lowest free id below `limit` with the parity of our DTLS role.
    pub(crate) fn lowest_free(&mut self, dtls_client: bool, limit: u16) -> Option<u16> {
        let parity = u16::from(!dtls_client);
        let cursor = &mut self.lowest_free[usize::from(parity)];
        loop {
            let id = u16::try_from(*cursor * 2 + u32::from(parity)).ok()?;
            if id >= limit || id > MAX_STREAM_ID {
                return None;
            }
            if !self.slots.contains_key(&id) {
                return Some(id);
            }
            *cursor += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_dtls_role_and_are_used_again() {
        let mut ids = StreamIds::default();
        assert_eq!(ids.lowest_free(true, u16::MAX), Some(0));
        assert_eq!(ids.lowest_free(false, u16::MAX), Some(1));
        for slot in 0..3 {
            let id = ids.lowest_free(true, u16::MAX).unwrap();
            assert!(ids.insert(id, slot));
            assert!(!ids.insert(id, slot));
        }
        assert_eq!(ids.lowest_free(true, u16::MAX), Some(6));
        ids.remove(2);
        assert_eq!(ids.lowest_free(true, u16::MAX), Some(2));
        assert_eq!(ids.get(4), Some(2));
    }

    #[test]
    fn the_limit_holds() {
        let mut ids = StreamIds::default();
        assert_eq!(ids.lowest_free(false, 1), None);
        for id in (0..=MAX_STREAM_ID).step_by(2) {
            assert!(ids.insert(id, 0));
        }
        assert_eq!(ids.lowest_free(true, u16::MAX), None);
    }
}
