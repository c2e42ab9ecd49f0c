//! Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1): for a run of
//! transport-wide sequence numbers, which packets arrived and when. Reading expands nothing: packets come one by one from
//! an iterator over the bytes.

use std::time::Duration;

use super::feedback::FeedbackSources;
use super::header::{packet_type, write_packet};
use crate::error::Error;
use crate::number::SequenceNumber;

const SECTION: &str = "draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1";
const WHAT: &str = "transport-wide feedback";

/// Microseconds after which the reference time wraps: 24 bits of 64 ms, about 12 days.
pub const REFERENCE_TIME_WRAP_US: i64 = (1 << 24) * 64_000;

/// The longest message a [`TransportFeedbackBuilder`] makes, in bytes: it fits the least MTU of IPv6 with all headers.
pub const MAX_TRANSPORT_FEEDBACK_LEN: usize = 1_100;

const TICK_US: i64 = 250;
/// Ticks of 250 µs in a unit of the reference time, 64 ms.
const TICKS_PER_REFERENCE: i64 = 256;

/// Status symbols (§3.1.1).
const NOT_RECEIVED: u8 = 0;
const SMALL_DELTA: u8 = 1;
const LARGE_DELTA: u8 = 2;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It had not arrived.
    NotReceived,
    /// It had arrived, at an unknown time.
    ReceivedWithoutTime,
    /// It had arrived.
    Received {
        /// When, in microseconds of the receiver's clock, modulo [`REFERENCE_TIME_WRAP_US`]; steps of 250 µs.
        time_us: i64,
    },
}

/// A packet and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketStatus {
    /// Its transport-wide sequence number.
    pub sequence_number: SequenceNumber,
    /// What became of it.
    pub arrival: Arrival,
}

/// Feedback on a run of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportFeedback<'a> {
    /// Who sends it; the media source is any of the transport's.
    pub sources: FeedbackSources,
    /// The first packet of the run.
    pub base_sequence_number: SequenceNumber,
    /// How many packets the run has, at least 1.
    pub status_count: u16,
    /// When the first delta counts from, in units of 64 ms; 24 bits with a sign.
    pub reference_time: i32,
    /// Counts the messages, so that a lost one is noticed.
    pub feedback_count: u8,
    chunks: &'a [u8],
    /// Empty where the message says no times.
    deltas: &'a [u8],
    has_times: bool,
}

impl<'a> TransportFeedback<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        let (sources, fci) = FeedbackSources::read(body)?;
        let truncated =
            |need| Error::Truncated { what: WHAT, need, have: body.len(), section: SECTION };
        let Some((&[b0, b1, c0, c1, r0, r1, r2, feedback_count], rest)) =
            fci.split_first_chunk::<8>()
        else {
            return Err(truncated(16));
        };
        let status_count = u16::from_be_bytes([c0, c1]);
        if status_count == 0 {
            return Err(Error::Invalid {
                what: WHAT,
                reason: "it is about no packets",
                section: SECTION,
            });
        }
        // One walk over the chunks tells where they end and how long the deltas must be. Each chunk covers a packet at
        // least, so the walk is bounded by the bytes as well as by the count.
        let (mut covered, mut deltas_len, mut at) = (0_usize, 0_usize, 0_usize);
        while covered < usize::from(status_count) {
            let Some(&[hi, lo]) = rest.get(at..at + 2) else { return Err(truncated(16 + at + 2)) };
            at += 2;
            let chunk = Chunk::new(u16::from_be_bytes([hi, lo]));
            let count = chunk.len().min(usize::from(status_count) - covered);
            if count == 0 {
                let reason = "a run of no packets";
                return Err(Error::Invalid { what: WHAT, reason, section: SECTION });
            }
            deltas_len += match chunk {
                Chunk::Run { symbol, .. } => count * delta_len(symbol),
                _ => (0..count).map(|index| delta_len(chunk.symbol(index))).sum(),
            };
            covered += count;
        }
        let (chunks, rest) = rest.split_at(at);
        // Without room for the times the message says only what arrived (webrtc.org transport-wide-cc-02); up to three
        // bytes are padding to whole words.
        let has_times = rest.len() >= deltas_len;
        if !has_times && rest.len() > 3 {
            return Err(truncated(16 + at + deltas_len));
        }
        Ok(Self {
            sources,
            base_sequence_number: SequenceNumber(u16::from_be_bytes([b0, b1])),
            status_count,
            reference_time: i32::from_be_bytes([r0, r1, r2, 0]) >> 8,
            feedback_count,
            chunks,
            deltas: if has_times { &rest[..deltas_len] } else { &[] },
            has_times,
        })
    }

    /// The packets, in the order of their numbers.
    #[must_use]
    pub fn packets(&self) -> PacketStatuses<'a> {
        PacketStatuses {
            chunks: self.chunks,
            deltas: self.deltas,
            has_times: self.has_times,
            chunk: Chunk::Run { symbol: 0, len: 0 },
            index: 0,
            left: self.status_count,
            next: self.base_sequence_number,
            time_us: i64::from(self.reference_time) * TICKS_PER_REFERENCE * TICK_US,
        }
    }

    /// When the first delta counts from, in microseconds.
    #[must_use]
    pub fn reference_time_us(&self) -> i64 {
        i64::from(self.reference_time) * TICKS_PER_REFERENCE * TICK_US
    }

    /// Appends the message as it was read. [`TransportFeedbackBuilder`] makes new ones.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_packet(out, packet_type::TRANSPORT_FEEDBACK, 15, |out| {
            write_fixed(
                out,
                self.sources,
                self.base_sequence_number,
                self.status_count,
                self.reference_time,
                self.feedback_count,
            );
            out.extend_from_slice(self.chunks);
            out.extend_from_slice(self.deltas);
        });
    }
}

