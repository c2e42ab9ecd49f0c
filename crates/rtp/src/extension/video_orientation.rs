//! Coordination of video orientation: how a frame is to be turned before it is shown (3GPP TS 26.114 §7.4.5).

use super::kind::ExtensionKind;
use super::value::{HeaderExtension, wrong_length};
use crate::error::Error;

/// How far to turn the frame clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rotation {
    /// Not at all.
    #[default]
    None,
    /// A quarter.
    Clockwise90,
    /// Half a turn.
    Clockwise180,
    /// Three quarters.
    Clockwise270,
}

/// The orientation of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VideoOrientation {
    /// The camera is on the back of the device.
    pub back_camera: bool,
    /// The frame is mirrored horizontally.
    pub flip: bool,
    /// How far to turn it to show it upright.
    pub rotation: Rotation,
}

impl HeaderExtension<'_> for VideoOrientation {
    const KIND: ExtensionKind = ExtensionKind::VideoOrientation;

    fn parse(data: &[u8]) -> Result<Self, Error> {
        let &[byte] = data else { return Err(wrong_length(Self::KIND)) };
        let rotation = match byte & 3 {
            0 => Rotation::None,
            1 => Rotation::Clockwise90,
            2 => Rotation::Clockwise180,
            _ => Rotation::Clockwise270,
        };
        Ok(Self { back_camera: byte & 8 != 0, flip: byte & 4 != 0, rotation })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.back_camera) << 3 | u8::from(self.flip) << 2 | self.rotation as u8);
    }
}
