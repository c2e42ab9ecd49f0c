//! What the network is made of. Maps are channel after channel, each with its frequencies side by side; all memory is the layers' own.

/// Takes the parameters one after another out of the published ones.
pub(super) struct Parameters<'a>(pub(super) &'a [u8]);

impl Parameters<'_> {
    pub(super) fn take(&mut self, count: usize) -> Vec<f32> {
        let (own, rest) = self.0.split_at(count * 4);
        self.0 = rest;
        own.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

fn leak(map: &mut [f32], slope: f32) {
    for value in map {
        *value = if *value < 0.0 { slope * *value } else { *value };
    }
}

/// Each channel with its neighbours in frequency: three channels of each one.
pub(super) fn with_neighbours(input: &[f32], channels: usize, out: &mut [f32]) {
    let width = input.len() / channels;
    for (map, out) in input.chunks_exact(width).zip(out.chunks_exact_mut(3 * width)) {
        let (below, rest) = out.split_at_mut(width);
        let (same, above) = rest.split_at_mut(width);
        below[0] = 0.0;
        below[1..].copy_from_slice(&map[..width - 1]);
        same.copy_from_slice(map);
        above[..width - 1].copy_from_slice(&map[1..]);
        above[width - 1] = 0.0;
    }
}

/// A convolution over five frequencies that leaves each second one.
pub(super) struct Down {
    inputs: usize,
    groups: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
    slope: f32,
}

impl Down {
    pub(super) const OUTPUTS: usize = 16;

    pub(super) fn new(parameters: &mut Parameters<'_>, inputs: usize, groups: usize) -> Self {
        Self {
            inputs,
            groups,
            weights: parameters.take(Self::OUTPUTS * inputs / groups * 5),
            bias: parameters.take(Self::OUTPUTS),
            slope: parameters.take(1)[0],
        }
    }

    pub(super) fn run(&self, input: &[f32], out: &mut [f32]) {
        let (width, wide) = (input.len() / self.inputs, out.len() / Self::OUTPUTS);
        let each = self.inputs / self.groups;
        for (channel, out) in out.chunks_exact_mut(wide).enumerate() {
            out.fill(self.bias[channel]);
            let group = channel / (Self::OUTPUTS / self.groups);
            for input_channel in 0..each {
                let taps = &self.weights[(channel * each + input_channel) * 5..][..5];
                let map = &input[(group * each + input_channel) * width..][..width];
                for (at, out) in out.iter_mut().enumerate() {
                    for (tap, weight) in taps.iter().enumerate() {
                        // Beyond the edges there is nothing.
                        if let Some(value) = (2 * at + tap).checked_sub(2).and_then(|n| map.get(n))
                        {
                            *out += weight * value;
                        }
                    }
                }
            }
        }
        leak(out, self.slope);
    }
}

/// The way back: five frequencies of twice as many get a share of each.
pub(super) struct Up {
    outputs: usize,
    groups: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
    slope: Option<f32>,
}

impl Up {
    const INPUTS: usize = 16;

    pub(super) fn new(
        parameters: &mut Parameters<'_>,
        outputs: usize,
        groups: usize,
        leaks: bool,
    ) -> Self {
        Self {
            outputs,
            groups,
            weights: parameters.take(Self::INPUTS * outputs / groups * 5),
            bias: parameters.take(outputs),
            slope: leaks.then(|| parameters.take(1)[0]),
        }
    }

    pub(super) fn run(&self, input: &[f32], out: &mut [f32]) {
        let (width, wide) = (input.len() / Self::INPUTS, out.len() / self.outputs);
        let each = self.outputs / self.groups;
        for (out, &bias) in out.chunks_exact_mut(wide).zip(&self.bias) {
            out.fill(bias);
        }
        for (channel, map) in input.chunks_exact(width).enumerate() {
            let group = channel / (Self::INPUTS / self.groups);
            for output in 0..each {
                let taps = &self.weights[(channel * each + output) * 5..][..5];
                let out = &mut out[(group * each + output) * wide..][..wide];
                for (at, value) in map.iter().enumerate() {
                    for (tap, weight) in taps.iter().enumerate() {
                        let to = (2 * at + tap).checked_sub(2);
                        if let Some(out) = to.and_then(|n| out.get_mut(n)) {
                            *out += weight * value;
                        }
                    }
                }
            }
        }
        if let Some(slope) = self.slope {
            leak(out, slope);
        }
    }
}

/// Each frequency by itself, from all channels.
fn pointwise(weights: &[f32], bias: &[f32], input: &[f32], width: usize, out: &mut [f32]) {
    let inputs = input.len() / width;
    for ((out, weights), &bias) in
        out.chunks_exact_mut(width).zip(weights.chunks_exact(inputs)).zip(bias)
    {
        out.fill(bias);
        for (map, weight) in input.chunks_exact(width).zip(weights) {
            for (out, value) in out.iter_mut().zip(map) {
                *out += weight * value;
            }
        }
    }
}

/// A gated recurrent unit: update, reset, candidate.
pub(super) struct Gru {
    inputs: usize,
    size: usize,
    input: Vec<f32>,
    recurrent: Vec<f32>,
    bias: Vec<f32>,
}

impl Gru {
    /// The most that one of them holds.
    const SIZE: usize = 16;

    pub(super) fn new(parameters: &mut Parameters<'_>, inputs: usize, size: usize) -> Self {
        Self {
            inputs,
            size,
            input: parameters.take(3 * size * inputs),
            recurrent: parameters.take(3 * size * size),
            bias: parameters.take(6 * size),
        }
    }

    pub(super) fn step(&self, input: &[f32], state: &mut [f32]) {
        let size = self.size;
        let mut gates = [0.0; 3 * Self::SIZE];
        let mut held = [0.0; 3 * Self::SIZE];
        let dot = |a: &[f32], b: &[f32]| {
            a.iter().zip(b).map(|(weight, value)| weight * value).sum::<f32>()
        };
        for gate in 0..3 * size {
            gates[gate] = self.bias[gate] + dot(&self.input[gate * self.inputs..], input);
            held[gate] = self.bias[3 * size + gate]
                + dot(&self.recurrent[gate * size..(gate + 1) * size], state);
        }
        for (n, state) in state.iter_mut().enumerate().take(size) {
            let update = sigmoid(gates[n] + held[n]);
            let reset = sigmoid(gates[size + n] + held[size + n]);
            let candidate = (gates[2 * size + n] + reset * held[2 * size + n]).tanh();
            *state = (1.0 - update) * candidate + update * *state;
        }
    }
}

/// A block of the middle: half of the channels go through convolutions in frequency and time, weighed by what a recurrent unit makes of
/// their energy; then both halves are shuffled.
pub(super) struct Middle {
    /// Frames between the taps in time.
    apart: usize,
    first: (Vec<f32>, Vec<f32>, f32),
    depth: (Vec<f32>, Vec<f32>, f32),
    last: (Vec<f32>, Vec<f32>),
    attention: Gru,
    weigh: (Vec<f32>, Vec<f32>),
    state: [f32; 16],
    /// The frames before, the next to be written at `at`.
    past: Vec<[f32; 16 * Middle::WIDTH]>,
    at: usize,
}

impl Middle {
    pub(super) const CHANNELS: usize = 16;
    pub(super) const WIDTH: usize = 33;
    /// A map of the middle.
    pub(super) const SIZE: usize = Self::CHANNELS * Self::WIDTH;

    pub(super) fn new(parameters: &mut Parameters<'_>, apart: usize) -> Self {
        let mut take = |count| parameters.take(count);
        let first = (take(16 * 24), take(16), take(1)[0]);
        let depth = (take(16 * 9), take(16), take(1)[0]);
        let last = (take(8 * 16), take(8));
        Self {
            apart,
            first,
            depth,
            last,
            attention: Gru::new(parameters, 8, 16),
            weigh: (parameters.take(8 * 16), parameters.take(8)),
            state: [0.0; 16],
            past: vec![[0.0; Self::SIZE]; 2 * apart],
            at: 0,
        }
    }

    pub(super) fn run(&mut self, map: &mut [f32; Self::SIZE]) {
        const WIDTH: usize = Middle::WIDTH;
        let (worked, kept) = map.split_at(8 * WIDTH);
        let mut wide = [0.0; 24 * WIDTH];
        with_neighbours(worked, 8, &mut wide);
        let mut now = [0.0; Self::SIZE];
        pointwise(&self.first.0, &self.first.1, &wide, WIDTH, &mut now);
        leak(&mut now, self.first.2);

        // The oldest frame is where the next one will be written.
        let (oldest, older) = (self.at, (self.at + self.apart) % self.past.len());
        let mut mixed = [0.0; Self::SIZE];
        for (channel, out) in mixed.chunks_exact_mut(WIDTH).enumerate() {
            out.fill(self.depth.1[channel]);
            let range = channel * WIDTH..(channel + 1) * WIDTH;
            let frames =
                [&self.past[oldest][range.clone()], &self.past[older][range.clone()], &now[range]];
            for (time, frame) in frames.into_iter().enumerate() {
                let taps = &self.depth.0[(channel * 3 + time) * 3..][..3];
                for (at, out) in out.iter_mut().enumerate() {
                    if at > 0 {
                        *out += taps[0] * frame[at - 1];
                    }
                    *out += taps[1] * frame[at];
                    if at + 1 < WIDTH {
                        *out += taps[2] * frame[at + 1];
                    }
                }
            }
        }
        self.past[self.at] = now;
        self.at = (self.at + 1) % self.past.len();
        leak(&mut mixed, self.depth.2);

        let mut half = [0.0; 8 * WIDTH];
        pointwise(&self.last.0, &self.last.1, &mixed, WIDTH, &mut half);
        let mut energy = [0.0; 8];
        for (energy, map) in energy.iter_mut().zip(half.chunks_exact(WIDTH)) {
            *energy = map.iter().map(|value| value * value).sum::<f32>() / WIDTH as f32;
        }
        self.attention.step(&energy, &mut self.state);
        let mut weights = [0.0; 8];
        pointwise(&self.weigh.0, &self.weigh.1, &self.state, 1, &mut weights);

        let mut shuffled = [0.0; Self::SIZE];
        for (channel, pair) in shuffled.chunks_exact_mut(2 * WIDTH).enumerate() {
            let range = channel * WIDTH..(channel + 1) * WIDTH;
            let weight = sigmoid(weights[channel]);
            for (out, value) in pair.iter_mut().zip(&half[range.clone()]) {
                *out = weight * value;
            }
            pair[WIDTH..].copy_from_slice(&kept[range]);
        }
        *map = shuffled;
    }
}

/// Two halves of the channels through recurrent units, joined, normalised and added.
struct Joined {
    weights: (Vec<f32>, Vec<f32>),
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Joined {
    fn new(parameters: &mut Parameters<'_>) -> Self {
        Self {
            weights: (parameters.take(256), parameters.take(16)),
            scale: parameters.take(Middle::SIZE),
            shift: parameters.take(Middle::SIZE),
        }
    }

    /// Frequency after frequency here, the channels of each side by side.
    fn add(&self, units: &[f32; Middle::SIZE], map: &mut [f32; Middle::SIZE]) {
        let mut joined = [0.0; Middle::SIZE];
        for (units, out) in units.chunks_exact(16).zip(joined.chunks_exact_mut(16)) {
            pointwise(&self.weights.0, &self.weights.1, units, 1, out);
        }
        let count = Middle::SIZE as f32;
        let mean = joined.iter().sum::<f32>() / count;
        let variance = joined.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count;
        let factor = 1.0 / (variance + 1e-8).sqrt();
        for (((map, value), scale), shift) in
            map.iter_mut().zip(joined).zip(&self.scale).zip(&self.shift)
        {
            *map += (value - mean) * factor * scale + shift;
        }
    }
}

/// Looks along the frequencies both ways, then along time.
pub(super) struct Recurrent {
    /// Of each half: upwards and downwards.
    along: [[Gru; 2]; 2],
    along_joined: Joined,
    over: [Gru; 2],
    over_joined: Joined,
    state: [f32; Middle::SIZE],
}

impl Recurrent {
    pub(super) fn new(parameters: &mut Parameters<'_>) -> Self {
        let mut both = || [Gru::new(parameters, 8, 4), Gru::new(parameters, 8, 4)];
        let along = [both(), both()];
        let along_joined = Joined::new(parameters);
        let over = [Gru::new(parameters, 8, 8), Gru::new(parameters, 8, 8)];
        Self {
            along,
            along_joined,
            over,
            over_joined: Joined::new(parameters),
            state: [0.0; Middle::SIZE],
        }
    }

    pub(super) fn run(&mut self, map: &mut [f32; Middle::SIZE]) {
        let mut turned = [0.0; Middle::SIZE];
        for (channel, map) in map.chunks_exact(Middle::WIDTH).enumerate() {
            for (at, value) in map.iter().enumerate() {
                turned[at * 16 + channel] = *value;
            }
        }
        let mut units = [0.0; Middle::SIZE];
        for (half, [up, down]) in self.along.iter().enumerate() {
            let (mut rising, mut falling) = ([0.0; 4], [0.0; 4]);
            for n in 0..Middle::WIDTH {
                let place = n * 16 + half * 8;
                up.step(&turned[place..place + 8], &mut rising);
                units[place..place + 4].copy_from_slice(&rising);
                let place = (Middle::WIDTH - 1 - n) * 16 + half * 8;
                down.step(&turned[place..place + 8], &mut falling);
                units[place + 4..place + 8].copy_from_slice(&falling);
            }
        }
        self.along_joined.add(&units, &mut turned);
        for (now, state) in turned.chunks_exact(16).zip(self.state.chunks_exact_mut(16)) {
            self.over[0].step(&now[..8], &mut state[..8]);
            self.over[1].step(&now[8..], &mut state[8..]);
        }
        self.over_joined.add(&self.state, &mut turned);
        for (channel, map) in map.chunks_exact_mut(Middle::WIDTH).enumerate() {
            for (at, value) in map.iter_mut().enumerate() {
                *value = turned[at * 16 + channel];
            }
        }
    }
}
