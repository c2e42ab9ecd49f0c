//! Telephone events heard as the tones they stand for (RFC 4733, ITU-T Q.23): the keys of a telephone come as packets that name
//! them, in the place of sound.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::time::{Duration, Instant};

use peerage_rtp::payload::telephone_event::EventReport;

use super::AudioBlock;

/// Frequencies of the rows of keys and of their columns, in Hz (ITU-T Q.23).
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// Row and column of the events 0 to 15 (RFC 4733 §3.2): 0 to 9, `*`, `#`, A to D.
const KEYS: [(usize, usize); 16] = [
    (3, 1),
    (0, 0),
    (0, 1),
    (0, 2),
    (1, 0),
    (1, 1),
    (1, 2),
    (2, 0),
    (2, 1),
    (2, 2),
    (3, 0),
    (3, 2),
    (0, 3),
    (1, 3),
    (2, 3),
    (3, 3),
];
/// 0 dBm0 below full scale, in dB, of each of two tones.
const REFERENCE: f64 = 9.2;
/// A tone that nothing is heard of any more ends after so long: its end was lost (RFC 4733 §2.5.2.2 leaves it to the receiver).
const PATIENCE: Duration = Duration::from_millis(150);
/// A tone begins and ends within this, so that it does not click.
const FADE: f64 = 0.004;
/// Tones that wait for their turn.
const MAX_WAITING: usize = 8;
/// What no key is held for: a peer cannot make a tone last for ever.
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
struct Tone {
    /// What tells it from others: when it began, by the sender's clock.
    timestamp: u32,
    key: usize,
    amplitude: f64,
    begins: Instant,
    /// How long it lasts, as far as is known.
    duration: Duration,
    ended: bool,
}

impl Tone {
    fn ends(&self) -> Instant {
        let more = if self.ended { Duration::ZERO } else { PATIENCE };
        self.begins + (self.duration + more).min(LONGEST)
    }
}

/// Plays what events name.
#[derive(Clone, Debug, Default)]
pub struct TelephoneTones {
    /// In their order, the one that sounds first.
    tones: VecDeque<Tone>,
    /// The last that is over: its end is sent three times.
    over: Option<u32>,
}

impl TelephoneTones {
    /// Nothing sounds yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A report came at `now`, of an event that began at this timestamp of a clock of so many ticks a second; what comes now is
    /// heard `delay` later. Events other than keys are not heard.
    pub fn report(
        &mut self,
        now: Instant,
        (timestamp, clock_rate): (u32, u32),
        report: &EventReport,
        delay: Duration,
    ) {
        let key = usize::from(report.event);
        if key >= KEYS.len() || self.over == Some(timestamp) {
            return;
        }
        let ticks = u64::from(report.duration) * 1_000_000_000;
        let duration = Duration::from_nanos(ticks / u64::from(clock_rate.max(1)));
        if let Some(tone) = self.tones.iter_mut().find(|tone| tone.timestamp == timestamp) {
            // Reports come in any order.
            tone.duration = tone.duration.max(duration);
            tone.ended |= report.end;
            return;
        }
        if self.tones.len() == MAX_WAITING {
            return;
        }
        let amplitude = 10f64.powf(-(f64::from(report.volume) + REFERENCE) / 20.0);
        let came = now + delay;
        let begins = self.tones.back().map_or(came, |before| came.max(before.ends()));
        let ended = report.end;
        self.tones.push_back(Tone { timestamp, key, amplitude, begins, duration, ended });
    }

