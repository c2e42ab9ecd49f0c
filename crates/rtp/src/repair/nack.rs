//! Which packets to ask for again, and when (RFC 4585 §6.2.1): a gap is asked for once it is more than reordering, again
//! after each round trip, and given up for a key frame when it is too large or too old.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::number::{SequenceNumber, SequenceUnwrapper};

/// How patient a receiver is.
#[derive(Debug, Clone, Copy)]
pub struct NackConfig {
    /// How long a gap may be reordering before it is loss, to begin with. How late packets really come is learnt.
    pub reordering_delay: Duration,
    /// How often a packet is asked for.
    pub max_requests: u8,
    /// The most packets that are missed at a time; beyond, all are given up.
    pub max_missing: usize,
    /// How far behind the newest a missing packet may be.
    pub max_age_packets: u64,
    /// How long after its gap was seen a packet is of use.
    pub max_age: Duration,
}

impl Default for NackConfig {
    /// 10 ms for reordering, ten requests, 1,000 packets missing, 10,000 packets or 5 s behind.
    fn default() -> Self {
        Self {
            reordering_delay: Duration::from_millis(10),
            max_requests: 10,
            max_missing: 1_000,
            max_age_packets: 10_000,
            max_age: Duration::from_secs(5),
        }
    }
}

/// The most packets, and the most time, of reordering that are waited for.
const MAX_REORDERING: u64 = 32;
const MAX_REORDERING_DELAY: Duration = Duration::from_millis(60);
/// What was learnt of reordering is forgotten by this part with each gap that was none.
const FORGET: u32 = 256;
/// Places that are kept while nothing is missing.
const KEPT_PLACES: usize = 64;
/// The least time between two requests for a packet, however short the round trip is.
const MIN_RETRY: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Copy)]
struct Missing {
    number: u64,
    /// The packet that showed the gap.
    shown_by: u64,
    seen: Instant,
    /// When to ask next.
    due: Instant,
    requests: u8,
}

/// What one stream misses.
#[derive(Debug)]
pub struct NackGenerator {
    config: NackConfig,
    unwrapper: SequenceUnwrapper,
    /// The lowest number that came.
    first: u64,
    /// Ascending by number.
    missing: VecDeque<Missing>,
    /// No request is due before.
    next_due: Option<Instant>,
    /// How far behind late packets have been lately: packets, in 1/256, and time.
    reordering: u64,
    reordering_delay: Duration,
    /// What the owner said last of the round trip.
    round_trip: Duration,
    /// How long a gap is left to forward error correction.
    patience: Duration,
    /// Gaps that were shown up to this packet have been looked at as possible reordering.
    hastened: u64,
    key_frame_needed: bool,
    requests: u64,
    given_up: u64,
}

impl NackGenerator {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(config: NackConfig) -> Self {
        Self {
            config,
            unwrapper: SequenceUnwrapper::default(),
            first: 0,
            missing: VecDeque::new(),
            next_due: None,
            reordering: 0,
            reordering_delay: config.reordering_delay,
            round_trip: Duration::from_millis(100),
            patience: Duration::ZERO,
            hastened: 0,
            key_frame_needed: false,
            requests: 0,
            given_up: 0,
        }
    }

    /// Takes a packet that came on the stream itself. False where it came before.
    pub fn receive(&mut self, now: Instant, number: SequenceNumber) -> bool {
        self.take(now, number, true)
    }

    /// Takes a packet that was retransmitted on a stream of its own, or recovered by FEC. False where it came before.
    pub fn repaired(&mut self, now: Instant, number: SequenceNumber) -> bool {
        self.take(now, number, false)
    }

