//! Parity that comes for one stream of the peer. Nothing is kept until the first comes, and nothing any more once none has
//! come for a while.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use peerage_rtp::repair::{FecDecoder, FecFormat};
use peerage_rtp::{ExtensionMap, RtpPacket, SequenceNumber, Ssrc};

/// Packets are not kept for parity any longer once none has come for so long ...
const IDLE: Duration = Duration::from_secs(10);
/// ... and after this time they make room for those of a stream of which some comes.
pub(super) const YIELDS: Duration = Duration::from_secs(1);
/// Recovered numbers that are remembered where no generator of NACKs knows what came.
const REMEMBERED: usize = 64;

/// What is counted of parity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FecCounters {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) discarded: u64,
    /// The source of FlexFEC.
    pub(crate) ssrc: Option<u32>,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::rtp) struct FecReceiver {
    decoder: Option<Box<FecDecoder>>,
    format: Option<FecFormat>,
    last: Option<Instant>,
    /// The newest packet of the media when the decoder was made: what is older it does not know.
    begin: Option<SequenceNumber>,
    recovered: VecDeque<SequenceNumber>,
    counters: FecCounters,
}

impl FecReceiver {
    /// Whether packets are kept.
    pub(in crate::rtp) fn is_active(&self) -> bool {
        self.decoder.is_some()
    }

    /// Begins to keep packets. `newest` is the newest that came.
    pub(in crate::rtp) fn begin(
        &mut self,
        format: FecFormat,
        ssrc: Ssrc,
        newest: Option<SequenceNumber>,
        map: &ExtensionMap,
    ) {
        self.end();
        let mut decoder = Box::new(FecDecoder::new(format, ssrc));
        decoder.set_extensions(map);
        self.decoder = Some(decoder);
        (self.format, self.begin, self.last) = (Some(format), newest, None);
    }

    /// Follows what header extensions are agreed on now: both ends take the same bytes as zero.
    pub(in crate::rtp) fn set_extensions(&mut self, map: &ExtensionMap) {
        if let Some(decoder) = &mut self.decoder {
            decoder.set_extensions(map);
        }
    }

    /// Keeps packets no longer.
    pub(in crate::rtp) fn end(&mut self) {
        if let Some(decoder) = self.decoder.take() {
            self.counters.discarded += decoder.fec_discarded();
        }
        self.recovered.clear();
    }

    /// Whether no parity has come for so long that packets need not be kept.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now.saturating_duration_since(last) > IDLE)
    }

    /// When parity came that could be read, last.
    pub(super) fn last(&self) -> Option<Instant> {
        self.last
    }

    /// Takes a packet of media. False if parity has come to its end.
    pub(in crate::rtp) fn media(&mut self, now: Instant, packet: &RtpPacket<'_>) -> bool {
        if self.is_idle(now) {
            self.end();
            return false;
        }
        if let Some(decoder) = &mut self.decoder {
            decoder.media(packet);
        }
        true
    }

    /// Takes a parity packet; `payload` is the parity.
    pub(in crate::rtp) fn parity(
        &mut self,
        now: Instant,
        format: FecFormat,
        packet: &RtpPacket<'_>,
        payload: &[u8],
    ) {
        // While one format is in use the other is not taken: a peer could have decoders made anew by taking turns.
        let decoder = self.decoder.as_mut().filter(|_| self.format == Some(format));
        match decoder.map(|decoder| decoder.fec(packet, payload)) {
            Some(Ok(())) => self.last = Some(now),
            _ => self.counters.discarded += 1,
        }
    }

    /// Counts a parity packet, whatever becomes of it.
    pub(in crate::rtp) fn count(&mut self, payload_len: usize, source: Option<Ssrc>) {
        self.counters.packets += 1;
        self.counters.bytes += payload_len as u64;
        self.counters.ssrc = source.map(|ssrc| ssrc.0).or(self.counters.ssrc);
    }

    /// Appends a recovered packet, if there is one.
    pub(in crate::rtp) fn poll(&mut self, out: &mut Vec<u8>) -> bool {
        self.decoder.as_mut().is_some_and(|decoder| decoder.poll_recovered(out))
    }

    /// Notes a recovered packet that is about to go on. False if it may have come by itself, or was here already; asked
    /// where no generator of NACKs knows better.
    pub(in crate::rtp) fn note(&mut self, number: SequenceNumber) -> bool {
        let before = self.begin.is_none_or(|begin| !number.is_newer_than(begin));
        if before || self.was_recovered(number) {
            return false;
        }
        if self.recovered.len() == REMEMBERED {
            self.recovered.pop_front();
        }
        self.recovered.push_back(number);
        true
    }

    /// Whether a packet that comes by itself was recovered before; known only where [`note`](Self::note) is asked.
    pub(in crate::rtp) fn was_recovered(&self, number: SequenceNumber) -> bool {
        self.recovered.contains(&number)
    }

    pub(in crate::rtp) fn counters(&self) -> FecCounters {
        let discarded = self.decoder.as_ref().map_or(0, |decoder| decoder.fec_discarded());
        FecCounters { discarded: self.counters.discarded + discarded, ..self.counters }
    }
}
