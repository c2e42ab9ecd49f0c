//! Renewal of keys after the handshake (RFC 9147 §8): ours when the peer has acknowledged, the peer's when it says so.

use super::{
    core::{Core, KeyUpdate},
    protection::seal_limit,
};
use crate::{error::Error, event::Event, handshake::HandshakeType};

impl Core {
    /// Asks for new sending keys.
    pub(crate) fn request_key_update(&mut self, request_peer: bool) {
        self.key_update = match self.key_update {
            KeyUpdate::Idle => KeyUpdate::Pending { request_peer },
            KeyUpdate::Pending { request_peer: before } => {
                KeyUpdate::Pending { request_peer: request_peer || before }
            }
            KeyUpdate::Sent { again } => {
                KeyUpdate::Sent { again: Some(request_peer || again.unwrap_or(false)) }
            }
        };
        self.start_key_update();
    }

    pub(super) fn start_key_update(&mut self) {
        let KeyUpdate::Pending { request_peer } = self.key_update else { return };
        // One flight at a time; and the numbers of messages do not wrap.
        if !self.flight.is_empty() || self.next_message > u32::from(u16::MAX) {
            return;
        }
        let epoch = self.records.write_epoch();
        // RFC 9147 §8: the epoch must not exceed 2^48-1.
        if epoch >= (1 << 48) - 1 {
            return;
        }
        self.send(epoch, HandshakeType::KEY_UPDATE, |out| out.push(u8::from(request_peer)));
        self.key_update = KeyUpdate::Sent { again: None };
    }

    /// The peer is about to renew its sending keys. `epoch` is that of the message.
    pub(crate) fn handle_key_update(&mut self, epoch: u64, request: bool) -> Result<(), Error> {
        if epoch != self.records.newest_read_epoch() {
            // RFC 9147 §8: not before the one before was acknowledged and the keys were changed.
            return Err(Error::unexpected(
                "KeyUpdate before the previous one took effect",
                "RFC 9147 §8",
            ));
        }
        self.records.advance_read()?;
        self.events.push_back(Event::KeyUpdated);
        if request {
            self.request_key_update(false);
        }
        Ok(())
    }

    /// Whether a key update should begin of our own accord: before one of the limits of RFC 9147 §4.5.3 is reached.
    pub(crate) fn check_limits(&mut self) {
        if self.key_update != KeyUpdate::Idle {
            return;
        }
        // Half of what the AEAD allows leaves time for the peer to acknowledge.
        let limit = seal_limit(self.negotiated.suite.aead()) / 2;
        if self.records.sealed() >= self.config.rekey_after_records.min(limit) {
            self.request_key_update(false);
        } else if self.records.wants_rekey() {
            self.request_key_update(true);
        }
    }
}
