//! Blocks of 10 ms of whatever pieces a device gives, with the times at which their samples were taken.

use std::time::Duration;

use crate::audio::{AudioBlock, AudioFrame};

/// How far the time of a piece may be from what the samples before it make it, before some are believed to be missing: devices
/// are not exact about it.
const MAX_DEVIATION: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub(super) struct Blocks {
    frame: AudioFrame,
    filled: usize,
    begun: bool,
}

impl Blocks {
    pub(super) fn new(rate: u32, channels: usize) -> Self {
        let block = AudioBlock::silence(rate, channels, rate as usize / 100);
        Self { frame: AudioFrame { block, time: Duration::ZERO }, filled: 0, begun: false }
    }

    /// Takes in samples, of which the first was taken at `time`.
    pub(super) fn take(
        &mut self,
        samples: &[f32],
        time: Duration,
        mut out: impl FnMut(&AudioFrame),
    ) {
        let channels = self.frame.block.channels();
        let per_frame = AudioBlock::DURATION;
        let frames = self.frame.block.frames();
        let offset = per_frame.mul_f64(self.filled as f64 / frames as f64);
        if !self.begun || (self.frame.time + offset).abs_diff(time) > MAX_DEVIATION {
            self.begun = true;
            self.frame.time = time.saturating_sub(offset);
        }
        let mut rest = samples;
        while !rest.is_empty() {
            let place = &mut self.frame.block.samples_mut()[self.filled * channels..];
            let (now, later) = rest.split_at(rest.len().min(place.len()));
            place[..now.len()].copy_from_slice(now);
            self.filled += now.len() / channels;
            rest = later;
            if self.filled == frames {
                out(&self.frame);
                self.frame.time += per_frame;
                self.filled = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_length_become_blocks_that_follow_each_other() {
        let mut blocks = Blocks::new(48_000, 2);
        let samples: Vec<f32> = (0..2 * 48_000).map(|at| at as f32).collect();
        let (mut next, mut time, mut seen) = (0.0, Duration::from_secs(5), 0);
        let mut at = 0;
        for (number, length) in [100, 512, 1, 2_000, 479, 960].into_iter().cycle().enumerate() {
            let end = (at + 2 * length).min(samples.len());
            // Times that are up to 3 ms off.
            let told = Duration::from_secs(5)
                + Duration::from_secs_f64(at as f64 / 96_000.0)
                + Duration::from_millis(number as u64 % 4);
            blocks.take(&samples[at..end], told, |frame| {
                assert_eq!(frame.block.samples()[0], next);
                assert!(frame.time == time || seen == 0, "{:?} {time:?}", frame.time);
                (next, time, seen) = (next + 960.0, frame.time + AudioBlock::DURATION, seen + 1);
            });
            at = end;
            if at == samples.len() {
                break;
            }
        }
        assert_eq!(seen, 100);
        // A gap of a second is one.
        let mut times = Vec::new();
        blocks.take(&[0.0; 960], Duration::from_secs(7), |frame| times.push(frame.time));
        assert_eq!(times, [Duration::from_secs(7)]);
    }
}