fn write_fixed(
    out: &mut Vec<u8>,
    sources: FeedbackSources,
    base: SequenceNumber,
    count: u16,
    reference_time: i32,
    feedback_count: u8,
) {
    sources.write(out);
    out.extend_from_slice(&base.0.to_be_bytes());
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&reference_time.to_be_bytes()[1..]);
    out.push(feedback_count);
}

/// A packet chunk (§3.1.2 to §3.1.4).
#[derive(Debug, Clone, Copy)]
enum Chunk {
    Run { symbol: u8, len: u16 },
    OneBit(u16),
    TwoBit(u16),
}

impl Chunk {
    fn new(word: u16) -> Self {
        match word >> 14 {
            0 | 1 => Self::Run { symbol: (word >> 13 & 3) as u8, len: word & 0x1FFF },
            2 => Self::OneBit(word),
            _ => Self::TwoBit(word),
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Run { len, .. } => usize::from(len),
            Self::OneBit(_) => 14,
            Self::TwoBit(_) => 7,
        }
    }

    fn symbol(self, index: usize) -> u8 {
        match self {
            Self::Run { symbol, .. } => symbol,
            Self::OneBit(word) => (word >> (13 - index) & 1) as u8,
            Self::TwoBit(word) => (word >> (12 - 2 * index) & 3) as u8,
        }
    }
}

/// Bytes of delta that a symbol calls for; the reserved symbol 3 means "received, no time" to those who send it.
fn delta_len(symbol: u8) -> usize {
    match symbol {
        SMALL_DELTA => 1,
        LARGE_DELTA => 2,
        _ => 0,
    }
}

/// Iterates over the packets of a [`TransportFeedback`].
#[derive(Debug, Clone)]
pub struct PacketStatuses<'a> {
    chunks: &'a [u8],
    deltas: &'a [u8],
    has_times: bool,
    chunk: Chunk,
    index: usize,
    left: u16,
    next: SequenceNumber,
    time_us: i64,
}

impl Iterator for PacketStatuses<'_> {
    type Item = PacketStatus;

    fn next(&mut self) -> Option<PacketStatus> {
        self.left = self.left.checked_sub(1)?;
        if self.index == self.chunk.len() {
            let (&[hi, lo], rest) = self.chunks.split_first_chunk::<2>()?;
            self.chunks = rest;
            self.chunk = Chunk::new(u16::from_be_bytes([hi, lo]));
            self.index = 0;
        }
        let symbol = self.chunk.symbol(self.index);
        self.index += 1;
        let sequence_number = self.next;
        self.next = self.next.next();
        let arrival = match symbol {
            NOT_RECEIVED => Arrival::NotReceived,
            SMALL_DELTA | LARGE_DELTA if self.has_times => {
                let (delta, rest) = self.deltas.split_at_checked(delta_len(symbol))?;
                self.deltas = rest;
                let ticks = match *delta {
                    [small] => i64::from(small),
                    [hi, lo] => i64::from(i16::from_be_bytes([hi, lo])),
                    _ => return None,
                };
                self.time_us += ticks * TICK_US;
                Arrival::Received { time_us: self.time_us }
            }
            _ => Arrival::ReceivedWithoutTime,
        };
        Some(PacketStatus { sequence_number, arrival })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(usize::from(self.left)))
    }
}

