//! Where each block of 16 x 16 was in the picture before, in whole samples: the vectors of blocks beside it and of the picture before
//! are tried, and the best is followed downhill.

use super::super::padded::{BORDER, Padded};

/// Width and height of a block.
pub(super) const BLOCK: usize = 16;
/// Steps downhill from the best guess.
const STEPS: usize = 6;

/// How far a block has moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Vector {
    pub(super) x: i16,
    pub(super) y: i16,
}

impl Vector {
    fn plus(self, x: i16, y: i16) -> Self {
        Self { x: self.x + x, y: self.y + y }
    }
}

/// The vectors of a picture.
#[derive(Debug, Clone, Default)]
pub(super) struct MotionField {
    /// Of the last picture, and while one is searched of that one from its beginning on.
    vectors: Vec<Vector>,
    columns: usize,
    rows: usize,
}

impl MotionField {
    /// For so many blocks.
    pub(super) fn resize(&mut self, columns: usize, rows: usize) {
        if (self.columns, self.rows) != (columns, rows) {
            (self.columns, self.rows) = (columns, rows);
            self.vectors.clear();
            self.vectors.resize(columns * rows, Vector::default());
        }
    }

    /// Forgets what moved.
    pub(super) fn reset(&mut self) {
        self.vectors.fill(Vector::default());
    }

    /// The vector of a block.
    pub(super) fn vector(&self, column: usize, row: usize) -> Vector {
        self.vectors[row * self.columns + column]
    }

    /// Searches a block; those above and to the left have been. `noise` is the mean difference that noise alone makes.
    pub(super) fn search(
        &mut self,
        current: &Padded<u8>,
        before: &Padded<u8>,
        column: usize,
        row: usize,
        noise: f32,
    ) {
        let index = row * self.columns + column;
        let samples = (BLOCK * BLOCK) as f32;
        let quiet = (noise * samples * 1.15 + samples * 0.1) as u32;
        let search = Search::new(current, before, column, row, (self.columns, self.rows));
        let mut best = (search.difference(Vector::default()), Vector::default());
        if best.0 > quiet {
            // To leave the place must be worth more than noise may look like.
            let still = best.0.saturating_sub((noise * samples * 0.15) as u32 + 32);
            best.0 = still;
            let mut tried = [Vector::default(); 5];
            let beside = |at: Option<usize>| {
                at.and_then(|at| self.vectors.get(at)).copied().unwrap_or_default()
            };
            tried[0] = self.vectors[index];
            tried[1] = if column > 0 { beside(index.checked_sub(1)) } else { Vector::default() };
            tried[2] = beside(index.checked_sub(self.columns));
            tried[3] = beside(Some(index + 1).filter(|_| column + 1 < self.columns));
            tried[4] = beside(Some(index + self.columns));
            for at in 0..tried.len() {
                if tried[at] != Vector::default() && !tried[..at].contains(&tried[at]) {
                    search.better(&mut best, tried[at]);
                }
            }
            if best.0 > 2 * quiet {
                for (x, y) in [(4, 0), (-4, 0), (0, 4), (0, -4), (8, 0), (-8, 0), (0, 8), (0, -8)] {
                    search.better(&mut best, Vector { x, y });
                }
            }
            for _ in 0..STEPS {
                let from = best.1;
                for (x, y) in [(1, 0), (-1, 0), (0, 1), (0, -1)] {
                    search.better(&mut best, from.plus(x, y));
                }
                if best.1 == from || best.0 <= quiet {
                    break;
                }
            }
        }
        self.vectors[index] = best.1;
    }
}

/// A block and what it may have been.
struct Search<'a> {
    block: [[u8; BLOCK]; BLOCK],
    before: &'a Padded<u8>,
    x: isize,
    y: isize,
    /// How far vectors may point, least and most.
    across: (isize, isize),
    down: (isize, isize),
}

impl<'a> Search<'a> {
    fn new(
        current: &Padded<u8>,
        before: &'a Padded<u8>,
        column: usize,
        row: usize,
        (columns, rows): (usize, usize),
    ) -> Self {
        let (x, y) = ((column * BLOCK) as isize, (row * BLOCK) as isize);
        let mut block = [[0; BLOCK]; BLOCK];
        let (stride, at) = (current.stride(), current.at(x, y));
        for (row, samples) in block.iter_mut().enumerate() {
            samples.copy_from_slice(&current.data()[at + row * stride..][..BLOCK]);
        }
        let border = BORDER as isize;
        let span = |at: isize, blocks: usize| {
            (-at - border, ((blocks - 1) * BLOCK) as isize - at + border)
        };
        Self { block, before, x, y, across: span(x, columns), down: span(y, rows) }
    }

    /// The sum of absolute differences; more than any where the vector points outside.
    fn difference(&self, vector: Vector) -> u32 {
        let (x, y) = (isize::from(vector.x), isize::from(vector.y));
        if !(self.across.0..=self.across.1).contains(&x)
            || !(self.down.0..=self.down.1).contains(&y)
        {
            return u32::MAX;
        }
        let (stride, at) = (self.before.stride(), self.before.at(self.x + x, self.y + y));
        let rows = &self.before.data()[at..at + (BLOCK - 1) * stride + BLOCK];
        let mut sum = 0;
        for (row, block) in self.block.iter().enumerate() {
            let other: &[u8; BLOCK] = rows[row * stride..].first_chunk().expect("whole rows");
            let mut of_row = 0;
            for column in 0..BLOCK {
                of_row += u32::from(block[column].abs_diff(other[column]));
            }
            sum += of_row;
        }
        sum
    }

    fn better(&self, best: &mut (u32, Vector), vector: Vector) {
        let difference = self.difference(vector);
        if difference < best.0 {
            *best = (difference, vector);
        }
    }
}
