//! Parts of pictures.

use super::{I420, PictureError};

/// A part of a picture, in samples of luma.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Area {
    /// How far right of the left edge it begins.
    pub x: u16,
    /// How far below the upper edge it begins.
    pub y: u16,
    /// Width.
    pub width: u16,
    /// Height.
    pub height: u16,
}

impl Area {
    /// All of a picture.
    pub fn of(picture: &I420) -> Self {
        Self { x: 0, y: 0, width: picture.width(), height: picture.height() }
    }

    /// The largest part of a picture of this size that is as wide to high as `ratio`, in its middle. It begins at even places,
    /// so that chroma is cut where luma is; so its width or height may be a sample off the ratio, and no part is empty.
    ///
    /// ```
    /// use peerage_media::video::Area;
    ///
    /// assert_eq!(Area::of_ratio(1280, 720, (4, 3)), Area { x: 160, y: 0, width: 960, height: 720 });
    /// assert_eq!(Area::of_ratio(480, 640, (16, 9)), Area { x: 0, y: 184, width: 480, height: 270 });
    /// ```
    pub fn of_ratio(width: u16, height: u16, ratio: (u16, u16)) -> Self {
        let (across, down) = (u64::from(ratio.0.max(1)), u64::from(ratio.1.max(1)));
        let (wide, high) = (u64::from(width), u64::from(height));
        // Rounded to the nearest.
        let cut = |length: u64, by: u64, to: u64| ((length * by + to / 2) / to).max(1);
        let (part_width, part_height) = match wide * down > high * across {
            true => (cut(high, across, down).min(wide), high),
            false => (wide, cut(wide, down, across).min(high)),
        };
        let begin = |all: u64, part: u64| ((all - part) / 4 * 2) as u16;
        Self {
            x: begin(wide, part_width),
            y: begin(high, part_height),
            width: part_width as u16,
            height: part_height as u16,
        }
    }

    /// Whether it is a part of this picture.
    pub(super) fn check(self, picture: &I420) -> Result<(), PictureError> {
        let (width, height) = (picture.width(), picture.height());
        let inside = |begin: u16, length: u16, all: u16| {
            length > 0 && u32::from(begin) + u32::from(length) <= u32::from(all)
        };
        match inside(self.x, self.width, width) && inside(self.y, self.height, height) {
            true => Ok(()),
            false => Err(PictureError::Outside { area: self, width, height }),
        }
    }
}
