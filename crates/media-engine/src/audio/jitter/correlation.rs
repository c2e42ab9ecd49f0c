//! How alike two stretches of sound are, and at which lag they are most alike: what the pitch period of speech is found by.

/// The rate at which lags are searched coarsely, in Hz: pitch and its first formants are below half of it.
pub(super) const COARSE_RATE: u32 = 8_000;

/// The normalised cross-correlation, -1 to 1; 1 where both are silent, for silence is like silence.
pub(super) fn likeness(a: &[f32], b: &[f32]) -> f32 {
    let (mut ab, mut aa, mut bb) = (0.0f32, 0.0f32, 0.0f32);
    for (a, b) in a.iter().zip(b) {
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    let energy = (aa * bb).sqrt();
    // Both below -120 dB of full scale.
    if aa.max(bb) <= 1e-12 * a.len() as f32 {
        return 1.0;
    }
    if energy > 0.0 { (ab / energy).clamp(-1.0, 1.0) } else { 0.0 }
}

/// The mean of all channels of `samples` into `out`.
pub(super) fn mono(samples: &[f32], channels: usize, out: &mut Vec<f32>) {
    out.clear();
    if channels == 1 {
        out.extend_from_slice(samples);
        return;
    }
    let scale = 1.0 / channels as f32;
    out.extend(samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * scale));
}

/// The mean of each `factor` samples into `out`, counted from the end, so that the newest are kept.
fn decimate(samples: &[f32], factor: usize, out: &mut Vec<f32>) {
    out.clear();
    let odd = samples.len() % factor;
    let scale = 1.0 / factor as f32;
    out.extend(samples[odd..].chunks_exact(factor).map(|c| c.iter().sum::<f32>() * scale));
}

/// Memory of a search, kept from one to the next.
#[derive(Debug, Default)]
pub(super) struct Search {
    coarse: Vec<f32>,
}

impl Search {
    /// The lag in `range` at which the last `window` samples of `signal` are most like those so much earlier, and how like.
    /// Looks at every lag at [`COARSE_RATE`] and then around the best at the full rate. `None` where `signal` is too short.
    pub(super) fn back(
        &mut self,
        signal: &[f32],
        rate: u32,
        window: usize,
        range: std::ops::RangeInclusive<usize>,
    ) -> Option<(usize, f32)> {
        let (least, most) = range.into_inner();
        if window == 0 || least == 0 || least > most || signal.len() < window + most {
            return None;
        }
        let factor = (rate / COARSE_RATE).max(1) as usize;
        let signal = &signal[signal.len() - window - most..];
        let at = |lag: usize| {
            let end = signal.len();
            likeness(&signal[end - window..], &signal[end - window - lag..end - lag])
        };
        let mut best = (least, f32::NEG_INFINITY);
        if factor > 1 {
            decimate(signal, factor, &mut self.coarse);
            let (coarse, end) = (&self.coarse, self.coarse.len());
            let window = window / factor;
            for lag in least.div_ceil(factor)..=most / factor {
                if window == 0 || window + lag > end {
                    break;
                }
                let like =
                    likeness(&coarse[end - window..], &coarse[end - window - lag..end - lag]);
                if like > best.1 {
                    best = (lag * factor, like);
                }
            }
            let around =
                best.0.saturating_sub(factor - 1).max(least)..=(best.0 + factor - 1).min(most);
            best = around.map(|lag| (lag, at(lag))).fold((best.0, f32::NEG_INFINITY), better);
        } else {
            best = (least..=most).map(|lag| (lag, at(lag))).fold(best, better);
        }
        Some(best)
    }
}

fn better(best: (usize, f32), other: (usize, f32)) -> (usize, f32) {
    if other.1 > best.1 { other } else { best }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_of_a_tone_is_found() {
        for rate in [8_000, 16_000, 44_100, 48_000] {
            let period = rate as f32 / 125.0;
            let tone: Vec<f32> = (0..rate / 10)
                .map(|i| {
                    let phase = i as f32 * std::f32::consts::TAU / period;
                    phase.sin() + 0.5 * (2.0 * phase + 1.0).sin()
                })
                .collect();
            let millis = |m: f32| (rate as f32 * m / 1_000.0) as usize;
            let found =
                Search::default().back(&tone, rate, millis(20.0), millis(2.5)..=millis(15.0));
            let (lag, like) = found.unwrap();
            assert!((lag as f32 - period).abs() <= 1.0 && like > 0.99, "{rate}: {lag} {like}");
        }
    }

    #[test]
    fn silence_is_like_silence_and_short_signals_have_no_period() {
        assert_eq!(likeness(&[0.0; 10], &[0.0; 10]), 1.0);
        assert_eq!(likeness(&[1.0; 10], &[0.0; 10]), 0.0);
        assert_eq!(Search::default().back(&[0.0; 10], 8_000, 5, 3..=6), None);
    }
}