    /// Puts the tones that sound in the time of a block, which begins at `now`, in the place of what is in it. False where none
    /// does.
    pub fn fill(&mut self, now: Instant, block: &mut AudioBlock) -> bool {
        while let Some(first) = self.tones.front()
            && first.ends() <= now
        {
            self.over = Some(first.timestamp);
            self.tones.pop_front();
        }
        let Some(tone) = self.tones.front().filter(|tone| tone.begins < now + block.duration())
        else {
            return false;
        };
        let (row, column) = KEYS[tone.key];
        let (low, high) = (ROWS[row], COLUMNS[column]);
        let (rate, channels) = (f64::from(block.rate()), block.channels());
        let length = (tone.ends() - tone.begins).as_secs_f64();
        let since = match now.checked_duration_since(tone.begins) {
            Some(since) => since.as_secs_f64(),
            None => -(tone.begins - now).as_secs_f64(),
        };
        let amplitude = tone.amplitude;
        for (at, frame) in block.samples_mut().chunks_exact_mut(channels).enumerate() {
            let time = since + at as f64 / rate;
            if !(0.0..length).contains(&time) {
                continue;
            }
            let fade = (time.min(length - time) / FADE).clamp(0.0, 1.0);
            let phase = TAU * time;
            let sample = amplitude * fade * ((phase * low).sin() + (phase * high).sin());
            frame.fill(sample as f32);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn report(event: u8, millis: u16, end: bool) -> EventReport {
        EventReport { event, end, volume: 10, duration: millis * 8 }
    }

    /// The power of a frequency in samples at 8 kHz.
    fn power(samples: &[f32], frequency: f64) -> f64 {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (at, sample) in samples.iter().enumerate() {
            let phase = TAU * frequency * at as f64 / 8_000.0;
            real += f64::from(*sample) * phase.cos();
            imaginary += f64::from(*sample) * phase.sin();
        }
        (real * real + imaginary * imaginary) / (samples.len() as f64).powi(2)
    }

    fn listen(tones: &mut TelephoneTones, start: Instant, millis: u64) -> Vec<f32> {
        let mut heard = Vec::new();
        for at in (0..millis).step_by(10) {
            let mut block = AudioBlock::silence(8_000, 1, 80);
            tones.fill(start + MS(at), &mut block);
            heard.extend_from_slice(block.samples());
        }
        heard
    }

    #[test]
    fn a_key_sounds_for_as_long_as_it_was_held() {
        let (start, mut tones) = (Instant::now(), TelephoneTones::new());
        for (at, millis, end) in
            [(0, 0, false), (50, 50, false), (100, 100, true), (105, 100, true)]
        {
            let now = start + MS(at);
            tones.report(now, (7, 8_000), &report(5, millis, end), MS(40));
        }
        let heard = listen(&mut tones, start, 300);
        let loud: Vec<usize> = (0..heard.len()).filter(|at| heard[*at].abs() > 0.01).collect();
        assert!((40 * 8..45 * 8).contains(loud.first().unwrap()), "after its delay: {loud:?}");
        assert!((135 * 8..=140 * 8).contains(loud.last().unwrap()), "for 100 ms: {loud:?}");
        let middle = &heard[50 * 8..130 * 8];
        for frequency in ROWS.into_iter().chain(COLUMNS) {
            let is_key = [770.0, 1336.0].contains(&frequency);
            let strong = power(middle, frequency) > 1e-4;
            assert_eq!(strong, is_key, "{frequency} Hz: {}", power(middle, frequency));
        }
        assert!(heard.windows(2).all(|two| (two[0] - two[1]).abs() < 0.25), "no click");
        // The end was told again and again.
        tones.report(start + MS(310), (7, 8_000), &report(5, 100, true), MS(40));
        assert!(listen(&mut tones, start + MS(310), 200).iter().all(|sample| *sample == 0.0));
    }

    #[test]
    fn keys_follow_each_other_and_lost_ends_end() {
        let (start, mut tones) = (Instant::now(), TelephoneTones::new());
        tones.report(start, (0, 8_000), &report(1, 60, true), MS(0));
        tones.report(start + MS(10), (480, 8_000), &report(15, 60, false), MS(0));
        tones.report(start + MS(10), (960, 8_000), &report(16, 60, true), MS(0));
        let heard = listen(&mut tones, start, 500);
        assert!(power(&heard[..60 * 8], 697.0) > 1e-4, "the first");
        assert!(power(&heard[70 * 8..110 * 8], 1633.0) > 1e-4, "then the other");
        let end = heard.iter().rposition(|sample| *sample != 0.0).unwrap();
        assert!((265 * 8..=270 * 8).contains(&end), "{end}: it is waited for 150 ms");
        // A peer cannot fill memory, or sound for ever.
        for event in 0..1_000 {
            tones.report(start, (event * 8, 1), &report(3, u16::MAX / 8, false), MS(0));
        }
        assert_eq!(tones.tones.len(), MAX_WAITING);
        assert!(tones.tones.back().unwrap().ends() <= start + LONGEST * (MAX_WAITING as u32 + 1));
    }
}
