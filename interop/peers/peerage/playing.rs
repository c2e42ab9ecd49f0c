//! What a player would make of the frames that arrive: how many, and how long the picture stood still (webrtc-stats,
//! `freezeCount` and `totalFreezesDuration`). Frames count when they are complete; there is no jitter buffer here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Intervals that the usual one is the mean of.
const INTERVALS: usize = 30;
/// A longer pause than three intervals, and than one and this, is a freeze.
const PAUSE: Duration = Duration::from_millis(150);

/// See the module.
#[derive(Default)]
pub(crate) struct Playing {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) freezes: u64,
    pub(crate) frozen: Duration,
    last: Option<Instant>,
    intervals: VecDeque<Duration>,
}

impl Playing {
    /// A frame is complete.
    pub(crate) fn frame(&mut self, now: Instant, bytes: usize) {
        self.frames += 1;
        self.bytes += bytes as u64;
        if let Some(last) = self.last.replace(now) {
            let interval = now - last;
            if self.intervals.len() == INTERVALS {
                let usual = self.intervals.iter().sum::<Duration>() / INTERVALS as u32;
                if interval > (usual * 3).max(usual + PAUSE) {
                    self.freezes += 1;
                    self.frozen += interval;
                }
                self.intervals.pop_front();
            }
            self.intervals.push_back(interval);
        }
    }
}
