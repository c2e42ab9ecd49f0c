//! Named events, DTMF above all (RFC 4733): the payload, who sends an event as a row of packets, and who makes one
//! event of such a row. Times are RTP timestamps of the audio stream the events belong to; the caller brings them.

use arrayvec::ArrayVec;
use smallvec::SmallVec;

use super::error::Error;

const FORMAT: &str = "telephone-event";

/// Event codes of the sixteen DTMF digits (RFC 4733 §3.2, table 3).
pub const DTMF_DIGITS: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// The event code of a DTMF digit; letters may be small.
pub fn dtmf_event(digit: char) -> Option<u8> {
    let digit = digit.to_ascii_uppercase();
    DTMF_DIGITS.iter().position(|&known| known == digit).map(|index| index as u8)
}

/// One event in a payload (RFC 4733 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventReport {
    /// The event code.
    pub event: u8,
    /// The event has ended.
    pub end: bool,
    /// Power below 1 mW in 600 ohm (0 dBm0), 0 to 63 dB. DTMF only.
    pub volume: u8,
    /// How long it has lasted, in timestamp units, counted from the packet's timestamp.
    pub duration: u16,
}

impl EventReport {
    /// Bytes of one report.
    pub const LEN: usize = 4;

    /// Reads the reports of a payload. There is more than one only if events follow each other without a pause; the
    /// second then begins where the first ends (§2.5.1.5).
    ///
    /// # Errors
    ///
    /// The payload is empty or not a multiple of 4 bytes.
    pub fn read(payload: &[u8]) -> Result<impl Iterator<Item = Self> + '_, Error> {
        if payload.is_empty() || !payload.len().is_multiple_of(Self::LEN) {
            return Err(Error::Truncated {
                format: FORMAT,
                field: "an event",
                offset: payload.len(),
                section: "RFC 4733 §2.3",
            });
        }
        Ok(payload.chunks_exact(Self::LEN).map(|bytes| Self {
            event: bytes[0],
            end: bytes[1] & 0x80 != 0,
            volume: bytes[1] & 0x3F,
            duration: u16::from_be_bytes([bytes[2], bytes[3]]),
        }))
    }

    /// The payload for this one event.
    pub fn write(&self) -> [u8; Self::LEN] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, u8::from(self.end) << 7 | self.volume & 0x3F, high, low]
    }
}

/// A packet of an event to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPacket {
    /// RTP timestamp: when the event (or this segment of it) began.
    pub timestamp: u32,
    /// RTP marker bit: the first packet of the event.
    pub marker: bool,
    /// What it says.
    pub report: EventReport,
}

/// How often the last packet of an event or segment is sent in all (RFC 4733 §2.5.1.4).
const FINAL_TRANSMISSIONS: u8 = 3;

/// Sends events, one after the other: an update at each interval, the last one three times.
#[derive(Debug, Clone)]
pub struct EventSender {
    /// Between updates, in timestamp units.
    interval: u32,
    current: Option<Outgoing>,
    queue: ArrayVec<EventPacket, 4>,
}

#[derive(Debug, Clone, Copy)]
struct Outgoing {
    event: u8,
    volume: u8,
    /// Timestamp at which it ends.
    end: u32,
    /// Timestamp of the segment in hand.
    segment: u32,
    next_at: u32,
    is_first: bool,
    /// Of the packet that ends the event, after it was sent once.
    last: Option<EventPacket>,
    sent_last: u8,
    /// The packet that ended the segment before, and how often it is still to be sent.
    segment_end: Option<(EventPacket, u8)>,
}

impl EventSender {
    /// `interval`: between updates, in timestamp units; that of the audio packets is natural, 50 ms is recommended
    /// (RFC 4733 §2.5.1.2).
    pub fn new(interval: u32) -> Self {
        Self { interval: interval.clamp(1, 0x7FFF), current: None, queue: ArrayVec::new() }
    }

    /// Begins an event at `timestamp`, to last `duration` timestamp units. `false`, and nothing happens, while another
    /// is being sent.
    pub fn start(&mut self, event: u8, volume: u8, timestamp: u32, duration: u32) -> bool {
        if !self.is_idle() {
            return false;
        }
        // Serial numbers tell before from after only within half their range.
        let duration = duration.clamp(1, u32::MAX / 4);
        self.current = Some(Outgoing {
            event,
            volume: volume.min(63),
            end: timestamp.wrapping_add(duration),
            segment: timestamp,
            next_at: timestamp.wrapping_add(self.interval.min(duration)),
            is_first: true,
            last: None,
            sent_last: 0,
            segment_end: None,
        });
        true
    }

    /// Ends the event in hand at `timestamp`, if it would last longer.
    pub fn stop(&mut self, timestamp: u32) {
        if let Some(current) = &mut self.current
            && current.last.is_none()
            && is_before(timestamp, current.end)
        {
            current.end = timestamp.max(current.segment.wrapping_add(1));
            if is_before(current.end, current.next_at) {
                current.next_at = current.end;
            }
        }
    }

