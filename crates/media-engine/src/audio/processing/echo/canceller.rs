//! The parts joined.

use std::time::Duration;

use realfft::num_complex::Complex32;

use super::delay::DelaySearch;
use super::filter::Filter;
use super::history::History;
use super::loudspeaker::Loudspeaker;
use super::suppressor::Suppressor;
use super::transform::Transform;
use crate::audio::AudioBlock;
use crate::audio::resample::Resampler;

/// Blocks of a room's response.
const PARTS: usize = 20;
/// Blocks for which the room is learnt before the loudspeaker is.
const ROOM_FIRST: u64 = 100;
/// How little has to be left of the echo: what is wrong with the room would be taken for the loudspeaker's.
const ROOM_KNOWN: f32 = 0.1;
/// Blocks between two searches of the delay.
const SEARCH: u64 = 10;
/// Blocks on which a delay is tried.
const TRIED: usize = 20;

/// Takes the echo out of a microphone's blocks.
pub(in super::super) struct EchoCanceller {
    rate: u32,
    block: usize,
    transform: Transform,
    history: History,
    loudspeaker: Loudspeaker,
    search: DelaySearch,
    resampler: Option<(u32, Resampler)>,
    mono: AudioBlock,
    resampled: AudioBlock,
    /// How many samples before the newest the filter begins.
    offset: usize,
    /// Where the echo's strongest part was when last seen.
    delay: Option<usize>,
    /// What is believed, and how often it was seen.
    candidate: (usize, u32),
    blocks: u64,
    /// Spectra of what was played, the newest at `newest`.
    played: Vec<Vec<Complex32>>,
    newest: usize,
    microphones: Vec<Microphone>,
    samples: Vec<f32>,
    /// For trying other delays.
    tried: Vec<Vec<Complex32>>,
    memory: Vec<f32>,
    echo: Vec<f32>,
    loud: f32,
}

struct Microphone {
    filter: Filter,
    suppressor: Suppressor,
    /// The newest samples, oldest first.
    heard: Vec<f32>,
    input: Vec<f32>,
    rest: Vec<f32>,
    /// What the filter left of the newest block, whatever was made of it then.
    left: Vec<f32>,
    echo: Vec<f32>,
    out: Vec<f32>,
    /// Sums of squares of what was heard, left and expected, the last 200 ms or so.
    powers: [f32; 3],
}

impl EchoCanceller {
    /// One of a microphone of `rate`, whose blocks are 10 ms, and `channels`.
    pub(in super::super) fn new(rate: u32, channels: usize) -> Self {
        let block = rate as usize / 100;
        let needs = DelaySearch::needs(rate);
        let transform = Transform::new(2 * block);
        let bins = transform.bins();
        let microphone = || Microphone {
            filter: Filter::new(block, PARTS),
            suppressor: Suppressor::new(rate, block),
            heard: vec![0.0; needs],
            input: vec![0.0; block],
            rest: vec![0.0; block],
            left: vec![0.0; block],
            echo: vec![0.0; block],
            out: vec![0.0; block],
            powers: [0.0; 3],
        };
        Self {
            rate,
            block,
            transform,
            history: History::new(4 * needs + rate as usize),
            loudspeaker: Loudspeaker::new(block),
            search: DelaySearch::new(rate),
            resampler: None,
            mono: AudioBlock::default(),
            resampled: AudioBlock::default(),
            offset: 0,
            delay: None,
            candidate: (0, 0),
            blocks: 0,
            played: vec![vec![Complex32::default(); bins]; PARTS],
            newest: 0,
            microphones: (0..channels).map(|_| microphone()).collect(),
            samples: vec![0.0; 2 * block],
            tried: vec![vec![Complex32::default(); bins]; PARTS + TRIED],
            memory: vec![0.0; PARTS * block],
            echo: vec![0.0; block],
            loud: 0.0,
        }
    }

