//! How much later a frame comes because it is larger: the state is what a byte costs, and what all frames have in common.
//!
//! The observation is `delay = slope * size + offset + noise`, all of them changes from one frame to the next, in milliseconds and
//! bytes. It is a textbook Kalman filter of two states.

/// How the states wander from frame to frame (variances).
const PROCESS_NOISE: [f64; 2] = [2.5e-10, 1e-10];

/// A slope is never below this: a byte takes time.
const MIN_SLOPE: f64 = 1e-6;

#[derive(Clone, Debug)]
pub(super) struct Kalman {
    /// Milliseconds a byte.
    slope: f64,
    /// Milliseconds.
    offset: f64,
    /// How sure the two are.
    covariance: [[f64; 2]; 2],
}

impl Default for Kalman {
    /// A link of 512 kbit/s, of which nothing is sure.
    fn default() -> Self {
        Self { slope: 8.0 / 512.0, offset: 0.0, covariance: [[1e-4, 0.0], [0.0, 1e2]] }
    }
}

impl Kalman {
    /// Milliseconds a byte.
    pub(super) fn slope(&self) -> f64 {
        self.slope
    }

    /// What a change of size explains of a change of delay.
    pub(super) fn expected(&self, size_change: f64) -> f64 {
        self.slope * size_change + self.offset
    }

    /// Takes in an observation. Frames of about the same size say little about the slope, so that their noise counts as greater.
    pub(super) fn update(&mut self, delay_change: f64, size_change: f64, largest: f64, noise: f64) {
        if largest < 1.0 {
            return;
        }
        for (state, noise) in PROCESS_NOISE.iter().enumerate() {
            self.covariance[state][state] += noise;
        }
        let [[a, b], [c, d]] = self.covariance;
        let (slope_part, offset_part) = (a * size_change + b, c * size_change + d);
        let sameness = (-size_change.abs() / largest).exp();
        let observed = ((300.0 * sameness + 1.0) * noise.sqrt()).max(1.0);
        let uncertainty = size_change * slope_part + offset_part + observed;
        if !uncertainty.is_finite() || uncertainty.abs() < 1e-9 {
            return;
        }
        let gain = [slope_part / uncertainty, offset_part / uncertainty];
        let surprise = delay_change - self.expected(size_change);
        self.slope = (self.slope + gain[0] * surprise).max(MIN_SLOPE);
        self.offset += gain[1] * surprise;
        // (I - gain * [size_change 1]) * covariance
        self.covariance = [
            [a - gain[0] * (size_change * a + c), b - gain[0] * (size_change * b + d)],
            [c - gain[1] * (size_change * a + c), d - gain[1] * (size_change * b + d)],
        ];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_a_byte_is_found() {
        let mut kalman = Kalman::default();
        // A link of 2 Mbit/s: 0.004 ms a byte.
        let sizes = [1000.0, 9000.0, 3000.0, 15_000.0, 2000.0, 6000.0, 1500.0];
        let mut last = sizes[0];
        for round in 0..2000 {
            let size = sizes[(round * 3 + round / 7) % sizes.len()];
            kalman.update(0.004 * (size - last), size - last, 15_000.0, 1.0);
            last = size;
        }
        assert!((kalman.slope() - 0.004).abs() < 0.0005, "{kalman:?}");
        assert!((kalman.expected(10_000.0) - 40.0).abs() < 5.0);
    }
}
