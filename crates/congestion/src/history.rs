//! Remembers when each packet was sent, so that a report that knows only sequence numbers becomes a list of
//! [`PacketResult`]s. A ring indexed by sequence number: no search, no hashing, no allocation once it is made.

use std::time::{Duration, Instant};

use crate::report::ProbeClusterId;
use crate::report::{Ecn, PacketResult, SentPacket};
use crate::units::DataSize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Empty,
    InFlight,
    Lost,
    Arrived,
}

/// Half a cache line: there are thousands of them, and each is cold by the time that it is looked at.
#[derive(Clone, Copy, Debug)]
struct Slot {
    sent: Option<Instant>,
    /// The low bits, which tell all apart that share a slot for four thousand million packets.
    id: u32,
    /// In bytes.
    size: u32,
    /// The burst it belongs to, if any.
    probe: u32,
    state: State,
    probes: bool,
}

impl Slot {
    fn size(&self) -> DataSize {
        DataSize::from_bytes(self.size.into())
    }
}

/// Slots of the first packets; more are made as the rate asks for them.
const FIRST_SLOTS: usize = 256;
/// Reports are not expected later than this: a packet so old gives its slot away.
const PATIENCE: Duration = Duration::from_secs(3);
/// Packets for which room is made at a time.
const AT_A_TIME: u64 = 16;

const EMPTY: Slot =
    Slot { sent: None, id: 0, size: 0, probe: 0, state: State::Empty, probes: false };

/// Send times of the last packets. Reports about older ones, about packets never sent, and second reports about the
/// same arrival give nothing and are counted.
#[derive(Debug)]
pub struct SendHistory {
    slots: Vec<Slot>,
    capacity: usize,
    ignored: u64,
    /// The slots of the packets before this one are known to be free, or those of packets that are not waited for any more.
    free_to: u64,
}

