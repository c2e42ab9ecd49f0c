//! Arrivals, kept until they are reported to the sender's congestion control: by transport-wide numbers
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01), or by stream with ECN marks (RFC 8888). The receive path records
//! each packet; the owner asks for a report every 50 to 250 ms.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::ntp::NtpTime;
use crate::number::{SequenceNumber, SequenceUnwrapper, Ssrc};
use crate::rtcp::{
    CongestionControlFeedback, Ecn, FeedbackSources, PacketMetric, StreamFeedback,
    TransportFeedbackBuilder,
};

/// The most arrivals that are kept, per transport or stream.
pub const MAX_ARRIVALS: usize = 4_096;
/// The most streams that are reported on by RFC 8888.
pub const MAX_REPORTED_STREAMS: usize = 1_024;
/// The places for arrivals of all streams together, from which on a stream has [`FEW_ARRIVALS`] only.
pub const MAX_STREAM_ARRIVALS: usize = 65_536;
/// The most arrivals of a stream that are kept while all together have many.
pub const FEW_ARRIVALS: usize = 64;
/// How many packets that were reported already are kept, so that one that comes late finds its place.
const KEPT: u64 = 512;
/// The most packets of one RFC 8888 message: it stays within 1,100 bytes whatever the streams.
const METRICS_PER_MESSAGE: usize = 480;
/// The most streams of one RFC 8888 message.
const STREAMS_PER_MESSAGE: usize = 32;

/// A run of numbers, with what came for each.
#[derive(Debug)]
struct Run<T> {
    unwrapper: SequenceUnwrapper,
    /// The number of the first entry.
    first: u64,
    entries: VecDeque<Option<T>>,
    /// The first number that the next report covers.
    report_from: u64,
}

impl<T> Default for Run<T> {
    fn default() -> Self {
        Self {
            unwrapper: SequenceUnwrapper::default(),
            first: 0,
            entries: VecDeque::new(),
            report_from: 0,
        }
    }
}

impl<T> Run<T> {
    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The place of a number; `None` where it is too old to be reported. `most` places are kept.
    fn slot(&mut self, number: SequenceNumber, most: usize) -> Option<(u64, &mut Option<T>)> {
        let extended = self.unwrapper.unwrap(number);
        if self.entries.is_empty() || extended >= self.end() + most as u64 {
            // The first, or so far ahead that nothing before it matters.
            self.entries.clear();
            self.first = extended;
            self.report_from = extended;
        }
        if extended < self.first {
            return None;
        }
        while self.end() <= extended {
            while self.entries.len() >= most {
                self.entries.pop_front();
                self.first += 1;
                self.report_from = self.report_from.max(self.first);
            }
            self.entries.push_back(None);
        }
        self.give_back();
        let index = (extended - self.first) as usize;
        self.entries.get_mut(index).map(|slot| (extended, slot))
    }

    /// Something unreported came.
    fn is_due(&self) -> bool {
        self.report_from < self.end()
    }

    /// All before `number` is reported; so many of these places are kept.
    fn reported(&mut self, number: u64, keep: u64) {
        self.report_from = number;
        let keep_from = number.saturating_sub(keep);
        while self.first < keep_from && self.entries.pop_front().is_some() {
            self.first += 1;
        }
        self.give_back();
    }

    /// Gives back the memory of most places where few of them are taken.
    fn give_back(&mut self) {
        let taken = self.entries.len().max(FEW_ARRIVALS);
        if self.entries.capacity() > 4 * taken {
            self.entries.shrink_to(2 * taken);
        }
    }
}

/// Arrivals of a transport's packets, for transport-wide feedback.
#[derive(Debug)]
pub struct TransportArrivals {
    epoch: Instant,
    run: Run<Duration>,
    builder: TransportFeedbackBuilder,
    feedback_count: u8,
}

