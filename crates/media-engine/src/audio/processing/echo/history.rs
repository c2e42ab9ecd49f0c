//! What was played: kept long enough for the latest echo, read by the microphone's clock.

/// Mono sound that was handed in to be played. Places count samples since the beginning.
pub(super) struct History {
    samples: Vec<f32>,
    written: u64,
    /// Where the block that belongs to the microphone's newest one ends.
    read: u64,
    /// The least that was ahead since `watched` blocks.
    least: u64,
    watched: u32,
}

impl History {
    /// One that keeps `length` samples.
    pub(super) fn new(length: usize) -> Self {
        Self { samples: vec![0.0; length], written: 0, read: 0, least: u64::MAX, watched: 0 }
    }

    pub(super) fn write(&mut self, sample: f32) {
        let at = (self.written % self.samples.len() as u64) as usize;
        self.samples[at] = sample;
        self.written += 1;
    }

    /// Goes on by a block of the microphone. Returns how many samples later than before the echo will seem to come: not 0 when more
    /// was written than read for a second, or nothing is there to be read.
    pub(super) fn advance(&mut self, block: usize) -> i64 {
        let (block, second) = (block as u64, 100);
        if self.written < self.read + block {
            // The speaker's block comes later than the microphone's: it will from now on.
            self.watched = 0;
            self.least = u64::MAX;
            return 0;
        }
        self.read += block;
        self.least = self.least.min(self.written - self.read);
        self.watched += 1;
        let mut skipped = 0;
        // What never was needed for a second is skipped; half of what is kept could not be reached.
        let most = self.samples.len() as u64 / 4;
        if self.watched >= second {
            if self.least > 4 * block {
                skipped = self.least - 2 * block;
            }
            self.watched = 0;
            self.least = u64::MAX;
        }
        if self.written - self.read > most {
            skipped = self.written - self.read - block;
        }
        self.read += skipped;
        skipped as i64
    }

    /// The samples that end `late` before what is read now, oldest first; silence where there is none.
    pub(super) fn copy(&self, late: usize, out: &mut [f32]) {
        let length = self.samples.len() as u64;
        let end = self.read as i64 - late as i64;
        let begin = end - out.len() as i64;
        for (n, out) in out.iter_mut().enumerate() {
            let place = begin + n as i64;
            let kept = place >= 0 && self.written < place as u64 + length;
            *out = if kept { self.samples[(place as u64 % length) as usize] } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_and_late_blocks_are_read_in_their_order() {
        let mut history = History::new(1_000);
        let mut out = [0.0; 10];
        let mut next = 0.0;
        let mut write = |history: &mut History| {
            for _ in 0..10 {
                next += 1.0;
                history.write(next);
            }
        };
        // Nothing is there yet.
        assert_eq!(history.advance(10), 0);
        history.copy(0, &mut out);
        assert_eq!(out, [0.0; 10]);
        (0..3).for_each(|_| write(&mut history));
        assert_eq!(history.advance(10), 0);
        history.copy(0, &mut out);
        assert_eq!((out[0], out[9]), (1.0, 10.0));
        history.copy(5, &mut out);
        assert_eq!((out[4], out[5], out[9]), (0.0, 1.0, 5.0));
        // Ten blocks are ahead all the time: most of them are skipped.
        (0..8).for_each(|_| write(&mut history));
        let mut skipped = 0;
        for _ in 0..220 {
            skipped += history.advance(10);
            write(&mut history);
        }
        assert!((60..=100).contains(&skipped), "{skipped}");
        // Far more than is kept is written.
        (0..500).for_each(|_| write(&mut history));
        history.advance(10);
        history.copy(0, &mut out);
        assert_eq!(out[9] - out[0], 9.0);
    }
}