    /// Takes in a block that is about to be played, of any rate and number of channels.
    pub(in super::super) fn render(&mut self, block: &AudioBlock) {
        let (rate, channels) = (block.rate(), block.channels());
        self.mono.reset(rate, 1, block.frames());
        for (out, moment) in
            self.mono.samples_mut().iter_mut().zip(block.samples().chunks_exact(channels))
        {
            let sum: f32 = moment.iter().map(|s| if s.is_finite() { *s } else { 0.0 }).sum();
            *out = (sum / channels as f32).clamp(-1.0, 1.0);
        }
        if rate == self.rate {
            self.resampler = None;
            self.mono.samples().iter().for_each(|sample| self.history.write(*sample));
            return;
        }
        if self.resampler.as_ref().is_none_or(|(from, _)| *from != rate) {
            self.resampler =
                Resampler::new(rate, self.rate, 1).ok().map(|resampler| (rate, resampler));
        }
        let Some((_, resampler)) = &mut self.resampler else { return };
        if resampler.push(&self.mono).is_ok() {
            while resampler.pull(&mut self.resampled) {
                self.resampled.samples().iter().for_each(|sample| self.history.write(*sample));
            }
        }
    }

    /// Takes the echo out of a block of the microphone; what comes out is 10 ms late. `told` is the devices' delay, by which it
    /// begins.
    pub(in super::super) fn capture(&mut self, block: &mut AudioBlock, told: Duration) {
        if self.blocks == 0 {
            let told = (told.as_secs_f64() * f64::from(self.rate)) as usize;
            self.offset = told.saturating_sub(self.rate as usize / 16);
        }
        self.blocks += 1;
        let skipped = self.history.advance(self.block);
        if skipped != 0 {
            self.offset += skipped as usize;
            self.delay = self.delay.map(|delay| delay + skipped as usize);
            self.search.forget();
            self.look_back();
        }
        self.newest = (self.newest + PARTS - 1) % PARTS;
        self.history.copy(self.offset, &mut self.samples);
        let power = self.samples.iter().map(|s| s * s).sum::<f32>() / self.samples.len() as f32;
        self.loud = power.max(0.97 * self.loud);
        self.loudspeaker.take(&mut self.transform, &self.samples);
        self.loudspeaker.play(&mut self.samples);
        self.transform.forward(&mut self.samples, &mut self.played[self.newest]);

        let channels = self.microphones.len();
        for (index, microphone) in self.microphones.iter_mut().enumerate() {
            let samples = block.samples().iter().skip(index).step_by(channels);
            for (input, sample) in microphone.input.iter_mut().zip(samples) {
                *input = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
            }
            let (newest, older) = (&self.played[self.newest..], &self.played[..self.newest]);
            let played = newest.iter().chain(older).map(Vec::as_slice);
            microphone.run(&mut self.transform, played, self.loud > 1e-7);
            let samples = block.samples_mut().iter_mut().skip(index).step_by(channels);
            for (sample, out) in samples.zip(&microphone.out) {
                *sample = out.clamp(-1.0, 1.0);
            }
        }
        // Without a room nothing is known of the loudspeaker; its curve is in no hurry.
        if self.blocks > ROOM_FIRST
            && self.blocks.is_multiple_of(2)
            && self.loud > 1e-6
            && let Some(Microphone { filter, left, powers: [heard, rest, _], .. }) =
                self.microphones.first_mut()
            && *rest < ROOM_KNOWN * *heard
        {
            self.loudspeaker.learn(&mut self.transform, filter, left);
        }
        if self.blocks.is_multiple_of(SEARCH) && self.loud > 1e-6 {
            self.follow();
        }
    }

    /// Looks whether the echo comes at another time than before, and goes there.
    fn follow(&mut self) {
        let Some(microphone) = self.microphones.first() else { return };
        let offers = self.search.search(&microphone.heard, &self.history);
        let millisecond = self.rate as usize / 1_000;
        let [heard, left, _] = microphone.powers;
        if heard < 1e-7 {
            return;
        }
        let Some(delay) = self.delay else {
            // Nothing was seen before: three times the same is believed.
            let (seen, times) = self.candidate;
            let again = seen.abs_diff(offers[0]) <= millisecond;
            self.candidate = (offers[0], if again { times + 1 } else { 1 });
            let reached = (self.offset..self.offset + 120 * millisecond).contains(&offers[0]);
            if self.candidate.1 >= 3 && (left < 0.3 * heard || !reached) {
                let to = offers[0].saturating_sub(8 * millisecond);
                let by = self.offset as i64 - to as i64;
                for microphone in &mut self.microphones {
                    if reached {
                        microphone.filter.shift(&mut self.transform, by, &mut self.memory);
                    } else {
                        microphone.filter.forget();
                    }
                }
                self.offset = to;
                self.delay = Some(offers[0]);
                self.look_back();
            }
            return;
        };
        let mut best = (self.trial(self.offset), self.offset);
        let now = best.0;
        for offer in offers {
            let moved = offer as i64 - delay as i64;
            let to = self.offset as i64 + moved;
            if moved.unsigned_abs() as usize <= millisecond / 2 || to < 0 {
                continue;
            }
            for fine in -2..=2 {
                let to = (to + fine).max(0) as usize;
                let error = self.trial(to);
                if error < best.0 {
                    best = (error, to);
                }
            }
        }
        if best.1 != self.offset && best.0 < 0.7 * now {
            self.delay = Some((delay + best.1).saturating_sub(self.offset));
            self.offset = best.1;
            self.look_back();
            for microphone in &mut self.microphones {
                microphone.filter.doubt(0.02);
                microphone.powers = [0.0; 3];
            }
        }
    }

