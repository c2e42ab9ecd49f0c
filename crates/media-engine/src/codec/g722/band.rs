//! One sub-band: an adaptive quantiser and a predictor, which encoder and decoder keep in step (ITU-T G.722 §6.2).

use super::tables::ILB;

/// Which of the two bands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Low,
    High,
}

/// State of a band; names are those of the Recommendation.
#[derive(Clone, Debug)]
pub(super) struct Band {
    /// NB: the scale's logarithm.
    log_scale: i32,
    /// DET: the quantiser's scale.
    pub(super) scale: i32,
    /// SL, SH: what is predicted.
    pub(super) prediction: i32,
    /// SZ: the part of it that comes of the zeros.
    zeros_part: i32,
    /// A: coefficients of the two poles.
    poles: [i32; 2],
    /// B: coefficients of the six zeros.
    zeros: [i32; 6],
    /// D: the last six quantised differences.
    differences: [i32; 6],
    /// R: the last two reconstructed samples.
    reconstructed: [i32; 2],
    /// P: the last two partially reconstructed samples.
    partial: [i32; 2],
}

pub(super) fn saturate(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

/// Twice a 16-bit value times another, of which the upper half is kept.
fn product(coefficient: i32, value: i32) -> i32 {
    (coefficient * saturate(2 * value)) >> 15
}

impl Band {
    pub(super) fn new(side: Side) -> Self {
        Self {
            log_scale: 0,
            scale: match side {
                Side::Low => 32,
                Side::High => 8,
            },
            prediction: 0,
            zeros_part: 0,
            poles: [0; 2],
            zeros: [0; 6],
            differences: [0; 6],
            reconstructed: [0; 2],
            partial: [0; 2],
        }
    }

    /// LOGSCL and SCALEL, LOGSCH and SCALEH: the scale follows what was quantised, with `step` of its table.
    pub(super) fn adapt_scale(&mut self, side: Side, step: i32) {
        let (most, shift) = match side {
            Side::Low => (18_432, 8),
            Side::High => (22_528, 10),
        };
        self.log_scale = (((self.log_scale * 127) >> 7) + step).clamp(0, most);
        let mantissa = ILB[(self.log_scale >> 6 & 31) as usize];
        let exponent = shift - (self.log_scale >> 11);
        let scale = if exponent < 0 { mantissa << -exponent } else { mantissa >> exponent };
        self.scale = scale << 2;
    }

    /// Takes in a quantised difference, adapts the predictor by it, and predicts the next sample.
    pub(super) fn update(&mut self, difference: i32) {
        // RECONS and PARREC.
        let reconstructed = saturate(self.prediction + difference);
        let partial = saturate(self.zeros_part + difference);

        // UPPOL2.
        let same = |a: i32, b: i32| (a < 0) == (b < 0);
        let first = saturate(self.poles[0] << 2);
        let first = if same(partial, self.partial[0]) { -first } else { first }.min(32_767);
        let sign = if same(partial, self.partial[1]) { 128 } else { -128 };
        let second = (first >> 7) + sign + ((self.poles[1] * 32_512) >> 15);
        let second = second.clamp(-12_288, 12_288);

        // UPPOL1.
        let sign = if same(partial, self.partial[0]) { 192 } else { -192 };
        let first = saturate(sign + ((self.poles[0] * 32_640) >> 15));
        let limit = saturate(15_360 - second);
        self.poles = [first.clamp(-limit, limit), second];

        // UPZERO.
        let step = if difference == 0 { 0 } else { 128 };
        for (zero, &past) in self.zeros.iter_mut().zip(&self.differences) {
            let step = if same(past, difference) { step } else { -step };
            *zero = saturate(step + ((*zero * 32_640) >> 15));
        }

        // DELAYA.
        self.differences.rotate_right(1);
        self.differences[0] = difference;
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];

        // FILTEP, FILTEZ and PREDIC.
        let by_poles = saturate(
            product(self.poles[0], self.reconstructed[0])
                + product(self.poles[1], self.reconstructed[1]),
        );
        let by_zeros =
            self.zeros.iter().zip(&self.differences).map(|(&zero, &past)| product(zero, past));
        self.zeros_part = saturate(by_zeros.sum());
        self.prediction = saturate(by_poles + self.zeros_part);
    }
}
