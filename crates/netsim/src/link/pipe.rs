//! One direction of a link at work: queue, serialiser, wire. The network offers packets and hands back the events that
//! the pipe scheduled.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::{Engine, Event, PacketKey};
use crate::packet::Ecn;
use crate::rng::Rng;

use super::codel::{CoDel, Dequeue};
use super::config::{LinkConfig, Overhead};
use super::loss::LossState;
use super::queue::Management;
use super::stats::LinkStats;

#[derive(Clone, Copy, Debug)]
struct Waiting {
    key: PacketKey,
    /// Bytes, headers included.
    size: u32,
    since: u64,
}

/// One direction of a link.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Names this pipe in events.
    index: u32,
    pub(crate) config: LinkConfig,
    pub(crate) stats: LinkStats,
    rng: Rng,
    loss: LossState,
    codel: CoDel,
    queue: VecDeque<Waiting>,
    queued_bytes: usize,
    /// The packet that is being serialised.
    busy: Option<Waiting>,
    up: bool,
    paused: bool,
    /// Nothing that keeps its order may arrive before this.
    latest_arrival: u64,
}

impl Pipe {
    pub(crate) fn new(index: u32, config: LinkConfig, rng: Rng) -> Self {
        Self {
            index,
            config,
            stats: LinkStats::default(),
            rng,
            loss: LossState::default(),
            codel: CoDel::default(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            busy: None,
            up: true,
            paused: false,
            latest_arrival: 0,
        }
    }

    /// A packet enters.
    pub(crate) fn offer(&mut self, now: u64, key: PacketKey, engine: &mut Engine) {
        let size = self.size_of(key, engine);
        self.stats.offered += 1;
        self.stats.offered_bytes += u64::from(size);
        if !self.up {
            self.stats.dropped_down += 1;
            return engine.discard(key);
        }
        if self.config.mtu.is_some_and(|mtu| size as usize > mtu) {
            self.stats.dropped_mtu += 1;
            return engine.discard(key);
        }
        let waits = self.busy.is_some() || self.paused;
        let queue = &self.config.queue;
        if waits
            && (self.queue.len() >= queue.max_packets
                || self.queued_bytes.saturating_add(size as usize) > queue.max_bytes)
        {
            self.stats.dropped_full += 1;
            return engine.discard(key);
        }
        self.queued_bytes += size as usize;
        self.stats.queued += 1;
        self.queue.push_back(Waiting { key, size, since: now });
        self.start(now, engine);
    }

    /// The packet being serialised is done: it goes on the wire and the next one begins.
    pub(crate) fn serialised(&mut self, now: u64, engine: &mut Engine) {
        if let Some(packet) = self.busy.take() {
            self.transmit(now, packet, engine);
        }
        self.start(now, engine);
    }

    /// A packet comes out at the other end.
    pub(crate) fn arrived(&mut self, key: PacketKey, engine: &Engine) {
        self.stats.on_wire -= 1;
        self.stats.delivered += 1;
        self.stats.delivered_bytes += u64::from(self.size_of(key, engine));
    }

    /// Takes the link down, which empties its queue, or up. What is on the wire still arrives.
    pub(crate) fn set_up(&mut self, up: bool, engine: &mut Engine) {
        self.up = up;
        if !up {
            for waiting in self.queue.drain(..) {
                self.stats.queued -= 1;
                self.stats.dropped_down += 1;
                engine.discard(waiting.key);
            }
            self.queued_bytes = 0;
        }
    }

    /// Stops the serialiser, so that packets wait, or starts it again.
    pub(crate) fn set_paused(&mut self, now: u64, paused: bool, engine: &mut Engine) {
        self.paused = paused;
        self.start(now, engine);
    }

    /// Serialises what waits, as far as that takes no time; then schedules the end of the next packet.
    fn start(&mut self, now: u64, engine: &mut Engine) {
        while !self.paused && self.busy.is_none() {
            let Some(packet) = self.dequeue(now, engine) else {
                return;
            };
            let wait = Duration::from_nanos(now - packet.since);
            self.stats.total_queue_delay += wait;
            self.stats.max_queue_delay = self.stats.max_queue_delay.max(wait);
            match self.config.rate {
                None => self.transmit(now, packet, engine),
                Some(rate) => {
                    self.busy = Some(packet);
                    let done = now.saturating_add(rate.nanos_for(packet.size as usize));
                    engine.schedule(done, Event::Serialised(self.index));
                }
            }
        }
    }

    /// The next packet that the queue's management lets pass.
    fn dequeue(&mut self, now: u64, engine: &mut Engine) -> Option<Waiting> {
        loop {
            let packet = self.queue.pop_front()?;
            self.queued_bytes -= packet.size as usize;
            let sojourn = now - packet.since;
            match self.config.queue.management {
                Management::DropTail => {}
                Management::MarkAbove(threshold) => {
                    if u128::from(sojourn) > threshold.as_nanos() {
                        self.mark(packet.key, engine);
                    }
                }
                Management::CoDel { target, interval, ecn } => {
                    let dequeue = Dequeue { now, sojourn, backlog: self.queued_bytes };
                    let acts = self.codel.acts_on(nanos(target), nanos(interval), dequeue);
                    if acts && !(ecn && self.mark(packet.key, engine)) {
                        self.stats.queued -= 1;
                        self.stats.dropped_aqm += 1;
                        engine.discard(packet.key);
                        continue;
                    }
                }
            }
            return Some(packet);
        }
    }

    /// Marks an ECN-capable packet; false if it is not one.
    fn mark(&mut self, key: PacketKey, engine: &mut Engine) -> bool {
        let packet = &mut engine.packets[key as usize];
        if !packet.ecn.is_capable() {
            return false;
        }
        if packet.ecn != Ecn::Ce {
            packet.ecn = Ecn::Ce;
            self.stats.marked += 1;
        }
        true
    }

    /// The wire: loss, bit errors, duplicates, and an arrival for what is left.
    fn transmit(&mut self, now: u64, packet: Waiting, engine: &mut Engine) {
        self.stats.queued -= 1;
        let key = packet.key;
        if self.loss.is_lost(&self.config.loss, &mut self.rng) {
            self.stats.lost += 1;
            return engine.discard(key);
        }
        if self.rng.chance(self.config.mark) {
            self.mark(key, engine);
        }
        if self.config.bleach_ecn {
            engine.packets[key as usize].ecn = Ecn::NotEct;
        }
        if self.rng.chance(self.config.duplicate) {
            self.stats.duplicated += 1;
            let copy = engine.duplicate(key);
            self.put_on_wire(now, copy, engine);
        }
        // After copying, so that one of the two may be damaged and the other not.
        if self.rng.chance(self.config.corrupt.probability) {
            self.corrupt(key, engine);
        }
        self.put_on_wire(now, key, engine);
    }

    fn put_on_wire(&mut self, now: u64, key: PacketKey, engine: &mut Engine) {
        let delay = self.config.jitter.apply(nanos(self.config.delay), &mut self.rng);
        let mut at = now.saturating_add(delay);
        if self.rng.chance(self.config.reorder.probability) {
            self.stats.held_back += 1;
            at = at.saturating_add(nanos(self.config.reorder.extra));
        } else if !self.config.jitter.reordering && !self.config.jitter.amount.is_zero() {
            at = at.max(self.latest_arrival);
            self.latest_arrival = at;
        }
        self.stats.on_wire += 1;
        engine.schedule(at, Event::Arrival(self.index, key));
    }

    fn corrupt(&mut self, key: PacketKey, engine: &mut Engine) {
        let corruption = self.config.corrupt;
        let Some(target) = engine.packets[key as usize].data.get_mut(corruption.skip..) else {
            return;
        };
        if target.is_empty() {
            return;
        }
        let flips = 1 + self.rng.below(u64::from(corruption.max_bits));
        for _ in 0..flips {
            let bit = self.rng.below(target.len() as u64 * 8);
            target[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
        self.stats.corrupted += 1;
    }

    fn size_of(&self, key: PacketKey, engine: &Engine) -> u32 {
        let packet = &engine.packets[key as usize];
        let overhead = match self.config.overhead {
            Overhead::IpUdp if packet.destination.is_ipv4() => 28,
            Overhead::IpUdp => 48,
            Overhead::Bytes(bytes) => bytes,
        };
        u32::try_from(packet.data.len().saturating_add(overhead)).unwrap_or(u32::MAX)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}
