//! Getting rid of a queue. After a sudden drop of the capacity, a rate a little below it would take seconds to drain what
//! has piled up; so media is held back until the queue is gone. A queue that stays although this flow gave way is someone
//! else's: then it is lived with.

use std::time::{Duration, Instant};

use super::queue_delay::QueueDelay;

/// Queueing delay that is drained after overuse, and the one at which that is done.
const ABOVE: Duration = Duration::from_millis(80);
const UNTIL: Duration = Duration::from_millis(40);
/// Media is held back for as long as what is in flight should take, and a little longer, but no longer than this; then
/// it is the lower rate that has to do.
const HOLD_SLACK: Duration = Duration::from_millis(300);
const LONGEST_HOLD: Duration = Duration::from_secs(3);
/// A queue as long as this for so long is too long, though it grows no more: a full one does not.
const STANDING: Duration = Duration::from_millis(100);
const STANDING_TIME: Duration = Duration::from_millis(500);
/// If draining takes longer than this, the queue is someone else's, and is left to them for a while: twice as long each
/// time.
const LONGEST: Duration = Duration::from_secs(5);
const FOREIGN: Duration = Duration::from_secs(30);
const LONGEST_FOREIGN: Duration = Duration::from_secs(240);
/// After a queue was drained, the pacer keeps to the target for a while: what it held back would fill it again.
const CAREFUL: Duration = Duration::from_secs(3);

/// What is done about a queue; see the module.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    since: Option<Instant>,
    hold: Duration,
    last: Option<Instant>,
    standing_since: Option<Instant>,
    stands: bool,
    beside_foreign: bool,
    /// When draining did not help, and for how long that is remembered.
    foreign: Option<Instant>,
    foreign_for: Duration,
}

impl Drain {
    /// Time has passed, or a report came in and said whether the path is overused.
    /// `backlog` is how long what is in flight should take to arrive.
    pub(crate) fn update(
        &mut self,
        now: Instant,
        overused: bool,
        queue: &QueueDelay,
        backlog: Duration,
    ) {
        let foreign =
            self.foreign.is_some_and(|at| now.saturating_duration_since(at) < self.foreign_for);
        if queue.floor() < STANDING {
            self.standing_since = None;
        } else {
            self.standing_since.get_or_insert(now);
        }
        let long = |since: Instant| now.saturating_duration_since(since) >= STANDING_TIME;
        self.stands = !foreign && self.standing_since.is_some_and(long);
        self.beside_foreign = foreign && self.standing_since.is_some();

        if overused && queue.last() > ABOVE && !foreign {
            if self.since.is_none() {
                self.hold = (backlog + HOLD_SLACK).min(LONGEST_HOLD);
            }
            self.since.get_or_insert(now);
        }
        let Some(since) = self.since else { return };
        self.last = Some(now);
        if queue.last() < UNTIL {
            self.since = None;
            self.foreign_for = Duration::ZERO;
        } else if now.saturating_duration_since(since) > LONGEST {
            self.since = None;
            // Not if it has only just become long again.
            let all_the_time = |at: Instant| now.saturating_duration_since(at) >= LONGEST * 2 / 3;
            if self.standing_since.is_some_and(all_the_time) {
                self.foreign = Some(now);
                self.foreign_for = (self.foreign_for * 2).clamp(FOREIGN, LONGEST_FOREIGN);
            }
        }
    }

    /// Whether a queue is being drained.
    pub(crate) fn is_draining(&self) -> bool {
        self.since.is_some()
    }

    /// Whether media is to be held back for it.
    pub(crate) fn holds_back(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.saturating_duration_since(since) < self.hold)
    }

    /// Whether one was, a moment ago.
    pub(crate) fn is_careful(&self, now: Instant) -> bool {
        self.last.is_some_and(|at| now.saturating_duration_since(at) < CAREFUL)
    }

    /// Whether there has been a queue for so long that it must be given way to.
    pub(crate) fn stands(&self) -> bool {
        self.stands
    }

    /// Whether there is a queue that giving way did not help against.
    pub(crate) fn beside_foreign(&self) -> bool {
        self.beside_foreign
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKLOG: Duration = Duration::from_millis(400);

    /// A path on which packets wait this long, after a start on which they did not.
    fn waiting(ms: i64) -> QueueDelay {
        let mut queue = QueueDelay::default();
        queue.push(0, 0);
        for i in 1..100 {
            queue.push(i * 10_000, i * 10_000 + ms * 1_000);
        }
        queue
    }

    #[test]
    fn a_queue_is_drained_until_it_is_short() {
        let now = Instant::now();
        let mut drain = Drain::default();
        drain.update(now, true, &waiting(60), BACKLOG);
        assert!(!drain.is_draining(), "too short to be worth it");
        drain.update(now, true, &waiting(150), BACKLOG);
        assert!(drain.is_draining() && drain.holds_back(now) && drain.is_careful(now));
        drain.update(now, false, &waiting(30), BACKLOG);
        assert!(!drain.is_draining() && drain.is_careful(now));
        assert!(!drain.is_careful(now + CAREFUL));
    }

    #[test]
    fn a_queue_that_stays_is_left_to_others() {
        let mut now = Instant::now();
        let mut drain = Drain::default();
        let queue = waiting(200);
        drain.update(now, true, &queue, BACKLOG);
        assert!(!drain.stands());
        now += STANDING_TIME;
        drain.update(now, true, &queue, BACKLOG);
        assert!(drain.stands() && drain.holds_back(now));
        now += LONGEST;
        drain.update(now, true, &queue, BACKLOG);
        assert!(!drain.is_draining());
        drain.update(now, true, &queue, BACKLOG);
        assert!(drain.beside_foreign() && !drain.stands() && !drain.is_draining());
        now += FOREIGN;
        drain.update(now, true, &queue, BACKLOG);
        assert!(drain.stands() && drain.is_draining(), "another try");
    }
}
