//! The sliding window that tells late packets from replayed ones (RFC 3711 §3.3.2, appendix A of RFC 4302).

/// Which of the last packets of a stream were seen. The caller keeps the highest index.
#[derive(Clone, Debug)]
pub(crate) struct ReplayWindow {
    /// A ring of words, one bit per index: a power of two of them, one more at least than the window needs, so that whole
    /// words are cleared as it moves. Empty when the check is off.
    words: Box<[u64]>,
    /// Packets the window reaches back.
    size: u64,
}

/// What the window says of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fresh,
    Seen,
    TooOld,
}

impl ReplayWindow {
    /// A window over at least `size` packets; 0 turns it off.
    pub(crate) fn new(size: usize) -> Self {
        let size = size.min(crate::Config::MAX_REPLAY_WINDOW).next_multiple_of(64);
        let words = if size == 0 { 0 } else { (size / 64 + 1).next_power_of_two() };
        Self { words: vec![0; words].into(), size: size as u64 }
    }

    fn position(&self, index: u64) -> (usize, u64) {
        ((index >> 6) as usize & (self.words.len() - 1), 1 << (index & 63))
    }

    /// Looks an index up, given the highest that was recorded.
    pub(crate) fn check(&self, highest: u64, index: u64) -> Verdict {
        if self.words.is_empty() || index > highest {
            return Verdict::Fresh;
        }
        if highest - index >= self.size {
            return Verdict::TooOld;
        }
        let (word, bit) = self.position(index);
        if self.words[word] & bit == 0 { Verdict::Fresh } else { Verdict::Seen }
    }

    /// Records an index that was [`Fresh`](Verdict::Fresh). `highest` is the highest before it.
    pub(crate) fn record(&mut self, highest: u64, index: u64) {
        if self.words.is_empty() {
            return;
        }
        if index > highest {
            let passed = ((index >> 6) - (highest >> 6)).min(self.words.len() as u64);
            for word in 1..=passed {
                let (word, _) = self.position((highest & !63) + 64 * word);
                self.words[word] = 0;
            }
        }
        let (word, bit) = self.position(index);
        self.words[word] |= bit;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Against a set of everything seen, with jumps of all lengths.
    #[test]
    fn agrees_with_a_set_of_all_indices() {
        for size in [1, 64, 65, 128, 1000, 1024, 1 << 15, 1 << 20] {
            let mut rng = peerage_crypto::Rng::from_seed(size as u64);
            let mut window = ReplayWindow::new(size);
            let reach = size.min(crate::Config::MAX_REPLAY_WINDOW).next_multiple_of(64) as u64;
            let (mut highest, mut seen) = (1_000_000, HashSet::from([1_000_000]));
            window.record(highest, highest);
            for _ in 0..20_000 {
                let mut bytes = [0; 5];
                rng.fill(&mut bytes);
                let magnitude = 1u64 << (bytes[4] % 17);
                let step =
                    u64::from(u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]])) % magnitude;
                let index = if bytes[3] < 100 { highest + step } else { highest - step };
                let verdict = window.check(highest, index);
                let expected = if index + reach <= highest {
                    Verdict::TooOld
                } else if seen.contains(&index) {
                    Verdict::Seen
                } else {
                    Verdict::Fresh
                };
                assert_eq!(verdict, expected, "size {size}: {index} after {highest}");
                if verdict == Verdict::Fresh {
                    window.record(highest, index);
                    highest = highest.max(index);
                    seen.insert(index);
                }
            }
        }
    }

    #[test]
    fn a_window_of_zero_accepts_everything() {
        let mut window = ReplayWindow::new(0);
        window.record(5, 5);
        assert_eq!(window.check(5, 5), Verdict::Fresh);
        assert_eq!(window.check(500_000, 5), Verdict::Fresh);
    }
}
