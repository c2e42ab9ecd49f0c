//! The packets a stream sent last, to be sent again when a receiver asks: bounded by number and age. The NACK responder of
//! the send path. What a packet is, a buffer or a header with a shared payload, is the owner's choice.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::number::SequenceNumber;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct SendHistoryConfig {
    /// Packets, rounded up to a power of two; at most 16,384.
    pub packets: usize,
    /// How old a packet may be to be sent again.
    pub max_age: Duration,
    /// How often a packet is sent again.
    pub max_retransmissions: u32,
}

impl Default for SendHistoryConfig {
    /// 1,024 packets: two seconds of 5 Mbit/s; five seconds, ten times.
    fn default() -> Self {
        Self { packets: 1_024, max_age: Duration::from_secs(5), max_retransmissions: 10 }
    }
}

/// Why a packet is or is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retransmission<'a, P> {
    /// Send it.
    Send(&'a P),
    /// It was sent less than a round trip ago; the request crossed it.
    TooSoon,
    /// It waits to be sent again already: [`SendHistory::resent`] was not called since.
    Waiting,
    /// It was sent again as often as may be.
    Exhausted,
    /// It is not kept: never sent, too old, or pushed out.
    Unknown,
}

/// Of what was sent again.
#[derive(Debug, Default)]
struct Repeats {
    /// When it was last sent again.
    last: Option<Instant>,
    /// It was handed out to be sent again, and has not left yet.
    waits: bool,
    count: u32,
}

/// Small: there are a thousand of each stream, and each is cold memory by the time that its turn comes.
#[derive(Debug)]
struct Slot<P> {
    packet: Option<P>,
    /// When, in microseconds since the first packet.
    sent: u64,
    number: SequenceNumber,
    /// It was handed out to be sent again.
    repeated: bool,
}

/// What a stream sent last, in packets of the type `P`.
#[derive(Debug)]
pub struct SendHistory<P> {
    config: SendHistoryConfig,
    slots: Vec<Slot<P>>,
    mask: usize,
    last: Option<SequenceNumber>,
    /// When the first packet was sent, and when the last one was, the latter in microseconds since the first as well.
    epoch: Option<Instant>,
    now: Option<(Instant, u64)>,
    /// Of those in the slots that were sent again: few.
    repeats: FxHashMap<u16, Repeats>,
}

