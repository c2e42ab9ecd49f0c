//! Decoded pictures that wait for their time.

use std::collections::VecDeque;
use std::time::Instant;

/// A bounded queue of what is to be shown, each at its time. Of several that are due, the newest is shown and the others dropped, so
/// that a pause of whoever shows does not become a lasting delay.
#[derive(Clone, Debug)]
pub struct PictureQueue<T> {
    waiting: VecDeque<(Instant, T)>,
    capacity: usize,
    dropped: u64,
}

impl<T> PictureQueue<T> {
    /// One for so many pictures, at least 1.
    pub fn new(capacity: usize) -> Self {
        Self { waiting: VecDeque::new(), capacity: capacity.max(1), dropped: 0 }
    }

    /// Adds a picture. Where there is no room, the oldest is dropped.
    pub fn push(&mut self, render_at: Instant, picture: T) {
        if self.waiting.len() >= self.capacity {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        self.waiting.push_back((render_at, picture));
    }

    /// The picture to be shown at `now`, if one is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<T> {
        let mut due = None;
        while self.waiting.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, picture)) = self.waiting.pop_front() {
                self.dropped += u64::from(due.replace(picture).is_some());
            }
        }
        due
    }

    /// When the next one is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.front().map(|(at, _)| *at)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many were not shown (`framesDropped`).
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Forgets those that wait.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_newest_of_what_is_due_is_shown() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut queue = PictureQueue::new(3);
        for number in 0..3u64 {
            queue.push(at(10 * number), number);
        }
        assert_eq!((queue.pop_due(at(0)), queue.pop_due(at(5))), (Some(0), None));
        assert_eq!(queue.poll_timeout(), Some(at(10)));
        assert_eq!((queue.pop_due(at(25)), queue.dropped()), (Some(2), 1));
        for number in 0..5 {
            queue.push(at(100), number);
        }
        assert_eq!((queue.len(), queue.dropped()), (3, 3));
        queue.clear();
        assert!(queue.is_empty());
    }
}
