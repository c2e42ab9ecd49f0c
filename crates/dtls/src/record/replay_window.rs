//! The sliding window that tells new records from replayed ones (RFC 9147 §4.5.1, RFC 6347 §4.1.2.6).

/// A window of [`ReplayWindow::SIZE`] records behind the highest that was received in one epoch.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplayWindow {
    /// One more than the highest sequence number received; 0 if none was.
    next: u64,
    /// Bit i of the whole is the record `next - 1 - i`.
    seen: [u64; 4],
}

impl ReplayWindow {
    /// How far a record may lag behind. A window of 64 is too small for a fast data channel over two radio links.
    pub(crate) const SIZE: u64 = 256;

    /// The sequence number that follows the highest received so far.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Whether `sequence` is new. Changes nothing: the record must be authenticated first.
    pub(crate) const fn is_new(&self, sequence: u64) -> bool {
        if sequence >= self.next {
            return true;
        }
        let age = self.next - 1 - sequence;
        age < Self::SIZE && self.seen[(age / 64) as usize] & (1 << (age % 64)) == 0
    }

    /// Records that `sequence` was received.
    pub(crate) fn insert(&mut self, sequence: u64) {
        if sequence < self.next {
            let age = self.next - 1 - sequence;
            if age < Self::SIZE {
                self.seen[(age / 64) as usize] |= 1 << (age % 64);
            }
            return;
        }
        self.shift(sequence - self.next + 1);
        self.seen[0] |= 1;
        self.next = sequence + 1;
    }

    fn shift(&mut self, by: u64) {
        if by >= Self::SIZE {
            self.seen = [0; 4];
            return;
        }
        let (words, bits) = ((by / 64) as usize, by % 64);
        for index in (0..4_usize).rev() {
            let word = |at: Option<usize>| at.map_or(0, |at| self.seen[at]);
            let high = word(index.checked_sub(words));
            let low = word(index.checked_sub(words + 1));
            self.seen[index] = if bits == 0 { high } else { high << bits | low >> (64 - bits) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The window against a plain set, over pseudo-random walks.
    #[test]
    fn agrees_with_a_set_of_everything_seen() {
        let mut state = 1_u64;
        let mut random = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state >> 33
        };
        let mut window = ReplayWindow::default();
        let mut seen = std::collections::BTreeSet::new();
        let mut highest = 0_u64;
        for _ in 0..20_000 {
            let sequence = match random() % 4 {
                0 => highest + random() % 400,
                _ => (highest + 3).saturating_sub(random() % 300),
            };
            let too_old =
                seen.last().is_some_and(|&last: &u64| last >= sequence + ReplayWindow::SIZE);
            assert_eq!(window.is_new(sequence), !too_old && !seen.contains(&sequence));
            window.insert(sequence);
            seen.insert(sequence);
            highest = highest.max(sequence);
            assert_eq!(window.next(), highest + 1);
        }
    }
}
