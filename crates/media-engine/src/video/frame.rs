//! A picture in planes of luma and chroma, shared by all that show or encode it.

use std::sync::Arc;
use std::time::Duration;

/// The largest width and height.
pub const MAX_DIMENSION: u16 = 16_384;

/// By how much a picture is to be turned clockwise before it is shown (3GPP TS 26.114 §7.4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rotation {
    /// Not at all.
    #[default]
    None,
    /// By 90°.
    Quarter,
    /// By 180°.
    Half,
    /// By 270°.
    ThreeQuarters,
}

/// Which plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Plane {
    /// Luma.
    Y,
    /// Blue difference, of half the width and height.
    U,
    /// Red difference, of half the width and height.
    V,
}

/// A picture of 8-bit samples in three planes (4:2:0). Rows lie beside each other without padding; where width or height is
/// odd, chroma is rounded up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct I420 {
    width: u16,
    height: u16,
    /// The planes one after another.
    data: Vec<u8>,
}

impl I420 {
    /// A black picture.
    ///
    /// # Panics
    ///
    /// If width or height is zero or beyond [`MAX_DIMENSION`].
    pub fn black(width: u16, height: u16) -> Self {
        let mut data = vec![16; Self::len(width, height)];
        data[usize::from(width) * usize::from(height)..].fill(128);
        Self { width, height, data }
    }

    /// From the three planes one after another; `None` unless there are as many samples as that takes, and width and height
    /// are as [`black`](Self::black) takes them.
    pub fn from_planes(width: u16, height: u16, data: Vec<u8>) -> Option<Self> {
        let sizes = 1..=MAX_DIMENSION;
        let fits = sizes.contains(&width) && sizes.contains(&height);
        (fits && data.len() == Self::len(width, height)).then_some(Self { width, height, data })
    }

    /// Copies planes whose rows begin `strides` bytes apart, as decoders have them; `None` unless all samples are there, and
    /// width and height are as [`black`](Self::black) takes them.
    pub fn from_strided(
        width: u16,
        height: u16,
        planes: [&[u8]; 3],
        strides: [usize; 3],
    ) -> Option<Self> {
        let mut picture = Self { width: 0, height: 0, data: Vec::new() };
        picture.copy_strided(width, height, planes, strides).then_some(picture)
    }

    /// The same into a picture whose memory serves again. Whether all samples were there: else it stays as it was.
    pub fn copy_strided(
        &mut self,
        width: u16,
        height: u16,
        planes: [&[u8]; 3],
        strides: [usize; 3],
    ) -> bool {
        let sizes = 1..=MAX_DIMENSION;
        if !sizes.contains(&width) || !sizes.contains(&height) {
            return false;
        }
        let size = |index: usize| {
            let shift = usize::from(index > 0);
            ((usize::from(width) + shift) >> shift, (usize::from(height) + shift) >> shift)
        };
        for (index, (plane, stride)) in planes.into_iter().zip(strides).enumerate() {
            let (columns, rows) = size(index);
            if stride < columns || plane.len() < stride.saturating_mul(rows - 1) + columns {
                return false;
            }
        }
        self.data.clear();
        self.data.reserve(Self::len(width, height));
        for (index, (plane, stride)) in planes.into_iter().zip(strides).enumerate() {
            let (columns, rows) = size(index);
            if stride == columns {
                self.data.extend_from_slice(&plane[..columns * rows]);
                continue;
            }
            for row in plane.chunks(stride).take(rows) {
                self.data.extend_from_slice(&row[..columns]);
            }
        }
        (self.width, self.height) = (width, height);
        true
    }

    /// Gives it another size, in the memory that it has where that is enough. What its samples are then is not said.
    ///
    /// # Panics
    ///
    /// As [`black`](Self::black).
    pub fn reset(&mut self, width: u16, height: u16) {
        self.data.resize(Self::len(width, height), 0);
        (self.width, self.height) = (width, height);
    }

    fn len(width: u16, height: u16) -> usize {
        let sizes = 1..=MAX_DIMENSION;
        assert!(sizes.contains(&width) && sizes.contains(&height), "{width}x{height}");
        let (width, height) = (usize::from(width), usize::from(height));
        width * height + 2 * width.div_ceil(2) * height.div_ceil(2)
    }

