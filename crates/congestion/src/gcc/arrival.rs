//! Groups packets that were sent together, and compares each group's journey with the one before
//! (draft-ietf-rmcat-gcc-02 §5.1, §5.2).
//!
//! Packets sent within a few milliseconds share one fate on the way, and so do packets that a busy link lets out in one
//! go; taken alone, each would be noise.

/// Packets sent within this time of a group's first belong to it.
const GROUP_US: i64 = 5_000;
/// Packets that arrive this soon after each other, faster than they were sent, were held up and let go together.
const BURST_US: i64 = 5_000;
/// A burst is not followed for longer than this: it would hide a queue.
const MAX_BURST_US: i64 = 100_000;
/// A jump of one clock against the other by more than this is no queue: it begins anew.
const JUMP_US: i64 = 3_000_000;
/// So many groups in a row that seem to arrive before their predecessor mean that the receiver's clock was set back.
const MAX_BACKWARD: u8 = 3;

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrived: i64,
    last_arrived: i64,
}

/// How two neighbouring groups differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delta {
    /// Time between the groups when they were sent, in microseconds; never negative.
    pub(crate) sent: i64,
    /// Time between the groups when they arrived, in microseconds.
    pub(crate) arrived: i64,
    /// When the later group was complete at the receiver.
    pub(crate) at: i64,
}

/// Forms groups; see the module.
#[derive(Debug, Default)]
pub(crate) struct ArrivalGroups {
    previous: Option<Group>,
    current: Option<Group>,
    backward: u8,
}

impl ArrivalGroups {
    /// A packet, with both times in microseconds, each on its own clock. Gives the difference of the two groups before
    /// when it begins a new one.
    pub(crate) fn push(&mut self, sent: i64, arrived: i64) -> Option<Delta> {
        let Some(current) = &mut self.current else {
            self.current = Some(Group::new(sent, arrived));
            return None;
        };
        if sent < current.first_sent {
            // Overtaken on the way: its group is closed.
            return None;
        }
        if current.takes(sent, arrived) {
            current.last_sent = current.last_sent.max(sent);
            current.last_arrived = current.last_arrived.max(arrived);
            return None;
        }
        let closed = *current;
        let delta = self.previous.and_then(|previous| {
            let delta = Delta {
                sent: closed.last_sent.saturating_sub(previous.last_sent),
                arrived: closed.last_arrived.saturating_sub(previous.last_arrived),
                at: closed.last_arrived,
            };
            if delta.arrived < 0 {
                self.backward += 1;
                return None;
            }
            self.backward = 0;
            Some(delta)
        });
        let jumped =
            delta.is_some_and(|delta| delta.arrived.saturating_sub(delta.sent).abs() > JUMP_US);
        if jumped || self.backward >= MAX_BACKWARD {
            *self = Self { current: Some(Group::new(sent, arrived)), ..Self::default() };
            return None;
        }
        self.previous = Some(closed);
        self.current = Some(Group::new(sent, arrived));
        delta
    }
}

impl Group {
    fn new(sent: i64, arrived: i64) -> Self {
        Self { first_sent: sent, last_sent: sent, first_arrived: arrived, last_arrived: arrived }
    }

    fn takes(&self, sent: i64, arrived: i64) -> bool {
        if sent.saturating_sub(self.first_sent) <= GROUP_US {
            return true;
        }
        let arrival_gap = arrived.saturating_sub(self.last_arrived);
        let send_gap = sent.saturating_sub(self.last_sent);
        (-BURST_US..=BURST_US).contains(&arrival_gap)
            && arrival_gap < send_gap
            && arrived.saturating_sub(self.first_arrived) < MAX_BURST_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_sent_together_are_one_group() {
        let mut groups = ArrivalGroups::default();
        assert_eq!(groups.push(0, 0), None);
        assert_eq!(groups.push(4_000, 9_000), None);
        assert_eq!(groups.push(20_000, 30_000), None, "one group is closed");
        let delta = groups.push(40_000, 55_000).expect("two groups are closed");
        assert_eq!(delta, Delta { sent: 16_000, arrived: 21_000, at: 30_000 });
    }

    #[test]
    fn a_burst_at_the_receiver_is_one_group() {
        let mut groups = ArrivalGroups::default();
        groups.push(0, 0);
        for i in 1..5 {
            // Sent every 10 ms, held up, and let go 1 ms apart.
            assert_eq!(groups.push(i * 10_000, 50_000 + i * 1_000), None);
        }
        let delta = groups.push(60_000, 70_000).expect("closed");
        assert_eq!((delta.sent, delta.arrived), (40_000, 54_000));
    }

    #[test]
    fn a_receiver_clock_set_back_begins_anew() {
        let mut groups = ArrivalGroups::default();
        for i in 0..5 {
            groups.push(i * 20_000, 10_000_000 + i * 20_000);
        }
        let mut deltas = 0;
        for i in 5..15 {
            deltas += u32::from(groups.push(i * 20_000, i * 20_000).is_some());
        }
        assert!(deltas >= 4, "{deltas}");
    }
}