impl TransportArrivals {
    /// An empty record. Reported times count from `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            run: Run::default(),
            builder: TransportFeedbackBuilder::new(),
            feedback_count: 0,
        }
    }

    /// Records a packet by its transport-wide number. Of one that comes twice the first arrival counts.
    pub fn record(&mut self, now: Instant, number: SequenceNumber) {
        let arrival = now.saturating_duration_since(self.epoch);
        if let Some((extended, slot)) = self.run.slot(number, MAX_ARRIVALS)
            && slot.is_none()
        {
            *slot = Some(arrival);
            // One that comes after its report is reported once more, with all that follows.
            self.run.report_from = self.run.report_from.min(extended);
        }
    }

    /// Whether there is something to report.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.run.is_due()
    }

    /// Appends a message on what is not reported, at most
    /// [`MAX_TRANSPORT_FEEDBACK_LEN`](crate::rtcp::MAX_TRANSPORT_FEEDBACK_LEN) long; false where that is nothing. To be
    /// called until then, with a datagram for each: together they may be longer than the path takes.
    pub fn report(&mut self, sources: FeedbackSources, out: &mut Vec<u8>) -> bool {
        let mut at = self.run.report_from;
        let end = self.run.end();
        let arrival = |run: &Run<Duration>, at: u64| {
            run.entries.get((at - run.first) as usize).copied().flatten()
        };
        while at < end {
            // A message's times count from that of its first packet that came; what is lost before it is of the message.
            let Some(first) = (at..end).find_map(|at| arrival(&self.run, at)) else { break };
            self.builder.begin(SequenceNumber(at as u16), first);
            let mut next = at;
            for number in at..end {
                match arrival(&self.run, number) {
                    None => {}
                    Some(time) if self.builder.push(SequenceNumber(number as u16), time) => {
                        next = number + 1;
                    }
                    Some(_) => break,
                }
            }
            if next == at {
                // Losses alone fill a message: begin at the packet that came.
                at = (at..end).find(|number| arrival(&self.run, *number).is_some()).unwrap_or(end);
                continue;
            }
            self.builder.write(sources, self.feedback_count, out);
            self.feedback_count = self.feedback_count.wrapping_add(1);
            self.run.reported(next, KEPT);
            return true;
        }
        self.run.reported(end, KEPT);
        false
    }
}

impl TransportArrivals {
    /// Appends a message on `count` packets up to `last`, which has come, as the sender has asked for it (webrtc.org
    /// transport-wide-cc-02): one that is at most [`MAX_TRANSPORT_FEEDBACK_LEN`](crate::rtcp::MAX_TRANSPORT_FEEDBACK_LEN)
    /// long, which leaves the newest out where all would not fit. False where nothing is known of them.
    pub fn report_on(
        &mut self,
        last: SequenceNumber,
        (count, times): (u16, bool),
        sources: FeedbackSources,
        out: &mut Vec<u8>,
    ) -> bool {
        let end = (self.run.unwrapper.unwrap(last) + 1).min(self.run.end());
        let from = end.saturating_sub(count.into()).max(self.run.first);
        let arrival = |run: &Run<Duration>, at: u64| {
            run.entries.get((at - run.first) as usize).copied().flatten()
        };
        let Some(first) = (from..end).find_map(|at| arrival(&self.run, at)) else { return false };
        self.builder.begin(SequenceNumber(from as u16), first);
        for number in from..end {
            if let Some(time) = arrival(&self.run, number)
                && !self.builder.push(SequenceNumber(number as u16), time)
            {
                break;
            }
        }
        if self.builder.is_empty() {
            return false;
        }
        match times {
            true => self.builder.write(sources, self.feedback_count, out),
            false => self.builder.write_without_times(sources, self.feedback_count, out),
        }
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.run.reported(self.run.report_from.max(end), KEPT);
        true
    }
}

/// Arrivals of streams' packets with their ECN marks, for RFC 8888.
#[derive(Debug, Default)]
pub struct StreamArrivals {
    streams: FxHashMap<Ssrc, Run<(Instant, Ecn)>>,
    /// Streams with something to report, in the order in which it came.
    due: Vec<Ssrc>,
    metrics: Vec<PacketMetric>,
    /// Places that all streams have taken.
    places: usize,
}

