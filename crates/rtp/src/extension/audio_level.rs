//! Audio levels from client to mixer (RFC 6464) and from mixer to client (RFC 6465).

use super::kind::ExtensionKind;
use super::value::{HeaderExtension, wrong_length};
use crate::error::Error;

/// How loud the packet's audio is (RFC 6464 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioLevel {
    /// -dBov: 0 is the loudest, 127 is silence. Values over 127 are written as 127.
    pub level: u8,
    /// Whether the encoder believes that the packet holds voice; means nothing where `vad=off` was negotiated.
    pub voice: bool,
}

impl HeaderExtension<'_> for AudioLevel {
    const KIND: ExtensionKind = ExtensionKind::AudioLevel;

    fn parse(data: &[u8]) -> Result<Self, Error> {
        let &[byte] = data else { return Err(wrong_length(Self::KIND)) };
        Ok(Self { level: byte & 0x7F, voice: byte & 0x80 != 0 })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.voice) << 7 | self.level.min(127));
    }
}

/// How loud each contributing source is, in the order of the packet's CSRCs (RFC 6465 §3).
#[derive(Debug, Clone, Copy)]
pub struct MixerToClientAudioLevels<'a> {
    /// A byte a source: the low seven bits are -dBov, as in [`AudioLevel::level`]; the other is not looked at. One to 15
    /// bytes.
    pub levels: &'a [u8],
}

impl MixerToClientAudioLevels<'_> {
    /// The levels in -dBov.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u8> + '_ {
        self.levels.iter().map(|level| level & 0x7F)
    }
}

impl PartialEq for MixerToClientAudioLevels<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for MixerToClientAudioLevels<'_> {}

impl<'a> HeaderExtension<'a> for MixerToClientAudioLevels<'a> {
    const KIND: ExtensionKind = ExtensionKind::CsrcAudioLevels;

    fn parse(levels: &'a [u8]) -> Result<Self, Error> {
        // RFC 3550 §5.1: a packet has 15 CSRCs at most, and RFC 6465 §3 a level for each.
        if levels.is_empty() || levels.len() > 15 {
            return Err(wrong_length(Self::KIND));
        }
        Ok(Self { levels })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.levels.iter().take(15).map(|level| level & 0x7F));
    }
}
