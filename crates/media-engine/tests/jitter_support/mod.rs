//! A sender, a network and a listener around a jitter buffer, in virtual time.

#![allow(dead_code, reason = "each test program uses its part")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use peerage_media::audio::AudioBlock;
use peerage_media::audio::jitter::{JitterBuffer, JitterConfig, JitterPacket};
use peerage_media::codec::{AudioDecoder, CodecError};

/// Linear samples of 16 bits, mono: no codec to get in the way.
pub(crate) struct Pcm16 {
    pub(crate) rate: u32,
}

impl AudioDecoder for Pcm16 {
    fn rate(&self) -> u32 {
        self.rate
    }
    fn channels(&self) -> usize {
        1
    }
    fn packet_duration(&self, packet: &[u8]) -> Option<Duration> {
        let frames = packet.len() as u64 / 2;
        Some(Duration::from_nanos(frames * 1_000_000_000 / u64::from(self.rate)))
    }
    fn decode(&mut self, packet: &[u8], out: &mut AudioBlock) -> Result<(), CodecError> {
        if packet.len() < 2 {
            let reason = "no sample".to_owned();
            return Err(CodecError::Damaged { codec: "pcm16", reason });
        }
        out.reset(self.rate, 1, packet.len() / 2);
        for (sample, bytes) in out.samples_mut().iter_mut().zip(packet.chunks_exact(2)) {
            *sample = f32::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 32_768.0;
        }
        Ok(())
    }
    fn reset(&mut self) {}
}

/// A packet of 20 ms of `sound`, the `index`-th.
pub(crate) fn packet(rate: u32, index: u64, sound: impl Fn(u64) -> f32) -> JitterPacket {
    let frames = u64::from(rate) / 50;
    let payload: Vec<u8> = (index * frames..(index + 1) * frames)
        .flat_map(|frame| ((sound(frame) * 32_767.0) as i16).to_le_bytes())
        .collect();
    JitterPacket {
        sequence: index,
        timestamp: (index * frames) as u32,
        payload: Bytes::from(payload),
        redundant: false,
        comfort_noise: false,
    }
}

/// The same numbers with the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as f64) / f64::from(1u32 << 31)
    }
}

/// A call: when each packet comes, in µs, or that it is lost.
pub(crate) struct Call {
    pub(crate) rate: u32,
    pub(crate) arrivals: Vec<Option<i64>>,
    /// How much faster the sender's clock is than the listener's, in millionths.
    pub(crate) drift: f64,
}

impl Call {
    /// Of `seconds`, each packet later by up to `jitter` µs and lost with a chance of `loss`, in bursts of `burst` on average.
    pub(crate) fn new(
        rate: u32,
        seconds: u64,
        jitter: i64,
        loss: f64,
        burst: f64,
        seed: u64,
    ) -> Self {
        let mut random = Random(seed);
        let mut lost = false;
        let arrivals = (0..seconds * 50).map(|index| {
            // Gilbert's model: from bad to good with 1/burst.
            let chance = if lost { 1.0 - 1.0 / burst } else { loss / (burst * (1.0 - loss)) };
            lost = random.next() < if burst > 1.0 { chance } else { loss };
            let late = (random.next() * jitter as f64) as i64;
            (!lost).then_some(index as i64 * 20_000 + 20_000 + late)
        });
        Self { rate, arrivals: arrivals.collect(), drift: 0.0 }
    }

    /// What is heard from begin to end, with the buffer after it.
    pub(crate) fn run(
        &self,
        config: JitterConfig,
        sound: impl Fn(u64) -> f32,
    ) -> (Vec<f32>, JitterBuffer) {
        let mut buffer = JitterBuffer::new(config, Box::new(Pcm16 { rate: self.rate }));
        let heard = self.run_with(&mut buffer, |_, _| {}, sound);
        (heard, buffer)
    }