    /// Whether no event is being sent, repetitions of the last packet included.
    pub fn is_idle(&self) -> bool {
        self.current.is_none() && self.queue.is_empty()
    }

    /// The timestamp at which the next packet is due.
    pub fn next_at(&self) -> Option<u32> {
        self.current.map(|current| current.next_at)
    }

    /// The next packet that is due at `timestamp`; to be called until there is none.
    pub fn poll(&mut self, timestamp: u32) -> Option<EventPacket> {
        if let Some(packet) = self.queue.pop_at(0) {
            return Some(packet);
        }
        let current = self.current.as_mut()?;
        if is_before(timestamp, current.next_at) {
            return None;
        }
        if let Some(last) = current.last {
            current.sent_last += 1;
            current.next_at = current.next_at.wrapping_add(self.interval);
            if current.sent_last == FINAL_TRANSMISSIONS {
                self.current = None;
            }
            return Some(last);
        }
        if let Some((packet, times)) = &mut current.segment_end {
            self.queue.push(*packet);
            *times -= 1;
            if *times == 0 {
                current.segment_end = None;
            }
        }
        let (event, volume) = (current.event, current.volume);
        let mut elapsed = current.next_at.wrapping_sub(current.segment);
        if elapsed > u32::from(u16::MAX) {
            // §2.5.1.3: the full segment is reported, then a new one begins where it ended.
            let report = EventReport { event, end: false, volume, duration: u16::MAX };
            let packet = EventPacket { timestamp: current.segment, marker: false, report };
            self.queue.push(packet);
            current.segment_end = Some((packet, FINAL_TRANSMISSIONS - 1));
            current.segment = current.segment.wrapping_add(u32::from(u16::MAX));
            elapsed = current.next_at.wrapping_sub(current.segment);
        }
        let end = current.next_at == current.end;
        let duration = u16::try_from(elapsed).unwrap_or(u16::MAX);
        let report = EventReport { event, end, volume, duration };
        let packet = EventPacket { timestamp: current.segment, marker: current.is_first, report };
        current.is_first = false;
        if end {
            current.last = Some(EventPacket { marker: false, ..packet });
            current.sent_last = 1;
            current.next_at = current.next_at.wrapping_add(self.interval);
        } else {
            let next = current.next_at.wrapping_add(self.interval);
            current.next_at = if is_before(next, current.end) { next } else { current.end };
        }
        self.queue.push(packet);
        self.queue.pop_at(0)
    }
}

/// What a receiver learns of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventChange {
    /// An event began.
    Started {
        /// The event code.
        event: u8,
        /// Power below 0 dBm0, in dB.
        volume: u8,
        /// When, as an RTP timestamp.
        timestamp: u32,
    },
    /// The event ended.
    Ended {
        /// The event code.
        event: u8,
        /// When it began, as an RTP timestamp.
        timestamp: u32,
        /// How long it lasted, in timestamp units.
        duration: u32,
    },
}

/// Makes events of the packets that report them. An event whose last packets are lost ends when the next begins, or
/// with [`end_if_silent`](Self::end_if_silent).
#[derive(Debug, Clone, Default)]
pub struct EventReceiver {
    current: Option<Incoming>,
}

#[derive(Debug, Clone, Copy)]
struct Incoming {
    event: u8,
    started: u32,
    /// Timestamp of the segment in hand.
    segment: u32,
    duration: u16,
    ended: bool,
}

impl EventReceiver {
    /// Before the first packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a packet. Late, repeated and reordered ones change nothing.
    ///
    /// # Errors
    ///
    /// The payload is malformed.
    pub fn handle(
        &mut self,
        timestamp: u32,
        payload: &[u8],
    ) -> Result<SmallVec<[EventChange; 2]>, Error> {
        let mut changes = SmallVec::new();
        let mut timestamp = timestamp;
        for report in EventReport::read(payload)? {
            self.handle_report(timestamp, report, &mut changes);
            timestamp = timestamp.wrapping_add(u32::from(report.duration));
        }
        Ok(changes)
    }

    fn handle_report(
        &mut self,
        timestamp: u32,
        report: EventReport,
        changes: &mut SmallVec<[EventChange; 2]>,
    ) {
        if let Some(current) = &mut self.current {
            let next_segment = current.segment.wrapping_add(u32::from(u16::MAX));
            if report.event == current.event && !current.ended && timestamp == next_segment {
                // §2.5.2.3: the event goes on in a new segment.
                current.segment = timestamp;
                current.duration = 0;
            }
            if timestamp == current.segment && report.event == current.event {
                if !current.ended {
                    current.duration = current.duration.max(report.duration);
                    if report.end {
                        current.ended = true;
                        changes.push(current.end());
                    }
                }
                return;
            }
            if !is_before(current.segment, timestamp) {
                return; // an older event's, come late
            }
            if !current.ended {
                changes.push(current.end());
            }
        }
        let EventReport { event, end, volume, duration } = report;
        changes.push(EventChange::Started { event, volume, timestamp });
        let current =
            Incoming { event, started: timestamp, segment: timestamp, duration, ended: end };
        if end {
            changes.push(current.end());
        }
        self.current = Some(current);
    }