    fn take(&mut self, now: Instant, number: SequenceNumber, original: bool) -> bool {
        let Some(highest) = self.unwrapper.highest() else {
            self.first = self.unwrapper.unwrap(number);
            return true;
        };
        let extended = self.unwrapper.unwrap(number);
        if extended <= highest {
            let Ok(index) = self.missing.binary_search_by_key(&extended, |missing| missing.number)
            else {
                return self.begins_earlier(now, extended);
            };
            if let Some(missing) = self.missing.remove(index) {
                self.give_back();
                let late = now.saturating_duration_since(missing.seen);
                // Where retransmissions come on the stream itself, what was asked for a round trip ago is one.
                let late_by_itself = missing.requests == 0 || late < self.round_trip;
                self.learn(if original && late_by_itself {
                    Some((highest - extended, late))
                } else {
                    None
                });
            }
            return true;
        }
        let gap = extended - highest - 1;
        if gap > self.config.max_missing as u64 {
            self.give_up_all();
            self.given_up += gap;
            return true;
        }
        for number in highest + 1..extended {
            let due = now + self.reordering_delay.max(self.patience);
            self.missing.push_back(Missing {
                number,
                shown_by: extended,
                seen: now,
                due,
                requests: 0,
            });
            self.next_due = Some(self.next_due.map_or(due, |next| next.min(due)));
        }
        self.expire(now, extended);
        // Later packets show that a gap is no reordering (RFC 4585 §6.2.1 leaves it to the receiver): once more of them
        // came than late packets have lately been behind, it is due.
        let tolerated = extended.saturating_sub(self.reordering.div_ceil(u64::from(FORGET)) + 1);
        let begin = self.missing.partition_point(|missing| missing.shown_by <= self.hastened);
        for missing in self.missing.range_mut(begin..) {
            if missing.shown_by > tolerated {
                break;
            }
            let hastened = now.max(missing.seen + self.patience);
            if missing.requests == 0 && missing.due > hastened {
                missing.due = hastened;
                self.next_due = Some(self.next_due.map_or(hastened, |next| next.min(hastened)));
            }
        }
        self.hastened = self.hastened.max(tolerated);
        true
    }

    /// A packet from before the first that came: the stream begins with it, and what is between is missing.
    fn begins_earlier(&mut self, now: Instant, extended: u64) -> bool {
        let full = self.missing.len() + MAX_REORDERING as usize > self.config.max_missing;
        if extended >= self.first || self.first - extended > MAX_REORDERING || full {
            return false;
        }
        let due = now + self.reordering_delay;
        for number in (extended + 1..self.first).rev() {
            let shown_by = self.first;
            self.missing.push_front(Missing { number, shown_by, seen: now, due, requests: 0 });
            self.next_due = Some(self.next_due.map_or(due, |next| next.min(due)));
        }
        self.first = extended;
        true
    }

    /// Learns how late late packets are: at once where they are later than before, slowly where they are not, or where
    /// a gap was loss.
    fn learn(&mut self, late: Option<(u64, Duration)>) {
        let (packets, delay) = late.unwrap_or_default();
        let packets = packets.min(MAX_REORDERING) * u64::from(FORGET);
        let delay = delay.min(MAX_REORDERING_DELAY);
        if packets > self.reordering {
            self.reordering = packets;
        } else {
            self.reordering -= (self.reordering - packets).div_ceil(u64::from(FORGET));
        }
        if delay > self.reordering_delay {
            self.reordering_delay = delay;
        } else {
            self.reordering_delay -= (self.reordering_delay - delay) / FORGET;
        }
    }

    /// Gives up what is too old, and everything when too much is missing.
    fn expire(&mut self, now: Instant, highest: u64) {
        if self.missing.len() > self.config.max_missing {
            self.give_up_all();
        }
        let oldest = highest.saturating_sub(self.config.max_age_packets);
        while let Some(first) = self.missing.front() {
            let late = now.saturating_duration_since(first.seen) > self.config.max_age;
            if first.number >= oldest && !late {
                break;
            }
            self.missing.pop_front();
            self.given_up += 1;
            self.key_frame_needed = true;
        }
        self.give_back();
    }

    /// Gives back the memory of a burst of losses once nothing is missing.
    fn give_back(&mut self) {
        if self.missing.is_empty() && self.missing.capacity() > KEPT_PLACES {
            self.missing.shrink_to(KEPT_PLACES);
        }
    }

    fn give_up_all(&mut self) {
        self.given_up += self.missing.len() as u64;
        self.missing = VecDeque::new();
        self.first = 0;
        self.next_due = None;
        self.key_frame_needed = true;
    }