impl StreamArrivals {
    /// An empty record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a packet. Of one that comes twice the first arrival counts, but a mark of congestion on any (RFC 8888
    /// §3.1). Beyond [`MAX_REPORTED_STREAMS`] streams are not recorded.
    pub fn record(&mut self, now: Instant, ssrc: Ssrc, number: SequenceNumber, ecn: Ecn) {
        if self.streams.len() >= MAX_REPORTED_STREAMS && !self.streams.contains_key(&ssrc) {
            return;
        }
        let run = self.streams.entry(ssrc).or_default();
        let was_due = run.is_due();
        let most = if self.places < MAX_STREAM_ARRIVALS { MAX_ARRIVALS } else { FEW_ARRIVALS };
        let before = run.entries.capacity();
        let Some((extended, slot)) = run.slot(number, most) else { return };
        match slot {
            Some((_, mark)) if ecn == Ecn::Ce => *mark = Ecn::Ce,
            Some(_) => {}
            None => {
                *slot = Some((now, ecn));
                run.report_from = run.report_from.min(extended);
            }
        }
        self.places = self.places + run.entries.capacity() - before;
        if !was_due && run.is_due() {
            self.due.push(ssrc);
        }
    }

    /// Forgets a stream.
    pub fn remove(&mut self, ssrc: Ssrc) {
        if let Some(run) = self.streams.remove(&ssrc) {
            self.places -= run.entries.capacity();
        }
        self.due.retain(|other| *other != ssrc);
    }

    /// Whether there is something to report.
    #[must_use]
    pub fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Appends a message on what is not reported, as much as fits one; false where that is nothing. To be called until
    /// then. `ntp` is the wall clock's time now.
    pub fn report(&mut self, now: Instant, ntp: NtpTime, sender: Ssrc, out: &mut Vec<u8>) -> bool {
        let mut blocks: SmallVec<[(Ssrc, SequenceNumber, usize, usize); 8]> = SmallVec::new();
        self.metrics.clear();
        while let Some(ssrc) = self.due.last().copied() {
            let begin = self.metrics.len();
            // Each stream's block takes the room of four packets.
            let room = METRICS_PER_MESSAGE.saturating_sub(begin + blocks.len() * 4);
            if room == 0 || blocks.len() == STREAMS_PER_MESSAGE {
                break;
            }
            let Some(run) = self.streams.get_mut(&ssrc) else {
                self.due.pop();
                continue;
            };
            let from = run.report_from;
            let to = run.end().min(from + room as u64);
            for number in from..to {
                let entry = run.entries.get((number - run.first) as usize).copied().flatten();
                self.metrics.push(entry.map_or(PacketMetric::NotReceived, |(arrival, ecn)| {
                    PacketMetric::Received { ecn, arrival_offset: arrival_offset(now, arrival) }
                }));
            }
            let before = run.entries.capacity();
            let keep = if self.places < MAX_STREAM_ARRIVALS { KEPT } else { FEW_ARRIVALS as u64 };
            run.reported(to, keep);
            self.places = self.places + run.entries.capacity() - before;
            blocks.push((ssrc, SequenceNumber(from as u16), begin, self.metrics.len()));
            if !run.is_due() {
                self.due.pop();
            }
        }
        let streams: SmallVec<[StreamFeedback<'_>; 8]> = blocks
            .iter()
            .map(|&(ssrc, begin, from, to)| StreamFeedback {
                ssrc,
                begin,
                metrics: self.metrics[from..to].into(),
            })
            .collect();
        if streams.is_empty() {
            return false;
        }
        CongestionControlFeedback::new(sender, ntp.middle(), &streams).write(out);
        true
    }
}

/// RFC 8888 §3.1: in 1/1,024 seconds, up to 8,189.
fn arrival_offset(now: Instant, arrival: Instant) -> u16 {
    let Some(age) = now.checked_duration_since(arrival) else {
        return PacketMetric::OFFSET_UNKNOWN;
    };
    match age.as_nanos() * 1_024 / 1_000_000_000 {
        offset @ 0..=8_189 => offset as u16,
        _ => PacketMetric::OFFSET_TOO_LONG,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Arrival, MAX_TRANSPORT_FEEDBACK_LEN, Packet, packets};

    fn reported(arrivals: &mut TransportArrivals) -> Vec<(u16, Option<i64>)> {
        let mut out = Vec::new();
        while arrivals.report(FeedbackSources::default(), &mut out) {}
        packets(&out)
            .flat_map(|packet| match packet.unwrap() {
                Packet::TransportFeedback(feedback) => feedback.packets().collect::<Vec<_>>(),
                other => panic!("{other:?}"),
            })
            .map(|status| {
                let time = match status.arrival {
                    Arrival::Received { time_us } => Some(time_us / 1_000),
                    _ => None,
                };
                (status.sequence_number.0, time)
            })
            .collect()
    }

    #[test]
    fn arrivals_are_reported_once_unless_one_comes_late() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut arrivals = TransportArrivals::new(start);
        assert!(!arrivals.is_due());
        arrivals.record(at(10), SequenceNumber(65_535));
        arrivals.record(at(12), SequenceNumber(1));
        arrivals.record(at(13), SequenceNumber(1));
        assert_eq!(reported(&mut arrivals), [(65_535, Some(10)), (0, None), (1, Some(12))]);
        assert!(!arrivals.is_due());
        arrivals.record(at(30), SequenceNumber(2));
        arrivals.record(at(31), SequenceNumber(0));
        assert_eq!(reported(&mut arrivals), [(0, Some(31)), (1, Some(12)), (2, Some(30))]);
        assert_eq!(reported(&mut arrivals), []);
    }

