//! Joins the packets of several sources, one at a time, into one stream without seams: sequence numbers go on, gaps of lost
//! packets stay and those of packets left out close, timestamps go on with the time that passed, and so do picture ids.

use std::time::Instant;

use super::numbers::{Numbers, Place};
use super::picture::{PayloadPrefix, Pictures};
use crate::payload::PayloadFormat;

/// Packets of a source that are kept: how late one may come.
const PACKETS: usize = 1_024;
/// Packets before the first of the first source that may still come.
const ROOM: u64 = 64;
/// The first number that is given out.
const FIRST_NUMBER: u64 = 1 << 16;
/// No pause between two sources counts for more.
const MAX_PAUSE_SECONDS: u64 = 3_600;

/// A packet of a source.
#[derive(Debug, Clone, Copy)]
pub struct SourcePacket<'a> {
    /// Its source: what [`StreamRewriter::switch_to`] is told.
    pub source: u32,
    /// Its sequence number, without wraps.
    pub sequence: u64,
    /// Its timestamp.
    pub timestamp: u32,
    /// Its payload; empty if it is padding and nothing else.
    pub payload: &'a [u8],
    /// When it came.
    pub arrival: Instant,
}

/// What a packet becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// Its sequence number in the joined stream, without wraps.
    pub sequence: u64,
    /// Its timestamp in the joined stream.
    pub timestamp: u32,
    /// What stands in place of the first bytes of the payload, as many as these. Empty where the format has no running
    /// numbers.
    pub prefix: PayloadPrefix,
}

/// The turn of one source.
#[derive(Debug)]
struct Turn {
    source: u32,
    numbers: Numbers,
    pictures: Pictures,
    /// What is added to its timestamps; wraps.
    timestamp_shift: u32,
}

/// Joins sources into one stream, for one receiver.
///
/// Each number is given out once, whatever comes. It keeps 5 kB for the source at hand and as much for the one before, whose
/// late packets still find their places.
#[derive(Debug)]
pub struct StreamRewriter {
    format: PayloadFormat,
    clock_rate: u32,
    current: Option<Turn>,
    previous: Option<Turn>,
    /// The source whose next packet begins its turn.
    next: Option<u32>,
    /// The newest timestamp given out, and when its packet came.
    newest: Option<(u32, Instant)>,
}

impl StreamRewriter {
    /// For sources of one format, whose timestamps count `clock_rate` a second.
    #[must_use]
    pub fn new(format: PayloadFormat, clock_rate: u32) -> Self {
        Self { format, clock_rate, current: None, previous: None, next: None, newest: None }
    }

    /// Another source goes on from here, with the next packet of it that is [forwarded](Self::forward). For video that is to
    /// be the first of a keyframe ([`SimulcastSelector`](super::SimulcastSelector) sees to it).
    pub fn switch_to(&mut self, source: u32) {
        self.next = (self.source() != Some(source)).then_some(source);
    }

    /// The source whose turn it is.
    #[must_use]
    pub fn source(&self) -> Option<u32> {
        self.current.as_ref().map(|turn| turn.source)
    }

    /// Gives a packet its place; `None` if it has none: it came before, or too late, or it is not its source's turn.
    pub fn forward(&mut self, packet: &SourcePacket<'_>) -> Option<Rewritten> {
        if self.next == Some(packet.source) && !packet.payload.is_empty() {
            // What cannot be read must not begin a turn.
            Pictures::new(self.format, None).rewrite(packet.payload)?;
            self.next = None;
            self.begin(packet);
        }
        let is_of = |turn: &&mut Turn| turn.source == packet.source;
        let (turn, is_current) = match self.current.as_mut().filter(is_of) {
            Some(turn) => (turn, true),
            None => (self.previous.as_mut().filter(is_of)?, false),
        };
        let Some(prefix) = turn.pictures.rewrite(packet.payload) else {
            // Of a picture that was left out, or nonsense.
            if is_current {
                turn.numbers.skip(packet.sequence);
            } else {
                turn.numbers.skip_late(packet.sequence);
            }
            return None;
        };
        let place = match is_current {
            true => turn.numbers.place(packet.sequence),
            false => turn.numbers.place_late(packet.sequence),
        };
        let Place::New(sequence) = place else { return None };
        let timestamp = packet.timestamp.wrapping_add(turn.timestamp_shift);
        if self.newest.is_none_or(|(newest, _)| (timestamp.wrapping_sub(newest) as i32) > 0) {
            self.newest = Some((timestamp, packet.arrival));
        }
        Some(Rewritten { sequence, timestamp, prefix })
    }

    /// Leaves a packet out: of a layer that is not forwarded, or padding. Later ones close up. Where later ones have gone
    /// already this cannot be; then the number is returned that stays empty, and an empty packet should be sent under it, so
    /// that the receiver does not ask for it.
    pub fn skip(&mut self, packet: &SourcePacket<'_>) -> Option<u64> {
        let turn = self.current.as_mut().filter(|turn| turn.source == packet.source)?;
        turn.pictures.skip(packet.payload);
        turn.numbers.skip(packet.sequence)
    }

    /// Which packet of which source has, or would have, this number of the joined stream: for a receiver's requests that are
    /// to be passed on. The last 1,024 are known.
    #[must_use]
    pub fn source_of(&self, sequence: u64) -> Option<(u32, u64)> {
        [&self.current, &self.previous]
            .into_iter()
            .flatten()
            .find_map(|turn| Some((turn.source, turn.numbers.source_of(sequence)?)))
    }

    fn begin(&mut self, packet: &SourcePacket<'_>) {
        let (numbers, pictures, timestamp) = match &self.current {
            None => {
                let numbers = Numbers::new(PACKETS, packet.sequence, FIRST_NUMBER, ROOM);
                (numbers, Pictures::new(self.format, None), packet.timestamp)
            }
            Some(turn) => {
                // RFC 3550 §5.1: the timestamp goes on as the clock does, from the newest one.
                let (newest, at) = self.newest.unwrap_or((packet.timestamp, packet.arrival));
                let pause = packet.arrival.saturating_duration_since(at);
                let micros = (pause.as_micros() as u64).min(MAX_PAUSE_SECONDS * 1_000_000);
                let ticks = micros * u64::from(self.clock_rate) / 1_000_000;
                let timestamp = newest.wrapping_add((ticks as u32 & 0x7FFF_FFFF).max(1));
                let out = turn.numbers.highest_out().wrapping_add(1);
                let numbers = Numbers::new(PACKETS, packet.sequence, out, 0);
                (numbers, Pictures::new(self.format, Some(turn.pictures.ends())), timestamp)
            }
        };
        let timestamp_shift = timestamp.wrapping_sub(packet.timestamp);
        let turn = Turn { source: packet.source, numbers, pictures, timestamp_shift };
        self.previous = self.current.replace(turn);
    }
}