impl SendHistory {
    /// Remembers the last `capacity` packets, rounded up to a power of two, at most 65,536. 8,192 are more than eight
    /// seconds of 10 Mbit/s in full packets. Memory is taken as it is needed: for three seconds of what is sent.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, 65_536).next_power_of_two();
        Self { slots: Vec::new(), capacity, ignored: 0, free_to: 0 }
    }

    fn index(&self, id: u64) -> usize {
        (id & (self.slots.len() as u64 - 1)) as usize
    }

    fn grow(&mut self, len: usize) {
        let old = std::mem::replace(&mut self.slots, vec![EMPTY; len]);
        for slot in old.into_iter().filter(|slot| slot.sent.is_some()) {
            let index = self.index(slot.id.into());
            self.slots[index] = slot;
        }
    }

    /// Grows if the slots of the next packets are those of packets whose reports may still come. The last of them was sent
    /// last: it alone is looked at, since slots are cold memory by the time that their turn comes.
    fn make_room(&mut self, now: Instant, id: u64) {
        let taken = self.slots[self.index(id + AT_A_TIME - 1)].sent;
        if taken.is_some_and(|sent| now.saturating_duration_since(sent) < PATIENCE) {
            self.grow(2 * self.slots.len());
        } else {
            self.free_to = id + AT_A_TIME;
        }
    }

    /// A packet was sent.
    pub fn on_packet_sent(&mut self, now: Instant, packet: &SentPacket) {
        if self.slots.is_empty() {
            self.grow(FIRST_SLOTS.min(self.capacity));
        } else if self.slots.len() < self.capacity && packet.id >= self.free_to {
            self.make_room(now, packet.id);
        }
        let index = self.index(packet.id);
        self.slots[index] = Slot {
            sent: Some(now),
            id: packet.id as u32,
            size: u32::try_from(packet.size.as_bytes()).unwrap_or(u32::MAX),
            probe: packet.probe.map_or(0, |cluster| cluster.0),
            state: State::InFlight,
            probes: packet.probe.is_some(),
        };
    }

    /// Bytes of the packets with these numbers that no report has told of.
    pub fn unreported(&self, ids: std::ops::Range<u64>) -> DataSize {
        let mut sum = DataSize::ZERO;
        if self.slots.is_empty() {
            return sum;
        }
        let first = ids.start.max(ids.end.saturating_sub(self.slots.len() as u64));
        for id in first..ids.end {
            let slot = &self.slots[self.index(id)];
            if slot.id == id as u32 && slot.state == State::InFlight {
                sum += slot.size();
            }
        }
        sum
    }

    /// What a report says of a packet: `arrived` on the receiver's clock, or lost. `None` where there is nothing new in
    /// that.
    pub fn on_report(
        &mut self,
        id: u64,
        arrived: Option<Duration>,
        ecn: Ecn,
    ) -> Option<PacketResult> {
        if self.slots.is_empty() {
            self.ignored += 1;
            return None;
        }
        let index = self.index(id);
        let slot = &mut self.slots[index];
        let (Some(sent), true) = (slot.sent, slot.id == id as u32) else {
            self.ignored += 1;
            return None;
        };
        let was_lost = slot.state == State::Lost;
        slot.state = match (slot.state, arrived) {
            (State::InFlight, None) => State::Lost,
            (State::InFlight | State::Lost, Some(_)) => State::Arrived,
            _ => {
                self.ignored += 1;
                return None;
            }
        };
        let probe = slot.probes.then_some(ProbeClusterId(slot.probe));
        Some(PacketResult { sent, arrived, size: slot.size(), ecn, probe, was_lost })
    }

    /// Reports that told nothing new: repeated, too late, or about packets never sent.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(id: u64) -> SentPacket {
        SentPacket { id, size: DataSize::from_bytes(id), probe: None, padding: false }
    }

    #[test]
    fn a_report_is_joined_to_what_was_sent() {
        let start = Instant::now();
        let mut history = SendHistory::new(4);
        for id in 10..14 {
            history.on_packet_sent(start + Duration::from_millis(id), &packet(id));
        }
        let arrived = Some(Duration::from_millis(5));
        let result = history.on_report(12, arrived, Ecn::Ce).expect("sent");
        assert_eq!(result.sent, start + Duration::from_millis(12));
        assert_eq!((result.size, result.ecn), (DataSize::from_bytes(12), Ecn::Ce));
        assert!(history.on_report(12, arrived, Ecn::Ce).is_none(), "twice");
        assert_eq!(history.unreported(0..14), DataSize::from_bytes(10 + 11 + 13));
        assert!(history.on_report(9, arrived, Ecn::NotEct).is_none(), "never sent");
        assert!(history.on_report(8, arrived, Ecn::NotEct).is_none(), "same slot as 12");
        assert_eq!(history.ignored(), 3);
    }

    #[test]
    fn it_grows_with_the_rate_and_not_beyond() {
        let start = Instant::now();
        let mut history = SendHistory::new(1_000);
        for id in 0..2_000 {
            history.on_packet_sent(start + Duration::from_millis(id), &packet(id));
        }
        assert_eq!(history.slots.len(), 1_024);
        assert!(history.on_report(975, None, Ecn::NotEct).is_none(), "pushed out");
        assert!((976..2_000).all(|id| history.on_report(id, None, Ecn::NotEct).is_some()));

        let mut slow = SendHistory::new(1_000);
        for id in 0..2_000 {
            slow.on_packet_sent(start + Duration::from_millis(20 * id), &packet(id));
        }
        assert_eq!(slow.slots.len(), FIRST_SLOTS);
    }

    #[test]
    fn a_lost_packet_may_still_arrive_once() {
        let mut history = SendHistory::new(4);
        history.on_packet_sent(Instant::now(), &packet(1));
        assert!(!history.on_report(1, None, Ecn::NotEct).expect("lost").was_lost);
        assert!(history.on_report(1, None, Ecn::NotEct).is_none(), "lost already");
        assert!(history.on_report(1, Some(Duration::ZERO), Ecn::NotEct).expect("late").was_lost);
        assert!(history.on_report(1, None, Ecn::NotEct).is_none(), "it has arrived");
    }
}
