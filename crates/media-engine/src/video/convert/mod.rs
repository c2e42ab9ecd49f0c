//! Colours: between [`I420`](super::I420) and what cameras, screens and files of pictures have.
//!
//! Rows are worked on a stretch at a time in arrays of 16 bits, which compilers turn into vector instructions; nothing is
//! allocated. Chroma is the average of the 2x2 pixels that share it, and is repeated for them on the way back.

mod color;
mod packed;
mod rgb;

pub use color::{ColorSpace, Matrix, Range};
pub use packed::{Packed422, from_nv12, from_packed_422, full_to_limited, to_nv12};
pub use rgb::{RgbLayout, from_rgb, to_rgb};

use super::PictureError;

/// Which bytes, as errors name them, and what a picture takes of them.
struct Rows {
    what: &'static str,
    /// Width and height of the picture.
    size: (u16, u16),
    /// Bytes in a row.
    row: usize,
    /// How many rows.
    rows: usize,
}

impl Rows {
    fn check(&self, have: usize, stride: usize) -> Result<(), PictureError> {
        let &Self { what, size: (width, height), row, rows } = self;
        if stride < row {
            return Err(PictureError::Stride { what, stride, need: row });
        }
        // A stride of any size may be handed in.
        let need = stride.saturating_mul(rows - 1).saturating_add(row);
        match have >= need {
            true => Ok(()),
            false => Err(PictureError::TooShort { what, have, need, width, height }),
        }
    }
}

#[cfg(test)]
mod tests;