    /// What would have been left of the first microphone's last blocks, had the filter begun at another place.
    fn trial(&mut self, offset: usize) -> f32 {
        let Self {
            history, loudspeaker, transform, tried, samples, microphones, echo, block, ..
        } = self;
        let Some(microphone) = microphones.first_mut() else { return 0.0 };
        for (n, spectrum) in tried.iter_mut().enumerate() {
            history.copy(offset + n * *block, samples);
            loudspeaker.play(samples);
            transform.forward(samples, spectrum);
        }
        let mut error = 0.0;
        let blocks = microphone.heard.rchunks_exact(*block).take(TRIED).enumerate();
        for (n, heard) in blocks {
            let played = tried[n..n + PARTS].iter().map(Vec::as_slice);
            microphone.filter.echo(transform, played, echo);
            error += heard.iter().zip(&*echo).map(|(h, e)| (h - e) * (h - e)).sum::<f32>();
        }
        error
    }

    /// Reads what was played anew, from where the filter begins now.
    fn look_back(&mut self) {
        self.loudspeaker.look_elsewhere();
        for n in 0..PARTS {
            self.history.copy(self.offset + n * self.block, &mut self.samples);
            self.loudspeaker.play(&mut self.samples);
            let at = (self.newest + n) % PARTS;
            self.transform.forward(&mut self.samples, &mut self.played[at]);
        }
    }

    /// The delay of the echo, once it was found.
    pub(in super::super) fn delay(&self) -> Option<Duration> {
        self.delay.map(|delay| Duration::from_secs_f64(delay as f64 / f64::from(self.rate)))
    }

    /// Whether most of what the microphone heard of late was echo: three quarters of it, which the filter took out.
    pub(in super::super) fn dominates(&self) -> bool {
        self.microphones.first().is_some_and(|microphone| {
            let [heard, left, expected] = microphone.powers;
            expected > 0.5 * heard && left < 0.25 * heard
        })
    }

    /// How much of the echo the filter took out lately, in dB.
    pub(in super::super) fn enhancement(&self) -> Option<f64> {
        let [heard, left, _] = self.microphones.first()?.powers;
        (heard > 1e-7).then(|| f64::from(10.0 * (heard / left.max(1e-9)).log10()))
    }
}

impl Microphone {
    fn run<'a>(
        &mut self,
        transform: &mut Transform,
        played: impl Iterator<Item = &'a [Complex32]> + Clone,
        active: bool,
    ) {
        let block = self.input.len();
        self.heard.copy_within(block.., 0);
        let newest = self.heard.len() - block;
        self.heard[newest..].copy_from_slice(&self.input);
        self.filter.echo(transform, played.clone(), &mut self.echo);
        let mut powers = [0.0_f32; 3];
        for ((rest, input), echo) in self.rest.iter_mut().zip(&self.input).zip(&self.echo) {
            *rest = input - echo;
            powers[0] += input * input;
            powers[1] += *rest * *rest;
            powers[2] += echo * echo;
        }
        for (sum, power) in self.powers.iter_mut().zip(powers) {
            *sum = 0.94 * *sum + power;
        }
        self.left.copy_from_slice(&self.rest);
        if active {
            self.filter.learn(transform, played, &self.rest);
        }
        // What is taken out is there when the rest is weaker by as much; when the rest is stronger it was not.
        let [heard, left, expected] = self.powers;
        let fails = expected > 0.02 * heard && heard - left < 0.1 * expected;
        if powers[1] > 1.5 * powers[0] {
            self.rest.copy_from_slice(&self.input);
        }
        self.suppressor.process(
            transform,
            &self.rest,
            &self.echo,
            self.filter.left(),
            fails,
            &mut self.out,
        );
    }
}
