//! Streams as the reports of [`crate::stats`] are made of them, and who is heard in them.

use std::time::{Duration, Instant};

use peerage_rtp::rtcp::SenderInfo;

use super::counters::{InboundCounters, OutboundCounters, PacketReports, RoundTrips};
use super::fec::FecCounters;
use super::sources::{Heard, Sources};
use super::{ReceiveStream, RtpTransport};
use crate::transceiver::TransceiverHandle;

/// A stream of the peer.
#[derive(Debug)]
pub(crate) struct Inbound<'a> {
    pub(crate) serial: u64,
    pub(crate) ssrc: u32,
    pub(crate) transceiver: TransceiverHandle,
    pub(crate) payload_type: Option<u8>,
    pub(crate) has_rtx: bool,
    /// Frames are not assembled: the application takes packets.
    pub(crate) gives_packets: bool,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) header_bytes: u64,
    pub(crate) packets_lost: i64,
    pub(crate) jitter: Duration,
    pub(crate) last_packet: Option<Instant>,
    pub(crate) packets_discarded: u64,
    pub(crate) frames_received: u64,
    pub(crate) frames_dropped: u64,
    pub(crate) frames_per_second: usize,
    pub(crate) sender_report: Option<(Instant, SenderInfo)>,
    pub(crate) sender_reports: u64,
    /// Packets and bytes that the peer has sent, by its reports.
    pub(crate) sender_counts: (u64, u64),
    pub(crate) round_trips: RoundTrips,
    pub(crate) fec: FecCounters,
    pub(crate) counters: &'a InboundCounters,
}

/// A stream of ours.
#[derive(Debug)]
pub(crate) struct Outbound<'a> {
    pub(crate) ssrc: u32,
    pub(crate) transceiver: TransceiverHandle,
    pub(crate) encoding: usize,
    pub(crate) payload_type: Option<u8>,
    pub(crate) clock_rate: Option<u32>,
    pub(crate) rtx_ssrc: Option<u32>,
    pub(crate) first_sequence: u16,
    pub(crate) frames_per_second: usize,
    /// Where the peer reports by stream.
    pub(crate) reports: Option<PacketReports>,
    pub(crate) counters: &'a OutboundCounters,
}

impl RtpTransport {
    /// All streams of the peer.
    pub(crate) fn inbound(&self, now: Instant) -> impl Iterator<Item = Inbound<'_>> {
        self.receivers.iter().map(move |stream| stream.snapshot(now))
    }

    /// All streams of ours, those that are held included.
    pub(crate) fn outbound(&self, now: Instant) -> impl Iterator<Item = Outbound<'_>> {
        let reports = |ssrc| self.rate.as_ref().and_then(|rate| rate.packet_reports(ssrc));
        let streams = self.senders.iter().chain(&self.paused);
        streams.map(move |stream| stream.snapshot(now, reports(stream.ssrc())))
    }

    /// The sources of a transceiver's streams heard of late, in no order that means anything.
    pub(crate) fn synchronization_sources(
        &self,
        now: Instant,
        transceiver: TransceiverHandle,
    ) -> Vec<Heard> {
        let heard = self.sources_of(transceiver).filter_map(Sources::own);
        heard.filter(|heard| heard.is_recent(now)).collect()
    }

    /// The sources that contributed to a transceiver's streams of late, each once, in no order that means anything.
    pub(crate) fn contributing_sources(
        &self,
        now: Instant,
        transceiver: TransceiverHandle,
    ) -> Vec<Heard> {
        let mut all: Vec<Heard> = Vec::new();
        for heard in self.sources_of(transceiver).flat_map(Sources::contributing) {
            match all.iter_mut().find(|known| known.source == heard.source) {
                Some(known) if known.at < heard.at => *known = *heard,
                Some(_) => {}
                None if heard.is_recent(now) => all.push(*heard),
                None => {}
            }
        }
        all
    }

    fn sources_of(&self, transceiver: TransceiverHandle) -> impl Iterator<Item = &Sources> {
        let of = move |stream: &&ReceiveStream| stream.transceiver() == transceiver;
        self.receivers.iter().filter(of).map(|stream| &stream.sources)
    }
}