    /// When [`poll`](Self::poll) may have something to ask for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_due
    }

    /// Appends the packets to be asked for now, in ascending order; false where there are none. `round_trip` is the
    /// current estimate of how long an answer takes.
    pub fn poll(
        &mut self,
        now: Instant,
        round_trip: Duration,
        out: &mut Vec<SequenceNumber>,
    ) -> bool {
        if self.next_due.is_none_or(|due| due > now) {
            return false;
        }
        self.round_trip = round_trip;
        let before = out.len();
        let retry = (round_trip + round_trip / 4).max(MIN_RETRY);
        let mut next_due: Option<Instant> = None;
        let config = self.config;
        let (mut given_up, mut requests) = (0, 0);
        self.missing.retain_mut(|missing| {
            if missing.due <= now {
                if missing.requests >= config.max_requests
                    || now.saturating_duration_since(missing.seen) > config.max_age
                {
                    given_up += 1;
                    return false;
                }
                out.push(SequenceNumber(missing.number as u16));
                missing.requests += 1;
                requests += 1;
                missing.due = now + retry;
            }
            next_due = Some(next_due.map_or(missing.due, |next| next.min(missing.due)));
            true
        });
        self.give_back();
        self.next_due = next_due;
        self.given_up += given_up;
        self.requests += requests;
        self.key_frame_needed |= given_up > 0;
        out.len() > before
    }

    /// A key frame begins at this packet: nothing before it is of use any more.
    pub fn key_frame(&mut self, first: SequenceNumber) {
        let first = self.unwrapper.peek(first);
        while self.missing.front().is_some_and(|missing| missing.number < first) {
            self.missing.pop_front();
        }
        self.give_back();
        self.key_frame_needed = false;
    }

    /// Leaves gaps that show from now on to forward error correction for so long, before they are asked for.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Nothing before this packet is of use any more, because all that matters was there without.
    pub fn forget_before(&mut self, first: SequenceNumber) {
        if self.missing.is_empty() {
            return;
        }
        let first = self.unwrapper.peek(first);
        while self.missing.front().is_some_and(|missing| missing.number < first) {
            self.missing.pop_front();
        }
        self.give_back();
    }

    /// Whether packets were given up since the last call: without them only a key frame helps.
    pub fn take_key_frame_needed(&mut self) -> bool {
        std::mem::take(&mut self.key_frame_needed)
    }

    /// Gives up all that is missed: a keyframe is sooner there. Afterwards [`held_bytes`](Self::held_bytes) is zero.
    pub fn give_up(&mut self) {
        self.give_up_all();
    }

    /// Bytes of memory held for packets that are missed.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.missing.capacity() * size_of::<Missing>()
    }

    /// When the gap was seen that has been there longest.
    #[must_use]
    pub fn oldest(&self) -> Option<Instant> {
        self.missing.front().map(|missing| missing.seen)
    }

    /// The oldest packet that is missed.
    #[must_use]
    pub fn first_missing(&self) -> Option<SequenceNumber> {
        self.missing.front().map(|missing| SequenceNumber(missing.number as u16))
    }

    /// Packets that are missed now.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// Packets asked for, repeated ones included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Packets given up.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(40);

    struct Receiver {
        nack: NackGenerator,
        start: Instant,
    }

    impl Receiver {
        fn new() -> Self {
            Self { nack: NackGenerator::new(NackConfig::default()), start: Instant::now() }
        }
        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }
        fn take(&mut self, ms: u64, number: u16) -> bool {
            self.nack.receive(self.at(ms), SequenceNumber(number))
        }
        fn asked(&mut self, ms: u64) -> Vec<u16> {
            let mut out = Vec::new();
            self.nack.poll(self.at(ms), RTT, &mut out);
            out.iter().map(|number| number.0).collect()
        }
    }

    #[test]
    fn a_gap_is_asked_for_after_reordering_and_again_after_a_round_trip() {
        let mut r = Receiver::new();
        assert!(r.take(0, 65_534));
        assert!(r.take(1, 1));
        assert_eq!(r.asked(5), [], "may be reordering");
        assert_eq!(r.nack.poll_timeout(), Some(r.at(11)));
        assert_eq!(r.asked(11), [65_535, 0]);
        assert_eq!(r.asked(40), []);
        assert!(r.take(50, 65_535));
        assert_eq!(r.asked(61), [0]);
        assert!(r.take(70, 0));
        assert!(!r.take(71, 0), "twice");
        assert_eq!(r.nack.missing(), 0);
        assert_eq!(r.asked(200), []);
        assert_eq!(r.nack.poll_timeout(), None);
        assert!(!r.nack.take_key_frame_needed());
    }

    #[test]
    fn later_packets_make_a_gap_due_sooner() {
        let mut r = Receiver::new();
        r.take(0, 1);
        r.take(1, 3);
        assert_eq!(r.asked(1), []);
        r.take(2, 4);
        assert_eq!(r.asked(2), [2]);
    }

    #[test]
    fn gaps_are_left_to_forward_error_correction_for_a_while() {
        let mut r = Receiver::new();
        r.nack.set_patience(Duration::from_millis(25));
        r.take(0, 1);
        for number in 3..9 {
            r.take(u64::from(number), number);
        }
        assert_eq!(r.asked(20), [], "however many came after it");
        assert_eq!(r.nack.poll_timeout(), Some(r.at(28)));
        assert_eq!(r.asked(28), [2]);
        r.nack.set_patience(Duration::ZERO);
        r.take(30, 10);
        r.take(31, 11);
        assert_eq!(r.asked(31), [9]);
    }

    #[test]
    fn what_lies_before_a_frame_that_came_out_is_not_asked_for() {
        let mut r = Receiver::new();
        r.take(0, 65_530);
        r.take(0, 65_533);
        r.take(0, 2);
        r.nack.forget_before(SequenceNumber(65_535));
        assert_eq!(r.asked(20), [65_535, 0, 1]);
        r.nack.forget_before(SequenceNumber(7));
        assert_eq!((r.asked(200), r.nack.missing()), (vec![], 0));
        assert!(!r.nack.take_key_frame_needed());
    }

    #[test]
    fn reordering_is_learnt() {
        let mut r = Receiver::new();
        r.take(0, 1);
        r.take(1, 3);
        r.take(1, 2);
        for n in [4, 6, 7] {
            r.take(2, n);
        }
        assert_eq!(r.asked(2), [], "5 may come as late as 2 did");
        r.take(3, 8);
        assert_eq!(r.asked(3), [5]);
    }

    #[test]
    fn what_never_comes_is_given_up_for_a_key_frame() {
        let mut r = Receiver::new();
        r.take(0, 1);
        r.take(0, 3);
        let mut asked = 0;
        for ms in 0..2_000 {
            asked += r.asked(ms).len();
        }
        assert_eq!(asked, 10);
        assert!(r.nack.take_key_frame_needed());
        assert!(!r.nack.take_key_frame_needed());
        assert_eq!((r.nack.missing(), r.nack.given_up()), (0, 1));
    }

    #[test]
    fn a_large_jump_is_given_up_at_once() {
        let mut r = Receiver::new();
        r.take(0, 1);
        r.take(0, 5_000);
        assert_eq!(r.nack.missing(), 0);
        assert!(r.nack.take_key_frame_needed());
        for n in 0..3_000_u16 {
            r.take(1, 5_000 + n * 2);
        }
        assert!(r.nack.missing() <= 1_000);
        assert!(r.nack.take_key_frame_needed());
    }

    #[test]
    fn a_stream_may_begin_out_of_order() {
        let mut r = Receiver::new();
        assert!(r.take(0, 2));
        assert!(r.take(1, 65_535));
        assert!(!r.take(1, 65_535), "twice");
        assert!(r.take(2, 1));
        assert_eq!(r.asked(20), [0]);
        assert!(!r.take(3, 65_000), "too far back");
    }

    #[test]
    fn a_key_frame_ends_old_gaps() {
        let mut r = Receiver::new();
        r.take(0, 65_530);
        r.take(0, 65_533);
        r.take(0, 2);
        r.nack.key_frame(SequenceNumber(65_535));
        assert_eq!(r.asked(20), [65_535, 0, 1]);
    }

    #[test]
    fn random_loss_is_repaired_for_a_day() {
        // 50 packets a second for 24 h, 2 % lost, 10 % of retransmissions lost too: 66 wraps of the number.
        let mut r = Receiver::new();
        let mut seed = 1_u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 16
        };
        let mut out = Vec::new();
        let (mut answers, mut unrepaired) = (VecDeque::new(), 0_u64);
        for n in 0..4_320_000_u64 {
            let ms = n * 20;
            if random() % 50 != 0 {
                r.take(ms, n as u16);
            } else {
                unrepaired += 1;
            }
            while answers.front().is_some_and(|(at, _)| *at <= ms) {
                let Some((_, number)) = answers.pop_front() else { break };
                unrepaired -=
                    u64::from(r.nack.receive(r.start + Duration::from_millis(ms), number));
            }
            out.clear();
            r.nack.poll(r.start + Duration::from_millis(ms), RTT, &mut out);
            answers
                .extend(out.iter().filter(|_| random() % 10 != 0).map(|number| (ms + 40, *number)));
        }
        assert_eq!(r.nack.given_up(), 0);
        assert!(unrepaired < 10 && r.nack.missing() < 10, "{unrepaired}");
    }
}