    #[test]
    fn what_is_asked_for_is_reported_and_again() {
        let now = Instant::now();
        let mut arrivals = TransportArrivals::new(now);
        // Over the wrap, with every fifth one missing.
        for number in (0..100_u16).filter(|number| number % 5 != 2) {
            let at = now + Duration::from_millis(number.into());
            arrivals.record(at, SequenceNumber(number.wrapping_sub(50)));
        }
        let sources = FeedbackSources { sender: Ssrc(1), media: Ssrc(2) };
        let last = SequenceNumber(49);
        for (count, expected) in [(1, 1), (10, 10), (10, 10), (100, 100), (1_000, 100)] {
            let mut bytes = Vec::new();
            assert!(arrivals.report_on(last, (count, true), sources, &mut bytes));
            let Some(Ok(Packet::TransportFeedback(feedback))) = packets(&bytes).next() else {
                panic!("{bytes:?}")
            };
            let packets: Vec<_> = feedback.packets().collect();
            assert_eq!(packets.len(), expected);
            assert_eq!(packets[packets.len() - 1].sequence_number, last);
            let lost = packets.iter().filter(|p| p.arrival == Arrival::NotReceived);
            assert_eq!(lost.count(), expected / 5);
        }
        assert!(!arrivals.is_due(), "nobody waits for it");
        let mut bytes = Vec::new();
        assert!(!TransportArrivals::new(now).report_on(last, (5, true), sources, &mut bytes));
        assert!(bytes.is_empty());
    }

    #[test]
    fn long_reports_are_cut_and_long_silences_too() {
        let start = Instant::now();
        let mut arrivals = TransportArrivals::new(start);
        let mut expected = Vec::new();
        for n in 0..3_000_u16 {
            if n % 7 != 3 {
                arrivals
                    .record(start + Duration::from_micros(u64::from(n) * 500), SequenceNumber(n));
                expected.push(n);
            }
        }
        arrivals.record(start + Duration::from_secs(60), SequenceNumber(3_000));
        expected.push(3_000);
        let (mut out, mut received, mut messages) = (Vec::new(), Vec::new(), 0);
        while arrivals.report(FeedbackSources::default(), &mut out) {
            assert!(out.len() <= MAX_TRANSPORT_FEEDBACK_LEN, "a datagram of {}", out.len());
            for packet in packets(&out) {
                let Packet::TransportFeedback(feedback) = packet.unwrap() else { panic!() };
                let came =
                    feedback.packets().filter(|status| status.arrival != Arrival::NotReceived);
                received.extend(came.map(|status| status.sequence_number.0));
            }
            out.clear();
            messages += 1;
        }
        assert_eq!(received, expected);
        assert!(messages > 3, "{messages} messages");
        // A jump that no message can cover.
        arrivals.record(start + Duration::from_secs(61), SequenceNumber(30_000));
        assert_eq!(reported(&mut arrivals), [(30_000, Some(61_000))]);
        arrivals.record(start + Duration::from_secs(61), SequenceNumber(34_000));
        assert_eq!(reported(&mut arrivals), [(34_000, Some(61_000))]);
    }

