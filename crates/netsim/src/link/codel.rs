//! CoDel's control law (RFC 8289 §5), asked once for each packet that leaves the queue.

/// The state of RFC 8289 §5.3; times in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CoDel {
    /// When the waiting time will have been too long for an interval; `None` while it is short.
    first_above: Option<u64>,
    drop_next: u64,
    count: u32,
    last_count: u32,
    dropping: bool,
}

/// A packet about to leave the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dequeue {
    pub(super) now: u64,
    pub(super) sojourn: u64,
    /// Bytes that still wait behind it.
    pub(super) backlog: usize,
}

/// No drop while less than one full packet waits: the link would go idle (RFC 8289 §5.4).
const ONE_PACKET: usize = 1_500;

impl CoDel {
    /// Whether this packet is to be dropped (or marked).
    pub(super) fn acts_on(&mut self, target: u64, interval: u64, packet: Dequeue) -> bool {
        let now = packet.now;
        let may_drop = self.above_for_an_interval(target, interval, packet);
        if self.dropping {
            if !may_drop {
                self.dropping = false;
                return false;
            }
            if now < self.drop_next {
                return false;
            }
            self.count = self.count.saturating_add(1);
            self.drop_next = control_law(self.drop_next, interval, self.count);
            true
        } else if may_drop {
            self.dropping = true;
            // RFC 8289 §5.5: if the last episode ended a short while ago, go on near its pace.
            let delta = self.count.saturating_sub(self.last_count);
            self.count = if delta > 1 && now.saturating_sub(self.drop_next) < 16 * interval {
                delta
            } else {
                1
            };
            self.drop_next = control_law(now, interval, self.count);
            self.last_count = self.count;
            true
        } else {
            false
        }
    }

    fn above_for_an_interval(&mut self, target: u64, interval: u64, packet: Dequeue) -> bool {
        if packet.sojourn < target || packet.backlog <= ONE_PACKET {
            self.first_above = None;
            return false;
        }
        match self.first_above {
            None => {
                self.first_above = Some(packet.now.saturating_add(interval));
                false
            }
            Some(first) => packet.now >= first,
        }
    }
}

fn control_law(from: u64, interval: u64, count: u32) -> u64 {
    // A square root is exact by IEEE 754, so this replays on every platform.
    from.saturating_add((interval as f64 / f64::from(count).sqrt()) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn acts(codel: &mut CoDel, now: u64, sojourn: u64) -> bool {
        codel.acts_on(5 * MS, 100 * MS, Dequeue { now, sojourn, backlog: 10_000 })
    }

    #[test]
    fn a_short_wait_is_left_alone() {
        let mut codel = CoDel::default();
        assert!((0..1_000).all(|i| !acts(&mut codel, i * MS, 4 * MS)));
    }

    #[test]
    fn drops_come_faster_while_the_queue_stands() {
        let mut codel = CoDel::default();
        let times: Vec<u64> = (0..1_000).filter(|&i| acts(&mut codel, i * MS, 20 * MS)).collect();
        // 100 ms after the first long wait, then after 100/sqrt(1), 100/sqrt(2), ... ms.
        assert_eq!(times[..4], [100, 200, 271, 329]);
    }

    #[test]
    fn a_last_packet_is_never_dropped() {
        let mut codel = CoDel::default();
        let last = |now| Dequeue { now, sojourn: 50 * MS, backlog: 0 };
        assert!((0..1_000).all(|i| !codel.acts_on(5 * MS, 100 * MS, last(i * MS))));
    }
}
