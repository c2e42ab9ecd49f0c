//! Which stretches of time were made up of late: sound for them that comes now came too late, other sound a second time.

/// How many stretches are remembered.
const KEPT: usize = 32;

/// The last stretches, in ticks.
#[derive(Debug, Default)]
pub(super) struct Missing {
    stretches: [(i64, i64); KEPT],
    next: usize,
}

impl Missing {
    pub(super) fn add(&mut self, start: i64, end: i64) {
        let last = &mut self.stretches[(self.next + KEPT - 1) % KEPT];
        if last.1 == start && last.0 < last.1 {
            last.1 = end;
            return;
        }
        self.stretches[self.next] = (start, end);
        self.next = (self.next + 1) % KEPT;
    }

    /// Whether some of this was made up.
    pub(super) fn touches(&self, start: i64, end: i64) -> bool {
        self.stretches.iter().any(|&(from, to)| from < end && start < to)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
