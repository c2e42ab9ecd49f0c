//! The deadlines of all connections of an endpoint: one entry each, the earliest first.

use std::collections::BTreeSet;
use std::time::Instant;

use super::ConnectionId;

/// Work per change is logarithmic in the number of connections, and nothing is done for those that sleep.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Instant, ConnectionId)>);

impl Timers {
    /// Moves a connection's deadline from `old` to `new`.
    pub(crate) fn change(
        &mut self,
        connection: ConnectionId,
        old: Option<Instant>,
        new: Option<Instant>,
    ) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.0.remove(&(old, connection));
        }
        if let Some(new) = new {
            self.0.insert((new, connection));
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// A connection whose deadline has come; its entry stays until [`Self::change`] moves it.
    pub(crate) fn due(&self, now: Instant) -> impl Iterator<Item = ConnectionId> + '_ {
        self.0.iter().take_while(move |(at, _)| *at <= now).map(|(_, connection)| *connection)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_comes_first_and_moves() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.change(1, None, Some(at(30)));
        timers.change(2, None, Some(at(10)));
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.due(at(20)).collect::<Vec<_>>(), [2]);
        timers.change(2, Some(at(10)), None);
        assert_eq!(timers.next(), Some(at(30)));
        assert_eq!(timers.due(at(20)).count(), 0);
    }
}