/// Makes feedback of arrivals; to be reused, so that it need not allocate for each message.
#[derive(Debug, Default)]
pub struct TransportFeedbackBuilder {
    base: SequenceNumber,
    /// In units of 64 ms since the caller's epoch.
    reference: i64,
    last_tick: i64,
    symbols: Vec<u8>,
    deltas: Vec<u8>,
}

impl TransportFeedbackBuilder {
    /// An empty builder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a message that reports on packets from `base` on. `arrival` is that of the first packet to be pushed,
    /// since any epoch that stays the same.
    pub fn begin(&mut self, base: SequenceNumber, arrival: Duration) {
        self.base = base;
        self.reference = ticks(arrival).div_euclid(TICKS_PER_REFERENCE);
        self.last_tick = self.reference * TICKS_PER_REFERENCE;
        self.symbols.clear();
        self.deltas.clear();
    }

    /// Adds an arrival; numbers between the last and this one are reported as not received.
    ///
    /// False where it does not fit: the number is not after the last, the time is 8 s from the last or more, or the
    /// message would exceed [`MAX_TRANSPORT_FEEDBACK_LEN`]. Nothing is added then, and the packet begins another message.
    pub fn push(&mut self, sequence_number: SequenceNumber, arrival: Duration) -> bool {
        let index = usize::from(sequence_number.0.wrapping_sub(self.base.0));
        let tick = ticks(arrival);
        let Ok(delta) = i16::try_from(tick - self.last_tick) else { return false };
        let delta_len = if (0..=255).contains(&delta) { 1 } else { 2 };
        // At worst seven packets take a chunk of two bytes. Header and padding are at most 24 bytes.
        let len = 24 + 2 * (index + 1).div_ceil(7) + self.deltas.len() + delta_len;
        if index < self.symbols.len() || len > MAX_TRANSPORT_FEEDBACK_LEN {
            return false;
        }
        self.symbols.resize(index, NOT_RECEIVED);
        if delta_len == 1 {
            self.symbols.push(SMALL_DELTA);
            self.deltas.push(delta as u8);
        } else {
            self.symbols.push(LARGE_DELTA);
            self.deltas.extend_from_slice(&delta.to_be_bytes());
        }
        self.last_tick = tick;
        true
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// The number after the last that was pushed.
    #[must_use]
    pub fn end(&self) -> SequenceNumber {
        self.base.plus(self.symbols.len() as u16)
    }

    /// Appends the message as one that only says which packets arrived (webrtc.org transport-wide-cc-02); nothing where nothing
    /// was pushed. It has to be the last of its compound.
    pub fn write_without_times(
        &self,
        sources: FeedbackSources,
        feedback_count: u8,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        self.write_with(sources, feedback_count, &[], out);
        let chunks = self.chunks().count();
        if chunks % 2 == 1
            && let Some(last) = out.last_mut()
        {
            // The two bytes to the next word are said to be padding, or they could be times (RFC 3550 §6.4.1).
            *last = 2;
            out[start] |= 0x20;
        }
    }

    /// Appends the message; nothing where nothing was pushed.
    pub fn write(&self, sources: FeedbackSources, feedback_count: u8, out: &mut Vec<u8>) {
        self.write_with(sources, feedback_count, &self.deltas, out);
    }

    /// The chunks of all symbols.
    fn chunks(&self) -> impl Iterator<Item = u16> {
        let mut rest = &self.symbols[..];
        std::iter::from_fn(move || {
            let (word, taken) = (!rest.is_empty()).then(|| next_chunk(rest))?;
            rest = &rest[taken..];
            Some(word)
        })
    }

    fn write_with(
        &self,
        sources: FeedbackSources,
        feedback_count: u8,
        deltas: &[u8],
        out: &mut Vec<u8>,
    ) {
        if self.symbols.is_empty() {
            return;
        }
        write_packet(out, packet_type::TRANSPORT_FEEDBACK, 15, |out| {
            let count = self.symbols.len() as u16;
            write_fixed(out, sources, self.base, count, self.reference as i32, feedback_count);
            self.chunks().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
            out.extend_from_slice(deltas);
        });
    }
}

fn ticks(arrival: Duration) -> i64 {
    (arrival.as_micros() as i64) / TICK_US
}

/// The chunk that takes the most of the symbols, and how many it takes.
fn next_chunk(symbols: &[u8]) -> (u16, usize) {
    let first = symbols[0];
    let run = symbols.iter().take(0x1FFF).take_while(|symbol| **symbol == first).count();
    let short = &symbols[..symbols.len().min(14)];
    let one_bit = short.iter().take_while(|symbol| **symbol != LARGE_DELTA).count();
    let vector = if one_bit == short.len() { one_bit } else { short.len().min(7) };
    if run >= vector {
        return (u16::from(first) << 13 | run as u16, run);
    }
    if one_bit == short.len() {
        let bits = short
            .iter()
            .enumerate()
            .fold(0, |word, (i, symbol)| word | u16::from(*symbol) << (13 - i));
        return (0x8000 | bits, short.len());
    }
    let seven = &short[..vector];
    let bits = seven
        .iter()
        .enumerate()
        .fold(0, |word, (i, symbol)| word | u16::from(*symbol) << (12 - 2 * i));
    (0xC000 | bits, vector)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<TransportFeedback<'_>, Error> {
        TransportFeedback::read(&bytes[4..])
    }