impl<P> SendHistory<P> {
    /// An empty history. Memory is taken as packets come.
    #[must_use]
    pub fn new(config: SendHistoryConfig) -> Self {
        let capacity = config.packets.clamp(1, 16_384).next_power_of_two();
        Self {
            config,
            slots: Vec::new(),
            mask: capacity - 1,
            last: None,
            epoch: None,
            now: None,
            repeats: FxHashMap::default(),
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        let since = self.epoch.map_or(Duration::ZERO, |epoch| at.saturating_duration_since(epoch));
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    /// Keeps a packet that is sent now, whole. It takes the place of the one that was sent a history's length before, which
    /// it gives back: its memory may serve again.
    pub fn insert(&mut self, now: Instant, number: SequenceNumber, packet: P) -> Option<P> {
        self.epoch.get_or_insert(now);
        let sent = match self.now {
            // Packets of a burst leave at one moment.
            Some((at, micros)) if at == now => micros,
            _ => self.now.insert((now, self.micros(now))).1,
        };
        let index = usize::from(number.0) & self.mask;
        while self.slots.len() <= index {
            self.slots.push(Slot { packet: None, sent, number, repeated: false });
        }
        if self.last.is_none_or(|last| number.is_newer_than(last)) {
            self.last = Some(number);
        }
        let slot = &mut self.slots[index];
        if std::mem::take(&mut slot.repeated) {
            self.repeats.remove(&slot.number.0);
        }
        (slot.sent, slot.number) = (sent, number);
        slot.packet.replace(packet)
    }

    /// A packet that is kept.
    #[must_use]
    pub fn get(&self, now: Instant, number: SequenceNumber) -> Option<&P> {
        let slot = self.slots.get(usize::from(number.0) & self.mask)?;
        let age = Duration::from_micros(self.micros(now).saturating_sub(slot.sent));
        let kept = slot.number == number && age <= self.config.max_age;
        slot.packet.as_ref().filter(|_| kept)
    }

    /// Answers a request for a packet; `round_trip` is how long an answer takes to be seen, at least: a longer one passes
    /// over requests of receivers that have not. Say by [`resent`](Self::resent) when the packet has left: a receiver
    /// that goes on asking while it waits gets it once.
    pub fn retransmit(
        &mut self,
        now: Instant,
        number: SequenceNumber,
        round_trip: Duration,
    ) -> Retransmission<'_, P> {
        if self.get(now, number).is_none() {
            return Retransmission::Unknown;
        }
        let slot = &mut self.slots[usize::from(number.0) & self.mask];
        let Some(packet) = &slot.packet else { return Retransmission::Unknown };
        let repeats = self.repeats.entry(number.0).or_default();
        slot.repeated = true;
        if repeats.waits {
            return Retransmission::Waiting;
        }
        if repeats.count >= self.config.max_retransmissions {
            return Retransmission::Exhausted;
        }
        // What was sent again less than a round trip ago may still arrive. The first transmission is known to be lost.
        if repeats.last.is_some_and(|last| now.saturating_duration_since(last) < round_trip) {
            return Retransmission::TooSoon;
        }
        repeats.waits = true;
        repeats.count += 1;
        Retransmission::Send(packet)
    }

    /// A packet that was handed out to be sent again, or as padding, has left.
    pub fn resent(&mut self, now: Instant, number: SequenceNumber) {
        let slot = self.slots.get_mut(usize::from(number.0) & self.mask);
        if let Some(slot) = slot.filter(|slot| slot.number == number && slot.packet.is_some()) {
            slot.repeated = true;
            let repeats = self.repeats.entry(number.0).or_default();
            (repeats.last, repeats.waits) = (Some(now), false);
        }
    }

    /// How often a packet that is kept was handed out to be sent again.
    #[must_use]
    pub fn retransmissions(&self, number: SequenceNumber) -> u32 {
        self.repeats.get(&number.0).map_or(0, |repeats| repeats.count)
    }

    /// A recent packet that `fits`, to be sent again as padding: more use than zeros. The newest that was not sent again
    /// yet, else the newest.
    #[must_use]
    pub fn padding(&self, now: Instant, fits: impl Fn(&P) -> bool) -> Option<&P> {
        let last = self.last?;
        let mut fallback = None;
        for back in 0..(self.mask as u16).min(31) {
            let number = last.minus(back);
            let Some(packet) = self.get(now, number).filter(|packet| fits(packet)) else {
                continue;
            };
            if self.repeats.get(&number.0).is_none_or(|repeats| repeats.last.is_none()) {
                return Some(packet);
            }
            fallback = fallback.or(Some(packet));
        }
        fallback
    }

    /// Forgets everything, when the stream's SSRC changes.
    pub fn clear(&mut self) {
        for slot in &mut self.slots {
            (slot.packet, slot.repeated) = (None, false);
        }
        self.repeats.clear();
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_sent_again_once_a_round_trip_and_not_forever() {
        let mut history =
            SendHistory::new(SendHistoryConfig { max_retransmissions: 2, ..Default::default() });
        let start = Instant::now();
        let rtt = Duration::from_millis(50);
        let at = |ms| start + Duration::from_millis(ms);
        history.insert(start, SequenceNumber(65_535), "packet");
        assert_eq!(history.retransmit(at(10), SequenceNumber(0), rtt), Retransmission::Unknown);
        assert_eq!(
            history.retransmit(at(10), SequenceNumber(65_535), rtt),
            Retransmission::Send(&"packet")
        );
        assert_eq!(
            history.retransmit(at(100), SequenceNumber(65_535), rtt),
            Retransmission::Waiting,
            "however long it takes to leave"
        );
        history.resent(at(110), SequenceNumber(65_535));
        assert_eq!(
            history.retransmit(at(150), SequenceNumber(65_535), rtt),
            Retransmission::TooSoon
        );
        assert_eq!(
            history.retransmit(at(160), SequenceNumber(65_535), rtt),
            Retransmission::Send(&"packet")
        );
        history.resent(at(160), SequenceNumber(65_535));
        assert_eq!(history.retransmissions(SequenceNumber(65_535)), 2);
        assert_eq!(history.retransmissions(SequenceNumber(127)), 0);
        assert_eq!(
            history.retransmit(at(270), SequenceNumber(65_535), rtt),
            Retransmission::Exhausted
        );
        assert_eq!(
            history.retransmit(at(6_000), SequenceNumber(65_535), rtt),
            Retransmission::Unknown,
            "too old"
        );
    }

    #[test]
    fn the_history_is_bounded() {
        let mut history =
            SendHistory::new(SendHistoryConfig { packets: 100, ..Default::default() });
        let now = Instant::now();
        for n in 0..70_000_u32 {
            history.insert(now, SequenceNumber(n as u16), n);
        }
        let last = 69_999_u32;
        assert_eq!(history.get(now, SequenceNumber(last as u16)), Some(&last));
        assert_eq!(history.get(now, SequenceNumber((last - 127) as u16)), Some(&(last - 127)));
        assert_eq!(history.get(now, SequenceNumber((last - 128) as u16)), None);
        assert_eq!(history.slots.len(), 128);
        assert!(history.repeats.is_empty());
        assert_eq!(history.padding(now, |_| true), Some(&last));
        assert_eq!(history.padding(now, |n| *n < last - 100), None);
        history.clear();
        assert_eq!(history.get(now, SequenceNumber(last as u16)), None);
    }
}
