//! The progress bar of a transfer, or its events.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::{Event, Report};

/// How often progress is told as an event.
const INTERVAL: Duration = Duration::from_millis(250);

pub(crate) struct Progress {
    bar: ProgressBar,
    size: u64,
    report: Report,
    told: Instant,
}

impl Progress {
    pub(crate) fn new(offset: u64, size: u64, report: Report) -> Progress {
        // Draws only on terminals.
        let bar = if report.is_json() { ProgressBar::hidden() } else { ProgressBar::new(size) };
        if let Ok(style) = ProgressStyle::with_template(
            "{bar:40} {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left",
        ) {
            bar.set_style(style);
        }
        bar.set_position(offset);
        bar.reset_eta();
        Progress { bar, size, report, told: Instant::now() }
    }

    pub(crate) fn set(&mut self, bytes: u64) {
        self.bar.set_position(bytes);
        if self.report.is_json() && (self.told.elapsed() >= INTERVAL || bytes == self.size) {
            self.told = Instant::now();
            self.report.event(&Event::Progress { bytes, size: self.size });
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
