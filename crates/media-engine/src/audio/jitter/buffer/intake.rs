//! What is done with a packet that comes: its place in time, what it tells of the network, and whether it is of use.

use super::super::decision::Phase;
use super::super::packet::JitterPacket;
use super::super::packet_buffer::{Inserted, Waiting};
use super::super::timeline::Place;
use super::JitterBuffer;

/// The longest packet, in ms: what receivers of RTP should take (RFC 3551 §4.2). Opus has 120 ms at most (RFC 6716 §3.2.5).
const MAX_PACKET_MILLIS: i64 = 200;
/// A packet of which less than this part is still to come, after what was played, is not worth its decoding.
const WORTHWHILE: i64 = 8;
/// How many packets have to find room besides those that are held for the target.
const SPARE_PACKETS: usize = 8;

impl JitterBuffer {
    /// Takes in a packet that came at `now`, in µs.
    pub(super) fn take_in(&mut self, now: i64, packet: JitterPacket) {
        let decoder = self.coming.as_deref().unwrap_or(self.decoder.as_ref());
        let length = match packet.comfort_noise {
            true => 0,
            false => {
                let duration = decoder.packet_duration(&packet.payload).unwrap_or_default();
                let ticks = duration.as_nanos() as i64 * i64::from(self.config.clock_rate);
                let ticks = (ticks + 500_000_000) / 1_000_000_000;
                if ticks == 0 || duration.as_millis() as i64 > MAX_PACKET_MILLIS {
                    self.statistics.packets_undecodable += 1;
                    return;
                }
                ticks
            }
        };
        let has_redundancy = !packet.comfort_noise && decoder.has_redundancy(&packet.payload);
        let (timestamp, sequence) = (packet.timestamp, packet.sequence);
        let place = self.timeline.place(timestamp, sequence, now, packet.redundant);
        let start = match place {
            Place::At(tick) => {
                if !self.timeline.has_stray() {
                    self.drop_stray();
                }
                tick
            }
            Place::Restart(tick) => {
                let first = self.stray.take();
                self.restart();
                if let Some((when, first)) = first {
                    // It was the first of these: it is near the one that began them, so this goes no deeper.
                    self.take_in(when, first);
                }
                tick
            }
            Place::Stray => {
                if self.timeline.has_stray() && !packet.redundant {
                    self.drop_stray();
                    self.stray = Some((now, packet));
                } else {
                    self.statistics.packets_discarded += u64::from(!packet.redundant);
                }
                return;
            }
        };
        let mut waiting = Waiting {
            start,
            length,
            sequence,
            arrival: now,
            payload: packet.payload,
            redundant: packet.redundant,
            comfort_noise: packet.comfort_noise,
            has_redundancy,
            epoch: self.epoch + u32::from(self.coming.is_some()),
        };
        if self.over_and_done(&waiting) {
            if waiting.redundant || !self.timeline.is_set_back(sequence) {
                self.observe(&waiting);
                self.count_late(&waiting);
                return;
            }
            self.restart();
            if let Place::Restart(tick) = self.timeline.begin(timestamp, sequence, now) {
                waiting.start = tick;
            }
        } else if waiting.redundant && self.begun && waiting.start < self.end {
            let played = self.end.min(waiting.end());
            if !self.missing.touches(waiting.start, played) {
                // Dated wrong: that was played from another packet.
                return;
            }
        }
        self.observe(&waiting);
        if let Inserted::Kept { evicted } = self.packets.insert(waiting) {
            self.statistics.packets_discarded += evicted as u64;
        }
    }

    /// Tells the delay manager of a packet.
    fn observe(&mut self, packet: &Waiting) {
        let media = self.media(packet.start);
        if packet.length > 0 {
            // More than may wait would only push out the oldest, for ever.
            let most = self.config.max_packets;
            let count = most.saturating_sub(SPARE_PACKETS).max(most / 2) as i64;
            self.delay.set_room(count * self.media(packet.length));
        }
        let follows =
            self.last_sequence.is_some_and(|last| packet.sequence == last.wrapping_add(1));
        let stood_still = self.phase == Phase::Waiting && self.begun && self.packets.len() == 0;
        if stood_still && follows && !packet.redundant && packet.start == self.end {
            // The sender's clock stood still as long as nothing came.
            self.delay.restart();
        }
        let lacking = |from: i64, to: i64| {
            if self.phase != Phase::Waiting && from < self.end {
                self.missing.touches(from, to)
            } else {
                !self.packets.covers(from)
            }
        };
        let new = packet.length > 0 && lacking(packet.start, packet.end());
        // In-band redundancy is taken to be of the same length, as encoders do.
        let before = packet.start - packet.length;
        let restores = packet.has_redundancy && lacking(before, packet.start) && self.begun;
        if packet.redundant {
            if new {
                self.delay.restored(packet.arrival, media);
            }
            return;
        }
        self.delay.arrived(packet.arrival, media, new);
        if restores {
            self.delay.restored(packet.arrival, self.media(before));
        }
    }

    /// Whether what a packet has was played or made up already, all but a little.
    pub(super) fn over_and_done(&self, packet: &Waiting) -> bool {
        self.begun
            && match packet.comfort_noise {
                true => packet.start < self.end,
                false => (packet.end() - self.end).max(0) * WORTHWHILE < packet.length.max(1),
            }
    }

    /// Counts what came when its time was over. A copy, or a packet that was played, is no loss.
    fn count_late(&mut self, packet: &Waiting) {
        let late = packet.comfort_noise || self.missing.touches(packet.start, packet.end());
        self.statistics.packets_discarded += u64::from(late && !packet.redundant);
    }

    /// What was nowhere near the others was indeed nothing.
    pub(super) fn drop_stray(&mut self) {
        self.statistics.packets_discarded += u64::from(self.stray.take().is_some());
    }
}
