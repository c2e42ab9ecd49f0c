//! A moving picture with a number: colour bars, over which a clock's hand turns and a band of texture wanders, so that an encoder
//! has to work, and the number of the picture in black and white cells in the lower left quarter.

use std::f32::consts::TAU;

use super::bars::colour_bars;
use super::cells::{BLACK, COLUMNS, Grid, ROWS, Region, WHITE, draw, mean};
use crate::video::I420;

/// Pictures in which the hand turns once.
const TURN: u32 = 60;

/// How far from the middle a cell must be to count as black or white.
const MARGIN: u8 = 24;

/// Draws pictures of a clock.
#[derive(Clone, Debug)]
pub struct MovingClock {
    /// What does not move.
    background: I420,
}

impl MovingClock {
    /// One of a size; 64x48 and more can be read.
    ///
    /// # Panics
    ///
    /// As [`I420::black`].
    pub fn new(width: u16, height: u16) -> Self {
        Self { background: colour_bars(width, height) }
    }

    /// Where the number is.
    pub fn region(&self) -> Region {
        Region::lower_left(self.background.width(), self.background.height())
    }

    /// The picture of a number, which wraps after 65536.
    pub fn picture(&self, number: u32) -> I420 {
        let mut picture = self.background.clone();
        let (width, height) = (usize::from(picture.width()), usize::from(picture.height()));
        let luma = picture.planes_mut().0;
        // A band of texture in the upper half, which wanders two samples a picture.
        let shift = 2 * number as usize;
        for (y, row) in luma.chunks_exact_mut(width).enumerate().take(height / 2) {
            for (x, sample) in row.iter_mut().enumerate() {
                let wave = ((3 * x + 5 * y + 3 * shift) & 127).abs_diff(64) as u8;
                let ripple = ((x + shift) ^ (y / 2)) as u8 & 15;
                *sample = (*sample / 2).saturating_add(wave).saturating_add(ripple).clamp(16, 235);
            }
        }
        // The hand, in the right half below.
        let radius = (width / 4).min(height / 4) as f32;
        let (middle_x, middle_y) = (0.75 * width as f32, 0.75 * height as f32);
        let (sine, cosine) = ((number % TURN) as f32 / TURN as f32 * TAU).sin_cos();
        let thickness = (radius / 12.0).max(1.0);
        for y in height / 2..height {
            for x in width / 2..width {
                let (dx, dy) = (x as f32 + 0.5 - middle_x, y as f32 + 0.5 - middle_y);
                let (along, across) = (dx * sine - dy * cosine, dx * cosine + dy * sine);
                let distance = dx.hypot(dy);
                let hand = (0.0..0.85 * radius).contains(&along) && across.abs() < thickness;
                if distance < radius {
                    let rim = distance > radius - thickness;
                    luma[y * width + x] = if hand || rim { 235 } else { 40 };
                }
            }
        }
        let region = self.region();
        write_number(&mut picture, region, number as u16);
        picture
    }

    /// The number of a picture of this size; `None` where it cannot be read.
    pub fn read(&self, picture: &I420) -> Option<u16> {
        read_number(picture, self.region())
    }
}

/// Writes 16 bits into a region as two rows of black and white cells, and their complement below.
pub fn write_number(picture: &mut I420, region: Region, number: u16) {
    let mut cells: Grid = [[BLACK; COLUMNS]; ROWS];
    let bits = u32::from(number) << 16 | u32::from(!number);
    for (row, cells) in cells.iter_mut().enumerate() {
        for (column, cell) in cells.iter_mut().enumerate() {
            if bits >> (31 - (row * COLUMNS + column)) & 1 == 1 {
                *cell = WHITE;
            }
        }
    }
    draw(picture, region, &cells);
}

/// Reads what [`write_number`] wrote; `None` where number and complement do not agree.
pub fn read_number(picture: &I420, region: Region) -> Option<u16> {
    let mut bits = 0u32;
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let [luma, ..] = mean(picture, region, column, row);
            if luma.abs_diff(126) < MARGIN {
                return None;
            }
            bits = bits << 1 | u32::from(luma > 126);
        }
    }
    let (number, complement) = ((bits >> 16) as u16, bits as u16);
    (number == !complement).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_again() {
        for (width, height) in [(64, 48), (65, 49), (640, 360)] {
            let clock = MovingClock::new(width, height);
            for number in [0, 1, 59, 60, 4711, 0xFFFF, 0x1_0001] {
                let picture = clock.picture(number);
                assert_eq!(clock.read(&picture), Some(number as u16));
            }
            assert_eq!(clock.read(&colour_bars(width, height)), None);
        }
        assert_ne!(MovingClock::new(64, 48).picture(1), MovingClock::new(64, 48).picture(2));
        // Too small to be read, but no reason to fall over.
        for (width, height) in [(1, 1), (2, 1), (1, 9), (7, 3)] {
            let clock = MovingClock::new(width, height);
            clock.read(&clock.picture(7));
        }
    }
}
