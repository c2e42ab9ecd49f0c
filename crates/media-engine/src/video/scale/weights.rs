//! How much of which samples is in each sample of a scaled row or column.

/// What all weights of a sample add up to, for columns. Sums of 8-bit samples so weighted fit 16 bits.
pub(super) const COLUMN_ONE: i32 = 1 << 8;
/// The same for rows.
pub(super) const ROW_ONE: i32 = 1 << 14;

/// Where a row or a column begins and how its samples lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    /// Samples of the source, outside of the part too.
    pub(super) source: usize,
    /// Where the part begins, in samples of the source.
    pub(super) begin: f64,
    /// Samples of the source for one of the target.
    pub(super) step: f64,
    /// Samples of the target.
    pub(super) target: usize,
}

/// Weights along one axis.
#[derive(Debug, Default)]
pub(super) struct Weights {
    axis: Option<Axis>,
    /// The first sample of the source for each of the target.
    begins: Vec<u32>,
    /// Weights for each sample of the target.
    pub(super) taps: usize,
    /// `taps` for each of the target, one after another.
    weights: Vec<i16>,
}

impl Weights {
    /// Works them out, unless they are there. `multiple` is of what the number of taps is to be one: more may be read of the
    /// source than there is, with a weight of zero.
    pub(super) fn prepare(&mut self, axis: Axis, one: i32, multiple: usize) {
        if self.axis == Some(axis) {
            return;
        }
        self.axis = Some(axis);
        let reach = axis.step.max(1.0);
        let shape = |distance: f64| {
            let distance = distance.abs() / reach;
            match distance {
                _ if distance >= 1.0 => 0.0,
                _ if axis.step <= 1.0 => 1.0 - distance,
                _ => {
                    let angle = std::f64::consts::PI * distance;
                    let sinc = if angle == 0.0 { 1.0 } else { angle.sin() / angle };
                    sinc * (0.54 + 0.46 * angle.cos())
                }
            }
        };
        let most = axis.source.min(2 * reach.ceil() as usize + 1);
        self.taps = most.next_multiple_of(multiple);
        self.begins.clear();
        self.weights.clear();
        let mut exact = vec![0.0; most];
        let mut used = 0;
        for target in 0..axis.target {
            // The middle of the sample, where the middle of the first one is zero.
            let middle = axis.begin + (target as f64 + 0.5) * axis.step - 0.5;
            // Rounding may put it outside by nothing.
            let middle = middle.clamp(0.0, (axis.source - 1) as f64);
            let begin = ((middle - reach).floor() + 1.0).max(0.0) as usize;
            let begin = begin.min(axis.source - most);
            for (at, weight) in exact.iter_mut().enumerate() {
                *weight = shape((begin + at) as f64 - middle);
            }
            let sum: f64 = exact.iter().sum();
            // What rounding leaves goes to the next, so that all of them add up to one.
            let (mut given, mut due) = (0, 0.0);
            for (at, weight) in exact.iter().enumerate() {
                due += weight / sum * f64::from(one);
                let weight = due.round() as i32 - given;
                given += weight;
                self.weights.push(weight as i16);
                if weight != 0 {
                    used = used.max(at + 1);
                }
            }
            self.weights.resize(self.begins.len() * self.taps + self.taps, 0);
            self.begins.push(begin as u32);
        }
        self.shorten(used.next_multiple_of(multiple));
    }

    /// Leaves out what is zero at the end of all.
    fn shorten(&mut self, taps: usize) {
        if taps == self.taps {
            return;
        }
        for target in 0..self.begins.len() {
            let from = target * self.taps;
            self.weights.copy_within(from..from + taps, target * taps);
        }
        self.weights.truncate(self.begins.len() * taps);
        self.taps = taps;
    }

    /// From where to where the source is looked at.
    pub(super) fn span(&self, source: usize) -> (usize, usize) {
        let first = self.begins.iter().min().map_or(0, |first| *first as usize);
        let last = self.begins.iter().max().map_or(0, |last| *last as usize);
        (first, (last + self.taps).min(source))
    }

    /// Each sample of the target: where it begins in the source, and its weights.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[i16])> {
        let begins = self.begins.iter().map(|begin| *begin as usize);
        begins.zip(self.weights.chunks_exact(self.taps))
    }
}