    #[test]
    fn all_kinds_of_chunks_are_read() {
        let mut body = vec![0, 0, 0, 1, 0, 0, 0, 2];
        // base 0xFFFE, 30 packets, reference -1
        body.extend_from_slice(&[0xFF, 0xFE, 0, 30, 0xFF, 0xFF, 0xFF, 7]);
        body.extend_from_slice(&[0x20, 3]); // run of 3 small
        body.extend_from_slice(&[0x80 | 0x20, 0x01]); // 14 by one bit: first and last received
        body.extend_from_slice(&[0xC0 | 0x20, 0x00]); // 7 by two bits: first large
        body.extend_from_slice(&[0x60, 2, 0x00, 200]); // run of 2 of symbol 3, run of lost beyond the count
        body.extend_from_slice(&[1, 2, 3, 4, 5, 0xFF, 0xFF, 0]);
        let feedback = TransportFeedback::read(&body).unwrap();
        let packets: Vec<_> = feedback.packets().collect();
        assert_eq!(packets.len(), 30);
        assert_eq!(packets[2].sequence_number, SequenceNumber(0), "wraps");
        assert_eq!(packets[0].arrival, Arrival::Received { time_us: -64_000 + 250 });
        assert_eq!(packets[3].arrival, Arrival::Received { time_us: -64_000 + 10 * 250 });
        assert_eq!(packets[4].arrival, Arrival::NotReceived);
        assert_eq!(packets[17].arrival, Arrival::Received { time_us: -64_000 + 14 * 250 });
        assert_eq!(packets[24].arrival, Arrival::ReceivedWithoutTime);
        assert_eq!(packets.iter().filter(|p| p.arrival == Arrival::NotReceived).count(), 22);
        let mut again = Vec::new();
        feedback.write(&mut again);
        assert_eq!(again[4..4 + body.len()], body[..], "and padding");

        // Without times.
        let bare = TransportFeedback::read(&body[..26]).unwrap();
        assert_eq!(bare.packets().next().unwrap().arrival, Arrival::ReceivedWithoutTime);
        // Some of the times.
        assert!(TransportFeedback::read(&body[..30]).is_err());
        // Chunks for fewer packets than the count.
        assert!(TransportFeedback::read(&body[..20]).is_err());
        assert!(TransportFeedback::read(&body[..12]).is_err());
    }

