//! Decoded sound: what is still to be played, and before it what was, on which stretching and concealing look back.

/// How much of what was played is kept, in ms: three of the longest pitch periods and a window to find them in.
pub(super) const HISTORY_MILLIS: usize = 80;
/// The most that waits to be played, in ms: a packet of the longest (200 ms) and what stretching and merging add.
const MAX_FUTURE_MILLIS: usize = 400;

/// Samples with all channels of a moment side by side. Lengths are in samples of one channel ("frames").
#[derive(Debug)]
pub(super) struct PlayBuffer {
    samples: Vec<f32>,
    channels: usize,
    history: usize,
    max_future: usize,
    /// The frame that is played next.
    cursor: usize,
}

impl PlayBuffer {
    pub(super) fn new(rate: u32, channels: usize) -> Self {
        let millis = |millis: usize| rate as usize * millis / 1_000;
        let (history, max_future) = (millis(HISTORY_MILLIS), millis(MAX_FUTURE_MILLIS));
        // History is moved to the front only once as much again was played.
        let mut samples = Vec::with_capacity((3 * history + max_future) * channels);
        samples.resize(history * channels, 0.0);
        Self { samples, channels, history, max_future, cursor: history }
    }

    /// Frames to be played.
    pub(super) fn future(&self) -> usize {
        self.samples.len() / self.channels - self.cursor
    }

    /// How many more may be added.
    pub(super) fn room(&self) -> usize {
        self.max_future.saturating_sub(self.future())
    }

    /// Appends what is to be played after all else; what finds no room is left out.
    pub(super) fn push(&mut self, samples: &[f32]) {
        let room = self.room() * self.channels;
        self.samples.extend_from_slice(&samples[..samples.len().min(room)]);
    }

    /// The last `frames`, to the end of what is to be played; at most as many as are kept of what was played.
    pub(super) fn tail(&self, frames: usize) -> &[f32] {
        let start = self.samples.len() - (frames.min(self.history) * self.channels);
        &self.samples[start..]
    }

    /// Everything, and the frame in it that is played next: at least [`HISTORY_MILLIS`] are before it.
    pub(super) fn parts(&mut self) -> (&mut Vec<f32>, usize) {
        (&mut self.samples, self.cursor)
    }

    /// Plays as many frames as `out` holds, silence where there are not enough.
    pub(super) fn take(&mut self, out: &mut [f32]) {
        let start = self.cursor * self.channels;
        let count = out.len().min(self.samples.len() - start);
        out[..count].copy_from_slice(&self.samples[start..start + count]);
        out[count..].fill(0.0);
        self.cursor += count / self.channels;
        if self.cursor >= 2 * self.history {
            let drop = (self.cursor - self.history) * self.channels;
            self.samples.copy_within(drop.., 0);
            self.samples.truncate(self.samples.len() - drop);
            self.cursor = self.history;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_and_is_remembered() {
        let mut buffer = PlayBuffer::new(8_000, 2);
        let mut out = [0.0; 160];
        let place = buffer.samples.as_ptr();
        for block in 0..1_000 {
            let samples: Vec<f32> = (0..160).map(|i| (block * 160 + i) as f32).collect();
            buffer.push(&samples);
            buffer.take(&mut out);
            assert_eq!(out, samples[..]);
            assert_eq!(buffer.tail(80), &samples[..]);
            assert!(buffer.parts().1 >= 640);
        }
        assert_eq!(buffer.samples.as_ptr(), place, "took new memory");
        buffer.take(&mut out);
        assert_eq!(out, [0.0; 160]);
        buffer.push(&[1.0; 1_000_000]);
        assert_eq!((buffer.future(), buffer.room()), (3_200, 0));
    }
}
