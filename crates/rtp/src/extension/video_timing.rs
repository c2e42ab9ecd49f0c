//! video-timing: when a frame passed the stages of its sender, on the frame's last packet.

use super::kind::ExtensionKind;
use super::value::{HeaderExtension, wrong_length};
use crate::error::Error;

/// Why the sender added the extension to the frame. Bits of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimingTrigger(pub u8);

impl TimingTrigger {
    /// It was time for another.
    pub const TIMER: Self = Self(1);
    /// The frame is unusually large.
    pub const SIZE: Self = Self(2);
    /// The frame is not for the statistics.
    pub const INVALID: Self = Self(0xFF);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Milliseconds from the capture of the frame to each stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VideoTiming {
    /// Why the extension is there.
    pub trigger: TimingTrigger,
    /// Encoding began.
    pub encode_start: u16,
    /// Encoding ended.
    pub encode_finish: u16,
    /// The frame was cut into packets.
    pub packetization_finish: u16,
    /// The last packet left the pacer.
    pub pacer_exit: u16,
    /// For a relay on the way: the packet arrived there.
    pub network: u16,
    /// For a relay on the way: the packet left it.
    pub network2: u16,
}

impl HeaderExtension<'_> for VideoTiming {
    const KIND: ExtensionKind = ExtensionKind::VideoTiming;

    fn parse(data: &[u8]) -> Result<Self, Error> {
        let (trigger, deltas) = match data.len() {
            13 => (TimingTrigger(data[0]), &data[1..]),
            12 => (TimingTrigger(0), data), // an older form without the flags
            _ => return Err(wrong_length(Self::KIND)),
        };
        let at = |index: usize| u16::from_be_bytes([deltas[index * 2], deltas[index * 2 + 1]]);
        Ok(Self {
            trigger,
            encode_start: at(0),
            encode_finish: at(1),
            packetization_finish: at(2),
            pacer_exit: at(3),
            network: at(4),
            network2: at(5),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.trigger.0);
        for delta in [
            self.encode_start,
            self.encode_finish,
            self.packetization_finish,
            self.pacer_exit,
            self.network,
            self.network2,
        ] {
            out.extend_from_slice(&delta.to_be_bytes());
        }
    }
}
