//! RTP timestamps without wraps, and what counts as a jump of them.

/// How far ahead of real time, or behind the last packet, a timestamp may be, in seconds, before it counts as a jump.
const LEEWAY_SECONDS: i64 = 5;
/// How near two packets have to be to each other to be the beginning of another timeline, in seconds.
const NEAR_SECONDS: i64 = 1;
/// Where a timeline begins: far enough from zero that what comes before has room.
const ORIGIN: i64 = 1 << 40;

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At this tick of the timeline.
    At(i64),
    /// Of a timeline that begins with it: all before is over.
    Restart(i64),
    /// Nowhere near the others. Another one like it will restart.
    Stray,
}

/// Extends timestamps of 32 bits.
#[derive(Debug)]
pub(super) struct Timeline {
    clock_rate: i64,
    /// The newest: as it came, extended, and when in µs.
    newest: Option<(u32, i64, i64)>,
    stray: Option<u32>,
}

impl Timeline {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self { clock_rate: i64::from(clock_rate), newest: None, stray: None }
    }

    /// Places a packet that came at `now`. Redundancy never begins a timeline.
    pub(super) fn place(&mut self, timestamp: u32, now: i64, redundant: bool) -> Place {
        let Some((newest, extended, when)) = self.newest else {
            if redundant {
                return Place::Stray;
            }
            self.newest = Some((timestamp, ORIGIN, now));
            return Place::Restart(ORIGIN);
        };
        let difference = i64::from(timestamp.wrapping_sub(newest) as i32);
        let leeway = LEEWAY_SECONDS * self.clock_rate;
        let elapsed = (now - when).max(0) / 1_000 * self.clock_rate / 1_000;
        if (-leeway..=elapsed.saturating_add(leeway)).contains(&difference) {
            if difference > 0 && !redundant {
                self.newest = Some((timestamp, extended + difference, now));
                self.stray = None;
            }
            return Place::At(extended + difference);
        }
        if redundant {
            return Place::Stray;
        }
        // RFC 3550 A.1: one packet that is far off may be anything, two in a row are a sender that began anew.
        let near = NEAR_SECONDS * self.clock_rate;
        let follows = |stray: u32| i64::from(timestamp.wrapping_sub(stray) as i32).abs() <= near;
        if self.stray.take().is_some_and(follows) {
            self.newest = Some((timestamp, ORIGIN, now));
            return Place::Restart(ORIGIN);
        }
        self.stray = Some(timestamp);
        Place::Stray
    }

    /// The RTP timestamp of a tick.
    pub(super) fn timestamp(&self, tick: i64) -> Option<u32> {
        let (newest, extended, _) = self.newest?;
        Some(newest.wrapping_add((tick - extended) as u32))
    }

    pub(super) fn clear(&mut self, clock_rate: u32) {
        *self = Self::new(clock_rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_go_on() {
        let mut timeline = Timeline::new(48_000);
        assert_eq!(timeline.place(u32::MAX - 959, 0, false), Place::Restart(ORIGIN));
        assert_eq!(timeline.place(960, 40_000, false), Place::At(ORIGIN + 1_920));
        assert_eq!(timeline.place(0, 41_000, true), Place::At(ORIGIN + 960));
        assert_eq!(timeline.timestamp(ORIGIN), Some(u32::MAX - 959));
    }

    #[test]
    fn a_jump_takes_two_packets() {
        let mut timeline = Timeline::new(48_000);
        timeline.place(0, 0, false);
        assert_eq!(timeline.place(2_000_000_000, 20_000, false), Place::Stray);
        assert_eq!(timeline.place(1_920, 40_000, false), Place::At(ORIGIN + 1_920));
        assert_eq!(timeline.place(2_000_001_920, 40_000, false), Place::Stray);
        assert_eq!(timeline.place(2_000_002_880, 60_000, false), Place::Restart(ORIGIN));
        // A silence of a minute is none.
        assert_eq!(
            timeline.place(2_000_002_880 + 60 * 48_000, 60_060_000, false),
            Place::At(ORIGIN + 60 * 48_000)
        );
    }
}
