//! Transforms of two blocks, with the memory that they need.

use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// Transforms of one length.
pub(super) struct Transform {
    forward: Arc<dyn RealToComplex<f32>>,
    backward: Arc<dyn ComplexToReal<f32>>,
    scratch: Vec<Complex32>,
    size: usize,
}

impl Transform {
    pub(super) fn new(size: usize) -> Self {
        let mut planner = RealFftPlanner::<f32>::new();
        let (forward, backward) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
        let scratch = forward.get_scratch_len().max(backward.get_scratch_len());
        Self { forward, backward, scratch: vec![Complex32::default(); scratch], size }
    }

    /// Frequencies of a spectrum.
    pub(super) fn bins(&self) -> usize {
        self.size / 2 + 1
    }

    /// `samples` is used up.
    pub(super) fn forward(&mut self, samples: &mut [f32], bins: &mut [Complex32]) {
        // The lengths are the plan's own: it cannot fail.
        let planned = self.forward.process_with_scratch(samples, bins, &mut self.scratch);
        debug_assert!(planned.is_ok());
    }

    /// `bins` is used up.
    pub(super) fn backward(&mut self, bins: &mut [Complex32], samples: &mut [f32]) {
        // Neither the mean nor the highest frequency has a phase.
        let last = bins.len() - 1;
        (bins[0].im, bins[last].im) = (0.0, 0.0);
        let planned = self.backward.process_with_scratch(bins, samples, &mut self.scratch);
        debug_assert!(planned.is_ok());
        let scale = 1.0 / self.size as f32;
        samples.iter_mut().for_each(|sample| *sample *= scale);
    }
}
