//! The slope of the one-way delay, and whether it means that a queue is filling (draft-ietf-rmcat-gcc-02 §5.4; the
//! regression line took the place of that draft's Kalman filter in all implementations).
//!
//! The threshold adapts: a queue that others keep filling would otherwise starve this flow, and a quiet path would
//! otherwise hide a small queue.

use super::arrival::Delta;

/// Points of the regression.
const WINDOW: usize = 20;
/// How much of the old delay the smoothing keeps.
const SMOOTHING: f64 = 0.9;
/// Brings the slope to the scale of the threshold.
const GAIN: f64 = 4.0;
/// Slopes of young flows count less.
const MAX_DELTAS: u32 = 60;
const INITIAL_THRESHOLD: f64 = 12.5;
const THRESHOLD_RANGE: (f64, f64) = (6.0, 600.0);
/// Speeds of adaptation, per millisecond, outward and inward (draft-ietf-rmcat-gcc-02 §5.4).
const SPEED_UP: f64 = 0.0087;
const SPEED_DOWN: f64 = 0.039;
/// A spike this far above the threshold is no reason to adapt.
const MAX_SPIKE: f64 = 15.0;
/// The slope must stay above the threshold so long, in milliseconds, before it is overuse.
const OVERUSE_TIME_MS: f64 = 10.0;

/// What the delay says about the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Usage {
    /// The queue stays as it is.
    #[default]
    Normal,
    /// A queue is filling.
    Over,
    /// A queue is draining.
    Under,
}

/// The detector; see the module.
#[derive(Debug)]
pub(crate) struct Trendline {
    points: [(f64, f64); WINDOW],
    /// Points in use, and where the next goes.
    filled: usize,
    next: usize,
    deltas: u32,
    first_at: Option<i64>,
    accumulated_ms: f64,
    smoothed_ms: f64,
    previous_trend: f64,
    threshold: f64,
    adapted_at: Option<i64>,
    over_for_ms: f64,
    over_count: u32,
    usage: Usage,
}

impl Default for Trendline {
    fn default() -> Self {
        Self {
            points: [(0.0, 0.0); WINDOW],
            filled: 0,
            next: 0,
            deltas: 0,
            first_at: None,
            accumulated_ms: 0.0,
            smoothed_ms: 0.0,
            previous_trend: 0.0,
            threshold: INITIAL_THRESHOLD,
            adapted_at: None,
            over_for_ms: -1.0,
            over_count: 0,
            usage: Usage::Normal,
        }
    }
}

impl Trendline {
    /// What the delay says as of the last delta.
    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// Two neighbouring groups.
    pub(crate) fn push(&mut self, delta: Delta) {
        let variation_ms = delta.arrived.saturating_sub(delta.sent) as f64 / 1_000.0;
        self.deltas = (self.deltas + 1).min(1_000);
        let first_at = *self.first_at.get_or_insert(delta.at);
        self.accumulated_ms += variation_ms;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.accumulated_ms;

        self.points[self.next] =
            (delta.at.saturating_sub(first_at) as f64 / 1_000.0, self.smoothed_ms);
        self.next = (self.next + 1) % WINDOW;
        self.filled = (self.filled + 1).min(WINDOW);

        let trend = if self.filled == WINDOW {
            slope(&self.points).unwrap_or(self.previous_trend)
        } else {
            self.previous_trend
        };
        self.detect(trend, delta.sent as f64 / 1_000.0, delta.at);
        self.previous_trend = trend;
    }

    fn detect(&mut self, trend: f64, send_delta_ms: f64, at: i64) {
        let scaled = f64::from(self.deltas.min(MAX_DELTAS)) * trend * GAIN;
        if self.deltas < 2 {
            self.usage = Usage::Normal;
            return;
        }
        if scaled > self.threshold {
            self.over_for_ms = if self.over_for_ms < 0.0 {
                // It passed the threshold somewhere between the two groups.
                send_delta_ms / 2.0
            } else {
                self.over_for_ms + send_delta_ms
            };
            self.over_count += 1;
            if self.over_for_ms > OVERUSE_TIME_MS
                && self.over_count > 1
                && trend >= self.previous_trend
            {
                self.over_for_ms = 0.0;
                self.over_count = 0;
                self.usage = Usage::Over;
            }
        } else {
            self.over_for_ms = -1.0;
            self.over_count = 0;
            self.usage = if scaled < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.adapt(scaled.abs(), at);
    }

    fn adapt(&mut self, magnitude: f64, at: i64) {
        let since_ms = self
            .adapted_at
            .map_or(0.0, |before| (at.saturating_sub(before) as f64 / 1_000.0).clamp(0.0, 100.0));
        self.adapted_at = Some(at);
        if magnitude > self.threshold + MAX_SPIKE {
            return;
        }
        let speed = if magnitude < self.threshold { SPEED_DOWN } else { SPEED_UP };
        self.threshold += speed * (magnitude - self.threshold) * since_ms;
        self.threshold = self.threshold.clamp(THRESHOLD_RANGE.0, THRESHOLD_RANGE.1);
    }
}

/// The least-squares slope; `None` where all points have one time.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
    let (mean_x, mean_y) = (sum_x / n, sum_y / n);
    let (mut numerator, mut denominator) = (0.0, 0.0);
    for &(x, y) in points {
        numerator += (x - mean_x) * (y - mean_y);
        denominator += (x - mean_x) * (x - mean_x);
    }
    (denominator > 0.0).then(|| numerator / denominator)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds groups 20 ms apart that arrive with these distances.
    fn feed(trendline: &mut Trendline, at: &mut i64, arrivals: impl Iterator<Item = i64>) -> bool {
        let mut over = false;
        for arrived in arrivals {
            *at += arrived;
            trendline.push(Delta { sent: 20_000, arrived, at: *at });
            over |= trendline.usage() == Usage::Over;
        }
        over
    }

    #[test]
    fn a_steady_path_is_normal() {
        let mut trendline = Trendline::default();
        assert!(!feed(&mut trendline, &mut 0, std::iter::repeat_n(20_000, 200)));
        assert_eq!(trendline.usage(), Usage::Normal);
    }

    #[test]
    fn a_filling_queue_is_overuse_and_a_draining_one_is_underuse() {
        let mut trendline = Trendline::default();
        let mut at = 0;
        feed(&mut trendline, &mut at, std::iter::repeat_n(20_000, 60));
        assert!(feed(&mut trendline, &mut at, std::iter::repeat_n(25_000, 20)));
        feed(&mut trendline, &mut at, std::iter::repeat_n(15_000, 40));
        assert_eq!(trendline.usage(), Usage::Under);
    }

    #[test]
    fn jitter_alone_is_not_overuse() {
        let mut trendline = Trendline::default();
        let jitter = (0..400).map(|i| if i % 2 == 0 { 17_000 } else { 23_000 });
        assert!(!feed(&mut trendline, &mut 0, jitter));
    }
}
