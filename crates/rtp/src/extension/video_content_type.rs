//! video-content-type: whether a frame is of a screen or of the world.

use super::kind::ExtensionKind;
use super::value::{HeaderExtension, wrong_length};
use crate::error::Error;

/// What the video is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VideoContentType {
    /// Not said: a camera, most likely.
    #[default]
    Unspecified,
    /// A screen.
    Screenshare,
}

impl HeaderExtension<'_> for VideoContentType {
    const KIND: ExtensionKind = ExtensionKind::VideoContentType;

    fn parse(data: &[u8]) -> Result<Self, Error> {
        let &[byte] = data else { return Err(wrong_length(Self::KIND)) };
        // Older senders keep experiment and simulcast identifiers in the upper bits.
        Ok(if byte & 1 == 0 { Self::Unspecified } else { Self::Screenshare })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
}
