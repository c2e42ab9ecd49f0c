//! What is wrong with pictures that are handed in.

use super::Area;

/// Why a picture cannot be converted, scaled or cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// There are fewer bytes than a picture of this size takes.
    #[error("{what}: {have} bytes, but a picture of {width}x{height} takes {need}")]
    TooShort {
        /// Which bytes.
        what: &'static str,
        /// How many there are.
        have: usize,
        /// How many it takes.
        need: usize,
        /// Width of the picture.
        width: u16,
        /// Height of the picture.
        height: u16,
    },
    /// Rows overlap.
    #[error("{what}: rows begin {stride} bytes apart, but each has {need}")]
    Stride {
        /// Which bytes.
        what: &'static str,
        /// The distance that was handed in.
        stride: usize,
        /// The least.
        need: usize,
    },
    /// A part of a picture is empty, or not all in it.
    #[error("{} x {} at {}, {} is not a part of a picture of {width}x{height}", .area.width, .area.height, .area.x, .area.y)]
    Outside {
        /// The part.
        area: Area,
        /// Width of the picture.
        width: u16,
        /// Height of the picture.
        height: u16,
    },
}