    /// With a buffer of the caller's, who is asked before each block.
    pub(crate) fn run_with(
        &self,
        buffer: &mut JitterBuffer,
        mut each: impl FnMut(i64, &mut JitterBuffer),
        sound: impl Fn(u64) -> f32,
    ) -> Vec<f32> {
        self.drive(buffer, |now, buffer| each(now, buffer), |_, _| {}, sound)
    }

    /// With a buffer of the caller's, who is told when packets are about to go in (true) and a block has come out (false).
    pub(crate) fn run_measured(
        &self,
        buffer: &mut JitterBuffer,
        measure: impl FnMut(i64, bool),
        sound: impl Fn(u64) -> f32,
    ) {
        self.drive(buffer, |_, _| {}, measure, sound);
    }

    fn drive(
        &self,
        buffer: &mut JitterBuffer,
        mut each: impl FnMut(i64, &mut JitterBuffer),
        mut measure: impl FnMut(i64, bool),
        sound: impl Fn(u64) -> f32,
    ) -> Vec<f32> {
        let origin = Instant::now();
        let at = |micros: i64| origin + Duration::from_micros(micros as u64);
        let mut arrivals: Vec<(i64, u64)> = self
            .arrivals
            .iter()
            .enumerate()
            .filter_map(|(index, arrival)| {
                let arrival = (*arrival)? as f64 * (1.0 - self.drift / 1e6);
                Some((arrival as i64, index as u64))
            })
            .collect();
        arrivals.sort_unstable();
        let mut arrivals = arrivals.into_iter().peekable();
        let mut heard = Vec::new();
        let mut block = AudioBlock::default();
        let mut packets = Vec::with_capacity(100);
        for call in 0..self.arrivals.len() as i64 * 2 {
            let now = call * 10_000;
            while let Some((arrival, index)) = arrivals.next_if(|&(arrival, _)| arrival <= now) {
                packets.push((arrival, packet(self.rate, index, &sound)));
            }
            each(now, buffer);
            measure(now, true);
            for (arrival, packet) in packets.drain(..) {
                buffer.insert(at(arrival), packet);
            }
            buffer.get_audio(at(now), &mut block);
            measure(now, false);
            assert_eq!((block.rate(), block.channels()), (self.rate, 1));
            assert_eq!(block.frames(), self.rate as usize / 100, "not 10 ms at {now} µs");
            assert!(block.samples().iter().all(|s| s.is_finite() && s.abs() <= 4.0));
            heard.extend_from_slice(block.samples());
        }
        heard
    }
}

/// A tone of half the full scale.
pub(crate) fn tone(rate: u32, hertz: f32) -> impl Fn(u64) -> f32 {
    move |frame| {
        let phase = (frame as f64 * f64::from(hertz) / f64::from(rate)).fract();
        0.5 * (phase * std::f64::consts::TAU).sin() as f32
    }
}

/// Share of the energy of `sound` that is not a tone of `hertz`, in blocks of 20 ms; the tone's phase is free in each.
pub(crate) fn impurity(sound: &[f32], rate: u32, hertz: f32) -> f64 {
    let block = rate as usize / 50;
    let (mut total, mut pure) = (0.0f64, 0.0f64);
    for samples in sound.chunks_exact(block) {
        let (mut re, mut im, mut energy) = (0.0f64, 0.0f64, 0.0f64);
        for (index, &sample) in samples.iter().enumerate() {
            let phase = index as f64 * f64::from(hertz) / f64::from(rate) * std::f64::consts::TAU;
            re += f64::from(sample) * phase.cos();
            im += f64::from(sample) * phase.sin();
            energy += f64::from(sample) * f64::from(sample);
        }
        total += energy;
        pure += 2.0 * (re * re + im * im) / block as f64;
    }
    1.0 - pure / total
}

/// The greatest step between two samples.
pub(crate) fn steepest(sound: &[f32]) -> f32 {
    sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}
