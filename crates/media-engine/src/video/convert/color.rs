//! How luma and chroma are made of red, green and blue (ITU-R BT.601 and BT.709), in integers.

/// Which weights red, green and blue have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Matrix {
    /// ITU-R BT.601: what WebRTC takes pictures for that say nothing.
    #[default]
    Bt601,
    /// ITU-R BT.709: high definition.
    Bt709,
}

/// Which values samples have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Range {
    /// Luma from 16 to 235, chroma from 16 to 240: what codecs are handed.
    #[default]
    Limited,
    /// Both from 0 to 255: what JPEG has.
    Full,
}

/// What samples mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ColorSpace {
    /// The weights.
    pub matrix: Matrix,
    /// The values.
    pub range: Range,
}

impl ColorSpace {
    /// BT.601 in the limited range.
    pub const BT601: Self = Self { matrix: Matrix::Bt601, range: Range::Limited };
    /// BT.709 in the limited range.
    pub const BT709: Self = Self { matrix: Matrix::Bt709, range: Range::Limited };
    /// BT.601 in the full range, as JPEG has it.
    pub const JPEG: Self = Self { matrix: Matrix::Bt601, range: Range::Full };

    /// The weights of red and blue in luma.
    fn weights(self) -> (f64, f64) {
        match self.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        }
    }

    /// The least luma, and by how much luma and chroma are stretched against the full range.
    fn scales(self) -> (i32, f64, f64) {
        match self.range {
            Range::Limited => (16, 219.0 / 255.0, 224.0 / 255.0),
            Range::Full => (0, 1.0, 1.0),
        }
    }

    pub(super) fn forward(self) -> Forward {
        let ((red, blue), (base, luma, chroma)) = (self.weights(), self.scales());
        let green = 1.0 - red - blue;
        let fixed = |value: f64| (value * f64::from(1 << FORWARD_BITS)).round() as i32;
        // The weights of luma add up to all of it, those of chroma to nothing, whatever rounding does: white stays white, and
        // grey has no colour.
        let y = [fixed(red * luma), 0, fixed(blue * luma)];
        let y = [y[0], fixed(luma) - y[0] - y[2], y[2]];
        let (along_blue, along_red) = (chroma / (2.0 - 2.0 * blue), chroma / (2.0 - 2.0 * red));
        let u = [fixed(-red * along_blue), fixed(-green * along_blue), 0];
        let v = [0, fixed(-green * along_red), fixed(-blue * along_red)];
        Forward { base, y, u: [u[0], u[1], -u[0] - u[1]], v: [-v[1] - v[2], v[1], v[2]] }
    }

    pub(super) fn backward(self) -> Backward {
        let ((red, blue), (base, luma, chroma)) = (self.weights(), self.scales());
        let green = 1.0 - red - blue;
        let fixed = |value: f64| (value * f64::from(1 << BACKWARD_BITS)).round() as i32;
        let (of_red, of_blue) = ((2.0 - 2.0 * red) / chroma, (2.0 - 2.0 * blue) / chroma);
        Backward {
            base,
            y: fixed(1.0 / luma),
            red_v: fixed(of_red),
            green_u: -fixed(of_blue * blue / green),
            green_v: -fixed(of_red * red / green),
            blue_u: fixed(of_blue),
        }
    }
}

/// Weights of red, green and blue fit 16 bits with so many behind the point.
pub(super) const FORWARD_BITS: u32 = 15;
/// The same for luma and chroma, whose weights reach 2.1.
pub(super) const BACKWARD_BITS: u32 = 13;

/// Luma and chroma of red, green and blue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forward {
    pub(super) base: i32,
    pub(super) y: [i32; 3],
    pub(super) u: [i32; 3],
    pub(super) v: [i32; 3],
}

/// Red, green and blue of luma and chroma.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backward {
    pub(super) base: i32,
    pub(super) y: i32,
    pub(super) red_v: i32,
    pub(super) green_u: i32,
    pub(super) green_v: i32,
    pub(super) blue_u: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_fit_sixteen_bits() {
        for matrix in [Matrix::Bt601, Matrix::Bt709] {
            for range in [Range::Limited, Range::Full] {
                let space = ColorSpace { matrix, range };
                let (to, back) = (space.forward(), space.backward());
                let back = [back.y, back.red_v, back.green_u, back.green_v, back.blue_u];
                let all = to.y.iter().chain(&to.u).chain(&to.v).chain(&back);
                for weight in all {
                    assert!(i16::try_from(*weight).is_ok(), "{weight} of {space:?}");
                }
            }
        }
    }
}