    /// Ends the event in hand if nothing was heard of it for `limit` timestamp units, given the timestamp of now.
    pub fn end_if_silent(&mut self, timestamp: u32, limit: u32) -> Option<EventChange> {
        let current = self.current.as_mut().filter(|current| !current.ended)?;
        let heard = current.segment.wrapping_add(u32::from(current.duration));
        if is_before(timestamp, heard.wrapping_add(limit)) {
            return None;
        }
        current.ended = true;
        Some(current.end())
    }
}

impl Incoming {
    fn end(&self) -> EventChange {
        let duration =
            self.segment.wrapping_sub(self.started).wrapping_add(u32::from(self.duration));
        EventChange::Ended { event: self.event, timestamp: self.started, duration }
    }
}

/// Serial number arithmetic on RTP timestamps (RFC 3550 §4 says they wrap; RFC 1982).
fn is_before(a: u32, b: u32) -> bool {
    b.wrapping_sub(a).wrapping_sub(1) < u32::MAX / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(duration: u32, start: u32) -> Vec<EventPacket> {
        let mut sender = EventSender::new(400);
        assert!(sender.start(5, 10, start, duration));
        assert!(!sender.start(6, 10, start, duration));
        let mut packets = Vec::new();
        let mut now = start;
        while !sender.is_idle() {
            while let Some(packet) = sender.poll(now) {
                packets.push(packet);
            }
            now = now.wrapping_add(80);
        }
        packets
    }

    #[test]
    fn an_event_is_updated_and_its_end_sent_three_times() {
        let packets = send(1000, u32::MAX - 100);
        let seen: Vec<_> =
            packets.iter().map(|p| (p.marker, p.report.duration, p.report.end)).collect();
        assert_eq!(
            seen,
            [
                (true, 400, false),
                (false, 800, false),
                (false, 1000, true),
                (false, 1000, true),
                (false, 1000, true)
            ]
        );
        assert!(packets.iter().all(|packet| packet.timestamp == u32::MAX - 100));
    }

    #[test]
    fn a_long_event_is_sent_in_segments_and_received_as_one() {
        let packets = send(150_000, 7);
        assert_eq!(packets.iter().filter(|packet| packet.marker).count(), 1);
        let full = packets.iter().filter(|p| p.timestamp == 7 && p.report.duration == u16::MAX);
        assert_eq!(full.count(), 3);
        let mut receiver = EventReceiver::new();
        let mut changes = Vec::new();
        for packet in &packets {
            changes.extend(receiver.handle(packet.timestamp, &packet.report.write()).unwrap());
        }
        assert_eq!(
            changes,
            [
                EventChange::Started { event: 5, volume: 10, timestamp: 7 },
                EventChange::Ended { event: 5, timestamp: 7, duration: 150_000 }
            ]
        );
    }

    #[test]
    fn one_packet_of_the_end_suffices_and_none_ends_with_the_next() {
        let packets = send(1000, 50);
        let mut receiver = EventReceiver::new();
        let only_last = receiver.handle(50, &packets[4].report.write()).unwrap();
        assert_eq!(only_last.len(), 2);
        assert!(receiver.handle(50, &packets[3].report.write()).unwrap().is_empty());
        assert!(receiver.handle(50, &packets[0].report.write()).unwrap().is_empty());

        let mut receiver = EventReceiver::new();
        assert_eq!(receiver.handle(50, &packets[0].report.write()).unwrap().len(), 1);
        assert_eq!(receiver.end_if_silent(800, 1200), None);
        let next = receiver.handle(5000, &packets[0].report.write()).unwrap();
        assert_eq!(next[0], EventChange::Ended { event: 5, timestamp: 50, duration: 400 });
        assert!(matches!(next[1], EventChange::Started { timestamp: 5000, .. }));
        assert!(receiver.end_if_silent(5000 + 400 + 1200, 1200).is_some());
        assert!(receiver.end_if_silent(9000, 1200).is_none());
    }

    #[test]
    fn a_stopped_event_ends_early() {
        let mut sender = EventSender::new(400);
        sender.start(dtmf_event('#').unwrap(), 10, 0, u32::MAX);
        assert_eq!(sender.poll(400).unwrap().report.duration, 400);
        sender.stop(500);
        let end = sender.poll(500).unwrap().report;
        assert_eq!((end.event, end.duration, end.end), (11, 500, true));
    }

    #[test]
    fn odd_sizes_are_refused() {
        for len in [0, 1, 3, 5, 7] {
            assert!(EventReport::read(&[0; 8][..len]).is_err());
        }
        let two: Vec<_> = EventReport::read(&[1, 0x8A, 0, 5, 2, 0, 1, 0]).unwrap().collect();
        assert_eq!(two[0], EventReport { event: 1, end: true, volume: 10, duration: 5 });
        assert_eq!(two[1].duration, 256);
        assert_eq!(two[1].write(), [2, 0, 1, 0]);
    }
}
