//! Pictures that tell a number and a layer all over, in colours: what the interoperability tests send to browsers, whose pages
//! read it from the screen.
//!
//! Eight cells by four. First row: the number in binary, white for one. Second: its complement. Third: six colours in turn,
//! shifted by one every 15 numbers. Fourth: four bits of layer and their complement.

use super::cells::{BLACK, COLUMNS, Colour, Grid, ROWS, Region, WHITE, draw, mean};
use crate::video::I420;

/// Numbers go up to this one, and begin again with zero.
pub const NUMBERS: u8 = 240;

/// Numbers for which the colours stay.
const COLOUR_NUMBERS: u8 = 15;

/// Red, green, blue, yellow, cyan, magenta (BT.601, limited range) ...
const PALETTE: [Colour; 6] =
    [[82, 90, 240], [145, 54, 34], [41, 240, 110], [210, 16, 146], [170, 166, 16], [107, 202, 222]];
/// ... and the same as bits of red, green and blue.
const PALETTE_BITS: [u8; 6] = [0b100, 0b010, 0b001, 0b110, 0b011, 0b101];

/// How far from the middle a channel must be to count as on or off.
const MARGIN: f32 = 24.0;

/// A picture that tells its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberedPicture {
    /// Below [`NUMBERS`].
    pub number: u8,
    /// Four bits, for simulcast: which encoding it is.
    pub layer: u8,
}

/// What a picture says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// `None` where number and complement do not agree.
    pub number: Option<u8>,
    /// `None` where layer and complement do not agree.
    pub layer: Option<u8>,
    /// How many of the eight colours are those of the number.
    pub colours: u8,
}

impl NumberedPicture {
    /// The `index`th of a sequence.
    pub fn new(index: u64, layer: u8) -> Self {
        Self { number: (index % u64::from(NUMBERS)) as u8, layer: layer & 15 }
    }

    /// Draws it, all over.
    ///
    /// # Panics
    ///
    /// As [`I420::black`].
    pub fn draw(self, width: u16, height: u16) -> I420 {
        let mut cells: Grid = [[BLACK; COLUMNS]; ROWS];
        let step = usize::from(self.number / COLOUR_NUMBERS);
        let layer = self.layer & 15;
        for column in 0..COLUMNS {
            let bit = |value: u8| {
                if value >> (COLUMNS - 1 - column) & 1 == 1 { WHITE } else { BLACK }
            };
            cells[0][column] = bit(self.number);
            cells[1][column] = bit(!self.number);
            cells[2][column] = PALETTE[(step + column) % PALETTE.len()];
            cells[3][column] = bit(layer << 4 | !layer & 15);
        }
        let mut picture = I420::black(width, height);
        let region = Region::all(&picture);
        draw(&mut picture, region, &cells);
        picture
    }

    /// Reads it.
    pub fn read(picture: &I420) -> Reading {
        let region = Region::all(picture);
        let cell = |row, column| bits(mean(picture, region, column, row));
        let value = |row, mut columns: std::ops::Range<usize>| {
            columns.try_fold(0u8, |value, column| match cell(row, column)? {
                0 => Some(value << 1),
                0b111 => Some(value << 1 | 1),
                _ => None,
            })
        };
        let number = match (value(0, 0..COLUMNS), value(1, 0..COLUMNS)) {
            (Some(number), Some(complement)) if number == !complement => Some(number),
            _ => None,
        };
        let layer = match (value(3, 0..4), value(3, 4..8)) {
            (Some(layer), Some(complement)) if layer == !complement & 15 => Some(layer),
            _ => None,
        };
        let step = usize::from(number.unwrap_or(0) / COLOUR_NUMBERS);
        let right = |column: &usize| {
            cell(2, *column) == Some(PALETTE_BITS[(step + column) % PALETTE_BITS.len()])
        };
        Reading { number, layer, colours: (0..COLUMNS).filter(right).count() as u8 }
    }
}

/// Red, green and blue, each on or off (BT.601, limited range); `None` where one is neither.
fn bits([y, u, v]: Colour) -> Option<u8> {
    let (y, u, v) = (1.164 * (f32::from(y) - 16.0), f32::from(u) - 128.0, f32::from(v) - 128.0);
    [y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u].into_iter().try_fold(
        0u8,
        |bits, channel| {
            let distance = channel - 128.0;
            (distance.abs() >= MARGIN).then_some(bits << 1 | u8::from(distance > 0.0))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_read_again() {
        for (width, height) in [(64, 48), (65, 49), (320, 180)] {
            for index in 0..u64::from(NUMBERS) {
                let drawn = NumberedPicture::new(index + u64::from(NUMBERS), (index % 16) as u8);
                let reading = NumberedPicture::read(&drawn.draw(width, height));
                let whole =
                    Reading { number: Some(drawn.number), layer: Some(drawn.layer), colours: 8 };
                assert_eq!(reading, whole, "{index} at {width}x{height}");
            }
        }
    }

    #[test]
    fn what_is_no_such_picture_tells_nothing() {
        let nothing = NumberedPicture::read(&I420::black(64, 48));
        assert_eq!((nothing.number, nothing.layer), (None, None));
        let mut grey = NumberedPicture::new(5, 1).draw(64, 48);
        grey.planes_mut().0.fill(128);
        assert_eq!(NumberedPicture::read(&grey).number, None);
        // Smaller than the grid.
        NumberedPicture::read(&NumberedPicture::new(5, 1).draw(1, 1));
    }

    #[test]
    fn the_picture_is_that_of_the_interoperability_tests() {
        let picture = NumberedPicture { number: 0b1010_0001, layer: 0b0101 }.draw(16, 8);
        let frame = picture.as_bytes();
        let row = |row: usize| -> String {
            let cell = |column: usize| frame[row * 2 * 16 + column * 2];
            (0..8).map(|column| if cell(column) > 128 { '1' } else { '0' }).collect()
        };
        assert_eq!([row(0), row(1), row(3)], ["10100001", "01011110", "01011010"]);
        // 161 / 15 = 10: the colours begin with the fifth, cyan.
        assert_eq!((frame[2 * 2 * 16], frame[16 * 8 + 2 * 8]), (PALETTE[4][0], PALETTE[4][1]));
    }
}