    #[test]
    fn streams_are_reported_with_their_marks() {
        let start = Instant::now();
        let now = start + Duration::from_millis(500);
        let mut arrivals = StreamArrivals::new();
        arrivals.record(start, Ssrc(1), SequenceNumber(65_535), Ecn::Ect1);
        arrivals.record(now, Ssrc(1), SequenceNumber(1), Ecn::NotEct);
        arrivals.record(now, Ssrc(1), SequenceNumber(65_535), Ecn::Ce);
        for n in 0..1_000 {
            arrivals.record(now, Ssrc(2), SequenceNumber(n), Ecn::Ect0);
        }
        let (mut messages, mut seen) = (0, Vec::new());
        let mut out = Vec::new();
        while arrivals.report(now, NtpTime(0x1234_5678_0000_0000), Ssrc(9), &mut out) {
            assert!(out.len() <= 1_100, "{}", out.len());
            for packet in packets(&out) {
                let Packet::CongestionControlFeedback(feedback) = packet.unwrap() else { panic!() };
                assert_eq!((feedback.sender, feedback.report_timestamp), (Ssrc(9), 0x5678_0000));
                for stream in feedback.streams() {
                    seen.extend(
                        stream.packets().map(|(number, metric)| (stream.ssrc.0, number.0, metric)),
                    );
                }
            }
            out.clear();
            messages += 1;
        }
        assert_eq!(messages, 3);
        seen.sort_by_key(|(ssrc, number, _)| (*ssrc, number.wrapping_add(10)));
        assert_eq!(seen.len(), 1_003);
        assert_eq!(
            seen[0],
            (1, 65_535, PacketMetric::Received { ecn: Ecn::Ce, arrival_offset: 512 })
        );
        assert_eq!(seen[1].2, PacketMetric::NotReceived);
        assert_eq!(seen[2].2, PacketMetric::Received { ecn: Ecn::NotEct, arrival_offset: 0 });
        assert!(!arrivals.is_due());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let now = Instant::now();
        let mut arrivals = StreamArrivals::new();
        for n in 0..200_000_u32 {
            arrivals.record(now, Ssrc(n % 3_000), SequenceNumber((n / 7) as u16), Ecn::NotEct);
        }
        assert_eq!(arrivals.streams.len(), MAX_REPORTED_STREAMS);
        assert!(arrivals.streams.values().all(|run| run.entries.len() <= MAX_ARRIVALS));
        assert!(arrivals.places <= 2 * MAX_STREAM_ARRIVALS + MAX_REPORTED_STREAMS * FEW_ARRIVALS);
        let mut transport = TransportArrivals::new(now);
        for n in 0..200_000_u32 {
            transport.record(now, SequenceNumber((n * 5) as u16));
        }
        assert_eq!(transport.run.entries.len(), MAX_ARRIVALS);
    }

    /// Two packets far apart take the places of all between them.
    #[test]
    fn gaps_in_many_streams_do_not_add_up() {
        let now = Instant::now();
        let mut arrivals = StreamArrivals::new();
        for number in [0, 4_095] {
            for ssrc in 0..MAX_REPORTED_STREAMS as u32 {
                arrivals.record(now, Ssrc(ssrc), SequenceNumber(number), Ecn::NotEct);
            }
        }
        let held: usize = arrivals.streams.values().map(|run| run.entries.capacity()).sum();
        assert!(held <= 140_000, "{held} places of 24 bytes");
        assert_eq!(held, arrivals.places);
        // What is reported makes room, so that a stream is reported on in full again.
        let mut out = Vec::new();
        while arrivals.report(now, NtpTime(0), Ssrc(9), &mut out) {
            out.clear();
        }
        assert!(arrivals.places < MAX_STREAM_ARRIVALS);
        for number in 4_096..5_096 {
            arrivals.record(now, Ssrc(7), SequenceNumber(number), Ecn::NotEct);
        }
        let mut seen = 0;
        while arrivals.report(now, NtpTime(0), Ssrc(9), &mut out) {
            for packet in packets(&std::mem::take(&mut out)) {
                let Packet::CongestionControlFeedback(feedback) = packet.unwrap() else { panic!() };
                seen += feedback.streams().map(|stream| stream.packets().count()).sum::<usize>();
            }
        }
        assert_eq!(seen, 1_000);
        let ssrcs: Vec<Ssrc> = arrivals.streams.keys().copied().collect();
        for ssrc in ssrcs {
            arrivals.remove(ssrc);
        }
        assert_eq!(arrivals.places, 0);
    }
}
