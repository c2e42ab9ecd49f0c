//! What is kept until no lock is held: most often few, for which no memory is taken.

use std::task::Waker;

/// As many as most sources have tracks and sinks.
const FEW: usize = 8;

/// A list that takes memory only beyond a few.
#[derive(Debug)]
pub(super) struct Few<T> {
    first: [Option<T>; FEW],
    count: usize,
    more: Vec<T>,
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { first: [const { None }; FEW], count: 0, more: Vec::new() }
    }
}

impl<T> Few<T> {
    pub(super) fn push(&mut self, item: T) {
        match self.first.get_mut(self.count) {
            Some(place) => *place = Some(item),
            None => self.more.push(item),
        }
        self.count += 1;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().flatten().chain(&self.more)
    }
}

impl<T> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item));
    }
}

impl Few<Waker> {
    /// Wakes all. What they do may be anything, so that no lock may be held.
    pub(super) fn wake(self) {
        self.first.into_iter().flatten().chain(self.more).for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_are_kept_in_order() {
        let mut few = Few::default();
        few.extend(0..20);
        assert!(few.iter().copied().eq(0..20));
    }
}
