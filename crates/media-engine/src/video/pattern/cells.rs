//! A grid of cells of one colour each, and the mean colour of a cell's middle, which is what coding leaves of it.

use crate::video::{I420, Plane};

/// Cells beside each other.
pub(super) const COLUMNS: usize = 8;
/// Cells above each other.
pub(super) const ROWS: usize = 4;

/// Y, Cb, Cr.
pub(super) type Colour = [u8; 3];
/// A grid of them.
pub(super) type Grid = [[Colour; COLUMNS]; ROWS];

/// Black of limited range.
pub(super) const BLACK: Colour = [16, 128, 128];
/// White of limited range.
pub(super) const WHITE: Colour = [235, 128, 128];

/// A rectangle of a picture, in samples of luma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// From the left; even.
    pub x: u16,
    /// From above; even.
    pub y: u16,
    /// Width.
    pub width: u16,
    /// Height.
    pub height: u16,
}

impl Region {
    /// All of a picture.
    pub fn all(picture: &I420) -> Self {
        Self { x: 0, y: 0, width: picture.width(), height: picture.height() }
    }

    /// The lower left quarter of a picture, where a [`MovingClock`](super::MovingClock) shows its number.
    pub fn lower_left(width: u16, height: u16) -> Self {
        let y = (height / 2) & !1;
        Self { x: 0, y, width: (width / 2).max(1), height: height - y }
    }

    /// Left, top, right and bottom in a plane, inside of it.
    fn bounds(self, picture: &I420, plane: Plane) -> [usize; 4] {
        let (width, height) = picture.size(plane);
        let scale = if plane == Plane::Y { 1 } else { 2 };
        let (left, top) = (usize::from(self.x) / scale, usize::from(self.y) / scale);
        let right = (usize::from(self.x) + usize::from(self.width)).div_ceil(scale);
        let bottom = (usize::from(self.y) + usize::from(self.height)).div_ceil(scale);
        [left.min(width), top.min(height), right.min(width), bottom.min(height)]
    }
}

/// Fills a region with cells.
pub(super) fn draw(picture: &mut I420, region: Region, cells: &Grid) {
    for (index, plane) in [Plane::Y, Plane::U, Plane::V].into_iter().enumerate() {
        let [left, top, right, bottom] = region.bounds(picture, plane);
        let (stride, _) = picture.size(plane);
        let (y, u, v) = picture.planes_mut();
        let samples = [y, u, v];
        for (at, row) in samples[index].chunks_exact_mut(stride).enumerate() {
            if at < top || at >= bottom || left >= right {
                continue;
            }
            let cells = &cells[(at - top) * ROWS / (bottom - top)];
            for (x, sample) in row[left..right].iter_mut().enumerate() {
                *sample = cells[x * COLUMNS / (right - left)][index];
            }
        }
    }
}

/// The mean of the middle half of a cell, in each direction, in each plane; zeros where the region is too small to have one.
pub(super) fn mean(picture: &I420, region: Region, column: usize, row: usize) -> Colour {
    [Plane::Y, Plane::U, Plane::V].map(|plane| {
        let [left, top, right, bottom] = region.bounds(picture, plane);
        let (stride, _) = picture.size(plane);
        let middle = |from: usize, to: usize, cell: usize, cells: usize| {
            let size = to.saturating_sub(from);
            let start = from + (4 * cell + 1) * size / (4 * cells);
            let end = from + (4 * cell + 3) * size / (4 * cells);
            start..end.max(start + 1).min(to.max(start))
        };
        let columns = middle(left, right, column, COLUMNS);
        let rows = middle(top, bottom, row, ROWS);
        let (mut sum, mut count) = (0u64, 0u64);
        for y in rows {
            for sample in &picture.plane(plane)[y * stride..][columns.clone()] {
                sum += u64::from(*sample);
                count += 1;
            }
        }
        sum.checked_div(count).unwrap_or(0) as u8
    })
}
