//! A plane whose size is rounded up to whole blocks and which has a border, so that filters and searches need no cases for edges.

/// Samples beyond each edge.
pub(super) const BORDER: usize = 8;

/// A plane with a border.
#[derive(Debug, Clone, Default)]
pub(super) struct Padded<T> {
    data: Vec<T>,
    width: usize,
    height: usize,
}

impl<T: Copy + Default> Padded<T> {
    /// One of a size without the border. Keeps the memory where it is of that size already, and what is in it.
    pub(super) fn resize(&mut self, width: usize, height: usize) {
        if (self.width, self.height) != (width, height) {
            (self.width, self.height) = (width, height);
            self.data.clear();
            self.data.resize(self.stride() * (height + 2 * BORDER), T::default());
        }
    }

    /// Samples from one row to the next.
    pub(super) fn stride(&self) -> usize {
        self.width + 2 * BORDER
    }

    /// Where a sample is; up to [`BORDER`] outside.
    pub(super) fn at(&self, x: isize, y: isize) -> usize {
        let border = BORDER as isize;
        ((y + border) as usize) * self.stride() + (x + border) as usize
    }

    /// All samples, the border's too.
    pub(super) fn data(&self) -> &[T] {
        &self.data
    }

    /// The same, to be written.
    pub(super) fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The last sample of each row and column goes on into the border.
    pub(super) fn extend(&mut self) {
        let (stride, width, height) = (self.stride(), self.width, self.height);
        for row in self.data.chunks_exact_mut(stride).skip(BORDER).take(height) {
            let (first, last) = (row[BORDER], row[BORDER + width - 1]);
            row[..BORDER].fill(first);
            row[BORDER + width..].fill(last);
        }
        let (first, last) = (BORDER * stride, (BORDER + height - 1) * stride);
        for row in 0..BORDER {
            self.data.copy_within(first..first + stride, row * stride);
            self.data.copy_within(last..last + stride, last + (row + 1) * stride);
        }
    }
}

impl Padded<u8> {
    /// Takes over a plane that is at most as large; its last samples go on to the edge of the last block and into the border.
    pub(super) fn load(&mut self, plane: &[u8], width: usize) {
        let (stride, whole) = (self.stride(), self.width);
        let height = plane.len() / width;
        let rows = self.data.chunks_exact_mut(stride).skip(BORDER);
        for (to, from) in rows.zip(plane.chunks_exact(width)) {
            to[BORDER..BORDER + width].copy_from_slice(from);
            to[BORDER + width..BORDER + whole].fill(from[width - 1]);
        }
        let last = (BORDER + height - 1) * stride;
        for row in height..self.height {
            self.data.copy_within(last..last + stride, (BORDER + row) * stride);
        }
        self.extend();
    }

    /// Writes to a plane that is at most as large.
    pub(super) fn store(&self, plane: &mut [u8], width: usize) {
        let rows = self.data.chunks_exact(self.stride()).skip(BORDER);
        for (to, from) in plane.chunks_exact_mut(width).zip(rows) {
            to.copy_from_slice(&from[BORDER..BORDER + width]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_go_on_to_the_whole_block_and_beyond() {
        let mut padded = Padded::<u8>::default();
        padded.resize(8, 8);
        padded.load(&[1, 2, 3, 4, 5, 6], 3);
        let at = |x, y| padded.data()[padded.at(x, y)];
        assert_eq!([at(0, 0), at(2, 0), at(7, 0), at(15, 0)], [1, 3, 3, 3]);
        assert_eq!([at(-8, -8), at(-1, 1), at(1, 15), at(15, 15)], [1, 4, 5, 6]);
        let mut out = [0; 6];
        padded.store(&mut out, 3);
        assert_eq!(out, [1, 2, 3, 4, 5, 6]);
    }
}