    #[test]
    fn a_small_message_expands_to_65535_packets_and_no_more() {
        let mut body = vec![0; 8];
        body.extend_from_slice(&[0, 0, 0xFF, 0xFF, 0, 0, 0, 0]);
        for _ in 0..9 {
            body.extend_from_slice(&[0x1F, 0xFF]);
        }
        body.extend_from_slice(&[0, 0]);
        assert_eq!(TransportFeedback::read(&body).unwrap().packets().count(), 65_535);
        body[16..18].copy_from_slice(&[0, 0]); // a run of none
        assert!(TransportFeedback::read(&body).is_err());
    }

    #[test]
    fn times_may_be_left_out() {
        for count in 1..40_u16 {
            let mut builder = TransportFeedbackBuilder::new();
            builder.begin(SequenceNumber(7), Duration::ZERO);
            for number in (0..count).filter(|number| number % 3 != 1) {
                assert!(builder.push(SequenceNumber(7 + number), Duration::from_millis(90)));
            }
            let mut bytes = Vec::new();
            let sources = FeedbackSources { sender: crate::Ssrc(1), media: crate::Ssrc(2) };
            builder.write_without_times(sources, 3, &mut bytes);
            let packets: Vec<_> = crate::rtcp::packets(&bytes).map(Result::unwrap).collect();
            let [crate::rtcp::Packet::TransportFeedback(feedback)] = packets[..] else {
                panic!("{packets:?}")
            };
            for (index, status) in feedback.packets().enumerate() {
                assert_eq!(status.sequence_number, SequenceNumber(7 + index as u16));
                let arrival = match index % 3 {
                    1 => Arrival::NotReceived,
                    _ => Arrival::ReceivedWithoutTime,
                };
                assert_eq!(status.arrival, arrival, "{index} of {count}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_begins_another_message() {
        let mut builder = TransportFeedbackBuilder::new();
        builder.begin(SequenceNumber(5), Duration::ZERO);
        assert!(builder.push(SequenceNumber(5), Duration::ZERO));
        assert!(!builder.push(SequenceNumber(5), Duration::ZERO), "again");
        assert!(!builder.push(SequenceNumber(4), Duration::ZERO), "before");
        assert!(!builder.push(SequenceNumber(6), Duration::from_secs(9)), "too late");
        assert!(!builder.push(SequenceNumber(10_000), Duration::ZERO), "too far");
        let mut number = SequenceNumber(6);
        while builder.push(number, Duration::ZERO) {
            number = number.plus(2);
        }
        let mut out = Vec::new();
        builder.write(FeedbackSources::default(), 0, &mut out);
        assert!(out.len() <= MAX_TRANSPORT_FEEDBACK_LEN);
        assert_eq!(read(&out).unwrap().packets().count(), usize::from(builder.end().0 - 5));
    }

    proptest! {
        #[test]
        fn what_is_built_is_read(
            base: u16,
            start in 0_u64..1_000_000_000,
            steps in prop::collection::vec((1_u16..40, prop_oneof![0_i64..60_000, -500_000_i64..500_000]), 1..200),
        ) {
            let mut builder = TransportFeedbackBuilder::new();
            let mut time = start as i64 + 500_000_000;
            let mut number = SequenceNumber(base);
            builder.begin(number, Duration::from_micros(time as u64));
            let mut pushed = Vec::new();
            for (step, delta) in steps {
                if !pushed.is_empty() {
                    time = (time + delta).max(0);
                    number = number.plus(step);
                }
                if !builder.push(number, Duration::from_micros(time as u64)) {
                    break;
                }
                pushed.push((number, time / 250 * 250));
            }
            let mut out = Vec::new();
            builder.write(FeedbackSources::default(), 9, &mut out);
            prop_assert!(out.len() <= MAX_TRANSPORT_FEEDBACK_LEN);
            let feedback = read(&out).unwrap();
            let received: Vec<_> = feedback
                .packets()
                .filter_map(|p| match p.arrival {
                    Arrival::Received { time_us } => Some((p.sequence_number, time_us)),
                    _ => None,
                })
                .collect();
            prop_assert_eq!(received, pushed);
            prop_assert_eq!(feedback.base_sequence_number.0, base);
        }

        #[test]
        fn noise_never_panics(body in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(feedback) = TransportFeedback::read(&body) {
                prop_assert_eq!(feedback.packets().count(), usize::from(feedback.status_count));
            }
        }
    }
}
