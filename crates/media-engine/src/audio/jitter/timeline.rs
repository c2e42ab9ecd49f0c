//! RTP timestamps without wraps, and what counts as a jump of them.

/// How far ahead of real time a timestamp may be, in seconds, before it counts as a jump.
const AHEAD_SECONDS: i64 = 1;
/// How far behind the newest packet a timestamp may be, in seconds, before it counts as a jump.
const BEHIND_SECONDS: i64 = 5;
/// How near two packets have to be to each other to be the beginning of another timeline, in seconds.
const NEAR_SECONDS: i64 = 1;
/// Packets up to so many before the newest in sequence are late, and begin no timeline, ...
const REORDERED: u64 = 1_000;
/// ... as long as the newest came within this time, in µs. Otherwise it is their sender that goes on.
const REORDERED_WITHIN: i64 = 1_000_000;
/// How many packets in a row that are all of the past are a clock that was set back.
const SET_BACK: u32 = 3;
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
    newest: Option<Newest>,
    /// The timestamp of a packet that was nowhere near the others.
    stray: Option<u32>,
    /// How many packets with sequence numbers to come were all of the past, and the last one's.
    past: (u32, u64),
}

/// The packet furthest in time.
#[derive(Clone, Copy, Debug)]
struct Newest {
    timestamp: u32,
    /// The timestamp extended.
    tick: i64,
    sequence: u64,
    /// When it came, in µs.
    when: i64,
}

impl Timeline {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self { clock_rate: i64::from(clock_rate), newest: None, stray: None, past: (0, 0) }
    }

    /// Places a packet that came at `now`. Redundancy never begins a timeline.
    pub(super) fn place(
        &mut self,
        timestamp: u32,
        sequence: u64,
        now: i64,
        redundant: bool,
    ) -> Place {
        let Some(newest) = self.newest else {
            return if redundant { Place::Stray } else { self.begin(timestamp, sequence, now) };
        };
        let difference = i64::from(timestamp.wrapping_sub(newest.timestamp) as i32);
        let since = (now - newest.when).max(0);
        let elapsed = since / 1_000 * self.clock_rate / 1_000;
        let ahead = elapsed.saturating_add(AHEAD_SECONDS * self.clock_rate);
        if (-BEHIND_SECONDS * self.clock_rate..=ahead).contains(&difference) {
            let tick = newest.tick + difference;
            if difference > 0 && !redundant {
                self.newest = Some(Newest { timestamp, tick, sequence, when: now });
                self.stray = None;
                self.past = (0, 0);
            }
            return Place::At(tick);
        }
        let reordered = sequence < newest.sequence && newest.sequence - sequence < REORDERED;
        if redundant || (reordered && since < REORDERED_WITHIN) {
            return Place::Stray;
        }
        // RFC 3550 A.1: one packet that is far off may be anything, two in a row are a sender that began anew.
        let near = NEAR_SECONDS * self.clock_rate;
        let follows = |stray: u32| i64::from(timestamp.wrapping_sub(stray) as i32).abs() <= near;
        if self.stray.take().is_some_and(follows) {
            return self.begin(timestamp, sequence, now);
        }
        self.stray = Some(timestamp);
        Place::Stray
    }

    /// A packet that was placed has only what was played already. True where this shows that the sender's clock was set back, by
    /// less than what counts as a jump: packets follow each other that were not sent before the newest.
    pub(super) fn is_set_back(&mut self, sequence: u64) -> bool {
        let (count, last) = self.past;
        if self.newest.is_none_or(|newest| sequence <= newest.sequence) || sequence <= last {
            return false;
        }
        self.past = (count + 1, sequence);
        self.past.0 >= SET_BACK
    }

    /// Begins anew with a packet that came at `now`.
    pub(super) fn begin(&mut self, timestamp: u32, sequence: u64, now: i64) -> Place {
        self.newest = Some(Newest { timestamp, tick: ORIGIN, sequence, when: now });
        self.stray = None;
        self.past = (0, 0);
        Place::Restart(ORIGIN)
    }

    /// Whether the packet before may be the first of another timeline.
    pub(super) fn has_stray(&self) -> bool {
        self.stray.is_some()
    }

    /// The RTP timestamp of a tick.
    pub(super) fn timestamp(&self, tick: i64) -> Option<u32> {
        let newest = self.newest?;
        Some(newest.timestamp.wrapping_add((tick - newest.tick) as u32))
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
        assert_eq!(timeline.place(u32::MAX - 959, 0, 0, false), Place::Restart(ORIGIN));
        assert_eq!(timeline.place(960, 2, 40_000, false), Place::At(ORIGIN + 1_920));
        assert_eq!(timeline.place(0, 2, 41_000, true), Place::At(ORIGIN + 960));
        assert_eq!(timeline.timestamp(ORIGIN), Some(u32::MAX - 959));
    }

    #[test]
    fn a_jump_takes_two_packets() {
        let mut timeline = Timeline::new(48_000);
        timeline.place(0, 0, 0, false);
        assert_eq!(timeline.place(2_000_000_000, 1, 20_000, false), Place::Stray);
        assert_eq!(timeline.place(1_920, 2, 40_000, false), Place::At(ORIGIN + 1_920));
        assert_eq!(timeline.place(2_000_001_920, 3, 40_000, false), Place::Stray);
        assert_eq!(timeline.place(2_000_002_880, 4, 60_000, false), Place::Restart(ORIGIN));
        // A silence of a minute is none.
        assert_eq!(
            timeline.place(2_000_002_880 + 60 * 48_000, 5, 60_060_000, false),
            Place::At(ORIGIN + 60 * 48_000)
        );
        // Two seconds ahead of real time are.
        assert_eq!(timeline.place(2_000_002_880 + 62 * 48_000, 6, 60_080_000, false), Place::Stray);
    }

    #[test]
    fn what_is_late_restarts_nothing() {
        let mut timeline = Timeline::new(48_000);
        timeline.place(0, 10, 0, false);
        timeline.place(2_000_000_000, 13, 60_000, false);
        timeline.place(2_000_000_960, 14, 80_000, false);
        assert_eq!(timeline.place(960, 11, 80_000, false), Place::Stray);
        assert_eq!(timeline.place(1_920, 12, 80_000, false), Place::Stray);
        let next = timeline.place(2_000_001_920, 15, 100_000, false);
        assert_eq!(next, Place::At(ORIGIN + 960));
        // Once nothing else comes, they are the sender's, whatever their numbers.
        assert_eq!(timeline.place(2_880, 13, 1_200_000, false), Place::Stray);
        assert_eq!(timeline.place(3_840, 14, 1_220_000, false), Place::Restart(ORIGIN));
    }
}