    /// Width of luma.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Height of luma.
    pub fn height(&self) -> u16 {
        self.height
    }

    /// Width and height of a plane, which is also the distance of its rows.
    pub fn size(&self, plane: Plane) -> (usize, usize) {
        let (width, height) = (usize::from(self.width), usize::from(self.height));
        match plane {
            Plane::Y => (width, height),
            Plane::U | Plane::V => (width.div_ceil(2), height.div_ceil(2)),
        }
    }

    /// The samples of a plane.
    pub fn plane(&self, plane: Plane) -> &[u8] {
        let (y, u, v) = self.planes();
        match plane {
            Plane::Y => y,
            Plane::U => u,
            Plane::V => v,
        }
    }

    /// All three: luma, blue and red difference.
    pub fn planes(&self) -> (&[u8], &[u8], &[u8]) {
        let (luma, chroma) = self.lens();
        let (y, rest) = self.data.split_at(luma);
        let (u, v) = rest.split_at(chroma);
        (y, u, v)
    }

    /// The same, to be written.
    pub fn planes_mut(&mut self) -> (&mut [u8], &mut [u8], &mut [u8]) {
        let (luma, chroma) = self.lens();
        let (y, rest) = self.data.split_at_mut(luma);
        let (u, v) = rest.split_at_mut(chroma);
        (y, u, v)
    }

    fn lens(&self) -> (usize, usize) {
        let ((width, height), (half, rows)) = (self.size(Plane::Y), self.size(Plane::U));
        (width * height, half * rows)
    }

    /// The planes one after another, as files of raw video have them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.data
    }
}

/// A picture at a time. Its samples are shared: a clone costs a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoFrame {
    /// The samples. Whoever is alone with them may write them (`Arc::get_mut`, `Arc::make_mut`).
    pub picture: Arc<I420>,
    /// When it was taken, on the clock of its source; begins anywhere.
    pub time: Duration,
    /// How it is to be turned to be upright.
    pub rotation: Rotation,
}

impl VideoFrame {
    /// An upright picture.
    pub fn new(picture: I420, time: Duration) -> Self {
        Self { picture: Arc::new(picture), time, rotation: Rotation::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroma_of_odd_sizes_is_rounded_up() {
        let mut picture = I420::black(5, 3);
        assert_eq!(picture.as_bytes().len(), 15 + 2 * 6);
        assert_eq!((picture.size(Plane::Y), picture.size(Plane::V)), ((5, 3), (3, 2)));
        picture.planes_mut().2[5] = 1;
        assert_eq!(picture.plane(Plane::V), [128, 128, 128, 128, 128, 1]);
        assert_eq!(picture.as_bytes()[26], 1);
        assert_eq!(I420::from_planes(5, 3, picture.as_bytes().to_vec()), Some(picture));
        assert_eq!(I420::from_planes(5, 4, vec![0; 27]), None);
        assert_eq!(I420::from_planes(0, 0, vec![]), None);
    }

    #[test]
    fn padding_of_rows_is_left_out() {
        let (y, u, v) = ([1, 2, 3, 0, 4, 5, 6], [7, 8, 0, 0, 0, 0], [9, 10]);
        let picture = I420::from_strided(3, 2, [&y, &u, &v], [4, 3, 2]).unwrap();
        assert_eq!(picture.as_bytes(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(I420::from_strided(3, 2, [&y[..6], &u, &v], [4, 3, 2]), None);
        assert_eq!(I420::from_strided(3, 2, [&y, &u, &v], [2, 3, 2]), None);
        assert_eq!(I420::from_strided(0, 2, [&y, &u, &v], [4, 3, 2]), None);
        let mut again = I420::black(9, 9);
        assert!(!again.copy_strided(3, 2, [&y[..6], &u, &v], [4, 3, 2]));
        assert_eq!(again, I420::black(9, 9), "nothing was written");
        assert!(again.copy_strided(3, 2, [&y, &u, &v], [4, 3, 2]));
        assert_eq!(again, picture);
    }
}
