//! Between floating-point samples and the 16-bit integers that older codecs and files count in.

/// A sample as an integer, rounded, and held at the ends where it is beyond full scale.
pub fn to_i16(sample: f32) -> i16 {
    // A cast holds what is out of range at the ends, and makes zero of what is no number.
    (sample * 32_768.0).round_ties_even() as i16
}

/// An integer as a sample.
pub fn from_i16(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_integer_comes_back() {
        assert!((i16::MIN..=i16::MAX).all(|sample| to_i16(from_i16(sample)) == sample));
        assert_eq!((to_i16(1.5), to_i16(-1.5), to_i16(f32::NAN)), (i16::MAX, i16::MIN, 0));
    }
}
