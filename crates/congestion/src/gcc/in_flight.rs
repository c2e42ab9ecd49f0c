//! Bytes on their way: those sent after the last packet that a report told of. Reports get lost, so that packets are
//! not counted off one by one; what was sent up to a time is read from a ring of ten-millisecond marks.

use std::time::{Duration, Instant};

use crate::units::DataSize;

const MARK: Duration = Duration::from_millis(10);
const MARKS_A_SECOND: u64 = 100;
/// Over five seconds.
const MARKS: usize = 512;

/// The counter; see the module.
#[derive(Debug)]
pub(crate) struct InFlight {
    /// Bytes sent up to the end of each mark.
    marks: Vec<u64>,
    start: Option<Instant>,
    newest: u64,
    /// When the last packet was sent: those of a burst leave at one moment.
    last_sent: Option<Instant>,
    total: u64,
    reported: u64,
}

impl Default for InFlight {
    fn default() -> Self {
        Self {
            marks: vec![0; MARKS],
            start: None,
            newest: 0,
            last_sent: None,
            total: 0,
            reported: 0,
        }
    }
}

impl InFlight {
    fn mark(&self, at: Instant) -> u64 {
        let since = self.start.map_or(Duration::ZERO, |start| at.saturating_duration_since(start));
        // In 64 bits, since it is asked for each packet.
        let within = since.subsec_nanos() / MARK.subsec_nanos();
        since.as_secs().saturating_mul(MARKS_A_SECOND).saturating_add(u64::from(within))
    }

    pub(crate) fn on_sent(&mut self, now: Instant, size: DataSize) {
        if self.last_sent != Some(now) {
            self.start.get_or_insert(now);
            let mark = self.mark(now).max(self.newest);
            for passed in (self.newest + 1..=mark).take(MARKS) {
                self.marks[passed as usize % MARKS] = self.total;
            }
            (self.newest, self.last_sent) = (mark, Some(now));
        }
        self.total = self.total.saturating_add(size.as_bytes());
        self.marks[self.newest as usize % MARKS] = self.total;
    }

    /// The last packet that is accounted for was sent then.
    pub(crate) fn on_reported(&mut self, sent: Instant) {
        let mark = self.mark(sent);
        let up_to = if mark >= self.newest {
            self.total
        } else if self.newest - mark < MARKS as u64 {
            self.marks[mark as usize % MARKS]
        } else {
            // Longer ago than remembered: as if all that is not remembered had arrived.
            self.marks[(self.newest + 1) as usize % MARKS]
        };
        self.reported = self.reported.max(up_to);
    }

    pub(crate) fn size(&self) -> DataSize {
        DataSize::from_bytes(self.total - self.reported)
    }

    /// As if all had arrived.
    pub(crate) fn clear(&mut self) {
        self.reported = self.total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_was_sent_after_the_last_report() {
        let start = Instant::now();
        let mut in_flight = InFlight::default();
        for i in 0..10 {
            in_flight.on_sent(start + Duration::from_millis(20 * i), DataSize::from_bytes(100));
        }
        assert_eq!(in_flight.size(), DataSize::from_bytes(1_000));
        in_flight.on_reported(start + Duration::from_millis(60));
        assert_eq!(in_flight.size(), DataSize::from_bytes(600));
        in_flight.on_reported(start);
        assert_eq!(in_flight.size(), DataSize::from_bytes(600), "an older report");
        in_flight.on_sent(start + Duration::from_secs(3_600), DataSize::from_bytes(100));
        assert_eq!(in_flight.size(), DataSize::from_bytes(700));
        in_flight.on_reported(start + Duration::from_secs(1_800));
        assert_eq!(in_flight.size(), DataSize::from_bytes(100));
    }
}
