//! A stream's timestamps on its sender's wall clock.

use std::collections::VecDeque;
use std::time::Duration;

use peerage_rtp::NtpTime;

/// Reports that are looked at.
const REPORTS: usize = 20;
/// From which distance two reports tell the true rate of the clock.
const SPAN: f64 = 5.0;
/// How far that may be from the nominal rate.
const DEVIATION: f64 = 0.01;

#[derive(Clone, Copy, Debug)]
struct Report {
    time: NtpTime,
    timestamp: u32,
}

/// Learns from sender reports at which time of the sender's wall clock each timestamp is.
#[derive(Clone, Debug)]
pub struct SenderClock {
    rate: f64,
    reports: VecDeque<Report>,
}

impl SenderClock {
    /// Of a stream whose clock has so many ticks a second.
    pub fn new(clock_rate: u32) -> Self {
        Self { rate: f64::from(clock_rate.max(1)), reports: VecDeque::new() }
    }

    /// A sender report came, or a frame with its capture time.
    pub fn report(&mut self, time: NtpTime, timestamp: u32) {
        if let Some(last) = self.reports.back() {
            let seconds = seconds(time, last.time);
            let ticks = f64::from(timestamp.wrapping_sub(last.timestamp).cast_signed());
            if seconds == 0.0 {
                return;
            }
            // Another stream, or a clock that was set.
            if seconds < 0.0 || (ticks / self.rate - seconds).abs() > 1.0 {
                self.reports.clear();
            }
        }
        if self.reports.len() == REPORTS {
            self.reports.pop_front();
        }
        self.reports.push_back(Report { time, timestamp });
    }

    /// Ticks a second, as far as reports tell.
    fn true_rate(&self) -> f64 {
        let (Some(first), Some(last)) = (self.reports.front(), self.reports.back()) else {
            return self.rate;
        };
        let seconds = seconds(last.time, first.time);
        if seconds < SPAN {
            return self.rate;
        }
        let rate = f64::from(last.timestamp.wrapping_sub(first.timestamp)) / seconds;
        if (rate / self.rate - 1.0).abs() < DEVIATION { rate } else { self.rate }
    }

    /// The sender's time of a timestamp; `None` before the first report.
    pub fn time(&self, timestamp: u32) -> Option<NtpTime> {
        let last = self.reports.back()?;
        let ticks = f64::from(timestamp.wrapping_sub(last.timestamp).cast_signed());
        let distance = Duration::try_from_secs_f64(ticks.abs() / self.true_rate()).ok()?;
        Some(if ticks < 0.0 { last.time.minus(distance) } else { last.time.plus(distance) })
    }
}

/// How far `time` is ahead of `other`, in seconds.
pub(super) fn seconds(time: NtpTime, other: NtpTime) -> f64 {
    time.0.wrapping_sub(other.0).cast_signed() as f64 / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_become_times_of_the_sender() {
        let start = NtpTime::from_unix(Duration::from_secs(1_700_000_000));
        let mut clock = SenderClock::new(48_000);
        assert_eq!(clock.time(0), None);
        // The clock runs 200 ppm too fast, and wraps.
        let ticks = |second: u64| (second * 480_096 / 10) as u32;
        let first = u32::MAX - 100_000;
        for second in (0..60).step_by(5) {
            clock
                .report(start.plus(Duration::from_secs(second)), first.wrapping_add(ticks(second)));
        }
        let time = clock.time(first.wrapping_add(ticks(70))).unwrap();
        assert!((seconds(time, start) - 70.0).abs() < 0.0005, "{}", seconds(time, start));
        let before = clock.time(first).unwrap();
        assert!(seconds(before, start).abs() < 0.0005);
        // Another stream: only the nominal rate is known.
        clock.report(start.plus(Duration::from_secs(61)), 5);
        let time = clock.time(48_005).unwrap();
        assert!((seconds(time, start) - 62.0).abs() < 1e-6);
    }
}
